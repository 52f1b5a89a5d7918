"""A selectbox whose options may change their labels: the choice is kept by name, never by what the browser last showed.

Streamlit's browser side sends back the label of an option. When labels change - another language, an endpoint that went
off - a label sent before is no option any more and would become the value. So the widget's key holds its labels' digest,
and the name that was chosen has a key of its own.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st


def choice(
    label: str, names: Sequence[str], *, key: str, title: Callable[[str], str], changed: Callable[[str], None] = lambda before: None, **look: Any
) -> str:
    """Draw it and return the chosen name, which is also at `key` of the session; `changed` gets the name chosen before."""
    if st.session_state.get(key) not in names:
        st.session_state[key] = names[0]
    digest = zlib.crc32("\n".join(title(name) for name in names).encode())
    widget = f"{key}-{digest:08x}"
    st.session_state[widget] = st.session_state[key]

    def took() -> None:
        chosen, before = st.session_state[widget], st.session_state[key]
        if chosen in names and chosen != before:
            st.session_state[key] = chosen
            changed(before)

    st.selectbox(label, names, key=widget, format_func=title, on_change=took, **look)
    return str(st.session_state[key])
