"""Quiet words: only where a setting is inert or advised against."""

import pytest

from playground.advice import advice


@pytest.mark.parametrize(
    ("values", "beside", "says"),
    [
        ({"top_k": 1, "temperature": 0.9}, "top_k", "temperature changes nothing"),
        ({"top_k": 1, "temperature": 0.9, "top_p": 0.5}, "top_k", "temperature, top_p"),
        ({"top_k": 1}, "top_k", "same text"),
        ({"top_p": 0, "top_k": 5}, "top_p", "top_k changes nothing"),
        ({"top_p": 0.0}, "top_p", "same text"),
        ({"penalty_score": 1.0}, "penalty_score", "no penalty"),
        ({"repeat_penalty": 1.0}, "repeat_penalty", "no penalty"),
        ({"temperature": 0.0}, "temperature", "same text"),
        ({"temperature": 0, "top_k": 1, "min_p": 0.1}, "temperature", "top_k, min_p changes nothing"),
    ],
)
def test_a_setting_that_makes_another_inert_is_noted_beside_it(values, beside, says):
    notes = advice(values)
    assert says in str(notes[beside])


def test_temperature_with_top_p_is_noted_only_for_the_models_whose_page_advises_against_it():
    both = {"temperature": 0.7, "top_p": 0.8}
    assert "top_p" in advice(both, advises_one_of_temperature_and_top_p=True)
    assert advice(both) == {}
    assert advice({"temperature": 0.7}, advises_one_of_temperature_and_top_p=True) == {}


def test_an_ordinary_setting_gets_no_note():
    assert advice({"temperature": 0.7, "top_k": 40, "penalty_score": 1.1}) == {}
