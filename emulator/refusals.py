"""Faults of meaning: error codes, quotas, tokens that die, and what a service may say of safety, length and usage."""

import re
from collections.abc import AsyncGenerator
from dataclasses import replace

from emulator.faults import TEXTS, ordinary
from emulator.services import Call, Failure, Family, Item, Script, Service, pieces
from playground.faults import CALLS, CODE, DESCRIPTIONS, Setting
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


def _code(name: str, default: int) -> Setting:
    return Setting(name=name, words=CODE, kind="code", minimum=min(ERROR_CODES), maximum=max(ERROR_CODES), default=default)


def _fault(name: str, script: Script) -> Service:
    return Service(name=name, kind="fault", description=DESCRIPTIONS[name], answer=script)


ANSWER_FAULTS = (
    _fault("busy", _first_calls(336100, 2)),
    _fault("error_json", _always(336000)),
    _fault("unauthorised", _always(6)),
    _fault("expired_token", _expired_token),
    _fault("always_expired", _always(111)),
    replace(_fault("unsafe", _unsafe), build="newer"),
    replace(_fault("unsafe_older", _unsafe), build="older"),
    replace(_fault("no_safety", ordinary), build="bare"),
    replace(_fault("truncated", _truncated), build="newer"),
    _fault("usage_late", _usage_late),
    _fault("no_usage", _no_usage),
    _fault("gap", _gap),
)

ANSWER_FAMILIES = (
    Family(
        title="quota_CODE_N", pattern=re.compile(r"quota_([0-9]{1,6})_([0-9]{1,4})"),
        settings=(_code("CODE", 18), Setting(name="N", words=CALLS, kind="int", minimum=0, maximum=9999, default=2)),
        make=lambda code, count: _first_calls(int(code), int(count)) if int(code) in ERROR_CODES else None,
    ),
    Family(
        title="error_code_N", pattern=re.compile(r"error_code_([0-9]{1,6})"), settings=(_code("N", 336003),),
        make=lambda code: _always(int(code)) if int(code) in ERROR_CODES else None,
    ),
)
