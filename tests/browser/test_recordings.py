"""Recordings in a browser: dropped on the page, played at any pace without losing text, saved, linked, and taken to the bench."""

import json
import re
import statistics
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Download, Locator, Page, expect

from components.recording_shipped import shipped_recording
from playground.completion import Ending
from playground.examples import EXAMPLES
from playground.recording import Recording, WireEvent, read_recordings, write_recording
from tests.browser.bench import Bench
from tests.browser.serving import Site

pytestmark = pytest.mark.browser
YI = shipped_recording("yi_34b")
TEXT = "".join(event["result"] for event in EXAMPLES["yi_34b"].stream)
WIDE, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


class Recordings(Bench):
    """The page of recordings; its sheet is the bench's."""

    def follow(self) -> "Recordings":
        """Go there by the link, in the same session."""
        self.page.get_by_test_id("stSidebarNav").locator("a[href$='/recordings']").evaluate("link => link.click()")
        expect(self.page.get_by_test_id("stFileUploader")).to_be_visible()
        self.settled()
        return self

    def drop(self, *recordings: Recording | bytes, name: str = "recorded.jsonl") -> "Recordings":
        """Drop a file of these on the page."""
        content = b"".join(one if isinstance(one, bytes) else written(one) for one in recordings)
        self.page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "application/x-ndjson", "buffer": content})
        return self

    def shipped(self, name: str) -> "Recordings":
        """Open one of the answers that come with the app."""
        self.page.locator("[class*=st-key-shipped-]").get_by_role("button", name=name).click()
        return self

    def press(self, name: str) -> "Recordings":
        """Press one of the controls."""
        self.page.locator(".st-key-transport").get_by_role("button", name=name).first.click()
        return self

    def pace(self, name: str) -> "Recordings":
        """Choose a speed."""
        self.page.locator(".st-key-transport").get_by_text(name, exact=True).click()
        return self

    def begun_after(self, run_id: str) -> "Recordings":
        """Wait until the sheet shows a newer run than this one, and the page is quiet."""
        expect(self.link).not_to_have_attribute("href", re.compile(run_id))
        self.settled()
        return self

    @property
    def link(self) -> Locator:
        """The link of the run in the sheet."""
        return self.page.get_by_role("link", name="This replay by its link")

    @property
    def run_id(self) -> str:
        """The run in the sheet, as its link names it."""
        found = re.search(r"run=(\w+)", self.link.get_attribute("href") or "")
        assert found
        return found[1]

    def saved(self, key: str) -> bytes:
        """Press a button that saves, and return the file."""
        with self.page.expect_download() as waiting:
            self.page.locator(f"[class*=st-key-{key}] button:visible").first.click()
        return content_of(waiting.value)


def content_of(download: Download) -> bytes:
    return Path(download.path()).read_bytes()


def written(recording: Recording) -> bytes:
    return "".join(write_recording(recording)).encode()


@pytest.fixture
def recordings(visit) -> Recordings:
    bench = visit().open()
    return Recordings(bench.page, bench.url).follow()


def assert_whole(recordings: Recordings) -> None:
    recordings.wait_ended()
    assert (recordings.answer_text(), recordings.ending()) == (TEXT, "Finished")
    assert "6 + 372 = 378 tokens" in recordings.status_text()


def events_of(site: Site, run_id: str) -> list[WireEvent]:
    lines = [json.loads(line) for line in requests.get(f"{site.url}/runs/{run_id}/recording?from=0", timeout=10).text.splitlines()]
    return [WireEvent(line["at"], line["event"].encode()) for line in lines]


def test_a_dropped_recording_plays_in_a_sheet_that_sends_nothing(recordings: Recordings):
    recordings.drop(YI).wait_streaming("Beijing")
    expect(recordings.go).to_be_hidden()
    expect(recordings.prompt).to_have_value(EXAMPLES["yi_34b"].prompt)
    expect(recordings.prompt).not_to_be_editable()
    assert_whole(recordings)
    assert "Recordings" in recordings.status_text()
    expect(recordings.page.get_by_text("14 events")).to_be_visible()


def test_every_control_answers_while_text_flows_and_costs_none(recordings: Recordings):
    recordings.drop(YI).wait_streaming("Beijing")
    recordings.press("Pause")
    expect(recordings.state).to_have_text("Paused")
    recordings.settled()
    before = recordings.answer_text()
    for _ in range(3):
        recordings.press("Step")
        expect(recordings.answer).not_to_have_text(before)
        assert recordings.answer_text().startswith(before)
        before = recordings.answer_text()
    recordings.pace("2×").press("Play")
    expect(recordings.state).to_have_text("Playing")
    recordings.pace("10×")
    assert_whole(recordings)
    before = recordings.run_id
    recordings.press("From the start").begun_after(before)
    recordings.pace("At once")
    assert_whole(recordings)


def test_the_keyboard_plays_pauses_and_steps(recordings: Recordings):
    recordings.drop(YI).wait_streaming("Beijing")
    recordings.settled()
    recordings.page.keyboard.press("p")
    expect(recordings.state).to_have_text("Paused")
    recordings.settled()
    before = recordings.answer_text()
    recordings.page.keyboard.press("n")
    expect(recordings.answer).not_to_have_text(before)
    recordings.settled()
    button = recordings.page.get_by_role("button", name="Play").first
    button.focus()
    button.press("Enter")
    assert_whole(recordings)


def test_a_run_that_is_saved_replayed_and_replayed_again_has_the_same_bytes_at_the_same_pace(visit, site: Site):
    bench = visit().open().choose("Yi-34B").run().wait_ended()
    recordings = Recordings(bench.page, bench.url).follow()
    saved = recordings.saved("save-")
    asked = read_recordings(saved)[0]
    assert (asked.ending, len(asked.events)) == (Ending.FINISHED, 14)
    played = []
    recordings.drop(saved).wait_streaming("Beijing")
    for _ in range(2):
        assert_whole(recordings)
        before = recordings.run_id
        played.append(events_of(site, before))
        saved = recordings.saved("save-opened")
        recordings.drop(saved).begun_after(before)
    recordings.pace("At once")
    assert_whole(recordings)
    assert [event.content for event in events_of(site, recordings.run_id)] == [event.content for event in asked.events]
    for events in played:
        assert [event.content for event in events] == [event.content for event in asked.events]
        assert statistics.median(abs(event.at - due.at) for event, due in zip(events, asked.events, strict=True)) < 0.3
    assert saved == recordings.saved("save-all")


def test_the_link_of_a_replay_shows_it_on_the_bench_like_any_run(visit, recordings: Recordings):
    recordings.shipped("Yi-34B").wait_streaming("Beijing")
    other = visit().open(f"/?run={recordings.run_id}")
    assert_whole(recordings)
    other.wait_ended()
    assert (other.answer_text(), other.ending()) == (TEXT, "Finished")
    expect(other.prompt).to_have_value(EXAMPLES["yi_34b"].prompt)
    expect(other.page.get_by_test_id("stSelectbox").get_by_role("combobox").first).to_have_value("● Yi-34B · Recorded answers")
    other.run_anew().wait_ended()
    assert other.answer_text() == TEXT


def test_the_same_request_opens_on_the_bench(recordings: Recordings):
    recordings.shipped("Yi-34B").wait_streaming("Beijing")
    recordings.page.get_by_role("button", name="Open on the bench").click()
    expect(recordings.go).to_be_visible()
    recordings.ready()
    expect(recordings.prompt).to_have_value(EXAMPLES["yi_34b"].prompt)
    expect(recordings.prompt).to_be_editable()
    recordings.run().wait_ended()
    assert recordings.answer_text() == TEXT


def test_a_replay_leaves_the_draft_and_the_presets_of_the_bench_alone(visit):
    bench = visit().open()
    bench.page.evaluate("localStorage.setItem('playground-presets', JSON.stringify({presets: []}))")
    bench.type_prompt("A draft of my own")
    bench.prompt.blur()
    bench.settled()
    recordings = Recordings(bench.page, bench.url).follow()
    kept = recordings.page.evaluate("localStorage.getItem('playground-presets')")
    recordings.shipped("Yi-34B").pace("At once")
    assert_whole(recordings)
    assert recordings.page.evaluate("localStorage.getItem('playground-presets')") == kept
    recordings.page.get_by_test_id("stSidebarNav").locator("a").first.evaluate("link => link.click()")
    recordings.ready()
    expect(recordings.prompt).to_have_value("A draft of my own")


def test_a_damaged_file_is_told_by_its_line_and_what_plays_goes_on(recordings: Recordings):
    recordings.drop(YI).wait_streaming("Beijing")
    recordings.drop(written(YI).replace(b'"event"', b'"evnt"', 1), name="damaged.jsonl")
    expect(recordings.page.get_by_test_id("stAlert")).to_contain_text("Line 3")
    assert_whole(recordings)


def test_a_suite_is_asked_again_and_its_report_can_be_taken_along(recordings: Recordings):
    recordings.drop(shipped_recording("stablelm_alpha_7b"))
    recordings.page.get_by_text("Ask again", exact=True).first.click()
    expect(recordings.page.get_by_text("3 requests; they cost nothing.")).to_be_visible()
    recordings.page.locator(".st-key-suite-start button").click()
    expect(recordings.page.locator(".st-key-report-json")).to_be_visible(timeout=60_000)
    assert json.loads(recordings.saved("report-json"))["cases"][0]["answers"] == 3
    assert recordings.saved("report-markdown").startswith(b"# Regression replay")


@pytest.mark.slow(seconds=20)
def test_a_recording_of_fifty_thousand_events_opens_and_can_be_paused_at_once(recordings: Recordings):
    count = 50_000
    rows = (
        {"id": "as-1", "sentence_id": number, "is_end": number == count - 1, "result": f"word {number} ", "need_clear_history": False}
        for number in range(count)
    )
    events = tuple(WireEvent(0.1 + number / 500, f"data: {json.dumps(row)}\n\n".encode()) for number, row in enumerate(rows))
    recordings.drop(Recording(endpoint=YI.endpoint, sent=YI.sent, status=200, events=events, ending=Ending.FINISHED, ended=101.0))
    recordings.wait_streaming("word 0 word 1 ")
    recordings.press("Pause")
    expect(recordings.state).to_have_text("Paused")
    recordings.settled()
    stood = recordings.answer_text()
    assert len(stood.split()) < 2 * count
    recordings.pace("At once").press("Play")
    recordings.wait_ended(120)
    text = recordings.answer_text()
    assert text.startswith(stood)
    assert text == "".join(f"word {number} " for number in range(count))


def beyond(page: Page) -> float:
    return float(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize(("window", "scheme"), [(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
def test_nothing_reaches_beyond_the_page(visit, window: dict[str, int], locale: str, scheme: str):
    bench = visit(viewport=window, locale=locale, color_scheme=scheme).open()
    recordings = Recordings(bench.page, bench.url).follow()
    assert beyond(recordings.page) <= 0
    recordings.drop(YI, shipped_recording("stablelm_alpha_7b")).wait_streaming("Beijing")
    recordings.settled()
    assert beyond(recordings.page) <= 0
