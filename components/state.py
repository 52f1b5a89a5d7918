"""Every key of a visitor's session, and nothing else about it. Keys of widgets have no language in them."""

import secrets

import streamlit as st

from playground.service import service
from playground.visitors import COOKIE, read_visitor

LANGUAGE = "language"
ENDPOINT = "endpoint"
STREAM = "stream"
PROMPT = "prompt"
PROMPT_REVISION = "prompt-revision"
GENERATIONS = "generations"
PLACE = "place"
REFUSAL = "refusal"
REFUSALS = "refusals"
LOST_RUN = "lost-run"
VISITOR = "visitor"
RUN_VIEW = "run-view"
STOPS = "stops"
NEXT_STOP = "next-stop"
PRESET = "preset"
OWN_PRESETS = "own-presets"
LOST_PRESETS = "lost-presets"
PRESET_WORDS = "preset-words"
DROPPED = "dropped"
REQUEST_VIEW = "request-view"
CODE_LANGUAGE = "code-language"
CODE_AUTH = "code-auth"
PASTED = "pasted"
PASTE_WORDS = "paste-words"
ROUTE_UNREACHABLE = "route-unreachable"
OWN_ENDPOINTS = "own-endpoints"
OWN_PROBLEM = "own-problem"
CHARGED = "charged"
SESSION_COST = "session-cost"
SHEET = "sheet"
BESIDE = "beside"
SPENT = "spent"
TRIALS = "trials"
PROBES = "probes"
PROBE_RUNS = "probe-runs"
REFERENCE_WIRE = "reference-wire"
REFERENCE_DIALECT = "reference-dialect"
REFERENCE_QUERY = "reference-query"
EXAMPLE = "example"
EXAMPLE_ANSWER = "example-answer"
LAB_ENDPOINTS = "lab-endpoints"
DEMO = "demo"
DEMO_STRIP = "demo-strip"
OWNER = "owner"
ADMIN_SEEN = "admin-seen"
ADMIN_FORM = "admin-form"
ADMIN_WORDS = "admin-words"
ADMIN_REMOVING = "admin-removing"
LAB_QUERY = "lab-query"
LAB_FAULT = "lab-fault"
OPENED = "opened-recordings"
CHOSEN_RECORDING = "chosen-recording"
RECORDING_FILE = "recording-file"
RECORDING_PASTED = "recording-pasted"
RECORDING_PROBLEM = "recording-problem"
RECORDING_USE = "recording-use"
REPLAY = "replay"
REPLAY_SPEED = "replay-speed"
REPLAY_VIEW = "replay-view"
SUITE = "suite"
SUITE_ENDPOINT = "suite-endpoint"
SUITE_REPEATS = "suite-repeats"
SHARE_FRAGMENT = "share-fragment"
SHARE_HEARD = "share-heard"
SHARE_OFFER = "share-offer"
SHARE_WORDS = "share-words"
SHARE_TAKEN = "share-taken"
SHARE_ASKED = "share-asked"
SHARE_USE = "share-use-of"
SHARE_MADE = "share-made"
SHARE_SHORT = "share-short-link"
SHARE_LISTED = "share-listed"
SHARE_PROBLEM = "share-problem"
SHARE_TITLE = "share-title"
SHARE_LASTS = "share-lasts"
SHARE_OPENED = "share-opened"
SHARE_RERUNS = "share-reruns"
SNAPSHOT_VIEW = "snapshot-view"
RERUN_VIEW = "rerun-view"
SHARE_REVOKING = "share-revoking"
HISTORY_LIST = "history-list"
HISTORY_WORDS = "history-words"
HISTORY_ENDPOINT = "history-endpoint"
HISTORY_ENDING = "history-ending"
HISTORY_ONLY = "history-only"
HISTORY_PAGES = "history-pages"
HISTORY_RUN = "history-run"
HISTORY_OTHER = "history-other"
HISTORY_PARENTS = "history-parents"
HISTORY_DELETED = "history-deleted"
HISTORY_FILE = "history-file"
HISTORY_TAKEN = "history-taken"
HISTORY_PROBLEM = "history-problem"


def sent(name: str) -> str:
    """Key of a parameter's "send it" switch."""
    return f"sent-{name}"


def typed(name: str) -> str:
    """Key of a parameter's number box, as it stands since `renew` was last called for it."""
    return _edition(f"typed-{name}")


def unsent(name: str) -> str:
    """Key of the empty box that stands for a parameter which is not sent."""
    return f"unsent-{name}"


def slid(name: str, low: float, high: float) -> str:
    """Key of a parameter's slider, as it stands since `renew` was last called for it; one with other ends is another slider."""
    return _edition(f"slid-{name}-{low:g}-{high:g}")


def renew(key: str, value: object) -> None:
    """Put a value into a control that the person may be using, by putting a new one in its place.

    What the page had already said of the old one comes too late to count; with the same key it would undo the value.
    """
    base, edition = key.rsplit("#", 1)
    st.session_state[f"edition-{base}"] = int(edition) + 1
    st.session_state[_edition(base)] = value


def _edition(base: str) -> str:
    return f"{base}#{st.session_state.get(f'edition-{base}', 0)}"


def stop(number: int) -> str:
    """Key of one stop sequence's box."""
    return f"stop-{number}"


def own_field(name: str) -> str:
    """Key of a field in the form for an endpoint of one's own, as it stands since the form was last emptied."""
    return f"own-{name}#{st.session_state.get('edition-own', 0)}"


def clear_own_fields() -> None:
    """Empty that form; what was typed into it, a key among it, is no longer in the session."""
    before = st.session_state.get("edition-own", 0)
    for key in [key for key in st.session_state if str(key).startswith("own-") and str(key).endswith(f"#{before}")]:
        del st.session_state[key]
    st.session_state["edition-own"] = before + 1


def figure(title: str, letter: str) -> str:
    """Key of a figure in the name of a fault."""
    return f"figure-{title}-{letter}"


def visitor() -> str:
    """Return this browser's own mark, or this session's where cookies are refused; it says nothing about the person."""
    if VISITOR not in st.session_state:
        st.session_state[VISITOR] = read_visitor(st.context.cookies.get(COOKIE), service().cookie_secret) or secrets.token_hex(16)
    return str(st.session_state[VISITOR])


def set_prompt(text: str) -> None:
    """Put a text into the prompt from the server's side; the page takes it over whatever it shows."""
    st.session_state[PROMPT] = text
    st.session_state[PROMPT_REVISION] = st.session_state.get(PROMPT_REVISION, 0) + 1
