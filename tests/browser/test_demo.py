"""A demo link in two browsers: the owner mints it, a visitor uses it up, sees what is left and is refused in words. The key stays here."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocket, expect

from playground.passwords import hash_password
from tests.browser.bench import Bench
from tests.scripted_server import HANG, ScriptedServer, reply

pytestmark = pytest.mark.browser
PASSWORD = "the owner's long password"
KEY, SETTING = "sk-canary-of-the-demo-0123456789", "ACME_CANARY_KEY"
ENDPOINT = """
[[endpoint]]
name = "paid"
title = "The model"
group = "Paid for"
provider = "openai"
base_url = "{url}/v1"
model = "the-model"
credentials = {{ key = "${setting}" }}
price = {{ prompt = 0.004, completion = 0.008, currency = "CNY" }}
"""
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def chunk(text: str, finish_reason: str | None = None, **fields: object) -> bytes:
    return f"data: {json.dumps({'choices': [{'text': text, 'index': 0, 'finish_reason': finish_reason}], **fields})}\n\n".encode()


LAST = f'data: {json.dumps({"choices": [], "usage": USAGE})}\n\n'.encode()
WHOLE = reply(chunk(" by"), chunk(" the sea"), chunk("", "stop"), LAST, b"data: [DONE]\n\n")
ENDLESS = reply(chunk(" on and on"), HANG)


class Heard:
    """All that came to a browser: what the page says, and every frame and answer."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pieces: list[bytes] = []
        page.on("websocket", self._listen)
        page.on("response", self._keep)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self._pieces.append(frame if isinstance(frame, bytes) else frame.encode()))

    def _keep(self, answer) -> None:
        if "/runs/" not in answer.url and answer.request.resource_type in ("document", "fetch", "xhr"):
            self._pieces.append(answer.body())

    def everything(self) -> bytes:
        return b"\n".join([*self._pieces, self._page.content().encode()])


@pytest.fixture
def demo(serve, visit, tmp_path: Path):
    """Return a function that starts a closed site with a paid endpoint, mints a link as its owner, and returns his page and the link."""
    servers: list[ScriptedServer] = []

    def minted(*scripts, caps: dict[str, str]) -> tuple[Page, str, object]:
        servers.append(ScriptedServer(*scripts).__enter__())
        file = tmp_path / "endpoints.toml"
        file.write_text(ENDPOINT.format(url=servers[-1].url, setting=SETTING), encoding="utf-8")
        site = serve(
            PLAYGROUND_ENDPOINTS=str(file), PLAYGROUND_ACCESS="demo", PLAYGROUND_ADMIN_PASSWORD_HASH=hash_password(PASSWORD), **{SETTING: KEY}
        )
        owner = visit(site, expects=("/admin/_stcore/",)).page
        owner.goto(site.url + "/admin")
        owner.get_by_label("Password", exact=True).fill(PASSWORD)
        owner.get_by_role("button", name="Log in").click()
        expect(owner.get_by_text("A new link")).to_be_visible()
        owner.get_by_label("Title", exact=True).fill("For the workshop")
        owner.get_by_label("Title", exact=True).press("Tab")
        box = owner.get_by_role("combobox", name=re.compile("Endpoints"))
        box.click()
        owner.get_by_role("option", name="The model · Paid for").click()
        owner.keyboard.press("Escape")
        owner.get_by_label("Fixed first part of every prompt", exact=True).fill("Say where: ")
        for label, value in caps.items():
            field = owner.get_by_label(label, exact=True)
            field.fill(value)
            field.press("Tab")
        make = owner.get_by_role("button", name="Make the link")
        expect(owner.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
        make.click()
        link = owner.get_by_test_id("stCode").first
        expect(link).to_contain_text("?demo=")
        return owner, link.inner_text().strip().replace("\n", ""), site

    yield minted, servers
    for server in servers:
        server.__exit__(None, None, None)


def strip(page: Page):
    return page.locator(".strip")


def test_a_visitor_uses_a_link_up_sees_what_is_left_and_is_refused_in_words(demo, visit):
    minted, servers = demo
    owner, link, site = minted(WHOLE, caps={"Runs, in all": "3", "Runs, each visitor": "2"})
    bench: Bench = visit(site)
    heard = Heard(bench.page)
    bench.page.goto(link)
    bench.ready()
    expect(strip(bench.page)).to_contain_text("For the workshop")
    expect(strip(bench.page).locator(".prefix .text")).to_have_text("Say where:")
    expect(strip(bench.page).get_by_role("meter", name="Runs, you")).to_have_attribute("aria-valuetext", "2 left of 2")
    assert bench.page.get_by_test_id("stSidebarNavLink").all_inner_texts()[0].endswith("Bench")
    assert not any("Endpoints" in one for one in bench.page.get_by_test_id("stSidebarNavLink").all_inner_texts())
    bench.type_prompt("I live")
    bench.run().wait_ended()
    assert bench.answer_text() == " by the sea" and bench.prompt.input_value() == "I live"
    assert servers[0].requests[0].fields["prompt"] == "Say where: I live"
    expect(strip(bench.page).get_by_role("meter", name="Runs, you")).to_have_attribute("aria-valuetext", "1 left of 2")
    expect(strip(bench.page).get_by_role("meter", name="Runs, in all")).to_have_attribute("aria-valuetext", "2 left of 3")

    bench.page.reload()
    bench.ready()
    expect(bench.prompt).to_have_value("I live")
    assert "demo=" in bench.page.url
    bench.page.get_by_text("Exact request", exact=True).click()
    expect(bench.page.get_by_test_id("stCode").nth(1)).to_contain_text("Say where: I live")
    bench.page.get_by_text("Code", exact=True).click()
    expect(bench.page.get_by_test_id("stCode").first).to_contain_text("Say where: I live")
    bench.run_anew().wait_ended()
    expect(strip(bench.page)).to_contain_text("You have used up your 2 runs of this demo.")
    expect(strip(bench.page)).not_to_contain_text("Nothing was sent")
    bench.run().wait_refused("You have used up your 2 runs of this demo.")
    bench.run().wait_refused("You have used up your 2 runs of this demo.")
    assert bench.answer_text() == " by the sea", "what was there stays"

    other: Bench = visit(site)
    other.page.goto(link)
    other.ready().type_prompt("I live")
    other.run().wait_ended()
    other.run().wait_refused("All 3 runs of this demo are used up.")
    assert len(servers[0].requests) == 3
    expect(owner.get_by_text("3 of 3")).to_be_visible()
    expect(owner.get_by_text("a visitor's budget used up")).to_be_visible()
    assert servers[0].requests[0].headers["authorization"] == f"Bearer {KEY}"
    said = heard.everything()
    assert b"For the workshop" in said and KEY.encode() not in said and SETTING.encode() not in said

    plain: Bench = visit(site).open()
    plain.choose("The model", "Paid for", mark="○")
    expect(plain.page.get_by_text("This endpoint can be used by a demo link only.")).to_be_visible()
    plain.type_prompt("I live")
    plain.run().wait_refused("by a demo link only")
    assert len(servers[0].requests) == 3


def test_the_owner_stops_a_link_and_the_run_that_goes_on_by_it(demo, visit):
    minted, servers = demo
    owner, link, site = minted(ENDLESS, caps={"Runs, in all": "3"})
    bench: Bench = visit(site)
    bench.page.goto(link)
    bench.ready().type_prompt("It goes")
    bench.run().wait_streaming("on and on")
    expect(strip(bench.page).get_by_role("meter", name="Runs, in all")).to_have_attribute("aria-valuetext", "2 left of 3")
    expect(owner.get_by_text("For the workshop").nth(1)).to_be_visible()
    owner.get_by_role("button", name="Stop it").click()
    bench.wait_ended()
    expect(bench.note).to_contain_text("Stopped because the owner of this demo stopped it.")
    assert bench.answer_text() == " on and on"
    assert servers[0].client_left.wait(10)
    bench.run().wait_refused("This demo has been stopped by its owner.")
    bench.page.goto(site.url + "/?demo=" + "0" * 32)
    expect(strip(bench.page)).to_contain_text("This demo link is not known here.")
