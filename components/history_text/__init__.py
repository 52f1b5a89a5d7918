"""A text of a run to be read, or two laid over each other: letter by letter as it was, with a button that copies it.

Streamlit's own boxes leave off line ends at the edges of a text, or read Markdown in it; here it is only ever set as text.
"""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from components.text import _
from components.told import told

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "history_text", html="<div class='history-text'>\n</div>", css=(_HERE / "history_text.css").read_text(encoding="utf-8"),
    js=(_HERE / "history_text.js").read_text(encoding="utf-8"),
)


def history_text(parts: Sequence[tuple[str, str]], *, key: str, copied: str | None = None, label: str = "") -> None:
    """Draw parts, each with its kind: prompt, answer, same, removed or added. `copied` is what the button copies, if there is one."""
    labels = {"copy": _("Copy"), "copied": _("Copied"), "name": label or _("Text"), "removed": _("removed"), "added": _("added")}
    _mount(key=key, data=told(parts=[list(part) for part in parts if part[1]], copied=copied, labels=labels))
