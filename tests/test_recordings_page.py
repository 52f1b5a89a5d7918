"""The page of recordings without a browser: what is opened, what it says of it, how it plays, what is saved, and what is asked again."""

import json
import statistics
import time
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from components.generations import Generation
from components.recording_shipped import shipped_recording
from playground.completion import CompletionRequest, Ending
from playground.examples import EXAMPLES
from playground.recording import event_lines, write_recording
from playground.run import Run
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Settings

PATIENCE = 30
YI = EXAMPLES["yi_34b"]
TEXT = "".join(event["result"] for event in YI.stream)
FILE = "".join(write_recording(shipped_recording("yi_34b")))
CURL = 'data: {"id":"as-1","result":" by","is_end":false}\n\ndata: {"id":"as-1","result":" the sea","is_end":true}\n\n'


@pytest.fixture
def service(emulator_url: str) -> Iterator[Service]:
    st.cache_resource.clear()
    yield open_service(Settings(values={}, fault_endpoints=True), emulator_url)
    close_service()


@pytest.fixture
def page(service: Service) -> AppTest:
    opened = AppTest.from_file(str(ROOT / "pages" / "recordings.py"), default_timeout=PATIENCE)
    opened.context = {"locale": "en-GB"}
    return run(opened)


def run(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


def paste(page: AppTest, text: str) -> AppTest:
    page.text_area(key=state.RECORDING_PASTED).set_value(text)
    return press(page, "open-pasted")


def at_once(page: AppTest) -> AppTest:
    page.segmented_control(key=state.REPLAY_SPEED).set_value(0)
    return run(page)


def played(page: AppTest) -> Run:
    found: Run | None = page.session_state[state.REPLAY].run
    assert found is not None
    return found


def ended(page: AppTest) -> Run:
    assert played(page).wait(PATIENCE)
    run(page)
    return played(page)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def said(page: AppTest) -> str:
    return "\n".join(one.value for one in [*page.markdown, *page.caption, *page.warning, *page.error]).replace("\\", "")


def test_a_pasted_recording_plays_to_its_text_and_tells_what_it_holds(page: AppTest):
    at_once(paste(page, FILE))
    run = ended(page)
    assert (run.ending, run.text, run.request.prompt) == (Ending.FINISHED, TEXT, YI.prompt)
    assert run.endpoint.free
    words = said(page)
    for fact in ("Yi-34B", "Recorded answers", "qianfan", "finished", "14 events", "HTTP 200", "stream = true"):
        assert fact in words


def test_what_curl_saved_plays_at_an_even_pace_and_says_that_its_times_are_not_known(page: AppTest):
    paste(page, CURL)
    run = ended(page)
    assert (run.ending, run.text) == (Ending.FINISHED, " by the sea")
    assert "It does not tell when its events came" in said(page)
    assert "What was asked is not in it." in said(page)
    assert [sentence.arrived for sentence in run.sentences] == pytest.approx([0, 0.25], abs=0.2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FILE.replace('"event"', '"evnt"', 1), "Line 3"), (FILE.replace('{"recording": 1', '{"recording": 9', 1), "format 9"), ("Hello", "neither"),
        ("", "empty"),
    ],
    ids=["damaged line", "newer format", "something else", "nothing"],
)
def test_a_damaged_file_is_refused_in_words_and_what_was_open_stays(page: AppTest, text: str, words: str):
    press(page, "shipped-yi_34b")
    before = played(page)
    paste(page, text)
    assert words in page.error[0].value.replace("\\", "")
    assert played(page) is before
    paste(page, CURL)
    assert not page.error


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_answer_that_comes_with_the_app_plays(page: AppTest, name: str):
    at_once(press(page, f"shipped-{name}"))
    assert ended(page).text == "".join(event["result"] for event in EXAMPLES[name].stream)


def test_of_several_recordings_one_is_chosen(page: AppTest):
    paste(page, FILE + "".join(write_recording(shipped_recording("stablelm_alpha_7b"))))
    assert page.selectbox[0].label.replace("\\", "") == "2 recordings in Pasted stream"
    first = played(page)
    page.selectbox[0].select_index(1)
    run(page)
    assert first.ending is Ending.STOPPED
    assert played(page).endpoint.title == "StableLM-Alpha-7B"


def test_paused_nothing_comes_a_step_brings_one_event_and_play_the_rest(page: AppTest):
    press(page, "shipped-yi_34b")
    press(page, "replay-pause")
    run = played(page)
    time.sleep(0.45)
    count = len(run.sentences)
    for step in (1, 2, 3):
        press(page, "replay-step")
        until(lambda step=step: len(run.sentences) == count + step)
    time.sleep(0.2)
    assert (len(run.sentences), run.ending) == (count + 3, None)
    at_once(page)
    assert len(run.sentences) == count + 3
    press(page, "replay-play")
    assert ended(page) is run
    assert run.text == TEXT


def test_after_the_end_play_begins_anew_and_a_step_shows_the_first_event_alone(page: AppTest):
    at_once(press(page, "shipped-yi_34b"))
    first = ended(page)
    press(page, "replay-play")
    second = ended(page)
    assert (second is first, second.text) == (False, TEXT)
    press(page, "replay-step")
    until(lambda: len(played(page).sentences) == 1)
    time.sleep(0.2)
    assert len(played(page).sentences) == 1
    press(page, "replay-start")
    time.sleep(0.2)
    assert (played(page).sentences, played(page).ending) == ([], None)


def test_a_speed_chosen_on_the_way_counts_from_there(page: AppTest):
    press(page, "shipped-yi_34b")
    page.segmented_control(key=state.REPLAY_SPEED).set_value(10)
    run(page)
    replayed = ended(page)
    assert replayed.text == TEXT
    assert replayed.elapsed < 4


@pytest.mark.slow
def test_a_replay_of_a_replay_has_the_same_bytes_and_the_recorded_pace(service: Service, page: AppTest):
    asked = service.runs.start(service.endpoints["recorded/yi_34b"], CompletionRequest(prompt="x", parameters={"stream": True}), "one")
    assert asked.wait(PATIENCE)
    recorded = [json.loads(line)["event"] for line in event_lines(asked.recording)]
    press(page, "shipped-yi_34b")
    first = ended(page)
    paste(page, "".join(write_recording(first.recording)))
    second = ended(page)
    assert first is not second
    lines = [[json.loads(line)["event"] for line in event_lines(run.recording)] for run in (first, second)]
    assert lines[0] == lines[1] == [event.raw for event in shipped_recording("yi_34b").events]
    assert [json.loads(event.removeprefix("data: ")) for event in recorded] == list(YI.stream)
    due = [event.at for event in shipped_recording("yi_34b").events]
    assert statistics.median(abs(event.at - at) for event, at in zip(first.recording.events, due, strict=True)) < 0.3


def test_the_runs_of_the_session_are_listed_saved_and_replayed(service: Service, page: AppTest):
    asked = service.runs.start(service.endpoints["recorded/yi_34b"], CompletionRequest(prompt="Why?", parameters={"stream": True}), "one")
    assert asked.wait(PATIENCE)
    page.session_state[state.GENERATIONS] = [Generation("Why?"), Generation("Why?", asked)]
    run(page)
    assert "Yi-34B" in said(page)
    assert "Beijing is the capital city" in said(page)
    at_once(press(page, f"replay-{asked.id}"))
    assert (ended(page).text, ended(page).request.prompt) == (TEXT, "Why?")


def test_the_bench_gets_prompt_and_parameters_and_hears_what_was_dropped(service: Service):
    body = {"prompt": "By the sea", "temperature": 0.3, "top_k": 99999999, "logprobs": 3, "stream": True}
    lines = [json.loads(line) for line in FILE.splitlines()]
    lines[0]["request"]["body"] = json.dumps(body)
    shell = AppTest.from_file(str(ROOT / "components" / "shell.py"), default_timeout=PATIENCE)
    shell.context = {"locale": "en-GB"}
    run(shell).switch_page(str(ROOT / "pages" / "recordings.py"))
    run(shell)
    paste(shell, "".join(json.dumps(line) + "\n" for line in lines))
    assert "It opens on Yi-34B · Recorded answers. Left out there: logprobs." in said(shell)
    press(shell, "open-recording")
    assert (shell.session_state[state.PROMPT], shell.session_state[state.ENDPOINT]) == ("By the sea", "recorded/yi_34b")
    assert (shell.session_state[state.sent("temperature")], shell.session_state[state.sent("top_p")]) == (True, False)
    assert "does not take it: logprobs" in said(shell)


def test_where_its_endpoint_is_not_configured_the_bench_takes_another_and_it_is_said(page: AppTest):
    paste(page, FILE.replace("recorded/yi_34b", "mine/gone"))
    assert "Its own endpoint is not ready here. It opens on " in said(page)


def test_a_suite_is_counted_and_priced_asked_again_and_reported(page: AppTest):
    paste(page, FILE)
    page.segmented_control(key=state.RECORDING_USE).set_value("suite")
    run(page)
    assert "3 requests; they cost nothing." in said(page)
    page.slider(key=state.SUITE_REPEATS).set_value(2)
    run(page)
    assert "2 requests; they cost nothing." in said(page)
    press(page, "suite-start")
    asked = page.session_state[state.SUITE].run
    assert asked.wait(PATIENCE)
    run(page)
    assert len(asked.sent) == 2
    assert "failed: 0 · not compared: 0" in said(page)
    assert page.table[0].value["verdict"].tolist() == [str(case.words) for case in asked.report.cases]
    assert {one.key for one in page.get("download_button")} >= {"report-markdown", "report-json"}


def test_a_suite_can_be_stopped_on_the_way(page: AppTest, service: Service):
    paste(page, FILE.replace("recorded/yi_34b", "fault/silent"))
    page.segmented_control(key=state.RECORDING_USE).set_value("suite")
    run(page)
    press(page, "suite-start")
    asked = page.session_state[state.SUITE].run
    until(lambda: bool(asked.sent))
    press(page, "suite-stop")
    assert asked.wait(PATIENCE)
    run(page)
    assert "not compared: 1" in said(page)
