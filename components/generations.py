"""What a visitor has generated, in order, and where he stands in it: undo and redo move, nothing is ever dropped.

Each entry is a prompt and the run that answered it; the first has none. An entry holds its run, so that its text stays
however long ago the server forgot it.
"""

from dataclasses import dataclass

import streamlit as st

from components import state
from playground.run import Run
from playground.service import service

KEPT = 30


@dataclass(frozen=True)
class Generation:
    """A prompt, and its run if it was answered."""

    prompt: str
    run: Run | None = None


def present() -> Generation | None:
    """Return where the visitor stands."""
    entries = _entries()
    return entries[_place()] if entries else None


def standing() -> tuple[int, int]:
    """Return which answer is shown, from 1, and how many there are; (0, n) is the prompt before the first."""
    entries = _entries()
    answered = [place for place, entry in enumerate(entries) if entry.run is not None]
    return sum(place <= _place() for place in answered), len(answered)


def add(prompt: str, run: Run) -> None:
    """Put a new answer at the end and go there."""
    entries = _entries() or [Generation(prompt)]
    entries = [*entries, Generation(prompt, run)][-KEPT:]
    st.session_state[state.GENERATIONS] = entries
    st.session_state[state.PLACE] = len(entries) - 1


def runs() -> list[Run]:
    """Return every run that is kept, the oldest first."""
    return [entry.run for entry in _entries() if entry.run is not None]


def move(steps: int, draft: str) -> None:
    """Go back or forth. What was typed since is kept as an entry of its own."""
    entries = _entries()
    if not entries:
        return
    place = _place()
    if draft != entries[place].prompt:
        entries = [*entries, Generation(draft)]
        st.session_state[state.GENERATIONS] = entries
    st.session_state[state.PLACE] = min(max(place + steps, 0), len(entries) - 1)
    entry = entries[_place()]
    state.set_prompt(entry.prompt)
    if entry.run is not None:
        service().runs.keep(entry.run)


def can_move() -> tuple[bool, bool]:
    """Return whether there is anything to undo, and to redo."""
    return _place() > 0, _place() < len(_entries()) - 1


def _entries() -> list[Generation]:
    found: list[Generation] = st.session_state.get(state.GENERATIONS, [])
    return found


def _place() -> int:
    return int(st.session_state.get(state.PLACE, 0))
