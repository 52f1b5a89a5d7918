"""The examples of the API pages beside the answers they document, each of them ready to run on the bench."""

from dataclasses import dataclass

import streamlit as st

from components import state
from components.known import known_endpoints
from components.opening import open_bench
from components.text import _, plain, say
from playground.endpoints import MODELS, Endpoint
from playground.examples import EXAMPLES, OPENAI_EXAMPLE, Example
from playground.providers import openai
from playground.reference import answer_text, found, openai_curl, qianfan_curl, token_curl

_HEIGHT = 330


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The example that is looked at: `steps` are its curl commands under their titles, `models` those whose examples can be chosen."""

    example: Example
    streamed: bool
    steps: tuple[tuple[str, str], ...]
    endpoint: Endpoint | None
    models: tuple[str, ...] = ()

    def holds(self, wanted: list[str]) -> bool:
        """Whether every wanted word stands in it, or in the name of a model beside it."""
        names = [MODELS[name] for name in self.models]
        codes = [code for _title, code in self.steps]
        return found(wanted, [_("Examples"), *names, *codes, answer_text(self.example, streamed=self.streamed)])


def qianfan_example() -> Chosen:
    """Return the chosen model's example. It runs on the person's own service if that is configured, else on the recorded answers."""
    model = st.session_state.get(state.EXAMPLE) or next(iter(MODELS))
    rows = known_endpoints()
    own = rows.get(f"own/{model}")
    streamed = _streamed()
    return Chosen(
        example=EXAMPLES[model], streamed=streamed, endpoint=own if own is not None and own.off is None else rows[f"recorded/{model}"],
        steps=((_("Step 1: the access token"), token_curl()), (_("Step 2: the completion"), qianfan_curl(EXAMPLES[model], streamed=streamed))),
        models=tuple(MODELS),
    )


def openai_example(dialect: str) -> Chosen:
    """Return the one example of OpenAI's reference. It runs on a server that is configured, of this dialect if there is one."""
    rows = [row for row in known_endpoints().values() if row.provider is openai.PROVIDER]
    endpoint = min(rows, key=lambda row: (row.off is not None, row.parameters != openai.DIALECTS[dialect]), default=None)
    streamed = _streamed()
    steps = ((_("The completion"), openai_curl(OPENAI_EXAMPLE, streamed=streamed)),)
    return Chosen(example=OPENAI_EXAMPLE, streamed=streamed, endpoint=endpoint, steps=steps)


def example_view(chosen: Chosen) -> None:
    """Draw the example: what to choose, the way to the bench, the request, the documented answer."""
    st.subheader(_("Examples"), anchor="examples")
    with st.container(horizontal=True, vertical_alignment="center"):
        if chosen.models:
            st.segmented_control(
                _("Model"), chosen.models, format_func=MODELS.__getitem__, default=chosen.models[0], key=state.EXAMPLE, persist_state="session",
                required=True, label_visibility="collapsed",
            )
        ways = {"whole": _("In one piece"), "streamed": _("Streamed")}
        st.segmented_control(
            _("Answer"), list(ways), format_func=ways.__getitem__, default="whole", key=state.EXAMPLE_ANSWER, persist_state="session", required=True,
            label_visibility="collapsed",
        )
        _try(chosen)
    left, right = st.columns(2, gap="medium")
    with left:
        for title, code in chosen.steps:
            st.caption(title)
            st.code(code, language=None, wrap_lines=True)
        st.caption(plain(_("Source: {source}.").format(source=_(chosen.example.source))))
    with right:
        _answers(chosen.example, chosen.streamed)


def _streamed() -> bool:
    return bool(st.session_state.get(state.EXAMPLE_ANSWER) == "streamed")


def _try(chosen: Chosen) -> None:
    """The way to the bench; where it is closed, why."""
    endpoint = chosen.endpoint
    off = endpoint is None or endpoint.off is not None
    if st.button(_("Try it"), key="try-example", icon=":material/play_arrow:", disabled=off) and endpoint is not None:
        open_bench(endpoint, prompt=chosen.example.prompt, values={**chosen.example.parameters, "stream": chosen.streamed})
    if endpoint is None:
        words = _("There is no endpoint of this kind.")
    elif endpoint.off is not None:
        words = " ".join(say(part) for part in (endpoint.off.message, endpoint.off.remedy) if part)
    else:
        words = _("on {endpoint}").format(endpoint=f"{endpoint.title} · {_(endpoint.group)}")
    st.caption(plain(words))


def _answers(example: Example, streamed: bool) -> None:
    if streamed and example.older:
        for title, older in ((_("The documented answer of the newer build"), False), (_("The documented answer of the older build"), True)):
            st.caption(title)
            st.code(answer_text(example, streamed=True, older=older), language=None, wrap_lines=True, height=_HEIGHT // 2)
    else:
        st.caption(_("The documented answer"))
        st.code(answer_text(example, streamed=streamed), language=None, wrap_lines=True, height=_HEIGHT)
