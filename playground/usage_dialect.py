"""How an endpoint states usage: what its figures mean as the sentences of an answer come in.

`total_tokens` is cumulative in every documented sample; what `completion_tokens` counts differs from build to build, and a
figure read by the wrong rule is off by a factor. Only statements with a total count, as in `final_usage`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import pairwise

from playground.completion import Sentence, Usage
from playground.message import Message, message


class UsageDialect(StrEnum):
    """One way to state usage; `words` says what it means for a reader."""

    PER_EVENT = "per event"
    CUMULATIVE = "cumulative"
    LAGGING = "lagging"
    FINAL_ONLY = "final only"
    ABSENT = "absent"
    INCONSISTENT = "inconsistent"
    UNDECIDED = "undecided"

    @property
    def words(self) -> Message:
        """What it means."""
        return _WORDS[self]


_WORDS: Mapping[UsageDialect, Message] = {
    UsageDialect.PER_EVENT: message("Completion tokens are stated for each sentence alone; the total grows."),
    UsageDialect.CUMULATIVE: message("Completion tokens are stated for the whole answer so far."),
    UsageDialect.LAGGING: message("Completion tokens are stated for the whole answer, but out of step with the text: only the last figure is right."),
    UsageDialect.FINAL_ONLY: message("Usage is stated once, at the end of the answer."),
    UsageDialect.ABSENT: message("Usage is not stated."),
    UsageDialect.INCONSISTENT: message("The stated figures contradict each other, or one of them is missing."),
    UsageDialect.UNDECIDED: message("Usage was stated once; a longer answer would show how the figures grow."),
}


def usage_dialect(sentences: Iterable[Sentence]) -> UsageDialect:
    """Name the dialect of an answer, or of what there is of it so far.

    A first figure reads the same in every dialect, so it alone decides nothing. Where two rules fit, the cumulative one
    is named: an answer that states 0 beside its first texts has not counted each alone.
    """
    rows = [(sentence, sentence.usage if sentence.usage and sentence.usage.total_tokens is not None else None) for sentence in sentences]
    stated = [usage for _, usage in rows if usage is not None]
    if not stated:
        return UsageDialect.ABSENT
    figures = [read for usage in stated if (read := _figures(usage)) is not None]
    totals = [total for _, _, total in figures]
    if len(figures) < len(stated) or len({prompt for prompt, _, _ in figures}) > 1 or totals != sorted(totals):
        return UsageDialect.INCONSISTENT
    if all(written == total - prompt for prompt, written, total in figures):
        return _cumulative(rows)
    each = all(later[1] == later[2] - earlier[2] for earlier, later in pairwise(figures))
    prompt, written, total = figures[0]
    return UsageDialect.PER_EVENT if len(figures) > 1 and each and written <= total - prompt else UsageDialect.INCONSISTENT


def _figures(usage: Usage) -> tuple[int, int, int] | None:
    """Return prompt, completion and total, if all are stated and none is below zero."""
    prompt, written, total = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
    if prompt is None or written is None or total is None or min(prompt, written, total) < 0:
        return None
    return prompt, written, total


def _cumulative(rows: list[tuple[Sentence, Usage | None]]) -> UsageDialect:
    """Tell apart what counts of the whole answer may do: come once at its end, keep step with the text, or not."""
    counts = [(usage.completion_tokens or 0, sentence.text) for sentence, usage in rows if usage is not None]
    last, usage = rows[-1]
    ended = not last.text or any(sentence.is_end for sentence, _ in rows)
    if len(counts) == 1 and usage is not None and ended and any(sentence.text for sentence, _ in rows[:-1]):
        return UsageDialect.FINAL_ONLY
    out_of_step = [text for (before, _), (written, text) in pairwise([(0, ""), *counts]) if text and written == before]
    if len(counts) > 1 and out_of_step:
        return UsageDialect.LAGGING
    return UsageDialect.CUMULATIVE if sum(written > 0 for written, _ in counts) > 1 else UsageDialect.UNDECIDED
