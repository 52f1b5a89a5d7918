"""Regression replay: recorded runs asked again, here or elsewhere, and what has changed told by name; in the page's way and on the command line."""

import dataclasses
import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from emulator.options import Options
from emulator.server import running
from playground.__main__ import main
from playground.client import Client
from playground.completion import CompletionRequest
from playground.credentials import BearerKey
from playground.drift import answer
from playground.endpoints import Endpoint, build_endpoints, fault_endpoint
from playground.errors import ConfigurationError, ParameterError
from playground.message import message
from playground.price import Price
from playground.providers import openai
from playground.recording import write_recording
from playground.redaction import MASK, Secret
from playground.run import BY_PERSON, UNWATCHED, Runs
from playground.settings import Limits, Settings
from playground.suite import MOST, Outcome, SuiteRun, plan, read_suite
from playground.wire import Timeouts
from tests.scripted_server import CUT, HANG, ScriptedServer, json_reply, reply, unused_port

ROOT = Path(__file__).resolve().parent.parent
PROMPT = "Introduce the city Beijing"
RECORDED = ("recorded/cerebras_gpt_6_7b", "recorded/stablelm_alpha_7b", "recorded/yi_34b")
FAST = Options(pace=0.0)


@pytest.fixture
def runs():
    made = []

    def make(**limits):
        made.append(Runs(Client(timeouts=Timeouts(connect=5, silence=10)), dataclasses.replace(Limits(), **limits)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def emulator():
    with running(options=FAST) as one:
        yield one


def until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.005)


def endpoints(emulator, *faults):
    """The endpoints of the checkout whose emulator this is, with these of its faults."""
    known = build_endpoints(Settings(), emulator.base_url)
    return known | {f"fault/{name}": fault_endpoint(name, emulator.base_url, message("")) for name in faults}


def scripted(server, name="lab/x", **fields):
    return Endpoint(
        name=name, title="x", group="g", note=message("n"), base_url=server.url, path=openai.COMPLETION_PATH, model="m", provider=openai.PROVIDER,
        parameters=openai.DIALECTS["plain"], **fields,
    )


def record(place, endpoint, prompt=PROMPT, *, timed=False, **parameters):
    """The recording of a run, as it is saved; without its times unless they matter, for a busy computer has drift of its own there."""
    run = place.start(endpoint, CompletionRequest(prompt=prompt, parameters={"stream": True, **parameters}), "visitor")
    assert run.wait(10)
    content = "".join(write_recording(run.recording)).encode()
    return content if timed else re.sub(rb'"at": [0-9.]+', b'"at": 0', content)


def replayed(place, suite, known, name=None, **values):
    """The report on a suite."""
    made = SuiteRun(place, plan(suite, known, name, **values), "visitor")
    made.start()
    assert made.wait(60)
    return made.report


def verdicts(report):
    return [case.outcome for case in report.cases]


def drifted(case):
    return {one.aspect.value for one in case.differences if one.drifted}


def chunk(text="", reason=None, **fields):
    return f"data: {json.dumps({'choices': [{'text': text, 'index': 0, 'finish_reason': reason}], **fields})}\n\n".encode()


def usage(written, prompt=5):
    counts = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    return f"data: {json.dumps({'choices': [], 'usage': counts})}\n\n".encode()


DONE = b"data: [DONE]\n\n"
SEA = reply(chunk(" The sea is wide."), chunk(" It is blue, and cold."), chunk(" Gulls cry.", "stop"), usage(12), DONE)


def event(text, *, is_end=False, **fields):
    return f"data: {json.dumps({'id': 'as-1', 'sentence_id': 0, 'is_end': is_end, 'result': text, **fields})}\n\n".encode()


# --- a suite is read from recordings ---


@pytest.mark.parametrize(
    "name", ["cerebras_gpt_6_7b", "yi_34b", "echo", "cut_mid_event", "cut_without_end", "error_mid_stream", "error_json", "html_502", "crlf"]
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_recorded_answer_is_what_the_run_had(runs, emulator, name, stream):
    place = runs()
    run = place.start(fault_endpoint(name, emulator.base_url, message("")), CompletionRequest(prompt=PROMPT, parameters={"stream": stream}), "v")
    assert run.wait(10)
    [case] = read_suite("".join(write_recording(run.recording)).encode()).cases
    [found] = case.references
    expected = answer(list(run.sentences), run.ending, error=run.error)
    assert dataclasses.replace(found, first=None) == dataclasses.replace(expected, first=None)
    assert found.first == pytest.approx(expected.first, abs=1)
    assert (case.request, case.endpoint.name, case.title) == (run.request, f"fault/{name}", PROMPT)


def test_times_of_arrival_are_the_recorded_ones(runs):
    with running(options=Options(pace=0.2)) as emulator:
        content = record(runs(), endpoints(emulator)["recorded/cerebras_gpt_6_7b"], timed=True)
    [case] = read_suite(content).cases
    assert 0.05 < case.references[0].first < 5
    assert read_suite(content.replace(b'"at": ', b'"at": 2.5, "was": ')).cases[0].references[0].first == 2.5
    untimed = read_suite(content.replace(b'"at": ', b'"at": 0, "was": ')).cases[0].references[0]
    assert untimed == dataclasses.replace(case.references[0], first=None)


def test_recordings_of_one_request_to_one_endpoint_are_one_case(runs, emulator):
    place, known = runs(), endpoints(emulator)
    first, second = known["recorded/yi_34b"], known["recorded/cerebras_gpt_6_7b"]
    one, other, warm, again = record(place, first), record(place, second), record(place, first, temperature=0.5), record(place, first)
    line, *rest = again.decode().splitlines(keepends=True)
    fields = json.loads(line)
    fields["request"]["body"] = json.dumps(dict(reversed(json.loads(fields["request"]["body"]).items())))
    mixed = "".join([json.dumps(fields) + "\n", *rest]).encode()
    suite = read_suite(one + other, warm + again, mixed)
    assert [(case.number, case.endpoint.name, case.request.parameters, len(case.references)) for case in suite.cases] == [
        (1, "recorded/yi_34b", {"stream": True}, 3),
        (2, "recorded/cerebras_gpt_6_7b", {"stream": True}, 1),
        (3, "recorded/yi_34b", {"stream": True, "temperature": 0.5}, 1),
    ]


def without_end(content):
    return b"".join(content.splitlines(keepends=True)[:-1])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_end, "does not hold the whole answer"),
        (lambda content: content.replace(b'"dropped": 0', b'"dropped": 3'), "does not hold the whole answer"),
        (lambda content: content.replace(b'"end": "finished"', b'"end": "stopped"'), "stopped before its end"),
        (lambda content: content.replace(b'\\"prompt\\"', b'\\"messages\\"'), "does not hold the request"),
        (lambda content: b"".join(json.loads(line).get("event", "").encode() for line in content.splitlines()), "does not hold the request"),
    ],
    ids=["cut off while it was saved", "too large", "stopped", "no prompt", "saved by curl"],
)
def test_what_is_no_whole_answer_is_not_compared_and_nothing_is_sent(runs, emulator, spoil, words):
    place, known = runs(), endpoints(emulator)
    content = record(place, known["recorded/yi_34b"])
    good = record(place, known["recorded/cerebras_gpt_6_7b"])
    suite = read_suite(spoil(content), good)
    made = SuiteRun(place, plan(suite, known, repeats=1), "visitor")
    made.start()
    assert made.wait(10)
    assert verdicts(made.report) == [Outcome.NOT_COMPARABLE, Outcome.SAME]
    assert words in str(made.report.cases[0].words)
    assert len(made.sent) == made.progress.all == made.progress.done == 1


def test_a_whole_answer_among_stopped_ones_is_what_counts(runs, emulator):
    place, known = runs(), endpoints(emulator)
    content = record(place, known["recorded/yi_34b"])
    suite = read_suite(content.replace(b'"end": "finished"', b'"end": "stopped"'), content)
    assert len(suite.cases[0].references) == 1 and verdicts(replayed(place, suite, known, repeats=1)) == [Outcome.SAME]


@pytest.mark.parametrize("content", [b"", b"no recording", b'{"recording": 1, "endpoint"'])
def test_what_is_no_suite_is_refused_in_words(content):
    with pytest.raises(ParameterError, match="recording"):
        read_suite(content)


def test_the_title_is_one_short_line_without_secrets():
    lines = [
        {"recording": 1, "made": "", "endpoint": {"provider": "openai", "url": ""}, "request": {
            "method": "POST", "url": "", "headers": {}, "body": json.dumps({"prompt": f"a\n b sk-{'x' * 40} {'long ' * 30}"})}},
        {"response": {"status": 200, "headers": {}}, "at": 0}, {"body": json.dumps({"choices": [{"text": "x", "finish_reason": "stop"}]}), "at": 1},
        {"end": "finished", "at": 1},
    ]
    [case] = read_suite("\n".join(map(json.dumps, lines)).encode()).cases
    assert case.title.startswith(f"a b sk-{MASK} long") and len(case.title) <= 61


# --- what is asked of whom ---


def test_parameters_are_fitted_to_another_endpoint_and_what_has_no_place_there_is_said(runs, emulator):
    place, known = runs(), endpoints(emulator)
    content = record(place, known["recorded/yi_34b"], temperature=0.5, top_k=7, penalty_score=1.5, stop=["\n"])
    with ScriptedServer(SEA) as server:
        other = scripted(server)
        narrow = tuple(dataclasses.replace(spec, maximum=0.3) if spec.name == "temperature" else spec for spec in other.parameters)
        made = SuiteRun(place, plan(read_suite(content), {"lab/x": dataclasses.replace(other, parameters=narrow)}, "lab/x", repeats=1), "visitor")
        made.start()
        assert made.wait(10)
        assert server.requests[0].fields == {
            "model": "m", "prompt": PROMPT, "stop": ["\n"], "stream": True, "stream_options": {"include_usage": True}
        }
    changed = {name: str(words) for name, words in made.report.cases[0].question.changed.items()}
    assert changed == {
        "model": "– → m", "temperature": "not sent: temperature must be from 0 to 0.3; 0.5 is not.",
        "top_k": "not sent: this endpoint has no such parameter", "penalty_score": "not sent: this endpoint has no such parameter",
    }
    assert verdicts(made.report) == [Outcome.DRIFT]


def test_the_same_endpoint_is_asked_exactly_what_was_recorded(runs):
    with ScriptedServer(SEA) as server:
        place, asked = runs(), scripted(server)
        content = record(place, asked, "北京 🙂", temperature=0, seed=0, stop=["。"])
        report = replayed(place, read_suite(content), {asked.name: asked})
        bodies = [one.body for one in server.requests]
    assert len(bodies) == 4 and len(set(bodies)) == 1
    assert verdicts(report) == [Outcome.SAME] and not report.cases[0].question.changed


def test_an_endpoint_that_is_not_there_or_off_is_refused_before_anything_is_sent(runs, emulator):
    place, known = runs(), endpoints(emulator)
    suite = read_suite(record(place, known["recorded/yi_34b"]))
    with pytest.raises(ConfigurationError, match="no endpoint “recorded/yi_34b” here") as caught:
        plan(suite, {"lab/x": known["recorded/yi_34b"]})
    assert str(caught.value.remedy) == "Name one of these instead: lab/x."
    with pytest.raises(ConfigurationError, match="“recorded/yi_34b” cannot be used: The emulator is not running."):
        plan(suite, build_endpoints(Settings(), None))


@pytest.mark.parametrize("values", [{"repeats": 0}, {"repeats": MOST + 1}, {"threshold": -0.1}, {"threshold": 1.1}, {"threshold": float("nan")}])
def test_repeats_and_threshold_have_bounds(runs, emulator, values):
    place, known = runs(), endpoints(emulator)
    with pytest.raises(ParameterError):
        plan(read_suite(record(place, known["recorded/yi_34b"])), known, **values)


def test_the_bill_is_known_in_advance(runs):
    with ScriptedServer(SEA) as server:
        place = runs()
        asked = scripted(server, price=Price(prompt=Decimal(1), completion=Decimal(2), currency="CNY"))
        suite = read_suite(record(place, asked, "word", max_tokens=10), record(place, asked, "word", max_tokens=20))
    ahead = plan(suite, {asked.name: asked}, repeats=2)
    assert (ahead.requests, str(ahead.estimates[asked.name].words)) == (4, "4 requests, at most about 68 tokens: about ¥0.128.")


def test_a_prompt_too_long_for_another_endpoint_is_not_comparable(runs, emulator):
    place, known = runs(), endpoints(emulator)
    suite = read_suite(record(place, known["recorded/yi_34b"]))
    report = replayed(place, suite, {"small": dataclasses.replace(known["recorded/yi_34b"], name="small", prompt_limit=5)}, "small")
    assert verdicts(report) == [Outcome.NOT_COMPARABLE] and "takes at most 5" in str(report.cases[0].words)


# --- drift ---


def test_what_has_not_changed_has_not_drifted(runs, emulator):
    place, known = runs(), endpoints(emulator, "echo", "cut_without_end", "error_mid_stream", "error_json")
    contents = [record(place, known[name]) for name in (*RECORDED, "fault/echo", "fault/cut_without_end", "fault/error_mid_stream", "fault/error_json")]
    contents.append(record(place, known["recorded/yi_34b"], stream=False))
    report = replayed(place, read_suite(*contents), known)
    assert verdicts(report) == [Outcome.SAME] * 8, [str(case.words) for case in report.cases]
    assert [(case.answers, case.identical) for case in report.cases] == [(3, 3)] * 8
    assert {one.noise for case in report.cases for one in case.differences} == {0}
    assert str(report.words) == "Cases: 8 · the same: 8 · drift: 0 · failed: 0 · not compared: 0"


def test_another_model_s_answer_has_drifted(runs, emulator):
    place, known = runs(), endpoints(emulator)
    report = replayed(place, read_suite(record(place, known["recorded/yi_34b"])), known, "recorded/cerebras_gpt_6_7b")
    assert verdicts(report) == [Outcome.DRIFT]
    assert drifted(report.cases[0]) == {"characters", "sentences", "completion tokens", "overlap", "safety field", "usage dialect"}
    assert str(report.cases[0].words).startswith("drift in characters, sentences, completion tokens, overlap")


def test_another_build_s_safety_field_has_drifted(runs):
    place = runs()
    with running(options=dataclasses.replace(FAST, build="older")) as emulator:
        content = record(place, endpoints(emulator, "echo")["fault/echo"])
    with running(options=FAST) as emulator:
        report = replayed(place, read_suite(content), endpoints(emulator, "echo"))
    assert [drifted(case) for case in report.cases] == [{"safety field"}]
    assert "safety field: is_safe → need_clear_history" in report.to_markdown().replace("\\_", "_")


@pytest.mark.slow
def test_a_slower_endpoint_has_drifted(runs):
    place = runs()
    with running(options=FAST) as emulator:
        content = record(place, endpoints(emulator)["recorded/cerebras_gpt_6_7b"], timed=True)
    with running(options=Options(pace=2.0)) as emulator:
        made = SuiteRun(place, plan(read_suite(content), endpoints(emulator), repeats=1), "visitor")
        made.start()
        assert made.wait(30)
    assert [drifted(case) for case in made.report.cases] == [{"time to first sentence"}]


@pytest.mark.parametrize(
    ("script", "names"),
    [
        (reply(chunk(" The sea is wide."), chunk(" It was grey, but warm."), chunk(" Gulls cry.", "stop"), usage(12), DONE), {"overlap"}),
        (reply(chunk(" The sea is wide."), chunk(" It is blue, and cold.", "length"), usage(9), DONE),
         {"characters", "sentences", "completion tokens", "overlap", "finish reason"}),
        (reply(chunk(" The sea is wide."), chunk(" It is blue, and cold."), chunk(" Gulls cry.", "stop"), DONE), {"usage dialect"}),
        (reply(chunk(" The sea is wide."), chunk(" It is blue, and cold."), chunk(" Gulls cry."), CUT),
         {"ending", "error", "finish reason", "usage dialect"}),
        pytest.param(reply(1.2, chunk(" The sea is wide."), chunk(" It is blue, and cold."), chunk(" Gulls cry.", "stop"), usage(12), DONE),
                     {"time to first sentence"}, marks=pytest.mark.slow),
    ],
    ids=["one sentence changed", "shorter", "no usage", "cut", "slow to begin"],
)
def test_what_has_changed_is_named(runs, script, names):
    with ScriptedServer(SEA, script) as server:
        place, asked = runs(), scripted(server)
        suite = read_suite(record(place, asked, timed="time to first sentence" in names))
        report = replayed(place, suite, {asked.name: asked}, repeats=1)
    assert drifted(report.cases[0]) == names
    assert verdicts(report) == [Outcome.DRIFT]


def test_an_input_that_is_flagged_now_has_drifted(runs):
    safe, flagged = (reply(event(" Bei", need_clear_history=flag), event("jing", is_end=True, need_clear_history=flag)) for flag in (False, True))
    with ScriptedServer(safe, flagged) as server:
        place = runs()
        asked = Endpoint(name="lab/x", title="x", group="g", note=message("n"), base_url=server.url, path="x",
                         credentials=BearerKey(key=Secret("a-key-of-the-suite")))
        report = replayed(place, read_suite(record(place, asked)), {asked.name: asked})
    assert drifted(report.cases[0]) == {"safety"}
    assert "safety: safe → flagged" in report.to_markdown()


def test_answers_that_vary_by_themselves_are_noise(runs):
    texts = ["one two three four", "five six seven eight nine ten", "eleven twelve", "one seven twelve four"]
    with ScriptedServer(*(reply(chunk(text, "stop"), DONE) for text in texts)) as server:
        place, asked = runs(), scripted(server)
        report = replayed(place, read_suite(record(place, asked)), {asked.name: asked})
    assert verdicts(report) == [Outcome.SAME] and report.cases[0].identical == 0
    assert str(report.cases[0].words).startswith("the same within the noise: characters")


# --- what is no answer ---


def test_an_endpoint_that_refuses_now_has_failed_with_its_own_words_and_the_others_go_on(runs):
    refusal = json_reply({"error": {"message": "no such model", "code": "model_not_found"}}, "404 Not Found")
    with ScriptedServer(SEA, SEA, refusal, SEA) as server:
        place, asked = runs(), scripted(server)
        suite = read_suite(record(place, asked, "one"), record(place, asked, "two"))
        report = replayed(place, suite, {asked.name: asked})
        assert [one.fields["prompt"] for one in server.requests[2:]] == ["one", "two", "two", "two"]
    assert verdicts(report) == [Outcome.FAILED, Outcome.SAME]
    assert "failed: " in str(report.cases[0].words) and "no such model" in str(report.cases[0].words)


def test_a_refusal_that_was_recorded_is_the_same_as_long_as_its_code_is(runs):
    first, second = (json_reply({"error_code": code, "error_msg": "x"}) for code in (336003, 336100))
    with ScriptedServer(first, first, second) as server:
        place = runs()
        asked = Endpoint(name="lab/x", title="x", group="g", note=message("n"), base_url=server.url, path="x")
        suite = read_suite(record(place, asked))
        assert verdicts(replayed(place, suite, {asked.name: asked}, repeats=1)) == [Outcome.SAME]
        assert drifted(replayed(place, suite, {asked.name: asked}, repeats=1).cases[0]) == {"error"}


def test_a_refusal_that_is_an_answer_now_has_drifted(runs):
    with ScriptedServer(json_reply({"error": {"message": "x"}}, "404 Not Found"), SEA) as server:
        place, asked = runs(), scripted(server)
        report = replayed(place, read_suite(record(place, asked)), {asked.name: asked}, repeats=1)
    assert {"ending", "error", "overlap"} <= drifted(report.cases[0])


def test_nobody_there_has_failed(runs, emulator):
    place, known = runs(), endpoints(emulator)
    suite = read_suite(record(place, known["recorded/yi_34b"]))
    gone = dataclasses.replace(known["recorded/yi_34b"], base_url=f"http://127.0.0.1:{unused_port()}")
    assert verdicts(replayed(place, suite, {gone.name: gone})) == [Outcome.FAILED]


@pytest.mark.slow
def test_an_endpoint_that_is_asked_too_often_is_given_time(runs):
    busy = json_reply({"error": {"message": "slow down", "type": "rate_limit_error"}}, "429 Too Many Requests")
    with ScriptedServer(SEA, busy, SEA) as server:
        place, asked = runs(), scripted(server)
        report = replayed(place, read_suite(record(place, asked)), {asked.name: asked}, repeats=2)
        assert len(server.requests) == 4
    assert verdicts(report) == [Outcome.SAME]


# --- its life ---


def begun(place, server, asked):
    """A suite run of three cases that has come to its second, whose answer does not go on."""
    suite = read_suite(*(record(place, asked, prompt) for prompt in ("one", "two", "three")))
    made = SuiteRun(place, plan(suite, {asked.name: asked}, repeats=1), "visitor")
    made.start()
    until(lambda: len(made.sent) == 2 and made.sent[-1].text == "begun")
    return made


STALLED = (SEA, SEA, SEA, SEA, reply(chunk("begun"), HANG))


def test_stop_ends_it_at_once_and_what_was_found_stands(runs):
    with ScriptedServer(*STALLED) as server:
        made = begun(runs(), server, scripted(server))
        progress = made.progress
        assert (progress.done, progress.all, progress.case.number, progress.waiting, progress.ended) == (1, 3, 2, False, False)
        assert verdicts(made.report) == [Outcome.SAME, Outcome.NOT_RUN, Outcome.NOT_RUN]
        assert str(made.report.cases[2].words) == "not run: It has not been asked yet."
        made.stop()
        assert made.wait(5) and server.client_left.wait(5)
        assert len(server.requests) == 5
    assert verdicts(made.report) == [Outcome.SAME, Outcome.NOT_RUN, Outcome.NOT_RUN]
    assert str(made.report.cases[1].words) == f"not run: {BY_PERSON}"
    assert made.progress.ended and made.progress.case is None


def test_it_ends_by_itself_when_nobody_looks_any_more(runs):
    with ScriptedServer(*STALLED) as server:
        made = begun(runs(unwatched=0.6), server, scripted(server))
        assert made.wait(10) and server.client_left.wait(5)
    assert str(made.report.cases[1].words) == f"not run: {UNWATCHED}"


@pytest.mark.slow
def test_it_goes_on_while_somebody_looks(runs):
    late = reply(chunk(" The sea is wide."), 2.0, chunk(" It is blue, and cold."), chunk(" Gulls cry.", "stop"), usage(12), DONE)
    with ScriptedServer(SEA, late) as server:
        place, asked = runs(unwatched=0.5), scripted(server)
        made = SuiteRun(place, plan(read_suite(record(place, asked)), {asked.name: asked}, repeats=1), "visitor")
        made.start()
        while not made.wait(0.1):
            made.touch()
    assert verdicts(made.report) == [Outcome.SAME]


def test_it_waits_for_room_among_the_visitor_s_own_runs(runs):
    place = runs(runs_per_visitor=1)
    with ScriptedServer(SEA, reply(chunk("begun"), HANG), SEA) as server:
        asked = scripted(server)
        suite = read_suite(record(place, asked))
        other = place.start(asked, CompletionRequest(prompt="p", parameters={"stream": True}), "visitor")
        until(lambda: other.text)
        made = SuiteRun(place, plan(suite, {asked.name: asked}, repeats=1), "visitor")
        made.start()
        until(lambda: made.progress.waiting)
        assert made.sent == []
        other.stop()
        assert made.wait(20)
    assert verdicts(made.report) == [Outcome.SAME] and not made.progress.waiting


def test_stop_before_it_begins_sends_nothing(runs, emulator):
    place, known = runs(), endpoints(emulator)
    made = SuiteRun(place, plan(read_suite(record(place, known["recorded/yi_34b"])), known), "visitor")
    made.stop()
    made.start()
    assert made.wait(5) and made.sent == []
    assert verdicts(made.report) == [Outcome.NOT_RUN]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_ours_ends_it_in_words(runs, emulator):
    place, known = runs(), endpoints(emulator)
    sound = plan(read_suite(record(place, known["recorded/yi_34b"])), known, repeats=1)
    broken = dataclasses.replace(sound, questions=tuple(dataclasses.replace(one, request=None) for one in sound.questions))
    made = SuiteRun(place, broken, "visitor")
    made.start()
    assert made.wait(5)
    until(lambda: "suite" not in {thread.name for thread in threading.enumerate()})
    assert str(made.report.cases[0].words) == "not run: The playground itself failed." and made.progress.ended


# --- the report ---


def test_the_report_is_written_for_programs_and_for_people(runs, emulator):
    place, known = runs(), endpoints(emulator)
    suite = read_suite(record(place, known["recorded/yi_34b"], "a | b\n*c*"), record(place, known["recorded/cerebras_gpt_6_7b"]))
    report = replayed(place, suite, known, "recorded/cerebras_gpt_6_7b", repeats=2, threshold=0.2)
    fields = json.loads(report.to_json())
    assert (fields["report"], fields["repeats"], fields["threshold"]) == (1, 2, 0.2)
    assert fields["total"] == {"same": 1, "drift": 1, "failed": 0, "not comparable": 0, "not run": 0}
    first, second = fields["cases"]
    assert (first["verdict"], first["recorded_on"], first["endpoint"], first["references"], first["answers"], first["identical"]) == (
        "drift", "recorded/yi_34b", "recorded/cerebras_gpt_6_7b", 1, 2, 0
    )
    tokens = next(row for row in first["differences"] if row["aspect"] == "completion tokens")
    assert (tokens["before"], tokens["now"], tokens["noise"], tokens["drifted"]) == ([372], [91, 91], 0, True)
    assert tokens["distance"] == pytest.approx(281 / 372, abs=1e-4)
    assert second["verdict"] == "same" and not any(row["drifted"] for row in second["differences"])
    lines = report.to_markdown().splitlines()
    assert "| 1 | a \\| b \\*c\\* | recorded/yi\\_34b → recorded/cerebras\\_gpt\\_6\\_7b | drift in " in "\n".join(lines)
    assert len({line.count("|") - line.count("\\|") for line in lines if line.startswith("| ")}) == 1
    assert "| completion tokens: 372 → 91 | 0.76 | 0.00 | ● |" in lines


def test_the_report_is_read_in_the_reader_s_language(runs, emulator):
    place, known = runs(), endpoints(emulator)
    report = replayed(place, read_suite(record(place, known["recorded/yi_34b"])), known, repeats=1)
    chinese = {"the same": "相同", "verdict": "结论"}
    written = report.to_markdown(lambda text: chinese.get(text, text))
    assert "相同" in written and "结论" in written


def test_no_secret_gets_into_a_report(runs):
    key = "sk-a-key-of-the-suite-that-must-not-show"
    leaking = json_reply({"error": {"message": f"wrong key {key}"}}, "401 Unauthorized")
    with ScriptedServer(SEA, leaking) as server:
        place, asked = runs(), scripted(server, credentials=BearerKey(key=Secret(key)))
        report = replayed(place, read_suite(record(place, asked, f"My key is {key}.")), {asked.name: asked}, repeats=1)
    assert verdicts(report) == [Outcome.FAILED]
    for written in (report.to_json(), report.to_markdown()):
        assert key not in written and MASK in written


# --- the command line ---


def command(*arguments, folder, emulator=None, **environ):
    """Run the command line in a process of its own, with no settings but these."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    asked = [sys.executable, "-m", "playground", *map(str, arguments), *(["--emulator", emulator.base_url] if emulator else [])]
    return subprocess.run(
        asked, cwd=ROOT, env=kept | {"PLAYGROUND_ENDPOINTS": str(folder / "endpoints.toml"), "PYTHONIOENCODING": "utf-8"} | environ,
        capture_output=True, text=True, encoding="utf-8", timeout=60, stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def folder(tmp_path, runs, emulator):
    """A folder with a suite of two recorded answers and an echo, and a file of endpoints without rows."""
    place, known = runs(), endpoints(emulator, "echo")
    names = ("recorded/yi_34b", "recorded/cerebras_gpt_6_7b", "fault/echo")
    (tmp_path / "suite.jsonl").write_bytes(b"".join(record(place, known[name]) for name in names))
    (tmp_path / "endpoints.toml").write_text("", encoding="utf-8")
    return tmp_path


def lab(folder, server, key=""):
    """Put a row for the server into the folder's file of endpoints."""
    credentials = 'credentials = { key = "$LAB_KEY" }' if key else ""
    (folder / "endpoints.toml").write_text(
        f'[[endpoint]]\nname = "lab/x"\nprovider = "openai"\nbase_url = "{server.url}"\nmodel = "m"\n{credentials}\n', encoding="utf-8"
    )


def test_the_command_line_finds_no_drift_where_there_is_none(folder, emulator):
    done = command("replay", folder / "suite.jsonl", folder=folder, emulator=emulator)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"1. {PROMPT} · recorded/yi_34b · the same", f"2. {PROMPT} · recorded/cerebras_gpt_6_7b · the same", f"3. {PROMPT} · fault/echo · the same",
        "Cases: 3 · the same: 3 · drift: 0 · failed: 0 · not compared: 0",
    ]


def test_the_command_line_tells_drift_and_writes_the_reports(folder, emulator):
    reports = ["--json", folder / "report.json", "--markdown", folder / "report.md"]
    done = command("replay", folder / "suite.jsonl", "--endpoint", "recorded/yi_34b", "--repeats", "1", *reports, folder=folder, emulator=emulator)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"2. {PROMPT} · recorded/yi_34b · drift in characters, sentences, completion tokens, overlap" in done.stdout
    assert "   completion tokens: 91 → 372 (distance 0.76, noise unknown)\n" in done.stdout
    assert json.loads((folder / "report.json").read_text("utf-8"))["total"]["drift"] == 2
    assert (folder / "report.md").read_text("utf-8").startswith("# Regression replay\n")


def test_a_threshold_of_1_lets_everything_pass(folder, emulator):
    done = command("replay", folder / "suite.jsonl", "--endpoint", "recorded/yi_34b", "--repeats", "1", "--threshold", "1", folder=folder,
                   emulator=emulator)
    assert done.returncode == 0 and "the same: 3" in done.stdout


def test_an_endpoint_of_the_file_is_asked_with_its_key_and_the_key_is_nowhere_in_the_output(folder, emulator):
    key = "sk-a-key-of-the-command-line-0123456789"
    refusal = json_reply({"error": {"message": f"quota of {key} used up", "type": "insufficient_quota"}}, "429 Too Many Requests")
    with ScriptedServer(SEA, refusal) as server:
        lab(folder, server, key)
        done = command("replay", folder / "suite.jsonl", "--endpoint", "lab/x", "--repeats", "1", "--json", folder / "report.json", folder=folder,
                       emulator=emulator, LAB_KEY=key)
        assert {one.headers["authorization"] for one in server.requests} == {f"Bearer {key}"}
    assert done.returncode == 1 and "failed" in done.stdout
    assert key not in done.stdout + done.stderr + (folder / "report.json").read_text("utf-8")


def test_a_suite_whose_cases_all_fail_could_not_be_run(folder):
    with ScriptedServer(json_reply({"error": {"message": "wrong key"}}, "401 Unauthorized")) as server:
        lab(folder, server)
        done = command("replay", folder / "suite.jsonl", "--endpoint", "lab/x", folder=folder)
    assert done.returncode == 2 and done.stdout.count(" · failed: The key was refused") == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.jsonl"], "missing.jsonl cannot be read: No such file or directory."),
        (["damaged.jsonl"], "Line 2 of the recording cannot be read."),
        (["suite.jsonl", "--endpoint", "nobody"], "There is no endpoint “nobody” here."),
        (["suite.jsonl"], "Start one with python -m emulator, and name its address with --emulator."),
        (["suite.jsonl", "--endpoint", "fault/echo"], "The emulator is not running."),
        (["suite.jsonl", "--repeats", "0"], "Fresh answers to each request: from 1 to 20."),
        (["suite.jsonl", "--repeats", "many"], "invalid int value"),
        (["suite.jsonl", "--threshold", "2"], "The threshold is a number from 0 to 1."),
        (["suite.jsonl", "--emulator", "nowhere"], "--emulator is not a web address."),
        (["suite.jsonl", "--emulator", "http://127.0.0.1:1", "--json", "no/such/folder.json"], "folder.json cannot be written"),
        ([], "the following arguments are required: suite"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_run_is_said_in_words(folder, capsys, monkeypatch, arguments, words):
    (folder / "damaged.jsonl").write_bytes((folder / "suite.jsonl").read_bytes().replace(b'{"response"', b'{"response', 1))
    monkeypatch.setenv("PLAYGROUND_ENDPOINTS", str(folder / "endpoints.toml"))
    monkeypatch.chdir(folder)
    try:
        code = main(["replay", *arguments])
    except SystemExit as refused:
        code = refused.code
    written = capsys.readouterr()
    assert (code, written.out) == (2, "") and words in written.err


def test_words_of_others_do_not_command_the_terminal(folder, runs):
    with ScriptedServer(SEA, json_reply({"error": {"message": "\x1b[2J\x07wiped"}}, "404 Not Found")) as server:
        (folder / "suite.jsonl").write_bytes(record(runs(), scripted(server), "\x1b]0;title\x07 prompt"))
        lab(folder, server)
        done = command("replay", folder / "suite.jsonl", folder=folder)
    assert done.returncode == 2 and "wiped" in done.stdout and "prompt" in done.stdout
    assert not {"\x1b", "\x07"} & set(done.stdout + done.stderr)


def test_list_shows_what_would_be_asked_and_asks_nothing(folder):
    with ScriptedServer(SEA) as server:
        lab(folder, server)
        done = command("replay", folder / "suite.jsonl", "--endpoint", "lab/x", "--list", folder=folder)
        assert server.connections == 0
    assert done.returncode == 0
    assert f"1. {PROMPT} · lab/x · recordings: 1\n   model: – → m\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("lab/x: 9 requests, about ")


def test_without_a_command_it_says_what_it_can_do(folder):
    done = command(folder=folder)
    assert done.returncode == 0 and "replay" in done.stdout


@pytest.mark.slow
def test_on_a_terminal_a_bar_grows_and_ctrl_c_ends_it(folder):
    """The answers of the first case come, the second one's does not go on."""
    with ScriptedServer(SEA, SEA, reply(chunk("begun"), HANG)) as server:
        lab(folder, server)
        ours, theirs = pty.openpty()
        environ = {**os.environ, "PLAYGROUND_ENDPOINTS": str(folder / "endpoints.toml"), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
        asked = [sys.executable, "-m", "playground", "replay", folder / "suite.jsonl", "--endpoint", "lab/x", "--repeats", "2"]
        process = subprocess.Popen(asked, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True)
        os.close(theirs)
        shown = b""
        while "/6" not in shown.decode("utf-8", "ignore") or b" 2/6" not in shown:
            assert select.select([ours], [], [], 20)[0], shown
            shown += os.read(ours, 4096)
        process.send_signal(2)
        written, _ = process.communicate(timeout=20)
        os.close(ours)
    assert re.search(r"█{8}░{16} 2/6 Introduce the city", shown.decode("utf-8", "ignore"))
    assert process.returncode == 1, "the first case has drifted"
    assert written.decode().count("not run: Stopped by you.") == 2
