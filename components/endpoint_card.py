"""One endpoint as a card: its state in one line, a test of it, what it can do, and which of its parameters act."""

import time
from urllib.parse import urlsplit

import streamlit as st

from components import door, state
from components.known import own_endpoints, remove_own
from components.probe_view import probe_view
from components.spending import charge
from components.text import _, plain, say
from playground.endpoints import Endpoint
from playground.errors import PlaygroundError
from playground.providers import qianfan
from playground.run import Run
from playground.settings import ROOT
from playground.trial import Authentication, Finding, capabilities, finding, trial_cost, trial_request

LOOK = 0.5


def endpoint_card(endpoint: Endpoint) -> None:
    """Draw it; while its test runs it is drawn again by itself."""
    tried = st.session_state.get(state.TRIALS, {}).get(endpoint.name)
    going = isinstance(tried, Run) and tried.ending is None
    with st.container(border=True, key=f"card-{endpoint.name}"):
        (st.fragment(_card, run_every=LOOK) if going else _card)(endpoint, going)


def _card(endpoint: Endpoint, going: bool) -> None:
    tried: Run | PlaygroundError | None = st.session_state.get(state.TRIALS, {}).get(endpoint.name)
    if going and isinstance(tried, Run):
        tried.touch()
        if tried.ending is not None:
            st.rerun()
    found = finding(tried, endpoint) if isinstance(tried, Run) else None
    usable, details = endpoint.off is None, f"details-{endpoint.name}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(width="stretch", gap=None):
            st.markdown(f"{'●' if usable else '○'} **{plain(endpoint.title)}** :gray[{plain(endpoint.name)}]")
            st.caption(plain(" · ".join(_origin(endpoint))))
        if endpoint.name in own_endpoints():
            st.button(
                "", key=f"remove-{endpoint.name}", icon=":material/delete:", type="tertiary", on_click=_remove, args=(endpoint.name,),
                help=_("Forget it, and its key"),
            )
        if usable:
            st.toggle(_("Details"), key=details, persist_state="session", help=_("What it can do, and which of its parameters act"))
            if st.button(_("Use"), key=f"use-{endpoint.name}", help=_("Choose it on the bench")):
                st.session_state[state.ENDPOINT] = endpoint.name
                st.switch_page(ROOT / "pages" / "bench.py")
            if going:
                st.button(_("Stop"), key=f"halt-{endpoint.name}", icon=":material/stop:", on_click=_stop, args=(endpoint.name,))
            else:
                st.button(
                    _("Test"), key=f"test-{endpoint.name}", icon=":material/network_check:", on_click=_test, args=(endpoint,),
                    help=plain(say(trial_cost(endpoint))),
                )
    if endpoint.off is not None:
        words = " ".join(say(part) for part in (endpoint.off.message, endpoint.off.remedy) if part is not None)
        st.caption(f":orange[{plain(words)}]")
    elif note := say(endpoint.note):
        st.caption(plain(note))
    if isinstance(tried, PlaygroundError):
        words = " ".join(say(part) for part in (tried.message, tried.remedy) if part is not None)
        st.caption(f":red[{plain(words)}]")
    if found is not None:
        _found(found)
    if usable and st.session_state.get(details):
        st.space("xxsmall")
        _capabilities(endpoint, found)
        probe_view(endpoint)


def _origin(endpoint: Endpoint) -> list[str]:
    """Where it is and what proves who asks, in words without a secret."""
    words = [urlsplit(endpoint.base_url).netloc] if endpoint.base_url else []
    words.append(_("Qianfan") if endpoint.provider is qianfan.PROVIDER else _("OpenAI-compatible"))
    if endpoint.settings:
        words.append(_("from {names}").format(names=", ".join(endpoint.settings)))
    if endpoint.price is not None:
        price = endpoint.price
        words.append(
            _("{prompt} + {completion} {currency} per 1,000 tokens").format(
                prompt=price.prompt, completion=price.completion, currency=price.currency
            )
        )
    elif not endpoint.free:
        words.append(_("no price stated"))
    return words


def _found(found: Finding) -> None:
    """What the test showed, a line of words for each question."""
    if found.ending is None:
        st.caption(_("Testing…"))
        return
    good = found.authentication is Authentication.ACCEPTED and found.error is None
    lines = [(_("Access"), say(found.access))]
    if found.status is not None:
        lines.append((_("HTTP status"), str(found.status)))
    if found.first is not None:
        lines.append((_("First sentence"), _("after {seconds} s").format(seconds=f"{found.first:.2f}")))
        lines.append((_("Shape"), say(found.shape)))
        lines.append((_("Usage"), say(found.dialect.words)))
    if found.error is not None:
        told = found.authentication is not Authentication.ACCEPTED and not found.error.endpoint_message
        words = [part for part in (None if told else found.error.message, found.error.remedy) if part is not None]
        if words:
            lines.append((_("What to do") if found.error.remedy else _("Error"), " ".join(map(say, words))))
    text = "  \n".join(f"**{plain(name)}** {plain(words)}" for name, words in lines)
    (st.success if good else st.error)(text, icon=":material/check_circle:" if good else ":material/error:")


def _capabilities(endpoint: Endpoint, found: Finding | None) -> None:
    card = capabilities(endpoint, found)
    checked = time.strftime("%H:%M:%S", time.localtime(card.checked)) if card.checked is not None else _("never")
    facts = [
        (_("Context"), say(card.context)), (_("Prompt"), _("at most {count} characters").format(count=f"{endpoint.prompt_limit:,}")),
        (_("Shape"), say(card.shape)), (_("Usage"), say(card.usage)), (_("Safety"), say(card.safety)), (_("Last checked"), checked),
    ]
    left, right = st.columns(2)
    left.markdown("  \n".join(f"**{plain(name)}** {plain(words)}" for name, words in facts))
    right.markdown("  \n".join(f"`{name}` {plain(say(bounds))}" for name, bounds in card.bounds.items()))


def _test(endpoint: Endpoint) -> None:
    """Send the cheapest request; what it comes to is read from the run."""
    trials = st.session_state.setdefault(state.TRIALS, {})
    try:
        trials[endpoint.name] = door.start(endpoint, trial_request(endpoint))
    except PlaygroundError as error:
        trials[endpoint.name] = error
    else:
        charge(trials[endpoint.name])


def _stop(name: str) -> None:
    st.session_state[state.TRIALS][name].stop()


def _remove(name: str) -> None:
    remove_own(name)
    st.session_state.get(state.TRIALS, {}).pop(name, None)
    st.session_state.get(state.PROBES, {}).pop(name, None)
