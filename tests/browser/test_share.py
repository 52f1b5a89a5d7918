"""Sharing between two visitors: a set-up in a link, and a snapshot that is opened, run again, taken over and revoked."""

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from playground.setup_link import Setup, write_setup
from tests.browser.bench import Bench
from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DEEP_LINK = ("Failed to load resource",)  # Streamlit asks for its health below a page's own address first
PROMPT = "Introduce the city Beijing"


def share(bench: Bench, what: str) -> None:
    """Open the menu at one of its parts."""
    bench.page.get_by_role("button", name="Share", exact=True).click()
    bench.page.get_by_role("dialog").get_by_role("radio", name=what).click()
    bench.settled()


def link_in(page: Page) -> str:
    """The link in the menu."""
    code = page.get_by_role("dialog").get_by_test_id("stCode").first
    expect(code).to_contain_text("http")
    return code.inner_text().replace("\n", "").strip()


def set_up_link(bench: Bench) -> str:
    share(bench, "This set-up")
    link = link_in(bench.page)
    bench.page.keyboard.press("Escape")
    return link


def snapshot_link(bench: Bench, title: str) -> str:
    share(bench, "This answer")
    box = bench.page.get_by_placeholder("Title, for the page and its preview")
    box.fill(title)
    box.press("Tab")
    bench.page.get_by_role("button", name="Make the link").click()
    link = link_in(bench.page)
    bench.page.keyboard.press("Escape")
    expect(bench.page.get_by_role("dialog")).to_have_count(0)
    return link


def opened(bench: Bench, link: str) -> Bench:
    """Follow a link to a snapshot."""
    bench.page.goto(link)
    expect(bench.page.get_by_role("button", name="Open in my form")).to_be_visible()
    bench.wait_ended().settled()
    return bench


def test_a_set_up_link_fills_the_form_of_who_opens_it_and_no_server_is_told_of_it(visit: Visit):
    one, other = visit().open(), visit()
    prompt = one.type_prompt("写一首关于北京的诗。\n 0% \"quoted\" ")
    one.choose("StableLM-Alpha-7B").toggle("top_p").typed("top_p", "0").toggle("temperature").typed("temperature", "0.35").add_stop("\\n\\n结束")
    one.switch_stream()
    link = set_up_link(one)
    asked: list[str] = []
    other.page.on("request", lambda request: asked.append(request.url))
    other.page.goto(link)
    other.ready()
    expect(other.page.get_by_text("The set-up of the link is in the form. Nothing was sent.")).to_be_visible()
    expect(other.prompt).to_have_value(prompt)
    expect(other.box("top_p")).to_have_value("0.00")
    expect(other.box("temperature")).to_have_value("0.35")
    expect(other.box("top_k")).to_be_disabled()
    expect(other.stops()).to_have_value("\\n\\n结束")
    expect(other.page.get_by_role("switch", name="Stream the answer").or_(other.page.get_by_label("Stream the answer")).first).not_to_be_checked()
    expect(other.page).to_have_url(other.url + "/")
    packed = link.partition("#setup=")[2]
    assert packed and not [url for url in asked if packed[:20] in url.partition("#")[0]]
    other.sheet.locator(".undo").click()
    expect(other.prompt).not_to_have_value(prompt)
    expect(other.box("top_p")).to_be_disabled()


def test_a_link_asks_before_it_replaces_what_was_typed_and_what_was_typed_before_a_reload(visit: Visit):
    bench = visit().open()
    mine = bench.type_prompt("My own words")
    bench.settled()
    link = f"{bench.url}/#setup={write_setup(Setup(prompt='Theirs', parameters={'top_k': 3, 'x': 1}, endpoint='recorded/yi_34b'))}"
    bench.page.goto(link)
    question = bench.page.get_by_text("The link brings another set-up")
    expect(question).to_be_visible()
    expect(bench.prompt).to_have_value(mine)
    bench.page.get_by_role("button", name="Keep mine").click()
    expect(question).to_have_count(0)
    bench.page.reload()
    bench.ready()
    bench.page.goto("about:blank")
    bench.page.goto(link)
    bench.ready()
    expect(question).to_be_visible()
    expect(bench.prompt).to_have_value(mine)
    bench.page.get_by_role("button", name="Use it").click()
    expect(bench.prompt).to_have_value("Theirs")
    expect(bench.page.get_by_text("Not a parameter of this endpoint, left out: x.").first).to_be_visible()  # twice while the sheet is drawn anew
    bench.page.get_by_role("button", name="Put back what was there").click()
    expect(bench.prompt).to_have_value(mine)


@pytest.mark.parametrize("broken", ["%%%", "AAAA", "a" * 300_000], ids=["no base64", "nothing", "huge"])
def test_a_broken_link_says_so_and_changes_nothing(visit: Visit, broken: str):
    bench = visit()
    bench.page.goto(f"{bench.url}/#setup={broken}")
    bench.ready()
    expect(bench.page.get_by_text("holds no set-up that can be read")).to_be_visible()
    expect(bench.prompt).to_have_value(PROMPT)


def test_a_set_up_too_long_for_a_link_gets_a_short_one(visit: Visit):
    one, other = visit().open(), visit()
    text = "".join(chr(0x4E00 + (number * 7919) % 20000) for number in range(9000))
    one.type_prompt(text)
    one.page.wait_for_timeout(600)
    share(one, "This set-up")
    one.page.get_by_role("button", name="Make a short link").click()
    link = link_in(one.page)
    assert re.fullmatch(re.escape(one.url) + "/s/[0-9a-f]{32}", link)
    other.page.goto(link)
    other.ready()
    expect(other.prompt).to_have_value(text)
    expect(other.page).to_have_url(other.url + "/")


def test_a_snapshot_opened_by_another_is_the_same_until_it_is_revoked(visit: Visit):
    one, other = visit().open(), visit(expects=DEEP_LINK)
    one.choose("Yi-34B").toggle("temperature").typed("temperature", "0.9").add_stop("\\n\\n中文")
    one.type_prompt(PROMPT)
    one.run_anew().wait_ended()
    text, status = one.answer_text(), one.status_text()
    link = snapshot_link(one, 'Beijing <b>"in one" answer')
    opened(other, link)
    assert (other.answer_text(), other.status_text()) == (text, status)
    expect(other.prompt).to_have_value(PROMPT)
    expect(other.page).to_have_title('Beijing <b>"in one" answer')
    cells = other.page.get_by_role("table").get_by_role("cell").all_inner_texts()
    assert cells == ["temperature", "0.9", "stop", "⏎⏎中文", "stream", "true"]
    assert "14 sentences" in status and "6 + 372 = 378 tokens" in status and "input safe" in status

    other.page.get_by_role("button", name="Run again").click()
    expect(other.page.get_by_text("The texts are the same, letter by letter.")).to_be_visible()
    expect(other.answer).to_have_count(2)
    assert other.answer.nth(1).evaluate("element => element.textContent") == text
    other.page.get_by_role("button", name="Open in my form").click()
    expect(other.go).to_have_count(1)
    other.ready()
    expect(other.box("temperature")).to_have_value("0.90")

    one.page.get_by_role("button", name="Share", exact=True).click()
    one.page.get_by_role("dialog").get_by_role("radio", name="My links").click()
    expect(one.page.get_by_text("opened once")).to_be_visible()
    one.page.get_by_role("button", name="Revoke", exact=True).click()
    one.page.get_by_role("button", name="Revoke it").click()
    expect(one.page.get_by_role("dialog").get_by_text("revoked")).to_be_visible()
    answer = other.page.goto(link)
    assert answer is not None and answer.status == 410
    expect(other.page.get_by_text("This link was revoked by whoever made it.")).to_be_visible()
    other.page.goto(f"{other.url}/snapshot?id={link[-32:]}")
    expect(other.page.get_by_text("This link was revoked, or its time is over.")).to_be_visible()
    assert requests.get(link, timeout=10).status_code == 410


def test_a_snapshot_of_what_was_cut_looks_cut(visit: Visit):
    one, other = visit().open(), visit(expects=DEEP_LINK)
    one.fault("cut_mid_event").run_anew().wait_ended()
    note, text, badges = one.note.inner_text(), one.answer_text(), one.badges.all_inner_texts()
    opened(other, snapshot_link(one, ""))
    assert (other.note.inner_text(), other.answer_text(), other.badges.all_inner_texts()) == (note, text, badges)
    expect(other.state).to_have_text("End not confirmed")
    expect(other.page).to_have_title(PROMPT)
