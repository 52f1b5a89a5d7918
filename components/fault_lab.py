"""The fault lab: one of the emulator's faults, with its figures, put on the bench."""

from collections.abc import Sequence

import streamlit as st

from components import state
from components.choice import choice
from components.known import add_lab
from components.opening import open_bench
from components.text import _, plain
from playground.endpoints import fault_endpoint
from playground.fault_lab import Fault
from playground.faults import Setting
from playground.providers.qianfan_codes import ERROR_CODES
from playground.reference import found

_HEIGHT = 520


def fault_choice(faults: Sequence[Fault]) -> Fault | None:
    """Draw the list, those with figures first, and what it is searched by; return the chosen fault, `None` where nothing is found."""
    query = st.text_input(
        _("Search"), key=state.LAB_QUERY, type="search", live=True, label_visibility="collapsed", placeholder=_("Search: a name, a word"),
    )
    wanted = query.lower().split()
    ordered = sorted(faults, key=lambda fault: not fault.settings)
    listed = {fault.title: fault for fault in ordered if found(wanted, [fault.title, fault.words, _(fault.words)])}
    if not listed:
        st.info(plain(_("Nothing here holds “{words}”.").format(words=query.strip())), icon=":material/search_off:")
        return None
    with st.container(height=_HEIGHT):
        title = st.radio(
            _("Fault"), list(listed), captions=[plain(_(fault.words)) for fault in listed.values()], format_func=plain, key=state.LAB_FAULT,
            persist_state="session", label_visibility="collapsed",
        )
    return listed[title]


def fault_view(fault: Fault, emulator_url: str) -> None:
    """Draw a fault with a control for each of its figures, and the way to the bench."""
    with st.container(border=True):
        heading = st.empty()
        st.markdown(plain(_(fault.words)))
        values = {setting.name: _figure(fault, setting) for setting in fault.settings}
        name = fault.name(values)
        heading.markdown(f"##### `{name}`")
        if st.button(_("Open on the bench"), key="open-fault", type="primary", icon=":material/edit_note:"):
            endpoint = fault_endpoint(name, emulator_url, fault.note(values))
            add_lab(endpoint)
            open_bench(endpoint)


def _figure(fault: Fault, setting: Setting) -> float:
    """A box for a figure; for an error code the table of codes."""
    key, label = state.figure(fault.title, setting.name), f"{setting.name}: {_(setting.words)}"
    if setting.kind == "code":
        codes = {str(code): row for code, row in ERROR_CODES.items()}
        st.session_state.setdefault(key, str(int(setting.default)))
        return float(choice(label, list(codes), key=key, title=lambda code: f"{code} · {_(codes[code].cause)}"))
    kind = float if setting.kind == "float" else int
    return float(
        st.number_input(
            label, min_value=kind(setting.minimum), max_value=kind(setting.maximum), value=kind(setting.default), key=key, persist_state="session",
            step=kind(1), format="%.3f" if setting.kind == "float" else "%d",
        )
    )
