"""The endpoint that answers with what it received, so that a test can assert what was sent."""

import json
from collections.abc import AsyncGenerator

from emulator.services import Call, Item, Service, pieces
from playground.faults import DESCRIPTIONS

_PIECE = 80


async def _echo(call: Call) -> AsyncGenerator[Item, None]:
    text = json.dumps(call.received, ensure_ascii=False)
    for piece in pieces(call, [text[start:start + _PIECE] for start in range(0, len(text), _PIECE)]):
        yield piece


ECHO = Service(name="echo", kind="echo", description=DESCRIPTIONS["echo"], answer=_echo, token_limit=32768)
