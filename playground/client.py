"""One completion from one endpoint: authentication, attempts, and the answer as sentences.

The rules of the protocol that need the wire live here: errors come with HTTP status 200 and as JSON even where a stream
was asked for; a token is renewed once; nothing is tried again after the first sentence, because the endpoint's behaviour
is the result; a stream without its end mark is an interrupted answer, never a success.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlsplit

from playground.completion import CompletionRequest, Sentence
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, IamKeys, secrets_of
from playground.endpoints import Endpoint
from playground.errors import AuthenticationError, ConfigurationError, EndpointError, RateLimitError, ServiceError, StreamInterrupted
from playground.exchange import Exchange
from playground.message import message
from playground.parameters import check_prompt
from playground.providers.provider import Provider, encode
from playground.redaction import Secret, masking, redact
from playground.settings import Retry
from playground.signature import authorization, timestamp
from playground.tokens import TokenCache
from playground.wire import Cancel, Timeouts, open_request

DONE = "[DONE]"
# An endpoint that asks for more patience than this is not asked again by itself: the person is told instead.
LONGEST_WAIT = 60.0
# What may still come after the end mark, usage and [DONE], comes at once or not at all.
LAST_WAIT = 2.0
_MOST_RATE_LIMITS = 16
_MOST_WORDS = 4000
_MOST_READ = 50_000
_LONGEST_NAME = 200
# Each list or object takes twenty times its bytes; a completion has a dozen of them, and its text seldom so many of their marks.
_MOST_VALUES = 500_000


class Answered(Protocol):
    """An answer that can be read once: from the wire, or from a recording."""

    status: int
    headers: Mapping[str, str]
    version: str

    @property
    def is_event_stream(self) -> bool: ...

    def events(self, keep: Callable[[bytes], object]) -> Iterator[str]: ...

    def body(self) -> bytes: ...

    def end_within(self, seconds: float) -> None: ...


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
        exchange.mask = masking(secrets_of(endpoint.credentials))
        exchange.send("POST", endpoint.url, {}, content)
        refused: Secret | None = None
        renewed, begun = False, False
        while True:
            exchange.attempts += 1
            token = None
            try:
                token = self._token(endpoint, refused, cancel)
                exchange.mask = mask = masking((*secrets_of(endpoint.credentials), *([token] if token else [])))
                for sentence in self._attempt(endpoint, request, content, token, cancel, exchange):
                    begun = begun or sentence.queue_place is None
                    yield _without(sentence, mask)
                return
            except EndpointError as error:
                error.request_id = exchange.request_id or error.request_id
                make_presentable(error)
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
            return self.tokens.token(endpoint.base_url, endpoint.credentials, refused=refused, cancel=cancel, public_only=endpoint.public_only)
        if isinstance(endpoint.credentials, AccessToken):
            return endpoint.credentials.token
        return None

    def _attempt(
        self, endpoint: Endpoint, request: CompletionRequest, content: bytes, token: Secret | None, cancel: Cancel, exchange: Exchange
    ) -> Iterator[Sentence]:
        url, headers = _authorised(endpoint, token)
        exchange.send("POST", url, headers, content)
        with open_request(
            "POST", url, headers=headers, content=content, cancel=cancel, timeouts=self.timeouts, public_only=endpoint.public_only
        ) as answer:
            exchange.send("POST", url, answer.sent, content)
            yield from read_answer(endpoint.provider, answer, exchange)


def read_answer(provider: Provider, answer: Answered, exchange: Exchange) -> Iterator[Sentence]:
    """Yield the sentences of an answer whose headers are here, and keep what comes as it comes. Raises what `Client.complete` raises."""
    exchange.answer(answer.status, answer.version, answer.headers)
    exchange.streamed = answer.is_event_stream
    exchange.request_id = redact(answer.headers.get("X-Baidu-Request-Id") or answer.headers.get("X-Request-Id") or "")[:_LONGEST_NAME] or None
    exchange.rate_limits = _rate_limits(answer.headers)
    if answer.is_event_stream:
        yield from _stream(provider, answer, exchange)
    else:
        yield _whole(provider, answer, exchange)


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
    return {redact(name)[:100].lower(): redact(headers[name])[:100] for name in names[:_MOST_RATE_LIMITS]}


def _stream(provider: Provider, answer: Answered, exchange: Exchange) -> Iterator[Sentence]:
    count, ended, waiting = 0, False, True
    try:
        for data in answer.events(exchange.keep):
            plain = data.strip()
            if not plain:
                continue
            if plain == DONE:
                if not provider.ends_with_done:
                    continue
                ended = count > 0
                break
            waiting = False
            sentence = _event(provider, data, count)
            waiting = True
            count += sentence.queue_place is None
            yield sentence
            if sentence.is_end and not ended:
                ended = True
                if not provider.ends_with_done:
                    return
                answer.end_within(LAST_WAIT)
    except EndpointError as error:
        if not ended or not isinstance(error, StreamInterrupted):  # what is lost after the end mark is at most the usage
            exchange.lost = waiting
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
    if len(data) > _MOST_VALUES:
        _check_values(data)
    try:
        return provider.read_event(data, index)
    except ServiceError as error:
        if error.code is not None or index == 0 or _is_json(data):
            raise
        raise StreamInterrupted(
            message("The connection was lost in the middle of an event."), message("Run again to get a whole answer.")
        ) from error


def _whole(provider: Provider, answer: Answered, exchange: Exchange) -> Sentence:
    """Read an answer that is not a stream; on a status other than 200 say so, with the endpoint's own words if readable."""
    try:
        body = answer.body()
    except EndpointError:
        exchange.lost = True
        raise
    exchange.keep_body(body)
    _check_values(body.decode("latin-1"))
    if answer.status == 200 and not body.strip():
        raise ServiceError(message("The endpoint sent an empty answer."), message("Run again; if it stays, check the endpoint's address."),
                           retryable=True)
    if answer.status != 200:
        raise provider.error(answer.status, body, answer.headers) or _status_error(answer)
    return provider.read_event(body, 0, streamed=False)


def _without(sentence: Sentence, mask: Callable[[str], str]) -> Sentence:
    """Return a sentence without the secrets that its own request carried: an endpoint that repeats them is no way to them."""
    words = f"{sentence.text}\n{sentence.answer_id}\n{sentence.finish_reason}"
    if mask(words) == words:
        return sentence
    return sentence._replace(
        text=mask(sentence.text), answer_id=sentence.answer_id and mask(sentence.answer_id),
        finish_reason=sentence.finish_reason and mask(sentence.finish_reason),
    )


def make_presentable(error: EndpointError) -> None:
    """Take the secrets out of what an endpoint wrote into an error, then bound it: half a secret would not be known as one."""
    error.endpoint_message = error.endpoint_message and redact(error.endpoint_message[:_MOST_READ])[:_MOST_WORDS]
    error.request_id = error.request_id and redact(error.request_id[:_MOST_READ])[:_LONGEST_NAME]
    if isinstance(error.code, str):
        error.code = redact(error.code[:_MOST_READ])[:_LONGEST_NAME]


def _check_values(content: str) -> None:
    """Refuse JSON that would fill the memory with empty lists before anyone could see that it is no completion."""
    if sum(map(content.count, "[{,")) > _MOST_VALUES:
        raise ServiceError(
            message("The endpoint answered something that is not a completion."), message("Check that the base URL is a completion service.")
        )


def _status_error(answer: Answered) -> EndpointError:
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
