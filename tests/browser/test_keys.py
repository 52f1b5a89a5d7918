"""The keyboard: what runs, what only types, and what must not be heard at all."""

import pytest
from playwright.sync_api import expect

from tests.browser.bench import Bench
from tests.browser.emulator_log import EmulatorLog

pytestmark = pytest.mark.browser


def test_ctrl_enter_runs_with_what_was_just_typed(bench: Bench):
    bench.fault("echo").type_prompt("")
    bench.prompt.focus()
    bench.page.keyboard.type("typed a moment ago")
    bench.page.keyboard.press("Control+Enter")
    bench.wait_ended()
    assert bench.echoed()["body"]["prompt"] == "typed a moment ago"


def test_enter_alone_begins_a_new_line(bench: Bench, emulator: EmulatorLog):
    bench.fault("echo").type_prompt("one")
    bench.prompt.press("End")
    bench.page.keyboard.press("Enter")
    bench.page.keyboard.type("two")
    assert bench.prompt.input_value() == "one\ntwo"
    bench.page.keyboard.press("Control+Enter")
    bench.wait_ended()
    assert bench.echoed()["body"]["prompt"] == "one\ntwo"
    assert len(emulator.entries()) == 1


def test_ctrl_enter_from_a_box_takes_the_value_just_typed(bench: Bench):
    bench.fault("echo").toggle("temperature").add_stop("old")
    bench.box("temperature").fill("0.33")
    bench.page.keyboard.press("Control+Enter")
    bench.wait_ended()
    assert bench.echoed()["body"]["temperature"] == 0.33
    bench.stops().first.fill("new")
    bench.page.keyboard.press("Control+Enter")
    expect(bench.answer).to_contain_text("new")
    bench.wait_ended()
    assert bench.echoed()["body"]["stop"] == ["new"]


def test_esc_in_a_box_stops_too_and_in_an_open_list_only_closes_it(bench: Bench):
    bench.fault("slow").toggle("temperature").run().wait_streaming("Drop 1 ")
    box = bench.page.get_by_role("combobox").first
    box.click()
    expect(bench.page.get_by_role("listbox")).to_be_visible()
    bench.page.keyboard.press("Escape")
    expect(bench.page.get_by_role("listbox")).to_have_count(0)
    bench.wait_streaming("Drop 3 ")
    expect(bench.go).to_contain_text("Stop")
    bench.box("temperature").press("Escape")
    bench.wait_ended()
    assert bench.ending() == "Stopped"


def test_ctrl_enter_twice_asks_once(bench: Bench, emulator: EmulatorLog):
    bench.fault("slow").prompt.focus()
    bench.page.keyboard.press("Control+Enter")
    bench.page.keyboard.press("Control+Enter")
    bench.wait_streaming("Drop 2 ").stop().wait_ended()
    assert len(emulator.entries()) == 1


def test_streamlits_own_keys_are_not_heard_in_the_prompt(bench: Bench):
    bench.fault("echo").type_prompt("")
    bench.prompt.focus()
    bench.page.keyboard.type("rocket and car c r")
    bench.run().wait_ended()
    assert bench.echoed()["body"]["prompt"] == "rocket and car c r"
    expect(bench.page.get_by_role("dialog")).to_have_count(0)


def test_an_input_methods_enter_does_not_run(bench: Bench, emulator: EmulatorLog):
    bench.fault("echo").type_prompt("")
    bench.prompt.focus()
    wire = bench.page.context.new_cdp_session(bench.page)
    for text in ("n", "ni", "nihao"):
        wire.send("Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)})
    for modifiers in (0, 2):
        for kind in ("rawKeyDown", "keyUp"):
            key = {"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229, "modifiers": modifiers}
            wire.send("Input.dispatchKeyEvent", key)
    wire.send("Input.insertText", {"text": "你好"})
    assert bench.prompt.input_value() == "你好"
    expect(bench.state).to_have_text("Ready")
    bench.page.keyboard.press("Control+Enter")
    bench.wait_ended()
    assert bench.echoed()["body"]["prompt"] == "你好"
    assert len(emulator.entries()) == 1


def test_esc_without_a_run_does_nothing(bench: Bench, emulator: EmulatorLog):
    bench.prompt.press("Escape")
    expect(bench.state).to_have_text("Ready")
    assert emulator.entries() == []
