"""The stop simulator: the first place where the text so far ends with an entry, whatever the sentence seams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.stop_simulator import simulate, stop_notes, twin_note

ANSWER = ["春天来了，", "公园里的花开", "了。人们都", "出来了。"]


def test_the_earliest_cut_comes_first_with_its_sentence_and_seam():
    cuts = simulate(ANSWER, ["出来", "开了。", "没有"])
    assert [(cut.stop, cut.start, cut.end, cut.sentence, cut.seam) for cut in cuts] == [("开了。", 10, 13, 2, True), ("出来", 16, 18, 3, False)]


def test_an_entry_that_does_not_occur_cuts_nothing():
    assert simulate(["a"], ["b", ""]) == []
    assert simulate([], ["b"]) == []


@given(st.lists(st.text("ab\n", max_size=6), max_size=8), st.lists(st.text("ab\n", min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_first_cut_is_where_generation_by_the_documented_rule_would_end(sentences, stops):
    text = "".join(sentences)
    by_rule = next((end for end in range(1, len(text) + 1) if any(text[:end].endswith(stop) for stop in stops)), None)
    cuts = simulate(sentences, stops)
    assert (cuts[0].end if cuts else None) == by_rule
    if cuts:
        assert text[cuts[0].start : cuts[0].end] == cuts[0].stop
        before = sum(map(len, sentences[: cuts[0].sentence]))
        assert before < cuts[0].end <= before + len(sentences[cuts[0].sentence])
        assert cuts[0].seam == (cuts[0].start < before)


@pytest.mark.parametrize(
    ("stops", "place", "says"),
    [
        (["\n", "end\n"], 1, "ends with “⏎” too"),
        (["ab", "xaby"], 1, "“ab” in it stops first"),
        (["！", "!"], 0, "only in width"),
    ],
)
def test_an_entry_that_never_acts_or_has_a_twin_is_noted(stops, place, says):
    assert says in str(stop_notes(stops)[place])


@pytest.mark.parametrize(("stop", "twin"), [("!", "！"), ("。", "."), ("，", ",")])
def test_a_punctuation_mark_has_a_twin_of_the_other_width(stop, twin):
    assert f"“{twin}” is another character" in str(twin_note(stop))


@pytest.mark.parametrize("stop", ["\n", "In short", "结束", "12", " "])
def test_other_entries_have_no_twin(stop):
    assert twin_note(stop) is None


def test_ordinary_entries_get_no_note():
    assert stop_notes(["\n\n", "In short", "结束", "12"]) == {}
