"""What many tests stand on: the order of their files, an emulator, a real PostgreSQL, and a fresh database of each kind."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from emulator.options import Options
from emulator.server import running
from tests import postgres as servers

LONG = 30.0


def pytest_itemcollected(item: pytest.Item) -> None:
    """On a machine that is busy elsewhere a browser can miss its moment: such a test has one more try, and is named if it needed it."""
    if item.get_closest_marker("browser") is not None:
        item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Workers take whole files in this order, so that none is left alone with a long one: first those with a test nothing can shorten,
    then those with a browser, which stays open from one to the next, then the others; the longest of each first."""
    files: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[item.path].append(item)

    def place(file: list[pytest.Item]) -> tuple[int, float]:
        lasting = [seconds(item) for item in file]
        rank = 1 if any(item.get_closest_marker("browser") for item in file) else 0 if max(lasting) >= LONG else 2
        return rank, -sum(lasting)

    items[:] = [item for file in sorted(files.values(), key=place) for item in file]


def seconds(item: pytest.Item) -> float:
    """About how long a test lasts beside two others on two cores; the longest say it themselves."""
    slow, browser = item.get_closest_marker("slow"), item.get_closest_marker("browser")
    usual = 6.0 if browser else 3.0 if slow else 0.05
    return float(slow.kwargs.get("seconds", usual)) if slow else usual


@pytest.fixture(scope="session", autouse=True)
def packages_scanned_once() -> Iterator[None]:
    """Streamlit's AppTest reads the metadata of all installed packages for each page it opens, for most of what such a test costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="module")
def emulator_url() -> Iterator[str]:
    """The address of an emulator that answers as fast as it can."""
    with running(options=Options(pace=0)) as emulator:
        yield emulator.base_url


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
