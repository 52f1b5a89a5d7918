"""Running: the answer grows on the page, and at its end it is the recording, character by character."""

import pytest
from playwright.sync_api import expect

from playground.examples import EXAMPLES
from tests.browser.bench import Bench
from tests.browser.emulator_log import EmulatorLog

pytestmark = pytest.mark.browser


def whole(name: str) -> str:
    return "".join(event["result"] for event in EXAMPLES[name].stream)


def test_the_answer_grows_sentence_by_sentence(staying: Bench, emulator: EmulatorLog):
    bench = staying.choose("Yi-34B").run_anew().wait_streaming("Beijing")
    begun = emulator.begun()
    assert begun["ending"] is None and begun["events_sent"] < 14
    assert bench.answer_text() != whole("yi_34b")
    assert "Stop" in bench.go.inner_text()
    bench.wait_ended()
    assert bench.answer_text() == whole("yi_34b")
    assert bench.ending() == "Finished"
    assert "14 sentences" in bench.status_text() and "6 + 372 = 378 tokens" in bench.status_text()
    assert "input safe" in bench.status_text() and "Yi-34B · Recorded answers" in bench.status_text()


@pytest.mark.parametrize(("title", "name"), [("Cerebras-GPT-6.7B", "cerebras_gpt_6_7b"), ("StableLM-Alpha-7B", "stablelm_alpha_7b")])
def test_leading_commas_and_line_ends_stay(staying: Bench, title: str, name: str):
    bench = staying.choose(title).run_anew().wait_ended()
    assert bench.answer_text() == whole(name)
    assert bench.answer_text().startswith(", ") and "\n" in bench.answer_text()
    assert "2 sentences" in bench.status_text() and "5 + 91 = 96 tokens" in bench.status_text()


def test_without_streaming_the_answer_comes_in_one_piece(bench: Bench):
    bench.choose("Cerebras-GPT-6.7B").switch_stream().run().wait_ended()
    assert bench.answer_text() == EXAMPLES["cerebras_gpt_6_7b"].single["result"]
    assert "1 sentence" in bench.status_text() and "5 + 92 = 97 tokens" in bench.status_text()


def test_the_table_lists_each_sentence_with_what_was_stated(staying: Bench):
    bench = staying.choose("Cerebras-GPT-6.7B").run_anew().wait_ended()
    bench.details("Sentences and usage")
    expect(bench.rows).to_have_count(2)
    assert "5 / 67 / 72" in bench.rows.nth(0).inner_text() and "5 / 24 / 96" in bench.rows.nth(1).inner_text()
    bench.details("Timeline")
    expect(bench.sheet.locator(".picture")).to_be_visible()
    expect(bench.rows).to_have_count(0)


def test_a_second_run_replaces_the_answer_and_a_changed_prompt_is_said(bench: Bench):
    bench.choose("StableLM-Alpha-7B").run().wait_ended()
    bench.type_prompt("Something else")
    expect(bench.status).to_contain_text("The prompt was changed after this answer.")
    bench.choose("Cerebras-GPT-6.7B").run()
    expect(bench.status).to_contain_text("Cerebras-GPT-6.7B")
    bench.wait_ended()
    assert bench.answer_text() == whole("cerebras_gpt_6_7b")
    assert "changed after" not in bench.status_text()


def test_the_answer_can_be_copied_whole(staying: Bench):
    bench = staying.choose("Cerebras-GPT-6.7B").run_anew().wait_ended()
    bench.page.get_by_role("button", name="Copy the answer").click()
    expect(bench.sheet.get_by_text("Copied")).to_be_attached()
    assert bench.page.evaluate("navigator.clipboard.readText()") == whole("cerebras_gpt_6_7b")
