"""A snapshot's sheet, and beside it, once it is asked for, the same request run again: their texts laid over each other, and their figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from components import door, state
from components.history_text import history_text
from components.known import known_endpoints
from components.recording_facts import endings
from components.run_view import Actions, run_view
from components.share_changes import quiet_table
from components.spending import charge
from components.text import _, plain, say
from playground.completion import CompletionRequest, counts
from playground.difference import difference
from playground.endpoints import Endpoint
from playground.errors import PlaygroundError
from playground.message import Message
from playground.run import Run
from playground.service import service
from playground.setup_link import find_endpoint, fit
from playground.sharing import Link


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """The request of a snapshot, run again; or why it was not. `number` counts those of this session."""

    number: int
    words: Sequence[Message] = ()
    run: Run | None = None
    refusal: PlaygroundError | None = None


def sheets(link: Link, run: Run) -> None:
    """Draw the snapshot as it stands, and beside it what came now."""
    again = _rerun(link)
    if again is None:
        _drawn(link, run, None)
        return
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(_("**As it was shared**"))
        _drawn(link, run, None)
    with right:
        st.caption(_("**Now**"))
        _drawn(link, again.run, again)


def rerun_buttons(link: Link, run: Run) -> None:
    """Draw Run again, or Stop while it goes."""
    again = _rerun(link)
    if again is not None and again.run is not None and again.run.ending is None:
        st.button(_("Stop"), key="snapshot-stop", icon=":material/stop:", type="primary", on_click=again.run.stop)
        return
    endpoint = _endpoint(run)
    st.button(
        _("Run again"), key="snapshot-again", icon=":material/play_arrow:", disabled=endpoint is None, on_click=_start, args=(link, run),
        help=_("Its endpoint, {name}, is not ready here.").format(name=plain(run.endpoint.title)) if endpoint is None else None,
    )


def rerun_facts(link: Link, run: Run) -> None:
    """Say what was left out, and once it has ended, how both compare."""
    again = _rerun(link)
    if again is None:
        return
    for text in again.words:
        st.caption(f":orange[{plain(say(text))}]")
    if again.refusal is not None:
        error = again.refusal
        st.error(plain(" ".join(say(text) for text in (error.message, error.remedy) if text)))
    if again.run is None or again.run.ending is None:
        return
    columns = [_facts(run), _facts(again.run)]
    quiet_table(("", _("As it was shared"), _("Now")), [(name, columns[0][name], columns[1][name]) for name in columns[0]])
    if run.text == again.run.text:
        st.caption(_("The texts are the same, letter by letter."))
        return
    st.caption(_("What is gone is struck through, what is new is marked."))
    history_text([(piece.kind.value, piece.text) for piece in difference(run.text, again.run.text)], key="snapshot-difference",
                 label=_("Both texts laid over each other"))


def _facts(run: Run) -> dict[str, str]:
    usage, counted = run.usage, [sentence for sentence in run.sentences if counts(sentence)]
    return {
        _("Ending"): endings()[run.ending],
        _("Sentences"): f"{len(counted):,}",
        _("Characters"): f"{len(run.text):,}",
        _("First sentence"): _("{seconds} s").format(seconds=f"{counted[0].arrived:.2f}") if counted else "–",
        _("Time"): _("{seconds} s").format(seconds=f"{run.elapsed:.1f}"),
        _("Tokens"): f"{usage.total_tokens:,}" if usage is not None and usage.total_tokens is not None else "–",
    }


def _drawn(link: Link, run: Run | None, again: Rerun | None) -> None:
    by_data = bool(st.session_state.get(state.ROUTE_UNREACHABLE))
    going = run is not None and run.ending is None
    # Where the events route cannot be reached, the sheet is drawn again each second, and all of the page once the run has ended.
    (st.fragment(_sheet, run_every=1.0) if by_data and going else _sheet)(link, run, again, by_data, going)


def _sheet(link: Link, run: Run | None, again: Rerun | None, by_data: bool, going: bool) -> None:
    if by_data and going and run is not None and run.ending is not None:
        st.rerun()
    if run is not None:
        service().runs.keep(run)
    key = state.SNAPSHOT_VIEW if again is None else state.RERUN_VIEW
    run_view(
        key=f"{key}-{link.id}", prompt=run.request.prompt if run else "", revision=again.number if again else 1, run=run, refusal=None,
        with_rows=by_data, cuts=[], standing=(0, 0), can_move=(False, False), presets=None,
        actions=Actions(run=_nothing, draft=_nothing, ended=_nothing, unreachable=_note_unreachable, stop=_nothing, move=_nothing, presets=_nothing),
        playing="streaming" if again else "frozen",
    )


def _start(link: Link, run: Run) -> None:
    endpoint, before = _endpoint(run), _rerun(link)
    if endpoint is None:
        return
    values, words = fit(endpoint.parameters, run.request.parameters)
    number = before.number + 1 if before else 1
    try:
        made = door.start(endpoint, CompletionRequest(prompt=door.own_part(run.request.prompt), parameters=values))
        charge(made)
        if (history := service().history) is not None:
            history.keep(made, demo=door.demo_id())
        again = Rerun(number=number, words=words, run=made)
    except PlaygroundError as error:
        again = Rerun(number=number, words=words, refusal=error)
    st.session_state[state.SHARE_RERUNS] = {**st.session_state.get(state.SHARE_RERUNS, {}), link.id: again}


def _endpoint(run: Run) -> Endpoint | None:
    """The endpoint it ran on, if this visitor can use it."""
    found = find_endpoint(known_endpoints(), run.endpoint.name, run.endpoint.title)
    return found if found is not None and found.off is None else None


def _rerun(link: Link) -> Rerun | None:
    found: Rerun | None = st.session_state.get(state.SHARE_RERUNS, {}).get(link.id)
    return found


def _note_unreachable() -> None:
    st.session_state[state.ROUTE_UNREACHABLE] = True


def _nothing() -> None:
    """A sheet that is only looked at asks for nothing."""
