"""One completion on its way: its place in the line, its text as it comes, its one outcome.

The worker thread writes it, any thread or event loop reads it. Pieces are valid text: the engine holds an unfinished
character back.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from playground.message import Message


class QueueFull(Exception):
    """As many completions wait as may wait; nothing was queued."""


class PromptTooLong(Exception):
    """The prompt has `tokens` tokens; at most `limit` fit into the model's context with room for an answer."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"{tokens} tokens, at most {limit}")
        self.tokens = tokens
        self.limit = limit


class EngineError(Exception):
    """No completion; `message` says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


class EngineUnavailable(EngineError):
    """There is no engine, or there is none any more."""


class RequestRefused(EngineError):
    """The engine could not do this request; the next one may go well."""


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    """The model ended its text, or a stop sequence came."""
    LENGTH = "length"
    """The cap of the request was reached."""
    CONTEXT = "context"
    """The model's context was full: the text is truncated."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What to complete. `None` is "not asked for": the value that changes nothing is sent in its stead.

    `seed` repeats a text on the same computer; without one each text is new. `max_tokens` of `None` goes on to the end of
    the context.
    """

    prompt: str
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    penalty_score: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a completion ended. Tokens are the model's own; a cancelled one may not know its speed."""

    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    tokens_per_second: float | None = None


class Generation:
    """One completion. Read it with `for piece in generation`, or with `arrived` and `take` in an event loop."""

    def __init__(self, request: GenerationRequest, place: Callable[["Generation"], int], drop: Callable[["Generation"], None]) -> None:
        self.request = request
        self.prompt_tokens = 0
        """Known as soon as the prompt is being evaluated; 0 before."""
        self.evaluated_tokens = 0
        """How much of the prompt has been evaluated."""
        self.completion_tokens = 0
        """Tokens written so far."""
        self._place = place
        self._drop = drop
        self._changed = threading.Condition()
        self._pieces: list[str] = []
        self._wakers: set[Callable[[], None]] = set()
        self._end: Outcome | PromptTooLong | EngineError | None = None
        self._cancelled = False

    @property
    def place(self) -> int:
        """The place in the line: 0 is running or over, 1 is next."""
        return self._place(self)

    @property
    def ended(self) -> bool:
        """Whether it is over, well or not. Pieces may still be there to take."""
        return self._end is not None

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to cancel it."""
        return self._cancelled

    def cancel(self) -> None:
        """End it now. Whoever reads it is told at once; the worker is free again within about 0.2 s."""
        self._cancelled = True
        self.end(Outcome(finish=Finish.CANCELLED, prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens))
        self._drop(self)

    def outcome(self) -> Outcome:
        """Return how it ended; raise `PromptTooLong` or an `EngineError` if it could not. Waits for the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._end is not None)
        if isinstance(self._end, Exception):
            raise self._end
        assert self._end is not None  # noqa: S101 - wait_for has seen it
        return self._end

    def take(self) -> list[str]:
        """Return the pieces that came since the last call."""
        with self._changed:
            pieces, self._pieces = self._pieces, []
        return pieces

    def wait(self, timeout: float | None = None) -> bool:
        """Block until there is something to take, or the end; return whether there is."""
        with self._changed:
            return self._changed.wait_for(self._news, timeout)

    async def arrived(self, timeout: float | None = None) -> bool:
        """Like `wait`, for an event loop."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(news.set)

        with self._changed:
            if self._news():
                return True
            self._wakers.add(wake)
        try:
            async with asyncio.timeout(timeout):
                await news.wait()
        except TimeoutError:
            return self._news()
        finally:
            with self._changed:
                self._wakers.discard(wake)
        return True

    def __iter__(self) -> Iterator[str]:
        """Give the pieces as they come; raise what `outcome` raises. Cancelled if the reader walks away."""
        try:
            while True:
                self.wait()
                ended = self.ended
                yield from self.take()
                if ended:
                    break
        finally:
            if not self.ended:
                self.cancel()
        self.outcome()

    def add(self, piece: str) -> None:
        """The worker's: add text. After the end nothing is added any more."""
        with self._changed:
            if self._end is None:
                self._pieces.append(piece)
                self._tell()

    def end(self, end: Outcome | PromptTooLong | EngineError) -> None:
        """The worker's: end it. Only the first end counts."""
        with self._changed:
            if self._end is None:
                self._end = end
                self._tell()

    def _news(self) -> bool:
        return bool(self._pieces) or self._end is not None

    def _tell(self) -> None:
        self._changed.notify_all()
        for wake in self._wakers:
            wake()
