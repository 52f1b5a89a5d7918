"""A run ends exactly once, keeps its text whatever happens, and lets go of the endpoint when it ends."""

import dataclasses
import gc
import json
import re
import threading
import weakref

import pytest

from playground.client import Client
from playground.completion import CompletionRequest, Ending, Verdict
from playground.credentials import AccessToken, ApplicationKeys
from playground.endpoints import Endpoint
from playground.errors import AuthenticationError, ConfigurationError, EndpointError, LimitReached, ParameterError, RateLimitError, StreamInterrupted
from playground.message import message
from playground.redaction import Secret
from playground.run import BY_PERSON, SHUTDOWN, TOO_LATE, TOO_LONG, UNWATCHED, Run, Runs
from playground.settings import Limits, Retry
from playground.wire import Timeouts
from tests.scripted_server import CUT, HANG, ScriptedServer, json_reply, raw, reply, unused_port

PATIENT = Client(timeouts=Timeouts(connect=5, silence=30))


def endpoint(base_url, **fields):
    return Endpoint(name="own/x", title="x", group="g", note=message("n"), base_url=base_url, path="x",
                    credentials=AccessToken(token=Secret("24.token-of-runs")), **fields)


def event(text, number=0, *, is_end=False, **fields):
    return f"data: {json.dumps({'sentence_id': number, 'is_end': is_end, 'result': text, **fields}, ensure_ascii=False)}\n\n".encode()


def ask(prompt="p", **parameters):
    return CompletionRequest(prompt=prompt, parameters={"stream": True, **parameters})


GOOD = reply(event(" one", usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}, is_safe=1),
             event("", 1), event("two\n", 2, is_end=True, usage={"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 7}, is_safe=1))
ENDLESS = reply(event("kept"), HANG)


@pytest.fixture
def runs():
    made = []

    def make(client=PATIENT, **limits):
        made.append(Runs(client, dataclasses.replace(Limits(), **limits)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def wait_for(true):
    waiting = threading.Event()
    for _ in range(500):
        if true():
            return True
        waiting.wait(0.01)
    return False


def begun(runs, server, visitor="v", **values):
    """Start a run and wait for its first sentence."""
    run = runs.start(endpoint(server.url), ask(**values), visitor)
    assert wait_for(lambda: run.sentences or run.ending)
    return run


def outcome(run):
    return run.ending, run.text, run.reason, type(run.error), run.ended_after


def test_a_finished_run_holds_everything(runs):
    with ScriptedServer(GOOD) as server:
        run = runs().start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
    assert (run.ending, run.text, run.error, run.reason) == (Ending.FINISHED, " onetwo\n", None, None)
    assert [one.index for one in run.sentences] == [0, 1, 2]
    assert (run.usage.prompt_tokens, run.usage.completion_tokens, run.usage.total_tokens) == (5, 2, 7)
    assert run.safety.verdict is Verdict.SAFE
    arrivals = [one.arrived for one in run.sentences]
    assert arrivals == sorted(arrivals) and 0 <= arrivals[0] and arrivals[-1] <= run.elapsed == run.ended_after


def test_a_run_id_is_128_random_bits(runs):
    with ScriptedServer(GOOD) as server:
        place = runs(runs_per_visitor=50, runs_in_all=50)
        ids = {place.start(endpoint(server.url), ask(), "v").id for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)


ENDINGS = {
    "no end mark": (reply(event("kept")), Ending.CUT, "kept", StreamInterrupted),
    "cut mid-event": (reply(event("kept"), event("lost")[:15], CUT), Ending.CUT, "kept", StreamInterrupted),
    "error after text": (reply(event("kept"), b'{"error_code":336100,"error_msg":"x"}\n'), Ending.FAILED, "kept", RateLimitError),
    "error before text": (json_reply({"error_code": 14, "error_msg": "x"}), Ending.FAILED, "", AuthenticationError),
}


@pytest.mark.parametrize(("script", "ending", "text", "kind"), ENDINGS.values(), ids=ENDINGS)
def test_what_arrived_stays_whatever_the_ending(runs, script, ending, text, kind):
    with ScriptedServer(script) as server:
        run = runs().start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
    assert (run.ending, run.text, type(run.error)) == (ending, text, kind)


def test_a_refused_port_is_a_failed_run(runs):
    run = runs().start(endpoint(f"http://127.0.0.1:{unused_port()}"), ask(), "v")
    assert run.wait(5)
    assert run.ending is Ending.FAILED and run.error.retryable


@pytest.mark.parametrize("script", [ENDLESS, reply(HANG), raw(HANG)], ids=["mid-stream", "silent after headers", "no headers"])
def test_stop_closes_the_endpoint_s_connection_and_keeps_the_text(runs, script):
    with ScriptedServer(script) as server:
        run = runs().start(endpoint(server.url), ask(), "v")
        assert wait_for(lambda: server.requests and (run.sentences or script is not ENDLESS))
        run.stop()
        assert run.ending is Ending.STOPPED, "at once, whatever the endpoint does"
        assert server.client_left.wait(1)
        assert (run.reason, run.error) == (BY_PERSON, None)
        assert run.text == ("kept" if script is ENDLESS else "")


def test_stop_closes_a_silent_token_request(runs):
    keys = ApplicationKeys(api_key=Secret("run-api-key"), secret_key=Secret("run-secret-key"))
    with ScriptedServer(raw(HANG)) as server:
        run = runs().start(dataclasses.replace(endpoint(server.url), credentials=keys), ask(), "v")
        assert wait_for(lambda: server.requests)
        run.stop()
        assert run.ending is Ending.STOPPED
        assert server.client_left.wait(1)


def test_a_run_ends_once(runs):
    with ScriptedServer(ENDLESS) as server:
        run = begun(runs(), server)
        run.stop()
        before = outcome(run)
        run.stop()
        run.stop(TOO_LONG)
        assert server.client_left.wait(1)
        assert not wait_for_change(lambda: outcome(run) != before)


def wait_for_change(true):
    waiting = threading.Event()
    for _ in range(20):
        if true():
            return True
        waiting.wait(0.01)
    return False


def test_stop_after_the_end_changes_nothing(runs):
    with ScriptedServer(GOOD) as server:
        run = runs().start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
        before = outcome(run)
        run.stop()
        assert outcome(run) == before


def test_many_stops_and_an_end_at_once_are_one_ending(runs):
    for _ in range(20):
        go = threading.Event()
        with ScriptedServer(reply(event("a"), go, event("b", 1, is_end=True))) as server:
            run = begun(runs(), server)
            ends = []
            run.follow(lambda run=run, ends=ends: ends.append(run.ending))
            threads = [threading.Thread(target=run.stop) for _ in range(4)] + [threading.Thread(target=go.set)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert run.wait(5)
            assert wait_for(lambda ends=ends: any(ends))
        assert run.text in ("a", "ab")
        assert (run.ending is Ending.FINISHED) <= (run.text == "ab")
        assert len([one for one in ends if one is not None]) == 1


# --- limits ---


def test_a_visitor_has_a_limit_of_runs_at_once(runs):
    with ScriptedServer(ENDLESS) as server:
        place = runs(runs_per_visitor=2, runs_in_all=10)
        first, _ = (begun(place, server, "one") for _ in range(2))
        with pytest.raises(LimitReached, match="You have 2 runs") as caught:
            place.start(endpoint(server.url), ask(), "one")
        assert caught.value.remedy is not None
        begun(place, server, "another")
        first.stop()
        begun(place, server, "one")
        assert server.connections == 4


def test_the_server_has_a_limit_of_runs_at_once(runs):
    with ScriptedServer(ENDLESS) as server:
        place = runs(runs_per_visitor=2, runs_in_all=3)
        for visitor in "abc":
            begun(place, server, visitor)
        with pytest.raises(LimitReached, match="busy"):
            place.start(endpoint(server.url), ask(), "d")
        assert server.connections == 3


def test_the_limit_holds_when_many_start_together(runs):
    with ScriptedServer(ENDLESS) as server:
        place = runs(runs_per_visitor=3, runs_in_all=24)
        started = []

        def start():
            try:
                started.append(place.start(endpoint(server.url), ask(), "v"))
            except LimitReached:
                pass

        threads = [threading.Thread(target=start) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(started) == 3


@pytest.mark.parametrize(
    ("asked", "fields", "kind"),
    [
        (CompletionRequest(prompt=""), {}, ParameterError),
        (CompletionRequest(prompt="x", parameters={"top_k": 0}), {}, ParameterError),
        (CompletionRequest(prompt="x"), {"off": ConfigurationError(message("off"))}, ConfigurationError),
    ],
    ids=["no prompt", "bad parameter", "off"],
)
def test_what_is_refused_begins_no_run(runs, asked, fields, kind):
    with ScriptedServer(GOOD) as server:
        place = runs(runs_per_visitor=1)
        with pytest.raises(kind):
            place.start(endpoint(server.url, **fields), asked, "v")
        assert place.start(endpoint(server.url), ask(), "v").wait(5)
        assert server.connections == 1


def test_an_answer_that_grows_too_long_is_stopped_and_kept(runs):
    def endless(peer):
        reply(end=False)(peer)
        piece = event("x" * 1000)
        while True:
            peer.send(b"%x\r\n%s\r\n" % (len(piece), piece))

    with ScriptedServer(endless) as server:
        run = runs(text=10_000).start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
        assert server.client_left.wait(1)
    assert (run.ending, run.reason) == (Ending.STOPPED, TOO_LONG)
    assert 10_000 < len(run.text) <= 11_000


def test_an_answer_of_too_many_sentences_is_stopped_and_kept(runs):
    with ScriptedServer(reply(*[event("") for _ in range(20)], HANG)) as server:
        run = runs(sentences=10).start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
        assert server.client_left.wait(1)
    assert (run.ending, run.reason, len(run.sentences)) == (Ending.STOPPED, TOO_LONG, 11)


def test_what_stands_beside_the_text_is_kept_short(runs):
    with ScriptedServer(reply(event("text", is_end=True, id="i" * 9999, finish_reason="f" * 9999))) as server:
        run = runs().start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
    assert (run.ending, run.text, run.sentences[0].answer_id, run.sentences[0].finish_reason) == (Ending.FINISHED, "text", "i" * 200, "f" * 200)


@pytest.mark.parametrize("script", [ENDLESS, reply(event("kept"), *[piece for _ in range(200) for piece in (0.05, event("."))], HANG)],
                         ids=["silent", "dripping"])
def test_an_answer_that_takes_too_long_is_stopped_and_kept(runs, script):
    with ScriptedServer(script) as server:
        run = runs(run_time=0.4, unwatched=0.8).start(endpoint(server.url), ask(), "v")
        run.follow(lambda: None)
        assert run.wait(5)
        assert server.client_left.wait(1)
    assert (run.ending, run.reason) == (Ending.STOPPED, TOO_LATE)
    assert run.text.startswith("kept")


def test_a_run_that_nobody_watches_is_stopped(runs):
    with ScriptedServer(ENDLESS) as server:
        run = runs(unwatched=0.3).start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
        assert server.client_left.wait(1)
    assert (run.ending, run.reason, run.text) == (Ending.STOPPED, UNWATCHED, "kept")


def test_a_watched_run_goes_on_until_it_is_left(runs):
    with ScriptedServer(ENDLESS) as server:
        run = runs(unwatched=0.3).start(endpoint(server.url), ask(), "v")
        cease = run.follow(lambda: None)
        assert run.watched
        assert not run.wait(1.0)
        cease()
        cease()
        assert not run.watched
        assert run.wait(5)
        assert run.reason == UNWATCHED


def test_ended_runs_are_freed_when_too_many_or_too_old(runs):
    with ScriptedServer(GOOD) as server:
        place = runs(keep_runs=3, runs_per_visitor=50, runs_in_all=50)
        ended = []
        for _ in range(6):
            ended.append(place.start(endpoint(server.url), ask(), "v"))
            assert ended[-1].wait(5)
        place.tidy()
        assert [place.get(run.id) is not None for run in ended] == [False, False, False, True, True, True]
        old = runs(keep=0.05)
        run = old.start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
        assert wait_for(lambda: old.get(run.id) is None)
    assert run.text == " onetwo\n", "who still holds it may read it"


def test_what_was_only_looked_at_is_freed_too_where_nothing_ever_ran(runs):
    place = runs(keep=0.05)
    past = Run.past("0" * 32, 0.0, endpoint("http://127.0.0.1:1"), ask(), "v", [], Ending.FINISHED, 1.0)
    place.keep(past)
    assert place.get(past.id) is past
    assert wait_for(lambda: place.get(past.id) is None)


def test_a_running_or_watched_run_is_never_freed(runs):
    with ScriptedServer(ENDLESS, GOOD) as server:
        place = runs(keep=0.0, keep_runs=0)
        going = begun(place, server)
        watched = place.start(endpoint(server.url), ask(), "v")
        cease = watched.follow(lambda: None)
        assert watched.wait(5)
        place.tidy()
        assert place.get(going.id) is going and place.get(watched.id) is watched
        cease()
        place.tidy()
        assert place.get(watched.id) is None


def test_closing_stops_everything(runs):
    with ScriptedServer(ENDLESS) as server:
        place = runs()
        going = [begun(place, server) for _ in range(3)]
        place.close()
        assert [(run.ending, run.reason) for run in going] == [(Ending.STOPPED, SHUTDOWN)] * 3
        assert server.client_left.wait(1)


# --- following ---


def test_a_follower_hears_of_every_sentence_and_of_the_end_and_of_nothing_after_leaving(runs):
    goes = [threading.Event() for _ in range(3)]
    with ScriptedServer(reply(goes[0], event("a"), goes[1], event("b", 1), goes[2], event("c", 2, is_end=True))) as server:
        run = runs().start(endpoint(server.url), ask(), "v")
        heard, left = [], []
        run.follow(lambda: heard.append((len(run.sentences), run.ending)))
        cease = run.follow(lambda: left.append(len(run.sentences)))
        goes[0].set()
        assert wait_for(lambda: left)
        cease()
        goes[1].set()
        assert wait_for(lambda: len(heard) == 2)
        goes[2].set()
        assert run.wait(5)
        assert wait_for(lambda: len(heard) == 4)
    assert heard == [(1, None), (2, None), (3, None), (3, Ending.FINISHED)]
    assert left == [1]


def test_two_runs_never_mix(runs):
    def answer(peer):
        asked = peer.read_request().fields["prompt"]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        peer.send(head + b"".join(event(f"{asked}{number} ", number, is_end=number == 99) for number in range(100)))

    with ScriptedServer(answer) as server:
        place = runs(runs_per_visitor=20, runs_in_all=20)
        going = [(name, place.start(endpoint(server.url), ask(name), "v")) for name in "abcdefgh"]
        for name, run in going:
            assert run.wait(10)
            assert run.text == "".join(f"{name}{number} " for number in range(100))
            assert place.get(run.id) is run
    assert place.get("0" * 32) is None


# --- keys ---


@pytest.mark.parametrize(
    "script",
    [
        GOOD, ENDLESS, reply(event("kept")), reply(event("kept"), CUT), json_reply({"error_code": 14, "error_msg": "x"}), raw(CUT), raw(HANG),
        reply(b"data: caf\xe9\n\n"),
    ],
    ids=["finished", "stopped", "cut", "lost", "refused", "closed", "stopped before headers", "not text"],
)
def test_a_run_that_is_over_holds_no_key(runs, script):
    token = Secret("24.a-visitor-s-own")
    with ScriptedServer(script) as server:
        asked = dataclasses.replace(endpoint(server.url), credentials=AccessToken(token=token))
        kept = weakref.ref(asked.credentials)
        place = runs()
        run = place.start(asked, ask(), "v")
        del asked
        if script is ENDLESS or not run.wait(0.3):
            assert wait_for(lambda: server.requests and run.endpoint.credentials is not None)
            run.stop()
        assert run.wait(5)
        assert wait_for(lambda: run.endpoint.credentials is None)
        assert wait_for(lambda: gc.collect() >= 0 and kept() is None), "neither in the run nor in the frames of its error"
    assert (run.endpoint.name, run.endpoint.title) == ("own/x", "x")


# --- a defect of our own ---


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_in_reading_leaves_no_running_run(runs):
    def broken():
        raise KeyError("a defect")

    go = threading.Event()
    with ScriptedServer(reply(go, event("kept"), HANG)) as server:
        place = runs(runs_per_visitor=1)
        run = place.start(endpoint(server.url), ask(), "v")
        run.follow(broken)
        go.set()
        assert run.wait(5)
        assert (run.ending, run.text) == (Ending.FAILED, "kept")
        assert "playground itself" in str(run.error)
        assert server.client_left.wait(1)
        assert wait_for(lambda: f"run-{run.id[:6]}" not in {thread.name for thread in threading.enumerate()}), "its crash was seen"
        place.start(endpoint(server.url), ask(), "v").stop()


def test_a_visible_crash_marks_the_run_as_failed():
    def broken(*_):
        raise KeyError("a defect")
        yield

    run = Run(endpoint("http://127.0.0.1:1"), ask(), "v", Limits())
    with pytest.raises(KeyError):
        run.read(broken)
    assert (run.ending, type(run.error)) == (Ending.FAILED, EndpointError)
    assert "playground itself" in str(run.error)


def test_retries_are_seen_in_the_exchange(runs):
    with ScriptedServer(json_reply({"error_code": 18}), GOOD) as server:
        run = runs(Client(retry=Retry(attempts=2))).start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
    assert (run.ending, run.exchange.attempts) == (Ending.FINISHED, 2)
