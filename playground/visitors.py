"""Who a visitor is to this server: a random mark in a signed cookie, and what a service may know of it. Nothing about the person."""

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from itsdangerous import BadSignature, Signer

from playground.redaction import Secret

COOKIE = "playground_visitor"
_LASTS = 400 * 86400  # as long as a browser keeps any cookie
_MARK = re.compile(r"[0-9a-f]{32}")
# A browser has one cookie for all ports of a host: other playgrounds' marks stand in it beside ours, or each would forget the other's visitors.
_BETWEEN, _MOST = "~", 8
_SIGNED = re.compile(r"[0-9a-f]{32}\.[\w-]{20,100}", re.ASCII)
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
    for signed in (cookie or "").split(_BETWEEN)[:_MOST]:
        try:
            mark = _signer(secret).unsign(signed).decode("ascii", "replace")
        except BadSignature:
            continue
        if _MARK.fullmatch(mark):
            return mark
    return None


def sent_visitor(scope: Scope, secret: Secret) -> str | None:
    """Return whose cookie came with a request; `None` if none of ours did."""
    return read_visitor(_sent(scope), secret)


def new_cookie(secret: Secret, before: str | None = None) -> str:
    """Return the cookie of a visitor whom this server has not seen before; `before` is what he has of others."""
    others = [signed for signed in (before or "").split(_BETWEEN) if _SIGNED.fullmatch(signed)]
    return _BETWEEN.join([_signer(secret).sign(secrets.token_hex(16)).decode(), *others][:_MOST])


def _signer(secret: Secret) -> Signer:
    return Signer(secret.reveal(), salt="visitor", digest_method=hashlib.sha256)


class VisitorCookie:
    """The layer around the app that gives each new browser its cookie, together with the page."""

    def __init__(self, app: Any, *, secret: Callable[[], Secret], path: str = "/") -> None:
        self._app, self._secret, self._path = app, secret, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; add the cookie to a page for a browser that brought none."""
        if scope["type"] != "http" or scope["method"] != "GET" or sent_visitor(scope, self._secret()) is not None:
            await self._app(scope, receive, send)
            return

        async def sending(event: MutableMapping[str, Any]) -> None:
            headers = list(event.get("headers", ()))
            if any(name.lower() == b"content-type" and _PAGE.match(value) for name, value in headers):
                secure = "; Secure" if scope.get("scheme") == "https" else ""
                cookie = f"{COOKIE}={new_cookie(self._secret(), _sent(scope))}; Path={self._path}; Max-Age={_LASTS}; HttpOnly; SameSite=Lax{secure}"
                kept = [(name, value) for name, value in headers if name.lower() != b"cache-control"]
                event = {**event, "headers": [*kept, (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]}
            await send(event)

        # A page the browser still has would come without headers of its own, and so without a cookie.
        asked = [(name, value) for name, value in scope["headers"] if name not in _CONDITIONS]
        await self._app({**scope, "headers": asked}, receive, sending)


def _sent(scope: Scope) -> str | None:
    """The visitor's cookie as a request brought it. What stands beside it was set by anybody, and by no rule."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            pairs = (pair.partition("=") for pair in value.decode("latin-1").split(";"))
            found = [text.strip() for key, _equals, text in pairs if key.strip() == COOKIE]
            if found:
                return str(found[-1])
    return None
