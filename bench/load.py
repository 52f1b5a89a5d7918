"""Many visitors at once: what each waits for his text, and what he takes of the server; plain Streamlit's page beside it; and too many.

All have opened the page and pressed Run before the endpoint sends its first event, so that all of them are served at the same moment.
"""

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.crowd import EVENT, EVENTS, PER_SECOND, STAMP, Server, Stream, Visitor, ask, endpoint, serving
from bench.report import Section, Target, table

LEVELS = (1, 10, 50, 100, 200)
BESIDE, MANY, TOO_MANY = 32, 100, 200
# Where it is the machine that is measured, and not what guards it; nor is anybody to be cut off while he waits for the others to come.
ROOM = {"PLAYGROUND_RUNS_IN_ALL": "1000", "QIANFAN_LLM_API_RETRY_TIMEOUT": "300"}
OURS, PLAIN = "app.py", "bench/plain_app.py"
_AT_ONCE = 4
_HEAD = ("", "delay median, ms", "p95", "CPU s / 1,000 events", "CPU s to open the page", "to press Run", "MB a visitor, page open",
         "after its run, beyond the text", "runs lost")


@dataclass
class Crowd:
    """What came of that many visitors. Times in ms, memory in MB, processor time in s."""

    count: int
    delays: list[float] = field(default_factory=list)
    begun: int = 0
    lost: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    opening: float = 0.0
    pressing: float = 0.0
    busy: float = 0.0
    before: float = 0.0
    opened: float = 0.0
    after: float = 0.0
    slowest_answer: float = 0.0

    @property
    def a_thousand(self) -> float:
        """Processor time of 1,000 events."""
        return self.busy / max(1, len(self.delays)) * 1000

    @property
    def each(self) -> float:
        """What a visitor with a page and a run holds, beyond the text."""
        return (self.after - self.before) / self.count - EVENT * EVENTS / 2**20

    @property
    def late(self) -> float:
        """The delay that one event in twenty exceeds."""
        return statistics.quantiles(self.delays, n=20)[-1] if len(self.delays) > 1 else float("nan")

    def row(self, name: str) -> Sequence[object]:
        """As it stands in the report."""
        return (name, statistics.median(self.delays), self.late, self.a_thousand, self.opening, self.pressing,
                (self.opened - self.before) / self.count, self.each, self.lost)


async def _all(tasks: Iterable[Callable[[], Coroutine[Any, Any, Any]]]) -> list[Any]:
    """Do all of them, a few at a time."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(task: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async with room:
            return await task()

    return await asyncio.gather(*map(one, tasks))


async def come(count: int, server: Server, base: str, plain: bool = False) -> Crowd:
    """Have them all come, run, and leave."""
    crowd, visitors = Crowd(count), [Visitor(server.url) for _ in range(count)]
    first = Visitor(server.url)
    await first.open()  # what is made once is not the visitors'
    await first.leave()
    crowd.before, busy = server.memory, server.busy
    await _all(visitor.open for visitor in visitors)
    crowd.opened, crowd.opening = server.memory, (server.busy - busy) / count
    busy = server.busy
    if plain:
        streams = [asyncio.ensure_future(_pushed(visitor)) for visitor in visitors]
        while int((await ask(f"{base}/waiting"))[2]) < count:
            await asyncio.sleep(0.1)
    else:
        begun = await _all(lambda visitor=visitor: _pressed(visitor) for visitor in visitors)
        streams = [asyncio.ensure_future(_heard(stream)) for stream in begun if stream]
        crowd.refusals.update(visitor.refusal or "" for visitor in visitors if visitor.refusal is not None)
    crowd.begun = len(streams)
    await asyncio.sleep(0.5)
    crowd.pressing, busy = (server.busy - busy) / count, server.busy
    looking = asyncio.create_task(_look(server, crowd))
    await ask(f"{base}/go")
    heard = await asyncio.gather(*streams)
    crowd.busy = server.busy - busy
    looking.cancel()
    for delays, finished in heard:
        crowd.delays += delays
        crowd.lost += not (finished and len(delays) == EVENTS)
    if not plain and count < TOO_MANY:  # that many would take too long, and say nothing new
        await _all(lambda visitor=visitor: visitor.tell("ended", visitor.run_id) for visitor in visitors if visitor.run_id)
    await asyncio.sleep(1)
    crowd.after = server.memory
    await _all(visitor.leave for visitor in visitors)
    return crowd


async def _pressed(visitor: Visitor) -> Stream | None:
    """Choose the endpoint, press Run, and follow; nothing where it was refused."""
    run = await visitor.press(words="Yi-34B · Your Qianfan")
    return await visitor.follow(run) if run else None


async def _heard(stream: Stream) -> tuple[list[float], bool]:
    """Listen to the end; returns the delays, and whether the run finished."""
    await stream.over.wait()
    return stream.delays, stream.outcome.get("ending") == "finished" and stream.outcome.get("characters") == EVENT * EVENTS


async def _pushed(visitor: Visitor) -> tuple[list[float], bool]:
    """The same of the plain page, where each message has the whole text so far: the events that are new in it are the last ones."""
    delays: list[float] = []
    finished = False
    async for came in visitor.push():
        moment, count = time.time() * 1000, min(EVENTS, came.count(b"@"))
        if count > len(delays):
            fresh = STAMP.findall(came)[len(delays) : count]
            delays += [moment - float(stamp) for stamp in fresh]
        finished = finished or b"ended" in came
    return delays, finished


async def _look(server: Server, crowd: Crowd) -> None:
    """Ask all the while whether the server lives, and how soon it says so."""
    while True:
        began = time.monotonic()
        await ask(f"{server.url}/healthz")
        crowd.slowest_answer = max(crowd.slowest_answer, (time.monotonic() - began) * 1000)
        await asyncio.sleep(0.5)


def level(count: int, script: str = OURS, room: dict[str, str] = ROOM) -> Crowd:  # noqa: B006  (it is not changed)
    """That many visitors of one page, on a server of their own."""
    with endpoint() as base, serving(script, base, **room) as server:
        return asyncio.run(come(count, server, base, plain=script == PLAIN))


def measure() -> Section:
    """Have ever more come; then to plain Streamlit's page and to ours; then too many for what guards a server by default."""
    crowds = {count: level(count) for count in LEVELS}
    plain, ours = level(BESIDE, PLAIN), level(BESIDE)
    guarded = level(TOO_MANY, room={})
    many, most = crowds[MANY], crowds[TOO_MANY]
    rows = [crowd.row(f"ours, {count}") for count, crowd in crowds.items()]
    rows += [plain.row(f"plain Streamlit, {BESIDE}"), ours.row(f"ours, {BESIDE}")]
    refused = sum(guarded.refusals.values())
    targets = [
        Target(words=f"{MANY} visitors at {PER_SECOND} events/s: delay p95, ms", measured=many.late, limit=100),
        Target(words=f"{MANY} visitors: runs lost", measured=many.lost + MANY - many.begun, limit=0),
        Target(words=f"{BESIDE} visitors: server CPU / 1,000 events ÷ plain Streamlit's", measured=ours.a_thousand / plain.a_thousand, limit=1),
        Target(words=f"{MANY} visitors: MB a visitor beyond the text", measured=many.each, limit=1),
        Target(words=f"{TOO_MANY} visitors: slowest answer to “are you well?” while all run, ms", measured=most.slowest_answer, limit=1000),
        Target(words=f"{TOO_MANY} visitors, default limits: runs lost, or refused without a word",
               measured=guarded.lost + TOO_MANY - guarded.begun - refused, limit=0),
    ]
    words = "; ".join(f"“{text}” {count:,} times" for text, count in guarded.refusals.most_common())
    body = (
        f"Visitors speak the page's protocol from one process; the endpoint, another process, sends each {EVENTS} events of {EVENT} characters at\n"
        f"{PER_SECOND} a second, all at the same time. A server is new for each number of visitors.\n\n{table(_HEAD, rows)}\n\n"
        f"With the default limits, {TOO_MANY} visitors press Run: {guarded.begun} run, {guarded.lost} are lost, {refused} are refused: {words}. "
        f"Meanwhile the server says that it is well within {guarded.slowest_answer:.0f} ms.\n"
        f"With room for all, {TOO_MANY} at once: {most.begun} run, {most.lost} are lost."
    )
    return Section(title="Many visitors", targets=targets, body=body)


if __name__ == "__main__":  # one level alone: python -m bench.load 100 [bench/plain_app.py]
    one = level(int(sys.argv[1]), *sys.argv[2:3])
    print(table(_HEAD, [one.row(sys.argv[1])]), one.refusals, f"health ≤ {one.slowest_answer:.0f} ms", sep="\n")
