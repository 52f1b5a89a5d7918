"""What happened lately, for tests and for the curious: the last 200 requests, and who called what how often. No secrets."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from emulator.credentials import Caller

_MOST_ENTRIES = 200
_MOST_CALLERS = 10_000
_MOST_CHARACTERS = 4_000
_SECRET_FIELDS = {"access_token", "refresh_token", "client_id", "client_secret", "api_key", "secret_key", "authorization"}
MASK = "•••"


@dataclass(kw_only=True)
class Entry:
    """One request. `started` is an epoch; `first_event`, `ended` and `closed_after_s` are seconds after it."""

    id: str
    endpoint: str
    started: float
    body: Any = None
    auth: str | None = None
    first_event: float | None = None
    ended: float | None = None
    ending: str | None = None
    error_code: int | None = None
    events_sent: int = 0
    closed_after_s: float | None = None

    def __post_init__(self) -> None:
        self._clock = time.monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the request came."""
        return round(time.monotonic() - self._clock, 4)

    def end(self, ending: str) -> None:
        """Write down how it ended, once."""
        if self.ending is None:
            self.ending, self.ended = ending, self.elapsed()
            if ending == "client disconnected":
                self.closed_after_s = self.ended


class RequestLog:
    """The recent requests and the counts by name and caller. Used in the server's own thread only."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._entries: deque[Entry] = deque(maxlen=_MOST_ENTRIES)
        self._calls: dict[tuple[str, str], int] = {}
        self._first_tokens: dict[tuple[str, str], str] = {}
        self._minutes: dict[str, tuple[int, int]] = {}

    def open(self, request_id: str, endpoint: str) -> Entry:
        """Begin an entry."""
        entry = Entry(id=request_id, endpoint=endpoint[:200], started=time.time())
        self._entries.append(entry)
        return entry

    def rows(self) -> list[dict[str, Any]]:
        """Return the entries, oldest first."""
        return [asdict(entry) for entry in self._entries]

    def count(self, endpoint: str, caller: Caller) -> tuple[int, bool]:
        """Count a call; return how many this caller made of this name before, and whether its token is the first he showed it."""
        key = (endpoint, caller.key)
        if len(self._calls) > _MOST_CALLERS:
            self._calls.clear()
            self._first_tokens.clear()
        earlier = self._calls.get(key, 0)
        self._calls[key] = earlier + 1
        first = caller.token is not None and self._first_tokens.setdefault(key, caller.token) == caller.token
        return earlier, first

    def this_minute(self, key: str) -> int:
        """Count a request of a caller for the rate-limit headers; return how many he made in this minute."""
        minute = int(time.time() // 60)
        then, count = self._minutes.get(key, (minute, 0))
        count = count + 1 if then == minute else 1
        self._minutes[key] = (minute, count)
        return count


def presentable(value: Any) -> Any:
    """Return a body that may be shown: fields that are secrets by name masked, long texts shortened."""
    if isinstance(value, str):
        return value if len(value) <= _MOST_CHARACTERS else value[:_MOST_CHARACTERS] + "…"
    if isinstance(value, Mapping):
        return {key: MASK if key.lower() in _SECRET_FIELDS else presentable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [presentable(item) for item in value[:100]]
    return value
