"""The loop detector: finds what repeats at the end, keeps quiet about ordinary text, and its cost is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.loops import LoopDetector, find_loop, loop_advice

ORDINARY = (
    "Beijing is the capital city of China and the center of the administrative, cultural, scientific, and technological district of the "
    "country. It is also the main gateway of China's economic, cultural, and political exchanges with the outside world."
)


@given(st.text(min_size=1, max_size=40).filter(lambda span: span.strip()), st.integers(4, 12), st.text(max_size=100))
def test_a_span_repeated_often_enough_is_found_whatever_came_before(span, times, before):
    times = max(times, -(-60 // len(span)))
    loop = find_loop(before + span * times)
    assert loop is not None
    assert (loop.span * loop.times)[-60:] == (before + span * times)[-60:]


@pytest.mark.parametrize("text", ["", "ha ha ha", ORDINARY, " " * 500, "\n" * 200, "the cat sat. " * 3])
def test_ordinary_text_is_no_loop(text):
    assert find_loop(text) is None


def test_a_loop_is_found_while_it_streams_in_small_pieces():
    detector = LoopDetector()
    assert all(detector.feed(ORDINARY[place : place + 7]) is None for place in range(0, len(ORDINARY), 7))
    found = [loop for loop in (detector.feed(" and so on") for _ in range(20)) if loop]
    assert found and "and so on" in found[0].span * 2


@pytest.mark.parametrize(
    ("values", "says"),
    [({}, "penalty_score"), ({"top_k": 1, "penalty_score": 1.3}, "top_k"), ({"penalty_score": 1.3, "temperature": 0.2}, "temperature"),
     ({"penalty_score": 1.3}, "stop sequence")],
)
def test_the_advice_fits_what_was_sent(values, says):
    assert says in str(loop_advice(values))


@pytest.mark.parametrize(
    ("values", "names", "says"),
    [
        ({}, ("temperature", "repetition_penalty", "frequency_penalty"), "A repetition_penalty of 1.1 to 1.3"),
        ({}, ("repeat_penalty",), "A repeat_penalty of 1.1 to 1.3"),
        ({}, ("temperature", "frequency_penalty"), "A frequency_penalty of 0.3 to 1 "),
        ({"frequency_penalty": 0.5}, ("temperature", "frequency_penalty"), "A higher frequency_penalty or temperature"),
        ({"temperature": 0}, ("frequency_penalty",), "A higher temperature"),
        ({}, ("temperature",), "A higher temperature"),
    ],
)
def test_the_advice_names_what_the_endpoint_has(values, names, says):
    assert str(loop_advice(values, names)).startswith(says)
