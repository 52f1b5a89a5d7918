"""The bench: prompt and answer in the wide middle, endpoint and parameters beside them, the exact request below."""

from contextlib import suppress
from functools import partial

import streamlit as st
from streamlit.errors import StreamlitAPIException

from components import beside, door, generations, state
from components.controls import Controls, put_controls
from components.demo_strip import demo_strip
from components.elsewhere import elsewhere, elsewhere_view
from components.endpoint_selector import endpoint_selector
from components.known import known_endpoint
from components.parameter_panel import parameter_panel, read_values
from components.preset_menu import preset_menu
from components.request_view import request_view
from components.run_view import Actions, run_view
from components.share_menu import share_menu
from components.share_setup import forget_words, setup_words
from components.spending import charge
from components.text import _
from playground.completion import CompletionRequest
from playground.endpoints import KNOWN_PARAMETERS
from playground.errors import ParameterError, PlaygroundError
from playground.presets import import_presets
from playground.run import Run
from playground.service import service
from playground.stop_simulator import simulate


def present_run() -> Run | None:
    """Return the run this page shows: the session's, or after a reload the one named in the address."""
    named = st.query_params.get("run")
    if state.GENERATIONS not in st.session_state and named:
        try:
            away = elsewhere(named)
            found = None if away else generations.kept_run(named)
        except PlaygroundError as error:
            st.session_state[state.REFUSAL], st.session_state[state.GENERATIONS] = error, []
            return None
        if found is not None:
            name = found.endpoint.name if found.replay_of is None else found.replay_of.endpoint.get("name", "")
            put_controls(Controls(endpoint=name, values=found.request.parameters))
            state.set_prompt(door.own_part(found.request.prompt))
            generations.begin(found)
        elif not away:
            st.session_state[state.LOST_RUN] = True
            del st.query_params["run"]
    entry = generations.present()
    run = entry.run if entry else None
    if run is not None:
        service().runs.keep(run)
        if named != run.id:
            st.query_params["run"] = run.id
    elif named and entry is not None:
        del st.query_params["run"]
    return run


def start() -> None:
    """Begin a run with the prompt as it stands in the sheet, or with the answer joined to it; a refusal is kept to be shown."""
    whole_page = beside.follows()
    asked = st.session_state[state.RUN_VIEW]["run"]
    prompt = str(asked["prompt"])
    for key in (state.REFUSAL, state.LOST_RUN):
        st.session_state.pop(key, None)
    forget_words()
    present = generations.present()
    continues = asked.get("mode") == "continue" and present is not None and present.run is not None
    st.session_state[state.PROMPT] = prompt
    try:
        endpoint = known_endpoint(st.session_state[state.ENDPOINT])
        whole = prompt + present.run.text if continues and present and present.run else prompt
        request = CompletionRequest(prompt=whole, parameters=read_values(endpoint))
        run = door.start(endpoint, request)
    except PlaygroundError as error:
        st.session_state[state.REFUSAL] = error
        st.session_state[state.REFUSALS] = st.session_state.get(state.REFUSALS, 0) + 1
    else:
        if (history := service().history) is not None:
            history.keep(run, parent=generations.parent(), demo=door.demo_id())
        generations.add(whole, run)
        charge(run)
        if continues:
            state.set_prompt(whole)
    if whole_page:
        st.rerun()


def move() -> None:
    """Undo or redo a generation, with the controls it was made with."""
    asked = st.session_state[state.RUN_VIEW]["move"]
    st.session_state.pop(state.REFUSAL, None)
    generations.move(-1 if asked["steps"] < 0 else 1, str(asked["prompt"]))
    st.rerun()


def keep_draft() -> None:
    """Keep what is typed, so that another page and back shows it again. A sheet that goes has no draft any more, and that is told too."""
    draft = st.session_state[state.RUN_VIEW].get("draft")
    if draft is not None:
        st.session_state[state.PROMPT] = str(draft)
        st.session_state.pop(state.REFUSAL, None)
        keep_in_step()


def keep_in_step() -> None:
    """Draw what stands beside the sheet too, if it has to be."""
    if beside.follows():
        st.rerun()


def stop() -> None:
    """Stop through the page, where the stop route could not be reached."""
    run = service().runs.get(str(st.session_state[state.RUN_VIEW]["stop"]))
    if run is not None:
        run.stop()
    keep_in_step()


def note_unreachable() -> None:
    """From now on this session gets its text as data."""
    st.session_state[state.ROUTE_UNREACHABLE] = True
    st.rerun()


def ended() -> None:
    """The run in the sheet has ended; draw what follows from it."""
    keep_in_step()
    if st.session_state.get(state.CHARGED):
        with suppress(StreamlitAPIException):  # the sheet of a page that was just left has no place to be drawn in any more
            st.rerun([state.SHEET, state.SESSION_COST])


def sheet() -> None:
    """Draw the prompt, the answer and what is known of the run."""
    run = present_run()
    if st.session_state.pop(state.LOST_RUN, False):
        st.info(_("The run of this link is no longer kept on the server. What you type here starts a new one."), icon=":material/history:")
    if run is not None:
        run.touch()
    try:
        stops = read_values(endpoint).get("stop", [])
    except ParameterError:
        stops = []
    cuts = simulate([sentence.text for sentence in run.sentences], stops) if run is not None and run.ending is not None else []
    run_view(
        key=state.RUN_VIEW, prompt=st.session_state[state.PROMPT], revision=st.session_state[state.PROMPT_REVISION], run=run,
        refusal=st.session_state.get(state.REFUSAL), with_rows=by_data, cuts=cuts, standing=generations.standing(),
        can_move=generations.can_move(), presets=st.session_state.get(state.OWN_PRESETS),
        actions=Actions(run=start, draft=keep_draft, ended=ended, unreachable=note_unreachable, stop=stop, move=move, presets=take_presets,
                        wire=keep_in_step),
    )


def take_presets() -> None:
    """Take over the presets this browser has kept: when a session begins, and when another tab has changed them."""
    try:
        presets, _refused = import_presets(str(st.session_state[state.RUN_VIEW]["presets"]), KNOWN_PARAMETERS)
    except ParameterError:
        presets = []
    st.session_state[state.OWN_PRESETS] = presets
    st.rerun()


shown = present_run()
with st.container():
    setup_words()
middle, right = st.columns([1.95, 1], gap="medium")
with right:
    endpoint = endpoint_selector()
    preset = preset_menu(endpoint)
    answered = shown is not None and shown.ending is not None
    parameter_panel(endpoint, preset, [sentence.text for sentence in shown.sentences] if shown is not None and answered else [])
if state.PROMPT not in st.session_state:
    state.set_prompt(endpoint.example)

# What is told by the sheet draws it alone again, as far as nothing beside it follows. Where the events route cannot be reached it is drawn
# again each second, and the text comes as data.
by_data = bool(st.session_state.get(state.ROUTE_UNREACHABLE))
away = st.query_params.get("run") if state.GENERATIONS not in st.session_state else None
with middle:
    demo_strip(endpoint)
    if away is not None:
        elsewhere_view(away)
    else:
        st.fragment(sheet, run_every=1.0 if by_data else None, key=state.SHEET)()
        request_view(endpoint, partial(share_menu, endpoint, shown))
beside.note()
