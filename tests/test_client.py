"""One completion over real HTTP: against a scripted server for what no sane server does, against the emulator for the rest."""

import json
import threading
import time

import pytest

from emulator.options import ACCESS_KEY, IAM_SECRET, Options
from emulator.server import running
from playground.client import Client, Exchange
from playground.completion import CompletionRequest
from playground.credentials import AccessToken, ApplicationKeys, IamKeys
from playground.endpoints import DEMO_KEYS, Endpoint
from playground.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    EndpointError,
    InvalidRequestError,
    ParameterError,
    RateLimitError,
    ServiceError,
    StreamInterrupted,
)
from playground.message import message
from playground.redaction import Secret
from playground.settings import Retry
from playground.signature import authorization
from playground.wire import Cancel, Cancelled, Timeouts
from tests.scripted_server import CUT, HANG, RESET, ScriptedServer, json_reply, raw, reply, unused_port

TOKEN = AccessToken(token=Secret("24.a+b/c=d&e"))
KEYS = ApplicationKeys(api_key=Secret("the-api-key"), secret_key=Secret("the-secret-key"))
IAM = IamKeys(access_key=Secret(ACCESS_KEY), secret_key=Secret(IAM_SECRET))
PATH = "/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/"
PROMPT = "Introduce the city Beijing"


def endpoint(base_url, *, path="yi_34b", credentials=TOKEN, **fields):
    return Endpoint(name="own/x", title="x", group="g", note=message("n"), base_url=base_url, path=path, credentials=credentials, **fields)


def request(**parameters):
    return CompletionRequest(prompt=PROMPT, parameters=parameters)


def event(text, number=0, *, is_end=False, **fields):
    return f"data: {json.dumps({'id': 'as-1', 'sentence_id': number, 'is_end': is_end, 'result': text, **fields}, ensure_ascii=False)}\n\n".encode()


def error(code, **fields):
    return {"error_code": code, "error_msg": f"words of {code}", **fields}


def collect(server, *, client=None, stream=True, cancel=None, exchange=None, **fields):
    """Complete and return the texts and, if there was one, the error."""
    texts = []
    client = client or Client(timeouts=Timeouts(connect=5, silence=5))
    try:
        asked = endpoint(server if isinstance(server, str) else server.url, **fields)
        for sentence in client.complete(asked, request(stream=stream), cancel or Cancel(), exchange or Exchange()):
            texts.append(sentence.text)
    except EndpointError as caught:
        return texts, caught
    return texts, None


GOOD = reply(event(" Bei"), event("", 1), event("jing\n", 2, is_end=True))
TOKEN_GRANT = json_reply({"access_token": "token-one", "expires_in": 2592000})
SECOND_GRANT = json_reply({"access_token": "token-two", "expires_in": 2592000})


def test_a_stream_is_joined_from_its_sentences_untrimmed():
    with ScriptedServer(GOOD) as server:
        assert collect(server) == ([" Bei", "", "jing\n"], None)


def test_what_comes_after_the_end_mark_is_not_read():
    with ScriptedServer(reply(event("all", is_end=True), event("more", 1), HANG)) as server:
        assert collect(server) == (["all"], None)
        assert server.client_left.wait(1)


@pytest.mark.parametrize("stream", [True, False], ids=["stream asked", "not asked"])
def test_a_json_success_is_one_final_sentence(stream):
    with ScriptedServer(json_reply({"id": "as-1", "result": ", China.", "usage": {"prompt_tokens": 5, "total_tokens": 97}})) as server:
        sentences = list(Client().complete(endpoint(server.url), request(stream=stream), Cancel(), Exchange()))
    assert [(one.text, one.is_end) for one in sentences] == [(", China.", True)]


def test_blank_events_and_done_are_ignored():
    with ScriptedServer(reply(b"data: \n\n", event("a"), b"data: [DONE]\n\n", b": ping\n\n", event("b", 1, is_end=True))) as server:
        assert collect(server) == (["a", "b"], None)


# --- what is sent ---


def test_the_token_goes_into_the_query_alone():
    with ScriptedServer(GOOD) as server:
        collect(server)
        received = server.requests[0]
    assert (received.method, received.path) == ("POST", PATH + "yi_34b")
    assert received.query == {"access_token": ["24.a+b/c=d&e"]}
    assert "authorization" not in received.headers and "x-bce-date" not in received.headers
    assert received.headers["content-type"] == "application/json"
    assert received.headers["host"] == f"127.0.0.1:{server.port}"
    assert "24.a" not in str(received.headers) + received.body.decode()
    assert received.fields == {"prompt": PROMPT, "stream": True}


def test_every_parameter_arrives_as_it_was_set():
    parameters = {"temperature": 0.01, "top_p": 0, "top_k": 7, "penalty_score": 1.5, "stop": ["\n", "北京", "\u2028"], "user_id": "", "stream": False}
    with ScriptedServer(json_reply({"result": "x"})) as server:
        asked = CompletionRequest(prompt="北京 🙂\u2028\t", parameters=parameters)
        list(Client().complete(endpoint(server.url), asked, Cancel(), Exchange()))
        assert server.requests[0].fields == {"prompt": "北京 🙂\u2028\t", **parameters}


def test_the_prompt_travels_as_utf_8_text():
    with ScriptedServer(json_reply({"result": "x"})) as server:
        list(Client().complete(endpoint(server.url), CompletionRequest(prompt="北京"), Cancel(), Exchange()))
        assert "北京".encode() in server.requests[0].body


@pytest.mark.parametrize("path", ["yi_34b", "测试 v1~x(a+b)", "a%20b", "q?r#s"])
def test_the_signature_covers_what_is_sent(path):
    with ScriptedServer(GOOD) as server:
        collect(server, credentials=IAM, path=path)
        received = server.requests[0]
    assert received.query == {}
    stamp = received.headers["x-bce-date"]
    right = authorization(
        ACCESS_KEY, IAM_SECRET, method=received.method, url=received.target, headers=received.headers, at=stamp,
        names=("content-type", "host", "x-bce-date"),
    )
    assert received.headers["authorization"] == right


def test_every_attempt_is_signed_anew():
    with ScriptedServer(json_reply(error(18)), GOOD) as server:
        collect(server, credentials=IAM, client=Client(retry=Retry(attempts=2, backoff=1.05)))
        stamps = {one.headers["x-bce-date"] for one in server.requests}
    assert len(stamps) == 2, "the stamp has whole seconds"


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("http://127.0.0.1:{port}", "127.0.0.1:{port}"), ("http://localhost:{port}", "localhost:{port}"),
        ("http://LocalHost:{port}/", "localhost:{port}"), ("HTTP://127.0.0.1:{port}/under/a/path", "127.0.0.1:{port}"),
    ],
)
def test_the_host_header_is_the_url_s(base_url, host):
    with ScriptedServer(GOOD) as server:
        assert collect(base_url.format(port=server.port), credentials=IAM)[1] is None
        assert server.requests[0].headers["host"] == host.format(port=server.port)


@pytest.mark.parametrize("host", ["bücher.invalid", "例え.invalid", "例え..invalid", "a" * 64 + ".invalid"], ids=["umlaut", "CJK", "dots", "long"])
@pytest.mark.parametrize("credentials", [TOKEN, IAM], ids=["token", "signature"])
def test_an_odd_host_name_is_a_connection_failure(host, credentials):
    _, caught = collect(f"http://{host}", credentials=credentials)
    assert type(caught) is ConnectionFailed


# --- refused before anything is sent ---


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (CompletionRequest(prompt=""), ParameterError),
        (CompletionRequest(prompt="x" * 11), ParameterError),
        (CompletionRequest(prompt="x", parameters={"temperature": 0}), ParameterError),
        (CompletionRequest(prompt="x", parameters={"nonsense": 0}), ParameterError),
    ],
    ids=["no prompt", "long prompt", "temperature 0", "unknown"],
)
def test_what_must_not_be_sent_is_not(asked, kind):
    with ScriptedServer(GOOD) as server:
        with pytest.raises(kind):
            list(Client().complete(endpoint(server.url, prompt_limit=10), asked, Cancel(), Exchange()))
        assert server.connections == 0


def test_an_endpoint_that_is_off_is_never_sent_to():
    off = ConfigurationError(message("No key is configured."), message("Set one."))
    with ScriptedServer(GOOD) as server:
        with pytest.raises(ConfigurationError, match="No key"):
            list(Client().complete(endpoint(server.url, off=off), request(), Cancel(), Exchange()))
        assert server.connections == 0


# --- errors and broken answers ---

ANSWERS = {
    "JSON error to a stream": (json_reply(error(336501)), [], RateLimitError, 336501),
    "error as an event mid-stream": (reply(event("kept"), b'data: {"error_code":336100,"error_msg":"x"}\n\n'), ["kept"], RateLimitError, 336100),
    "error as a bare line mid-stream": (reply(event("kept"), b'{"error_code":336000,"error_msg":"x"}\n'), ["kept"], ServiceError, 336000),
    "bare line, then silence": (reply(event("kept"), b'{"error_code":336000,"error_msg":"x"}\n\n', HANG), ["kept"], ServiceError, 336000),
    "bare line, then more": (reply(event("kept"), b'{"error_code":336000}\n' + event("more", 1)), ["kept"], ServiceError, 336000),
    "bare error typed as stream": (reply(b'{"error_code":3,"error_msg":"x"}'), [], InvalidRequestError, 3),
    "no end mark": (reply(event("kept")), ["kept"], StreamInterrupted, None),
    "cut mid-event": (reply(event("kept"), event("lost", 1)[:20], CUT), ["kept"], StreamInterrupted, None),
    "clean end mid-event": (reply(event("kept"), event("lost", 1)[:20], chunked=False), ["kept"], StreamInterrupted, None),
    "cut between events": (reply(event("kept"), CUT), ["kept"], StreamInterrupted, None),
    "reset": (reply(event("kept"), 0.05, RESET), ["kept"], StreamInterrupted, None),
    "another protocol mid-stream": (reply(event("kept"), b'data: {"choices": []}\n\n'), ["kept"], ServiceError, None),
    "another protocol": (reply(b'data: {"choices": []}\n\n'), [], ServiceError, None),
    "an empty stream": (reply(), [], ServiceError, None),
    "only comments": (reply(b": ping\n\n: ping\n\n"), [], ServiceError, None),
    "HTML 502": (reply(b"<html>", status="502 Bad Gateway", content_type="text/html"), [], ServiceError, 502),
    "HTML 200": (reply(b"<html>", content_type="text/html"), [], ServiceError, None),
    "empty body": (reply(content_type="application/json"), [], ServiceError, None),
    "blank body": (reply(b" \n", content_type="application/json"), [], ServiceError, None),
    "404 JSON": (json_reply({"detail": "Not Found"}, "404 Not Found"), [], ServiceError, 404),
    "404 with a code of the protocol": (json_reply(error(3), "404 Not Found"), [], InvalidRequestError, 3),
    "401 with a code of the protocol": (json_reply(error(14), "401 Unauthorized"), [], AuthenticationError, 14),
    "500 nested without end": (reply(b"[" * 100_000, status="500 Oops", content_type="application/json"), [], ServiceError, 500),
    "redirect": (reply(b"", status="302 Found", headers=("Location: /elsewhere",)), [], ServiceError, 302),
    "204": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), [], ServiceError, 204),
    "half a JSON": (reply(b'{"result": "ha', content_type="application/json"), [], ServiceError, None),
    "headers only": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", CUT), [], ServiceError, None),
    "nothing": (raw(CUT), [], ConnectionFailed, None),
}


@pytest.mark.parametrize(("script", "texts", "kind", "code"), ANSWERS.values(), ids=ANSWERS)
def test_a_bad_answer_is_an_error_and_the_text_before_it_stands(script, texts, kind, code):
    with ScriptedServer(script) as server:
        got, caught = collect(server)
        assert server.connections == 1
    assert got == texts
    assert type(caught) is kind
    assert caught.code == code
    assert str(caught.message) and str(caught.remedy)


def test_an_error_keeps_the_service_s_words_and_the_request_id():
    exchange = Exchange()
    headers = ("X-Baidu-Request-Id: 12345", "X-Ratelimit-Limit-Requests: 300", "X-Ratelimit-Remaining-Tokens: 7")
    with ScriptedServer(json_reply(error(336003, id="as-9"), headers=headers)) as server:
        _, caught = collect(server, exchange=exchange)
    assert (caught.endpoint_message, caught.request_id) == ("words of 336003", "12345")
    assert (exchange.status, exchange.attempts, exchange.request_id) == (200, 1, "12345")
    assert exchange.rate_limits == {"x-ratelimit-limit-requests": "300", "x-ratelimit-remaining-tokens": "7"}


def test_a_redirect_takes_no_credential_along():
    with ScriptedServer(GOOD) as other:
        with ScriptedServer(reply(b"", status="307 Temporary Redirect", headers=(f"Location: {other.url}/x",))) as server:
            _, caught = collect(server)
        assert other.connections == 0
    assert "redirect" in str(caught)


# --- attempts ---


@pytest.mark.parametrize(
    "fault",
    [json_reply(error(18)), json_reply(error(336100)), reply(b"", status="503 Busy"), raw(CUT), reply(), reply(content_type="application/json")],
    ids=["18", "336100", "503", "cut", "empty stream", "empty body"],
)
@pytest.mark.parametrize(("attempts", "tries"), [(1, 1), (2, 2), (3, 3), (9, 4)])
def test_a_passing_fault_is_tried_again_as_often_as_set(fault, attempts, tries):
    exchange = Exchange()
    with ScriptedServer(fault, fault, fault, GOOD) as server:
        texts, caught = collect(server, client=Client(retry=Retry(attempts=attempts)), exchange=exchange)
        assert server.connections == exchange.attempts == tries
    assert (texts, caught is None) == (([" Bei", "", "jing\n"], True) if tries == 4 else ([], False))


@pytest.mark.parametrize("code", [1, 3, 4, 6, 14, 17, 19, 336000, 336003, 336103, 987654])
def test_a_lasting_fault_is_not_tried_again(code):
    with ScriptedServer(json_reply(error(code)), GOOD) as server:
        _, caught = collect(server, client=Client(retry=Retry(attempts=5)))
        assert server.connections == 1
    assert caught is not None


@pytest.mark.parametrize(
    "rest", [(b'data: {"error_code":336100}\n\n',), (CUT,), (), (HANG,)], ids=["busy", "cut", "no end mark", "silent"]
)
def test_nothing_is_tried_again_after_the_first_sentence(rest):
    with ScriptedServer(reply(event("once"), *rest), GOOD) as server:
        texts, caught = collect(server, client=Client(timeouts=Timeouts(connect=5, silence=0.2), retry=Retry(attempts=5)))
        assert server.connections == 1
    assert (texts, caught is None) == (["once"], False)


def test_waiting_grows_twofold():
    with ScriptedServer(json_reply(error(18)), json_reply(error(18)), json_reply(error(18)), GOOD) as server:
        began = time.monotonic()
        _, caught = collect(server, client=Client(retry=Retry(attempts=4, backoff=0.05)))
        took = time.monotonic() - began
    assert caught is None
    assert took >= 0.05 + 0.1 + 0.2


def test_waiting_ends_with_the_cancel():
    cancel = Cancel()
    with ScriptedServer(json_reply(error(18))) as server:
        threading.Timer(0.2, cancel.cancel).start()
        with pytest.raises(Cancelled):
            collect(server, client=Client(retry=Retry(attempts=2, backoff=60)), cancel=cancel)
        assert server.connections == 1


def test_a_refused_port_is_tried_again_as_set():
    exchange = Exchange()
    _, caught = collect(f"http://127.0.0.1:{unused_port()}", client=Client(retry=Retry(attempts=3)), exchange=exchange)
    assert type(caught) is ConnectionFailed
    assert exchange.attempts == 3


# --- access tokens ---


@pytest.mark.parametrize("code", [100, 110, 111])
def test_a_refused_token_is_renewed_once_and_not_counted_as_an_attempt(code):
    exchange = Exchange()
    with ScriptedServer(TOKEN_GRANT, json_reply(error(code)), SECOND_GRANT, GOOD) as server:
        texts, caught = collect(server, credentials=KEYS, exchange=exchange)
        assert [one.query.get("access_token") for one in server.requests] == [None, ["token-one"], None, ["token-two"]]
    assert (texts, caught, exchange.attempts) == ([" Bei", "", "jing\n"], None, 1)


@pytest.mark.parametrize("code", [110, 111])
def test_a_token_refused_twice_is_given_up(code):
    with ScriptedServer(TOKEN_GRANT, json_reply(error(code)), SECOND_GRANT, json_reply(error(code)), GOOD) as server:
        _, caught = collect(server, credentials=KEYS, client=Client(retry=Retry(attempts=5)))
        assert server.connections == 4
    assert (type(caught), caught.code) == (AuthenticationError, code)


def test_a_token_given_alone_cannot_be_renewed():
    with ScriptedServer(json_reply(error(111)), GOOD) as server:
        _, caught = collect(server)
        assert server.connections == 1
    assert caught.code == 111


def test_a_token_refused_after_the_first_sentence_is_not_renewed():
    with ScriptedServer(TOKEN_GRANT, reply(event("once"), b'{"error_code":111}\n'), SECOND_GRANT, GOOD) as server:
        texts, caught = collect(server, credentials=KEYS)
        assert server.connections == 2
    assert (texts, caught.code) == (["once"], 111)


def test_one_token_serves_many_requests():
    with ScriptedServer(TOKEN_GRANT, GOOD) as server:
        client = Client()
        for _ in range(3):
            assert collect(server, credentials=KEYS, client=client)[1] is None
        assert [one.path for one in server.requests] == ["/oauth/2.0/token"] + [PATH + "yi_34b"] * 3


def test_wrong_keys_are_told_and_nothing_else_is_sent():
    with ScriptedServer(json_reply({"error": "invalid_client", "error_description": "unknown client id"}, "401 Unauthorized")) as server:
        _, caught = collect(server, credentials=KEYS)
        assert server.connections == 1
    assert type(caught) is AuthenticationError


def test_a_passing_fault_of_the_token_service_is_tried_again_as_set():
    with ScriptedServer(raw(CUT), TOKEN_GRANT, GOOD) as server:
        assert collect(server, credentials=KEYS, client=Client(retry=Retry(attempts=2)))[1] is None
    with ScriptedServer(raw(CUT), TOKEN_GRANT, GOOD) as server:
        assert type(collect(server, credentials=KEYS)[1]) is ConnectionFailed


# --- against the emulator, which verifies ---


@pytest.fixture(scope="module")
def emulator():
    with running(options=Options(pace=0.0)) as server:
        yield server.base_url


@pytest.mark.parametrize("credentials", [DEMO_KEYS, IAM], ids=["token", "signature"])
@pytest.mark.parametrize("path", ["cerebras_gpt_6_7b", "stablelm_alpha_7b", "yi_34b"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_the_recorded_answers_come_with_either_authentication(emulator, path, credentials, stream):
    texts, caught = collect(emulator, path=path, credentials=credentials, stream=stream)
    assert caught is None
    assert "".join(texts).lower().count("beijing") >= 1
    assert (len(texts) == 1) is not stream


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        (IamKeys(access_key=Secret(ACCESS_KEY), secret_key=Secret("wrong-iam-secret")), 14),
        (IamKeys(access_key=Secret("wrong-access-key"), secret_key=Secret(IAM_SECRET)), 14),
        (AccessToken(token=Secret("24.0123456789abcdef.2592000.1700000000.282335-40000000")), 110),
        (AccessToken(token=Secret("nonsense")), 100),
        (ApplicationKeys(api_key=Secret("wrong-api-key"), secret_key=Secret("wrong-secret")), "invalid_client"),
    ],
    ids=["wrong IAM secret", "wrong access key", "unknown token", "malformed token", "wrong application keys"],
)
def test_wrong_credentials_are_refused(emulator, credentials, code):
    texts, caught = collect(emulator, credentials=credentials)
    assert (texts, type(caught), caught.code) == ([], AuthenticationError, code)


def test_an_expired_token_is_renewed_without_a_word(emulator):
    texts, caught = collect(emulator, path="expired_token", credentials=DEMO_KEYS)
    assert caught is None and texts


def test_the_echo_shows_what_arrived(emulator):
    asked = CompletionRequest(prompt="北京 🙂", parameters={"top_p": 0, "temperature": 0.5, "stop": ["。"], "stream": False})
    sentences = list(Client().complete(endpoint(emulator, path="echo", credentials=IAM), asked, Cancel(), Exchange()))
    shown = "".join(one.text for one in sentences)
    assert '"top_p": 0' in shown or '"top_p":0' in shown
    assert ACCESS_KEY not in shown.replace("bce-auth-v1", "") or "•••" in shown
