"""Endpoints that mean harm: each ends in words, in bounded time and bounded memory, in a process that measures its own."""

import gzip
import itertools
import json
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest

from tests.scripted_server import HANG, ScriptedServer, raw

ROOT = Path(__file__).resolve().parent.parent
MB = 1024 * 1024
MOST_MEMORY = 132  # 32 of it for what came, as it came
MOST_SECONDS = 60
pytestmark = pytest.mark.slow

HEAD = b"HTTP/1.1 200 OK\r\n"
STREAM = HEAD + b"Content-Type: text/event-stream\r\n"
JSON = HEAD + b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
END = b'data: {"result":"end","is_end":true}\n\n'


def endless(head, *pieces, most=1024 * MB):
    """A script that sends `head`, then the pieces over and over, a gigabyte at most: who takes that much has no bound."""

    def play(peer):
        peer.read_request()
        peer.send(head)
        sent = 0
        for piece in itertools.cycle(pieces):
            peer.send(piece)
            sent += len(piece)
            if sent > most:
                peer.wait_until_left()
                return

    return play


def dripping(head, body, pause=0.2):
    """A script that sends `head` at once and `body` byte by byte."""

    def play(peer):
        peer.read_request()
        peer.send(head)
        for byte in itertools.cycle(body):
            peer.send(bytes([byte]))
            threading.Event().wait(pause)

    return play


def sent(*pieces):
    return raw(*pieces, HANG)


def chunk(piece):
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def zeros(wbits):
    """A gigabyte of zeros, packed: a first megabyte, and a second a thousand times."""
    pack = zlib.compressobj(9, zlib.DEFLATED, wbits)
    first, second = (pack.compress(bytes(MB)) + pack.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + second * 1023


def packed(encoding, content, head=STREAM):
    return sent(head + b"Content-Encoding: " + encoding + b"\r\nContent-Length: %d\r\n\r\n" % len(content) + content)


def empty_blocks():
    """Gzip that never ends and never holds anything: an unpacker that waits for the first byte waits for ever."""
    return gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 13107, b"\x00\x00\x00\xff\xff" * 13107


def early(peer):
    peer.send(STREAM + b"\r\n" + END)
    peer.wait_until_left()


def event(**fields):
    return b"data: " + json.dumps({"result": "", **fields}, ensure_ascii=False).encode() + b"\n\n"


def gbk(text):
    return b'data: {"result":"' + text.encode("gbk") + b'"}\n\n'


BOMB, DEFLATED = zeros(31), zeros(15)
LISTS = b'{"result":"x","is_end":true,"more":[' + b"[]," * (4_000_000 // 3) + b"0]}"
DICTS = b'{"result":"x","is_end":true,"more":[' + b"{}," * (8_000_000 // 3) + b"0]}"
TINY = event(result="x") * 500
OPENAI_END = b'data: {"choices":[{"text":"all","finish_reason":"stop"}]}\n\n'

UNENDING = "headers do not end"
ONE_PIECE = "more than 4 MB in one piece"
ONE_BODY = "more than 8 MB in one piece"
ONE_TOKEN = "more than 1 MB in one piece"
ONE_ANSWER = "more than 64 MB in one answer"
ONE_EVENT = "event of more than 100 lines"
TOO_LONG = "limit for one answer's length"
TOO_LATE = "limit for one answer's time"
UNREADABLE = "not a completion"
SILENT = "sent nothing for 1 s"
NOT_HTTP = "not HTTP"
NOT_TEXT = "not UTF-8"
NOT_UNPACKED = "cannot be unpacked"
LOST = "lost in the middle"
NO_END = "without an end mark"

# What the endpoint does; how the run ends, in which words.
HOSTILE = {
    # headers
    "headers without end": (endless(HEAD, b"X-Header: y\r\n" * 1000), "failed", UNENDING),
    "a header line without end": (endless(HEAD + b"X-Header: ", b"y" * 65536), "failed", UNENDING),
    "ten thousand small headers": (sent(HEAD, b"X-Header: y\r\n" * 10_000, b"\r\n"), "failed", UNENDING),
    "ninety heavy headers": (sent(STREAM, b"".join(b"X-%d: %s\r\n" % (n, b"y" * 65000) for n in range(90)), b"\r\n", END), "finished", ""),
    "headers that drip": (dripping(HEAD, b"X-Header: y\r\n"), "stopped", TOO_LATE),
    "a status line without end": (endless(b"", b"y" * 65536), "failed", UNENDING),
    "rubbish for a status line": (sent(b"\x00\xff\x16 rubbish\r\n\r\n"), "failed", NOT_HTTP),
    "100 Continue for ever": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), "failed", UNENDING),
    "100 Continue with headers without end": (endless(b"HTTP/1.1 100 Continue\r\n", b"X-Header: y\r\n" * 1000), "failed", UNENDING),
    "100 Continue that drips": (dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.1), "stopped", TOO_LATE),
    "103 Early Hints": (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000), "failed", "HTTP status 103"),
    "cookies": (sent(STREAM, b"".join(b"Set-Cookie: c%d=%s\r\n" % (n, b"y" * 60000) for n in range(90)), b"\r\n", END), "finished", ""),
    "an answer before the request": (early, "finished", ""),
    "silence": (sent(), "failed", SILENT),
    "silence after the headers": (sent(STREAM, CHUNKED), "failed", SILENT),
    # bodies
    "a line without end": (endless(STREAM + b"\r\ndata: ", b"x" * 65536), "failed", ONE_PIECE),
    "a line without end in tiny chunks": (endless(STREAM + CHUNKED, chunk(b"xx") * 8192), "failed", ONE_ANSWER),
    "a stream without a line": (endless(STREAM + b"\r\n", bytes(65536)), "failed", ONE_PIECE),
    "a JSON body without end": (endless(JSON + b"\r\n{", b" " * 65536), "failed", ONE_BODY),
    "an error page without end": (endless(b"HTTP/1.1 500 Oops\r\n\r\n", b"x" * 65536), "failed", ONE_BODY),
    "comments without end": (endless(STREAM + b"\r\n", b": x\n" * 16384), "failed", ONE_PIECE),
    "empty events without end": (endless(STREAM + b"\r\n", b"\n\n" * 32768), "failed", ONE_ANSWER),
    "events of nothing without end": (endless(STREAM + b"\r\n", b"data:\n\n" * 8192), "failed", ONE_ANSWER),
    "events without data, without end": (endless(STREAM + b"\r\n", b"id: 7\n\n" * 8192), "failed", ONE_ANSWER),
    "an event of lines without end": (endless(STREAM + b"\r\n", b"data: x\n" * 8192), "failed", ONE_EVENT),
    "an event of a hundred heavy lines": (sent(STREAM, b"\r\n", b"data: %s\n" % (b"x" * 40000) * 99, b"\n"), "failed", UNREADABLE),
    "events without end": (endless(STREAM + b"\r\n", TINY), "stopped", TOO_LONG),
    "events without text, without end": (endless(STREAM + b"\r\n", event() * 500), "stopped", TOO_LONG),
    "events with usage, without end": (
        endless(STREAM + b"\r\n", event(usage={"prompt_tokens": 70000, "completion_tokens": 70000, "total_tokens": 140000}, is_safe=1) * 500),
        "stopped", TOO_LONG,
    ),
    "long texts without end": (endless(STREAM + b"\r\n", event(result="長" * 1000 + "🙂")), "stopped", TOO_LONG),
    "heavy ids without end": (endless(STREAM + b"\r\n", event(id="y" * 1_000_000)), "failed", ONE_ANSWER),
    "places in a queue without end": (endless(STREAM + b"\r\n", event(queue_place=5) * 500), "failed", ONE_ANSWER),
    "done, and done, and done": (endless(STREAM + b"\r\n", b"data: [DONE]\n\n" * 8192), "failed", ONE_ANSWER),
    # JSON
    "nested brackets": (sent(STREAM, b"\r\ndata: ", b"[" * 450_000, b"\n\n"), "failed", UNREADABLE),
    "4 MB of brackets": (sent(STREAM, b"\r\ndata: ", b"[" * 4_000_000, b"\n\n"), "failed", UNREADABLE),
    "nested objects": (sent(STREAM, b"\r\ndata: ", b'{"a":' * 450_000, b"\n\n"), "failed", UNREADABLE),
    "lists within an event": (sent(STREAM, b"\r\ndata: ", LISTS, b"\n\n"), "failed", UNREADABLE),
    "objects within a body": (sent(JSON, b"Content-Length: %d\r\n\r\n" % len(DICTS), DICTS), "failed", UNREADABLE),
    "a number of a million digits": (sent(STREAM, b"\r\n", b'data: {"result":"x","sentence_id":' + b"9" * 1_000_000 + b"}\n\n"), "failed", UNREADABLE),
    "a text of 4 MB": (sent(STREAM, b"\r\n", event(result="x" * 4_000_000 + "🙂", is_end=True)), "stopped", TOO_LONG),
    "a body of 8 MB": (raw(JSON, b"\r\n", event(result="x" * 8_000_000 + "🙂")[6:]), "stopped", TOO_LONG),
    "words of 4 MB": (sent(STREAM, b"\r\n", b'data: {"error_code":1,"error_msg":"' + b"://x:" * 800_000 + b'"}\n\n'), "failed", ""),
    # characters
    "GBK": (sent(STREAM, b"\r\n", gbk("北京"), END), "failed", NOT_TEXT),
    "UTF-16": (raw(STREAM, b"\r\n", 'data: {"result":"x"}\n\n'.encode("utf-16")), "failed", NOT_TEXT),
    "UTF-16 without its mark": (raw(STREAM, b"\r\n", 'data: {"result":"x"}\n\n'.encode("utf-16-le")), "failed", "sent nothing in it"),
    "NUL": (sent(STREAM, b"\r\n", b'data: {"result":"\x00"}\n\n'), "failed", UNREADABLE),
    "a byte order mark": (sent(STREAM, b"\r\n\xef\xbb\xbf", END), "finished", ""),
    # packing
    "a gzip bomb as an event": (packed(b"gzip", BOMB), "failed", ONE_PIECE),
    "a gzip bomb as a body": (packed(b"gzip", BOMB, JSON), "failed", ONE_BODY),
    "a deflate bomb as an event": (packed(b"deflate", DEFLATED), "failed", ONE_PIECE),
    "a deflate bomb as a body": (packed(b"deflate", DEFLATED, JSON), "failed", ONE_BODY),
    "a bomb in a bomb": (packed(b"gzip, gzip", gzip.compress(BOMB)), "failed", NOT_UNPACKED),
    "brotli": (packed(b"br", b"\x0b\x02\x80x\x03"), "failed", NOT_UNPACKED),
    "zstd": (packed(b"zstd", b"\x28\xb5\x2f\xfd" + bytes(100)), "failed", NOT_UNPACKED),
    "gzip that holds nothing, without end": (endless(STREAM + b"Content-Encoding: gzip\r\n\r\n", *empty_blocks()[:1]), "failed", NOT_UNPACKED),
    "gzip of nothing, for ever": (endless(STREAM + b"Content-Encoding: gzip\r\n\r\n" + empty_blocks()[0], empty_blocks()[1]), "failed", ONE_ANSWER),
    "gzip after gzip without end": (endless(STREAM + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"\n") * 3000), "failed", ONE_ANSWER),
    "gzip of lines without end": (endless(STREAM + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"data:\n\n" * 100_000)), "failed", ONE_ANSWER),
    "gzip that lies": (packed(b"gzip", END), "failed", NOT_UNPACKED),
    # framing
    "a huge chunk": (endless(STREAM + CHUNKED + b"ffffffffffffffff\r\ndata: ", b"x" * 65536), "failed", ONE_PIECE),
    "a negative chunk": (sent(STREAM + CHUNKED + b"-5\r\ndata: x\n\n"), "failed", UNREADABLE),
    "a chunk size without end": (endless(STREAM + CHUNKED, b"0" * 65536), "failed", NOT_HTTP),
    "a chunk size that is none": (sent(STREAM + CHUNKED + b"xyz\r\ndata: x\n\n"), "failed", "lost before the answer"),
    "chunk extensions without end": (endless(STREAM + CHUNKED + b"5;", b"x=y;" * 16384), "failed", NOT_HTTP),
    "trailers without end": (endless(JSON + CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-Header: y\r\n" * 1000, most=8192 * MB), "stopped", TOO_LATE),
    "a length too long": (raw(STREAM + b"Content-Length: 1000000000\r\n\r\n", event(result="kept")), "cut", LOST),
    "a length too short": (sent(STREAM + b"Content-Length: 30\r\n\r\n", event(result="kept") * 10), "cut", NO_END),
    "a negative length": (raw(STREAM + b"Content-Length: -5\r\n\r\n", END), "finished", ""),
    "a length of a million digits": (sent(STREAM + b"Content-Length: " + b"9" * 60000 + b"\r\n\r\n", END), "finished", ""),
    "two lengths": (sent(STREAM + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", END), "failed", NOT_HTTP),
    # time
    "a drip": (dripping(STREAM + b"\r\n", b"data: x"), "stopped", TOO_LATE),
    "a drip of comments": (dripping(STREAM + b"\r\n", b": x\n"), "stopped", TOO_LATE),
    "a drip of events": (dripping(STREAM + b"\r\n", event(result="x"), pause=0.01), "stopped", TOO_LATE),
    "a body that drips": (dripping(JSON + b"\r\n", b"{ "), "stopped", TOO_LATE),
}
HOSTILE_OPENAI = {
    "silence after the end mark": (sent(STREAM + b"\r\n" + OPENAI_END), "finished", ""),
    "a drip after the end mark": (dripping(STREAM + b"\r\n" + OPENAI_END, b": x\n"), "finished", ""),
    "end marks that drip": (dripping(STREAM + b"\r\n" + OPENAI_END, OPENAI_END, pause=0.01), "finished", ""),
    "chunks without choices, without end": (endless(STREAM + b"\r\n", b'data: {"choices":[]}\n\n' * 2000), "stopped", TOO_LONG),
}
HOSTILE_TOKEN = {
    "a token without end": (endless(JSON + b"\r\n", b'{"access_token":"' + b"x" * 65536), "failed", ONE_TOKEN),
    "a token service that drips": (dripping(JSON + b"\r\n", b"{ "), "stopped", TOO_LATE),
    "a token of half a megabyte": (raw(JSON + b"\r\n", b'{"access_token":"' + b"x" * (MB // 2) + b'"}'), "failed", "not a token"),
}
TABLE = [(provider, keys, *row) for provider, keys, rows in (
    ("qianfan", False, [(name, *row) for name, row in HOSTILE.items()]),
    ("openai", False, [(name, *row) for name, row in HOSTILE_OPENAI.items()]),
    ("qianfan", True, [(name, *row) for name, row in HOSTILE_TOKEN.items()]),
) for row in rows]


def run_against(script, provider, keys, run_time, silence):
    """Make one run against the script in a process of its own; returns what it said."""
    with ScriptedServer(script) as server:
        asked = {"base_url": server.url, "provider": provider, "keys": keys, "limits": {"run_time": run_time}, "timeouts": {"silence": silence}}
        done = subprocess.run(
            [sys.executable, "-m", "tests.one_run", json.dumps(asked)], cwd=ROOT, capture_output=True, text=True, timeout=2 * MOST_SECONDS
        )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize(("provider", "keys", "name", "script", "ending", "words"), TABLE, ids=[row[2] for row in TABLE])
def test_a_hostile_endpoint_ends_in_words_in_bounded_time_and_memory(provider, keys, name, script, ending, words):
    told = run_against(script, provider, keys, run_time=1 if words == TOO_LATE else MOST_SECONDS, silence=1 if words == SILENT else MOST_SECONDS)
    said = told["error"]["message"] if told["error"] else told["reason"] or ""
    print(f"| {name} | {told['ending']} | {said} | {told['seconds']} s | {told['grown']} MB |")
    assert (told["ending"], words in said) == (ending, True), said
    assert bool(said) is (ending != "finished")
    assert told["seconds"] < MOST_SECONDS
    assert told["grown"] < MOST_MEMORY
