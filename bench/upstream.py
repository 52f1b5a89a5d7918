"""The upstream of the benchmarks: the emulator, with a service whose every event says when it was sent."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from emulator.answers import Piece
from emulator.options import Options
from emulator.server import running
from emulator.services import Call, Item, Service

EVENT = 30
SERVICE = "stamped"


def stamped(characters: int, per_second: float) -> Service:
    """Return a service of 30-character events, each beginning with `@` and the epoch in ms at which it left."""

    async def play(call: Call) -> AsyncGenerator[Item, None]:
        loop = asyncio.get_running_loop()
        start, count = loop.time(), characters // EVENT
        for number in range(count):
            if per_second and (ahead := start + number / per_second - loop.time()) > 0:
                await asyncio.sleep(ahead)
            yield Piece(text=f"@{int(time.time() * 1000)} words to fill in".ljust(EVENT), is_end=number == count - 1)

    return Service(name=SERVICE, kind="fault", description="events that say when they were sent", answer=play)


@contextmanager
def upstream(characters: int, per_second: float) -> Iterator[str]:
    """Serve it; yields the base URL."""
    with running(options=Options(pace=1), services=(stamped(characters, per_second),)) as server:
        yield server.base_url
