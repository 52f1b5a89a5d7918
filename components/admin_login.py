"""The owner's way in: a password, or a login at whoever he trusts with it; on his own computer neither."""

import streamlit as st

from components import door, state
from components.text import _, plain, say
from playground.errors import LimitReached
from playground.passwords import check_password
from playground.service import service


def admin_login() -> bool:
    """Return whether this is the owner; if not, draw what lets him in."""
    if door.is_owner():
        st.session_state[state.ADMIN_SEEN] = True
        return True
    settings = service().settings
    if settings.admin_password is None and not settings.admins:
        st.info(
            _("This page is for the owner of this server. To open it from here, make the hash of a password with "
              "`python -m playground hash-password`, set it as PLAYGROUND_ADMIN_PASSWORD_HASH, and start again."),
            icon=":material/lock:",
        )
        return False
    with st.container(border=True, width=420):
        heading = _("For the owner of this server")
        st.markdown(f"**{heading}**")
        if settings.admin_password is not None:
            with st.form("admin-login", border=False):
                password = st.text_input(_("Password"), type="password", autocomplete="current-password")
                if st.form_submit_button(_("Log in"), type="primary", icon=":material/login:"):
                    _log_in(password)
        if settings.admins:
            _login_elsewhere()
    return False


def log_out() -> None:
    """Be a visitor again."""
    st.session_state.pop(state.OWNER, None)
    st.session_state.pop(state.ADMIN_SEEN, None)
    if door.has_login() and st.user.is_logged_in:
        st.logout()


def _log_in(password: str) -> None:
    admission = service().admission
    hashed = service().settings.admin_password
    try:
        admission.log_in(door.caller())
    except LimitReached as error:
        st.error(plain(" ".join(say(part) for part in (error.message, error.remedy) if part)))
        return
    if hashed is not None and check_password(password, hashed.reveal()):
        st.session_state[state.OWNER] = True
        st.rerun()
    st.error(_("That is not the password."))


def _login_elsewhere() -> None:
    """Streamlit's own login, if it can work."""
    if door.lacks_authlib():
        st.caption(_("PLAYGROUND_ADMINS is set, but a package is missing for it: install `streamlit[auth]` and start again."))
    elif not door.has_login():
        st.caption(_("PLAYGROUND_ADMINS is set, but `.streamlit/secrets.toml` has no section `[auth]`."))
    elif st.user.is_logged_in:
        st.caption(plain(_("{email} is not among the owners of this server.").format(email=st.user.get("email") or "–")))
        st.button(_("Log out"), on_click=st.logout)
    else:
        st.button(_("Log in with your account"), icon=":material/account_circle:", on_click=st.login)
