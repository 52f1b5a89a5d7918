"""What is kept on disk, table by table. Times are seconds since 1970, ids random; `playground.migrations` brings a database to this."""

import json
import re
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Float, Index, Integer, MetaData, String, Table, Text, false
from sqlalchemy.types import TypeDecorator

# Begins what stands for a character that databases do not take: one of the last plane for private use follows.
ESCAPE = "\x1a"
_STANDS_IN = 0xF0000
_NOT_TAKEN = re.compile("[\0\x1a\ud800-\udfff]")


class AnyText(TypeDecorator[str]):
    """Any text a model or a person can make. Databases take neither U+0000 nor half a character, so these are written as escapes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write a text down."""
        return None if value is None else stored(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Read it again, exactly as it was."""
        return None if value is None else restored(value)


def stored(text: str) -> str:
    """Return a text as it stands in the database: U+0000, U+001A and half characters as U+001A and a character that nobody types."""
    return text if text.isprintable() else _NOT_TAKEN.sub(lambda found: ESCAPE + chr(_STANDS_IN + ord(found.group())), text)


def restored(text: str) -> str:
    """Return what `stored` was given."""
    first, *rest = text.split(ESCAPE)
    return first + "".join(chr(ord(part[0]) - _STANDS_IN) + part[1:] for part in rest)


class AnyJson(TypeDecorator[Any]):
    """JSON whose texts may hold anything: it is kept in ASCII, so that only U+0000 needs care, which PostgreSQL's own JSON refuses."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write a value down."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read it again."""
        return None if value is None else json.loads(value)


METADATA = MetaData()

# What every server of this database must agree on.
facts = Table("facts", METADATA, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))

# One row for each running process; `seen` is renewed while it lives, by the clock of the database. `process` finds it on its own computer.
servers = Table(
    "servers", METADATA,
    Column("id", String(32), primary_key=True),
    Column("began", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("process", String(200)),
)

# One row for each run. `ending` is null while it goes on; `text` is whole once it has ended, before that it is in `sentences`.
# `place` is where it stands in time: microseconds, or after others where that is taken; `kept` is since when it is here, which an import makes another.
# What words stand in it is found by `runs_words`, which the migration makes: what it is depends on the database. So do the rows that an index
# leaves out (`where`): to say it here in the words of both would import both.
runs = Table(
    "runs", METADATA,
    Column("id", String(32), primary_key=True),
    Column("place", BigInteger, nullable=False, unique=True),
    Column("kept", Float, nullable=False),
    Column("visitor", String(64), nullable=False),
    Column("server", String(32), nullable=False),
    Column("parent", String(32)),
    Column("demo", String(32)),
    Column("started", Float, nullable=False),
    Column("endpoint", AnyJson, nullable=False),
    Column("endpoint_name", Text, nullable=False),
    Column("prompt", AnyText, nullable=False),
    Column("parameters", AnyJson, nullable=False),
    Column("text", AnyText, nullable=False, server_default=""),
    Column("sentences", Integer, nullable=False, server_default="0"),
    Column("characters", Integer, nullable=False, server_default="0"),
    Column("first_after", Float),
    Column("ended_after", Float),
    Column("ending", String(16)),
    Column("reason", AnyJson),
    Column("error", AnyJson),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("total_tokens", BigInteger),
    Column("safety", String(16)),
    Column("cost", AnyJson),
    Column("note", AnyText, nullable=False, server_default=""),
    Column("starred", Boolean, nullable=False, server_default=false()),
    Column("deleted", Float),
    Index("runs_listed", "visitor", "place", "deleted", "ending", "starred"),
    Index("runs_endpoints", "visitor", "endpoint_name", "place"),
    Index("runs_noted", "visitor", "place", info={"where": "note <> ''"}),
    Index("runs_going", "server", info={"where": "ending IS NULL"}),
    Index("runs_deleted", "deleted", info={"where": "deleted IS NOT NULL"}),
    Index("runs_kept", "kept"),
)

# The events of an answer, in order; `rest` is what an event said beside its text.
sentences = Table(
    "sentences", METADATA,
    Column("run", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("text", AnyText, nullable=False),
    Column("arrived", Float, nullable=False),
    Column("rest", AnyJson),
)

# What visitors share by a link. `content` is null once nobody can open it any more.
shared = Table(
    "shared", METADATA,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("visitor", String(64), nullable=False),
    Column("made", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
    Column("opens", Integer, nullable=False, server_default="0"),
    Column("title", AnyText, nullable=False),
    Column("excerpt", AnyText, nullable=False),
    Column("size", Integer, nullable=False),
    Column("content", AnyJson),
    Index("shared_visitor", "visitor", "made"),
    Index("shared_expires", "expires"),
)


def _books() -> list[Column[int]]:
    """What is used up, and what is held for runs that go on. Money is counted in billionths, so that it adds up exactly."""
    kinds = ("runs", "tokens", "money")
    return [Column(f"{kind}_{state}", BigInteger, nullable=False, server_default="0") for state in ("used", "held") for kind in kinds]


# One row for each demo link: what it offers, its caps in all and for each visitor (none is null), and its books.
demos = Table(
    "demos", METADATA,
    Column("id", String(32), primary_key=True),
    Column("made", Float, nullable=False),
    Column("title", AnyText, nullable=False),
    Column("endpoints", AnyJson, nullable=False),
    Column("ranges", AnyJson, nullable=False),
    Column("prefix", AnyText, nullable=False),
    Column("tokens_per_run", Integer, nullable=False),
    Column("currency", String(3)),
    Column("runs_cap", BigInteger),
    Column("tokens_cap", BigInteger),
    Column("money_cap", BigInteger),
    Column("runs_each", BigInteger),
    Column("tokens_each", BigInteger),
    Column("money_each", BigInteger),
    Column("expires", Float),
    Column("stopped", Float),
    *_books(),
)

# A visitor's books at one demo link.
demo_visitors = Table(
    "demo_visitors", METADATA, Column("demo", String(32), primary_key=True), Column("visitor", String(64), primary_key=True), *_books()
)

# What is held for a run that goes on, and by which server; the row goes when the run is settled.
reservations = Table(
    "reservations", METADATA,
    Column("id", String(32), primary_key=True),
    Column("demo", String(32), nullable=False, index=True),
    Column("visitor", String(64), nullable=False),
    Column("server", String(32), nullable=False),
    Column("made", Float, nullable=False),
    Column("runs", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("money", BigInteger, nullable=False),
)

# When a visitor, or an address, would have all its tries back.
rates = Table("rates", METADATA, Column("key", String(64), primary_key=True), Column("due", Float, nullable=False, index=True))

# How often something was refused, by demo link (empty: without one) and reason.
refusals = Table(
    "refusals", METADATA, Column("demo", String(32), primary_key=True), Column("reason", String(16), primary_key=True),
    Column("times", BigInteger, nullable=False), Column("last", Float, nullable=False),
)
