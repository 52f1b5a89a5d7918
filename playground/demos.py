"""Demo links: what a visitor may use of what the owner pays for, how much of it, and the books that hold to it.

What a run may cost is *held* before it begins and settled when it has ended, each in one transaction. The hold is one conditional
statement on the link's books and one on the visitor's, both or neither: so however many visitors, threads, processes and replicas ask
at the same moment, what is used and held together never passes a cap. What is held for a run of a server that died is settled as held.

A visitor is a browser: who throws his cookie away is another one. The caps in all hold against everybody.
"""

import logging
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from sqlalchemy import Row, Table, and_, delete, func, insert, not_, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from playground import endpoint_file
from playground.completion import CompletionRequest, Ending, Sentence, Usage
from playground.database import Database, now
from playground.endpoints import Endpoint
from playground.errors import (
    AccessRefused,
    AuthenticationError,
    ConfigurationError,
    EndpointError,
    InvalidRequestError,
    ParameterError,
    PlaygroundError,
    RateLimitError,
)
from playground.message import Message, message
from playground.parameters import ParameterSpec, check_parameters, check_prompt
from playground.price import money
from playground.providers.qianfan import estimate_tokens
from playground.run import Brake, Run
from playground.tables import demo_visitors, demos, refusals, reservations, runs, servers

KINDS = ("runs", "tokens", "money")
TOKENS_PER_RUN = 2000
# A server that has not been seen for so long is dead, and its runs with it.
DEAD = 60.0
_ID = re.compile(r"[0-9a-f]{32}")
_BILLION = 10**9
_MOST = {"runs": 10**9, "tokens": 10**12, "money": 10**9}
_LEAST_TOKENS_PER_RUN, _MOST_TOKENS_PER_RUN = 16, 1_000_000
_LONGEST_TITLE = 100
_LONGEST_PREFIX = 20_000
_LOOK = 2.0
_FAREWELL = 5.0
# Four bytes a token is what English takes; the page's rule counts less where there are no blanks between words.
_BYTES = 4
_OFF = ConfigurationError(message("This endpoint cannot be used now."), message("Tell the owner of this demo."))
STOPPED = message("Stopped because the owner of this demo stopped it.")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Amount:
    """So many runs and tokens, and so much money in billionths of the link's currency."""

    runs: int = 0
    tokens: int = 0
    money: int = 0


@dataclass(frozen=True, kw_only=True)
class Caps:
    """The most of each; `None` is no cap. Money is in the link's currency."""

    runs: int | None = None
    tokens: int | None = None
    money: Decimal | None = None

    @property
    def counted(self) -> dict[str, int | None]:
        """Each cap as the books count it."""
        return {"runs": self.runs, "tokens": self.tokens, "money": None if self.money is None else int(self.money * _BILLION)}


@dataclass(frozen=True, kw_only=True)
class Range:
    """What a visitor may do with one parameter: keep between two values, or nothing: it is always sent as `value`, or never."""

    low: float | None = None
    high: float | None = None
    locked: bool = False
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One link. `endpoints` are names, `in_all` and `each` the caps of all visitors and of one. Times are seconds since 1970."""

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    made: float = field(default_factory=now)
    title: str = ""
    endpoints: tuple[str, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)
    prefix: str = ""
    tokens_per_run: int = TOKENS_PER_RUN
    currency: str | None = None
    in_all: Caps = field(default_factory=Caps)
    each: Caps = field(default_factory=Caps)
    expires: float | None = None
    stopped: float | None = None

    def shown(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint as its visitors see it: narrower, without what the link sets. One whose own bounds have moved since is off.

        Why an endpoint is off is its owner's business: the words would name his settings.
        """
        if endpoint.off is not None:
            return replace(endpoint, off=_OFF, settings=())
        endpoint = replace(endpoint, settings=())
        try:
            specs = tuple(spec for spec in self._narrowed(endpoint) if not self.locks(spec.name))
        except ConfigurationError:
            return replace(endpoint, off=_OFF)
        return replace(endpoint, parameters=specs, prompt_limit=max(1, endpoint.prompt_limit - len(self.prefix)))

    def composed(self, endpoint: Endpoint, request: CompletionRequest) -> CompletionRequest:
        """Return what is sent for a visitor's request. Raises `ParameterError` for what the link does not permit."""
        seen = self.shown(endpoint)
        if seen.off is not None:
            raise ConfigurationError(seen.off.message, seen.off.remedy)
        chosen = {name: value for name, value in request.parameters.items() if value is not None}
        for name in chosen:
            if self.locks(name):
                raise ParameterError(name, message("{name} is set by this demo and cannot be changed.", name=name))
        check_parameters(seen.parameters, chosen)
        check_prompt(request.prompt, seen.prompt_limit)
        return self.joined(endpoint, request)

    def joined(self, endpoint: Endpoint, request: CompletionRequest) -> CompletionRequest:
        """Return a visitor's request with what the link adds, unchecked."""
        values = {**self.fixed(endpoint), **{name: value for name, value in request.parameters.items() if value is not None}}
        told = values.get("max_tokens")
        if (told is None or told > self.tokens_per_run) and any(spec.name == "stream" for spec in endpoint.parameters):
            values["stream"] = True  # only what comes in pieces can be stopped at the link's limit
        return CompletionRequest(
            prompt=self.prefix + request.prompt, parameters={name: value for name, value in values.items() if value is not None}
        )

    def fixed(self, endpoint: Endpoint) -> dict[str, Any]:
        """Return what the link sets by itself. Where an endpoint can be told the most tokens of an answer, it is."""
        names = [spec.name for spec in endpoint.parameters]
        most = min(self.tokens_per_run, int(self.ranges.get("max_tokens", Range()).high or self.tokens_per_run))
        found: dict[str, Any] = {"max_tokens": most} if "max_tokens" in names else {}
        return {**found, **{name: self.ranges[name].value for name in names if self.locks(name)}}

    def locks(self, name: str) -> bool:
        """Whether the link sets a parameter, and its visitors cannot."""
        return name in self.ranges and self.ranges[name].locked

    def estimate(self, endpoint: Endpoint, prompt: str) -> Amount:
        """Return what a run may cost: the whole prompt, and the longest answer that is permitted. Raises `AccessRefused` if nobody knows."""
        tokens = count_tokens(prompt)
        price = endpoint.price
        cost = 0
        if price is not None and price.currency == self.currency:
            cost = _counted((price.prompt * tokens + price.completion * self.tokens_per_run) / 1000)
        elif not endpoint.free and (self.in_all.money is not None or self.each.money is not None):
            raise AccessRefused("price", message("This demo counts money, and nobody stated what this endpoint costs."))
        return Amount(runs=1, tokens=tokens + self.tokens_per_run, money=cost)

    def brake(self) -> Brake:
        """Return what stops one run at the link's limit, by the text so far or the tokens stated. After an end mark there is nothing to stop."""
        words = size = 0

        def look(sentence: Sentence) -> Message | None:
            nonlocal words, size
            words += estimate_tokens(sentence.text)
            size += len(sentence.text.encode("utf-8", "replace"))
            usage = sentence.usage
            stated = usage.total_tokens - usage.prompt_tokens if usage and usage.total_tokens and usage.prompt_tokens is not None else 0
            if sentence.is_end or max(words, size // _BYTES, stated) <= self.tokens_per_run:
                return None
            return message("Stopped at this demo's limit of {count} tokens for one answer.", count=f"{self.tokens_per_run:,}")

        return look

    def _narrowed(self, endpoint: Endpoint) -> tuple[ParameterSpec, ...]:
        """The endpoint's table with the link's bounds; raises `ConfigurationError` where they are not inside the endpoint's own."""
        bounds: dict[str, dict[str, Any]] = {}
        for spec in endpoint.parameters:
            wanted = self.ranges.get(spec.name)
            if wanted is not None and not wanted.locked:
                ends = {"minimum": wanted.low, "maximum": wanted.high}
                bounds[spec.name] = {name: _figure(end, spec) for name, end in ends.items() if end is not None}
            elif spec.name == "max_tokens" and wanted is None:
                most = self.tokens_per_run if spec.maximum is None else min(self.tokens_per_run, int(spec.maximum))
                bounds[spec.name] = {"maximum": most}
        return endpoint_file.narrowed(endpoint_file.Row(fields={"bounds": bounds}), endpoint.parameters)


def count_tokens(text: str) -> int:
    """Return how many tokens a text may have: the documented estimate, or a quarter of its bytes where that is more."""
    return max(estimate_tokens(text), len(text.encode("utf-8", "replace")) // _BYTES)


def bill(held: Amount, demo: Demo, endpoint: Endpoint, ending: Ending, usage: Usage | None, error: EndpointError | None, begun: bool) -> Amount:
    """Return what a run is settled at. It is never less than what it can have cost.

    A finished run costs the usage its endpoint stated. A stated usage is only a lower bound where the run was stopped or cut, and an
    endpoint may state none: then it costs what was held, or the stated usage if that is more. A run that the endpoint refused
    before its first sentence, because of its keys, its quota or the request, costs its run and no tokens.
    """
    if not begun and isinstance(error, AuthenticationError | RateLimitError | InvalidRequestError):
        return Amount(runs=held.runs)
    total = min(usage.total_tokens, _MOST["tokens"]) if usage is not None and usage.total_tokens is not None else -1
    price = endpoint.price if endpoint.price is not None and endpoint.price.currency == demo.currency else None
    cost = 0
    if price is not None and total >= 0:
        stated = price.of(usage)
        dearest = max(price.prompt, price.completion) * total / 1000
        cost = min(_counted(dearest if stated is None else stated), _MOST["money"] * _BILLION)
    if ending is Ending.FINISHED and total >= 0:
        return Amount(runs=held.runs, tokens=total, money=cost)
    return Amount(runs=held.runs, tokens=max(held.tokens, total), money=max(held.money, cost))


def problems(demo: Demo, endpoints: Mapping[str, Endpoint]) -> dict[str, PlaygroundError]:
    """Return what is wrong with a link that is to be made, by the field it stands in."""
    found: dict[str, PlaygroundError] = {}

    def wrong(name: str, words: Message) -> None:
        found.setdefault(name, ParameterError(name, words))

    if not demo.title.strip() or len(demo.title) > _LONGEST_TITLE or not demo.title.isprintable():
        wrong("title", message("A title is one line of at most {most} characters.", most=_LONGEST_TITLE))
    rows = [endpoints[name] for name in demo.endpoints if name in endpoints]
    if not demo.endpoints:
        wrong("endpoints", message("Choose at least one endpoint."))
    elif len(rows) < len(demo.endpoints):
        wrong("endpoints", message("One of these endpoints is not there any more."))
    for caps, scope in ((demo.in_all, "all"), (demo.each, "each")):
        for kind in KINDS:
            cap = getattr(caps, kind)
            if cap is not None and not 0 < cap <= _MOST[kind]:
                wrong(f"{kind}_{scope}", message("A cap is more than 0 and at most {most}.", most=f"{_MOST[kind]:,}"))
    if demo.in_all.money is not None or demo.each.money is not None:
        name = "money_all" if demo.in_all.money is not None else "money_each"
        without = [row.title for row in rows if not row.free and row.price is None]
        if without:
            wrong(name, message("Money can be counted only where a price is stated: {names} has none.", names=", ".join(without)))
        elif demo.currency is None:
            wrong(name, message("These endpoints have no prices in one currency, so money cannot be counted."))
    if not _LEAST_TOKENS_PER_RUN <= demo.tokens_per_run <= _MOST_TOKENS_PER_RUN:
        wrong("tokens_per_run", message("This must be from {least} to {most}.", least=_LEAST_TOKENS_PER_RUN, most=f"{_MOST_TOKENS_PER_RUN:,}"))
    elif not {"money_all", "money_each"} & set(found):
        _check_room(demo, rows, wrong)
    if len(demo.prefix) > _LONGEST_PREFIX:
        wrong("prefix", message("It must have at most {limit} characters.", limit=f"{_LONGEST_PREFIX:,}"))
    if demo.expires is not None and demo.expires <= now():
        wrong("expires", message("That moment is over."))
    for name, wanted in demo.ranges.items():
        specs = [spec for row in rows for spec in row.parameters if spec.name == name]
        try:
            if rows and not specs:
                raise ParameterError(name, message("None of these endpoints has a parameter “{name}”.", name=name))
            for spec in specs if wanted.locked else ():
                spec.check(wanted.value)
            if not wanted.locked:
                for row in rows:
                    demo._narrowed(row)
        except PlaygroundError as error:
            found.setdefault(name, error)
    return found


def _check_room(demo: Demo, rows: Sequence[Endpoint], wrong: Any) -> None:
    """A cap that not even one run fits into is a slip of the pen."""
    needs = [demo.estimate(row, demo.prefix) for row in rows]
    for caps, scope in ((demo.in_all, "all"), (demo.each, "each")):
        for kind, cap in caps.counted.items():
            least = max((getattr(need, kind) for need in needs), default=0)
            if kind != "runs" and cap is not None and 0 < cap < least:
                amount = money(Decimal(least) / _BILLION, demo.currency or "") if kind == "money" else f"{least:,}"
                wrong(f"{kind}_{scope}", message("Not one run fits into this: it may take {amount}.", amount=amount))


def currency_of(endpoints: Iterable[Endpoint]) -> str | None:
    """Return the one currency in which these endpoints have prices; `None` if there is none, or several."""
    found = {endpoint.price.currency for endpoint in endpoints if endpoint.price is not None}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, kw_only=True)
class Meter:
    """How much of one thing is permitted, used and held."""

    cap: int | None
    used: int
    held: int

    @property
    def left(self) -> int | None:
        """What is neither used nor held."""
        return None if self.cap is None else max(0, self.cap - self.used - self.held)


@dataclass(frozen=True, kw_only=True)
class Left:
    """What is left of a link: for all visitors together, and for one."""

    in_all: Mapping[str, Meter]
    yours: Mapping[str, Meter]

    def refusal(self, demo: Demo, wanted: Amount) -> AccessRefused | None:
        """Return what a run of this size would be told now; `None` if there is room for it."""
        for caps, meters, yours in ((demo.in_all, self.in_all, False), (demo.each, self.yours, True)):
            if any(meter.left is not None and meter.left < getattr(wanted, kind) for kind, meter in meters.items()):
                return _spent(caps, meters, wanted, demo.currency, yours=yours)
        return None


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A run that goes on at another server."""

    visitor: str
    endpoint: str
    demo: str | None
    started: float
    characters: int


class Demos:
    """The links of this database, and the runs of this process that are made by them."""

    def __init__(self, database: Database, server: str) -> None:
        self._database = database
        self._server = server
        self._swept = -DEAD
        self._lock = threading.Lock()
        self._going: dict[str, tuple[str, Run, threading.Thread]] = {}

    def mint(self, demo: Demo, endpoints: Mapping[str, Endpoint]) -> Demo:
        """Keep a new link. Raises what is wrong with it first."""
        self._check(demo, endpoints)
        with self._database.begin() as connection:
            connection.execute(insert(demos).values(id=demo.id, made=demo.made, **_columns(demo)))
        return demo

    def change(self, demo: Demo, endpoints: Mapping[str, Endpoint]) -> None:
        """Keep a link as it is now; its books go on, whatever its caps were, and so does its switch."""
        self._check(demo, endpoints)
        with self._database.begin() as connection:
            connection.execute(update(demos).where(demos.c.id == demo.id).values(**_columns(demo)))

    def find(self, demo_id: str) -> Demo | None:
        """Return the link with this id. What is none cannot be asked for: a database refuses some texts."""
        if not _ID.fullmatch(demo_id):
            return None
        with self._database.connect() as connection:
            row = connection.execute(select(demos).where(demos.c.id == demo_id)).one_or_none()
        return None if row is None else _demo(row)

    def open(self, demo_id: str) -> Demo:
        """Return a link that can be used now. Raises `AccessRefused` if it cannot, `ConfigurationError` where the books cannot be read."""
        with _books():
            demo = self.find(demo_id)
        if demo is None:
            raise _unknown()
        _check_open(demo)
        return demo

    def all(self) -> list[Demo]:
        """Return every link, the newest first."""
        with self._database.connect() as connection:
            return [_demo(row) for row in connection.execute(select(demos).order_by(demos.c.made.desc(), demos.c.id))]

    def stop(self, demo_id: str) -> None:
        """The kill switch: nothing begins by this link any more, and what goes on is stopped, here at once, elsewhere within seconds."""
        with self._database.begin() as connection:
            connection.execute(update(demos).where(demos.c.id == demo_id).values(stopped=now()))
        self._halt(demo_id)

    def resume(self, demo_id: str) -> None:
        """Let it be used again."""
        with self._database.begin() as connection:
            connection.execute(update(demos).where(demos.c.id == demo_id).values(stopped=None))

    def delete(self, demo_id: str) -> None:
        """Forget a link and its books; its runs are stopped."""
        with self._database.begin() as connection:
            # In the order in which a run is settled, so that neither waits for the other.
            connection.execute(delete(reservations).where(reservations.c.demo == demo_id))
            connection.execute(delete(demos).where(demos.c.id == demo_id))
            connection.execute(delete(demo_visitors).where(demo_visitors.c.demo == demo_id))
            connection.execute(delete(refusals).where(refusals.c.demo == demo_id))
        self._halt(demo_id)

    def left(self, demo: Demo, visitor: str = "") -> Left:
        """Return what is left of it for everybody, and for this visitor. Raises `ConfigurationError` where the books cannot be read."""
        if time.monotonic() - self._swept > DEAD / 2:
            self._swept = time.monotonic()
            with suppress(SQLAlchemyError):  # what a dead server held can wait
                self.settle_dead()
        with _books(), self._database.connect() as connection:
            whole = connection.execute(select(demos).where(demos.c.id == demo.id)).one_or_none()
            own = connection.execute(
                select(demo_visitors).where(demo_visitors.c.demo == demo.id, demo_visitors.c.visitor == visitor)
            ).one_or_none()
        return Left(in_all=_meters(demo.in_all, whole), yours=_meters(demo.each, own))

    def visitors(self, demo_id: str) -> int:
        """Return how many visitors have used a link."""
        with self._database.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(demo_visitors).where(demo_visitors.c.demo == demo_id)).scalar_one())

    def reserve(self, demo: Demo, visitor: str, wanted: Amount) -> str:
        """Hold what a run may cost, and return the name of the hold. Raises what `open` raises; then nothing is held."""
        hold = secrets.token_hex(16)
        more = _change(held=wanted)
        with _books(), self._database.begin() as connection:
            open_now = and_(demos.c.stopped.is_(None), or_(demos.c.expires.is_(None), demos.c.expires > now()))
            room = [or_(demos.c[f"{kind}_cap"].is_(None), _with(demos, kind, wanted) <= demos.c[f"{kind}_cap"]) for kind in KINDS]
            taken = connection.execute(update(demos).where(demos.c.id == demo.id, open_now, *room).values(**more(demos)))
            row = connection.execute(select(demos).where(demos.c.id == demo.id)).one_or_none()
            if row is None or not taken.rowcount:
                raise _why_not(row, wanted)
            present = _demo(row)  # as it stands while we hold its row
            self._database.add_once(connection, demo_visitors, demo=demo.id, visitor=visitor)
            own = and_(demo_visitors.c.demo == demo.id, demo_visitors.c.visitor == visitor)
            room = [_with(demo_visitors, kind, wanted) <= cap for kind, cap in present.each.counted.items() if cap is not None]
            taken = connection.execute(update(demo_visitors).where(own, *room).values(**more(demo_visitors)))
            if not taken.rowcount:
                raise _spent(present.each, _meters(present.each, connection.execute(select(demo_visitors).where(own)).one()), wanted,
                             present.currency, yours=True)
            connection.execute(
                insert(reservations).values(
                    id=hold, demo=demo.id, visitor=visitor, server=self._server, made=now(), runs=wanted.runs, tokens=wanted.tokens,
                    money=wanted.money,
                )
            )
        return hold

    def settle(self, hold: str, spent: Amount | None = None) -> bool:
        """Turn a hold into what was spent; `None` is what was held. Only the first call counts: it returns whether this was it."""
        with self._database.begin() as connection:
            row = connection.execute(select(reservations).where(reservations.c.id == hold)).one_or_none()
            if row is None or not connection.execute(delete(reservations).where(reservations.c.id == hold)).rowcount:
                return False
            held = Amount(**{kind: getattr(row, kind) for kind in KINDS})
            change = _change(held=held, back=True, used=held if spent is None else spent)
            connection.execute(update(demos).where(demos.c.id == row.demo).values(**change(demos)))
            own = and_(demo_visitors.c.demo == row.demo, demo_visitors.c.visitor == row.visitor)
            connection.execute(update(demo_visitors).where(own).values(**change(demo_visitors)))
        return True

    def give_back(self, hold: str) -> None:
        """Let go of what was held for a run that never began; a database that is away is waited for elsewhere."""
        try:
            self.settle(hold, Amount())
        except SQLAlchemyError:
            threading.Thread(target=self._settle_surely, args=(hold, Amount()), name=f"demo-{hold[:6]}", daemon=True).start()

    def settle_dead(self) -> int:
        """Settle what is held by servers that have not been seen for a while, as it was held; return how many holds that were."""
        alive = select(servers.c.id).where(servers.c.seen > self._database.clock() - DEAD)
        with self._database.connect() as connection:
            lost = connection.execute(
                select(reservations.c.id).where(
                    reservations.c.made < now() - DEAD, reservations.c.server != self._server, not_(reservations.c.server.in_(alive))
                )
            ).scalars().all()
        return sum(self.settle(hold) for hold in lost)

    def watch(self, demo: Demo, hold: str, wanted: Amount, run: Run) -> None:
        """Mind a run to its end: stop it when the link is stopped, and settle it."""
        thread = threading.Thread(target=self._mind, args=(demo, hold, wanted, run), name=f"demo-{run.id[:6]}", daemon=True)
        with self._lock:
            self._going[hold] = (demo.id, run, thread)
        thread.start()

    def going(self) -> list[tuple[str, Run]]:
        """Return the runs of this process that were made by a link, with its id."""
        with self._lock:
            return [(demo_id, run) for demo_id, run, _thread in self._going.values()]

    def elsewhere(self) -> list[Elsewhere]:
        """Return the runs that go on at other servers, the oldest first."""
        wanted = select(runs.c.visitor, runs.c.endpoint_name, runs.c.demo, runs.c.started, runs.c.characters)
        with self._database.connect() as connection:
            rows = connection.execute(wanted.where(runs.c.ending.is_(None), runs.c.server != self._server).order_by(runs.c.started))
            return [
                Elsewhere(visitor=row.visitor, endpoint=row.endpoint_name, demo=row.demo, started=row.started, characters=row.characters)
                for row in rows
            ]

    def refused(self, demo_id: str | None, reason: str) -> None:
        """Count a refusal, as far as that is possible."""
        try:
            with self._database.begin() as connection:
                self._database.add_once(connection, refusals, demo=demo_id or "", reason=reason, times=0, last=0.0)
                own = and_(refusals.c.demo == (demo_id or ""), refusals.c.reason == reason)
                connection.execute(update(refusals).where(own).values(times=refusals.c.times + 1, last=now()))
        except SQLAlchemyError as error:
            _log.error("A refusal could not be counted: %s", type(error).__name__)

    def refusals(self) -> list[tuple[str, str, int, float]]:
        """Return link (empty: none), reason, count and last time of what was refused, the latest first."""
        with self._database.connect() as connection:
            rows = connection.execute(select(refusals).order_by(refusals.c.last.desc()))
            return [(row.demo, row.reason, int(row.times), row.last) for row in rows]

    def close(self) -> None:
        """Wait until what has been stopped is settled."""
        until = time.monotonic() + _FAREWELL
        with self._lock:
            threads = [thread for _demo_id, _run, thread in self._going.values()]
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _check(self, demo: Demo, endpoints: Mapping[str, Endpoint]) -> None:
        for error in problems(demo, endpoints).values():
            raise error

    def _halt(self, demo_id: str) -> None:
        for made_by, run in self.going():
            if made_by == demo_id:
                run.stop(STOPPED)

    def _mind(self, demo: Demo, hold: str, wanted: Amount, run: Run) -> None:
        try:
            while not run.wait(_LOOK):
                present = self._present(demo)
                if present is None or present.stopped is not None:
                    run.stop(STOPPED)
            ending = run.ending or Ending.FAILED
            spent = bill(wanted, demo, run.endpoint, ending, run.usage, run.error, bool(run.sentences))
        except BaseException:
            spent = None
            raise
        finally:
            self._settle_surely(hold, spent)
            with self._lock:
                self._going.pop(hold, None)

    def _settle_surely(self, hold: str, spent: Amount | None) -> None:
        """A database that is away for a moment costs no visitor his budget; one that is away for long settles as held, by `settle_dead`."""
        for pause in (1.0, 5.0, 15.0, None):
            try:
                self.settle(hold, spent)
                return
            except SQLAlchemyError as error:
                _log.error("A run could not be settled: %s", type(error).__name__)
                if pause is not None:
                    time.sleep(pause)

    def _present(self, demo: Demo) -> Demo | None:
        try:
            return self.find(demo.id)
        except SQLAlchemyError:
            return demo


@contextmanager
def _books() -> Iterator[None]:
    """Who cannot look into the books lets nobody in."""
    try:
        yield
    except SQLAlchemyError as error:
        _log.error("The books of the demo links cannot be read: %s", type(error).__name__)
        raise ConfigurationError(
            message("What is left of this demo cannot be checked now, so nothing was sent."), message("Try again in a moment.")
        ) from None


def _columns(demo: Demo) -> dict[str, Any]:
    """What an owner can change of a link, as its table holds it."""
    ranges = {
        name: {"value": wanted.value} if wanted.locked else {"low": wanted.low, "high": wanted.high} for name, wanted in demo.ranges.items()
    }
    caps = {f"{kind}_cap": cap for kind, cap in demo.in_all.counted.items()} | {f"{kind}_each": cap for kind, cap in demo.each.counted.items()}
    return {
        "title": demo.title.strip(), "endpoints": list(demo.endpoints), "ranges": ranges, "prefix": demo.prefix,
        "tokens_per_run": demo.tokens_per_run, "currency": demo.currency, "expires": demo.expires, **caps,
    }


def _demo(row: Row[Any]) -> Demo:
    def caps(scope: str) -> Caps:
        amount = getattr(row, f"money_{scope}")
        return Caps(
            runs=getattr(row, f"runs_{scope}"), tokens=getattr(row, f"tokens_{scope}"), money=None if amount is None else Decimal(amount) / _BILLION
        )

    ranges = {name: Range(locked="value" in kept, **kept) for name, kept in row.ranges.items()}
    plain = {one.name: getattr(row, one.name) for one in fields(Demo) if one.name not in ("endpoints", "ranges", "in_all", "each")}
    return Demo(**plain, endpoints=tuple(row.endpoints), ranges=ranges, in_all=caps("cap"), each=caps("each"))


def _with(table: Table, kind: str, wanted: Amount) -> Any:
    """What would be used and held together."""
    return table.c[f"{kind}_used"] + table.c[f"{kind}_held"] + getattr(wanted, kind)


def _change(*, held: Amount, back: bool = False, used: Amount | None = None) -> Any:
    """Return how a table's books change: what is held more, or is given back, and what is used."""

    def values(table: Table) -> dict[str, Any]:
        changed = {}
        for kind in KINDS:
            amount = getattr(held, kind)
            changed[f"{kind}_held"] = table.c[f"{kind}_held"] - amount if back else table.c[f"{kind}_held"] + amount
            if used is not None:
                changed[f"{kind}_used"] = table.c[f"{kind}_used"] + getattr(used, kind)
        return changed

    return values


def _meters(caps: Caps, row: Row[Any] | None) -> dict[str, Meter]:
    def counted(kind: str, state: str) -> int:
        return 0 if row is None else int(getattr(row, f"{kind}_{state}"))

    return {kind: Meter(cap=cap, used=counted(kind, "used"), held=counted(kind, "held")) for kind, cap in caps.counted.items()}


def _why_not(row: Row[Any] | None, wanted: Amount) -> AccessRefused:
    """Why nothing could be held."""
    if row is None:
        return _unknown()
    demo = _demo(row)
    try:
        _check_open(demo)
    except AccessRefused as refusal:
        return refusal
    return _spent(demo.in_all, _meters(demo.in_all, row), wanted, demo.currency, yours=False)


def _check_open(demo: Demo) -> None:
    if demo.stopped is not None:
        raise AccessRefused("stopped", message("This demo has been stopped by its owner."), message("Ask its owner whether it will go on."))
    if demo.expires is not None and demo.expires <= now():
        moment = datetime.fromtimestamp(demo.expires, UTC).strftime("%Y-%m-%d %H:%M UTC")
        raise AccessRefused("expired", message("This demo link expired at {moment}.", moment=moment), message("Ask its owner for a new one."))


def _unknown() -> AccessRefused:
    return AccessRefused(
        "unknown", message("This demo link is not known here."), message("See that it was copied whole, or ask whoever gave it to you for a new one.")
    )


def _spent(caps: Caps, meters: Mapping[str, Meter], wanted: Amount, currency: str | None, *, yours: bool) -> AccessRefused:
    """Name the cap that is in the way."""
    kind = next((kind for kind in KINDS if (left := meters[kind].left) is not None and left < getattr(wanted, kind)), None)
    if kind is None:  # a run has ended in this very moment
        return AccessRefused("spent", message("All that is left of this demo was held by runs that went on."), message("Try again."))
    left = meters[kind].left or 0
    if kind == "runs":
        if caps.runs == 1:
            words = message("You have used up your run of this demo.") if yours else message("The one run of this demo is used up.")
        else:
            words = (
                message("You have used up your {cap} runs of this demo.", cap=f"{caps.runs:,}") if yours
                else message("All {cap} runs of this demo are used up.", cap=f"{caps.runs:,}")
            )
    else:
        figure = money(Decimal(left) / _BILLION, currency or "") if kind == "money" else f"{left:,}"
        need = money(Decimal(getattr(wanted, kind)) / _BILLION, currency or "") if kind == "money" else f"{getattr(wanted, kind):,}"
        if kind == "money":
            words = (
                message("You have {left} of this demo left; a run may cost up to {need}.", left=figure, need=need) if yours
                else message("This demo has {left} left; a run may cost up to {need}.", left=figure, need=need)
            )
        else:
            words = (
                message("You have {left} tokens of this demo left; a run may take up to {need}.", left=figure, need=need) if yours
                else message("This demo has {left} tokens left; a run may take up to {need}.", left=figure, need=need)
            )
    return AccessRefused("spent_you" if yours else "spent", words, message("Nothing was sent. Its owner can give it more."))


def _counted(amount: Decimal) -> int:
    """Money as the books count it; what is less than a billionth counts as one."""
    return int((amount * _BILLION).to_integral_value(ROUND_CEILING))


def _figure(value: float, spec: ParameterSpec) -> Any:
    return int(value) if spec.kind == "int" and value == int(value) else Decimal(str(value))
