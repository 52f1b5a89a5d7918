"""The history of a visitor with 100,000 runs, on SQLite and on PostgreSQL: how long a search takes, opening a run, and writing one down.

`BENCH_RUNS` is how many he has; a tenth more are other visitors'.
"""

import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert, text

from bench.report import Section, table
from playground.client import Client
from playground.completion import CompletionRequest, Ending
from playground.credentials import AccessToken
from playground.database import Database
from playground.endpoints import Endpoint
from playground.history import History, Query
from playground.kept import answer_fields, endpoint_fields, read_sentence
from playground.message import message
from playground.redaction import Secret
from playground.run import Run, Runs
from playground.settings import Limits
from playground.tables import runs, sentences
from tests.postgres import running
from tests.scripted_server import ScriptedServer, reply

RUNS = int(os.environ.get("BENCH_RUNS", 100_000))
VISITOR = "0123456789abcdef" * 2
_TIMES = 30
_EVENTS = 5
# What is put into every so many answers, so that it is known how often each is there; "rare" ones are old, too.
_PLANTED = {"lighthouse": 3, "heliotrope": 10_000, "北京": 20, "鲲鹏": 10_000, "人工智能": 50, "墨守成规": 10_000}
SEARCHES = {
    "the newest 50": Query(),
    "the next 50 after 50,000": Query(),
    "of one endpoint": Query(endpoint="own/3"),
    "that failed (1 in 100)": Query(ending=Ending.FAILED),
    "that were cut (none)": Query(ending=Ending.CUT),
    "with a star (1 in 1,000)": Query(starred=True),
    "with a note (1 in 1,000)": Query(noted=True),
    "a common word (1 in 3)": Query(words="lighthouse"),
    "a rare word (1 in 10,000)": Query(words="heliotrope"),
    "a word that is nowhere": Query(words="xylophonist"),
    "two words": Query(words="lighthouse heliotrope"),
    "2 Chinese characters (1 in 20)": Query(words="北京"),
    "2 Chinese characters (1 in 10,000)": Query(words="鲲鹏"),
    "4 Chinese characters (1 in 50)": Query(words="人工智能"),
    "4 Chinese characters (1 in 10,000)": Query(words="墨守成规"),
}


def _vocabulary(chance: random.Random) -> tuple[list[str], list[str]]:
    """Words and characters, and how many there are of a language that a person writes."""
    words = ["".join(chance.choices("etaoinshrdlucmfwypvbgk", k=chance.randint(2, 9))) for _ in range(8000)]
    return words, [chr(0x4E00 + number) for number in chance.sample(range(0x51A5), 3000)]


def _answers(count: int) -> Iterator[tuple[int, str]]:
    chance = random.Random(7)
    words, characters = _vocabulary(chance)
    by_rank = [1 / rank for rank in range(1, 8001)]
    pool = chance.choices(words, by_rank, k=1_000_000)
    chinese = chance.choices(characters, [1 / rank for rank in range(1, 3001)], k=1_000_000)
    for number in range(count):
        start = chance.randrange(990_000)
        if number % 2:
            pieces = [" ".join(pool[start : start + 90])]
        else:
            pieces = ["".join(chinese[start : start + 300])]
        yield number, "".join([*pieces, *(f" {planted} " for planted, every in _PLANTED.items() if number % every == 2)])


def fill(connection: Connection, count: int) -> None:
    """Put that many runs in, fast."""
    endpoints = [
        endpoint_fields(Endpoint(name=f"own/{number}", title=f"Service {number}", group="g", note=message("n"), base_url="https://x.test", path="p"))
        for number in range(5)
    ]
    began = time.time() - count * 60.0
    batch: list[dict[str, object]] = []
    events: list[dict[str, object]] = []
    for number, answer in _answers(count):
        size = -(-len(answer) // _EVENTS)
        pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
        endpoint, started, name = endpoints[number % 5], began + number * 60.0, f"{number:032x}"
        said = [read_sentence(piece, place, place * 0.2, {"sentence_id": place}) for place, piece in enumerate(pieces)]
        batch.append({
            "id": name, "place": int(started * 1_000_000), "kept": time.time(), "visitor": VISITOR if number % 11 else f"{number % 7:032x}",
            "server": "", "started": started, "endpoint": endpoint, "endpoint_name": endpoint["name"], "prompt": answer[:100],
            "parameters": {"stream": True, "temperature": 0.7}, "ending": "failed" if number % 100 == 1 else "finished", "ended_after": 1.0,
            "note": "seen" if number % 1000 == 3 else "", "starred": number % 1000 == 7, **answer_fields(said, endpoint),
        })
        events += [
            {"run": name, "number": place, "text": piece, "arrived": place * 0.2, "rest": {"sentence_id": place}} for place, piece in enumerate(pieces)
        ]
        if len(batch) == 2000 or number == count - 1:
            connection.execute(insert(runs), batch)
            connection.execute(insert(sentences), events)
            batch, events = [], []


def timed(act: Callable[[], object], times: int = _TIMES) -> tuple[float, float]:
    """Return median and 95th percentile, in ms."""
    act()
    took = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took), sorted(took)[int(len(took) * 0.95)]


def keep_delay(history: History) -> tuple[float, float]:
    """How long after a run's text came it is in the database: median and most, in ms."""
    event = b'data: {"sentence_id": 0, "is_end": %s, "result": "text"}\n\n'
    took = []
    for _ in range(15):
        go = threading.Event()
        with ScriptedServer(reply(event % b"false", go, event % b"true")) as server:
            endpoint = Endpoint(name="x", title="x", group="x", note=message("x"), base_url=server.url, path="x",
                                credentials=AccessToken(token=Secret("24.benchmark")))
            place = Runs(Client(), Limits())
            run = place.start(endpoint, CompletionRequest(prompt="x", parameters={"stream": True}), "f" * 32)
            history.keep(run)
            time.sleep(random.random())
            start = time.perf_counter()
            go.set()
            while not _is_written(history, run):
                time.sleep(0.005)
            took.append((time.perf_counter() - start) * 1000)
            place.close()
    return statistics.median(took), max(took)


def _is_written(history: History, run: Run) -> bool:
    entry = history.entry("f" * 32, run.id)
    return entry is not None and entry.ending is not None


@contextmanager
def databases() -> Iterator[Iterator[tuple[str, str]]]:
    """An empty one of each kind."""
    with tempfile.TemporaryDirectory() as folder, running() as server, server.fresh() as address:
        yield iter((("SQLite", f"sqlite:///{Path(folder) / 'bench.sqlite3'}"), ("PostgreSQL", address)))


def put_in(database: Database) -> None:
    """Fill a database. PostgreSQL takes longer to keep its index of words in step than to make it, so it is made at the end."""
    named = text("SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'runs_words%'")
    with database.begin() as connection:
        if database.dialect == "sqlite":
            fill(connection, RUNS * 11 // 10)
            return
        indexes = connection.execute(named).all()
        for name, _ in indexes:
            connection.execute(text(f"DROP INDEX {name}"))
        fill(connection, RUNS * 11 // 10)
        for _, statement in indexes:
            connection.exec_driver_sql(statement)
        connection.execute(text("ANALYZE"))


def figures(history: History) -> Iterator[tuple[str, float, float]]:
    """Yield what was done with one database, with its median and 95th percentile in ms."""
    half = history.find(VISITOR, Query(limit=RUNS // 2))[-1]
    for words, query in SEARCHES.items():
        wanted = Query(before=(half.started, half.id)) if words.startswith("the next") else query
        yield f"find {words}: {len(history.find(VISITOR, wanted))}", *timed(partial(history.find, VISITOR, wanted))
    for words in ("", "lighthouse", "heliotrope"):
        yield f"count {words or 'all'}", *timed(partial(history.count, VISITOR, Query(words=words)), 5)
    yield "the endpoints there are", *timed(partial(history.endpoints, VISITOR))
    yield "one run of the list", *timed(partial(history.entry, VISITOR, half.id))
    yield "one run as it was", *timed(partial(history.restore, VISITOR, half.id))
    yield "a run ends until that is written (median, most)", *keep_delay(history)


def measure() -> Section:
    """Fill one of each kind and look things up in it."""
    rows: dict[str, list[float]] = {}
    heads = [""]
    with databases() as found:
        for name, address in found:
            database = Database(Secret(address))
            start = time.perf_counter()
            put_in(database)
            heads += [f"{name} (filled in {time.perf_counter() - start:.0f} s)", "p95"]
            history = History(database, most=10**9)
            for words, median, high in figures(history):
                rows.setdefault(words, []).extend((median, high))
            history.close()
            database.close()
    body = f"Of a visitor with {RUNS:,} runs, in ms: medians of {_TIMES}.\n\n{table(heads, [(words, *values) for words, values in rows.items()])}"
    return Section(title="History", body=body)
