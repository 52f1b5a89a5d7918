"""Recordings: a request, its answer as it came over the wire, and when; as lines of JSON that any editor opens.

    {"recording": 1, "made": "2026-11-22T01:02:03Z", "endpoint": {"name": …, "url": …}, "request": {"method", "url", "headers", "body"}}
    {"response": {"status": 200, "version": "HTTP/1.1", "headers": {…}}, "at": 0.21}
    {"event": "data: {…}\\n\\n", "at": 0.4}         one line for each event; or {"body": "…", "at": 0.4}
    {"end": "finished", "at": 5.2, "kept": 14, "dropped": 0, "attempts": 1, "reason": null, "error": null}

Times are seconds since the run began. A file may hold many recordings, one after another; one without its end line was cut off
while it was made. Bytes that are not UTF-8 stand in the text as lone surrogates, `\\udc80` to `\\udcff`, so that they come back
as they were. No secret is ever written. What curl saves of a stream is read too.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from typing import Any, NamedTuple

from playground.completion import Ending
from playground.errors import ParameterError
from playground.message import Message, message
from playground.redaction import MASK, redact

VERSION = 1
CONTENT_LIMIT = 64 * 1024 * 1024
LINES_LIMIT = 1_000_000
SUFFIX = ".jsonl"
_ENDPOINT = ("name", "title", "group", "provider", "dialect", "model", "url")
_LONGEST_NAME = 1000
# What JSON may hold beside its texts: a recording's lines have a dozen values, and each takes twenty times its bytes.
_MOST_VALUES = 10_000
_SHORT_LINE = 65536
_MOST_PASSES = 4
_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.S)
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "api-key", "x-api-key", "x-bce-security-token")


class WireEvent(NamedTuple):
    """One event as it was sent, framing included, or a whole body; `at` is seconds since the run began. Bytes take a quarter of some texts."""

    at: float
    content: bytes

    @property
    def raw(self) -> str:
        """It as a text that gives the bytes back."""
        return raw_text(self.content)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as it was sent; its credentials masked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One run on the wire. What is not known is `None`: `status` if no answer came, `ended` if the recording itself was cut off.

    `endpoint` has the names `name`, `title`, `group`, `provider`, `model` and `url`. `dropped` events came and were not kept.
    `lost` says that the wire failed, rather than what came over it; `error` and `remedy` are the words of it.
    """

    made: str = ""
    endpoint: Mapping[str, str] = field(default_factory=dict)
    sent: Sent | None = None
    status: int | None = None
    version: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    answered: float = 0.0
    events: Sequence[WireEvent] = ()
    body: WireEvent | None = None
    ending: Ending | None = None
    ended: float | None = None
    dropped: int = 0
    attempts: int = 1
    reason: str | None = None
    error: str | None = None
    remedy: str | None = None
    lost: bool = False

    @property
    def timed(self) -> bool:
        """Whether it tells when its events came; what curl saved does not."""
        return any(event.at for event in self.events) or (self.body is not None and self.body.at > 0)

    @property
    def file_name(self) -> str:
        """A name for its file that any system takes."""
        title = re.sub(r"[^a-z0-9]+", "-", self.endpoint.get("title", "").lower()).strip("-")[:60]
        return "-".join(filter(None, (title or "recording", re.sub(r"[^0-9T]+", "-", self.made).strip("-")))) + SUFFIX


def raw_text(content: bytes) -> str:
    """Return bytes as a text that gives them back."""
    return content.decode("utf-8", "surrogateescape")


def raw_bytes(text: str) -> bytes:
    """Return the bytes of such a text."""
    return text.encode("utf-8", "surrogateescape")


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers without what proves anything to anybody."""
    masked = {redact(name): redact(value) for name, value in headers.items()}
    return {name: MASK if name.lower() in _SECRET_HEADERS and MASK not in value else value for name, value in masked.items()}


# --- writing ---


def write_recording(recording: Recording) -> Iterator[str]:
    """Yield the lines of a recording, without secrets; of one that still goes on, those there are."""
    sent = recording.sent
    yield _line({
        "recording": VERSION, "made": redact(recording.made),
        "endpoint": {name: redact(recording.endpoint[name]) for name in _ENDPOINT if name in recording.endpoint},
        "request": None if sent is None else {
            "method": sent.method, "url": redact(sent.url), "headers": masked_headers(sent.headers), "body": _masked(sent.body),
        },
    })
    if recording.status is not None:
        headers = masked_headers(recording.headers)
        yield _line({"response": {"status": recording.status, "version": recording.version, "headers": headers}, "at": _time(recording.answered)})
        yield from event_lines(recording)
    if recording.ended is not None:
        yield _line({
            "end": recording.ending, "at": _time(recording.ended), "kept": len(recording.events) + (recording.body is not None),
            "dropped": recording.dropped, "attempts": recording.attempts, **({"lost": True} if recording.lost else {}),
            "reason": recording.reason and redact(recording.reason), "error": recording.error and redact(recording.error),
            "remedy": recording.remedy and redact(recording.remedy),
        })


def event_lines(recording: Recording, start: int = 0) -> Iterator[str]:
    """Yield the lines of its events from that one on, as many as there are now; of a body that came whole, the one line."""
    if recording.body is not None and start == 0:
        yield _line({"body": _masked(recording.body.raw), "at": _time(recording.body.at)})
    for number in range(start, len(recording.events)):
        event = recording.events[number]
        yield _line({"event": _masked(event.raw), "at": _time(event.at)})


def _line(fields: Mapping[str, Any]) -> str:
    """One line of JSON. Half a character, as a service may send one, stays what it is: an escape."""
    text = json.dumps(fields, ensure_ascii=False)
    return (text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()) + "\n"


def _time(seconds: float) -> float:
    return round(float(seconds), 4)


def _masked(raw: str) -> str:
    """Take secrets out of what went over the wire, until nothing is left to take. JSON stays JSON: a mask must not eat the end of a text."""
    for _ in range(_MOST_PASSES):
        if redact(raw) == raw:
            break
        lines = [(line, _masked_json(line)) for line in re.split(r"(?<=[\r\n])", raw)]
        parts = groupby(lines, key=lambda line: line[1] is None)
        raw = "".join(redact("".join(line for line, _ in part)) if plain else "".join(masked or "" for _, masked in part) for plain, part in parts)
    return raw


def _masked_json(line: str) -> str | None:
    """Return a line that holds JSON, after a field name or alone, without secrets; `None` if it holds none."""
    start = re.search(r"[{\[]", line)
    if start is None:
        return None
    content = line[start.start() :]
    try:
        fields = _without_secrets(json.loads(content))
    except (ValueError, RecursionError):
        return None
    text = json.dumps(fields, ensure_ascii=False)
    return redact(line[: start.start()]) + text.encode("utf-8", "backslashreplace").decode() + content[len(content.rstrip()) :]


def _without_secrets(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {redact(key): _without_secrets(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_secrets(part) for part in value]
    if isinstance(value, bool) or value is None:
        return value
    text = value if isinstance(value, str) else json.dumps(value)
    named = f'"{name}": "x"'
    plain = redact(text)
    if text and redact(named) != named:
        return MASK
    return value if plain == text else plain


# --- reading ---


def read_recordings(content: bytes) -> list[Recording]:
    """Return the recordings of a file; or the one answer that curl saved, with its headers or without. Raises `ParameterError`."""
    if len(content) > CONTENT_LIMIT:
        raise _refused(message("The recording is larger than {size} MB.", size=CONTENT_LIMIT // (1024 * 1024)), _CUT)
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise _refused(message("The recording is empty."), message("Choose a file that this app saved, or that curl saved with -N."))
    return _Reader().read(content) if _is_ours(content) else [_read_raw(content)]


def _is_ours(content: bytes) -> bool:
    """Whether a file begins with a recording's first line, be it damaged or its fields in another order."""
    first = content.lstrip().partition(b"\n")[0]
    if re.match(rb'\{\s*"recording"\s*:', first):
        return True
    fields = _json_or_none(first) if b'"recording"' in first else None
    return isinstance(fields, dict) and "recording" in fields


class _Reader:
    """Reads a file line by line; `_number` is the line at which it is."""

    def __init__(self) -> None:
        self._number = 0
        self._done: list[Recording] = []
        self._now: Recording | None = None
        self._events: list[WireEvent] = []

    def read(self, content: bytes) -> list[Recording]:
        for self._number, line in enumerate(io.BytesIO(content), 1):
            if self._number > LINES_LIMIT:
                raise _too_many_lines()
            if not line.strip():
                continue
            try:
                fields = _read_json(line)
            except (ValueError, RecursionError):
                if self._now is not None and not line.endswith(b"\n"):
                    break  # whoever wrote it was ended in the middle of this line
                raise self._damaged() from None
            if not isinstance(fields, dict):
                raise self._damaged()
            self._read_line(fields)
        self._finish()
        return self._done

    def _read_line(self, fields: Mapping[str, Any]) -> None:
        kind = next((kind for kind in ("recording", "response", "event", "body", "end") if kind in fields), None)
        if kind is None:
            raise _refused(message("Line {line} of the recording is of a kind that is not known here.", line=self._number), _NEWER)
        if kind == "recording":
            self._finish()
            self._now = self._opening(fields)
            return
        now = self._now
        if now is None or (kind == "response") is not (now.status is None) and kind != "end" or now.body is not None and kind != "end":
            raise self._damaged()
        at = self._seconds(fields)
        if kind == "response":
            self._now = self._response(now, fields["response"], at)
        elif kind == "event":
            self._events.append(WireEvent(at, raw_bytes(self._raw(fields["event"]))))
        elif kind == "body":
            if self._events:
                raise self._damaged()
            self._now = replace(now, body=WireEvent(at, raw_bytes(self._raw(fields["body"]))))
        else:
            self._now = self._end(now, fields, at)
            self._finish()

    def _finish(self) -> None:
        """Keep the recording that ends here, with its end line or without."""
        if self._now is not None:
            ending = Ending.CUT if self._now.ended is None else self._now.ending
            self._done.append(replace(self._now, events=tuple(self._events), ending=ending))
        self._now, self._events = None, []

    def _opening(self, fields: Mapping[str, Any]) -> Recording:
        version = fields["recording"]
        if not _is_count(version):
            raise self._damaged()
        if version != VERSION:
            raise _refused(message("This recording was made by another version of the playground (format {version}).", version=version), _NEWER)
        endpoint, sent = fields.get("endpoint"), fields.get("request")
        if not isinstance(endpoint, dict) or not isinstance(sent, dict | None):
            raise self._damaged()
        return Recording(
            made=self._name(fields, "made"), endpoint={name: self._name(endpoint, name) for name in _ENDPOINT if name in endpoint},
            sent=None if sent is None else Sent(
                method=self._name(sent, "method"), url=self._text(sent, "url"), headers=self._texts(sent.get("headers")),
                body=self._raw(sent.get("body")),
            ),
        )

    def _response(self, now: Recording, fields: Any, at: float) -> Recording:
        if not isinstance(fields, dict) or not _is_count(fields.get("status")) or fields["status"] > 999:
            raise self._damaged()
        version = None if fields.get("version") is None else self._name(fields, "version")
        return replace(now, status=fields["status"], version=version, headers=self._texts(fields.get("headers", {})), answered=at)

    def _end(self, now: Recording, fields: Mapping[str, Any], at: float) -> Recording:
        ending, dropped, attempts = fields["end"], fields.get("dropped", 0), fields.get("attempts", 1)
        if ending not in (None, *Ending) or not _is_count(dropped) or not _is_count(attempts):
            raise self._damaged()
        return replace(
            now, ending=None if ending is None else Ending(ending), ended=at, dropped=dropped, attempts=attempts, lost=fields.get("lost") is True,
            reason=self._words(fields, "reason"), error=self._words(fields, "error"), remedy=self._words(fields, "remedy"),
        )

    def _name(self, fields: Mapping[str, Any], name: str) -> str:
        text = self._text(fields, name)
        if len(text) > _LONGEST_NAME:
            raise self._damaged()
        return text

    def _text(self, fields: Mapping[str, Any], name: str) -> str:
        text = fields.get(name)
        if not isinstance(text, str):
            raise self._damaged()
        self._check(text, str.encode)
        return text

    def _words(self, fields: Mapping[str, Any], name: str) -> str | None:
        return None if fields.get(name) is None else self._text(fields, name)

    def _texts(self, fields: Any) -> dict[str, str]:
        if not isinstance(fields, dict):
            raise self._damaged()
        for name in fields:
            self._check(name, str.encode)
        return {name: self._text(fields, name) for name in fields}

    def _raw(self, text: Any) -> str:
        if not isinstance(text, str):
            raise self._damaged()
        self._check(text, raw_bytes)
        return text

    def _check(self, text: str, encode: Callable[[str], bytes]) -> None:
        try:
            encode(text)
        except UnicodeEncodeError:
            raise _refused(message("Line {line} of the recording holds half a character (a lone surrogate).", line=self._number), _WHOLE) from None

    def _seconds(self, fields: Mapping[str, Any]) -> float:
        at = fields.get("at", 0)
        if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 1e9:
            raise self._damaged()
        return float(at)

    def _damaged(self) -> ParameterError:
        return _refused(message("Line {line} of the recording cannot be read.", line=self._number), _WHOLE)


_NEWER = message("Update the playground, or replay it where it was made.")
_WHOLE = message("Take the file as it was saved; an editor may have changed it.")
_CUT = message("Cut it into parts: each recording in it begins with a line of its own.")
_NOT_ONE = message("Choose a file that this app saved, or that curl saved with -N from a Qianfan or OpenAI-compatible service.")


def _refused(what: Message, remedy: Message) -> ParameterError:
    return ParameterError("recording", what, remedy)


def _too_many_lines() -> ParameterError:
    return _refused(message("The recording has more than {limit} lines.", limit=f"{LINES_LIMIT:,}"), _CUT)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _read_json(content: bytes) -> Any:
    """Read JSON in UTF-8 that does not fill the memory with empty lists. Raises `ValueError` and `RecursionError`."""
    if len(content) > _SHORT_LINE:
        plain = _TEXTS.sub(b"", content)
        if sum(map(plain.count, (b"[", b"{", b","))) > _MOST_VALUES:
            raise ValueError("too many values")
    return json.loads(content.decode("utf-8"))


# --- what curl saves ---

_MOST_ANSWERS = 20
_MOST_HEADERS = 1024 * 1024
_MOST_PASTED = 1024 * 1024
_STATUS_LINE = re.compile(rb"HTTP/(\d(?:\.\d)?) (\d{3})[^\n]*\n")
_DATA = re.compile(rb"^[ \t]*data:", re.M)
_BLANK_LINES = re.compile(rb"(?:\n\n|\r\n\r\n|\r\r)[\r\n]*")


def _read_raw(content: bytes) -> Recording:
    """Read the bytes of one answer, after its headers if they were saved too. When its parts came is not known."""
    status, version, headers, rest = _read_headers(content)
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    first = rest.lstrip().partition(b"\n")[0]
    whole = _json_or_none(rest) if first.startswith(b"{") else None
    if "event-stream" in kind.lower() if kind else _DATA.search(rest) or not isinstance(whole, dict) and isinstance(_json_or_none(first), dict):
        events = tuple(_raw_events(rest))
        recording, whole = Recording(events=events), _first_fields(events)
    else:
        recording = Recording(body=WireEvent(0.0, rest))
    provider = _provider(whole)
    if provider is None and status is None:
        raise _refused(message("This is neither a recording nor an answer of a completion service."), _NOT_ONE)
    return replace(recording, endpoint={"provider": provider or "qianfan"}, status=status or 200, version=version, headers=headers, ended=0.0)


def _read_headers(content: bytes) -> tuple[int | None, str | None, dict[str, str], bytes]:
    """Read what `curl -i` puts before the body; of several answers, as to a proxy or with 100 Continue, the last."""
    status, version, headers = None, None, dict[str, str]()
    for _ in range(_MOST_ANSWERS):
        if (found := _STATUS_LINE.match(content)) is None:
            break
        status, version = int(found[2]), f"HTTP/{found[1].decode()}"
        end = re.compile(rb"\r?\n\r?\n").search(content, found.end() - 2, _MOST_HEADERS)
        lines = content[found.end() : end.start() if end else _MOST_HEADERS].splitlines()
        pairs = (line.decode("latin-1").partition(":") for line in lines[:1000])
        headers = {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
        content = content[end.end() :] if end else b""
    return status, version, headers, content


def _raw_events(content: bytes) -> Iterator[WireEvent]:
    """Cut a stream after its blank lines. One that was pasted may be indented, or have lost the blank lines between its events."""
    start, count = 0, 0
    for end in chain((found.end() for found in _BLANK_LINES.finditer(content)), (len(content),)):
        for block in _pasted(content[start:end]) if start < end else ():
            count += 1
            if count > LINES_LIMIT:
                raise _too_many_lines()
            yield WireEvent(0.0, block)
        start = end


def _pasted(block: bytes) -> list[bytes]:
    """Return a block as it is; or its events, if each of its data lines is one by itself."""
    if len(block) > _MOST_PASTED:
        return [block]
    lines = [line.lstrip(b" \t") if _DATA.match(line) else line for line in block.splitlines(keepends=True)]
    data = [line[5:] for line in lines if line.startswith(b"data:")]
    if len(data) < 2 or not all(isinstance(_json_or_none(one), dict) or one.strip() == b"[DONE]" for one in data):
        return [b"".join(lines)]
    events, parts = [], list[bytes]()
    for line in lines:
        parts.append(line)
        if line.startswith(b"data:"):
            events.append(b"".join(parts).rstrip(b"\r\n") + b"\n\n")
            parts = []
    return [*events, *([b"".join(parts)] if any(part.strip() for part in parts) else [])]


def _json_or_none(content: bytes) -> Any:
    try:
        return _read_json(content)
    except (ValueError, RecursionError):
        return None


def _first_fields(events: Sequence[WireEvent]) -> Any:
    """Return the first JSON object among the first events."""
    for event in events[:20]:
        for line in event.content.splitlines():
            found = _json_or_none(line.removeprefix(b"data:"))
            if isinstance(found, dict):
                return found
    return None


def _provider(fields: Any) -> str | None:
    """Guess whose answer this is; `None` if nobody's that is known."""
    if not isinstance(fields, dict):
        return None
    if "choices" in fields or "error" in fields or "detail" in fields:
        return "openai" if "error_code" not in fields else "qianfan"
    return "qianfan" if {"result", "error_code", "sentence_id", "is_end"} & set(fields) else None
