"""The endpoints this visitor can choose from: the server's, and those he added himself for as long as his session lasts."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from components import door, state
from playground.admission import Caller
from playground.endpoints import Endpoint
from playground.errors import AccessRefused, ConfigurationError, PlaygroundError
from playground.message import N_, Message, message
from playground.reach import Reach, visitor_reach
from playground.service import service

GROUP_DEMO = N_("Demo link")
_GONE = ConfigurationError(message("None of this demo's endpoints is there any more."), message("Ask its owner."))


def known_endpoints() -> Mapping[str, Endpoint]:
    """Return every endpoint by name, in the selector's order; by a demo link those it offers, as it offers them."""
    demo, refusal = door.link()
    if demo is None and refusal is None:
        asks = door.caller()
        return {name: _closed(row, asks) for name, row in {**service().endpoints, **lab_endpoints(), **own_endpoints()}.items()}
    rows = service().endpoints
    offered = {} if demo is None else {name: demo.shown(rows[name]) for name in demo.endpoints if name in rows}
    if not offered:
        offered = {"demo": Endpoint(name="demo", title=N_("Nothing here"), group=GROUP_DEMO, note=Message(""), off=_off(_GONE))}
    return offered if refusal is None else {name: replace(row, off=_off(refusal)) for name, row in offered.items()}


def known_endpoint(name: str) -> Endpoint:
    """Return one of them; raises `AccessRefused` if it is not there any more."""
    found = known_endpoints().get(name)
    if found is None:
        _demo, refusal = door.link()
        raise refusal or AccessRefused("endpoint", message("This endpoint is not there any more."), message("Choose another one."))
    return found


def _off(reason: PlaygroundError) -> ConfigurationError:
    return ConfigurationError(reason.message, reason.remedy)


def _closed(endpoint: Endpoint, asks: Caller) -> Endpoint:
    """An endpoint that this visitor may not use without a link is off, and says so."""
    if endpoint.off is not None or service().admission.permitted(endpoint, asks):
        return endpoint
    return replace(endpoint, off=ConfigurationError(message("This endpoint can be used by a demo link only.")))


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
