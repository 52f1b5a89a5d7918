"""How the controls of the bench stand, and putting them so again: the endpoint and what is sent to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from components import state
from components.known import known_endpoints
from components.parameter_panel import put_values, visitor_mark
from components.stop_editor import read_stops
from playground.endpoints import Endpoint
from playground.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Controls:
    """An endpoint's name and the values sent to it; `refused` is what was typed into a box and cannot be sent."""

    endpoint: str
    values: Mapping[str, Any]
    refused: Mapping[str, str] = field(default_factory=dict)


def present_controls() -> Controls | None:
    """Return how they stand; `None` where the bench was not drawn yet."""
    endpoint = known_endpoints().get(st.session_state.get(state.ENDPOINT, ""))
    if endpoint is None or state.STREAM not in st.session_state:
        return None
    values: dict[str, Any] = {"stream": bool(st.session_state[state.STREAM])}
    refused: dict[str, str] = {}
    for spec in endpoint.parameters:
        sent, typed = bool(st.session_state.get(state.sent(spec.name))), str(st.session_state.get(state.typed(spec.name), ""))
        try:
            if spec.kind == "texts":
                values[spec.name] = read_stops(spec)
            elif sent:
                values[spec.name] = spec.parse(typed) if spec.is_number else visitor_mark()
        except ParameterError:
            if spec.is_number:
                refused[spec.name] = typed
    return Controls(endpoint=endpoint.name, values=values, refused=refused)


def put_controls(controls: Controls) -> None:
    """Set them; what this endpoint does not take any more is left out. Call before the panel is drawn."""
    endpoint = known_endpoints().get(controls.endpoint)
    if endpoint is None:
        return
    st.session_state[state.ENDPOINT] = endpoint.name
    put_values(endpoint, fitted(endpoint, controls.values)[0])
    for name, text in controls.refused.items():
        st.session_state[state.sent(name)] = True
        state.renew(state.typed(name), text)


def fitted(endpoint: Endpoint, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the values that an endpoint takes of those that were sent, and the names of the others."""
    specs = {spec.name: spec for spec in endpoint.parameters}
    taken, dropped = dict[str, Any](), list[str]()
    for name, value in values.items():
        if value is None:
            continue
        try:
            taken[name] = specs[name].check(value)
        except (KeyError, ParameterError):
            dropped.append(name)
    return taken, dropped
