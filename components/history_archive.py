"""The ways out of the history and into it: everything as one file, one run as Markdown, a selection as a table."""

from collections.abc import Sequence

import streamlit as st

from components import state
from components.text import _, language, plain, say
from playground.archive import CONTENT_LIMIT, Taken, csv_table, markdown, take_archive, write_archive
from playground.errors import PlaygroundError
from playground.history import Entry, History
from playground.language import translator

_MB = 1024 * 1024


def archive_menu(history: History) -> None:
    """Draw the menu: save everything, take a file in."""
    visitor = state.visitor()

    def everything() -> bytes:
        return b"".join(piece.encode() for piece in write_archive(history.records(visitor)))

    with st.popover(_("Export and import"), icon=":material/inventory_2:", type="tertiary"):
        st.caption(_("Everything as one file: each run with its prompt, parameters, answer and note, and no key. It can be taken in again anywhere."))
        st.download_button(
            _("Save everything"), everything, "history.json", "application/json", key="save-history", icon=":material/download:", on_click="ignore",
        )
        st.file_uploader(
            _("Take in a file that was saved here"), type=["json"], key=state.HISTORY_FILE, max_upload_size=CONTENT_LIMIT // _MB, on_change=_take,
            args=(history,),
        )
        _say_taken()


def markdown_file(history: History, entry: Entry) -> None:
    """Draw the way to one run as Markdown."""
    visitor, chosen, run_id = state.visitor(), language(), entry.id

    def content() -> bytes:
        whole = history.entry(visitor, run_id)
        return markdown(whole or entry, translator(chosen)).encode()

    st.download_button(
        "", content, f"run-{entry.id[:8]}.md", "text/markdown", key="save-markdown", icon=":material/markdown:", on_click="ignore",
        help=_("Save as Markdown"),
    )


def selection_file(history: History, entries: Sequence[Entry]) -> None:
    """Draw the way to these runs as a table."""
    visitor, ids = state.visitor(), [entry.id for entry in entries]

    def content() -> bytes:
        whole = filter(None, (history.entry(visitor, run_id) for run_id in ids))
        return "".join(csv_table(whole)).encode("utf-8-sig")

    st.download_button(
        _("Save as CSV"), content, "runs.csv", "text/csv", key="save-csv", icon=":material/table:", on_click="ignore",
        help=_("A text that a spreadsheet would take for a formula has an apostrophe in front."),
    )


def _take(history: History) -> None:
    file = st.session_state[state.HISTORY_FILE]
    st.session_state.pop(state.HISTORY_TAKEN, None)
    if file is None:
        return
    try:
        st.session_state[state.HISTORY_TAKEN] = take_archive(history, state.visitor(), file.getvalue())
    except PlaygroundError as error:
        st.session_state[state.HISTORY_TAKEN] = error


def _say_taken() -> None:
    """What became of the file that was taken in last."""
    taken: Taken | PlaygroundError | None = st.session_state.get(state.HISTORY_TAKEN)
    if isinstance(taken, PlaygroundError):
        words = [taken.message, *([taken.remedy] if taken.remedy else [])]
        st.error(plain(" ".join(map(say, words))), icon=":material/error:")
    elif taken is not None:
        words = _("{added} added, {known} were here already, {refused} could not be read.")
        st.success(
            plain(words.format(added=f"{taken.added:,}", known=f"{taken.known:,}", refused=f"{taken.refused_count:,}")), icon=":material/check:",
        )
        for problem in (*filter(None, [taken.damaged]), *dict.fromkeys(taken.refused)):
            st.caption(plain(say(problem)))
