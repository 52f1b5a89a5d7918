"""The floor: the least page there is that shows a stream. A button, server-sent events, a text node for each; nothing is checked or kept."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from bench.upstream import SERVICE
from playground.providers.qianfan import COMPLETION_PATH

_BODY = b'{"prompt":"go","stream":true}'
_PAGE = """<!doctype html><meta charset="utf-8"><title>The floor</title>
<button id="run">Run</button><button id="stop" disabled>Stop</button><div id="answer" style="white-space: pre-wrap"></div>
<script type="module">
const [run, stop, answer] = ["run", "stop", "answer"].map((id) => document.getElementById(id));
let number = 0;
run.onclick = () => {
  answer.textContent = "";
  stop.disabled = false;
  const source = new EventSource(`/events/${++number}`);
  source.onmessage = (event) => answer.append(JSON.parse(event.data));
  source.addEventListener("end", () => { source.close(); stop.disabled = true; });
};
stop.onclick = () => fetch(`/stop/${number}`, { method: "POST" });
</script>"""
_going: dict[str, asyncio.StreamWriter] = {}


async def _events(request: Request) -> StreamingResponse:
    return StreamingResponse(_follow(request.path_params["number"]), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _follow(number: str) -> AsyncIterator[bytes]:
    """Hand on the text of each event as it comes."""
    place = urlsplit(os.environ["QIANFAN_BASE_URL"])
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    _going[number] = writer
    try:
        head = f"POST {COMPLETION_PATH}{SERVICE}?access_token=24.bench HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(_BODY)}\r\n\r\n"
        writer.write(head.encode() + _BODY)
        rest = b""
        while not rest.endswith(b"\r\n0\r\n\r\n") and (piece := await reader.read(65536)):
            *lines, rest = (rest + piece).split(b"\n\n")
            texts = (json.loads(line.partition(b"data: ")[2])["result"] for line in lines if b"data: " in line)
            if sent := b"".join(b"data:%s\n\n" % json.dumps(text, ensure_ascii=False).encode() for text in texts):
                yield sent
    except ConnectionError:
        pass
    finally:
        writer.close()
        _going.pop(number, None)
    yield b"event: end\ndata: \n\n"


async def _stop(request: Request) -> Response:
    if (writer := _going.get(request.path_params["number"])) is not None:
        writer.close()
    return Response(status_code=204)


app = Starlette(routes=[
    Route("/", lambda request: HTMLResponse(_PAGE)), Route("/events/{number}", _events), Route("/stop/{number}", _stop, methods=["POST"]),
])

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
