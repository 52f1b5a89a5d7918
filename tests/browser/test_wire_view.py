"""The details beneath an answer: the wire as it was, the picture of its arrival, usage, safety and cuts in words, and the seams in the text."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, expect

from playground.examples import EXAMPLES
from playground.recording import read_recordings
from tests.browser.bench import Bench
from tests.browser.test_fault_lab import choose, figure, followed, lab, opened

pytestmark = pytest.mark.browser
TABS = ("Timeline", "Sentences and usage", "Wire")
YI = "".join(event["result"] for event in EXAMPLES["yi_34b"].stream)


def fault(visit: Any, title: str, **figures: str) -> Bench:
    """A new visitor on the bench with a fault of the lab, its figures set."""
    bench: Bench = visit()
    lab(bench)
    choose(bench, title)
    for label, value in figures.items():
        figure(bench, label.replace("_", ": ", 1).replace("_", " "), value)
    name = "_".join([title.split("_")[0], *figures.values()]) if figures else title
    return opened(bench, name)


def played(bench: Bench, title: str) -> Bench:
    """A fault of the lab without figures, run to its end by somebody who is there already."""
    followed(bench)
    choose(bench, title)
    return opened(bench, title).run_anew().wait_ended()


@pytest.fixture
def yi(staying: Bench) -> Bench:
    """The recorded answer of Yi-34B, whole: asked for once by those who only look at it."""
    if staying.answer_text() != YI:
        staying.choose("Yi-34B").run_anew().wait_ended()
    return staying


def asked(bench: Bench, part: str) -> list[str]:
    """From now on: the addresses of requests that hold `part`."""
    found: list[str] = []
    bench.page.on("request", lambda request: found.append(request.url) if part in request.url else None)
    return found


def recorded(bench: Bench) -> list[dict[str, Any]]:
    """The lines of the recording of the run in the sheet."""
    run = re.search(r"run=([0-9a-f]+)", bench.page.url)
    assert run is not None
    answer = requests.get(f"{bench.url}/runs/{run[1]}/recording", timeout=10)
    return [json.loads(line) for line in answer.text.splitlines()]


def list_of(bench: Bench) -> Locator:
    return bench.sheet.locator(".panel:not([hidden]) .lines")


def pane(bench: Bench) -> Locator:
    return bench.sheet.locator(".panel:not([hidden]) .pane pre")


def test_nothing_is_fetched_before_the_wire_is_opened_and_opening_needs_no_rerun(visit: Any):
    bench: Bench = visit()
    told: list[object] = []
    bench.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: told.append(frame)))
    bench.open()
    wire = asked(bench, "/recording")
    bench.choose("Yi-34B").run().wait_ended()
    bench.details("Timeline").details("Sentences and usage")
    bench.settled()
    assert wire == []
    before = len(told)
    assert before > 0
    for name in ("Wire", "Timeline", "Sentences and usage", "Wire"):
        bench.details(name)
    expect(bench.rows).to_have_count(14)
    bench.page.wait_for_timeout(500)
    assert len(wire) == 1 and len(told) == before


def test_the_wire_shows_the_request_masked_the_answer_and_each_event_as_it_was_sent(yi: Bench):
    bench = yi.details("Wire")
    expect(bench.rows).to_have_count(14)
    lines = recorded(bench)
    events = [line["event"] for line in lines if "event" in line]
    for name in ("request", "response"):
        bench.sheet.locator(f".fold.{name} summary").click()
    shown = bench.sheet.locator(".fold.request pre").inner_text()
    assert "access_token=•••" in shown and "Content-Type: application/json" in shown and lines[0]["request"]["body"] in shown
    assert not re.search(r"access_token=(?!•)", shown)
    assert "HTTP/1.1 200" in bench.sheet.locator(".fold.response pre").inner_text()
    size = sum(len(event.encode()) for event in events)
    expect(bench.sheet.locator(".sum")).to_have_text(f"14 events · {size:,} bytes")
    bench.rows.nth(4).click()
    assert pane(bench).evaluate("box => box.textContent") == events[4]
    bench.page.get_by_role("button", name="Copy event").click()
    assert bench.page.evaluate("navigator.clipboard.readText()") == events[4]
    bench.page.get_by_role("button", name="Copy all").click()
    assert bench.page.evaluate("navigator.clipboard.readText()") == "".join(events)


def test_the_recording_can_be_saved_and_read_again(yi: Bench, tmp_path: Path):
    bench = yi.details("Wire")
    with bench.page.expect_download() as download:
        bench.page.get_by_role("link", name="Save").click()
    assert download.value.suggested_filename.startswith("yi-34b-") and download.value.suggested_filename.endswith(".jsonl")
    download.value.save_as(tmp_path / "saved")
    (recording,) = read_recordings((tmp_path / "saved").read_bytes())
    assert len(recording.events) == 14 and recording.ending == "finished"


def test_the_list_is_walked_by_keyboard(yi: Bench):
    yi.page.reload()  # where no line is chosen yet
    bench = yi.ready().details("Wire")
    expect(bench.rows).to_have_count(14)
    events = [line["event"] for line in recorded(bench) if "event" in line]
    box, keys = list_of(bench), bench.page.keyboard
    assert (box.get_attribute("role"), box.get_attribute("aria-rowcount")) == ("grid", "15")
    box.focus()
    for key, place in (("ArrowDown", 0), ("ArrowDown", 1), ("End", 13), ("ArrowUp", 12), ("PageUp", 3), ("Home", 0), ("PageDown", 9)):
        keys.press(key)
        chosen = bench.sheet.locator(".events .line.chosen")
        expect(chosen).to_have_attribute("aria-rowindex", str(place + 2))
        assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
        expect(chosen).to_be_in_viewport()
    keys.press("Control+c")
    assert bench.page.evaluate("navigator.clipboard.readText()") == events[9]


def test_the_timeline_has_a_mark_a_sentence_and_tells_their_figures(yi: Bench):
    bench = yi.details("Timeline")
    picture = bench.sheet.locator(".picture")
    marks = picture.locator(".bars").get_attribute("d") or ""
    assert marks.count("M") == 14
    words = picture.locator("text").all_text_contents()
    assert any(word.startswith("first after 0.") for word in words) and any(word.startswith("Finished · ") for word in words)
    picture.focus()
    readout = bench.sheet.locator(".readout")
    expect(readout).to_contain_text("Sentence 1 · ")
    bench.page.keyboard.press("End")
    expect(readout).to_contain_text("Sentence 14 · ")
    expect(readout).to_contain_text(f"{len(EXAMPLES['yi_34b'].stream[-1]['result'])} characters · tokens stated 6 / 372 / 378 · safe")
    assert picture.get_attribute("aria-valuetext") == readout.inner_text()
    bench.page.keyboard.press("ArrowLeft")
    expect(picture).to_have_attribute("aria-valuenow", "13")
    expect(bench.sheet.locator(".over .pointed")).not_to_have_count(0)
    area = picture.bounding_box()
    assert area is not None
    bench.page.mouse.move(area["x"] + 2, area["y"] + 50)
    expect(readout).to_contain_text("Sentence 1 · ")
    assert bench.answer_text() == YI


def test_a_sentence_chosen_in_the_list_is_shown_in_the_text(yi: Bench):
    bench = yi.details("Sentences and usage")
    pointed = bench.sheet.locator(".over .pointed")
    expect(pointed).to_have_count(0)
    bench.rows.first.click()
    expect(pointed).to_have_count(1)
    sheet = bench.sheet.locator(".scroll").bounding_box()
    shown = pointed.bounding_box()
    assert sheet and shown and shown["y"] >= sheet["y"]
    assert pane(bench).inner_text() == "Beijing"
    bench.details("Wire")
    expect(pointed).to_have_count(0)


def test_a_whole_answer_wears_no_badge(yi: Bench):
    assert yi.ending() == "Finished"
    expect(yi.badges).to_have_count(0)


def seams(bench: Bench) -> Locator:
    return bench.sheet.locator(".over .seam")


def test_the_seams_show_on_request_and_the_text_stays_as_it_is(yi: Bench):
    bench = yi
    bench.page.set_viewport_size({"width": 1360, "height": 1500})
    markup = bench.answer.evaluate("answer => answer.innerHTML")
    expect(seams(bench)).to_have_count(0)
    toggle = bench.page.get_by_role("button", name="Show where sentences meet")
    toggle.click()
    expect(seams(bench)).to_have_count(13)
    expect(toggle).to_have_attribute("aria-pressed", "true")
    assert bench.answer.evaluate("answer => answer.innerHTML") == markup
    selected = "answer => { const s = getSelection(); s.removeAllRanges(); s.selectAllChildren(answer); document.execCommand('copy'); }"
    bench.answer.evaluate(selected)
    assert bench.page.evaluate("navigator.clipboard.readText()") == YI
    bench.page.get_by_role("button", name="Copy the answer").click()
    expect(bench.sheet.get_by_text("Copied")).to_be_attached()
    assert bench.page.evaluate("navigator.clipboard.readText()") == YI
    bench.page.reload()
    bench.ready()
    expect(seams(bench)).to_have_count(13)
    bench.page.get_by_role("button", name="Show where sentences meet").click()
    expect(seams(bench)).to_have_count(0)


def test_a_seam_stands_where_the_next_sentence_begins(yi: Bench):
    """The place of each mark is that of the first letter after the seam, read off the laid-out text."""
    bench = yi
    bench.page.set_viewport_size({"width": 1360, "height": 1500})
    bench.page.get_by_role("button", name="Show where sentences meet").click()
    expect(seams(bench)).to_have_count(13)
    lengths = [len(event["result"]) for event in EXAMPLES["yi_34b"].stream]
    for window in (1360, 700):
        bench.page.set_viewport_size({"width": window, "height": 3000})
        bench.page.wait_for_timeout(500)
        places = bench.answer.evaluate(
            """(answer, lengths) => {
                const text = answer.firstChild, range = document.createRange();
                let at = 0;
                return lengths.slice(0, -1).map((length) => {
                    at += length;
                    range.setStart(text, at); range.setEnd(text, at + 1);
                    const { left, top } = range.getBoundingClientRect();
                    return [Math.round(left), Math.round(top)];
                });
            }""",
            lengths,
        )
        drawn = [seam.evaluate("one => { const { right, top } = one.getBoundingClientRect(); return [right, top]; }") for seam in seams(bench).all()]
        assert len(drawn) == 13
        assert [(round(x / 3), round(y / 3)) for x, y in drawn] == [(round(left / 3), round(top / 3)) for left, top in places]


def test_the_usage_is_reconciled_and_its_dialect_named(yi: Bench):
    bench = yi.details("Sentences and usage")
    figures = bench.sheet.locator(".figure b")
    expect(figures).to_have_text(["372", "372", "1,460", "369"])
    why = bench.sheet.locator(".usage .why")
    expect(why).to_contain_text("Lagging")
    expect(why).to_contain_text("378 − 6 = 372")
    bench.choose("Cerebras-GPT-6.7B")
    bench.go.click()
    expect(figures.first).to_have_text("91")
    expect(why).to_contain_text("Per event")


def test_a_row_tells_arrival_gap_and_bytes(staying: Bench):
    bench = staying.choose("Cerebras-GPT-6.7B").run_anew().wait_ended().details("Wire")
    expect(bench.rows).to_have_count(2)
    lines = recorded(bench)
    events = [line for line in lines if "event" in line]
    gap = events[1]["at"] - events[0]["at"]
    number, arrived, after, size, _ = bench.rows.nth(1).locator("span").all_inner_texts()
    assert (number, arrived, size) == ("2", f"{events[1]['at']:.2f} s", f"{len(events[1]['event'].encode()):,}")
    assert after == f"+{gap:.2f} s" or abs(float(after.strip("+ s")) - gap) < 0.011


def test_an_answer_in_one_piece_is_one_row(bench: Bench):
    bench.choose("Cerebras-GPT-6.7B").switch_stream().run().wait_ended()
    bench.details("Wire")
    expect(bench.rows).to_have_count(1)
    bench.rows.first.click()
    assert json.loads(pane(bench).inner_text())["result"] == EXAMPLES["cerebras_gpt_6_7b"].single["result"]


def test_the_wire_follows_while_it_streams_and_asks_only_for_what_is_new(bench: Bench):
    wire, events = asked(bench, "/recording"), asked(bench, "/events")
    bench.fault("slow").run().wait_streaming("Drop 1 ")
    bench.details("Wire")
    expect(bench.rows.filter(has_text="Drop 5 ")).to_be_in_viewport()
    expect(bench.rows.filter(has_text="Drop 14 ")).to_be_in_viewport()
    bench.stop().wait_ended()
    count = len([line for line in recorded(bench) if "event" in line])
    expect(bench.sheet.locator(".sum")).to_contain_text(f"{count} events")
    starts = [int(found[1]) for url in wire if (found := re.search(r"from=(\d+)", url))]
    assert starts == sorted(starts) and len(starts) >= len(wire) - 1, "the beginning is asked for once"
    assert len(wire) <= 2 + (count + 2) / 2, "once a second at most: the drops are half a second apart"
    assert len(events) == 1, "sentences cross once, whoever looks at them"
    bench.page.wait_for_timeout(1500)
    before = len(wire)
    bench.page.wait_for_timeout(1500)
    assert len(wire) == before, "an answer that is whole is not asked for again"


def test_where_the_route_cannot_be_reached_the_page_hands_the_wire_over(visit: Any, tmp_path: Path):
    bench: Bench = visit(expects=("/recording", "/events")).open()
    bench.page.route("**/runs/*/recording**", lambda route: route.fulfill(status=200, content_type="text/html", body="<html>a host's own page</html>"))
    bench.page.route("**/runs/*/events**", lambda route: route.abort())
    bench.choose("Yi-34B").run().wait_streaming("capital")
    bench.details("Wire")
    expect(bench.rows.first).to_contain_text("data: ")
    bench.wait_ended()
    expect(bench.sheet.locator(".sum")).to_contain_text("14 events")
    bench.rows.nth(2).click()
    assert EXAMPLES["yi_34b"].stream[2]["result"] in pane(bench).inner_text()
    expect(bench.sheet.locator(".fold.response")).to_contain_text("200")
    bench.page.wait_for_timeout(2500)
    with bench.page.expect_download() as download:
        bench.page.get_by_role("link", name="Save").click()
    download.value.save_as(tmp_path / "saved")
    (recording,) = read_recordings((tmp_path / "saved").read_bytes())
    assert len(recording.events) == 14 and recording.ending == "finished"


def test_another_answer_has_another_wire(bench: Bench):
    bench.choose("Cerebras-GPT-6.7B").run().wait_ended()
    bench.details("Wire")
    expect(bench.rows).to_have_count(2)
    bench.choose("Yi-34B")
    bench.go.click()
    expect(bench.rows).to_have_count(14)
    expect(bench.sheet.locator(".fold.request")).to_contain_text("yi_34b")
    bench.sheet.locator(".undo").click()
    expect(bench.rows).to_have_count(2)
    expect(bench.sheet.locator(".fold.request")).to_contain_text("cerebras")


def test_a_gap_in_time_is_a_gap_in_the_picture(visit: Any):
    bench = fault(visit, "silent_N", N_seconds="2").run().wait_ended()
    bench.details("Timeline")
    first = float((bench.sheet.locator(".picture .wait").get_attribute("d") or "").split("H")[1].split("V")[0])
    width = bench.sheet.locator(".picture svg").evaluate("drawing => drawing.clientWidth")
    assert first / width > 0.85, "two seconds of silence, then three sentences within a fraction of one"


def test_sentences_that_came_at_once_stand_side_by_side(staying: Bench):
    bench = staying.fault("unsafe").run_anew().wait_ended().details("Timeline")
    assert (bench.sheet.locator(".picture .bad").get_attribute("d") or "").count("M") == 3
    left = [float(x) for x in re.findall(r"M([\d.]+) ", bench.sheet.locator(".picture .bad").get_attribute("d") or "")]
    assert len(set(left)) == 3 and left == sorted(left)


@pytest.mark.parametrize(
    ("name", "title", "words"),
    [
        ("unsafe", "Sentences 1–3: flagged", "need_clear_history"),
        ("unsafe_older", "Sentences 1–3: flagged", "is_safe"),
        ("no_safety", "Sentences 1–3: not returned", "That is not the same as safe."),
        ("ordinary", "Sentences 1–3: safe", "found nothing against the input"),
    ],
)
def test_what_was_said_of_safety_is_told_sentence_by_sentence(staying: Bench, name: str, title: str, words: str):
    bench = played(staying, name).details("Timeline")
    found = bench.sheet.locator(".finding")
    expect(found).to_have_count(1)
    expect(found).to_contain_text(title)
    expect(found).to_contain_text(words)


@pytest.mark.parametrize(
    ("name", "words", "meaning", "goes_on"),
    [
        ("cut_without_end", "no end mark", "The stream closed before any sentence said that it is the last", True),
        ("truncated", "cut: the context is full", "is_truncated", True),
        ("gap", "sentence numbers jump", "sentence_id 1–3 did not come", False),
    ],
)
def test_an_answer_that_is_not_whole_wears_a_badge(staying: Bench, name: str, words: str, meaning: str, goes_on: bool):
    bench = played(staying, name)
    expect(bench.badges).to_have_text([words])
    assert meaning in (bench.badges.first.get_attribute("title") or "")
    expect(bench.sheet.get_by_role("button", name="Continue from here")).to_have_count(int(goes_on))
    bench.details("Timeline")
    expect(bench.sheet.locator(".finding.warn")).to_contain_text(meaning)
    assert bench.sheet.locator(".picture .odd").get_attribute("d")


def test_one_goes_on_from_where_an_answer_was_cut(bench: Bench):
    bench.fault("cut_without_end").type_prompt("Once. ")
    bench.run().wait_ended()
    text = bench.answer_text()
    go_on = bench.sheet.get_by_role("button", name="Continue from here")
    bench.type_prompt("Another prompt")
    expect(go_on).to_be_hidden()
    bench.type_prompt("Once. ")
    go_on.click()
    expect(bench.prompt).to_have_value("Once. " + text)
    bench.wait_ended()
    sent = recorded(bench)[0]["request"]["body"]
    assert json.loads(sent)["prompt"] == "Once. " + text


def test_seams_grow_with_the_text_and_only_those_in_sight_are_drawn(visit: Any):
    bench = fault(visit, "long_C_R", C_characters="60000", R_events_a_second="200")
    bench.page.get_by_role("button", name="Show where sentences meet").click()
    bench.run().wait_streaming()
    expect(seams(bench)).not_to_have_count(0)
    bench.wait_ended()
    assert 0 < seams(bench).count() < 200, "2,000 sentences, a screenful of them in sight"
    assert len(bench.answer_text()) == 60000
    bench.sheet.locator(".scroll").evaluate("box => { box.scrollTop = 0; }")
    bench.page.wait_for_timeout(200)
    assert all(seam.bounding_box()["y"] > 0 for seam in seams(bench).all()[:3])


def test_fifty_thousand_events_open_and_scroll_with_a_few_lines_in_the_page(visit: Any):
    bench = fault(visit, "long_C_R", C_characters="1500000", R_events_a_second="0").run().wait_ended(120)
    bench.details("Wire")
    expect(bench.rows.first).to_contain_text("data: ")
    expect(bench.sheet.locator(".sum")).to_contain_text("50,000 events")
    list_of(bench).focus()
    bench.page.keyboard.press("End")
    expect(bench.sheet.locator(".events .line.chosen")).to_contain_text('"is_end":true')
    assert bench.sheet.locator(".events .line").count() < 60
    bench.details("Sentences and usage")
    list_of(bench).focus()
    bench.page.keyboard.press("End")
    expect(bench.sheet.locator(".sentences .line.chosen span").first).to_have_text("50000")
    bench.details("Timeline")
    bench.sheet.locator(".picture").focus()
    bench.page.keyboard.press("End")
    expect(bench.sheet.locator(".readout")).to_contain_text("Sentence 50000 · ")


def test_markup_on_the_wire_is_text(staying: Bench):
    bench = staying
    text = bench.type_prompt('<img src=x onerror="document.title=1"><b>bold</b>')
    bench.fault("echo").run_anew().wait_ended().details("Wire")
    for fold in bench.sheet.locator(".fold summary").all():
        fold.click()
    assert json.dumps(text) in bench.sheet.locator(".fold.request pre").inner_text()
    for row in bench.rows.all():
        row.click()
    assert bench.sheet.locator("img, b:has-text('bold'), script").count() == 0


def test_an_event_of_a_megabyte_opens(staying: Bench):
    bench = played(staying, "big_event").details("Wire")
    bench.rows.first.click()
    expect(bench.sheet.locator(".wire .pane")).to_contain_text("shown in part")
    assert len(bench.rows.first.inner_text()) < 500


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_details_fit_a_phone(visit: Any, locale: str):
    bench: Bench = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, locale=locale).open()
    bench.run()
    expect(bench.answer).not_to_be_empty()
    bench.go.click()
    bench.wait_ended()
    main = bench.page.get_by_test_id("stMain")
    for tab in bench.sheet.locator(".tabs button").all():
        tab.click()
        bench.page.wait_for_timeout(600)
        assert main.evaluate("element => element.scrollWidth - element.clientWidth") <= 0
        assert bench.page.evaluate("document.documentElement.scrollWidth") <= 390
