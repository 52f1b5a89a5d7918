"""A snapshot: a run as somebody shared it, to be looked at, taken into one's own form, and run again beside it."""

import streamlit as st

from components import state
from components.opening import BENCH
from components.recording_facts import first_words
from components.share_changes import values_table
from components.share_rerun import rerun_buttons, rerun_facts, sheets
from components.text import _, plain, say
from playground.errors import ParameterError, PlaygroundError
from playground.message import message
from playground.run import Run
from playground.service import service
from playground.sharing import Link
from playground.snapshot import made_on

NOT_FOUND = ParameterError("link", message("There is no such link."), message("Perhaps it was cut on its way: ask for it once more."))
LONG_TITLE = 24
KEEPS_NOTHING = ParameterError("link", message("This server keeps nothing, so it has no snapshots."))


def opened() -> tuple[Link, Run]:
    """Return the snapshot that the address names; raises `ParameterError` if there is none, or none any more."""
    sharing = service().sharing
    if sharing is None:
        raise KEEPS_NOTHING
    link = sharing.find(st.query_params.get("id", ""))
    if link is None or link.kind != "snapshot":
        raise NOT_FOUND
    run = sharing.run(link)
    seen = st.session_state.setdefault(state.SHARE_OPENED, [])
    if link.id not in seen:
        sharing.count_open(link.id)
        seen.append(link.id)
    return link, run


def facts(link: Link, run: Run) -> None:
    """Draw what it is of, and when it was made."""
    endpoint = run.endpoint
    names = [endpoint.title, _(endpoint.group), endpoint.model if endpoint.model != endpoint.title else "", made_on(run)]
    title = link.title or first_words(run.request.prompt) or _("Snapshot")
    (st.title if len(title) <= LONG_TITLE else st.header)(plain(title), anchor=False)
    st.caption(plain(" · ".join([_("Snapshot of an answer"), *(name for name in names if name)])))


try:
    link, run = opened()
except PlaygroundError as error:
    st.title(_("Snapshot"), anchor=False)
    st.warning(plain(" ".join(say(text) for text in (error.message, error.remedy) if text)), icon=":material/link_off:")
    if st.button(_("To the bench"), icon=":material/edit_note:"):
        st.switch_page(BENCH)
    st.stop()
st.set_page_config(page_title=link.title or first_words(run.request.prompt) or _("Snapshot"))
facts(link, run)
sheets(link, run)
left, right = st.columns([1.95, 1], gap="medium")
with right:
    values_table({name: value for name, value in run.request.parameters.items() if value is not None})
with left:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(_("Open in my form"), key="snapshot-open", icon=":material/edit_note:"):
            st.switch_page(BENCH, query_params={"setup": link.id})
        rerun_buttons(link, run)
    st.caption(_("What stands in your form is shown beside it first, and undo brings it back."))
    rerun_facts(link, run)
