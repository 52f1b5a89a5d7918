"""The answers that the three API pages show, played at the pace their `created` times tell. The prompt does not change them."""

from collections.abc import AsyncGenerator

from emulator.services import Call, Event, Item, Service, Whole
from playground.examples import EXAMPLES, offsets


def _recorded(name: str, description: str, token_limit: int) -> Service:
    example = EXAMPLES[name]
    times = offsets([event["created"] for event in example.stream])

    async def play(call: Call) -> AsyncGenerator[Item, None]:
        if not call.stream:
            await call.pause(times[-1])
            yield Whole(fields=example.single)
            return
        before = 0.0
        for moment, fields in zip(times, example.stream, strict=True):
            await call.pause(moment - before)
            before = moment
            yield Event(fields=fields)

    return Service(name=name, kind="recorded", description=description, answer=play, token_limit=token_limit)


RECORDED = (
    _recorded("cerebras_gpt_6_7b", "the recorded answers of the Cerebras-GPT-6.7B page", 2048),
    _recorded("stablelm_alpha_7b", "the recorded answers of the StableLM-Alpha-7B page", 4096),
    _recorded("yi_34b", "the recorded answers of the Yi-34B page", 32768),
)
