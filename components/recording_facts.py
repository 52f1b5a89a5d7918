"""What a recording holds, in a few lines, and the way from it to the bench."""

import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any

import streamlit as st

from components import state
from components.controls import fitted
from components.opening import endpoint_here, open_bench
from components.text import _, plain
from playground.completion import Ending
from playground.recording import Recording
from playground.replay import replay_endpoint, replay_request

_LONGEST = 60
_MOST = 30
# What a request says beside its parameters.
_NO_PARAMETERS = ("prompt", "model", "stream_options")


def endings() -> dict[Ending | None, str]:
    """Return the words of each ending; of none yet too."""
    return {
        Ending.FINISHED: _("finished"), Ending.STOPPED: _("stopped"), Ending.CUT: _("end not confirmed"), Ending.FAILED: _("failed"),
        None: _("still going"),
    }


def local_time(moment: datetime) -> str:
    """Write a moment as the visitor's clock shows it."""
    minutes = st.context.timezone_offset
    if minutes is None:
        return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return moment.astimezone(timezone(timedelta(minutes=-minutes))).strftime("%Y-%m-%d %H:%M:%S")


def first_words(text: str) -> str:
    """Return the beginning of a text, in one line."""
    words = " ".join(text[: 4 * _LONGEST].split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"


def title(recording: Recording) -> str:
    """Return what a recording is of."""
    facts = recording.endpoint
    return facts.get("title") or facts.get("model") or facts.get("provider") or _("Recording")


def recording_title(recording: Recording) -> str:
    """Return a recording's name among others: its endpoint, its ending, the first words of its prompt."""
    words = [title(recording), endings()[recording.ending]]
    if prompt := _asked(recording).get("prompt"):
        words.append(first_words(str(prompt)))
    return " · ".join(words)


def recording_facts(recording: Recording, file: str) -> None:
    """Draw what it is of and where it was opened, when it was made, what was asked and how it ended."""
    facts = recording.endpoint
    names = [_(facts.get("group", "")), facts.get("model", ""), facts.get("provider", "")]
    st.markdown(" · ".join([f"**{plain(title(recording))}**", *(plain(name) for name in names if name)]))
    lines = [first_words(file)] if file != title(recording) else []
    if recording.made:
        lines.append(_("made {moment}").format(moment=_made(recording.made)))
    lines.append(endings()[recording.ending])
    count = len(recording.events)
    lines.append(_("in one piece") if recording.body is not None else _("1 event") if count == 1 else _("{count} events").format(count=f"{count:,}"))
    if duration := _duration(recording):
        lines.append(_("{seconds} s").format(seconds=f"{duration:.1f}"))
    if recording.status is not None:
        lines.append(f"HTTP {recording.status}")
    if recording.dropped:
        lines.append(_("{count} more events were not kept").format(count=f"{recording.dropped:,}"))
    st.caption(plain(" · ".join(lines)))
    values = {name: value for name, value in _asked(recording).items() if name not in _NO_PARAMETERS}
    if recording.sent is None:
        st.caption(_("What was asked is not in it."))
    elif values:
        sent = [f"{first_words(name)} = {first_words(json.dumps(value, ensure_ascii=False))}" for name, value in islice(values.items(), _MOST)]
        st.caption(plain(" · ".join(sent)))


def bench_opening(recording: Recording) -> None:
    """Draw the way to the bench with the same request, and what of it cannot come along."""
    endpoint, configured = endpoint_here(recording.endpoint.get("name", ""))
    values, dropped = fitted(endpoint, {name: value for name, value in _asked(recording).items() if name not in _NO_PARAMETERS})
    if st.button(_("Open on the bench"), key="open-recording", icon=":material/edit_note:"):
        if dropped:
            st.session_state[state.DROPPED] = dropped[:_MOST]
        open_bench(endpoint, prompt=replay_request(recording, replay_endpoint(recording)).prompt, values=values)
    words = [] if configured else [_("Its own endpoint is not ready here.")]
    words.append(_("It opens on {endpoint}.").format(endpoint=f"{endpoint.title} · {_(endpoint.group)}"))
    if dropped:
        words.append(_("Left out there: {names}.").format(names=", ".join(map(first_words, dropped[:_MOST]))))
    st.caption(plain(" ".join(words)))


def _asked(recording: Recording) -> dict[str, Any]:
    """What was sent, field by field; nothing if that is not known."""
    try:
        fields = json.loads(recording.sent.body) if recording.sent else {}
    except (ValueError, RecursionError):
        fields = {}
    return fields if isinstance(fields, dict) else {}


def _made(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return local_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return first_words(text)


def _duration(recording: Recording) -> float:
    """How long the answer took; nothing where no times are known."""
    last = recording.body or (recording.events[-1] if recording.events else None)
    return recording.ended or (last.at if last else 0.0)
