"""Taking a history along: all of it as one file, one run to be read, a selection as a table; and taking such a file in again.

    {"playground": 1, "made": "2026-11-22T01:02:03Z", "runs": [
    {"id": "…", "started": …, "endpoint": {…}, "prompt": "…", "parameters": {…}, "sentences": [{"text": "…", "arrived": 0.4, …}], …},
    …
    ]}

The file is written run by run, and read so: neither needs room for all of it twice. No secret that this process knows is ever written.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NoReturn

from playground.completion import Verdict
from playground.errors import ParameterError
from playground.history import Entry, History
from playground.language import Translate
from playground.message import Message, message
from playground.price import money
from playground.redaction import mask_known

VERSION = 1
CONTENT_LIMIT = 64 * 1024 * 1024
# What JSON may hold beside its texts: each of it takes a hundred bytes once it is read.
_MOST_VALUES = 4_000_000
_BATCH = 100
_MOST_REFUSED = 20
_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.S)
_SPACE = re.compile(r"[ \t\r\n]*")
_READ = json.JSONDecoder(parse_constant=lambda word: _no_number(word))
# How a cell begins that a spreadsheet takes for something to reckon with.
_RECKONED = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "id", "started", "endpoint", "title", "model", "prompt", "answer", "ending", "parameters", "prompt_tokens", "completion_tokens", "total_tokens",
    "sentences", "characters", "first_after", "ended_after", "cost", "currency", "safety", "parent", "starred", "note",
)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of the runs of a file; `refused` says of some why they could not be read, `refused_count` of how many that holds."""

    added: int = 0
    known: int = 0
    refused_count: int = 0
    refused: tuple[Message, ...] = ()
    damaged: Message | None = None


# --- all of it, out and in ---


def write_archive(records: Iterable[Mapping[str, Any]], made: datetime | None = None) -> Iterator[str]:
    """Yield the file that `take_archive` reads, piece by piece."""
    moment = (made or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    yield f'{{"playground": {VERSION}, "made": "{moment}", "runs": ['
    between = "\n"
    for record in records:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        yield between + mask_known(_whole(line))
        between = ",\n"
    yield "\n]}\n"


def take_archive(history: History, visitor: str, content: bytes) -> Taken:
    """Add the runs of a file to a visitor's history. Raises `ParameterError` for a file that is none.

    What can be read is taken: a run that cannot is counted, and a file that breaks off gives what came before.
    """
    added = known = refused_count = 0
    refused: list[Message] = []
    damaged: list[Message] = []
    records = _records(content, damaged.append)
    while some := list(islice(records, _BATCH)):
        try:
            counts = history.take(visitor, some)
            added, known = added + counts[0], known + counts[1]
            continue
        except ParameterError:
            pass  # one of them; which one is found out
        for record in some:
            try:
                counts = history.take(visitor, [record])
                added, known = added + counts[0], known + counts[1]
            except ParameterError as error:
                refused_count += 1
                refused = [*refused, error.message][:_MOST_REFUSED]
    return Taken(added=added, known=known, refused_count=refused_count, refused=tuple(refused), damaged=damaged[0] if damaged else None)


def _records(content: bytes, damaged: Callable[[Message], None]) -> Iterator[Any]:
    """Yield what stands under "runs", one by one; says of a file that breaks off that it does."""
    if len(content) > CONTENT_LIMIT:
        raise _refused(message("The file is larger than {size} MB.", size=CONTENT_LIMIT // (1024 * 1024)))
    plain = _TEXTS.sub(b"", content)
    if sum(map(plain.count, (b"[", b"{", b","))) > _MOST_VALUES:
        raise _refused(message("The file holds more values than a history of its size has."))
    del plain
    try:
        text = content.decode("utf-8-sig")
        place = _head(text)
    except (ValueError, RecursionError):
        raise _refused(message("This is not a file of a history.")) from None
    try:
        while True:
            place = _past(text, place)
            if text.startswith("]", place):
                return
            record, place = _READ.raw_decode(text, place)
            yield record
            place = _past(text, place)
            if text.startswith(",", place):
                place += 1
            elif not text.startswith("]", place):
                raise ValueError
    except (ValueError, RecursionError):
        damaged(message("The file breaks off, or is damaged; the runs before that place were read."))


def _head(text: str) -> int:
    """Read what stands before the runs; return where they begin. Raises `ValueError` if there are none, `ParameterError` if they are newer."""
    place = _past(text, 0)
    version: Any = None
    mark = "{"
    while text.startswith(mark, place):
        name, place = _READ.raw_decode(text, _past(text, place + 1))
        place = _past(text, place)
        if not isinstance(name, str) or not text.startswith(":", place):
            break
        place = _past(text, place + 1)
        if name == "runs" and version is not None and text.startswith("[", place):
            return place + 1
        value, place = _READ.raw_decode(text, place)
        if name == "playground":
            version = _version(value)
        place, mark = _past(text, place), ","
    raise ValueError


def _version(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError
    if value > VERSION:
        raise ParameterError(
            "history", message("The file is of a newer kind ({version}) than this playground reads ({known}).", version=str(value)[:20], known=VERSION),
            message("Update the playground, or save the file again with the older one."),
        )
    return value


def _past(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _no_number(_word: str) -> NoReturn:
    raise ValueError


def _refused(what: Message) -> ParameterError:
    return ParameterError("history", what, message("Choose a file that was saved here with “Save everything”."))


# --- one run to be read ---


def markdown(entry: Entry, translate: Translate) -> str:
    """Return a run as Markdown. Its texts stand in fences that are longer than any in them, so that nothing in them is taken for Markdown."""

    def say(text: Message) -> str:
        return text.render(translate)

    started = datetime.fromtimestamp(entry.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    facts: list[tuple[Message, str]] = [
        (message("Endpoint"), " · ".join(filter(None, (entry.endpoint.get(name, "") for name in ("title", "name", "model"))))),
        (message("Began"), started),
        (message("Ending"), say(_ENDINGS[entry.ending.value if entry.ending else ""])),
        (message("Sentences"), str(entry.sentences)),
    ]
    if entry.first_after is not None:
        facts.append((message("First sentence after"), say(message("{seconds} s", seconds=f"{entry.first_after:.2f}"))))
    if entry.usage is not None:
        figures = (entry.usage.prompt_tokens, entry.usage.completion_tokens, entry.usage.total_tokens)
        facts.append((message("Tokens: prompt, answer, together"), ", ".join("–" if figure is None else str(figure) for figure in figures)))
    if entry.cost is not None:
        facts.append((message("Cost"), money(*entry.cost)))
    facts.append((message("Safety"), say(_VERDICTS[entry.safety.verdict])))
    said = [entry.reason, *((entry.error.message, entry.error.remedy) if entry.error else ())]
    if words := " ".join(say(part) for part in said if part is not None):
        facts.append((message("In words"), words))
    if entry.note:
        facts.append((message("Note"), entry.note))
    sent = [(name, json.dumps(value, ensure_ascii=False)) for name, value in entry.parameters.items() if value is not None]
    parts = [f"# {_line(entry.endpoint.get('title') or entry.endpoint.get('name') or '')} · {started}", ""]
    parts += ["| | |", "|---|---|", *(f"| {_line(say(name))} | {_line(value)} |" for name, value in facts), ""]
    parameters, prompt, answer = (f"## {say(words)}" for words in (message("Parameters"), message("Prompt"), message("Answer")))
    parts += [parameters, ""]
    table = ["| | |", "|---|---|", *(f"| {_code(name)} | {_code(value)} |" for name, value in sent)]
    parts += [*(table if sent else [say(message("None was sent."))]), ""]
    parts += [prompt, "", fenced(entry.prompt), "", answer, "", fenced(entry.text), ""]
    return _whole(mask_known("\n".join(parts)))


_ENDINGS = {
    "finished": message("finished"), "stopped": message("stopped"), "cut": message("end not confirmed"), "failed": message("failed"),
    "": message("still going"),
}
_VERDICTS = {Verdict.SAFE: message("safe"), Verdict.FLAGGED: message("flagged"), Verdict.NOT_RETURNED: message("not returned")}


def fenced(text: str) -> str:
    """Return a text in a fence that no line of it closes; what stands between is the text and one line end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    end = "\n\n" if text.endswith("\r") else "\n"  # or the two would be one line end
    return f"{fence}text\n{text}{end}{fence}"


def _code(text: str) -> str:
    """A text as code in a table's cell."""
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    words = text.replace("|", "\\|").replace("\n", " ")
    return f"{ticks} {words} {ticks}" if "`" in text else f"{ticks}{words}{ticks}"


def _line(text: str) -> str:
    """A text in one line, letter by letter."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]()<>#+-.!|~&" else one for one in " ".join(text.split()))


# --- a selection as a table ---


def csv_table(entries: Iterable[Entry]) -> Iterator[str]:
    """Yield a table of runs by RFC 4180, line by line, its first the names of the columns.

    A text that a spreadsheet would reckon with (it begins with = + - @, a tab or a carriage return) has an apostrophe in front; all
    others are as they were.
    """
    yield _csv(_COLUMNS)
    for entry in entries:
        usage = entry.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) if usage else (None, None, None)
        yield mask_known(_csv((
            entry.id, datetime.fromtimestamp(entry.started, UTC).isoformat(timespec="milliseconds"), entry.endpoint.get("name", ""),
            entry.endpoint.get("title", ""), entry.endpoint.get("model", ""), entry.prompt, entry.text, entry.ending.value if entry.ending else "",
            json.dumps(dict(entry.parameters), ensure_ascii=False), *tokens, entry.sentences, entry.characters, entry.first_after, entry.ended_after,
            *((str(entry.cost[0]), entry.cost[1]) if entry.cost else (None, None)), entry.safety.verdict.value, entry.parent,
            "yes" if entry.starred else "", entry.note,
        )))


def _csv(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return line.getvalue()


def _cell(value: object) -> object:
    return f"'{_whole(value)}" if isinstance(value, str) and value.startswith(_RECKONED) else _whole(value) if isinstance(value, str) else value


def _whole(text: str) -> str:
    """A text that UTF-8 can hold: half a character stays what JSON calls it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
