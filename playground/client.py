"""One completion from one endpoint: authentication, attempts, and the answer as sentences.

The rules of the protocol that need the wire live here: errors come with HTTP status 200 and as JSON even where a stream
was asked for; a token is renewed once; nothing is tried again after the first sentence, because the endpoint's behaviour
is the result; a stream without its end mark is an interrupted answer, never a success.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from playground.completion import CompletionRequest, Sentence
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, IamKeys
from playground.endpoints import Endpoint
from playground.errors import AuthenticationError, ConfigurationError, EndpointError, RateLimitError, ServiceError, StreamInterrupted
from playground.message import message
from playground.parameters import check_prompt
from playground.providers.provider import Provider, encode
from playground.redaction import Secret
from playground.settings import Retry
from playground.signature import authorization, timestamp
from playground.tokens import TokenCache
from playground.wire import Answer, Cancel, Timeouts, open_request

DONE = "[DONE]"
# An endpoint that asks for more patience than this is not asked again by itself: the person is told instead.
LONGEST_WAIT = 60.0
_MOST_RATE_LIMITS = 16


@dataclass
class Exchange:
    """What a request met on its way, filled while it runs: attempts made, HTTP status, request id, rate limits."""

    attempts: int = 0
    status: int | None = None
    request_id: str | None = None
    rate_limits: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Client:
    """Sends completion requests. Shared by all runs; holds no state but the token cache."""

    tokens: TokenCache = field(default_factory=TokenCache)
    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: Retry = field(default_factory=Retry)

    def check(self, endpoint: Endpoint, request: CompletionRequest) -> bytes:
        """Return the body that will be sent. Raises `ParameterError` or `ConfigurationError`; nothing is sent."""
        if endpoint.off is not None:
            raise ConfigurationError(endpoint.off.message, endpoint.off.remedy)
        check_prompt(request.prompt, endpoint.prompt_limit)
        return encode(endpoint.provider.body(request, endpoint.parameters, endpoint.model))

    def complete(self, endpoint: Endpoint, request: CompletionRequest, cancel: Cancel, exchange: Exchange) -> Iterator[Sentence]:
        """Yield the answer's sentences as they arrive.

        Raises `EndpointError` when it does not end well, `Cancelled` when `cancel` was used; what was yielded stands.
        """
        content = self.check(endpoint, request)
        refused: Secret | None = None
        renewed, begun = False, False
        while True:
            exchange.attempts += 1
            token = None
            try:
                token = self._token(endpoint, refused, cancel)
                for sentence in self._attempt(endpoint, request, content, token, cancel, exchange):
                    begun = begun or sentence.queue_place is None
                    yield sentence
                return
            except EndpointError as error:
                error.request_id = exchange.request_id or error.request_id
                if begun:
                    raise
                if error.refresh_token and not renewed and isinstance(endpoint.credentials, ApplicationKeys):
                    renewed, refused = True, token
                    exchange.attempts -= 1
                    continue
                patience = error.retry_after or 0.0
                if not error.retryable or exchange.attempts >= self.retry.attempts or patience > LONGEST_WAIT:
                    raise
                cancel.wait(max(patience, self.retry.backoff * 2 ** (exchange.attempts - 1)))

    def _token(self, endpoint: Endpoint, refused: Secret | None, cancel: Cancel) -> Secret | None:
        if isinstance(endpoint.credentials, ApplicationKeys):
            return self.tokens.token(endpoint.base_url, endpoint.credentials, refused=refused, cancel=cancel)
        if isinstance(endpoint.credentials, AccessToken):
            return endpoint.credentials.token
        return None

    def _attempt(
        self, endpoint: Endpoint, request: CompletionRequest, content: bytes, token: Secret | None, cancel: Cancel, exchange: Exchange
    ) -> Iterator[Sentence]:
        url, headers = _authorised(endpoint, token)
        with open_request("POST", url, headers=headers, content=content, cancel=cancel, timeouts=self.timeouts) as answer:
            exchange.status = answer.status
            exchange.request_id = answer.headers.get("X-Baidu-Request-Id") or answer.headers.get("X-Request-Id")
            exchange.rate_limits = _rate_limits(answer.headers)
            if answer.is_event_stream:
                yield from _stream(endpoint.provider, answer)
            else:
                yield _whole(endpoint.provider, answer)


def _authorised(endpoint: Endpoint, token: Secret | None) -> tuple[str, dict[str, str]]:
    """Return URL and headers with the credential in its place. A signature is made now, at the moment of sending."""
    headers = {"Content-Type": "application/json", "Host": _host(endpoint.url)}
    if token is not None:
        return f"{endpoint.url}?access_token={quote(token.reveal(), safe='')}", headers
    if isinstance(endpoint.credentials, BearerKey):
        headers["Authorization"] = f"Bearer {endpoint.credentials.key.reveal()}"
    elif isinstance(endpoint.credentials, IamKeys):
        now = timestamp(time.time())
        headers["x-bce-date"] = now
        headers["Authorization"] = authorization(
            endpoint.credentials.access_key.reveal(), endpoint.credentials.secret_key.reveal(),
            method="POST", url=endpoint.url, headers=headers, at=now, names=("content-type", "host", "x-bce-date"),
        )
    return endpoint.url, headers


def _host(url: str) -> str:
    """The Host header: the port only where it is not the scheme's own, a name of other letters in its ASCII form."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    with suppress(UnicodeError):  # the wire tells what is no host name
        host = host.encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


def _rate_limits(headers: Mapping[str, str]) -> dict[str, str]:
    """What an endpoint says of its limits, whichever of them it counts; bounded, since it is kept and shown."""
    names = [name for name in headers if name.lower().startswith("x-ratelimit-") or name.lower() == "retry-after"]
    return {name.lower(): headers[name][:100] for name in names[:_MOST_RATE_LIMITS]}


def _stream(provider: Provider, answer: Answer) -> Iterator[Sentence]:
    count, ended = 0, False
    try:
        for data in answer.events():
            if not data.strip():
                continue
            if data.strip() == DONE:
                if not provider.ends_with_done:
                    continue
                ended = count > 0
                break
            sentence = _event(provider, data, count)
            count += sentence.queue_place is None
            yield sentence
            ended = ended or sentence.is_end
            if ended and not provider.ends_with_done:
                return
    except StreamInterrupted:
        if not ended:  # what is lost after the end mark is at most the usage
            raise
    if ended:
        return
    if count == 0:
        raise ServiceError(
            message("The endpoint opened a stream and sent nothing in it."), message("Run again; if it stays, check the endpoint's address."),
            retryable=True,
        )
    raise StreamInterrupted(
        message("The answer stopped after sentence {count} without an end mark.", count=count),
        message("It may be incomplete: run again to get a whole answer."),
    )


def _event(provider: Provider, data: str, index: int) -> Sentence:
    """Read one event; one that breaks off after others is a lost connection, not another protocol."""
    try:
        return provider.read_event(data, index)
    except ServiceError as error:
        if error.code is not None or index == 0 or _is_json(data):
            raise
        raise StreamInterrupted(
            message("The connection was lost in the middle of an event."), message("Run again to get a whole answer.")
        ) from error


def _whole(provider: Provider, answer: Answer) -> Sentence:
    """Read an answer that is not a stream; on a status other than 200 say so, with the endpoint's own words if readable."""
    body = answer.body()
    if answer.status == 200 and not body.strip():
        raise ServiceError(message("The endpoint sent an empty answer."), message("Run again; if it stays, check the endpoint's address."),
                           retryable=True)
    if answer.status != 200:
        raise provider.error(answer.status, body, answer.headers) or _status_error(answer)
    return provider.read_event(body, 0, streamed=False)


def _status_error(answer: Answer) -> EndpointError:
    if 300 <= answer.status < 400:
        return ServiceError(
            message("The endpoint wants to redirect elsewhere (HTTP status {status}). That is not followed: the credentials would go along.",
                    status=answer.status),
            message("Set the base URL to the address it redirects to, if you trust it."), code=answer.status,
        )
    if answer.status >= 500:
        return ServiceError(
            message("A server on the way failed (HTTP status {status}).", status=answer.status),
            message("Try again later. If it stays, check the base URL."), code=answer.status, retryable=True,
        )
    kind = {401: AuthenticationError, 403: AuthenticationError, 429: RateLimitError}.get(answer.status, ServiceError)
    return kind(
        message("The endpoint refused the request (HTTP status {status}).", status=answer.status),
        message("Check the base URL, the endpoint's address and the keys."), code=answer.status, retryable=answer.status == 429,
    )


def _is_json(data: str) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
