"""What a service is: a name, and an asynchronous generator that answers one call with items.

Each endpoint name chooses a service. Whoever wants to be reached through the protocol, a local model for
instance, makes a `Service` and hands it to `create_app`; `delivery` turns its items into bytes. When the client
leaves, the generator is cancelled and closed, so what it holds belongs in a `finally`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from emulator.answers import Answer, Piece
from playground.completion import Usage
from playground.faults import DESCRIPTIONS, Setting
from playground.providers.qianfan import estimate_tokens

Kind = Literal["recorded", "echo", "fault", "model"]
TOKEN_LIMIT = 4096


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a stream with exactly these fields: for recordings, whose ids and times are part of them."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A JSON answer with exactly these fields, whatever the call asked for."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error of the code table: a JSON answer before the first byte, an event after it."""

    code: int


@dataclass(frozen=True, kw_only=True)
class Headers:
    """Send the headers now, before there is anything to say. Without `chunked` the body ends where the connection does."""

    status: int = 200
    content_type: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = True


@dataclass(frozen=True)
class Cut:
    """Drop the connection here."""


Item = Piece | Event | Whole | Failure | Headers | Cut | bytes
Script = Callable[["Call"], AsyncGenerator[Item, None]]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One accepted request. `parameters` are checked; `body` is everything that came.

    `received` is what may be shown of the request, secrets masked. `earlier` counts the same caller's earlier calls
    of this name; `first_token` says that the access token is the first one that the caller showed to it.
    """

    endpoint: str
    prompt: str
    stream: bool
    parameters: Mapping[str, Any]
    body: Mapping[str, Any]
    received: Mapping[str, Any]
    earlier: int
    first_token: bool
    pace: float
    answer: Answer

    async def pause(self, seconds: float) -> None:
        """Wait as long as a real service would, times the server's `pace`."""
        await asyncio.sleep(seconds * self.pace)


@dataclass(frozen=True, kw_only=True)
class Service:
    """One endpoint name. `build` and `object_name` of `None` leave the answer's shape to the server's options."""

    name: str
    kind: Kind
    description: str
    answer: Script
    token_limit: int = TOKEN_LIMIT
    build: Literal["older", "newer", "bare"] | None = None
    object_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """Services whose names carry figures, described by `settings`. `make` gets them as text and may refuse them with `None`."""

    title: str
    pattern: re.Pattern[str]
    make: Callable[..., Script | None]
    settings: tuple[Setting, ...]
    kind: Kind = "fault"

    @property
    def description(self) -> str:
        """What they do, by the letters of the title."""
        return DESCRIPTIONS[self.title]


def find(name: str, services: Mapping[str, Service], families: Iterable[Family]) -> Service | None:
    """Return the service of an endpoint name, or `None` if there is none."""
    if name in services:
        return services[name]
    for family in families:
        found = family.pattern.fullmatch(name)
        script = family.make(*found.groups()) if found else None
        if script is not None:
            return Service(name=name, kind=family.kind, description=family.description, answer=script)
    return None


def pieces(call: Call, texts: Iterable[str], counts: Literal["each", "late", "none"] = "each") -> Iterator[Piece]:
    """Yield `texts` as the pieces of one answer, the last one marked as the end.

    `counts` chooses how usage is stated: each event its own tokens, all of them late, or not at all. Totals are cumulative.
    """
    rows = list(texts)
    prompt = estimate_tokens(call.prompt)
    written = 0
    for number, text in enumerate(rows, 1):
        is_end = number == len(rows)
        tokens = estimate_tokens(text)
        written += tokens
        if counts == "none":
            usage = None
        elif counts == "each":
            usage = Usage(prompt_tokens=prompt, completion_tokens=tokens, total_tokens=prompt + written)
        else:
            stated = written if is_end else 0
            usage = Usage(prompt_tokens=prompt, completion_tokens=stated, total_tokens=prompt + stated)
        yield Piece(text=text, is_end=is_end, usage=usage)
