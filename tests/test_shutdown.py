"""A real process that is asked to stop in the middle of runs: nothing new begins, runs may end for a while, and each page hears why."""

import signal
import socket
import time
from contextlib import contextmanager

import pytest
import requests

from tests.browser.serving import serving
from tests.visitor import Visitor

pytestmark = pytest.mark.slow

WORDS = "Stopped because the server was shut down."


@contextmanager
def app(tmp_path, **settings):
    """The app with its fault lab, and one visitor on it. It may be over when this ends."""
    with serving(tmp_path / "app.log", {"PLAYGROUND_FAULT_ENDPOINTS": "1", **settings}) as site, Visitor(site.url) as visitor:
        yield site, visitor
    assert "Traceback" not in site.log


def ask_to_stop(site, number=signal.SIGTERM):
    site.process.send_signal(number)
    return time.monotonic()


def refused(visitor):
    """What a new run hears."""
    assert visitor.start("Yi-34B", "Recorded answers") is None
    return visitor.sheet["refusal"]


def test_a_run_may_come_to_its_end_while_nothing_new_begins(tmp_path):
    with app(tmp_path, PLAYGROUND_DRAIN="30") as (site, visitor), Visitor(site.url) as other:
        stream = visitor.follow(visitor.start("slow")).until(30)
        asked = ask_to_stop(site)
        until(lambda: requests.get(site.url + "/readyz", timeout=5).json() == {"ready": False, "reason": "leaving"})
        assert requests.get(site.url + "/healthz", timeout=5).status_code == 200
        assert "restarted" in refused(other)["message"]
        assert stream.over.wait(20) and stream.end["ending"] == "finished" and len(stream.texts) == 40
        assert site.process.wait(10) == 0
        assert time.monotonic() - asked < 25, "it does not wait longer than the run"


def test_what_is_not_over_by_then_ends_with_a_word_and_is_kept(tmp_path):
    with app(tmp_path, PLAYGROUND_DRAIN="2") as (site, visitor):
        stream = visitor.follow(visitor.start("slow")).until(3)
        asked = ask_to_stop(site)
        assert site.process.wait(2 + 5 + 3) == 0
        took = time.monotonic() - asked
        assert stream.over.wait(5) and (stream.end["ending"], stream.end["reason"]) == ("stopped", WORDS)
        assert 2 <= took < 2 + 5, f"it took {took:.1f} s"
        print(f"gone after {took:.1f} s with a drain of 2")
        run_id, seen = visitor.run_id, list(stream.texts)
    # The same database, another process.
    with serving(tmp_path / "app.log", {"PLAYGROUND_FAULT_ENDPOINTS": "1"}) as again:
        visitor.url = again.url
        visitor.open()
        kept = visitor.follow(run_id)
        assert kept.over.wait(10) and (kept.end["ending"], kept.end["reason"]) == ("stopped", WORDS)
        assert kept.texts == seen
        visitor.leave()


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)])
def test_whoever_insists_is_not_kept_waiting(tmp_path, signals):
    with app(tmp_path, PLAYGROUND_DRAIN="60") as (site, visitor):
        stream = visitor.follow(visitor.start("silent")).open()
        asked = time.monotonic()
        for number in signals:
            ask_to_stop(site, number)
            time.sleep(0.3)
        assert site.process.wait(10) == 0
        assert time.monotonic() - asked < 6
        assert stream.over.wait(5) and stream.end["reason"] == WORDS


def test_a_page_that_does_not_read_keeps_nobody(tmp_path):
    """Its stream never takes the last words; the server waits a little and goes."""
    with app(tmp_path, PLAYGROUND_DRAIN="1") as (site, visitor):
        run_id = visitor.start("endless")
        place = site.url.removeprefix("http://").split(":")
        with socket.create_connection((place[0], int(place[1]))) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(f"GET /runs/{run_id}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(3)
            asked = ask_to_stop(site)
            assert site.process.wait(15) == 0
            assert time.monotonic() - asked < 1 + 5 + 2


def test_a_server_nobody_uses_goes_at_once(tmp_path):
    with serving(tmp_path / "app.log", {"PLAYGROUND_DRAIN": "60"}) as site:
        asked = ask_to_stop(site)
        assert site.process.wait(10) == 0
        assert time.monotonic() - asked < 5


def until(true):
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")
