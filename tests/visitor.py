"""A visitor without a browser: speaks the page's own protocol over its websocket, and follows runs as a page does."""

import json
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATIENCE = 30.0
_TRIGGER = "$$STREAMLIT_INTERNAL_KEY_{}__events"


class Visitor:
    """One session of one browser. `url` is the app's address, `query` what is behind its question mark."""

    def __init__(self, url: str, query: str = "") -> None:
        self.url = url.rstrip("/")
        self.query = query
        self.http = requests.Session()
        self.widgets: dict[str, str] = {}
        self.sheet: dict[str, object] = {}
        self.notes: list[str] = []
        self._page = ""
        self._held = ExitStack()

    def __enter__(self) -> "Visitor":
        return self.open()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.leave()

    def open(self) -> "Visitor":
        """Get the page and its cookie, connect, and wait until the script is through."""
        page = self.http.get(f"{self.url}/?{self.query}", timeout=PATIENCE)
        page.raise_for_status()
        place = urlsplit(self.url)
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.http.cookies)
        self._held.close()
        self.widgets.clear()
        self.socket = self._held.enter_context(connect(
            f"ws://{place.netloc}{place.path}/_stcore/stream", subprotocols=["streamlit"], origin=f"http://{place.netloc}", max_size=None,
            additional_headers={"Cookie": cookies}, open_timeout=PATIENCE, ping_interval=None,
        ))
        self._say(BackMsg())
        return self

    def leave(self) -> None:
        """Close the page."""
        self._held.close()
        self.http.close()

    def start(self, title: str, group: str = "Fault lab", prompt: str = "A house") -> str | None:
        """Choose an endpoint and press Run; return the run's id, or `None` where it was refused."""
        said = BackMsg()
        box = said.rerun_script.widget_states.widgets.add()
        box.id, box.string_value = next(id for id in self.widgets if "-endpoint-" in id), f"● {title} · {group}"
        self._say(said)
        said = BackMsg()
        before = self.run_id
        press = said.rerun_script.widget_states.widgets.add()
        sheet = next(id for id, kind in self.widgets.items() if kind == "run_view")
        press.id = _TRIGGER.format(sheet)
        press.json_trigger_value = json.dumps([{"event": "run", "value": {"prompt": prompt, "mode": "run", "at": time.time() * 1000}}])
        self._say(said)
        if self.run_id == before:
            return None
        assert self.sheet["run"]["title"] == title, f"there is no {title} to choose"
        return self.run_id

    @property
    def run_id(self) -> str | None:
        """The run in the address."""
        return parse_qs(self.query).get("run", [None])[0]

    def follow(self, run_id: str, offset: int = 0) -> "Following":
        """Follow a run, from now on."""
        return Following(self, run_id, offset)

    def connected(self) -> bool:
        """Whether the page is still connected."""
        try:
            while True:
                self.socket.recv(timeout=0)
        except TimeoutError:
            return True
        except ConnectionClosed:
            return False

    def _say(self, said: BackMsg) -> None:
        said.rerun_script.query_string = self.query
        said.rerun_script.page_script_hash = self._page
        said.rerun_script.context_info.locale = "en-US"
        self.socket.send(said.SerializeToString())
        self.notes.clear()
        while True:
            heard = ForwardMsg()
            heard.ParseFromString(self.socket.recv(timeout=PATIENCE, decode=False))
            kind = heard.WhichOneof("type")
            if kind == "page_info_changed":
                self.query = heard.page_info_changed.query_string
            elif kind == "navigation":
                self._page = heard.navigation.page_script_hash
            elif kind == "delta" and heard.delta.WhichOneof("type") == "new_element":
                self._see(heard.delta.new_element)
            elif kind == "script_finished":
                return

    def _see(self, element: object) -> None:
        kind = element.WhichOneof("type")
        shown = getattr(element, kind)
        if kind == "bidi_component":
            self.widgets[shown.id] = shown.component_name
            if shown.component_name == "run_view":
                [self.sheet] = json.loads(shown.json)
        elif kind == "selectbox":
            self.widgets[shown.id] = kind
        elif kind == "alert":
            self.notes.append(shown.body)


class Following:
    """A run's event stream, read in a thread. `texts` are its sentences so far, `end` its outcome, `over` is set when the stream is."""

    def __init__(self, visitor: Visitor, run_id: str, offset: int) -> None:
        self.texts: list[str] = []
        self.end: dict[str, object] | None = None
        self.over = threading.Event()
        self.status = 0
        self._news = threading.Condition()
        self._url = f"{visitor.url}/runs/{run_id}/events?from={offset}"
        self._cookies = visitor.http.cookies
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, count: int, seconds: float = PATIENCE) -> "Following":
        """Wait for that many sentences."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.texts) >= count or self.over.is_set(), seconds)
        assert len(self.texts) >= count, f"the stream was over after {len(self.texts)} sentences"
        return self

    def open(self, seconds: float = PATIENCE) -> "Following":
        """Wait until the stream has begun, if only with a place in a queue or nothing at all."""
        with self._news:
            assert self._news.wait_for(lambda: self.status or self.over.is_set(), seconds)
        return self

    def _read(self) -> None:
        kind = "message"
        try:
            with requests.get(self._url, cookies=self._cookies, stream=True, timeout=(PATIENCE, PATIENCE)) as response:
                self.status = response.status_code
                for line in response.iter_lines(chunk_size=1, decode_unicode=True):
                    name, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    with self._news:
                        if name == "event":
                            kind = value
                        elif name == "data" and kind == "message":
                            self.texts.append(json.loads(value)[0])
                        elif name == "data" and kind == "end":
                            self.end = json.loads(value)
                        elif not line:
                            kind = "message"
                        self._news.notify_all()
        except requests.RequestException:
            pass  # cut: `end` is missing
        with self._news:
            self.over.set()
            self._news.notify_all()
