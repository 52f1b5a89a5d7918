"""Three routes for whoever runs this server: `/healthz`, that it lives; `/readyz`, whether to send it visitors; `/metrics`, its counts.

None of them says a secret. `/metrics` is for the owner: it is off unless it is switched on, or has a token.
"""

import asyncio
import hmac
import http.client
import logging
import time
from contextlib import closing
from functools import partial
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from playground.metrics import Metrics
from playground.routes import open_streams
from playground.service import Service, service

PATIENCE = 3.0
# Seconds for which an answer about readiness is believed: visitors may ask too.
_FRESH = 1.0
_HEADERS = {"Cache-Control": "no-store"}
_log = logging.getLogger(__name__)


def health_routes(base: str, metrics: Metrics | None) -> list[Route]:
    """Return the routes, under the server's base path if it has one. Without `metrics` nothing is counted."""
    prefix = f"/{base.strip('/')}" if base.strip("/") else ""
    return [
        Route(f"{prefix}/healthz", alive, methods=["GET"]),
        Route(f"{prefix}/readyz", Readiness().answer, methods=["GET"]),
        Route(f"{prefix}/metrics", partial(counts, metrics), methods=["GET"]),
    ]


async def alive(_: Request) -> Response:
    """Answer."""
    return PlainTextResponse("ok", headers=_HEADERS)


class Readiness:
    """Looks whether everything a visitor needs answers, once for all who ask at the same time."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._reason: str | None = None

    async def answer(self, _: Request) -> Response:
        """200, or 503 with a word: leaving, database, or emulator."""
        present = service()
        reason = "leaving" if present.runs.leaving else await self._look(present)
        return JSONResponse({"ready": reason is None, "reason": reason}, status_code=200 if reason is None else 503, headers=_HEADERS)

    async def _look(self, present: Service) -> str | None:
        async with self._lock:
            if time.monotonic() - self._looked > _FRESH:
                reason = await _missing(present)
                if reason != self._reason:
                    _log.warning("Not ready: %s.", reason) if reason else _log.warning("Ready again.")
                self._looked, self._reason = time.monotonic(), reason
            return self._reason


async def _missing(present: Service) -> str | None:
    """What does not answer."""
    try:
        if present.settings.database is not None and not (
            present.database is not None and await asyncio.wait_for(run_in_threadpool(present.database.answers), PATIENCE)
        ):
            return "database"
    except TimeoutError:
        return "database"
    if present.emulator_url is not None and not await run_in_threadpool(_answers, present.emulator_url):
        return "emulator"
    return None


def _answers(url: str) -> bool:
    """Whether a server on this computer answers anything."""
    try:
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)) as connection:
            connection.request("GET", "/")
            connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    return True


async def counts(metrics: Metrics | None, request: Request) -> Response:
    """Answer with what was counted. Where it is off there is no such page."""
    settings = service().settings
    if metrics is None or not settings.metrics:
        return PlainTextResponse("off", status_code=404, headers=_HEADERS)
    if settings.metrics_token is not None:
        sent = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(sent[2].strip().encode(), settings.metrics_token.reveal().encode())
        if sent[0].lower() != "bearer" or not right:
            return PlainTextResponse("a bearer token is needed", status_code=401, headers={**_HEADERS, "WWW-Authenticate": "Bearer"})
    text = await run_in_threadpool(partial(metrics.text, live=service().runs.going(), streams=open_streams()))
    return Response(text, headers=_HEADERS, media_type=metrics.media_type)
