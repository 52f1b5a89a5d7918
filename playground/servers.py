"""The servers of one database: each shows that it lives, and sees which of the others do not any more."""

import os
import secrets
from pathlib import Path

from sqlalchemy import Connection, delete, select, update

from playground.database import Database, now
from playground.tables import servers

# Seconds after which a server that was not seen counts as gone.
UNSEEN = 5.0
# How long a process that runs may be kept from showing itself: by a long transaction of another, or a computer that slept.
_PROVEN = 60.0
_FORGOTTEN = 86400.0
_PROC = Path("/proc")


class Presence:
    """This process among the servers of a database. `id` is what its rows name it by."""

    def __init__(self, database: Database) -> None:
        self.id = secrets.token_hex(16)
        self._database = database
        self._process = process_mark(os.getpid())

    def enter(self, connection: Connection) -> None:
        """Be known: before anything is written in its name. Waits for nobody who is known already."""
        self._database.add_once(connection, servers, id=self.id, began=now(), seen=self._database.clock(), process=self._process)

    def show(self, connection: Connection) -> None:
        """Be seen now."""
        seen = update(servers).where(servers.c.id == self.id).values(seen=self._database.clock())
        if not connection.execute(seen).rowcount:
            self.enter(connection)
            connection.execute(delete(servers).where(servers.c.seen < now() - _FORGOTTEN))

    def leave(self, connection: Connection) -> None:
        """Be gone."""
        connection.execute(delete(servers).where(servers.c.id == self.id))

    def living(self, connection: Connection) -> list[str]:
        """Return the servers that live, this one among them. One whose process on this computer has ended is gone at once."""
        age = (self._database.clock() - servers.c.seen).label("age")
        rows = connection.execute(select(servers.c.id, servers.c.process, age)).all()
        return [self.id, *(row.id for row in rows if row.id != self.id and row.age < _patience(row.process))]


def _patience(process: str | None) -> float:
    """How long a server may have been unseen and still counts as living."""
    runs = still_runs(process) if process else None
    return UNSEEN if runs is None else _PROVEN if runs else 0.0


def process_mark(pid: int) -> str | None:
    """Return what tells a process of this computer from any other, before and after; `None` where that cannot be known, or it has ended."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink(_PROC / "self/ns/pid")
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else f"{boot} {space} {os.getuid()} {pid} {fields[18]}"


def still_runs(mark: str) -> bool | None:
    """Return whether the process of a mark still runs; `None` if that cannot be seen from here, as from another container."""
    own = process_mark(os.getpid())
    *place, pid, _ = mark.split(" ")
    if own is None or own.split(" ")[:-2] != place or not pid.isdigit():
        return None
    return process_mark(int(pid)) == mark
