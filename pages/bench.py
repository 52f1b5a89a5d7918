"""The bench: prompt and answer in the wide middle, endpoint and parameters beside them."""

import streamlit as st

from components import state
from components.endpoint_selector import endpoint_selector
from components.parameter_panel import parameter_panel, put_values, read_values
from components.run_view import run_view
from components.text import _
from playground.completion import CompletionRequest
from playground.errors import PlaygroundError
from playground.run import Run
from playground.service import service


def present_run() -> Run | None:
    """Return the run this page shows: the session's, or after a reload the one named in the address."""
    named = st.query_params.get("run")
    if state.RUN not in st.session_state and named:
        run = service().runs.get(named)
        if run is None:
            st.session_state[state.LOST_RUN] = True
            del st.query_params["run"]
        else:
            st.session_state[state.RUN] = run.id
            st.session_state[state.ENDPOINT] = run.endpoint.name
            state.set_prompt(run.request.prompt)
            put_values(run.endpoint, run.request.parameters)
    held = st.session_state.get(state.RUN)
    run = service().runs.get(held) if held else None
    if run is not None and named != run.id:
        st.query_params["run"] = run.id
    return run


def start() -> None:
    """Begin a run with the prompt as it stands in the sheet; a refusal is kept to be shown."""
    asked = st.session_state[state.RUN_VIEW]["run"]
    st.session_state[state.PROMPT] = str(asked["prompt"])
    for key in (state.REFUSAL, state.LOST_RUN):
        st.session_state.pop(key, None)
    try:
        endpoint = service().endpoints[st.session_state[state.ENDPOINT]]
        request = CompletionRequest(prompt=st.session_state[state.PROMPT], parameters=read_values(endpoint))
        st.session_state[state.RUN] = service().runs.start(endpoint, request, state.visitor()).id
    except PlaygroundError as error:
        st.session_state[state.REFUSAL] = error


def keep_draft() -> None:
    """Keep what is typed, so that another page and back shows it again."""
    st.session_state[state.PROMPT] = str(st.session_state[state.RUN_VIEW]["draft"])
    st.session_state.pop(state.REFUSAL, None)


def stop() -> None:
    """Stop through the page, where the stop route could not be reached."""
    run = service().runs.get(str(st.session_state[state.RUN_VIEW]["stop"]))
    if run is not None:
        run.stop()


def note_unreachable() -> None:
    """From now on this session gets its text as data."""
    st.session_state[state.ROUTE_UNREACHABLE] = True


def ended() -> None:
    """The run in the sheet has ended; the rerun that brought us here draws what follows from it."""


def sheet() -> None:
    """Draw the prompt, the answer and what is known of the run."""
    run = present_run()
    if run is not None:
        run.touch()
    run_view(
        key=state.RUN_VIEW, prompt=st.session_state[state.PROMPT], revision=st.session_state[state.PROMPT_REVISION], run=run,
        refusal=st.session_state.get(state.REFUSAL), with_rows=by_data, on_run=start, on_draft=keep_draft, on_ended=ended,
        on_unreachable=note_unreachable, on_stop=stop,
    )


present_run()
if st.session_state.pop(state.LOST_RUN, False):
    st.info(_("The run of this link is no longer kept on the server. What you type here starts a new one."), icon=":material/history:")
middle, right = st.columns([1.95, 1], gap="medium")
with right:
    endpoint = endpoint_selector()
    parameter_panel(endpoint)
if state.PROMPT not in st.session_state:
    state.set_prompt(endpoint.example)

# Where the events route cannot be reached the sheet is drawn again each second, and the text comes as data.
by_data = bool(st.session_state.get(state.ROUTE_UNREACHABLE))
with middle:
    (st.fragment(sheet, run_every=1.0) if by_data else sheet)()
