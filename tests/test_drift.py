"""What counts as drift: the laws of the measures, noise that is not called drift, and change that is."""

import dataclasses
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playground.completion import Ending, Safety, Sentence, Usage, Verdict
from playground.drift import Answer, Aspect, answer, differences, overlap
from playground.errors import ServiceError, StreamInterrupted
from playground.examples import EXAMPLES
from playground.message import message
from playground.providers import qianfan
from playground.usage_dialect import UsageDialect

PLAIN = Answer(
    text="The sea is blue and wide.", sentences=3, completion_tokens=8, safety=Verdict.SAFE, safety_field="is_safe", dialect=UsageDialect.PER_EVENT,
    ending=Ending.FINISHED, finish_reason=None, first=0.4,
)


def but(**fields):
    return dataclasses.replace(PLAIN, **fields)


def found(references, fresh, threshold=0.1):
    return {one.aspect: one for one in differences(references, fresh, threshold)}


def drifted(references, fresh, threshold=0.1):
    return {aspect.value for aspect, one in found(references, fresh, threshold).items() if one.drifted}


texts = st.text("ab cde,\n北京是的。🙂é", max_size=40)
answers = st.builds(
    Answer, text=texts, sentences=st.integers(0, 5), completion_tokens=st.none() | st.integers(-2, 50), safety=st.sampled_from(Verdict),
    safety_field=st.sampled_from(["", "is_safe", "need_clear_history"]), dialect=st.sampled_from(UsageDialect), ending=st.sampled_from(Ending),
    finish_reason=st.sampled_from([None, "stop", "length"]), first=st.none() | st.floats(0, 100), error=st.sampled_from(["", "18", "336100"]),
)
sides = st.lists(answers, min_size=1, max_size=4)
thresholds = st.floats(0, 1)


# --- laws ---


@settings(deadline=None)
@given(answers, st.integers(1, 4), st.integers(1, 4), thresholds)
def test_identical_answers_have_not_drifted(one, references, fresh, threshold):
    rows = differences([one] * references, [one] * fresh, threshold)
    assert {row.distance for row in rows} == {0}
    assert not any(row.drifted or row.noisy for row in rows)


@settings(deadline=None)
@given(sides, sides, thresholds, st.randoms())
def test_the_order_of_answers_does_not_matter(references, fresh, threshold, dice):
    mixed = [dice.sample(side, len(side)) for side in (references, fresh)]
    assert differences(references, fresh, threshold) == differences(*mixed, threshold)


@settings(deadline=None)
@given(sides, sides, thresholds)
def test_what_changed_changed_both_ways(references, fresh, threshold):
    there, back = found(references, fresh, threshold), found(fresh, references, threshold)
    assert {aspect: (one.distance, one.noise, one.drifted) for aspect, one in there.items()} == {
        aspect: (one.distance, one.noise, one.drifted) for aspect, one in back.items()
    }
    assert all((one.before, one.now) == (back[aspect].now, back[aspect].before) for aspect, one in there.items())


@settings(deadline=None)
@given(sides, sides, thresholds)
def test_drift_is_beyond_the_noise_and_beyond_the_threshold(references, fresh, threshold):
    for one in differences(references, fresh, threshold):
        assert 0 <= one.distance <= 1 and (one.noise is None or 0 <= one.noise <= 1)
        assert (one.noise is None) == (sum(map(len, (one.before, one.now))) == 2 if one.before else len(references) == len(fresh) == 1)
        if one.drifted:
            assert one.distance > threshold and one.distance > (one.noise or 0)
        assert not (one.drifted and one.noisy)
        assert str(one.words) and "{" not in str(one.words)


@settings(deadline=None)
@given(sides, sides, thresholds)
def test_an_answer_among_the_references_that_is_no_farther_than_they_are_apart_is_noise(references, fresh, threshold):
    together = [*references, *fresh]
    assert not any(one.drifted for one in differences(together, together, threshold) if one.noise)


@settings(deadline=None)
@given(texts, texts)
def test_overlap_is_a_share_and_the_same_from_both_ends(one, other):
    assert 0 <= overlap(one, other) == overlap(other, one) <= 1
    assert overlap(one, one) == 1
    assert overlap(f"{one} ", f"\n{one}") == 1, "white space is not looked at"


@settings(deadline=None)
@given(st.lists(st.sampled_from(["the", "sea", "北", "京", "is"]), min_size=4, max_size=30), st.integers(1, 3))
def test_a_word_put_in_place_of_another_costs_little(words, place):
    changed = [*words[:place], "otherwise", *words[place + 1:]]
    assert 1 - 3 / (2 * len(words) - 1) - 1e-9 <= overlap(" ".join(words), " ".join(changed)) < 1


# --- measures ---


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("", "", 1), ("", "word", 0), ("red blue", "green black", 0), ("the sea", "the  sea", 1), ("a b c d", "a b c e", 10 / 14),
        ("a b", "b a", 4 / 6), ("the", "The", 0), ("北京是首都", "北京是城市", 10 / 18), ("北京 is", "北京is", 1), ("don't", "dont", 0),
        ("a a a", "a", 2 / 6), ("été", "étés", 0), ("東京タワー", "東京タワ", 14 / 16),
    ],
)
def test_the_overlap_counts_words_marks_and_single_chinese_characters(one, other, share):
    assert overlap(one, other) == pytest.approx(share)


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"text": "The sea is blue and wide, and so on, and on."}, {"characters", "overlap"}),
        ({"text": "A mountain, grey but low!"}, {"overlap"}),
        ({"sentences": 4}, {"sentences"}),
        ({"completion_tokens": 12}, {"completion tokens"}),
        ({"completion_tokens": None}, set()),
        ({"safety": Verdict.FLAGGED}, {"safety"}),
        ({"safety": Verdict.NOT_RETURNED, "safety_field": ""}, {"safety", "safety field"}),
        ({"safety_field": "need_clear_history"}, {"safety field"}),
        ({"dialect": UsageDialect.LAGGING}, {"usage dialect"}),
        ({"ending": Ending.CUT}, {"ending"}),
        ({"ending": Ending.FAILED, "error": "336100"}, {"ending", "error"}),
        ({"finish_reason": "length"}, {"finish reason"}),
        ({"first": 0.8}, set()),
        ({"first": 1.5}, {"time to first sentence"}),
        ({"first": None}, set()),
    ],
    ids=lambda value: " and ".join(sorted(value)) or "nothing" if isinstance(value, set) else str(value),
)
@pytest.mark.parametrize("repeats", [1, 3])
def test_each_change_is_named_and_no_other(changed, names, repeats):
    assert drifted([PLAIN], [but(**changed)] * repeats) == names
    assert drifted([but(**changed)], [PLAIN] * repeats) == names


@pytest.mark.parametrize(("before", "now", "slower"), [(0.003, 0.4, False), (0.4, 0.9, False), (0.4, 0.95, True), (10, 15, False), (10, 21, True)])
def test_a_first_sentence_has_drifted_only_when_it_is_much_slower(before, now, slower):
    assert drifted([but(first=before)], [but(first=now)] * 2) == ({"time to first sentence"} if slower else set())


def test_a_threshold_that_is_higher_lets_more_pass():
    changed = but(completion_tokens=10)
    assert drifted([PLAIN], [changed], 0.19) == {"completion tokens"}
    assert drifted([PLAIN], [changed], 0.21) == set()


# --- noise ---


def test_answers_that_differ_among_themselves_are_noise_not_drift():
    fresh = [but(completion_tokens=tokens) for tokens in (8, 16, 12)]
    tokens = found([but(completion_tokens=10)], fresh)[Aspect.TOKENS]
    assert (tokens.drifted, tokens.noisy, tokens.noise) == (False, True, 0.5)
    assert "completion tokens" in drifted([but(completion_tokens=40)], fresh), "far outside of what they differ by"


def test_references_that_differ_among_themselves_are_noise_too():
    assert drifted([but(completion_tokens=8), but(completion_tokens=16)], [but(completion_tokens=12)]) == set()


def test_a_verdict_that_is_not_the_same_each_time_is_noise():
    unsteady = [PLAIN, but(safety=Verdict.FLAGGED), PLAIN]
    safety = found([PLAIN], unsteady)[Aspect.SAFETY]
    assert (safety.drifted, safety.noisy) == (False, True)
    assert str(safety.words) == "safety: safe → flagged (1), safe (2)"


def test_one_answer_a_side_leaves_the_noise_unknown():
    assert {one.noise for one in differences([PLAIN], [but(completion_tokens=40)])} == {None}


def test_what_is_said_of_a_difference():
    rows = found([but(completion_tokens=1000), but(completion_tokens=1100)], [but(first=1.5, finish_reason="stop")])
    assert str(rows[Aspect.TOKENS].words) == "completion tokens: 1,000–1,100 → 8"
    assert str(rows[Aspect.FIRST].words) == "time to first sentence: 0.40 s → 1.50 s"
    assert str(rows[Aspect.FINISH].words) == "finish reason: – → stop"
    assert str(rows[Aspect.OVERLAP].words) == "overlap 1.00; among themselves at least 1.00"


WORDS = "red blue green white black brown grey pink the of and a sea sky tree road house".split()
LAWS = {
    "free texts": lambda dice: " ".join(dice.choices(WORDS, weights=[1 / (place + 1) for place in range(len(WORDS))], k=40)),
    "a common beginning": lambda dice: "the sea and the sky " * 4 + " ".join(dice.choices(WORDS, k=20)),
    "lengths that vary": lambda dice: " ".join(dice.choices(WORDS, k=max(1, round(dice.gauss(40, 12))))),
    "few texts": lambda dice: dice.choice(["red blue", "green white black", "the sea and the sky"]),
}


@pytest.mark.slow
@pytest.mark.parametrize(("references", "fresh", "most"), [(1, 3, 0.4), (1, 5, 0.2), (3, 3, 0.1), (5, 5, 0.02)])
@pytest.mark.parametrize("law", LAWS)
def test_how_often_sampled_text_of_an_unchanged_model_is_called_drift(law, references, fresh, most):
    """1,000 cases of each law, every aspect of the text; the more answers a side, the fewer alarms."""
    dice = random.Random(20261122)

    def draw():
        text = LAWS[law](dice)
        return but(text=text, completion_tokens=len(text.split()))

    alarms = sum(bool(drifted([draw() for _ in range(references)], [draw() for _ in range(fresh)])) for _ in range(1000))
    print(law, references, fresh, alarms / 1000)
    assert alarms / 1000 <= most


@pytest.mark.slow
@pytest.mark.parametrize(("references", "fresh"), [(1, 3), (1, 5), (3, 3), (5, 5)])
def test_another_model_s_sampled_text_is_seen(references, fresh):
    dice = random.Random(20261122)
    other = ["mountain", "valley", *WORDS[8:]]

    def draw(words):
        return but(text=" ".join(dice.choices(words, k=40)))

    seen = sum("overlap" in drifted([draw(WORDS) for _ in range(references)], [draw(other) for _ in range(fresh)]) for _ in range(500))
    print(references, fresh, seen / 500)
    assert seen / 500 >= 0.8


# --- from sentences ---


def recorded(name):
    return [qianfan.read_event(json.dumps(event), number)._replace(arrived=0.5 + number) for number, event in
            enumerate(EXAMPLES[name].stream)]


def test_an_answer_is_read_from_its_sentences():
    one = answer(recorded("yi_34b"), Ending.FINISHED)
    assert (one.sentences, one.completion_tokens, one.safety, one.dialect, one.first) == (14, 372, Verdict.SAFE, UsageDialect.LAGGING, 0.5)
    assert one.safety_field == "need_clear_history" and answer(recorded("cerebras_gpt_6_7b"), Ending.FINISHED).safety_field == "is_safe"
    assert answer(recorded("yi_34b"), Ending.CUT, timed=False) == dataclasses.replace(one, ending=Ending.CUT, first=None)


def test_what_an_answer_does_not_state_is_not_made_up():
    one = answer([Sentence(text="a", index=0), Sentence(text="", index=1, usage=Usage(completion_tokens=1))], Ending.CUT)
    assert (one.text, one.sentences, one.completion_tokens, one.safety_field, one.finish_reason) == ("a", 1, None, "", None)
    assert (one.safety, one.dialect) == (Verdict.NOT_RETURNED, UsageDialect.ABSENT)
    assert answer([], Ending.FAILED).first is None


def test_the_gravest_verdict_and_the_last_finish_reason_count():
    flagged = Safety(verdict=Verdict.FLAGGED, need_clear_history=True)
    one = answer([Sentence(text="a", index=0, safety=flagged), Sentence(text="b", index=1, finish_reason="length"), Sentence(text="", index=2)],
                 Ending.FINISHED)
    assert (one.safety, one.safety_field, one.finish_reason) == (Verdict.FLAGGED, "need_clear_history", "length")


def test_an_error_is_known_by_its_code_or_else_by_what_happened():
    stated, lost = ServiceError(message("A server on the way failed."), code=336100), StreamInterrupted(message("The connection was lost."))
    assert answer([], Ending.FAILED, error=stated).error == "336100"
    assert answer([], Ending.CUT, error=lost).error == "The connection was lost."


def test_a_character_whose_halves_came_apart_is_whole():
    halves = [Sentence(text="a\ud83d", index=0), Sentence(text="\ude42", index=1)]
    assert answer(halves, Ending.FINISHED).text == "a🙂"


def test_every_aspect_has_a_name_of_its_own():
    assert [str(aspect.words) for aspect in Aspect] == [aspect.value for aspect in Aspect]
