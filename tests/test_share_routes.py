"""The route of a shared link, served by a real server: what previews read, where a browser is led, and what a link that is over says."""

import contextlib
import html
import http.client
import re
import socket
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
import uvicorn
from sqlalchemy import text
from starlette.applications import Starlette

from playground import sharing as module
from playground.completion import CompletionRequest, Ending, Sentence
from playground.endpoints import Endpoint
from playground.errors import PlaygroundError
from playground.message import message
from playground.redaction import Secret
from playground.run import Run
from playground.service import Service, close_service, open_service
from playground.settings import Settings
from playground.setup_link import Setup
from playground.share_routes import share_routes
from playground.sharing import DAY, Link, Sharing

HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='x", "</title><meta http-equiv=refresh content='0;url=//evil'>",
    "&lt;b&gt;",
    "a\x00b\r\nSet-Cookie: x\u2028c", "\u202egnp.exe", "{title} {0} %s", "中文标题🙂",
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=[*share_routes(), *share_routes("/under/base/")])
    server = uvicorn.Server(uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listener.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    yield open_service(Settings(values={}, database=Secret(f"sqlite:///{tmp_path / 'links.sqlite3'}")))
    close_service()


@pytest.fixture
def sharing(service: Service) -> Sharing:
    assert service.sharing is not None
    return service.sharing


def snapshot(sharing: Sharing, *, title: str = "A title", prompt: str = "A prompt", text: str = "An answer", lasts: float | None = None) -> Link:
    endpoint = Endpoint(name="x", title="x", group="g", note=message("n"))
    request = CompletionRequest(prompt=prompt)
    run = Run.past("0" * 32, 1763800000, endpoint, request, "v", [Sentence(text=text, index=0)], Ending.FINISHED, 1.0)
    return sharing.share_run("v", run, title=title, lasts=lasts)


def ask(port: int, path: str, method: str = "GET", language: str = "en") -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, headers={"Accept-Language": language})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers


class Page(HTMLParser):
    """What a program that reads previews sees of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.metas: dict[str, str] = {}
        self.links: list[str] = []
        self.tags: list[str] = []
        self.title = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        fields = dict(attrs)
        if tag == "meta":
            name = fields.get("property") or fields.get("name") or fields.get("http-equiv") or "charset"
            assert name not in self.metas
            self.metas[name] = fields.get("content") or ""
        if tag == "a":
            self.links.append(fields["href"] or "")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "title" and not self.title:
            self.title = data


def test_a_preview_reads_title_and_excerpt(port: int, sharing: Sharing):
    link = snapshot(sharing, prompt="Introduce 北京", text=" Beijing is\nthe capital.")
    status, body, _ = ask(port, f"/s/{link.id}")
    page = Page(body)
    assert status == 200
    assert page.title == page.metas["og:title"] == page.metas["twitter:title"] == "A title"
    assert page.metas["og:description"] == page.metas["description"] == page.metas["twitter:description"] == "Introduce 北京 → Beijing is the capital."
    assert page.metas["og:site_name"] == "Completion playground"
    assert "noindex" in page.metas["robots"]
    assert '<html lang="en">' in body


@pytest.mark.parametrize("base", ["", "/under/base"])
def test_a_browser_is_led_on_by_an_address_that_no_proxy_can_make_wrong(port: int, sharing: Sharing, base: str):
    link = snapshot(sharing)
    kept = sharing.share_setup("v", Setup(prompt="Some prompt", parameters={}, title="Yi-34B"), lasts=None)
    for one, wanted in ((link, f"{base}/snapshot?id={link.id}"), (kept, f"{base}/?setup={kept.id}")):
        path = f"{base}/s/{one.id}"
        page = Page(ask(port, path)[1])
        seconds, _, address = page.metas["refresh"].partition("; url=")
        assert seconds == "0"
        assert [urljoin(path, to) for to in (address, *page.links)] == [wanted, wanted]
    assert page.title == "Yi-34B" and page.metas["og:description"] == "Some prompt"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_stranger_becomes_markup(port: int, sharing: Sharing, text: str):
    link = snapshot(sharing, title=text, prompt=text * 40, text=text * 40)
    status, body, headers = ask(port, f"/s/{link.id}")
    page = Page(body)
    assert status == 200
    assert set(page.tags) == {"html", "head", "meta", "title", "style", "body", "h1", "p", "a"}
    assert page.metas["refresh"] == f"0; url=../snapshot?id={link.id}"
    assert len(page.links) == 1
    shown = [page.title, page.metas["og:title"], page.metas["og:description"]]
    assert all(len(one) <= 300 and not re.search(r"[\x00-\x08\x0e-\x1f\u202e\u2028]", one) for one in shown)
    plain = re.sub(r"[\s\x00-\x1f\u202e\u2028]+", "", text)
    assert re.sub(r"\s+", "", page.title) == plain, "but for what cannot be seen it is shown letter by letter"
    assert "set-cookie" not in {name.lower() for name in headers}


def test_an_untitled_snapshot_has_words_of_its_own(port: int, sharing: Sharing):
    link = snapshot(sharing, title="", prompt="", text="")
    page = Page(ask(port, f"/s/{link.id}")[1])
    assert page.title == page.metas["og:description"] == "Snapshot of an answer"


@pytest.mark.parametrize("state", ["open", "revoked", "unknown"])
def test_every_answer_is_neither_kept_nor_run_nor_told_on(port: int, sharing: Sharing, state: str):
    link = snapshot(sharing)
    if state == "revoked":
        sharing.revoke("v", link.id)
    headers = ask(port, f"/s/{link.id if state != 'unknown' else '0' * 32}")[2]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Robots-Tag"] == "noindex, nofollow"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and "script-src" not in policy
    assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("link_id", ["0" * 32, "x", "..%2f..", "%00", "' or 1=1", "%F0%9F%99%82", "9" * 5000])
def test_an_id_that_never_was_is_not_found(port: int, sharing: Sharing, link_id: str):
    snapshot(sharing)
    status, body, _ = ask(port, f"/s/{link_id.replace(' ', '%20')}")
    assert status == 404
    if "%2f" not in link_id:
        assert "There is no such link." in html.unescape(body)


def test_a_link_that_is_over_is_gone_in_words_and_says_nothing_of_what_it_held(port: int, sharing: Sharing, monkeypatch: pytest.MonkeyPatch):
    revoked, expired = snapshot(sharing, title="Secret title"), snapshot(sharing, prompt="Secret prompt", lasts=DAY)
    sharing.revoke("v", revoked.id)
    monkeypatch.setattr(module, "now", lambda: expired.made + DAY)
    for link, words in ((revoked, "This link was revoked by whoever made it."), (expired, "The time of this link is over.")):
        status, body, _ = ask(port, f"/s/{link.id}")
        page = Page(body)
        assert status == 410
        assert page.title == words
        assert "refresh" not in page.metas and page.links == ["../"]
        assert "Secret" not in body


@pytest.mark.parametrize(
    ("wanted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"), ("zh", "zh-CN"), ("en-GB,zh;q=0.5", "en"), ("fr", "en"), ("", "en"), (",;q", "en")],
)
def test_words_are_in_the_language_that_the_browser_names_first(port: int, sharing: Sharing, wanted: str, language: str):
    assert f'<html lang="{language}">' in ask(port, f"/s/{'0' * 32}", language=wanted)[1]


def test_the_head_alone_can_be_asked_for_and_nothing_can_be_sent(port: int, sharing: Sharing):
    link = snapshot(sharing)
    status, body, headers = ask(port, f"/s/{link.id}", "HEAD")
    assert (status, body) == (200, "") and int(headers["Content-Length"]) > 500
    sharing.revoke("v", link.id)
    assert ask(port, f"/s/{link.id}", "HEAD")[:2] == (410, "")
    assert [ask(port, f"/s/{link.id}", method)[0] for method in ("POST", "PUT", "DELETE")] == [405, 405, 405]


def test_a_preview_is_no_opening(port: int, sharing: Sharing):
    link = snapshot(sharing)
    ask(port, f"/s/{link.id}")
    assert [one.opens for one in sharing.links("v")] == [0]


def test_without_a_database_it_is_said_that_nothing_is_kept(port: int):
    open_service(Settings(values={}))
    try:
        status, body, _ = ask(port, f"/s/{'0' * 32}")
    finally:
        close_service()
    assert status == 404
    assert "This server keeps nothing" in body


def test_while_the_database_does_not_answer_that_is_said_and_no_link_is_called_unknown(port: int, service: Service, sharing: Sharing):
    link = snapshot(sharing)
    assert service.database is not None
    with service.database.begin() as connection:
        connection.execute(text("ALTER TABLE shared RENAME TO away"))
    status, body, headers = ask(port, f"/s/{link.id}")
    assert status == 503 and "does not answer" in body and headers["Retry-After"]
    for asked in (
        lambda: sharing.find(link.id), lambda: sharing.links("v"), lambda: sharing.run(link), lambda: sharing.revoke("v", link.id),
        lambda: sharing.share_setup("v", Setup(prompt="x"), lasts=None),
    ):
        with pytest.raises(PlaygroundError, match="does not answer"):
            asked()
    sharing.count_open(link.id)  # what cannot be counted keeps nobody from reading
