"""The details beneath an answer: its arrival as a picture, its sentences and usage, and the wire itself.

They are part of the sheet: their script runs in its module and their look in its style, so that every sentence crosses once for both.
Nothing is drawn or fetched before it is opened, and opening needs no rerun. The wire comes over the recording route; where that
cannot be reached, the script asks by the state `wire`, and the page answers with the same lines as data.
"""

from itertools import islice
from pathlib import Path
from typing import Any

from components.text import _
from playground.recording import event_lines, write_recording
from playground.run import Run

_HERE = Path(__file__).parent
SCRIPT = (_HERE / "wire_view.js").read_text(encoding="utf-8")
STYLE = (_HERE / "wire_view.css").read_text(encoding="utf-8")
_MOST_LINES = 2000


def wire_lines(run: Run | None, asked: Any) -> dict[str, Any] | None:
    """Return the lines of a run's recording that the script asked for: from an event on, or from the very beginning (-1)."""
    if run is None or not isinstance(asked, dict) or asked.get("run") != run.id:
        return None
    start, recording = int(asked["from"]), run.recording
    lines = write_recording(recording) if start < 0 else event_lines(recording, start)
    part = list(islice(lines, _MOST_LINES))
    more = next(lines, None) is not None
    whole = recording.ended is not None and not more
    if whole and start >= 0:
        part.append(list(write_recording(recording))[-1])
    return {"from": start, "at": asked["at"], "lines": part, "more": more, "whole": whole}


def wire_labels() -> dict[str, str]:
    """The words of the details."""
    return {
        "timeline": _("Timeline"),
        "timeline_help": _("Timeline: the arrow keys go from sentence to sentence"),
        "timeline_caption": _("Arrival of each sentence; height is its characters."),
        "longest_gap": _("longest gap {seconds} s"),
        "sentence_number": _("Sentence {number}"),
        "no_sentence": _("No sentence: usage alone"),
        "after": _("after {seconds} s"),
        "gap_of": _("gap {seconds} s"),
        "characters": _("{count} characters"),
        "stated": _("tokens stated {figures}"),
        "one_of": _("Sentence {first}: {verdict}"),
        "several_of": _("Sentences {first}–{last}: {verdict}"),
        "table": _("Sentences and usage"),
        "empty_table": _("No sentence has arrived."),
        "col_number": _("No."),
        "col_arrived": _("Arrived"),
        "col_gap": _("Gap"),
        "col_characters": _("Chars"),
        "col_usage": _("Tokens stated"),
        "col_usage_help": _("prompt / completion / total, as the endpoint stated them with this sentence"),
        "col_safety": _("Safety"),
        "col_text": _("Text"),
        "col_bytes": _("Bytes"),
        "col_bytes_help": _("The event as it was sent, framing included, in UTF-8"),
        "col_event": _("Event"),
        "col_event_help": _("Without the fields in front that are the same as in the event before"),
        "reading_total": _("the last total less the prompt: this counts"),
        "reading_last": _("the last completion figure"),
        "reading_sum": _("all completion figures added up"),
        "reading_estimate": _("estimated by the documented rule"),
        "dialect_per event": _("Per event"),
        "dialect_cumulative": _("Cumulative"),
        "dialect_lagging": _("Lagging"),
        "dialect_final only": _("Final only"),
        "dialect_absent": _("Absent"),
        "dialect_inconsistent": _("Inconsistent"),
        "dialect_undecided": _("Undecided"),
        "rate_limits": _("Rate limits:"),
        "wire": _("Wire"),
        "wire_none": _("Nothing was sent yet."),
        "wire_wait": _("Waiting for the wire…"),
        "wire_gone": _("The wire of this run was not kept."),
        "wire_request": _("Request"),
        "wire_response": _("Response"),
        "wire_events": _("Events as they were sent"),
        "headers_after": _("headers after {seconds} s"),
        "one_event": _("{count} event"),
        "events": _("{count} events"),
        "bytes": _("{count} bytes"),
        "dropped": _("{count} more were not kept"),
        "event_number": _("Event {number}"),
        "choose_event": _("Choose an event to see all of it."),
        "shown_in_part": _("shown in part; a copy has all of it"),
        "copy_event": _("Copy event"),
        "copy_events": _("Copy all"),
        "save_recording": _("Save"),
        "save_help": _("Save request and answer as a recording, which can be replayed"),
    }
