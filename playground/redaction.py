"""No secret leaves this process: what a secret is, and the one function that takes secrets out of a text.

`Secret` holds a key so that `repr`, `str`, `format` and pickling never show it; whoever must send it calls `reveal()`.
`redact` is applied at every exit (page, log, message, export, wire view) and takes out both the secrets this process
knows and anything that has the shape of one.
"""

import json
import logging
import re
import traceback
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

MASK = "•••"
_MINIMUM_LENGTH = 6
_known: set[str] = set()

_SHAPES = (
    re.compile(r"((?:access_token|refresh_token|client_id|client_secret|session_secret|session_key|api_key|secret_key)(?:=|%3D))[^&\s\"'<>]+", re.I),
    re.compile(
        r"(\\?[\"'](?:access_token|refresh_token|client_id|client_secret|session_secret|session_key|api_key|secret_key"
        r"|authorization)\\?[\"']\s*:\s*\\?[\"'])[^\"'\\]+",
        re.I,
    ),
    re.compile(r"(bce-auth-v1/)[^\s\"']+"),
    re.compile(r"(\bBearer\s+)[^\s\"']+", re.I),
    re.compile(r"(\bbce-v3/)[^\s\"']+"),
    re.compile(r"\b(2[45]\.)[0-9a-f]{8,}\.\d+\.\d+\.[\w-]+"),
    re.compile(r"(\bsk-)[\w-]{12,}"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
)


class Secret:
    """One secret value. Equal and hashable by value, so that it can key a cache; shown only by `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= _MINIMUM_LENGTH:
            # As it is, as a URL holds it, and as JSON holds it.
            _known.update((value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]))

    def reveal(self) -> str:
        """Return the value, for the wire only."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never written down")


def redact(text: str) -> str:
    """Return `text` with every known secret, and everything shaped like one, replaced by a mask."""
    for value in sorted(_known, key=len, reverse=True):
        if value in text:
            text = text.replace(value, MASK)
    for shape in _SHAPES:
        text = shape.sub(lambda found: found.group(1) + MASK, text)
    return text


def _redact_record(record: logging.LogRecord) -> None:
    """Take secrets out of a record's message. Arguments stay apart where that is enough: some formatters look at them."""
    try:
        plain = record.getMessage()
    except (TypeError, ValueError, LookupError):  # a badly written call; its words are still worth having
        record.msg, record.args = redact(f"{record.msg} {record.args}"), ()
        return
    if redact(plain) == plain:
        return
    if isinstance(record.args, tuple):
        record.args = tuple(redact(part) if isinstance(part, str) else part for part in record.args)
        plain = record.getMessage()
    if redact(plain) != plain:
        record.msg, record.args = redact(plain), ()


def guard_logs() -> None:
    """Pass every log record of this process, tracebacks included, through `redact`. Calling it again changes nothing."""
    factory = logging.getLogRecordFactory()
    if getattr(factory, "redacts", False):
        return

    def make(*args: Any, **values: Any) -> logging.LogRecord:
        record = factory(*args, **values)
        _redact_record(record)
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info))).rstrip("\n")
        return record

    make.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)
