"""The endpoint of the benchmarks in pages: Qianfan's stream form from a process of its own that notes what it did and when.

`python -m bench.upstream` is that process: a socket, bytes prepared before the request, a clock. What it answers is said beforehand by
`play`; what then happened is told by `calls`.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from playground.providers.qianfan import TOKEN_PATH

EVENT = 30
SERVICE = "bench"
_FILLER = "words to fill in what an event holds, "
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\nTransfer-Encoding: chunked\r\nX-Baidu-Request-Id: 1234567890\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered: a text at each of these seconds; after the last one nothing for `silence` seconds, then the end."""

    texts: Sequence[str]
    moments: Sequence[float]
    silence: float = 0.0

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return sum(len(text.encode()) for text in self.texts)


@dataclass(frozen=True, kw_only=True)
class Call:
    """What came of one request. Times are the clock's: when it was there, when each event left, when its connection was closed by the caller."""

    asked: float
    sent: Sequence[float]
    closed: float | None


def answer(sizes: Sequence[int], moments: Sequence[float], *, first: int = 0, silence: float = 0.0) -> Answer:
    """An answer of texts that long; each begins with `%` and its number, from `first` on, by which one sees in a page which has come."""
    texts = [f"%{first + number} {_FILLER * (size // len(_FILLER) + 1)}"[:size] for number, size in enumerate(sizes)]
    return Answer(texts=texts, moments=moments, silence=silence)


def steady(count: int, per_second: float, *, first: int = 0, silence: float = 0.0) -> Answer:
    """An answer of so many events at one pace; at 0 a second all at once."""
    return answer([EVENT] * count, [number / per_second if per_second else 0.0 for number in range(count)], first=first, silence=silence)


class _Connection(asyncio.Protocol):
    """One connection. Requests on it are answered one after the other."""

    events: Sequence[bytes] = ()
    moments: Sequence[float] = ()
    silence = 0.0
    calls: list[dict[str, Any]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._asked = b""
        self._call: dict[str, Any] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        self._asked += data
        head, blank, body = self._asked.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)) else 0
        if not blank or len(body) < length:
            return
        self._asked = b""
        path = head.split(b" ", 2)[1].decode()
        if path.startswith(TOKEN_PATH):
            self._say({"access_token": "24.bench", "expires_in": 2592000})
        elif path == "/play":
            self._prepare(json.loads(body))
            self._say({})
        elif path == "/calls":
            self._say(self.calls)
        else:
            self._call = {"asked": time.time(), "sent": [], "closed": None}
            self.calls.append(self._call)
            self._transport.write(_HEAD)
            self._play(self._call, self.events, self.moments, asyncio.get_running_loop().time(), 0)

    def _say(self, body: object) -> None:
        said = json.dumps(body).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said))

    @classmethod
    def _prepare(cls, asked: dict[str, Any]) -> None:
        """Have the bytes of every event ready, each in the shape of the Yi-34B page and in a chunk of its own."""
        texts, totals = asked["texts"], accumulate(len(text) // 4 for text in asked["texts"])
        events = (
            {"id": "as-0123456789", "object": "completion", "created": 1718781893, "sentence_id": number, "is_end": number == len(texts) - 1,
             "is_truncated": False, "result": text, "need_clear_history": False,
             "usage": {"prompt_tokens": 6, "completion_tokens": total, "total_tokens": 6 + total}}
            for number, (text, total) in enumerate(zip(texts, totals, strict=True))
        )
        pieces = (b"data: %s\n\n" % json.dumps(event, ensure_ascii=False).encode() for event in events)
        cls.events = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
        cls.moments, cls.silence = asked["moments"], asked["silence"]
        cls.calls.clear()

    def _play(self, call: dict[str, Any], events: Sequence[bytes], moments: Sequence[float], began: float, number: int) -> None:
        """Send what is due and come back when more is. Before the last event, which says that it is the last, comes the silence."""
        loop, last = asyncio.get_running_loop(), len(events) - 1
        while number <= last:
            due = began + moments[number] + (self.silence if number == last else 0)
            if due > loop.time():
                self._timer = loop.call_at(due, self._play, call, events, moments, began, number)
                return
            if self._transport.is_closing():
                return
            call["sent"].append(time.time())
            self._transport.write(events[number])
            number += 1
        self._transport.write(b"0\r\n\r\n")
        self._call = None

    def connection_lost(self, error: Exception | None) -> None:
        if self._call is not None:
            self._call["closed"] = time.time()
        if self._timer is not None:
            self._timer.cancel()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def upstream(count: int = 10, per_second: float = 0) -> Iterator[str]:
    """Run the process; yields its base URL. Until it is told otherwise it plays so many events."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True) as process:
        try:
            base = f"http://127.0.0.1:{(process.stdout.readline() if process.stdout else '').strip()}"
            play(base, steady(count, per_second))
            yield base
        finally:
            process.terminate()


def play(base: str, said: Answer) -> None:
    """From now on answer this; the calls before are forgotten."""
    urllib.request.urlopen(f"{base}/play", json.dumps(asdict(said)).encode(), timeout=10).read()


def calls(base: str) -> list[Call]:
    """What was called since the last `play`."""
    with urllib.request.urlopen(f"{base}/calls", timeout=10) as response:
        return [Call(**call) for call in json.load(response)]


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve())
