"""The endpoints this visitor can choose from: the server's, and those he added himself for as long as his session lasts."""

from collections.abc import Mapping

import streamlit as st

from components import state
from playground.endpoints import Endpoint
from playground.reach import Reach, visitor_reach
from playground.service import service


def known_endpoints() -> Mapping[str, Endpoint]:
    """Return every endpoint by name, in the selector's order."""
    return {**service().endpoints, **lab_endpoints(), **own_endpoints()}


def lab_endpoints() -> dict[str, Endpoint]:
    """Return the faults that the visitor has put together in the fault lab."""
    found: dict[str, Endpoint] = st.session_state.get(state.LAB_ENDPOINTS, {})
    return found if service().settings.fault_endpoints else {}


def add_lab(endpoint: Endpoint) -> None:
    """Add a fault to this session, unless the server's own rows have it already."""
    if endpoint.name not in service().endpoints:
        st.session_state[state.LAB_ENDPOINTS] = {**lab_endpoints(), endpoint.name: endpoint}


def own_endpoints() -> dict[str, Endpoint]:
    """Return the visitor's own. They hold his keys, so they are nowhere but in his session."""
    found: dict[str, Endpoint] = st.session_state.get(state.OWN_ENDPOINTS, {})
    return found if reach() is not Reach.OFF else {}


def add_own(endpoint: Endpoint) -> None:
    """Add an endpoint to this session."""
    st.session_state[state.OWN_ENDPOINTS] = {**own_endpoints(), endpoint.name: endpoint}


def remove_own(name: str) -> None:
    """Take an endpoint, and its keys, out of this session."""
    st.session_state[state.OWN_ENDPOINTS] = {key: row for key, row in own_endpoints().items() if key != name}


def reach() -> Reach:
    """Return how far this visitor's own endpoints may reach."""
    return visitor_reach(service().settings.visitor_endpoints, st.get_option("server.address"), st.context.headers)
