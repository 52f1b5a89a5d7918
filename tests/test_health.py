"""Health, readiness and metrics, asked of a real server; and what the counts hold."""

import os
import threading
import time
from contextlib import contextmanager

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from websockets.sync.client import connect

from emulator.options import Options
from emulator.server import bind
from emulator.server import running as emulating
from playground import metrics as counting
from playground.completion import CompletionRequest
from playground.errors import AccessRefused, LimitReached, ParameterError
from playground.health import health_routes
from playground.message import message
from playground.metrics import Metrics, OpenPages
from playground.redaction import Secret
from playground.service import close_service, open_service, service
from playground.settings import Limits, Settings, read_settings
from playground.visitors import COOKIE, new_cookie

SECRET = Secret("a secret that signs cookies of visitors")


async def echoing(socket):
    await socket.accept()
    await socket.receive_text()
    await socket.close()


@contextmanager
def serving(metrics, base=""):
    app = Starlette(
        routes=[*health_routes(base, metrics), WebSocketRoute("/stream", echoing)],
        middleware=[Middleware(OpenPages, metrics=metrics, secret=lambda: SECRET)],
    )
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()
    listener.close()


@pytest.fixture
def opened():
    """Open the service of this process; it is closed when the test is over."""
    yield open_service
    close_service()


def get(url, **headers):
    return requests.get(url, headers=headers, timeout=10)


def ready(url):
    answer = get(url + "/readyz")
    return answer.status_code, answer.json()["reason"]


def value(text, name):
    """The figure of a line of metrics."""
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " ")), None)


@pytest.mark.parametrize("base", ["", "play", "/deep/path/"])
def test_the_routes_are_under_the_base_path(opened, base):
    opened(Settings())
    prefix = f"/{base.strip('/')}" if base else ""
    with serving(Metrics(), base) as url:
        assert get(f"{url}{prefix}/healthz").text == "ok"
        assert ready(url + prefix) == (200, None)
        assert get(f"{url}/elsewhere/healthz").status_code == 404


def test_it_is_ready_while_the_emulator_answers_and_says_when_it_does_not(opened):
    with serving(Metrics()) as url:
        with emulating() as emulator:
            opened(Settings(), emulator.base_url)
            assert ready(url) == (200, None)
        time.sleep(1.1)  # an answer is believed for a second
        assert ready(url) == (503, "emulator")


def test_it_is_not_ready_where_a_database_is_wanted_and_cannot_be_opened(opened, tmp_path):
    (tmp_path / "file").write_text("no folder")
    opened(Settings(database=Secret(f"sqlite:///{tmp_path / 'file' / 'x.sqlite3'}")))
    with serving(Metrics()) as url:
        assert ready(url) == (503, "database")
        assert get(url + "/healthz").status_code == 200, "it lives all the same"


@pytest.mark.slow
def test_it_is_not_ready_while_postgresql_is_stopped_and_is_again_when_it_is_back(opened, postgres):
    with postgres.fresh() as address:
        opened(Settings(database=Secret(address)))
        with serving(Metrics()) as url:
            assert ready(url) == (200, None)
            postgres.stop()
            try:
                time.sleep(1.1)
                answer = get(url + "/readyz")
            finally:
                postgres.start()
            assert (answer.status_code, answer.json()["reason"]) == (503, "database")
            assert address not in answer.text
            time.sleep(1.1)
            assert ready(url) == (200, None)
            close_service()


def test_it_is_not_ready_once_it_leaves(opened):
    opened(Settings())
    with serving(Metrics()) as url:
        service().runs.leaving = True
        assert ready(url) == (503, "leaving")


def test_metrics_are_off_unless_wanted(opened):
    opened(Settings())
    with serving(Metrics()) as url:
        assert get(url + "/metrics").status_code == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Basic tell-me"}, 401), ({"Authorization": "bearer tell-me"}, 200)],
)
def test_with_a_token_metrics_are_for_who_brings_it(opened, sent, status):
    opened(Settings(metrics=True, metrics_token=Secret("tell-me")))
    with serving(Metrics()) as url:
        answer = get(url + "/metrics", **sent)
    assert answer.status_code == status
    assert ("playground_runs_started_total" in answer.text) == (status == 200)


def test_a_run_is_counted_from_its_beginning_to_its_end(opened):
    metrics = Metrics()
    with emulating(options=Options(pace=0.1)) as emulator, serving(metrics) as url:
        present = opened(Settings(metrics=True, limits=Limits(runs_per_visitor=2)), emulator.base_url, observers=[metrics])
        endpoint = present.endpoints["recorded/yi_34b"]
        run = present.runs.start(endpoint, CompletionRequest(prompt=endpoint.example, parameters={"stream": True}), "v")
        going = get(url + "/metrics").text
        source = '{group="Recorded answers",provider="qianfan"}'
        assert value(going, f"playground_runs_started_total{source}") == 1
        assert run.wait(30)
        deadline = time.monotonic() + 10
        while (after := get(url + "/metrics").text) and value(after, "playground_live_runs") and time.monotonic() < deadline:
            time.sleep(0.05)
        while "finished" not in after and time.monotonic() < deadline:
            after = get(url + "/metrics").text
    assert value(after, 'playground_runs_ended_total{ending="finished",group="Recorded answers",provider="qianfan"}') == 1
    assert value(after, f"playground_first_sentence_seconds_count{source}") == 1
    assert value(after, 'playground_tokens_total{group="Recorded answers",kind="completion",provider="qianfan"}') == run.usage.completion_tokens
    assert value(after, "playground_live_runs") == 0


def test_refusals_are_counted_by_kind():
    metrics = Metrics()
    for error in (
        LimitReached(message("m")), LimitReached(message("m")), ParameterError("temperature", message("m")), AccessRefused("spent", message("m")),
    ):
        metrics.refused(error)
    text = metrics.text(live=0, streams=0).decode()
    assert [value(text, f'playground_refusals_total{{kind="{kind}"}}') for kind in ("limit", "request", "spent")] == [2, 1, 1]


def test_however_many_reasons_there_are_the_labels_are_bounded():
    metrics = Metrics()
    for number in range(500):
        metrics.refused(AccessRefused(f"reason {number}", message("m")))
    text = metrics.text(live=0, streams=0).decode()
    lines = [line for line in text.splitlines() if line.startswith("playground_refusals_total{")]
    assert len(lines) == counting._MOST_LABELS + 1
    assert value(text, 'playground_refusals_total{kind="other"}') == 500 - counting._MOST_LABELS


def test_open_pages_and_their_visitors_are_counted_and_forgotten(opened):
    opened(Settings(metrics=True))
    one, other = new_cookie(SECRET), new_cookie(SECRET)
    with serving(Metrics()) as url:
        place = url.replace("http", "ws") + "/stream"

        def counted():
            text = get(url + "/metrics").text
            return value(text, "playground_open_pages"), value(text, "playground_visitors")

        def page(cookie):
            return connect(place, additional_headers={"Cookie": f"{COOKIE}={cookie}"})

        with page(one), page(one), page(other), page("forged.cookie"), page("another.forged"):
            assert counted() == (5, 3), "those without a cookie of ours are one"
        deadline = time.monotonic() + 10
        while counted() != (0, 0) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert counted() == (0, 0)


def test_the_settings_are_read(tmp_path):
    def read(**values):
        return read_settings(tmp_path, values)

    assert (read().metrics, read().metrics_token, read().drain, read().log) == (False, None, 10.0, "plain")
    assert read(PLAYGROUND_METRICS="1").metrics
    given = read(PLAYGROUND_METRICS_TOKEN="tell-me", PLAYGROUND_DRAIN="0", PLAYGROUND_LOG="JSON")
    assert (given.metrics, given.metrics_token, given.drain, given.log) == (True, Secret("tell-me"), 0.0, "json")
    wrong = read(PLAYGROUND_LOG="xml", PLAYGROUND_DRAIN="-1")
    assert (wrong.log, wrong.drain, len(wrong.problems)) == ("plain", 10.0, 2)
    assert os.sep not in repr(given.metrics_token)
