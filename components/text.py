"""The visitor's language, and `_`, through which every text he sees passes."""

import streamlit as st

from components import state
from playground.language import LANGUAGES, choose_language, translator
from playground.message import Message


def language() -> str:
    """Return the visitor's language: his choice, which a reload finds in the address, else his browser's."""
    chosen = st.session_state.get(state.LANGUAGE) or st.query_params.get("lang")
    return chosen if chosen in LANGUAGES else choose_language(st.context.locale)


def _(text: str) -> str:
    """Translate an English source text for this visitor."""
    return translator(language())(text)


def say(text: Message) -> str:
    """Render a message of the core for this visitor."""
    return text.render(translator(language()))


def plain(text: str) -> str:
    """Escape a text for a place that reads Markdown, so that it is shown letter by letter."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~$:^@&" else " " if c in "\n\r" else c for c in text)
