"""The database: brought to its newest form by whoever comes first, any text comes back as it was, and what cannot be opened says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from playground.database import Database
from playground.errors import ConfigurationError
from playground.redaction import Secret
from playground.tables import METADATA, facts, restored, sentences, stored

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
NASTY = [
    "", "\0", "\x1a", "\x1a0000", "a\0b\x1a\ud83d", "\ud83d\ude00", "\ude00\ud83d", "😀", "\U000f0000\x1a\U000f0000", "\r\n\t", "𝔘𝔫𝔦 你好\u2028",
    "'; DROP TABLE runs; --", "%_\\",
]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def database(database_url):
    opened = Database(Secret(database_url))
    yield opened
    opened.close()


def test_the_migrations_make_what_the_tables_say(database):
    with database.connect() as connection:
        # What finds words is made by the migration alone, as each database can.
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": lambda _one, name, *_rest: not str(name).startswith("runs_words")}
        )
        assert compare_metadata(context, METADATA) == []


def test_a_database_that_is_there_is_opened_with_all_it_has(database, database_url):
    made = database.agreed("salt")
    again = Database(Secret(database_url))
    assert (again.agreed("salt"), len(made)) == (made, 64)
    assert again.agreed("another") != made
    again.close()


@pytest.mark.slow
def test_servers_that_start_together_on_an_empty_database_agree(database_url):
    script = f"from playground.database import Database\nfrom playground.redaction import Secret\nprint(Database(Secret({database_url!r})).agreed('x'))"
    started = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [one.communicate(timeout=60) for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], said
    assert len({out for out, _ in said}) == 1


@given(ANY_TEXT)
def test_any_text_is_written_as_one_that_every_database_takes(text):
    written = stored(text)
    assert "\0" not in written and written.encode().decode() == written
    assert restored(written) == text


@pytest.mark.parametrize("text", NASTY)
def test_any_text_comes_back_as_it_was(database, text):
    rest = {text: [text, None, 1.5, {"x": True}]}
    with database.begin() as connection:
        connection.execute(insert(sentences).values(run="r", number=0, text=text, arrived=0.1 + 0.2, rest=rest))
    with database.connect() as connection:
        row = connection.execute(select(sentences)).one()
    assert (row.text, row.arrived) == (text, 0.1 + 0.2)
    assert row.rest == json.loads(json.dumps(rest)), "in JSON two halves of a character are one"


def test_a_transaction_is_all_or_nothing(database):
    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        connection.execute(insert(facts).values(name="x", value="y"))
        raise ZeroDivisionError
    with database.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(facts).where(facts.c.name == "x")) == 0


def test_the_clock_of_the_database_goes_with_this_one(database):
    with database.connect() as connection:
        first = connection.scalar(select(database.clock()))
        assert 1.7e9 < first <= connection.scalar(select(database.clock())) < 1e10


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://somebody:hidden-word@host/x", "mysql"), ("not an address hidden-word", "not the address"),
        ("postgresql://somebody:hidden-word@host:port/x", "not the address"), ("sqlite:///hidden-word\0", "not the address"),
        ("sqlite://", "not the address"), ("sqlite:///:memory:", "not the address"),
        ("sqlite:////proc/hidden-word/x.sqlite3", "cannot be opened"), ("postgresql://somebody:hidden-word@127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do_and_no_secret(address, words, caplog):
    with pytest.raises(ConfigurationError, match=words) as caught:
        Database(Secret(address))
    assert "DATABASE_URL" in f"{caught.value.message} {caught.value.remedy}"
    assert "hidden-word" not in f"{caught.value.message} {caught.value.remedy} {caplog.text}"


def test_a_database_of_a_newer_version_is_left_alone_and_says_so(database, database_url):
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))
    with pytest.raises(ConfigurationError, match="newer version") as caught:
        Database(Secret(database_url))
    assert "DATABASE_URL" in str(caught.value.remedy)


def test_what_a_statement_was_given_is_no_part_of_an_error(database):
    with pytest.raises(IntegrityError) as caught, database.begin() as connection:
        connection.execute(insert(facts), [{"name": "x", "value": "somebody's text"}] * 2)
    assert "somebody's text" not in str(caught.value)


@pytest.mark.slow
def test_a_server_that_went_away_is_reached_again(postgres):
    with postgres.fresh() as address:
        database = Database(Secret(address))
        postgres.stop()
        try:
            assert not database.answers()
        finally:
            postgres.start()
        assert database.answers()
        database.close()
