"""What many tests stand on: a real PostgreSQL, and a fresh database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres as servers


def pytest_itemcollected(item: pytest.Item) -> None:
    """On a machine that is busy elsewhere a browser can miss its moment: such a test has one more try, and is named if it needed it."""
    if item.get_closest_marker("browser") is not None:
        item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """A server for all tests of this process, started by the first that asks."""
    with servers.running() as server:
        yield server


@pytest.fixture(params=servers.DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a new and empty database: the test runs once with each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'playground.sqlite3'}"
    else:
        with request.getfixturevalue("postgres").fresh() as address:
            yield address
