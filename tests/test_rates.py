"""How often a visitor may ask: the same count for all replicas, by mark and by address, and shut where it cannot be counted."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from playground.database import Database
from playground.errors import LimitReached
from playground.rates import ADDRESS_FACTOR, SHARED, Rates, counted_address
from playground.redaction import Secret
from playground.tables import rates

SECRET = Secret("a secret of these tests")


def tries(counts: Rates, *counted: tuple[str, float], of: int = 100) -> int:
    """How many of so many tries pass, one after another."""
    passed = 0
    for _ in range(of):
        try:
            counts.take(counted)
        except LimitReached:
            continue
        passed += 1
    return passed


@pytest.fixture
def database(database_url: str):
    opened = Database(Secret(database_url))
    yield opened
    opened.close()


def test_a_visitor_has_his_tries_and_another_has_his_own(database: Database):
    counts = Rates(database, SECRET)
    assert tries(counts, ("visitor a", 5)) == 5
    assert tries(counts, ("visitor b", 5)) == 5
    assert tries(counts, ("visitor c", 0), of=300) == 300


def test_tries_come_back_evenly(database: Database):
    counts = Rates(database, SECRET)
    assert tries(counts, ("visitor a", 6)) == 6
    with database.begin() as connection:  # as if 25 seconds had passed: two of the six, which come back every ten seconds
        connection.execute(update(rates).values(due=rates.c.due - 25))
    assert tries(counts, ("visitor a", 6)) == 2
    with database.begin() as connection:
        connection.execute(update(rates).values(due=rates.c.due - 10_000))
    assert tries(counts, ("visitor a", 6)) == 6


def test_replicas_count_together(database: Database, database_url: str):
    other = Database(Secret(database_url))
    places = [Rates(database, SECRET), Rates(other, SECRET)] * 4
    start = threading.Barrier(len(places))

    def ask(counts: Rates) -> int:
        start.wait()
        return tries(counts, ("visitor a", 20), of=10)

    with ThreadPoolExecutor(len(places)) as pool:
        assert sum(pool.map(ask, places)) == 20
    other.close()


def test_one_try_counts_against_every_name_or_none(database: Database):
    counts = Rates(database, SECRET)
    passed = [tries(counts, (f"visitor {number}", 60), ("address 1", 3), of=2) for number in range(4)]
    assert passed == [2, 1, 0, 0]
    assert tries(counts, ("visitor 0", 60)) == 58, "a refused try costs nothing"
    assert tries(counts, ("visitor 3", 60)) == 60


def test_a_refusal_says_when_to_come_back(database: Database):
    counts = Rates(database, SECRET)
    counts.take([("visitor a", 1)])
    with pytest.raises(LimitReached) as refused:
        counts.take([("visitor a", 1)])
    assert refused.value.remedy is not None and "Try again in" in str(refused.value.remedy)
    assert 55 <= int(refused.value.remedy.values["seconds"]) <= 61


def test_neither_mark_nor_address_is_kept(database: Database):
    Rates(database, SECRET).take([("visitor 0123", 5), ("address 203.0.113.9", 5)])
    with database.connect() as connection:
        keys = connection.execute(select(rates.c.key)).scalars().all()
    assert len(keys) == 2 and all(len(key) == 64 and "203" not in key.split("0123") for key in keys)
    assert Rates(database, Secret("another")).key("visitor 0123") not in keys


def test_where_nothing_can_be_counted_a_strict_try_is_refused_and_another_counts_here(database: Database):
    counts = Rates(database, SECRET)
    with database.begin() as connection:
        connection.execute(delete(rates))
        connection.execute(text("DROP TABLE rates"))
    with pytest.raises(LimitReached, match="cannot be checked"):
        counts.take([("visitor a", 5)], strict=True)
    assert tries(counts, ("visitor a", 5)) == 5


def test_without_a_database_this_process_counts_alone():
    counts = Rates(None, SECRET)
    assert tries(counts, ("visitor a", 5), ("address x", 5 * ADDRESS_FACTOR)) == 5
    assert tries(counts, ("visitor b", 60), ("address x", 5 * ADDRESS_FACTOR)) == 10


@pytest.mark.parametrize(
    ("peer", "headers", "proxies", "counted"),
    [
        (None, [], 0, None),
        ("203.0.113.9", [], 0, "203.0.113.9"),
        ("203.0.113.9", [("X-Forwarded-For", "198.51.100.1")], 0, "203.0.113.9"),
        # The web server itself believes a loopback peer's header: what only the header knows is not used.
        ("198.51.100.1", [("X-Forwarded-For", "198.51.100.1")], 0, SHARED),
        (None, [("X-Forwarded-For", "127.0.0.1")], 0, SHARED),
        (None, [("Forwarded", "for=198.51.100.1")], 0, SHARED),
        (None, [("X-Forwarded-For", "198.51.100.1")], 1, "198.51.100.1"),
        (None, [("X-Forwarded-For", "6.6.6.6, 198.51.100.1")], 1, "198.51.100.1"),
        (None, [("X-Forwarded-For", "6.6.6.6, 198.51.100.1, 10.0.0.7")], 2, "198.51.100.1"),
        (None, [("X-Forwarded-For", "6.6.6.6"), ("x-forwarded-for", "198.51.100.1")], 1, "198.51.100.1"),
        ("10.0.0.2", [("X-Forwarded-For", "198.51.100.1")], 2, SHARED),
        (None, [], 1, SHARED),
        (None, [("X-Forwarded-For", "nonsense")], 1, SHARED),
        (None, [("X-Forwarded-For", "198.51.100.1:4711")], 1, "198.51.100.1"),
        (None, [("X-Forwarded-For", "[2001:db8:1:2:3::4]:4711")], 1, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:aaaa:bbbb:cccc:dddd", [], 0, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", [], 0, "fe80::/64"),
        ("::ffff:203.0.113.9", [], 0, "203.0.113.9"),
    ],
)
def test_the_address_is_that_of_the_connection_or_what_a_trusted_proxy_wrote(peer, headers, proxies, counted):
    assert counted_address(peer, headers, proxies) == counted


@given(written=st.lists(st.text(max_size=20), max_size=4), proxies=st.integers(1, 3))
def test_what_a_visitor_writes_into_the_header_himself_changes_nothing(written: list[str], proxies: int):
    added = ["198.51.100.7", *["10.0.0.1"] * (proxies - 1)]
    headers = [("X-Forwarded-For", ", ".join([*written, *added]))]
    assert counted_address(None, headers, proxies) == "198.51.100.7"
