"""The main script: page set-up, language, navigation. Everything else is in the pages."""

from urllib.parse import urlsplit

import streamlit as st

from components import door, state
from components.spending import session_cost
from components.text import _, language, say
from playground.language import LANGUAGES, choose_language
from playground.service import service
from playground.settings import ROOT

st.set_page_config(page_title=_("Completion playground"), page_icon=str(ROOT / "components" / "icon.png"), layout="wide", initial_sidebar_state=232)
st.html(ROOT / "components" / "shell.css")
state.visitor()

pages = [
    st.Page(ROOT / "pages" / "bench.py", title=_("Bench"), icon=":material/edit_note:", default=True),
    st.Page(ROOT / "pages" / "history.py", title=_("History"), icon=":material/history:", url_path="history"),
    st.Page(ROOT / "pages" / "recordings.py", title=_("Recordings"), icon=":material/album:", url_path="recordings"),
    st.Page(ROOT / "pages" / "endpoints.py", title=_("Endpoints"), icon=":material/lan:", url_path="endpoints"),
    st.Page(ROOT / "pages" / "reference.py", title=_("Reference"), icon=":material/menu_book:", url_path="reference"),
    st.Page(ROOT / "pages" / "snapshot.py", title=_("Snapshot"), icon=":material/link:", url_path="snapshot", visibility="hidden"),
]
if door.demo_id() is not None:  # what else there is has its own ways to ask, and shows what the link does not offer
    pages = [one for one in pages if one.url_path not in ("recordings", "endpoints")]
elif service().settings.fault_endpoints:
    pages.append(st.Page(ROOT / "pages" / "faults.py", title=_("Fault lab"), icon=":material/bug_report:", url_path="faults"))
pages.append(
    st.Page(
        ROOT / "pages" / "admin.py", title=_("Demo links"), icon=":material/confirmation_number:", url_path="admin",
        visibility="visible" if st.session_state.get(state.ADMIN_SEEN) or urlsplit(st.context.url or "").path.endswith("/admin") else "hidden",
    )
)
page = st.navigation(pages)
if page.url_path != "history":
    st.session_state.pop(state.HISTORY_DELETED, None)
door.keep_link()
with st.sidebar:
    st.segmented_control(
        _("Language"), list(LANGUAGES), format_func=LANGUAGES.__getitem__, default=language(), key=state.LANGUAGE,
        persist_state="session", label_visibility="collapsed", required=True,
    )
    if st.session_state[state.LANGUAGE] != choose_language(st.context.locale):
        st.query_params["lang"] = st.session_state[state.LANGUAGE]
    else:
        st.query_params.pop("lang", None)
    session_cost()
for problem in service().problems:
    st.warning(say(problem.message) + (f" {say(problem.remedy)}" if problem.remedy else ""), icon=":material/build:")
page.run()
