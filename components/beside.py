"""What stands beside the sheet, and whether it has to be drawn again with it; else the sheet is drawn alone.

A browser sends what was told in one moment as one message, in the sheet's name if any of it was told by the sheet. So a switch of the panel
that was pressed in the same moment as Run would be heard and not drawn: what the sheet tells asks here first.
"""

from types import NoneType
from typing import Any

import streamlit as st

from components import door, state
from components.known import known_endpoints

_SHOWING = (state.REQUEST_VIEW, state.STOPS, state.SHARE_OFFER, state.SHARE_WORDS)
_OF_THE_SHEET = (
    state.PROMPT, state.PROMPT_REVISION, state.GENERATIONS, state.PLACE, state.REFUSALS, state.LOST_RUN, state.CHARGED, state.BESIDE,
)


def note() -> None:
    """Remember how it stands. Call when the page is drawn."""
    st.session_state[state.BESIDE] = _standing()


def follows() -> bool:
    """Whether anything beside the sheet shows what is typed there or what becomes of a run, or does not stand as it was drawn."""
    drawn = st.session_state.get(state.BESIDE, {})
    # A control that is gone is no change, and one that is new and empty neither.
    moved = any(value != drawn[key] if key in drawn else bool(value) for key, value in _standing().items())
    return moved or any(st.session_state.get(key) for key in _SHOWING) or door.demo_id() is not None


def _standing() -> dict[str, Any]:
    """Every control of the page, what else of the session is as plain, and whether the chosen endpoint can be used: a local model may come or fail."""
    standing = {
        str(key): value for key, value in st.session_state.items()
        if isinstance(value, bool | int | float | str | list | tuple | NoneType) and key not in _OF_THE_SHEET
    }
    chosen = known_endpoints().get(st.session_state.get(state.ENDPOINT, ""))
    return {**standing, "usable": chosen is not None and chosen.off is None}
