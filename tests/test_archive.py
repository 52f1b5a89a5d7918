"""A history taken along: the file comes back as it was, hostile files are refused in words, Markdown and tables hold any text."""

import csv
import io
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.archive import VERSION, csv_table, fenced, markdown, take_archive, write_archive
from playground.completion import Ending, Safety, Sentence
from playground.database import Database
from playground.errors import ParameterError
from playground.history import Entry, History
from playground.language import translator
from playground.redaction import MASK, Secret
from playground.run import whole_text
from tests.kept_runs import ENDPOINT, record

ME, OTHER = "a" * 32, "b" * 32
# Two halves of a character in a row would be one character in JSON; alone they stay what they are.
TEXTS = st.text(st.characters(codec=None), max_size=40).filter(lambda text: not re.search("[\ud800-\udbff][\udc00-\udfff]", text))
NUMBERS = st.one_of(st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.lists(TEXTS, max_size=3))
RECORDS = st.builds(
    record, st.lists(TEXTS, max_size=4), prompt=TEXTS, note=TEXTS, starred=st.booleans(), ending=st.sampled_from([one.value for one in Ending]),
    parameters=st.dictionaries(st.text(max_size=12), VALUES, max_size=4), started=st.floats(0, 4e9)
)
ENGLISH = translator("en")


PLAIN = Entry(
    id="c" * 32, started=0.0, endpoint={}, prompt="", parameters={}, text="", sentences=0, characters=0, first_after=None, ended_after=None,
    ending=None, reason=None, error=None, usage=None, safety=Safety(), cost=None, parent=None, demo=None, note="", starred=False, deleted=None,
)


@contextmanager
def opened(path: Path) -> Iterator[History]:
    database = Database(Secret(f"sqlite:///{path}"))
    history = History(database, days=36500)
    yield history
    history.close()
    database.close()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with opened(tmp_path / "here.sqlite3") as history:
        yield history


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[History]:
    with opened(tmp_path / "elsewhere.sqlite3") as history:
        yield history


def saved(history: History, visitor: str = ME) -> bytes:
    return "".join(write_archive(history.records(visitor))).encode()


def file_of(*records: Any, **head: Any) -> bytes:
    return json.dumps({"playground": VERSION, "made": "2026-11-22T00:00:00Z", **head, "runs": list(records)}).encode()


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(RECORDS, max_size=4))
def test_what_is_saved_and_taken_in_is_what_it_was(history: History, elsewhere: History, made: list[dict[str, Any]]):
    visitor, records = secrets.token_hex(16), [{**one, "id": secrets.token_hex(16)} for one in made]
    history.take(visitor, records)
    taken = take_archive(elsewhere, visitor, saved(history, visitor))
    assert (taken.added, taken.refused, taken.damaged) == (len(records), (), None)
    there = {one["id"]: one for one in elsewhere.records(visitor)}
    assert there == {one["id"]: one for one in history.records(visitor)}
    fields = ("prompt", "parameters", "note", "starred", "started")
    assert all(there[one["id"]][field] == one[field] for one in records for field in fields)
    assert all([row["text"] for row in there[one["id"]]["sentences"]] == [row["text"] for row in one["sentences"]] for one in records)
    assert all(there[one["id"]]["text"] == whole_text([Sentence(text=one["text"], index=0)]) for one in records)


def test_taking_in_merges_and_says_how_many(history: History, elsewhere: History):
    history.take(ME, [record(), record(), record()])
    first, *_ = history.records(ME)
    elsewhere.take(ME, [first])
    elsewhere.annotate(ME, first["id"], note="mine")
    taken = take_archive(elsewhere, ME, saved(history))
    assert (taken.added, taken.known, taken.refused_count) == (2, 1, 0)
    assert next(one["note"] for one in elsewhere.records(ME) if one["id"] == first["id"]) == "mine", "what is here stays as it is"
    assert take_archive(elsewhere, ME, saved(history)).added == 0


def test_a_file_never_takes_over_the_run_of_somebody_else(history: History):
    theirs = record(prompt="theirs")
    history.take(OTHER, [theirs])
    take_archive(history, ME, file_of({**theirs, "prompt": "mine"}))
    assert [one["prompt"] for one in history.records(OTHER)] == ["theirs"]
    assert [one["prompt"] for one in history.records(ME)] == ["mine"]


def test_an_empty_history_is_a_file_too(history: History):
    assert json.loads(saved(history)) == {"playground": 1, "made": json.loads(saved(history))["made"], "runs": []}
    assert take_archive(history, ME, saved(history)).added == 0


def test_a_file_that_another_program_laid_out_is_read(history: History):
    content = json.dumps(json.loads(file_of(record(), record())), indent=4, ensure_ascii=False).encode("utf-8-sig")
    assert take_archive(history, ME, content).added == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a file of a history"), (b"Hello", "not a file of a history"), (b"[]", "not a file of a history"),
        (b"\xff\xfe{}", "not a file of a history"),
        (b'{"runs": []}', "not a file of a history"), (b'{"playground": true, "runs": []}', "not a file of a history"),
        (b'{"playground": 0, "runs": []}', "not a file of a history"), (b'{"playground": 1, "runs": {}}', "not a file of a history"),
        (b'{"playground": 1' + b"0" * 5000 + b', "runs": []}', "not a file of a history"), (b"[" * 1_000_000, "not a file of a history"),
        (b'{"playground": 1, "x": ' + b"[" * 500_000, "not a file of a history"), (b'{"playground": 2, "runs": []}', "newer kind (2)"),
        (b'{"playground": 1, "runs": [' + b"[]," * 3_000_000, "more values"), (b" " * (64 * 1024 * 1024 + 1), "larger than 64 MB"),
    ],
    ids=["empty", "words", "list", "no UTF-8", "no version", "flag", "zero", "no list", "long number", "deep", "deep in it", "newer", "many", "large"],
)
def test_what_is_no_such_file_is_refused_in_words(history: History, content: bytes, words: str):
    with pytest.raises(ParameterError, match=re.escape(words)) as refused:
        take_archive(history, ME, content)
    assert refused.value.remedy is not None
    assert list(history.records(ME)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        None, 7, "run", [], {}, record(id="../../etc"), record(started="now"), record(started=float(10**300)), record(sentences=None),
        record(sentences=[{"text": "x", "arrived": 0, "usage": {}}]), record(endpoint={**ENDPOINT, "provider": "evil"}), record(ending="won"),
        record(parameters=[]), record(note=None), record(reason={"text": "{0.__class__}", "values": {}}), record(prompt=None),
        record(error={"message": {"text": "{x.y}", "values": {"x": 1}}}),
    ],
    ids=[
        "nothing", "number", "text", "list", "empty", "id", "time in words", "time without end", "no sentences", "usage", "provider", "ending",
        "parameters", "note", "reason", "prompt", "error",
    ],
)
def test_a_run_that_cannot_be_read_costs_no_other(history: History, wrong: Any):
    good = record(), record()
    taken = take_archive(history, ME, file_of(good[0], wrong, good[1]))
    assert (taken.added, taken.refused_count, len(taken.refused)) == (2, 1, 1)
    assert "cannot be read" in str(taken.refused[0])


def test_deep_values_in_a_run_are_no_end_of_the_world(history: History):
    deep = '{"a":' * 900 + "1" + "}" * 900
    content = file_of(record(), {"id": "PLACE"}).replace(b'{"id": "PLACE"}', b'{"parameters": %s}' % deep.encode())
    assert take_archive(history, ME, content).added == 1


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_breaks_off_gives_what_came_before(history: History, elsewhere: History, share: float):
    history.take(ME, [record(f"answer {number}") for number in range(10)])
    content = saved(history)
    taken = take_archive(elsewhere, ME, content[: int(len(content) * share)])
    assert 0 < taken.added < 10
    assert taken.damaged is not None and "breaks off" in str(taken.damaged)


def test_no_known_secret_is_in_any_of_the_files(history: History):
    secret = Secret("canary-0123456789abcdef-key")
    text = f"the key is {secret.reveal()}."
    history.take(ME, [record(text, prompt=text, note=text, parameters={"stop": [text]})])
    [entry] = history.find(ME)
    for content in (saved(history).decode(), markdown(entry, ENGLISH), "".join(csv_table([entry]))):
        assert secret.reveal() not in content and MASK in content
    assert json.loads(saved(history))["runs"][0]["text"] == f"the key is {MASK}."


def entry_of(history: History, **fields: Any) -> Entry:
    made = record(**fields)
    history.take(ME, [made])
    found = history.entry(ME, made["id"])
    assert found is not None
    return found


def blocks(document: str) -> list[str]:
    """What stands in the fences of a Markdown document, as CommonMark closes them."""
    found: list[str] = []
    fence, inside = "", list[str]()
    for line in re.split(r"\r\n|\n|\r", document):
        opening = re.fullmatch(r"(`{3,})text", line)
        if not fence and opening:
            fence, inside = opening[1], []
        elif fence and re.fullmatch(rf" {{0,3}}`{{{len(fence)},}}[ \t]*", line):
            found.append("\n".join(inside))
            fence = ""
        elif fence:
            inside.append(line)
    return found


@given(st.lists(st.one_of(TEXTS, st.sampled_from(["```", "````text", "\n", "`", " ```", "\r"])), max_size=8).map("".join))
def test_no_text_gets_out_of_its_fence(text: str):
    plain = text.encode("utf-8", "backslashreplace").decode()
    assert blocks(f"before\n\n{fenced(plain)}\n\nafter") == [re.sub(r"\r\n|\r", "\n", plain)]


def test_a_run_as_markdown_holds_everything_a_reader_wants(history: History):
    answer = "It is ```bold```.\n# Not a heading\n| no | table |"
    entry = entry_of(
        history, answer=answer, prompt="Say <b>it</b>", note="for *me*", parameters={"temperature": 0.7, "stop": ["\n", "|", "`"], "stream": True},
        ending="cut", reason=None,
        error={"kind": "StreamInterrupted", "message": {"text": "The server stopped.", "values": {}}, "remedy": None, "code": None, "words": None,
               "request_id": None, "again": True},
    )
    document = markdown(entry, ENGLISH)
    assert blocks(document) == ["Say <b>it</b>", answer]
    assert "| `temperature` | `0.7` |" in document
    for words in ("# Yi\\-34B", "recorded/yi\\_34b", "end not confirmed", "The server stopped\\.", "for \\*me\\*", "4, 3, 7"):
        assert words in document
    assert '| `stop` | `` ["\\n", "\\|", "`"] `` |' in document
    assert markdown(entry, translator("zh_CN")).count("```") == document.count("```")


def cells(history: History, **fields: Any) -> dict[str, str]:
    [line] = csv.DictReader(io.StringIO("".join(csv_table([entry_of(history, **fields)])), newline=""))
    return line


def test_a_table_of_runs_is_what_every_spreadsheet_reads(history: History):
    line = cells(history, answer='He said "so",\r\nand 北京\n', prompt="a,b", note="x", starred=True)
    assert line["answer"] == 'He said "so",\r\nand 北京\n'
    assert (line["prompt"], line["note"], line["starred"], line["ending"], line["total_tokens"]) == ("a,b", "x", "yes", "finished", "7")
    assert json.loads(line["parameters"]) == {"temperature": 0.7, "stream": True}
    assert line["started"].endswith("+00:00")


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_begins_as_a_formula(history: History, text: str):
    line = cells(history, answer=text, prompt=text, note=text)
    assert (line["answer"], line["prompt"], line["note"]) == (f"'{text}",) * 3


@given(TEXTS)
def test_every_other_text_is_in_its_cell_as_it_is(text: str):
    [line] = csv.DictReader(io.StringIO("".join(csv_table([replace(PLAIN, text=text)])), newline=""))
    plain = text.encode("utf-8", "backslashreplace").decode()
    assert line["answer"] == (f"'{plain}" if plain[:1] in ("=", "+", "-", "@", "\t", "\r") else plain)
