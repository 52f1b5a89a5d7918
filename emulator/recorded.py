"""The answers that the three API pages show, played at the pace their `created` times tell. The prompt does not change them."""

import json
from collections.abc import AsyncGenerator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from emulator.services import Call, Event, Item, Service, Whole

FIRST_EVENT = 0.4
_FOLDER = Path(__file__).parent / "recordings"


def offsets(created: Sequence[int]) -> list[float]:
    """Return when each event is sent, in seconds: those of the same second are spread over it evenly."""
    times: list[float] = []
    for second, events in groupby(created):
        count = len(list(events))
        times.extend(FIRST_EVENT + second - created[0] + place / count for place in range(count))
    return times


def _recorded(name: str, description: str, token_limit: int) -> Service:
    recording: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    events: list[dict[str, Any]] = recording["stream"]
    times = offsets([event["created"] for event in events])

    async def play(call: Call) -> AsyncGenerator[Item, None]:
        if not call.stream:
            await call.pause(times[-1])
            yield Whole(fields=recording["single"])
            return
        before = 0.0
        for moment, fields in zip(times, events, strict=True):
            await call.pause(moment - before)
            before = moment
            yield Event(fields=fields)

    return Service(name=name, kind="recorded", description=description, answer=play, token_limit=token_limit)


RECORDED = (
    _recorded("cerebras_gpt_6_7b", "the recorded answers of the Cerebras-GPT-6.7B page", 2048),
    _recorded("stablelm_alpha_7b", "the recorded answers of the StableLM-Alpha-7B page", 4096),
    _recorded("yi_34b", "the recorded answers of the Yi-34B page", 32768),
)
