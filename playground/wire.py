"""Bytes over HTTP: one request, its answer as events or as a whole, and a cancel that works while everything is silent.

With `connections` and `wire_errors` beneath it, the only module that imports requests. It knows nothing of what is in an event.

* `Cancel.cancel()` shuts the socket down, from any thread: a blocked read returns at once. It also covers the time
  before the response headers arrive, because the socket is known as soon as it exists.
* Bytes are read as they arrive (`read1`), so an event is delivered the moment its last byte is here, whether or not the
  body is chunked, without reading byte by byte.
* The content type is looked at before any event is read: a JSON error in place of a stream stays readable.
* Every connection is new: a run keeps its connection for its whole life, and a stale pooled one would surface as an
  error that nobody caused.
"""

import contextlib
import ipaddress
import os
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

from playground.connections import adapter
from playground.errors import EndpointError
from playground.event_stream import ANSWER_LIMIT, LEAST, MB, EventStream
from playground.message import Message
from playground.wire_errors import FOREIGN, explain, not_an_address, not_text, not_unpacked, too_large, too_long

BODY_LIMIT = 8 * MB
_PIECE = 65536
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds. `connect` bounds making the connection, `silence` each gap between bytes, not the whole answer."""

    connect: float = 10.0
    silence: float = 60.0


class Cancelled(Exception):
    """The request was cancelled by `Cancel.cancel()`: not an error, and whoever cancelled knows why. Or it had been, in a recording, for `reason`."""

    def __init__(self, reason: Message | None = None) -> None:
        super().__init__()
        self.reason = reason


class Cancel:
    """Ends one request at any moment from any thread. Once cancelled it stays so; later sockets are shut at once.

    It holds duplicates of the request's sockets: TLS takes the original object away before its handshake, and an
    SSL object may not be shut from another thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flag = threading.Event()
        self._sockets: list[socket.socket] = []

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._flag.is_set()

    def cancel(self) -> None:
        """Shut the request's sockets down; a thread blocked in a read wakes at once."""
        self._flag.set()
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            _shut(one)
            one.close()

    def attach(self, one: socket.socket) -> None:
        """Be able to shut this socket until `release`."""
        with self._lock:
            if not self._flag.is_set():
                self._sockets.append(one.dup())
                return
        _shut(one)

    def release(self) -> None:
        """Let go of the sockets of a request that is over. They are shut too: urllib3 leaves one open when it finds a header senseless."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            _shut(one)
            one.close()

    def wait(self, seconds: float) -> None:
        """Wait that long, or raise `Cancelled` as soon as it is cancelled."""
        if self._flag.wait(seconds):
            raise Cancelled


class Answer:
    """The answer to one request: status and headers at once, then either `events()` or `body()`, read once."""

    def __init__(self, response: requests.Response, cancel: Cancel, timeouts: Timeouts) -> None:
        self._response = response
        self._cancel = cancel
        self._timeouts = timeouts
        self._last: threading.Timer | None = None
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.version = "HTTP/1.0" if response.raw.version == 10 else "HTTP/1.1"
        self.sent: Mapping[str, str] = response.request.headers

    @property
    def content_type(self) -> str:
        """The media type in lower case, without its parameters; empty if absent."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def is_event_stream(self) -> bool:
        """Whether this is an answer to be read as events."""
        return self.status == 200 and self.content_type == "text/event-stream"

    def events(self, keep: Callable[[bytes], object]) -> Iterator[str]:
        """Yield each event's data as it arrives, and give `keep` the bytes it came as before that.

        Raises `StreamInterrupted` if the connection breaks, `ConnectionFailed` if it stays silent too long before
        anything arrived, `ServiceError` if an event or the answer is too large or not UTF-8, and `Cancelled`.
        """
        stream = EventStream(self._pieces(), keep)
        with _mapped(self._cancel, self._timeouts, lambda: stream.seen):
            yield from stream.events()

    def body(self, limit: int = BODY_LIMIT) -> bytes:
        """Return the whole body; `limit` bytes at most."""
        body = bytearray()
        with _mapped(self._cancel, self._timeouts, lambda: False):
            for piece in self._pieces():
                body += piece
                if len(body) > limit:
                    raise too_large(limit)
        return bytes(body)

    def end_within(self, seconds: float) -> None:
        """End the reading in that time, as if the endpoint had closed the connection: nothing that matters comes any more."""
        self._last = threading.Timer(seconds, self._cancel.release)
        self._last.daemon = True
        self._last.start()

    def close(self) -> None:
        """Close the connection."""
        if self._last is not None:
            self._last.cancel()
        self._response.close()

    def _pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they arrive, unpacked, in bounded pieces; what arrives is bounded by `ANSWER_LIMIT`."""
        unpack = _unpacking(self.headers.get("Content-Encoding", ""))
        size = 0
        while piece := self._response.raw.read1(_PIECE, decode_content=False):
            size += max(len(piece), LEAST)
            if size > ANSWER_LIMIT:
                raise too_long(ANSWER_LIMIT)
            for part in unpack(piece):
                if self._cancel.cancelled:
                    raise Cancelled
                yield part
        if self._cancel.cancelled:
            raise Cancelled


def _unpacking(encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    """Return what unpacks a body's pieces. None of these encodings was asked for; but a proxy on the way may pack all the same.

    It is done here, piece by piece: a thousandth of a piece may hold it all, and packing in packing a millionth.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda piece: iter((piece,))
    if name not in ("gzip", "x-gzip", "deflate"):
        raise not_unpacked()
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)

    def unpack(piece: bytes) -> Iterator[bytes]:
        nonlocal unpacker
        part = b""
        while piece or len(part) == _PIECE:
            part = unpacker.decompress(piece, _PIECE)
            piece = unpacker.unconsumed_tail
            if unpacker.eof:
                piece, unpacker = unpacker.unused_data, zlib.decompressobj(_GZIP_OR_ZLIB)
            yield part

    return unpack


@contextlib.contextmanager
def open_request(
    method: str,
    url: str,
    *,
    cancel: Cancel,
    timeouts: Timeouts,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    public_only: bool = False,
) -> Iterator[Answer]:
    """Send one request and yield its answer when the headers are here; the connection closes on leaving.

    With `public_only` it goes to addresses of the public internet alone, past any proxy: what a proxy reaches is not known here.
    Redirects are not followed: credentials would go along. Raises `ConnectionFailed` with the reason, `ServiceError` for what
    is not HTTP, and `Cancelled`.
    """
    with _released(cancel), _Session() as session:
        session.trust_env = False
        mounted = adapter(cancel.attach, public_only=public_only, seconds=timeouts.connect)
        session.mount("https://", mounted)
        session.mount("http://", mounted)
        with _mapped(cancel, timeouts, lambda: False):
            cancel.wait(0)
            response = session.request(
                method, url, headers={"Accept-Encoding": "identity", **(headers or {})}, data=content, stream=True,
                allow_redirects=False, timeout=(timeouts.connect, timeouts.silence), proxies={} if public_only else _proxies(url),
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True,
            )
        with contextlib.closing(Answer(response, cancel, timeouts)) as answer:
            yield answer


class _Session(requests.Session):
    """A session that leaves a redirect alone: requests would read its whole body, without a bound, to look where it leads."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


@contextlib.contextmanager
def _released(cancel: Cancel) -> Iterator[None]:
    try:
        yield
    finally:
        cancel.release()


def _proxies(url: str) -> dict[str, str]:
    """The environment's proxies, but never for this computer itself."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return {}
    return {} if host == "localhost" else dict(get_environ_proxies(url))


@contextlib.contextmanager
def _mapped(cancel: Cancel, timeouts: Timeouts, begun: Callable[[], bool]) -> Iterator[None]:
    """Turn every foreign exception into ours, the original kept as its cause. `begun()` tells whether bytes came."""
    try:
        yield
    except (EndpointError, Cancelled):
        raise
    except UnicodeDecodeError as error:
        raise not_text() from error
    except UnicodeEncodeError as error:
        raise not_an_address() from error
    except zlib.error as error:
        raise not_unpacked() from error
    except FOREIGN as error:
        told = explain(error, connect=timeouts.connect, silence=timeouts.silence, begun=begun())
        raise (Cancelled() if cancel.cancelled else told) from error


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
