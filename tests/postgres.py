"""A real PostgreSQL for tests: a server of our own in a temporary folder, reached through a socket there; nothing of the machine's is touched."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.chromium import postgres_programs

# The kinds of database that a test runs with; the quick tests make do without a server.
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
_PATIENCE = 60.0
# What a test never waits for: that a machine may lose its power.
_HASTE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=100", "shared_buffers=64MB")


class Postgres:
    """One server. It keeps what is in it while it is stopped and started again."""

    def __init__(self) -> None:
        folder = postgres_programs()
        assert folder is not None, "No PostgreSQL was found: python tests/chromium.py"
        self._programs = folder
        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(self._folder, "nobody")
            self._as = {"user": "nobody", "group": self._folder.stat().st_gid, "extra_groups": []}
        self._server: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self._folder / "data", "-U", "tester", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for setting in (*_HASTE, "listen_addresses=", f"unix_socket_directories={self._folder}") for part in ("-c", setting)]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._folder / "data", *options], stdout=log, stderr=log, cwd=self._folder, **self._as
            )
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self._address("postgres")).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < until and self._server.poll() is None, (self._folder / "log").read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop it at once; whoever is connected is thrown out."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(_PATIENCE)
            self._server = None

    def remove(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a new and empty database, as DATABASE_URL holds it."""
        name = f"test_{uuid4().hex}"
        self._say(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield self._address(name)
        self._say(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def _address(self, name: str) -> str:
        return f"postgresql://tester@/{name}?host={self._folder}"

    def _say(self, statement: Any) -> None:
        with psycopg.connect(self._address("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: object) -> None:
        subprocess.run([self._programs / program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **self._as)


@contextmanager
def running() -> Iterator[Postgres]:
    """A server while this lasts."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()
