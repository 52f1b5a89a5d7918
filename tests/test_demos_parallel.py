"""A demo link whose visitors all come at once, to two servers: its budget holds to the run, on both databases, and its books are right after."""

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import update

from emulator.options import Options
from emulator.server import running
from playground.database import Database
from playground.demos import Caps, Demo, Demos
from playground.endpoints import build_endpoints
from playground.redaction import Secret
from playground.settings import Settings
from playground.tables import reservations, servers
from tests.browser.emulator_log import EmulatorLog

ROOT = Path(__file__).resolve().parent.parent
NAME = "recorded/yi_34b"
EACH = 100


def server(database_url: str, emulator_url: str, demo: Demo, visitors: int, name: str, browsers: int) -> subprocess.Popen[str]:
    """Start a process that waits to be told when its visitors come."""
    asked = {
        "database": database_url, "emulator": emulator_url, "demo": demo.id, "endpoint": demo.endpoints[0], "visitors": visitors, "name": name,
        "browsers": browsers,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.demo_rush", json.dumps(asked)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def rush(database_url: str, emulator_url: str, demo: Demo, browsers: int) -> Counter[str]:
    """Two processes of a hundred visitors each begin at one moment; return what became of the two hundred."""
    processes = [server(database_url, emulator_url, demo, EACH, name, browsers) for name in ("a", "b")]
    found: Counter[str] = Counter()
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        moment = f"{time.time() + 0.2}\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(moment)
            process.stdin.flush()
        for process in processes:
            said, _ = process.communicate(timeout=120)
            found += Counter(json.loads(said))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("caps", "each", "browsers", "ran", "refused"),
    [
        (Caps(runs=50), Caps(), EACH, 50, {"spent": 150}),
        (Caps(), Caps(runs=5), 5, 50, {"spent_you": 150}),
        (Caps(tokens=50 * 2006), Caps(), EACH, None, None),
    ],
    ids=["runs in all", "runs of each visitor", "tokens in all"],
)
def test_two_hundred_at_once_never_pass_the_budget(database_url: str, caps: Caps, each: Caps, browsers: int, ran: int | None, refused):
    database = Database(Secret(database_url))
    with running(options=Options(pace=0, keep_bodies=False)) as emulator:
        demos = Demos(database, "0" * 32)
        demo = demos.mint(Demo(title="t", endpoints=(NAME,), in_all=caps, each=each), build_endpoints(Settings(values={}), emulator.base_url))
        log = EmulatorLog(emulator.base_url)
        found = rush(database_url, emulator.base_url, demo, browsers)
        left = demos.left(demo).in_all
        asked = log.entries()
    assert found.total() == 2 * EACH
    assert found["finished"] == left["runs"].used == len(asked), "every run that was let in asked the endpoint once, and is in the books"
    assert [meter.held for meter in left.values()] == [0, 0, 0]
    if ran is not None:
        assert found == Counter({"finished": ran, **refused})
    else:
        assert found["finished"] >= 50 and left["tokens"].used <= 50 * 2006
        assert set(found) == {"finished", "spent"}
    database.close()


@pytest.mark.slow
def test_what_a_killed_server_held_is_settled_as_held_by_another(database_url: str):
    database = Database(Secret(database_url))
    with running(options=Options(pace=0, keep_bodies=False)) as emulator:
        demos = Demos(database, "0" * 32)
        known = build_endpoints(Settings(values={}, fault_endpoints=True), emulator.base_url)
        demo = demos.mint(Demo(title="t", endpoints=("fault/silent",), in_all=Caps(runs=5)), known)
        log = EmulatorLog(emulator.base_url)
        with server(database_url, emulator.base_url, demo, 3, "a", 3) as process:
            assert process.stdout is not None and process.stdin is not None and process.stdout.readline() == "ready\n"
            process.stdin.write("0\n")
            process.stdin.flush()
            until = time.monotonic() + 30
            while len(log.entries()) < 3 and time.monotonic() < until:
                time.sleep(0.05)
            process.kill()
    assert (demos.left(demo).in_all["runs"].used, demos.left(demo).in_all["runs"].held) == (0, 3)
    with database.begin() as connection:  # as if two minutes had passed
        connection.execute(update(servers).values(seen=servers.c.seen - 120))
        connection.execute(update(reservations).values(made=reservations.c.made - 120))
    other = Demos(database, "1" * 32)
    assert (other.left(demo).in_all["runs"].used, other.left(demo).in_all["runs"].held) == (3, 0)
    database.close()
