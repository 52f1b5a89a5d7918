"""The page of the history without a browser: what it lists and says, and what can be done with a run."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from playground.completion import CompletionRequest, Ending
from playground.database import Database
from playground.history import History
from playground.redaction import Secret
from playground.run import Run, Runs
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Settings
from tests.kept_runs import ENDPOINT, record

PATIENCE = 30
ME, OTHER = "a" * 32, "b" * 32
NOW = datetime.now(UTC).timestamp()


@pytest.fixture
def service(emulator_url: str, tmp_path: Path) -> Iterator[Service]:
    st.cache_resource.clear()
    yield open_service(Settings(values={}, fault_endpoints=True, database=Secret(f"sqlite:///{tmp_path / 'kept.sqlite3'}")), emulator_url)
    close_service()


@pytest.fixture
def history(service: Service) -> History:
    assert service.history is not None
    return service.history


def open_page(locale: str = "en-GB", timezone: str = "Asia/Shanghai", **session: Any) -> AppTest:
    page = AppTest.from_file(str(ROOT / "pages" / "history.py"), default_timeout=PATIENCE)
    page.context = {"locale": locale, "timezone": timezone}
    page.session_state[state.VISITOR] = ME
    for key, value in session.items():
        page.session_state[key] = value
    return run(page)


def run(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


def open_run(page: AppTest, run_id: str) -> AppTest:
    page.session_state[state.HISTORY_RUN] = run_id
    return run(page)


def listed(page: AppTest) -> list[dict[str, Any]]:
    """The lines of the list as the browser is told them."""
    return [line for day in shown(page, "history_list")["days"] for line in day["lines"]]


def shown(page: AppTest, component: str) -> Any:
    """What a component of ours is told."""
    found = [one.proto for one in page.get("bidi_component") if one.proto.component_name.endswith(component)]
    assert found, f"{component} is not drawn"
    return json.loads(found[-1].json)[0]


def words(page: AppTest) -> str:
    drawn = [*page.markdown, *page.caption, *page.info, *page.warning, *page.error, *page.success]
    return "\n".join(one.value for one in drawn).replace("\\", "")


def at(days_ago: float) -> float:
    return NOW - 86400 * days_ago


def test_before_the_first_run_it_says_what_will_be_here(history: History):
    page = open_page()
    assert "No run yet" in words(page)
    assert page.text_input == [] and page.get("bidi_component") == []
    assert page.button == [] or all("older" != one.key for one in page.button)


def test_where_nothing_is_kept_it_says_so(emulator_url: str):
    st.cache_resource.clear()
    open_service(Settings(values={}), emulator_url)
    assert "No history is kept on this server" in words(open_page())
    close_service()


def test_a_line_says_what_was_asked_what_came_and_what_changed(history: History):
    first = record(" by\n\nthe sea", prompt="Living", started=at(0.2))
    other = {"temperature": 0.9, "stop": ["\n"], "stream": True}
    second = record([], parent=first["id"], parameters=other, started=at(0.1), ending="failed", note="so, so", starred=True)
    third = record("!", prompt="Living by\n\nthe sea", parent=first["id"], started=at(0.05))
    fourth = record("!", parent=first["id"], started=at(0.01))
    history.take(ME, [first, second, third, fourth])
    last, again, failed, begun = listed(open_page())
    assert (begun["prompt"], begun["answer"], begun["ending"], begun["changes"]) == ("Living", "by the sea", "finished", "")
    assert begun["figures"] == "7 tokens · 0.25 s" and begun["title"] == "Yi-34B"
    assert (failed["answer"], failed["ending"], failed["note"], failed["starred"]) == ("", "failed", "so, so", True)
    assert failed["changes"] == "temperature 0.7 → 0.9 · stop +⏎"
    assert (again["changes"], last["changes"]) == ("continued", "asked again")


def test_runs_stand_under_the_days_of_the_visitors_own_clock(history: History):
    here = datetime.now(UTC) + timedelta(hours=8)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=8)
    old = datetime(2024, 2, 29, 20, 30, tzinfo=UTC)
    times = [midnight + timedelta(seconds=1), midnight - timedelta(seconds=1), midnight - timedelta(hours=25), old]
    history.take(ME, [record(started=moment.timestamp()) for moment in times])
    days = shown(open_page(), "history_list")["days"]
    assert [day["title"] for day in days][:2] == ["Today", "Yesterday"]
    assert (days[-1]["title"], days[-1]["lines"][0]["time"]) == ("1 March 2024", "04:30")
    assert days[0]["lines"][0]["time"] == "00:00"
    elsewhere = shown(open_page(timezone="Europe/London"), "history_list")["days"]
    assert (elsewhere[-1]["title"], elsewhere[-1]["lines"][0]["time"]) == ("29 February 2024", "20:30")
    assert open_page(timezone="nowhere") is not None


def test_a_search_finds_chinese_and_shows_where(history: History):
    history.take(ME, [record("很长的前言。" * 60 + "这里有故宫和天坛。"), record("no such thing")])
    page = open_page()
    page.text_input(key=state.HISTORY_WORDS).set_value("故宫")
    [line] = listed(run(page))
    assert "故宫" in line["answer"] and line["answer"].startswith("…")
    page.text_input(key=state.HISTORY_WORDS).set_value("nothing holds this")
    assert "No run here is like that." in words(run(page))
    assert len(listed(press(page, "clear-filters"))) == 2


def test_filters_list_only_what_is_asked_for(history: History):
    own = {**ENDPOINT, "name": "mine/a", "title": "Mine"}
    history.take(ME, [record("a", endpoint=own), record("b", ending="cut"), record("c", starred=True), record("d", note="noted")])
    page = open_page()
    page.selectbox[0].set_value("mine/a")
    assert [line["answer"] for line in listed(run(page))] == ["a"]
    press_all(page)
    page.selectbox[1].set_value(Ending.CUT)
    assert [line["answer"] for line in listed(run(page))] == ["b"]
    press_all(page)
    for kind, answer in (("starred", "c"), ("noted", "d")):
        page.pills(key=state.HISTORY_ONLY).set_value([kind])
        assert [line["answer"] for line in listed(run(page))] == [answer]


def press_all(page: AppTest) -> None:
    """Take every filter away, as the button would."""
    page.selectbox[0].set_value("")
    page.selectbox[1].set_value("")
    run(page)


def test_older_runs_are_a_page_further_and_newer_ones_one_back(history: History):
    history.take(ME, [record(f"answer {number}", started=at(number / 100)) for number in range(120)])
    page = open_page()
    seen = [line["answer"] for line in listed(page)]
    assert page.button(key="newer").disabled
    for _ in range(2):
        seen += [line["answer"] for line in listed(press(page, "older"))]
    assert seen == [f"answer {number}" for number in range(120)]
    assert page.button(key="older").disabled
    assert listed(press(page, "newer"))[0]["answer"] == "answer 50"


def test_a_visitor_sees_and_opens_nobody_elses(history: History):
    theirs = record("secret of another", note="secret")
    history.take(OTHER, [theirs])
    history.take(ME, [record("mine")])
    page = open_run(open_page(), theirs["id"])
    assert [line["answer"] for line in listed(page)] == ["mine"]
    assert "secret" not in words(page) and not any(one.key == "open-run" for one in page.button)


def test_a_run_shows_its_text_letter_by_letter_and_everything_else_in_words(history: History):
    made = record(
        "\n # *no* Markdown $x$ :red[no]\0\r\n\n", prompt="\n- ", ending="cut", note="mine",
        error={"kind": "StreamInterrupted", "message": {"text": "The server *stopped*.", "values": {}}, "remedy": None, "code": None, "words": None,
               "request_id": None, "again": True},
    )
    history.take(ME, [made])
    page = open_run(open_page(), made["id"])
    assert shown(page, "history_text")["parts"] == [["prompt", made["prompt"]], ["answer", made["text"]]]
    said = words(page)
    for fact in ("Yi-34B", "end not confirmed", "1 sentence", "first after 0.25 s", "at least 7 tokens", "safety not returned", "The server *stopped*.",
                 "temperature = 0.7 · stream = true"):
        assert fact in said, fact
    assert page.text_area(key=f"note-{made['id']}").value == "mine"


def test_a_note_and_a_star_are_kept(history: History):
    made = record()
    history.take(ME, [made])
    page = open_run(open_page(), made["id"])
    page.text_area(key=f"note-{made['id']}").set_value("to be shown")
    press(run(page), "star-run")
    kept = history.entry(ME, made["id"])
    assert kept is not None and (kept.note, kept.starred) == ("to be shown", True)
    assert listed(page)[0]["starred"] is True


def test_what_was_deleted_comes_back_by_undo(history: History):
    history.take(ME, [record("a", started=at(2)), (made := record("b", started=at(1)))])
    page = press(open_run(open_page(), made["id"]), "delete-run")
    assert [line["answer"] for line in listed(page)] == ["a"] and "1 run was deleted." in words(page)
    assert [line["answer"] for line in listed(press(page, "undelete"))] == ["b", "a"]
    assert "deleted" not in words(page)


def test_two_runs_are_laid_over_each_other(history: History):
    before = record("The sea is cold", started=at(2))
    after = record("The sea is warm", parameters={"temperature": 0.9, "stream": True}, parent=before["id"], started=at(1))
    history.take(ME, [before, after])
    page = press(open_run(open_page(), after["id"]), "compare-run")
    assert shown(page, "history_text")["parts"] == [["same", "The sea is "], ["removed", "cold"], ["added", "warm"]]
    assert "| temperature | 0.7 | 0.9 |" in words(page) and "Both were asked the same prompt." in words(page)
    assert shown(press(page, "compare-run"), "history_text")["parts"][1] == ["answer", "The sea is warm"]


def test_a_saved_file_is_taken_in_and_a_wrong_one_refused_in_words(history: History):
    content = json.dumps({"playground": 1, "runs": [record("taken in"), record("too"), 7]}).encode()
    page = open_page()
    page.file_uploader(key=state.HISTORY_FILE).set_value(("history.json", content, "application/json"))
    assert "2 added, 0 were here already, 1 could not be read." in words(run(page))
    assert len(listed(page)) == 2
    page.file_uploader(key=state.HISTORY_FILE).set_value(("history.json", b"Hello", "application/json"))
    assert "This is not a file of a history." in words(run(page))


def test_a_run_that_goes_on_is_listed_with_its_text_so_far(service: Service, history: History):
    going = service.runs.start(service.endpoints["fault/endless"], CompletionRequest(prompt="Go on", parameters={"stream": True}), ME)
    history.keep(going)
    while not going.text:
        going.wait(0.01)
    [line] = listed(open_page())
    assert (line["ending"], line["said"], line["prompt"]) == ("going", "still going", "Go on") and line["answer"]
    going.stop()


def test_a_database_that_does_not_answer_is_said_in_words(service: Service, history: History):
    history.take(ME, [made := record()])
    page = open_run(open_page(), made["id"])
    assert service.database is not None
    with service.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE runs RENAME TO gone")
    press(page, "star-run")
    assert "The history cannot be reached just now" in words(page)
    told = bench(made["id"])
    assert sheet(told)["refusal"]["message"].startswith("The history cannot be reached") and sheet(told)["run"] is None
    with service.database.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO runs")
    assert len(listed(run(page))) == 1 and "cannot be reached" not in words(page)


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_it_is_drawn_in_each_language(history: History, locale: str):
    history.take(ME, [made := record("北京", note="n", ending="stopped")])
    page = open_run(open_page(locale), made["id"])
    press(page, "compare-run")


# --- what the bench makes of it ---


def bench(query: str = "", **session: Any) -> AppTest:
    page = AppTest.from_file(str(ROOT / "pages" / "bench.py"), default_timeout=PATIENCE)
    page.context = {"locale": "en-GB"}
    page.session_state[state.VISITOR] = ME
    for key, value in session.items():
        page.session_state[key] = value
    if query:
        page.query_params["run"] = query
    return run(page)


def sheet(page: AppTest) -> Any:
    return shown(page, "run_view")


def test_a_link_to_a_kept_run_finds_it_with_its_parameters_and_the_runs_before_it(history: History):
    made: list[dict[str, Any]] = []
    for number in range(4):
        parent = made[-1]["id"] if made else None
        made.append(record(f"answer {number}", prompt=f"prompt {number}", parameters={"temperature": number / 10, "stream": True}, parent=parent))
    history.take(ME, made)
    page = bench(made[-1]["id"])
    told = sheet(page)
    assert (told["run"]["id"], told["prompt"], told["standing"], told["can_move"]) == (made[-1]["id"], "prompt 3", [4, 4], [True, False])
    assert next(one for one in page.text_input if (one.key or "").startswith("typed-temperature")).value == "0.30"
    kept = page.session_state[state.GENERATIONS]
    assert [entry.run is not None for entry in kept] == [False, False, False, False, True], "the others are fetched when they are looked at"


def test_a_link_to_the_run_of_somebody_else_is_lost(history: History):
    history.take(OTHER, [made := record()])
    page = bench(made["id"])
    assert "no longer kept" in words(page) and sheet(page)["run"] is None


def test_a_run_that_the_server_cut_says_so_and_can_be_continued(history: History):
    made = record("It was", ending="cut", error={
        "kind": "StreamInterrupted", "message": {"text": "The server stopped while this run was going.", "values": {}}, "remedy": None, "code": None,
        "words": None, "request_id": None, "again": True,
    })
    history.take(ME, [made])
    page = bench(made["id"])
    found = page.session_state[state.GENERATIONS][-1].run
    assert isinstance(found, Run) and (found.ending, found.text) == (Ending.CUT, "It was")
    assert "The server stopped" in str(found.error)


def test_a_run_that_goes_on_in_another_process_is_followed_there_until_it_ends(service: Service, history: History, tmp_path: Path):
    there = Database(Secret(f"sqlite:///{tmp_path / 'kept.sqlite3'}"))
    another, elsewhere = History(there), Runs(service.runs.client, service.runs.limits)
    going = elsewhere.start(service.endpoints["fault/endless"], CompletionRequest(prompt="Go on", parameters={"stream": True}), ME)
    another.keep(going)
    until(lambda: bool(found := history.entry(ME, going.id)) and bool(found.text))
    page = bench(going.id)
    assert "goes on in another process" in words(page) and state.GENERATIONS not in page.session_state
    parts = dict(shown(page, "history_text")["parts"])
    assert parts["prompt"] == "Go on" and going.text.startswith(parts["answer"]) and parts["answer"]
    going.stop()
    until(lambda: bool(found := history.entry(ME, going.id)) and found.ending is not None)
    told = sheet(run(page))
    assert (told["run"]["id"], told["prompt"]) == (going.id, "Go on")
    kept = page.session_state[state.GENERATIONS][-1].run
    assert (kept.ending, kept.text) == (Ending.STOPPED, going.text)
    another.close()
    elsewhere.close()
    there.close()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_stood_on_the_bench_comes_back_by_undo_with_its_controls(history: History):
    history.take(ME, [made := record("there", prompt="opened", parameters={"temperature": 0.3, "stop": ["\n"], "stream": False})])

    def script(run_id: str) -> None:
        import streamlit as st

        from components import generations, state
        from components.controls import Controls, present_controls, put_controls

        seen: list[object] = st.session_state.setdefault("seen", [])

        def look() -> None:
            entry = generations.present()
            seen.append((st.session_state[state.PROMPT], present_controls(), entry and entry.run and entry.run.id))

        st.session_state[state.PROMPT] = "typed before"
        put_controls(Controls(endpoint="recorded/cerebras_gpt_6_7b", values={"temperature": 0.9, "stream": True}, refused={"top_k": "many"}))
        run = generations.kept_run(run_id)
        assert run is not None
        generations.open_beside(run.request.prompt, run, Controls(endpoint="recorded/yi_34b", values=run.request.parameters))
        look()
        for steps in (-1, 1):
            generations.move(steps, st.session_state[state.PROMPT])
            look()

    page = AppTest.from_function(script, default_timeout=PATIENCE, args=(made["id"],))
    page.session_state[state.VISITOR] = ME
    opened, undone, again = run(page).session_state["seen"]
    assert (opened[0], opened[1].endpoint, opened[2]) == ("opened", "recorded/yi_34b", made["id"])
    assert opened[1].values == {"temperature": 0.3, "stop": ["\n"], "stream": False}
    assert (undone[0], undone[1].endpoint, undone[2]) == ("typed before", "recorded/cerebras_gpt_6_7b", None)
    assert undone[1].values == {"temperature": 0.9, "stop": [], "stream": True} and undone[1].refused == {"top_k": "many"}
    assert again == opened
