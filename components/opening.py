"""Going to the bench with something in hand: an endpoint, and with it a prompt or values; or a run as it was."""

from collections.abc import Mapping
from typing import Any, NoReturn

import streamlit as st

from components import generations, state
from components.controls import Controls, fitted
from components.known import known_endpoints
from components.parameter_panel import put_values, refit
from playground.endpoints import Endpoint
from playground.run import Run
from playground.settings import ROOT

BENCH = ROOT / "pages" / "bench.py"


def open_bench(endpoint: Endpoint, *, prompt: str | None = None, values: Mapping[str, Any] | None = None) -> NoReturn:
    """Show the bench with this endpoint chosen. Without a prompt or values it keeps what stands there, as far as the endpoint takes it."""
    before = known_endpoints().get(st.session_state.get(state.ENDPOINT, ""))
    st.session_state[state.ENDPOINT] = endpoint.name
    st.session_state.pop(state.REFUSAL, None)
    if prompt is not None:
        state.set_prompt(prompt)
    if values is not None:
        put_values(endpoint, values)
    elif before is not None and (dropped := refit(before, endpoint)):
        st.session_state[state.DROPPED] = dropped
    st.switch_page(BENCH)


def open_run(run: Run, name: str) -> NoReturn:
    """Show a run on the bench, with its prompt, its parameters and its endpoint of this name; undo there brings back what stands there now."""
    endpoint, _configured = endpoint_here(name)
    values, dropped = fitted(endpoint, run.request.parameters)
    st.session_state.pop(state.REFUSAL, None)
    if dropped:
        st.session_state[state.DROPPED] = dropped
    generations.open_beside(run.request.prompt, run, Controls(endpoint=endpoint.name, values=values))
    st.switch_page(BENCH)


def endpoint_here(name: str) -> tuple[Endpoint, bool]:
    """Return the endpoint of this name if it can be used here, else the one that is chosen on the bench; and whether it is the former."""
    rows = known_endpoints()
    own = rows.get(name)
    if own is not None and own.off is None:
        return own, True
    usable = [row for row in rows.values() if row.off is None] or list(rows.values())
    return rows.get(st.session_state.get(state.ENDPOINT, ""), usable[0]), False
