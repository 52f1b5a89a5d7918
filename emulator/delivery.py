"""From a service's items to bytes: headers, events, whole answers, cuts, and noticing that the client has left.

The generator runs in a task of its own beside one that waits for the disconnect, so that a silent service
is stopped at once. Two things go past ASGI, straight to the connection: bodies that end where the connection ends, and cuts.
"""

import asyncio
import http
from collections.abc import Mapping
from contextlib import aclosing

from starlette.types import Receive, Scope, Send

from emulator.answers import Piece, encode, error_fields, event_bytes
from emulator.request_log import Entry
from emulator.services import Call, Cut, Event, Failure, Headers, Service, Whole

TRANSPORT = "emulator.transport"
_GOODBYE = 2.0


class Channel:
    """One response on its way: headers once, then bytes, then its end."""

    def __init__(self, scope: Scope, send: Send, headers: Mapping[str, str]) -> None:
        self.started = False
        self.dropped = False
        self._send = send
        self._headers = headers
        self._transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
        self._raw: asyncio.Transport | None = None

    async def start(self, content_type: str, headers: Headers, length: int | None = None) -> None:
        """Send the status line and the headers now."""
        if self.started:
            return
        self.started = True
        fields = {"content-type": headers.content_type or content_type, "cache-control": "no-cache", **self._headers, **headers.extra}
        if length is not None:
            fields["content-length"] = str(length)
        if not headers.chunked:
            fields["connection"] = "close"
            self._raw = self._transport
        if self._raw is not None:
            lines = [f"HTTP/1.1 {headers.status} {http.HTTPStatus(headers.status).phrase}", *(f"{name}: {value}" for name, value in fields.items())]
            self._raw.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
            return
        rows = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
        await self._send({"type": "http.response.start", "status": headers.status, "headers": rows})

    async def write(self, body: bytes) -> None:
        """Send bytes as one flush of their own."""
        if self._raw is not None:
            self._raw.write(body)
        else:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(0)

    async def end(self) -> None:
        """Finish the response."""
        if self._raw is not None:
            self._raw.close()
            self.dropped = True
        elif not self.dropped:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def cut(self) -> None:
        """Drop the connection without finishing the response. Bytes already written still leave."""
        if self._transport is not None:
            self.dropped = True
            self._transport.close()


class Delivery:
    """An ASGI response that plays one service for one call."""

    def __init__(self, service: Service, call: Call, entry: Entry, headers: Mapping[str, str], closing: asyncio.Event) -> None:
        self._service = service
        self._call = call
        self._entry = entry
        self._headers = headers
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        channel = Channel(scope, send, self._headers)
        play = asyncio.create_task(self._play(channel))
        gone = asyncio.create_task(_until_gone(receive))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({play, gone, closing}, return_when=asyncio.FIRST_COMPLETED)
            if play.done():
                self._entry.end(play.result())
            else:
                self._entry.end("client disconnected" if gone.done() else "server stopped")
                channel.cut()
        except Exception:
            self._entry.end("failed")
            raise
        finally:
            for task in (play, gone, closing):
                task.cancel()
            await asyncio.gather(play, gone, closing, return_exceptions=True)
            if channel.dropped:
                await asyncio.wait({asyncio.ensure_future(_until_gone(receive))}, timeout=_GOODBYE)
            self._entry.events_sent = self._call.answer.events

    async def _play(self, channel: Channel) -> str:
        call, answer = self._call, self._call.answer
        kind = "text/event-stream" if call.stream else "application/json"
        plain = Headers()
        held: list[Piece] = []
        async with aclosing(self._service.answer(call)) as items:
            async for item in items:
                if isinstance(item, Headers):
                    await channel.start(kind, item)
                elif isinstance(item, Cut):
                    channel.cut()
                    return "cut"
                elif isinstance(item, Whole):
                    await self._answer(channel, encode(item.fields))
                elif isinstance(item, Failure):
                    self._entry.error_code = item.code
                    fields = error_fields(item.code)
                    if channel.started:
                        await channel.write(event_bytes(fields))
                    else:
                        await self._answer(channel, encode(fields))
                elif isinstance(item, Piece) and not call.stream:
                    held.append(item)
                else:
                    await channel.start(kind, plain)
                    if isinstance(item, bytes):
                        await channel.write(item)
                    else:
                        fields = answer.ready(dict(item.fields)) if isinstance(item, Event) else answer.event(item)
                        await channel.write(event_bytes(fields))
                    self._spoke()
        if held:
            await self._answer(channel, encode(answer.whole(held)))
        elif not channel.started:
            await channel.start(kind, plain)
        await channel.end()
        return "completed"

    async def _answer(self, channel: Channel, body: bytes) -> None:
        await channel.start("application/json", Headers(), length=len(body))
        await channel.write(body)
        self._spoke()

    def _spoke(self) -> None:
        self._entry.events_sent = self._call.answer.events
        if self._entry.first_event is None:
            self._entry.first_event = self._entry.elapsed()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
