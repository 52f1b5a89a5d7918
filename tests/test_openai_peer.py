"""A server nobody here wrote: llama.cpp's own, over HTTP on loopback, with a model whose law is known.

What the person sets must act in it as the law says, its key check and its refusals must be told in our words, and its
stream must end as we say that streams end.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import xllamacpp

from playground.client import Client, Exchange
from playground.completion import CompletionRequest, Sentence, final_usage
from playground.endpoints import Endpoint, build_endpoints
from playground.errors import AuthenticationError, InvalidRequestError, ServiceError
from playground.export import export, target_of
from playground.settings import Settings
from playground.wire import Cancel, Cancelled
from tests.known_law import PROMPT, Law, distance, draws, write_model

KEY = "sk-the-key-of-the-peer"
CONTEXT = 4096
# The server cuts the tail by itself unless told otherwise (top_k 40, top_p 0.95, min_p 0.05) and cools to 0.8.
OPEN = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


@contextmanager
def serving(path: Path, keys: list[str]) -> Iterator[str]:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = CONTEXT
    parameters.n_parallel = 1
    parameters.n_batch = parameters.n_ubatch = 64
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.n_gpu_layers = 0
    parameters.fit_params = parameters.warmup = parameters.ctx_shift = False
    parameters.cache_ram_mib = parameters.n_ctx_checkpoints = 0
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = keys
    parameters.n_threads_http = 2
    parameters.ui = parameters.endpoint_slots = False
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


@pytest.fixture(scope="module")
def law_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Law]:
    path = tmp_path_factory.mktemp("law") / "law.gguf"
    return path, write_model(path)


@pytest.fixture(scope="module")
def law(law_file: tuple[Path, Law]) -> Law:
    return law_file[1]


@pytest.fixture(scope="module")
def keyed(law_file: tuple[Path, Law]) -> Iterator[str]:
    with serving(law_file[0], [KEY]) as address:
        yield address


@pytest.fixture(scope="module")
def unkeyed(law_file: tuple[Path, Law]) -> Iterator[str]:
    with serving(law_file[0], []) as address:
        yield address


def row(address: str, key: str = KEY, path: str = "/v1") -> Endpoint:
    values = {"OPENAI_BASE_URL": address + path, "OPENAI_MODEL": "law", "OPENAI_API_KEY": key, "OPENAI_DIALECT": "llama.cpp"}
    made = build_endpoints(Settings(values=values), None)["openai"]
    assert made.off is None
    return made


def complete(endpoint: Endpoint, prompt: str = PROMPT, **parameters: Any) -> list[Sentence]:
    return list(Client().complete(endpoint, CompletionRequest(prompt=prompt, parameters={**OPEN, **parameters}), Cancel(), Exchange()))


def text_of(sentences: list[Sentence]) -> str:
    return "".join(one.text for one in sentences)


@pytest.mark.parametrize(
    "parameters",
    [{"temperature": 1.0}, {"temperature": 0.3}, {"top_k": 3}, {"top_p": 0.5}, {"min_p": 0.3}, {"temperature": 0.0}],
    ids=["temperature 1", "temperature 0.3", "top_k 3", "top_p 0.5", "min_p 0.3", "temperature 0"],
)
def test_500_draws_follow_the_law(keyed: str, law: Law, parameters: dict[str, Any]) -> None:
    drawn = draws(text_of(complete(row(keyed), max_tokens=1001, seed=7, stream=True, **parameters)))
    least = parameters.get("min_p", 0.0)
    if parameters.get("temperature") == 0.0:
        allowed = law.probabilities(top_k=1)
    else:
        allowed = law.probabilities(**{name: value for name, value in parameters.items() if name != "min_p"})
    allowed = {word: p for word, p in allowed.items() if p >= least * max(allowed.values())}
    allowed = {word: p / sum(allowed.values()) for word, p in allowed.items()}
    assert len(drawn) == 500
    assert set(drawn) == set(allowed) or parameters == {"temperature": 0.3}
    assert distance(drawn, allowed) <= 0.08


def test_the_repeat_penalty_acts(keyed: str, law: Law) -> None:
    endpoint = row(keyed)
    drawn = [text_of(complete(endpoint, "red go", max_tokens=1, repeat_penalty=2.0, seed=seed)).strip() for seed in range(200)]
    assert distance(drawn, law.probabilities(penalty=2.0, seen={"red"})) <= 0.12
    assert distance(drawn, law.probabilities()) > 0.12


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("key", [KEY, ""], ids=["key", "no key"])
def test_an_answer_ends_with_its_reason_and_its_usage(keyed: str, unkeyed: str, key: str, stream: bool) -> None:
    sentences = complete(row(keyed if key else unkeyed, key), max_tokens=20, stream=stream)
    assert len(draws(text_of(sentences) + " go")) == 10
    usage = final_usage(sentences)
    assert usage is not None and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1, 20, 21)
    assert [one.finish_reason for one in sentences if one.finish_reason] == ["length"]
    assert (len(sentences) > 20) is stream


def test_a_text_that_ends_by_itself_and_characters_of_several_tokens(keyed: str) -> None:
    sentences = complete(row(keyed), "bye", max_tokens=50, stream=True)
    assert [one.finish_reason for one in sentences if one.finish_reason] == ["stop"]
    assert text_of(complete(row(keyed), "cat", max_tokens=4, stream=True)).strip().startswith("猫")


@pytest.mark.parametrize("stop", ["red go", " black", "d g"])
def test_a_stop_sequence_never_leaks(keyed: str, stop: str) -> None:
    for seed in range(3):
        sentences = complete(row(keyed), max_tokens=1001, stop=["never", stop], seed=seed, stream=True)
        assert stop not in text_of(sentences) and not text_of(sentences).endswith(stop[:3])
        assert [one.finish_reason for one in sentences if one.finish_reason] == ["stop"]


@pytest.mark.parametrize("key", ["sk-a-wrong-key-entirely", ""], ids=["wrong", "none"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_refused_key_is_told_in_our_words(keyed: str, key: str, stream: bool) -> None:
    with pytest.raises(AuthenticationError, match="The key was refused, or one is needed.") as caught:
        complete(row(keyed, key), max_tokens=1, stream=stream)
    assert (caught.value.code, caught.value.endpoint_message) == (401, "Invalid API Key")
    assert "key" in str(caught.value.remedy) and "wrong-key" not in str(caught.value.__dict__)


def test_its_refusals_are_told_in_our_words(keyed: str) -> None:
    with pytest.raises(InvalidRequestError, match="prompt is too long") as too_long:
        complete(row(keyed), "go " * (CONTEXT + 10), max_tokens=1, stream=True)
    assert str(CONTEXT) in str(too_long.value.endpoint_message)
    with pytest.raises(InvalidRequestError, match="no such path or model") as lost:
        complete(row(keyed, path="/v7"), max_tokens=1)
    assert "/v1" in str(lost.value.remedy)
    with pytest.raises(ServiceError, match="not a completion") as native:  # without /v1 it answers, in its own other protocol
        complete(row(keyed, path=""), max_tokens=1)
    assert "/v1" in str(native.value.remedy)


def test_stop_frees_the_server_at_once(keyed: str) -> None:
    cancel = Cancel()
    asked = CompletionRequest(prompt=PROMPT, parameters={**OPEN, "stream": True})
    answer = Client().complete(row(keyed), asked, cancel, Exchange())
    assert next(answer).text
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(answer)
    assert text_of(complete(row(keyed), max_tokens=2))


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_the_exported_python_runs_against_it(keyed: str, stream: bool) -> None:
    endpoint = row(keyed)
    asked = CompletionRequest(prompt=PROMPT, parameters={**OPEN, "top_k": 1, "max_tokens": 4, "stream": stream})
    text = export("python", target_of(endpoint), asked, endpoint.parameters).text
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30, env={**os.environ, "OPENAI_API_KEY": KEY})
    assert (done.stdout, done.stderr) == (" red go red go\n", "")
