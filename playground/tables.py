"""What is kept on disk, table by table. Times are seconds since 1970, ids random; `playground.migrations` brings a database to this."""

import json
from typing import Any

from sqlalchemy import Boolean, Column, Dialect, Float, Integer, MetaData, String, Table, Text, false
from sqlalchemy.types import TypeDecorator

_ESCAPE = "\x1a"


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
    """Return a text as it stands in the database: U+0000, U+001A and half characters as U+001A and four hexadecimal digits."""
    if text.isprintable():
        return text
    return "".join(f"{_ESCAPE}{ord(one):04x}" if one in ("\0", _ESCAPE) or "\ud800" <= one <= "\udfff" else one for one in text)


def restored(text: str) -> str:
    """Return what `stored` was given."""
    first, *rest = text.split(_ESCAPE)
    return first + "".join(chr(int(part[:4], 16)) + part[4:] for part in rest)


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

# One row for each running process; `seen` is renewed while it lives.
servers = Table(
    "servers", METADATA, Column("id", String(32), primary_key=True), Column("began", Float, nullable=False), Column("seen", Float, nullable=False)
)

# One row for each run. `ending` is null while it goes on; `text` is whole once it has ended, before that it is in `sentences`.
runs = Table(
    "runs", METADATA,
    Column("id", String(32), primary_key=True),
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
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("total_tokens", Integer),
    Column("safety", String(16)),
    Column("cost", AnyJson),
    Column("note", AnyText, nullable=False, server_default=""),
    Column("starred", Boolean, nullable=False, server_default=false()),
    Column("deleted", Float),
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
