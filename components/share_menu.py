"""Share: a link that brings this set-up, a link to a snapshot of the answer, and the links one has made."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from components import door, state
from components.choice import choice
from components.parameter_panel import read_values
from components.share_links import address, expiry, forget_listed, links_list
from components.share_setup import receive
from components.text import _, plain, say
from playground.endpoints import Endpoint
from playground.errors import ParameterError, PlaygroundError
from playground.rates import ADDRESS_FACTOR
from playground.run import Run
from playground.service import service
from playground.setup_link import LONGEST_LINK, Setup, setup_of, write_setup
from playground.sharing import DAY, LONGEST_TITLE, MOST_A_MINUTE, Link, clean, looks_like_a_key

LASTS: dict[str, float | None] = {"day": DAY, "week": 7 * DAY, "month": 30 * DAY, "never": None}


def share_menu(endpoint: Endpoint, run: Run | None) -> None:
    """Draw the button, and listen for links; what it opens is made when it is pressed."""
    with st.container(width="content", gap=None):
        st.button(_("Share"), key="share", icon=":material/share:", help=_("A link to this set-up, or to this answer"), on_click=_ask)
        receive()
    if st.session_state.pop(state.SHARE_ASKED, False):
        forget_listed()
        st.session_state.pop(state.SHARE_PROBLEM, None)
        st.dialog(_("Share"), width="medium")(_menu)(endpoint, run)


def _ask() -> None:
    """Have it opened when the page is next drawn, by whichever way that comes about."""
    st.session_state[state.SHARE_ASKED] = True


def _menu(endpoint: Endpoint, run: Run | None) -> None:
    uses = {"setup": _("This set-up"), "snapshot": _("This answer"), "links": _("My links")}
    use = st.segmented_control(
        _("Share"), list(uses), format_func=uses.__getitem__, default="setup", key=state.SHARE_USE, persist_state="session", required=True,
        label_visibility="collapsed",
    )
    if use == "links":
        links_list()
    elif use == "snapshot":
        _snapshot(run)
    else:
        _setup(endpoint)


def _problem() -> None:
    """Say why no link was made."""
    error: PlaygroundError | None = st.session_state.get(state.SHARE_PROBLEM)
    if error is not None:
        st.caption(f":red[{plain(' '.join(say(text) for text in (error.message, error.remedy) if text))}]")


def _setup(endpoint: Endpoint) -> None:
    prompt = str(st.session_state.get(state.PROMPT, ""))
    try:
        values = read_values(endpoint)
    except ParameterError as error:
        st.caption(f":red[{plain(say(error.message))}]")
        return
    setup = setup_of(endpoint, prompt, values)
    cleaned = clean(setup)
    link = address(f"#setup={write_setup(cleaned)}")
    if len(link) <= LONGEST_LINK:
        st.caption(_("Prompt and parameters travel in the link itself. Nothing is kept here, and no server is told them."))
        st.code(link, language=None, wrap_lines=True, height=220 if len(link) > 700 else "content")
    else:
        _short(cleaned)
    if cleaned != setup:
        _warn(_("A key that stood in the text was taken out."))
    else:
        _caution(prompt, *_texts(values.values()))


def _caution(*texts: str) -> None:
    """Say that something may be better not shared; whether it is a key nobody here can know."""
    if looks_like_a_key(*texts):
        _warn(_("Something in the text looks like a key. Whoever has the link can read it."))


def _short(setup: Setup) -> None:
    """A set-up too long for an address: kept here for a month, if anything is kept at all."""
    if service().sharing is None:
        st.caption(_("The prompt is too long for a link, and this server keeps nothing."))
        return
    st.caption(_("The prompt is too long to travel in a link: it is kept here for 30 days, under a short one."))
    made: tuple[Setup, Link] | None = st.session_state.get(state.SHARE_SHORT)
    if made is not None and made[0] == setup:
        st.code(address(f"s/{made[1].id}"), language=None, wrap_lines=True)
        return
    st.button(_("Make a short link"), key="share-short", icon=":material/add_link:", on_click=_shorten, args=(setup,))
    _problem()


def _shorten(setup: Setup) -> None:
    sharing = service().sharing
    st.session_state.pop(state.SHARE_PROBLEM, None)
    try:
        if sharing is not None:
            _count()
            st.session_state[state.SHARE_SHORT] = setup, sharing.share_setup(state.visitor(), setup, lasts=LASTS["month"])
    except PlaygroundError as error:
        st.session_state[state.SHARE_PROBLEM] = error


def _snapshot(run: Run | None) -> None:
    if service().sharing is None:
        st.caption(_("This server keeps nothing, so there are no snapshots."))
        return
    if run is None or run.ending is None:
        st.caption(_("There is no answer yet.") if run is None else _("The answer is still coming."))
        return
    st.caption(_("Frozen as it stands: prompt, parameters, text, times, tokens, safety, ending. No key, no address of the endpoint."))
    made: tuple[str, Link] | None = st.session_state.get(state.SHARE_MADE)
    if made is not None and made[0] == run.id:
        st.code(address(f"s/{made[1].id}"), language=None, wrap_lines=True)
        st.caption(plain(expiry(made[1])))
        return
    titles = {"day": _("for a day"), "week": _("for a week"), "month": _("for a month"), "never": _("until it is revoked")}
    st.text_input(
        _("Title"), key=state.SHARE_TITLE, max_chars=LONGEST_TITLE, placeholder=_("Title, for the page and its preview"), label_visibility="collapsed"
    )
    st.session_state.setdefault(state.SHARE_LASTS, "month")
    _caution(run.request.prompt, run.text, *_texts(run.request.parameters.values()))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        lasts = choice(_("It stays"), list(titles), key=state.SHARE_LASTS, title=titles.__getitem__, label_visibility="collapsed")
        st.button(_("Make the link"), key="share-snapshot", icon=":material/add_link:", on_click=_freeze, args=(run, lasts))
    _problem()


def _freeze(run: Run, lasts: str) -> None:
    sharing = service().sharing
    st.session_state.pop(state.SHARE_PROBLEM, None)
    try:
        if sharing is not None:
            _count()
            title = str(st.session_state.get(state.SHARE_TITLE) or "")
            st.session_state[state.SHARE_MADE] = run.id, sharing.share_run(state.visitor(), run, title=title, lasts=LASTS[lasts])
    except PlaygroundError as error:
        st.session_state[state.SHARE_PROBLEM] = error


def _count() -> None:
    """A visitor without cookies is a new one at each look, so links are counted by the address too. Raises `LimitReached`."""
    caller = door.caller()
    counted = [(f"link {caller.visitor}", MOST_A_MINUTE)]
    if caller.address is not None:
        counted.append((f"link address {caller.address}", ADDRESS_FACTOR * MOST_A_MINUTE))
    service().admission.rates.take(counted)


def _texts(values: Any) -> Sequence[str]:
    return [text for value in values if isinstance(value, list | tuple) for text in value]


def _warn(words: str) -> None:
    st.caption(f":orange[{plain(words)}]")
