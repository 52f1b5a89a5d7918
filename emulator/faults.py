"""Faults below the answer's meaning: bytes late, cut, malformed, unframed or without end.

Asked for a whole answer, a service that can only go wrong in a stream gives an ordinary answer.
"""

import asyncio
import re
from collections.abc import AsyncGenerator

from emulator.answers import Piece, encode, error_fields, event_bytes
from emulator.services import Call, Cut, Failure, Family, Headers, Item, Script, Service, Whole, pieces
from playground.faults import CHARACTERS, DESCRIPTIONS, EVENTS_A_SECOND, SECONDS, Setting

TEXTS = (
    "The ferry left the island before the fog came down.",
    " Nobody on board had thought to bring a lamp,",
    " so the captain counted the bells until the harbour answered.",
)
CHINESE = ("渡船在起雾之前离开了小岛，", "船上没有人带灯，", "船长数着钟声回到了港口。")
SILENCE = 30.0
_GAP = 0.05
_FIGURE = r"([0-9]{1,4}(?:\.[0-9]{1,3})?)"
_SECONDS = Setting(name="N", words=SECONDS, kind="float", minimum=0, maximum=9999, default=10)


async def ordinary(call: Call) -> AsyncGenerator[Item, None]:
    """Answer three sentences without any fault."""
    for piece in pieces(call, TEXTS):
        await call.pause(_GAP)
        yield piece


def in_stream(script: Script) -> Script:
    """Let `script` answer streams only; a whole answer is ordinary."""

    async def play(call: Call) -> AsyncGenerator[Item, None]:
        async for item in (script if call.stream else ordinary)(call):
            yield item

    return play


async def _slow(call: Call) -> AsyncGenerator[Item, None]:
    for piece in pieces(call, [f"Drop {number} fell. " for number in range(1, 41)]):
        await asyncio.sleep(0.5)
        yield piece


def _silent(seconds: float, *, headers_first: bool) -> Script:
    async def play(call: Call) -> AsyncGenerator[Item, None]:
        if headers_first:
            yield Headers()
        await asyncio.sleep(seconds)
        async for item in ordinary(call):
            yield item

    return play


async def _cut_mid_event(call: Call) -> AsyncGenerator[Item, None]:
    first, second, _ = pieces(call, TEXTS)
    if call.stream:
        yield first
        line = event_bytes(call.answer.event(second))
    else:
        line = encode(call.answer.whole([first, second]))
    yield Headers()
    yield line[: len(line) // 2]
    yield Cut()


async def _cut_without_end(call: Call) -> AsyncGenerator[Item, None]:
    if not call.stream:
        yield Headers()
        yield Cut()
    for piece in list(pieces(call, TEXTS))[:2]:
        yield piece


async def _error_mid_stream(call: Call) -> AsyncGenerator[Item, None]:
    for piece in list(pieces(call, TEXTS))[:2]:
        yield piece
    yield Failure(code=336000)


async def _error_mid_stream_bare(call: Call) -> AsyncGenerator[Item, None]:
    for piece in list(pieces(call, TEXTS))[:2]:
        yield piece
    yield encode(error_fields(336000)) + b"\n"


async def _html_502(call: Call) -> AsyncGenerator[Item, None]:
    yield Headers(status=502, content_type="text/html")
    yield b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"


async def _split_characters(call: Call) -> AsyncGenerator[Item, None]:
    for piece in pieces(call, CHINESE):
        for byte in event_bytes(call.answer.event(piece)):
            await asyncio.sleep(0.0005)
            yield bytes([byte])


def _framed(*, prefix: bytes = b"data: ", newline: bytes = b"\n", between: bytes = b"", texts: tuple[str, ...] = TEXTS) -> Script:
    async def play(call: Call) -> AsyncGenerator[Item, None]:
        for piece in pieces(call, texts):
            await call.pause(_GAP)
            yield between + event_bytes(call.answer.event(piece), prefix=prefix, newline=newline)

    return in_stream(play)


async def _unchunked(call: Call) -> AsyncGenerator[Item, None]:
    yield Headers(chunked=False)
    for piece in pieces(call, TEXTS):
        yield piece
        await asyncio.sleep(0.1)


async def _endless(call: Call) -> AsyncGenerator[Item, None]:
    number = 0
    start = asyncio.get_running_loop().time()
    while True:
        number += 1
        yield Piece(text=f"Wave {number} rolled in. ")
        await asyncio.sleep(max(0.0, start + number / 100 - asyncio.get_running_loop().time()))


async def _empty_body(call: Call) -> AsyncGenerator[Item, None]:
    yield Headers()


async def _json_success(call: Call) -> AsyncGenerator[Item, None]:
    yield Whole(fields=call.answer.whole(pieces(call, TEXTS)))


async def _redirect(call: Call) -> AsyncGenerator[Item, None]:
    yield Headers(status=302, extra={"location": "/_emulator/elsewhere"})


def _long(characters: str, rate: str) -> Script:
    total, per_second = int(characters), int(rate)
    block = "twenty-nine letters and a gap "

    async def play(call: Call) -> AsyncGenerator[Item, None]:
        loop = asyncio.get_running_loop()
        start = loop.time()
        texts = [block] * (total // len(block)) + ([block[: total % len(block)]] if total % len(block) or not total else [])
        for number, piece in enumerate(pieces(call, texts)):
            if per_second and (ahead := start + number / per_second - loop.time()) > 0:
                await asyncio.sleep(ahead)
            yield piece

    return play


def _fault(name: str, script: Script) -> Service:
    return Service(name=name, kind="fault", description=DESCRIPTIONS[name], answer=script)


WIRE_FAULTS = (
    _fault("ordinary", ordinary),
    _fault("slow", _slow),
    _fault("silent", _silent(SILENCE, headers_first=True)),
    _fault("silent_before_headers", _silent(SILENCE, headers_first=False)),
    _fault("loop", _long("60000", "30")),
    _fault("cut_mid_event", _cut_mid_event),
    _fault("cut_without_end", _cut_without_end),
    _fault("error_mid_stream", in_stream(_error_mid_stream)),
    _fault("error_mid_stream_bare", in_stream(_error_mid_stream_bare)),
    _fault("html_502", _html_502),
    _fault("split_characters", in_stream(_split_characters)),
    _fault("crlf", _framed(newline=b"\r\n")),
    _fault("no_space", _framed(prefix=b"data:")),
    _fault("comments", _framed(between=b": ping\n\n")),
    _fault("line_separators", _framed(texts=("one\u2028two", "\u0085three", "\u2029four"))),
    _fault("big_event", _framed(texts=("0123456789abcdef" * 65536,))),
    _fault("unchunked", _unchunked),
    _fault("endless", in_stream(_endless)),
    _fault("empty_body", _empty_body),
    _fault("json_success", _json_success),
    _fault("redirect", _redirect),
)

WIRE_FAMILIES = (
    Family(
        title="silent_N", pattern=re.compile("silent_" + _FIGURE), settings=(_SECONDS,),
        make=lambda seconds: _silent(float(seconds), headers_first=True),
    ),
    Family(
        title="silent_before_headers_N", pattern=re.compile("silent_before_headers_" + _FIGURE), settings=(_SECONDS,),
        make=lambda seconds: _silent(float(seconds), headers_first=False),
    ),
    Family(
        title="long_C_R", pattern=re.compile(r"long_([0-9]{1,8})_([0-9]{1,5})"), make=_long,
        settings=(
            Setting(name="C", words=CHARACTERS, kind="int", minimum=0, maximum=99_999_999, default=20_000),
            Setting(name="R", words=EVENTS_A_SECOND, kind="int", minimum=0, maximum=99_999, default=50),
        ),
    ),
)
