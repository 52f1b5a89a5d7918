"""Who a visitor is to this server: a random mark in a signed cookie, and what a service may know of it. Nothing about the person."""

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from itsdangerous import BadSignature, Signer

from playground.redaction import Secret

COOKIE = "playground_visitor"
_LASTS = 400 * 86400  # as long as a browser keeps any cookie
_MARK = re.compile(r"[0-9a-f]{32}")
_PAGE = re.compile(rb"text/html\b", re.I)
_CONDITIONS = (b"if-none-match", b"if-modified-since")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def user_id(visitor: str, salt: Secret) -> str:
    """Return the mark that a service is told: without the salt it leads back to nothing, and the visitor's own says nothing about the person."""
    return hashlib.sha256((salt.reveal() + visitor).encode()).hexdigest()[:32]


def read_visitor(cookie: str | None, secret: Secret) -> str | None:
    """Return whose cookie this is; `None` if it is not one of ours."""
    try:
        mark = _signer(secret).unsign(cookie or "").decode("ascii", "replace")
    except BadSignature:
        return None
    return mark if _MARK.fullmatch(mark) else None


def new_cookie(secret: Secret) -> str:
    """Return the cookie of a visitor nobody has seen before."""
    return _signer(secret).sign(secrets.token_hex(16)).decode()


def _signer(secret: Secret) -> Signer:
    return Signer(secret.reveal(), salt="visitor", digest_method=hashlib.sha256)


class VisitorCookie:
    """The layer around the app that gives each new browser its cookie, together with the page."""

    def __init__(self, app: Any, *, secret: Callable[[], Secret], path: str = "/") -> None:
        self._app, self._secret, self._path = app, secret, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; add the cookie to a page for a browser that brought none."""
        if scope["type"] != "http" or scope["method"] != "GET" or read_visitor(_sent(scope), self._secret()) is not None:
            await self._app(scope, receive, send)
            return

        async def sending(event: MutableMapping[str, Any]) -> None:
            headers = list(event.get("headers", ()))
            if any(name.lower() == b"content-type" and _PAGE.match(value) for name, value in headers):
                secure = "; Secure" if scope.get("scheme") == "https" else ""
                cookie = f"{COOKIE}={new_cookie(self._secret())}; Path={self._path}; Max-Age={_LASTS}; HttpOnly; SameSite=Lax{secure}"
                kept = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
                event = {**event, "headers": [*kept, (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]}
            await send(event)

        # A page the browser still has would come without headers of its own, and so without a cookie.
        asked = [(name, value) for name, value in scope["headers"] if name not in _CONDITIONS]
        await self._app({**scope, "headers": asked}, receive, sending)


def _sent(scope: Scope) -> str | None:
    """The visitor's cookie as a request brought it."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            except CookieError:
                found = None
            if found is not None:
                return str(found.value)
    return None
