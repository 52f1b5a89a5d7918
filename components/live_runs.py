"""What goes on now, for the owner: whose run, on which endpoint, how long and how much; and a switch for each. And what was refused."""

import time
from datetime import UTC, datetime

import streamlit as st

from components import door
from components.recording_facts import local_time
from components.text import _, plain
from playground.demos import Demos
from playground.message import message
from playground.service import service

LOOK = 2.0
LISTED = 100
_MARK = 6


@st.fragment(run_every=LOOK)
def live_runs(demos: Demos) -> None:
    """Draw them; again and again by itself."""
    titles = {demo.id: demo.title for demo in demos.all()}
    by_link = {run.id: demo_id for demo_id, run in demos.going()}
    going = service().runs.present()
    if not going:
        st.caption(_("No run goes on here."))
    for run in going[:LISTED]:
        words = [run.endpoint.title, _("{seconds} s").format(seconds=f"{run.elapsed:.0f}"), _("{count} characters").format(count=f"{len(run.text):,}")]
        if run.id in by_link:
            words.append(titles.get(by_link[run.id], _("a deleted link")))
        with st.container(horizontal=True, vertical_alignment="center", key=f"live-{run.id}"):
            st.markdown(f"`{run.visitor[:_MARK]}` {plain(' · '.join(words))}", width="stretch")
            st.button(_("Stop"), key=f"live-stop-{run.id}", icon=":material/stop:", on_click=_stop, args=(run.id,))
    elsewhere = demos.elsewhere()
    if elsewhere:
        st.caption(_("At other servers of this database; they are stopped by stopping their link."))
    for one in elsewhere[:LISTED]:
        words = [one.endpoint, _("{seconds} s").format(seconds=f"{time.time() - one.started:.0f}"),
                 _("{count} characters").format(count=f"{one.characters:,}"), *([titles.get(one.demo, "")] if one.demo else [])]
        st.markdown(f"`{one.visitor[:_MARK]}` {plain(' · '.join(filter(None, words)))}")


@st.fragment(run_every=LOOK)
def refusals(demos: Demos) -> None:
    """Draw what was refused, by link and reason; again and again by itself."""
    reasons = {
        "unknown": _("unknown link"), "stopped": _("link stopped"), "expired": _("link expired"), "spent": _("budget used up"),
        "spent_you": _("a visitor's budget used up"), "endpoint": _("endpoint not offered"), "request": _("outside what is permitted"),
        "often": _("too often"), "link": _("without a link"), "price": _("price unknown"),
    }
    titles = {demo.id: demo.title for demo in demos.all()}
    rows = [
        {
            _("reason"): reasons.get(reason, reason), _("link"): plain(titles.get(demo_id, "–")), _("times"): f"{times:,}",
            _("last time"): local_time(datetime.fromtimestamp(last, UTC)),
        }
        for demo_id, reason, times, last in demos.refusals()[:LISTED]
    ]
    if rows:
        st.table(rows, border="horizontal", hide_index=True)
    else:
        st.caption(_("Nothing was refused yet."))


def _stop(run_id: str) -> None:
    run = service().runs.get(run_id)
    if run is not None and door.is_owner():
        run.stop(message("Stopped by the owner of this server."))
