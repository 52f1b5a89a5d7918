"""The sheet: the prompt as it is typed, the answer growing after it, Run that becomes Stop, and what is known of the run.

The one JavaScript component. It follows a run over the events route by itself, each sentence crossing once, so neither a
rerun nor a lost websocket costs text. The text is only ever set as text, never as markup. What it tells the page stands
in `Actions`: `draft` (the prompt, when typing pauses), `run` (asked for, with the prompt as it stands), `move` (undo or
redo), `ended` (a run's id, once), `presets` (what the browser has kept), and `unreachable` (a run whose route does not
answer), after which the page hands it the rows as `data`; `stop` is told only where the stop route does not answer. The details
beneath the answer, `wire_view`, are part of it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from components import state, wire_view
from components.door import own_part
from components.text import _, language, say
from components.told import told
from playground.errors import PlaygroundError
from playground.language import translator
from playground.presets import Preset, export_presets
from playground.providers.qianfan import estimate_tokens
from playground.report import outcome, row
from playground.run import Run
from playground.stop_simulator import Cut
from playground.stops import draw

_HERE = Path(__file__).parent


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


# A message that stays the same goes to a browser once, so the code and its labels have one of their own: what changes at every rerun goes without.
_code = st.components.v2.component(
    "run_view_code",
    js=f"const STYLE = {json.dumps(_read('run_view.css') + wire_view.STYLE)};\n{_read('run_view.js')}\n{wire_view.SCRIPT}",
)
_mount = st.components.v2.component("run_view", html="<div class='run-view'>\n</div>", js=_read("loader.js"))


@dataclass(frozen=True, kw_only=True)
class Actions:
    """What the page does when the sheet tells it something; each finds what was told in the component's state."""

    run: Callable[[], None]
    draft: Callable[[], None]
    ended: Callable[[], None]
    unreachable: Callable[[], None]
    stop: Callable[[], None]
    move: Callable[[], None]
    presets: Callable[[], None]
    wire: Callable[[], None] = lambda: None


def run_view(
    *, key: str, prompt: str, revision: int, run: Run | None, refusal: PlaygroundError | None, with_rows: bool, cuts: Sequence[Cut],
    standing: tuple[int, int], can_move: tuple[bool, bool], presets: Sequence[Preset] | None, actions: Actions,
    playing: Literal["playing", "paused", "streaming", "frozen"] | None = None,
) -> Any:
    """Draw the sheet. A higher `revision` replaces what is typed by `prompt`. `with_rows` hands the run's text over as data.

    `cuts` are marked in the answer. `standing` is which answer of how many is shown, `can_move` whether there is an undo
    and a redo. `presets` are kept in the browser; `None` asks for what it has kept. What is `playing`, paused, or somebody else's,
    is only to be looked at: nothing is typed, sent or kept.
    """
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    data = told(
        prompt=prompt,
        revision=revision,
        estimate=_("≈ {count} tokens").format(count=estimate_tokens(prompt)),
        language=language(),
        playing=playing,
        refusal=None if refusal is None else _refusal(refusal),
        run=None
        if run is None
        else {
            "id": run.id,
            "title": run.endpoint.title,
            "group": _(run.endpoint.group),
            "prompt": shown if (shown := own_part(run.request.prompt)) != prompt else None,
            "free": run.endpoint.free,
            "price": _("No price is configured for this endpoint.") if run.endpoint.price is None else say(run.endpoint.price.words),
            "path": f"{'/' + base if base else ''}/runs/{run.id}",
        },
        marks=_marks(run.text, cuts) if run is not None and cuts else [],
        standing=list(standing),
        can_move=list(can_move),
        presets=None if presets is None else export_presets(presets),
        rows=[row(sentence, run.endpoint.price) for sentence in list(run.sentences)] if run is not None and with_rows else None,
        outcome=outcome(run, translator(language())) if run is not None and with_rows and run.ending else None,
        wire=wire_view.wire_lines(run, st.session_state.get(key, {}).get("wire")),
    )
    with st.container(gap=None):
        _code(key=f"{key}-code", data=told(language=language(), labels={**_labels(), **wire_view.wire_labels()}), height=0)
        return _mount(
            key=key, data=data, on_run_change=actions.run, on_draft_change=actions.draft, on_ended_change=actions.ended,
            on_unreachable_change=actions.unreachable, on_stop_change=actions.stop, on_move_change=actions.move,
            on_presets_change=actions.presets, on_wire_change=actions.wire,
        )


def _refusal(error: PlaygroundError) -> dict[str, Any]:
    """What a refusal says; its number tells the page of the same one, said again, that it was asked and answered."""
    remedy = say(error.remedy) if error.remedy else None
    return {"message": say(error.message), "remedy": remedy, "number": st.session_state.get(state.REFUSALS, 0)}


def _marks(text: str, cuts: Sequence[Cut]) -> list[list[Any]]:
    """The cuts that do not overlap an earlier one, in the browser's units (UTF-16), each with its tooltip."""
    marks: list[list[Any]] = []
    reached = 0
    for cut in sorted(cuts, key=lambda cut: cut.start):
        if cut.start < reached:
            continue
        reached = cut.end
        start = _units(text[: cut.start])
        words = _("“{stop}” would stop here, in sentence {number}").format(stop=draw(cut.stop), number=cut.sentence + 1)
        if cut.seam:
            words += " " + _("(across a seam)")
        marks.append([start, start + _units(cut.stop), words])
    return marks


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _labels() -> dict[str, str]:
    return {
        "prompt": _("Prompt"),
        "placeholder": _("Type the text that the model should continue…"),
        "run": _("Run"),
        "again": _("Run again"),
        "continue": _("Continue"),
        "continue_here": _("Continue from here"),
        "continue_help": _("The answer becomes part of the prompt, and the model goes on from there"),
        "undo": _("Undo: the answer before"),
        "redo": _("Redo: the answer after"),
        "standing": _("{place} of {count}"),
        "estimate_help": _("An estimate by the documented rule: Chinese characters + 1.3 × words"),
        "seams": _("Show where sentences meet"),
        "mono": _("Monospace"),
        "wrap": _("Wrap lines"),
        "loop": _("The text repeats “{span}” ({times} times in a row)."),
        "stop_now": _("Stop now"),
        "stop": _("Stop"),
        "stopping": _("Stopping…"),
        "copy": _("Copy the answer"),
        "copied": _("Copied"),
        "follow": _("Follow the end"),
        "answer": _("Answer"),
        "idle": _("Ready"),
        "sending": _("Waiting for the first sentence"),
        "streaming": _("Streaming"),
        "playing": _("Playing"),
        "paused": _("Paused"),
        "frozen": _("Snapshot"),
        "finished": _("Finished"),
        "stopped": _("Stopped"),
        "cut": _("End not confirmed"),
        "failed": _("Failed"),
        "one_sentence": _("{count} sentence"),
        "sentences": _("{count} sentences"),
        "first": _("first after {seconds} s"),
        "waited": _("{seconds} s"),
        "tokens": _("{prompt} + {completion} = {total} tokens"),
        "tokens_at_least": _("at least {total} tokens"),
        "tokens_total": _("{total} tokens"),
        "no_tokens": _("tokens not returned"),
        "no_tokens_yet": _("no token count yet"),
        "cost_at_least": _("at least {amount}"),
        "no_cost": _("cost unknown"),
        "speed": _("{figure} tokens/s"),
        "speed_characters": _("{figure} characters/s"),
        "safe": _("input safe"),
        "flagged": _("input flagged as unsafe"),
        "not returned": _("safety not returned"),
        "verdict_safe": _("safe"),
        "verdict_flagged": _("flagged"),
        "verdict_none": _("not returned"),
        "ban_question": _("the present question is at fault"),
        "ban_round": _("round {round} is at fault"),
        "place": _("place {count} in the queue"),
        "attempts": _("{count} attempts"),
        "stale": _("The prompt was changed after this answer."),
        "lost": _("The server does not answer; it is asked again."),
        "offline": _("The events route cannot be reached; the text comes through the page, once a second."),
        "service_words": _("The service's words: {words}"),
        "again_helps": _("Trying again can help."),
        "again_useless": _("Trying again without a change will not help."),
        "code": _("code {code}"),
        "request_id": _("request id {id}"),
    }
