"""A visitor adds an endpoint of his own: its address, its model, its key. All of it stays in his session's memory."""

import streamlit as st

from components import state
from components.known import add_own, own_endpoints, reach
from components.text import _, plain, say
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, Credentials, IamKeys
from playground.endpoint_file import read_key
from playground.endpoints import visitor_endpoint
from playground.errors import ConfigurationError
from playground.message import message
from playground.providers import openai, qianfan
from playground.reach import Reach

MOST = 20


def own_endpoint_form() -> None:
    """Draw the form, or say why there is none."""
    allowed = reach()
    if allowed is Reach.OFF:
        st.caption(_("Adding one's own endpoint is switched off on this server."))
        return
    wires = {"openai": _("OpenAI-compatible"), "qianfan": _("Qianfan service")}
    wire = st.segmented_control(
        _("What it speaks"), list(wires), format_func=wires.__getitem__, default="openai", key=state.own_field("wire"), required=True,
    )
    left, right = st.columns(2)
    left.text_input(_("Name"), key=state.own_field("title"), placeholder=_("as it will stand in the selector"), max_chars=100)
    if wire == "openai":
        right.text_input(_("Base URL"), key=state.own_field("base_url"), placeholder="http://127.0.0.1:8000/v1")
        left.text_input(_("Model"), key=state.own_field("model"), placeholder=_("a name the server lists under /v1/models"))
        right.selectbox(
            _("Parameters as in"), list(openai.DIALECTS), format_func=openai.TITLES.__getitem__, key=state.own_field("dialect"),
        )
        _secret("key", _("Key, where it wants one"))
    else:
        right.text_input(_("Base URL"), key=state.own_field("base_url"), placeholder=qianfan.BASE_URL)
        left.text_input(_("Address of the service"), key=state.own_field("path"), placeholder=_("last part of the address on its detail page"))
        ways = {"application": _("API key and secret key"), "iam": _("IAM keys"), "token": _("Access token")}
        way = right.selectbox(_("Authentication"), list(ways), format_func=ways.__getitem__, key=state.own_field("way"))
        one, other = st.columns(2)
        if way == "token":
            _secret("token", _("Access token"))
        elif way == "iam":
            with one:
                _secret("access_key", _("Access key"))
            with other:
                _secret("iam_secret", _("Secret key"))
        else:
            with one:
                _secret("api_key", _("API key"))
            with other:
                _secret("secret_key", _("Secret key"))
    st.caption(
        _("It stays in this session's memory alone: a reload forgets it, no other visitor sees it, and nothing is written down.")
        + (" " + _("Only addresses of the public internet can be reached from here.") if allowed is Reach.PUBLIC else "")
    )
    st.button(_("Add this endpoint"), key="own-add", icon=":material/add:", type="primary", on_click=_add, args=(allowed,))
    if problem := st.session_state.get(state.OWN_PROBLEM):
        words = " ".join(say(part) for part in (problem.message, problem.remedy) if part is not None)
        st.caption(f":red[{plain(words)}]")


def _secret(name: str, label: str) -> None:
    st.text_input(label, key=state.own_field(name), type="password", autocomplete="new-password")


def _typed(name: str) -> str:
    return str(st.session_state.get(state.own_field(name)) or "").strip()


def _add(allowed: Reach) -> None:
    """Make the endpoint of what was typed; a refusal leaves everything as it was typed."""
    st.session_state.pop(state.OWN_PROBLEM, None)
    wire = _typed("wire")
    try:
        if len(own_endpoints()) >= MOST:
            raise ConfigurationError(message("There are {count} of them; that is the limit.", count=MOST), message("Remove one first."))
        added = visitor_endpoint(
            title=_typed("title"), provider=wire, dialect=_typed("dialect"), base_url=_typed("base_url"), path=_typed("path"),
            model=_typed("model"), credentials=_credentials(wire), public_only=allowed is Reach.PUBLIC,
        )
    except ConfigurationError as error:
        st.session_state[state.OWN_PROBLEM] = error
        return
    add_own(added)
    state.clear_own_fields()


def _credentials(wire: str) -> Credentials | None:
    if wire == "openai":
        return BearerKey(key=read_key(_("Key"), _typed("key"))) if _typed("key") else None
    way = _typed("way")
    if way == "token":
        return AccessToken(token=read_key(_("Access token"), _typed("token")))
    if way == "iam":
        return IamKeys(access_key=read_key(_("Access key"), _typed("access_key")), secret_key=read_key(_("Secret key"), _typed("iam_secret")))
    return ApplicationKeys(api_key=read_key(_("API key"), _typed("api_key")), secret_key=read_key(_("Secret key"), _typed("secret_key")))
