"""Who calls: access tokens that this server issued, and `bce-auth-v1` signatures, both really verified."""

import hmac
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from emulator.options import Options
from emulator.refusal import Refusal
from playground.signature import PREFIX, authorization

CLOCK_SKEW = 300
_MOST_TOKENS = 10_000
_TOKEN_SHAPE = re.compile(r"24\.[0-9a-f]+\.[0-9]+\.[0-9]+\.[0-9]+-[0-9]+")
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who was recognised: an API key or an access key, and the token that was shown."""

    key: str
    kind: Literal["access token", "signature"]
    token: str | None = field(default=None, repr=False)


class Tokens:
    """The access tokens of one server, each with its API key and its end."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._issued: dict[str, tuple[str, float]] = {}

    def issue(self, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a token request: HTTP status and body."""
        if query.get("grant_type") != "client_credentials":
            return 400, {"error": "invalid_request", "error_description": "grant_type must be client_credentials"}
        application = self._options.applications.get(query.get("client_id", ""))
        if application is None:
            return 401, {"error": "invalid_client", "error_description": "unknown client id"}
        if not _equal(query.get("client_secret", ""), application.secret_key):
            return 401, {"error": "invalid_client", "error_description": "Client authentication failed"}
        lifetime = self._options.token_lifetime if application.lifetime is None else application.lifetime
        now = time.time()
        tail = f"{lifetime}.{int(now + lifetime)}.282335-40000000"
        token = f"24.{secrets.token_hex(16)}.{tail}"
        self._issued[token] = (query["client_id"], now + lifetime)
        while len(self._issued) > _MOST_TOKENS:
            del self._issued[next(iter(self._issued))]
        return 200, {
            "refresh_token": f"25.{secrets.token_hex(16)}.{tail}",
            "expires_in": lifetime,
            "session_key": secrets.token_hex(16),
            "access_token": token,
            "scope": "public wenxinworkshop_mgr ai_custom_yiyan_com",
            "session_secret": secrets.token_hex(16),
        }

    def check(self, token: str | None) -> Caller:
        """Return whose token this is; raise `Refusal` 110 (absent, unknown), 100 (malformed) or 111 (expired)."""
        if not token:
            raise Refusal(110)
        if not _TOKEN_SHAPE.fullmatch(token):
            raise Refusal(100)
        if token not in self._issued:
            raise Refusal(110)
        key, end = self._issued[token]
        if time.time() >= end:
            raise Refusal(111)
        return Caller(key=key, kind="access token", token=token)


def check_signature(
    header: str, access_keys: Mapping[str, str], *, method: str, url: str, headers: Mapping[str, str], now: float
) -> Caller:
    """Return whose signature this is; raise `Refusal` 14. `headers` have lower-case names, `url` is as it came over the wire."""
    parts = header.split("/")
    if len(parts) != 6 or parts[0] != PREFIX:
        raise Refusal(14)
    _, access_key, stamp, lifetime, listed, signature = parts
    secret_key = access_keys.get(access_key)
    if secret_key is None or not _in_time(stamp, lifetime, now) or headers.get("x-bce-date", stamp) != stamp:
        raise Refusal(14)
    names = [name.strip().lower() for name in listed.split(";")] if listed else None
    if names is not None and "host" not in names:
        raise Refusal(14)
    for host in _hosts(headers.get("host", "")):
        for chosen in _name_lists(names, headers):
            right = authorization(
                access_key, secret_key,
                method=method, url=url, headers={**headers, "host": host}, at=stamp, lifetime=int(lifetime), names=chosen,
            )
            if _equal(signature, right.rpartition("/")[2]):
                return Caller(key=access_key, kind="signature")
    raise Refusal(14)


def _in_time(stamp: str, lifetime: str, now: float) -> bool:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", lifetime):
        return False
    try:
        made = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return False
    return made - CLOCK_SKEW <= now <= made + int(lifetime)


def _hosts(host: str) -> Iterator[str]:
    """Some official clients sign the host with its port and some without."""
    yield host
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        yield name


def _name_lists(names: list[str] | None, headers: Mapping[str, str]) -> Iterator[list[str] | None]:
    """The official Python signer signs every x-bce-* header even where the printed list leaves it out."""
    yield names
    if names is not None:
        yield sorted({*names, *(name for name in headers if name.startswith("x-bce-"))})


def _equal(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())
