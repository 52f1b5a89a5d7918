"""No secret leaves this process: what a secret is, and what takes secrets out of a text.

`Secret` holds a key so that `repr`, `str`, `format` and pickling never show it; whoever must send it calls `reveal()`.
`redact` is applied at every exit (page, log, message, export, wire view) and takes out both the secrets this process
knows and anything that has the shape of one. A model's text is changed for nothing but the secrets of its own run: `masking`.
"""

import html
import json
import logging
import re
import threading
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from os.path import commonprefix
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus
from weakref import WeakValueDictionary

MASK = "•••"
# What is shorter is a word, and no secret.
_LEAST = 6
# What is shorter may be a word that a model writes: a key such as "lm-studio" or "not-needed". Those of services are longer.
_LEAST_IN_MODEL_TEXT = 16
_URL_SAFE = str.maketrans("+/", "-_")

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
# What stands in every text that a shape fits, in lower case: to look for these is fifty times faster.
_MARKS = (
    "access_token", "refresh_token", "client_id", "client_secret", "session_secret", "session_key", "api_key", "secret_key", "authorization",
    "bce-auth-v1/", "bearer", "bce-v3/", "24.", "25.", "sk-", "://",
)


class Secret:
    """One secret value. Equal and hashable by value, so that it can key a cache; shown only by `reveal()`."""

    __slots__ = ("__weakref__", "_forms", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._forms: frozenset[str] | None = None
        _known.add(self)

    def reveal(self) -> str:
        """Return the value, for the wire only."""
        return self._value

    def forms(self) -> frozenset[str]:
        """Return the value as it is, and as a URL, JSON, HTML and anything in base64 hold it; nothing for a mere word."""
        if self._forms is None:
            self._forms = frozenset(_forms(self._value) if len(self._value) >= _LEAST else ())
        return self._forms

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


# How texts put another text into themselves.
_ESCAPES: tuple[Callable[[str], str], ...] = (
    lambda text: quote(text, errors="surrogatepass"), lambda text: quote(text, safe="", errors="surrogatepass"),
    lambda text: quote_plus(text, errors="surrogatepass"), lambda text: json.dumps(text)[1:-1],
    html.escape, lambda text: html.escape(text, quote=False),
)


def _forms(value: str) -> set[str]:
    """As it is, and escaped once or twice, as in the JSON that a page of HTML repeats; and in base64 with anything around it."""
    forms = {value}
    for _ in range(2):
        forms |= {escape(form) for form in forms for escape in _ESCAPES}
    raw = value.encode("utf-8", "surrogatepass")
    for before in range(3):  # bytes of something else in its first group of three, as in "user:key"; what they share is left off
        coded = b64encode(bytes(before) + raw).decode()[(8 * before + 5) // 6 : 8 * (before + len(raw)) // 6]
        forms |= {coded, coded.translate(_URL_SAFE)}
    return forms


class _Known:
    """The secrets that anything in this process holds, and no longer than that: what a visitor typed is not kept for being secret.

    They are found by the first characters of their forms, so that a text is searched in one pass however many there are.
    """

    def __init__(self) -> None:
        self._held: WeakValueDictionary[int, Secret] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._added = self._sorted = 0
        self._forms: Mapping[str, list[str]] = {}

    def add(self, secret: Secret) -> None:
        """Know a secret from now on, until nothing holds it any more."""
        with self._lock:
            self._held[id(secret)] = secret
            self._added += 1

    def forms(self) -> Mapping[str, list[str]]:
        """Return the forms of all of them by their first characters."""
        with self._lock:
            if self._sorted != self._added:
                self._forms = _by_beginning(filter(None, (held() for held in self._held.valuerefs())))
                self._sorted = self._added
            return self._forms


_known = _Known()


def _by_beginning(secrets: Iterable[Secret]) -> dict[str, list[str]]:
    """Return the forms of secrets by their first characters, the longest first."""
    found: dict[str, list[str]] = {}
    for form in sorted({form for secret in secrets for form in secret.forms()}, key=len, reverse=True):
        found.setdefault(form[:_LEAST], []).append(form)
    return found


def _masked(text: str, forms: Mapping[str, list[str]]) -> str:
    """Return `text` with a mask in the place of each form; of those that overlap nothing is left."""
    if len(forms) < 100 and not any(map(text.__contains__, forms)):
        return text
    parts: list[str] = []
    reached = 0
    for place in range(len(text) - _LEAST + 1):
        for form in forms.get(text[place : place + _LEAST], ()):
            if text.startswith(form, place):
                if place >= reached:
                    parts += (text[reached:place], MASK)
                reached = max(reached, place + len(form))
                break
    return "".join([*parts, text[reached:]])


def redact(text: str) -> str:
    """Return `text` with every known secret, and everything shaped like one, replaced by a mask."""
    text = _masked(text, _known.forms())
    if any(map(text.lower().__contains__, _MARKS)):
        for shape in _SHAPES:
            text = shape.sub(lambda found: found.group(1) + MASK, text)
    return text


def masking(secrets: Iterable[Secret]) -> Callable[[str], str]:
    """Return what takes these secrets out of a model's text, and leaves all else in it as it is.

    It sees one sentence at a time: a secret that an endpoint cuts in two, over two sentences, passes.
    """
    forms = _by_beginning(secret for secret in secrets if len(secret.reveal()) >= _LEAST_IN_MODEL_TEXT)
    beginnings = [commonprefix(alike) for alike in forms.values()]  # what is longer is found sooner not to be there

    def mask(text: str) -> str:
        for beginning in beginnings:
            if beginning in text:
                return _masked(text, forms)
        return text

    return mask


def mask_known(text: str) -> str:
    """Return a prompt or a model's text without any secret that this process knows, and all else in it as it is."""
    forms = {start: [form for form in found if len(form) >= _LEAST_IN_MODEL_TEXT] for start, found in _known.forms().items()}
    return _masked(text, {start: found for start, found in forms.items() if found})


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
    """Pass every log record of this process, and what a thread dies of, through `redact`. Calling it again changes nothing."""
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
    threading.excepthook = _log_end_of_thread


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    """What a thread died of would go straight to the terminal."""
    if ended.exc_type is not SystemExit:
        name = ended.thread.name if ended.thread is not None else "?"
        error = ended.exc_value or ended.exc_type()
        logging.getLogger(__name__).critical("The thread %s ended with an error.", name, exc_info=(ended.exc_type, error, ended.exc_traceback))
