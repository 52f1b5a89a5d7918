"""Visitors without browsers, many in one process, and an endpoint that says in each event when it was sent.

A visitor speaks the page's own protocol over its websocket and follows runs over the events route, as a browser does; what it hears is looked
at no closer than the figures need. The endpoint is a process of its own (`python -m bench.crowd`): whoever calls it waits until it
is told to go, and then all get an event at each tick, one after the other.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

EVENT, EVENTS, PER_SECOND = 30, 200, 20
PATIENCE = 60.0
STAMP = re.compile(rb"@(\d{13}\.\d)")
ROOT = Path(__file__).parent.parent
_TRIGGER = "$$STREAMLIT_INTERNAL_KEY_{}__events"


class Endpoint(asyncio.Protocol):
    """One connection of the endpoint. Those that wait are told to go by a call of `/go`."""

    waiting: list["Endpoint"] = []
    gone: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what one writes to."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._asked = b""
        self._number = 0

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._asked += data
        head, blank, body = self._asked.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not blank or len(body) < int(length[1] if length else 0):
            return
        path, self._asked = head.split(b" ", 2)[1], b""
        if path.startswith(b"/oauth"):
            self._say(json.dumps({"access_token": "24.crowd", "expires_in": 2592000}).encode())
        elif path == b"/waiting":
            self._say(b"%d" % len(self.waiting))
        elif path == b"/go":
            self._say(b"%d" % len(self.waiting))
            loop, callers = asyncio.get_running_loop(), list(self.waiting)
            self.waiting.clear()
            for place, caller in enumerate(callers):
                caller._begin(loop.time() + 0.2 + place / len(callers) / PER_SECOND)
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.waiting.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget a caller that has gone."""
        self._number = EVENTS
        with suppress(ValueError):
            self.waiting.remove(self)

    def _say(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)
        self._transport.close()

    def _begin(self, moment: float) -> None:
        self._start = moment
        asyncio.get_running_loop().call_at(moment, self._send)

    def _send(self) -> None:
        if self._number >= EVENTS:
            return
        number, self._number = self._number, self._number + 1
        last = self._number == EVENTS
        event = b'data: {"id":"as-0123456789","object":"completion","created":1700000000,"sentence_id":%d,"is_end":%s,"is_truncated":false,' \
                b'"result":"@%.1f of the crowd ","is_safe":1,"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":%d}}\n\n' % (
                    number, b"true" if last else b"false", time.time() * 1000, 12 + 7 * number)
        self._transport.write(b"%x\r\n%s\r\n%s" % (len(event), event, b"0\r\n\r\n" if last else b""))
        if not last:
            asyncio.get_running_loop().call_at(self._start + self._number / PER_SECOND, self._send)


async def serve() -> None:
    """Be the endpoint; says on which port."""
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def endpoint() -> Iterator[str]:
    """Run the endpoint; yields its base URL."""
    with subprocess.Popen([sys.executable, "-m", "bench.crowd"], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip() if process.stdout else ''}"
        finally:
            process.terminate()


@dataclass(frozen=True)
class Server:
    """A process that serves a page, and what it takes of the computer."""

    url: str
    pid: int
    log: Path

    @property
    def busy(self) -> float:
        """The seconds of processor time it has taken, all its threads together."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """The MB it holds."""
        return self._status("VmRSS") / 1024

    @property
    def threads(self) -> int:
        """How many it has."""
        return self._status("Threads")

    @property
    def sockets(self) -> int:
        """How many it has open."""
        count = 0
        for one in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):
                count += os.readlink(one).startswith("socket:")
        return count

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(text.partition(f"{name}:")[2].split(None, 1)[0])


@contextmanager
def serving(script: str, base: str, **environment: str) -> Iterator[Server]:
    """Run a Streamlit script with the endpoint at that address as one of its Qianfan services, and an empty database."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        given = {
            **os.environ, "QIANFAN_BASE_URL": base, "QIANFAN_AK": "demo-api-key", "QIANFAN_SK": "demo-secret-key", "PYTHONPATH": str(ROOT),
            "QIANFAN_ENDPOINT_YI_34B": "crowd", "LOCAL_MODEL": "off", "DATABASE_URL": f"sqlite:///{folder}/crowd.sqlite3",
            **environment,
        }
        command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port), "--server.headless", "true",
                   "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]
        with Path(folder, "log").open("wb") as log, subprocess.Popen(command, cwd=ROOT, env=given, stdout=log, stderr=log) as process:
            try:
                server = Server(f"http://127.0.0.1:{port}", process.pid, Path(folder, "log"))
                while process.poll() is None:
                    with suppress(OSError):
                        urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=1).read()
                        break
                    time.sleep(0.1)
                yield server
            finally:
                process.terminate()
                process.wait(30)


async def ask(url: str, method: str = "GET", cookie: str = "") -> tuple[int, bytes, bytes]:
    """Ask a server; returns status, head and body."""
    place = urlsplit(url)
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            target = place.path + (f"?{place.query}" if place.query else "")
            asked = f"{method} {target or '/'} HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {cookie}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(asked.encode())
            head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        finally:
            writer.close()
    return int(head.split(b" ", 2)[1]), head, body


class Stream(asyncio.Protocol):
    """A run's events as they come. `delays` are the ms each took, `outcome` what its end says; `over` is set when there comes no more."""

    def __init__(self, asked: bytes) -> None:
        self.delays: list[float] = []
        self.outcome: dict[str, object] = {}
        self.status = 0
        self.over = asyncio.Event()
        self._asked, self._rest = asked, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        """Look at what is whole."""
        moment = time.time() * 1000
        if not self.status:
            self.status = int(data[9:12])
        whole, line, self._rest = (self._rest + data).rpartition(b"\n")
        self.delays += [moment - float(stamp) for stamp in STAMP.findall(whole)]
        if b'"ending"' in whole and (found := re.search(rb"\ndata: ?(\{.*\})", whole)):
            self.outcome = json.loads(found[1])
            self.transport.close()
            self.over.set()

    def connection_lost(self, error: Exception | None) -> None:
        """There comes no more."""
        self.over.set()


class Visitor:
    """One page of one browser. `cookie` and `query`, what is behind the address's question mark, stay when the page is opened again."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.query = self.cookie = ""
        self.endpoints: list[str] = []
        self.refusal: str | None = None
        self.pages: dict[str, str] = {}
        self.crashes: list[str] = []
        self._page = ""
        self._widgets: dict[str, str] = {}
        self._socket: ClientConnection | None = None

    @property
    def run_id(self) -> str:
        """The run in the address."""
        return parse_qs(self.query).get("run", [""])[0]

    async def open(self) -> None:
        """Get the page and its cookie, connect, and wait until the script is through."""
        await self.leave()
        _, head, _ = await ask(f"{self.url}/?{self.query}", cookie=self.cookie)
        self.cookie = "; ".join([text.decode() for text in re.findall(rb"(?i)\r\nset-cookie: ([^;\r]*)", head)]) or self.cookie
        self._widgets.clear()
        self._page = ""
        place = urlsplit(self.url)
        self._socket = await connect(
            f"ws://{place.netloc}/_stcore/stream", subprotocols=["streamlit"], origin=f"http://{place.netloc}", max_size=None,  # type: ignore
            additional_headers={"Cookie": self.cookie}, open_timeout=PATIENCE, ping_interval=None, compression=None, close_timeout=1,
        )
        await self.say(BackMsg())

    async def leave(self) -> None:
        """Close the page as a browser does."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    def vanish(self) -> None:
        """Be gone without a word, as a notebook that is shut."""
        if self._socket is not None:
            self._socket.transport.abort()
            self._socket = None

    async def choose(self, words: str) -> None:
        """Choose the endpoint in whose line these words are."""
        await self.say(self._chosen(words))

    async def press(self, prompt: str = "A house", words: str = "") -> str:
        """Press Run, with the endpoint of these words chosen just before; returns the run's id, or nothing where it was refused."""
        before = self.run_id
        await self.tell("run", {"prompt": prompt, "mode": "run", "at": time.time() * 1000}, self._chosen(words) if words else None)
        return self.run_id if self.run_id != before else ""

    async def tell(self, event: str, value: object, said: BackMsg | None = None) -> None:
        """Let the sheet tell the page something, after what else is said."""
        said = said or BackMsg()
        press = said.rerun_script.widget_states.widgets.add()
        press.id = _TRIGGER.format(next(id for id, kind in self._widgets.items() if kind == "run_view"))
        press.json_trigger_value = json.dumps([{"event": event, "value": value}])
        await self.say(said)

    async def push(self) -> AsyncIterator[bytes]:
        """Press the button of the plain page; yields what comes, as it came, until the script is through."""
        said = BackMsg()
        button = said.rerun_script.widget_states.widgets.add()
        button.id, button.trigger_value = next(id for id, kind in self._widgets.items() if kind == "button"), True
        await self._send(said)
        assert self._socket is not None
        while True:
            came = await asyncio.wait_for(self._socket.recv(decode=False), PATIENCE)
            yield came
            if len(came) < 100:
                heard = ForwardMsg()
                heard.ParseFromString(came)
                if heard.WhichOneof("type") == "script_finished":
                    return

    async def go(self, page: str) -> None:
        """Go to another page by its address; the first has an empty one."""
        said = BackMsg()
        self._page = self.pages[page]
        await self.say(said)

    async def follow(self, run_id: str) -> Stream:
        """Follow a run."""
        place = urlsplit(self.url)
        asked = f"GET /runs/{run_id}/events?from=0 HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {self.cookie}\r\nAccept: text/event-stream\r\n\r\n"
        _, stream = await asyncio.get_running_loop().create_connection(lambda: Stream(asked.encode()), place.hostname, place.port)
        return stream

    async def stop(self, run_id: str) -> int:
        """Press Stop; returns the status."""
        return (await ask(f"{self.url}/runs/{run_id}/stop", "POST", self.cookie))[0]

    async def say(self, said: BackMsg) -> None:
        """Tell the page something and wait until its script is through."""
        await self._send(said)
        self.refusal = None
        while True:
            heard = await self._hear()
            kind = heard.WhichOneof("type")
            if kind == "page_info_changed":
                self.query = heard.page_info_changed.query_string
            elif kind == "navigation":
                self._page = heard.navigation.page_script_hash
                self.pages = {("" if page.is_default else page.url_pathname): page.page_script_hash for page in heard.navigation.app_pages}
            elif kind == "delta" and heard.delta.WhichOneof("type") == "new_element":
                self._see(heard.delta.new_element)
            elif kind == "script_finished" and heard.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return

    async def _send(self, said: BackMsg) -> None:
        said.rerun_script.query_string = self.query
        said.rerun_script.page_script_hash = self._page
        said.rerun_script.context_info.locale = "en-US"
        assert self._socket is not None
        await self._socket.send(said.SerializeToString())

    async def _hear(self) -> ForwardMsg:
        assert self._socket is not None
        heard = ForwardMsg()
        heard.ParseFromString(await asyncio.wait_for(self._socket.recv(decode=False), PATIENCE))
        return heard

    def _see(self, element: object) -> None:
        kind = element.WhichOneof("type")  # type: ignore[attr-defined]
        shown = getattr(element, kind)
        if kind == "bidi_component":
            self._widgets[shown.id] = shown.component_name
            if shown.component_name == "run_view" and '"refusal": null' not in shown.json:
                [sheet] = json.loads(shown.json)
                self.refusal = sheet["refusal"] and sheet["refusal"]["message"]
        elif kind == "exception":
            self.crashes.append(f"{shown.type}: {shown.message}")
        elif kind in ("selectbox", "button"):
            self._widgets[shown.id] = kind
            if kind == "selectbox" and "-endpoint-" in shown.id:
                self.endpoints = list(shown.options)

    def _chosen(self, words: str) -> BackMsg:
        said = BackMsg()
        box = said.rerun_script.widget_states.widgets.add()
        box.id = next(id for id in self._widgets if "-endpoint-" in id)
        box.string_value = next(line for line in self.endpoints if words in line)
        return said


if __name__ == "__main__":
    asyncio.run(serve())
