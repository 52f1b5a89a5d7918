"""Baidu's own Python SDK against the emulator: proof that the emulator speaks the protocol, not only our idea of it.

The SDK warns and leaves sockets open, so each case runs in a process of its own and reports a line of JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from emulator.options import ACCESS_KEY, API_KEY, IAM_SECRET, SECRET_KEY, Options
from emulator.server import Running, running
from playground.providers.qianfan import COMPLETION_PATH, TOKEN_PATH

pytestmark = pytest.mark.slow

APPLICATION = {"QIANFAN_AK": API_KEY, "QIANFAN_SK": SECRET_KEY}
IAM = {"QIANFAN_ACCESS_KEY": ACCESS_KEY, "QIANFAN_SECRET_KEY": IAM_SECRET}

SCRIPT = """
import json, sys
import qianfan

asked = json.loads(sys.argv[1])
try:
    answer = qianfan.Completion().do(prompt="Introduce the city Beijing", **asked)
    bodies = [part["body"] for part in answer] if asked.get("stream") else [answer["body"]]
    print(json.dumps({"bodies": bodies}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "code": getattr(error, "error_code", None), "words": str(error)}))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(options=Options(pace=0)) as emulator:
        yield emulator


def start(server: Running, keys: dict[str, str], **asked: object) -> subprocess.Popen[str]:
    bases = dict.fromkeys(("QIANFAN_BASE_URL", "QIANFAN_CONSOLE_API_BASE_URL", "QIANFAN_IAM_BASE_URL"), server.base_url)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QIANFAN_") and not name.lower().endswith("_proxy")}
    quick = {"QIANFAN_LLM_API_RETRY_BACKOFF_FACTOR": "0", "QIANFAN_LLM_API_RETRY_JITTER": "0", "QIANFAN_DISABLE_EB_SDK": "true"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(asked)],
        env={**kept, **bases, **quick, **keys}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, object]:
    out, errors = process.communicate(timeout=30)
    lines = [line for line in out.splitlines() if line.startswith("{")]
    assert lines, errors[-2000:]
    return json.loads(lines[-1])


def ask(server: Running, keys: dict[str, str], **asked: object) -> dict[str, object]:
    return finish(start(server, keys, **asked))


@pytest.mark.parametrize("keys", [APPLICATION, IAM], ids=["access token", "signature"])
def test_sdk_gets_recorded_answers_whole_and_streamed(server: Running, keys: dict[str, str]) -> None:
    both = [start(server, keys, endpoint="yi_34b", stream=stream, temperature=0.9, stop=["\n\n"], user_id="u") for stream in (False, True)]
    single, stream = (finish(process)["bodies"] for process in both)
    assert single[0]["result"].startswith("China.\nBeijing is the capital")
    assert single[0]["usage"] == {"prompt_tokens": 5, "completion_tokens": 92, "total_tokens": 97}
    assert [body["sentence_id"] for body in stream] == list(range(14))
    assert stream[-1]["is_end"] and stream[-1]["usage"]["total_tokens"] == 378


def test_sdk_with_wrong_keys_is_refused(server: Running) -> None:
    processes = [
        start(server, {"QIANFAN_AK": API_KEY, "QIANFAN_SK": "wrong"}, endpoint="yi_34b"),
        start(server, {"QIANFAN_ACCESS_KEY": API_KEY, "QIANFAN_SECRET_KEY": SECRET_KEY}, endpoint="yi_34b"),
        start(server, {"QIANFAN_ACCESS_KEY": ACCESS_KEY, "QIANFAN_SECRET_KEY": "wrong"}, endpoint="yi_34b"),
    ]
    token, application_keys, secret = (finish(process) for process in processes)
    assert "bodies" not in token
    assert application_keys["code"] == secret["code"] == 14


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_sdk_retries_a_busy_service_and_then_succeeds(server: Running, stream: bool) -> None:
    requests.post(server.base_url + "/_emulator/reset", timeout=5)
    answer = ask(server, APPLICATION, endpoint="busy", stream=stream, retry_count=3)
    assert "harbour answered" in answer["bodies"][-1]["result"]
    rows = requests.get(server.base_url + "/_emulator/log", timeout=5).json()
    assert [row["error_code"] for row in rows] == [336100, 336100, None]


def test_sdk_refreshes_an_expired_token(server: Running) -> None:
    requests.post(server.base_url + "/_emulator/reset", timeout=5)
    query = {"grant_type": "client_credentials", "client_id": API_KEY, "client_secret": SECRET_KEY}
    token = requests.post(server.base_url + TOKEN_PATH, params=query, timeout=5).json()["access_token"]
    answer = ask(server, {**APPLICATION, "QIANFAN_ACCESS_TOKEN": token}, endpoint="expired_token")
    assert "harbour answered" in answer["bodies"][0]["result"]
    rows = requests.get(server.base_url + "/_emulator/log", timeout=5).json()
    assert [row["error_code"] for row in rows] == [111, None]


def test_sdk_extras_arrive_and_are_ignored(server: Running) -> None:
    answer = ask(server, IAM, endpoint="echo", temperature=0.5)
    received = json.loads(answer["bodies"][0]["result"])
    assert received["path"] == COMPLETION_PATH + "echo"
    assert received["body"]["extra_parameters"]["request_source"].startswith("qianfan_py_sdk_v")
    assert received["headers"]["request_id"].startswith("sdk-py-")
    assert received["headers"]["authorization"] == "bce-auth-v1/•••"


def test_sdk_reports_the_service_errors(server: Running) -> None:
    processes = [start(server, APPLICATION, endpoint=name, retry_count=1) for name in ("no_such_service", "unauthorised")]
    assert [finish(process)["code"] for process in processes] == [336005, 6]
