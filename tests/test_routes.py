"""The two routes, served by a real server and read by a browser's rules."""

import contextlib
import http.client
import json
import socket
import threading
from decimal import Decimal
from urllib.parse import quote

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from playground import routes
from playground.completion import CompletionRequest, Ending, Safety, Sentence, Usage, Verdict
from playground.credentials import AccessToken
from playground.database import Database
from playground.endpoints import Endpoint
from playground.history import History
from playground.message import message
from playground.price import Price
from playground.redaction import Secret
from playground.report import Rows, row
from playground.routes import run_routes
from playground.service import close_service, open_service, service
from playground.settings import Limits, Settings
from playground.visitors import COOKIE, new_cookie, read_visitor
from tests.scripted_server import HANG, ScriptedServer, reply


@contextlib.contextmanager
def serving(app):
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()
    listener.close()


@pytest.fixture(scope="module")
def port():
    with serving(Starlette(routes=[*run_routes(), *run_routes("/under/base/")])) as port:
        yield port


@pytest.fixture
def open_with():
    """Open the process's service with these limits."""
    yield lambda **limits: open_service(Settings(limits=Limits(**limits)))
    close_service()


@pytest.fixture(autouse=True)
def nobody_left_over():
    yield
    assert wait_for(lambda: routes._open_streams == 0), "every follower is forgotten"


def wait_for(true):
    waiting = threading.Event()
    for _ in range(500):
        if true():
            return True
        waiting.wait(0.01)
    return False


def event(text, number=0, *, is_end=False, **fields):
    return f"data: {json.dumps({'sentence_id': number, 'is_end': is_end, 'result': text, **fields})}\n\n".encode()


TEXTS = [" 北京", "", "line\r\n\n", "🙂\u2028", "data: x\n\nid: 9", " end"]
ANSWER = reply(*(event(text, number, is_end=number == 5) for number, text in enumerate(TEXTS)))
ENDLESS = reply(event("kept"), HANG)


def start(upstream, visitor="v"):
    endpoint = Endpoint(name="own/x", title="x", group="g", note=message("n"), base_url=upstream.url, path="x",
                        credentials=AccessToken(token=Secret("24.token-of-routes")))
    return service().runs.start(endpoint, CompletionRequest(prompt="p", parameters={"stream": True}), visitor)


def ask(port, method, path, **headers):
    """Send one request; returns the connection and its answer, whose body is not read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return connection, connection.getresponse()


def answer(port, method, path, **headers):
    connection, response = ask(port, method, path, **headers)
    with contextlib.closing(connection):
        return response.status, response.read(), response.headers


class Reader:
    """Makes rows whole again, and counts them, as the sheet in the browser does."""

    def __init__(self):
        self.place, self.id = 0, None
        self.before, self.stated = [None] * 7, [0] * 5

    def row(self, parts, last_id):
        self.place, self.id = (self.place + 1 if last_id == self.id else int(last_id)), last_id
        row = parts + self.before[len(parts) :]
        for part in range(1, 5):
            if part < len(parts) and parts[part] is not None:
                row[part] = self.stated[part] = self.stated[part] + parts[part]
        self.before = row
        return list(row)


class Browser:
    """Reads an event stream by the standard's rules, and keeps the comments too."""

    def __init__(self, port, path, **headers):
        self.connection, self.response = ask(port, "GET", path, **headers)
        assert self.response.status == 200, self.response.read()
        self.last_id = ""
        self.reader = Reader()

    @property
    def reached(self):
        """Which sentence the last one was, from 1."""
        return self.reader.place

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.response.close()
        self.connection.close()

    def __iter__(self):
        kind, data = "message", []
        for line in self.response:
            line = line.decode().removesuffix("\n")
            if not line:
                if data:
                    said = json.loads("\n".join(data))
                    yield kind, (self.reader.row(said, self.last_id) if kind == "message" else said)
                kind, data = "message", []
            elif line.startswith(":"):
                yield "comment", line
            else:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "data":
                    data.append(value)
                elif name == "id":
                    self.last_id = value
                elif name == "event":
                    kind = value


def rows(port, path, **headers):
    with Browser(port, path, **headers) as browser:
        return list(browser), browser.reached


def test_the_events_are_the_sentences_then_the_outcome(port, open_with):
    open_with()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream)
        got, reached = rows(port, f"/runs/{run.id}/events")
    kinds = [kind for kind, _ in got]
    assert kinds == ["message"] * 6 + ["end"]
    assert [row[0] for kind, row in got[:-1]] == TEXTS
    assert "".join(row[0] for _, row in got[:-1]) == run.text
    assert reached == 6
    outcome = got[-1][1]
    assert (outcome["ending"], outcome["sentences"], outcome["characters"]) == ("finished", sum(map(bool, TEXTS)), len(run.text))


@pytest.mark.parametrize("offset", [0, 1, 3, 6])
@pytest.mark.parametrize("way", ["from", "Last-Event-ID"])
def test_a_follower_resumes_where_it_was(port, open_with, offset, way):
    open_with()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream)
        assert run.wait(5)
        if way == "from":
            got, _ = rows(port, f"/runs/{run.id}/events?from={offset}")
        else:
            got, _ = rows(port, f"/runs/{run.id}/events?from=2", Last_Event_ID=str(offset))
    assert [row[0] for _, row in got[:-1]] == TEXTS[offset:]
    assert got[-1][0] == "end"


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "", "٣", "²", " 1"])
def test_a_senseless_offset_is_the_beginning(port, open_with, text):
    open_with()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream)
        got, _ = rows(port, f"/runs/{run.id}/events?from={quote(text)}")
    assert len(got) == 7


def test_an_offset_beyond_the_end_gets_the_outcome_alone(port, open_with):
    open_with()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream)
        assert run.wait(5)
        got, _ = rows(port, f"/runs/{run.id}/events?from={'9' * 40}")
    assert [kind for kind, _ in got] == ["end"]


def test_any_cuts_of_a_running_run_join_to_its_text(port, open_with):
    open_with()
    goes = [threading.Event() for _ in range(20)]
    pieces = [part for number, go in enumerate(goes) for part in (event(f"中{number} ", number, is_end=number == 19), go)]
    with ScriptedServer(reply(*pieces)) as upstream:
        run = start(upstream)
        joined, last = "", ""
        for number, go in enumerate(goes):
            with Browser(port, f"/runs/{run.id}/events?from={last}") as browser:
                kind, row = next(iter(browser))
                assert kind == "message"
                joined, last = joined + row[0], browser.reached
            assert last == number + 1
            go.set()
        assert run.wait(5)
    assert joined == run.text == "".join(f"中{number} " for number in range(20))


def test_each_sentence_comes_before_the_next_is_sent(port, open_with):
    open_with()
    goes = [threading.Event() for _ in range(3)]
    with ScriptedServer(reply(event("a"), goes[0], event("b", 1), goes[1], event("c", 2), goes[2], event("", 3, is_end=True))) as upstream:
        run = start(upstream)
        with Browser(port, f"/runs/{run.id}/events") as browser:
            events = iter(browser)
            for text, go in zip("abc", goes, strict=True):
                assert next(events)[1][0] == text
                go.set()
            assert [kind for kind, _ in events] == ["message", "end"]


@given(
    st.lists(st.builds(
        Sentence, text=st.text(), index=st.just(0), arrived=st.floats(0, 1000),
        usage=st.none() | st.builds(Usage, prompt_tokens=st.none() | st.integers(0, 9), completion_tokens=st.none() | st.integers(0, 9),
                                    total_tokens=st.none() | st.integers(0, 99)),
        safety=st.builds(Safety, verdict=st.sampled_from(Verdict)),
    ), max_size=80),
    st.integers(0, 70),
    st.none() | st.just(Price(prompt=Decimal("0.01"), completion=Decimal("0.02"), currency="CNY")),
)
def test_whatever_is_left_off_a_row_on_its_way_the_browser_puts_back(sentences, offset, price):
    sent, reader = Rows(offset), Reader()
    last_id = ""
    for number, sentence in enumerate(sentences, offset + 1):
        *ids, data = sent.line(sentence, price).decode("utf-8", "surrogatepass").removesuffix("\n\n").split("\n")
        last_id = ids[0].removeprefix("id:") if ids else last_id
        assert reader.row(json.loads(data.removeprefix("data:")), last_id) == row(sentence, price)
        assert reader.place == number


def test_an_event_as_services_send_them_crosses_in_few_bytes_beside_its_text():
    sent = Rows(0)
    usage = [Usage(prompt_tokens=5, completion_tokens=7, total_tokens=5 + 7 * number) for number in range(1, 101)]
    lines = [
        sent.line(Sentence(text="x" * 30, index=number, arrived=number / 100, usage=stated, safety=Safety(verdict=Verdict.SAFE)), None)
        for number, stated in enumerate(usage)
    ]
    assert sum(map(len, lines)) < 100 * (30 + 18)


def test_two_followers_of_one_run_hear_the_same(port, open_with):
    open_with()
    go = threading.Event()
    with ScriptedServer(reply(event("a"), go, event("b", 1, is_end=True))) as upstream:
        run = start(upstream)
        with Browser(port, f"/runs/{run.id}/events") as one, Browser(port, f"/runs/{run.id}/events") as other:
            first = [next(iter(one)), next(iter(other))]
            go.set()
            assert first[0] == first[1]
            assert [kind for kind, _ in one] == [kind for kind, _ in other] == ["message", "end"]


def test_half_characters_cross_unharmed(port, open_with):
    open_with()
    halves = b'data: {"result":"\\ud83d"}\n\ndata: {"result":"\\ude42","is_end":true}\n\n'
    with ScriptedServer(reply(halves)) as upstream:
        run = start(upstream)
        got, _ = rows(port, f"/runs/{run.id}/events")
    assert [row[0] for _, row in got[:-1]] == ["\ud83d", "\ude42"]
    assert got[-1][1]["ending"] == "finished"


def test_an_error_travels_in_the_outcome_without_its_secrets(port, open_with):
    open_with()
    error = b'{"error_code":336003,"error_msg":"bad access_token=24.token-of-routes"}'
    with ScriptedServer(reply(event("kept"), error)) as upstream:
        run = start(upstream)
        got, _ = rows(port, f"/runs/{run.id}/events")
    assert [kind for kind, _ in got] == ["message", "end"]
    assert got[-1][1]["ending"] == "failed"
    assert got[-1][1]["error"]["code"] == 336003
    assert "token-of-routes" not in json.dumps(got)


def test_a_stream_is_never_cached_nor_buffered(port, open_with):
    open_with()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream)
        with Browser(port, f"/runs/{run.id}/events") as browser:
            headers = browser.response.headers
            list(browser)
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert headers["Content-Type"].startswith("text/event-stream")


@pytest.mark.parametrize("run_id", ["0" * 32, "x", "..", "%2e%2e", "' or 1=1"], ids=["guessed", "short", "dots", "encoded dots", "injection"])
@pytest.mark.parametrize(("method", "verb"), [("GET", "events"), ("POST", "stop")])
def test_another_id_is_not_found(port, open_with, method, verb, run_id):
    open_with()
    with ScriptedServer(ENDLESS) as upstream:
        run = start(upstream)
        status, body, _ = answer(port, method, f"/runs/{quote(run_id, safe='%')}/{verb}")
        assert status == 404
        assert run.id.encode() not in body
        assert run.ending is None


@pytest.mark.parametrize(("method", "verb"), [("POST", "events"), ("GET", "stop"), ("PUT", "stop"), ("DELETE", "stop")])
def test_other_methods_are_refused(port, open_with, method, verb):
    open_with()
    with ScriptedServer(ENDLESS) as upstream:
        run = start(upstream)
        assert answer(port, method, f"/runs/{run.id}/{verb}")[0] == 405
        assert run.ending is None


def test_a_silent_run_sends_a_heartbeat(port, open_with, monkeypatch):
    monkeypatch.setattr(routes, "HEARTBEAT", 0.05)
    open_with()
    with ScriptedServer(ENDLESS) as upstream:
        run = start(upstream)
        with Browser(port, f"/runs/{run.id}/events") as browser:
            events = iter(browser)
            assert next(events)[0] == "message"
            assert [next(events) for _ in range(3)] == [("comment", ": still here")] * 3


# --- stop ---


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:{port}", "https://127.0.0.1:{port}"], ids=["none", "same", "same behind TLS"])
def test_stop_stops_at_both_ends(port, open_with, origin):
    open_with()
    headers = {} if origin is None else {"Origin": origin.format(port=port)}
    with ScriptedServer(ENDLESS) as upstream:
        run = start(upstream)
        with Browser(port, f"/runs/{run.id}/events") as browser:
            events = iter(browser)
            next(events)
            status, body, _ = answer(port, "POST", f"/runs/{run.id}/stop", **headers)
            assert (status, json.loads(body)) == (200, {"ending": "stopped"})
            assert upstream.client_left.wait(1)
            kind, outcome = next(events)
    assert (kind, outcome["ending"], outcome["characters"]) == ("end", "stopped", 4)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1", "http://127.0.0.1:1", "null", "http://[", "http://127.0.0.1:{port}.evil.example", "nonsense"]
)
def test_a_page_of_another_origin_may_not_stop(port, open_with, origin):
    open_with()
    with ScriptedServer(ENDLESS) as upstream:
        run = start(upstream)
        assert answer(port, "POST", f"/runs/{run.id}/stop", Origin=origin.format(port=port))[0] == 403
        assert run.ending is None


def test_stopping_an_ended_run_tells_its_ending(port, open_with):
    open_with()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream)
        assert run.wait(5)
        status, body, headers = answer(port, "POST", f"/runs/{run.id}/stop")
    assert (status, json.loads(body), headers["Cache-Control"]) == (200, {"ending": "finished"}, "no-store")


def test_the_routes_stand_under_the_base_path_too(port, open_with):
    open_with()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream)
        got, _ = rows(port, f"/under/base/runs/{run.id}/events")
        assert got[-1][0] == "end"
        assert answer(port, "POST", f"/under/base/runs/{run.id}/stop")[0] == 200


# --- followers ---


def test_a_follower_that_disconnects_is_forgotten_and_the_run_goes_on(port, open_with):
    open_with()
    go = threading.Event()
    with ScriptedServer(reply(event("a"), go, event("b", 1, is_end=True))) as upstream:
        run = start(upstream)
        with Browser(port, f"/runs/{run.id}/events") as browser:
            next(iter(browser))
            assert run.watched
        assert wait_for(lambda: not run.watched)
        go.set()
        assert run.wait(5)
    assert (run.ending, run.text) == (Ending.FINISHED, "ab")


def test_open_streams_are_bounded(port, open_with):
    open_with(streams_in_all=2)
    with ScriptedServer(ENDLESS) as upstream:
        run = start(upstream)
        path = f"/runs/{run.id}/events"
        with Browser(port, path) as one, Browser(port, path) as other:
            next(iter(one)), next(iter(other))
            status, body, headers = answer(port, "GET", path)
            assert (status, headers["Cache-Control"]) == (503, "no-store")
            assert json.loads(body) == {"error": "too many open streams"}
        assert wait_for(lambda: routes._open_streams == 0)
        with Browser(port, path) as again:
            assert next(iter(again))[0] == "message"


def test_shutting_the_service_down_ends_the_streams(port, open_with):
    open_with()
    with ScriptedServer(ENDLESS) as upstream:
        run = start(upstream)
        with Browser(port, f"/runs/{run.id}/events") as browser:
            events = iter(browser)
            next(events)
            close_service()
            kind, outcome = next(events)
    assert (kind, outcome["ending"], outcome["reason"]) == ("end", "stopped", "Stopped because the server was shut down.")


@pytest.fixture
def kept_in(database_url):
    """Open the process's service on one database, as one server after another does."""
    yield lambda: open_service(Settings(database=Secret(database_url)))
    close_service()


def cookie():
    """The cookie of a visitor nobody has seen before, and his mark."""
    made = new_cookie(service().cookie_secret)
    return f"{COOKIE}={made}", read_visitor(made, service().cookie_secret)


def test_after_a_restart_a_run_comes_out_of_the_history_to_whom_it_belongs(port, kept_in):
    kept_in()
    own, visitor = cookie()
    other, _ = cookie()
    with ScriptedServer(ANSWER) as upstream:
        run = start(upstream, visitor)
        service().history.keep(run)
        assert run.wait(5)
        before, _ = rows(port, f"/runs/{run.id}/events")
        close_service()
        kept_in()
        after, reached = rows(port, f"/runs/{run.id}/events", cookie=own)
        assert [row[0] for kind, row in after[:-1]] == [row[0] for kind, row in before[:-1]] == TEXTS and reached == 6
        assert after[-1][0] == "end" and after[-1][1]["ending"] == before[-1][1]["ending"]
        assert [kind for kind, _ in rows(port, f"/runs/{run.id}/events?from=4", cookie=own)[0]] == ["message"] * 2 + ["end"]
        for headers in ({}, {"cookie": other}, {"cookie": f"{COOKIE}=forged"}):
            assert answer(port, "GET", f"/runs/{run.id}/events", **headers)[0] == 404


def test_while_a_run_goes_on_at_another_server_this_one_does_not_know_it(port, kept_in, database_url):
    """So that a proxy asks the other one. Once it is over there, anyone can tell."""
    kept_in()
    own, visitor = cookie()
    go = threading.Event()
    database = Database(Secret(database_url))
    elsewhere = History(database)
    with ScriptedServer(reply(event("a"), go, event("b", 1, is_end=True))) as upstream:
        run = start(upstream, visitor)
        elsewhere.keep(run)
        assert wait_for(lambda: service().history.entry(visitor, run.id))
        service().runs._runs.pop(run.id)
        assert answer(port, "GET", f"/runs/{run.id}/events", cookie=own)[0] == 404
        go.set()
        assert run.wait(5)
        elsewhere.close()
        database.close()
    assert [kind for kind, _ in rows(port, f"/runs/{run.id}/events", cookie=own)[0]] == ["message", "message", "end"]
