"""The history of runs: written as they grow, whatever ends them; found by their words, opened as they were, and seen by nobody else."""

import dataclasses
import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as on_event
from sqlalchemy import select, update

from playground.client import Client
from playground.completion import CompletionRequest, Ending, Verdict
from playground.credentials import AccessToken
from playground.database import Database
from playground.endpoints import Endpoint
from playground.errors import ParameterError, PlaygroundError, StreamInterrupted
from playground.history import MOST_NOTE, SHOWN, History, Query
from playground.language import translator
from playground.message import message
from playground.price import Price
from playground.redaction import Secret
from playground.report import outcome, row
from playground.run import BY_PERSON, Runs
from playground.servers import process_mark, still_runs
from playground.service import close_service, open_service
from playground.settings import Limits, Settings
from playground.tables import METADATA, runs, sentences, servers
from playground.wire import Timeouts
from tests.postgres import DATABASES, running
from tests.scripted_server import CUT, HANG, ScriptedServer, json_reply, reply

ROOT = Path(__file__).resolve().parent.parent
CLIENT = Client(timeouts=Timeouts(connect=5, silence=30))
ANNE, BERT = "a" * 32, "b" * 32
DAY = 86400.0


def wait_for(true, seconds=20.0):
    until, waiting = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < until:
        if found := true():
            return found
        waiting.wait(0.02)
    return true()


def event(text, number=0, *, is_end=False, **fields):
    return f"data: {json.dumps({'sentence_id': number, 'is_end': is_end, 'result': text, **fields})}\n\n".encode()


def endpoint(server, **fields):
    base = {"name": "own/x", "title": "Mine", "group": "g", "note": message("n"), "base_url": server.url, "path": "x",
            "credentials": AccessToken(token=Secret("24.token-of-history"))}
    return Endpoint(**{**base, **fields})


@contextmanager
def opened(address, **options):
    """A history on a database, as a server has it while it runs."""
    database = Database(Secret(address))
    history = History(database, **options)
    try:
        yield history
    finally:
        history.close()
        database.close()


@pytest.fixture
def history(database_url):
    with opened(database_url) as one:
        yield one


@pytest.fixture
def place():
    made = Runs(CLIENT, Limits(runs_per_visitor=50, runs_in_all=50))
    yield made
    made.close()


@pytest.fixture
def begin(place, history):
    def start(server, prompt="Say something", visitor=ANNE, parent=None, parameters=None, **fields):
        request = CompletionRequest(prompt=prompt, parameters={"stream": True, **(parameters or {})})
        run = place.start(endpoint(server, **fields), request, visitor)
        history.keep(run, parent=parent)
        return run

    return start


def ended(history, run):
    """Wait until the history knows a run's ending."""
    assert run.wait(10)
    return wait_for(lambda: (entry := history.entry(run.visitor, run.id)) and entry.ending and entry)


def record(number=0, **fields):
    """A run as an export holds it."""
    text = fields.pop("text", f"answer {number}")
    base = {
        "id": f"{number:032x}", "started": 1_700_000_000.0 + number, "prompt": f"prompt {number}", "parameters": {"temperature": 0.5, "stream": True},
        "endpoint": {"name": "own/x", "title": "Mine", "group": "g", "provider": "qianfan", "model": "", "url": "https://x.test/y"},
        "ending": "finished", "ended_after": 1.5, "reason": None, "error": None, "parent": None, "note": "", "starred": False,
        "sentences": [{"text": text, "arrived": 0.5, "is_end": True, "usage": [3, None, 9], "safety": ["safe", None, None], "sentence_id": 0}],
    }
    return {**base, **fields}


def ids(entries):
    return [int(entry.id, 16) for entry in entries]


def everything(history):
    """All that the database holds, as text."""
    with history._database.connect() as connection:
        return str([tuple(one) for table in METADATA.sorted_tables for one in connection.execute(select(table))])


# --- a run is kept ---


def test_a_run_is_kept_as_it_grows_and_whole_at_its_end(begin, history):
    go = threading.Event()
    usage = {"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 7}
    script = reply(event("Hello", is_safe=1), event(" wor", 1), go, event("ld.", 2, is_end=True, usage=usage, finish_reason="normal", id="as-1"))
    price = Price(prompt=Decimal("1"), completion=Decimal("2"), currency="CNY")
    with ScriptedServer(script) as server:
        run = begin(server, parent="f" * 32, price=price, parameters={"temperature": 0.7, "stop": ["\n"]})
        growing = wait_for(lambda: [one for one in history.find(ANNE) if one.sentences == 2])[0]
        assert (growing.ending, growing.text, growing.characters, growing.ended_after) == (None, "Hello wor", 9, None)
        assert history.restore(ANNE, run.id) is run
        with history._database.connect() as connection:
            assert wait_for(lambda: "".join(connection.scalars(select(sentences.c.text).order_by(sentences.c.number)).all()) == "Hello wor")
        go.set()
        whole = ended(history, run)
    assert (whole.ending, whole.text, whole.sentences, whole.characters) == (Ending.FINISHED, "Hello world.", 3, 12)
    assert (whole.prompt, whole.parameters, whole.parent) == ("Say something", {"stream": True, "temperature": 0.7, "stop": ["\n"]}, "f" * 32)
    assert (whole.usage, whole.cost, whole.safety.verdict) == (run.usage, (Decimal("0.010"), "CNY"), Verdict.SAFE)
    assert (whole.started, whole.first_after, whole.ended_after) == (run.started, run.sentences[0].arrived, run.ended_after)
    assert (whole.endpoint["name"], whole.endpoint["title"], whole.endpoint["provider"]) == ("own/x", "Mine", "qianfan")
    assert whole.endpoint["url"] == run.endpoint.url
    assert history.find(ANNE) == [whole]


def test_an_opened_run_says_what_the_live_one_said(begin, history):
    halves = reply(event("\ud83d", is_safe=1), event("\ude00 a\0b\x1a", 1, usage={"prompt_tokens": 4, "total_tokens": 5}), event("", 2, is_end=True))
    with ScriptedServer(halves) as server:
        run = begin(server, price=Price(prompt=Decimal("1"), completion=Decimal("2"), currency="EUR"), parameters={"top_p": 0.3})
        ended(history, run)
    again = history.restore(ANNE, run.id)
    assert again is not run and (again.sentences, again.text, again.request, again.id) == (run.sentences, run.text, run.request, run.id)
    assert again.text == "😀 a\0b\x1a"
    for language in ("en", "zh_CN"):
        now, then = outcome(again, translator(language)), outcome(run, translator(language))
        assert {name for name in then if now[name] != then[name]} <= {"attempts", "request_id", "rate_limits"}
    assert [row(one, again.endpoint.price) for one in again.sentences] == [row(one, run.endpoint.price) for one in run.sentences]
    assert (again.endpoint.url, again.endpoint.name, again.endpoint.credentials) == (run.endpoint.url, run.endpoint.name, None)
    assert again.wait(0) and not again.exchange.events


ENDINGS = {
    "cut": (reply(event("kept"), CUT), Ending.CUT),
    "refused": (json_reply({"error_code": 336003, "error_msg": "the prompt is bad"}), Ending.FAILED),
    "in the middle": (reply(event("kept"), b'{"error_code":336100,"error_msg":"busy"}\n'), Ending.FAILED),
}


@pytest.mark.parametrize(("script", "ending"), ENDINGS.values(), ids=ENDINGS)
def test_what_went_wrong_is_kept_in_words_that_are_translated_when_read(begin, history, script, ending):
    with ScriptedServer(script) as server:
        run = begin(server)
        entry = ended(history, run)
    assert (entry.ending, entry.text, type(entry.error)) == (ending, run.text, type(run.error))
    for language in ("en", "zh_CN"):
        assert outcome(history.restore(ANNE, run.id), translator(language))["error"] == outcome(run, translator(language))["error"]
    assert entry.error.message.render(translator("zh_CN")) != str(entry.error.message)


def test_a_stop_is_kept_with_its_reason(begin, history):
    with ScriptedServer(reply(event("kept"), HANG)) as server:
        run = begin(server)
        assert wait_for(lambda: run.sentences)
        run.stop()
        entry = ended(history, run)
    assert (entry.ending, entry.reason, entry.text, entry.error) == (Ending.STOPPED, BY_PERSON, "kept", None)


def test_no_secret_is_ever_written(begin, history):
    token = AccessToken(token=Secret("24.0123456789abcdef.2592000.1700000000.123456-7890"))
    said = {"error_code": 6, "error_msg": f"no right for access_token={token.token.reveal()} of Bearer abcdefgh12345678"}
    with ScriptedServer(json_reply(said)) as server:
        entry = ended(history, begin(server, credentials=token, title=f"key {token.token.reveal()}"))
    assert "no right" in entry.error.endpoint_message
    held = everything(history)
    assert "no right" in held and "0123456789abcdef.2592000" not in held and "abcdefgh12345678" not in held


def test_figures_that_no_database_holds_do_no_harm(begin, history):
    with ScriptedServer(reply(event("x", is_end=True, usage={"prompt_tokens": 1, "total_tokens": 10**30}, sentence_id=10**30))) as server:
        run = begin(server)
        assert ended(history, run).usage is None
    assert history.restore(ANNE, run.id).usage == run.usage
    assert history.trouble is None


def test_a_list_has_the_beginning_of_a_long_answer_and_an_entry_all_of_it(begin, history):
    text = "a\0😀" * SHOWN
    with ScriptedServer(reply(event(text, is_end=True))) as server:
        entry = ended(history, begin(server))
    assert entry.text == text
    shown = history.find(ANNE)[0].text
    assert text.startswith(shown) and 300 < len(shown) <= SHOWN


def test_a_run_of_many_sentences_comes_back_in_order(begin, history):
    events = [event(f"{number} ", number, is_end=number == 2999) for number in range(3000)]
    with ScriptedServer(reply(*events)) as server:
        run = begin(server)
        ended(history, run)
    assert history.restore(ANNE, run.id).sentences == run.sentences


def test_shutting_down_marks_the_runs_that_go_on(database_url):
    with ScriptedServer(reply(event("kept"), HANG)) as server:
        service = open_service(Settings(database=Secret(database_url)))
        try:
            run = service.runs.start(endpoint(server), CompletionRequest(prompt="p", parameters={"stream": True}), ANNE)
            service.history.keep(run)
            assert wait_for(lambda: run.sentences)
        finally:
            close_service()
    with opened(database_url) as history:
        entry = history.entry(ANNE, run.id)
    assert (entry.ending, entry.text, str(entry.reason)) == (Ending.STOPPED, "kept", "Stopped because the server was shut down.")


# --- whose it is ---


def test_a_visitor_sees_and_changes_only_his_own(begin, history):
    with ScriptedServer(reply(event("secret thoughts", is_end=True))) as server:
        run = begin(server, visitor=ANNE)
        ended(history, run)
    assert history.find(BERT) == [] == history.endpoints(BERT) == list(history.records(BERT)) == list(history.records(BERT, [run.id]))
    assert (history.count(BERT), history.entry(BERT, run.id), history.restore(BERT, run.id)) == (0, None, None)
    assert history.find(BERT, Query(words="secret")) == [] == history.find(BERT, Query(words="se"))
    assert history.delete(BERT, [run.id]) == 0 == history.undelete(BERT, [run.id])
    history.annotate(BERT, run.id, note="mine", starred=True)
    entry = history.entry(ANNE, run.id)
    assert (entry.note, entry.starred, entry.deleted) == ("", False, None)


# --- finding ---

TEXTS = {
    1: "The quick brown fox", 2: "文心一言是一个知识增强的大语言模型", 3: "100% of 5_000 items", 4: "she said \"don't\" (OR else) AND left*",
    5: "a\0b\0c", 6: "half of one", 7: "ÉTÉ à Nîmes", 8: "ends with 模型", 9: "x",
    10: "tab\tand\nnewline C:\\path\\to", 11: "Ünïcode QUICK silver", 12: "好",
}
NOT_PLAIN = {3: {"note": "a remark"}, 6: {"prompt": "prompt half \ud83d6"}}
WORDS = {
    "quick": [1, 11], "QUICK": [1, 11], "brown quick": [1], "fox quick zebra": [], "zebra": [], "ck": [1, 11], "x": [1, 9],
    "大语言": [2], "大语言模型 知识": [2], "模型": [2, 8], "知识": [2], "型": [2, 8], "好": [12], "语模": [],
    "%": [3], "100%": [3], "5_0": [3], "5_": [3], "a_b": [], "%%%": [], "00": [3], "!": [],
    "\"don't\"": [4], "(OR": [4], "left*": [4], "\"": [4], "NOT": [],
    "a\0b": [5], "\0": [5], "half \ud83d": [6], "\ud83d": [6], "\ud83d6": [6],
    "été": [7], "ét": [7], "nîmes à": [7], "ünï": [11], "C:\\path": [10], "\\": [10],
    "prompt": list(TEXTS), "prompt 12": [12], "remark": [3], "re mark": [3],
}


@pytest.fixture(scope="module", params=DATABASES)
def library(request, tmp_path_factory):
    """A history with some texts in it, on each kind of database."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            address = f"sqlite:///{tmp_path_factory.mktemp('library') / 'x.sqlite3'}"
        else:
            address = stack.enter_context(request.getfixturevalue("postgres").fresh())
        history = stack.enter_context(opened(address))
        history.take(ANNE, [record(number, text=text, **NOT_PLAIN.get(number, {})) for number, text in TEXTS.items()])
        history.take(BERT, [record(100 + number, text="quick 模型 prompt x") for number in range(5)])
        yield history


@pytest.mark.parametrize(("words", "found"), WORDS.items(), ids=[ascii(words) for words in WORDS])
def test_words_are_found_in_prompt_answer_and_note(library, words, found):
    assert sorted(ids(library.find(ANNE, Query(words=words)))) == found
    assert library.count(ANNE, Query(words=words)) == len(found)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(TEXTS)), st.integers(0, 40), st.integers(1, 12))
def test_any_piece_of_a_text_finds_it(library, number, start, length):
    text = TEXTS[number]
    piece = text[start : start + length].strip()
    found = ids(library.find(ANNE, Query(words=piece)))
    words = piece.lower().split()
    plain = {one: {"prompt": f"prompt {one}", "note": "", **NOT_PLAIN.get(one, {})} for one in TEXTS}
    whole = {one: f"{plain[one]['prompt']}\n{text}\n{plain[one]['note']}".lower() for one, text in TEXTS.items()}
    assert found == sorted((one for one, text in whole.items() if all(word in text for word in words)), reverse=True)


def test_an_index_finds_the_words(library):
    """It is what makes a search fast; as one is right without it, nothing else would tell."""
    if library._database.dialect == "sqlite":
        assert library._fts
        with library._database.connect() as connection:
            match = "SELECT count(*) FROM runs_words WHERE runs_words MATCH '\"大语言模型\"'"
            assert connection.exec_driver_sql(match).scalar() == 1
        return
    with library._database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("DROP INDEX runs_listed, runs_endpoints, runs_noted")
        for words, index in (("quick", "runs_words"), ("大语言模型", "runs_words"), ("模型", "runs_words_pairs")):
            wanted = library._wanted(connection, ANNE, Query(words=words), [runs.c.id])
            literal = wanted.compile(connection, compile_kwargs={"literal_binds": True})
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {literal}".replace("%%", "%").replace("%", "%%")).scalars())
            assert f"Index Scan on {index} " in plan, plan
        connection.rollback()


def test_the_index_follows_notes_deletions_and_what_is_erased(database_url):
    with opened(database_url) as history:
        history.take(ANNE, [record(1, text="about lighthouses"), record(2, text="about lighthouses too")])
        history.annotate(ANNE, f"{1:032x}", note="visit 灯塔 again")
        assert ids(history.find(ANNE, Query(words="灯塔"))) == [1] == ids(history.find(ANNE, Query(words="visit")))
        history.annotate(ANNE, f"{1:032x}", note="")
        assert history.find(ANNE, Query(words="visit")) == []
        history.delete(ANNE, [f"{2:032x}"])
        assert ids(history.find(ANNE, Query(words="lighthouses"))) == [1]
        age(history, 2, deleted=2 * DAY)
    with opened(database_url) as history:
        assert wait_for(lambda: history.entry(ANNE, f"{2:032x}") is None)
        assert ids(history.find(ANNE, Query(words="lighthouses"))) == [1]
        if history._fts:  # raises an error if the index and the runs differ
            with history._database.begin() as connection:
                connection.exec_driver_sql("INSERT INTO runs_words(runs_words, rank) VALUES ('integrity-check', 1)")


def test_filters_and_names(history):
    other = {**record()["endpoint"], "name": "own/other"}
    history.take(ANNE, [
        record(1), record(2, endpoint=other), record(3, starred=True), record(4, note="n"),
        record(5, ending="stopped", reason={"text": "Stopped by you.", "values": {}}), record(6, endpoint=other, starred=True, text="needle"),
    ])
    for query, found in (
        (Query(endpoint="own/other"), [6, 2]), (Query(starred=True), [6, 3]), (Query(noted=True), [4]), (Query(ending=Ending.STOPPED), [5]),
        (Query(ending=Ending.CUT), []), (Query(endpoint="own/x", starred=True), [3]), (Query(words="needle", endpoint="own/other"), [6]),
        (Query(words="needle", endpoint="own/x"), []), (Query(words="ee", starred=True), [6]), (Query(limit=2), [6, 5]),
    ):
        assert ids(history.find(ANNE, query)) == found
        assert history.count(ANNE, query) == (6 if query.limit == 2 else len(found))
    assert history.endpoints(ANNE) == ["own/other", "own/x"]


@pytest.mark.parametrize("words", ["", "answer", "an"])
def test_pages_follow_each_other_without_gap_or_repeat(history, words):
    history.take(ANNE, [record(number, started=1_700_000_000.0 + number // 5) for number in range(65)])
    history.take(BERT, [record(1000 + number, started=1_700_000_000.0 + number // 5) for number in range(20)])
    pages, before = [], None
    while page := history.find(ANNE, Query(words=words, limit=20, before=before)):
        pages.append(page)
        before = (page[-1].started, page[-1].id)
    assert [len(page) for page in pages] == [20, 20, 20, 5]
    flat = [entry for page in pages for entry in page]
    assert sorted(ids(flat)) == list(range(65))
    assert [entry.started for entry in flat] == sorted((entry.started for entry in flat), reverse=True)


def test_a_crowd_of_one_moment_is_taken_with_a_few_statements_each(history):
    asked = []
    on_event.listen(history._database.engine, "before_cursor_execute", lambda *_: asked.append(1))
    history.take(ANNE, [record(number) | {"started": 1_700_000_000.0} for number in range(300)])
    assert len(asked) < 12 * 300
    assert len({entry.id for entry in history.find(ANNE, Query(limit=500))}) == 300


def test_the_next_page_begins_there_even_if_the_last_line_is_gone(history):
    history.take(ANNE, [record(number) for number in range(10)])
    assert ids(history.find(ANNE, Query(before=(1_700_000_004.0, "0" * 31 + "x")))) == [3, 2, 1, 0]


# --- notes, stars, deleting ---


def test_a_note_and_a_star_stay_through_the_run_s_end(begin, history):
    go = threading.Event()
    with ScriptedServer(reply(event("a"), go, event("b", 1, is_end=True))) as server:
        run = begin(server)
        history.annotate(ANNE, run.id, note="watch\0 this 好", starred=True)
        go.set()
        entry = ended(history, run)
    assert (entry.note, entry.starred, entry.text) == ("watch\0 this 好", True, "ab")
    history.annotate(ANNE, run.id, starred=False)
    history.annotate(ANNE, run.id, note="")
    entry = history.entry(ANNE, run.id)
    assert (entry.note, entry.starred) == ("", False)


def test_a_note_has_a_limit(history):
    history.take(ANNE, [record(1)])
    history.annotate(ANNE, f"{1:032x}", note="x" * MOST_NOTE)
    with pytest.raises(ParameterError, match="at most"):
        history.annotate(ANNE, f"{1:032x}", note="x" * (MOST_NOTE + 1))


def test_what_is_deleted_comes_back_if_it_is_wanted(history):
    history.take(ANNE, [record(number) for number in range(4)])
    gone = [f"{number:032x}" for number in (1, 2)]
    assert (history.delete(ANNE, [*gone, "f" * 32]), history.delete(ANNE, gone)) == (2, 0)
    assert ids(history.find(ANNE)) == [3, 0] and history.count(ANNE) == 2
    assert [int(one["id"], 16) for one in history.records(ANNE)] == [3, 0]
    assert history.entry(ANNE, gone[0]).deleted is not None
    assert history.restore(ANNE, gone[0]) is None
    assert (history.undelete(ANNE, gone[:1]), history.undelete(ANNE, gone[:1])) == (1, 0)
    assert ids(history.find(ANNE)) == [3, 1, 0]


def age(history, number, **ages):
    """Make something of a run so many seconds older."""
    with history._database.begin() as connection:
        connection.execute(update(runs).where(runs.c.id == f"{number:032x}").values({name: time.time() - seconds for name, seconds in ages.items()}))


def kept_rows(history):
    """The runs that have sentences in the database, and those that have a row."""
    with history._database.connect() as connection:
        said = {int(one, 16) for one in connection.scalars(select(sentences.c.run))}
        return said, {int(one, 16) for one in connection.scalars(select(runs.c.id))}


def test_old_runs_are_erased_and_starred_ones_stay(database_url):
    with opened(database_url) as history:
        history.take(ANNE, [record(1), record(2, starred=True), record(3), record(4), record(5, starred=True)])
        age(history, 1, kept=91 * DAY)
        age(history, 2, kept=91 * DAY)
        history.delete(ANNE, [f"{number:032x}" for number in (4, 5)])
        age(history, 4, deleted=0.9 * DAY)
        age(history, 5, deleted=1.1 * DAY)
    with opened(database_url, days=90) as history:
        assert wait_for(lambda: kept_rows(history) == ({2, 3, 4}, {2, 3, 4}))


def test_a_visitor_has_so_many_runs_and_the_newest_stay(database_url, monkeypatch):
    monkeypatch.setattr("playground.history._BATCH", 20)
    with opened(database_url, most=30) as history:
        history.take(BERT, [record(5000 + number) for number in range(3)])
        history.take(ANNE, [record(number, starred=number == 1) for number in range(80)])
        assert wait_for(lambda: history.count(ANNE) == 31)
        assert ids(history.find(ANNE)) == [*range(79, 49, -1), 1]
        assert history.count(BERT) == 3


def test_nothing_is_kept_where_that_is_wished(place, database_url):
    with opened(database_url) as history:
        history.take(ANNE, [record(1)])
    with opened(database_url, days=0) as history, ScriptedServer(reply(event("a", is_end=True))) as server:
        run = place.start(endpoint(server), CompletionRequest(prompt="p", parameters={"stream": True}), ANNE)
        history.keep(run)
        assert run.wait(5)
        assert wait_for(lambda: kept_rows(history) == (set(), set()))
        assert history.find(ANNE) == []


# --- taking along ---


def test_what_one_takes_along_another_can_take_in(begin, history, tmp_path):
    halves = reply(event("\ud83d", is_safe=0, ban_round=-1), event("\ude00 a\0b", 1, usage={"prompt_tokens": 4, "total_tokens": 5}), CUT)
    with ScriptedServer(halves, reply(event("second", is_end=True))) as server:
        first = begin(server, price=Price(prompt=Decimal("1"), completion=Decimal("2"), currency="EUR"))
        ended(history, first)
        second = begin(server, parent=first.id)
        ended(history, second)
    history.annotate(ANNE, first.id, note="half 😀", starred=True)
    records = json.loads(json.dumps(list(history.records(ANNE))))
    assert list(history.records(ANNE, [first.id, "f" * 32])) == [records[1]]
    assert ANNE not in json.dumps(records)
    assert history.take(ANNE, records) == (0, 2)
    assert history.take(BERT, records) == (2, 0) and history.take(BERT, records) == (0, 2)
    newer, older = history.find(BERT)
    assert newer.parent == older.id != first.id, "another's copy has ids of its own, and keeps what belongs together"
    assert (older.note, older.starred, older.cost, older.usage) == ("half 😀", True, history.entry(ANNE, first.id).cost, first.usage)
    assert history.restore(BERT, older.id).sentences == first.sentences
    with opened(f"sqlite:///{tmp_path / 'another.sqlite3'}") as elsewhere:
        assert elsewhere.take(BERT, records) == (2, 0)
        assert list(elsewhere.records(BERT)) == records, "on another server they are what they were"


def test_taking_in_brings_back_what_was_deleted_and_overwrites_nothing(history):
    history.take(ANNE, [record(1, note="first")])
    assert history.take(ANNE, [record(1, note="second", text="other")]) == (0, 1)
    history.delete(ANNE, [f"{1:032x}"])
    assert history.take(ANNE, [record(1, note="second"), record(1)]) == (1, 1)
    assert [(one.note, one.text) for one in history.find(ANNE)] == [("first", "answer 1")]


def test_a_run_that_went_on_when_it_was_saved_is_taken_as_cut(begin, history):
    with ScriptedServer(reply(event("so far"), HANG)) as server:
        run = begin(server)
        assert wait_for(lambda: history.find(ANNE)[0].sentences)
        records = list(history.records(ANNE))
        assert (records[0]["ending"], len(records[0]["sentences"])) == (None, 1)
        history.take(BERT, records)
        run.stop()
    entry = history.find(BERT)[0]
    assert (entry.ending, entry.text, str(entry.error.message)) == (Ending.CUT, "so far", "This run was still going when it was saved.")


TEXT = st.text(st.characters(exclude_categories=()), max_size=15)
FIGURE = st.none() | st.integers(-3, 2**62)
SAID = st.fixed_dictionaries(
    {"text": TEXT, "arrived": st.floats(0, 1e6)},
    optional={
        "index": st.integers(0, 2**40), "is_end": st.booleans(), "usage": st.lists(FIGURE, min_size=3, max_size=3), "is_truncated": st.booleans(),
        "safety": st.tuples(st.sampled_from([one.value for one in Verdict]), st.none() | st.booleans(), FIGURE).map(list), "finish_reason": TEXT,
        "answer_id": TEXT, "sentence_id": st.integers(-2, 2**62),
    },
)
RECORD = st.builds(
    lambda **fields: record(secrets.randbits(128), **fields),
    prompt=TEXT, note=TEXT, starred=st.booleans(), started=st.floats(0, 9e9), ended_after=st.none() | st.floats(0, 1e6),
    sentences=st.lists(SAID, max_size=4), ending=st.sampled_from([one.value for one in Ending]), parent=st.none() | st.just("c" * 32),
    parameters=st.dictionaries(TEXT, st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists, max_leaves=4), max_size=3),
    error=st.none() | st.just({"kind": "RateLimitError", "message": {"text": "Slow {down}", "values": {"down": "é"}}, "remedy": None, "code": 18,
                               "words": "QPS", "request_id": None, "again": True}),
)


@pytest.mark.slow
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORD, min_size=1, max_size=3))
def test_records_come_back_as_they_were(library, records):
    merged = json.loads(json.dumps(records))
    visitor = secrets.token_hex(16)
    assert library.take(visitor, merged) == (len(records), 0)
    back = {one["id"]: one for one in library.records(visitor)}
    for one in merged:
        last = one["sentences"][-1]["arrived"] if one["sentences"] else 0.0
        made = {**one, "ended_after": last if one["ended_after"] is None else one["ended_after"]}
        found = back[one["id"]]
        assert {name: found[name] for name in made if name != "sentences"} == {name: made[name] for name in made if name != "sentences"}
        assert found["sentences"] == one["sentences"]
    for entry in library.find(visitor):
        assert library.restore(visitor, entry.id).text == library.entry(visitor, entry.id).text == back[entry.id]["text"]


DEEP = {"text": "{a}", "values": {"a": {"text": "{a}", "values": {"a": {"text": "{a}", "values": {"a": {"text": "{a}", "values": {"a": 1}}}}}}}}
WRONG = {
    "no id": {"id": None}, "another id": {"id": "../../etc"}, "a long id": {"id": "0" * 33}, "upper case": {"id": "A" * 32}, "a parent": {"parent": 5},
    "before time": {"started": -1}, "after time": {"started": 1e300}, "no time": {"started": float("nan")}, "true time": {"started": True},
    "no prompt": {"prompt": None}, "a list": {"prompt": ["x"]}, "a huge note": {"note": "x" * 10_000}, "starred": {"starred": "yes"},
    "parameters": {"parameters": [1]}, "not a number": {"parameters": {"x": float("inf")}}, "an ending": {"ending": "exploded"},
    "a listed ending": {"ending": ["cut"]}, "no endpoint": {"endpoint": None}, "half an endpoint": {"endpoint": {"name": "x"}},
    "a provider": {"endpoint": {**record()["endpoint"], "provider": "nobody"}}, "a price": {"endpoint": {**record()["endpoint"], "price": ["1", "2"]}},
    "half a character": {"endpoint": {**record()["endpoint"], "name": "\ud83d"}}, "no character": {"endpoint": {**record()["endpoint"], "name": "x\0"}},
    "a price of nothing": {"endpoint": {**record()["endpoint"], "price": ["NaN", "2", "CNY"]}},
    "a huge price": {"endpoint": {**record()["endpoint"], "price": ["1e999999", "2", "CNY"]}},
    "no sentences": {"sentences": None}, "sentences": {"sentences": ["x"]}, "a silent one": {"sentences": [{"arrived": 0}]},
    "a late one": {"sentences": [{"text": "x", "arrived": "now"}]}, "a field": {"sentences": [{"text": "x", "arrived": 0, "__class__": 1}]},
    "tokens": {"sentences": [{"text": "x", "arrived": 0, "usage": [1, 2, 2**70]}]}, "usage": {"sentences": [{"text": "x", "arrived": 0, "usage": 3}]},
    "safety": {"sentences": [{"text": "x", "arrived": 0, "safety": ["fine", None, None]}]},
    "a format": {"reason": {"text": "{a.__class__}", "values": {"a": "x"}}}, "a width": {"reason": {"text": "{a:>999999999}", "values": {"a": "x"}}},
    "a place without value": {"reason": {"text": "{a}", "values": {}}}, "half a place": {"reason": {"text": "{a", "values": {"a": 1}}},
    "a change": {"reason": {"text": "{a!r}", "values": {"a": 1}}}, "no values": {"reason": {"text": "x"}}, "a text": {"reason": "stopped"},
    "deep words": {"reason": DEEP}, "an error": {"error": {"message": "x"}}, "an error's code": {
        "error": {"kind": "x", "message": {"text": "x", "values": {}}, "remedy": None, "code": [1], "words": None, "request_id": None, "again": False}
    },
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_record_that_cannot_be_read_is_refused_in_words_and_nothing_is_added(library, wrong):
    visitor = secrets.token_hex(16)
    with pytest.raises(ParameterError, match="cannot be read") as caught:
        library.take(visitor, [record(secrets.randbits(128)), record(secrets.randbits(128), **wrong)])
    assert caught.value.remedy is not None
    assert library.find(visitor) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(RECORD, st.sampled_from([*record(), "extra"]), JSON)
def test_whatever_stands_in_a_record_it_is_taken_whole_or_refused_in_words(library, good, field, value):
    history, visitor = library, secrets.token_hex(16)
    try:
        history.take(visitor, [{**good, field: value}])
    except ParameterError:
        assert history.find(visitor) == []
        return
    for entry in history.find(visitor):
        run = history.restore(visitor, entry.id)
        assert outcome(run, translator("zh_CN")) and list(history.records(visitor))


# --- what happens to the database ---


@pytest.mark.slow
def test_a_database_that_goes_away_in_mid_run_costs_the_run_nothing(place, caplog):
    go, more = threading.Event(), threading.Event()
    with running() as postgres, postgres.fresh() as address, opened(address) as history:
        with ScriptedServer(reply(event("before "), go, event("during ", 1), more, event("after", 2, is_end=True))) as server:
            run = place.start(endpoint(server), CompletionRequest(prompt="p", parameters={"stream": True}), ANNE)
            history.keep(run)
            assert wait_for(lambda: [one for one in history.find(ANNE) if one.text == "before "])
            postgres.stop()
            try:
                go.set()
                assert wait_for(lambda: len(run.sentences) == 2)
                assert wait_for(lambda: history.trouble is not None)
                with pytest.raises(PlaygroundError, match="does not answer"):
                    history.find(ANNE)
                more.set()
                assert run.wait(5) and run.ending is Ending.FINISHED
            finally:
                postgres.start()
            assert ended(history, run).text == "before during after"
            assert wait_for(lambda: history.trouble is None)
            assert history.restore(ANNE, run.id).sentences == run.sentences
    said = [one.getMessage() for one in caplog.records if one.name == "playground.history" and "(write" in one.getMessage()]
    assert len(said) == 2, said


def test_a_database_that_another_holds_in_mid_run_costs_the_run_nothing(tmp_path, place):
    address = f"sqlite:///{tmp_path / 'x.sqlite3'}"
    go = threading.Event()
    with opened(address) as history, ScriptedServer(reply(event("before "), go, event("after", 1, is_end=True))) as server:
        run = place.start(endpoint(server), CompletionRequest(prompt="p", parameters={"stream": True}), ANNE)
        history.keep(run)
        assert wait_for(lambda: [one for one in history.find(ANNE) if one.text == "before "])
        other = Database(Secret(address))
        with other.begin():
            go.set()
            assert run.wait(5) and run.ending is Ending.FINISHED
            assert history.find(ANNE)[0].ending is None
        other.close()
        assert ended(history, run).text == "before after"


def test_two_servers_on_one_database_see_what_the_other_keeps(database_url, place):
    go = threading.Event()
    with opened(database_url) as one, opened(database_url) as other, ScriptedServer(reply(event("growing"), go, event(".", 1, is_end=True))) as server:
        run = place.start(endpoint(server), CompletionRequest(prompt="p", parameters={"stream": True}), ANNE)
        one.keep(run)
        assert wait_for(lambda: [entry for entry in other.find(ANNE) if entry.text == "growing" and entry.ending is None])
        seen = other.restore(ANNE, run.id)
        assert (seen.ending, seen.text, type(seen.error)) == (Ending.CUT, "growing", StreamInterrupted)
        assert "another server" in str(seen.error.message)
        go.set()
        assert ended(other, run).text == "growing."
        assert other.restore(ANNE, run.id).ending is Ending.FINISHED


@pytest.mark.slow
def test_a_server_that_was_not_seen_for_a_while_is_gone(database_url, place):
    with opened(database_url) as history, ScriptedServer(reply(event("kept"), HANG)) as server:
        run = place.start(endpoint(server), CompletionRequest(prompt="p", parameters={"stream": True}), ANNE)
        history.keep(run)
        assert wait_for(lambda: history.find(ANNE)[0].sentences)
        with history._database.begin() as connection:  # as one on another computer that lost its power
            connection.execute(update(runs).values(server="d" * 32))
            connection.execute(servers.insert().values(id="d" * 32, began=time.time() - 60, seen=history._database.clock(), process=None))
        with opened(database_url) as other:
            assert other.entry(ANNE, run.id).ending is None
            entry = wait_for(lambda: (found := other.entry(ANNE, run.id)).ending and found)
    assert (entry.ending, entry.text, str(entry.error.message)) == (Ending.CUT, "kept", "The server stopped while this run was going.")


def over(place, text="x", **parameters):
    """A run that has ended, of which nobody has heard yet."""
    with ScriptedServer(reply(event(text, is_end=True))) as server:
        run = place.start(endpoint(server), CompletionRequest(prompt="p", parameters={"stream": True}), ANNE)
        assert run.wait(5)
    run.request = dataclasses.replace(run.request, parameters={**run.request.parameters, **parameters})
    return run


def test_a_run_that_cannot_be_written_keeps_no_other_from_being_written(place, history, caplog):
    wrong, good = over(place, "wrong", strange={"not": {"JSON"}}), over(place, "good")
    history.keep(wrong)
    history.keep(good)
    assert ended(history, good).text == "good"
    assert wait_for(lambda: "A run cannot be kept" in caplog.text)
    assert [entry.text for entry in history.find(ANNE)] == ["good"] and history.trouble is None


@pytest.mark.slow
def test_what_waits_for_a_database_takes_no_more_than_its_room(place, monkeypatch):
    monkeypatch.setattr("playground.history._MOST_WAITING", 2500)
    with running() as postgres, postgres.fresh() as address, opened(address) as history:
        postgres.stop()
        try:
            for text in ("a" * 1000, "b" * 1000, "c" * 1000):
                history.keep(over(place, text))
            assert wait_for(lambda: history.trouble is not None and len(history._kept) == 2)
        finally:
            postgres.start()
        assert wait_for(lambda: not history._kept)
        assert sorted(entry.text[0] for entry in history.find(ANNE)) == ["b", "c"]


@pytest.mark.slow
def test_two_servers_take_the_same_file_in_at_the_same_moment(postgres):
    records = [record(number) for number in range(150)]
    with postgres.fresh() as address, opened(address) as one, opened(address) as other, ThreadPoolExecutor() as pool:
        taken = [pool.submit(history.take, visitor, records) for history, visitor in ((one, ANNE), (other, BERT), (one, "c" * 32), (other, "d" * 32))]
        assert [each.result() for each in taken] == [(150, 0)] * 4
        assert [one.count(visitor) for visitor in (ANNE, BERT, "c" * 32, "d" * 32)] == [150] * 4


def test_a_process_is_known_by_its_mark_as_long_as_it_runs():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark = process_mark(process.pid)
        assert mark is not None and still_runs(mark) is True
        process.kill()
        assert wait_for(lambda: still_runs(mark) is False), "a process that nobody has waited for yet is gone as well"
        process.wait()
    assert still_runs(mark) is False
    own = process_mark(os.getpid()).split(" ")
    assert still_runs(" ".join([*own[:-1], "1"])) is False, "another process that has its number"
    for part in range(3):
        assert still_runs(" ".join("another" if number == part else one for number, one in enumerate(own))) is None, "of another place"


# --- a server that is killed ---


class Killed:
    """A chain of servers on one database, each killed in mid-run; and what the endpoint had sent by then."""

    def __init__(self, address):
        self._address = address
        self._sent = {}
        self._server = ScriptedServer(self._endless)
        self._process = None
        self.lost = []

    def _endless(self, peer):
        received = peer.read_request()
        sent = self._sent[json.loads(received.body)["prompt"]] = []
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        waiting = threading.Event()
        for number in range(100_000):
            sent.append(time.monotonic())
            peer.send(event(f"{number} ", number))
            waiting.wait(0.02)

    def start(self):
        """Start a server; returns what it finds in the history."""
        asked = {"database": self._address, "base_url": self._server.url, "visitor": ANNE}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.history_server", json.dumps(asked)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return {one["id"]: one for one in json.loads(self._process.stdout.readline())}

    def ask(self, prompt):
        """Begin a run there; returns its id."""
        self._process.stdin.write(f"{prompt}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def kill(self):
        """Kill it; returns when that was."""
        moment = time.monotonic()
        self._process.kill()
        self.reap()
        return moment

    def reap(self):
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
        self._process.wait(10)

    def check(self, prompt, moment, found):
        """What is kept of a run is how its text began, and all of it but the last moment's."""
        numbers = found["text"].split()
        assert numbers == [str(number) for number in range(len(numbers))] and found["text"] == "".join(f"{one} " for one in numbers)
        assert (found["ending"], found["error"]) == ("cut", "The server stopped while this run was going.")
        sent = [at for at in self._sent[prompt] if at < moment]
        self.lost.append(moment - sent[len(numbers)] if len(numbers) < len(sent) else 0.0)

    def __enter__(self):
        self._server.__enter__()
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self.kill()
        self._server.__exit__()


def kill_again_and_again(address, times):
    """Returns how many seconds of text were lost, of each run."""
    chance, before, all_of_them = random.Random(times), [], set()
    with Killed(address) as chain:
        for number in range(times + 1):
            found = chain.start()
            assert set(found) == all_of_them
            for prompt, run_id, moment in before:
                chain.check(prompt, moment, found[run_id])
            if number < times:
                begun = [(f"{number} {one}", chain.ask(f"{number} {one}")) for one in range(2)]
                time.sleep(chance.uniform(0.3, 1.2))
                moment = chain.kill()
                before = [(prompt, run_id, moment) for prompt, run_id in begun]
                all_of_them |= {run_id for _, run_id in begun}
        return chain.lost


@pytest.mark.slow
def test_a_server_that_is_killed_in_mid_run_has_kept_all_but_the_last_moment(postgres, tmp_path):
    with postgres.fresh() as address, ThreadPoolExecutor() as pool:
        lost = [*pool.map(kill_again_and_again, (f"sqlite:///{tmp_path / 'x.sqlite3'}", address), (10, 10))]
    for of_one_kind in lost:
        assert len(of_one_kind) == 20
        assert sorted(of_one_kind)[10] < 1.0 and max(of_one_kind) < 3.0, of_one_kind


@pytest.mark.slow
def test_a_replica_sees_at_once_that_another_was_killed(database_url):
    with opened(database_url) as history, Killed(database_url) as chain:
        chain.start()
        run_id = chain.ask("p")
        assert wait_for(lambda: (entry := history.entry(ANNE, run_id)) and entry.sentences > 3 and entry.ending is None)
        chain.kill()
        run = history.restore(ANNE, run_id)
        assert (run.ending, str(run.error.message)) == (Ending.CUT, "The server stopped while this run was going.")
        assert run.sentences and run.error.again


@pytest.mark.slow
def test_a_server_that_is_asked_to_end_keeps_its_runs_as_stopped(database_url):
    with Killed(database_url) as chain:
        chain.start()
        run_id = chain.ask("p")
        time.sleep(0.2)
        chain._process.stdin.close()
        chain.reap()
        with opened(database_url) as history:
            entry = history.entry(ANNE, run_id)
    assert (entry.ending, str(entry.reason)) == (Ending.STOPPED, "Stopped because the server was shut down.")
