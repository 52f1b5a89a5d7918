"""What a run costs: reckoned where tokens and price are known, unknown elsewhere, and never rounded away to nothing."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.client import Client
from playground.completion import CompletionRequest, Safety, Sentence, Usage, Verdict
from playground.endpoints import Endpoint
from playground.language import translator
from playground.message import message
from playground.price import Price, Spending, money
from playground.providers import openai
from playground.report import counts, outcome, row
from playground.run import Runs
from playground.settings import Limits
from tests.scripted_server import CUT, HANG, ScriptedServer, reply

PRICE = Price(prompt=Decimal("0.004"), completion=Decimal("0.008"), currency="CNY")
TOKENS = {"prompt_tokens": 6, "completion_tokens": 372, "total_tokens": 378}
AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=12)


def test_an_answer_costs_its_tokens_each_at_its_own_price():
    assert PRICE.of(Usage(**TOKENS)) == Decimal("0.003")
    assert PRICE.of(Usage(prompt_tokens=1000, completion_tokens=0)) == Decimal("0.004")


@pytest.mark.parametrize(
    "usage",
    [
        None, Usage(), Usage(total_tokens=8), Usage(prompt_tokens=5, total_tokens=8), Usage(completion_tokens=3),
        Usage(prompt_tokens=-1, completion_tokens=3), Usage(prompt_tokens=9, completion_tokens=-1, total_tokens=8),
    ],
)
def test_without_both_counts_a_cost_is_unknown(usage: Usage | None):
    assert PRICE.of(usage) is None


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0.00123456", "¥0.0012"), ("0.0134", "¥0.0134"), ("0.5", "¥0.50"), ("0.00094", "¥0.00094"), ("0.000000123", "¥0.00000012"), ("1", "¥1.00"),
        ("12.344", "¥12.34"), ("1234567.891", "¥1,234,567.89"), ("0.99999", "¥1.00"), ("0", "¥0.00"), ("3E-9", "¥0.000000003"), ("2E+3", "¥2,000.00"),
    ],
)
def test_an_amount_is_written_as_a_person_reads_it(amount: str, written: str):
    assert money(Decimal(amount), "CNY") == written


def test_a_currency_has_its_sign_or_its_code():
    assert [money(Decimal("0.25"), currency) for currency in ("CNY", "USD", "EUR", "JPY")] == ["¥0.25", "$0.25", "€0.25", "JPY 0.25"]


@given(AMOUNTS)
def test_what_is_written_is_near_the_amount_and_nothing_only_for_nothing(amount: Decimal):
    written = Decimal(money(amount, "CNY").removeprefix("¥").replace(",", ""))
    assert bool(written) is bool(amount)
    assert abs(written - amount) <= max(amount * Decimal("0.05"), 0) and abs(written - amount) <= Decimal("0.005")


def test_the_words_hold_the_price_exactly_as_it_was_stated():
    words = str(Price(prompt=Decimal("0.00015"), completion=Decimal("6E-4"), currency="USD").words)
    assert "$0.00015 for 1,000 tokens of the prompt" in words and "$0.0006 for 1,000 of the answer" in words


def test_a_session_adds_up_by_currency_and_counts_what_it_does_not_know():
    dollars = Price(prompt=Decimal(1), completion=Decimal(2), currency="USD")
    spent = Spending().plus(PRICE, Usage(**TOKENS), whole=True).plus(PRICE, Usage(**TOKENS), whole=True)
    assert (spent.sums, spent.at_least, spent.unknown) == ({"CNY": Decimal("0.006")}, frozenset(), 0)
    spent = spent.plus(dollars, Usage(**TOKENS), whole=False).plus(None, Usage(**TOKENS), whole=True).plus(PRICE, None, whole=False)
    assert (spent.sums, spent.at_least, spent.unknown) == ({"CNY": Decimal("0.006"), "USD": Decimal("0.75")}, frozenset({"USD"}), 2)


RUNS = st.lists(st.tuples(st.sampled_from([PRICE, None]), st.none() | st.integers(0, 10**6), st.booleans()), max_size=20)


@given(RUNS)
def test_no_run_is_lost_from_a_sum_and_none_of_unknown_cost_is_in_it(runs):
    spent, known = Spending(), Decimal(0)
    for price, tokens, whole in runs:
        usage = None if tokens is None else Usage(prompt_tokens=tokens, completion_tokens=1, total_tokens=tokens + 1)
        spent = spent.plus(price, usage, whole=whole)
        known += (price.of(usage) or 0) if price else 0
    reckoned = [run for run in runs if run[0] is not None and run[1] is not None]
    assert sum(spent.sums.values()) == known
    assert spent.unknown == len(runs) - len(reckoned)
    assert bool(spent.at_least) is any(not whole for _, _, whole in reckoned)


# A run, as the page and the events route are told of it

ONE = b'data: {"choices": [{"text": " by", "index": 0, "finish_reason": null}]}\n\n'
END = b'data: {"choices": [{"text": "", "index": 0, "finish_reason": "stop"}]}\n\n'
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}}\n\n'
DONE = b"data: [DONE]\n\n"


def said(*pieces, price: Price | None = PRICE, wait_for: int | None = None, headers: tuple[str, ...] = ()):
    """Run against a server that answers with these pieces; returns the rows and the outcome. Stopped after `wait_for` events, if given."""
    runs = Runs(Client(), Limits())
    with ScriptedServer(reply(*pieces, headers=headers)) as server:
        endpoint = Endpoint(
            name="x", title="x", group="g", note=message("n"), base_url=server.url, path="completions", model="m", provider=openai.PROVIDER,
            parameters=openai.DIALECTS["plain"], price=price,
        )
        run = runs.start(endpoint, CompletionRequest(prompt="A house", parameters={"stream": True}), "v")
        while wait_for is not None and len(run.sentences) < wait_for and not run.wait(0.01):
            pass
        if wait_for is not None:
            run.stop()
        assert run.wait(5)
    runs.close()
    return [row(sentence, price) for sentence in run.sentences], outcome(run, translator("en"))


def test_a_finished_run_states_its_cost_and_a_usage_chunk_is_no_sentence():
    rows, told = said(ONE, ONE, END, USAGE, DONE)
    assert (told["sentences"], told["cost"], told["lower_bound"]) == (2, "¥0.008", False)
    assert told["tokens"] == [1000, 500, 1500] and told["finish_reason"] == "stop"
    assert [one[6] for one in rows] == [None, None, None, "¥0.008"]


def test_a_run_that_was_stopped_or_cut_says_what_it_cost_so_far():
    stated = b'data: {"choices": [{"text": " a", "index": 0, "finish_reason": null}], "usage": ' + USAGE.partition(b'"usage": ')[2]
    for last, wait_for in ((HANG, 2), (CUT, None)):
        rows, told = said(ONE, stated, last, wait_for=wait_for)
        assert (told["cost"], told["lower_bound"], rows[-1][6]) == ("¥0.008", True, "¥0.008")


def test_without_a_price_or_without_usage_nothing_is_said_to_be_its_cost():
    assert said(ONE, END, USAGE, DONE, price=None)[1]["cost"] is None
    rows, told = said(ONE, END, DONE)
    assert told["cost"] is None and [one[6] for one in rows] == [None, None]


def test_a_token_count_beyond_all_bounds_still_ends_in_an_outcome():
    endless = USAGE.replace(b"1500", b"9" * 4000)
    rows, told = said(ONE, END, endless, DONE)
    assert told["ending"] == "finished" and rows[-1][6] == told["cost"]


def test_the_rate_limits_are_told_as_they_were_stated():
    told = said(ONE, END, DONE, headers=("X-RateLimit-Remaining-Requests: 59", "X-RateLimit-Limit-Requests: 60"))[1]
    assert told["rate_limits"] == {"x-ratelimit-remaining-requests": "59", "x-ratelimit-limit-requests": "60"}


@pytest.mark.parametrize(
    ("sentence", "counted"),
    [
        (Sentence(text=" ", index=0), True), (Sentence(text="", index=0, safety=Safety(verdict=Verdict.SAFE)), True),
        (Sentence(text="", index=0, safety=Safety(verdict=Verdict.FLAGGED)), True), (Sentence(text="", index=0, usage=Usage(**TOKENS)), False),
        (Sentence(text="", index=0, is_end=True, finish_reason="stop"), False), (Sentence(text="x", index=0, usage=Usage(**TOKENS)), True),
    ],
)
def test_a_sentence_has_text_or_a_verdict_and_its_row_shows_which(sentence: Sentence, counted: bool):
    told = row(sentence)
    assert counts(sentence) is counted
    assert (told[0] != "" or (len(told) > 5 and told[5] is not None)) is counted  # as the browser reads it
