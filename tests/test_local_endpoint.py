"""The local model as an endpoint, the whole way: our client, HTTP, the emulator, the real engine."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emulator.local import NAME, local_service
from emulator.options import Options
from emulator.server import running
from local_model.engine import Engine
from playground.client import Client
from playground.completion import CompletionRequest, Ending, final_usage
from playground.endpoints import DEMO_KEYS, Endpoint
from playground.errors import EndpointError
from playground.message import message
from playground.run import Run, Runs
from playground.settings import Limits
from tests.known_law import CAT, PROMPT, Law, distance, draws, write_model

CONTEXT = 16_384


@pytest.fixture(scope="module")
def law_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Law]:
    path = tmp_path_factory.mktemp("law") / "law.gguf"
    return path, write_model(path)


@pytest.fixture(scope="module")
def engine(law_file: tuple[Path, Law]) -> Iterator[Engine]:
    engine = Engine(law_file[0], context=CONTEXT, waiting=1)
    assert engine.load() is None
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def endpoint(engine: Engine) -> Iterator[Endpoint]:
    service = local_service(lambda: engine, context=CONTEXT, length=1001, seed=7)
    with running(options=Options(), services=[service]) as emulator:
        yield endpoint_at(emulator.base_url)


@pytest.fixture(scope="module")
def endless(engine: Engine) -> Iterator[Endpoint]:
    """The same model without a useful length cap: it writes until its context is full."""
    with running(options=Options(), services=[local_service(lambda: engine, context=CONTEXT, length=10**6)]) as emulator:
        yield endpoint_at(emulator.base_url)


def endpoint_at(base_url: str) -> Endpoint:
    return Endpoint(name="local", title="local", group="test", note=message("test"), base_url=base_url, path=NAME, credentials=DEMO_KEYS)


def complete(endpoint: Endpoint, prompt: str = PROMPT, stream: bool = True, **parameters: Any) -> Run:
    runs = Runs(Client(), Limits())
    run = runs.start(endpoint, CompletionRequest(prompt=prompt, parameters={"stream": stream, **parameters}), "visitor")
    assert run.wait(30)
    runs.close()
    return run


@pytest.mark.parametrize(
    "parameters",
    [{}, {"temperature": 1.0}, {"temperature": 0.3}, {"top_k": 3}, {"top_p": 0.5}],
    ids=["nothing sent", "temperature 1", "temperature 0.3", "top_k 3", "top_p 0.5"],
)
def test_500_draws_through_the_whole_path_follow_the_law(endpoint: Endpoint, law_file: tuple[Path, Law], parameters: dict[str, Any]) -> None:
    run = complete(endpoint, **parameters)
    assert run.ending is Ending.FINISHED
    drawn, allowed = draws(run.text), law_file[1].probabilities(**parameters)
    assert len(drawn) == 500
    assert distance(drawn, allowed) <= 0.08
    assert set(drawn) <= set(allowed)
    if "temperature" not in parameters:
        assert set(drawn) == set(allowed)


def test_the_penalty_changes_what_is_drawn(endpoint: Endpoint) -> None:
    assert complete(endpoint, penalty_score=1.0).text != complete(endpoint, penalty_score=2.0).text


@pytest.mark.parametrize("stop", ["red go", "d g", "go white go"])
def test_a_stop_sequence_that_spans_tokens_ends_the_answer_and_is_not_in_it(endpoint: Endpoint, stop: str) -> None:
    run = complete(endpoint, stop=[stop])
    assert run.ending is Ending.FINISHED
    assert stop not in run.text
    assert run.sentences[-1].finish_reason == "normal"


def test_the_answer_comes_in_clauses_not_tokens_with_the_models_own_token_count(endpoint: Endpoint) -> None:
    run = complete(endpoint)
    assert 500 / 8 <= len(run.sentences) <= 1001 / 4
    usage = final_usage(run.sentences)
    assert usage is not None and usage.completion_tokens == 1001 and usage.prompt_tokens == 1
    assert run.sentences[-1].finish_reason == "length" and run.sentences[-1].is_truncated is False


def test_a_character_of_several_tokens_is_never_split(endpoint: Endpoint) -> None:
    run = complete(endpoint, CAT, stop=["go"])
    assert run.text.strip() == "猫"
    assert all("�" not in sentence.text for sentence in run.sentences)


def test_without_streaming_the_answer_is_the_same_in_one_piece(endpoint: Endpoint) -> None:
    whole, streamed = complete(endpoint, stream=False), complete(endpoint)
    assert whole.text == streamed.text
    assert len(whole.sentences) == 1
    assert final_usage(whole.sentences) == final_usage(streamed.sentences)


def test_a_full_context_is_said_to_have_cut_the_answer(law_file: tuple[Path, Law]) -> None:
    engine = Engine(law_file[0], context=512)
    assert engine.load() is None
    try:
        with running(services=[local_service(lambda: engine, context=512, length=10**6)]) as emulator:
            run = complete(endpoint_at(emulator.base_url))
    finally:
        engine.close()
    assert run.ending is Ending.FINISHED
    assert run.sentences[-1].is_truncated is True


@pytest.mark.parametrize(
    ("prompt", "code"),
    [("go " * 15_000, 336103), ("☃" * 8_000, 336103), ("go " * 30_000, 336007)],
    ids=["tokens by the formula", "tokens by the model", "characters"],
)
def test_a_prompt_that_is_too_long_is_refused_by_its_code(endpoint: Endpoint, prompt: str, code: int) -> None:
    run = complete(endpoint, prompt)
    assert run.ending is Ending.FAILED
    assert isinstance(run.error, EndpointError) and run.error.code == code
    assert run.text == ""


def test_three_visitors_each_get_an_answer_of_their_own_and_the_one_too_many_is_told_to_wait(endless: Endpoint, engine: Engine) -> None:
    runs = Runs(Client(), Limits())
    try:
        first = runs.start(endless, CompletionRequest(prompt=PROMPT, parameters={"stream": True}), "first")
        until(lambda: bool(first.sentences))
        second = runs.start(endless, CompletionRequest(prompt=CAT, parameters={"stream": True, "stop": ["go"]}), "second")
        until(lambda: second.place == 1)
        third = runs.start(endless, CompletionRequest(prompt=PROMPT, parameters={"stream": True}), "third")
        assert third.wait(10)
        assert third.error is not None and third.error.code == 336100
        assert first.ending is None and not second.sentences
        first.stop()
        assert second.wait(30)
        assert second.text.strip() == "猫"
        assert "猫" not in first.text
        # The places in the queue came as events of their own; they are no sentences, and none is missing.
        assert [sentence.sentence_id for sentence in second.sentences] == list(range(len(second.sentences)))
    finally:
        runs.close()


def test_stop_frees_the_engine_for_the_next_run_at_once(endless: Endpoint, engine: Engine) -> None:
    runs = Runs(Client(), Limits())
    try:
        run = runs.start(endless, CompletionRequest(prompt=PROMPT, parameters={"stream": True}), "visitor")
        until(lambda: bool(run.sentences))
        run.stop()
        begun = time.monotonic()
        after = complete(endless, CAT, stop=["go"])
        assert after.text.strip() == "猫"
        assert time.monotonic() - begun < 5
        assert run.ending is Ending.STOPPED
    finally:
        runs.close()


def test_where_there_is_no_model_the_endpoint_says_so_instead_of_answering() -> None:
    with running(services=[local_service(lambda: None, context=CONTEXT, length=10)]) as emulator:
        run = complete(endpoint_at(emulator.base_url))
    assert run.ending is Ending.FAILED
    assert run.text == ""


def until(true: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.005)
