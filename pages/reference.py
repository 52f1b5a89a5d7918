"""The reference: what can be asked, what comes back and what refuses it, from the tables the requests are made of; and examples to run."""

import streamlit as st

from components import state
from components.reference_examples import example_view, openai_example, qianfan_example
from components.reference_view import sections
from components.text import _, language, plain
from playground.language import translator
from playground.providers.openai import DIALECTS, TITLES
from playground.reference import openai_reference, qianfan_reference
from playground.service import service

st.title(_("Reference"))
with st.container(horizontal=True, vertical_alignment="center"):
    wires = {"qianfan": "Qianfan", "openai": _("OpenAI-compatible")}
    wire = st.segmented_control(
        _("Provider"), list(wires), format_func=wires.__getitem__, default="qianfan", key=state.REFERENCE_WIRE, persist_state="session",
        required=True, label_visibility="collapsed",
    )
    if wire == "openai":
        dialect = st.segmented_control(
            _("Dialect"), list(DIALECTS), format_func=TITLES.__getitem__, default="plain", key=state.REFERENCE_DIALECT, persist_state="session",
            required=True, label_visibility="collapsed",
        )
    query = st.text_input(
        _("Search"), key=state.REFERENCE_QUERY, type="search", live=True, label_visibility="collapsed", width=300,
        placeholder=_("Search: a name, a code, a word"),
    )

wanted = query.lower().split()
settings = service().settings
if wire == "qianfan":
    chosen, whole = qianfan_example(), qianfan_reference(settings)
else:
    chosen, whole = openai_example(dialect), openai_reference(dialect, settings)
shown = [part for section in whole if (part := section.only(wanted, translator(language()))).tables]
headings = [("examples", _("Examples"))] if chosen.holds(wanted) else []
headings += [(section.key, _(section.title)) for section in shown]
if headings:
    st.caption(" · ".join(f"[{plain(title)}](#{key})" for key, title in headings))
else:
    st.info(plain(_("Nothing here holds “{words}”.").format(words=query.strip())), icon=":material/search_off:")
if chosen.holds(wanted):
    example_view(chosen)
sections(shown, wanted, chosen.endpoint)
