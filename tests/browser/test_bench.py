"""The bench itself: go on from an answer, back and forth between answers, a whole session by keyboard, loops, marks, presets."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.bench import Bench
from tests.browser.conftest import Visit
from tests.browser.emulator_log import EmulatorLog

pytestmark = pytest.mark.browser
FIRST = re.compile("^1 of ")


def stand(bench: Bench, words: str) -> None:
    """Wait until the pager says which answer is shown."""
    expect(bench.sheet.locator(".standing")).to_have_text(words)
    bench.settled()


def test_continue_sends_prompt_and_answer_as_one_and_undo_goes_back(bench: Bench):
    bench.fault("echo").type_prompt("Say: ")
    bench.run().wait_ended()
    first = bench.answer_text()
    bench.sheet.locator(".onward").click()
    stand(bench, "2 of 2")
    bench.wait_ended()
    assert bench.echoed()["body"]["prompt"] == "Say: " + first
    assert bench.prompt.input_value() == "Say: " + first
    bench.sheet.locator(".undo").click()
    stand(bench, "1 of 2")
    expect(bench.answer).to_have_text(first)
    assert bench.prompt.input_value() == "Say: "
    bench.sheet.locator(".undo").click()
    stand(bench, "0 of 2")
    expect(bench.answer).to_be_empty()
    bench.sheet.locator(".redo").click()
    stand(bench, "1 of 2")
    expect(bench.answer).to_have_text(first)


def test_run_again_keeps_every_answer_in_reach(bench: Bench, emulator: EmulatorLog):
    bench.choose("Cerebras-GPT-6.7B")
    bench.run().wait_ended()
    expect(bench.go).to_contain_text("Run again")
    bench.choose("StableLM-Alpha-7B")
    bench.go.click()
    stand(bench, "2 of 2")
    bench.wait_ended()
    expect(bench.answer).to_contain_text("Beijing is the capital")
    bench.sheet.locator(".undo").click()
    stand(bench, "1 of 2")
    expect(bench.answer).to_contain_text("beijing is the capital")


def test_what_was_typed_after_an_answer_is_not_lost_by_undo(bench: Bench):
    bench.fault("echo").type_prompt("one")
    bench.run().wait_ended()
    bench.type_prompt("two, not run yet")
    bench.sheet.locator(".undo").click()
    expect(bench.prompt).to_have_value("one")
    stand(bench, "0 of 1")
    bench.sheet.locator(".redo").click()
    stand(bench, "1 of 1")
    bench.sheet.locator(".redo").click()
    expect(bench.prompt).to_have_value("two, not run yet")


def test_a_whole_session_by_keyboard_alone(visit: Visit):
    """Type, tune, run, stop, undo, and copy the code, without a mouse."""
    bench = visit()
    bench.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    bench.open().fault("slow")
    keys, page = bench.page.keyboard, bench.page
    bench.prompt.focus()
    keys.press("Control+a")
    keys.type("By keyboard")
    switch = page.get_by_role("switch", name="temperature").or_(page.get_by_role("checkbox", name="temperature")).first
    switch.focus()
    keys.press("Space")
    expect(bench.box("temperature")).to_be_enabled()
    bench.slider("temperature").focus()
    keys.press("ArrowRight")
    expect(bench.box("temperature")).to_have_value("0.71")
    bench.settled()
    bench.prompt.focus()
    keys.press("Control+Enter")
    bench.wait_streaming("Drop 1 ")
    keys.press("Escape")
    bench.wait_ended()
    assert bench.ending() == "Stopped"
    bench.prompt.focus()
    keys.press("Control+z")
    stand(bench, "0 of 1")
    keys.press("Control+y")
    stand(bench, "1 of 1")
    tab = page.get_by_role("radio", name="Code").or_(page.get_by_role("button", name="Code", exact=True)).first
    tab.focus()
    keys.press("Enter")
    code = page.get_by_test_id("stCode").filter(has_text="curl").first
    expect(code).to_contain_text("0.71")
    bench.settled()
    code.focus()
    for _ in range(3):  # a block that scrolls is a stop of its own on the way to its button
        page.wait_for_timeout(200)
        if page.evaluate("document.activeElement.tagName") != "BUTTON":
            keys.press("Tab")
    keys.press("Enter")
    page.wait_for_timeout(500)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "By keyboard" in copied and "0.71" in copied and "QIANFAN_AK" in copied


def test_a_loop_is_noticed_while_it_streams_and_stop_now_stops_it(bench: Bench):
    bench.fault("loop").run()
    note = bench.sheet.locator(".note.loop")
    expect(note).to_contain_text("times in a row")
    expect(note).to_contain_text("penalty_score")
    note.get_by_role("button", name="Stop now").click()
    bench.wait_ended()
    assert bench.ending() == "Stopped"


def test_the_stop_simulator_marks_the_last_answer_without_changing_it(bench: Bench):
    bench.choose("Yi-34B").run().wait_ended()
    whole = bench.answer_text()
    bench.add_stop(" 16,410")
    mark = bench.answer.locator("mark")
    expect(mark).to_have_text(" 16,410")
    expect(bench.group("stop")).to_contain_text("in sentence 5 (across a seam)")
    assert bench.answer_text() == whole
    bench.remove_stop(1)
    expect(mark).to_have_count(0)
    assert bench.answer_text() == whole


def test_the_exact_request_is_what_the_endpoint_receives(bench: Bench):
    bench.fault("echo").type_prompt("Exactly this\n")
    bench.toggle("top_p").typed("top_p", "0").add_stop("\\n\\n")
    bench.page.get_by_text("Exact request").click()
    shown = bench.page.get_by_test_id("stCode").filter(has_text="{").first
    expect(shown).to_contain_text("Exactly this")
    body = json.loads(shown.locator("code").inner_text())
    bench.run().wait_ended()
    assert bench.echoed()["body"] == body == {"prompt": "Exactly this\n", "top_p": 0.0, "stop": ["\n\n"], "stream": True}


def test_ones_own_presets_survive_a_new_session_in_the_same_browser(bench: Bench):
    bench.toggle("temperature").typed("temperature", "0.42")
    menu = bench.page.locator("[data-testid=stPopover] button").first
    menu.click()
    bench.page.get_by_placeholder("Name of a new preset").fill("mine")
    bench.page.get_by_placeholder("Name of a new preset").press("Tab")
    bench.settled()
    bench.page.get_by_role("button", name="Save as new").click()
    expect(bench.page.get_by_role("combobox", name="Preset")).to_have_value("mine")
    bench.settled()
    bench.open()
    mine = bench.page.get_by_role("option", name="mine")
    for _ in range(20):  # the browser hands over what it has kept a moment after the page is drawn
        bench.page.get_by_role("combobox", name="Preset").click()
        bench.page.wait_for_timeout(500)
        if mine.count():
            break
        bench.page.keyboard.press("Escape")
    mine.click()
    bench.settled()
    expect(bench.box("temperature")).to_have_value("0.42")


def test_monospace_and_wrap_are_remembered_and_change_no_text(bench: Bench):
    bench.choose("Cerebras-GPT-6.7B").run().wait_ended()
    whole = bench.answer_text()
    bench.page.get_by_role("button", name="Monospace").click()
    bench.page.get_by_role("button", name="Wrap lines").click()
    expect(bench.sheet).to_have_class(re.compile(r"\bmono\b"))
    assert bench.answer_text() == whole
    bench.page.reload()
    bench.ready()
    expect(bench.sheet).to_have_class(re.compile(r"\bmono\b"))
    expect(bench.sheet).not_to_have_class(re.compile(r"\bwrap\b"))
    expect(bench.answer).to_have_text(whole)


def test_what_was_typed_at_an_answer_survives_undo_redo_and_a_reload(bench: Bench):
    bench.fault("echo").type_prompt("one")
    bench.run().wait_ended()
    bench.type_prompt("two")
    bench.run().wait_ended()
    bench.sheet.locator(".undo").click()
    stand(bench, "1 of 2")
    bench.type_prompt("typed at the first")
    bench.sheet.locator(".redo").click()
    stand(bench, "2 of 2")
    bench.sheet.locator(".redo").click()
    expect(bench.prompt).to_have_value("typed at the first")
    bench.sheet.locator(".undo").click()
    stand(bench, "2 of 2")
    bench.type_prompt("typed at the second")
    bench.page.reload()
    bench.ready()
    expect(bench.prompt).to_have_value("typed at the second")


def test_the_language_can_be_switched_in_the_middle_of_a_run_and_everything_goes_on(bench: Bench):
    bench.fault("slow").run().wait_streaming("Drop 1 ")
    bench.page.get_by_text("Exact request").click()
    bench.page.get_by_text("中文").click()
    expect(bench.go).to_contain_text("停止")
    bench.wait_streaming("Drop 3 ")
    bench.go.click()
    bench.wait_ended()
    assert bench.ending() == "已停止"
    expect(bench.note).to_contain_text("。")
    expect(bench.page.get_by_role("combobox").first).to_have_value(re.compile("slow · 故障"))
    bench.page.get_by_text("English").click()
    expect(bench.note).to_have_text("Stopped by you.")
    bench.fault("echo").run()
    expect(bench.state).to_have_text("Finished")


def test_two_tabs_do_not_undo_each_others_presets(bench: Bench):
    other = Bench(bench.page.context.new_page(), bench.url).open()
    for tab, name in ((bench, "alpha"), (other, "beta")):
        tab.toggle("top_p")
        tab.page.locator("[data-testid=stPopover] button").first.click()
        box = tab.page.get_by_placeholder("Name of a new preset")
        box.fill(name)
        box.press("Tab")
        tab.page.get_by_role("button", name="Save as new").click()
        expect(tab.page.get_by_role("combobox", name="Preset")).to_have_value(name)
        tab.settled()
        other.page.wait_for_function("name => (localStorage.getItem('playground-presets') ?? '').includes(name)", arg=name)
    kept = json.loads(bench.page.evaluate("localStorage.getItem('playground-presets')"))
    assert [preset["name"] for preset in kept["presets"]] == ["alpha", "beta"]
