"""What a visitor is told of money: a run's cost beside its tokens, the session's sum, and nothing where nothing is paid. And his mark."""

import json
import re
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.bench import Bench
from tests.scripted_server import HANG, ScriptedServer, json_reply, reply

pytestmark = pytest.mark.browser
TITLE, GROUP = "The model", "Paid for"
ENDPOINT = """
[[endpoint]]
name = "paid"
title = "{title}"
group = "{group}"
provider = "openai"
base_url = "{url}/v1"
model = "the-model"
price = {{ prompt = 0.004, completion = 0.008, currency = "CNY" }}
"""


def chunk(text: str, finish_reason: str | None = None, **fields: object) -> bytes:
    return f"data: {json.dumps({'choices': [{'text': text, 'index': 0, 'finish_reason': finish_reason}], **fields})}\n\n".encode()


USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
LAST = f'data: {json.dumps({"choices": [], "usage": USAGE})}\n\n'.encode()
DONE = b"data: [DONE]\n\n"
LIMITS = ("X-RateLimit-Limit-Requests: 60", "X-RateLimit-Remaining-Requests: 59")
WHOLE = reply(chunk(" by"), chunk(" the sea"), chunk("", "stop"), LAST, DONE, headers=LIMITS)
NEVER_ENDING = reply(chunk(" by", usage=USAGE), HANG)
WITHOUT_USAGE = reply(chunk(" by"), chunk("", "stop"), DONE)


def session(bench: Bench) -> Locator:
    """What the sidebar says of the session."""
    return bench.page.get_by_test_id("stSidebar").get_by_test_id("stCaptionContainer")


def expect_session(bench: Bench, words: str) -> None:
    """Wait until the sidebar says this of the session, and nothing else."""
    expect(session(bench)).to_have_text(words, use_inner_text=True)


@pytest.fixture
def paid(serve, visit, tmp_path: Path):
    """Return a function that opens the bench with the priced endpoint chosen, against a server that plays these scripts."""
    servers = []

    def opened(*scripts, expects: tuple[str, ...] = ()) -> Bench:
        servers.append(ScriptedServer(*scripts).__enter__())
        file = tmp_path / "endpoints.toml"
        file.write_text(ENDPOINT.format(title=TITLE, group=GROUP, url=servers[-1].url), encoding="utf-8")
        return visit(serve(PLAYGROUND_ENDPOINTS=str(file)), expects=expects).open().choose(TITLE, GROUP)

    yield opened
    for server in servers:
        server.__exit__(None, None, None)


def test_a_run_shows_its_cost_and_the_session_their_sum(paid):
    refusal = json_reply({"error": {"message": "no", "type": "invalid_request_error"}}, "400 Bad Request")
    bench: Bench = paid(WHOLE, NEVER_ENDING, WITHOUT_USAGE, refusal)
    bench.run().wait_ended()
    cost = bench.status.locator(".cost")
    assert "2 sentences" in bench.status_text() and "1000 + 500 = 1500 tokens | ¥0.008" in bench.status_text()
    assert "¥0.004 for 1,000 tokens of the prompt, ¥0.008 for 1,000 of the answer" in str(cost.get_attribute("title"))
    expect_session(bench, "This session ¥0.008")

    bench.run()
    expect(cost).to_have_text("at least ¥0.008")
    bench.stop().wait_ended()
    assert cost.inner_text() == "at least ¥0.008"
    expect_session(bench, "This session at least ¥0.016")

    for known in ("1 run of unknown cost", "2 runs of unknown cost"):
        bench.run()
        expect(cost).to_have_text("cost unknown")
        expect_session(bench, f"This session at least ¥0.016 {known}")

    bench.choose("StableLM-Alpha-7B").run()
    expect(bench.status).to_contain_text("5 + 91 = 96 tokens")
    bench.toggle("top_p")
    assert cost.count() == 0
    expect_session(bench, "This session at least ¥0.016 2 runs of unknown cost")


def test_the_details_number_the_sentences_and_tell_the_rate_limits(paid):
    bench: Bench = paid(WHOLE)
    bench.run().wait_ended()
    bench.details("Sentences and usage")
    expect(bench.rows).to_have_count(4)
    assert [row.locator("span").first.inner_text() for row in bench.rows.all()] == ["1", "2", "", ""]
    assert "1000 / 500 / 1500" in bench.rows.last.inner_text()
    expect(bench.sheet.locator(".limits span")).to_have_text(["Rate limits:", "x-ratelimit-limit-requests 60", "x-ratelimit-remaining-requests 59"])


def test_where_the_events_route_is_shut_cost_and_sum_come_through_the_page(paid):
    go_on = threading.Event()
    bench: Bench = paid(reply(chunk(" by"), go_on, chunk("", "stop"), LAST, DONE), expects=("/events",))
    bench.page.route("**/runs/*/events**", lambda route: route.abort())
    bench.run().wait_streaming("by")
    expect(bench.status).to_contain_text("The events route cannot be reached")
    go_on.set()
    bench.wait_ended()
    assert "1000 + 500 = 1500 tokens | ¥0.008" in bench.status_text()
    expect_session(bench, "This session ¥0.008")


def test_while_only_free_runs_were_made_nothing_is_said_of_money(bench: Bench):
    bench.choose("Cerebras-GPT-6.7B").run().wait_ended()
    bench.toggle("top_p")
    assert bench.status.locator(".cost").count() == 0 and session(bench).count() == 0


def test_the_mark_that_arrives_is_the_one_that_is_shown_and_holds_nothing_of_the_visitor(visit):
    marks = []
    for _ in range(2):
        bench: Bench = visit().open().fault("echo")
        bench.run().wait_ended()
        assert "user_id" not in bench.echoed()["body"]
        bench.page.get_by_text("Send user_id").click()
        bench.settled()
        for prompt in ("the first", "the second"):
            bench.type_prompt(prompt)
            bench.run()
            expect(bench.answer).to_contain_text(prompt)
            bench.wait_ended()
            marks.append(bench.echoed()["body"]["user_id"])
        bench.page.get_by_text("Exact request", exact=True).click()
        bench.settled()
        shown = json.loads(bench.page.get_by_test_id("stCode").nth(1).inner_text())
        assert shown == bench.echoed()["body"]
    assert all(re.fullmatch("[0-9a-f]{32}", mark) for mark in marks)
    assert marks[0] == marks[1] != marks[2] == marks[3]
