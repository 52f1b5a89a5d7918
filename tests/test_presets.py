"""Presets: built in and one's own, as a file and back."""

import json

import pytest

from playground.errors import ParameterError
from playground.parameters import check_parameters
from playground.presets import BUILT_IN, Preset, check_name, export_presets, import_presets
from playground.providers.qianfan import PARAMETERS


def test_every_built_in_preset_may_be_sent():
    for preset in BUILT_IN:
        assert check_parameters(PARAMETERS, preset.values) == preset.values


def test_ones_own_presets_travel_as_a_file_and_back_unchanged():
    own = [Preset(name="诗", values={"temperature": 0.9, "top_p": 0, "stop": ["\n\n", "“", "\\"]}), Preset(name="empty")]
    presets, refused = import_presets(export_presets(own), PARAMETERS)
    assert presets == own
    assert refused == []


def test_a_row_that_must_not_be_sent_is_named_and_the_others_come():
    rows = [{"name": "good", "values": {"top_k": 3}}, {"name": "bad", "values": {"temperature": 2}}, {"nothing": 1}, {"name": "good", "values": {}},
            {"name": "unknown", "values": {"max_tokens": 3}}]
    content = json.dumps({"format": "completion-playground/presets", "version": 1, "presets": rows})
    presets, refused = import_presets(content, PARAMETERS)
    assert [preset.name for preset in presets] == ["good"]
    assert [str(reason).split()[1].rstrip(":") for reason in refused] == ["2", "3", "4", "5"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": "other", "version": 1, "presets": []}', "[" * 100_000, "x" * 300_000, b"\xff"])
def test_a_file_that_is_none_of_ours_is_refused_in_words(content):
    with pytest.raises(ParameterError):
        import_presets(content, PARAMETERS)


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "Precise", "taken"])
def test_a_name_that_cannot_be_used_is_refused(name):
    with pytest.raises(ParameterError):
        check_name(name, ["taken"])


def test_blanks_around_and_within_a_name_are_made_single():
    assert check_name("  my \n preset ", []) == "my preset"
