"""What a run costs a visitor's line: each sentence crosses once, and around it the sheet alone is drawn again; unless more has changed."""

import base64
import json
import re
import threading
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bench import Bench
from tests.browser.test_cost import DONE, ENDPOINT, GROUP, TITLE, USAGE, chunk
from tests.scripted_server import ScriptedServer, reply

pytestmark = pytest.mark.browser
TEXT = "thirty characters of sentences"
SENTENCES = 667
ANSWER = reply(
    b"".join(chunk(TEXT) for _ in range(SENTENCES)), chunk("", "stop"), f'data: {json.dumps({"choices": [], "usage": USAGE})}\n\n'.encode(), DONE
)


class Line:
    """Counts what comes to a page from now on, over HTTP and over the websocket, in bytes."""

    def __init__(self, page: Page) -> None:
        self.bytes = 0
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        wire.on("Network.dataReceived", lambda event: self._count(event["encodedDataLength"]))
        wire.on("Network.webSocketFrameReceived", lambda event: self._count(len(base64.b64decode(event["response"]["payloadData"]))))

    def _count(self, length: int) -> None:
        self.bytes += length


def test_a_run_brings_the_browser_at_most_twice_and_a_half_its_text(serve, visit, tmp_path):
    with ScriptedServer(ANSWER) as upstream:
        file = tmp_path / "endpoints.toml"
        file.write_text(ENDPOINT.format(title=TITLE, group=GROUP, url=upstream.url), encoding="utf-8")
        bench = visit(serve(PLAYGROUND_ENDPOINTS=str(file))).open().choose(TITLE, GROUP)
        line = Line(bench.page)
        bench.go.click()
        expect(bench.state).to_have_text("Finished")
        expect(bench.page.get_by_test_id("stSidebar").get_by_test_id("stCaptionContainer")).to_contain_text("¥")
        bench.settled()
    assert bench.answer.text_content() == TEXT * SENTENCES
    assert len(TEXT) * SENTENCES < line.bytes < 2.5 * len(TEXT) * SENTENCES


def test_the_end_stays_in_sight_however_fast_lines_come(serve, visit, tmp_path):
    goes = [threading.Event() for _ in range(120)]
    script = reply(*(part for go in goes for part in (chunk("line\n\nline\n\n"), go)), chunk("", "stop"), DONE)
    with ScriptedServer(script) as upstream:
        file = tmp_path / "endpoints.toml"
        file.write_text(ENDPOINT.format(title=TITLE, group=GROUP, url=upstream.url), encoding="utf-8")
        bench = visit(serve(PLAYGROUND_ENDPOINTS=str(file))).open().choose(TITLE, GROUP)
        bench.run().wait_streaming("line")
        for go in goes:  # several of them in a frame, and not in step with frames
            go.set()
            time.sleep(0.005)
        bench.wait_ended()
    rest = bench.sheet.locator(".scroll").evaluate("box => box.scrollHeight - box.clientHeight - box.scrollTop")
    assert rest <= 1
    expect(bench.sheet).not_to_have_class(re.compile(r"\bloose\b"))


def test_what_is_switched_in_the_same_moment_as_run_is_sent_and_drawn(bench: Bench):
    bench.fault("echo")
    switch = bench.group("top_p").locator("input[type=checkbox]")
    switch.evaluate("(switched, go) => { switched.click(); go.click(); }", bench.go.element_handle())
    expect(bench.box("top_p")).to_be_enabled()
    bench.wait_ended()
    assert bench.echoed()["body"]["top_p"] == 0.8


def test_what_is_pressed_in_the_same_moment_as_run_is_heard(bench: Bench):
    bench.page.get_by_role("button", name="Share").evaluate("(share, go) => { share.click(); go.click(); }", bench.go.element_handle())
    expect(bench.page.get_by_role("dialog")).to_contain_text("This set-up")
    bench.wait_ended()
