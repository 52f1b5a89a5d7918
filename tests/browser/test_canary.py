"""No secret leaves by any way out: every input holds one of its own, every server repeats what it got, and then everything is searched.

A secret is looked for as it is, as a URL, JSON, HTML or base64 hold it, and by its two ends, should it have been cut.
"""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

import pytest
import requests
from playwright.sync_api import Error, Page, Response, WebSocket, expect

from playground.setup_link import read_setup
from tests.browser.bench import Bench, Endpoints
from tests.browser.conftest import Serve, Visit
from tests.browser.serving import Site, copy_of_app
from tests.scripted_server import RESET, Peer, Received, ScriptedServer, play_pieces, unused_port

pytestmark = [pytest.mark.browser, pytest.mark.slow(seconds=25)]

# Most have no shape that a pattern could know: only who holds them can take them out.
ENVIRONMENT = {
    "QIANFAN_AK": "Kq7ZtWm2XvLr9pYc4HdB6sNf",
    "QIANFAN_SK": "Uw3RgTj8Qe5MzPa1VxCk7bDyFh0LsN2o",
    "QIANFAN_ACCESS_TOKEN": "24.0a1b2c3d4e5f60718293a4b5c6d7e8f9.2592000.1999999999.282335-41234567",
    "QIANFAN_ACCESS_KEY": "Jd5KfRw9Lz2QmXc7VbTy4PgH",
    "QIANFAN_SECRET_KEY": "Nh6BtGv3Ys8WqEe1RrUi5OoP",
    "OPENAI_API_KEY": "Zr8/Lq+w=tY&\"uN<5c~Vb2$hT9",
    "PLAYGROUND_SALT": "Gm4XpSd0Fj7KlAw6ZxQc9VnB",
    "OTHER_KEY": "sk-proj-Tb3Vn8Mq2Wx7Lp5Rz9Kc",
}
DOTENV = {"DOTENV_KEY": "Wc9LkHs3Dp6ZrTq1XgVm8NbJ"}
SECRETS = {"SECRETS_KEY": "Pf2MvRx7Cy4KtGn9QsLd6WhZ"}
WRITTEN = {
    "key in the file": "Rj6QwZb1Tn8XcFm3LvHk5YpS", "key in a row that is no TOML": "Vs0HtLg5Nc9BxWd2KqPj7RmF",
    "line of .env": "Yx3DfKp8Rw1GzMt6JvQn4CbL",
}
TYPED = {
    "key": "Hb7NsQe2Vk9LrXw4TzFm6CdG", "bce-v3": "bce-v3/ALTAK-Gw7Xr2Tq9/Kz5Lm8Pv3Nb6Sd1",
    "api_key": "Mx8CgZt3Lq6WvRp1KbHn9YsD", "secret_key": "Tf5PzJw0Xk7NcVm2QdLr8GhB", "access_key": "Bq4VyMs9Hr2TgXn7LwKz5CpJ",
    "iam_secret": "Lw1KdXt6Qp9ZbRg3NmVf8HcS", "token": "Cz9RnGv4Wb7YkLx2TsQh5MpF", "in the base URL": "Sn2XhWq7Kd5TvBz9PgLr3YmC",
    "with a blank": "Dk8TbFy3 Vm6QzXr1WpHn9LgS",
}
PASTED = {
    "address": "Qg3LwTn8Xz5RkVd1MbHp7CyS", "header": "Fv6ZcKr1Pw9NtXq4LdGm2HbJ", "user": "Xt0MgLs5Vy8QbRz3KnWc6DpH",
    "body": "Hy7BkPd2Tw5XnGv9LzQr4MsC",
}
FETCHED = {"token": "Np5XvKq0Lt8RwZc3MgHb7YdF", "refresh": "Jz2TmWs7Qx4KbVr9LpGd6NhC", "session": "Kv8RhBn3Yg6LqXt1WzMc5PfD"}
GROUPS = (ENVIRONMENT, DOTENV, SECRETS, WRITTEN, TYPED, PASTED, FETCHED)
REFUSED_PAIRS = (TYPED["api_key"],)
END = 10


def forms(value: str) -> set[str]:
    """How a secret may look on its way out."""
    raw = value.encode()
    coded = {encode(part + raw).decode().rstrip("=") for encode in (b64encode, urlsafe_b64encode) for part in (b"", b"user:")}
    return {
        value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], html.escape(value), html.escape(value, quote=False),
        value[:END] if value[:3] not in ("24.", "sk-", "bce") else value, value[-END:], *coded,
    }


SOUGHT = {form.encode(): name for group in GROUPS for name, value in group.items() for form in forms(value)}


# --- servers that do their worst ---


def shown_to(received: Received) -> list[str]:
    """The secrets that a request carries."""
    given = received.headers.get("authorization", "")
    scheme, _, rest = given.partition(" ")
    found = [rest] if scheme == "Bearer" else [given.split("/")[1]] if given.startswith("bce-auth-v1") else []
    return found + [value for name in ("access_token", "client_id", "client_secret") for value in received.query.get(name, ())]


def repeated(received: Received) -> str:
    """Everything a request holds, as servers repeat it in their errors, in every form."""
    secrets = shown_to(received)
    words = " ".join(form for secret in secrets for form in sorted(forms(secret)) if len(form) > END)
    return f"{words} {received.method} {unquote(received.target)} {received.target} {received.headers.get('authorization')} {received.headers}"


class Worst(ScriptedServer):
    """A server that repeats whatever it is told; `shown` are the secrets that came."""

    def __init__(self) -> None:
        super().__init__(worst)
        self.shown: set[str] = set()


def worst(peer: Peer) -> None:
    """Answer with what was received, in the way that the prompt names."""
    peer.kept = peer.socket.recv(65536)
    if peer.kept[:1] == b"\x16":  # TLS
        peer.send(b"no TLS here\r\n\r\n")
        return
    received = peer.read_request()
    said, key = repeated(received), (shown_to(received) or ["none"])[-1]
    assert isinstance(peer.server, Worst)
    peer.server.shown.update(shown_to(received))
    if received.path.endswith("/oauth/2.0/token"):
        _token(peer, received, said)
        return
    prompt = received.fields["prompt"]
    play = FAULTS.get(prompt, _error("401 Unauthorized"))
    play(peer, said, key)


Play = Callable[[Peer, str, str], None]


def _head(peer: Peer, status: str, content_type: str, *headers: str) -> None:
    peer.send("\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {content_type}", "Connection: close", *headers, "", ""]).encode("latin-1"))


def _token(peer: Peer, received: Received, said: str) -> None:
    if received.query["client_id"][0] in REFUSED_PAIRS:
        _head(peer, "401 Unauthorized", "application/json")
        peer.send(json.dumps({"error": "invalid_client", "error_description": f"Client authentication failed: {said}"}).encode())
        return
    _head(peer, "200 OK", "application/json")
    peer.send(json.dumps({
        "access_token": FETCHED["token"], "refresh_token": FETCHED["refresh"], "session_secret": FETCHED["session"], "expires_in": 2592000,
    }).encode())


def _stated(said: str, key: str) -> bytes:
    """An error that both wires read."""
    error = {"message": f"Incorrect key: {said}", "type": key, "param": key, "code": key}
    return json.dumps({"error": error, "error_code": key, "error_msg": said, "id": key, "detail": said}).encode()


def _error(status: str) -> Play:
    def play(peer: Peer, said: str, key: str) -> None:
        _head(peer, status, "application/json", f"X-Request-Id: {key}", f"WWW-Authenticate: Bearer {key}")
        peer.send(_stated(said, key))

    return play


def _event(text: str, key: str, reason: str | None = None) -> bytes:
    fields = {"id": key, "choices": [{"text": text, "index": 0, "finish_reason": reason}], "result": text, "is_end": reason is not None}
    return f"data: {json.dumps({**fields, 'finish_reason': reason})}\n\n".encode()


def _page(peer: Peer, said: str, key: str) -> None:
    _head(peer, "500 Internal Server Error", "text/html")
    peer.send(f"<html><title>{html.escape(key)}</title><pre>{html.escape(said)}</pre></html>".encode())


def _telling(key: str) -> tuple[str, ...]:
    return (
        f"X-Request-Id: {key}", f"X-Baidu-Request-Id: id-{key}", f"Retry-After: {key}", f"X-RateLimit-Remaining-Requests: 5 for {key}",
        f"X-RateLimit-{quote(key, safe='')}: 1", f"Set-Cookie: key={key}",
    )


def _headers(peer: Peer, said: str, key: str) -> None:
    _head(peer, "429 Too Many Requests", "application/json", *_telling(key))
    peer.send(_stated("too many", "rate_limit_exceeded"))


def _text(peer: Peer, said: str, key: str) -> None:
    _head(peer, "200 OK", "text/event-stream", *_telling(key))
    peer.send(_event("You sent ", key) + _event(said, key) + _event(f" {key}", key, key) + b"data: [DONE]\n\n")


def _whole(peer: Peer, said: str, key: str) -> None:
    _head(peer, "200 OK", "application/json", *_telling(key))
    peer.send(_event(said, key, key).removeprefix(b"data: "))


def _middle(peer: Peer, said: str, key: str) -> None:
    _head(peer, "200 OK", "text/event-stream", *_telling(key))
    peer.send(_event(f"It began. {said}", key) + b"data: " + _stated(said, key) + b"\n\n")


def _silent(peer: Peer, said: str, key: str) -> None:
    _head(peer, "200 OK", "text/event-stream", *_telling(key))
    peer.send(_event(f"It began. {said}", key))
    peer.wait_until_left()


def _redirect(peer: Peer, said: str, key: str) -> None:
    _head(peer, "302 Found", "text/plain", f"Location: http://user:{quote(key, safe='')}@127.0.0.1/?access_token={quote(key, safe='')}")
    peer.send(said.encode())


def _raw(form: str) -> Play:
    return lambda peer, said, key: peer.send(form.format(key=key, said=said.replace("\n", " ")).encode("latin-1"))


def _reset(peer: Peer, said: str, key: str) -> None:
    play_pieces(peer, (f"HTTP/1.1 200 OK\r\nX-Key: {key}\r\nX-".encode(), RESET), chunked=False)


FAULTS: Mapping[str, Play] = {
    "as text": _text,
    "then silent": _silent,
    "as text in one piece": _whole,
    "in the middle": _middle,
    "400": _error("400 Bad Request"),
    "500": _error("500 Internal Server Error"),
    "as a page": _page,
    "in headers": _headers,
    "redirected": _redirect,
    "reset": _reset,
    "no HTTP": _raw("{key} {said}\r\n\r\n"),
    "in the status line": _raw("HTTP/1.1 2x0 {key}\r\n\r\n"),
    "in the length of a chunk": _raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n"),
    "in the type": _raw("HTTP/1.1 200 OK\r\nContent-Type: text/{key}\r\nConnection: close\r\n\r\n{said}"),
    "in the encoding": _raw("HTTP/1.1 200 OK\r\nContent-Encoding: {key}\r\nConnection: close\r\n\r\n{said}"),
}


# --- the search ---

# What the page shows, whatever root it is in; but not what stands in a box, for that is the visitor's own typing.
EVERYTHING = """() => {
    const texts = [];
    const look = root => {
        const copy = document.createElement("div");
        copy.append(...[...root.childNodes].map(node => node.cloneNode(true)));
        copy.querySelectorAll("input").forEach(box => box.removeAttribute("value"));
        copy.querySelectorAll("textarea").forEach(box => box.textContent = "");
        texts.push(copy.innerHTML, copy.textContent);
        root.querySelectorAll("*").forEach(one => one.shadowRoot && look(one.shadowRoot));
    };
    look(document.documentElement);
    for (const storage of [localStorage, sessionStorage]) texts.push(JSON.stringify({...storage}), ...Object.values(storage));
    return [...texts, document.cookie, document.title, location.href].join("\\n");
}"""


class Search:
    """Watches a visitor's page, and says which secrets came where: `hits` are (place, secret, step)."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.hits: list[tuple[str, str, str]] = []
        self.searched: dict[str, int] = {}
        self._frames: list[bytes] = []
        self._responses: list[Response] = []

    def watch(self, page: Page) -> None:
        """Keep what comes to this page, and what it says in its console."""
        page.on("websocket", self._listen)
        page.on("response", lambda response: self._responses.append(response))
        page.on("console", lambda said: self.find("console", said.text))

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self._frames.append(frame if isinstance(frame, bytes) else frame.encode()))

    def find(self, place: str, content: bytes | str, step: str = "") -> None:
        """Look for every secret in something."""
        content = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        self.searched[place] = self.searched.get(place, 0) + len(content)
        self.hits += [(place, name, step) for form, name in SOUGHT.items() if form in content]

    def look(self, page: Page, step: str) -> None:
        """Look through everything that this step brought."""
        frames, self._frames = self._frames, []
        self.find("frames", b"\n".join(frames), step)
        self.find("page", page.evaluate(EVERYTHING), step)
        for frame in page.frames[1:]:
            self.find("page", frame.content(), step)
        self.find("cookies", json.dumps(page.context.cookies()), step)
        responses, self._responses = self._responses, []
        for response in responses:
            self.find("headers", json.dumps([response.url, response.headers]), step)
            ours = response.url.startswith(self.site.url) and not response.url.startswith(f"{self.site.url}/static/")
            if ours and response.status == 200 and "/runs/" not in response.url:
                self.find("bodies", self._body(response), step)

    def _body(self, response: Response) -> bytes:
        try:
            return response.body()
        except Error:  # the browser drops what came to a page that was left
            return requests.get(response.url, timeout=20).content

    def look_at_run(self, page: Page, step: str) -> None:
        """Look through a run, as its page and its routes show it."""
        self.look(page, step)
        run = page.url.partition("run=")[2].partition("&")[0]
        for place, query in (("events", "lang=en"), ("events", "lang=zh_CN"), ("recording", ""), ("recording", "from=0")):
            self.find(place, requests.get(f"{self.site.url}/runs/{run}/{place}?{query}", timeout=20).content, step)

    def look_around(self, *folders: Path) -> None:
        """Look through the log, the emulator's log, and what was written below these folders."""
        self.find("log", self.site.log)
        self.find("emulator's log", requests.get(f"{self.site.emulator_url}/_emulator/log", timeout=20).content)
        for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
            if path.name not in (".env", "secrets.toml", "endpoints.toml"):
                self.find("files", path.read_bytes(), path.name)


# --- the visit ---

ROW = """
[[endpoint]]
name = "{name}"
title = "{title}"
group = "Worst"
{fields}
"""
OPENAI = 'provider = "openai"\nmodel = "the-model"\ndialect = "vllm"\nbase_url = "{url}/v1"\ncredentials = {{ key = "${setting}" }}'
QIANFAN = 'provider = "qianfan"\npath = "worst"\nbase_url = "{url}"\ncredentials = {keys}'
# Breaks in a page, in a thread and in a callee, each time with a key in its words.
MISHAP = """
if "mishap" in st.query_params:
    import logging
    import threading

    key = service().settings.values["OPENAI_API_KEY"]

    def break_down():
        raise RuntimeError(f"mishap in a thread: {key}")

    threading.Thread(target=break_down).start()
    try:
        break_down()
    except RuntimeError:
        logging.getLogger("mishaps").exception("mishap that was caught: %s", key)
    raise RuntimeError(f"mishap in a page: {key}")
"""


def app_with_secrets(to: Path, url: str) -> Path:
    """Return a copy of the app that has a secret in everything it reads, and writes down all it can."""
    root = copy_of_app(to)
    bearer = {"bearer": "OPENAI_API_KEY", "known-shape": "OTHER_KEY", "dotenv": "DOTENV_KEY", "secrets": "SECRETS_KEY"}
    rows = {name: OPENAI.format(url=url, setting=setting) for name, setting in bearer.items()}
    pairs = {
        "pair": '{ api_key = "$QIANFAN_AK", secret_key = "$QIANFAN_SK" }',
        "iam": '{ access_key = "$QIANFAN_ACCESS_KEY", secret_key = "$QIANFAN_SECRET_KEY" }',
        "token": '{ access_token = "$QIANFAN_ACCESS_TOKEN" }',
        "written": f'{{ access_token = "{WRITTEN["key in the file"]}" }}',
        "broken": f"{{ access_token = {WRITTEN['key in a row that is no TOML']} }}",
    }
    rows |= {name: QIANFAN.format(url=url, keys=keys) for name, keys in pairs.items()}
    rows["tls"] = QIANFAN.format(url=url.replace("http:", "https:"), keys=pairs["pair"])
    rows["nobody"] = QIANFAN.format(url=f"http://127.0.0.1:{unused_port()}", keys=pairs["pair"])
    (root / "endpoints.toml").write_text("".join(ROW.format(name=name, title=name, fields=fields) for name, fields in rows.items()), encoding="utf-8")
    lines = [*(f"{name}='{value}'" for name, value in DOTENV.items()), f"no line {WRITTEN['line of .env']}"]
    (root / ".env").write_text("\n".join(lines), encoding="utf-8")
    (root / ".streamlit" / "secrets.toml").write_text("\n".join(f"{name} = '{value}'" for name, value in SECRETS.items()), encoding="utf-8")
    with (root / "pages" / "reference.py").open("a", encoding="utf-8") as page:
        page.write(MISHAP)
    with (root / "app.py").open("a", encoding="utf-8") as entry:
        entry.write("\nimport logging\n\nlogging.basicConfig(level=logging.DEBUG)\n")
    return root


class Visitor:
    """Goes through the app, and has everything that comes of it searched."""

    def __init__(self, bench: Bench, search: Search) -> None:
        self.bench = bench
        self.page = bench.page
        self.endpoints = Endpoints(bench.page, bench.url)
        self.search = search

    def run(self, name: str, *faults: str, group: str = "Worst") -> None:
        """Run against an endpoint once for each fault."""
        self.bench.choose(name, group)
        for fault in faults:
            self.bench.type_prompt(fault)
            self.bench.run_anew()
            if fault == "then silent":
                self.bench.wait_streaming("It began.").stop()
            self.bench.wait_ended()
            self.search.look_at_run(self.page, f"{name}, {fault}")

    def view(self, title: str) -> None:
        """Open what stands beside the form."""
        tab = self.page.get_by_role("radio", name=title, exact=True)
        if not tab.is_checked():
            tab.click()
        self.bench.settled()

    def read_code(self, name: str, marks: Mapping[str, str], *proofs: str) -> None:
        """Read the exact request, then the code in the languages that `marks` tells by what is in them; take each along as a file."""
        self.bench.choose(name, "Worst")
        self.view("Exact request")
        expect(self.page.get_by_test_id("stCode").first).to_contain_text("POST ")
        self.search.look(self.page, f"{name}: exact request")
        self.view("Code")
        for proof in proofs or ("",):
            if proof:
                self.page.get_by_role("combobox", name="Authentication").click()
                self.page.get_by_role("option", name=proof, exact=True).click()
            for language, mark in marks.items():
                self.view(language)
                expect(self.page.get_by_test_id("stCode").last).to_contain_text(mark)
                with self.page.expect_download() as download:
                    self.page.get_by_role("button", name="Download").click()
                self.search.find("downloads", download.value.path().read_bytes(), f"{name}: {language}, {proof}")
                self.search.look(self.page, f"{name}: {language}, {proof}")

    def paste(self, text: str, words: str) -> None:
        """Paste to fill."""
        self.view("Paste to fill")
        self.page.get_by_placeholder("Paste a curl command").fill(text)
        self.page.get_by_placeholder("Paste a curl command").press("Tab")
        self.page.get_by_role("button", name="Fill the form").click()
        expect(self.page.get_by_text(words)).to_be_visible()
        self.search.look(self.page, f"pasted: {words}")

    def keep_preset(self) -> None:
        """Save what is set as a preset, and take it along as a file."""
        self.page.get_by_test_id("stPopover").get_by_role("button").click()
        box = self.page.get_by_placeholder("Name of a new preset")
        box.fill("mine")
        box.press("Tab")
        self.bench.settled()
        self.page.get_by_role("button", name="Save as new").click()
        expect(self.page.get_by_role("combobox", name="Preset")).to_have_value("mine")
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Export").click()
        self.search.find("downloads", download.value.path().read_bytes(), "presets")
        self.page.keyboard.press("Escape")
        self.search.look(self.page, "preset")

    def share(self) -> str:
        """Share the set-up and the answer, and look through what these links hold; return the one to the answer."""
        self.page.get_by_role("button", name="Share", exact=True).click()
        menu = self.page.get_by_role("dialog")
        code = menu.get_by_test_id("stCode")
        menu.get_by_role("radio", name="This set-up").click()
        expect(code).to_contain_text("#setup=")
        packed = code.inner_text().replace("\n", "").partition("#setup=")[2].strip()
        self.search.find("links", json.dumps(asdict(read_setup(packed)[0])), "set-up link")
        menu.get_by_role("radio", name="This answer").click()
        menu.get_by_role("button", name="Make the link").click()
        expect(code).to_contain_text("/s/")
        link = code.inner_text().strip()
        self.search.look(self.page, "sharing")
        self.page.keyboard.press("Escape")
        self.search.find("links", requests.get(link, timeout=20).content, "preview")
        return link

    def look_at_wire(self) -> None:
        """Look at the wire below the answer, all of it."""
        self.bench.details("Wire")
        for name in ("request", "response"):
            self.bench.sheet.locator(f".fold.{name} summary").click()
        self.bench.rows.first.click()
        self.search.look(self.page, "the wire")

    def save_recordings(self) -> None:
        """Save the runs of this session as a file, and replay the last."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Recordings").click()
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Save all as one file").click()
        self.search.find("downloads", download.value.path().read_bytes(), "recordings")
        self.page.locator("[class*=st-key-replay-] button").first.click()
        expect(self.page.get_by_text("made ")).to_be_visible()
        self.bench.settled()
        self.search.look(self.page, "replay")

    def go(self, address: str) -> None:
        """Go somewhere by an address."""
        self.page.goto(address)
        expect(self.page.get_by_role("heading").or_(self.bench.go).first).to_be_visible()
        self.bench.settled()
        self.search.look(self.page, address)

    def break_down(self) -> None:
        """Make the app fail, on a page that does so on purpose."""
        self.go(f"{self.bench.url}/reference?mishap")
        expect(self.page.get_by_text("This app has encountered an error.")).to_be_visible()
        self.search.look(self.page, "mishap")

    def try_endpoints(self, *names: str) -> None:
        """Test these endpoints."""
        self.endpoints.follow()
        for name in names:
            self.endpoints.test(name)
            self.search.look(self.page, f"test of {name}")

    def probe(self, name: str) -> None:
        """Look at the details, and ask which parameters act."""
        card = self.endpoints.details(name)
        card.get_by_role("button", name="Start asking").click()
        expect(card.get_by_text("not tested", exact=True)).to_have_count(5)
        self.search.look(self.page, f"probe of {name}")
        self.endpoints.details(name)

    def refused(self, fields: Mapping[str, str], words: str) -> None:
        """Fill in the form with something it does not take."""
        self.endpoints.add(fields)
        expect(self.page.get_by_text(words)).to_be_visible()
        self.search.look(self.page, f"refused: {words}")

    def added(self, name: str, fields: Mapping[str, str]) -> None:
        """Add an endpoint of his own."""
        self.endpoints.add({"Name": name, **fields})
        expect(self.endpoints.card(name)).to_be_visible()
        expect(self.endpoints.field("Name")).to_have_value("")
        self.search.look(self.page, f"added: {name}")


CURL = f"""curl -X POST 'https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/yi_34b?access_token={PASTED["address"]}' \\
  -u someone:{PASTED["user"]} -H 'Authorization: Bearer {PASTED["header"]}' -d '{{"prompt": "Pasted", "api_key": "{PASTED["body"]}"}}'"""
OPENAI_CODE = {"curl": "curl -sS", "Python (requests)": "import requests"}
QIANFAN_CODE = {**OPENAI_CODE, "Python SDK": "import qianfan", "Go SDK": "package main", "Java SDK": "public class", "Node.js SDK": "@baiducloud"}
OWN = "Your own, for this session"


@pytest.fixture
def worst_server() -> Iterator[Worst]:
    with Worst() as server:
        yield server


@pytest.fixture
def start(serve: Serve, visit: Visit, worst_server: Worst, tmp_path: Path) -> Callable[..., Visitor]:
    """Return a function that serves a copy of the app, perhaps with something changed in it, and opens it."""

    def started(changed: str = "", to: str = "") -> Visitor:
        root = app_with_secrets(tmp_path / "copy", worst_server.url)
        if changed:
            with (root / changed).open("a", encoding="utf-8") as module:
                module.write(to)
        site = serve(root, STREAMLIT_LOGGER_LEVEL="debug", XDG_CACHE_HOME=str(tmp_path / "cache"), PLAYGROUND_RUNS_PER_VISITOR="5", **ENVIRONMENT)
        bench = visit(site, expects=("Failed to load resource", "The page that you have requested"))
        search = Search(site)
        search.watch(bench.page)
        return Visitor(bench.open(), search)

    return started


def test_no_secret_leaves_by_any_way_out(start: Callable[..., Visitor], worst_server: Worst, tmp_path: Path):
    visitor = start()
    bench, search, site, url = visitor.bench, visitor.search, visitor.search.site, worst_server.url
    search.look(bench.page, "start")

    visitor.run("bearer", *FAULTS)
    bench.open()
    for name in ("pair", "iam", "token"):
        visitor.run(name, "in the middle")
    visitor.run("iam", "as text")
    visitor.look_at_wire()
    snapshots = [visitor.share()]

    visitor.read_code("bearer", OPENAI_CODE)
    visitor.read_code("pair", QIANFAN_CODE, "Access token", "IAM signature")
    visitor.paste(CURL, "The form is filled.")
    visitor.paste(f"Bearer {PASTED['header']}", "No request was found in the paste.")
    visitor.keep_preset()

    visitor.try_endpoints("bearer", "known-shape", "dotenv", "secrets", "pair", "iam", "token", "tls", "nobody")
    visitor.probe("pair")

    visitor.endpoints.form()
    place = {"Model": "m", "Base URL": f"{url}/v1"}
    visitor.refused({**place, "Name": "x", "Key, where it wants one": TYPED["with a blank"]}, "holds a character that no key has")
    with_user = url.replace("//", f"//user:{TYPED['in the base URL']}@")
    visitor.refused({**place, "Name": "x", "Base URL": with_user, "Key, where it wants one": TYPED["key"]}, "holds a user name")
    for name in ("key", "bce-v3"):
        visitor.added(f"own {name}", {**place, "Key, where it wants one": TYPED[name]})
    place = {"Address of the service": "worst", "Base URL": url}
    for name, base_url, way, keys in (
        ("own pair", url, "", {"API key": "api_key", "Secret key": "secret_key"}),
        ("own emulator", site.emulator_url, "", {"API key": "api_key", "Secret key": "secret_key"}),
        ("own iam", url, "IAM keys", {"Access key": "access_key", "Secret key": "iam_secret"}),
        ("own token", url, "Access token", {"Access token": "token"}),
    ):
        visitor.endpoints.choose_wire("Qianfan service")
        if way:
            visitor.endpoints.choose("Authentication", way)
        visitor.added(name, {**place, "Base URL": base_url, **{label: TYPED[key] for label, key in keys.items()}})
    own = ("own key", "own bce-v3", "own pair", "own emulator", "own iam", "own token")
    visitor.try_endpoints(*own)
    visitor.endpoints.page.get_by_role("link", name="Bench").click()
    bench.ready()
    for name in ("own key", "own pair", "own iam", "own token"):
        visitor.run(name, "as text", group=OWN)
    link = bench.page.url
    snapshots.append(visitor.share())
    visitor.endpoints.follow().card("own key").get_by_role("button", name="delete").click()
    expect(visitor.endpoints.card("own key")).to_have_count(0)
    search.look(bench.page, "removed")
    visitor.save_recordings()
    for address in (link, *snapshots, f"{site.url}/endpoints", f"{site.url}/reference", f"{site.url}/nowhere"):
        visitor.go(address)
    bench.page.route("**/runs/**", lambda route: route.abort())
    visitor.go(link)
    expect(bench.state).to_have_text("Finished")
    search.look(bench.page, "by data")
    visitor.break_down()
    search.look_around(tmp_path / "copy", tmp_path / "cache")
    for path in tmp_path.glob("app.sqlite3*"):
        search.find("database", path.read_bytes())

    assert all(words in site.log for words in ("DEBUG", "mishap in a page", "mishap in a thread", "mishap that was caught", "Traceback"))
    for place in ("frames", "page", "headers", "bodies", "events", "recording", "downloads", "links", "database", "log", "emulator's log", "files"):
        assert search.searched[place]
    sent = {*ENVIRONMENT.values(), *DOTENV.values(), *SECRETS.values(), *TYPED.values(), FETCHED["token"]}
    never_sent = {ENVIRONMENT["PLAYGROUND_SALT"], ENVIRONMENT["QIANFAN_SECRET_KEY"]}
    never_sent |= {TYPED[name] for name in ("iam_secret", "in the base URL", "with a blank")}
    assert worst_server.shown == sent - never_sent
    assert search.hits == []


@pytest.mark.parametrize(
    ("changed", "to", "found"),
    [
        ("playground/redaction.py", "\n\ndef redact(text):\n    return text\n", {"frames", "page", "events", "log"}),
        ("playground/redaction.py", "\n\ndef masking(secrets):\n    return str\n\n\ndef guard_logs():\n    pass\n", {"page", "events", "log"}),
    ],
    ids=["redact", "masking and guard_logs"],
)
def test_without_one_redaction_the_search_finds_secrets(start: Callable[..., Visitor], tmp_path: Path, changed: str, to: str, found: set[str]):
    visitor = start(changed, to)
    visitor.run("bearer", "in the middle")
    visitor.try_endpoints("bearer")
    visitor.break_down()
    visitor.search.look_around(tmp_path / "copy")
    assert {place for place, secret, _step in visitor.search.hits if secret == "OPENAI_API_KEY"} == found
