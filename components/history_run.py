"""One run out of the history: what was asked and answered, how, how it ended; a note and a star; and what can be done with it."""

import json
from collections.abc import Callable, Sequence

import streamlit as st

from components import generations, state
from components.history_archive import markdown_file
from components.history_comparison import comparison
from components.history_lines import changes, glimpse, moment, title
from components.history_text import history_text
from components.opening import endpoint_here, open_run
from components.recording_facts import endings
from components.text import _, plain, say
from playground.completion import Ending, Safety, Usage, Verdict
from playground.errors import PlaygroundError
from playground.history import Entry, History
from playground.price import money
from playground.redaction import redact
from playground.run import Run

_LONGEST_NOTE = 2000


def history_run(history: History, entry: Entry, others: Sequence[Entry]) -> None:
    """Draw it. `others` are the runs it can be compared with."""
    with st.container(key="history-run", gap="small"):
        _head(history, entry)
        if st.session_state.get(state.HISTORY_OTHER):
            comparison(history, entry, others)
            return
        history_text(
            [("prompt", entry.prompt), ("answer", entry.text)], key="history-run-text", copied=entry.text or None, label=_("Prompt and answer"),
        )
        with st.container(gap="xxsmall"):
            _facts(history, entry)
        _note(history, entry)


def _head(history: History, entry: Entry) -> None:
    """What it is, and what can be done with it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        group = _(entry.endpoint.get("group", ""))
        st.markdown(f"**{plain(title(entry))}** :gray[{plain(' · '.join(filter(None, [group, moment(entry.started)])))}]", width="stretch")
        st.button("", key="close-run", icon=":material/close:", type="tertiary", help=_("Close"), on_click=_close)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        if st.button(_("Open on the bench"), key="open-run", icon=":material/edit_note:", type="primary", disabled=entry.ending is None):
            found: list[Run | None] = []
            if attempt(lambda: found.append(generations.kept_run(entry.id))) and found[0] is not None:
                open_run(found[0], entry.endpoint.get("name", ""))
            st.rerun()
        comparing = bool(st.session_state.get(state.HISTORY_OTHER))
        st.button(
            _("Back to the text") if comparing else _("Compare…"), key="compare-run", icon=":material/difference:",
            on_click=_compare, args=("" if comparing else entry.parent or "-",),
        )
        st.button(
            "★" if entry.starred else "☆", key="star-run", help=_("Take the star away") if entry.starred else _("Star"), on_click=star,
            args=(history, entry),
        )
        markdown_file(history, entry)
        st.button("", key="delete-run", icon=":material/delete:", help=_("Delete this run"), on_click=delete_runs, args=(history, [entry.id]))
    name = entry.endpoint.get("name", "")
    endpoint, ready = endpoint_here(name)
    if not ready:
        words = _("Its own endpoint is not ready here. It opens on {endpoint}.").format(endpoint=f"{endpoint.title} · {_(endpoint.group)}")
        st.caption(plain(words))


def _facts(history: History, entry: Entry) -> None:
    """How it ended, its figures and its parameters, in three quiet lines."""
    st.markdown(f":small[{' · '.join(plain(words) for words in _outcome(entry))}]")
    for words in _ending_words(entry):
        (st.error if entry.ending is Ending.FAILED else st.warning)(plain(words), icon=":material/error:")
    sent = [f"{name} = {json.dumps(value, ensure_ascii=False)[:200]}" for name, value in entry.parameters.items() if value is not None]
    st.caption(plain(" · ".join(sent)) or _("No parameter was sent."))
    parent = history.entry(state.visitor(), entry.parent) if entry.parent else None
    if parent is not None and parent.deleted is None:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
            before = glimpse(parent.text)[:40] or _("no text")
            words = _("Follows upon “{before}”: {changes}").format(before=before, changes=" · ".join(changes(entry, parent)))
            st.caption(plain(words))
            st.button(_("Show"), key="show-parent", type="tertiary", on_click=show_run, args=(parent.id,), help=_("Show the run before this one"))


def _outcome(entry: Entry) -> list[str]:
    count = entry.sentences
    words = [endings()[entry.ending], _("1 sentence") if count == 1 else _("{count} sentences").format(count=f"{count:,}")]
    if entry.first_after is not None:
        words.append(_("first after {seconds} s").format(seconds=f"{entry.first_after:.2f}"))
    if entry.ended_after is not None:
        words.append(_("{seconds} s").format(seconds=f"{entry.ended_after:.1f}"))
    words.append(_("{count} characters").format(count=f"{entry.characters:,}"))
    words.append(_usage(entry.usage, whole=entry.ending is Ending.FINISHED))
    if entry.cost is not None:
        words.append(money(*entry.cost))
    words.append(_safety(entry.safety))
    return words


def _usage(usage: Usage | None, *, whole: bool) -> str:
    if usage is None or usage.total_tokens is None:
        return _("tokens not returned")
    if not whole:
        return _("at least {total} tokens").format(total=usage.total_tokens)
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return _("{total} tokens").format(total=usage.total_tokens)
    words = _("{prompt} + {completion} = {total} tokens")
    return words.format(prompt=usage.prompt_tokens, completion=usage.completion_tokens, total=usage.total_tokens)


def _safety(safety: Safety) -> str:
    words = {
        Verdict.SAFE: _("input safe"), Verdict.FLAGGED: _("input flagged as unsafe"), Verdict.NOT_RETURNED: _("safety not returned"),
    }
    return words[safety.verdict]


def _ending_words(entry: Entry) -> list[str]:
    """Why it was stopped, cut or failed."""
    parts = [entry.reason] if entry.reason else []
    if entry.error is not None:
        parts += [entry.error.message, *([entry.error.remedy] if entry.error.remedy else [])]
    return [redact(" ".join(say(part) for part in parts))] if parts else []


def _note(history: History, entry: Entry) -> None:
    key = f"note-{entry.id}"
    st.session_state.setdefault(key, entry.note)
    st.text_area(
        _("Note"), key=key, height=72, max_chars=_LONGEST_NOTE, placeholder=_("A note of your own; it is searched too"), label_visibility="collapsed",
        on_change=_annotate, args=(history, entry.id, key),
    )


def attempt(action: Callable[[], object]) -> bool:
    """Do something with the history; if that fails it is kept to be said."""
    try:
        action()
    except PlaygroundError as error:
        st.session_state[state.HISTORY_PROBLEM] = error
        return False
    return True


def _annotate(history: History, run_id: str, key: str) -> None:
    attempt(lambda: history.annotate(state.visitor(), run_id, note=str(st.session_state[key])))


def star(history: History, entry: Entry) -> None:
    """Give a run its star, or take it away."""
    attempt(lambda: history.annotate(state.visitor(), entry.id, starred=not entry.starred))


def show_run(run_id: str) -> None:
    """Show a run beside the list."""
    st.session_state[state.HISTORY_RUN] = run_id
    st.session_state.pop(state.HISTORY_OTHER, None)


def delete_runs(history: History, ids: Sequence[str]) -> None:
    """Delete runs; what was deleted can be brought back until the next time."""
    if attempt(lambda: history.delete(state.visitor(), ids)):
        st.session_state[state.HISTORY_DELETED] = list(ids)
        if st.session_state.get(state.HISTORY_RUN) in ids:
            _close()


def undelete(history: History, ids: Sequence[str]) -> None:
    """Bring back what was deleted last."""
    if attempt(lambda: history.undelete(state.visitor(), ids)):
        st.session_state.pop(state.HISTORY_DELETED, None)


def _close() -> None:
    st.session_state.pop(state.HISTORY_RUN, None)
    st.session_state.pop(state.HISTORY_OTHER, None)


def _compare(other: str) -> None:
    st.session_state[state.HISTORY_OTHER] = other
