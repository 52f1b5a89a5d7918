"""How this session stands at the door: who its visitor is, whether by a demo link, whether he is the owner; and the door for him."""

from importlib.util import find_spec

import streamlit as st

from components import state
from playground.admission import Caller, Entrance
from playground.completion import CompletionRequest
from playground.demos import Demo
from playground.endpoints import Endpoint
from playground.errors import PlaygroundError
from playground.rates import counted_address
from playground.reach import Reach, visitor_reach
from playground.run import Run
from playground.service import service
from playground.visitors import COOKIE, read_visitor


def caller() -> Caller:
    """Return who asks, as far as the server itself knows it."""
    settings = service().settings
    return Caller(
        visitor=state.visitor(), marked=read_visitor(st.context.cookies.get(COOKIE), service().cookie_secret) is not None,
        address=counted_address(st.context.ip_address, _headers(), settings.trusted_proxies), owner=is_owner(), demo=demo_id(),
    )


def start(endpoint: Endpoint, request: CompletionRequest) -> Run:
    """Begin a run for this visitor. Raises a `PlaygroundError` where it may not be; then nothing was sent."""
    return service().admission.start(endpoint, request, caller())


def entrance() -> Entrance:
    """Return the door for what starts many runs."""
    return service().admission.for_caller(caller())


def demo_id() -> str | None:
    """Return the id in the demo link this session was opened by, whether or not there is such a link."""
    named = st.query_params.get("demo")
    if named:
        st.session_state[state.DEMO] = named
    return st.session_state.get(state.DEMO)


def keep_link() -> None:
    """Keep the link in the address, so that a reload and a bookmark find it again."""
    present = demo_id()
    if present and st.query_params.get("demo") != present:
        st.query_params["demo"] = present


def leave_demo() -> None:
    """Go on without the link."""
    st.session_state.pop(state.DEMO, None)
    st.query_params.pop("demo", None)


def link() -> tuple[Demo | None, PlaygroundError | None]:
    """Return the demo link of this session, if it has a known one, and why it cannot be used now, if it cannot."""
    named = demo_id()
    return (None, None) if named is None else service().admission.look(named)


def joined(endpoint: Endpoint, request: CompletionRequest) -> tuple[Endpoint, CompletionRequest]:
    """Return what is really sent: by a demo link with the first part of the prompt and the parameters that it sets."""
    present, _closed = link()
    own = service().endpoints.get(endpoint.name)
    if present is None or own is None:
        return endpoint, request
    return own, present.joined(own, request)


def own_part(prompt: str) -> str:
    """Return a run's prompt as the visitor typed it: without what his demo link puts before it."""
    present, _closed = link()
    return prompt if present is None else prompt.removeprefix(present.prefix)


def is_owner() -> bool:
    """Whether this is the owner: logged in, or, where no login is set up, clearly sitting at the computer this runs on."""
    settings = service().settings
    if st.session_state.get(state.OWNER):
        return True
    if has_login() and _logged_in():
        return True
    own_computer = visitor_reach("auto", st.get_option("server.address"), st.context.headers) is Reach.ANY
    return own_computer and settings.admin_password is None and not settings.admins


def has_login() -> bool:
    """Whether Streamlit's own login is set up, for owners that are named."""
    return bool(service().settings.admins) and find_spec("authlib") is not None and _auth_is_configured()


def lacks_authlib() -> bool:
    """Whether a login is set up that cannot work for want of a package."""
    return bool(service().settings.admins) and find_spec("authlib") is None


def _auth_is_configured() -> bool:
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


def _logged_in() -> bool:
    """Whether the login names an owner, by an address its provider does not call unverified."""
    email = str(st.user.get("email") or "").lower()
    return bool(st.user.is_logged_in) and st.user.get("email_verified") is not False and email in service().settings.admins


def _headers() -> list[tuple[str, str]]:
    return [(name, value) for name in st.context.headers for value in st.context.headers.get_all(name)]
