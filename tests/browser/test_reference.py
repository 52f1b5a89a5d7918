"""The reference in a browser: found as one types, tried on the bench, and within the page on a phone, in either theme and language."""

import re

import pytest
from playwright.sync_api import Page, expect

from playground.examples import EXAMPLES
from tests.browser.bench import Bench
from tests.browser.serving import ROOT

pytestmark = pytest.mark.browser
WIDE, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


def reference(bench: Bench, name: str | re.Pattern[str] = "Reference") -> Page:
    bench.open().page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).evaluate("link => link.click()")
    expect(bench.page.get_by_role("heading", level=1)).to_have_text(name)
    expect(bench.page.locator(".reference table").last).to_be_attached()
    bench.settled()
    return bench.page


def back_on_the_bench(bench: Bench) -> Bench:
    expect(bench.page.get_by_role("heading", level=1)).to_have_count(0)
    return bench.ready()


def test_a_search_narrows_every_section_as_one_types(visit):
    page = reference(visit())
    search, rows = page.get_by_role("searchbox"), page.locator(".reference tr")
    whole = rows.count()
    assert whole > 90
    search.press_sequentially("336007")
    expect(rows).to_have_count(2)
    expect(rows.locator("mark").first).to_have_text("336007")
    expect(page.get_by_role("heading", name="Authentication")).to_have_count(0)
    search.press_sequentially("xyz")
    expect(page.get_by_text("Nothing here holds “336007xyz”.")).to_be_visible()
    expect(rows).to_have_count(0)
    search.fill("")
    expect(rows).to_have_count(whole)


def test_a_heading_of_the_contents_leads_to_its_section(visit):
    page = reference(visit())
    open_before = page.context.pages
    page.get_by_role("link", name="Error codes").click()
    expect(page.get_by_role("heading", name="Error codes")).to_be_in_viewport()
    assert page.context.pages == open_before


@pytest.mark.parametrize(("way", "sentences"), [("In one piece", None), ("Streamed", "14 sentences")])
def test_a_documented_example_runs_and_is_answered_as_documented(visit, way: str, sentences: str | None):
    bench = visit()
    page = reference(bench)
    page.get_by_role("radio", name="Yi-34B").or_(page.get_by_role("button", name="Yi-34B", exact=True)).first.click()
    bench.settled()
    page.get_by_text(way, exact=True).click()
    bench.settled()
    page.get_by_role("button", name="Try it").click()
    back_on_the_bench(bench)
    expect(bench.prompt).to_have_value(EXAMPLES["yi_34b"].prompt)
    bench.run().wait_ended()
    assert bench.ending() == "Finished"
    example = EXAMPLES["yi_34b"]
    assert bench.answer_text() == ("".join(event["result"] for event in example.stream) if sentences else example.single["result"])
    assert sentences is None or sentences in bench.status_text()


def test_a_parameter_is_tried_on_the_bench(visit):
    bench = visit()
    page = reference(bench)
    page.get_by_role("button", name="penalty_score").click()
    back_on_the_bench(bench)
    expect(bench.box("penalty_score")).to_be_enabled()
    expect(bench.box("penalty_score")).to_have_value("1.10")
    expect(bench.box("temperature")).to_be_disabled()


@pytest.mark.parametrize(("locale", "name"), [("en-US", "Reference"), ("zh-CN", re.compile("参考|Reference"))], ids=["English", "Chinese"])
@pytest.mark.parametrize(("window", "scheme"), [(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
def test_nothing_reaches_beyond_the_page(visit, window: dict[str, int], locale: str, name: str | re.Pattern[str], scheme: str):
    bench = visit(viewport=window, locale=locale, color_scheme=scheme)
    page = reference(bench, name)
    for wire in ("Qianfan", "OpenAI"):
        if wire == "OpenAI":
            page.get_by_text(re.compile("OpenAI-compatible|OpenAI 兼容")).first.click()
            expect(page.get_by_text("llama.cpp", exact=True)).to_be_visible()
            bench.settled()
        over = page.evaluate(
            "() => [...document.querySelectorAll('[data-testid=stMain], .reference, .reference *')].filter(one => one.scrollWidth > one.clientWidth + 1"
            " && getComputedStyle(one).display !== 'inline').map(one => one.outerHTML.slice(0, 120))"
        )
        assert over == []
        page.screenshot(path=ROOT / "build" / "screenshots" / f"reference-{wire}-{window['width']}-{locale}-{scheme}.png")
    first, last = page.locator(".reference tr").first, page.locator(".reference tr").first.locator("td").last
    beside = last.bounding_box()["y"] - first.bounding_box()["y"] < 20
    assert beside == (window is WIDE), "columns side by side where there is room, else one below the other"
