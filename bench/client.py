"""The client alone: events a second through `Client.complete`, beside what else one would read such a stream with.

The endpoint is a process of its own (`python -m bench.client`) that sends prepared bytes as fast as the socket takes them. All read the
same answer in turns, round after round, and take the JSON of each event.
"""

import gc
import importlib
import json
import logging
import socket
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import requests
from sseclient import SSEClient

from bench.report import Section, Target, table
from playground.client import Client, Exchange
from playground.completion import CompletionRequest
from playground.credentials import AccessToken
from playground.endpoints import Endpoint
from playground.message import message
from playground.redaction import Secret
from playground.run import Runs
from playground.settings import Limits
from playground.wire import Cancel

EVENTS = 20_000
ROUNDS = 9
_TEXT = "北京 is sentence {:05} of all, "
_PATH = "/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/bench"
_TOKEN = "24.0123456789abcdef0123456789abcdef.2592000.1700000000.282335-12345678"  # noqa: S105 - of nothing
Read = Callable[[str], int]


def stream() -> bytes:
    """An answer as Qianfan streams it."""
    usage = {"prompt_tokens": 5, "completion_tokens": 7}
    events = (
        {"id": "as-0123456789", "object": "completion", "created": 1, "sentence_id": number, "is_end": number == EVENTS - 1,
         "result": _TEXT.format(number), "is_safe": 1, "usage": {**usage, "total_tokens": 12 + 7 * number}}
        for number in range(EVENTS)
    )
    return b"".join(b"data: %s\n\n" % json.dumps(event, ensure_ascii=False).encode() for event in events)


def serve() -> None:
    """Answer each connection with the stream, one at a time."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + stream()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with suppress(ConnectionError), connection, connection.makefile("rb") as request:
                length = 0
                while line := request.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                request.read(length)
                connection.sendall(answer)


@contextmanager
def server() -> Iterator[str]:
    """Run the endpoint; yields its base URL."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip() if process.stdout else ''}"
        finally:
            process.terminate()


def raw(base: str) -> int:
    """The floor: a socket, a split at blank lines, `json.loads`."""
    count = 0
    with socket.create_connection((urlsplit(base).hostname, urlsplit(base).port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _, _, rest = connection.recv(65536).partition(b"\r\n\r\n")
        while piece := connection.recv(65536):
            *events, rest = (rest + piece).split(b"\n\n")
            for event in events:
                if event.startswith(b"data: "):
                    count += bool(json.loads(event[6:]))
    return count


def lines(base: str) -> int:
    """As most examples on the web do it."""
    with requests.get(base + _PATH, stream=True, timeout=30) as response:
        return sum(bool(json.loads(line[6:])) for line in response.iter_lines() if line.startswith(b"data: "))


def events_of_response(base: str) -> int:
    """As the README of sseclient-py does it."""
    with requests.get(base + _PATH, stream=True, timeout=30) as response:
        return sum(bool(json.loads(event.data)) for event in SSEClient(response).events())  # type: ignore[arg-type]


def events_of_pieces(base: str) -> int:
    """As sseclient-py can be used by who has seen that a response is read by 128 bytes."""
    with requests.get(base + _PATH, stream=True, timeout=30) as response:
        return sum(bool(json.loads(event.data)) for event in SSEClient(response.iter_content(None)).events())  # type: ignore[arg-type]


def httpx_events() -> Read | None:
    """As the README of httpx-sse does it; nothing where that is not installed."""
    try:
        httpx, httpx_sse = importlib.import_module("httpx"), importlib.import_module("httpx_sse")
    except ImportError:
        return None

    def read(base: str) -> int:
        with httpx.Client(trust_env=False) as client, httpx_sse.connect_sse(client, "GET", base + _PATH) as source:
            return sum(bool(event.json()) for event in source.iter_sse())

    return read


def sdk() -> Read | None:
    """Baidu's own; nothing where it is not installed."""
    try:
        qianfan = importlib.import_module("qianfan")
    except ImportError:
        return None
    logging.getLogger("qianfan").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", ResourceWarning)

    def read(base: str) -> int:
        settings = qianfan.get_config()
        settings.BASE_URL, settings.ACCESS_TOKEN, settings.DISABLE_EB_SDK = base, _TOKEN, True
        return sum(bool(part["body"]) for part in qianfan.Completion().do(prompt="x", endpoint="bench", stream=True))

    return read


def ours(base: str) -> int:
    """The client that the playground uses."""
    return sum(1 for _ in Client().complete(_endpoint(base), _REQUEST, Cancel(), Exchange()))


def run(base: str) -> int:
    """A whole run of the playground, its thread and its limits included."""
    going = Runs(Client(), Limits()).start(_endpoint(base), _REQUEST, "x")
    going.wait(60)
    return len(going.sentences)


_REQUEST = CompletionRequest(prompt="x", parameters={"stream": True})


def _endpoint(base: str) -> Endpoint:
    return Endpoint(name="x", title="x", group="x", note=message("x"), base_url=base, path="bench", credentials=AccessToken(token=Secret(_TOKEN)))


def measure() -> Section:
    """Read the stream with each, in turns; the figures are medians."""
    readers: dict[str, Read | None] = {
        "raw socket + `json.loads`": raw, "`requests.iter_lines`": lines, "sseclient-py over `iter_content(None)`": events_of_pieces,
        "sseclient-py as its README uses it": events_of_response, "httpx-sse": httpx_events(), "Baidu's `qianfan` SDK": sdk(),
        "ours: `Client.complete`": ours, "ours: a whole run": run,
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name, read in readers.items() if read}
    with server() as base:
        for number in range(-1, ROUNDS):
            gc.collect()
            gc.freeze()  # what one of them imported is not for another's garbage collection to walk through
            for name, read in readers.items():
                if read is None:
                    continue
                wall, busy = time.perf_counter(), time.process_time()
                count = read(base)
                if number >= 0:  # the first round is for what is imported or remembered once
                    times[name].append((time.perf_counter() - wall, time.process_time() - busy))
                if count != EVENTS:
                    raise AssertionError(f"{name}: {count} events of {EVENTS}")
    wall_of = {name: statistics.median(wall for wall, _ in values) for name, values in times.items()}
    busy_of = {name: statistics.median(busy for _, busy in values) for name, values in times.items()}
    floor = busy_of["raw socket + `json.loads`"]
    rows = [(name, f"{EVENTS / wall_of[name]:,.0f}", busy_of[name] / EVENTS * 1e6, busy_of[name] / floor) if name in times
            else (name, "not installed", "", "") for name in readers]
    mine = wall_of["ours: `Client.complete`"]
    targets = [
        Target(words=f"The client's events/s ÷ {name}", measured=wall_of[key] / mine, limit=limit, least=True,
               why="of its time a third is the JSON, a quarter reading the protocol out of it, a fifth keeping each event without secrets")
        for name, key, limit in (("Baidu's SDK's", "Baidu's `qianfan` SDK", 3.0), ("sseclient-py's", "sseclient-py as its README uses it", 0.9))
        if key in times
    ]
    body = (
        f"{EVENTS:,} events of {len(stream()) // EVENTS} bytes over loopback, medians of {ROUNDS} rounds. All but the floor speak HTTP; ours checks\n"
        "what it reads as well: bounds, UTF-8, the protocol's errors and end mark, the run's own secrets; and keeps each event as it came.\n\n"
        + table(("", "events/s", "CPU µs an event", "÷ raw"), rows)
    )
    return Section(title="The client alone", targets=targets, body=body)


if __name__ == "__main__":
    serve()
