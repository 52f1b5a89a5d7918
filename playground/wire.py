"""Bytes over HTTP: one request, its answer as events or as a whole, and a cancel that works while everything is silent.

The only module that imports requests and sseclient. It knows nothing of what is in an event.

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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from sseclient import SSEClient
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from playground.errors import ConnectionFailed, EndpointError, ServiceError, StreamInterrupted
from playground.message import Message, message
from playground.redaction import redact

EVENT_LIMIT = 8 * 1024 * 1024
BODY_LIMIT = 16 * 1024 * 1024
_PIECE = 65536


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds. `connect` bounds making the connection, `silence` each gap between bytes, not the whole answer."""

    connect: float = 10.0
    silence: float = 60.0


class Cancelled(Exception):
    """The request was cancelled by `Cancel.cancel()`. Not an error: whoever cancelled knows why."""


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
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    @property
    def content_type(self) -> str:
        """The media type in lower case, without its parameters; empty if absent."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def is_event_stream(self) -> bool:
        """Whether this is an answer to be read as events."""
        return self.status == 200 and self.content_type == "text/event-stream"

    def events(self) -> Iterator[str]:
        """Yield the data of each event as it arrives.

        Raises `StreamInterrupted` if the connection breaks, `ConnectionFailed` if it stays silent too long before
        anything arrived, `ServiceError` if an event is too large or not UTF-8, and `Cancelled`.
        """
        source = _Pieces(self)
        with _mapped(self._cancel, self._timeouts, lambda: source.seen):
            for event in SSEClient(source).events():  # type: ignore[arg-type]
                source.since_event = 0
                yield event.data

    def body(self) -> bytes:
        """Return the whole body, bounded by `BODY_LIMIT`."""
        parts, size = [], 0
        with _mapped(self._cancel, self._timeouts, lambda: False):
            while piece := self._read():
                size += len(piece)
                if size > BODY_LIMIT:
                    raise _too_large(BODY_LIMIT)
                parts.append(piece)
        return b"".join(parts)

    def _read(self) -> bytes:
        piece = bytes(self._response.raw.read1(_PIECE, decode_content=True))
        if self._cancel.cancelled:
            raise Cancelled
        return piece


class _Pieces:
    """The bytes of an event stream as sseclient wants them, bounded, and with bare JSON lines made visible.

    A service may write an error as a bare `{...}` line in the middle of a stream. An event parser must ignore a line
    without a field name, and the error would be lost; so such a line is given one, as an event of its own.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.seen = False
        self.since_event = 0

    def __iter__(self) -> Iterator[bytes]:
        at_line_start, bare = True, False
        while piece := self._answer._read():
            self.seen = True
            self.since_event += len(piece)
            if self.since_event > EVENT_LIMIT:
                raise _too_large(EVENT_LIMIT)
            lines = []
            for line in piece.splitlines(keepends=True):
                if at_line_start and line.startswith(b"{"):
                    lines.append(b"\n\ndata: ")
                    bare = True
                lines.append(line)
                at_line_start = line.endswith((b"\n", b"\r"))
                if bare and at_line_start:
                    lines.append(b"\n\n")
                    bare = False
            yield b"".join(lines)

    def close(self) -> None:
        """Nothing to do: the answer is closed by whoever opened it."""


@contextlib.contextmanager
def open_request(
    method: str,
    url: str,
    *,
    cancel: Cancel,
    timeouts: Timeouts,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> Iterator[Answer]:
    """Send one request and yield its answer when the headers are here; the connection closes on leaving.

    Redirects are not followed: credentials would go along. Raises `ConnectionFailed` with the reason, and `Cancelled`.
    """
    with _released(cancel), _Session() as session:
        session.trust_env = False
        adapter = _adapter(cancel)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        with _mapped(cancel, timeouts, lambda: False):
            cancel.wait(0)
            response = session.request(
                method, url, headers={"Accept-Encoding": "identity", **(headers or {})}, data=content, stream=True,
                allow_redirects=False, timeout=(timeouts.connect, timeouts.silence), proxies=_proxies(url),
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True,
            )
        with contextlib.closing(response):
            yield Answer(response, cancel, timeouts)


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


def _adapter(cancel: Cancel) -> HTTPAdapter:
    """An adapter whose connections hand their sockets to `cancel` as soon as these exist, before TLS and headers."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            cancel.attach(made)
            return made

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            made = super()._new_conn()
            cancel.attach(made)
            return made

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    pools = {"http": PlainPool, "https": SecurePool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Adapter(max_retries=0)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _mapped(cancel: Cancel, timeouts: Timeouts, begun: Any) -> Iterator[None]:
    """Turn every foreign exception into ours, the original kept as its cause. `begun()` tells whether bytes came.

    The original's words hold the URL, and with it a token or a key: they are redacted, so that no traceback shows one.
    """
    try:
        yield
    except (EndpointError, Cancelled):
        raise
    except UnicodeDecodeError as error:
        raise ServiceError(
            message("The endpoint sent bytes that are not UTF-8 text."), message("Check that the base URL is a completion service.")
        ) from error
    except UnicodeEncodeError as error:
        raise ConnectionFailed(message("The endpoint's base URL is not a web address."), _CHECK_URL) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        for one in _chain(error):
            one.args = tuple(redact(part) if isinstance(part, str) else part for part in one.args)
        if cancel.cancelled:
            raise Cancelled from error
        raise _explain(error, timeouts, begun()) from error


def _explain(error: Exception, timeouts: Timeouts, begun: bool) -> EndpointError:
    """Return our error for a foreign one; the most specific reason in its chain wins."""
    chain = list(_chain(error))

    def is_a(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    if is_a(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return ConnectionFailed(message("The network proxy refused the connection."), message("Check the proxy settings of this computer."))
    if is_a(urllib3.exceptions.NameResolutionError, socket.gaierror):
        return ConnectionFailed(message("The endpoint's host name is not known."), _CHECK_URL, retryable=True)
    # urllib3 counts a refused connection and an unknown name among the connect timeouts; requests knows better.
    if is_a(requests.ConnectTimeout):
        return ConnectionFailed(
            message("No connection within {seconds} s.", seconds=f"{timeouts.connect:g}"),
            message("Check the base URL and this computer's network."), retryable=True,
        )
    if is_a(urllib3.exceptions.NewConnectionError):
        return ConnectionFailed(
            message("Nothing answers at the endpoint's address."), message("Check the base URL, and that the server is running."), retryable=True,
        )
    if is_a(requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        kind = StreamInterrupted if begun else ConnectionFailed
        return kind(
            message("The endpoint sent nothing for {seconds} s.", seconds=f"{timeouts.silence:g}"),
            message("Run again, or set a longer request timeout."), retryable=True,
        )
    if is_a(urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError):
        return ServiceError(message("The endpoint sent a compressed answer that cannot be unpacked."), _CHECK_URL)
    if begun:
        return StreamInterrupted(message("The connection was lost in the middle of the answer."), message("Run again to get a whole answer."))
    if is_a(requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return ConnectionFailed(
            message("No secure connection could be made: the certificate or the TLS handshake was refused."),
            message("Check the base URL; a server without TLS needs http://."),
        )
    if is_a(
        requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema, urllib3.exceptions.LocationValueError
    ):
        return ConnectionFailed(message("The endpoint's base URL is not a web address."), _CHECK_URL)
    return ConnectionFailed(message("The connection was lost before the answer began."), message("Run again."), retryable=True)


_CHECK_URL: Message = message("Check the base URL.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, what it wraps in its arguments or `reason`, and its causes; each once."""
    queue, seen = [error], set()
    while queue:
        one = queue.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        queue += [one.__cause__, one.__context__, *(part for part in one.args if isinstance(part, BaseException))]
        reason = getattr(one, "reason", None)
        if isinstance(reason, BaseException):
            queue.append(reason)


def _too_large(limit: int) -> ServiceError:
    return ServiceError(
        message("The endpoint sent more than {size} MB in one piece.", size=limit // (1024 * 1024)),
        message("Reading was ended to protect this server. Check that the base URL is a completion service."),
    )
