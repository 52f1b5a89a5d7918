"""Faults of meaning: error codes, quotas, tokens that die, and what a service may say of safety, length and usage."""

import re
from collections.abc import AsyncGenerator
from dataclasses import replace

from emulator.faults import TEXTS, ordinary
from emulator.services import Call, Failure, Family, Item, Script, Service, pieces
from playground.providers.qianfan_codes import ERROR_CODES


def _always(code: int) -> Script:
    async def play(call: Call) -> AsyncGenerator[Item, None]:
        yield Failure(code=code)

    return play


def _first_calls(code: int, count: int) -> Script:
    async def play(call: Call) -> AsyncGenerator[Item, None]:
        if call.earlier < count:
            yield Failure(code=code)
            return
        async for item in ordinary(call):
            yield item

    return play


async def _expired_token(call: Call) -> AsyncGenerator[Item, None]:
    if call.first_token:
        yield Failure(code=111)
        return
    async for item in ordinary(call):
        yield item


async def _unsafe(call: Call) -> AsyncGenerator[Item, None]:
    for piece in pieces(call, TEXTS):
        yield replace(piece, is_safe=False)


async def _truncated(call: Call) -> AsyncGenerator[Item, None]:
    for piece in pieces(call, TEXTS):
        yield replace(piece, is_truncated=piece.is_end, finish_reason="length" if piece.is_end else None)


async def _usage_late(call: Call) -> AsyncGenerator[Item, None]:
    for piece in pieces(call, TEXTS, "late"):
        yield piece


async def _no_usage(call: Call) -> AsyncGenerator[Item, None]:
    for piece in pieces(call, TEXTS, "none"):
        yield piece


async def _gap(call: Call) -> AsyncGenerator[Item, None]:
    for number, piece in enumerate(pieces(call, TEXTS)):
        yield replace(piece, extra={"sentence_id": number + 3 if number else 0})


def _fault(name: str, description: str, script: Script) -> Service:
    return Service(name=name, kind="fault", description=description, answer=script)


ANSWER_FAULTS = (
    _fault("busy", "two calls are refused as too many, then it answers", _first_calls(336100, 2)),
    _fault("error_json", "a JSON error instead of an answer", _always(336000)),
    _fault("unauthorised", "no right to this service", _always(6)),
    _fault("expired_token", "the first access token that it sees is expired for ever, a newer one works", _expired_token),
    _fault("always_expired", "every access token is expired", _always(111)),
    replace(_fault("unsafe", "the input is flagged, in the newer build's fields", _unsafe), build="newer"),
    replace(_fault("unsafe_older", "the input is flagged, in the older build's field", _unsafe), build="older"),
    replace(_fault("no_safety", "nothing is said of safety", ordinary), build="bare"),
    replace(_fault("truncated", "the answer is cut at its length limit", _truncated), build="newer"),
    _fault("usage_late", "token counts stay behind until the last event", _usage_late),
    _fault("no_usage", "no token counts", _no_usage),
    _fault("gap", "sentence numbers jump", _gap),
)

ANSWER_FAMILIES = (
    Family(
        title="quota_CODE_N", pattern=re.compile(r"quota_([0-9]{1,6})_([0-9]{1,4})"), description="CODE for N calls, then it answers",
        make=lambda code, count: _first_calls(int(code), int(count)) if int(code) in ERROR_CODES else None,
    ),
    Family(
        title="error_code_N", pattern=re.compile(r"error_code_([0-9]{1,6})"), description="error code N",
        make=lambda code: _always(int(code)) if int(code) in ERROR_CODES else None,
    ),
)
