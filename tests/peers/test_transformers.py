"""A second server nobody here wrote: Hugging Face's `transformers serve`, whose completions differ from llama.cpp's in many ways.

Only its last chunk has a `finish_reason`, and the usage with it; no `[DONE]` comes. A stop sequence stays in the text,
`frequency_penalty` is a repetition penalty, a parameter it does not know is refused, and a failure in the middle of a stream is
one line of text.
"""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from playground.client import Client, Exchange
from playground.completion import CompletionRequest, Sentence, final_usage
from playground.endpoints import Endpoint
from playground.errors import InvalidRequestError, ServiceError
from playground.export import export, target_of
from playground.message import Message
from playground.providers import openai
from playground.usage_dialect import UsageDialect, usage_dialect
from playground.wire import Cancel, Cancelled, Timeouts
from tests.known_law import LAW, PROMPT, Law, distance, draws
from tests.peers.transformers_server import EDGE, MODEL, VOID, serving

pytestmark = pytest.mark.slow(seconds=30)  # the first has it installed
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("transformers")) as address:
        yield address


def row(address: str, *, model: str = MODEL, dialect: str = "plain", path: str = "/v1") -> Endpoint:
    return Endpoint(
        name="transformers", title="transformers serve", group="", note=Message(""), base_url=address + path, path=openai.COMPLETION_PATH,
        model=model, provider=openai.PROVIDER, parameters=openai.DIALECTS[dialect],
    )


def complete(endpoint: Endpoint, prompt: str = PROMPT, **parameters: Any) -> list[Sentence]:
    client = Client(timeouts=Timeouts(silence=30.0))
    return list(client.complete(endpoint, CompletionRequest(prompt=prompt, parameters=parameters), Cancel(), Exchange()))


def text_of(sentences: list[Sentence]) -> str:
    return "".join(one.text for one in sentences)


def endings(sentences: list[Sentence]) -> list[str]:
    return [one.finish_reason for one in sentences if one.finish_reason]


@both_ways
def test_an_answer_ends_with_its_reason_and_its_usage(address: str, stream: bool) -> None:
    exchange = Exchange()
    asked = CompletionRequest(prompt=PROMPT, parameters={"max_tokens": 20, "stream": stream})
    sentences = list(Client().complete(row(address), asked, Cancel(), exchange))
    assert len(draws(text_of(sentences) + " go")) == 10
    usage = final_usage(sentences)
    assert usage is not None and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1, 20, 21)
    assert endings(sentences) == ["length"] and sentences[-1].is_end
    assert (exchange.status, exchange.streamed, exchange.attempts) == (200, stream, 1)
    assert exchange.request_id and {one.answer_id for one in sentences} == {exchange.request_id}
    assert (len(sentences) > 1) is stream
    assert usage_dialect(sentences) is (UsageDialect.FINAL_ONLY if stream else UsageDialect.UNDECIDED)


@both_ways
def test_a_text_that_ends_by_itself(address: str, stream: bool) -> None:
    sentences = complete(row(address), "bye", max_tokens=50, stream=stream)
    usage = final_usage(sentences)
    assert (text_of(sentences), endings(sentences)) == ("", ["stop"])
    assert usage is not None and usage.completion_tokens == 1


def test_a_character_of_several_tokens_comes_whole(address: str) -> None:
    sentences = complete(row(address), "cat", max_tokens=4, stream=True)
    assert [one.text for one in sentences if one.text] == ["猫", " go"]


def test_one_seed_is_one_text_in_a_stream_or_whole(address: str) -> None:
    texts = [text_of(complete(row(address), max_tokens=40, seed=seed, stream=stream)) for seed in (1, 2) for stream in (True, False)]
    assert texts[0] == texts[1] != texts[2] == texts[3]


@pytest.mark.parametrize(
    "parameters", [{"temperature": 1.0}, {"temperature": 0.5}, {"top_p": 0.5}, {"temperature": 0.0}],
    ids=["temperature 1", "temperature 0.5", "top_p 0.5", "temperature 0"],
)
def test_500_draws_follow_the_law(address: str, parameters: dict[str, Any]) -> None:
    drawn = draws(text_of(complete(row(address), max_tokens=1001, seed=7, stream=True, **parameters)))
    law = Law(LAW).probabilities(**parameters) if parameters.get("temperature") != 0 else {"red": 1.0}
    assert len(drawn) == 500 and set(drawn) <= set(law)
    assert distance(drawn, law) <= 0.08


def test_its_frequency_penalty_is_a_repetition_penalty(address: str) -> None:
    endpoint = row(address)
    drawn = [text_of(complete(endpoint, "red go", max_tokens=1, frequency_penalty=1.0, seed=seed)).strip() for seed in range(200)]
    assert distance(drawn, Law(LAW).probabilities(penalty=2.0, seen={"red"})) <= 0.12
    assert distance(drawn, Law(LAW).probabilities()) > 0.12


@both_ways
@pytest.mark.parametrize("stop", ["red go", "d g"])
def test_a_stop_sequence_ends_the_text_and_stays_in_it(address: str, stop: str, stream: bool) -> None:
    for seed in range(3):
        sentences = complete(row(address), max_tokens=1001, stop=["never", stop], seed=seed, stream=stream)
        assert text_of(sentences).count(stop) == 1 and text_of(sentences).endswith("red go")
        assert endings(sentences) == ["stop"]


@both_ways
def test_its_refusals_are_told_in_our_words(address: str, stream: bool) -> None:
    with pytest.raises(InvalidRequestError, match="refused the request; it says why") as wrong_model:
        complete(row(address, model="wrong"), max_tokens=1, stream=stream)
    assert wrong_model.value.code == 400 and f"pinned to '{MODEL}'; requested 'wrong'" in str(wrong_model.value.endpoint_message)
    with pytest.raises(InvalidRequestError, match="refused the request; it says why") as unknown:
        complete(row(address, dialect="vllm"), max_tokens=1, top_k=3, stream=stream)
    assert unknown.value.code == 422 and "top_k" in str(unknown.value.endpoint_message)
    with pytest.raises(InvalidRequestError, match="no such path or model") as lost:
        complete(row(address, path=""), max_tokens=1, stream=stream)
    assert "/v1" in str(lost.value.remedy)


def test_a_failure_before_the_first_text_is_told(address: str) -> None:
    with pytest.raises(ServiceError, match="HTTP status 500") as whole:
        complete(row(address), max_tokens=4, frequency_penalty=-1.0)
    assert whole.value.retryable
    with pytest.raises(ServiceError, match="failed while it worked") as streamed:
        complete(row(address), max_tokens=4, frequency_penalty=-1.0, stream=True)
    assert "strictly positive" in str(streamed.value.endpoint_message)


def test_a_failure_in_the_middle_of_a_stream_is_told_and_the_text_before_it_stands(address: str) -> None:
    asked = CompletionRequest(prompt=EDGE, parameters={"max_tokens": 4, "stream": True})
    answer = Client().complete(row(address), asked, Cancel(), Exchange())
    assert next(answer).text == f" {VOID}"
    with pytest.raises(ServiceError, match="failed while it worked") as caught:
        list(answer)
    assert "nan" in str(caught.value.endpoint_message)


def test_stop_frees_the_server_at_once(address: str) -> None:
    cancel = Cancel()
    asked = CompletionRequest(prompt=PROMPT, parameters={"max_tokens": 1_000_000, "stream": True})
    answer = Client().complete(row(address), asked, cancel, Exchange())
    assert next(answer).text
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(answer)
    assert text_of(complete(row(address), max_tokens=2))  # it writes one text at a time: the long one has ended


@both_ways
def test_the_exported_python_runs_against_it(address: str, stream: bool) -> None:
    endpoint = row(address)
    asked = CompletionRequest(prompt=PROMPT, parameters={"temperature": 0.0, "max_tokens": 4, "stream": stream})
    text = export("python", target_of(endpoint), asked, endpoint.parameters).text
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == (" red go red go\n", "")
