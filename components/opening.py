"""Going to the bench with something in hand: an endpoint, and with it a prompt or values."""

from collections.abc import Mapping
from typing import Any, NoReturn

import streamlit as st

from components import state
from components.known import known_endpoints
from components.parameter_panel import put_values, refit
from playground.endpoints import Endpoint
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
