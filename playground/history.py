"""The history of runs: each is written down as it grows, found again by its words, and opened as it was. Whose it is, alone sees it.

One thread of a process writes for all of its runs, at most every third of a second, and only what is new; a run never waits for it.
A database that does not answer costs no run anything: what came meanwhile is written when it answers again.
"""

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    Text,
    and_,
    cast,
    column,
    delete,
    func,
    insert,
    inspect,
    select,
    table,
    text,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError, SQLAlchemyError

from playground.completion import Ending, Safety, Sentence, Usage, Verdict
from playground.database import Database, insertion, now
from playground.errors import EndpointError, ParameterError, PlaygroundError
from playground.kept import (
    ENDPOINT,
    answer_fields,
    asked_fields,
    ending_fields,
    past_run,
    read_error,
    read_message,
    read_record,
    read_sentence,
    sentence_rest,
    server_stopped,
    write_record,
)
from playground.message import Message, message
from playground.run import Run
from playground.servers import Presence
from playground.tables import ESCAPE, restored, runs, sentences, stored

SHOWN = 2000  # characters of an answer in a list
MOST_NOTE = 4000
_PACE = 0.3  # seconds between two writings
_BEAT = 1.0  # seconds between two signs of life
_LOOK_AROUND = 2.0  # seconds between two looks for runs whose server is gone
_CLEAN = 30.0  # seconds between two looks for what is to be erased
_UNDO = 86400.0  # seconds for which a deleted run can come back
_BATCH = 200  # runs written, erased or read at once
_MOST_WAITING = 50_000_000  # characters of ended runs that wait for a database which does not answer
_TRIES = 5  # to write what a database does not take, though it answers
_MOST_WORDS = 20
_LONGEST_WORD = 200
_NOT_WRITTEN = message("The history is not being written: the database does not answer. What arrives is kept in memory until it does.")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A run as a line of the list: `text` is the beginning of its answer there, all of it in an entry asked for by its id.

    `endpoint` has the names `name`, `title`, `group`, `provider`, `model` and `url`. `ending` is `None` while the run goes on.
    """

    id: str
    started: float
    endpoint: Mapping[str, str]
    prompt: str
    parameters: Mapping[str, Any]
    text: str
    sentences: int
    characters: int
    first_after: float | None
    ended_after: float | None
    ending: Ending | None
    reason: Message | None
    error: EndpointError | None
    usage: Usage | None
    safety: Safety
    cost: tuple[Decimal, str] | None
    parent: str | None
    demo: str | None
    note: str
    starred: bool
    deleted: float | None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for: every one of `words`, somewhere in prompt, answer or note. `before` is `started` and `id` of the last one seen."""

    words: str = ""
    endpoint: str | None = None
    ending: Ending | None = None
    starred: bool = False
    noted: bool = False
    before: tuple[float, str] | None = None
    limit: int = 50


class _Kept:
    """A run of this process that is being written down, and how far."""

    def __init__(self, run: Run, parent: str | None, demo: str | None) -> None:
        self.run = run
        self.row = {**asked_fields(run), "parent": parent, "demo": demo}
        self.begun = False
        self.written = 0
        self.refused = 0


class History:
    """What is kept of the runs of a database's visitors. `trouble` says why nothing is written just now; `server` is what this process is called.

    Reading raises `PlaygroundError` while the database does not answer.
    """

    def __init__(self, database: Database, *, days: float = 90, most: int = 20_000) -> None:
        """Begin to write. `days` is how long a run is kept that has no star, none at all if it is 0; `most` how many of a visitor's."""
        self.trouble: Message | None = None
        self.days = days
        self._most = most
        self._database = database
        self._presence = Presence(database)
        self._kept: dict[str, _Kept] = {}
        self._written = threading.Condition()
        self._news = threading.Event()
        self._closing = threading.Event()
        self._last: dict[Callable[[], None], float] = {}
        self._failing: set[Callable[[], None]] = set()
        self._grown: set[str] = set()
        self._fts = database.dialect == "sqlite" and inspect(database.engine).has_table("runs_words")
        self._writer = threading.Thread(target=self._work, name="history", daemon=True)
        self._heart = threading.Thread(target=self._beat, name="history-heart", daemon=True)
        for thread in (self._heart, self._writer):
            thread.start()

    @property
    def server(self) -> str:
        """What this process is called among the servers of the database."""
        return self._presence.id

    # --- writing ---

    def keep(self, run: Run, *, parent: str | None = None, demo: str | None = None) -> None:
        """Write this run down from now on, as it grows, until it has ended."""
        if self.days and not self._closing.is_set():
            kept = _Kept(run, parent, demo)
            with self._written:
                self._kept[run.id] = kept
            self._news.set()

    def close(self) -> None:
        """Write what is not written yet, and be gone. Runs that still go are cut off here: stop them before."""
        self._closing.set()
        self._news.set()
        self._writer.join(30)

    def _beat(self) -> None:
        """Show that this server lives, however long a writing takes."""
        while True:
            with suppress(SQLAlchemyError), self._database.begin() as connection:
                self._presence.show(connection)
            if self._closing.wait(_BEAT):
                return

    def _work(self) -> None:
        while True:
            closing = self._closing.is_set()
            for task, every in ((self._write, 0.0), (self._close_abandoned, _LOOK_AROUND), (self._erase, _CLEAN)):
                self._attempt(task, every)
            if closing:
                self._heart.join(30)
                self._attempt(self._leave, 0.0)
                return
            self._closing.wait(_PACE if self.trouble is None else _BEAT)
            if not self._kept:
                self._news.wait(_LOOK_AROUND - _PACE)
            self._news.clear()

    def _attempt(self, task: Callable[[], None], every: float) -> None:
        """Do a part of the thread's work when it is due. Whatever it meets, the thread goes on, and so does every run."""
        moment = time.monotonic()
        if moment - self._last.get(task, -every) < every:
            return
        self._last[task] = moment
        try:
            task()
        except Exception as error:
            if task not in self._failing:
                _log.warning("The history cannot do its work (%s, %s); it is tried again until it can.", task.__name__.strip("_"), type(error).__name__)
            self._failing.add(task)
            self._drop_surplus()
        else:
            if task in self._failing:
                _log.warning("The history does its work again (%s).", task.__name__.strip("_"))
            self._failing.discard(task)
        self.trouble = _NOT_WRITTEN if self._write in self._failing else None

    def _write(self) -> None:
        kept = list(self._kept.values())
        try:
            self._put(kept)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            # One of them may be what the database does not take: then the others need not wait for it.
            for one in kept:
                self._put_alone(one)

    def _put_alone(self, one: _Kept) -> None:
        try:
            self._put([one])
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            one.refused += 1
            if one.refused >= _TRIES:
                _log.error("A run cannot be kept (%s).", type(error).__name__)
                self._forget(one)

    def _put(self, kept: list[_Kept]) -> None:
        """Write what is new of these runs in one transaction."""
        grown = [(one, one.run.ending, one.run.sentences[one.written :]) for one in kept]  # an ending is looked at before the sentences
        news = [(one, ending, fresh) for one, ending, fresh in grown if ending or fresh or not one.begun]
        if not news:
            return
        with self._database.begin() as connection:
            self._presence.enter(connection)
            for one, *_ in news:
                if not one.begun:
                    row = {**one.row, "place": _free_place(connection, one.run.started), "kept": now(), "server": self.server}
                    _add(connection, runs, [row])
            _add(connection, sentences, [
                {"run": one.run.id, "number": number, "text": sentence.text, "arrived": sentence.arrived, "rest": sentence_rest(sentence, number)}
                for one, _, fresh in news for number, sentence in enumerate(fresh, one.written)
            ])
            for one, ending, _ in news:
                if ending is not None:
                    end = ending_fields(ending, one.run.elapsed, one.run.reason, one.run.error)
                    whole = answer_fields(one.run.sentences, one.row["endpoint"])
                    connection.execute(update(runs).where(runs.c.id == one.run.id).values(**whole, **end))
        for one, ending, fresh in news:
            one.begun = True
            one.written += len(fresh)
            if ending is not None:
                self._grown.add(one.run.visitor)
                self._forget(one)
        with self._written:
            self._written.notify_all()

    def _forget(self, one: _Kept) -> None:
        with self._written:
            self._kept.pop(one.run.id, None)

    def _drop_surplus(self) -> None:
        """Let go of ended runs, the oldest first, of which more waits to be written than this process has room for."""
        waiting = [one for one in list(self._kept.values()) if one.run.ending is not None]
        room = _MOST_WAITING
        for one in reversed(waiting):
            room -= sum(len(sentence.text) + 100 for sentence in one.run.sentences) + len(one.run.request.prompt)
            if room < 0:
                _log.error("A run is lost to the history: the database has not answered for too long.")
                self._forget(one)

    def _leave(self) -> None:
        with self._database.begin() as connection:
            self._presence.leave(connection)

    def _close_abandoned(self) -> None:
        """End the runs whose server is gone, with what there is of them; whoever comes first does it."""
        with self._database.connect() as connection:
            living = self._presence.living(connection)
            going = select(runs.c.id, runs.c.endpoint, runs.c.server).where(runs.c.ending.is_(None))
            found = [row for row in connection.execute(going) if row.server not in living or row.server == self.server and row.id not in self._kept]
        for row in found:
            with self._database.begin() as connection:
                said = _sentences(connection, row.id)
                end = ending_fields(Ending.CUT, said[-1].arrived if said else 0.0, None, server_stopped())
                over = update(runs).where(runs.c.id == row.id, runs.c.ending.is_(None))
                connection.execute(over.values(**answer_fields(said, row.endpoint), **end))

    # --- erasing ---

    def _erase(self) -> None:
        """Erase for good a few of those that are too old, too many, or were deleted a day ago; a star keeps a run."""
        over = runs.c.ending.is_not(None)
        plain = ~runs.c.starred
        searches = [
            select(runs.c.id).where(over, plain, runs.c.kept < now() - self.days * 86400),
            select(runs.c.id).where(over, runs.c.deleted < now() - _UNDO),
        ]
        visitors = list(self._grown)[:_BATCH]
        for visitor in visitors:
            own = select(runs.c.id).where(runs.c.visitor == visitor, runs.c.deleted.is_(None), over, plain)
            searches.append(own.order_by(runs.c.place.desc()).offset(self._most))
        full = False
        for search in searches:
            with self._database.connect() as connection:
                ids = sorted(connection.scalars(search.limit(_BATCH)))
            if ids:
                with self._database.begin() as connection:
                    connection.execute(delete(sentences).where(sentences.c.run.in_(ids)))
                    connection.execute(delete(runs).where(runs.c.id.in_(ids)))
            full = full or len(ids) == _BATCH
        if full:  # there may be more of them
            self._last.pop(self._erase, None)
            self._news.set()
        else:
            self._grown.difference_update(visitors)

    # --- reading ---

    def find(self, visitor: str, query: Query = Query()) -> list[Entry]:  # noqa: B008  (it cannot be changed)
        """Return the visitor's runs that are looked for, the newest first."""
        with self._reading(visitor) as connection:
            wanted = self._wanted(connection, visitor, query, _LISTED)
            rows = connection.execute(wanted).all()
        if any(self._is_strange(row) for row in rows):
            with self._reading(visitor, look_around=True) as connection:
                rows = connection.execute(wanted).all()
        with self._reading(visitor) as connection:
            return [_entry(row, self._so_far(connection, row)) for row in rows]

    def count(self, visitor: str, query: Query = Query()) -> int:  # noqa: B008
        """Return how many of the visitor's runs are looked for; `before` and `limit` change nothing."""
        with self._reading(visitor) as connection:
            found = self._wanted(connection, visitor, query, [runs.c.id], listed=False).subquery()
            return connection.scalar(select(func.count()).select_from(found)) or 0

    def endpoints(self, visitor: str) -> list[str]:
        """Return the names of the endpoints that the visitor's runs were asked of."""
        with self._reading(visitor) as connection:
            return sorted(connection.scalars(select(runs.c.endpoint_name).where(runs.c.visitor == visitor).distinct()))

    def entry(self, visitor: str, run_id: str) -> Entry | None:
        """Return a run of the visitor's with its whole answer; also one that is deleted and may come back."""
        row = self._row(visitor, run_id)
        if row is None:
            return None
        with self._reading(visitor) as connection:
            return _entry(row, self._so_far(connection, row), whole=True)

    def restore(self, visitor: str, run_id: str) -> Run | None:
        """Return a run of the visitor's as one that is over, as it was kept; one that still goes on here as it is.

        Raises `ParameterError` if it is of a protocol that this version does not know.
        """
        kept = self._kept.get(run_id)
        row = self._row(visitor, run_id)
        if row is None or row.deleted is not None:
            return None
        if row.ending is None and kept is not None:
            return kept.run
        with self._reading(visitor) as connection:
            return past_run(row, _sentences(connection, run_id))

    def records(self, visitor: str, ids: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield everything of the visitor's runs, all or those named, the newest first, as plain JSON values."""
        own = select(runs).where(runs.c.visitor == visitor, runs.c.deleted.is_(None)).order_by(runs.c.place.desc()).limit(_BATCH)
        if ids is not None:
            for some in _batches(ids, _BATCH):
                yield from self._records(visitor, own.where(runs.c.id.in_(some)))[0]
            return
        page, place = self._records(visitor, own)
        while place is not None:
            yield from page
            page, place = self._records(visitor, own.where(runs.c.place < place))

    def _records(self, visitor: str, wanted: Select[Any]) -> tuple[list[dict[str, Any]], int | None]:
        """Return the records of these rows, and the place of the last."""
        with self._reading(visitor) as connection:
            rows = connection.execute(wanted).all()
            said: dict[str, list[Any]] = {row.id: [] for row in rows}
            listed = select(sentences).where(sentences.c.run.in_(list(said))).order_by(sentences.c.run, sentences.c.number)
            for row in connection.execute(listed):
                said[row.run].append((row.text, row.arrived, row.rest))
        return [write_record(row, said[row.id]) for row in rows], rows[-1].place if rows else None

    def _row(self, visitor: str, run_id: str) -> Row[Any] | None:
        own = select(runs).where(runs.c.id == run_id, runs.c.visitor == visitor)
        with self._reading(visitor) as connection:
            row = connection.execute(own).first()
        if row is not None and self._is_strange(row):
            with self._reading(visitor, look_around=True) as connection:
                row = connection.execute(own).first()
        return row

    def _is_strange(self, row: Row[Any]) -> bool:
        """Whether a run goes on that is not of this process: it may be of one that is gone."""
        return row.ending is None and row.id not in self._kept

    @contextmanager
    def _reading(self, visitor: str, look_around: bool = False) -> Iterator[Connection]:
        """A connection that sees the visitor's runs, those too that began a moment ago. Turns what fails into words."""
        with _in_words():
            with self._written:
                self._written.wait_for(lambda: all(one.begun for one in self._kept.values() if one.run.visitor == visitor), 2 * _PACE)
            if look_around:
                self._close_abandoned()
            with self._database.connect() as connection:
                yield connection

    def _wanted(
        self, connection: Connection, visitor: str, query: Query, columns: Sequence[ColumnElement[Any]], *, listed: bool = True
    ) -> Select[Any]:
        """The statement for what is looked for; the newest first, and so many of them, if it is for a list."""
        words = [word[:_LONGEST_WORD] for word in query.words.split()[:_MOST_WORDS]]
        indexed = {word: match for word in words if (match := _match(connection, word)) is not None} if self._fts else {}
        wanted, order = select(*columns), runs.c.place.desc()
        if indexed:
            # From the index to the runs, never the other way: a plus keeps SQLite from taking the index of visitors.
            found = text("runs_words MATCH :match AND +runs.visitor = :visitor").bindparams(match=" AND ".join(indexed.values()), visitor=visitor)
            wanted, order = wanted.where(found, runs.c.place == _WORDS.c.rowid), _WORDS.c.rowid.desc()
        else:
            wanted = wanted.where(runs.c.visitor == visitor)
        wanted = wanted.where(runs.c.deleted.is_(None), *(_has(connection, word) for word in words if word not in indexed))
        if query.endpoint is not None:
            wanted = wanted.where(runs.c.endpoint_name == query.endpoint)
        if query.ending is not None:
            wanted = wanted.where(runs.c.ending == query.ending.value)
        if query.starred:
            wanted = wanted.where(runs.c.starred)
        if query.noted:
            wanted = wanted.where(text("runs.note <> ''"))
        if not listed:
            return wanted
        if query.before is not None:
            started, last = query.before
            place = connection.scalar(select(runs.c.place).where(runs.c.id == last, runs.c.visitor == visitor))
            wanted = wanted.where((_WORDS.c.rowid if indexed else runs.c.place) < (_place(started) if place is None else place))
        return wanted.order_by(order).limit(query.limit)

    def _so_far(self, connection: Connection, row: Row[Any]) -> list[Sentence]:
        """The sentences of a run that goes on: its row has none of them yet."""
        if row.ending is not None:
            return []
        kept = self._kept.get(row.id)
        return _sentences(connection, row.id) if kept is None else list(kept.run.sentences)

    # --- what a person does with it ---

    def annotate(self, visitor: str, run_id: str, *, note: str | None = None, starred: bool | None = None) -> None:
        """Write a note to a run, or set or take its star. Raises `ParameterError` for a note that is too long."""
        if note is not None and len(note) > MOST_NOTE:
            raise ParameterError(
                "note", message("A note has at most {limit} characters; this one has {count}.", limit=f"{MOST_NOTE:,}", count=f"{len(note):,}")
            )
        values = {name: value for name, value in (("note", note), ("starred", starred)) if value is not None}
        if values:
            self._change(visitor, [run_id], values)

    def delete(self, visitor: str, ids: Sequence[str]) -> int:
        """Delete runs of the visitor's; returns how many there were. For a day they can come back."""
        return self._change(visitor, ids, {"deleted": now()}, runs.c.deleted.is_(None))

    def undelete(self, visitor: str, ids: Sequence[str]) -> int:
        """Bring deleted runs back; returns how many."""
        return self._change(visitor, ids, {"deleted": None}, runs.c.deleted.is_not(None))

    def _change(self, visitor: str, ids: Sequence[str], values: Mapping[str, Any], *which: ColumnElement[bool]) -> int:
        changed = 0
        with self._reading(visitor):
            pass
        for some in _batches(ids, _BATCH):
            with _in_words(), self._database.begin() as connection:
                found = update(runs).where(runs.c.visitor == visitor, runs.c.id.in_(some), *which)
                changed += connection.execute(found.values(**values)).rowcount
        return changed

    def take(self, visitor: str, records: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
        """Add the runs of an export; returns how many were added, and how many were here already, which stay as they are.

        Raises `ParameterError` if one of them cannot be read; then nothing is added.
        """
        read = [read_record(record) for record in records]
        added = 0
        for some in _batches(read, _BATCH):
            added += self._again(partial(self._take, visitor, some))
        self._grown.add(visitor)
        self._last.pop(self._erase, None)
        self._news.set()
        return added, len(read) - added

    def _again(self, write: Callable[[Connection], int]) -> int:
        """Write in a transaction; again if another server took an id or a place in time at the same moment."""
        with _in_words():
            for _ in range(_TRIES - 1):
                with suppress(IntegrityError), self._database.begin() as connection:
                    return write(connection)
            with self._database.begin() as connection:
                return write(connection)

    def _take(self, visitor: str, read: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], connection: Connection) -> int:
        """Add those that are not here. Where another visitor has one, an importer's has an id of its own, the same each time."""
        known = [one for row, _ in read for one in (row["id"], _own_id(visitor, row["id"]), row["parent"]) if one]
        rows = connection.execute(select(runs.c.id, runs.c.visitor, runs.c.deleted).where(runs.c.id.in_(known))).all()
        whose = {row.id: row.visitor for row in rows}
        deleted = {row.id for row in rows if row.deleted is not None}
        added = 0
        for row, events in read:
            row = dict(row)
            for field in ("id", "parent"):
                if row[field] and whose.get(row[field], visitor) != visitor:
                    row[field] = _own_id(visitor, row[field])
            if whose.get(row["id"]) == visitor:
                if row["id"] in deleted:
                    deleted.discard(row["id"])
                    connection.execute(update(runs).where(runs.c.id == row["id"]).values(deleted=None))
                    added += 1
                continue
            whose[row["id"]] = visitor
            place = _free_place(connection, row["started"])
            connection.execute(insert(runs).values(**row, place=place, kept=now(), visitor=visitor, server=""))
            if events:
                connection.execute(insert(sentences), [{**event, "run": row["id"]} for event in events])
            added += 1
        return added


# What words are looked for in. PostgreSQL's index is of this very expression.
_HAYSTACK = runs.c.prompt.op("||")(text("'\n'")).op("||")(runs.c.text).op("||")(text("'\n'")).op("||")(runs.c.note)
_WORDS = table("runs_words", column("rowid"))
_TERMS = table("runs_words_terms", column("term"))
_TERM = 3  # characters of a term
_MOST_TERMS = 1000
_NOWHERE = "\x02" * _TERM
_PAIR = re.compile(r"[\u2e80-\ud7ff\ue000-\U0010ffff]{2}")
_BEGINNING = func.substr(type_coerce(runs.c.text, Text), 1, SHOWN + 1, type_=Text).label("text")
_LISTED = [_BEGINNING if one.name == "text" else one for one in runs.c if one.name not in ("place", "kept", "visitor")]


def _match(connection: Connection, word: str) -> str | None:
    """Return how SQLite's index is asked for a word; `None` if it is a short one that stands nearly everywhere: the runs themselves tell sooner."""
    found = [stored(word)]
    if len(found[0]) < _TERM:
        begins = _TERMS.c.term.between(found[0].lower(), found[0].lower() + "\U0010ffff")
        found = list(connection.scalars(select(_TERMS.c.term).where(begins).limit(_MOST_TERMS + 1))) or [_NOWHERE]
    quoted = ('"' + term.replace('"', '""') + '"' for term in found)
    return f"({' OR '.join(quoted)})" if len(found) <= _MOST_TERMS else None


def _has(connection: Connection, word: str) -> ColumnElement[bool]:
    """Whether a word stands in a run, by the run itself."""
    pattern = "%" + re.sub(r"([%_!])", r"!\1", word) + "%"
    # To look past case takes PostgreSQL ten times as long, and Chinese has none.
    found = _HAYSTACK.like(pattern, escape="!") if word.lower() == word.upper() else _HAYSTACK.ilike(pattern, escape="!")
    if connection.dialect.name == "postgresql" and _PAIR.fullmatch(word):
        return and_(found, func.runs_pairs(_HAYSTACK).op("@>")(cast([word], ARRAY(Text))))
    return found


def _beginning(raw: str) -> str:
    """Return the beginning of a text of which the database gave a piece, cut anywhere."""
    return restored(raw.removesuffix(ESCAPE))[:SHOWN]


_SECOND = 1_000_000
_CROWD = 5


def _place(started: float) -> int:
    return int(started * _SECOND)


def _free_place(connection: Connection, started: float) -> int:
    """Return where in time a run stands: there, or as soon after it as no other one does; in a crowd, after the last of the next second.

    A file may hold any number of runs of one moment: to try one place after the other would take for ever.
    """
    place, tried = _place(started), 0
    while connection.scalar(select(runs.c.place).where(runs.c.place == place)) is not None:
        tried += 1
        if tried >= _CROWD:
            last = select(func.max(runs.c.place)).where(runs.c.place >= place, runs.c.place < place + _SECOND)
            place = int(connection.execute(last).scalar_one())
        place += 1
    return place


def _add(connection: Connection, into: Table, rows: list[dict[str, Any]]) -> None:
    """Add rows, but for those that are there: whether a transaction that was broken off had come through is not always known."""
    if rows:
        connection.execute(insertion(connection, into).on_conflict_do_nothing(index_elements=into.primary_key.columns), rows)


def _sentences(connection: Connection, run_id: str) -> list[Sentence]:
    rows = connection.execute(select(sentences).where(sentences.c.run == run_id).order_by(sentences.c.number))
    return [read_sentence(row.text, row.number, row.arrived, row.rest) for row in rows]


def _entry(row: Row[Any], so_far: list[Sentence], whole: bool = False) -> Entry:
    """Return a row as a line of the list; `so_far` is what there is of a run that goes on."""
    fields = dict(row._mapping)
    if row.ending is None:
        fields.update(answer_fields(so_far, row.endpoint))
        fields["text"] = fields["text"] if whole else fields["text"][:SHOWN]
    elif not whole:
        fields["text"] = _beginning(row.text)
    tokens = [fields[f"{kind}_tokens"] for kind in ("prompt", "completion", "total")]
    return Entry(
        **{name: fields[name] for name in _PLAIN},
        endpoint={name: row.endpoint[name] for name in ENDPOINT},
        ending=Ending(row.ending) if row.ending else None,
        reason=read_message(row.reason),
        error=read_error(row.error),
        usage=None if tokens[2] is None else Usage(prompt_tokens=tokens[0], completion_tokens=tokens[1], total_tokens=tokens[2]),
        safety=Safety(verdict=Verdict(fields["safety"])),
        cost=(Decimal(fields["cost"][0]), fields["cost"][1]) if fields["cost"] else None,
    )


_PLAIN = (
    "id", "started", "prompt", "parameters", "text", "sentences", "characters", "first_after", "ended_after", "parent", "demo", "note", "starred",
    "deleted",
)


def _own_id(visitor: str, run_id: str) -> str:
    """Return the id under which a visitor's copy of another's run is kept."""
    return hashlib.sha256(f"{visitor} {run_id}".encode()).hexdigest()[:32]


def _batches(all_of_them: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(all_of_them), size):
        yield all_of_them[start : start + size]


@contextmanager
def _in_words() -> Iterator[None]:
    """Say in words that the database does not answer."""
    try:
        yield
    except SQLAlchemyError as error:
        _log.warning("The history cannot be reached (%s).", type(error).__name__)
        raise PlaygroundError(
            message("The history cannot be reached just now: the database does not answer."), message("Try again in a moment.")
        ) from None
