"""Connections as the wire wants them: known as soon as they exist, and led nowhere else than where they may go.

An address that a visitor typed is resolved once, here, every address its name stands for is judged, and the connection is
made to the judged address itself: whatever the name says a moment later, it is not asked again. TLS still verifies the name.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable
from http.client import HTTPException, HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError

from playground.reach import is_public
from playground.wire_errors import not_public

_MOST_INTERIM = 20


def adapter(attach: Callable[[socket.socket], None], *, public_only: bool, seconds: float) -> HTTPAdapter:
    """Return an adapter whose connections hand their sockets to `attach` before TLS and headers.

    With `public_only` they go to public addresses alone, within `seconds` for all the addresses of a name together.
    """

    class Plain(HTTPConnection):
        response_class = _Response

        def _new_conn(self) -> socket.socket:
            made = _connect_publicly(self, seconds) if public_only else super()._new_conn()
            attach(made)
            return made

    class Secure(Plain, HTTPSConnection):
        pass

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


class _Response(HTTPResponse):
    """Gives up on a server that says `100 Continue` for ever; Python's own reading goes along with it."""

    _read = 0

    def _read_status(self) -> Any:
        self._read += 1
        if self._read > _MOST_INTERIM:
            raise HTTPException(f"more than {_MOST_INTERIM} interim answers")
        return super()._read_status()  # type: ignore[misc]


def _connect_publicly(to: HTTPConnection, seconds: float) -> socket.socket:
    """Connect to an address that was judged. Raises what urllib3 raises, and our refusal."""
    try:
        found = socket.getaddrinfo(to._dns_host.strip("[]"), to.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NameResolutionError(to.host, to, error) from error
    except UnicodeError:
        raise LocationParseError(to.host) from None
    for *_, place in found:
        _judge(place)
    failure: OSError | None = None
    until = time.monotonic() + seconds
    for family, kind, protocol, _, place in found:
        try:
            made = _connected(socket.socket(family, kind, protocol), place, to.socket_options or (), until - time.monotonic())
        except OSError as error:
            failure = error
        else:
            made.settimeout(seconds)
            return made
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(to, "timed out") from failure
    raise NewConnectionError(to, str(failure)) from failure


def _connected(made: socket.socket, place: tuple[Any, ...], options: Iterable[tuple[int, int, int | bytes]], seconds: float) -> socket.socket:
    try:
        for option in options:
            made.setsockopt(*option)
        made.settimeout(max(0.01, seconds))
        made.connect(place)
        _judge(made.getpeername())
    except BaseException:
        made.close()
        raise
    return made


def _judge(place: tuple[Any, ...]) -> None:
    """Refuse the address of a socket's end that is not public."""
    if not is_public(ipaddress.ip_address(place[0])):
        raise not_public()
