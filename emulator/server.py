"""The server: its routes, and running it in a thread of its own beside whatever else the process does."""

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from emulator.answers import Answer, encode, error_fields
from emulator.asked import check, check_length, parse, read_body
from emulator.credentials import Caller, Tokens, check_signature
from emulator.delivery import TRANSPORT, Delivery
from emulator.echo import ECHO
from emulator.faults import WIRE_FAMILIES, WIRE_FAULTS
from emulator.options import DEFAULTS, Options
from emulator.recorded import RECORDED
from emulator.refusal import Refusal
from emulator.refusals import ANSWER_FAMILIES, ANSWER_FAULTS
from emulator.request_log import MASK, Entry, RequestLog, presentable
from emulator.services import Call, Service, find
from playground.providers.qianfan import COMPLETION_PATH, TOKEN_PATH
from playground.signature import PREFIX

SERVICE_LIST_PATH = "/wenxinworkshop/service/list"
FAMILIES = (*WIRE_FAMILIES, *ANSWER_FAMILIES)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
_SHOWN_HEADERS = ("host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "request_id", "x-bce-date", "connection")
_REQUESTS_A_MINUTE = 300
_TOKENS_A_MINUTE = 300_000


class _Emulator:
    """The state of one server and its endpoints."""

    def __init__(self, options: Options, services: Iterable[Service]) -> None:
        self.options = options
        self.services = {service.name: service for service in (*RECORDED, ECHO, *WIRE_FAULTS, *ANSWER_FAULTS, *services)}
        self.tokens = Tokens(options)
        self.log = RequestLog()
        self.closing = asyncio.Event()

    async def token(self, request: Request) -> Response:
        status, body = self.tokens.issue(request.query_params)
        return JSONResponse(body, status_code=status, headers={"cache-control": "no-store"})

    async def complete(self, request: Request) -> ASGIApp:
        name = request.path_params["endpoint"]
        request_id = str(secrets.randbelow(9 * 10**9) + 10**9)
        entry = self.log.open(request_id, name)
        headers = {"X-Baidu-Request-Id": request_id}
        try:
            caller = self._caller(request)
            entry.auth = caller.kind
            headers |= self._limits(caller)
            return await self._accept(request, name, caller, entry, headers)
        except ClientDisconnect:
            entry.end("client disconnected")
            return Response(status_code=400)
        except Refusal as refusal:
            entry.error_code = refusal.code
            entry.end("completed")
            headers = self._limits(None) | headers
            return Response(encode(error_fields(refusal.code, refusal.words)), media_type="application/json", headers=headers)

    async def _accept(self, request: Request, name: str, caller: Caller, entry: Entry, headers: dict[str, str]) -> Delivery:
        if not name:
            raise Refusal(3)
        if request.method != "POST":
            raise Refusal(336101)
        fields = parse(await read_body(request))
        if self.options.keep_bodies:
            entry.body = presentable(fields)
        asked = check(fields)
        service = find(name, self.services, FAMILIES)
        if service is None:
            raise Refusal(336005)
        check_length(asked.prompt, service.token_limit)
        earlier, first_token = self.log.count(name, caller)
        call = Call(
            endpoint=name,
            prompt=asked.prompt,
            stream=bool(asked.parameters.get("stream")),
            parameters=asked.parameters,
            body=asked.body,
            received=_received(request, asked.body),
            earlier=earlier,
            first_token=first_token,
            pace=self.options.pace,
            answer=Answer(service.build or self.options.build, service.object_name or self.options.object_name),
        )
        return Delivery(service, call, entry, headers, self.closing)

    def _caller(self, request: Request) -> Caller:
        header = request.headers.get("authorization", "")
        if header.startswith(PREFIX + "/"):
            return self._signer(request)
        return self.tokens.check(request.query_params.get("access_token"))

    def _signer(self, request: Request) -> Caller:
        path = request.scope.get("raw_path", request.url.path.encode()).decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        return check_signature(
            request.headers.get("authorization", ""),
            self.options.access_keys,
            method=request.method,
            url=f"http://emulator{path}?{query}",
            headers=dict(request.headers),
            now=time.time(),
        )

    def _limits(self, caller: Caller | None) -> dict[str, str]:
        made = self.log.this_minute(caller.key) if caller else 0
        return {
            "X-Ratelimit-Limit-Requests": str(_REQUESTS_A_MINUTE),
            "X-Ratelimit-Limit-Tokens": str(_TOKENS_A_MINUTE),
            "X-Ratelimit-Remaining-Requests": str(max(0, _REQUESTS_A_MINUTE - made)),
            "X-Ratelimit-Remaining-Tokens": str(_TOKENS_A_MINUTE),
        }

    async def service_list(self, request: Request) -> Response:
        """Answer the list by which SDKs find an endpoint's address; it takes signatures only and refuses as a console does."""
        try:
            self._signer(request)
        except Refusal:
            refused = {"X-Bce-Error-Code": "AccessDenied", "X-Bce-Error-Message": "SignatureDoesNotMatch, cause: the signature is wrong"}
            return JSONResponse({"code": "AccessDenied", "message": "AccessDenied"}, status_code=403, headers=refused)
        rows = [
            {"name": name, "url": str(request.base_url).rstrip("/") + COMPLETION_PATH + name, "apiType": "completions", "chargeStatus": "OPENED"}
            for name in self.services
        ]
        return JSONResponse({"log_id": secrets.token_hex(8), "result": {"common": [], "custom": rows}})

    async def show_log(self, request: Request) -> Response:
        return Response(encode({"requests": self.log.rows()})[len(b'{"requests":'):-1], media_type="application/json")

    async def reset(self, request: Request) -> Response:
        self.log.reset()
        return JSONResponse({"reset": True})

    async def endpoints(self, request: Request) -> Response:
        """List every service and family; a family with the figures that stand in its names for the letters of its title."""
        settings = {family.title: [asdict(setting) for setting in family.settings] for family in FAMILIES}
        rows = describe(self.services.values())
        return JSONResponse(
            [{"name": name, "kind": kind, "description": words, "settings": settings.get(name, [])} for name, kind, words in rows]
        )

    async def elsewhere(self, request: Request) -> Response:
        return Response(encode(error_fields(3)), media_type="application/json")


def describe(services: Iterable[Service]) -> list[tuple[str, str, str]]:
    """Return name, kind and description of every service and family."""
    return [*((s.name, s.kind, s.description) for s in services), *((f.title, f.kind, f.description) for f in FAMILIES)]


def _received(request: Request, body: Any) -> dict[str, Any]:
    headers = {name: request.headers[name] for name in _SHOWN_HEADERS if name in request.headers}
    if "authorization" in request.headers:
        headers["authorization"] = request.headers["authorization"].split("/")[0].split(" ")[0] + "/" + MASK
    query = {key: MASK if key == "access_token" else value for key, value in request.query_params.items()}
    return {"method": request.method, "path": request.url.path, "query": query, "headers": headers, "body": body}


def create_app(options: Options = DEFAULTS, services: Iterable[Service] = ()) -> Starlette:
    """Return the emulator as an ASGI application. `services` join, or replace by name, those it brings."""
    emulator = _Emulator(options, services)
    app = Starlette(
        routes=[
            Route(TOKEN_PATH, emulator.token, methods=["GET", "POST"]),
            Route(COMPLETION_PATH + "{endpoint:path}", emulator.complete, methods=_METHODS),
            Route(SERVICE_LIST_PATH, emulator.service_list, methods=["POST"]),
            Route("/_emulator/log", emulator.show_log),
            Route("/_emulator/reset", emulator.reset, methods=["POST"]),
            Route("/_emulator/endpoints", emulator.endpoints),
            Route("/{path:path}", emulator.elsewhere, methods=_METHODS),
        ],
    )
    app.state.emulator = emulator
    return app


class _Protocol(H11Protocol):
    """HTTP/1.1 whose connection a service may reach, for answers that no well-behaved server would send."""

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        inner = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[TRANSPORT] = self.transport
            await inner(scope, receive, send)

        self.app = app


class Server(uvicorn.Server):
    """uvicorn with open streams that end when it stops, and a mark for "accepting"."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(app, http=_Protocol, ws="none", lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2)
        )
        self.accepting = threading.Event()
        self._closing: asyncio.Event = app.state.emulator.closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that is running. `base_url` has no slash at its end."""

    base_url: str
    port: int


def address(host: str, port: int) -> str:
    """Return the base URL of a server."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 takes a free one.

    The protocol number must be named: without it asyncio leaves Nagle's algorithm on, and events wait 40 ms for each other.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def running(port: int = 0, *, host: str = "127.0.0.1", options: Options = DEFAULTS, services: Iterable[Service] = ()) -> Iterator[Running]:
    """Serve in a thread with a loop of its own for as long as the `with` block lasts; open streams are dropped at its end."""
    listener = bind(host, port)
    server = Server(create_app(options, services))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),), name="emulator", daemon=True)
    try:
        thread.start()
        while not server.accepting.wait(0.05):
            if not thread.is_alive():
                raise RuntimeError("the emulator did not start")
        bound = listener.getsockname()[1]
        yield Running(base_url=address(host, bound), port=bound)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
