"""Do two samples of texts differ by more than chance? A distance between texts and an exact permutation test; nothing is asked of any endpoint."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

ALARM = 0.01


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How texts of A and B differ: mean distances within the sides and between them, and how likely that is by chance."""

    within: float
    between: float
    chance: float

    @property
    def acts(self) -> bool:
        """Whether chance is too unlikely an explanation."""
        return self.chance <= ALARM


def compare(a: Sequence[str], b: Sequence[str]) -> Comparison:
    """Compare two samples of texts of equal size by their energy distance, with an exact permutation test.

    With equal sizes the energy distance of a split grows with the sum of its distances across, so that sum is the
    statistic. A second, narrower way to be sure: all of A is one text and no text of B is that one.
    """
    texts, size = [*a, *b], len(a)
    grams = [_grams(text) for text in texts]
    rows = [[_distance(one, other) for other in grams] for one in grams]
    sums = [sum(row) for row in rows]

    def across(side: Sequence[int]) -> float:
        return sum(sums[one] for one in side) - sum(rows[one][other] for one in side for other in side)

    observed = across(range(size))
    # A split and its mirror image have one sum: those that hold the first text stand for all.
    splits = [across((0, *rest)) for rest in combinations(range(1, 2 * size), size - 1)]
    chance = sum(found >= observed - 1e-9 for found in splits) / len(splits)
    if len(set(a)) == 1 and a[0] not in b:
        chance = min(chance, 1 / comb(2 * size, size))
    inner = max(0.0, sum(sums) - 2 * observed)
    return Comparison(within=inner / (2 * size * (size - 1)), between=observed / size**2, chance=chance)


def false_alarm_rate(repeats: int) -> float:
    """Return how often, at most, `compare` says "acts" of settings that make no difference."""
    splits = comb(2 * repeats, repeats)
    return (2 * int(ALARM * splits / 2) + 1) / splits


def _grams(text: str) -> Counter[str]:
    """The runs of three characters in a text, its beginning and end marked, so that no two short texts look the same."""
    marked = f"\x02\x02{text}\x03\x03"
    return Counter(marked[place : place + 3] for place in range(len(marked) - 2))


def _distance(one: Counter[str], other: Counter[str]) -> float:
    """From 0, the same, to 1, nothing in common; lengths count too."""
    shared = sum(min(count, other[gram]) for gram, count in one.items())
    return 1 - 2 * shared / (one.total() + other.total())
