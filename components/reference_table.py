"""A table of the reference: name, facts and meaning side by side, or one below the other where there is no room.

It is drawn as HTML, since Streamlit's own tables neither stack on a phone nor mark what was searched for. Every text in it
is escaped; backticks alone mean something, and stand around code.
"""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import streamlit as st

from components.text import _, say
from playground.message import Message
from playground.reference import Entry, Table

_LOOK = Path(__file__).with_suffix(".css")


def table_look() -> None:
    """Bring in the look of the tables, once a page."""
    st.html(_LOOK)


def reference_table(table: Table, wanted: Sequence[str]) -> None:
    """Draw a table, with the wanted words marked wherever they stand."""
    title = f"<caption>{_marked(_(table.title), wanted)}</caption>" if table.title else ""
    rows = "".join(_row(entry, wanted) for entry in table.entries)
    st.html(f"<div class='reference'><table>{title}<tbody>{rows}</tbody></table></div>")


def reference_words(text: Message, wanted: Sequence[str]) -> None:
    """Draw a sentence or two in the same way."""
    st.html(f"<div class='reference'>{_prose(say(text), wanted)}</div>")


def _row(entry: Entry, wanted: Sequence[str]) -> str:
    name = _marked(entry.name, wanted).replace("_", "_<wbr>")
    facts = " · ".join(_marked(say(fact), wanted) for fact in entry.facts)
    words = " ".join(_prose(say(part), wanted) for part in entry.words)
    source = f" <small>{_marked(_(entry.source), wanted)}</small>" if entry.source else ""
    return f"<tr><th scope='row'><code>{name}</code></th><td class='facts'>{facts}</td><td>{words}{source}</td></tr>"


def _prose(text: str, wanted: Sequence[str]) -> str:
    parts = text.split("`")
    return "".join(f"<code>{_marked(part, wanted)}</code>" if number % 2 else _marked(part, wanted) for number, part in enumerate(parts))


def _marked(text: str, wanted: Sequence[str]) -> str:
    if not wanted:
        return escape(text)
    parts = re.split("(" + "|".join(map(re.escape, sorted(wanted, key=len, reverse=True))) + ")", text, flags=re.IGNORECASE)
    return "".join(f"<mark>{escape(part)}</mark>" if number % 2 else escape(part) for number, part in enumerate(parts))
