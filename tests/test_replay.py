"""A run's wire is kept as it came, and what was kept plays again to the same end: the same bytes, through the same code, at the same pace."""

import contextlib
import dataclasses
import http.client
import json
import statistics
import threading
import time

import pytest
from starlette.applications import Starlette

from emulator.options import Options
from emulator.server import running
from playground import routes
from playground.client import Client
from playground.completion import CompletionRequest, Ending
from playground.credentials import AccessToken, BearerKey, IamKeys, secrets_of
from playground.endpoints import DEMO_KEYS, Endpoint
from playground.errors import LimitReached, ParameterError
from playground.message import message
from playground.providers import openai
from playground.recording import Recording, WireEvent, read_recordings, write_recording
from playground.redaction import MASK, Secret
from playground.replay import GROUP_RECORDINGS, Tape
from playground.routes import run_routes
from playground.run import BY_PERSON, Runs
from playground.service import close_service, open_service, service
from playground.settings import Limits, Retry, Settings
from playground.wire import Timeouts
from tests.scripted_server import CUT, HANG, RESET, ScriptedServer, json_reply, raw, reply, unused_port
from tests.test_routes import serving

PATIENT = Client(timeouts=Timeouts(connect=5, silence=30))
TOKEN = Secret("24.token-of-recordings")


def event(text, number=0, *, is_end=False, **fields):
    return f"data: {json.dumps({'sentence_id': number, 'is_end': is_end, 'result': text, **fields}, ensure_ascii=False)}\n\n".encode()


def endpoint(base_url, **fields):
    return Endpoint(**{
        "name": "own/x", "title": "Yi-34B", "group": "g", "note": message("n"), "base_url": base_url, "path": "yi 34b",
        "credentials": AccessToken(token=TOKEN), **fields,
    })


def chunk(text, finish_reason=None, **fields):
    return f"data: {json.dumps({'choices': [{'text': text, 'finish_reason': finish_reason}], **fields})}\n\n".encode()


def openai_endpoint(base_url):
    return endpoint(base_url, provider=openai.PROVIDER, parameters=openai.DIALECTS["llama.cpp"], path="completions", model="m",
                    credentials=BearerKey(key=Secret("bearer-of-recordings-1")))


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


def ask(prompt="p", **parameters):
    return CompletionRequest(prompt=prompt, parameters={"stream": True, **parameters})


def written(run):
    return "".join(write_recording(run.recording)).encode()


def saved(run):
    [found] = read_recordings(written(run))
    return found


def timeless(content):
    """The lines of a recording without their times."""
    return [{name: value for name, value in json.loads(line).items() if name != "at"} for line in content.splitlines()]


def recorded(place, script, row=endpoint, **parameters):
    """Make a run against the script; returns it, ended."""
    with ScriptedServer(script) as server:
        run = place.start(row(server.url), ask(**parameters), "v")
        assert run.wait(10)
    return run


def replayed(place, recording, tape=None, patience=10):
    run = place.play(recording, "v", tape or Tape(0))
    assert run.wait(patience)
    return run


# --- what is kept ---

STREAM = [
    b"\xef\xbb\xbf: hello\n\n" + event(" 北京"), b"event: ping\r\n\r\n: still here\n\n" + event("", 1), b": more\r\n" + event(" end", 2, is_end=True),
]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "byte by byte"])
def test_what_came_is_kept_byte_for_byte(runs, packed):
    stream = b"".join(STREAM)
    run = recorded(runs(), reply(*(bytes([byte]) for byte in stream)) if packed else reply(stream))
    assert run.ending is Ending.FINISHED
    assert b"".join(one.content for one in run.exchange.events) == stream
    assert [one.raw.count("data:") for one in run.exchange.events] == [1, 1, 1]
    times = [one.at for one in run.exchange.events]
    assert 0 < run.exchange.answered <= times[0] and times == sorted(times) and times[-1] <= run.elapsed


def test_a_bare_error_line_is_kept_as_it_was_sent(runs):
    pieces = [event("kept"), event("open", 1)[:-1], b'{"error_code":336100,"error_msg":"x"}\n']
    run = recorded(runs(), reply(b"".join(pieces)))
    assert [one.content for one in run.exchange.events] == pieces
    assert saved(run).events == tuple(WireEvent(round(one.at, 4), one.content) for one in run.exchange.events)


def test_what_broke_off_is_kept_too(runs):
    run = recorded(runs(), reply(event("kept"), b": ping\n\ndata: {half", CUT))
    assert [one.content for one in run.exchange.events] == [event("kept"), b": ping\n\ndata: {half"]
    assert (run.ending, run.exchange.lost) == (Ending.CUT, True)


def test_a_body_that_came_whole_is_kept_whole(runs):
    run = recorded(runs(), json_reply({"result": "all"}))
    assert (json.loads(run.exchange.body.raw), run.exchange.events) == ({"result": "all"}, [])
    assert 0 < run.exchange.answered <= run.exchange.body.at <= run.elapsed


def test_the_request_is_kept_as_it_was_sent(runs):
    with ScriptedServer(reply(event("all", is_end=True), headers=("X-Request-Id: r-1",))) as server:
        run = runs().start(endpoint(server.url), ask("北京", temperature=0.5), "v")
        assert run.wait(5)
        received = server.requests[0]
    sent = run.exchange.sent
    assert (sent.method, sent.body.encode()) == (received.method, received.body)
    assert sent.url == server.url + received.target.partition("=")[0] + "=" + MASK
    assert {name.lower(): value for name, value in sent.headers.items()} == received.headers
    assert (run.exchange.status, run.exchange.version, run.exchange.headers["X-Request-Id"]) == (200, "HTTP/1.1", "r-1")


KEYS = {
    "token": AccessToken(token=TOKEN), "bearer": BearerKey(key=Secret("bearer-of-recordings-2")),
    "signature": IamKeys(access_key=Secret("access-of-recordings"), secret_key=Secret("secret-of-recordings")),
}


@pytest.mark.parametrize("credentials", KEYS.values(), ids=KEYS)
def test_no_key_is_kept_or_written_even_where_the_endpoint_repeats_it(runs, credentials):
    secrets = [secret.reveal() for secret in secrets_of(credentials)]

    def repeat(peer):
        said = str(peer.read_request())
        peer.kept = b"GET / HTTP/1.1\r\n\r\n"
        heads = ("Set-Cookie: session=of-recordings", "X-Echo: " + " ".join(secrets))
        reply(event(said + " ".join(secrets)), event("", 1, is_end=True), headers=heads)(peer)

    place = runs()
    with ScriptedServer(repeat) as server:
        run = place.start(endpoint(server.url, credentials=credentials), ask(" ".join(secrets)), "v")
        assert run.wait(5)
    kept = repr(run.exchange) + written(run).decode() + written(replayed(place, saved(run))).decode()
    assert run.ending is Ending.FINISHED and kept.count(MASK) > 5
    for secret in [*secrets, "session=of-recordings"]:
        assert secret not in kept


def test_only_the_last_attempt_is_kept(runs):
    with ScriptedServer(reply(b'data: {"error_code":18}\n\n'), json_reply({"error_code": 18}), reply(event("all", is_end=True))) as server:
        run = runs(Client(retry=Retry(attempts=3))).start(endpoint(server.url), ask(), "v")
        assert run.wait(5)
    assert [one.content for one in run.exchange.events] == [event("all", is_end=True)]
    assert (run.exchange.attempts, run.exchange.body, saved(run).attempts) == (3, None, 3)


def test_what_finds_no_room_is_counted_and_said(runs):
    pieces = [event("x" * 300, number, is_end=number == 9) for number in range(10)]
    place = runs(wire=2000)
    run = recorded(place, reply(*pieces))
    kept = len(run.exchange.events)
    assert 0 < kept < 10 and sum(len(one.content) for one in run.exchange.events) <= 2000
    assert (run.ending, run.exchange.dropped, saved(run).dropped) == (Ending.FINISHED, 10 - kept, 10 - kept)
    again = replayed(place, saved(run))
    assert (again.ending, len(again.sentences)) == (Ending.CUT, kept)
    assert f"{10 - kept} more events came" in str(again.error)
    assert recorded(runs(wire=10), json_reply({"result": "x" * 99})).exchange.dropped == 1


def test_runs_that_ended_give_up_their_wire_the_oldest_first(runs):
    place = runs(wire_in_all=3000, runs_per_visitor=9, runs_in_all=9)
    ended = [recorded(place, reply(event("x" * 1000, is_end=True))) for _ in range(4)]
    with ScriptedServer(reply(event("y" * 1000), HANG)) as server:
        going = place.start(endpoint(server.url), ask(), "v")
        assert wait_for(lambda: going.sentences)
        place.tidy()
        assert [len(run.exchange.events) for run in [*ended, going]] == [0, 0, 0, 1, 1]
    assert [run.text for run in ended] == ["x" * 1000] * 4
    assert (saved(ended[0]).events, saved(ended[0]).dropped) == ((), 1)


# --- replaying ---

def stopped_after_two(peer):
    reply(event("one"), event("two", 1), b"data: {ha", HANG)(peer)


USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
SCRIPTS = {
    "finished": (reply(*STREAM), endpoint),
    "whole": (json_reply({"result": "all", "usage": {"prompt_tokens": 5, "total_tokens": 97}}), endpoint),
    "no end mark": (reply(event("kept")), endpoint),
    "nothing": (reply(), endpoint),
    "cut mid-event": (reply(event("kept"), event("lost")[:15], CUT), endpoint),
    "cut in the first event": (reply(event("lost")[:15], CUT), endpoint),
    "ends mid-event": (reply(event("kept"), event("lost")[:15]), endpoint),
    "reset": (reply(event("kept"), 0.05, RESET), endpoint),
    "error event": (reply(event("kept"), b'data: {"error_code":336100,"error_msg":"busy"}\n\n'), endpoint),
    "bare error": (reply(event("kept"), b'{"error_code":336100,"error_msg":"busy"}\n'), endpoint),
    "refused": (json_reply({"error_code": 14, "error_msg": "x"}), endpoint),
    "a gateway": (reply(b"<html>", status="502 Bad Gateway", content_type="text/html"), endpoint),
    "not UTF-8": (reply(b"data: caf\xe9\n\n"), endpoint),
    "too many lines": (reply(b"data: x\n" * 101 + b"\n"), endpoint),
    "no answer": (raw(CUT), endpoint),
    "OpenAI": (reply(chunk("a"), chunk("b", "stop"), f"data: {json.dumps(USAGE)}\n\n".encode(), b"data: [DONE]\n\n"), openai_endpoint),
    "OpenAI, lost after the end mark": (reply(chunk("a", "stop"), CUT), openai_endpoint),
    "OpenAI, refused": (json_reply({"error": {"message": "no", "type": "invalid_request_error"}}, status="400 Bad Request"), openai_endpoint),
}


@pytest.mark.parametrize(("script", "row"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_recording_replays_to_the_same_end_and_records_to_the_same_bytes(runs, script, row):
    place = runs()
    run = recorded(place, script, row)
    again = replayed(place, saved(run))
    facts = ("ending", "text", "usage", "safety", "reason")
    assert [getattr(again, fact) for fact in facts] == [getattr(run, fact) for fact in facts]
    assert [one._replace(arrived=0) for one in again.sentences] == [one._replace(arrived=0) for one in run.sentences]
    assert (again.error is None) == (run.error is None)
    if run.error is not None:
        names = ("message", "remedy", "endpoint_message", "code")
        told = [str(getattr(again.error, name)) for name in names]
        assert told == [str(getattr(run.error, name)) for name in names]
    assert timeless(written(again)) == timeless(written(run))
    assert timeless(written(replayed(place, saved(again)))) == timeless(written(run))


def test_a_run_that_was_stopped_replays_to_being_stopped(runs):
    place = runs()
    with ScriptedServer(stopped_after_two) as server:
        run = place.start(endpoint(server.url), ask(), "v")
        assert wait_for(lambda: len(run.sentences) == 2)
        run.stop()
        assert wait_for(lambda: run.endpoint.credentials is None)
    again = replayed(place, saved(run))
    assert (again.ending, again.text, again.error) == (Ending.STOPPED, "onetwo", None)
    assert str(again.reason) == f"Stopped in the recording: {BY_PERSON}"


def test_a_recording_that_was_killed_is_cut(runs):
    place = runs()
    run = recorded(place, reply(event("kept"), event(" end", 1, is_end=True)))
    lines = written(run).splitlines(keepends=True)
    [killed] = read_recordings(b"".join(lines[:3]))
    again = replayed(place, killed)
    assert (again.ending, again.text) == (Ending.CUT, "kept")
    assert "what came after this was not saved" in str(again.error)
    assert replayed(place, read_recordings(lines[0])[0]).ending is Ending.CUT


def test_a_replay_is_a_run_of_its_own_that_costs_nothing(runs):
    place = runs()
    with ScriptedServer(reply(event("all", is_end=True))) as server:
        run = place.start(endpoint(server.url), ask("北京", temperature=0.5, top_k=7), "v")
        assert run.wait(5)
    found = saved(run)
    changed = json.loads(found.sent.body) | {"stop": ["x" * 99], "future": 1}
    again = replayed(place, dataclasses.replace(found, sent=dataclasses.replace(found.sent, body=json.dumps(changed))))
    assert again.id != run.id and place.get(again.id) is again
    assert (again.request.prompt, again.request.parameters) == ("北京", {"temperature": 0.5, "top_k": 7, "stream": True})
    row = again.endpoint
    assert (row.name, row.title, row.group, row.free, row.credentials) == ("recording", "Yi-34B", GROUP_RECORDINGS, True, None)
    assert row.url == run.endpoint.url
    assert again.replay_of.made == run.recording.made and again.replay_of.events == ()


def test_a_replay_of_an_openai_run_has_the_table_of_its_parameters(runs):
    place = runs()
    run = recorded(place, reply(chunk("a", "stop"), b"data: [DONE]\n\n"), openai_endpoint, repeat_penalty=1.1, seed=7)
    again = replayed(place, saved(run))
    assert again.request.parameters == {"repeat_penalty": 1.1, "seed": 7, "stream": True}
    assert (again.endpoint.model, again.endpoint.url) == ("m", run.endpoint.url)


def test_what_curl_saved_replays_at_a_chosen_pace(runs):
    [found] = read_recordings(b"".join(event(str(number), number, is_end=number == 4) for number in range(5)))
    again = replayed(runs(), found, Tape(every=0.05))
    assert (again.ending, again.text, again.request.prompt) == (Ending.FINISHED, "01234", "")
    assert all(one >= 0.05 * number for number, one in enumerate(arrivals(again))), "a tape may be late on a busy computer, never early"
    assert statistics.median(one - 0.05 * number for number, one in enumerate(arrivals(again))) < 0.3
    [body] = read_recordings(b'{"choices":[{"text":"all","finish_reason":"stop"}]}')
    assert replayed(runs(), body).text == "all"


def test_an_unknown_protocol_is_refused_in_words(runs):
    with pytest.raises(ParameterError, match="protocol that is not known here: smoke") as caught:
        runs().play(Recording(endpoint={"provider": "smoke"}), "v", Tape())
    assert str(caught.value.remedy)


def test_replays_count_among_the_runs_of_a_visitor(runs):
    place = runs(runs_per_visitor=1)
    found = saved(recorded(place, reply(event("a"), event("b", 1, is_end=True))))
    going = place.play(found, "v", Tape(paused=True))
    with pytest.raises(LimitReached):
        place.play(found, "v", Tape())
    going.stop()
    assert (going.ending, going.reason) == (Ending.STOPPED, BY_PERSON)


def test_words_with_braces_in_a_recording_are_only_words(runs):
    words = {"error": "{0.__class__} {made}", "remedy": "{"}
    made = Recording(made="{y}", endpoint={"provider": "qianfan", "title": "{x}"}, ending=Ending.FAILED, ended=0.0, lost=True, **words)
    again = replayed(runs(), made)
    assert (again.ending, str(again.error), str(again.error.remedy), again.endpoint.title) == (Ending.FAILED, "{0.__class__} {made}", "{", "{x}")
    assert str(again.endpoint.note) == "A recording of {x}, made {y}."


# --- the tape ---

TEN = Recording(
    endpoint={"provider": "qianfan"}, status=200, answered=0.1, ended=1.0, ending=Ending.FINISHED,
    events=tuple(WireEvent(0.1 * number, event(str(number), number, is_end=number == 9)) for number in range(1, 10)),
)


def arrivals(run):
    return [one.arrived for one in run.sentences]


@pytest.mark.slow
@pytest.mark.parametrize(("speed", "factor"), [(1, 1.0), (2, 0.5), (10, 0.1), (0, 0.0), (0.5, 2.0)])
def test_the_pace_is_the_recorded_one_by_its_speed(runs, speed, factor):
    again = replayed(runs(), TEN, Tape(speed))
    off = [one - factor * event.at for one, event in zip(arrivals(again), TEN.events, strict=True)]
    assert min(off) > -0.001 and statistics.median(off) < 0.3
    assert again.text == "123456789"


@pytest.mark.slow
def test_the_recorded_yi_34b_replays_at_its_pace(runs):
    place = runs()
    with running(options=Options(pace=1)) as server:
        run = place.start(endpoint(server.base_url, path="yi_34b", credentials=DEMO_KEYS), ask("Introduce the city Beijing"), "v")
        assert run.wait(20)
    again = replayed(place, saved(run), Tape())
    off = [abs(one - other) for one, other in zip(arrivals(again), arrivals(run), strict=True)]
    print(f"off by {1000 * statistics.median(off):.1f} ms in the middle, {1000 * max(off):.1f} ms at most")
    assert (again.text, again.usage.total_tokens) == (run.text, 378)
    assert statistics.median(off) < 0.3


def test_a_paused_tape_stands_still_steps_and_goes_on(runs):
    tape = Tape(paused=True)
    run = runs().play(TEN, "v", tape)
    assert not run.wait(0.3)
    assert (tape.position, run.text, tape.paused) == (0, "", True)
    for number in range(1, 4):
        tape.step()
        assert wait_for(lambda number=number: tape.position == number)
        assert not run.wait(0.1)
        assert run.text == "123"[:number]
    tape.resume()
    assert run.wait(5)
    gaps = [later - earlier for earlier, later in zip(arrivals(run)[3:], arrivals(run)[4:], strict=False)]
    assert sum(gaps) > 0.3, "from where it stood, not from where the clock is"
    assert (run.ending, tape.position) == (Ending.FINISHED, 9)


@pytest.mark.slow
def test_a_pause_in_the_middle_takes_nothing_from_the_next_gap(runs):
    tape = Tape()
    run = runs().play(TEN, "v", tape)
    assert wait_for(lambda: tape.position == 3)
    tape.pause()
    held = tape.position
    assert not run.wait(0.5)
    assert tape.position == held
    tape.resume()
    assert run.wait(5)
    assert 0.9 + 0.45 < arrivals(run)[-1] < 5


def test_steps_lead_to_the_ending_too(runs):
    made = dataclasses.replace(TEN, events=TEN.events[:2], ending=Ending.STOPPED, reason="Stopped by you.")
    tape = Tape(paused=True)
    run = runs().play(made, "v", tape)
    tape.step()
    tape.step()
    assert wait_for(lambda: tape.position == 2)
    assert not run.wait(0.2)
    tape.step()
    assert run.wait(5)
    assert run.ending is Ending.STOPPED


def test_the_speed_may_change_while_it_waits(runs):
    made = dataclasses.replace(TEN, events=(WireEvent(0, event("a")), WireEvent(600, event("b", 1, is_end=True))))
    tape = Tape()
    run = runs().play(made, "v", tape)
    assert wait_for(lambda: tape.position == 1)
    tape.speed = 0
    assert run.wait(5)
    assert (run.text, tape.speed) == ("ab", 0)


@pytest.mark.parametrize("tape", [Tape(), Tape(paused=True), Tape(0.001)], ids=["waiting", "paused", "slow"])
def test_a_replay_is_stopped_at_once(runs, tape):
    made = dataclasses.replace(TEN, events=(WireEvent(600, event("a", is_end=True)),))
    run = runs().play(made, "v", tape)
    assert not run.wait(0.05)
    run.stop()
    assert run.ending is Ending.STOPPED
    assert wait_for(lambda: not any(thread.name == f"run-{run.id[:6]}" for thread in threading.enumerate()))


@pytest.mark.parametrize("speed", [-1, float("nan"), float("inf")])
def test_a_senseless_speed_is_refused(speed):
    with pytest.raises(ValueError, match="speed"):
        Tape(speed)


def test_a_tape_obeys_many_threads_at_once(runs):
    tape = Tape(10)
    run = runs().play(TEN, "v", tape)

    def play_with_it():
        for _ in range(50):
            tape.pause()
            tape.step()
            tape.speed = 10
            tape.resume()

    threads = [threading.Thread(target=play_with_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.wait(5)
    assert (run.text, tape.position) == ("123456789", 9)


@pytest.mark.slow
def test_fifty_thousand_events_are_written_read_and_replayed_soon(runs):
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    pieces = (event(f"{number:06} characters of a sentence", number, usage=usage, is_safe=1) for number in range(49_999))
    events = (*(WireEvent(number / 100, piece) for number, piece in enumerate(pieces)), WireEvent(500, event("", is_end=True)))
    made = dataclasses.replace(TEN, events=events, ended=500.0)
    place, seconds = runs(), []

    def timed(work):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
        return result

    content = timed(lambda: "".join(write_recording(made)).encode())
    [found] = timed(lambda: read_recordings(content))
    run = timed(lambda: replayed(place, found, patience=60))
    print(f"{len(content) / 1e6:.1f} MB: written in {seconds[0]:.2f} s, read in {seconds[1]:.2f} s, replayed at once in {seconds[2]:.2f} s")
    assert (len(found.events), len(run.sentences), run.ending) == (50_000, 50_000, Ending.FINISHED)
    assert max(seconds) < 60


# --- the route ---


@pytest.fixture(scope="module")
def port():
    with serving(Starlette(routes=run_routes())) as port:
        yield port


@pytest.fixture
def open_with():
    yield lambda **limits: open_service(Settings(limits=Limits(**limits)))
    close_service()


def download(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read(), response.headers


def start(url):
    return service().runs.start(endpoint(url), ask(), "v")


def test_the_route_gives_the_recording_as_a_file(port, open_with):
    open_with()
    with ScriptedServer(reply(*STREAM)) as server:
        run = start(server.url)
        assert run.wait(5)
    status, content, headers = download(port, f"/runs/{run.id}/recording")
    assert (status, content) == (200, written(run))
    assert headers["Content-Type"] == "application/x-ndjson"
    assert headers["Content-Disposition"] == f'attachment; filename="{run.recording.file_name}"'
    assert run.recording.file_name.startswith("yi-34b-20")
    assert headers["Cache-Control"] == "no-store"
    assert TOKEN.reveal().encode() not in content


def test_the_route_gives_what_there_is_and_then_only_what_is_new(port, open_with):
    open_with()
    go = threading.Event()
    with ScriptedServer(reply(event("a"), event("b", 1), go, event("c", 2, is_end=True))) as server:
        run = start(server.url)
        assert wait_for(lambda: len(run.exchange.events) == 2)
        _, content, _ = download(port, f"/runs/{run.id}/recording")
        assert [next(iter(json.loads(line))) for line in content.splitlines()] == ["recording", "response", "event", "event"]
        assert download(port, f"/runs/{run.id}/recording?from=2")[1] == b""
        go.set()
        assert run.wait(5)
    _, more, _ = download(port, f"/runs/{run.id}/recording?from=2")
    assert [json.loads(line)["event"].encode() for line in more.splitlines()] == [event("c", 2, is_end=True)]
    assert download(port, f"/runs/{run.id}/recording?from=x")[1] == written(run), "a senseless number is the whole"


def test_a_large_recording_is_sent_in_pieces_and_whole(port, open_with):
    open_with()
    events = [event("x" * 5000, number, is_end=number == 199) for number in range(200)]
    with ScriptedServer(reply(b"".join(events))) as server:
        run = start(server.url)
        assert run.wait(5)
    status, content, headers = download(port, f"/runs/{run.id}/recording")
    assert (status, content) == (200, written(run)) and len(content) > 1_000_000
    assert headers["Transfer-Encoding"] == "chunked"


@pytest.mark.parametrize("run_id", ["0" * 32, "x", "..", "%2e%2e"])
def test_another_recording_is_not_found(port, open_with, run_id):
    open_with()
    assert download(port, f"/runs/{run_id}/recording")[0] == 404


def test_open_downloads_are_bounded(port, open_with, monkeypatch):
    open_with(streams_in_all=2)
    with ScriptedServer(reply(event("a", is_end=True))) as server:
        run = start(server.url)
        assert run.wait(5)
    monkeypatch.setattr(routes, "_open_streams", 2)
    status, content, headers = download(port, f"/runs/{run.id}/recording")
    assert (status, json.loads(content), headers["Cache-Control"]) == (503, {"error": "too many open streams"}, "no-store")


def test_downloads_that_are_left_or_read_to_the_end_are_no_longer_open(port, open_with):
    open_with()
    with ScriptedServer(reply(*[event("x" * 100_000, number, is_end=number == 59) for number in range(60)])) as server:
        run = start(server.url)
        assert run.wait(10)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", f"/runs/{run.id}/recording")
        connection.getresponse().read(10)
    download(port, f"/runs/{run.id}/recording")
    assert wait_for(lambda: routes._open_streams == 0)


def test_a_refused_port_is_recorded_and_replayed_as_such(runs):
    place = runs()
    run = place.start(endpoint(f"http://127.0.0.1:{unused_port()}"), ask("asked"), "v")
    assert run.wait(5)
    again = replayed(place, saved(run))
    assert (again.ending, str(again.error), again.request.prompt) == (Ending.FAILED, str(run.error), "asked")
