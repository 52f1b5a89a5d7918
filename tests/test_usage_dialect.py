"""How usage is stated: every documented sample is named for what it is, and so is every stream made by a dialect's own rule."""

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from playground.completion import Sentence, Usage, final_usage
from playground.examples import EXAMPLES
from playground.providers import qianfan
from playground.usage_dialect import UsageDialect, usage_dialect

PER_EVENT, CUMULATIVE, LAGGING, FINAL_ONLY, ABSENT, INCONSISTENT, UNDECIDED = UsageDialect


def answer(*rows, end=True):
    """Sentences of (text, usage) where usage is `None` or prompt, completion, total; the last is the end unless told."""
    return [
        Sentence(
            text=text, index=number, is_end=end and number == len(rows) - 1,
            usage=usage and Usage(prompt_tokens=usage[0], completion_tokens=usage[1], total_tokens=usage[2]),
        )
        for number, (text, usage) in enumerate(rows)
    ]


def recorded(name):
    return [qianfan.read_event(json.dumps(event), number) for number, event in enumerate(EXAMPLES[name].stream)]


@pytest.mark.parametrize(
    ("name", "dialect", "completion"),
    [("cerebras_gpt_6_7b", PER_EVENT, 91), ("stablelm_alpha_7b", PER_EVENT, 91), ("yi_34b", LAGGING, 372)],
)
def test_the_recorded_answers_speak_the_dialects_of_their_pages(name, dialect, completion):
    sentences = recorded(name)
    assert usage_dialect(sentences) is dialect
    assert final_usage(sentences).completion_tokens == completion


@pytest.mark.parametrize(
    ("sentences", "dialect"),
    [
        (answer(("Bei", (1, 2, 3)), ("jing", (1, 24, 27))), PER_EVENT),
        (answer(("Bei", (1, 0, 1)), ("jing", (1, 29, 30))), LAGGING),
        (answer(("Bei", (4, 35, 87)), ("jing", (4, 35, 122))), PER_EVENT),
        (answer(("Beijing", (45, 0, 149))), INCONSISTENT),
        (answer(("Beijing", (5, 92, 97))), UNDECIDED),
        (answer(("Bei", None), ("jing", None), ("", (4, 2, 6))), FINAL_ONLY),
        (answer(("Bei", None), ("jing", (4, 2, 6))), FINAL_ONLY),
        (answer(("Bei", (4, 1, 5)), ("jing", (4, 2, 6)), ("", (4, 2, 6))), CUMULATIVE),
    ],
    ids=["Yi Java, 26", "Yi Node, 29", "ai-commit's fixture", "langchainjs#3177", "one JSON body", "OpenAI", "with the last text", "vLLM, continuous"],
)
def test_the_other_known_samples(sentences, dialect):
    assert usage_dialect(sentences) is dialect


@pytest.mark.parametrize(
    ("sentences", "dialect"),
    [
        ([], ABSENT),
        (answer(("a", None), ("b", None)), ABSENT),
        (answer(("a", (5, 3, None))), ABSENT),
        (answer(("a", (5, 0, 5)), ("b", (5, 0, 5)), end=False), LAGGING),
        (answer(("a", None), ("b", (5, 2, 7)), end=False), UNDECIDED),
        (answer(("", (5, 0, 5)), ("b", (5, 3, 8))), UNDECIDED),
        (answer(("a", (5, 2, 7)), ("b", (5, 2, 7)), ("c", (5, 6, 11))), LAGGING),
        (answer(("a", (5, 2, 7)), ("b", (6, 2, 9))), INCONSISTENT),
        (answer(("a", (5, 4, 9)), ("b", (5, 2, 7))), INCONSISTENT),
        (answer(("a", (5, 2, 7)), ("b", (5, None, 9))), INCONSISTENT),
        (answer(("a", (None, 2, 7)), ("b", (None, 2, 9))), INCONSISTENT),
        (answer(("a", (5, -2, 3)), ("b", (5, -1, 4))), INCONSISTENT),
        (answer(("a", (5, 9, 10)), ("b", (5, 2, 12))), INCONSISTENT),
    ],
    ids=[
        "nothing yet", "never stated", "no total", "still at 0", "stated once, not at the end", "0 before any text", "stands still", "another prompt",
        "totals fall", "one figure missing", "no prompt figure", "below zero", "more than the total",
    ],
)
def test_what_is_odd_or_unfinished_is_not_called_what_it_is_not(sentences, dialect):
    assert usage_dialect(sentences) is dialect


prompts = st.integers(0, 10_000)
tokens = st.lists(st.integers(1, 500), min_size=2, max_size=30)


def totals(prompt, counts):
    return [prompt + sum(counts[: place + 1]) for place in range(len(counts))]


@settings(deadline=None)
@given(prompts, tokens)
def test_counts_of_each_sentence_alone_are_per_event(prompt, counts):
    rows = [("x", (prompt, count, total)) for count, total in zip(counts, totals(prompt, counts), strict=True)]
    assert usage_dialect(answer(*rows)) is PER_EVENT
    assert usage_dialect(answer(*rows[1:])) is (PER_EVENT if len(rows) > 2 else INCONSISTENT), "the beginning of an answer may be missing"


@settings(deadline=None)
@given(prompts, tokens, st.booleans())
def test_counts_of_the_answer_so_far_are_cumulative(prompt, counts, empty_end):
    rows = [("x", (prompt, total - prompt, total)) for total in totals(prompt, counts)]
    assert usage_dialect(answer(*rows, *[("", rows[-1][1])] * empty_end)) is CUMULATIVE


@settings(deadline=None)
@given(prompts, tokens, st.lists(st.integers(1, 5), min_size=30, max_size=30))
def test_counts_that_stand_still_while_text_comes_lag(prompt, counts, repeats):
    assume(any(times > 1 for times in repeats[: len(counts)]))
    stated = zip(totals(prompt, counts), repeats, strict=False)
    assert usage_dialect(answer(*(("x", (prompt, total - prompt, total)) for total, times in stated for _ in range(times)))) is LAGGING


@settings(deadline=None)
@given(prompts, st.integers(1, 10_000), st.integers(1, 30), st.booleans())
def test_a_count_beside_the_end_alone_is_final(prompt, written, texts, with_text):
    rows = [("x", None)] * texts + [("x" if with_text else "", (prompt, written, prompt + written))]
    assert usage_dialect(answer(*rows)) is FINAL_ONLY


figure = st.none() | st.integers(-1, 40)
rows = st.lists(st.tuples(st.sampled_from(["", "x"]), st.none() | st.tuples(figure, figure, figure)), max_size=6)


@settings(deadline=None)
@given(rows, st.booleans())
def test_usage_is_absent_exactly_where_the_whole_answer_has_none(rows, end):
    sentences = answer(*rows, end=end)
    assert (usage_dialect(sentences) is ABSENT) == (final_usage(sentences) is None)


@settings(deadline=None)
@given(rows, st.booleans())
def test_whatever_is_read_by_a_rule_agrees_with_the_usage_of_the_whole_answer(rows, end):
    sentences = answer(*rows, end=end)
    dialect, usage = usage_dialect(sentences), final_usage(sentences)
    stated = [one.usage for one in sentences if one.usage and one.usage.total_tokens is not None]
    if dialect in (CUMULATIVE, LAGGING, FINAL_ONLY, UNDECIDED):
        assert stated[-1].completion_tokens == usage.completion_tokens
    if dialect is PER_EVENT:
        before = stated[0].total_tokens - stated[0].prompt_tokens - stated[0].completion_tokens
        assert before + sum(one.completion_tokens for one in stated) == usage.completion_tokens


def test_every_dialect_has_words_of_its_own():
    assert len({str(dialect.words) for dialect in UsageDialect}) == len(UsageDialect)
