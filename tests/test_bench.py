"""That the benchmarks measure: the endpoint's times, the line's bytes and pace, the applications' processor time, the pages, and the report."""

import math
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import requests

from bench.apps import served
from bench.link import link
from bench.pages import FLOOR, LONG, OURS, PLAIN, SHORT, Presses, Shown, press, show, steady_profile, subjects, targets
from bench.report import Section, Target, write
from bench.upstream import SERVICE, calls, play, steady, upstream
from playground.client import Client
from playground.completion import CompletionRequest
from playground.credentials import ApplicationKeys
from playground.endpoints import Endpoint
from playground.exchange import Exchange
from playground.message import message
from playground.providers.qianfan import COMPLETION_PATH
from playground.redaction import Secret
from playground.wire import Cancel

WORKS = """
import http.server, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def waited(condition, seconds=10.0):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


def ask(base):
    return requests.post(f"{base}{COMPLETION_PATH}{SERVICE}", json={"prompt": "go", "stream": True}, stream=True, timeout=10)


@contextmanager
def speaker(content):
    """A server that says this to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(content)

        threading.Thread(target=speak, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def heard(address):
    host, port = address.removeprefix("http://").split(":")
    began, count = time.monotonic(), 0
    with socket.create_connection((host, int(port))) as connection:
        while piece := connection.recv(65536):
            count += len(piece)
    return count, time.monotonic() - began


def test_our_client_reads_the_endpoint_and_it_tells_when_each_event_left():
    endpoint = {"name": "x", "title": "x", "group": "x", "note": message("x"), "path": SERVICE}
    keys = ApplicationKeys(api_key=Secret("key"), secret_key=Secret("secret"))
    with upstream() as base:
        play(base, steady(6, 50, first=40))
        before = time.time()
        request = CompletionRequest(prompt="go", parameters={"stream": True})
        came = list(Client().complete(Endpoint(**endpoint, base_url=base, credentials=keys), request, Cancel(), Exchange()))
        after, (call,) = time.time(), calls(base)
    assert [sentence.text.split()[0] for sentence in came] == [f"%{number}" for number in range(40, 46)]
    assert {len(sentence.text) for sentence in came} == {30}
    assert before <= call.asked <= call.sent[0] and call.sent[-1] <= after and len(call.sent) == 6
    assert call.sent[-1] - call.sent[0] >= 0.09


def test_the_endpoint_tells_when_its_caller_left_though_it_is_silent():
    with upstream() as base:
        play(base, steady(2, 0, silence=30))
        with ask(base) as response:
            lines = response.iter_lines()
            next(lines)
            assert calls(base)[0].closed is None
            left = time.time()
        assert waited(lambda: calls(base)[0].closed)
        call = calls(base)[0]
    assert left <= call.closed < left + 10 and len(call.sent) == 1


def test_the_line_counts_what_crosses():
    with speaker(b"x" * 123_456) as port, link(port) as line:
        assert heard(line.address)[0] == 123_456
        assert line.received == 123_456
        heard(line.address)
        assert line.received == 246_912


def test_the_line_lets_through_no_more_than_it_is_told():
    with speaker(b"x" * 30_000) as port, link(port) as line:
        line.limit(1)
        count, seconds = heard(line.address)
        line.limit(0)
        assert count == 30_000 and seconds >= 0.23
        assert heard(line.address)[1] < seconds


def test_an_application_takes_what_its_own_children_take():
    with served(["-c", WORKS, "{port}"], "http://127.0.0.1:9") as application:
        assert waited(lambda: application.busy >= 0.3)


def shown(delays, sent=None, received=1.0):
    return Shown(sent=sent or len(delays), delays=delays, whole=0.0, received=received, busy=0.0, server=0.0)


def test_delays_are_told_by_tenth_of_the_answer_and_of_what_never_came_there_is_none():
    one = shown([float(number) for number in range(90)], sent=100)
    assert one.tenths[:9] == [4.5, 14.5, 24.5, 34.5, 44.5, 54.5, 64.5, 74.5, 84.5] and math.isnan(one.tenths[9])
    assert (one.median, one.arrived) == (44.5, 0.9)
    assert 84 < one.late < 85


def found(ours):
    pages = {FLOOR.name: shown([10.0] * 100), OURS.name: shown(*ours), PLAIN.name: shown([100.0] * 100)}
    presses = {FLOOR.name: Presses([20.0], [5.0], [5.0]), OURS.name: Presses([90.0], [6.0], [7.0])}
    return targets({SHORT.title: pages, LONG.title: pages}, presses)


def test_what_is_as_good_as_it_must_be_is_met():
    assert {target.met for target in found(([20.0] * 100,))} == {True}


@pytest.mark.parametrize("ours, missed", [
    (([30.0] * 100,), "to 1.5 ×"), (([60.0] * 100,), "to half of plain"), (([10.0] * 50 + [19.0] * 50,), "last tenth"),
    (([10.0] * 100, 100, 2.6), "bytes"),
])
def test_what_is_not_is_missed(ours, missed):
    assert any(missed in target.words and not target.met for target in found(ours))


def test_a_page_that_lost_the_end_of_the_answer_is_not_flat():
    assert any("last tenth" in target.words and not target.met for target in found(([10.0] * 80, 100)))


def test_a_section_replaces_its_own_and_leaves_the_others(tmp_path):
    path = tmp_path / "report.md"
    for measured in (3.0, 1.0):
        write(Section(title="One", targets=[Target(words="as few", measured=measured, limit=2, why="it is raining")], body="the one"), path)
        write(Section(title="Two", targets=[Target(words="as many", measured=measured, limit=2, least=True)], body="the other"), path)
        text = path.read_text()
        assert text.count("## One") == text.count("## Two") == 1
        # What was to be reached stands at the head too.
        assert text.count("as few") == text.count("as many") == 2
        assert ("**missed** | as few: it is raining | 3.00 | ≤ 2.00" in text) == (measured == 3.0)
        assert ("met | as many | 3.00 | ≥ 2.00" in text) == (measured == 3.0)


@pytest.mark.browser
@pytest.mark.slow
def test_pages_are_watched_from_run_to_stop():
    with subjects([FLOOR, OURS]) as both:
        for one in both:
            answer = show(one, steady_profile("", 30, 100))
            assert answer.arrived == 1 and min(answer.delays) > 0 and answer.whole >= 290
            assert answer.received > 1 and answer.busy > 0
            narrow = show(one, steady_profile("", 200, 0, megabits=0.1))
            assert narrow.arrived == 1 and narrow.whole > 480
            presses = press(one, times=1)
            assert all(0 < times[0] < math.inf for times in (presses.first, presses.flowing, presses.silent))
