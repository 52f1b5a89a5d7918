"""Beside the form: the exact request, the same request as code, and the way back from code to the form.

All three stand on one object, the body that is sent. Nothing here holds a secret: credentials are named, never shown.
"""

import json
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from components import door, state
from components.choice import choice
from components.known import known_endpoints
from components.parameter_panel import put_values, read_values, visitor_mark
from components.text import _, plain, say
from playground.completion import CompletionRequest
from playground.endpoints import DEMO_KEYS, Endpoint
from playground.errors import ParameterError
from playground.export import LANGUAGES, export, languages, target_of
from playground.export.target import Auth
from playground.paste import read_address, read_paste
from playground.providers import qianfan

VIEWS = ("request", "code", "paste")
_PROOFS: dict[Auth, tuple[str, ...]] = {
    "access_token": ("access_token",), "iam": ("x-bce-date", "Authorization"), "bearer": ("Authorization",), "none": ()
}


def request_view(endpoint: Endpoint, beside: Callable[[], None]) -> None:
    """Draw the chosen view; none is open until it is wanted. `beside` draws what stands at the end of the same line."""
    titles = {"request": _("Exact request"), "code": _("Code"), "paste": _("Paste to fill")}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        chosen = st.segmented_control(
            _("Request"), VIEWS, format_func=titles.__getitem__, key=state.REQUEST_VIEW, persist_state="session", label_visibility="collapsed"
        )
        beside()
    if chosen == "paste":
        _paste(endpoint)
        return
    if chosen is None:
        return
    try:
        typed = CompletionRequest(prompt=st.session_state.get(state.PROMPT, ""), parameters=read_values(endpoint))
        endpoint, request = door.joined(endpoint, typed)
        if chosen == "request":
            _exact(endpoint, request)
        else:
            _code(endpoint, request)
    except ParameterError as error:
        st.caption(f":red[{plain(say(error.message))}]")


def _exact(endpoint: Endpoint, request: CompletionRequest) -> None:
    body = endpoint.provider.body(request, endpoint.parameters, endpoint.model)
    auth = target_of(endpoint).auth
    query = "?access_token=•••" if auth == "access_token" else ""
    head = f"POST {endpoint.url}{query}" if endpoint.base_url and endpoint.path else "POST …"
    if auth == "bearer":
        head += "\nAuthorization: Bearer •••"
    st.code(head, language=None, wrap_lines=True)
    st.code(json.dumps(body, ensure_ascii=False, indent=2), language="json", wrap_lines=True)
    left = [spec.name for spec in endpoint.parameters if spec.name not in body and spec.kind != "text"]
    chosen = ["prompt", *(spec.name for spec in endpoint.parameters if spec.name in body and spec.name != "stream")]
    st.caption(_("**You send:** {names}").format(names=", ".join(f"`{name}`" for name in chosen)))
    if left:
        st.caption(_("**The endpoint decides:** {names}").format(names=", ".join(f"`{name}`" for name in left)))
    added = [name for name in body if name not in chosen] + ["Content-Type", *_PROOFS[auth]]
    st.caption(_("**The app adds:** {names}").format(names=", ".join(f"`{name}`" for name in added)))


def _code(endpoint: Endpoint, request: CompletionRequest) -> None:
    target = target_of(endpoint)
    offered = languages(target)
    if st.session_state.get(state.CODE_LANGUAGE, "curl") not in offered:
        st.session_state[state.CODE_LANGUAGE] = "curl"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        language = st.segmented_control(
            _("Language"), offered, format_func=lambda name: LANGUAGES[name][0], default="curl", key=state.CODE_LANGUAGE,
            persist_state="session", required=True, label_visibility="collapsed",
        )
        if endpoint.provider is qianfan.PROVIDER:
            ways = {"access_token": _("Access token"), "iam": _("IAM signature")}
            auth = choice(
                _("Authentication"), list(ways), key=state.CODE_AUTH, title=ways.__getitem__, label_visibility="collapsed", width=170,
            )
            target = replace(target, auth=auth)
    snippet = export(language, target, request, endpoint.parameters)
    if snippet.install:
        st.code(snippet.install, language="bash", wrap_lines=True)
    st.code(snippet.text, language=LANGUAGES[language][1])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(_("Download {name}").format(name=snippet.filename), snippet.text, snippet.filename, "text/plain", on_click="ignore")
        if target.keys:
            st.caption(_("Keys are read from the environment; none is in the code."))
    if endpoint.credentials == DEMO_KEYS:
        st.caption(
            _("This address is the emulator inside this server: it changes with each start. To keep one, start it yourself with "
              "`python -m emulator --port 8866`; its keys are `demo-api-key` and `demo-secret-key`.")
        )


def _paste(endpoint: Endpoint) -> None:
    st.text_area(
        _("Paste to fill"), key=state.PASTED, height=140, label_visibility="collapsed",
        placeholder=_("Paste a curl command, a JSON body, Python, or code copied from here…"),
    )
    st.button(_("Fill the form"), on_click=_fill, args=(endpoint,), key="fill")
    for kind, text in st.session_state.get(state.PASTE_WORDS, ()):
        (st.error if kind == "error" else st.warning if kind == "dropped" else st.info)(plain(text))


def _fill(endpoint: Endpoint) -> None:
    """Read the paste and set the form; what could not be read leaves the form as it is."""
    words: list[tuple[str, str]] = []
    pasted = str(st.session_state.get(state.PASTED, ""))
    endpoint = _service_at(read_address(pasted)) or endpoint
    try:
        filled = read_paste(pasted, endpoint.parameters, endpoint.prompt_limit)
    except ParameterError as error:
        st.session_state[state.PASTE_WORDS] = [("error", " ".join(say(part) for part in (error.message, error.remedy) if part))]
        return
    st.session_state[state.ENDPOINT] = endpoint.name
    if filled.prompt is not None:
        state.set_prompt(filled.prompt)
    foreign = [spec.name for spec in endpoint.parameters if spec.kind == "text" and filled.parameters.get(spec.name) not in (None, visitor_mark())]
    put_values(endpoint, {"stream": False, **{name: value for name, value in filled.parameters.items() if name not in foreign}})
    words += [("dropped", say(text)) for text in filled.dropped] + [("note", say(text)) for text in filled.notes]
    words += [("note", _("{name} was left out: it is not the mark of this session.").format(name=name)) for name in foreign]
    words.append(("note", _("The form is filled. Nothing was sent.")))
    st.session_state[state.PASTE_WORDS] = words
    st.session_state[state.PASTED] = ""


def _service_at(path: str | None) -> Endpoint | None:
    """The usable Qianfan service with this published address."""
    rows = known_endpoints().values()
    return next((row for row in rows if path and row.provider is qianfan.PROVIDER and row.path == path and row.off is None), None)
