"""One request's life: a thread reads the answer, anyone may follow it, and it ends exactly once.

The reader thread owns the upstream connection, not the page: a moved slider, a reload or a lost websocket costs nothing.
Whatever the ending, the text that arrived stays.
"""

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from playground.client import Client
from playground.completion import CompletionRequest, Ending, Safety, Sentence, Usage, final_usage, overall_safety
from playground.endpoints import Endpoint
from playground.errors import EndpointError, LimitReached, PlaygroundError, StreamInterrupted
from playground.exchange import Exchange
from playground.loops import Loop, LoopDetector
from playground.message import Message, message
from playground.recording import Recording
from playground.replay import Tape, replay, replay_endpoint, replay_request
from playground.settings import Limits
from playground.wire import Cancel, Cancelled

BY_PERSON = message("Stopped by you.")
UNWATCHED = message("Stopped because nobody was looking at it any more.")
TOO_LONG = message("Stopped at this server's limit for one answer's length.")
TOO_LATE = message("Stopped at this server's limit for one answer's time.")
SHUTDOWN = message("Stopped because the server was shut down.")
_LONGEST_NAME = 200
# Where a run's sentences come from: an endpoint, or a recording.
Source = Callable[[Cancel, Exchange], Iterator[Sentence]]
# What looks at each sentence, and says why the run stops after it, if it does.
Brake = Callable[[Sentence], Message | None]


class Starter(Protocol):
    """What begins runs: those of this process, or a door before them."""

    @property
    def limits(self) -> Limits: ...

    def start(self, endpoint: Endpoint, request: CompletionRequest, visitor: str) -> "Run": ...


class Observer(Protocol):
    """Who is told of the runs of a process. It is quick, and raises nothing."""

    def began(self, run: "Run") -> None:
        """A run has begun."""

    def ended(self, run: "Run") -> None:
        """A run is over, and nothing of it is read any more."""

    def refused(self, error: PlaygroundError) -> None:
        """A run was not begun."""


class Run:
    """A request and its outcome. Reading attributes is safe from any thread; sentences are only ever appended.

    `id` is 128 random bits and the only way to the run. `ending` is `None` while it runs; `reason` says why it was
    stopped, `error` why it failed or was cut, `place` how many wait before it in an endpoint's queue, `loop`
    what its text has come to repeat. Times are seconds since it began, `started` is wall-clock time. `replay_of` is
    the recording it replays, if it does, without what came.

    Once it is over it holds no key any more: `endpoint` is without credentials, and `error` without the traceback in whose
    frames they were. What a visitor typed for his session does not live on in a run that is kept to be looked at.
    """

    def __init__(
        self, endpoint: Endpoint, request: CompletionRequest, visitor: str, limits: Limits, replay_of: Recording | None = None
    ) -> None:
        self.id = secrets.token_hex(16)
        self.endpoint = endpoint
        self.request = request
        self.visitor = visitor
        self.started = time.time()
        self.sentences: list[Sentence] = []
        self.replay_of = replay_of and replace(replay_of, events=(), body=None)
        self.exchange = Exchange(room=limits.wire)
        self.ending: Ending | None = None
        self.error: EndpointError | None = None
        self.reason: Message | None = None
        self.place = 0
        self.loop: Loop | None = None
        self.ended_after: float | None = None
        self.last_watched = time.monotonic()
        self.brake: Brake | None = None
        self._limits = limits
        self._began = self.exchange.began
        self._length = 0
        self._loops = LoopDetector()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._cancel = Cancel()
        self._followers: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()

    @classmethod
    def past(
        cls, run_id: str, started: float, endpoint: Endpoint, request: CompletionRequest, visitor: str, sentences: Iterable[Sentence],
        ending: Ending, ended_after: float, reason: Message | None = None, error: EndpointError | None = None,
    ) -> "Run":
        """Make a run that is over, of what was kept of it; of its wire nothing was."""
        run = cls(endpoint, request, visitor, Limits())
        run.id, run.started = run_id, started
        run.reason, run.error, run.ended_after, run.ending = reason, error, ended_after, ending
        for sentence in sentences:
            run.sentences.append(sentence)
            run.loop = run._loops.feed(sentence.text) or run.loop
        run.exchange.close()
        run._ended.set()
        return run

    @property
    def text(self) -> str:
        """The answer so far, exactly as it arrived: pieces joined with nothing between them.

        A character whose halves came in two sentences is made whole here, as the browser does.
        """
        return whole_text(list(self.sentences))

    @property
    def usage(self) -> Usage | None:
        """Tokens of the whole answer by the documented rule; a lower bound unless the run finished."""
        return final_usage(list(self.sentences))

    @property
    def safety(self) -> Safety:
        """The gravest verdict any sentence carried."""
        return overall_safety(list(self.sentences))

    @property
    def watched(self) -> bool:
        """Whether anyone follows it now."""
        return bool(self._followers)

    @property
    def elapsed(self) -> float:
        """Seconds it has run, or ran."""
        return self.ended_after if self.ended_after is not None else time.monotonic() - self._began

    @property
    def recording(self) -> Recording:
        """What went over the wire so far; what comes later is in its `events` too."""
        ending, exchange, error = self.ending, self.exchange, self.error
        made = Recording(
            made=datetime.fromtimestamp(self.started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), endpoint=described(self.endpoint), sent=exchange.sent,
            status=exchange.status, version=exchange.version, headers=exchange.headers, answered=exchange.answered,
            events=exchange.events, body=exchange.body, ending=ending, ended=self.ended_after if ending else None, dropped=exchange.dropped,
            attempts=exchange.attempts, reason=_said(self.reason), error=_said(error.message if error else None),
            remedy=_said(error.remedy if error else None), lost=exchange.lost,
        )
        if self.replay_of is None:
            return made
        return replace(made, made=self.replay_of.made, endpoint=self.replay_of.endpoint, sent=self.replay_of.sent)

    def follow(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` (from the reader thread) after every sentence and at the end; returns how to cease."""
        with self._lock:
            number = next(self._numbers)
            self._followers[number] = changed

        def cease() -> None:
            with self._lock:
                self._followers.pop(number, None)
                self.last_watched = time.monotonic()

        return cease

    def touch(self) -> None:
        """Count as watched now, for whoever looks at it without following."""
        self.last_watched = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Wait for the ending; returns whether it came within `seconds`."""
        return self._ended.wait(seconds)

    def stop(self, reason: Message = BY_PERSON) -> None:
        """End it now, whatever the endpoint does; the upstream connection is shut. Nothing happens if it has ended."""
        self._end(Ending.STOPPED, reason=reason)
        self._cancel.cancel()

    def read(self, source: Source) -> None:
        """Read the answer to its end. The body of the reader thread."""
        try:
            for sentence in source(self._cancel, self.exchange):
                if not self._add(sentence):
                    break
            self._end(Ending.FINISHED)
        except Cancelled as stop:
            self._end(Ending.STOPPED, reason=stop.reason or BY_PERSON)
        except StreamInterrupted as error:
            self._end(Ending.CUT, error=error)
        except EndpointError as error:
            self._end(Ending.FAILED, error=error)
        except PlaygroundError as error:
            self._end(Ending.FAILED, error=EndpointError(error.message, error.remedy))
        finally:
            # A defect of ours must crash visibly (the thread's traceback), but never leave a run that seems to go on.
            self._cancel.cancel()
            self._end(Ending.FAILED, error=EndpointError(message("The playground itself failed."), message("Please report this.")))
            self.endpoint = replace(self.endpoint, credentials=None)
            self.exchange.close()
            if self.error is not None:
                self.error.__traceback__ = self.error.__cause__ = self.error.__context__ = None

    def _add(self, sentence: Sentence) -> bool:
        with self._lock:
            if self.ending is not None:
                return False
            self.place = sentence.queue_place or 0
            if sentence.queue_place is None:
                self.sentences.append(_kept(sentence, time.monotonic() - self._began))
                self._length += len(sentence.text)
                self.loop = self._loops.feed(sentence.text) or self.loop
        self._tell()
        if self._length > self._limits.text or len(self.sentences) > self._limits.sentences:
            self.stop(TOO_LONG)
        elif self.elapsed > self._limits.run_time:
            self.stop(TOO_LATE)
        elif self.brake is not None and (reason := self.brake(sentence)) is not None:
            self.stop(reason)
        return True

    def _end(self, ending: Ending, *, error: EndpointError | None = None, reason: Message | None = None) -> None:
        with self._lock:
            if self.ending is not None:
                return
            self.error, self.reason = error, reason
            self.ended_after = time.monotonic() - self._began
            self.ending = ending
        self.exchange.close()
        self._ended.set()
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            followers = list(self._followers.values())
        for changed in followers:
            changed()


def whole_text(sentences: Iterable[Sentence]) -> str:
    """Return the text of sentences: joined with nothing between them, a character whose halves came in two of them made whole."""
    text = "".join(sentence.text for sentence in sentences)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _said(words: Message | None) -> str | None:
    return None if words is None else str(words)


def described(endpoint: Endpoint) -> dict[str, str]:
    """What a recording, or the history, tells of an endpoint."""
    facts = {
        "name": endpoint.name, "title": endpoint.title, "group": endpoint.group, "provider": endpoint.provider.name, "model": endpoint.model,
        "url": endpoint.url,
    }
    return {name: fact[:_LONGEST_NAME] for name, fact in facts.items()}


def _kept(sentence: Sentence, arrived: float) -> Sentence:
    """A sentence as a run keeps it: what an endpoint may write beside the text is no place for another megabyte."""
    if len(sentence.answer_id or "") > _LONGEST_NAME or len(sentence.finish_reason or "") > _LONGEST_NAME:
        sentence = sentence._replace(
            answer_id=sentence.answer_id and sentence.answer_id[:_LONGEST_NAME],
            finish_reason=sentence.finish_reason and sentence.finish_reason[:_LONGEST_NAME],
        )
    return Sentence(*sentence[:-1], arrived)  # the last of its fields; `_replace` takes four times as long


class Runs:
    """The runs of this process, by id: starts them, finds them, ends those nobody looks at, frees old ones.

    From when it is `leaving`, nothing begins any more; what goes on may come to its end until `close`.
    """

    def __init__(self, client: Client, limits: Limits, observers: Sequence[Observer] = ()) -> None:
        self.client = client
        self.limits = limits
        self.leaving = False
        self._observers = tuple(observers)
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._closed = threading.Event()
        self._warden: threading.Thread | None = None

    def start(self, endpoint: Endpoint, request: CompletionRequest, visitor: str, brake: Brake | None = None) -> Run:
        """Check the request, then begin it. Raises `ParameterError`, `ConfigurationError` or `LimitReached`; then nothing was sent."""
        self.client.check(endpoint, request)
        run = Run(endpoint, request, visitor, self.limits)
        run.brake = brake
        return self._begin(run, partial(self.client.complete, endpoint, request))

    def play(self, recording: Recording, visitor: str, tape: Tape) -> Run:
        """Begin a run that replays a recording as the tape goes. Raises `ParameterError` or `LimitReached`."""
        endpoint = replay_endpoint(recording)
        run = Run(endpoint, replay_request(recording, endpoint), visitor, self.limits, recording)
        return self._begin(run, partial(replay, recording, endpoint.provider, tape))

    def _begin(self, run: Run, source: Source) -> Run:
        with self._lock:
            if self.leaving:
                raise LimitReached(message("This server is being restarted."), message("Try again in a moment."))
            going = [one for one in self._runs.values() if one.ending is None]
            if sum(one.visitor == run.visitor for one in going) >= self.limits.runs_per_visitor:
                raise LimitReached(
                    message("You have {count} runs going; that is the limit.", count=self.limits.runs_per_visitor),
                    message("Stop one, or wait until one ends."),
                )
            if len(going) >= self.limits.runs_in_all:
                raise LimitReached(message("This server is busy: too many runs are going."), message("Try again in a moment."))
            self._runs[run.id] = run
            self._set_warden()
        for observer in self._observers:
            observer.began(run)
        threading.Thread(target=self._read, args=(run, source), name=f"run-{run.id[:6]}", daemon=True).start()
        return run

    def _read(self, run: Run, source: Source) -> None:
        try:
            run.read(source)
        finally:
            for observer in self._observers:
                observer.ended(run)

    def refused(self, error: PlaygroundError) -> None:
        """Tell those who observe that a run was not begun."""
        for observer in self._observers:
            observer.refused(error)

    def present(self) -> list[Run]:
        """Return the runs that go on, the oldest first."""
        with self._lock:
            return sorted((run for run in self._runs.values() if run.ending is None), key=lambda run: run.started)

    def going(self) -> int:
        """Return how many runs go on."""
        with self._lock:
            return sum(run.ending is None for run in self._runs.values())

    def get(self, run_id: str) -> Run | None:
        """Return the run with this id, if it is still here."""
        with self._lock:
            return self._runs.get(run_id)

    def keep(self, run: Run) -> None:
        """Make a run reachable again that somebody still holds; it was forgotten here after a time unwatched."""
        run.touch()
        with self._lock:
            self._runs.setdefault(run.id, run)
            self._set_warden()

    def _set_warden(self) -> None:
        """Have somebody tidy up, from when there is anything to tidy. Call with the lock."""
        if self._warden is None:
            self._warden = threading.Thread(target=self._watch, name="run-warden", daemon=True)
            self._warden.start()

    def close(self) -> None:
        """Stop everything that runs; nothing more begins."""
        self.leaving = True
        self._closed.set()
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.stop(SHUTDOWN)

    def tidy(self) -> None:
        """Stop running runs that nobody watches, or that ran too long; forget ended ones that are old or too many, and their wire before."""
        now = time.monotonic()
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            if run.ending is not None:
                continue
            if not run.watched and now - run.last_watched > self.limits.unwatched:
                run.stop(UNWATCHED)
            elif run.elapsed > self.limits.run_time:
                run.stop(TOO_LATE)
        ended = [run for run in runs if run.ending is not None and not run.watched]
        ended.sort(key=lambda run: run.last_watched)
        surplus = max(0, len(ended) - self.limits.keep_runs)
        old = [run for number, run in enumerate(ended) if number < surplus or now - run.last_watched > self.limits.keep]
        with self._lock:
            for run in old:
                self._runs.pop(run.id, None)
        kept = sum(run.exchange.size for run in runs)
        for run in sorted((run for run in runs if run.ending is not None), key=lambda run: run.started):
            if kept <= self.limits.wire_in_all:
                break
            kept -= run.exchange.size
            run.exchange.give_up()

    def _watch(self) -> None:
        while not self._closed.wait(min(1.0, self.limits.unwatched / 4)):
            self.tidy()
