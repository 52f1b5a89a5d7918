"""The strip above the sheet in a session that came by a demo link: what is left for the visitor and in all, and what the link sets."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import streamlit as st

from components import door, state
from components.text import _, language, say
from components.told import told
from playground.demos import KINDS, Demo, Meter
from playground.endpoints import Endpoint
from playground.errors import PlaygroundError
from playground.price import money
from playground.service import service
from playground.stops import draw

_HERE = Path(__file__).parent
_LOW = 0.2
_BILLION = 10**9
_mount = st.components.v2.component(
    "demo_strip", html="<div class='strip'>\n</div>", css=(_HERE / "strip.css").read_text(encoding="utf-8"),
    js=(_HERE / "strip.js").read_text(encoding="utf-8"),
)


def demo_strip(endpoint: Endpoint) -> None:
    """Draw it, where the session came by a link."""
    if door.demo_id() is None:
        return
    demo, refusal = door.link()
    words = _words(refusal)
    meters: list[dict[str, Any]] = []
    scopes = 0
    demos = service().demos
    try:
        left = demos.left(demo, service().admission.guest(door.caller())) if demo is not None and demos is not None else None
    except PlaygroundError as error:
        left, words = None, _words(error)
    if demo is not None and left is not None:
        whose = [(_("you"), left.yours), (_("in all"), left.in_all)]
        shown = [(who, found) for who, found in whose if any(meter.cap is not None for meter in found.values())]
        scopes = len(shown)
        meters = [_line(kind, shown, demo.currency or "") for kind in KINDS if any(found[kind].cap is not None for _who, found in shown)]
        if refusal is None and endpoint.off is None:
            try:
                spent = left.refusal(demo, demo.estimate(endpoint, demo.prefix))
                words = say(spent.message) if spent is not None else ""  # its remedy speaks of a request, and none was asked for here
            except PlaygroundError as error:
                words = _words(error)
    data = told(
        kind=_("Demo"), title=demo.title if demo else _("Demo link"), language=language().replace("_", "-"),
        expires=demo.expires if demo else None, until=_("open until {moment}"), leave=_("Leave"),
        leave_help=_("Go on without this link"), words=words, meters=meters, scopes=scopes,
        note=_("Set by this demo:"), notes=_notes(demo, endpoint) if demo else [], prefix=demo.prefix if demo else "",
        prefix_label=_("Goes before every prompt, and cannot be changed"),
    )
    with st.container(gap=None):
        _mount(key=state.DEMO_STRIP, data=data, on_leave_change=door.leave_demo)


def _words(refusal: PlaygroundError | None) -> str:
    return "" if refusal is None else " ".join(say(part) for part in (refusal.message, refusal.remedy) if part is not None)


def _line(kind: str, shown: list[tuple[str, Mapping[str, Meter]]], currency: str) -> dict[str, Any]:
    titles = {"runs": _("Runs"), "tokens": _("Tokens"), "money": _("Money")}

    def figure(amount: int) -> str:
        return money(Decimal(amount) / _BILLION, currency) if kind == "money" else f"{amount:,}"

    scopes = []
    for who, meters in shown:
        meter = meters[kind]
        cap, left = meter.cap, meter.left or 0
        scopes.append({"who": who, "cap": None} if cap is None else {
            "who": who, "cap": figure(cap), "left": _("{count} left").format(count=figure(left)), "of": _("of {cap}").format(cap=figure(cap)),
            "rest": left / cap, "held": min(meter.held, cap - left) / cap, "low": left < cap * _LOW,
        })
    return {"what": titles[kind], "scopes": scopes}


def _notes(demo: Demo, endpoint: Endpoint) -> list[str]:
    """What the link sets, in words of its parameters."""
    own = service().endpoints.get(endpoint.name)
    names = [spec.name for spec in own.parameters] if own is not None else []
    words = []
    for name in names:
        if demo.locks(name):
            value = demo.ranges[name].value
            shown = ", ".join(f"“{draw(one)}”" for one in value) if isinstance(value, list) else str(value)
            words.append(_("{name} not sent").format(name=name) if value in (None, []) else f"{name} {shown}")
    return [*words, _("at most {count} tokens an answer").format(count=f"{demo.tokens_per_run:,}")]
