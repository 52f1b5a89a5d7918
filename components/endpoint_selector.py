"""The endpoint selector: every row with its group and state; an unusable one says why and what to do."""

import streamlit as st

from components import state
from components.choice import choice
from components.known import known_endpoints
from components.parameter_panel import refit
from components.text import _, plain, say
from playground.endpoints import Endpoint


def endpoint_selector() -> Endpoint:
    """Draw the selector and return the chosen endpoint, usable or not."""
    endpoints = known_endpoints()
    names = list(endpoints)
    if st.session_state.get(state.ENDPOINT) not in endpoints:
        usable = (name for name in names if endpoints[name].off is None or endpoints[name].fetched)
        st.session_state[state.ENDPOINT] = next(usable, names[0])

    def label(name: str) -> str:
        row = endpoints[name]
        ready = row.off is None or row.fetched is not None
        mark = "●" if ready else "○"
        words = [row.title, _(row.group)] + ([] if ready else [_("off")])
        return f"{mark} {' · '.join(words)}"

    name = choice(
        _("Endpoint"), names, key=state.ENDPOINT, title=label, changed=_changed, help=_("Type to search. ● is ready, ○ is off; choose it to see why."),
    )
    endpoint = endpoints[name]
    if endpoint.off is None:
        st.caption(plain(say(endpoint.note)))
    else:
        words = [say(endpoint.off.message)] + ([say(endpoint.off.remedy)] if endpoint.off.remedy else [])
        st.caption(f":orange[{plain(' '.join(words))}]")
    if dropped := st.session_state.pop(state.DROPPED, None):
        words = _("Switched off, because this endpoint does not take it: {names}.").format(names=", ".join(dropped))
        st.caption(f":orange[{plain(words)}]")
    if endpoint.fetched:
        st.fragment(_fetching, run_every=1.0)(endpoint.name)
    return endpoint


def _changed(before: str) -> None:
    """Keep what the new endpoint takes too; what it does not is switched off, and said."""
    endpoints = known_endpoints()
    if before in endpoints:
        st.session_state[state.DROPPED] = refit(endpoints[before], endpoints[st.session_state[state.ENDPOINT]])


def _fetching(name: str) -> None:
    """How far the fetch of a model has come; once it is over the page is drawn anew."""
    fetched = known_endpoints()[name].fetched
    if fetched is None:
        st.rerun()
    done, total = fetched
    st.progress(done / total, text=_("{done} of {total} MB").format(done=done // 1_000_000, total=total // 1_000_000))
