"""Every way to a recording: a file, a pasted stream, the answers that come with the app, and this session's own runs, which can be saved."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st

from components import generations, state
from components.recording_facts import endings, first_words, local_time
from components.recording_player import open_content, open_recordings
from components.recording_shipped import shipped_recording
from components.text import _, plain, say
from playground.endpoints import MODELS
from playground.examples import EXAMPLES
from playground.recording import CONTENT_LIMIT, SUFFIX, Recording, write_recording
from playground.run import Run

_MB = 1024 * 1024
_TALL = 6
# Sentences in which the first words of an answer are looked for.
_GLANCE = 30


def recording_sources() -> None:
    """Draw them."""
    st.file_uploader(
        _("Drop a recording here, or what curl -N saved"), key=state.RECORDING_FILE, on_change=_take_file, max_upload_size=CONTENT_LIMIT // _MB,
    )
    with st.expander(_("Paste a stream instead")):
        st.text_area(_("Stream"), key=state.RECORDING_PASTED, height=160, label_visibility="collapsed", placeholder='data: {"id": …')
        st.button(_("Open it"), key="open-pasted", icon=":material/content_paste_go:", on_click=_take_text)
    if problem := st.session_state.get(state.RECORDING_PROBLEM):
        st.error(plain(" ".join(say(part) for part in (problem.message, problem.remedy) if part)), icon=":material/error:")
    st.caption(_("Or one that comes with the app:"))
    with st.container(horizontal=True, gap="xsmall", key="shipped"):
        for name in EXAMPLES:
            st.button(MODELS[name], key=f"shipped-{name}", icon=":material/album:", on_click=_take_shipped, args=(name,))
    heading = _("This session’s runs")
    st.markdown(f"**{heading}**")
    _own_runs([run for run in generations.runs()[::-1] if run.exchange.sent is not None])


def _own_runs(runs: Sequence[Run]) -> None:
    """Draw each run of this session, the newest first, with its replay and its file; and all of them as one file."""
    if not runs:
        st.caption(_("None yet. What is run on the bench is listed here, to be replayed or saved."))
        return
    with st.container(height=430 if len(runs) > _TALL else "content", border=False, key="own-runs"):
        for run in runs:
            _own_run(run)
    recording_file(
        lambda: [run.recording for run in runs[::-1]], f"runs{SUFFIX}", "save-all", _("Save all as one file"), icon=":material/library_add:",
        help=_("A suite: it can be asked again here, or with python -m playground replay."),
    )


def recording_file(
    recordings: Callable[[], Sequence[Recording]], name: str, key: str, label: str = "", *, icon: str = ":material/download:", help: str | None = None
) -> None:
    """Draw the way to a file of recordings; they are looked up and written when it is asked for."""

    def content() -> bytes:
        return "".join(line for recording in recordings() for line in write_recording(recording)).encode()

    st.download_button(label, content, name, "application/x-ndjson", key=key, icon=icon, help=help, on_click="ignore")


def _own_run(run: Run) -> None:
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="xsmall", key=f"own-run-{run.id}"):
        started = local_time(datetime.fromtimestamp(run.started, UTC)).split()[1]
        words = first_words("".join(sentence.text for sentence in run.sentences[:_GLANCE])) or _("no text")
        st.markdown(
            f":small[**{plain(run.endpoint.title)}** · {started}  \n{plain(endings()[run.ending])} · {plain(words)}]", width="stretch",
        )
        st.button(
            "", key=f"replay-{run.id}", icon=":material/play_arrow:", help=_("Replay"), on_click=_take_run, args=(run,), disabled=run.ending is None,
        )
        recording_file(lambda: [run.recording], run.recording.file_name, f"save-{run.id}", help=_("Save as a file"))


def _take_file() -> None:
    file = st.session_state[state.RECORDING_FILE]
    st.session_state.pop(state.RECORDING_PROBLEM, None)
    if file is not None:
        open_content(file.name, file.getvalue())


def _take_shipped(name: str) -> None:
    open_recordings(MODELS[name], [shipped_recording(name)])


def _take_text() -> None:
    open_content(_("Pasted stream"), str(st.session_state[state.RECORDING_PASTED]).encode("utf-8", "replace"))


def _take_run(run: Run) -> None:
    open_recordings(run.endpoint.title, [run.recording])
