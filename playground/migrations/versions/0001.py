"""Runs and their sentences, and the servers that keep them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite's index of words: every three characters that follow each other. It holds no text, and the triggers keep it in step. Two characters
# more stand behind each text, so that its last ones begin a term as well: a shorter word is found by the terms that begin with it.
_WORDS = "CREATE VIRTUAL TABLE runs_words USING fts5(prompt, text, note, content='runs_words_content', content_rowid='place', tokenize='trigram')"
_ADD = (
    "INSERT INTO runs_words(rowid, prompt, text, note)"
    " VALUES (new.place, new.prompt || char(3, 3), new.text || char(3, 3), new.note || char(3, 3));"
)
_REMOVE = (
    "INSERT INTO runs_words(runs_words, rowid, prompt, text, note)"
    " VALUES ('delete', old.place, old.prompt || char(3, 3), old.text || char(3, 3), old.note || char(3, 3));"
)
_IN_STEP = (
    "CREATE VIEW runs_words_content AS"
    " SELECT place, prompt || char(3, 3) AS prompt, text || char(3, 3) AS text, note || char(3, 3) AS note FROM runs",
    "CREATE VIRTUAL TABLE runs_words_terms USING fts5vocab('runs_words', 'row')",
    f"CREATE TRIGGER runs_words_added AFTER INSERT ON runs BEGIN {_ADD} END",
    f"CREATE TRIGGER runs_words_changed AFTER UPDATE OF place, prompt, text, note ON runs BEGIN {_REMOVE} {_ADD} END",
    f"CREATE TRIGGER runs_words_erased AFTER DELETE ON runs BEGIN {_REMOVE} END",
)
# The same on PostgreSQL, and every two Chinese characters that follow each other, which is how long most words are that have any.
_TRIGRAMS = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
_ALL = "prompt || '\n' || text || '\n' || note"
_INDEX = f"CREATE INDEX runs_words ON runs USING gin (({_ALL}) gin_trgm_ops) WITH (fastupdate = off)"
_PAIRS = (
    """
    CREATE FUNCTION runs_pairs(whole text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT CASE WHEN octet_length(whole) = char_length(whole) THEN '{}' ELSE (
            SELECT coalesce(array_agg(DISTINCT (one || next) COLLATE "C"), '{}')
            FROM (SELECT string_to_array(whole, NULL) AS characters) AS cut, unnest(characters, characters[2:]) AS pairs(one, next)
            WHERE one COLLATE "C" >= U&'\\2E80' AND next COLLATE "C" >= U&'\\2E80'
        ) END
    $$
    """,
    f"CREATE INDEX runs_words_pairs ON runs USING gin (runs_pairs({_ALL})) WITH (fastupdate = off)",
)


def upgrade() -> None:
    op.create_table("facts", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text, nullable=False))
    op.create_table(
        "servers", sa.Column("id", sa.String(32), primary_key=True), sa.Column("began", sa.Float, nullable=False),
        sa.Column("seen", sa.Float, nullable=False), sa.Column("process", sa.String(200)),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("place", sa.BigInteger, nullable=False, unique=True),
        sa.Column("kept", sa.Float, nullable=False),
        sa.Column("visitor", sa.String(64), nullable=False),
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("parent", sa.String(32)),
        sa.Column("demo", sa.String(32)),
        sa.Column("started", sa.Float, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("endpoint_name", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False, server_default=""),
        sa.Column("sentences", sa.Integer, nullable=False, server_default="0"),
        sa.Column("characters", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_after", sa.Float),
        sa.Column("ended_after", sa.Float),
        sa.Column("ending", sa.String(16)),
        sa.Column("reason", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("prompt_tokens", sa.BigInteger),
        sa.Column("completion_tokens", sa.BigInteger),
        sa.Column("total_tokens", sa.BigInteger),
        sa.Column("safety", sa.String(16)),
        sa.Column("cost", sa.Text),
        sa.Column("note", sa.Text, nullable=False, server_default=""),
        sa.Column("starred", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("deleted", sa.Float),
    )
    op.create_index("runs_listed", "runs", ["visitor", "place", "deleted", "ending", "starred"])
    op.create_index("runs_endpoints", "runs", ["visitor", "endpoint_name", "place"])
    for name, columns, where in (
        ("runs_noted", ["visitor", "place"], "note <> ''"),
        ("runs_going", ["server"], "ending IS NULL"),
        ("runs_deleted", ["deleted"], "deleted IS NOT NULL"),
    ):
        op.create_index(name, "runs", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index("runs_kept", "runs", ["kept"])
    op.create_table(
        "sentences",
        sa.Column("run", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("arrived", sa.Float, nullable=False),
        sa.Column("rest", sa.Text),
    )
    _index_words(op.get_bind())


def _index_words(connection: sa.Connection) -> None:
    """Index every word where the database can: an SQLite may be too old, and an extension may need another's permission. Without, it is slower."""
    sqlite = connection.dialect.name == "sqlite"
    for statement in () if sqlite else _PAIRS:
        connection.exec_driver_sql(statement)
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(_WORDS if sqlite else _TRIGRAMS)
    except sa.exc.DBAPIError:
        return
    for statement in _IN_STEP if sqlite else (_INDEX,):
        connection.exec_driver_sql(statement)
