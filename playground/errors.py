"""The errors of the playground.

    PlaygroundError                 anything a person should be told in words
    ├── ConfigurationError          a setting or key is missing or malformed; names the variable
    ├── ParameterError              a value that must not be sent; names the parameter
    ├── LimitReached                this server's own limits: runs at once, open streams
    ├── AccessRefused               what this visitor may not ask, or not any more: the rules of a demo link, or of who may use what costs
    └── EndpointError               after sending; carries code, request id, whether a retry can help
        ├── AuthenticationError     keys, tokens, signatures, rights
        ├── RateLimitError          quota, requests per second, a busy service
        ├── InvalidRequestError     the endpoint refused what was sent
        ├── ServiceError            the endpoint failed, or answered something that is not its protocol
        ├── ConnectionFailed        no connection, or none any more before the first sentence
        └── StreamInterrupted       the answer began and was cut: its text stands, its end is missing

Every error has a `message` (what happened) and a `remedy` (what to do), both translatable. An error is never
shown as model text.
"""

from playground.message import Message


class PlaygroundError(Exception):
    """What happened (`message`) and what to do (`remedy`), for a person."""

    def __init__(self, message: Message, remedy: Message | None = None) -> None:
        super().__init__(str(message))
        self.message = message
        self.remedy = remedy


class ConfigurationError(PlaygroundError):
    """A setting, a key or an endpoint row that cannot be used."""


class ParameterError(PlaygroundError):
    """A value refused before anything is sent. `name` is the wire name of the parameter it belongs to."""

    def __init__(self, name: str, message: Message, remedy: Message | None = None) -> None:
        super().__init__(message, remedy)
        self.name = name


class LimitReached(PlaygroundError):
    """One of this server's own limits; nothing was sent."""


class AccessRefused(PlaygroundError):
    """Not permitted to this visitor, or not any more; nothing was sent. `reason` is one word for the owner's books."""

    def __init__(self, reason: str, message: Message, remedy: Message | None = None) -> None:
        super().__init__(message, remedy)
        self.reason = reason


class EndpointError(PlaygroundError):
    """A request that was sent and did not end well.

    `code` is the endpoint's own code if it gave one, `endpoint_message` its own words, `request_id` what to quote
    to the service's support, `retryable` whether the request may be sent again by itself, `again` whether a person's
    trying again can help, `retry_after` in how many seconds if the endpoint said so, `refresh_token` whether a new
    access token is the cure.
    """

    def __init__(
        self,
        message: Message,
        remedy: Message | None = None,
        *,
        code: int | str | None = None,
        endpoint_message: str | None = None,
        request_id: str | None = None,
        retryable: bool = False,
        again: bool = False,
        retry_after: float | None = None,
        refresh_token: bool = False,
    ) -> None:
        super().__init__(message, remedy)
        self.code = code
        self.endpoint_message = endpoint_message
        self.request_id = request_id
        self.retryable = retryable
        self.again = again or retryable
        self.retry_after = retry_after
        self.refresh_token = refresh_token


class AuthenticationError(EndpointError):
    """Keys, tokens, signatures or rights are wrong."""


class RateLimitError(EndpointError):
    """A quota, a rate, or a service with too many callers."""


class InvalidRequestError(EndpointError):
    """The endpoint refused the request as it was sent."""


class ServiceError(EndpointError):
    """The endpoint failed, or what it answered is not its protocol."""


class ConnectionFailed(EndpointError):
    """No connection could be made, or it was lost or silent before the first sentence."""


class StreamInterrupted(EndpointError):
    """The answer began and did not end: its text stands, the end mark is missing."""
