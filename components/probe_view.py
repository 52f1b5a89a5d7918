"""Which parameters act: chosen, counted and priced before anything is sent, then watched as it goes."""

import streamlit as st

from components import door, state
from components.spending import charge
from components.text import _, plain, say
from playground.endpoints import Endpoint
from playground.probe import FEWEST, MOST, USUAL, Effect, Plan, Probe, plan, probed

LOOK = 0.7
_MARKS = {
    Effect.ACTS: ":green[:material/check_circle:]", Effect.NOT_SEEN: ":gray[:material/radio_button_unchecked:]",
    Effect.REJECTED: ":red[:material/block:]", Effect.NOT_TESTED: ":orange[:material/help:]",
}


def probe_view(endpoint: Endpoint) -> None:
    """Draw what would be asked, or what is being seen."""
    probe: Probe | None = st.session_state.get(state.PROBES, {}).get(endpoint.name)
    heading = _("Which parameters act?")
    st.markdown(f"**{heading}**")
    if probe is not None and not probe.progress.ended:
        st.fragment(_going, run_every=LOOK)(endpoint, probe)
        return
    names = probed(endpoint)
    if not names:
        st.caption(_("This endpoint has no parameter that could be compared."))
        return
    st.caption(
        _("A service may take a parameter and ignore it. The same prompt is sent again and again with two settings, in an order drawn by "
          "lot, and the answers are compared.")
    )
    chosen = st.pills(
        _("Parameters"), names, selection_mode="multi", default=list(names), key=f"probe-names-{endpoint.name}", label_visibility="collapsed",
    )
    repeats = st.slider(_("Answers for each setting"), FEWEST, MOST, USUAL, key=f"probe-repeats-{endpoint.name}", width=320)
    ahead = plan(endpoint, chosen, repeats)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            _("Start asking"), key=f"probe-{endpoint.name}", icon=":material/science:", disabled=not chosen, on_click=_start, args=(ahead,),
        )
        rate = _("A parameter that does nothing is said to act at most {percent} % of the time.")
        st.caption(plain(f"{say(ahead.words)} {rate.format(percent=f'{100 * ahead.false_alarms:.1f}')}"))
    if probe is not None:
        _charge(probe)
        _seen(probe)


def _going(endpoint: Endpoint, probe: Probe) -> None:
    probe.touch()
    _charge(probe)
    progress = probe.progress
    if progress.ended:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        doing = _("waiting for a free place") if progress.waiting else f"`{progress.name}`" if progress.name else ""
        words = _("{done} of {all} requests").format(done=progress.done, all=progress.all)
        st.progress(min(1.0, progress.done / max(1, progress.all)), text=f"{words} · {doing}" if doing else words)
        st.button(_("Stop"), key=f"probe-stop-{endpoint.name}", icon=":material/stop:", on_click=probe.stop)
    _seen(probe)


def _seen(probe: Probe) -> None:
    titles = {
        Effect.ACTS: _("acts"), Effect.NOT_SEEN: _("no effect seen"), Effect.REJECTED: _("rejected"), Effect.NOT_TESTED: _("not tested"),
    }
    lines = [
        f"{_MARKS[seen.effect]} `{name}` **{titles[seen.effect]}** {plain(say(seen.words))}" for name, seen in probe.observations.items()
    ]
    if lines:
        st.markdown("  \n".join(lines))


def _start(ahead: Plan) -> None:
    """Begin to ask."""
    probe = Probe(door.entrance(), ahead, state.visitor())
    st.session_state.setdefault(state.PROBES, {})[ahead.endpoint.name] = probe
    probe.start()


def _charge(probe: Probe) -> None:
    """Reckon with the runs that came since the last look."""
    counted: int = st.session_state.setdefault(state.PROBE_RUNS, {}).get(id(probe), 0)
    sent = list(probe.sent)
    for run in sent[counted:]:
        charge(run)
    st.session_state[state.PROBE_RUNS][id(probe)] = len(sent)
