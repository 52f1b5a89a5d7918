"""For the owner: demo links and what they cost, the runs that go on, what was refused. Nobody else gets past its first lines."""

import streamlit as st

from components import state
from components.admin_login import admin_login, log_out
from components.demo_form import demo_form
from components.demo_list import demo_list, said_error
from components.live_runs import live_runs, refusals
from components.text import _
from playground.service import service

with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
    st.title(_("Demo links"), width="content")
    if st.session_state.get(state.OWNER):
        st.button(_("Log out"), key="admin-logout", icon=":material/logout:", type="tertiary", on_click=log_out)
if not admin_login():
    st.stop()
demos = service().demos
if demos is None:
    st.warning(_("The database cannot be opened, so there are no demo links."), icon=":material/database_off:")
    st.stop()
st.caption(_("A link lets others use your endpoints without your keys, within a budget. Whoever has it may use it."))
if service().settings.access == "open":
    st.caption(
        ":orange[:material/lock_open:] "
        + _("Without a link everybody who opens this page may use every endpoint too. PLAYGROUND_ACCESS=demo closes those that cost money.")
    )
said_error()
left, right = st.columns([1.35, 1], gap="large")
with right, st.container(border=True, key="demo-form"):
    heading = _("Change the link") if st.session_state.get(state.ADMIN_FORM, {}).get("demo") else _("A new link")
    st.markdown(f"**{heading}**")
    demo_form()
with left:
    demo_list(demos)
    st.subheader(_("Going on now"), anchor=False)
    live_runs(demos)
    st.subheader(_("Refused"), anchor=False)
    refusals(demos)
