"""What a visitor has generated, in order, and where he stands in it: undo and redo move, nothing is ever dropped.

Each entry is a prompt and the run that answered it; the first has none. An entry holds its run, so that its text stays
however long ago the server forgot it; one that was made before a reload holds its name in the history until it is looked at.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import streamlit as st

from components import state
from components.controls import Controls, present_controls, put_controls
from components.door import own_part
from playground.errors import PlaygroundError
from playground.history import Entry
from playground.run import Run
from playground.service import service

KEPT = 30


@dataclass(frozen=True)
class Generation:
    """A prompt, and its run if it was answered: at hand, or `kept` in the history under its id.

    `controls` is how they stood, where something with other ones was opened before it or after it.
    """

    prompt: str
    run: Run | None = None
    kept: str | None = None
    controls: Controls | None = None

    @property
    def answered(self) -> bool:
        """Whether there is an answer to show."""
        return self.run is not None or self.kept is not None


def present() -> Generation | None:
    """Return where the visitor stands."""
    entries = _entries()
    return entries[_place()] if entries else None


def standing() -> tuple[int, int]:
    """Return which answer is shown, from 1, and how many there are; (0, n) is the prompt before the first."""
    entries = _entries()
    answered = [place for place, entry in enumerate(entries) if entry.answered]
    return sum(place <= _place() for place in answered), len(answered)


def add(prompt: str, run: Run) -> None:
    """Put a new answer at the end and go there."""
    _put([*(_entries() or [Generation(prompt)]), Generation(prompt, run)])


def parent() -> str | None:
    """Return the run that a new one follows upon: the one that is shown, or was before the prompt was typed."""
    entries = _entries()[: _place() + 1]
    return next((entry.run.id if entry.run else entry.kept for entry in reversed(entries) if entry.answered), None)


def begin(run: Run) -> None:
    """Take up again what a reload has ended: a run, with those before it that led to it."""
    before: list[Generation] = []
    with contextlib.suppress(PlaygroundError):  # without a history it is the run alone
        before += (Generation(own_part(entry.prompt), kept=entry.id) for entry in _forebears(run))
    entries = [*before[::-1], Generation(own_part(run.request.prompt), run)]
    _put([Generation(entries[0].prompt), *entries])


def open_beside(prompt: str, run: Run | None, controls: Controls) -> None:
    """Show a prompt, its answer if it has one, and its controls; undo brings back what stands there now."""
    prompt = own_part(prompt)
    entries, place = _entries(), _place()
    draft = st.session_state.get(state.PROMPT)
    here = Generation(draft or "")
    if entries and draft == entries[place].prompt:
        here = entries[place]
        entries = [*entries[:place], *entries[place + 1 :]]
    if draft is not None:
        entries = [*entries, replace(here, controls=present_controls())]
    _put([*entries, Generation(prompt, run, controls=controls)])
    state.set_prompt(prompt)
    put_controls(controls)
    if run is not None:
        service().runs.keep(run)


def runs() -> list[Run]:
    """Return every run that is at hand, the oldest first."""
    return [entry.run for entry in _entries() if entry.run is not None]


def move(steps: int, draft: str) -> None:
    """Go back or forth. What was typed since is kept as an entry of its own."""
    entries = _entries()
    if not entries:
        return
    place = _place()
    if draft != entries[place].prompt:
        entries = [*entries, Generation(draft)]
    if entries[place].controls is not None:
        entries = [*entries[:place], replace(entries[place], controls=present_controls()), *entries[place + 1 :]]
    to = min(max(place + steps, 0), len(entries) - 1)
    entry = _at_hand(entries[to])
    st.session_state[state.GENERATIONS] = [*entries[:to], entry, *entries[to + 1 :]]
    st.session_state[state.PLACE] = to
    state.set_prompt(entry.prompt)
    if entry.controls is not None:
        put_controls(entry.controls)
    if entry.run is not None:
        service().runs.keep(entry.run)


def can_move() -> tuple[bool, bool]:
    """Return whether there is anything to undo, and to redo."""
    return _place() > 0, _place() < len(_entries()) - 1


def kept_run(run_id: str) -> Run | None:
    """Return a run of this visitor by its id: as it lives here, else out of the history."""
    found = service().runs.get(run_id)
    history = service().history
    if found is None and history is not None:
        found = history.restore(state.visitor(), run_id)
    return found


def _forebears(run: Run) -> Iterator[Entry]:
    """Yield the visitor's runs that led to this one, the last first."""
    history, visitor = service().history, state.visitor()
    entry = history.entry(visitor, run.id) if history is not None else None
    for _step in range(KEPT - 2):
        if history is None or entry is None or entry.parent is None:
            return
        entry = history.entry(visitor, entry.parent)
        if entry is not None and entry.deleted is None:
            yield entry


def _at_hand(entry: Generation) -> Generation:
    """Look an entry's run up, if that is still to do. One that was deleted in the meantime leaves its prompt."""
    if entry.run is not None or entry.kept is None:
        return entry
    try:
        return replace(entry, run=kept_run(entry.kept), kept=None)
    except PlaygroundError as error:
        st.session_state[state.REFUSAL] = error
        return entry


def _put(entries: list[Generation]) -> None:
    """Keep the last of these, and go to the end."""
    st.session_state[state.GENERATIONS] = entries[-KEPT:]
    st.session_state[state.PLACE] = len(entries[-KEPT:]) - 1


def _entries() -> list[Generation]:
    found: list[Generation] = st.session_state.get(state.GENERATIONS, [])
    return found


def _place() -> int:
    return int(st.session_state.get(state.PLACE, 0))
