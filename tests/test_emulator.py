"""The emulator over real HTTP on loopback: tokens, signatures, refusals, recordings, faults, and noticing who left."""

import asyncio
import hashlib
import hmac
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from emulator.options import ACCESS_KEY, API_KEY, IAM_SECRET, SECRET_KEY, SHORT_API_KEY, Options
from emulator.server import FAMILIES, Running, bind, running
from emulator.services import Call, Item, Service, pieces
from playground.completion import final_usage
from playground.examples import offsets
from playground.providers.qianfan import COMPLETION_PATH, TOKEN_PATH, read_event
from playground.providers.qianfan_codes import BUSY_WORDS, ERROR_CODES
from playground.signature import authorization, timestamp

TEXT = (
    "The ferry left the island before the fog came down. Nobody on board had thought to bring a lamp,"
    " so the captain counted the bells until the harbour answered."
)
closed_models: list[str] = []


async def _model(call: Call) -> AsyncGenerator[Item, None]:
    try:
        for piece in pieces(call, ["one", " two"]):
            yield piece
            await asyncio.sleep(30 if call.prompt == "wait" else 0)
    finally:
        closed_models.append(call.prompt)


MODEL = Service(name="a_model", kind="model", description="a service that was plugged in", answer=_model, token_limit=10)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(options=Options(pace=0), services=[MODEL]) as emulator:
        yield emulator


@pytest.fixture(autouse=True)
def fresh(server: Running) -> None:
    requests.post(server.base_url + "/_emulator/reset", timeout=5)


def token_answer(server: Running, method: str = "POST", **changes: str) -> requests.Response:
    query = {"grant_type": "client_credentials", "client_id": API_KEY, "client_secret": SECRET_KEY, **changes}
    return requests.request(method, server.base_url + TOKEN_PATH, params=query, timeout=5)


def new_token(server: Running, **changes: str) -> str:
    return str(token_answer(server, **changes).json()["access_token"])


@pytest.fixture(scope="module")
def token(server: Running) -> str:
    return new_token(server)


def post(server: Running, token: str | None, endpoint: str, body: Any = None, *, stream: bool = False, **more: Any) -> requests.Response:
    fields = {"prompt": "Introduce the city Beijing", "stream": stream} if body is None else body
    query = {} if token is None else {"access_token": token}
    sent = {"data": fields} if isinstance(fields, bytes) else {"json": fields}
    return requests.post(server.base_url + COMPLETION_PATH + endpoint, params=query, timeout=10, allow_redirects=False, **sent, **more)


def open_post(server: Running, token: str, endpoint: str, *, stream: bool = True) -> requests.Response:
    """Post and return as soon as the headers are there."""
    url = server.base_url + COMPLETION_PATH + endpoint
    return requests.post(url, params={"access_token": token}, json={"prompt": "a", "stream": stream}, timeout=5, stream=True)


def events(response: requests.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"] == "text/event-stream"
    lines = response.content.decode("utf-8").split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def log(server: Running) -> list[dict[str, Any]]:
    return list(requests.get(server.base_url + "/_emulator/log", timeout=5).json())


# Tokens


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_token_has_the_documented_shape(server: Running, method: str) -> None:
    answer = token_answer(server, method)
    fields = answer.json()
    assert answer.status_code == 200
    assert set(fields) == {"access_token", "expires_in", "refresh_token", "session_key", "scope", "session_secret"}
    assert fields["expires_in"] == 2592000
    assert re.fullmatch(r"24\.[0-9a-f]{32}\.2592000\.\d{10}\.\d+-\d+", fields["access_token"])
    assert fields["refresh_token"].startswith("25.")


@pytest.mark.parametrize(
    ("changes", "status", "error", "description"),
    [
        ({"client_id": "nobody"}, 401, "invalid_client", "unknown client id"),
        ({"client_secret": "wrong"}, 401, "invalid_client", "Client authentication failed"),
        ({"client_secret": "é"}, 401, "invalid_client", "Client authentication failed"),
        ({"grant_type": "password"}, 400, "invalid_request", "grant_type must be client_credentials"),
    ],
)
def test_wrong_application_keys_get_no_token(server: Running, changes: dict[str, str], status: int, error: str, description: str) -> None:
    answer = token_answer(server, **changes)
    assert (answer.status_code, answer.json()) == (status, {"error": error, "error_description": description})


@pytest.mark.parametrize(
    ("shown", "code"),
    [(None, 110), ("", 110), ("nonsense", 100), ("24.0a.2592000.1999999999.1-1", 110)],
    ids=["absent", "empty", "malformed", "unknown"],
)
def test_a_token_that_was_not_issued_is_refused(server: Running, shown: str | None, code: int) -> None:
    answer = post(server, shown, "echo", stream=True)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {"error_code": code, "error_msg": ERROR_CODES[code].words}


def test_a_token_expires(server: Running) -> None:
    with running(options=Options(pace=0, token_lifetime=1)) as brief:
        shown = new_token(brief)
        assert "result" in post(brief, shown, "ordinary").json()
        time.sleep(1.02)
        assert post(brief, shown, "ordinary").json()["error_code"] == 111
    assert token_answer(server, client_id=SHORT_API_KEY).json()["expires_in"] == 2


# Signatures


def signed(server: Running, endpoint: str = "echo", **changes: Any) -> dict[str, Any]:
    """Post with a signature and return the fields of the answer. `changes` bend one thing each."""
    at = timestamp(time.time() + changes.get("skew", 0))
    host = f"127.0.0.1:{server.port}"
    path = COMPLETION_PATH + endpoint + changes.get("query", "")
    headers = {"Host": host, "Content-Type": "application/json", "x-bce-date": at, "Request_id": "sdk-py-1", "Content-Length": "15"}
    if changes.get("no_date"):
        del headers["x-bce-date"]
    names = changes.get("names", ["host", "x-bce-date"])
    value = authorization(
        changes.get("access_key", ACCESS_KEY), changes.get("secret_key", IAM_SECRET), method="POST", url="http://h" + path,
        headers={**headers, "Host": changes.get("signed_host", host)}, at=at, lifetime=changes.get("lifetime", 1800), names=names,
    )
    value = changes.get("edit", lambda text: text)(value)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
        for name, text in {**headers, "Authorization": value, **changes.get("sent_headers", {})}.items():
            connection.putheader(name, text)
        connection.endheaders(b'{"prompt":"hi"}')
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def shuffled(text: str) -> str:
    parts = text.split("/")
    parts[4] = ";".join(reversed(parts[4].split(";")))
    return "/".join(parts)


def every_bce_header(text: str) -> str:
    """Print only `host` although x-bce-date was signed too, as the official Python signer does."""
    return text.replace("/host;x-bce-date/", "/host/")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"names": ["host"], "no_date": True},
        {"names": ["content-type", "host", "request_id", "x-bce-date"], "edit": shuffled, "lifetime": 300},
        {"names": ["content-length", "content-type", "host", "x-bce-date"]},
        {"names": None},
        {"names": ["host", "x-bce-date"], "edit": every_bce_header},
        {"names": ["host"]},
        {"query": "?b=&a=x%2Fy%20z&A=%2A~&a-b=1%2B2%3D3%264&empty"},
        {"skew": 240},
        {"skew": -1700},
    ],
    ids=["Java", "tutorial", "Python, any order", "Node", "default names", "names left out", "host only", "query", "fast clock", "old but alive"],
)
def test_a_right_signature_is_accepted(server: Running, changes: dict[str, Any]) -> None:
    assert "result" in signed(server, **changes)
    assert log(server)[-1]["auth"] == "signature"


def test_a_signature_over_the_host_without_its_port_is_accepted(server: Running) -> None:
    assert "result" in signed(server, signed_host="127.0.0.1")


def test_a_signature_over_an_encoded_path_is_accepted(server: Running) -> None:
    assert signed(server, "%E6%B5%8B%E8%AF%95%20v1~x%28a%2Bb%29")["error_code"] == 336005


@pytest.mark.parametrize(
    "changes",
    [
        {"secret_key": "wrong"},
        {"access_key": "nobody"},
        {"access_key": API_KEY, "secret_key": SECRET_KEY},
        {"skew": -1900},
        {"skew": 400},
        {"lifetime": 0},
        {"names": ["x-bce-date"]},
        {"signed_host": "aip.baidubce.com"},
        {"sent_headers": {"x-bce-date": "2020-01-01T00:00:00Z"}},
        {"edit": lambda text: text[:-1]},
        {"edit": lambda text: text + "/more"},
        {"edit": lambda text: re.sub(r"/1800/", "/9999/", text)},
        {"edit": lambda text: "bce-auth-v1/"},
    ],
    ids=[
        "secret", "access key", "application keys", "expired", "future", "no life", "host unsigned", "another host", "another date", "short",
        "long", "lifetime changed", "empty",
    ],
)
def test_a_wrong_signature_is_code_14(server: Running, changes: dict[str, Any]) -> None:
    assert signed(server, **changes) == {"error_code": 14, "error_msg": "IAM Certification failed"}


def test_signature_is_verified_by_the_published_algorithm_and_not_by_our_signer(server: Running) -> None:
    at = timestamp(time.time())
    prefix = f"bce-auth-v1/{ACCESS_KEY}/{at}/1800"
    text = f"POST\n{COMPLETION_PATH}ordinary\n\nhost:127.0.0.1%3A{server.port}"
    key = hmac.new(IAM_SECRET.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    answer = post(server, None, "ordinary", headers={"Authorization": f"{prefix}/host/{signature}"})
    assert answer.json()["result"] == TEXT


def test_service_list_takes_signatures_only(server: Running) -> None:
    assert requests.post(server.base_url + "/wenxinworkshop/service/list", timeout=5).status_code == 403
    at = timestamp(time.time())
    url = server.base_url + "/wenxinworkshop/service/list"
    value = authorization(ACCESS_KEY, IAM_SECRET, method="POST", url=url, headers={"host": urlsplit(url).netloc}, at=at, names=["host"])
    rows = requests.post(url, headers={"Authorization": value}, timeout=5).json()["result"]["custom"]
    assert {"yi_34b", "a_model"} <= {row["name"] for row in rows}


# Refusals


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_taken(server: Running, token: str, method: str) -> None:
    answer = requests.request(method, server.base_url + COMPLETION_PATH + "echo", params={"access_token": token}, timeout=5)
    assert answer.json()["error_code"] == 336101


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", 336002, "Invalid JSON"),
        (b"[]", 336002, "Invalid JSON"),
        (b"\xff\xfe\xfd", 336002, "Invalid JSON"),
        (b"[" * 100_000, 336002, "Invalid JSON"),
        ({}, 336001, "Invalid Argument"),
        ({"prompt": ""}, 336003, "The prompt is empty."),
        ({"prompt": 3}, 336003, "prompt must be text"),
        (b'{"prompt": "\\ud800"}', 336003, "lone surrogate"),
        ({"prompt": "a", "temperature": 0}, 336003, "temperature must be greater than 0, at most 1; 0 is not"),
        ({"prompt": "a", "temperature": 1.01}, 336003, "temperature"),
        ({"prompt": "a", "top_p": -0.1}, 336003, "top_p"),
        ({"prompt": "a", "top_k": 0}, 336003, "top_k"),
        ({"prompt": "a", "top_k": 1.5}, 336003, "top_k"),
        (b'{"prompt": "a", "top_p": NaN}', 336003, "finite"),
        ({"prompt": "a", "penalty_score": 2.5}, 336003, "penalty_score"),
        ({"prompt": "a", "stop": ["a", "b", "c", "d", "e"]}, 336003, "at most 4"),
        ({"prompt": "a", "stop": ["x" * 21]}, 336003, "at most 20"),
        ({"prompt": "a", "stop": "x"}, 336003, "list of texts"),
        ({"prompt": "a", "stream": "yes"}, 336003, "true or false"),
        ({"prompt": "a", "user_id": 5}, 336003, "user_id"),
        ({"prompt": "x" * 8193}, 336007, "the max length of current question is 8192"),
        ({"prompt": "字" * 2049}, 336103, "Prompt tokens too long"),
    ],
)
def test_a_body_that_the_service_refuses_is_answered_with_its_code(server: Running, token: str, body: Any, code: int, words: str) -> None:
    answer = post(server, token, "cerebras_gpt_6_7b", body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["error_code"] == code
    assert words in answer.json()["error_msg"]
    assert b"\n" not in answer.content


def test_the_bounds_themselves_are_accepted(server: Running, token: str) -> None:
    body = {"prompt": "字" * 2048, "temperature": 1, "top_p": 0, "top_k": 1, "penalty_score": 2.0, "stop": ["x" * 20, "b", "c", "\n"], "user_id": ""}
    assert post(server, token, "cerebras_gpt_6_7b", body).json()["usage"]["total_tokens"] == 97


def test_a_body_is_bounded(server: Running, token: str) -> None:
    answer = post(server, token, "echo", b'{"prompt":"' + b"x" * (5 * 1024 * 1024) + b'"}')
    assert answer.json()["error_code"] == 336003
    assert "larger than" in answer.json()["error_msg"]


def test_content_type_does_not_matter_and_unknown_fields_are_ignored(server: Running, token: str) -> None:
    extras = {"extra_parameters": {"request_source": "x"}, "model": "M", "system": "", "stream": False, "top_k": None}
    body = json.dumps({"prompt": "字\u2028", **extras}).encode()
    answer = post(server, token, "echo", body, headers={"Content-Type": "application/x-www-form-urlencoded"}).json()
    received = json.loads(answer["result"])
    assert received["body"] == json.loads(body)
    assert received["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_messages_stand_in_for_a_missing_prompt(server: Running, token: str) -> None:
    assert "result" in post(server, token, "echo", {"messages": [{"role": "user", "content": "hi"}]}).json()


@pytest.mark.parametrize("path", ["/", "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions", COMPLETION_PATH, "/v2/completions"])
def test_an_unknown_path_is_code_3(server: Running, token: str, path: str) -> None:
    answer = requests.post(server.base_url + path, params={"access_token": token}, json={"prompt": "a"}, timeout=5)
    assert (answer.status_code, answer.json()["error_code"]) == (200, 3)


@pytest.mark.parametrize("name", ["nothing", "a%2Fb", "error_code_5", "quota_5_1", "%E6%B5%8B"])
def test_an_unknown_service_is_code_336005(server: Running, token: str, name: str) -> None:
    assert post(server, token, name).json()["error_code"] == 336005


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_every_code_of_the_table_can_be_asked_for(server: Running, token: str, code: int) -> None:
    answer = post(server, token, f"error_code_{code}", stream=True)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["error_code"] == code
    assert "{" not in answer.json()["error_msg"]


def test_every_answer_carries_a_request_id_and_the_rate_limits(server: Running, token: str) -> None:
    for answer in (post(server, token, "ordinary"), post(server, token, "unchunked", stream=True), post(server, None, "ordinary")):
        assert answer.headers["x-baidu-request-id"].isdigit()
        assert answer.headers["x-ratelimit-limit-requests"] == "300"
        assert answer.headers["x-ratelimit-limit-tokens"] == "300000"
        assert int(answer.headers["x-ratelimit-remaining-requests"]) <= 300
        assert int(answer.headers["x-ratelimit-remaining-tokens"]) <= 300000


# Recordings


@pytest.mark.parametrize(
    ("name", "begins", "streamed", "single_begins"),
    [
        ("cerebras_gpt_6_7b", ", china.\nbeijing is", (5, 91, 96), "china.\nbeijing"),
        ("stablelm_alpha_7b", ", China.\nBeijing is", (5, 91, 96), ", China.\nBeijing"),
        ("yi_34b", "Beijing is the capital city", (6, 372, 378), "China.\nBeijing"),
    ],
)
def test_recordings_are_the_pages_answers(
    server: Running, token: str, name: str, begins: str, streamed: tuple[int, int, int], single_begins: str
) -> None:
    found = [read_event(json.dumps(fields), number) for number, fields in enumerate(events(post(server, token, name, stream=True)))]
    usage = final_usage(found)
    assert usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == streamed
    assert [sentence.is_end for sentence in found] == [False] * (len(found) - 1) + [True]
    assert "".join(sentence.text for sentence in found).startswith(begins)
    single = post(server, token, name).json()
    assert single["usage"] == {"prompt_tokens": 5, "completion_tokens": 92, "total_tokens": 97}
    assert single["result"].startswith(single_begins) and single["result"].lower().endswith("and stunning scenery.")


def test_yi_is_the_newer_build_and_the_others_the_older(server: Running, token: str) -> None:
    yi = events(post(server, token, "yi_34b", stream=True))
    assert len(yi) == 14
    assert all(fields["is_truncated"] is False and fields["need_clear_history"] is False and "is_safe" not in fields for fields in yi)
    older = events(post(server, token, "stablelm_alpha_7b", stream=True))
    assert all(fields["is_safe"] == 1 and "is_truncated" not in fields for fields in older)


def test_recordings_are_played_at_the_pace_of_their_times() -> None:
    assert offsets([100, 100, 102]) == pytest.approx([0.4, 0.9, 2.4])
    with running(options=Options(pace=0.1)) as slow:
        shown = new_token(slow)
        began = time.monotonic()
        with post(slow, shown, "cerebras_gpt_6_7b", stream=True) as answer:
            assert len(events(answer)) == 2
        assert 0.23 < time.monotonic() - began < 2


# Faults


@pytest.mark.parametrize("name", ["ordinary", "no_safety", "unsafe", "unsafe_older", "truncated", "usage_late", "no_usage", "gap", "echo", "a_model"])
def test_a_stream_and_a_whole_answer_say_the_same(server: Running, token: str, name: str) -> None:
    stream = events(post(server, token, name, {"prompt": "a", "stream": True}))
    single = post(server, token, name, {"prompt": "a"})
    text = "".join(fields["result"] for fields in stream)
    if name != "echo":
        assert single.json()["result"] == text
    assert [fields["is_end"] for fields in stream] == [False] * (len(stream) - 1) + [True]
    assert len({fields["id"] for fields in stream}) == 1 and re.fullmatch("as-[a-z0-9]{10}", stream[0]["id"])
    assert "sentence_id" not in single.json() and "is_end" not in single.json()


@pytest.mark.parametrize(
    ("name", "holds", "lacks"),
    [
        ("unsafe", {"need_clear_history": True, "ban_round": -1}, "is_safe"),
        ("unsafe_older", {"is_safe": 0}, "need_clear_history"),
        ("no_safety", {}, "is_safe need_clear_history is_truncated"),
        ("truncated", {"is_truncated": True, "finish_reason": "length"}, "is_safe"),
        ("no_usage", {}, "usage"),
        ("ordinary", {"need_clear_history": False, "is_truncated": False, "object": "completion"}, "is_safe ban_round finish_reason"),
    ],
)
def test_flags_are_those_of_the_build(server: Running, token: str, name: str, holds: dict[str, Any], lacks: str) -> None:
    for fields in (events(post(server, token, name, stream=True))[-1], post(server, token, name).json()):
        assert holds.items() <= fields.items()
        assert not fields.keys() & set(lacks.split())


def test_build_and_object_can_be_chosen() -> None:
    with running(options=Options(pace=0, build="older", object_name="chat.completion")) as older:
        fields = post(older, new_token(older), "ordinary").json()
    assert fields["is_safe"] == 1 and fields["object"] == "chat.completion" and "is_truncated" not in fields


def test_usage_is_per_event_or_late(server: Running, token: str) -> None:
    each = [fields["usage"] for fields in events(post(server, token, "ordinary", stream=True))]
    assert [row["total_tokens"] for row in each] == [18, 29, 42] and [row["completion_tokens"] for row in each] == [13, 11, 13]
    late = [fields["usage"]["completion_tokens"] for fields in events(post(server, token, "usage_late", stream=True))]
    assert late == [0, 0, 37]
    assert [fields["sentence_id"] for fields in events(post(server, token, "gap", stream=True))] == [0, 4, 5]


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("crlf", lambda body: body.count(b"\r\n\r\n") == 3 and b"\n\n" not in body),
        ("no_space", lambda body: body.count(b'data:{"id"') == 3),
        ("comments", lambda body: body.count(b": ping\n\n") == 3 and body.count(b"data: ") == 3),
        ("line_separators", lambda body: "one\u2028two".encode() in body and "\u0085three".encode() in body),
        ("big_event", lambda body: body.count(b"data: ") == 1 and len(body) > 1024 * 1024),
        ("cut_without_end", lambda body: body.count(b"data: ") == 2 and b'"is_end":true' not in body),
        ("error_mid_stream", lambda body: body.count(b"data: ") == 3 and b'data: {"error_code":336000' in body),
        ("error_mid_stream_bare", lambda body: b'\n\n{"error_code":336000' in body and body.count(b"data: ") == 2),
        ("empty_body", lambda body: body == b""),
        ("split_characters", lambda body: "渡船在起雾之前".encode() in body and b'"is_end":true' in body),
    ],
)
def test_malformed_streams_are_as_named(server: Running, token: str, name: str, check: Callable[[bytes], bool]) -> None:
    answer = post(server, token, name, stream=True)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert check(answer.content)
    assert b"[DONE]" not in answer.content


@pytest.mark.parametrize(
    ("name", "status", "kind", "within"),
    [
        ("html_502", 502, "text/html", b"<h1>502 Bad Gateway</h1>"),
        ("json_success", 200, "application/json", b'"result":"The ferry'),
        ("error_json", 200, "application/json", b'"error_code":336000'),
        ("unauthorised", 200, "application/json", b'"error_code":6'),
        ("always_expired", 200, "application/json", b'"error_code":111'),
    ],
)
def test_a_stream_request_may_get_something_else(server: Running, token: str, name: str, status: int, kind: str, within: bytes) -> None:
    answer = post(server, token, name, stream=True)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
    assert within in answer.content


def test_redirect_leads_elsewhere(server: Running, token: str) -> None:
    answer = post(server, token, "redirect")
    assert (answer.status_code, answer.headers["location"]) == (302, "/_emulator/elsewhere")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_cut_mid_event_breaks_the_connection(server: Running, token: str, stream: bool) -> None:
    with open_post(server, token, "cut_mid_event", stream=stream) as answer:
        got = b""
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            for part in answer.iter_content(1):
                got += part
    assert got.count(b"\n\n") == int(stream) and not got.endswith(b"}")
    assert log(server)[-1]["ending"] == "cut"


def raw_post(server: Running, token: str, endpoint: str) -> socket.socket:
    body = b'{"prompt":"a","stream":true}'
    head = f"POST {COMPLETION_PATH}{endpoint}?access_token={token} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    connection.sendall(head.encode() + body)
    return connection


def test_unchunked_body_comes_event_by_event_and_ends_with_the_connection(server: Running, token: str) -> None:
    with raw_post(server, token, "unchunked") as connection:
        arrivals = []
        got = b""
        while part := connection.recv(65536):
            got += part
            arrivals.append(time.monotonic())
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower() and b"content-length" not in head.lower() and b"connection: close" in head.lower()
    assert body.startswith(b"data: ") and body.count(b"data: ") == 3
    assert arrivals[-1] - arrivals[0] > 0.15


def test_events_are_chunks_of_their_own(server: Running, token: str) -> None:
    with raw_post(server, token, "ordinary") as connection:
        got = b""
        while not got.endswith(b"\r\n0\r\n\r\n"):
            got += connection.recv(65536)
    chunks = re.findall(rb"\r\n([0-9a-f]+)\r\ndata: (.*?)\n\n(?=\r\n)", got)
    assert len(chunks) == 3 and all(int(size, 16) == len(text) + 8 for size, text in chunks)


@pytest.mark.parametrize(("characters", "rate", "seconds"), [(95, 0, 0.0), (0, 0, 0.0), (300, 50, 0.18), (300_000, 0, 0.0)])
def test_long_answers_have_their_length_and_rate(server: Running, token: str, characters: int, rate: int, seconds: float) -> None:
    began = time.monotonic()
    texts = [fields["result"] for fields in events(post(server, token, f"long_{characters}_{rate}", stream=True))]
    assert time.monotonic() - began >= seconds
    assert len("".join(texts)) == characters
    assert all(len(text) == 30 for text in texts[:-1])


def test_busy_answers_the_third_call_of_each_caller(server: Running, token: str) -> None:
    assert [post(server, token, "busy").json().get("error_code") for _ in range(4)] == [336100, 336100, None, None]
    assert post(server, new_token(server, client_id=SHORT_API_KEY), "busy").json()["error_msg"] == BUSY_WORDS
    requests.post(server.base_url + "/_emulator/reset", timeout=5)
    assert post(server, token, "busy").json()["error_code"] == 336100


@pytest.mark.parametrize("code", [18, 336501, 336502])
def test_quota_refuses_so_many_calls(server: Running, token: str, code: int) -> None:
    found = [post(server, token, f"quota_{code}_1", stream=True).content for _ in range(2)]
    assert f'"error_code":{code},'.encode() in found[0] and b'"is_end":true' in found[1]


def test_expired_token_takes_a_newer_one_and_never_the_first(server: Running) -> None:
    first, second = new_token(server), new_token(server)
    codes = [post(server, shown, "expired_token").json().get("error_code") for shown in (first, second, first, second)]
    assert codes == [111, None, 111, None]


# Time, and who left


def test_silence_after_the_headers_ends(server: Running, token: str) -> None:
    began = time.monotonic()
    with open_post(server, token, "silent_0.6") as answer:
        assert time.monotonic() - began < 0.5
        assert len(events(answer)) == 3
    assert time.monotonic() - began >= 0.6


def test_silence_before_the_headers_is_total(server: Running, token: str) -> None:
    with raw_post(server, token, "silent_before_headers_0.4") as connection:
        connection.settimeout(0.25)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(5)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("name", ["silent", "silent_before_headers", "slow", "endless", "unchunked", "long_30000_5", "long_9999999_0"])
def test_a_client_that_leaves_is_noticed_at_once(server: Running, token: str, name: str) -> None:
    with raw_post(server, token, name) as connection:
        if name in ("endless", "long_9999999_0"):
            connection.recv(65536)
        time.sleep(0.05)
    left = time.time()
    while (row := log(server)[-1])["ending"] is None and time.time() - left < 2:
        time.sleep(0.02)
    assert row["ending"] == "client disconnected"
    assert row["started"] + row["closed_after_s"] - left < 0.5


def test_a_plugged_in_service_is_gated_and_closed_when_the_client_leaves(server: Running, token: str) -> None:
    assert post(server, token, "a_model", {"prompt": "x" * 41}).json()["error_code"] == 336007
    closed_models.clear()
    with raw_post(server, token, "a_model") as connection:
        while b"one" not in connection.recv(65536):
            pass
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(
            server.base_url + COMPLETION_PATH + "a_model", params={"access_token": token}, json={"prompt": "wait"}, timeout=0.2
        )
    deadline = time.monotonic() + 1
    while closed_models != ["a", "wait"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closed_models == ["a", "wait"]


def test_the_log_tells_a_request_and_no_secret(server: Running, token: str) -> None:
    post(server, token, "ordinary", {"prompt": "a", "stream": True, "access_token": "in the body", "user_id": "u"})
    signed(server, "error_code_18")
    text = requests.get(server.base_url + "/_emulator/log", timeout=5).text
    rows = json.loads(text)
    assert rows[0].keys() == {
        "id", "endpoint", "started", "body", "auth", "first_event", "ended", "ending", "error_code", "events_sent", "closed_after_s",
    }
    assert (rows[0]["endpoint"], rows[0]["events_sent"], rows[0]["ending"], rows[0]["auth"]) == ("ordinary", 3, "completed", "access token")
    assert rows[0]["body"] == {"prompt": "a", "stream": True, "access_token": "•••", "user_id": "u"}
    assert 0 <= rows[0]["first_event"] <= rows[0]["ended"]
    assert rows[1]["error_code"] == 18
    for secret in (token, SECRET_KEY, IAM_SECRET, "in the body", "bce-auth-v1"):
        assert secret not in text


def test_the_log_is_bounded_and_can_be_told_not_to_keep_bodies() -> None:
    with running(options=Options(pace=0, keep_bodies=False)) as quiet, requests.Session() as session:
        for _ in range(205):
            session.post(quiet.base_url + COMPLETION_PATH + "echo", json={"prompt": "a"}, timeout=5)
        post(quiet, new_token(quiet), "echo")
        rows = log(quiet)
    assert len(rows) == 200 and rows[-1]["body"] is None and rows[-1]["ending"] == "completed"


def test_every_endpoint_is_described(server: Running) -> None:
    rows = requests.get(server.base_url + "/_emulator/endpoints", timeout=5).json()
    assert {"yi_34b", "echo", "a_model", "quota_CODE_N"} <= {row["name"] for row in rows}
    assert all(row["description"] for row in rows) and len({row["name"] for row in rows}) == len(rows)
    assert len([row for row in rows if row["name"] in {family.title for family in FAMILIES}]) == len(FAMILIES)


def test_the_listening_socket_names_its_protocol_so_that_events_are_not_held_back() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_server_stops_quickly_although_streams_are_open() -> None:
    connections = []
    with running(options=Options(pace=0)) as brief:
        shown = new_token(brief)
        for name in ("silent", "endless", "silent_before_headers", "unchunked"):
            connections.append(raw_post(brief, shown, name))
        time.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    for connection in connections:
        connection.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", brief.port), timeout=1)


def test_it_runs_beside_a_loop_that_is_already_running() -> None:
    async def ask() -> int:
        with running(options=Options(pace=0)) as beside:
            return (await asyncio.to_thread(token_answer, beside)).status_code

    assert asyncio.run(ask()) == 200


def test_a_port_that_is_taken_is_an_error(server: Running) -> None:
    with pytest.raises(OSError), running(server.port):
        pass


def test_the_command_prints_its_address_credentials_and_endpoints() -> None:
    process = subprocess.Popen([sys.executable, "-m", "emulator", "--port", "0", "--pace", "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        text = ""
        while "error_code_N" not in text:
            text += process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", text)
        assert address and all(word in text for word in (API_KEY, SECRET_KEY, ACCESS_KEY, IAM_SECRET, "yi_34b", "silent"))
        port = urlsplit(address.group()).port
        assert port and token_answer(Running(base_url=address.group(), port=port)).status_code == 200
    finally:
        process.send_signal(2)
        process.communicate(timeout=5)
    assert process.returncode == 0
