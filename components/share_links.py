"""One's own links: where they lead, how often they were opened, how long they stay; and closing them for good."""

from datetime import UTC, datetime

import streamlit as st

from components import state
from components.recording_facts import first_words, local_time
from components.text import _, plain, say
from playground.errors import PlaygroundError
from playground.service import service
from playground.sharing import Link, Sharing

SHOWN = 20


def address(path: str) -> str:
    """Return the whole address of something of this app's, as this visitor's browser reaches it."""
    return f"{(st.context.url or '').rstrip('/')}/{path}"


def expiry(link: Link) -> str:
    """Say how long a link stays."""
    if link.revoked is not None:
        return _("revoked")
    if link.expires is None:
        return _("stays until it is revoked")
    moment = local_time(datetime.fromtimestamp(link.expires, UTC))
    return (_("its time was over at {moment}") if link.over else _("until {moment}")).format(moment=moment)


def forget_listed() -> None:
    """Begin the list at its beginning."""
    for key in (state.SHARE_LISTED, state.SHARE_REVOKING):
        st.session_state.pop(key, None)


def links_list() -> None:
    """Draw the list."""
    sharing = service().sharing
    if sharing is None:
        st.caption(_("This server keeps nothing, so it has no links."))
        return
    try:
        links = sharing.links(state.visitor())
    except PlaygroundError as error:
        st.caption(f":red[{plain(' '.join(say(text) for text in (error.message, error.remedy) if text))}]")
        return
    if not links:
        st.caption(_("You have made no links yet."))
    count = int(st.session_state.get(state.SHARE_LISTED, SHOWN))
    for link in links[:count]:
        with st.container(border=True, key=f"link-{link.id}", gap="xsmall"):
            _line(sharing, link)
    if len(links) > count:
        st.button(_("Show more"), key="share-more", type="tertiary", on_click=_show_more)
    st.caption(_("They belong to this browser: another one, or one whose cookies were cleared, does not know them."))


def _line(sharing: Sharing, link: Link) -> None:
    kinds = {"snapshot": _("Snapshot"), "setup": _("Set-up")}
    words = [kinds[link.kind], local_time(datetime.fromtimestamp(link.made, UTC)), expiry(link)]
    opened = [_("not opened yet"), _("opened once"), _("opened {count} times").format(count=f"{link.opens:,}")]
    words.append(opened[min(link.opens, 2)])
    title = plain(link.title or first_words(link.excerpt) or kinds[link.kind])
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f":gray[{title}]" if link.over else f"**{title}**", width="content")
        if not link.over and st.session_state.get(state.SHARE_REVOKING) != link.id:
            st.button(_("Revoke"), key=f"revoke-{link.id}", icon=":material/link_off:", type="tertiary", on_click=_ask, args=(link.id,))
    st.caption(plain(" · ".join(words)))
    if link.over:
        return
    if st.session_state.get(state.SHARE_REVOKING) == link.id:
        st.markdown(_("Nobody will be able to open it, and that cannot be undone."))
        with st.container(horizontal=True):
            st.button(_("Revoke it"), key=f"revoked-{link.id}", type="primary", on_click=_revoke, args=(sharing, link.id))
            st.button(_("Keep it"), key=f"kept-{link.id}", on_click=_ask, args=(None,))
    else:
        st.code(address(f"s/{link.id}"), language=None, wrap_lines=True)


def _ask(link_id: str | None) -> None:
    st.session_state[state.SHARE_REVOKING] = link_id


def _revoke(sharing: Sharing, link_id: str) -> None:
    try:
        sharing.revoke(state.visitor(), link_id)
    except PlaygroundError:
        return  # the list says why; what was to be revoked still asks
    st.session_state.pop(state.SHARE_REVOKING, None)
    st.session_state.pop(state.SHARE_MADE, None)
    st.session_state.pop(state.SHARE_SHORT, None)


def _show_more() -> None:
    st.session_state[state.SHARE_LISTED] = int(st.session_state.get(state.SHARE_LISTED, SHOWN)) + SHOWN
