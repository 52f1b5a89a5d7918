"""Recordings played again: the recorded bytes come at the recorded pace, and go through the very code that reads the wire.

So what a replay shows is what this version makes of those bytes: an answer that was cut is cut, an error is an error.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from playground.client import make_presentable, read_answer
from playground.completion import CompletionRequest, Ending, Sentence
from playground.endpoints import PROMPT_LIMIT, Endpoint
from playground.errors import EndpointError, ParameterError, ServiceError, StreamInterrupted
from playground.event_stream import EventStream
from playground.exchange import Exchange
from playground.message import N_, Message, message
from playground.parameters import ParameterSpec
from playground.providers import openai, qianfan
from playground.providers.provider import Provider
from playground.recording import Recording
from playground.wire import BODY_LIMIT, Cancel, Cancelled
from playground.wire_errors import too_large

GROUP_RECORDINGS = N_("Recordings")
_PROVIDERS = {provider.name: provider for provider in (qianfan.PROVIDER, openai.PROVIDER)}
_GLANCE = 0.02  # how soon a waiting tape sees that it was paused, stepped or sped up


class Tape:
    """What a replay's pace is governed by, from any thread.

    `speed` multiplies the recorded pace; 0 is at once. `every` puts that many seconds between events in place of the recorded
    times, for a recording that has none. `position` counts the events that have come.
    """

    def __init__(self, speed: float = 1.0, *, every: float | None = None, paused: bool = False) -> None:
        self._lock = threading.Lock()
        self._speed = _checked(speed)
        self._every = every
        self._paused = paused
        self._steps = 0
        self._place = 0.0  # in the recording, in seconds, when it was `_since` by the clock
        self._since: float | None = None
        self._position = 0

    @property
    def position(self) -> int:
        """How many events have come."""
        return self._position

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._paused

    @property
    def speed(self) -> float:
        """How many recorded seconds pass in one; 0 if they all pass at once."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        with self._lock:
            self._mark()
            self._speed = _checked(speed)

    def pause(self) -> None:
        """Stand still."""
        with self._lock:
            self._mark()
            self._paused = True

    def resume(self) -> None:
        """Go on from here."""
        with self._lock:
            self._mark()
            self._paused, self._steps = False, 0

    def step(self) -> None:
        """Stand still after one more event, which comes now; after the last, the ending."""
        with self._lock:
            self._mark()
            self._paused = True
            self._steps += 1

    def event(self, at: float, cancel: Cancel) -> None:
        """Wait until the next event is due, at this moment of the recording. Raises `Cancelled`."""
        self.end(at, cancel)
        self._position += 1

    def end(self, at: float, cancel: Cancel) -> None:
        """Wait until the ending is due, at this moment of the recording. Raises `Cancelled`."""
        self._wait(at if self._every is None else self._position * self._every, cancel, 1)

    def begin(self, at: float, cancel: Cancel) -> None:
        """Wait until the answer's headers are due; they come with the first step. Raises `Cancelled`."""
        self._wait(at if self._every is None else 0.0, cancel, 0)

    def _wait(self, at: float, cancel: Cancel, steps: int) -> None:
        seconds = 0.0
        while True:
            cancel.wait(seconds)
            with self._lock:
                if self._since is None:
                    self._since = time.monotonic()
                if self._comes(at, steps):
                    return
                seconds = _GLANCE if self._paused else min(_GLANCE, (at - self._now()) / self._speed)

    def _comes(self, at: float, steps: int) -> bool:
        """Whether that moment has come, by the clock or at the cost of so many steps; then the clock goes on from there."""
        if not self._paused and self._speed and at > self._now():
            return False
        if self._paused:
            if not self._steps:
                return False
            self._steps -= steps
        if self._paused or not self._speed:
            self._place, self._since = max(at, self._place), time.monotonic()
        return True

    def _now(self) -> float:
        """Where in the recording it is."""
        passed = 0.0 if self._since is None or self._paused else time.monotonic() - self._since
        return self._place + passed * self._speed

    def _mark(self) -> None:
        """Reckon from here on."""
        if self._since is not None:
            self._place, self._since = self._now(), time.monotonic()


def _checked(speed: float) -> float:
    if not (math.isfinite(speed) and speed >= 0):
        raise ValueError("a tape's speed is a number from 0")
    return speed


def replay_endpoint(recording: Recording) -> Endpoint:
    """Return what stands for the recorded endpoint: it costs nothing, holds no keys, and is sent nothing."""
    facts = recording.endpoint
    provider = _PROVIDERS.get(facts.get("provider", ""))
    if provider is None:
        raise ParameterError(
            "recording", message("This recording is of a protocol that is not known here: {provider}.", provider=facts.get("provider", "")),
            message("Update the playground, or replay it where it was made."),
        )
    base_url, path = _address(provider, facts.get("url", ""))
    return Endpoint(
        name="recording", title=facts.get("title") or facts.get("model") or provider.name, group=GROUP_RECORDINGS,
        note=message("A recording of {title}, made {made}.", title=facts.get("title", ""), made=recording.made) if recording.made else message(
            "A recording that does not say when it was made."
        ),
        base_url=base_url, path=path, model=facts.get("model", ""), provider=provider, parameters=_parameters(provider, _fields(recording)),
        prompt_limit=max(PROMPT_LIMIT, len(recording.sent.body) if recording.sent else 0), free=True,
    )


def replay_request(recording: Recording, endpoint: Endpoint) -> CompletionRequest:
    """Return what was asked, as far as it is known; parameters that are not known here are left out."""
    fields = _fields(recording)
    prompt = fields.get("prompt")
    values = {spec.name: fields[spec.name] for spec in endpoint.parameters if _sendable(spec, fields.get(spec.name))}
    if recording.sent is None:
        values["stream"] = recording.body is None
    text = prompt if isinstance(prompt, str) else ""
    return CompletionRequest(prompt=text.encode("utf-8", "replace").decode(), parameters=values)


def replay(recording: Recording, provider: Provider, tape: Tape, cancel: Cancel, exchange: Exchange) -> Iterator[Sentence]:
    """Yield the sentences of a recording as the tape goes. Raises what it ended with: `EndpointError` or `Cancelled`."""
    exchange.attempts = recording.attempts
    exchange.sent = recording.sent
    try:
        if recording.status is None:
            tape.end(recording.ended or 0.0, cancel)
            raise _last(recording) or _not_saved()
        yield from read_answer(provider, _Played(recording, tape, cancel), exchange)
    except EndpointError as error:
        error.request_id = exchange.request_id or error.request_id
        make_presentable(error)
        raise


class _Played:
    """A recorded answer, as it comes off the tape."""

    def __init__(self, recording: Recording, tape: Tape, cancel: Cancel) -> None:
        self._recording = recording
        self._tape = tape
        self._cancel = cancel
        tape.begin(recording.answered, cancel)
        self.status: int = recording.status or 0
        self.version = recording.version or ""
        self.headers: Mapping[str, str] = _Headers(recording.headers)

    @property
    def is_event_stream(self) -> bool:
        return self.status == 200 and self._recording.body is None

    def events(self, keep: Callable[[bytes], object]) -> Iterator[str]:
        return EventStream(self._pieces(), keep).events()

    def body(self) -> bytes:
        content = b"".join(event.content for event in self._recording.events)
        if self._recording.body is not None:
            self._tape.event(self._recording.body.at, self._cancel)
            content = self._recording.body.content
        else:
            self._end()
        if len(content) > BODY_LIMIT:
            raise too_large(BODY_LIMIT)
        return content

    def end_within(self, seconds: float) -> None:
        """Nothing to do: what came after the end mark came in the time it had."""

    def _pieces(self) -> Iterator[bytes]:
        for event in self._recording.events:
            self._tape.event(event.at, self._cancel)
            yield event.content
        self._end()

    def _end(self) -> None:
        """End as the recording did: the bytes are over, or something else had come between."""
        if self._recording.ended is not None:
            self._tape.end(self._recording.ended, self._cancel)
        if ending := _last(self._recording):
            raise ending


class _Headers(dict[str, str]):
    """Headers, found by their names in any case."""

    def get(self, name: str, default: Any = None) -> Any:
        return next((value for known, value in self.items() if known.lower() == name.lower()), default)


def _last(recording: Recording) -> EndpointError | Cancelled | None:
    """Return what ended the answer where its bytes do not tell by themselves."""
    if recording.dropped:
        return StreamInterrupted(message("The recording does not go on: {count} more events came and were not kept.", count=recording.dropped))
    if recording.ending is Ending.STOPPED:
        words = message("Stopped in the recording: {reason}", reason=_words(recording.reason)) if recording.reason else None
        return Cancelled(words or message("Stopped in the recording."))
    if recording.ended is None:
        return _not_saved()
    if not recording.lost and recording.status is not None:
        return None
    kind = StreamInterrupted if recording.ending is Ending.CUT else ServiceError
    return kind(
        _words(recording.error) if recording.error else message("The connection was lost in the middle of the answer."),
        _words(recording.remedy) if recording.remedy else None,
    )


def _not_saved() -> StreamInterrupted:
    return StreamInterrupted(message("The recording is cut off: what came after this was not saved."))


def _words(text: str) -> Message:
    """Words of this app as a recording has them; they are found in the catalogue if nothing was put into them."""
    return Message(text.replace("{", "{{").replace("}", "}}"))


def _fields(recording: Recording) -> Mapping[str, Any]:
    try:
        fields = json.loads(recording.sent.body) if recording.sent else {}
    except (ValueError, RecursionError):
        fields = {}
    return fields if isinstance(fields, dict) else {}


def _parameters(provider: Provider, fields: Mapping[str, Any]) -> tuple[ParameterSpec, ...]:
    """Return the table that knows most of what was sent."""
    tables = (qianfan.PARAMETERS,) if provider is qianfan.PROVIDER else tuple(openai.DIALECTS.values())
    return max(tables, key=lambda table: sum(spec.name in fields for spec in table))


def _sendable(spec: ParameterSpec, value: Any) -> bool:
    try:
        return spec.check(value) is not None
    except ParameterError:
        return False


def _address(provider: Provider, url: str) -> tuple[str, str]:
    """Return base URL and path of a recorded URL, so that it is shown as it was; nothing if it has another form."""
    plain = url.partition("?")[0]
    base, _, path = plain.rpartition(provider.completion_url("", ""))
    made = (base, unquote(path))
    try:
        fits = urlsplit(plain).scheme in ("http", "https") and provider.completion_url(*made) == plain
    except ValueError:
        fits = False
    return made if fits else ("", "")
