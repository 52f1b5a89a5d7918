"""The form of a demo link: what it offers, how far, how much; what is wrong with it stands beside the control it is wrong in."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st

from components import door, state
from components.text import _, plain, say
from playground.database import now
from playground.demos import KINDS, TOKENS_PER_RUN, Caps, Demo, Range, currency_of, problems
from playground.endpoints import GROUP_FAULTS, Endpoint
from playground.errors import ParameterError, PlaygroundError
from playground.message import message
from playground.parameters import ParameterSpec
from playground.service import service
from playground.stops import decode, encode

_HOUR = 3600
# What is typed stays while another page is looked at.
_KEPT: dict[str, Any] = {"persist_state": "session"}
LASTS: Mapping[str, int | None] = {"hour": _HOUR, "day": 24 * _HOUR, "week": 7 * 24 * _HOUR, "month": 30 * 24 * _HOUR, "never": None}


def demo_form() -> None:
    """Draw it, for a new link or for the one that is being changed."""
    new = _form().get("demo") is None
    named = _value("endpoints", ())
    rows = {name: row for name, row in service().endpoints.items() if row.off is None and row.group != GROUP_FAULTS or name in named}
    below: dict[str, Any] = {}
    st.text_input(
        _("Title"), key=_key("title"), max_chars=100, placeholder=_("what your visitors read above the sheet"), help=_("Shown to every visitor."),
        **_KEPT,
    )
    below["title"] = st.empty()
    st.multiselect(
        _("Endpoints"), list(rows), key=_key("endpoints"), format_func=lambda name: _title(rows.get(name), name),
        placeholder=_("which of yours it offers"), **_KEPT,
    )
    below["endpoints"] = st.empty()
    with st.expander(_("Narrow the parameters"), icon=":material/tune:"):
        for name, spec in _specs().items():
            _range(name, spec)
            below[name] = st.empty()
        if not _chosen():
            st.caption(_("Choose an endpoint first."))
    st.text_area(
        _("Fixed first part of every prompt"), key=_key("prefix"), height=80, placeholder=_("none"),
        help=_("It goes before whatever a visitor types. He sees it, and cannot change it."), **_KEPT,
    )
    below["prefix"] = st.empty()
    budget = _("Budget")
    st.markdown(f"**{budget}**")
    for kind in KINDS:
        for scope, column in zip(("all", "each"), st.columns(2), strict=True):
            _cap(column, kind, scope)
            below[f"{kind}_{scope}"] = column.empty()
    left, right = st.columns(2)
    left.number_input(
        _("Tokens, each answer"), min_value=1, step=100, key=_key("tokens_per_run"),
        help=_("An answer is stopped there. As much is held from the budget before a run begins, and given back if it took less."), **_KEPT,
    )
    below["tokens_per_run"] = left.empty()
    lasts = {
        "as it is": _("as it is"), "hour": _("for an hour"), "day": _("for a day"), "week": _("for a week"), "month": _("for 30 days"),
        "never": _("until it is stopped"),
    }
    right.selectbox(_("Stays open"), list(LASTS) if new else ["as it is", *LASTS], key=_key("lasts"), format_func=lasts.__getitem__, **_KEPT)
    below["expires"] = right.empty()
    tried = bool(_form().get("tried"))
    _made, wrong = _reading()
    for name, error in wrong.items():
        if name in below and (tried or name not in ("title", "endpoints")):
            below[name].caption(f":red[{plain(say(error.message))}]")
    with st.container(horizontal=True, vertical_alignment="center"):
        if new:
            st.button(_("Make the link"), key="admin-make", type="primary", icon=":material/add_link:", on_click=_keep)
        else:
            st.button(_("Save"), key="admin-save", type="primary", icon=":material/check:", on_click=_keep)
            st.button(_("Cancel"), key="admin-cancel", on_click=clear)
        if tried and wrong:
            st.caption(_("Something above is not right yet."))


def change(demo: Demo) -> None:
    """Fill the form with a link, to change it."""
    clear()
    values: dict[str, Any] = {"title": demo.title, "endpoints": list(demo.endpoints), "prefix": demo.prefix, "lasts": "as it is"}
    values["tokens_per_run"] = demo.tokens_per_run
    for scope, caps in (("all", demo.in_all), ("each", demo.each)):
        values |= {f"runs_{scope}": caps.runs, f"tokens_{scope}": caps.tokens}
        values[f"money_{scope}"] = "" if caps.money is None else f"{caps.money.normalize():f}"
    for name, wanted in demo.ranges.items():
        if not wanted.locked:
            values |= {f"way-{name}": "range", f"low-{name}": _written(wanted.low), f"high-{name}": _written(wanted.high)}
        elif wanted.value in (None, []):
            values[f"way-{name}"] = "never"
        else:
            text = " | ".join(encode(one) for one in wanted.value) if isinstance(wanted.value, list | tuple) else _written(wanted.value)
            values |= {f"way-{name}": "fixed", f"value-{name}": text}
    _form()["demo"] = demo
    for name, value in values.items():
        st.session_state[_key(name)] = value


def clear() -> None:
    """Empty the form."""
    st.session_state[state.ADMIN_FORM] = {"edition": int(_form().get("edition", 0)) + 1}


def _keep() -> None:
    """Keep the link as the form stands now."""
    demos = service().demos
    if not door.is_owner() or demos is None:
        return
    _form()["tried"] = True
    demo, wrong = _reading()
    if wrong:
        return
    try:
        (demos.mint if _form().get("demo") is None else demos.change)(demo, service().endpoints)
    except PlaygroundError as error:
        st.session_state[state.ADMIN_WORDS] = error
        return
    clear()


def _reading() -> tuple[Demo, dict[str, PlaygroundError]]:
    """Return the link that the form describes, and what is wrong with it by field."""
    wrong: dict[str, PlaygroundError] = {}
    before: Demo = _form().get("demo") or Demo()
    lasts, currency = _value("lasts", "week"), currency_of(_chosen())
    seconds = LASTS.get(lasts)
    ranges = {name: found for name, spec in _specs().items() if (found := _read_range(name, spec, wrong)) is not None}
    caps = {
        scope: Caps(runs=_value(f"runs_{scope}"), tokens=_value(f"tokens_{scope}"), money=_read_money(f"money_{scope}", wrong))
        for scope in ("all", "each")
    }
    made = replace(
        before, title=str(_value("title", "")).strip(), endpoints=tuple(_value("endpoints", ())), ranges=ranges, prefix=str(_value("prefix", "")),
        tokens_per_run=int(_value("tokens_per_run", 0)), currency=currency, in_all=caps["all"], each=caps["each"],
        expires=before.expires if lasts == "as it is" else None if seconds is None else now() + seconds,
    )
    return made, {**problems(made, service().endpoints), **wrong}


def _chosen() -> list[Endpoint]:
    rows = service().endpoints
    return [rows[name] for name in _value("endpoints", ()) if name in rows]


def _specs() -> dict[str, ParameterSpec]:
    """Every parameter of the chosen endpoints that can be narrowed or set."""
    found: dict[str, ParameterSpec] = {}
    for row in _chosen():
        for spec in row.parameters:
            if spec.is_number or spec.kind == "texts":
                found.setdefault(spec.name, spec)
    return found


def _range(name: str, spec: ParameterSpec) -> None:
    """A line for one parameter."""
    titles = {"free": _("as the endpoint"), "range": _("between"), "fixed": _("fixed at"), "never": _("never sent")}
    ways = list(titles) if spec.is_number else ["free", "fixed", "never"]
    box: dict[str, Any] = {"label_visibility": "collapsed", **_KEPT}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"`{name}`", width=132, help=say(spec.range))
        way = st.selectbox(name, ways, key=_key(f"way-{name}"), format_func=titles.__getitem__, width=150, **box)
        if way == "range":
            st.text_input(_("{name} from").format(name=name), key=_key(f"low-{name}"), placeholder=_("from"), width=84, **box)
            st.text_input(_("{name} to").format(name=name), key=_key(f"high-{name}"), placeholder=_("to"), width=84, **box)
        elif way == "fixed":
            hint = _("entries with | between them, \\n for a line end") if spec.kind == "texts" else ""
            st.text_input(_("{name} is").format(name=name), key=_key(f"value-{name}"), placeholder=hint, width=220, **box)


def _read_range(name: str, spec: ParameterSpec, wrong: dict[str, PlaygroundError]) -> Range | None:
    way = _value(f"way-{name}", "free")
    try:
        if way == "range":
            low, high = (spec.parse(str(_value(f"{end}-{name}", ""))) for end in ("low", "high"))
            if low is None and high is None:
                raise ParameterError(name, message("Type at least one of the two ends."))
            return Range(low=low, high=high)
        if way == "fixed":
            text = str(_value(f"value-{name}", ""))
            if not text.strip():
                raise ParameterError(name, message("Type what it is fixed at."))
            return Range(locked=True, value=spec.parse(text) if spec.is_number else [decode(part) for part in text.split(" | ")])
        return Range(locked=True, value=None) if way == "never" else None
    except ParameterError as error:
        wrong[name] = error
        return None


def _cap(column: Any, kind: str, scope: str) -> None:
    """The box of one cap; there is none for money where no price is stated."""
    currency = currency_of(_chosen())
    kinds = {"runs": _("Runs"), "tokens": _("Tokens"), "money": _("Money ({currency})").format(currency=currency or "–")}
    scopes = {"all": _("in all"), "each": _("each visitor")}
    label, key = f"{kinds[kind]}, {scopes[scope]}", _key(f"{kind}_{scope}")
    if kind != "money":
        column.number_input(label, min_value=1, step=1, value=None, key=key, placeholder=_("no cap"), **_KEPT)
        return
    hint = _("no cap") if currency else _("no price stated")
    column.text_input(label, key=key, placeholder=hint, disabled=currency is None and not _value(f"{kind}_{scope}", ""), **_KEPT)


def _read_money(name: str, wrong: dict[str, PlaygroundError]) -> Decimal | None:
    text = str(_value(name, "")).strip()
    try:
        amount = Decimal(text) if text else None
        if amount is None or amount.is_finite():
            return amount
    except InvalidOperation:
        pass
    wrong[name] = ParameterError(name, message("“{typed}” is not {wanted}.", typed=text, wanted=message("a number")))
    return None


def _title(row: Endpoint | None, name: str) -> str:
    return name if row is None else f"{row.title} · {_(row.group)}"


def _form() -> dict[str, Any]:
    """What is known of the form beside its fields: its edition, the link that is changed, whether it was tried."""
    found: dict[str, Any] = st.session_state.setdefault(state.ADMIN_FORM, {"edition": 0})
    for name, value in (("tokens_per_run", TOKENS_PER_RUN), ("lasts", "week")):
        st.session_state.setdefault(f"admin-{name}#{found['edition']}", value)
    return found


def _key(name: str) -> str:
    return f"admin-{name}#{_form()['edition']}"


def _value(name: str, default: Any = None) -> Any:
    return st.session_state.get(_key(name)) or default


def _written(value: Any) -> str:
    return "" if value is None else f"{value:g}"
