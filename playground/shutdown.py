"""How this process leaves: asked to stop, it begins nothing more, lets runs end for a while, ends the rest with a word, and goes.

The web server alone would first wait for all connections to close, and a followed run holds one for as long as it goes on; only then
would it let us end the runs. So its signals come to us first.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.concurrency import run_in_threadpool

from playground.run import Runs

# Seconds that open connections have to take what is on its way to them.
LAST_WORDS = 3
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger(__name__)


@asynccontextmanager
async def leaving_in_order(runs: Callable[[], Runs], drain: float) -> AsyncIterator[None]:
    """While this lasts, SIGTERM gives runs up to `drain` seconds to end. SIGINT, or a second SIGTERM, gives them none."""
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    at_once = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def leave(number: int) -> None:
        here, until = runs(), loop.time() + drain
        here.leaving = True
        if here.going() and not at_once.is_set():
            _log.warning("Asked to stop: %d runs have up to %g s to end.", here.going(), drain)
        while here.going() and loop.time() < until and not at_once.is_set():
            await asyncio.sleep(0.05)
        await run_in_threadpool(here.close)
        _hand_over(before[number], number)

    def asked(number: int) -> None:
        if tasks or number == signal.SIGINT:
            at_once.set()
        if not tasks:
            tasks.add(loop.create_task(leave(number)))

    try:
        for number in _SIGNALS:
            loop.add_signal_handler(number, asked, number)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread: whoever runs us there stops us otherwise
        yield
        return
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])


def _hand_over(handler: Any, number: int) -> None:
    """Let the web server stop. It is told so itself where it can be: the signal would be raised again at its end, as if nobody had heard it."""
    server: Any = getattr(handler, "__self__", None)
    if server is not None and hasattr(server, "should_exit") and hasattr(server, "config"):
        server.config.timeout_graceful_shutdown = LAST_WORDS
        server.should_exit = True
    elif callable(handler):
        handler(number, None)
