"""The stop-list editor: one box an entry, escapes typed and drawn, both limits counted while one types."""

from collections.abc import Iterable, Sequence

import streamlit as st

from components import state
from components.text import _, plain, say
from playground.errors import ParameterError
from playground.message import Message
from playground.parameters import ParameterSpec
from playground.stop_simulator import simulate, stop_notes, twin_note
from playground.stops import decode, draw, encode


def stop_editor(spec: ParameterSpec, answer: Sequence[str]) -> None:
    """Draw the entries with their counters and refusals, where each would have cut the last `answer`, and the button that adds one."""
    numbers: list[int] = st.session_state.setdefault(state.STOPS, [])
    limit = spec.max_items or 4
    with st.container(key="parameter-stop", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"`{spec.name}`", help=_(spec.help), width="content")
            st.caption(f"{len(numbers)} / {limit}", width="content")
        before: list[str] = []
        notes = stop_notes([_decoded(number) or "" for number in numbers])
        for place, number in enumerate(numbers, 1):
            _entry(spec, place, number, before, answer, notes.get(place - 1))
        full = len(numbers) >= limit
        st.button(
            _("Add a stop sequence"), key="add-stop", icon=":material/add:", type="tertiary", on_click=_add, disabled=full,
            help=_("The endpoint takes at most {limit}.").format(limit=limit) if full else None,
        )


def read_stops(spec: ParameterSpec) -> list[str]:
    """Return the list as it will be sent. Raises `ParameterError` for the first entry that must not be."""
    stops = [decode(str(st.session_state.get(state.stop(number), ""))) for number in st.session_state.get(state.STOPS, [])]
    spec.check(stops)
    return stops


def put_stops(stops: Iterable[str]) -> None:
    """Set the entries. Call before the editor is drawn."""
    st.session_state[state.STOPS] = []
    for text in stops:
        _add(encode(text))


def _entry(spec: ParameterSpec, place: int, number: int, before: list[str], answer: Sequence[str], note: Message | None) -> None:
    key = state.stop(number)
    st.session_state.setdefault(key, "")
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.text_input(
            _("Stop sequence {number}").format(number=place), key=key, persist_state="session", label_visibility="collapsed",
            placeholder=_("for instance \\n\\n"),
        )
        st.button(
            "", key=f"remove-{key}", icon=":material/close:", type="tertiary", on_click=_remove, args=(number,),
            help=_("Remove stop sequence {number}").format(number=place),
        )
    try:
        text = decode(str(st.session_state[key]))
        spec.check_item(text, place, before)
    except ParameterError as error:
        remedy = say(error.remedy) if error.remedy else _("Nothing is sent until it is corrected.")
        st.caption(f":red[{plain(say(error.message))} {plain(remedy)}]")
        return
    before.append(text)
    words = [plain(draw(text)), str(len(text)) if spec.max_length is None else f"{len(text)} / {spec.max_length}"]
    if answer:
        words.append(plain(_where(answer, text)))
    st.caption(" · ".join(words))
    if note is not None:
        st.caption(f":orange[{plain(say(note))}]")
    elif (twin := twin_note(text)) is not None:
        st.caption(plain(say(twin)))


def _where(answer: Sequence[str], stop: str) -> str:
    """Where the entry would have cut the last answer, in words."""
    cuts = simulate(answer, [stop])
    if not cuts:
        return _("does not occur in this answer")
    words = _("would cut this answer in sentence {number}").format(number=cuts[0].sentence + 1)
    return words + (" " + _("(across a seam)") if cuts[0].seam else "")


def _decoded(number: int) -> str | None:
    try:
        return decode(str(st.session_state.get(state.stop(number), "")))
    except ParameterError:
        return None


def _add(typed: str = "") -> None:
    number = st.session_state.get(state.NEXT_STOP, 0)
    st.session_state[state.NEXT_STOP] = number + 1
    st.session_state[state.stop(number)] = typed
    st.session_state[state.STOPS] = [*st.session_state.get(state.STOPS, []), number]


def _remove(number: int) -> None:
    st.session_state[state.STOPS] = [one for one in st.session_state[state.STOPS] if one != number]
