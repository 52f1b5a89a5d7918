"""A run of the history in one line: when, what was asked and answered, how it ended, and what changed against the run it follows upon."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from components import state
from components.known import known_endpoints
from components.recording_facts import endings
from components.text import _, say
from playground.completion import Usage
from playground.difference import change_words, parameter_changes
from playground.history import Entry
from playground.message import N_
from playground.service import service

_GLIMPSE = 220
# How much of what goes before a found word is shown with it.
_BEFORE = 24
_MONTHS = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"), N_("July"), N_("August"), N_("September"), N_("October"),
    N_("November"), N_("December"),
)
_MOST_PARENTS = 500
_ENOUGH = 2000


def zone() -> tzinfo:
    """Return the visitor's time zone, as his browser tells it."""
    try:
        return ZoneInfo(st.context.timezone or "")
    except (ValueError, OSError, LookupError):
        minutes = st.context.timezone_offset
        return UTC if minutes is None else timezone(timedelta(minutes=-minutes))


def day_title(day: date, today: date) -> str:
    """Return a day's name among others."""
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    words = _("{day} {month}") if day.year == today.year else _("{day} {month} {year}")
    return words.format(day=day.day, month=_(_MONTHS[day.month - 1]), year=day.year)


def moment(started: float) -> str:
    """Return when a run began, as its day and time."""
    local = datetime.fromtimestamp(started, zone())
    return f"{day_title(local.date(), datetime.now(zone()).date())} {local:%H:%M}"


def days(entries: Sequence[Entry], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Return the days on which these runs began, each with its lines; `wanted` are words that are looked for."""
    here = zone()
    today = datetime.now(here).date()
    parents = _parents(entries)
    begun = [(datetime.fromtimestamp(entry.started, here), entry) for entry in entries]
    return [
        {"title": day_title(day, today), "lines": [_line(local, entry, parents, wanted) for local, entry in rows]}
        for day, rows in groupby(begun, key=lambda row: row[0].date())
    ]


def title(entry: Entry) -> str:
    """Return what a run's endpoint is called; a replayed or deleted one keeps the name it had."""
    return entry.endpoint.get("title") or entry.endpoint.get("name") or _("Endpoint")


def endpoint_title(name: str) -> str:
    """Return the title of an endpoint by its name; the name, if it is not known here any more."""
    row = known_endpoints().get(name)
    return row.title if row is not None else name


def tokens(usage: Usage | None) -> str:
    """Return the tokens of a run in one word or two; nothing where none were returned."""
    if usage is None or usage.total_tokens is None:
        return ""
    return _("{count} tokens").format(count=f"{usage.total_tokens:,}")


def changes(entry: Entry, parent: Entry | None) -> list[str]:
    """Say what was asked otherwise than in the run before it."""
    if parent is None:
        return []
    words = []
    if entry.endpoint.get("name") != parent.endpoint.get("name"):
        words.append(_("endpoint changed"))
    if entry.prompt != parent.prompt:
        goes_on = bool(parent.text) and entry.prompt.startswith(parent.prompt + parent.text)
        words.append(_("continued") if goes_on else _("prompt changed"))
    words += [say(change_words(change)) for change in parameter_changes(parent.parameters, entry.parameters)]
    return words or [_("asked again")]


def _line(local: datetime, entry: Entry, parents: Mapping[str, Entry], wanted: Sequence[str]) -> dict[str, Any]:
    figures = [tokens(entry.usage), "" if entry.first_after is None else _("{seconds} s").format(seconds=f"{entry.first_after:.2f}")]
    return {
        "id": entry.id, "time": f"{local:%H:%M}", "title": title(entry), "prompt": glimpse(entry.prompt, wanted), "answer": glimpse(entry.text, wanted),
        "ending": entry.ending.value if entry.ending else "going", "said": endings()[entry.ending], "figures": " · ".join(filter(None, figures)),
        "changes": " · ".join(changes(entry, parents.get(entry.parent or ""))), "note": glimpse(entry.note, wanted), "starred": entry.starred,
    }


def glimpse(text: str, wanted: Sequence[str] = ()) -> str:
    """Return the beginning of a text in one line; or of what stands around the first word that is looked for."""
    lower = text.lower()
    places = [place for word in wanted if (place := lower.find(word)) >= 0]
    start = max(0, min(places) - _BEFORE) if places and min(places) > 2 * _BEFORE else 0
    words = " ".join(text[start : start + 4 * _GLIMPSE].split())
    words = words if len(words) <= _GLIMPSE else f"{words[:_GLIMPSE]}…"
    return (f"…{words}" if start else words).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _parents(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Return the runs that these follow upon, as far as they are kept. What was asked in a run never changes, so each is looked up once."""
    history = service().history
    known: dict[str, Entry] = st.session_state.setdefault(state.HISTORY_PARENTS, {})
    known |= {entry.id: entry for entry in entries if entry.ending is not None}
    for parent in {entry.parent for entry in entries if entry.parent} - set(known):
        found = history.entry(state.visitor(), parent) if history is not None else None
        if found is not None:
            known[parent] = replace(found, text=found.text[:_ENOUGH])
    for old in list(known)[: max(0, len(known) - _MOST_PARENTS)]:
        del known[old]
    return known
