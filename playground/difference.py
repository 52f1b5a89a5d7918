"""What differs between two runs: their texts by word, by character where a script puts no blanks between words, and their parameters.

Two long texts may cost as much as their lengths multiplied. Here words that stand once in each text are found first and
tie the two together; what lies between is compared in full as long as that is cheap, and beyond that counts as replaced.
"""

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Any, NamedTuple

from playground.message import Message, message
from playground.stops import draw

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+|[^\S\n]+|\n|.", re.S)
# How many pairs of words are compared one by one, and how often what lies between two ties is tied again.
_PAIRS = 1_500_000
_DEPTH = 12


class Kind(StrEnum):
    """Where a piece of text stands: in both, in the one before, in the one after."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


class Piece(NamedTuple):
    """A part of two texts laid over each other."""

    kind: Kind
    text: str


class Change(NamedTuple):
    """A parameter that was sent otherwise; `None` is "not sent"."""

    name: str
    before: Any
    after: Any


class _Span(NamedTuple):
    """What is not the same: the words from `a` to `a_end` became those from `b` to `b_end`."""

    a: int
    a_end: int
    b: int
    b_end: int


def difference(before: str, after: str) -> list[Piece]:
    """Return both texts laid over each other. Without the added pieces they join to `before`, without the removed ones to `after`."""
    a, b = _TOKEN.findall(before), _TOKEN.findall(after)
    pieces: list[Piece] = []

    def put(kind: Kind, words: Sequence[str]) -> None:
        if words:
            pieces.append(Piece(kind, "".join(words)))

    reached = 0
    for change in _readable(a, b, _changes(a, b)):
        put(Kind.SAME, a[reached : change.a])
        put(Kind.REMOVED, a[change.a : change.a_end])
        put(Kind.ADDED, b[change.b : change.b_end])
        reached = change.a_end
    put(Kind.SAME, a[reached:])
    return pieces


def parameter_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the parameters that were sent otherwise, in the order in which they stand."""
    names = dict.fromkeys([*before, *after])
    found = [Change(name, before.get(name), after.get(name)) for name in names]
    return [change for change in found if _plain(change.before) != _plain(change.after)]


def change_words(change: Change) -> Message:
    """Say a change in a few characters: “temperature 0.7 → 0.9”, “stop +⏎”."""
    name, before, after = change
    if isinstance(before or [], list) and isinstance(after or [], list) and (before or after):
        gone, come = Counter(map(str, before or [])), Counter(map(str, after or []))
        marks = [f"−{draw(text)[:20]}" for text in (gone - come).elements()] + [f"+{draw(text)[:20]}" for text in (come - gone).elements()]
        return Message("{name} {marks}", {"name": name, "marks": " ".join(marks)}) if marks else message("{name} in another order", name=name)
    if after is None:
        return message("{name} not sent", name=name)
    if before is None:
        return Message("{name} {value}", {"name": name, "value": value_words(after)})
    return Message("{name} {before} → {after}", {"name": name, "before": value_words(before), "after": value_words(after)})


def value_words(value: Any) -> str:
    """Return a parameter's value as a person reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(draw(str(part)) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    """An empty list is sent as little as nothing; and `True` is no 1."""
    return None if value is None or value == [] else (isinstance(value, bool), value)


def _changes(a: Sequence[str], b: Sequence[str]) -> list[_Span]:
    """Return where two lists of words are not the same, in order."""
    room, found = _PAIRS, list[_Span]()
    waiting = [(_Span(0, len(a), 0, len(b)), 0)]
    while waiting:
        span, depth = waiting.pop()
        span = _inner(a, b, span)
        if span.a == span.a_end or span.b == span.b_end:
            if span.a < span.a_end or span.b < span.b_end:
                found.append(span)
            continue
        ties = _ties(a, b, span) if depth < _DEPTH else []
        pairs = (span.a_end - span.a) * (span.b_end - span.b)
        if ties:
            waiting += [(part, depth + 1) for part in _between(span, ties)]
        elif pairs <= room:
            room -= pairs
            found += (part for part in _between(span, _common(a, b, span)) if part.a < part.a_end or part.b < part.b_end)
        else:
            found.append(span)
    return sorted(found)


def _inner(a: Sequence[str], b: Sequence[str], span: _Span) -> _Span:
    """Leave off what two spans begin and end with alike."""
    start, start_b, end, end_b = span.a, span.b, span.a_end, span.b_end
    while start < end and start_b < end_b and a[start] == b[start_b]:
        start, start_b = start + 1, start_b + 1
    while start < end and start_b < end_b and a[end - 1] == b[end_b - 1]:
        end, end_b = end - 1, end_b - 1
    return _Span(start, end, start_b, end_b)


def _between(span: _Span, pairs: Sequence[tuple[int, int]]) -> Iterator[_Span]:
    """Yield what lies before, between and after words that are the same."""
    start, start_b = span.a, span.b
    for one, other in pairs:
        yield _Span(start, one, start_b, other)
        start, start_b = one + 1, other + 1
    yield _Span(start, span.a_end, start_b, span.b_end)


def _ties(a: Sequence[str], b: Sequence[str], span: _Span) -> list[tuple[int, int]]:
    """Return the longest row of words, in the same order in both, that stand once in each."""
    first, second = Counter(a[span.a : span.a_end]), Counter(b[span.b : span.b_end])
    places = {b[place]: place for place in range(span.b, span.b_end) if second[b[place]] == 1}
    pairs = [(place, places[a[place]]) for place in range(span.a, span.a_end) if first[a[place]] == 1 and a[place] in places]
    ends, tails, links = list[int](), list[int](), list[int]()
    for number, (_, other) in enumerate(pairs):
        length = bisect_left(ends, other)
        links.append(tails[length - 1] if length else -1)
        if length == len(ends):
            ends.append(other)
            tails.append(number)
        else:
            ends[length], tails[length] = other, number
    row, at = list[tuple[int, int]](), tails[-1] if tails else -1
    while at >= 0:
        row.append(pairs[at])
        at = links[at]
    return row[::-1]


def _common(a: Sequence[str], b: Sequence[str], span: _Span) -> list[tuple[int, int]]:
    """Return the longest row of words that both have in the same order, by comparing each with each."""
    width = span.b_end - span.b
    rows = [array("L", bytes(array("L").itemsize * (width + 1)))]
    for place in range(span.a_end - 1, span.a - 1, -1):
        below, word = rows[-1], a[place]
        row = array("L", below)
        for other in range(width - 1, -1, -1):
            row[other] = below[other + 1] + 1 if b[span.b + other] == word else max(below[other], row[other + 1])
        rows.append(row)
    rows.reverse()
    pairs, one, other = list[tuple[int, int]](), 0, 0
    while one < len(rows) - 1 and other < width:
        if a[span.a + one] == b[span.b + other]:
            pairs.append((span.a + one, span.b + other))
            one, other = one + 1, other + 1
        elif rows[one + 1][other] >= rows[one][other + 1]:
            one += 1
        else:
            other += 1
    return pairs


def _readable(a: Sequence[str], b: Sequence[str], changes: Sequence[_Span]) -> list[_Span]:
    """Join changes between which less is the same than changed on either side: a text of which crumbs alone are left reads badly."""
    lengths, lengths_b = [0, *accumulate(map(len, a))], [0, *accumulate(map(len, b))]

    def size(span: _Span) -> int:
        return max(lengths[span.a_end] - lengths[span.a], lengths_b[span.b_end] - lengths_b[span.b])

    joined: list[_Span] = []
    for span in changes:
        while joined and lengths[span.a] - lengths[joined[-1].a_end] <= min(size(joined[-1]), size(span)):
            last = joined.pop()
            span = _Span(last.a, span.a_end, last.b, span.b_end)
        joined.append(span)
    return joined
