"""The history as a person uses it: found again, opened with all that belonged to it, compared, deleted and brought back; and his alone."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.bench import Bench, HistoryPage
from tests.browser.serving import serving

pytestmark = pytest.mark.browser


def test_a_run_opens_with_prompt_and_parameters_and_undo_brings_back_what_stood_there(bench: Bench):
    bench.fault("echo").toggle("temperature").typed("temperature", "0.3").add_stop("\\n")
    bench.type_prompt("asked first")
    bench.run().wait_ended()
    answer = bench.answer_text()
    bench.type_prompt("asked second")
    bench.typed("temperature", "0.9").run_anew().wait_ended()
    bench.choose("Yi-34B").toggle("top_k")
    bench.type_prompt("not sent yet")
    bench.box("top_k").focus()
    bench.page.wait_for_timeout(600)  # what is typed is told to the page when typing pauses
    history = HistoryPage(bench.page).follow()
    expect(history.lines).to_have_count(2)
    expect(history.lines.first.locator(".changes")).to_have_text("prompt changed · temperature 0.3 → 0.9")
    history.open(1)
    assert history.text_content() == "asked first" + answer
    history.press("open-run")
    bench.ready()
    expect(bench.prompt).to_have_value("asked first")
    assert bench.answer_text() == answer
    assert (bench.box("temperature").input_value(), bench.stops().first.input_value()) == ("0.30", "\\n")
    expect(bench.box("top_k")).to_be_disabled()
    bench.sheet.locator(".undo").click()
    expect(bench.prompt).to_have_value("not sent yet")
    bench.settled()
    assert bench.box("temperature").input_value() == "0.90"
    expect(bench.box("top_k")).to_be_enabled()
    expect(bench.page.get_by_role("combobox").first).to_have_value("● Yi-34B · Recorded answers")


def test_chinese_is_found_and_what_was_deleted_comes_back(bench: Bench):
    bench.fault("echo").type_prompt("介绍一下北京的胡同")
    bench.run().wait_ended()
    bench.type_prompt("Introduce the city")
    bench.run_anew().wait_ended()
    history = HistoryPage(bench.page).follow()
    expect(history.lines).to_have_count(2)
    history.search("北京")
    expect(history.lines).to_have_count(1)
    expect(history.lines.locator(".prompt mark")).to_have_text("北京")
    history.lines.locator(".star").click()
    expect(history.lines.locator(".star")).to_have_attribute("aria-pressed", "true")
    history.open()
    with bench.page.expect_download() as saved:
        history.press("save-markdown")
    assert "介绍一下北京的胡同" in saved.value.path().read_text(encoding="utf-8")
    history.press("delete-run")
    expect(history.lines).to_have_count(0)
    expect(history.page.get_by_text("1 run was deleted.")).to_be_visible()
    history.press("undelete")
    expect(history.lines).to_have_count(1)
    history.search("")
    expect(history.lines).to_have_count(2)
    for number in range(2):
        history.lines.nth(number).locator(".mark").check()
    expect(history.page.get_by_text("2 marked")).to_be_visible()
    history.search("北京")
    expect(history.page.get_by_text("1 marked")).to_be_visible()
    history.search("")
    expect(history.page.get_by_text("2 marked")).to_be_visible()
    expect(history.lines.locator(".mark:checked")).to_have_count(2)
    history.press("compare-marked")
    expect(history.text.locator("ins").first).to_be_visible()
    assert "介绍" in str(history.page.locator(".history-text del").all_text_contents())


def test_a_visitor_sees_his_own_runs_alone(visit):
    one, other = visit().open(), visit().open()
    one.fault("echo").type_prompt("mine alone")
    one.run().wait_ended()
    mine, theirs = HistoryPage(one.page).follow(), HistoryPage(other.page).follow()
    expect(mine.lines).to_have_count(1)
    expect(theirs.page.get_by_text("No run yet")).to_be_visible()
    expect(theirs.lines).to_have_count(0)


@pytest.mark.slow(seconds=20)
def test_after_the_server_was_killed_an_open_page_shows_what_was_kept_and_meanwhile_says_that_it_asks_again(visit, tmp_path: Path):
    kept = {"DATABASE_URL": f"sqlite:///{tmp_path / 'kept.sqlite3'}", "PLAYGROUND_FAULT_ENDPOINTS": "1"}
    with serving(tmp_path / "first.log", kept) as first:
        # The run's events may be back before Streamlit's own connection, which then complains; it tells the server all that it missed.
        complaints = ("Failed to load resource", "WebSocket", "ERR_", "Streamlit", "server endpoint", "when disconnected from server")
        bench = visit(first, expects=complaints, locale="en-GB").open().fault("endless")
        bench.run().wait_streaming("Wave")
        bench.page.wait_for_timeout(1200)
        first.process.kill()
        expect(bench.status).to_contain_text("The server does not answer; it is asked again.")
        seen = bench.answer_text()
    with serving(tmp_path / "second.log", kept, port=int(first.url.rsplit(":", 1)[1])):
        bench.wait_ended()
        expect(bench.status).not_to_contain_text("asked again")
        shown = bench.answer_text()
        assert shown and seen.startswith(shown)
        bench.page.reload()
        bench.ready().wait_ended()
        assert bench.answer_text() == shown


@pytest.mark.slow(seconds=20)
def test_after_the_server_was_killed_a_reload_finds_the_run_as_cut_with_those_before_it_and_it_goes_on(visit, tmp_path: Path):
    kept = {"DATABASE_URL": f"sqlite:///{tmp_path / 'kept.sqlite3'}", "PLAYGROUND_FAULT_ENDPOINTS": "1"}
    with serving(tmp_path / "first.log", kept) as first:
        bench = visit(first, expects=("Failed to load resource", "WebSocket", "ERR_")).open().fault("echo").toggle("temperature")
        bench.type_prompt("the first prompt")
        bench.run().wait_ended()
        answer = bench.answer_text()
        bench.fault("endless").type_prompt("the second prompt")
        bench.run_anew().wait_streaming("Wave")
        bench.page.wait_for_timeout(1200)  # what is older than a second is on the disk
        run_id = bench.page.url.split("run=")[1][:32]
        begun = bench.answer_text()[:20]
        first.process.kill()
        bench.page.goto("about:blank")
    with serving(tmp_path / "second.log", kept) as second:
        bench.url = second.url
        bench.open(f"/?run={run_id}")
        expect(bench.prompt).to_have_value("the second prompt")
        expect(bench.note).to_contain_text("The server stopped while this run was going.")
        assert (bench.ending(), bench.answer_text()[:20]) == ("End not confirmed", begun)
        expect(bench.box("temperature")).to_be_enabled()
        expect(bench.sheet.locator(".standing")).to_have_text("2 of 2")
        bench.sheet.locator(".undo").click()
        expect(bench.prompt).to_have_value("the first prompt")
        expect(bench.answer).to_have_text(answer)
        bench.sheet.locator(".redo").click()
        expect(bench.prompt).to_have_value("the second prompt")
        bench.fault("echo")
        bench.page.get_by_role("button", name="Continue from here").click()
        expect(bench.sheet.locator(".standing")).to_have_text("3 of 3")
        bench.wait_ended()
        assert bench.echoed()["body"]["prompt"].startswith("the second prompt" + begun)
