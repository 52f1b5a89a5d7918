"""The client alone: events a second through `Client.complete`, against the least one can do with a socket and `json.loads`."""

import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playground.client import Client, Exchange
from playground.completion import CompletionRequest
from playground.credentials import AccessToken
from playground.endpoints import Endpoint
from playground.message import message
from playground.redaction import Secret
from playground.wire import Cancel

EVENTS = 20_000


@contextmanager
def server() -> Iterator[str]:
    """Send the same stream to whoever connects, as fast as the socket takes it."""
    event = {"id": "as-0123456789", "object": "completion", "created": 1, "sentence_id": 0, "is_end": False,
             "result": "thirty characters of a sentence", "is_safe": 1, "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}}
    last = {**event, "is_end": True}
    text = f"data: {json.dumps(event)}\n\n" * (EVENTS - 1) + f"data: {json.dumps(last)}\n\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + text.encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    received = b""
                    while b"\r\n\r\n" not in received or (b'{"prompt"' not in received and b"Length: 0" not in received):
                        received += connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def raw(base: str) -> int:
    """The floor: a socket, a split at blank lines, `json.loads`."""
    parts = urlsplit(base)
    count = 0
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        rest = b""
        while piece := connection.recv(65536):
            *lines, rest = (rest + piece).split(b"\n\n")
            for line in lines:
                if line.startswith(b"data: "):
                    count += bool(json.loads(line[6:]))
    return count


def ours(base: str) -> int:
    """The client that the playground uses."""
    endpoint = Endpoint(name="x", title="x", group="x", note=message("x"), base_url=base, path="x",
                        credentials=AccessToken(token=Secret("24.benchmark")))
    request = CompletionRequest(prompt="x", parameters={"stream": True})
    return sum(1 for _ in Client().complete(endpoint, request, Cancel(), Exchange()))


def main() -> None:
    """Print events a second of both, and the ratio of their times."""
    with server() as base:
        times: dict[str, list[float]] = {"raw": [], "ours": []}
        for _ in range(5):
            for name, read in (("raw", raw), ("ours", ours)):
                start = time.perf_counter()
                read(base)
                times[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(values) for name, values in times.items()}
    for name, value in middle.items():
        print(f"{name:6}{EVENTS / value:12,.0f} events/s")
    print(f"ours ÷ raw = {middle['ours'] / middle['raw']:.1f}")
