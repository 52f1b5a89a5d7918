"""What is shared by a link: a set-up too long for an address, and snapshots, which are runs as they stood, to be looked at by anybody.

The id, 128 random bits, is the only way in. What leaves holds no secret that this process knows, no address of an endpoint and no
visitor's mark; else prompt and answer are as they were. A link that is revoked, or whose time is over, holds nothing any more.
"""

import json
import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from playground.database import Database, now
from playground.errors import LimitReached, ParameterError, PlaygroundError
from playground.message import Message, message
from playground.redaction import mask_known, redact
from playground.run import Run
from playground.setup_link import Setup, setup_fields, setup_from
from playground.snapshot import excerpt, freeze, masked, thaw
from playground.tables import shared

Kind = Literal["setup", "snapshot"]
DAY = 86400.0
LONGEST_TITLE = 120
LONGEST_EXCERPT = 300
MOST = 200
MOST_A_MINUTE = 20
LARGEST = 8_000_000
ROOM = 4_000_000_000
# How long a link that is over still says so; after that it is as if it had never been.
REMEMBERED = 90 * DAY
_MOST_LOOKED_AT = 20
_ID = re.compile(r"[0-9a-f]{32}")
_FACTS = (
    shared.c.id, shared.c.kind, shared.c.visitor, shared.c.made, shared.c.expires, shared.c.revoked, shared.c.opens, shared.c.title,
    shared.c.excerpt,
)
_EMPTY = {"content": None, "excerpt": "", "size": 0}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link, without what it holds. `expires` is `None` for one that stays, `excerpt` the beginning of what it holds."""

    id: str
    kind: Kind
    visitor: str
    made: float
    expires: float | None
    revoked: float | None
    opens: int
    title: str
    excerpt: str

    @property
    def over(self) -> bool:
        """Whether nobody can open it any more."""
        return self.revoked is not None or (self.expires is not None and self.expires <= now())


class Sharing:
    """The links of one database. Safe for many threads. Everything raises `PlaygroundError` while the database does not answer."""

    def __init__(self, database: Database, *, most: int = MOST, a_minute: int = MOST_A_MINUTE, room: int = ROOM) -> None:
        self._database = database
        self._most, self._a_minute, self._room = most, a_minute, room
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    def share_setup(self, visitor: str, setup: Setup, *, lasts: float | None) -> Link:
        """Keep a set-up under an id. Raises `LimitReached` or `ParameterError`."""
        return self._share("setup", visitor, setup_fields(clean(setup)), setup.title, lasts)

    def share_run(self, visitor: str, run: Run, *, title: str, lasts: float | None) -> Link:
        """Keep a run that is over, as it stands, under an id. Raises `LimitReached` or `ParameterError`."""
        return self._share("snapshot", visitor, freeze(run), clean_title(title), lasts)

    def find(self, link_id: str) -> Link | None:
        """Return a link, whether or not it is over; `None` if there is none."""
        if not _ID.fullmatch(link_id):
            return None
        with _in_words(), self._database.connect() as connection:
            row = connection.execute(select(*_FACTS).where(shared.c.id == link_id)).mappings().first()
        return None if row is None else _link(row)

    def setup(self, link: Link) -> tuple[Setup, tuple[Message, ...]]:
        """Return the set-up of a link, or that of the run in it. Raises `ParameterError` if it is over."""
        content = self._content(link)
        if link.kind == "setup":
            return setup_from(content)
        endpoint = content["endpoint"]
        return Setup(prompt=content["prompt"], parameters=content["parameters"], endpoint=endpoint["name"], title=endpoint["title"]), ()

    def run(self, link: Link) -> Run:
        """Return the run of a snapshot; all who look at it now look at the same. Raises `ParameterError` if it is over."""
        if link.over:
            raise _over()
        with self._lock:
            run = self._runs.pop(link.id, None)
        run = run or thaw(self._content(link))
        with self._lock:
            self._runs[link.id] = run
            while len(self._runs) > _MOST_LOOKED_AT:
                del self._runs[next(iter(self._runs))]
        return run

    def count_open(self, link_id: str) -> None:
        """Note that somebody opened it, as far as that is possible."""
        with suppress(PlaygroundError), _in_words(), self._database.begin() as connection:
            connection.execute(update(shared).where(shared.c.id == link_id).values(opens=shared.c.opens + 1))

    def links(self, visitor: str) -> list[Link]:
        """Return a visitor's own links, the newest first."""
        wanted = select(*_FACTS).where(shared.c.visitor == visitor).order_by(shared.c.made.desc(), shared.c.id).limit(2 * self._most)
        with _in_words(), self._database.connect() as connection:
            return [_link(row) for row in connection.execute(wanted).mappings()]

    def revoke(self, visitor: str, link_id: str) -> bool:
        """Close a link of this visitor's for good, and forget what it held. Returns whether there was one to close."""
        own = and_(shared.c.id == link_id, shared.c.visitor == visitor, shared.c.revoked.is_(None))
        with _in_words(), self._database.begin() as connection:
            return connection.execute(update(shared).where(own).values(revoked=now(), **_EMPTY)).rowcount > 0

    def _content(self, link: Link) -> Any:
        wanted = select(shared.c.content).where(shared.c.id == link.id)
        with _in_words(), self._database.connect() as connection:
            content = None if link.over else connection.execute(wanted).scalar()
        if content is None:
            raise _over()
        return content

    def _share(self, kind: Kind, visitor: str, content: Mapping[str, Any], title: str, lasts: float | None) -> Link:
        size, made = len(json.dumps(content)), now()
        if size > LARGEST:
            raise ParameterError(kind, message("This is too large to be shared by a link."))
        link = Link(
            id=secrets.token_hex(16), kind=kind, visitor=visitor, made=made, expires=made + lasts if lasts is not None else None, revoked=None,
            opens=0, title=title, excerpt=excerpt(content, LONGEST_EXCERPT),
        )
        with _in_words(), self._database.begin() as connection:
            if self._database.dialect == "postgresql":  # SQLite has one writer at a time anyway
                connection.execute(select(func.pg_advisory_xact_lock(func.hashtext("shared"))))
            self._forget(connection, made)
            self._check_room(connection, visitor, made, size)
            connection.execute(insert(shared).values(
                id=link.id, kind=kind, visitor=visitor, made=made, expires=link.expires, title=title, excerpt=link.excerpt, size=size,
                content=content,
            ))
        return link

    def _check_room(self, connection: Connection, visitor: str, moment: float, size: int) -> None:
        def count(where: ColumnElement[bool]) -> int:
            return int(connection.execute(select(func.count()).select_from(shared).where(shared.c.visitor == visitor, where)).scalar_one())

        if count(shared.c.made > moment - 60) >= self._a_minute:
            raise LimitReached(message("You have made {count} links within a minute.", count=self._a_minute), message("Try again in a moment."))
        if count(shared.c.content.is_not(None)) >= self._most:
            raise LimitReached(
                message("You have {count} links; that is the limit.", count=self._most), message("Revoke one that is no longer needed.")
            )
        if int(connection.execute(select(func.coalesce(func.sum(shared.c.size), 0))).scalar_one()) + size > self._room:
            raise LimitReached(message("This server has no room for more links."), message("Save the answer as a file instead."))

    def _forget(self, connection: Connection, moment: float) -> None:
        """Empty what has expired, and drop what has been over for long."""
        expired = and_(shared.c.expires <= moment, shared.c.content.is_not(None))
        connection.execute(update(shared).where(expired).values(**_EMPTY))
        old = moment - REMEMBERED
        connection.execute(delete(shared).where(or_(shared.c.expires <= old, shared.c.revoked <= old)))


def clean(setup: Setup) -> Setup:
    """Return a set-up without the secrets that this process knows."""
    parameters = {name: masked(value) for name, value in (setup.parameters or {}).items()}
    prompt = None if setup.prompt is None else mask_known(setup.prompt)
    return Setup(prompt=prompt, parameters=parameters, endpoint=redact(setup.endpoint), title=redact(setup.title))


def clean_title(text: str) -> str:
    """Return a title in one line, without secrets."""
    return redact(" ".join(text.split())).encode("utf-8", "replace").decode()[:LONGEST_TITLE]


def looks_like_a_key(*texts: str) -> bool:
    """Whether something in these texts has the shape of a key, so that a person should look before he shares them."""
    return any(redact(text) != text for text in texts)


def _over() -> ParameterError:
    return ParameterError(
        "link", message("This link was revoked, or its time is over."), message("Ask whoever sent it to you for a new one.")
    )


@contextmanager
def _in_words() -> Iterator[None]:
    """Say in words that the database does not answer."""
    try:
        yield
    except SQLAlchemyError as error:
        _log.warning("The links cannot be reached (%s).", type(error).__name__)
        raise PlaygroundError(
            message("The links cannot be reached just now: the database does not answer."), message("Try again in a moment.")
        ) from None


def _link(row: Mapping[Any, Any]) -> Link:
    make: Callable[..., Link] = Link
    return make(**{column.name: row[column.name] for column in _FACTS})
