"""The history: every run of this visitor, to be searched, looked at, compared, opened again, taken along and deleted."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from components import state
from components.history_archive import archive_menu, selection_file
from components.history_filters import PAGE, chosen_query, clear_filters, narrows, turn_page
from components.history_lines import days
from components.history_list import history_list, marked
from components.history_run import delete_runs, history_run, show_run, star, undelete
from components.opening import BENCH
from components.text import _, plain, say
from playground.errors import PlaygroundError
from playground.history import Entry, History, Query
from playground.service import service
from playground.settings import ROOT

LOOK = 2.0


def opened() -> None:
    """A line was pressed: show that run; pressed again, the list has the room for itself."""
    run_id = str(st.session_state[state.HISTORY_LIST]["open"])
    if st.session_state.get(state.HISTORY_RUN) == run_id:
        st.session_state.pop(state.HISTORY_RUN)
    else:
        show_run(run_id)


def starred() -> None:
    """A star was pressed."""
    run_id = str(st.session_state[state.HISTORY_LIST]["star"])
    for line in present:
        if line.id == run_id:
            star(history, line)


def compare(newer: str, older: str) -> None:
    """Show the newer of two runs beside what it was before."""
    show_run(newer)
    st.session_state[state.HISTORY_OTHER] = older


def look() -> None:
    """Draw the list again and again, for as long as one of its runs goes on."""
    try:
        now = history.find(state.visitor(), query)
    except PlaygroundError as error:
        st.error(plain(say(error.message)), icon=":material/error:")
        return
    if all(one.ending is not None for one in now):
        st.rerun()
    lines(now)


def lines(found: Sequence[Entry]) -> None:
    """Draw the list, what can be done with several lines, and the way to older ones."""
    more, entries = len(found) > PAGE, found[:PAGE]
    if some := [entry for entry in entries if entry.id in marked(state.HISTORY_LIST)]:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="marked"):
            count = len(some)
            st.caption(_("1 marked") if count == 1 else _("{count} marked").format(count=count), width="content")
            if count == 2:
                st.button(_("Compare"), key="compare-marked", icon=":material/difference:", on_click=compare, args=(some[0].id, some[1].id))
            selection_file(history, some)
            st.button(
                _("Delete"), key="delete-marked", icon=":material/delete:", on_click=delete_runs, args=(history, [entry.id for entry in some]),
            )
    history_list(days(entries, wanted), key=state.HISTORY_LIST, chosen=chosen, wanted=wanted, on_open=opened, on_star=starred)
    pages = len(st.session_state.get(state.HISTORY_PAGES, []))
    if pages or more:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.button(_("Newer"), key="newer", icon=":material/arrow_upward:", disabled=not pages, on_click=turn_page, args=(None,))
            last = entries[-1] if entries else None
            st.button(
                _("Older"), key="older", icon=":material/arrow_downward:", disabled=not more, on_click=turn_page,
                args=((last.started, last.id) if last else None,),
            )


def nothing() -> None:
    """Say why the list is empty."""
    if narrows(query):
        st.info(_("No run here is like that."), icon=":material/search_off:")
        st.button(_("List all again"), key="clear-filters", on_click=clear_filters)
        return
    words = _("No run yet. Each one on the bench is kept here with its prompt, parameters and answer: to be found, compared and opened again.")
    st.info(words, icon=":material/history:")
    if st.button(_("To the bench"), key="to-bench", icon=":material/edit_note:"):
        st.switch_page(BENCH)


st.html(ROOT / "components" / "history_page.css")
kept = service().history
with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("History"), width="stretch")
    if kept is not None:
        archive_menu(kept)
if kept is None or not kept.days:
    words = _("No history is kept on this server: it is switched off, or its database cannot be opened. Runs stay for as long as their page is open.")
    st.info(words, icon=":material/history_toggle_off:")
    st.stop()
history: History = kept
if history.trouble is not None:
    st.warning(say(history.trouble), icon=":material/build:")
if problem := st.session_state.pop(state.HISTORY_PROBLEM, None):
    st.error(plain(" ".join(say(part) for part in (problem.message, problem.remedy) if part)), icon=":material/error:")
try:
    names = history.endpoints(state.visitor())
    query = chosen_query(names) if names else Query()
    wanted = query.words.lower().split()
    present = history.find(state.visitor(), query)
    run_id = st.session_state.get(state.HISTORY_RUN)
    entry = history.entry(state.visitor(), run_id) if run_id else None
except PlaygroundError as error:
    st.error(plain(" ".join(say(part) for part in (error.message, error.remedy) if part)), icon=":material/error:")
    st.stop()
chosen = entry.id if entry is not None and entry.deleted is None else None
going = any(one.ending is None for one in present)
if deleted := st.session_state.get(state.HISTORY_DELETED):
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="deleted"):
        count = len(deleted)
        st.caption(_("1 run was deleted.") if count == 1 else _("{count} runs were deleted.").format(count=count), width="content")
        st.button(_("Undo"), key="undelete", icon=":material/undo:", type="tertiary", on_click=undelete, args=(history, deleted))
draw = nothing if not present else st.fragment(look, run_every=LOOK) if going else partial(lines, present)
if entry is None or chosen is None:
    draw()
else:
    left, right = st.columns([1, 1.15], gap="medium")
    with left, st.container(key="history-beside"):
        draw()
    with right:
        history_run(history, entry, present)
