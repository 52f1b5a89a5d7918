"""Every endpoint that fails on purpose ends in words, and what had come by then stays. Leaves a picture of each in build/."""

import re

import pytest
from playwright.sync_api import expect

from playground.endpoints import FAULTS
from tests.browser.bench import Bench
from tests.browser.serving import ROOT

pytestmark = pytest.mark.browser
FERRY = (
    "The ferry left the island before the fog came down.",
    " Nobody on board had thought to bring a lamp,",
    " so the captain counted the bells until the harbour answered.",
)
WHOLE = "".join(FERRY)
CHINESE = "渡船在起雾之前离开了小岛，船上没有人带灯，船长数着钟声回到了港口。"

# Ending, text, and what the words beneath must hold. None: see that test's own lines.
EXPECTED: dict[str, tuple[str, str | None, str]] = {
    "echo": ("Finished", None, ""),
    "cut_mid_event": ("End not confirmed", FERRY[0], "The connection was lost in the middle of"),
    "cut_without_end": ("End not confirmed", FERRY[0] + FERRY[1], "stopped after sentence 2 without an end mark"),
    "error_json": ("Failed", "", "code "),
    "error_mid_stream": ("Failed", FERRY[0] + FERRY[1], "code 336000"),
    "html_502": ("Failed", "", "HTTP status 502"),
    "split_characters": ("Finished", CHINESE, ""),
    "crlf": ("Finished", WHOLE, ""),
    "unchunked": ("Finished", WHOLE, ""),
    "busy": ("Failed", "", "code "),
    "expired_token": ("Finished", None, ""),
    "unsafe": ("Finished", None, ""),
    "slow": ("Stopped", None, "Stopped by you."),
    "silent": ("Stopped", "", "Stopped by you."),
    "endless": ("Stopped", None, "Stopped by you."),
    "loop": ("Stopped", None, "Stopped by you."),
}


def test_each_fault_is_expected_here():
    assert set(EXPECTED) == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_in_words(staying: Bench, name: str):
    ending, text, words = EXPECTED[name]
    bench = staying.fault(name).run_anew()
    if ending == "Stopped":
        if name != "silent":
            bench.wait_streaming()
        bench.screenshot(ROOT / "build" / "screenshots" / f"fault-{name}-running.png")
        expect(bench.go).to_be_enabled()
        bench.stop()
    bench.wait_ended()
    assert bench.ending() == ending
    if text is not None:
        assert bench.answer_text() == text
    said = bench.note.inner_text()
    assert words in said if words else said == ""
    assert not re.search(r"Traceback|None|undefined|\{|\[object|<html|Error:", said + bench.status_text())
    assert not re.search("error_code|error_msg", bench.answer_text()), "an error is never model text"
    if name == "unsafe":
        assert "input flagged as unsafe" in bench.status_text()
    expect(bench.go).to_contain_text("Run")
    expect(bench.page.get_by_test_id("stException")).to_have_count(0)
    bench.settled()
    bench.screenshot(ROOT / "build" / "screenshots" / f"fault-{name}.png")
