"""Grouping pieces into sentences."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local_model.sentences import Grouper

TEXTS = st.text(alphabet=st.sampled_from("ab1 ,.;:!?。，、！\n\r\"”)猫的é\u0301\u200d👍🏽🇨🇳—"), max_size=400)


def grouped(pieces: list[str]) -> list[str]:
    grouper = Grouper()
    return [sentence for piece in pieces for sentence in grouper.feed(piece)] + grouper.flush()


def cut_at(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[a:b] for a, b in zip(edges, edges[1:], strict=False)]


@given(TEXTS, st.lists(st.integers(min_value=0, max_value=400)))
@example("I " * 200, [3])
def test_nothing_is_added_or_lost_and_the_cuts_do_not_depend_on_the_feeding(text: str, places: list[int]) -> None:
    sentences = grouped(cut_at(text, places))
    assert "".join(sentences) == text
    assert all(sentences)
    assert sentences == grouped(list(text)) == grouped([text])


@given(st.lists(st.tuples(TEXTS, st.booleans()), max_size=8))
def test_taking_early_loses_nothing(steps: list[tuple[str, bool]]) -> None:
    grouper = Grouper()
    out: list[str] = []
    for piece, impatient in steps:
        out += grouper.feed(piece)
        if impatient:
            out += grouper.take()
    out += grouper.flush()
    assert "".join(out) == "".join(piece for piece, _ in steps)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("The sea is calm tonight. The tide is full, the moon", ["The sea is calm tonight.", " The tide is full,", " the moon"]),
        ("Yes, no, well, so it goes.", ["Yes, no, well, so it goes."]),
        ("It is about 3.14, or 10:30 they say.", ["It is about 3.14,", " or 10:30 they say."]),
        ("He said to her “come here now.” She went", ["He said to her “come here now.”", " She went"]),
        ("春天来了，花都开了，鸟儿在树上唱歌。我们去公园散步吧。", ["春天来了，花都开了，鸟儿在树上唱歌。", "我们去公园散步吧。"]),
        ("one two three four\n\nfive", ["one two three four\n\n", "five"]),
    ],
    ids=["clauses", "short clauses wait for four words", "numbers and times stay whole", "closing quotes stay", "Chinese", "blank lines stay together"],
)
def test_a_sentence_ends_at_a_clause_of_a_few_words(text: str, sentences: list[str]) -> None:
    assert grouped([text]) == sentences


def test_text_without_punctuation_is_cut_after_two_dozen_words() -> None:
    assert [len(sentence.split()) for sentence in grouped(["word " * 60])] == [8] * 7 + [4]


def test_chinese_without_punctuation_is_cut_after_sixty_characters() -> None:
    assert [len(sentence) for sentence in grouped(["猫" * 130])] == [24] * 5 + [10]


def test_text_without_any_space_is_cut_after_all() -> None:
    assert max(map(len, grouped(["-" * 1000]))) <= 240


@pytest.mark.parametrize(
    "cluster", ["e\u0301", "👍🏽", "👩\u200d🚀", "❤\ufe0f", "🇨🇳", "\r\n"],
    ids=["accent", "skin", "joined", "variant", "flag", "line end"],
)
def test_no_cut_inside_what_a_reader_sees_as_one_character(cluster: str) -> None:
    for before in range(236, 243):
        sentences = grouped(["-" * before + cluster * 3])
        whole = sum(sentence.replace("-", "").count(cluster) for sentence in sentences)
        assert whole == 3


def test_a_piece_that_may_still_join_is_kept_back_when_taken() -> None:
    grouper = Grouper()
    grouper.feed("so 👩\u200d")
    assert grouper.take() == ["so "]
    assert grouper.take() == []
    assert grouper.feed("🚀!") + grouper.take() == ["👩\u200d🚀!"]
