"""A run of this visitor that goes on in another process of this playground: its text so far, once a second, until it ends."""

import streamlit as st

from components import state
from components.history_text import history_text
from components.text import _, plain, say
from playground.errors import PlaygroundError
from playground.service import service

LOOK = 1.0


def elsewhere(run_id: str) -> bool:
    """Whether the history says that this visitor's run goes on, though not here."""
    history = service().history
    if history is None or service().runs.get(run_id) is not None:
        return False
    entry = history.entry(state.visitor(), run_id)
    return entry is not None and entry.ending is None and entry.deleted is None


def elsewhere_view(run_id: str) -> None:
    """Draw it, again and again."""
    st.fragment(_look, run_every=LOOK)(run_id)


def _look(run_id: str) -> None:
    history = service().history
    try:
        entry = history.entry(state.visitor(), run_id) if history is not None else None
    except PlaygroundError as error:
        st.error(plain(say(error.message)), icon=":material/error:")
        return
    if entry is None or entry.ending is not None:
        st.rerun()
    words = _("This run goes on in another process of this playground. Its text is fetched once a second; when it ends it can be worked with here.")
    st.info(words, icon=":material/sync:")
    history_text([("prompt", entry.prompt), ("answer", entry.text)], key="elsewhere-text", label=_("Prompt and answer"))
    with st.container(horizontal=True, vertical_alignment="center"):
        count = entry.sentences
        st.caption(_("1 sentence so far") if count == 1 else _("{count} sentences so far").format(count=f"{count:,}"))
        st.button(_("Leave it, and begin something else"), key="leave-elsewhere", on_click=_leave)


def _leave() -> None:
    st.query_params.pop("run", None)
    st.session_state[state.GENERATIONS] = []
