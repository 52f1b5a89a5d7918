"""Three routes beside the page: a run's events for the browser, its Stop, and its recording.

`GET /runs/{id}/events?from=N` sends the sentences from N on, as they arrive, as server-sent events, and the outcome at the
end; each sentence crosses the wire once. `POST /runs/{id}/stop` stops. `GET /runs/{id}/recording` is a file of what went over
the wire so far; with `?from=N`, its event lines from N on alone. The id is the only way in; any other gets 404.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from playground.errors import PlaygroundError
from playground.language import translator
from playground.loops import Loop
from playground.recording import event_lines, write_recording
from playground.report import Rows, compact, loop_words, outcome
from playground.run import Run
from playground.service import service
from playground.visitors import sent_visitor

HEARTBEAT = 15.0
_PIECE = 65536
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_open_streams = 0


def run_routes(base: str = "") -> list[Route]:
    """Return the routes, under the server's base path if it has one."""
    prefix = f"/{base.strip('/')}" if base.strip("/") else ""
    return [
        Route(f"{prefix}/runs/{{run_id}}/events", events, methods=["GET"]),
        Route(f"{prefix}/runs/{{run_id}}/stop", stop, methods=["POST"]),
        Route(f"{prefix}/runs/{{run_id}}/recording", recording, methods=["GET"]),
    ]


async def events(request: Request) -> Response:
    """Follow a run. `Last-Event-ID`, as a reconnecting browser sends it, counts before `from`.

    One that is over and no longer here, as after a restart, comes out of the history, to the visitor whose it is.
    """
    run = service().runs.get(request.path_params["run_id"]) or await run_in_threadpool(_past, request)
    if run is None:
        return JSONResponse({"error": "no such run"}, status_code=404, headers=_HEADERS)
    if _open_streams >= service().settings.limits.streams_in_all:
        return JSONResponse({"error": "too many open streams"}, status_code=503, headers=_HEADERS)
    offset = _offset(request.headers.get("last-event-id"), request.query_params.get("from")) or 0
    language = request.query_params.get("lang", "en")
    return StreamingResponse(_follow(run, offset, language), media_type="text/event-stream", headers=_HEADERS)


async def recording(request: Request) -> Response:
    """Send what went over the wire so far."""
    run = service().runs.get(request.path_params["run_id"])
    if run is None:
        return JSONResponse({"error": "no such run"}, status_code=404, headers=_HEADERS)
    if _open_streams >= service().settings.limits.streams_in_all:
        return JSONResponse({"error": "too many open streams"}, status_code=503, headers=_HEADERS)
    made, start = run.recording, _offset(request.query_params.get("from"))
    lines = write_recording(made) if start is None else event_lines(made, start)
    headers = {**_HEADERS, "Content-Disposition": f'attachment; filename="{made.file_name}"'}
    return StreamingResponse(_download(lines), media_type="application/x-ndjson", headers=headers)


async def stop(request: Request) -> Response:
    """Stop a run. A page of another origin may not."""
    origin = request.headers.get("origin")
    if origin and _host(origin) != request.headers.get("host", ""):
        return JSONResponse({"error": "wrong origin"}, status_code=403, headers=_HEADERS)
    run = service().runs.get(request.path_params["run_id"])
    if run is None:
        return JSONResponse({"error": "no such run"}, status_code=404, headers=_HEADERS)
    run.stop()
    return JSONResponse({"ending": run.ending}, headers=_HEADERS)


def _past(request: Request) -> Run | None:
    """The run as the history has it. While it goes on elsewhere there is none: a proxy may then ask the server that has it."""
    history, visitor, run_id = service().history, sent_visitor(request.scope, service().cookie_secret), request.path_params["run_id"]
    if history is None or visitor is None:
        return None
    try:
        entry = history.entry(visitor, run_id)
        return history.restore(visitor, run_id) if entry is not None and entry.ending is not None else None
    except PlaygroundError:
        return None


def open_streams() -> int:
    """Return how many streams and downloads are open now."""
    return _open_streams


def _offset(*texts: str | None) -> int | None:
    """The first of these texts that is a number from 0."""
    return next((int(text[:9]) for text in texts if text and text.isascii() and text.isdigit()), None)


def _host(origin: str) -> str | None:
    """The host and port of an origin; `None` if it has none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


async def _download(lines: Iterator[str]) -> AsyncIterator[bytes]:
    global _open_streams
    _open_streams += 1
    try:
        while piece := await run_in_threadpool(_piece, lines):
            yield piece
    finally:
        _open_streams -= 1


def _piece(lines: Iterator[str]) -> bytes:
    """The next lines, about as many as are sent at once."""
    piece = bytearray()
    for line in lines:
        piece += line.encode()
        if len(piece) >= _PIECE:
            break
    return bytes(piece)


async def _follow(run: Run, offset: int, language: str) -> AsyncIterator[bytes]:
    global _open_streams
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    called = silent = False
    heart: asyncio.TimerHandle

    def changed() -> None:
        nonlocal called
        if not called:  # whoever is called looks at all there is
            called = True
            with suppress(RuntimeError):  # the server's loop may be closing
                loop.call_soon_threadsafe(news.set)

    def beat() -> None:
        nonlocal silent, heart
        silent, heart = True, loop.call_later(HEARTBEAT, beat)
        news.set()

    heart = loop.call_later(HEARTBEAT, beat)  # not one for each waiting: that would be dearer than what is waited for
    cease = run.follow(changed)
    _open_streams += 1
    place = 0
    rows = Rows(offset)
    looped: Loop | None = None
    try:
        yield b"retry: 500\n\n"
        while True:
            called = False
            news.clear()
            ending = run.ending
            fresh = run.sentences[rows.count :]
            if run.place != place:
                place = run.place
                yield f"event: place\ndata: {place}\n\n".encode()
            if run.loop is not None and run.loop != looped and ending is None:
                looped = run.loop
                yield b"event: loop\ndata: %s\n\n" % compact(loop_words(run, translator(language)))
            if fresh:
                yield b"".join([rows.line(sentence, run.endpoint.price) for sentence in fresh])
            elif ending is not None:
                yield b"event: end\ndata: %s\n\n" % compact(await run_in_threadpool(outcome, run, translator(language)))
                return
            elif silent:
                yield b": still here\n\n"
            else:
                await news.wait()
                continue
            silent = False
    finally:
        _open_streams -= 1
        heart.cancel()
        cease()
