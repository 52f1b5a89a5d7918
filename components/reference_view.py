"""The sections of the reference, drawn from what the core states of a wire; and the way from a parameter to the bench."""

from collections.abc import Sequence

import streamlit as st

from components import state
from components.known import known_endpoints
from components.opening import open_bench
from components.parameter_panel import read_values
from components.reference_table import reference_table, reference_words, table_look
from components.text import _, plain
from playground.endpoints import Endpoint
from playground.errors import ParameterError
from playground.parameters import ParameterSpec
from playground.reference import Section

_STOPS = ["\n\n"]


def sections(shown: Sequence[Section], wanted: Sequence[str], endpoint: Endpoint | None) -> None:
    """Draw the sections, the wanted words marked. A parameter is tried on the chosen endpoint, or on `endpoint` if that one is of another wire."""
    table_look()
    for section in shown:
        st.subheader(_(section.title), anchor=section.key)
        if section.words is not None:
            reference_words(section.words, wanted)
        if section.code:
            st.code(section.code, language=None, wrap_lines=True)
        for table in section.tables:
            reference_table(table, wanted)
        if endpoint is not None and endpoint.off is None:
            _tries([entry.spec for table in section.tables for entry in table.entries if entry.spec is not None], endpoint)
        if section.source:
            st.caption(plain(_("Source: {source}.").format(source=_(section.source))))


def _tries(specs: Sequence[ParameterSpec], endpoint: Endpoint) -> None:
    """A way to the bench for each parameter that has a control of its own there."""
    present = known_endpoints().get(st.session_state.get(state.ENDPOINT, ""))
    if present is not None and present.off is None and present.provider is endpoint.provider:
        endpoint = present
    taken = {spec.name for spec in endpoint.parameters}
    specs = [spec for spec in specs if spec.name in taken and spec.kind in ("float", "int", "texts")]
    if not specs:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.caption(_("Try one on the bench:"), width="content")
        for spec in specs:
            if st.button(spec.name, key=f"try-{spec.name}", type="tertiary", icon=":material/play_arrow:"):
                open_bench(endpoint, values=_switched_on(spec, endpoint))


def _switched_on(spec: ParameterSpec, endpoint: Endpoint) -> dict[str, object]:
    """What the controls hold, and this one beside it; one that is on already keeps its value."""
    try:
        held = read_values(endpoint)
    except ParameterError:
        held = {"stream": True}
    return {spec.name: spec.start if spec.is_number else _STOPS, **held}
