"""The owner's demo links: where each leads, what it has cost, and its switches."""

from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from components import demo_form, door, state
from components.recording_facts import local_time
from components.text import _, plain, say
from playground.database import now
from playground.demos import KINDS, Demo, Demos, Meter
from playground.price import money
from playground.service import service

LOOK = 2.0
_BILLION = 10**9


@st.fragment(run_every=LOOK)
def demo_list(demos: Demos) -> None:
    """Draw a card for each link, the newest first; again and again by itself, as its books change."""
    links = demos.all()
    if not links:
        st.info(_("No links yet. Make the first one with the form."), icon=":material/confirmation_number:")
    for demo in links:
        with st.container(border=True, key=f"demo-{demo.id}", gap="small"):
            _card(demos, demo)


def _card(demos: Demos, demo: Demo) -> None:
    left = demos.left(demo).in_all
    used_up = any(meter.left == 0 for meter in left.values())
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(demo.title)}**", width="content")
        if demo.stopped is not None:
            st.badge(_("stopped"), color="red", icon=":material/pause:")
        elif demo.expires is not None and demo.expires <= now():
            st.badge(_("expired"), color="gray", icon=":material/schedule:")
        elif used_up:
            st.badge(_("used up"), color="orange", icon=":material/hourglass_empty:")
        else:
            st.badge(_("open"), color="green", icon=":material/check:")
    st.code(link_of(demo), language=None, wrap_lines=True)
    for column, kind in zip(st.columns(3), KINDS, strict=True):
        with column:
            _meter(kind, left[kind], demo.currency)
    rows = service().endpoints
    words = [", ".join(rows[name].title if name in rows else name for name in demo.endpoints)]
    visitors = demos.visitors(demo.id)
    words.append(_("{count} visitor").format(count=1) if visitors == 1 else _("{count} visitors").format(count=f"{visitors:,}"))
    if demo.expires is not None:
        words.append(_("until {moment}").format(moment=local_time(datetime.fromtimestamp(demo.expires, UTC))))
    st.caption(plain(" · ".join(words)))
    _switches(demo)


def link_of(demo: Demo) -> str:
    """Return the whole address, as this visitor's browser reaches the bench."""
    base = (st.context.url or "").split("?")[0].rstrip("/").removesuffix("/admin")
    return f"{base}/?demo={demo.id}"


def _meter(kind: str, meter: Meter, currency: str | None) -> None:
    def figure(amount: int) -> str:
        return money(Decimal(amount) / _BILLION, currency or "") if kind == "money" else f"{amount:,}"

    if kind == "money" and currency is None:
        return
    titles = {"runs": _("Runs"), "tokens": _("Tokens"), "money": _("Money")}
    spent = figure(meter.used)
    st.caption(titles[kind])
    if meter.cap is None:
        words = _("no cap")
        st.caption(f"{plain(spent)} · {words}")
    else:
        words = _("of {cap}").format(cap=figure(meter.cap))
        st.progress(min(1.0, (meter.used + meter.held) / meter.cap), text=f"{plain(spent)} :gray[{plain(words)}]")
    if meter.held:
        st.caption(plain(_("+ {amount} held").format(amount=figure(meter.held))))


def _switches(demo: Demo) -> None:
    if st.session_state.get(state.ADMIN_REMOVING) == demo.id:
        st.markdown(_("The link and its books go for good; its runs are stopped."))
        with st.container(horizontal=True):
            st.button(_("Delete it"), key=f"demo-deleted-{demo.id}", type="primary", on_click=_delete, args=(demo.id,))
            st.button(_("Keep it"), key=f"demo-kept-{demo.id}", on_click=_ask, args=(None,))
        return
    with st.container(horizontal=True, gap="small"):
        if demo.stopped is None:
            st.button(_("Stop it"), key=f"demo-stop-{demo.id}", icon=":material/pause:", on_click=_stop, args=(demo.id,),
                      help=_("Nothing begins by it any more, and what goes on is stopped."))
        else:
            st.button(_("Resume"), key=f"demo-resume-{demo.id}", icon=":material/play_arrow:", on_click=_resume, args=(demo.id,))
        if st.button(_("Change"), key=f"demo-change-{demo.id}", icon=":material/edit:"):
            _change(demo)
            st.rerun()
        st.link_button(_("Open"), link_of(demo), icon=":material/open_in_new:")
        st.button("", key=f"demo-delete-{demo.id}", icon=":material/delete:", type="tertiary", on_click=_ask, args=(demo.id,), help=_("Delete"))


def _owned() -> Demos | None:
    """The links, for their owner alone: what was drawn for him may still be pressed after he has logged out."""
    return service().demos if door.is_owner() else None


def _stop(demo_id: str) -> None:
    if (demos := _owned()) is not None:
        demos.stop(demo_id)


def _resume(demo_id: str) -> None:
    if (demos := _owned()) is not None:
        demos.resume(demo_id)


def _delete(demo_id: str) -> None:
    if (demos := _owned()) is not None:
        demos.delete(demo_id)
    _ask(None)


def _change(demo: Demo) -> None:
    if _owned() is not None:
        demo_form.change(demo)


def _ask(demo_id: str | None) -> None:
    st.session_state[state.ADMIN_REMOVING] = demo_id


def said_error() -> None:
    """Say what went wrong with the last thing that was pressed."""
    error = st.session_state.pop(state.ADMIN_WORDS, None)
    if error is not None:
        st.error(plain(" ".join(say(part) for part in (error.message, error.remedy) if part)))
