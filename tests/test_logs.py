"""The log as JSON: one object a line whoever writes it, a line for each run, and neither text nor secret in any."""

import io
import json
import logging
import time

import pytest

from emulator.options import Options
from emulator.server import running as emulating
from playground.completion import CompletionRequest
from playground.errors import LimitReached
from playground.logs import FIELDS, JsonLines, RunLog, write_json
from playground.message import message
from playground.redaction import Secret, guard_logs
from playground.service import close_service, open_service
from playground.settings import Settings

KEY = "a-key-that-nobody-may-read-0123456789"
PROMPT = "Tell nobody what this prompt says"


@pytest.fixture
def lines():
    """Write the log as JSON for the length of a test; returns how to read what was written."""
    factory, level, before = logging.getLogRecordFactory(), logging.getLogger("playground").level, list(logging.root.handlers)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.root.handlers[:] = [handler]
    logging.setLogRecordFactory(logging.LogRecord)
    write_json()
    guard_logs()
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.setLogRecordFactory(factory)
    logging.getLogger("playground").setLevel(level)
    logging.root.handlers[:] = before


def test_a_line_is_one_object_with_time_level_and_words(lines):
    logging.getLogger("playground.x").warning("two\nlines of %s", "words")
    (line,) = lines()
    assert line.pop("time").endswith("Z")
    assert line == {"level": "warning", "logger": "playground.x", "event": "two\nlines of words"}


def test_a_secret_stands_in_no_line_wherever_it_was_put(lines):
    secret = Secret(KEY)
    log = logging.getLogger("playground.x")
    log.warning("with %s", KEY)
    log.warning("beside", extra={"endpoint": f"https://x/?access_token={KEY}", "why": KEY, "seconds": 1.5})
    try:
        raise ValueError(f'"access_token=\\"{KEY}')
    except ValueError:
        log.exception("died")
    written = lines()
    assert len(written) == 3 and secret.reveal() not in json.dumps(written)
    assert written[1]["seconds"] == 1.5
    assert "ValueError" in written[2]["error"]


def test_what_is_no_field_is_not_written(lines):
    logging.getLogger("playground.x").warning("beside", extra={"prompt": PROMPT, "text": PROMPT})
    assert PROMPT not in json.dumps(lines())


def test_handlers_that_libraries_bring_late_write_json_too(lines):
    stream = io.StringIO()
    library = logging.getLogger("some.library")
    late = logging.StreamHandler(stream)
    late.setFormatter(logging.Formatter("plain: %(message)s"))
    library.addHandler(late)
    library.propagate = False
    library.warning("hello")
    assert json.loads(stream.getvalue())["event"] == "hello"


def test_each_run_has_a_line_at_its_end_and_none_holds_a_text(lines):
    with emulating(options=Options(pace=0.1)) as emulator:
        present = open_service(Settings(fault_endpoints=True), emulator.base_url, observers=[RunLog()])
        try:
            for name, ending in (("recorded/yi_34b", "finished"), ("fault/cut_mid_event", "cut"), ("fault/error_json", "failed")):
                run = present.runs.start(present.endpoints[name], CompletionRequest(prompt=PROMPT, parameters={"stream": True}), "v")
                assert run.wait(30)
                until(lambda run=run: any(line.get("run") == run.id[:6] for line in lines()))
                (line,) = [line for line in lines() if line.get("run") == run.id[:6]]
                assert (line["event"], line["endpoint"], line["provider"], line["ending"]) == ("run ended", name, "qianfan", ending)
                assert line["seconds"] >= 0 and set(line) <= {"time", "level", "logger", "event", *FIELDS}
                assert PROMPT not in json.dumps(lines()) and run.id not in json.dumps(lines())
                if ending == "finished":
                    assert line["completion_tokens"] == run.usage.completion_tokens and line["sentences"] == len(run.sentences)
                    assert run.sentences[0].text.strip() not in json.dumps(lines(), ensure_ascii=False)
        finally:
            close_service()


def test_a_refusal_is_told_by_its_kind_alone(lines):
    RunLog().refused(LimitReached(message("{typed} is too much.", typed=PROMPT)))
    (line,) = lines()
    assert (line["event"], line["why"]) == ("run refused", "LimitReached")
    assert PROMPT not in json.dumps(line)


def test_in_the_plain_log_runs_say_nothing_unless_asked(caplog):
    assert not logging.getLogger("playground.runs").isEnabledFor(logging.INFO)
    with caplog.at_level(logging.INFO, "playground"):
        RunLog().refused(LimitReached(message("m")))
    assert caplog.messages == ["A run was refused: LimitReached."]


def test_a_badly_written_line_is_still_a_line():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "no arguments", None, None)
    assert json.loads(JsonLines().format(record))["event"] == "no arguments"


def until(true):
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")
