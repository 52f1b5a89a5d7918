"""The shape of an answer: which fields an event, a whole answer and an error have, and their bytes.

Two builds of the service are documented: the older one says `is_safe`, the newer one `is_truncated` and `need_clear_history`.
"""

import json
import secrets
import string
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from playground.completion import Usage
from playground.providers.qianfan_codes import ERROR_CODES

Build = Literal["older", "newer", "bare"]
_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a text and what a service says with it. `extra` fields replace or join the event's own."""

    text: str
    is_end: bool = False
    usage: Usage | None = None
    is_safe: bool = True
    is_truncated: bool = False
    finish_reason: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


class Answer:
    """The id of one answer, in one build's shape, and how many events it has had; what tells of the queue is no sentence."""

    def __init__(self, build: Build, object_name: str) -> None:
        self.id = answer_id()
        self.events = self.sentences = 0
        self._build = build
        self._object_name = object_name

    def event(self, piece: Piece) -> dict[str, Any]:
        """Return the fields of the next event of a stream."""
        fields = self._fields(piece, {"sentence_id": self.sentences, "is_end": piece.is_end}) | dict(piece.extra)
        return self.ready(fields)

    def ready(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Count an event that has its fields already, and return them."""
        self.events += 1
        self.sentences += "sentence_id" in fields
        return fields

    def whole(self, pieces: Iterable[Piece]) -> dict[str, Any]:
        """Return the fields of an answer in one piece."""
        rows = list(pieces)
        last = rows[-1] if rows else Piece(text="")
        usage = next((row.usage for row in reversed(rows) if row.usage is not None), None)
        if usage is not None and usage.total_tokens is not None and usage.prompt_tokens is not None:
            usage = Usage(
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.total_tokens - usage.prompt_tokens,
                total_tokens=usage.total_tokens,
            )
        joined = Piece(
            text="".join(row.text for row in rows),
            usage=usage,
            is_safe=all(row.is_safe for row in rows),
            is_truncated=any(row.is_truncated for row in rows),
            finish_reason=last.finish_reason,
        )
        return self._fields(joined, {})

    def _fields(self, piece: Piece, place: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {"id": self.id, "object": self._object_name, "created": int(time.time()), **place}
        if self._build == "newer":
            fields["is_truncated"] = piece.is_truncated
        fields["result"] = piece.text
        if self._build == "newer":
            fields["need_clear_history"] = not piece.is_safe
            if not piece.is_safe:
                fields["ban_round"] = -1
        elif self._build == "older":
            fields["is_safe"] = int(piece.is_safe)
        if piece.finish_reason is not None:
            fields["finish_reason"] = piece.finish_reason
        if piece.usage is not None:
            fields["usage"] = piece.usage._asdict()
        return fields


def answer_id() -> str:
    """Return a fresh id as the service makes them."""
    return "as-" + "".join(secrets.choice(_LETTERS) for _ in range(10))


def error_fields(code: int, words: str | None = None) -> dict[str, Any]:
    """Return the fields of an error; the words of the code table unless a concrete reason is given."""
    fields: dict[str, Any] = {"error_code": code, "error_msg": words or ERROR_CODES[code].words.replace("{limit}", "4096")}
    if code >= 336000:
        fields["id"] = answer_id()
    return fields


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return the one line of JSON that the service sends: text stays readable, half a character is escaped."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def event_bytes(fields: Mapping[str, Any], *, prefix: bytes = b"data: ", newline: bytes = b"\n") -> bytes:
    """Return one event of a stream."""
    return prefix + encode(fields) + newline * 2
