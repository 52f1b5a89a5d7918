"""The route of a shared link: `GET /s/{id}`, what a chat's preview reads of it, and the way on to the page for a person.

A page of HTML without any script. 404 for an id that never was, 410 for a link that is revoked or expired, 503 while the database
does not answer, all in words.
"""

import html
import re
import unicodedata

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from playground.errors import PlaygroundError
from playground.language import choose_language, translator
from playground.message import Message, message
from playground.service import service
from playground.sharing import LONGEST_EXCERPT, LONGEST_TITLE, Link

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
# Marks that turn the direction of what follows, by which a title could pass for another text.
_TURNS = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="description" content="{description}">
<meta property="og:type" content="article">
<meta property="og:site_name" content="{site}">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{description}">
<meta name="twitter:card" content="summary">
<meta name="twitter:title" content="{title}">
<meta name="twitter:description" content="{description}">
{forward}<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 18vh auto 0; padding: 0 1.5rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.3rem; font-weight: 600; }}
p {{ opacity: 0.8; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{description}</p>
<p><a href="{address}">{words}</a></p>
</body>
</html>
"""
_OVER = {
    "revoked": message("This link was revoked by whoever made it."),
    "expired": message("The time of this link is over."),
    "unknown": message("There is no such link."),
    "nothing": message("This server keeps nothing, so it has no links."),
}


def share_routes(base: str = "") -> list[Route]:
    """Return the route, under the server's base path if it has one."""
    prefix = f"/{base.strip('/')}" if base.strip("/") else ""
    return [Route(f"{prefix}/s/{{link_id}}", shared_link, methods=["GET"])]


async def shared_link(request: Request) -> Response:
    """Tell what a link is of, and lead on to it. The addresses are relative, so that no proxy's path can make them wrong."""
    language = choose_language(_wanted(request.headers.get("accept-language", "")))
    link_id, sharing = request.path_params["link_id"], service().sharing
    try:
        link = await run_in_threadpool(sharing.find, link_id) if sharing is not None else None
    except PlaygroundError as error:
        return _away(error, language)
    if link is None:
        return _over(_OVER["unknown" if sharing is not None else "nothing"], 404, language)
    if link.over:
        return _over(_OVER["revoked" if link.revoked is not None else "expired"], 410, language)
    return _page(link, language)


def _page(link: Link, language: str) -> Response:
    say = translator(language)
    address = f"../snapshot?id={link.id}" if link.kind == "snapshot" else f"../?setup={link.id}"
    kind = message("Snapshot of an answer") if link.kind == "snapshot" else message("A set-up for the playground")
    return _html(
        200, language, title=link.title or kind.render(say), description=link.excerpt or kind.render(say), address=address,
        words=message("Open it").render(say), forward=f'<meta http-equiv="refresh" content="0; url={address}">\n',
    )


def _over(words: Message, status: int, language: str) -> Response:
    say = translator(language)
    more = message("Nothing of it is kept here. Whoever sent it to you can make a new one.").render(say)
    return _html(
        status, language, title=words.render(say), description=more, address="../", words=message("To the playground").render(say), forward=""
    )


def _away(error: PlaygroundError, language: str) -> Response:
    say = translator(language)
    more = error.remedy.render(say) if error.remedy is not None else ""
    page = _html(
        503, language, title=error.message.render(say), description=more, address="../", words=message("To the playground").render(say), forward=""
    )
    page.headers["Retry-After"] = "5"
    return page


def _html(status: int, language: str, *, title: str, description: str, address: str, words: str, forward: str) -> Response:
    say = translator(language)
    texts = {"title": _line(title, LONGEST_TITLE), "description": _line(description, LONGEST_EXCERPT), "address": address, "words": words,
             "site": message("Completion playground").render(say), "language": language.replace("_", "-")}
    page = _PAGE.format(forward=forward, **{name: html.escape(text) for name, text in texts.items()})
    return HTMLResponse(page.encode("utf-8", "replace"), status, headers=_HEADERS)


def _line(text: str, most: int) -> str:
    """A text in one line, without what a page cannot hold or show as it is."""
    shown = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp", "Cs") else one for one in _TURNS.sub("", text[: 4 * most]))
    line = " ".join(shown.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _wanted(accepted: str) -> str:
    """The language that a browser names first."""
    return accepted.partition(",")[0].partition(";")[0].strip()
