"""The database: SQLite in one file by default, PostgreSQL by its address; the same statements for both."""

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Table, cast, create_engine, event, extract, func, insert, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from playground.errors import ConfigurationError
from playground.message import message
from playground.redaction import Secret
from playground.tables import facts

MIGRATIONS = Path(__file__).parent / "migrations"
# The newest of `migrations/versions`: a database that stands there is opened without looking for more.
NEWEST = "0003"
_BUSY = 30.0  # seconds one writer waits for another
_LOCK = 4_207_849_113  # PostgreSQL's name for "only one of us migrates"
# What a statement was given is somebody's text, and no part of an error.
_ENGINE: dict[str, Any] = {"pool_size": 8, "max_overflow": 24, "hide_parameters": True}
_log = logging.getLogger(__name__)


class Database:
    """One open database. `connect` reads, `begin` is one transaction that writes; both may be called from any thread."""

    def __init__(self, url: Secret) -> None:
        """Open it and bring it to the newest form. Raises `ConfigurationError`, with what to do."""
        self._url = _address(url)
        self.dialect = self._url.get_backend_name()
        self._writing = threading.Lock()
        if self._url.password:
            self._password = Secret(str(self._url.password))
        try:
            if self.dialect == "sqlite":
                Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
                arguments: dict[str, Any] = {"timeout": _BUSY, "check_same_thread": False}
                self.engine = create_engine(self._url, connect_args=arguments, **_ENGINE)
                event.listen(self.engine, "connect", _prepare)
                event.listen(self.engine, "begin", _begin)
            else:
                # A statement is planned each time for the values it has: how common a word is decides how it is found.
                arguments = {"connect_timeout": 10, "prepare_threshold": None}
                self.engine = create_engine(self._url, pool_pre_ping=True, connect_args=arguments, **_ENGINE)
            self._migrate()
        except (SQLAlchemyError, OSError) as error:
            _log.error("The database cannot be opened: %s", type(error).__name__)
            raise ConfigurationError(
                message("The database cannot be opened; nothing is kept: no history, no links."),
                message("See that DATABASE_URL names a file that may be written, or a PostgreSQL server that runs, and start again."),
            ) from error

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection to read with."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: all of it happens, or nothing. SQLite has one writer at a time, and the next one waits for it."""
        if self.dialect != "sqlite":
            with self.engine.begin() as connection:
                yield connection
            return
        with self._writing, self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def agreed(self, name: str) -> str:
        """Return a random text that every server of this database shares, made by whoever asks first."""
        wanted = select(facts.c.value).where(facts.c.name == name)
        with self.connect() as connection:
            found = connection.execute(wanted).scalar()
        if found is None:
            try:
                with self.begin() as connection:
                    connection.execute(insert(facts).values(name=name, value=secrets.token_hex(32)))
            except IntegrityError:
                pass  # another server was first
            with self.connect() as connection:
                found = connection.execute(wanted).scalar_one()
        return str(found)

    def add_once(self, connection: Connection, table: Table, **values: Any) -> None:
        """Add a row, unless one with its key is there."""
        connection.execute(insertion(connection, table).values(**values).on_conflict_do_nothing())

    def clock(self) -> ColumnElement[float]:
        """Seconds since 1970 by the clock of the database, which all its servers share, for use in a statement."""
        if self.dialect == "sqlite":
            return (func.julianday("now", type_=Float) - 2440587.5) * 86400.0
        return cast(extract("epoch", func.clock_timestamp()), Float)

    def answers(self) -> bool:
        """Whether it can be reached now."""
        try:
            with self.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def _migrate(self) -> None:
        stands_at = self._stands_at()
        if stands_at == NEWEST:
            return
        if stands_at is not None and stands_at > NEWEST:
            self.close()
            raise ConfigurationError(
                message("The database was made by a newer version of this playground, so nothing is kept."),
                message("Update this one, or name another database in DATABASE_URL, and start again."),
            )
        # Alembic takes a while to import, and is needed once in a database's life.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.begin() as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:name)"), {"name": _LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _stands_at(self) -> str | None:
        with self.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _address(url: Secret) -> URL:
    """Read an address as hosting services write them."""
    try:
        made = make_url(url.reveal())
        if made.get_backend_name() == "sqlite" and ("\0" in (made.database or "") or made.database in (None, "", ":memory:")):
            raise ValueError("an SQLite without a file cannot be shared by threads")
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(
            message("DATABASE_URL is not the address of a database; nothing is kept."),
            message("Use sqlite:///path/to/file or postgresql://user:password@host/name, and start again."),
        ) from error
    if made.get_backend_name() in ("postgres", "postgresql"):
        return made.set(drivername="postgresql+psycopg")
    if made.get_backend_name() == "sqlite":
        return made.set(drivername="sqlite")
    raise ConfigurationError(
        message("DATABASE_URL names a kind of database that is not known here: {kind}.", kind=made.get_backend_name()),
        message("Use sqlite:///path/to/file or postgresql://user:password@host/name, and start again."),
    )


def _prepare(connection: Any, _record: Any) -> None:
    """Set up a connection to SQLite: readers beside a writer, and transactions that begin when we say so."""
    connection.isolation_level = None
    for line in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", f"busy_timeout = {_BUSY * 1000:.0f}"):
        connection.execute(f"PRAGMA {line}")
    # Its own knows ASCII alone.
    connection.create_function("lower", 1, lambda text: text.lower() if isinstance(text, str) else text, deterministic=True)


def _begin(connection: Connection) -> None:
    """Whoever will write asks for the right at once: who reads first and writes later may find that somebody else has."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def insertion(connection: Connection, table: Table) -> Any:
    """Return an INSERT that can say what to do on a conflict, which the two databases write differently.

    Only the one that is there is imported: PostgreSQL's part takes as long as a tenth of the start.
    """
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert(table)


def now() -> float:
    """Seconds since 1970, as the tables hold them."""
    return time.time()
