"""What the setting chooses."""

import subprocess
import sys
from pathlib import Path

import pytest

from local_model.models import DEFAULT, GEMMA3, KNOWN, cache_folder, choose
from local_model.opening import open_engine
from playground.errors import ConfigurationError


@pytest.mark.parametrize("setting", [None, "", "  "])
def test_nothing_set_means_the_default_model(setting: str | None) -> None:
    assert choose(setting) is DEFAULT
    assert DEFAULT.licence == "Apache-2.0" and DEFAULT.conditions is None


def test_a_name_a_path_and_off(tmp_path: Path) -> None:
    own = tmp_path / "mine.gguf"
    own.write_bytes(b"GGUF")
    assert choose("Gemma-3-270M") is GEMMA3
    assert choose(str(own)) == own
    assert choose("off") is None
    assert open_engine("off") is None


@pytest.mark.parametrize("setting", ["gpt-5", "missing.gguf", "/nowhere/x.gguf", "false"])
def test_anything_else_is_refused_with_a_remedy(setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        choose(setting)
    assert setting in str(caught.value) and "LOCAL_MODEL" in str(caught.value)
    assert caught.value.remedy


def test_every_row_can_be_fetched_by_hash_alone() -> None:
    for model in KNOWN.values():
        assert len(model.sha256) == 64 and all(len(wheel.sha256) == 64 for wheel in model.wheels)
        assert model.size > 0 and model.download_size > 0
    assert GEMMA3.banned_tokens == (255_999,)
    assert [wheel.member for wheel in GEMMA3.wheels] == [".part00", ".part01", ".part02", ".part03"]


def test_the_cache_folder_follows_the_environment(tmp_path: Path) -> None:
    own, xdg = str(tmp_path / "own"), str(tmp_path / "xdg")
    assert cache_folder({"PLAYGROUND_CACHE": own, "XDG_CACHE_HOME": xdg}) == tmp_path / "own" / "models"
    assert cache_folder({"XDG_CACHE_HOME": xdg}) == tmp_path / "xdg" / "completion-playground" / "models"
    assert cache_folder({}) == Path.home() / ".cache" / "completion-playground" / "models"


def test_weights_that_are_not_there_are_not_fetched_without_being_asked(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not on this computer yet") as caught:
        open_engine(None, folder=tmp_path)
    assert "python -m local_model fetch" in str(caught.value.remedy)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_loads_no_engine() -> None:
    heavy = ("xllamacpp", "streamlit", "requests")
    words = f"import sys, local_model.opening, local_model.sentences; print(*(name in sys.modules for name in {heavy}))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 3
