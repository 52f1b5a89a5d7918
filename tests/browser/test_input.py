"""What is typed is what is sent, or is refused in words before anything is sent."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.bench import Bench
from tests.browser.emulator_log import EmulatorLog

pytestmark = pytest.mark.browser

PROMPTS = {
    "paragraphs": "First paragraph, with  two spaces.\n\n\tA tab before this one.\n\n\n  and blanks at the end  \n\n",
    "Chinese and emoji": "介绍一下北京。\n\n　全角空格；引号“” 👩‍🚀🇨🇳 é",
    "white space only": " \n\t\n ",
    "looks like code": "\\n is not a line end, {name} no place, $x$ and **bold** no markup, 100% \"quoted\" 'too' </textarea>",
}


@pytest.mark.parametrize("text", PROMPTS.values(), ids=list(PROMPTS))
def test_the_prompt_is_sent_as_it_was_typed(staying: Bench, text: str):
    bench = staying.fault("echo")
    bench.prompt.fill("")
    bench.prompt.focus()
    bench.page.keyboard.insert_text(text)
    bench.run_anew().wait_ended()
    assert bench.echoed()["body"] == {"prompt": text, "stream": True}
    assert bench.prompt.input_value() == text


def test_zero_is_sent_and_unset_is_absent(bench: Bench):
    bench.fault("echo").toggle("top_p").typed("top_p", "0").type_prompt("zero")
    bench.switch_stream().run().wait_ended()
    assert bench.echoed()["body"] == {"prompt": "zero", "top_p": 0.0, "stream": False}


def test_every_control_reaches_the_request(bench: Bench):
    bench.fault("echo")
    for name, value in (("temperature", "0.015"), ("top_p", "1"), ("top_k", "1000"), ("penalty_score", "1")):
        bench.toggle(name).typed(name, value)
    bench.add_stop("\\n\\n").add_stop(" END").add_stop("\\t").add_stop("。")
    bench.type_prompt("all of them")
    bench.run().wait_ended()
    assert bench.echoed()["body"] == {
        "prompt": "all of them", "temperature": 0.015, "top_p": 1.0, "top_k": 1000, "penalty_score": 1.0,
        "stop": ["\n\n", " END", "\t", "。"], "stream": True,
    }
    bench.toggle("top_k").remove_stop(2)
    bench.type_prompt("one fewer")
    bench.run()
    expect(bench.answer).to_contain_text("one fewer")
    bench.wait_ended()
    body = bench.echoed()["body"]
    assert "top_k" not in body and body["stop"] == ["\n\n", "\t", "。"]


def test_slider_and_box_stay_in_step(bench: Bench):
    bench.toggle("temperature")
    expect(bench.slider("temperature")).to_be_enabled()
    bench.slider("temperature").press("ArrowRight")
    expect(bench.box("temperature")).to_have_value("0.71")
    bench.typed("temperature", "0.2")
    expect(bench.slider("temperature")).to_have_value("0.2")
    expect(bench.group("temperature").get_by_role("slider")).to_have_count(1)
    expect(bench.group("temperature").get_by_role("textbox")).to_have_count(1)


def test_a_value_typed_in_haste_is_not_undone_by_the_slider(bench: Bench):
    bench.fault("echo").toggle("temperature")
    expect(bench.slider("temperature")).to_be_enabled()
    for value in ("0.11", "0.222", "0.33"):
        bench.box("temperature").fill(value)
        bench.box("temperature").press("Tab")
        bench.group("top_p").get_by_text("top_p", exact=True).first.click()
        bench.settled()
    expect(bench.box("temperature")).to_have_value("0.33")
    for _ in range(7):
        bench.slider("temperature").press("ArrowRight")
    expect(bench.box("temperature")).to_have_value("0.40")
    bench.run().wait_ended()
    assert bench.echoed()["body"]["temperature"] == 0.4


REFUSED = [
    ("temperature", "0", "must be greater than 0, at most 1"),
    ("temperature", "1.01", "must be greater than 0, at most 1"),
    ("temperature", "NaN", "finite number"),
    ("temperature", "inf", "finite number"),
    ("temperature", "abc", "“abc” is not a number"),
    ("temperature", "", "Type a value, or switch it off."),
    ("top_p", "-0.1", "must be from 0 to 1"),
    ("top_k", "0", "must be whole numbers from 1"),
    ("top_k", "2.5", "“2.5” is not a whole number"),
    ("penalty_score", "2.01", "must be from 1 to 2"),
]


def test_a_number_out_of_bounds_is_refused_beside_its_box_and_never_sent(bench: Bench, emulator: EmulatorLog):
    bench.fault("echo")
    on: set[str] = set()
    for name, value, words in REFUSED:
        if name not in on:
            bench.toggle(name)
            on.add(name)
        bench.typed(name, value)
        expect(bench.group(name)).to_contain_text(words)
        assert bench.box(name).input_value() == value, "what was typed is never changed"
        bench.run().wait_refused(re.compile(name if value else f"{name} is switched on but has no value"))
        bench.typed(name, "1")
        expect(bench.group(name)).not_to_contain_text(re.compile("Nothing is sent|Type a value"))
    assert emulator.entries() == []
    bench.run().wait_ended()
    expect(bench.refusal).to_be_empty()
    assert bench.echoed()["body"]["top_k"] == 1


REFUSED_STOPS = [
    ("x" * 21, "has 21 characters; at most 20"),
    ("", "is empty"),
    ("\\q", "is no escape"),
    ("\\ud800", "half a character"),
]


def test_a_stop_that_may_not_be_sent_is_refused_beside_its_box(bench: Bench, emulator: EmulatorLog):
    bench.fault("echo").add_stop("ok")
    bench.page.get_by_role("button", name="Add a stop sequence").click()
    expect(bench.stops()).to_have_count(2)
    for text, words in [*REFUSED_STOPS, ("ok", "is there already")]:
        box = bench.stops().nth(1)
        box.fill(text)
        box.press("Tab")
        expect(bench.group("stop")).to_contain_text(words)
        bench.settled()
        bench.run().wait_refused(words)
    assert emulator.entries() == []


def test_there_is_no_fifth_stop(bench: Bench):
    for text in "abcd":
        bench.add_stop(text)
    expect(bench.page.get_by_role("button", name="Add a stop sequence")).to_be_disabled()
    expect(bench.group("stop")).to_contain_text("4 / 4")


def test_an_empty_prompt_is_refused(bench: Bench, emulator: EmulatorLog):
    bench.fault("echo").type_prompt("")
    bench.run().wait_refused("The prompt is empty.")
    bench.type_prompt("not any more")
    expect(bench.refusal).to_be_empty()
    assert emulator.entries() == []


def test_a_megabyte_of_prompt_is_refused_and_kept(bench: Bench, emulator: EmulatorLog):
    bench.fault("echo")
    bench.prompt.evaluate(
        "element => { element.value = 'A sentence of thirty-two letters '.repeat(32768).slice(0, 2 ** 20); element.dispatchEvent(new Event('input')) }"
    )
    bench.run().wait_refused("The prompt has 1,048,576 characters; this endpoint takes at most 131,072.")
    assert bench.prompt.evaluate("element => element.value.length") == 2**20
    assert emulator.entries() == []


def test_markup_is_shown_as_text(bench: Bench):
    bench.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    asked: list[str] = []
    bench.page.on("request", lambda request: asked.append(request.url))
    text = bench.type_prompt('<img src=x onerror=alert(1)><script>alert(2)</script>![x](http://127.0.0.1/pixel)<svg onload="alert(3)">')
    bench.fault("echo").add_stop("<b>*x*")
    bench.run().wait_ended()
    assert bench.echoed()["body"]["prompt"] == text
    for name in ("Timeline", "Sentences and usage", "Wire"):
        bench.details(name)
        expect(bench.rows if name != "Timeline" else bench.sheet.locator(".findings")).not_to_have_count(0)
    assert bench.sheet.locator("img, script, [onload]").count() == 0
    assert bench.group("stop").locator("b, em").count() == 0
    assert not [url for url in asked if "pixel" in url or url.endswith("/x")]
