"""A loopback server that does exactly what a test says, down to the byte and the order of events, and remembers what it received.

    with ScriptedServer(reply(b"data: 1\n\n", pause, b"data: 2\n\n")) as server:
        ... server.url, server.requests, server.client_left

A script plays one connection: it gets a `Peer` and may do anything to it. Connection n plays script n, the last script
plays all later ones. In `reply`, bytes are sent, a `threading.Event` is waited for (so that a test holds the server back
without any timing), a number is a pause in seconds, and the marks below do what they say.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

PATIENCE = 10.0

HANG = object()  # say nothing more until the client closes the connection
CUT = object()  # close the connection here, whatever was promised
RESET = object()  # drop the connection so that the client sees a reset


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it came over the wire. Header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def fields(self) -> Any:
        return json.loads(self.body)


@dataclass
class Peer:
    """One connection, from the server's side."""

    server: "ScriptedServer"
    socket: socket.socket
    kept: bytes = b""

    def read_request(self) -> Received:
        """Read one request and remember it."""
        while b"\r\n\r\n" not in self.kept:
            self._fill()
        head, _, self.kept = self.kept.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self.kept) < length:
            self._fill()
        body, self.kept = self.kept[:length], self.kept[length:]
        method, target, _ = first.split(" ", 2)
        received = Received(method=method, target=target, headers=headers, body=body)
        self.server.requests.append(received)
        return received

    def _fill(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the client left before its request was whole")
        self.kept += piece

    def send(self, piece: bytes) -> None:
        self.socket.sendall(piece)

    def wait_until_left(self) -> None:
        """Return when the client has closed the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except OSError:
            pass
        if not self.server.closing:
            self.server.client_left.set()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Script = Callable[[Peer], None]


def reply(
    *pieces: Any,
    status: str = "200 OK",
    content_type: str | None = "text/event-stream",
    headers: tuple[str, ...] = (),
    chunked: bool = True,
    end: bool = True,
) -> Script:
    """A script that reads a request and answers with these pieces; one chunk each, or as they are when not `chunked`."""

    def play(peer: Peer) -> None:
        peer.read_request()
        lines = [f"HTTP/1.1 {status}", *headers]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        lines.append("Transfer-Encoding: chunked" if chunked else "Connection: close")
        peer.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if play_pieces(peer, pieces, chunked) and chunked and end:
            peer.send(b"0\r\n\r\n")

    return play


def json_reply(fields: Any, status: str = "200 OK", headers: tuple[str, ...] = ()) -> Script:
    """A script that answers with one JSON text."""
    return reply(json.dumps(fields, ensure_ascii=False).encode(), status=status, content_type="application/json", headers=headers)


def raw(*pieces: Any, read: bool = True) -> Script:
    """A script that sends bytes which need not be HTTP."""

    def play(peer: Peer) -> None:
        if read:
            peer.read_request()
        play_pieces(peer, pieces, chunked=False)

    return play


def play_pieces(peer: Peer, pieces: tuple[Any, ...], chunked: bool) -> bool:
    """Play the pieces; returns whether the connection is to end as it should."""
    for piece in pieces:
        if isinstance(piece, bytes):
            peer.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        elif isinstance(piece, threading.Event):
            if not piece.wait(PATIENCE):
                return False
        elif isinstance(piece, int | float):
            threading.Event().wait(piece)
        elif piece is HANG:
            peer.wait_until_left()
            return False
        elif piece is RESET:
            peer.reset()
            return False
        else:
            return False
    return True


class ScriptedServer:
    """Plays one script a connection on a free loopback port."""

    def __init__(self, *scripts: Script, wrap: Callable[[socket.socket], socket.socket] | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.client_left = threading.Event()
        self.closing = False
        self._scripts = scripts
        self._wrap = wrap
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self.closing = True
            for one in self._sockets:
                _shut(one)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script did not end"
        self._listener.close()

    def _begin(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._keep(connection)
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._begin(self._play, script, connection)

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.append(one)
            if self.closing:
                _shut(one)

    def _play(self, script: Script, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._wrap is not None:
                connection = self._wrap(connection)
                self._keep(connection)
            script(Peer(self, connection))
        except OSError:
            if not self.closing:
                self.client_left.set()
        finally:
            connection.close()


def _shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def unused_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
