"""Has an endpoint's answer changed? Answers to one request from before, the references, against fresh ones; nothing is asked here.

Sampled text differs from answer to answer by nature, so a difference alone means nothing. Two figures decide, both from 0, the
same, to 1, nothing in common:

    distance    the mean over all pairs of a reference and a fresh answer
    noise       the largest between two fresh answers, or between two references: how far answers differ that nothing changed

It is drift where the distance is greater than the noise and greater than the threshold. With one answer on either side there
is no noise to be known, and the threshold decides alone.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, product
from typing import Any

from playground.completion import Ending, Sentence, Verdict, counts, final_usage, overall_safety
from playground.errors import EndpointError
from playground.message import Message, message
from playground.usage_dialect import UsageDialect, usage_dialect

THRESHOLD = 0.1
# A network's own hiccups: a first sentence has drifted only where it takes twice as long, and differs by half a second at least.
_SLOWER = 0.5
_BRIEF = 1.0
# A word; where a script puts nothing between its words, a character; and a mark.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_TOKEN = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+|[^\w\s]")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is compared of one answer. `None` is what it did not state, or for `first` (seconds) what nobody measured."""

    text: str
    sentences: int
    completion_tokens: int | None
    safety: Verdict
    safety_field: str
    dialect: UsageDialect
    ending: Ending
    finish_reason: str | None
    first: float | None
    error: str = ""


def answer(sentences: Iterable[Sentence], ending: Ending, *, error: EndpointError | None = None, timed: bool = True) -> Answer:
    """Return what is compared of an answer; `timed` says whether the times of its sentences are real ones."""
    events = list(sentences)
    shown = [event for event in events if counts(event)]
    usage = final_usage(events)
    # A character whose halves came in two sentences is made whole, as in `Run.text`.
    text = "".join(event.text for event in events).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return Answer(
        text=text, sentences=len(shown), completion_tokens=usage.completion_tokens if usage else None,
        safety=overall_safety(events).verdict, safety_field=_safety_field(events), dialect=usage_dialect(events), ending=ending,
        finish_reason=next((event.finish_reason for event in reversed(events) if event.finish_reason), None),
        first=shown[0].arrived if timed and shown else None,
        error="" if error is None else str(error.message if error.code is None else error.code),
    )


def _safety_field(events: Iterable[Sentence]) -> str:
    """Older builds of Qianfan say `is_safe`, newer ones `need_clear_history`."""
    said = [event.safety for event in events if event.safety.verdict is not Verdict.NOT_RETURNED]
    return "need_clear_history" if any(safety.need_clear_history is not None for safety in said) else "is_safe" if said else ""


class Aspect(StrEnum):
    """In what an answer can drift."""

    CHARACTERS = "characters"
    SENTENCES = "sentences"
    TOKENS = "completion tokens"
    OVERLAP = "overlap"
    SAFETY = "safety"
    SAFETY_FIELD = "safety field"
    USAGE = "usage dialect"
    FIRST = "time to first sentence"
    ENDING = "ending"
    ERROR = "error"
    FINISH = "finish reason"

    @property
    def words(self) -> Message:
        """Its name for a reader."""
        return _NAMES[self]


_NAMES = {
    Aspect.CHARACTERS: message("characters"),
    Aspect.SENTENCES: message("sentences"),
    Aspect.TOKENS: message("completion tokens"),
    Aspect.OVERLAP: message("overlap"),
    Aspect.SAFETY: message("safety"),
    Aspect.SAFETY_FIELD: message("safety field"),
    Aspect.USAGE: message("usage dialect"),
    Aspect.FIRST: message("time to first sentence"),
    Aspect.ENDING: message("ending"),
    Aspect.ERROR: message("error"),
    Aspect.FINISH: message("finish reason"),
}
_READ: dict[Aspect, Callable[[Answer], Any]] = {
    Aspect.CHARACTERS: lambda one: len(one.text),
    Aspect.SENTENCES: lambda one: one.sentences,
    Aspect.TOKENS: lambda one: one.completion_tokens,
    Aspect.OVERLAP: lambda one: one.text,
    Aspect.SAFETY: lambda one: one.safety.value,
    Aspect.SAFETY_FIELD: lambda one: one.safety_field,
    Aspect.USAGE: lambda one: one.dialect.value,
    Aspect.FIRST: lambda one: one.first,
    Aspect.ENDING: lambda one: one.ending.value,
    Aspect.ERROR: lambda one: one.error,
    Aspect.FINISH: lambda one: one.finish_reason or "",
}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One aspect of the references (`before`) and of the fresh answers (`now`), in order of size; for the overlap there are no such values.

    `noise` is `None` where one answer a side leaves it unknown.
    """

    aspect: Aspect
    before: tuple[Any, ...]
    now: tuple[Any, ...]
    distance: float
    noise: float | None
    threshold: float

    @property
    def drifted(self) -> bool:
        """Whether it is more than noise, and more than the threshold."""
        return self.distance > max(self.threshold, self.noise or 0.0)

    @property
    def noisy(self) -> bool:
        """Whether it would be drift if the answers did not differ as much among themselves."""
        return self.distance > self.threshold and not self.drifted

    @property
    def words(self) -> Message:
        """What it was and what it is."""
        if self.aspect is not Aspect.OVERLAP:
            return message("{aspect}: {before} → {now}", aspect=self.aspect.words, before=_shown(self.aspect, self.before),
                           now=_shown(self.aspect, self.now))
        overlap = f"{1 - self.distance:.2f}"
        if self.noise is None:
            return message("overlap {overlap}", overlap=overlap)
        return message("overlap {overlap}; among themselves at least {least}", overlap=overlap, least=f"{1 - self.noise:.2f}")


def differences(references: Sequence[Answer], fresh: Sequence[Answer], threshold: float = THRESHOLD) -> tuple[Difference, ...]:
    """Compare fresh answers with references, aspect by aspect; what one side does not state at all cannot be compared and is left out."""
    found = []
    for aspect, read in _READ.items():
        before = [value for one in references if (value := read(one)) is not None]
        now = [value for one in fresh if (value := read(one)) is not None]
        if not before or not now:
            continue
        apart = _distance(aspect, {*before, *now})
        across = [apart(one, other) for one, other in product(before, now)]
        within = [apart(one, other) for side in (before, now) for one, other in combinations(side, 2)]
        overlap = aspect is Aspect.OVERLAP
        found.append(Difference(
            aspect=aspect, before=() if overlap else tuple(sorted(before)), now=() if overlap else tuple(sorted(now)),
            distance=math.fsum(across) / len(across), noise=max(within) if within else None,
            threshold=max(threshold, _SLOWER) if aspect is Aspect.FIRST else threshold,
        ))
    return tuple(found)


def overlap(one: str, other: str) -> float:
    """Return how much two texts share, from 0 to 1: of their words and of their pairs of neighbouring words, however often each stands there.

    Chinese and Japanese characters count as words each. White space is not looked at.
    """
    return _shared(_parts(one), _parts(other))


def _parts(text: str) -> Counter[Hashable]:
    tokens = _TOKEN.findall(text)
    return Counter([*tokens, *zip(tokens, tokens[1:], strict=False)])


def _shared(one: Counter[Hashable], other: Counter[Hashable]) -> float:
    both = one.total() + other.total()
    return 2 * (one & other).total() / both if both and one is not other else 1.0


def _distance(aspect: Aspect, values: Iterable[Any]) -> Callable[[Any, Any], float]:
    if aspect is Aspect.OVERLAP:
        parts = {text: _parts(text) for text in values}
        return lambda one, other: 1 - _shared(parts[one], parts[other])
    if aspect in (Aspect.CHARACTERS, Aspect.SENTENCES, Aspect.TOKENS):
        return _relative
    if aspect is Aspect.FIRST:
        return lambda one, other: _relative(one, other, _BRIEF)
    return lambda one, other: float(one != other)


def _relative(one: float, other: float, least: float = 1.0) -> float:
    """By which part of the larger one two figures differ."""
    return min(1.0, abs(one - other) / max(abs(one), abs(other), least))


def _shown(aspect: Aspect, values: tuple[Any, ...]) -> str:
    """Values as a reader wants them: figures by their ends, names with how often each came."""
    if isinstance(values[0], str):
        rows = Counter(values)
        return ", ".join(f"{value or '–'}{f' ({count})' if len(rows) > 1 else ''}" for value, count in rows.items())
    ends = [f"{value:.2f} s" if aspect is Aspect.FIRST else f"{value:,}" for value in (values[0], values[-1])]
    return ends[0] if ends[0] == ends[1] else "–".join(ends)
