"""The wire over real sockets: cuts at every byte, cancelling in every state, and every failure in the playground's own words."""

import gc
import gzip
import json
import random
import socket
import ssl
import subprocess
import threading
import traceback
import tracemalloc
import warnings
import zlib

import pytest

from playground.errors import ConnectionFailed, EndpointError, ServiceError, StreamInterrupted
from playground.event_stream import EVENT_LIMIT, LINES_LIMIT
from playground.wire import BODY_LIMIT, Cancel, Cancelled, Timeouts, open_request
from tests.scripted_server import CUT, HANG, RESET, ScriptedServer, json_reply, raw, reply, unused_port
from tests.toolchains import tool

QUICK = Timeouts(connect=5.0, silence=5.0)
SOON = Timeouts(connect=5.0, silence=0.2)

LINES = [
    'data: {"result":"北京，🙂"}', "",
    ": a comment", "",
    "event: message", "id: 7", 'data:{"result":"no space"}', "",
    "retry: 500", 'data:  {"result":"two spaces"}', "",
    'data: {"result":"separators \u2028 \u2029 \u0085 \u000b \u000c stay"}', "",
    "data: one", "data: two", "",
    "data:", "", "data", "", "",
    'data: {"result":"{\\"nested\\": [1]}"}', "",
    '{"error_code":336100,"error_msg":"人工智能"}',
    'data: {"result":"after, {"}', "",
    '{"error_code":18}', "",
    ": {", 'data: {"result":"end","is_end":true}', "", "",
]
EVENTS = [
    '{"result":"北京，🙂"}', '{"result":"no space"}', ' {"result":"two spaces"}', '{"result":"separators \u2028 \u2029 \u0085 \u000b \u000c stay"}',
    "one\ntwo", '{"result":"{\\"nested\\": [1]}"}', '{"error_code":336100,"error_msg":"人工智能"}', '{"result":"after, {"}', '{"error_code":18}',
    '{"result":"end","is_end":true}',
]


def read_events(url, *, timeouts=QUICK, cancel=None):
    with open_request("POST", url, cancel=cancel or Cancel(), timeouts=timeouts, content=b"{}") as answer:
        return [data for data in answer.events([].append) if data]


def read_body(url, *, timeouts=QUICK, cancel=None):
    with open_request("POST", url, cancel=cancel or Cancel(), timeouts=timeouts, content=b"{}") as answer:
        return answer.body()


def in_thread(work, *args, **values):
    """Run `work` in a thread; returns the thread and the list its exception will be in."""
    caught = []

    def body():
        try:
            work(*args, **values)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread, caught


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_the_events_are_the_same_wherever_the_bytes_are_cut(newline):
    stream = newline.join(LINES).encode()
    cuts = [reply(*(piece for piece in (stream[:position], stream[position:]) if piece)) for position in range(len(stream) + 1)]
    with ScriptedServer(*cuts) as server:
        for position in range(len(stream) + 1):
            assert read_events(server.url) == EVENTS, f"cut at byte {position}: {stream[:position][-20:]!r}"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "not chunked"])
def test_the_events_are_the_same_byte_by_byte_and_in_random_pieces(newline, chunked):
    stream = newline.join(LINES).encode()
    scripts = [reply(*(stream[at : at + 1] for at in range(len(stream))), chunked=chunked)]
    dice = random.Random(7)
    for _ in range(30):
        marks = sorted({0, len(stream), *(dice.randrange(len(stream)) for _ in range(dice.randrange(12)))})
        scripts.append(reply(*(stream[a:b] for a, b in zip(marks, marks[1:], strict=False)), chunked=chunked))
    with ScriptedServer(*scripts) as server:
        for _ in scripts:
            assert read_events(server.url) == EVENTS


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "not chunked"])
def test_each_event_is_delivered_before_the_next_is_sent(newline, chunked):
    goes = [threading.Event() for _ in range(4)]
    pieces = []
    for number, go in enumerate(goes):
        pieces += [f'data: {{"result":"{number}"}}{newline * 2}'.encode(), go]
    with ScriptedServer(reply(*pieces, chunked=chunked)) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            assert answer.is_event_stream
            events = answer.events([].append)
            for number, go in enumerate(goes):
                assert next(events) == f'{{"result":"{number}"}}'
                go.set()
            assert list(events) == []


def test_an_event_may_end_its_lines_in_every_way_at_once_and_begin_with_a_mark():
    stream = b"\xef\xbb\xbfdata: one\n\r\ndata: two\r\n\ndata: three\r\rdata: four\r\n\r\xef\xbb\xbfdata: none\n\ndata: five"
    with ScriptedServer(reply(stream), reply(*(stream[at : at + 1] for at in range(len(stream))))) as server:
        for _ in range(2):
            assert read_events(server.url) == ["one", "two", "three", "four", "five"]


def test_an_event_has_a_limit_of_lines():
    with ScriptedServer(reply(b"data: x\n" * LINES_LIMIT + b"\n"), reply(b"data: x\n" * (LINES_LIMIT + 1) + b"\n")) as server:
        assert read_events(server.url) == ["\n".join("x" * LINES_LIMIT)]
        with pytest.raises(ServiceError, match="more than 100 lines"):
            read_events(server.url)


def test_what_comes_last_has_its_time_and_then_the_connection_ends():
    cancel = Cancel()
    with ScriptedServer(reply(EVENT, b"data: two\n\n", *[piece for _ in range(200) for piece in (0.05, b": still here\n\n")])) as server:
        seen, kept = [], []
        with pytest.raises(StreamInterrupted), open_request("POST", server.url, cancel=cancel, timeouts=QUICK) as answer:
            for data in answer.events(kept.append):
                seen.append(data)
                if data == "one":
                    answer.end_within(0.5)
        assert server.client_left.wait(1)
    assert (seen, cancel.cancelled) == (["one", "two"], False)
    assert len(kept) == 3 and set(kept[2].split(b"\n")) == {b": still here", b""}


def test_a_request_after_one_that_ended_in_time_is_not_cut():
    cancel = Cancel()
    with ScriptedServer(reply(EVENT), reply(EVENT, 0.6, EVENT)) as server:
        with open_request("POST", server.url, cancel=cancel, timeouts=QUICK) as answer:
            answer.end_within(0.3)
            assert list(answer.events([].append)) == ["one"]
        assert read_events(server.url, cancel=cancel) == ["one", "one"]


@pytest.mark.parametrize("size", [1_000_000], ids=["1 MB"])
def test_a_large_event_arrives_whole(size):
    text = "中" * (size // 3)
    with ScriptedServer(reply(f"data: {text}\n\ndata: x\n\n".encode())) as server:
        assert read_events(server.url) == [text, "x"]


def test_many_events_may_be_more_than_one_event_may():
    event = b"data: " + b"x" * (EVENT_LIMIT // 8) + b"\n\n"
    with ScriptedServer(reply(*[event] * 10)) as server:
        assert sum(map(len, read_events(server.url))) > EVENT_LIMIT


@pytest.mark.parametrize("piece", [b"x" * 65536, b": " + b"x" * 65534], ids=["an event", "a comment"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "not chunked"])
def test_an_event_without_end_is_given_up_with_bounded_memory(piece, chunked):
    def endless(peer):
        reply(b"data: ", chunked=chunked, end=False)(peer)
        while True:
            peer.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)

    with ScriptedServer(endless) as server:
        tracemalloc.start()
        with pytest.raises(ServiceError, match="more than 4 MB"):
            read_events(server.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert server.client_left.wait(1)
    assert peak < 6 * EVENT_LIMIT


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error", "302 Found\r\nLocation: /elsewhere"], ids=["200", "500", "302"])
def test_a_body_without_end_is_given_up_with_bounded_memory(status):
    def endless(peer):
        reply(b"{", status=status, content_type="application/json", end=False)(peer)
        while True:
            peer.send(b"10000\r\n%s\r\n" % (b" " * 65536))

    with ScriptedServer(endless) as server:
        tracemalloc.start()
        with pytest.raises(ServiceError, match="more than 8 MB"):
            read_body(server.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3 * BODY_LIMIT


def test_a_compressed_bomb_is_given_up_with_bounded_memory():
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    with ScriptedServer(reply(bomb, content_type="application/json", headers=("Content-Encoding: gzip",))) as server:
        tracemalloc.start()
        with pytest.raises(ServiceError, match="more than 8 MB"):
            read_body(server.url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 3 * BODY_LIMIT


def test_a_json_error_in_place_of_a_stream_stays_readable():
    error = {"error_code": 110, "error_msg": "Access token invalid or no longer valid"}
    with ScriptedServer(json_reply(error)) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            assert not answer.is_event_stream
            assert (answer.status, answer.content_type) == (200, "application/json")
            assert json.loads(answer.body()) == error


@pytest.mark.parametrize(
    ("stated", "kind", "stream"),
    [
        ("text/event-stream", "text/event-stream", True), ("Text/Event-Stream; charset=UTF-8", "text/event-stream", True),
        ("application/json; charset=utf-8", "application/json", False), ("text/html", "text/html", False), (None, "", False),
    ],
)
def test_the_content_type_decides(stated, kind, stream):
    with ScriptedServer(reply(b"x", content_type=stated)) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            assert (answer.content_type, answer.is_event_stream) == (kind, stream)


def test_an_error_status_is_no_stream():
    with ScriptedServer(reply(b"data: x\n\n", status="502 Bad Gateway")) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            assert not answer.is_event_stream


# --- cancel ---

EVENT = b"data: one\n\n"


@pytest.mark.parametrize(
    ("script", "read"),
    [
        (raw(HANG), read_events),
        (raw(HANG), read_body),
        (raw(b"HTTP/1.1 200 OK\r\nContent-", HANG), read_events),
        (reply(HANG), read_events),
        (reply(EVENT, HANG), read_events),
        (reply(EVENT, HANG, chunked=False), read_events),
        (reply(b"data: hal", HANG), read_events),
        (reply(b'{"id"', HANG, content_type="application/json"), read_body),
        (reply(gzip.compress(b"data: x\n\n")[:15], HANG, headers=("Content-Encoding: gzip",)), read_events),
        (reply(HANG, status="302 Found", headers=("Location: /elsewhere",)), read_body),
    ],
    ids=["no headers, stream", "no headers, body", "half the headers", "silent after headers", "mid-stream", "mid-stream, not chunked", "mid-event",
         "mid-body", "mid-gzip", "silent redirect"],
)
def test_a_cancel_ends_the_request_at_both_ends(script, read):
    cancel = Cancel()
    with ScriptedServer(script) as server:
        thread, caught = in_thread(read, server.url, cancel=cancel, timeouts=Timeouts(connect=30, silence=30))
        assert _wait_for(lambda: server.requests)
        threading.Event().wait(0.05)
        cancel.cancel()
        assert server.client_left.wait(1)
        thread.join(2)
    assert cancel.cancelled
    assert [type(error) for error in caught] == [Cancelled]


def test_a_cancel_ends_an_endless_stream():
    def endless(peer):
        reply(EVENT, end=False)(peer)
        while True:
            peer.send(b"b\r\n%s\r\n" % EVENT)

    cancel = Cancel()
    with ScriptedServer(endless) as server:
        seen = []
        with pytest.raises(Cancelled), open_request("POST", server.url, cancel=cancel, timeouts=QUICK) as answer:
            for data in answer.events([].append):
                seen.append(data)
                if len(seen) == 100:
                    cancel.cancel()
        assert server.client_left.wait(1)


def test_a_cancel_ends_a_silent_tls_handshake():
    cancel = Cancel()
    accepted = threading.Event()

    def silent(peer):
        accepted.set()
        peer.wait_until_left()

    with ScriptedServer(silent) as server:
        thread, caught = in_thread(read_events, server.url.replace("http:", "https:"), cancel=cancel, timeouts=Timeouts(connect=30, silence=30))
        assert accepted.wait(5)
        threading.Event().wait(0.1)
        cancel.cancel()
        assert server.client_left.wait(1)
        thread.join(2)
    assert [type(error) for error in caught] == [Cancelled]


def test_what_was_cancelled_before_is_never_sent():
    cancel = Cancel()
    cancel.cancel()
    with ScriptedServer(reply(EVENT)) as server:
        with pytest.raises(Cancelled):
            read_events(server.url, cancel=cancel)
        assert server.connections == 0


def test_a_socket_that_comes_after_the_cancel_is_shut_at_once():
    cancel = Cancel()
    cancel.cancel()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        cancel.attach(ours)
        theirs.settimeout(5)
        assert theirs.recv(1) == b""


def test_a_cancel_wakes_a_wait_and_may_be_repeated():
    cancel = Cancel()
    thread, caught = in_thread(cancel.wait, 60)
    cancel.cancel()
    cancel.cancel()
    thread.join(5)
    assert [type(error) for error in caught] == [Cancelled]
    with pytest.raises(Cancelled):
        cancel.wait(0)


def test_leaving_early_closes_the_connection():
    with ScriptedServer(reply(EVENT, EVENT, HANG)) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            assert next(answer.events([].append)) == "one"
        assert server.client_left.wait(1)


def _wait_for(true):
    waiting = threading.Event()
    for _ in range(500):
        if true():
            return True
        waiting.wait(0.01)
    return False


# --- failures ---

HEADERS_WITHOUT_END = [b"HTTP/1.1 200 OK\r\n", *[b"X-%d: y\r\n" % number for number in range(300)], HANG]

FAILURES = {
    "silent before headers": (raw(HANG), ConnectionFailed, "sent nothing for 0.2 s", True),
    "silent after headers": (reply(HANG), ConnectionFailed, "sent nothing for 0.2 s", True),
    "silent after an event": (reply(EVENT, HANG), StreamInterrupted, "sent nothing for 0.2 s", True),
    "silent mid-event": (reply(b"data: ha", HANG, chunked=False), StreamInterrupted, "sent nothing for 0.2 s", True),
    "closed before headers": (raw(CUT), ConnectionFailed, "lost before the answer began", True),
    "reset before headers": (raw(RESET), ConnectionFailed, "lost before the answer began", True),
    "closed after headers": (reply(CUT), ConnectionFailed, "before the answer began", True),
    "reset mid-stream": (reply(EVENT, 0.05, RESET), StreamInterrupted, "in the middle of the answer", False),
    "chunks cut mid-stream": (reply(EVENT, CUT), StreamInterrupted, "in the middle of the answer", False),
    "chunk cut within": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ndata: x\n\n", CUT),
                         StreamInterrupted, "in the middle of the answer", False),
    "chunk size is no number": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + EVENT
                                    + b"\r\nzz\r\n"), StreamInterrupted, "in the middle of the answer", False),
    "shorter than its length": (raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\n" + EVENT),
                                StreamInterrupted, "in the middle of the answer", False),
    "garbage status line": (raw(b"\x16\x03 what is this\r\n\r\n"), ServiceError, "not HTTP", False),
    "status that is no number": (raw(b"HTTP/1.1 abc OK\r\n\r\n"), ServiceError, "not HTTP", False),
    "version that is none": (raw(b"HTTP/9 200 OK\r\n\r\n"), ServiceError, "not HTTP", False),
    "endless headers": (raw(*HEADERS_WITHOUT_END), ServiceError, "headers do not end", False),
    "endless header line": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, HANG), ServiceError, "headers do not end", False),
    "interim answers without end": (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, HANG), ServiceError, "headers do not end", False),
    "broken gzip": (reply(b"data: not gzip\n\n", headers=("Content-Encoding: gzip",)), ServiceError, "cannot be unpacked", False),
    "not UTF-8": (reply(b"data: caf\xe9\n\n"), ServiceError, "not UTF-8", False),
}


@pytest.mark.parametrize(("script", "kind", "words", "retryable"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_in_our_words(script, kind, words, retryable):
    with ScriptedServer(script) as server:
        with pytest.raises(EndpointError, match=words) as caught:
            read_events(server.url, timeouts=SOON)
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert str(caught.value.remedy)


def test_headers_cut_short_are_an_answer_without_a_type():
    with ScriptedServer(raw(b"HTTP/1.1 200 OK\r\nContent-Ty", CUT)) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            assert (answer.is_event_stream, answer.body()) == (False, b"")


def test_a_senseless_length_is_told_and_the_connection_shut():
    with warnings.catch_warnings(), ScriptedServer(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", HANG)) as server:
        warnings.simplefilter("ignore", ResourceWarning)  # urllib3 forgets its own response here
        with pytest.raises(ServiceError, match="not HTTP") as caught:
            read_events(server.url)
        assert server.client_left.wait(1)
        del caught
        gc.collect()


def test_what_came_before_a_failure_was_delivered():
    with ScriptedServer(reply(EVENT, b"data: two\n\n", b"data: thr", CUT)) as server:
        seen, kept = [], []
        with pytest.raises(StreamInterrupted):
            with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
                for data in answer.events(kept.append):
                    seen.append(data)
    assert seen == ["one", "two"], "the half of the third is text to nobody"
    assert kept == [EVENT, b"data: two\n\n", b"data: thr"]


def test_a_refused_port_is_told():
    with pytest.raises(ConnectionFailed, match="Nothing answers") as caught:
        read_events(f"http://127.0.0.1:{unused_port()}")
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://nonexistent.invalid", "host name is not known"),
        ("https://nonexistent.invalid/x?access_token=t", "host name is not known"),
        (f"http://{'a' * 64}.invalid", "not a web address"),
        ("http://例え..invalid", "not a web address"),
        ("http://", "not a web address"),
        ("ftp://127.0.0.1", "not a web address"),
        ("nonsense", "not a web address"),
        ("http://127.0.0.1:99999", "not a web address"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(url, words):
    with pytest.raises(ConnectionFailed, match=words) as caught:
        read_events(url)
    assert str(caught.value.remedy)


def test_tls_to_a_plain_server_is_told():
    with ScriptedServer(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", read=False)) as server:
        with pytest.raises(ConnectionFailed, match="secure connection") as caught:
            read_events(server.url.replace("http:", "https:"))
    assert "http://" in str(caught.value.remedy)


def test_a_traceback_of_a_failure_holds_no_credential():
    url = f"http://127.0.0.1:{unused_port()}/p?access_token=24.0123456789abcdef.2592000.1700000000.1-2&client_secret=hush-hush"
    try:
        read_events(url)
    except ConnectionFailed as error:
        text = "".join(traceback.format_exception(error))
    assert "hush-hush" not in text
    assert "0123456789abcdef" not in text
    assert "/p?" in text, "the cause itself is kept"


# --- the environment ---


def test_the_environment_s_proxy_is_not_used_for_this_computer(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with ScriptedServer(reply(EVENT)) as server:
        assert read_events(server.url) == ["one"]
        assert read_events(server.url.replace("127.0.0.1", "localhost")) == ["one"]


def test_the_environment_s_proxy_is_used_for_others(monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with ScriptedServer(reply(EVENT)) as server:
        monkeypatch.setenv("http_proxy", server.url)
        assert read_events("http://nonexistent.invalid/path") == ["one"]
        assert server.requests[0].target == "http://nonexistent.invalid/path"


def test_a_request_through_a_proxy_can_be_cancelled(monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    cancel = Cancel()
    with ScriptedServer(reply(HANG)) as server:
        monkeypatch.setenv("http_proxy", server.url)
        thread, caught = in_thread(read_events, "http://nonexistent.invalid/", cancel=cancel)
        assert _wait_for(lambda: server.requests)
        cancel.cancel()
        assert server.client_left.wait(1)
        thread.join(2)
    assert [type(error) for error in caught] == [Cancelled]


def test_a_refused_proxy_is_told(monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(ConnectionFailed, match="proxy"):
        read_events("http://nonexistent.invalid/")


def test_netrc_is_not_used(monkeypatch, tmp_path):
    file = tmp_path / "netrc"
    file.write_text("default login somebody password something\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    with ScriptedServer(reply(EVENT)) as server:
        read_events(server.url)
        assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("location", ["/elsewhere", "http://127.0.0.1:1/", "http://[", "//", "ftp://x", "\xff\xfe"], ids=repr)
def test_a_redirect_is_an_answer_and_not_followed(location):
    with ScriptedServer(reply(b"moved", status="307 Temporary Redirect", headers=(f"Location: {location}",))) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            assert answer.status == 307
            assert answer.body() == b"moved"
        assert server.connections == 1


def test_what_is_sent_is_what_was_given():
    with ScriptedServer(reply(EVENT)) as server:
        with open_request(
            "POST", f"{server.url}/a%20b?q=%2F", headers={"Content-Type": "application/json", "X-Mark": "7"}, content="中".encode(),
            cancel=Cancel(), timeouts=QUICK,
        ) as answer:
            list(answer.events([].append))
        received = server.requests[0]
    assert (received.method, received.target, received.body) == ("POST", "/a%20b?q=%2F", "中".encode())
    assert received.headers["x-mark"] == "7"
    assert received.headers["accept-encoding"] == "identity"


# --- compression and TLS ---


def test_a_gzip_stream_is_the_same_wherever_it_is_cut():
    stream = gzip.compress("\n".join(LINES).encode(), mtime=0)
    cuts = [reply(*(piece for piece in (stream[:at], stream[at:]) if piece), headers=("Content-Encoding: gzip",)) for at in range(len(stream) + 1)]
    with ScriptedServer(*cuts) as server:
        for _ in cuts:
            assert read_events(server.url) == EVENTS


@pytest.mark.parametrize("wbits", [15, 31], ids=["deflate", "gzip"])
def test_a_packed_event_is_delivered_before_the_next_is_sent(wbits):
    pack, go = zlib.compressobj(9, zlib.DEFLATED, wbits), threading.Event()
    large = "x" * (4 * 65536 - 8)
    first, second = (pack.compress(f"data: {text}\n\n".encode()) + pack.flush(zlib.Z_SYNC_FLUSH) for text in (large, "y"))
    with ScriptedServer(reply(first, go, second, headers=(f"Content-Encoding: {'gzip' if wbits > 15 else 'deflate'}",))) as server:
        with open_request("POST", server.url, cancel=Cancel(), timeouts=QUICK) as answer:
            events = answer.events([].append)
            assert next(events) == large
            go.set()
            assert list(events) == ["y"]


def test_gzip_after_gzip_is_one_body():
    parts = gzip.compress(b'{"a":') + gzip.compress(b"1}")
    with ScriptedServer(reply(parts, content_type="application/json", headers=("Content-Encoding: X-GZip",))) as server:
        assert read_body(server.url) == b'{"a":1}'


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "nonsense"])
def test_another_packing_is_refused(encoding):
    with ScriptedServer(reply(EVENT, headers=(f"Content-Encoding: {encoding}",))) as server:
        with pytest.raises(ServiceError, match="cannot be unpacked"):
            read_events(server.url)


def test_a_gzip_body_is_unpacked():
    with ScriptedServer(reply(gzip.compress(b'{"a":1}'), content_type="application/json", headers=("Content-Encoding: gzip",))) as server:
        assert read_body(server.url) == b'{"a":1}'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    openssl = tool("openssl")
    place = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", place / "key.pem", "-out", place / "cert.pem", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )
    return place


@pytest.fixture
def over_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return lambda connection: context.wrap_socket(connection, server_side=True)


def test_a_stream_over_tls_is_read_and_cancelled(over_tls, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    cancel, seen = Cancel(), []
    with ScriptedServer(reply(EVENT, HANG), wrap=over_tls) as server:

        def read():
            with open_request("POST", server.url.replace("http:", "https:"), cancel=cancel, timeouts=QUICK) as answer:
                for data in answer.events([].append):
                    seen.append(data)

        thread, caught = in_thread(read)
        assert _wait_for(lambda: seen)
        cancel.cancel()
        assert server.client_left.wait(1)
        thread.join(2)
    assert seen == ["one"]
    assert [type(error) for error in caught] == [Cancelled]


def test_an_unknown_certificate_is_refused(over_tls, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with ScriptedServer(reply(EVENT), wrap=over_tls) as server:
        with pytest.raises(ConnectionFailed, match="certificate"):
            read_events(server.url.replace("http:", "https:"))
        assert server.requests == []
