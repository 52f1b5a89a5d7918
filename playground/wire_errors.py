"""What went wrong on the wire, in the playground's own words. No exception of requests, urllib3 or http.client passes here."""

import socket
from collections.abc import Iterator
from http.client import BadStatusLine, HTTPException, LineTooLong, RemoteDisconnected, UnknownProtocol

import requests
import urllib3

from playground.errors import ConnectionFailed, EndpointError, ServiceError, StreamInterrupted
from playground.message import Message, message
from playground.redaction import redact

FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)

_CHECK_URL: Message = message("Check the base URL.")
_CHECK_SERVICE: Message = message("Check that the base URL is a completion service.")


def explain(error: Exception, *, connect: float, silence: float, begun: bool) -> EndpointError:
    """Return our error for a foreign one; the most specific reason in its chain wins. `begun` tells whether bytes of the answer came.

    The original's words hold the URL, and with it a token or a key: they are redacted, so that no traceback shows one.
    """
    chain = list(_chain(error))
    for one in chain:
        one.args = tuple(redact(part) if isinstance(part, str) else part for part in one.args)

    def is_a(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in chain)

    if is_a(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return ConnectionFailed(message("The network proxy refused the connection."), message("Check the proxy settings of this computer."))
    if is_a(urllib3.exceptions.NameResolutionError, socket.gaierror):
        return ConnectionFailed(message("The endpoint's host name is not known."), _CHECK_URL, retryable=True)
    # urllib3 counts a refused connection and an unknown name among the connect timeouts; requests knows better.
    if is_a(requests.ConnectTimeout):
        return ConnectionFailed(
            message("No connection within {seconds} s.", seconds=f"{connect:g}"),
            message("Check the base URL and this computer's network."), retryable=True,
        )
    if is_a(urllib3.exceptions.NewConnectionError):
        return ConnectionFailed(
            message("Nothing answers at the endpoint's address."), message("Check the base URL, and that the server is running."), retryable=True,
        )
    if is_a(requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError):
        kind = StreamInterrupted if begun else ConnectionFailed
        return kind(
            message("The endpoint sent nothing for {seconds} s.", seconds=f"{silence:g}"),
            message("Run again, or set a longer request timeout."), retryable=True,
        )
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
        return not_an_address()
    # http.client says "too many" with the bare kind.
    if any(type(one) is HTTPException or (isinstance(one, LineTooLong) and "chunk" not in str(one)) for one in chain):
        return ServiceError(message("The endpoint's headers do not end: there are too many of them, or one is too long."), _CHECK_SERVICE)
    if is_a(BadStatusLine, UnknownProtocol, LineTooLong, urllib3.exceptions.InvalidHeader) and not is_a(RemoteDisconnected):
        return ServiceError(message("What the endpoint answers is not HTTP."), _CHECK_SERVICE)
    return ConnectionFailed(message("The connection was lost before the answer began."), message("Run again."), retryable=True)


def not_an_address() -> ConnectionFailed:
    return ConnectionFailed(message("The endpoint's base URL is not a web address."), _CHECK_URL)


def not_public() -> ConnectionFailed:
    return ConnectionFailed(
        message("This address leads into a private network, and this server does not let visitors' endpoints go there."),
        message("Use an address on the public internet, or run the playground on your own computer."),
    )


def not_text() -> ServiceError:
    return ServiceError(message("The endpoint sent bytes that are not UTF-8 text."), _CHECK_SERVICE)


def not_unpacked() -> ServiceError:
    return ServiceError(message("The endpoint sent a compressed answer that cannot be unpacked."), _CHECK_URL)


def too_large(limit: int) -> ServiceError:
    return ServiceError(
        message("The endpoint sent more than {size} MB in one piece.", size=limit // (1024 * 1024)),
        message("Reading was ended to protect this server. Check that the base URL is a completion service."),
    )


def too_many_lines(limit: int) -> ServiceError:
    return ServiceError(
        message("The endpoint sent an event of more than {limit} lines.", limit=limit),
        message("Reading was ended to protect this server. Check that the base URL is a completion service."),
    )


def too_long(limit: int) -> ServiceError:
    return ServiceError(
        message("The endpoint sent more than {size} MB in one answer, or as much work in tiny pieces.", size=limit // (1024 * 1024)),
        message("Reading was ended to protect this server. What arrived before stands."),
    )


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
