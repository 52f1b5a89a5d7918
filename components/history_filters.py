"""What of the history is listed: words, an endpoint, an ending, starred ones or ones with a note; and which page of it."""

from collections.abc import Sequence

import streamlit as st

from components import state
from components.choice import choice
from components.history_lines import endpoint_title
from components.recording_facts import endings
from components.text import _
from playground.completion import Ending
from playground.history import Query

PAGE = 50
Cursor = tuple[float, str]


def chosen_query(names: Sequence[str]) -> Query:
    """Draw the filters and return what they ask for: one more than fits, which tells whether there are older ones.

    `names` are those of the endpoints that were asked.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="history-filters"):
        words = st.text_input(
            _("Search"), key=state.HISTORY_WORDS, type="search", live=True, label_visibility="collapsed", width=300,
            placeholder=_("Search: prompts, answers, notes"), on_change=first_page, persist_state="session",
        )
        endpoints = {"": _("Every endpoint"), **{name: endpoint_title(name) for name in names}}
        endpoint = choice(
            _("Endpoint"), list(endpoints), key=state.HISTORY_ENDPOINT, title=endpoints.__getitem__,
            changed=lambda before: first_page(), label_visibility="collapsed", width=184,
        )
        ways = {"": _("Every ending"), **{way.value: said for way, said in endings().items() if way is not None}}
        ending = choice(
            _("Ending"), list(ways), key=state.HISTORY_ENDING, title=ways.__getitem__,
            changed=lambda before: first_page(), label_visibility="collapsed", width=150,
        )
        kinds = {"starred": _("★ Starred"), "noted": _("With a note")}
        only = st.pills(
            _("Only"), list(kinds), format_func=kinds.__getitem__, selection_mode="multi", key=state.HISTORY_ONLY, persist_state="session",
            label_visibility="collapsed", on_change=first_page,
        )
    pages: list[Cursor] = st.session_state.get(state.HISTORY_PAGES, [])
    return Query(
        words=words.strip(), endpoint=endpoint or None, ending=Ending(ending) if ending else None, starred="starred" in only,
        noted="noted" in only, before=pages[-1] if pages else None, limit=PAGE + 1,
    )


def narrows(query: Query) -> bool:
    """Whether anything but the page is asked for."""
    return bool(query.words or query.endpoint or query.ending or query.starred or query.noted)


def clear_filters() -> None:
    """List everything again."""
    st.session_state[state.HISTORY_WORDS] = ""
    st.session_state[state.HISTORY_ENDPOINT] = st.session_state[state.HISTORY_ENDING] = ""
    st.session_state[state.HISTORY_ONLY] = []
    first_page()


def first_page() -> None:
    """Begin with the newest."""
    st.session_state.pop(state.HISTORY_PAGES, None)


def turn_page(last: Cursor | None) -> None:
    """Go on to what is older than `last`; without it, back to what is newer."""
    pages: list[Cursor] = st.session_state.get(state.HISTORY_PAGES, [])
    st.session_state[state.HISTORY_PAGES] = pages[:-1] if last is None else [*pages, last]
