"""Two runs beside each other: the parameters that were sent otherwise, and their texts laid over each other."""

from collections.abc import Sequence
from functools import lru_cache

import streamlit as st

from components import state
from components.choice import choice
from components.history_lines import glimpse, moment, title
from components.history_text import history_text
from components.text import _, plain
from playground.completion import Usage
from playground.difference import Change, Kind, Piece, difference, parameter_changes, value_words
from playground.history import Entry, History

_NAME = 48
# Long texts take half a second, and the page is drawn again at every press.
_differ = lru_cache(maxsize=8)(difference)


def comparison(history: History, entry: Entry, others: Sequence[Entry]) -> None:
    """Draw the choice of the other run, and what differs from it."""
    known = {other.id: other for other in others if other.id != entry.id}
    if entry.parent and entry.parent not in known and (parent := history.entry(state.visitor(), entry.parent)):
        known[parent.id] = parent
    if not known:
        st.info(_("There is no other run to compare it with. Every run in the list can be chosen; take away a filter."), icon=":material/info:")
        return
    none = _("no text")
    titles = {one.id: f"{moment(one.started)} · {title(one)} · {glimpse(one.text)[:_NAME] or none}" for one in known.values()}
    chosen = choice(_("The other run"), list(titles), key=state.HISTORY_OTHER, title=titles.__getitem__)
    other = history.entry(state.visitor(), chosen)
    if other is None:
        st.info(_("That run is no longer kept."), icon=":material/info:")
        return
    _parameters(other, entry)
    if other.prompt == entry.prompt:
        st.caption(_("Both were asked the same prompt."))
    else:
        _texts(_("Prompt"), other.prompt, entry.prompt, "prompt-difference")
    _texts(_("Answer"), other.text, entry.text, "answer-difference")
    st.caption(_("Struck out: only in the other run. Underlined: only in this one."))


def _parameters(other: Entry, entry: Entry) -> None:
    """A small table of everything beside the texts that is not the same."""
    rows = [Change(_("endpoint"), title(other), title(entry))] if other.endpoint != entry.endpoint else []
    rows += parameter_changes(other.parameters, entry.parameters)
    figures = [Change(_("tokens"), _total(other.usage), _total(entry.usage))]
    figures.append(Change(_("first sentence after"), _seconds(other.first_after), _seconds(entry.first_after)))
    rows += [figure for figure in figures if figure.before != figure.after]
    if not any(row not in figures for row in rows):
        st.caption(_("Endpoint and parameters are the same."))
    if rows:
        sides = [_("The other: {moment}").format(moment=moment(other.started)), _("This one: {moment}").format(moment=moment(entry.started))]
        head = f"| | {plain(sides[0])} | {plain(sides[1])} |\n|---|---|---|\n"
        st.markdown(head + "\n".join(f"| {plain(row.name)} | {_value(row.before)} | {_value(row.after)} |" for row in rows))


def _texts(heading: str, before: str, after: str, key: str) -> None:
    pieces: Sequence[Piece] = _differ(before, after)
    same = sum(len(piece.text) for piece in pieces if piece.kind is Kind.SAME)
    share = 2 * same / (len(before) + len(after)) if before or after else 1.0
    words = _("the same, letter by letter") if before == after else _("{share} % is the same").format(share=min(99, int(100 * share)))
    st.markdown(f"**{heading}** :gray[{plain(words)}]")
    history_text([(piece.kind.value, piece.text) for piece in pieces], key=key, label=heading)


def _value(value: object) -> str:
    if value is None or value == []:
        words = plain(_("not sent"))
        return f":gray[{words}]"
    return plain(value_words(value)[:200])


def _total(usage: Usage | None) -> int | None:
    return usage.total_tokens if usage else None


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else _("{seconds} s").format(seconds=f"{seconds:.2f}")
