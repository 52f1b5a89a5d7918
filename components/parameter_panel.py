"""The parameter panel: for each number a switch, a slider and a box in step; for stop an editor; for stream and user_id a switch.

The box is the truth: it can hold every permitted value, and what it refuses is said beside it. The slider is a hand on it.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from components import state
from components.stop_editor import put_stops, read_stops, stop_editor
from components.text import _, plain, say
from playground.advice import advice
from playground.endpoints import Endpoint
from playground.errors import ParameterError
from playground.message import Message, message
from playground.parameters import ParameterSpec
from playground.presets import BUILT_IN, Preset
from playground.service import service
from playground.visitors import user_id

SLIDER_HEIGHT = 78
# What a preset sets. Whether the answer is streamed and whether the visitor's mark is sent is not its business.
_TUNED = ("float", "int", "texts")


def parameter_panel(endpoint: Endpoint, preset: Preset, answer: Sequence[str]) -> None:
    """Draw a control for each parameter of the endpoint.

    `preset` is what a changed control is compared with and goes back to; `answer` the sentences the stop list is tried on.
    """
    notes = _notes(endpoint)
    for spec in endpoint.parameters:
        if spec.is_number:
            _number(spec, preset, notes.get(spec.name))
    for spec in endpoint.parameters:
        if spec.kind == "texts":
            stop_editor(spec, answer)
    st.session_state.setdefault(state.STREAM, True)
    st.toggle(_("Stream the answer"), key=state.STREAM, persist_state="session", help=_("Off asks for the whole answer in one piece."))
    for spec in endpoint.parameters:
        if spec.kind == "text":
            label = _("Send {name}").format(name=f"`{spec.name}`")
            st.toggle(label, key=state.sent(spec.name), persist_state="session", help=_mark_help(spec))


def differs(endpoint: Endpoint, preset: Preset) -> bool:
    """Whether any control stands elsewhere than in the preset."""
    return any(_differs(spec, preset) for spec in endpoint.parameters)


def apply(endpoint: Endpoint, preset: Preset) -> None:
    """Set every control as in the preset; the switches that are not its business stay as they are."""
    tuned = {spec.name: preset.values.get(spec.name) for spec in endpoint.parameters if spec.kind in _TUNED}
    put_values(endpoint, {**tuned, **_switched(endpoint)})


def refit(before: Endpoint, endpoint: Endpoint) -> list[str]:
    """After a change of endpoint: switch off what only the old one took, and return the names.

    What is wrong for both stays as it was typed; its refusal stands beside it.
    """
    dropped = []
    old = {spec.name: spec for spec in before.parameters}
    new = {spec.name: spec for spec in endpoint.parameters}
    for name, spec in old.items():
        if spec.kind not in _TUNED or (spec.is_number and not _is_sent(name)):
            continue
        try:
            value = _held(spec)
        except ParameterError:
            continue
        try:
            if value is not None and name in new:
                new[name].check(value)
                if spec.is_number:
                    state.renew(_slid(new[name]), _reachable(new[name], value))
            elif value is not None and value != []:
                raise ParameterError(name, message("This endpoint has no parameter “{name}”.", name=name))
        except ParameterError:
            dropped.append(name)
            if spec.is_number:
                st.session_state[state.sent(name)] = False
            else:
                put_stops(())
    for spec in endpoint.parameters:
        if spec.is_number and not _is_sent(spec.name) and state.typed(spec.name) in st.session_state:
            _wake(spec)
    return dropped


def _wake(spec: ParameterSpec) -> None:
    """Make a control that is off ready for this endpoint: what its box keeps from another one stays if it can be sent here."""
    try:
        value = spec.parse(str(st.session_state[state.typed(spec.name)]))
    except ParameterError:
        value = None
    _put(spec, _start(spec) if value is None else value)


def _held(spec: ParameterSpec) -> Any:
    """What a control holds. Raises `ParameterError` for what must not be sent."""
    return spec.parse(str(st.session_state.get(state.typed(spec.name), ""))) if spec.is_number else read_stops(spec)


def read_values(endpoint: Endpoint) -> dict[str, Any]:
    """Return the values that are to be sent, by wire name. Raises `ParameterError` for what a control holds and must not."""
    return {**preset_values(endpoint), **_switched(endpoint)}


def preset_values(endpoint: Endpoint) -> dict[str, Any]:
    """Return those of them that a preset would hold."""
    values: dict[str, Any] = {}
    for spec in endpoint.parameters:
        if spec.is_number and _is_sent(spec.name):
            value = spec.parse(str(st.session_state.get(state.typed(spec.name), "")))
            if value is None:
                raise ParameterError(
                    spec.name, message("{name} is switched on but has no value.", name=spec.name), message("Type one, or switch it off.")
                )
            values[spec.name] = value
        elif spec.kind == "texts":
            stops = read_stops(spec)
            if stops:
                values[spec.name] = stops
    return values


def _switched(endpoint: Endpoint) -> dict[str, Any]:
    """What is switched rather than set. The only text among the parameters is the visitor's mark, and only this app writes it."""
    marks = {spec.name: visitor_mark() for spec in endpoint.parameters if spec.kind == "text" and _is_sent(spec.name)}
    return {**marks, "stream": bool(st.session_state.get(state.STREAM, True))}


def visitor_mark() -> str:
    """Return what `user_id` holds for this session, if it is sent."""
    return user_id(state.visitor(), service().settings.salt)


def put_values(endpoint: Endpoint, values: Mapping[str, Any]) -> None:
    """Set every control from a request's values; what is not in them is switched off. Call before the panel is drawn."""
    for spec in endpoint.parameters:
        if spec.is_number:
            value = values.get(spec.name)
            st.session_state[state.sent(spec.name)] = value is not None
            if value is not None:
                _put(spec, value)
        elif spec.kind == "texts":
            put_stops(values.get(spec.name) or ())
        elif spec.kind == "text":
            st.session_state[state.sent(spec.name)] = values.get(spec.name) is not None
    st.session_state[state.STREAM] = bool(values.get("stream"))


def _is_sent(name: str) -> bool:
    return bool(st.session_state.get(state.sent(name)))


def _number(spec: ParameterSpec, preset: Preset, note: Message | None) -> None:
    sent, typed, slid = state.sent(spec.name), state.typed(spec.name), _slid(spec)
    start = _start(spec)
    st.session_state.setdefault(sent, False)
    st.session_state.setdefault(typed, _written(spec, start))
    st.session_state.setdefault(slid, _reachable(spec, start))
    on, changed = bool(st.session_state[sent]), _differs(spec, preset)
    problem = _problem(spec) if on else None
    with st.container(key=f"parameter-{spec.name}", gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.toggle(f"`{spec.name}`", key=sent, persist_state="session", help=_help(spec), width="stretch")
            if changed:
                st.button(
                    "", key=f"reset-{spec.name}", icon=":material/undo:", type="tertiary", on_click=_reset, args=(spec, preset),
                    help=_("Changed. Back to “{preset}”").format(preset=preset_title(preset.name)),
                )
            box: dict[str, Any] = {"label_visibility": "collapsed", "width": 88}
            if on:
                st.text_input(spec.name, key=typed, persist_state="session", on_change=_box_moved, args=(spec,), **box)
            else:
                st.text_input(spec.name, key=state.unsent(spec.name), disabled=True, placeholder="–", **box)
        low, high, step = _ends(spec)
        # Of a fixed height: a slider that is replaced lingers for a moment, and what is below must not jump away from a click.
        st.container(height=SLIDER_HEIGHT, border=False).slider(
            say(spec.range) if on else _("endpoint decides"), min_value=low, max_value=high, step=step, key=slid, persist_state="session",
            disabled=not on, on_change=_slider_moved, args=(spec,), format="%d" if spec.kind == "int" else "%.2f",
        )
        if problem:
            st.caption(f":red[{plain(problem)}]")
        elif note is not None and on:
            st.caption(f":orange[{plain(say(note))}]")


def preset_title(name: str) -> str:
    """Return a preset's name as it is shown: a built-in one in the visitor's language, his own as he wrote it."""
    return _(name) if name in (preset.name for preset in BUILT_IN) else name


def _start(spec: ParameterSpec) -> float:
    return spec.start if spec.start is not None else spec.minimum or 0


def _reset(spec: ParameterSpec, preset: Preset) -> None:
    value = preset.values.get(spec.name)
    st.session_state[state.sent(spec.name)] = value is not None
    if value is not None:
        _put(spec, value)


def _differs(spec: ParameterSpec, preset: Preset) -> bool:
    wanted = preset.values.get(spec.name)
    try:
        if spec.is_number:
            present = spec.parse(str(st.session_state.get(state.typed(spec.name), ""))) if _is_sent(spec.name) else None
            return present != wanted
        return spec.kind == "texts" and list(wanted or ()) != read_stops(spec)
    except ParameterError:
        return True


def _notes(endpoint: Endpoint) -> dict[str, Message]:
    """Quiet words about the values that can be sent; a refused one says its own."""
    values = {}
    for spec in endpoint.parameters:
        if spec.is_number and _is_sent(spec.name):
            with contextlib.suppress(ParameterError):
                values[spec.name] = spec.parse(str(st.session_state.get(state.typed(spec.name), "")))
    return advice(values, advises_one_of_temperature_and_top_p=endpoint.advises_one_of_temperature_and_top_p)


def _problem(spec: ParameterSpec) -> str | None:
    """What is wrong with the box, or a quiet word when the slider cannot show it."""
    try:
        value = spec.parse(str(st.session_state.get(state.typed(spec.name), "")))
    except ParameterError as error:
        return say(error.message) + " " + _("Nothing is sent until it is corrected.")
    if value is None:
        return _("Type a value, or switch it off.")
    return None


def _slider_moved(spec: ParameterSpec) -> None:
    state.renew(state.typed(spec.name), _written(spec, _reachable(spec, st.session_state[_slid(spec)])))


def _box_moved(spec: ParameterSpec) -> None:
    try:
        value = spec.parse(st.session_state[state.typed(spec.name)])
    except ParameterError:
        return
    if value is not None:
        state.renew(_slid(spec), _reachable(spec, value))


def _put(spec: ParameterSpec, value: float) -> None:
    state.renew(state.typed(spec.name), _written(spec, value))
    state.renew(_slid(spec), _reachable(spec, value))


def _slid(spec: ParameterSpec) -> str:
    low, high, _step = _ends(spec)
    return state.slid(spec.name, low, high)


def _ends(spec: ParameterSpec) -> tuple[Any, Any, Any]:
    """The slider's ends and step; an open lower bound begins one step above it, an upper bound out of reach is left to the box."""
    kind = int if spec.kind == "int" else float
    step = kind(spec.step or 1)
    low = kind(spec.minimum or 0) + (step if spec.minimum_open else kind(0))
    high = kind(next((end for end in (spec.slider_maximum, spec.maximum) if end is not None), 100))
    return low, high, step


def _reachable(spec: ParameterSpec, value: float) -> Any:
    """The slider position nearest to a permitted value. Only the slider's handle is bound by it, never the value."""
    low, high, step = _ends(spec)
    near = min(max(value, low), high)
    return min(max(round(low + round((near - low) / step) * step, 9), low), high)


def _written(spec: ParameterSpec, value: float) -> str:
    return str(int(value)) if spec.kind == "int" else f"{value:.2f}" if round(value, 2) == value else repr(value)


def _help(spec: ParameterSpec) -> str:
    lines = [_(spec.help), _("Range: {range}.").format(range=say(spec.range))]
    if spec.more:
        lines.append(_("Higher: {effect}.").format(effect=_(spec.more)))
    if spec.less:
        lines.append(_("Lower: {effect}.").format(effect=_(spec.less)))
    lines.append(_("Off: not sent, the endpoint uses its own default."))
    lines.append(_("Source: {source}.").format(source=_(spec.source)))
    return "\n\n".join(lines)


def _mark_help(spec: ParameterSpec) -> str:
    lines = [
        _(spec.help),
        _("It is a salted hash of this session: the service can tell one visitor from another by it, and it says nothing about the person."),
        _("Off: not sent."),
        _("Source: {source}.").format(source=_(spec.source)),
    ]
    return "\n\n".join(lines)
