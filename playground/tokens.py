"""Access tokens: fetched with the application's keys, kept as long as they live, renewed once for everyone who waits.

Source: the API pages' first step, and the OAuth page's answers. The token URL holds the secret key, so it is never part
of a message; wire-level errors carry no URL.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from playground.credentials import ApplicationKeys
from playground.errors import AuthenticationError, ServiceError
from playground.message import message
from playground.providers.qianfan import TOKEN_PATH
from playground.redaction import Secret
from playground.wire import Cancel, Timeouts, open_request

_FETCH = Timeouts(connect=10.0, silence=15.0)
_LONGEST = 10 * 365 * 86400


@dataclass(frozen=True)
class _Kept:
    token: Secret
    until: float


class TokenCache:
    """Tokens by (base URL, keys). Safe for many threads; each pair of keys is fetched by one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, ApplicationKeys], _Kept] = {}
        self._locks: dict[tuple[str, ApplicationKeys], threading.Lock] = {}

    def token(self, base_url: str, keys: ApplicationKeys, *, refused: Secret | None = None, cancel: Cancel | None = None) -> Secret:
        """Return a token that should be valid. `refused` is one the service just refused: it is never returned.

        When many runs come with the same refused token, one of them fetches and all get the new one.
        Raises `AuthenticationError` for wrong keys, `ConnectionFailed` and `ServiceError` as any request, and `Cancelled`.
        """
        place = (base_url, keys)
        with self._lock:
            lock = self._locks.setdefault(place, threading.Lock())
        with lock:
            kept = self._kept.get(place)
            if kept is not None and kept.token != refused and self._clock() < kept.until:
                return kept.token
            token, lifetime = fetch_token(base_url, keys, cancel)
            margin = min(60.0, lifetime / 10)
            self._kept[place] = _Kept(token, self._clock() + lifetime - margin)
            return token


def fetch_token(base_url: str, keys: ApplicationKeys, cancel: Cancel | None = None) -> tuple[Secret, float]:
    """Fetch a new token; returns it with its lifetime in seconds."""
    query = urlencode(
        {"grant_type": "client_credentials", "client_id": keys.api_key.reveal(), "client_secret": keys.secret_key.reveal()}
    )
    url = f"{base_url.rstrip('/')}{TOKEN_PATH}?{query}"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    with open_request("POST", url, headers=headers, content=b'""', cancel=cancel or Cancel(), timeouts=_FETCH) as answer:
        body = answer.body()
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        if isinstance(fields.get("access_token"), str) and fields["access_token"]:
            return Secret(fields["access_token"]), _lifetime(fields.get("expires_in"))
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
