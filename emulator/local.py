"""The local model as a Qianfan endpoint: parameters mapped, sentences grouped, usage by the model's own tokenizer.

Whatever has the engine's interface can be served; it is handed in, so that the emulator alone needs no model.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

from emulator.answers import Piece
from emulator.services import Call, Event, Failure, Item, Service, Whole
from playground.completion import Usage

if TYPE_CHECKING:
    from local_model.engine import Engine
    from local_model.generation import Generation

NAME = "local_model"
SILENCE = 0.8
"""Seconds after which what is there is sent, clause or not: a slow model still shows its text."""
_EVERY_TOKEN = 2**31 - 1  # larger than any vocabulary, and the largest the engine's field holds
BUSY, TOO_LONG, FAULT = 336100, 336103, 336000


def local_service(
    engine: Callable[[], "Engine | None"], *, context: int, length: int, seed: int | None = None,
    trouble: Callable[[], str] = lambda: "there is no model",
) -> Service:
    """Return the service. `engine()` may block until the model is loaded; `None` means there is none to be had,
    and `trouble()` says why.

    The wire has no seed; with one given here the same request always gets the same answer.
    """

    async def answer(call: Call) -> AsyncGenerator[Item, None]:
        from local_model.generation import EngineError, GenerationRequest, PromptTooLong, QueueFull

        model = await asyncio.to_thread(engine)
        if model is None:
            yield Whole(fields={"error_code": FAULT, "error_msg": trouble()})
            return
        values = call.parameters
        request = GenerationRequest(
            prompt=call.prompt,
            max_tokens=length,
            seed=seed,
            temperature=values.get("temperature"),
            top_p=values.get("top_p"),
            top_k=None if values.get("top_k") is None else min(values["top_k"], _EVERY_TOKEN),
            penalty_score=values.get("penalty_score"),
            stop=tuple(values.get("stop") or ()),
        )
        try:
            generation = model.submit(request)
        except QueueFull:
            yield Failure(code=BUSY)
            return
        except EngineError:
            yield Failure(code=FAULT)
            return
        try:
            async for item in _pieces(call, generation):
                yield item
        except PromptTooLong:
            yield Failure(code=TOO_LONG)
        except EngineError:
            yield Failure(code=FAULT)
        finally:
            generation.cancel()

    return Service(
        name=NAME, kind="model", description="a small language model on this computer", answer=answer, token_limit=context,
        build="newer", object_name="completion",
    )


async def _pieces(call: Call, generation: "Generation") -> AsyncGenerator[Item, None]:
    from local_model.generation import Finish
    from local_model.sentences import Grouper

    grouper = Grouper()
    place = 0
    while not generation.ended:
        if call.stream and generation.place != place:
            place = generation.place
            yield Event(fields={"id": call.answer.id, "is_end": False, "result": "", "queue_place": place})
        if await generation.arrived(SILENCE):
            groups = [group for piece in generation.take() for group in grouper.feed(piece)]
        else:
            groups = grouper.take()
        for group in groups:
            yield Piece(text=group, usage=_usage(generation.prompt_tokens, generation.completion_tokens))
    outcome = generation.outcome()
    rest = [group for piece in generation.take() for group in grouper.feed(piece)] + grouper.flush()
    usage = _usage(outcome.prompt_tokens, outcome.completion_tokens)
    for group in rest[:-1]:
        yield Piece(text=group, usage=usage)
    yield Piece(
        text=rest[-1] if rest else "", is_end=True, is_truncated=outcome.finish is Finish.CONTEXT,
        finish_reason={Finish.STOP: "normal", Finish.CONTEXT: "length"}.get(outcome.finish, outcome.finish.value),
        usage=usage,
    )


def _usage(prompt: int, written: int) -> Usage:
    """Cumulative, as the newer build states it."""
    return Usage(prompt_tokens=prompt, completion_tokens=written, total_tokens=prompt + written)
