"""Garbage in cycles goes by and by, and nothing is left of the collecting when it is over."""

import gc
import threading
import weakref

from playground.garbage import collecting


class Knot:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_holds_itself_is_freed_without_anybody_asking_and_until_it_is_over():
    gc.disable()  # what Python collects of its own accord proves nothing
    try:
        with collecting(0.01):
            freed = threading.Event()
            weakref.finalize(Knot(), freed.set)
            assert freed.wait(10)
        kept = threading.Event()
        weakref.finalize(Knot(), kept.set)
        assert not kept.wait(0.2)
        assert not [thread for thread in threading.enumerate() if thread.name == "garbage"]
    finally:
        gc.enable()
