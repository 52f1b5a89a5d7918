"""`python -m bench.fuzz [libFuzzer's options]`: feed the reader of recordings and the parser of streams what no sane file holds.

Needs atheris, which is no requirement of this project: `pip install atheris` into an environment of its own, and this project's
packages beside it. A finding is an exception that is none of ours, a text that changes when it is read and written again, bytes
that are lost, or (libFuzzer's `-timeout`, `-rss_limit_mb`) time and memory without a bound.
"""

import importlib
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports(include=["playground", "sseclient"]):
    from playground.errors import ParameterError, PlaygroundError
    from playground.event_stream import EventStream
    from playground.exchange import Exchange
    from playground.recording import Recording, read_recordings, write_recording
    from playground.replay import Tape, replay, replay_endpoint, replay_request
    from playground.wire import Cancel, Cancelled

OPENING = b'{"recording": 1, "made": "2026-11-22T01:02:03Z", "endpoint": {"provider": "qianfan"}, "request": null}\n'
SEEDS = (
    OPENING + b'{"response": {"status": 200, "headers": {}}, "at": 0.2}\n{"event": "data: {\\"result\\":\\"a\\",\\"is_end\\":true}\\n\\n", "at": 1}\n'
    b'{"end": "finished", "at": 1, "kept": 1, "dropped": 0}\n',
    OPENING + b'{"response": {"status": 502}}\n{"body": "<html>\\udcff"}\n{"end": "failed", "at": 1, "error": "x", "lost": true}\n',
    b'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {"result":"a"}\r\n\r\n{"error_code":336100}\r\n',
    b'data: {"choices":[{"text":"a","finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    b'{"result": "Bearer abc\\"", "api_key": "hush", "usage": {"total_tokens": 1}}',
    b"\xef\xbb\xbf: ping\n\nevent: x\r\rdata: caf\xe9\n\n",
)
WORDS = (
    "data:", "event:", ": ", "\n", "\r\n", "\r", '{"', '":', "recording", "response", "event", "body", "end", "status", "headers", "at", "finished",
    "stopped", "cut", "failed", "dropped", "lost", "error", "reason", "request", "url", "method", "result", "is_end", "error_code", "choices", "text",
    "finish_reason", "usage", "queue_place", "[DONE]", "HTTP/1.1 200 OK", "Content-Type: ", "text/event-stream", "Bearer ", "access_token=", "api_key",
    r"\udc80", r"\ud83d", "NaN", "1e999", "true", "null", "[[", "{}",
)


def written(recordings: list[Recording]) -> bytes:
    return "".join(line for recording in recordings for line in write_recording(recording)).encode()


def read(content: bytes) -> None:
    """A file is read or refused; what was read is written, and from then on stays the same; and it can be played."""
    try:
        found = read_recordings(content)
    except ParameterError:
        return
    once = written(found)
    assert written(read_recordings(once)) == once, "changed when it was written again"
    for recording in found[:3]:
        play(recording)


def play(recording: Recording) -> None:
    exchange = Exchange()
    try:
        endpoint = replay_endpoint(recording)
        replay_request(recording, endpoint)
        for _ in replay(recording, endpoint.provider, Tape(0), Cancel(), exchange):
            pass
    except (PlaygroundError, Cancelled):
        pass
    kept = b"".join(event.content for event in exchange.events)
    assert b"".join(event.content for event in recording.events).startswith(kept), "other bytes were kept than played"


def parse(content: bytes) -> None:
    """Wherever a stream is cut, its events are the same, and their bytes together are the stream."""
    cut = content[0] if content else 0
    stream = content[1:]
    whole, pieces = events([stream]), events([stream[start : start + cut + 1] for start in range(0, len(stream), cut + 1)])
    assert [data for data, _ in whole if data] == [data for data, _ in pieces if data], "the cut changed the events"
    assert b"".join(raw for _, raw in whole) == stream, "bytes were lost"


def events(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    kept: list[bytes] = []
    with suppress(PlaygroundError):
        for data in EventStream(pieces, kept.append).events():
            found.append((data, kept.pop()))
    return found + [("", raw) for raw in kept]


def one(content: bytes) -> None:
    (parse if content[:1] == b"s" else read)(content[1:])


def main() -> None:
    """Run until libFuzzer's options end it, from the seeds above."""
    with tempfile.TemporaryDirectory() as place:
        for number, seed in enumerate(SEEDS):
            Path(place, f"read-{number}").write_bytes(b"r" + seed)
            Path(place, f"stream-{number}").write_bytes(b"s\x03" + seed)
        words = Path(place, "words.dict")
        words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"\n' for word in WORDS), encoding="ascii")
        options = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=8192", f"-dict={words}"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[1:], place], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
