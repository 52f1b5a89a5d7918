"""What differs between two runs: the texts come back from it exactly, it reads as a person would mark it, and long texts stay cheap."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.difference import Change, Kind, Piece, change_words, difference, parameter_changes

ANY = st.text(st.characters(codec=None, categories=None), max_size=60)
FEW_WORDS = st.lists(st.sampled_from(["the", "cat", " ", " ", "\n", "sat", "。", "北", "京", "\r", "\0", "\ud800"]), max_size=60).map("".join)


def sides(pieces: list[Piece]) -> tuple[str, str]:
    before = "".join(piece.text for piece in pieces if piece.kind is not Kind.ADDED)
    return before, "".join(piece.text for piece in pieces if piece.kind is not Kind.REMOVED)


def marked(before: str, after: str) -> str:
    """The difference as one line: [-removed-], {+added+}."""
    forms = {Kind.SAME: "{}", Kind.REMOVED: "[-{}-]", Kind.ADDED: "{{+{}+}}"}
    return "".join(forms[piece.kind].format(piece.text) for piece in difference(before, after))


@given(st.one_of(ANY, FEW_WORDS), st.one_of(ANY, FEW_WORDS))
def test_each_side_joins_to_its_text_exactly(before: str, after: str):
    assert sides(difference(before, after)) == (before, after)


@given(FEW_WORDS)
def test_a_text_does_not_differ_from_itself(text: str):
    assert [piece.kind for piece in difference(text, text)] == ([Kind.SAME] if text else [])


@given(FEW_WORDS, FEW_WORDS, FEW_WORDS)
def test_no_piece_is_empty_and_neighbours_are_of_different_kinds(start: str, middle: str, end: str):
    pieces = difference(start + middle + end, start + end)
    assert all(piece.text for piece in pieces)
    assert all(one.kind is not other.kind for one, other in zip(pieces, pieces[1:], strict=False))


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("The sea is cold today", "The sea is warm today", "The sea is [-cold-]{+warm+} today"),
        ("living near the sea", "living near the blue sea", "living near the {+blue +}sea"),
        ("北京是中国的首都，历史悠久", "北京是中国的古都，历史很悠久", "北京是中国的[-首-]{+古+}都，历史{+很+}悠久"),
        ("temperature", "temperatures", "[-temperature-]{+temperatures+}"),
        ("one\ntwo\n", "one\n\ntwo\n", "one\n{+\n+}two\n"),
        ("a b c d", "", "[-a b c d-]"),
        ("The wheels go round and round and round and round", "The wheels go round and round", "The wheels go round and round[- and round and round-]"),
    ],
    ids=["word", "insertion", "Chinese", "words are whole", "line end", "all gone", "repetition"],
)
def test_it_marks_what_a_person_would(before: str, after: str, shown: str):
    assert marked(before, after) == shown


def test_two_texts_with_nothing_but_crumbs_in_common_are_one_replacement():
    before = "Beijing is the capital of China and a city of many palaces."
    after = "I do not know what is meant, the question and its words say little of it."
    assert [piece.kind for piece in difference(before, after)][:2] == [Kind.REMOVED, Kind.ADDED]
    assert len(difference(before, after)) <= 3


def test_a_change_in_the_middle_of_much_repetition_is_found():
    before = "a b c " * 3000
    after = before[:9000] + "x " + before[9000:]
    assert [piece for piece in difference(before, after) if piece.kind is not Kind.SAME] == [Piece(Kind.ADDED, "x ")]


def texts(kind: str) -> tuple[str, str]:
    draw = random.Random(kind)
    if kind == "much alike":
        words = [f"{draw.choice('abcdefgh')}{draw.randrange(2000)} " for _ in range(150_000)]
        changed = [word if draw.random() > 0.02 else "changed " for word in words]
        return "".join(words), "".join(changed)
    if kind == "two letters":
        return tuple("".join(draw.choices("a b ", k=200_000)) for _ in range(2))  # type: ignore[return-value]
    if kind == "Chinese":
        return tuple("".join(draw.choices("的一是不了人我在有他这中大来上国", k=100_000)) for _ in range(2))  # type: ignore[return-value]
    return "".join(f"{number} " for number in range(100_000)), "".join(f"{number} " for number in reversed(range(100_000)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["much alike", "two letters", "Chinese", "backwards"])
def test_long_texts_cost_little_whatever_they_are(kind: str):
    before, after = texts(kind)
    began = time.process_time()
    pieces = difference(before, after)
    assert time.process_time() - began < 20, "each with each would take hours"
    assert sides(pieces) == (before, after)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (0.7, 0.9, "temperature 0.7 → 0.9"), (None, 0.9, "temperature 0.9"), (0.7, None, "temperature not sent"), (0, 0.0001, "temperature 0 → 0.0001"),
        (True, False, "temperature true → false"), (None, ["\n"], "temperature +⏎"), (["\n", "。"], ["。", "END"], "temperature −⏎ +END"),
        (["a", "b"], ["b", "a"], "temperature in another order"), (["a", "a"], ["a"], "temperature −a"),
    ],
)
def test_a_change_is_said_in_a_few_characters(before: object, after: object, words: str):
    assert str(change_words(Change("temperature", before, after))) == words


def test_only_what_was_sent_otherwise_counts_as_a_change():
    before = {"temperature": 0.7, "top_k": 1, "stop": [], "stream": True, "top_p": None}
    after = {"temperature": 0.7, "top_k": 1.0, "stream": 1, "penalty_score": 1.1}
    assert [change.name for change in parameter_changes(before, after)] == ["stream", "penalty_score"]
