"""The OpenAI-compatible wire: bounds by dialect, bodies, every shape of stream and error, code that runs, what it shows."""

import json
import os
import subprocess
import sys

import pytest

from playground.client import LONGEST_WAIT, Client, Exchange
from playground.completion import CompletionRequest, Usage, final_usage
from playground.credentials import BearerKey
from playground.endpoints import KNOWN_PARAMETERS, build_endpoints
from playground.errors import (
    AuthenticationError,
    ConfigurationError,
    EndpointError,
    InvalidRequestError,
    ParameterError,
    RateLimitError,
    ServiceError,
    StreamInterrupted,
)
from playground.export import LANGUAGES, export, languages, target_of
from playground.paste import read_paste
from playground.presets import Preset, export_presets, import_presets
from playground.providers import openai, qianfan
from playground.settings import Retry, Settings
from playground.wire import Cancel, Timeouts
from tests.scripted_server import CUT, HANG, ScriptedServer, json_reply, reply

KEY = "sk-the-bearer-key"
PROMPT = "Introduce the city Beijing"
USAGE = {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}


def endpoint(base_url="http://h/v1", key=KEY, dialect="plain", **values):
    fields = {"OPENAI_BASE_URL": base_url, "OPENAI_MODEL": "the/model", "OPENAI_API_KEY": key, "OPENAI_DIALECT": dialect, **values}
    return build_endpoints(Settings(values=fields), None)["openai"]


def chunk(text, finish_reason=None, **fields):
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}
    return event({"id": "cmpl-1", "object": "text_completion", "choices": [choice], **fields})


def event(fields):
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
NO_REASON = event({"choices": [{"text": "jing", "index": 0}]})
LAST_USAGE = event({"choices": [], "usage": USAGE})


def collect(server, *, client=None, stream=True, exchange=None, key=KEY, path="/v1"):
    """Complete and return the sentences and, if there was one, the error."""
    sentences = []
    client = client or Client(timeouts=Timeouts(connect=5, silence=5))
    try:
        asked = CompletionRequest(prompt=PROMPT, parameters={"stream": stream})
        sentences += client.complete(endpoint(server.url + path, key), asked, Cancel(), exchange or Exchange())
    except EndpointError as caught:
        return sentences, caught
    return sentences, None


def texts(sentences):
    return [one.text for one in sentences]


# --- parameters ---


@pytest.mark.parametrize(
    ("dialect", "bounds"),
    [
        ("plain", {"temperature": "from 0 to 2", "top_p": "from 0 to 1"}),
        ("ollama", {"temperature": "from 0 to 2", "top_p": "from 0 to 1"}),
        ("vllm", {"temperature": "from 0 to 2", "top_p": "greater than 0, at most 1", "top_k": "whole numbers from 0", "min_p": "from 0 to 1",
                  "repetition_penalty": "greater than 0"}),
        ("llama.cpp", {"temperature": "from 0", "top_p": "from 0 to 1", "top_k": "whole numbers from 0", "min_p": "from 0 to 1",
                       "repeat_penalty": "greater than 0"}),
    ],
)
def test_each_dialect_has_its_names_and_bounds(dialect, bounds):
    seed = "from 0 to 4294967294" if dialect == "llama.cpp" else "from 0 to 9223372036854775807"
    common = {"max_tokens": "whole numbers from 1", "frequency_penalty": "from -2 to 2", "presence_penalty": "from -2 to 2", "seed": seed,
              "stop": "at most 4 entries"}
    specs = openai.DIALECTS[dialect]
    assert {spec.name: str(spec.range) for spec in specs if spec.kind != "flag"} == {**bounds, **common}
    assert specs[-1].name == "stream"
    assert all(spec.source and spec.help for spec in specs)


@pytest.mark.parametrize(
    ("name", "bad"), [("temperature", 2.01), ("frequency_penalty", -2.1), ("seed", 1.5), ("seed", -1), ("max_tokens", 0), ("stop", list("abcde")),
                      ("top_k", 3), ("penalty_score", 1.1)],
)
def test_what_is_out_of_the_table_is_never_sent(name, bad):
    with pytest.raises(ParameterError) as caught:
        openai.body(CompletionRequest(prompt="p", parameters={name: bad}), openai.DIALECTS["plain"], "m")
    assert caught.value.name == name


def test_a_preset_may_hold_what_any_endpoint_takes():
    values = {"temperature": 1.8, "top_k": 0, "repetition_penalty": 3.0}
    own = [Preset(name="vLLM's", values=values), Preset(name="Baidu's", values={"penalty_score": 1.2})]
    presets, refused = import_presets(export_presets(own), KNOWN_PARAMETERS)
    assert (presets, refused) == (own, [])
    presets, refused = import_presets(export_presets([Preset(name="x", values={"temperature": 99999, "top_p": 1.5})]), KNOWN_PARAMETERS)
    assert presets == [] and "top_p" in str(refused[0])


# --- what is sent ---


def test_the_request_carries_model_prompt_values_and_key():
    parameters = {"temperature": 0, "top_p": 0.5, "max_tokens": 9, "frequency_penalty": -1.5, "seed": 2**63 - 1, "stop": ["\n", "北京"], "stream": True}
    with ScriptedServer(reply(chunk("x", "stop"), DONE)) as server:
        list(Client().complete(endpoint(server.url + "/v1/"), CompletionRequest(prompt="北京 🙂\t", parameters=parameters), Cancel(), Exchange()))
        received = server.requests[0]
    assert (received.method, received.target) == ("POST", "/v1/completions")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.fields == {"model": "the/model", "prompt": "北京 🙂\t", **parameters, "stream_options": {"include_usage": True}}


def test_without_a_key_none_is_sent_and_without_a_stream_no_stream_options():
    with ScriptedServer(json_reply({"choices": [{"text": "x", "finish_reason": "stop"}]})) as server:
        sentences, error = collect(server, key="", stream=False)
        received = server.requests[0]
    assert (texts(sentences), error) == (["x"], None)
    assert "authorization" not in received.headers
    assert received.fields == {"model": "the/model", "prompt": PROMPT, "stream": False}


# --- what comes back ---


@pytest.mark.parametrize(
    ("pieces", "wanted", "total"),
    [
        ([chunk(" Bei"), chunk(""), chunk("jing\n"), chunk("", "stop"), LAST_USAGE, DONE], [" Bei", "", "jing\n", "", ""], 7),
        ([chunk("a", usage=None), chunk("b", "length", usage=USAGE), DONE], ["a", "b"], 7),
        ([chunk("Bei"), NO_REASON, DONE], ["Bei", "jing"], None),
        ([chunk("a"), chunk("b", "stop")], ["a", "b"], None),
        ([chunk("a"), chunk("b", "stop"), LAST_USAGE], ["a", "b", ""], 7),
        ([chunk("a"), chunk("b", "stop"), CUT], ["a", "b"], None),
        ([chunk("a"), chunk("b", "stop"), b'data: {"choices": [], "usa', CUT], ["a", "b"], None),
        ([b": ping\n\n", chunk("a"), event({"choices": [{"text": None, "finish_reason": "stop"}]}), DONE, chunk("never")], ["a", ""], None),
        ([event({"choices": [{"text": "", "index": 0}]}), chunk("a", "stop"), DONE, HANG], ["", "a"], None),
    ],
    ids=["usage last", "usage at the end mark", "no finish_reason", "no [DONE]", "no [DONE], usage last", "cut after the end mark",
         "cut within the usage", "null text, more after [DONE]", "held open after [DONE]"],
)
def test_a_whole_answer_in_each_shape(pieces, wanted, total):
    with ScriptedServer(reply(*pieces)) as server:
        sentences, error = collect(server)
    assert (texts(sentences), error) == (wanted, None)
    assert [one.index for one in sentences] == list(range(len(wanted)))
    usage = final_usage(sentences)
    assert usage == (Usage(prompt_tokens=4, completion_tokens=3, total_tokens=7) if total else None)


@pytest.mark.parametrize(
    "pieces", [[chunk("a"), chunk("b")], [chunk("a"), NO_REASON], [chunk("a"), b'data: {"choices": [{"te', CUT], [chunk("a"), CUT]],
    ids=["ends", "ends without reasons", "cut in an event", "cut between events"],
)
def test_an_answer_with_neither_end_mark_nor_done_is_interrupted(pieces):
    with ScriptedServer(reply(*pieces)) as server:
        sentences, error = collect(server)
    assert texts(sentences)[0] == "a" and isinstance(error, StreamInterrupted)


@pytest.mark.parametrize("pieces", [[], [DONE], [b": ping\n\n"]], ids=["nothing", "only [DONE]", "only a comment"])
def test_a_stream_of_nothing_is_a_failure(pieces):
    with ScriptedServer(reply(*pieces)) as server:
        sentences, error = collect(server)
    assert sentences == [] and isinstance(error, ServiceError) and error.retryable


def test_a_whole_answer_has_text_reason_usage_and_id():
    fields = {"id": "cmpl-9", "choices": [{"text": ", China.", "finish_reason": "length"}, {"text": "another"}], "usage": USAGE}
    with ScriptedServer(json_reply(fields, headers=("x-request-id: r-1",))) as server:
        exchange = Exchange()
        (sentence,), error = collect(server, stream=False, exchange=exchange)
    assert error is None and exchange.request_id == "r-1"
    assert (sentence.text, sentence.is_end, sentence.finish_reason, sentence.answer_id) == (", China.", True, "length", "cmpl-9")
    assert sentence.usage == Usage(**USAGE)


@pytest.mark.parametrize(
    "fields", [{"content": "x"}, {"result": "x"}, [], "x", {"choices": []}, {"choices": [{}]}, {"choices": ["x"]}, {"choices": [{"text": 1}]},
               {"choices": [{"message": {"content": "x"}}]}],
)
def test_what_is_no_completion_is_said_to_be_none(fields):
    with ScriptedServer(json_reply(fields)) as server:
        sentences, error = collect(server, stream=False)
    assert sentences == [] and type(error) is ServiceError
    assert "/v1" in str(error.remedy)


# --- errors ---

LLAMA_KEY = {"error": {"code": 401, "message": "Invalid API Key", "type": "authentication_error"}}
LLAMA_LONG = {"error": {"code": 400, "message": "request (9 tokens) exceeds", "type": "exceed_context_size_error", "n_ctx": 8}}
LLAMA_LOADS = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
QIANFAN_LONG = {"error": {"code": "tokens_too_long", "message": "m", "type": "t"}, "id": "as-1"}
QIANFAN_RATE = {"error": {"message": "slow down", "code": "rpm_rate_limit_exceeded"}}
OLD_VLLM = {"object": "error", "message": "top_p must be", "type": "BadRequestError", "param": None, "code": 400}
NO_MODEL = {"error": {"message": "no model x", "type": "NotFoundError", "param": "model", "code": None}}
NO_QUOTA = {"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}
FASTAPI = {"detail": [{"loc": ["body", "seed"], "msg": "not an int", "type": "int"}, {"msg": "and more"}]}
FAILED = {"error": {"message": "oops", "type": "server_error", "code": 500}}


@pytest.mark.parametrize(
    ("status", "fields", "kind", "code", "words", "retryable"),
    [
        ("401 Unauthorized", LLAMA_KEY, AuthenticationError, 401, "Invalid API Key", False),
        ("401 Unauthorized", {"error": "Unauthorized"}, AuthenticationError, 401, "Unauthorized", False),
        ("403 Forbidden", {"detail": "Not allowed"}, AuthenticationError, 403, "Not allowed", False),
        ("400 Bad Request", LLAMA_LONG, InvalidRequestError, 400, "request (9 tokens) exceeds", False),
        ("400 Bad Request", QIANFAN_LONG, InvalidRequestError, "tokens_too_long", "m", False),
        ("400 Bad Request", OLD_VLLM, InvalidRequestError, 400, "top_p must be", False),
        ("404 Not Found", NO_MODEL, InvalidRequestError, "NotFoundError", "no model x", False),
        ("404 Not Found", {"detail": "Not Found"}, InvalidRequestError, 404, "Not Found", False),
        ("404 Not Found", {"error": "model 'x' not found"}, InvalidRequestError, 404, "model 'x' not found", False),
        ("422 Unprocessable Entity", FASTAPI, InvalidRequestError, 422, "body.seed: not an int; and more", False),
        ("429 Too Many Requests", QIANFAN_RATE, RateLimitError, "rpm_rate_limit_exceeded", "slow down", True),
        ("429 Too Many Requests", NO_QUOTA, RateLimitError, "insufficient_quota", "pay", False),
        ("500 Internal Server Error", FAILED, ServiceError, 500, "oops", True),
        ("503 Service Unavailable", LLAMA_LOADS, ServiceError, 503, "Loading model", True),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) and value[:1].isdigit() else "",
)
def test_an_http_error_becomes_ours_with_the_server_s_words(status, fields, kind, code, words, retryable):
    with ScriptedServer(json_reply(fields, status)) as server:
        sentences, error = collect(server)
    assert (sentences, type(error)) == ([], kind)
    assert (error.code, error.endpoint_message, error.retryable) == (code, words, retryable)
    assert str(error.message) and str(error.remedy)


@pytest.mark.parametrize(
    ("status", "kind"),
    [("401 Unauthorized", AuthenticationError), ("404 Not Found", InvalidRequestError), ("429 Too Many Requests", RateLimitError),
     ("418 Teapot", ServiceError), ("502 Bad Gateway", ServiceError), ("307 Temporary Redirect", ServiceError)],
)
def test_an_unreadable_error_body_still_has_its_status(status, kind):
    with ScriptedServer(reply(b"<html>", status=status, content_type="text/html", headers=("Location: http://127.0.0.1:1/",))) as server:
        sentences, error = collect(server)
        assert len(server.requests) == 1
    assert (sentences, type(error), error.code) == ([], kind, int(status[:3]))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"error": {"message": "m", "type": "BadRequestError", "code": 400}}, InvalidRequestError),
        ({"error": {"message": "m", "type": "rate_limit_error", "code": None}}, RateLimitError),
        ({"error": {"message": "m"}, "choices": []}, ServiceError),
        ({"error": "m"}, ServiceError),
        ({"object": "error", "message": "m", "code": 503}, ServiceError),
    ],
)
@pytest.mark.parametrize("begun", [False, True], ids=["first", "in the middle"])
def test_an_error_as_an_event(fields, kind, begun):
    with ScriptedServer(reply(*([chunk("a")] if begun else []), event(fields), DONE)) as server:
        sentences, error = collect(server)
    assert texts(sentences) == ["a"] * begun
    assert (type(error), error.endpoint_message) == (kind, "m")


def test_rate_limits_are_kept_and_retry_after_is_honoured():
    limits = ("x-ratelimit-limit-requests: 60", "X-RateLimit-Remaining-Tokens: 0", "x-ratelimit-reset-tokens: 6m0s", "Retry-After: 0.3")
    refused = json_reply({"error": {"message": "slow down"}}, "429 Too Many Requests", headers=limits)
    with ScriptedServer(refused) as server:
        exchange = Exchange()
        _, error = collect(server, exchange=exchange)
    assert exchange.rate_limits == {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s", "retry-after": "0.3",
    }
    assert error.retry_after == 0.3 and "0.3 s" in str(error.remedy)
    with ScriptedServer(refused, reply(chunk("a", "stop"), DONE)) as server:
        exchange = Exchange()
        sentences, error = collect(server, client=Client(retry=Retry(attempts=2, backoff=0)), exchange=exchange)
    assert (texts(sentences), error, exchange.attempts) == (["a"], None, 2)


def test_a_long_retry_after_is_left_to_the_person():
    headers = (f"Retry-After: {LONGEST_WAIT + 1:g}",)
    with ScriptedServer(json_reply({"error": "later"}, "503 Service Unavailable", headers=headers)) as server:
        _, error = collect(server, client=Client(retry=Retry(attempts=3)))
        assert len(server.requests) == 1
    assert isinstance(error, ServiceError)


# --- the row ---


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "address of your server is not set"),
        ({"OPENAI_MODEL": "m"}, "address of your server is not set"),
        ({"OPENAI_BASE_URL": "http://h/v1"}, "model is not set"),
        ({"OPENAI_BASE_URL": "nonsense", "OPENAI_MODEL": "m"}, "OPENAI_BASE_URL is not a web address"),
        ({"OPENAI_BASE_URL": "http://h/v1", "OPENAI_MODEL": "a\nb"}, "OPENAI_MODEL is not a model"),
        ({"OPENAI_BASE_URL": "http://h/v1", "OPENAI_MODEL": "m", "OPENAI_DIALECT": "tgi"}, "OPENAI_DIALECT is none"),
        ({"OPENAI_BASE_URL": "http://h/v1", "OPENAI_MODEL": "m", "OPENAI_API_KEY": "a b"}, "OPENAI_API_KEY holds a character"),
        ({"OPENAI_BASE_URL": "http://h/v1", "OPENAI_MODEL": "m", "OPENAI_API_KEY": "“key”"}, "OPENAI_API_KEY holds a character"),
    ],
)
def test_a_row_that_cannot_be_used_says_why(values, reason):
    row = build_endpoints(Settings(values=values), None)["openai"]
    assert reason in str(row.off)
    with pytest.raises(ConfigurationError):
        Client().check(row, CompletionRequest(prompt="p"))


def test_a_row_that_can_be_used():
    row = endpoint("http://10.0.0.5:8000/v1/", dialect="vLLM")
    assert (row.off, row.title, row.url, row.group) == (None, "the/model", "http://10.0.0.5:8000/v1/completions", "OpenAI-compatible")
    assert isinstance(row.credentials, BearerKey) and KEY not in repr(row)
    assert row.parameters == openai.DIALECTS["vllm"]
    assert endpoint(key="").credentials is None


# --- as code ---


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("key", [KEY, ""], ids=["key", "no key"])
@pytest.mark.parametrize("language", ["curl", "python"])
def test_the_code_sends_what_the_app_sends(language, key, stream):
    parameters = {"temperature": 0.5, "seed": 7, "stop": ["'\n", "北京"], "stream": stream}
    asked = CompletionRequest(prompt="It's \"so\"\n$HOME 北京", parameters=parameters)
    answer = reply(chunk("a 京"), chunk("b", "stop"), DONE) if stream else json_reply({"choices": [{"text": "a 京b", "finish_reason": "stop"}]})
    with ScriptedServer(answer) as server:
        row = endpoint(server.url + "/v1", key)
        list(Client().complete(row, asked, Cancel(), Exchange()))
        snippet = export(language, target_of(row), asked, row.parameters)
        assert KEY not in snippet.text
        command = [sys.executable, "-c", snippet.text] if language == "python" else ["bash", "-c", snippet.text]
        environment = {**os.environ, "OPENAI_API_KEY": key, "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30)
        ours, theirs = server.requests
    assert done.returncode == 0, done.stderr
    assert ("a 京b\n" == done.stdout) if language == "python" else ("a 京" in done.stdout)
    assert (theirs.target, theirs.fields) == (ours.target, ours.fields)
    assert theirs.headers.get("authorization") == ours.headers.get("authorization")
    again = read_paste(snippet.text, row.parameters, row.prompt_limit)
    assert (again.prompt, again.parameters) == (asked.prompt, parameters)


def test_the_python_code_tells_a_cut_answer():
    with ScriptedServer(reply(chunk("a"))) as server:
        row = endpoint(server.url + "/v1", "")
        text = export("python", target_of(row), CompletionRequest(prompt="p", parameters={"stream": True}), row.parameters).text
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "may be incomplete" in done.stderr and done.stdout.startswith("a")


def test_there_is_code_in_two_languages_for_this_wire_and_in_all_for_qianfan():
    assert languages(target_of(endpoint())) == ["curl", "python"]
    own = build_endpoints(Settings(values={}), "http://h")["recorded/yi_34b"]
    assert languages(target_of(own)) == list(LANGUAGES) and own.provider is qianfan.PROVIDER
