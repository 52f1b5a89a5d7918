"""How often a visitor may ask: tries that come back evenly over a minute, counted in the database, so that all replicas count together.

Who asks is counted twice, by the mark in his signed cookie and by his address: a cookie can be thrown away, an address is shared.
Neither is kept: only a hash that the server's secret goes into. Without a database this process counts alone.
"""

import hashlib
import ipaddress
import logging
import secrets
import threading
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, case, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from playground.database import Database, now
from playground.errors import LimitReached
from playground.message import message
from playground.redaction import Secret
from playground.tables import rates

MINUTE = 60.0
# An address may be a school or an office.
ADDRESS_FACTOR = 3
# Whoever comes through a proxy that nobody told us of, or on an address that cannot be read, is counted together with all who do.
SHARED = "proxy"
_TIDY = 500
_log = logging.getLogger(__name__)
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")


class Rates:
    """The counts. `take` is one try of somebody who may be known by several names; it counts against all of them, or none."""

    def __init__(self, database: Database | None, secret: Secret) -> None:
        self._database = database
        self._secret = secret
        self._lock = threading.Lock()
        self._own: dict[str, float] = {}

    def take(self, counted: Iterable[tuple[str, float]], *, strict: bool = False) -> None:
        """Count a try against each name; with it stands how many tries a minute it has, 0 for no limit.

        Raises `LimitReached` where one has none left. Where the database cannot say, this process counts alone; with `strict` the
        try is refused.
        """
        wanted = sorted((self.key(name), MINUTE / tries) for name, tries in counted if tries > 0)
        if not wanted:
            return
        wait: float | None
        if self._database is None:
            wait = self._take_here(wanted)
        else:
            try:
                wait = self._take_there(self._database, wanted)
            except SQLAlchemyError as error:
                _log.error("The rates cannot be counted: %s", type(error).__name__)
                if strict:
                    raise LimitReached(
                        message("How often you have asked cannot be checked now, so nothing was sent."), message("Try again in a moment.")
                    ) from None
                wait = self._take_here(wanted)
        if wait is not None:
            raise LimitReached(
                message("You ask too often for this server."), message("Try again in {seconds} s.", seconds=max(1, round(wait + 0.5)))
            )

    def _take_there(self, database: Database, wanted: Sequence[tuple[str, float]]) -> float | None:
        try:
            with database.begin() as connection:
                for key, interval in wanted:
                    database.add_once(connection, rates, key=key, due=0.0)
                    self._count(connection, key, interval)
                if not secrets.randbelow(_TIDY):
                    connection.execute(delete(rates).where(rates.c.due < now() - MINUTE))
        except _Full as full:
            return full.wait
        return None

    def _count(self, connection: Connection, key: str, interval: float) -> None:
        """One statement looks and counts; raises `_Full`, which undoes the counts before it."""
        at = now()
        due = case((rates.c.due > at, rates.c.due), else_=at) + interval
        counted = connection.execute(update(rates).where(rates.c.key == key, rates.c.due <= at + MINUTE - interval).values(due=due))
        if not counted.rowcount:
            raise _Full(float(connection.execute(select(rates.c.due).where(rates.c.key == key)).scalar_one()) - (at + MINUTE - interval))

    def _take_here(self, wanted: Sequence[tuple[str, float]]) -> float | None:
        at = now()
        with self._lock:
            for key, interval in wanted:
                if (wait := self._own.get(key, 0.0) - (at + MINUTE - interval)) > 0:
                    return wait
            for key, interval in wanted:
                self._own[key] = max(self._own.get(key, 0.0), at) + interval
            if len(self._own) > _TIDY:
                self._own = {key: due for key, due in self._own.items() if due > at}
        return None

    def key(self, name: str) -> str:
        """Return what stands for a name in the database; without the server's secret it leads back to nothing."""
        return hashlib.sha256(f"{self._secret.reveal()}\0{name}".encode()).hexdigest()


class _Full(Exception):
    """No try is left; `wait` is in how many seconds one comes back."""

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait


def counted_address(peer: str | None, headers: Iterable[tuple[str, str]], proxies: int) -> str | None:
    """Return the address by which a visitor is counted; `None` for this computer itself.

    `peer` is the address of the connection (`None`: loopback), `proxies` how many proxies in front of us add to X-Forwarded-For. As many
    entries from its right are theirs, and the leftmost of those is the visitor; what stands before it he may have written himself. With
    0 no header is believed: the web server believes a loopback peer's, so a request with such a header is never this computer's own,
    and an address that only the header knows is not used. All who come that way are counted together. IPv6 counts by its /64.
    """
    sent = [(name.lower(), value) for name, value in headers]
    entries = [part.strip() for name, value in sent if name == "x-forwarded-for" for part in value.split(",")]
    if proxies > 0:
        return _network(entries[-proxies]) if len(entries) >= proxies else SHARED
    if any(name in _FORWARDED for name, _value in sent) and (peer is None or any(_network(entry) == _network(peer) for entry in entries)):
        return SHARED
    return None if peer is None else _network(peer)


def _network(address: str) -> str:
    """An address as it is counted. A port beside it, as some proxies write one, is no part of it."""
    text = address.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        read = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return SHARED
    if isinstance(read, ipaddress.IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(read) >> 64 << 64, 64)))
    return str(read)
