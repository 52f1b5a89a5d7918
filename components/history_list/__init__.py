"""The list of runs: a line for each, under the day on which it began. A line opens, is starred, or is marked for what is done to several.

What it tells the page stands in its state: `open` and `star` (a run's id, once) and `marked` (ids). Texts are only ever set as text.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from components.text import _
from components.told import told

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "history_list", html="<div class='history-list'>\n</div>", css=(_HERE / "history_list.css").read_text(encoding="utf-8"),
    js=(_HERE / "history_list.js").read_text(encoding="utf-8"),
)


def history_list(
    days: Sequence[Mapping[str, Any]], *, key: str, chosen: str | None, wanted: Sequence[str], on_open: Callable[[], None],
    on_star: Callable[[], None],
) -> None:
    """Draw the days with their lines, the words that are searched for marked in them."""
    labels = {
        "list": _("Runs"), "mark": _("Mark this run"), "star": _("Star"), "unstar": _("Take the star away"), "arrow": "→", "none": _("no text"),
        "note": _("Note"),
    }
    _mount(
        key=key, data=told(days=days, chosen=chosen, marked=marked(key), wanted=list(wanted), labels=labels), on_open_change=on_open,
        on_star_change=on_star, on_marked_change=lambda: None,
    )


def marked(key: str) -> list[str]:
    """Return the ids of the lines that are marked, and of some that are not in the list any more."""
    return list(st.session_state.get(key, {}).get("marked") or [])
