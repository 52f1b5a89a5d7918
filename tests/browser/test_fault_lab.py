"""The fault lab in a browser: a fault is found, given its figures, and run on the bench to its ending in words."""

import re

import pytest
from playwright.sync_api import Page, expect

from playground.faults import DESCRIPTIONS
from tests.browser.bench import Bench
from tests.browser.serving import ROOT

pytestmark = pytest.mark.browser


def lab(bench: Bench) -> Page:
    return followed(bench.open())


def followed(bench: Bench) -> Page:
    bench.page.get_by_test_id("stSidebarNav").get_by_role("link", name=re.compile("Fault lab|故障")).evaluate("link => link.click()")
    expect(bench.page.get_by_role("button", name=re.compile("Open on the bench|工作台"))).to_be_visible()
    expect(bench.page.get_by_test_id("stRadio").get_by_role("radio")).to_have_count(len(DESCRIPTIONS))
    bench.settled()
    return bench.page


def choose(bench: Bench, title: str) -> None:
    bench.page.get_by_role("radio", name=title, exact=True).check(force=True)
    expect(bench.page.get_by_role("heading", level=5)).to_contain_text(title.split("_")[0])
    bench.settled()


def figure(bench: Bench, label: str, value: str) -> None:
    box = bench.page.get_by_role("spinbutton", name=label)
    box.fill(value)
    box.press("Tab")
    bench.settled()


def opened(bench: Bench, title: str) -> Bench:
    bench.page.get_by_role("button", name="Open on the bench").click()
    expect(bench.page.get_by_role("heading", level=1)).to_have_count(0)
    bench.ready()
    expect(bench.page.get_by_test_id("stSelectbox").get_by_role("combobox").first).to_have_value(f"● {title} · Fault lab")
    return bench


def test_a_fault_with_figures_runs_with_them(visit):
    bench = visit()
    lab(bench)
    choose(bench, "long_C_R")
    figure(bench, "C: characters", "300")
    figure(bench, "R: events a second", "0")
    expect(bench.page.get_by_role("heading", level=5)).to_have_text("long_300_0")
    opened(bench, "long_300_0").run().wait_ended()
    assert (bench.ending(), len(bench.answer_text())) == ("Finished", 300)


def test_any_code_of_the_table_can_be_answered(visit):
    bench = visit()
    page = lab(bench)
    choose(bench, "error_code_N")
    box = page.get_by_role("combobox").first
    box.click()
    box.fill("336501")
    page.get_by_role("option", name=re.compile("^336501")).click()
    bench.settled()
    opened(bench, "error_code_336501").run().wait_ended()
    assert bench.ending() == "Failed" and "code 336501" in bench.note.inner_text() and "this minute" in bench.note.inner_text()


def test_a_fault_is_found_as_one_types(visit):
    bench = visit()
    page = lab(bench)
    listed = page.get_by_test_id("stRadio").get_by_role("radio")
    page.get_by_role("searchbox").press_sequentially("bell")
    expect(page.get_by_text("Nothing here holds “bell”.")).to_be_visible()
    page.get_by_role("searchbox").fill("gateway")
    expect(listed).to_have_count(1)
    bench.settled()
    opened(bench, "html_502").run().wait_ended()
    assert "HTTP status 502" in bench.note.inner_text()


def test_the_page_is_not_there_unless_it_is_switched_on(visit, serve):
    bench = visit(serve()).open()
    links = bench.page.get_by_test_id("stSidebarNav").get_by_role("link")
    expect(links.filter(has_text="Reference")).to_have_count(1)
    expect(links.filter(has_text="Fault lab")).to_have_count(0)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize(("width", "scheme"), [(1360, "light"), (390, "dark")])
def test_nothing_reaches_beyond_the_page(visit, width: int, locale: str, scheme: str):
    bench = visit(viewport={"width": width, "height": 860}, locale=locale, color_scheme=scheme)
    page = lab(bench)
    assert page.evaluate("(main => main.scrollWidth <= main.clientWidth)(document.querySelector('[data-testid=stMain]'))")
    expect(page.get_by_test_id("stNumberInput")).to_be_visible()
    page.screenshot(path=ROOT / "build" / "screenshots" / f"fault-lab-{width}-{locale}-{scheme}.png")
