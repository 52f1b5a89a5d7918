"""Garbage in cycles, collected in full every half minute, by one for all: after each rerun it would stop every visitor's stream each time."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EVERY = 30.0


@contextmanager
def collecting(seconds: float = EVERY) -> Iterator[None]:
    """Collect it every so many seconds, in a thread of its own, until left."""
    over = threading.Event()

    def collect() -> None:
        while not over.wait(seconds):
            gc.collect()

    threading.Thread(target=collect, name="garbage", daemon=True).start()
    try:
        yield
    finally:
        over.set()
