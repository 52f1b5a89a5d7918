"""A recording on the tape: play and pause, step, from the start, at any pace; and the sheet in which it plays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from components import state
from components.run_view import Actions, run_view
from components.text import _, plain
from playground.errors import PlaygroundError
from playground.recording import Recording, read_recordings
from playground.replay import Tape
from playground.run import Run
from playground.service import service

SPEEDS = (1, 2, 10, 0)
# Seconds between the events of a recording that does not tell when they came.
EVERY = 0.25
LOOK = 1.0


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a file holds, and the name under which it was opened."""

    title: str
    recordings: Sequence[Recording]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The chosen recording as it plays, or why it does not. `number` counts the replays of this session."""

    recording: Recording
    number: int
    tape: Tape
    run: Run | None = None
    refusal: PlaygroundError | None = None

    @property
    def going(self) -> bool:
        """Whether anything is still to come."""
        return self.run is not None and self.run.ending is None


def opened() -> Opened | None:
    """Return what this session has opened."""
    found: Opened | None = st.session_state.get(state.OPENED)
    return found


def chosen() -> Recording:
    """Return the recording that is looked at, of those that are opened."""
    recordings: Sequence[Recording] = st.session_state[state.OPENED].recordings
    return recordings[int(st.session_state[state.CHOSEN_RECORDING])]


def open_content(title: str, content: bytes) -> None:
    """Open a file. If it cannot be read that is kept to be said, and what was open stays."""
    try:
        recordings = read_recordings(content)
    except PlaygroundError as error:
        st.session_state[state.RECORDING_PROBLEM] = error
        return
    open_recordings(title, recordings)


def open_recordings(title: str, recordings: Sequence[Recording]) -> None:
    """Open recordings; the first of them is chosen."""
    st.session_state.pop(state.RECORDING_PROBLEM, None)
    st.session_state[state.OPENED] = Opened(title=title, recordings=recordings)
    st.session_state[state.CHOSEN_RECORDING] = "0"


def play(*, paused: bool = False) -> Replay:
    """Play the chosen recording from its start, in place of what played before."""
    before = _replay()
    if before is not None and before.run is not None:
        before.run.stop()
    recording, number = chosen(), before.number + 1 if before else 1
    tape = Tape(st.session_state.get(state.REPLAY_SPEED, SPEEDS[0]), every=None if recording.timed else EVERY, paused=paused)
    replay = Replay(recording=recording, number=number, tape=tape)
    try:
        replay = replace(replay, run=service().runs.play(recording, state.visitor(), tape))
    except PlaygroundError as error:
        replay = replace(replay, refusal=error)
    st.session_state[state.REPLAY] = replay
    return replay


def player() -> None:
    """Draw the controls and the sheet, in which a recording that was just chosen begins to play.

    They are drawn again by themselves, so that a press is answered at once.
    """
    by_data = bool(st.session_state.get(state.ROUTE_UNREACHABLE))
    st.fragment(_player, run_every=LOOK if by_data else None)(by_data)


def _player(by_data: bool) -> None:
    if by_data is not bool(st.session_state.get(state.ROUTE_UNREACHABLE)):
        st.rerun()
    replay = _replay()
    if replay is None or replay.recording is not chosen():
        replay = play()
    run = replay.run
    if run is not None:
        service().runs.keep(run)
    _controls(replay)
    run_view(
        key=state.REPLAY_VIEW, prompt=run.request.prompt if run else "", revision=replay.number, run=run, refusal=replay.refusal,
        with_rows=by_data, cuts=[], standing=(0, 0), can_move=(False, False), presets=None,
        actions=Actions(run=_nothing, draft=_nothing, ended=_nothing, unreachable=_note_unreachable, stop=_nothing, move=_nothing, presets=_nothing),
        playing="paused" if replay.tape.paused else "playing",
    )
    if run is not None:
        base = (st.get_option("server.baseUrlPath") or "").strip("/")
        st.link_button(_("This replay by its link"), f"{'/' + base if base else ''}/?run={run.id}", icon=":material/link:", type="tertiary")


def _controls(replay: Replay) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="transport"):
        if replay.going and not replay.tape.paused:
            st.button(_("Pause"), key="replay-pause", icon=":material/pause:", on_click=replay.tape.pause, shortcut="P", type="primary", width=118)
        else:
            st.button(_("Play"), key="replay-play", icon=":material/play_arrow:", on_click=_go_on, shortcut="P", type="primary", width=118)
        st.button(
            _("Step"), key="replay-step", icon=":material/skip_next:", on_click=_step, shortcut="N",
            help=_("One event further, and stand still. After the end: from the start."),
        )
        st.button(
            _("From the start"), key="replay-start", icon=":material/replay:", on_click=_again, shortcut="B",
        )
        st.segmented_control(
            _("Pace"), SPEEDS, format_func=lambda speed: f"{speed}×" if speed else _("At once"), default=SPEEDS[0], key=state.REPLAY_SPEED,
            persist_state="session", required=True, label_visibility="collapsed", on_change=_pace,
        )
    if not chosen().timed:
        words = _("It does not tell when its events came: at 1× one comes every {seconds} s.")
        st.caption(plain(words.format(seconds=f"{EVERY:g}")))


def _replay() -> Replay | None:
    found: Replay | None = st.session_state.get(state.REPLAY)
    return found


def _go_on() -> None:
    replay = _replay()
    if replay is not None and replay.going:
        replay.tape.resume()
    else:
        play()


def _step() -> None:
    replay = _replay()
    if replay is None or not replay.going:
        replay = play(paused=True)
    replay.tape.step()


def _again() -> None:
    """From the start: on, if it played or had ended; still, if it stood still."""
    replay = _replay()
    play(paused=replay is not None and replay.going and replay.tape.paused)


def _pace() -> None:
    replay = _replay()
    if replay is not None:
        replay.tape.speed = st.session_state[state.REPLAY_SPEED]


def _note_unreachable() -> None:
    st.session_state[state.ROUTE_UNREACHABLE] = True


def _nothing() -> None:
    """The sheet of a recording asks for nothing; that it ended is seen when it is drawn again."""
