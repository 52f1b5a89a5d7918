"""What went over the wire in one run: the request as it was sent, and all that came, while it comes. Bounded, and without its own secrets."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from playground.recording import Sent, WireEvent, masked_headers, raw_bytes, raw_text
from playground.redaction import redact
from playground.settings import Limits

_MOST_HEADERS = 100
_LONGEST_HEADER = 4000
# What an event takes beside its text.
_EACH = 100


def _same(text: str) -> str:
    return text


@dataclass
class Exchange:
    """What a request met on its way, filled while it runs: attempts made, HTTP status, event stream or one body, request id, rate limits.

    Of the wire it has the last attempt alone. `room` is how many characters are kept, `size` how many are, `dropped` counts what came
    beyond. `lost` says that the wire failed, rather than what came over it. `mask` takes the run's own secrets out of what comes.
    """

    attempts: int = 0
    status: int | None = None
    streamed: bool | None = None
    request_id: str | None = None
    rate_limits: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    room: int = Limits.wire
    sent: Sent | None = None
    version: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    answered: float = 0.0
    events: list[WireEvent] = field(default_factory=list)
    body: WireEvent | None = None
    dropped: int = 0
    size: int = 0
    lost: bool = False
    mask: Callable[[str], str] = field(default=_same, repr=False)
    closed: bool = False

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> None:
        """Begin an attempt with this request; what there was of one before is forgotten."""
        self.sent = Sent(method=method, url=redact(self.mask(url)), headers=self._headers(headers), body=self.mask(raw_text(content)))
        self.status = self.streamed = self.request_id = self.version = self.body = None
        self.headers, self.rate_limits, self.events, self.dropped, self.lost = {}, {}, [], 0, False
        self.size = 0

    def answer(self, status: int, version: str, headers: Mapping[str, str]) -> None:
        """Note how an answer begins, now."""
        self.status, self.version, self.headers, self.answered = status, version, self._headers(headers), time.monotonic() - self.began

    def keep(self, raw: bytes) -> None:
        """Keep an event as it came, now; after the first that finds no room only the number of them, so that what is kept has no gap."""
        if (event := self._kept(raw)) is not None:
            self.events.append(event)

    def keep_body(self, content: bytes) -> None:
        """Keep a body that came whole, now."""
        self.body = self._kept(content) or self.body

    def close(self) -> None:
        """Keep nothing more, and no secret."""
        self.closed = True
        self.mask = _same

    def give_up(self) -> None:
        """Forget what came: this process has no room for it any more."""
        self.dropped += len(self.events) + (self.body is not None)
        self.events, self.body, self.size = [], None, 0

    def _kept(self, raw: bytes) -> WireEvent | None:
        """As it is kept, without the run's own secrets. They are looked for in a text that takes no more room than the bytes: keys are ASCII."""
        mask = self.mask  # before `closed` is looked at: whoever closes takes the mask away last
        if self.closed:
            return None
        size = self.size + len(raw) + _EACH
        if self.dropped or size > self.room:
            self.dropped += 1
            return None
        self.size = size
        plain = raw.decode("latin-1")
        return WireEvent(time.monotonic() - self.began, raw if mask(plain) == plain else raw_bytes(mask(raw_text(raw))))

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        read = {self.mask(name)[:_LONGEST_HEADER]: self.mask(str(headers[name])[: 2 * _LONGEST_HEADER]) for name in list(headers)[:_MOST_HEADERS]}
        return {name: value[:_LONGEST_HEADER] for name, value in masked_headers(read).items()}
