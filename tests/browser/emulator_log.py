"""What the emulator saw since a moment. It keeps no bodies where people are served; what was sent is what the endpoint `echo` answers."""

import time
from collections.abc import Callable
from typing import Any

import requests

PATIENCE = 30.0
Entry = dict[str, Any]


class EmulatorLog:
    """The emulator's log over HTTP, from the making of this object on."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._before = {row["id"] for row in self._rows()}

    def entries(self) -> list[Entry]:
        """Return the completion requests since then, oldest first."""
        return [row for row in self._rows() if row["id"] not in self._before]

    def begun(self) -> Entry:
        """Wait until one request has come, and return it."""
        return self._wait(lambda rows: len(rows) == 1)

    def ended(self) -> Entry:
        """Wait until the one request has ended, and return it."""
        return self._wait(lambda rows: len(rows) == 1 and rows[0]["ending"] is not None)

    def _rows(self) -> list[Entry]:
        return list(requests.get(self.url + "/_emulator/log", timeout=20).json())

    def _wait(self, done: Callable[[list[Entry]], bool]) -> Entry:
        deadline = time.monotonic() + PATIENCE
        while not done(rows := self.entries()):
            assert time.monotonic() < deadline, rows
            time.sleep(0.02)
        return rows[0]
