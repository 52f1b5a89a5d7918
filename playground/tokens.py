"""Access tokens: fetched with the application's keys, kept as long as they live, renewed once for everyone who waits.

Source: the API pages' first step, and the OAuth page's answers. The token URL holds the secret key, so it is never part
of a message; wire-level errors carry no URL.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from playground.credentials import ApplicationKeys
from playground.errors import AuthenticationError, ServiceError
from playground.event_stream import MB
from playground.message import message
from playground.providers.qianfan import TOKEN_PATH
from playground.redaction import Secret
from playground.wire import Cancel, Timeouts, open_request

_FETCH = Timeouts(connect=10.0, silence=15.0)
_LONGEST = 10 * 365 * 86400
_LONGEST_TOKEN = 4096
_GLANCE = 0.1
_MOST_KEPT = 200


@dataclass
class _Kept:
    """What is kept for one pair of keys, and the lock of whoever fetches it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: Secret | None = None
    until: float = 0.0


class TokenCache:
    """Tokens by (base URL, keys), those used last. Safe for many threads; each pair of keys is fetched by one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, ApplicationKeys], _Kept] = {}

    def token(
        self, base_url: str, keys: ApplicationKeys, *, refused: Secret | None = None, cancel: Cancel | None = None, public_only: bool = False
    ) -> Secret:
        """Return a token that should be valid. `refused` is one the service just refused: it is never returned.

        When many runs come with the same refused token, one of them fetches and all get the new one.
        Raises `AuthenticationError` for wrong keys, `ConnectionFailed` and `ServiceError` as any request, and `Cancelled`.
        """
        with self._lock:
            kept = self._kept.pop((base_url, keys), None) or _Kept()
            self._kept[base_url, keys] = kept
            if len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        cancel = cancel or Cancel()
        while not kept.lock.acquire(timeout=_GLANCE):
            cancel.wait(0)
        try:
            if kept.token is None or kept.token == refused or self._clock() >= kept.until:
                kept.token, lifetime = fetch_token(base_url, keys, cancel, public_only=public_only)
                kept.until = self._clock() + lifetime - min(60.0, lifetime / 10)
            return kept.token
        finally:
            kept.lock.release()


def fetch_token(base_url: str, keys: ApplicationKeys, cancel: Cancel | None = None, *, public_only: bool = False) -> tuple[Secret, float]:
    """Fetch a new token; returns it with its lifetime in seconds."""
    query = urlencode(
        {"grant_type": "client_credentials", "client_id": keys.api_key.reveal(), "client_secret": keys.secret_key.reveal()}
    )
    url = f"{base_url.rstrip('/')}{TOKEN_PATH}?{query}"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    with open_request(
        "POST", url, headers=headers, content=b'""', cancel=cancel or Cancel(), timeouts=_FETCH, public_only=public_only
    ) as answer:
        body = answer.body(limit=MB)
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        token = fields.get("access_token")
        if isinstance(token, str) and 0 < len(token) <= _LONGEST_TOKEN and token.isascii():
            return Secret(token), _lifetime(fields.get("expires_in"))
        if "error" in fields:
            raise _refusal(str(fields["error"]), str(fields.get("error_description", "")))
    raise ServiceError(
        message("The token service answered something that is not a token (HTTP status {status}).", status=answer.status),
        message("Check the base URL."),
    )


def _lifetime(seconds: object) -> float:
    """A missing or senseless lifetime is taken for an hour; the service itself will say when a token is too old."""
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        return float(min(seconds, _LONGEST))
    return 3600.0


def _refusal(error: str, description: str) -> AuthenticationError:
    """The service has two descriptions for wrong keys; both under `invalid_client`."""
    if error == "invalid_client" and "unknown client" in description.lower():
        return AuthenticationError(
            message("The API key is not known to the service."),
            message("Check the API key. It is the application's, not the IAM access key."), code=error, endpoint_message=description,
        )
    if error == "invalid_client":
        return AuthenticationError(
            message("The secret key does not belong to this API key."),
            message("Check the secret key. It is the application's, not the IAM secret key."), code=error, endpoint_message=description,
        )
    return AuthenticationError(
        message("The token service refused the keys."), message("Check the API key and the secret key."),
        code=error, endpoint_message=description,
    )
