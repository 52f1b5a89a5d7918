"""The page of a snapshot without a browser: what it shows, what it says when there is none, and running it again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from components.share_rerun import Rerun
from components.share_setup import Offer
from playground.completion import CompletionRequest, Ending, Sentence, Usage
from playground.endpoints import Endpoint
from playground.redaction import Secret
from playground.run import Run
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Settings
from playground.setup_link import Setup
from playground.sharing import Link, Sharing

PATIENCE = 30
PAGE = ROOT / "pages" / "snapshot.py"
SHELL = ROOT / "components" / "shell.py"
VALUES = {"temperature": 0.9, "top_k": 3, "stop": ["\n", "。"], "stream": False}


@pytest.fixture
def service(emulator_url: str, tmp_path: Path) -> Iterator[Service]:
    st.cache_resource.clear()
    yield open_service(Settings(values={}, fault_endpoints=True, database=Secret(f"sqlite:///{tmp_path / 'links.sqlite3'}")), emulator_url)
    close_service()


@pytest.fixture
def sharing(service: Service) -> Sharing:
    assert service.sharing is not None
    return service.sharing


def past(endpoint: Endpoint, text: str = "An answer. ", prompt: str = "Introduce the city Beijing", **values: object) -> Run:
    usage = Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7)
    sentences = [Sentence(text=text, index=0, arrived=0.5), Sentence(text="Its end.", index=1, is_end=True, arrived=0.75, usage=usage)]
    request = CompletionRequest(prompt=prompt, parameters={**VALUES, **values})
    return Run.past("1" * 32, 1763800000, endpoint, request, "visitor-a", sentences, Ending.FINISHED, 1.0)


@pytest.fixture
def link(service: Service, sharing: Sharing) -> Link:
    return sharing.share_run("visitor-a", past(service.endpoints["recorded/yi_34b"]), title="A fine *answer*", lasts=None)


def open_page(link_id: str | None, locale: str = "en-GB", file: Path = PAGE) -> AppTest:
    page = AppTest.from_file(str(file), default_timeout=PATIENCE)
    page.context = {"locale": locale}
    if file == SHELL:
        page.switch_page(str(PAGE))
    if link_id is not None:
        page.query_params["id"] = link_id
    return run(page)


def run(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, key: str) -> AppTest:
    page.button(key=key).click()
    return run(page)


def said(page: AppTest) -> str:
    texts = [*page.title, *page.markdown, *page.caption, *page.warning, *page.error]
    return "\n".join(one.value for one in texts).replace("\\", "")


def again(page: AppTest, link: Link) -> Rerun:
    found: Rerun = page.session_state[state.SHARE_RERUNS][link.id]
    return found


def test_a_snapshot_shows_what_it_is_of_and_what_was_sent(link: Link):
    page = open_page(link.id)
    assert page.title[0].value == "A fine \\*answer\\*", "a title is no markup"
    words = said(page)
    assert "Snapshot of an answer · Yi-34B · Recorded answers · 2025-11-22" in words
    table = next(one.value for one in page.markdown if one.value.startswith("| Parameter"))
    assert table.splitlines()[2:] == ["| `temperature` | 0\\.9 |", "| `top_k` | 3 |", "| `stop` | ⏎ 。 |", "| `stream` | false |"]
    assert "visitor-a" not in words and "127.0.0.1" not in words


@pytest.mark.parametrize("file", [PAGE, SHELL], ids=["alone", "in the app"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_it_is_drawn_in_each_language_and_stands_in_no_menu(link: Link, locale: str, file: Path):
    page = open_page(link.id, locale, file)
    assert page.title[0].value == "A fine \\*answer\\*"


def test_opening_it_is_counted_once_a_visitor(link: Link, sharing: Sharing):
    page = open_page(link.id)
    run(page)
    open_page(link.id)
    assert [one.opens for one in sharing.links("visitor-a")] == [2]


def test_there_is_one_run_for_all_who_look_at_it(link: Link, sharing: Sharing, service: Service):
    open_page(link.id)
    open_page(link.id)
    shown = sharing.run(link)
    assert service.runs.get(shown.id) is shown
    assert service.runs.get("1" * 32) is None, "the run itself is reached by nobody"


@pytest.mark.parametrize("link_id", [None, "", "0" * 32, "<b>"])
def test_without_a_link_that_is_known_it_says_so(sharing: Sharing, link_id: str | None):
    assert "There is no such link." in said(open_page(link_id))


def test_a_set_up_is_no_snapshot(sharing: Sharing):
    assert "There is no such link." in said(open_page(sharing.share_setup("v", Setup(prompt="p", parameters={}), lasts=None).id))


def test_a_revoked_one_is_gone_also_for_who_has_it_open(link: Link, sharing: Sharing):
    page = open_page(link.id)
    sharing.revoke("visitor-a", link.id)
    assert "This link was revoked, or its time is over." in said(run(page))
    assert "A fine" not in said(page)
    assert not [button for button in page.button if button.key == "snapshot-open"]


def test_without_a_database_it_says_that_nothing_is_kept(emulator_url: str):
    st.cache_resource.clear()
    open_service(Settings(values={}), emulator_url)
    try:
        assert "This server keeps nothing, so it has no snapshots." in said(open_page("0" * 32))
    finally:
        close_service()


def test_running_it_again_lays_both_texts_and_figures_side_by_side(link: Link):
    page = press(open_page(link.id), "snapshot-again")
    made = again(page, link).run
    assert made is not None and made.wait(PATIENCE)
    run(page)
    assert made.ending is Ending.FINISHED
    assert made.request.prompt == "Introduce the city Beijing"
    assert made.request.parameters == VALUES, "what is sent is what was sent"
    words = said(page)
    assert "| Ending | finished | finished |" in words
    assert f"| Characters | {len('An answer. Its end.')} | {len(made.text):,} |" in words
    assert "| Tokens | 7 | " in words
    assert "struck through" in words


def test_a_text_that_came_again_is_said_to_be_the_same(service: Service, sharing: Sharing):
    endpoint = service.endpoints["fault/echo"]
    link = sharing.share_run("v", past(endpoint), title="", lasts=None)
    page = press(open_page(link.id), "snapshot-again")
    first = again(page, link).run
    assert first is not None and first.wait(PATIENCE)
    run(page)
    assert "The texts are the same" not in said(page)
    link = sharing.share_run("v", first, title="", lasts=None)
    page = press(open_page(link.id), "snapshot-again")
    second = again(page, link).run
    assert second is not None and second.wait(PATIENCE)
    assert second.text == first.text
    assert "The texts are the same, letter by letter." in said(run(page))


def test_what_its_endpoint_no_longer_takes_is_left_out_and_named(service: Service, sharing: Sharing):
    link = sharing.share_run("v", past(service.endpoints["recorded/yi_34b"], min_p=0.5, temperature=7), title="", lasts=None)
    page = press(open_page(link.id), "snapshot-again")
    made = again(page, link).run
    assert made is not None and made.wait(PATIENCE)
    assert made.request.parameters == {name: value for name, value in VALUES.items() if name != "temperature"}
    assert "Left out: temperature must be" in said(page) and "left out: min_p." in said(page)


def test_a_run_that_goes_on_can_be_stopped(service: Service, sharing: Sharing):
    link = sharing.share_run("v", past(service.endpoints["fault/endless"], stream=True), title="", lasts=None)
    page = press(open_page(link.id), "snapshot-again")
    made = again(page, link).run
    assert made is not None and made.ending is None
    press(page, "snapshot-stop")
    assert made.wait(PATIENCE) and made.ending is Ending.STOPPED
    assert "| Ending | finished | stopped |" in said(run(page))


def test_without_its_endpoint_it_cannot_be_run_here(service: Service, sharing: Sharing):
    own = replace(service.endpoints["recorded/yi_34b"], name="mine/x-12", title="My own server")
    page = open_page(sharing.share_run("v", past(own), title="", lasts=None).id)
    button = page.button(key="snapshot-again")
    assert button.disabled and "My own server" in (button.help or "")


def test_open_in_my_form_goes_to_the_bench_with_its_set_up(link: Link):
    page = press(open_page(link.id, file=SHELL), "snapshot-open")
    assert page.query_params["setup"] == link.id
    assert [one for one in page.text_input if one.key == state.unsent("temperature")], "the bench is drawn"


BENCH = ROOT / "pages" / "bench.py"
BRINGS = """
from pathlib import Path

import streamlit as st
from components import state
from components.share_setup import offer
from playground.message import message
from playground.service import service
from playground.setup_link import Setup

if st.session_state.pop("bring", False):
    offer(Setup(**st.session_state["brought"]), [message("A word.")])
exec(compile(Path({file!r}).read_text(encoding="utf-8"), {file!r}, "exec"), dict(globals()))
"""


@pytest.fixture
def bench(service: Service, tmp_path: Path) -> AppTest:
    """The bench, to which a test brings a set-up as a link does: before anything is drawn."""
    page = AppTest.from_string(BRINGS.format(file=str(BENCH)), default_timeout=PATIENCE)
    page.context = {"locale": "en-GB"}
    return run(page)


def bring(page: AppTest, **setup: object) -> AppTest:
    page.session_state["brought"], page.session_state["bring"] = setup, True
    return run(page)


def box(page: AppTest, name: str) -> str:
    return str(next(one for one in page.text_input if (one.key or "").startswith(f"typed-{name}")).value)


def sent(page: AppTest) -> list[str]:
    return [name for name in ("temperature", "top_p", "top_k", "penalty_score") if page.session_state[state.sent(name)]]


def test_a_set_up_fills_an_untouched_form_and_what_was_there_can_be_put_back(bench: AppTest):
    before = bench.session_state[state.PROMPT]
    values = {"temperature": 0.35, "stop": ["\n\n", "结束"], "stream": False, "nonsense": 1}
    bring(bench, prompt="写一首诗", parameters=values, endpoint="recorded/yi_34b")
    assert (bench.session_state[state.PROMPT], bench.session_state[state.ENDPOINT]) == ("写一首诗", "recorded/yi_34b")
    assert (box(bench, "temperature"), sent(bench), bench.session_state[state.STREAM]) == ("0.35", ["temperature"], False)
    assert [one.value for one in bench.text_input if (one.key or "").startswith("stop-")] == ["\\n\\n", "结束"]
    assert "is in the form. Nothing was sent." in said(bench) and "left out: nonsense" in said(bench) and "A word." in said(bench)
    press(bench, "share-undo")
    assert bench.session_state[state.PROMPT] == before
    assert (sent(bench), bench.session_state[state.STREAM]) == ([], True)
    assert "is in the form" not in said(bench)


def test_a_touched_form_is_replaced_only_when_that_is_wanted(bench: AppTest):
    bench.toggle(key=state.sent("top_p")).set_value(True)
    run(bench)
    brought = {"prompt": "Another", "parameters": {"temperature": 0.35}, "endpoint": "recorded/yi_34b"}
    bring(bench, **brought)
    words = said(bench)
    assert "The link brings another set-up" in words
    assert "| `temperature` | not sent | 0.35 |" in words and "| `top_p` | 0.8 | not sent |" in words and "Another · 7 characters" in words
    assert (sent(bench), bench.session_state[state.PROMPT]) == (["top_p"], "Introduce the city Beijing")
    press(bench, "share-keep")
    assert (sent(bench), bench.session_state[state.PROMPT]) == (["top_p"], "Introduce the city Beijing")
    assert "The link brings" not in said(bench)
    bring(bench, **brought)
    press(bench, "share-use")
    assert (sent(bench), bench.session_state[state.PROMPT]) == (["temperature"], "Another")
    press(bench, "share-undo")
    assert (sent(bench), bench.session_state[state.PROMPT]) == (["top_p"], "Introduce the city Beijing")


def test_what_a_link_does_not_tell_stays_as_it_is(bench: AppTest):
    bring(bench, endpoint="recorded/stablelm_alpha_7b")
    assert bench.session_state[state.ENDPOINT] == "recorded/stablelm_alpha_7b"
    assert bench.session_state[state.PROMPT] == "Introduce the city Beijing"
    assert bench.session_state[state.STREAM] is True


def test_an_endpoint_that_is_not_here_is_named_and_the_chosen_one_stays(bench: AppTest):
    chosen = bench.session_state[state.ENDPOINT]
    bring(bench, prompt="p", parameters={"top_k": 3}, endpoint="mine/x-1", title="Their <b>server</b>")
    assert bench.session_state[state.ENDPOINT] == chosen
    assert "The link's endpoint, Their <b>server</b>, is not here" in said(bench)
    assert sent(bench) == ["top_k"]


def test_whether_the_visitors_mark_is_sent_is_his_own_affair(bench: AppTest):
    bench.toggle(key=state.sent("user_id")).set_value(True)
    run(bench)
    bring(bench, prompt="p", parameters={"user_id": "somebody else", "top_k": 3}, endpoint="recorded/yi_34b")
    offered: Offer = bench.session_state[state.SHARE_OFFER]
    assert offered.controls.values["user_id"] not in (None, "somebody else")
    press(bench, "share-use")
    assert bench.session_state[state.sent("user_id")] is True


def test_a_prompt_longer_than_its_endpoint_takes_is_shown_and_said(bench: AppTest):
    bring(bench, prompt="x" * 200_000, parameters={}, endpoint="recorded/yi_34b")
    assert len(bench.session_state[state.PROMPT]) == 200_000
    assert "longer than this endpoint takes (131,072 characters)" in said(bench)
