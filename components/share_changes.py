"""What differs between what stands there and what would come, quietly: the endpoint, the prompt, each parameter in a table."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from components.recording_facts import first_words
from components.text import _, plain, say
from playground.difference import parameter_changes, value_words
from playground.message import Message


def changes_table(
    *, prompts: tuple[str, str], values: tuple[Mapping[str, Any], Mapping[str, Any]], endpoints: tuple[str, str] | None = None
) -> None:
    """Draw it; in words if nothing differs."""
    heads = (_("Here"), _("In the link"))
    texts = [] if endpoints is None else [(_("Endpoint"), tuple(map(plain, endpoints)))]
    if prompts[0] != prompts[1]:
        texts.append((_("Prompt"), tuple(map(_prompt, prompts))))
    for name, pair in texts:
        st.markdown("  \n".join([f"**{name}**", *(f":gray[{head}:] {text}" for head, text in zip(heads, pair, strict=True))]))
    rows = [(_code(change.name), _value(change.before), _value(change.after)) for change in parameter_changes(*values)]
    if rows:
        quiet_table((_("Parameter"), *heads), rows)
    elif not texts:
        st.caption(_("Prompt and parameters are the same as here."))


def values_table(values: Mapping[str, Any]) -> None:
    """Draw what was sent beside the prompt."""
    if values:
        quiet_table((_("Parameter"), _("Sent")), [(_code(name), _value(value)) for name, value in values.items()])
    else:
        st.caption(_("No parameter was sent: the endpoint decided."))


def quiet_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Draw a small table of Markdown cells."""
    lines = [head, ("---",) * len(head), *rows]
    st.markdown("\n".join(f"| {' | '.join(cells)} |" for cells in lines))


def _code(name: str) -> str:
    """A name as it goes over the wire. Nothing in it is escaped there, so what could end the cell has to go."""
    return f"`{''.join(one for one in name[:60] if one.isprintable() and one not in '`|')}`"


def _prompt(text: str) -> str:
    if not text:
        return "–"
    count = _("{count} characters").format(count=f"{len(text):,}")
    return f"{plain(first_words(text))} · {plain(count)}"


def _value(value: Any) -> str:
    if value is None or value == []:
        return _("not sent")
    words = value_words(value)
    text = say(words) if isinstance(words, Message) else words
    return plain(text if len(text) <= 60 else f"{text[:60]}…")
