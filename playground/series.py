"""Requests sent one after another by a thread of their own: patiently, within this server's limits, and only while somebody looks."""

import threading
import time
from collections.abc import Callable

from playground.completion import CompletionRequest, Ending
from playground.endpoints import Endpoint
from playground.errors import InvalidRequestError, LimitReached, PlaygroundError, RateLimitError
from playground.message import Message, message
from playground.redaction import redact
from playground.run import BY_PERSON, UNWATCHED, Run, Starter

_PAUSE = 0.25
_PATIENCE = (1.0, 4.0, 15.0)
_LONGEST_WAIT = 60.0


class Unanswered(Exception):
    """A request that the endpoint did not answer: why, and whether it was because of what stood in the request."""

    def __init__(self, words: Message, refused: bool = False) -> None:
        super().__init__(str(words))
        self.words = words
        self.refused = refused


class Halted(Exception):
    """The series itself was stopped."""


class Series:
    """A series of requests. Reading is safe from any thread.

    It ends whatever happens, and by itself when nobody has touched it for as long as an unwatched run may last. `sent` holds every
    run it made. Who derives from it says in `_carry_out` what is asked.
    """

    def __init__(self, runs: Starter, visitor: str) -> None:
        self.sent: list[Run] = []
        self.started = time.time()
        self._runs = runs
        self._visitor = visitor
        self._waiting = False
        self._touched = time.monotonic()
        self._reason: Message | None = None
        self._halt = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin; returns at once."""
        self.touch()
        threading.Thread(target=self._work, name=type(self).__name__.lower(), daemon=True).start()

    def stop(self, reason: Message = BY_PERSON) -> None:
        """End it now: the request that is going is stopped, and no other is sent."""
        with self._lock:
            if self._reason is None:
                self._reason = reason
            self._halt.set()
            last = self.sent[-1] if self.sent else None
        if last is not None:
            last.stop(reason)

    def touch(self) -> None:
        """Count as watched now."""
        self._touched = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; returns whether it came within `seconds`."""
        return self._ended.wait(seconds)

    @property
    def reason(self) -> Message:
        """Why it ended before its time; a defect of ours, if nobody stopped it."""
        return self._reason or message("The playground itself failed.")

    def _carry_out(self) -> None:
        raise NotImplementedError

    def _work(self) -> None:
        try:
            self._carry_out()
        except Halted:
            pass
        finally:
            # A defect of ours must crash visibly (the thread's traceback), but never leave a series that seems to go on.
            self._over()
            self._ended.set()

    def _over(self) -> None:
        """Leave nothing open: called once, before it counts as ended."""

    def _ask(
        self, endpoint: Endpoint, request: CompletionRequest, answered: Callable[[Run], bool], enough: Callable[[Run], Message | None] = lambda _: None
    ) -> Run:
        """Return a run that has ended, and that `answered` takes for an answer; one the endpoint was too busy for is tried again.

        A run is stopped as soon as `enough` gives a reason. Raises `Unanswered` or `Halted`.
        """
        for patience in (*_PATIENCE, None):
            run = self._begin(endpoint, request)
            self._follow(run, enough)
            error = run.error
            if answered(run):
                return run
            if patience is None or not (isinstance(error, RateLimitError) and error.retryable):
                raise Unanswered(_words(run), refused=isinstance(error, InvalidRequestError))
            self._pause(max(patience, min(error.retry_after or 0.0, _LONGEST_WAIT)))
        raise AssertionError("the last try returns or raises")

    def _begin(self, endpoint: Endpoint, request: CompletionRequest) -> Run:
        """Begin a run; where this server's own limits are reached, wait until they are not."""
        while True:
            with self._lock:
                if self._halt.is_set():
                    raise Halted
                try:
                    run = self._runs.start(endpoint, request, self._visitor)
                except LimitReached:
                    self._waiting = True
                except PlaygroundError as error:
                    raise Unanswered(error.message) from None
                else:
                    self._waiting = False
                    self.sent.append(run)
                    return run
            self._pause(_PAUSE)

    def _follow(self, run: Run, enough: Callable[[Run], Message | None]) -> None:
        changed = threading.Event()
        cease = run.follow(changed.set)
        try:
            while run.ending is None:
                changed.wait(_PAUSE)
                changed.clear()
                self._mind()
                if (reason := enough(run)) is not None:
                    run.stop(reason)
        finally:
            cease()
        if self._halt.is_set():
            raise Halted

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._halt.wait(min(left, _PAUSE)):
                raise Halted
            self._mind()

    def _mind(self) -> None:
        """Stop where nobody looks any more; otherwise see that the run that is going counts as watched."""
        if time.monotonic() - self._touched > self._runs.limits.unwatched:
            self.stop(UNWATCHED)
        elif self.sent:
            self.sent[-1].touch()


def finished(run: Run) -> bool:
    """Whether a run came to its end."""
    return run.ending is Ending.FINISHED


def _words(run: Run) -> Message:
    """Why a run has no answer: the endpoint's own words where it has any."""
    error = run.error
    if error is None:
        return run.reason or message("There was no answer.")
    if not error.endpoint_message:
        return error.message
    return message("{message} {words}", message=error.message, words=redact(error.endpoint_message)[:500])
