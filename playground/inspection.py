"""An answer looked at closely: what its usage adds up to, when its safety flags changed, and whether it came whole.

Sentences in, words out; nothing is asked here. What an endpoint stated and what follows from it are told apart, and a rule that
decides is named in the words that tell what it found. Sentences are numbered from 1, as the page counts them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from playground.completion import Ending, Safety, Sentence, Usage, Verdict, counts, final_usage
from playground.message import Message, message
from playground.providers.qianfan import estimate_tokens
from playground.usage_dialect import UsageDialect, usage_dialect

# Figures disagree by much where they differ by more than this many tokens and one is more than twice the other.
FAR = 20
# A badge names so many sentences, and so much of a number: an endpoint may write any.
_NAMED = 5
_LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What an answer's tokens are, and why.

    `stated` are the endpoint's own figures, each with its event's place in the answer. `usage` is the one right reading of
    them, `None` if no total was stated; `last` and `summed` are what its completion tokens would be by the last figure and
    by adding all figures up. `estimate` is reckoned from the texts by the documented rule.
    """

    dialect: UsageDialect
    stated: tuple[tuple[int, Usage], ...]
    usage: Usage | None
    last: int | None
    summed: int | None
    estimate: Usage
    why: Message
    warnings: tuple[Message, ...]


def reconcile(sentences: Iterable[Sentence], prompt: str, *, whole: bool | None = None) -> Reconciliation:
    """Return what an answer's tokens are. `whole` says whether it came to its end; if untold, its end mark does."""
    events = list(sentences)
    if whole is None:
        whole = any(event.is_end for event in events)
    stated = tuple((place, event.usage) for place, event in enumerate(events, 1) if event.usage is not None)
    written = [usage.completion_tokens for _, usage in stated if usage.completion_tokens is not None]
    last, summed = (written[-1], sum(written)) if written else (None, None)
    dialect, usage = usage_dialect(events), final_usage(events)
    asked, answered = estimate_tokens(prompt), estimate_tokens("".join(event.text for event in events))
    why = _why(dialect, usage, last, summed)
    if usage is not None and not whole:
        why = message("{why} The answer did not come to its end, so this is a lower bound.", why=why)
    warnings = []
    if usage is not None and usage.prompt_tokens is not None and _far(usage.prompt_tokens, asked):
        warnings.append(_apart(message("the prompt"), usage.prompt_tokens, asked))
    if usage is not None and usage.completion_tokens is not None and _far(usage.completion_tokens, answered):
        if whole or usage.completion_tokens > answered:
            warnings.append(_apart(message("the answer"), usage.completion_tokens, answered))
    return Reconciliation(
        dialect=dialect, stated=stated, usage=usage, last=last, summed=summed, why=why, warnings=tuple(warnings),
        estimate=Usage(prompt_tokens=asked, completion_tokens=answered, total_tokens=asked + answered),
    )


def _why(dialect: UsageDialect, usage: Usage | None, last: int | None, summed: int | None) -> Message:
    if usage is None:
        return message("No total was stated: how many tokens it were is not known, only estimated.")
    if usage.completion_tokens is None:
        return message("A total alone was stated, {total}: how it divides is not known.", total=usage.total_tokens)
    rest = _MORE[dialect]
    if last is None:
        rest = message("How many the answer took was itself not stated.")
    elif dialect is UsageDialect.PER_EVENT and summed != usage.completion_tokens:
        rest = message("The figures add up to {summed} only: those of earlier sentences are missing.")
    return message(
        "The last total less the prompt: {total} − {prompt} = {completion}. {rest}", total=usage.total_tokens, prompt=usage.prompt_tokens,
        completion=usage.completion_tokens, rest=Message(rest.text, {"last": last, "summed": summed}),
    )


_MORE: Mapping[UsageDialect, Message] = {
    UsageDialect.PER_EVENT: message("Each sentence states its own tokens, and they add up to the same; the last figure alone would be {last}."),
    UsageDialect.CUMULATIVE: message("The last figure says the same; adding all of them up would give {summed}."),
    UsageDialect.LAGGING: message("The last figure says the same; adding all of them up would give {summed}."),
    UsageDialect.FINAL_ONLY: message("It was stated once, at the end."),
    UsageDialect.UNDECIDED: message("It was stated once."),
    UsageDialect.INCONSISTENT: message(
        "The completion figures do not fit that (the last is {last}, their sum {summed}); a total is what every known build states alike."
    ),
}


def _far(one: int, other: int) -> bool:
    return abs(one - other) > FAR and max(one, other) > 2 * min(one, other)


def _apart(what: Message, stated: int, estimate: int) -> Message:
    return message(
        "For {what} the endpoint states {stated} tokens, and the documented rule estimates {estimate}: one is more than twice the other, and they "
        "are more than {far} tokens apart. Code, and scripts other than Latin and Chinese, are beyond that rule.",
        what=what, stated=stated, estimate=estimate, far=FAR,
    )


@dataclass(frozen=True, kw_only=True)
class SafetySpan:
    """Sentences in a row of which the same was said. `flag` is the field that changed with the first, `None` if nothing is said."""

    first: int
    last: int
    safety: Safety
    flag: str | None
    meaning: Message
    remedy: Message | None


def safety_timeline(sentences: Iterable[Sentence]) -> tuple[SafetySpan, ...]:
    """Return what was said of the input's safety, from sentence to sentence. Silence is a state of its own, never "safe"."""
    runs: list[tuple[int, int, Safety]] = []
    for number, sentence in enumerate(filter(counts, sentences), 1):
        if runs and runs[-1][2] == sentence.safety:
            runs[-1] = (runs[-1][0], number, sentence.safety)
        else:
            runs.append((number, number, sentence.safety))
    spans = []
    before = Safety()
    for first, last, safety in runs:
        spans.append(
            SafetySpan(first=first, last=last, safety=safety, flag=_flag(safety, before), meaning=_meaning(safety), remedy=_remedy(safety))
        )
        before = safety
    return tuple(spans)


def _flag(safety: Safety, before: Safety) -> str | None:
    if safety.verdict is Verdict.NOT_RETURNED:
        return None
    if (safety.verdict, safety.need_clear_history) == (before.verdict, before.need_clear_history):
        return "ban_round"
    return "is_safe" if safety.need_clear_history is None else "need_clear_history"


def _meaning(safety: Safety) -> Message:
    if safety.verdict is Verdict.NOT_RETURNED:
        return message("Nothing is said of safety. That is not the same as safe.")
    if safety.verdict is Verdict.SAFE:
        return message("The endpoint found nothing against the input.")
    if safety.ban_round == -1:
        return message("The endpoint found the input unsafe: the present question is at fault.")
    if safety.ban_round is not None:
        return message("The endpoint found the input unsafe: round {round} is at fault.", round=safety.ban_round)
    return message("The endpoint found the input unsafe.")


def _remedy(safety: Safety) -> Message | None:
    if safety.verdict is Verdict.FLAGGED and safety.need_clear_history:
        return message("Begin anew with another prompt: what continues this one sends it along again.")
    if safety.verdict is Verdict.FLAGGED:
        return message("Change the prompt and run again; do not rely on this answer.")
    return None


class Mark(StrEnum):
    """A way in which an answer is not whole."""

    NO_END = "no end"
    GAP = "gap"
    REPEAT = "repeat"
    ORDER = "order"
    TRUNCATED = "truncated"
    LENGTH = "length"


@dataclass(frozen=True, kw_only=True)
class Badge:
    """One finding: a few words, a sentence that explains them, the sentences where it shows, and whether going on from there makes sense."""

    mark: Mark
    words: Message
    meaning: Message
    places: tuple[int, ...] = ()
    goes_on: bool = False


def badges(sentences: Iterable[Sentence], ending: Ending | None = None) -> tuple[Badge, ...]:
    """Return in which ways an answer is not whole. Without an `ending` the end mark alone tells whether it was cut."""
    rows = list(filter(counts, sentences))
    found = []
    if ending is Ending.CUT or (ending is None and not any(row.is_end for row in rows)):
        found.append(Badge(
            mark=Mark.NO_END, words=message("no end mark"), goes_on=bool(rows), places=(len(rows),) if rows else (),
            meaning=message("The stream closed before any sentence said that it is the last: more may have been meant to come."),
        ))
    truncated = [number for number, row in enumerate(rows, 1) if row.is_truncated]
    if truncated:
        found.append(Badge(
            mark=Mark.TRUNCATED, words=message("cut: the context is full"), goes_on=True, places=tuple(truncated[:_NAMED]),
            meaning=message("The endpoint states is_truncated: prompt and answer together reached the length it allows."),
        ))
    elif any(row.finish_reason == "length" for row in rows):
        found.append(Badge(
            mark=Mark.LENGTH, words=message("ended at the length cap"), goes_on=True, places=(len(rows),),
            meaning=message("The endpoint states finish_reason length: the answer reached a limit before its own end."),
        ))
    return (*found, *_numbering([row.sentence_id for row in rows]))


def _numbering(stated: Sequence[int | None]) -> list[Badge]:
    """Numbers count 0, 1, 2 and on, as documented. What is missing, came twice, or came after a later one is told."""
    seen: set[int] = set()
    highest = -1
    repeated: list[tuple[int, int]] = []
    late: list[tuple[int, int]] = []
    for place, number in enumerate(stated, 1):
        if number is None:
            continue
        if number in seen:
            repeated.append((place, number))
        elif number < highest:
            late.append((place, number))
        seen.add(number)
        highest = max(highest, number)
    known = sorted({-1, *(number for number in seen if number >= 0)})
    missing = [(before + 1, after - 1) for before, after in pairwise(known) if after > before + 1]
    found = []
    if missing:
        after = {number: place for place, number in reversed(list(enumerate(stated, 1))) if number is not None}
        found.append(Badge(
            mark=Mark.GAP, words=message("sentence numbers jump"), places=tuple(sorted(after[last + 1] for _, last in missing[:_NAMED])),
            meaning=message("sentence_id {numbers} did not come: text may be missing there.", numbers=_named([_span(*one) for one in missing])),
        ))
    if repeated:
        found.append(Badge(
            mark=Mark.REPEAT, words=message("sentence numbers repeat"), places=tuple(place for place, _ in repeated[:_NAMED]),
            meaning=message("sentence_id {numbers} came more than once: text may stand there twice.",
                            numbers=_named([str(number) for number in sorted({number for _, number in repeated})])),
        ))
    if late:
        found.append(Badge(
            mark=Mark.ORDER, words=message("sentences out of order"), places=tuple(place for place, _ in late[:_NAMED]),
            meaning=message("sentence_id {numbers} came after a later one: the text stands in the order of arrival.",
                            numbers=_named([str(number) for _, number in late])),
        ))
    return found


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"


def _named(numbers: Sequence[str]) -> str:
    return ", ".join([*(number[:_LONGEST] for number in numbers[:_NAMED]), *(["…"] if len(numbers) > _NAMED else [])])
