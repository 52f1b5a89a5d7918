"""The documented limits, stated here by hand: a table checked against itself would prove nothing."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.completion import CompletionRequest
from playground.errors import ParameterError
from playground.parameters import check_parameters, check_prompt
from playground.providers.provider import encode
from playground.providers.qianfan import PARAMETERS, body

SPECS = {spec.name: spec for spec in PARAMETERS}
TINY = 5e-324


def test_the_parameters_are_exactly_the_documented_ones():
    assert set(SPECS) == {"temperature", "top_p", "top_k", "penalty_score", "stop", "user_id", "stream"}
    assert len(PARAMETERS) == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", TINY), ("temperature", 0.01), ("temperature", 0.5), ("temperature", 1.0), ("temperature", 1),
        ("top_p", 0), ("top_p", 0.0), ("top_p", 0.5), ("top_p", 1.0),
        ("top_k", 1), ("top_k", 50), ("top_k", 2**31 - 1),
        ("penalty_score", 1.0), ("penalty_score", 1), ("penalty_score", 1.5), ("penalty_score", 2.0),
        ("stop", []), ("stop", ["。"]), ("stop", ["a", "b", "c", "d"]), ("stop", ["x" * 20]), ("stop", ("\n", "\t")),
        ("user_id", ""), ("user_id", "u-1"), ("user_id", "用户" * 500),
        ("stream", True), ("stream", False),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_permitted_value_is_returned_unchanged(name, value):
    assert SPECS[name].check(value) is value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0), ("temperature", 0.0), ("temperature", -0.0), ("temperature", -0.1), ("temperature", math.nextafter(1, 2)),
        ("temperature", 2), ("temperature", 10**400),
        ("top_p", -TINY), ("top_p", math.nextafter(1, 2)), ("top_p", -1),
        ("top_k", 0), ("top_k", -1), ("top_k", 2.5), ("top_k", 2.0), ("top_k", -(10**400)),
        ("penalty_score", math.nextafter(1, 0)), ("penalty_score", 0), ("penalty_score", math.nextafter(2, 3)),
        *((name, value) for name in ("temperature", "top_p", "top_k", "penalty_score")
          for value in (math.nan, math.inf, -math.inf, True, False, "1", "", [], {}, b"1")),
        ("stream", 0), ("stream", 1), ("stream", "true"), ("stream", []),
        ("user_id", 7), ("user_id", ["u"]), ("user_id", "\ud800"),
        ("stop", "."), ("stop", [1]), ("stop", [None]), ("stop", {"a": 1}), ("stop", b"a"), ("stop", ["a", "\udc00"]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_forbidden_value_is_refused_by_name(name, value):
    with pytest.raises(ParameterError) as caught:
        SPECS[name].check(value)
    assert caught.value.name == name
    assert str(caught.value)


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ([""], "Entry 1 of stop is empty"),
        (["a", ""], "Entry 2 of stop is empty"),
        (["a", "b", "a"], "Entry 3 of stop is there already"),
        (["x" * 21], "Entry 1 of stop has 21 characters; at most 20 are permitted"),
        (["a", "中" * 21], "Entry 2 of stop has 21 characters; at most 20 are permitted"),
        (["😀" * 21], "Entry 1 of stop has 21 characters; at most 20 are permitted"),
        (["a", "b", "c", "d", "e"], "stop has 5 entries; at most 4 are permitted"),
    ],
    ids=["empty", "second empty", "duplicate", "ASCII 21", "CJK 21", "astral 21", "five"],
)
def test_a_bad_stop_list_is_refused_with_its_reason(stop, reason):
    with pytest.raises(ParameterError, match=reason):
        SPECS["stop"].check(stop)


@pytest.mark.parametrize("item", ["x" * 20, "中" * 20, "😀" * 20, " ", "\n", "\u2028"], ids=["ASCII", "CJK", "astral", "space", "LF", "LS"])
def test_twenty_code_points_of_any_script_may_stop(item):
    assert SPECS["stop"].check([item]) == [item]


@pytest.mark.parametrize("name", SPECS)
def test_none_is_permitted_and_not_sent(name):
    assert SPECS[name].check(None) is None
    assert check_parameters(PARAMETERS, {name: None}) == {}


def test_nothing_chosen_sends_the_prompt_alone():
    assert body(CompletionRequest(prompt="Introduce the city Beijing")) == {"prompt": "Introduce the city Beijing"}


def test_falsy_values_are_sent_as_they_are():
    fields = body(CompletionRequest(prompt="p", parameters={"top_p": 0, "stream": False, "stop": [], "user_id": ""}))
    assert fields == {"prompt": "p", "top_p": 0, "stop": [], "user_id": "", "stream": False}
    assert fields["stream"] is False


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ParameterError, match="max_tokens") as caught:
        check_parameters(PARAMETERS, {"max_tokens": 5})
    assert caught.value.name == "max_tokens"


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("temperature", "", None), ("temperature", "  ", None), ("temperature", " 0.5 ", 0.5), ("temperature", "1", 1.0),
        ("temperature", "0．7", 0.7), ("temperature", "1e-3", 0.001), ("top_p", "0", 0.0), ("top_k", "40", 40), ("top_k", " 7\n", 7),
        ("top_k", "１２", 12), ("top_k", "2147483647", 2**31 - 1),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_typed_text_becomes_the_number_it_says(name, typed, value):
    assert SPECS[name].parse(typed) == value


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("temperature", "0"), ("temperature", "nan"), ("temperature", "inf"), ("temperature", "1e999"), ("temperature", "warm"),
        ("temperature", "0,5"), ("temperature", "1.1"), ("top_k", "2.5"), ("top_k", "0"), ("top_k", "-3"), ("top_k", "4e1"),
        ("top_k", "9" * 5000), ("penalty_score", "0.99"),
    ],
    ids=lambda value: value[:12],
)
def test_typed_text_that_cannot_be_sent_is_refused(name, typed):
    with pytest.raises(ParameterError) as caught:
        SPECS[name].parse(typed)
    assert caught.value.name == name


@pytest.mark.parametrize("digits", [12, 20, 309, 400, 4000])
def test_a_monstrous_top_k_is_unchanged_or_refused_but_nothing_else(digits):
    try:
        assert SPECS["top_k"].parse("9" * digits) == 10**digits - 1
    except ParameterError as error:
        assert error.name == "top_k"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("temperature", "greater than 0, at most 1"), ("top_p", "from 0 to 1"), ("top_k", "whole numbers from 1"),
        ("penalty_score", "from 1 to 2"), ("stop", "at most 4 entries of at most 20 characters"),
    ],
)
def test_the_range_is_said_in_words(name, words):
    assert str(SPECS[name].range) == words


def test_where_a_control_stands_when_switched_on_may_be_sent():
    for spec in PARAMETERS:
        if spec.is_number:
            assert spec.check(spec.start if spec.kind == "float" else int(spec.start)) is not None


@pytest.mark.parametrize("prompt", ["x", " ", "\n", "中" * 10, "😀" * 10], ids=["one", "space", "LF", "CJK", "astral"])
def test_a_prompt_within_the_limit_is_unchanged(prompt):
    assert check_prompt(prompt, 10) is prompt


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [("", "empty"), ("x" * 11, "11 characters"), ("😀" * 11, "at most 10"), ("a\ud83d", "half a character"), ("\ud83d\ude00", "half a character")],
    ids=["empty", "ASCII", "astral", "lone surrogate", "two halves"],
)
def test_a_prompt_that_cannot_be_sent_is_refused(prompt, reason):
    with pytest.raises(ParameterError, match=reason) as caught:
        check_prompt(prompt, 10)
    assert caught.value.name == "prompt"


_ACCEPTED = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(min_value=0, max_value=1, exclude_min=True),
        "top_p": st.floats(min_value=0, max_value=1),
        "top_k": st.integers(min_value=1, max_value=2**31 - 1),
        "penalty_score": st.floats(min_value=1, max_value=2),
        "stop": st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), max_size=4, unique=True),
        "user_id": st.text(st.characters(exclude_categories=["Cs"])),
        "stream": st.booleans(),
    },
)


@given(prompt=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), parameters=_ACCEPTED)
def test_any_accepted_body_survives_json_unchanged(prompt, parameters):
    fields = body(CompletionRequest(prompt=check_prompt(prompt, 10**6), parameters=parameters))
    again = json.loads(encode(fields).decode("utf-8"))
    assert again == {"prompt": prompt, **parameters}
    assert all(type(again[name]) is type(value) for name, value in parameters.items())
