"""What an answer's usage adds up to, when its safety flags changed, and whether it came whole: on every documented sample, and beyond."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.options import Options
from emulator.server import running
from playground.client import Client
from playground.completion import CompletionRequest, Ending, Safety, Sentence, Usage, Verdict, final_usage
from playground.endpoints import DEMO_KEYS, Endpoint
from playground.examples import EXAMPLES
from playground.inspection import FAR, Mark, badges, reconcile, safety_timeline
from playground.message import message
from playground.providers import qianfan
from playground.providers.qianfan import estimate_tokens
from playground.report import outcome
from playground.run import Runs
from playground.settings import Limits
from playground.usage_dialect import UsageDialect

PER_EVENT, CUMULATIVE, LAGGING, FINAL_ONLY, ABSENT, INCONSISTENT, UNDECIDED = UsageDialect
PROMPT = "Introduce the city Beijing"


def answer(*counts, texts=(), end=True):
    """Sentences with these usages (prompt, completion, total, or `None`); the last is the end unless told."""
    return [
        Sentence(
            text=texts[number] if texts else "word ", index=number, is_end=end and number == len(counts) - 1,
            usage=row and Usage(prompt_tokens=row[0], completion_tokens=row[1], total_tokens=row[2]),
        )
        for number, row in enumerate(counts)
    ]


def streamed(events):
    return [qianfan.read_event(json.dumps(event), number) for number, event in enumerate(events)]


YI_PYTHON = streamed(EXAMPLES["yi_34b"].stream)


@pytest.mark.parametrize(
    ("sentences", "dialect", "completion", "last", "summed"),
    [
        (streamed(EXAMPLES["cerebras_gpt_6_7b"].stream), PER_EVENT, 91, 24, 91),
        (streamed(EXAMPLES["stablelm_alpha_7b"].stream), PER_EVENT, 91, 24, 91),
        (streamed(EXAMPLES["yi_34b"].older), PER_EVENT, 91, 24, 91),
        (answer((1, 2, 3), (1, 24, 27)), PER_EVENT, 26, 24, 26),
        (YI_PYTHON, LAGGING, 372, 372, 1460),
        (answer((1, 0, 1), (1, 29, 30)), LAGGING, 29, 29, 29),
        (answer((4, 35, 87), (4, 35, 122), end=False), PER_EVENT, 118, 35, 70),
        (answer((45, 0, 149)), INCONSISTENT, 104, 0, 0),
        ([qianfan.read_event(json.dumps(EXAMPLES["yi_34b"].single), 0, streamed=False)], UNDECIDED, 92, 92, 92),
    ],
    ids=["Cerebras", "StableLM", "Yi, older", "Yi, Java", "Yi, Python", "Yi, Node", "ai-commit's fixture", "langchainjs#3177", "in one piece"],
)
def test_every_documented_sample_comes_to_its_right_total(sentences, dialect, completion, last, summed):
    found = reconcile(sentences, PROMPT)
    assert found.dialect is dialect
    assert found.usage.completion_tokens == completion == found.usage.total_tokens - found.usage.prompt_tokens
    assert (found.last, found.summed) == (last, summed)
    assert f"{found.usage.total_tokens} − {found.usage.prompt_tokens} = {completion}" in str(found.why)


def test_the_words_say_what_the_wrong_readings_would_be():
    assert "add up to the same" in str(reconcile(streamed(EXAMPLES["cerebras_gpt_6_7b"].stream), PROMPT).why)
    assert "1460" in str(reconcile(YI_PYTHON, PROMPT).why)
    assert "those of earlier sentences are missing" in str(reconcile(answer((4, 35, 87), (4, 35, 122)), PROMPT).why)
    assert "the last is 0" in str(reconcile(answer((45, 0, 149)), PROMPT).why)


def test_the_endpoints_own_figures_stand_event_by_event():
    stated = reconcile(YI_PYTHON, PROMPT).stated
    assert [place for place, _ in stated] == list(range(1, 15))
    assert [usage.completion_tokens for _, usage in stated] == [0] * 9 + [272] * 4 + [372]
    assert [place for place, _ in reconcile(answer(None, (4, 2, 6)), PROMPT).stated] == [2]


def test_the_estimate_is_that_of_the_whole_text():
    found = reconcile([qianfan.read_event(json.dumps(EXAMPLES["stablelm_alpha_7b"].single), 0, streamed=False)], PROMPT)
    assert (found.estimate.prompt_tokens, found.estimate.completion_tokens) == (5, 92) and found.warnings == ()


def test_without_an_end_the_figure_is_a_lower_bound():
    cut = YI_PYTHON[:10]
    assert reconcile(cut, PROMPT).usage.completion_tokens == 272
    assert str(reconcile(cut, PROMPT).why).endswith("so this is a lower bound.")
    assert "lower bound" not in str(reconcile(cut, PROMPT, whole=True).why), "another wire has another end than the mark"
    assert "lower bound" in str(reconcile(YI_PYTHON, PROMPT, whole=False).why)


@pytest.mark.parametrize(
    ("sentences", "words"),
    [
        ([], "No total was stated"),
        (answer(None, None), "No total was stated"),
        (answer((5, 3, None)), "No total was stated"),
        (answer((None, 3, 8)), "A total alone was stated, 8"),
    ],
    ids=["nothing", "no usage", "no total", "no prompt figure"],
)
def test_what_was_not_stated_is_said_to_be_unknown(sentences, words):
    found = reconcile(sentences, PROMPT)
    assert words in str(found.why)
    assert found.usage is None or found.usage.completion_tokens is None


TEN_WORDS = "one two three four five six seven eight nine ten "  # 13 tokens by the rule


@pytest.mark.parametrize(
    ("stated", "warned"),
    [((5, 13, 18), False), ((5, 33, 38), False), ((5, 34, 39), True), ((5, 400, 405), True), ((60, 13, 73), True), ((5, 0, 5), False)],
    ids=["as estimated", "just near enough", "just too far", "far", "the prompt is far", "far, yet few"],
)
def test_figures_far_from_the_estimate_are_warned_of_with_the_rule(stated, warned):
    found = reconcile(answer(stated, texts=[TEN_WORDS]), PROMPT)
    assert bool(found.warnings) is warned
    for warning in found.warnings:
        assert "more than twice" in str(warning) and f"more than {FAR} tokens apart" in str(warning)


def test_a_lower_bound_below_the_estimate_is_no_surprise():
    assert reconcile(answer((5, 0, 5), texts=[TEN_WORDS * 10], end=False), PROMPT).warnings == ()
    assert reconcile(answer((5, 0, 5), texts=[TEN_WORDS * 10]), PROMPT).warnings != ()
    assert reconcile(answer((5, 400, 405), texts=[TEN_WORDS], end=False), PROMPT).warnings != ()


figure = st.none() | st.integers(-5, 500)


@settings(deadline=None)
@given(st.lists(st.none() | st.tuples(figure, figure, figure), max_size=8), st.booleans(), st.none() | st.booleans())
def test_whatever_is_stated_the_total_is_the_documented_one_and_the_words_can_be_said(rows, end, whole):
    sentences = answer(*rows, end=end)
    found = reconcile(sentences, PROMPT, whole=whole)
    assert found.usage == final_usage(sentences)
    assert found.estimate.completion_tokens == estimate_tokens("word " * len(rows))
    words = str(found.why) + "".join(map(str, found.warnings)) + str(found.dialect.words)
    assert "None" not in words and "{" not in words


SAFE, NOTHING = Safety(verdict=Verdict.SAFE), Safety()
FLAGGED = Safety(verdict=Verdict.FLAGGED)
FINE = Safety(verdict=Verdict.SAFE, need_clear_history=False)
BANNED = Safety(verdict=Verdict.FLAGGED, need_clear_history=True, ban_round=-1)
EARLIER = Safety(verdict=Verdict.FLAGGED, need_clear_history=True, ban_round=2)


def spans(*safeties):
    found = safety_timeline([Sentence(text="x", index=number, safety=safety) for number, safety in enumerate(safeties)])
    return [(one.first, one.last, one.safety.verdict.value, one.flag) for one in found], found


@pytest.mark.parametrize(
    ("safeties", "expected"),
    [
        ((), []),
        ((SAFE, SAFE, SAFE), [(1, 3, "safe", "is_safe")]),
        ((SAFE, FLAGGED, FLAGGED), [(1, 1, "safe", "is_safe"), (2, 3, "flagged", "is_safe")]),
        ((FINE, FINE, BANNED), [(1, 2, "safe", "need_clear_history"), (3, 3, "flagged", "need_clear_history")]),
        ((BANNED, EARLIER), [(1, 1, "flagged", "need_clear_history"), (2, 2, "flagged", "ban_round")]),
        ((NOTHING, NOTHING), [(1, 2, "not returned", None)]),
        ((NOTHING, SAFE, NOTHING), [(1, 1, "not returned", None), (2, 2, "safe", "is_safe"), (3, 3, "not returned", None)]),
    ],
    ids=["no sentence", "safe throughout", "older build", "newer build", "another round", "silent", "silent again"],
)
def test_the_sentence_that_first_changed_a_flag_is_named(safeties, expected):
    assert spans(*safeties)[0] == expected


def test_each_state_of_safety_says_what_it_means_and_what_to_do():
    _, (nothing, safe, flagged, banned, earlier) = spans(NOTHING, SAFE, FLAGGED, BANNED, EARLIER)
    assert "not the same as safe" in str(nothing.meaning) and nothing.remedy is None
    assert safe.remedy is None
    assert "run again" in str(flagged.remedy)
    assert "the present question" in str(banned.meaning) and "Begin anew" in str(banned.remedy)
    assert "round 2" in str(earlier.meaning)
    assert len({str(one.meaning) for one in (nothing, safe, flagged, banned, earlier)}) == 5


@settings(deadline=None)
@given(st.lists(st.sampled_from([NOTHING, SAFE, FLAGGED, FINE, BANNED, EARLIER]), max_size=12))
def test_the_spans_of_safety_cover_every_sentence_once_in_order(safeties):
    found = spans(*safeties)[1]
    assert [number for one in found for number in range(one.first, one.last + 1)] == list(range(1, len(safeties) + 1))
    assert all(one.safety == safeties[number - 1] for one in found for number in range(one.first, one.last + 1))
    assert all(one.safety != other.safety for one, other in zip(found, found[1:], strict=False))


def numbered(*numbers, end=True):
    return [Sentence(text="x", index=place, sentence_id=number, is_end=end and place == len(numbers) - 1) for place, number in enumerate(numbers)]


def marks(sentences, ending=None):
    return [one.mark for one in badges(sentences, ending)]


@pytest.mark.parametrize(
    ("numbers", "found", "words"),
    [
        ((0, 1, 2), [], ""),
        ((None, None), [], ""),
        ((0, 4, 5), [Mark.GAP], "sentence_id 1–3 did not come"),
        ((2, 3), [Mark.GAP], "sentence_id 0–1 did not come"),
        ((0, None, 2), [Mark.GAP], "sentence_id 1 did not come"),
        ((0, 0, 0), [Mark.REPEAT], "sentence_id 0 came more than once"),
        ((0, 1, 1, 2), [Mark.REPEAT], "sentence_id 1 came more than once"),
        ((0, 2, 1, 3), [Mark.ORDER], "sentence_id 1 came after a later one"),
        ((0, 10, 20, 30, 40, 50, 60), [Mark.GAP], "1–9, 11–19, 21–29, 31–39, 41–49, …"),
    ],
    ids=["in order", "not numbered", "a gap", "the beginning", "one not numbered", "the SDK's mock", "one twice", "late", "many gaps"],
)
def test_numbers_that_jump_repeat_or_come_late_are_told(numbers, found, words):
    told = badges(numbered(*numbers))
    assert [one.mark for one in told] == found
    assert words in "".join(str(one.meaning) for one in told)


def test_a_badge_names_the_sentences_where_it_shows():
    gap, repeat, late = badges(numbered(0, 1, 5, 5, 3))
    assert (gap.places, repeat.places, late.places) == ((3, 5), (4,), (5,))


def test_a_number_of_any_size_makes_no_long_words():
    (gap,) = badges(numbered(0, 10**4000))
    assert len(str(gap.meaning)) < 300


@pytest.mark.parametrize(
    ("sentences", "ending", "found"),
    [
        (numbered(0, 1), Ending.FINISHED, []),
        (numbered(0, 1, end=False), Ending.CUT, [Mark.NO_END]),
        (numbered(0, 1, end=False), None, [Mark.NO_END]),
        (numbered(0, 1, end=False), Ending.STOPPED, []),
        (numbered(0, 1, end=False), Ending.FAILED, []),
        (numbered(None, end=False), Ending.FINISHED, []),
        ([], Ending.CUT, [Mark.NO_END]),
    ],
    ids=["whole", "cut", "cut, by the mark alone", "stopped", "failed", "another wire's end", "cut before any sentence"],
)
def test_only_an_answer_that_was_cut_lacks_its_end(sentences, ending, found):
    assert marks(sentences, ending) == found


def test_an_answer_at_its_limit_says_so_and_one_can_go_on_from_there():
    full = [Sentence(text="x", index=0, is_end=True, is_truncated=True, finish_reason="length")]
    (badge,) = badges(full)
    assert badge.mark is Mark.TRUNCATED and badge.goes_on
    (badge,) = badges([Sentence(text="x", index=0, is_end=True, is_truncated=False, finish_reason="length")])
    assert badge.mark is Mark.LENGTH and badge.goes_on
    (badge,) = badges(numbered(0, end=False), Ending.CUT)
    assert badge.goes_on and badge.places == (1,)
    assert not badges([], Ending.CUT)[0].goes_on, "there is nothing to go on from"
    assert not any(one.goes_on for one in badges(numbered(0, 4, 4, 2)))


@settings(deadline=None)
@given(st.permutations(range(8)))
def test_the_same_sentences_in_another_order_are_never_missing_and_never_twice(order):
    found = marks(numbered(*order))
    assert found == ([Mark.ORDER] if order != sorted(order) else [])


@settings(deadline=None)
@given(st.sets(st.integers(0, 12), min_size=1))
def test_there_is_a_gap_exactly_where_a_number_is_missing(numbers):
    ordered = sorted(numbers)
    assert marks(numbered(*ordered)) == ([Mark.GAP] if ordered != list(range(len(ordered))) else [])




@pytest.fixture(scope="module")
def emulator():
    with running(options=Options(pace=0.0)) as server:
        yield server


def looked_at(emulator, name):
    """The run of a fault of the emulator, and what the page is told of it."""
    endpoint = Endpoint(name="x", title="x", group="g", note=message("n"), base_url=emulator.base_url, path=name, credentials=DEMO_KEYS)
    runs = Runs(Client(), Limits())
    run = runs.start(endpoint, CompletionRequest(prompt=PROMPT, parameters={"stream": True}), "visitor")
    assert run.wait(20)
    runs.close()
    return outcome(run, str)["inspection"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ordinary", []),
        ("cut_without_end", ["no end"]),
        ("cut_mid_event", ["no end"]),
        ("truncated", ["truncated"]),
        ("gap", ["gap"]),
        ("error_mid_stream", []),
    ],
)
def test_what_an_endpoint_cut_or_left_out_is_found_over_the_wire(emulator, name, found):
    assert [badge["mark"] for badge in looked_at(emulator, name)["badges"]] == found


@pytest.mark.parametrize(
    ("name", "spans"),
    [
        ("ordinary", [(1, 3, "safe", "need_clear_history")]),
        ("unsafe", [(1, 3, "flagged", "need_clear_history")]),
        ("unsafe_older", [(1, 3, "flagged", "is_safe")]),
        ("no_safety", [(1, 3, "not returned", None)]),
    ],
)
def test_what_an_endpoint_said_of_safety_is_found_over_the_wire(emulator, name, spans):
    assert [(one["first"], one["last"], one["verdict"], one["flag"]) for one in looked_at(emulator, name)["safety"]] == spans


@pytest.mark.parametrize(
    ("name", "dialect", "words"),
    [
        ("ordinary", "per event", "add up to the same"), ("usage_late", "lagging", "The last figure says the same"), ("no_usage", "absent", "No total"),
        ("yi_34b", "lagging", "378 − 6 = 372"), ("cut_without_end", "per event", "a lower bound"),
    ],
)
def test_the_dialect_an_endpoint_speaks_is_found_over_the_wire(emulator, name, dialect, words):
    usage = looked_at(emulator, name)["usage"]
    assert usage["dialect"] == dialect and words in usage["why"] and usage["warnings"] == []
