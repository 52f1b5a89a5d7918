"""The recordings: open one, see what it holds, replay it; save this session's runs; ask what was recorded again."""

import streamlit as st

from components import state
from components.choice import choice
from components.recording_facts import bench_opening, recording_facts, recording_title
from components.recording_player import chosen, opened, player
from components.recording_sources import recording_file, recording_sources
from components.recording_suite import suite_view
from components.text import _, plain

LISTED = 500

st.title(_("Recordings"))
st.caption(_("An answer as it came over the wire, event by event, with its times. A replay costs nothing and asks nobody."))
left, right = st.columns([1.95, 1], gap="medium")
with right:
    recording_sources()
with left:
    file = opened()
    if file is None:
        st.info(_("Open a recording and it plays here, as it came."), icon=":material/album:")
        st.stop()
    uses = {"replay": _("Replay"), "suite": _("Ask again")}
    use = st.segmented_control(
        _("Use"), list(uses), format_func=uses.__getitem__, default="replay", key=state.RECORDING_USE, persist_state="session", required=True,
        label_visibility="collapsed",
    )
    if use == "suite":
        suite_view(file)
        st.stop()
    if len(file.recordings) > 1:
        count = len(file.recordings)
        listed = file.recordings[:LISTED]
        choice(
            plain(_("{count} recordings in {file}").format(count=f"{count:,}", file=file.title)), [str(number) for number in range(len(listed))],
            key=state.CHOSEN_RECORDING, title=lambda name: f"{int(name) + 1} · {recording_title(listed[int(name)])}",
        )
        if count > LISTED:
            st.caption(_("The first {count} can be chosen.").format(count=LISTED))
    recording = chosen()
    with st.container(gap="xxsmall"):
        recording_facts(recording, file.title)
    player()
    with st.container(horizontal=True, vertical_alignment="center"):
        recording_file(lambda: [recording], recording.file_name, "save-opened", _("Save as a file"))
        bench_opening(recording)
