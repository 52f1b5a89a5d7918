"""Every key of a visitor's session, and nothing else about it. Keys of widgets have no language in them."""

import secrets

import streamlit as st

LANGUAGE = "language"
ENDPOINT = "endpoint"
STREAM = "stream"
PROMPT = "prompt"
PROMPT_REVISION = "prompt-revision"
GENERATIONS = "generations"
PLACE = "place"
REFUSAL = "refusal"
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


def visitor() -> str:
    """Return this session's own mark; it says nothing about the person."""
    if VISITOR not in st.session_state:
        st.session_state[VISITOR] = secrets.token_hex(8)
    return str(st.session_state[VISITOR])


def set_prompt(text: str) -> None:
    """Put a text into the prompt from the server's side; the page takes it over whatever it shows."""
    st.session_state[PROMPT] = text
    st.session_state[PROMPT_REVISION] = st.session_state.get(PROMPT_REVISION, 0) + 1
