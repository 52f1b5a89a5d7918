"""Presets: choose one, keep one's own, take them along as a file. One's own live in this browser, not on the server."""

import streamlit as st

from components import state
from components.choice import choice
from components.parameter_panel import apply, differs, preset_title, preset_values
from components.text import _, plain, say
from playground.endpoints import KNOWN_PARAMETERS, Endpoint
from playground.errors import ParameterError
from playground.message import Message, message
from playground.presets import BUILT_IN, MOST, Preset, check_name, export_presets, import_presets


def preset_menu(endpoint: Endpoint) -> Preset:
    """Draw the selector and the menu beside it; return the chosen preset."""
    own = own_presets()
    presets = {preset.name: preset for preset in (*BUILT_IN, *own)}
    built_in = {preset.name for preset in BUILT_IN}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        name = choice(
            _("Preset"), list(presets), key=state.PRESET, title=preset_title, changed=lambda before: _chosen(endpoint),
            help=_("Sets every parameter and the stop list at once."),
        )
        chosen = presets[name]
        st.button(
            "", key="reset-all", icon=":material/restart_alt:", on_click=apply, args=(endpoint, chosen), disabled=not differs(endpoint, chosen),
            help=_("Reset all to this preset"),
        )
        with st.popover("", icon=":material/more_horiz:", help=_("Save, rename, delete, export, import")):
            _menu(endpoint, chosen, chosen.name in built_in)
    names = {spec.name for spec in endpoint.parameters}
    if skipped := [name for name in chosen.values if name not in names]:
        words = _("This endpoint has no {names}: that part of the preset is left out.").format(names=", ".join(skipped))
        st.caption(f":orange[{plain(words)}]")
    return chosen


def own_presets() -> list[Preset]:
    """Return the visitor's own presets."""
    found: list[Preset] = st.session_state.get(state.OWN_PRESETS, [])
    return found


def _chosen(endpoint: Endpoint) -> None:
    name = st.session_state[state.PRESET]
    apply(endpoint, next(preset for preset in (*BUILT_IN, *own_presets()) if preset.name == name))


def _menu(endpoint: Endpoint, chosen: Preset, built_in: bool) -> None:
    st.text_input(_("Name"), key="preset-name", placeholder=_("Name of a new preset"), label_visibility="collapsed")
    with st.container(horizontal=True):
        st.button(_("Save as new"), key="preset-save", icon=":material/add:", on_click=_save, args=(endpoint,))
        st.button(_("Rename"), key="preset-rename", on_click=_rename, args=(chosen,), disabled=built_in)
        st.button(_("Save changes"), key="preset-update", on_click=_update, args=(endpoint, chosen), disabled=built_in)
        st.button(_("Delete"), key="preset-delete", icon=":material/delete:", on_click=_delete, args=(chosen,), disabled=built_in)
        if st.session_state.get(state.LOST_PRESETS):
            st.button(_("Undo delete"), key="preset-undo", icon=":material/undo:", on_click=_undo_delete)
    own = own_presets()
    st.download_button(
        _("Export"), export_presets(own), "presets.json", "application/json", icon=":material/download:", on_click="ignore", disabled=not own,
    )
    file = st.file_uploader(_("Import"), type=["json"], key="preset-file", max_upload_size=1)
    if file is not None and st.button(_("Add these presets"), key="preset-import"):
        _import(file.getvalue())
        st.rerun()
    for text in st.session_state.pop(state.PRESET_WORDS, ()):
        st.caption(say(text))


def _save(endpoint: Endpoint) -> None:
    try:
        name = check_name(str(st.session_state.get("preset-name", "")), [preset.name for preset in own_presets()])
        values = preset_values(endpoint)
    except ParameterError as error:
        _say(error.message)
        return
    _set([*own_presets(), Preset(name=name, values=values)][-MOST:])
    st.session_state[state.PRESET] = name
    st.session_state["preset-name"] = ""


def _update(endpoint: Endpoint, chosen: Preset) -> None:
    try:
        values = preset_values(endpoint)
    except ParameterError as error:
        _say(error.message)
        return
    _set([Preset(name=chosen.name, values=values) if preset.name == chosen.name else preset for preset in own_presets()])


def _rename(chosen: Preset) -> None:
    others = [preset.name for preset in own_presets() if preset.name != chosen.name]
    try:
        name = check_name(str(st.session_state.get("preset-name", "")), others)
    except ParameterError as error:
        _say(error.message)
        return
    _set([Preset(name=name, values=preset.values) if preset.name == chosen.name else preset for preset in own_presets()])
    st.session_state[state.PRESET] = name
    st.session_state["preset-name"] = ""


def _delete(chosen: Preset) -> None:
    st.session_state[state.LOST_PRESETS] = [*st.session_state.get(state.LOST_PRESETS, []), chosen]
    _set([preset for preset in own_presets() if preset.name != chosen.name])
    st.session_state[state.PRESET] = BUILT_IN[0].name


def _undo_delete() -> None:
    *rest, lost = st.session_state[state.LOST_PRESETS]
    st.session_state[state.LOST_PRESETS] = rest
    if lost.name not in [preset.name for preset in own_presets()]:
        _set([*own_presets(), lost])
    st.session_state[state.PRESET] = lost.name


def _import(content: bytes) -> None:
    try:
        presets, refused = import_presets(content, KNOWN_PARAMETERS)
    except ParameterError as error:
        _say(error.message, *([error.remedy] if error.remedy else []))
        return
    names = {preset.name for preset in presets}
    own_presets_before = own_presets()
    kept = [preset for preset in own_presets() if preset.name not in names]
    _set([*kept, *presets][-MOST:])
    _say(
        message("{count} presets added, {replaced} of them in place of one of the same name.", count=len(presets),
                replaced=len(own_presets_before) - len(kept)),
        *refused,
    )


def _set(presets: list[Preset]) -> None:
    st.session_state[state.OWN_PRESETS] = presets


def _say(*texts: Message) -> None:
    st.session_state[state.PRESET_WORDS] = list(texts)
