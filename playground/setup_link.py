"""A set-up in a link: a prompt, its parameters and the endpoint's name, in the part of an address that no server is told.

    /#setup=<base64url of deflated JSON>     {"v": 1, "endpoint": "…", "title": "…", "parameters": {…}, "prompt": "…"}

Whoever opens a link did not write it, so it is read as anything from outside: unpacked no further than a limit, and each value
checked by the endpoint's own table. What can be used is used; what was left out is named. The visitor's mark is in no link.
"""

import json
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from playground.endpoints import Endpoint
from playground.errors import ParameterError
from playground.message import Message, message
from playground.parameters import ParameterSpec

VERSION = 1
# What every browser, chat and mail program takes as one address; longer ones are kept on the server, and have a short one.
LONGEST_LINK = 8000
# What a link that is read may have, which somebody else may have written.
LONGEST_READ = 100_000
# Unpacked, in bytes: more than the longest prompt.
LARGEST = 1_500_000
_LONGEST_NAME = 200
_MOST_NAMED = 20
_LONGEST_REASON = 200
_PACKED = re.compile(r"[A-Za-z0-9_-]*")
# As much of a JSON text's inside as is whole.
_INSIDE = re.compile(r'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_PROMPT, _PARAMETERS = ',"prompt":"', ',"parameters":'


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What stands on a bench. `None` is what a link does not tell; `endpoint` and `title` name where it was tried."""

    prompt: str | None = None
    parameters: Mapping[str, Any] | None = None
    endpoint: str = ""
    title: str = ""


def setup_of(endpoint: Endpoint, prompt: str, parameters: Mapping[str, Any]) -> Setup:
    """Return a set-up as it may leave: without the visitor's mark, which is nobody else's."""
    marks = [spec.name for spec in endpoint.parameters if spec.kind == "text"]
    values = {name: value for name, value in parameters.items() if name not in marks}
    return Setup(prompt=prompt, parameters=values, endpoint=endpoint.name, title=endpoint.title)


def setup_fields(setup: Setup) -> dict[str, Any]:
    """Return a set-up as the fields of a JSON object; the longest last, so that a link that was cut keeps the others."""
    fields = {"v": VERSION, "endpoint": setup.endpoint, "title": setup.title, "parameters": setup.parameters, "prompt": setup.prompt}
    return {name: value for name, value in fields.items() if value is not None}


def write_setup(setup: Setup) -> str:
    """Return a set-up packed for a link."""
    text = json.dumps(setup_fields(setup), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return urlsafe_b64encode(packer.compress(text) + packer.flush()).rstrip(b"=").decode()


def read_setup(packed: str) -> tuple[Setup, tuple[Message, ...]]:
    """Return what a link holds, and words about what is missing in it. Raises `ParameterError` if nothing can be read."""
    text, whole = _unpack(packed)
    if whole:
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            raise _unreadable() from None
        return setup_from(fields)
    fields, words = _as_far_as_it_goes(text)
    setup, more = setup_from(fields)
    return setup, (words, *more)


def setup_from(fields: Any) -> tuple[Setup, tuple[Message, ...]]:
    """Return the set-up that these fields say, and words about what in them is no such thing. Raises `ParameterError`."""
    if not isinstance(fields, dict):
        raise _unreadable()
    version = fields.get("v")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _unreadable()
    words = []
    if version > VERSION:
        words.append(message("The link was made by a newer version of this playground; what is known here was read."))
    prompt, parameters = fields.get("prompt"), fields.get("parameters")
    setup = Setup(
        prompt=prompt.encode("utf-8", "replace").decode() if isinstance(prompt, str) else None,
        parameters=parameters if isinstance(parameters, dict) else None,
        endpoint=_name(fields.get("endpoint")), title=_name(fields.get("title")),
    )
    if setup.prompt is None and setup.parameters is None and not setup.endpoint:
        raise _unreadable()
    return setup, tuple(words)


def fit(specs: Iterable[ParameterSpec], values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Message]]:
    """Return those values that may be sent by this table, as they are, and a word about each of the others."""
    table = {spec.name: spec for spec in specs}
    fitting: dict[str, Any] = {}
    words: list[Message] = []
    unknown: list[str] = []
    for name, value in values.items():
        spec = table.get(name)
        if spec is None or spec.kind == "text":
            unknown.append(name.encode("utf-8", "replace").decode()[:40])
            continue
        try:
            if spec.check(value) is not None:
                fitting[name] = value
        except ParameterError as error:
            reason = str(error.message)
            words.append(
                message("Left out: {reason}", reason=error.message) if len(reason) <= _LONGEST_REASON
                else message("{name} was left out: it is none of its values.", name=name)
            )
    if unknown:
        named = ", ".join(unknown[:_MOST_NAMED]) + (", …" if len(unknown) > _MOST_NAMED else "")
        words.append(message("Not a parameter of this endpoint, left out: {names}.", names=named))
    return {name: fitting[name] for name in table if name in fitting}, words


def find_endpoint(rows: Mapping[str, Endpoint], name: str, title: str) -> Endpoint | None:
    """Return the endpoint of this name, else one that can be used and has the same title or model."""
    usable = (row for row in rows.values() if row.off is None and title and title in (row.title, row.model))
    return rows.get(name) or next(usable, None)


def _unpack(packed: str) -> tuple[str, bool]:
    """Return the text in a link, and whether it is all of it."""
    found = _PACKED.match(packed)
    content = found.group()[:LONGEST_READ] if found else ""
    if len(content) % 4 == 1:
        content = content[:-1]
    unpacker = zlib.decompressobj(-15)
    try:
        raw = unpacker.decompress(urlsafe_b64decode(content + "=" * (-len(content) % 4)), LARGEST + 1)
    except (ValueError, zlib.error):
        raise _unreadable() from None
    if len(raw) > LARGEST:
        raise ParameterError("setup", message("The link holds more than any prompt may have. It was not opened."))
    return raw.decode("utf-8", "ignore" if not unpacker.eof else "replace"), unpacker.eof


def _as_far_as_it_goes(text: str) -> tuple[Any, Message]:
    """Return the fields of a set-up whose end is missing. A value that may have been cut is none; the prompt is used as far as it goes."""
    head, mark, inside = text.partition(_PROMPT)
    words = message("The end of the link is missing: the prompt stops where it was cut.")
    if not mark:
        head, _, _ = text.partition(_PARAMETERS)
        words = message("The end of the link is missing, and with it the prompt and the parameters.")
    try:
        fields = json.loads(head + "}")
        if mark and (found := _INSIDE.match(inside)):
            fields["prompt"] = json.loads(f'"{found.group()}"')
    except (ValueError, RecursionError):
        raise _unreadable() from None
    return fields, words


def _name(value: Any) -> str:
    return value.encode("utf-8", "replace").decode()[:_LONGEST_NAME] if isinstance(value, str) else ""


def _unreadable() -> ParameterError:
    return ParameterError(
        "setup", message("This link holds no set-up that can be read."), message("Perhaps it was cut on its way: ask for it once more.")
    )
