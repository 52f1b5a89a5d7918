"""Two replicas behind nginx with PostgreSQL, as `deploy/replicas.py` starts them: one is killed, and who was with the other notices nothing."""

import os
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from playwright.sync_api import expect

from deploy.replicas import replicas
from tests.browser.serving import OURS, Site
from tests.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow(seconds=35)]

SESSIONS = 18
DROPS = [f"Drop {number} fell. " for number in range(1, 41)]
# A browser says so when a connection breaks, or is refused for a moment.
BROKEN = ("/_stcore/stream", "/events?from=", "net::ERR_", "WebSocket", "502", "504")


@pytest.fixture
def running(postgres, tmp_path):
    settings = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    settings |= {"LOCAL_MODEL": "off", "PLAYGROUND_FAULT_ENDPOINTS": "1", "PLAYGROUND_RUNS_PER_MINUTE": "0", "PLAYGROUND_DRAIN": "1"}
    with postgres.fresh() as database, replicas(database, tmp_path, environ=settings) as started:
        yield started


def home(running, run_id):
    """Where a run goes on."""
    for number, app in enumerate(running.apps):
        with requests.get(f"{app.url}/runs/{run_id}/events", stream=True, timeout=10) as answer:
            if answer.status_code == 200:
                return number
    raise AssertionError("no replica knows the run")


def test_a_killed_replica_costs_its_own_visitors_a_moment_and_the_others_nothing(running, visit):
    site = Site(url=running.url, emulator_url="", log_file=running.apps[0].log)
    benches = [visit(site, expects=BROKEN).open().fault("slow") for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        visitors = list(pool.map(lambda _: Visitor(running.url).open(), range(SESSIONS)))
        for bench in benches:
            bench.run()
        ids = list(pool.map(lambda visitor: visitor.start("slow"), visitors))
    assert None not in ids
    streams = [visitor.follow(run_id) for visitor, run_id in zip(visitors, ids, strict=True)]
    seen = [bench.wait_streaming("Drop 2 ") and re.findall(r"run=([0-9a-f]{32})", bench.page.url)[0] for bench in benches]
    for stream in streams:
        stream.until(3)
    homes, browsers = [home(running, run_id) for run_id in ids], [home(running, run_id) for run_id in seen]
    assert 3 <= sum(homes) <= SESSIONS - 3, "the visitors are spread over both"

    lost = browsers[0]
    running.apps[lost].kill()
    died = time.monotonic()
    for stream, at in zip(streams, homes, strict=True):
        if at == lost:
            assert stream.over.wait(5) and stream.end is None

    # Their pages connect again, to the other replica, and there the run is as far as it had come.
    expect(benches[0].state).to_have_class(re.compile(r"\bcut\b"), timeout=30_000)
    back = time.monotonic() - died
    expect(benches[0].note).to_contain_text("The server stopped")
    assert "".join(DROPS).startswith(benches[0].answer_text()) and benches[0].answer_text().endswith("fell. ")
    for visitor, stream, at in zip(visitors, streams, homes, strict=True):
        if at == lost:
            assert not visitor.connected()
            visitor.open()
            assert visitor.sheet["run"]["id"] == visitor.run_id
            kept = visitor.follow(visitor.run_id)
            assert kept.over.wait(10) and kept.end["ending"] == "cut"
            assert kept.texts == DROPS[: len(kept.texts)] and len(kept.texts) >= len(stream.texts) - 3, "all but the last second"
    again = next(visitor for visitor, at in zip(visitors, homes, strict=True) if at == lost)
    fresh = again.start("Yi-34B", "Recorded answers")
    assert fresh is not None
    more = again.follow(fresh)
    assert more.over.wait(10) and more.end["ending"] == "finished"
    benches[0].choose("Cerebras-GPT-6.7B").run().wait_ended()
    expect(benches[0].state).to_have_class(re.compile(r"\bfinished\b"))

    for visitor, stream, at in zip(visitors, streams, homes, strict=True):
        if at != lost:
            assert stream.over.wait(40) and stream.end["ending"] == "finished"
            assert stream.texts == DROPS, "nothing lost, nothing twice"
            assert visitor.connected(), "their pages were never disturbed"
    for bench, at in zip(benches, browsers, strict=True):
        if at != lost:
            bench.wait_ended()
            assert bench.answer_text() == "".join(DROPS)
    for visitor in visitors:
        visitor.leave()
    print(f"back after {back:.1f} s")
