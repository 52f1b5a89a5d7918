"""Baidu's `bce-auth-v1` request signature: made by the client, checked by the emulator. Pure; no clock, no I/O.

Source: Baidu's authentication page. The signature covers method, path, query and the listed headers, never the body.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit

PREFIX = "bce-auth-v1"
LIFETIME = 1800
_DEFAULT_NAMES = ("host", "content-md5", "content-length", "content-type")


def timestamp(epoch: float) -> str:
    """Return `epoch` (seconds) as the UTC text the signature and the `x-bce-date` header share."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def authorization(
    access_key: str,
    secret_key: str,
    *,
    method: str,
    url: str,
    headers: Mapping[str, str],
    at: str,
    lifetime: int = LIFETIME,
    names: Iterable[str] | None = ("host", "x-bce-date"),
) -> str:
    """Return the value of the `Authorization` header.

    `headers` must hold every header named in `names`, `host` among them. `at` is the text of `timestamp`; `lifetime`
    is in seconds. `names=None` signs the default set and leaves the printed list empty.
    """
    prefix = f"{PREFIX}/{access_key}/{at}/{lifetime}"
    signing_key = _digest(secret_key, prefix)
    listed = None if names is None else sorted(name.lower() for name in names)
    signature = _digest(signing_key, canonical_request(method, url, headers, listed))
    return f"{prefix}/{';'.join(listed or ())}/{signature}"


def canonical_request(method: str, url: str, headers: Mapping[str, str], names: Iterable[str] | None) -> str:
    """Return the text that is signed: method, path, query and headers, each in its canonical form.

    `url` may be absolute or begin at its path, and is taken as it goes over the wire, percent-encoded where needed.
    """
    parts = urlsplit(url)
    query = sorted(
        f"{_encode(key)}={_encode(value)}"
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
        if key.lower() != "authorization"
    )
    lowered = {name.lower(): value.strip() for name, value in headers.items()}
    if names is None:
        chosen = [name for name in lowered if name in _DEFAULT_NAMES or name.startswith("x-bce-")]
    else:
        chosen = [name.lower() for name in names]
    lines = sorted(f"{_encode(name)}:{_encode(lowered[name])}" for name in chosen if lowered.get(name))
    path = quote(unquote(parts.path), safe="/-._~") or "/"
    return "\n".join([method.upper(), path, "&".join(query), "\n".join(lines)])


def _encode(text: str) -> str:
    return quote(text, safe="-._~")


def _digest(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
