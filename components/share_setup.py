"""A set-up that a link or a snapshot brings: shown before it replaces anything, and taken so that undo brings back what stood there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from components import door, generations, state
from components.controls import Controls, fitted, present_controls
from components.known import known_endpoints
from components.parameter_panel import visitor_mark
from components.share_changes import changes_table
from components.text import _, plain, say
from playground.endpoints import Endpoint
from playground.errors import ParameterError, PlaygroundError
from playground.message import Message, message
from playground.service import service
from playground.setup_link import Setup, find_endpoint, fit, read_setup

_fragment = st.components.v2.component(
    "share_fragment", js=(Path(__file__).parent / "share_fragment.js").read_text(encoding="utf-8")
)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a link would put on the bench, and words about what of it cannot come along."""

    prompt: str
    controls: Controls
    words: Sequence[Message]


def receive() -> None:
    """Listen for a link, wherever on the bench: what it brings is taken before anything of that is drawn again."""
    _fragment(key=state.SHARE_FRAGMENT, data={"heard": st.session_state.get(state.SHARE_HEARD)}, height=0, on_link_change=_heard)


def offer(setup: Setup, words: Sequence[Message] = ()) -> None:
    """Take a set-up over if that costs nothing, else keep it to be asked about. Call before anything of the bench is drawn."""
    made = _fitted(setup, words)
    st.session_state.pop(state.SHARE_WORDS, None)
    if not _untouched():
        st.session_state[state.SHARE_OFFER] = made
    else:
        _take(made)


def setup_words() -> None:
    """Draw what a link has brought: the question, or what became of it."""
    made: Offer | None = st.session_state.get(state.SHARE_OFFER)
    if made is not None:
        with st.container(border=True, key="share-offer"):
            _question(made)
    elif words := st.session_state.get(state.SHARE_WORDS):
        with st.container(border=True, key="share-words", gap="xsmall"):
            for text in words:
                st.markdown(plain(say(text)))
            with st.container(horizontal=True):
                if generations.can_move()[0] and st.session_state.get(state.SHARE_TAKEN):
                    st.button(_("Put back what was there"), key="share-undo", icon=":material/undo:", on_click=_undo)
                st.button(_("Close"), key="share-close", type="tertiary", on_click=forget_words)


def forget_words() -> None:
    """Say no more of it."""
    for key in (state.SHARE_WORDS, state.SHARE_TAKEN):
        st.session_state.pop(key, None)


def _question(made: Offer) -> None:
    endpoint = known_endpoints().get(made.controls.endpoint)
    present = present_controls()
    st.markdown("**" + _("The link brings another set-up") + "**")
    moved = endpoint is not None and present is not None and present.endpoint != endpoint.name
    before = present.values if present is not None else {}
    changes_table(
        prompts=(str(st.session_state.get(state.PROMPT, "")), made.prompt), values=(before, made.controls.values),
        endpoints=(_title(present.endpoint if present else ""), _title(made.controls.endpoint)) if moved else None,
    )
    for text in made.words:
        st.caption(f":orange[{plain(say(text))}]")
    with st.container(horizontal=True):
        st.button(_("Use it"), key="share-use", type="primary", on_click=_use)
        st.button(_("Keep mine"), key="share-keep", on_click=_keep)


def _title(name: str) -> str:
    row = known_endpoints().get(name)
    return f"{row.title} · {_(row.group)}" if row is not None else name


def _heard() -> None:
    """Read what the address brought, once."""
    told: Mapping[str, Any] = st.session_state[state.SHARE_FRAGMENT]["link"]
    if st.session_state.get(state.SHARE_HEARD) == told.get("at"):
        return
    st.session_state[state.SHARE_HEARD] = told.get("at")
    st.query_params.pop("setup", None)
    if isinstance(told.get("typed"), str) and state.PROMPT in st.session_state:
        st.session_state[state.PROMPT] = told["typed"]
    try:
        setup, words = read_setup(str(told["packed"])) if "packed" in told else _kept(str(told.get("id")))
        offer(setup, words)
    except PlaygroundError as error:
        forget_words()
        st.session_state[state.SHARE_WORDS] = [text for text in (error.message, error.remedy) if text]


def _kept(link_id: str) -> tuple[Setup, tuple[Message, ...]]:
    """Return a set-up that is kept on the server, or that of a snapshot."""
    sharing = service().sharing
    link = sharing.find(link_id) if sharing is not None else None
    if sharing is None or link is None:
        raise ParameterError("setup", message("There is no such link."), message("Perhaps it was cut on its way: ask for it once more."))
    setup = sharing.setup(link)
    if link.kind == "setup":
        sharing.count_open(link_id)
    return setup


def _fitted(setup: Setup, words: Sequence[Message]) -> Offer:
    """Make of a set-up what this bench can show."""
    rows = known_endpoints()
    present = present_controls()
    endpoint = find_endpoint(rows, setup.endpoint, setup.title)
    words = list(words)
    if endpoint is None:
        endpoint = _chosen(rows)
        named = setup.title or setup.endpoint
        if named:
            words.append(message("The link's endpoint, {name}, is not here: it opens on {here}.", name=named, here=endpoint.title))
    held = present.values if present is not None else {"stream": True}
    if setup.parameters is None:
        values = fitted(endpoint, held)[0]
    else:
        values, notes = fit(endpoint.parameters, setup.parameters)
        words += notes
    marks = {spec.name: visitor_mark() for spec in endpoint.parameters if spec.kind == "text" and spec.name in held}
    prompt = door.own_part(setup.prompt) if setup.prompt is not None else str(st.session_state.get(state.PROMPT, endpoint.example))
    if len(prompt) > endpoint.prompt_limit:
        words.append(message("The prompt is longer than this endpoint takes ({limit} characters).", limit=f"{endpoint.prompt_limit:,}"))
    controls = Controls(endpoint=endpoint.name, values={"stream": held.get("stream", True), **values, **marks})
    return Offer(prompt=prompt, controls=controls, words=words)


def _chosen(rows: Mapping[str, Endpoint]) -> Endpoint:
    usable = [row for row in rows.values() if row.off is None] or list(rows.values())
    return rows.get(st.session_state.get(state.ENDPOINT, ""), usable[0])


def _untouched() -> bool:
    """Whether nothing stands on the bench but what stood there at first."""
    present = present_controls()
    endpoint = known_endpoints().get(present.endpoint) if present is not None else None
    if present is None or endpoint is None:
        return state.PROMPT not in st.session_state
    values = {name: value for name, value in present.values.items() if value != []}
    examples = [row.example for row in known_endpoints().values()]
    at_start = values == {"stream": True} and not present.refused and st.session_state.get(state.PROMPT) in ("", *examples)
    return at_start and generations.present() is None


def _use() -> None:
    made: Offer = st.session_state.pop(state.SHARE_OFFER)
    _take(made)


def _keep() -> None:
    st.session_state.pop(state.SHARE_OFFER, None)


def _take(made: Offer) -> None:
    generations.open_beside(made.prompt, None, made.controls)
    st.session_state.pop(state.REFUSAL, None)
    st.session_state[state.SHARE_TAKEN] = True
    st.session_state[state.SHARE_WORDS] = [message("The set-up of the link is in the form. Nothing was sent."), *made.words]


def _undo() -> None:
    generations.move(-1, str(st.session_state[state.PROMPT]))
    forget_words()
