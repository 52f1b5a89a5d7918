"""Half an hour of ordinary and rough use at once: runs, stops, reloads, other pages, visitors who vanish, and faulty endpoints, as chance has it.

`python -m bench soak`; SOAK_MINUTES says how long. Then all leave, and what the server holds is looked at again.
"""

import asyncio
import itertools
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.crowd import Server, Stream, Visitor, ask, endpoint, serving
from bench.report import Section, Target, table

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
VISITORS = 12
LOOK = 10.0
# A page that is gone is remembered by Streamlit for two minutes, in case it connects again, and forgotten when the next one goes.
SETTLE = 130.0
# How long a run may go on in these visitors' eyes.
PATIENCE = 12.0
_SETTINGS = {"PLAYGROUND_FAULT_ENDPOINTS": "1", "PLAYGROUND_METRICS": "1", "PLAYGROUND_UNWATCHED": "10", "PLAYGROUND_RUNS_PER_MINUTE": "0"}
_PAGES = ("history", "recordings", "endpoints", "reference", "faults", "")


@dataclass
class Look:
    """What the server holds at a moment: memory in MB."""

    minutes: float
    memory: float
    threads: int
    sockets: int
    runs: int


@dataclass
class Soak:
    """What the visitors did, and what came of it."""

    done: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    runs: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)


async def live(server: Server, soak: Soak, until: float, chance: random.Random) -> None:
    """Be one visitor after the other."""
    while time.monotonic() < until:
        visitor = Visitor(server.url)
        try:
            await visitor.open()
            for _ in range(chance.randint(1, 8)):
                if time.monotonic() > until:
                    break
                await act(visitor, soak, chance)
                await asyncio.sleep(chance.expovariate(1))
            if chance.random() < 0.3:
                soak.done["vanished"] += 1
                visitor.vanish()
            else:
                await visitor.leave()
        except Exception as error:
            soak.troubles[f"{type(error).__name__}: {error}"[:200]] += 1
            visitor.vanish()
        soak.troubles.update(visitor.crashes)


async def act(visitor: Visitor, soak: Soak, chance: random.Random) -> None:
    """Do one thing."""
    kind = chance.choices(("run", "stop", "reload", "page", "cut", "rush"), (5, 4, 3, 3, 2, 1))[0]
    soak.done[kind] += 1
    if kind == "page":
        for page in chance.sample(_PAGES, 2):
            await visitor.go(page)
        await visitor.go("")
        return
    await visitor.choose(chance.choice([line for line in visitor.endpoints if line.startswith("●")]))
    run = await visitor.press(f"A house {chance.random()}")
    if not run:
        soak.refusals[visitor.refusal or "without a word"] += 1
        return
    soak.runs.append(run)
    stream = await visitor.follow(run)
    if kind == "rush":  # another one while that goes on
        with suppress(StopIteration):
            await visitor.press()
            soak.runs.append(visitor.run_id)
            await visitor.stop(visitor.run_id)
        await visitor.stop(run)
    if kind == "stop":
        await asyncio.sleep(chance.random())
        await visitor.stop(run)
    elif kind == "reload":
        await asyncio.sleep(chance.random())
        stream.transport.close()
        if chance.random() < 0.3:
            visitor.vanish()
        await visitor.open()
        stream = await visitor.follow(run)
    elif kind == "cut":  # nobody looks at it any more
        await asyncio.sleep(chance.random())
        stream.transport.abort()
        return
    await end(visitor, run, stream, soak)


async def end(visitor: Visitor, run: str, stream: Stream, soak: Soak) -> None:
    """Follow a run to its end, which is brought about where it does not come; tell the page, as the sheet does."""
    try:
        await asyncio.wait_for(stream.over.wait(), PATIENCE)
    except TimeoutError:
        await visitor.stop(run)
        await asyncio.wait_for(stream.over.wait(), PATIENCE)
    soak.endings[str(stream.outcome.get("ending", "none heard"))] += 1
    await visitor.tell("ended", run)


async def alone(server: Server, soak: Soak, began: float) -> None:
    """Come as the only visitor, run once, leave, and look."""
    visitor = Visitor(server.url)
    await visitor.open()
    await visitor.choose("crlf")
    soak.runs.append(run := await visitor.press())
    await end(visitor, run, await visitor.follow(run), soak)
    await visitor.leave()
    await asyncio.sleep(5)
    await look(server, soak, began)


async def look(server: Server, soak: Soak, began: float) -> None:
    """Look now."""
    sums = await counts(server)
    soak.looks.append(Look((time.monotonic() - began) / 60, server.memory, server.threads, server.sockets, int(sums["playground_runs_started_total"])))


async def counts(server: Server) -> Counter[str]:
    """The server's own counts, each over all its labels."""
    _, _, body = await ask(f"{server.url}/metrics")
    sums: Counter[str] = Counter()
    for line in body.decode().splitlines():
        if line and not line.startswith(("#", " ")) and "_bucket" not in line and len(line.split()) > 1:
            name, _, value = line.rpartition(" ")
            with suppress(ValueError):
                sums[name.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return sums


async def soaked(server: Server) -> tuple[Soak, Counter[str]]:
    """Let them live, then leave; returns what happened and the server's counts at the end."""
    soak, began = Soak(), time.monotonic()
    await alone(server, soak, began)
    until = began + MINUTES * 60
    lives = asyncio.gather(*(live(server, soak, until, random.Random(number)) for number in range(VISITORS)))
    while not lives.done():
        await asyncio.wait([lives], timeout=LOOK)
        await look(server, soak, began)
    await asyncio.sleep(SETTLE)
    await alone(server, soak, began)
    return soak, await counts(server)


def slope(looks: list[Look]) -> float:
    """MB that the memory grows with each 1,000 runs: the middle of all the slopes between two looks."""
    slopes = [(b.memory - a.memory) / (b.runs - a.runs) * 1000 for a, b in itertools.combinations(looks, 2) if b.runs > a.runs]
    return statistics.median(slopes) if slopes else float("nan")


def measure() -> Section:
    """Soak a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "soak.sqlite3")
        with endpoint() as base, serving("app.py", base, DATABASE_URL=f"sqlite:///{database}", **_SETTINGS) as server:
            soak, sums = asyncio.run(soaked(server))
            tracebacks = server.log.read_text(errors="replace").count("Traceback")
        with sqlite3.connect(database) as connection:
            kept = dict(connection.execute("select id, ending from runs"))
    start, *during, last = soak.looks
    middle = [one for one in during if MINUTES / 3 < one.minutes <= MINUTES * 2 / 3] or during
    late = [one for one in during if MINUTES * 2 / 3 < one.minutes <= MINUTES] or during
    growth = statistics.median(one.memory for one in late) / statistics.median(one.memory for one in middle) - 1
    unending = sum(kept.get(run) is None for run in soak.runs)
    ended, begun = int(sums["playground_runs_ended_total"]), int(sums["playground_runs_started_total"])
    targets = [
        Target(words="Soak: runs without exactly one ending", measured=unending + abs(begun - ended), limit=0),
        Target(words="Soak: memory in the last third of the time more than in the second, %", measured=growth * 100, limit=5),
        Target(words="Soak: threads more than at the start, when all have left", measured=last.threads - start.threads, limit=0),
        Target(words="Soak: sockets more than at the start, when all have left", measured=last.sockets - start.sockets, limit=0),
        Target(words="Soak: pages that broke, and tracebacks in the log", measured=sum(soak.troubles.values()) + tracebacks, limit=0),
    ]
    every = max(1, len(during) // 10)
    shown = (start, *during[::every], during[-1], last)
    rows = [(f"{one.minutes:.1f}", f"{one.memory:.0f}", one.threads, one.sockets, f"{one.runs:,}") for one in shown]
    body = "\n\n".join([
        f"{VISITORS} visitors at once for {MINUTES:g} minutes, one after the other in each place. The first line and the last, which is from\n"
        f"{SETTLE:.0f} s after all have left, are those after a visitor who was alone. Of the runs that are over a server keeps the last 200\n"
        f"to be looked at; from the second third on its memory grows by {slope([*middle, *late]):.1f} MB with each 1,000 runs.",
        table(("minute", "memory, MB", "threads", "sockets", "runs so far"), rows),
        f"What they did: {_told(soak.done)}. Endings they heard: {_told(soak.endings)}.\n"
        f"The history has {len(kept):,} runs: {_told(Counter(kept.values()))}.",
        f"Refused: {_told(soak.refusals) or 'nothing'}. What went wrong: {_told(soak.troubles) or 'nothing'}.",
    ])
    return Section(title="The soak", targets=targets, body=body)


def _told(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common())
