"""The words of a completion, whatever the wire: request, sentence, usage, safety, ending.

A *sentence* is one event of an endpoint's stream. It is not a grammatical sentence: pieces are joined with nothing
between them and nothing trimmed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """What a person asks for. `parameters` maps wire names to values; `None`, like absence, means "not sent"."""

    prompt: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stream(self) -> bool:
        """Whether the answer is asked for sentence by sentence."""
        return bool(self.parameters.get("stream"))


class Usage(NamedTuple):
    """Token counts as an endpoint stated them. `None` means it did not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class Verdict(StrEnum):
    """What an endpoint said of the input's safety. A missing flag is never "safe"."""

    SAFE = "safe"
    FLAGGED = "flagged"
    NOT_RETURNED = "not returned"


class Safety(NamedTuple):
    """The verdict, and the round at fault when given (-1 is the present question)."""

    verdict: Verdict = Verdict.NOT_RETURNED
    need_clear_history: bool | None = None
    ban_round: int | None = None


class Sentence(NamedTuple):
    """One event of an answer. `text` is exactly what the endpoint sent; `arrived` is seconds since the run began.

    `index` is where it stands in the answer, `sentence_id` the number the endpoint gave it, if it gave one.
    An event of the local model's queue has no text and says in `queue_place` how many are before it; it is no sentence.
    """

    text: str
    index: int  # type: ignore[assignment]  # in place of the method of tuples
    is_end: bool = False
    usage: Usage | None = None
    safety: Safety = Safety()
    is_truncated: bool | None = None
    finish_reason: str | None = None
    answer_id: str | None = None
    sentence_id: int | None = None
    queue_place: int | None = None
    arrived: float = 0.0


class Ending(StrEnum):
    """How a run ended; each run has exactly one."""

    FINISHED = "finished"
    STOPPED = "stopped"
    CUT = "cut"
    FAILED = "failed"


def counts(sentence: Sentence) -> bool:
    """Whether an event is counted as a sentence: one with neither text nor a verdict, as OpenAI's usage comes in, is not."""
    return bool(sentence.text) or sentence.safety.verdict is not Verdict.NOT_RETURNED


def final_usage(sentences: Iterable[Sentence]) -> Usage | None:
    """Return the usage of a whole answer: the last stated total, its prompt, and their difference.

    `total_tokens` is cumulative in every documented sample, while `completion_tokens` is per event in some builds
    and cumulative and late in others, so only the difference is right for all. Without an end mark the figures are
    a lower bound. `None` if no total was ever stated.
    """
    last = None
    for sentence in sentences:
        if sentence.usage is not None and sentence.usage.total_tokens is not None:
            last = sentence.usage
    if last is None or last.total_tokens is None:
        return None
    if last.prompt_tokens is None:
        return Usage(total_tokens=last.total_tokens)
    return Usage(
        prompt_tokens=last.prompt_tokens,
        completion_tokens=last.total_tokens - last.prompt_tokens,
        total_tokens=last.total_tokens,
    )


def overall_safety(sentences: Iterable[Sentence]) -> Safety:
    """Return the gravest verdict of an answer: flagged, else safe if any event said so, else not returned."""
    found = Safety()
    for sentence in sentences:
        if sentence.safety.verdict is Verdict.FLAGGED:
            return sentence.safety
        if sentence.safety.verdict is Verdict.SAFE:
            found = sentence.safety
    return found
