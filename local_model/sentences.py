"""Groups a model's pieces into the sentences of the service: a few words or one clause per event.

The service never sends single tokens; sending them would multiply the cost of every event. A sentence ends after
punctuation once it holds a few words, and at the latest after a good two dozen. The text itself is never touched: the
sentences joined with nothing between them are the pieces joined with nothing between them. No clock: whoever sends
calls `take` when a slow model has kept the reader waiting.
"""

import unicodedata
from dataclasses import dataclass

_SHORT_MARKS = frozenset(",.;:!?")
"""Marks that end a clause only before white space: not in 3.14, 10:30 or a file name."""
_WIDE_MARKS = frozenset("。！？；，、：…\n")
_CLOSERS = frozenset("\"'”’»)]}」』）】》〉")
"""Marks that belong to the clause before them."""
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")
_CLAUSE_WORDS, _CLAUSE_WIDE = 4, 12
_LONGEST_WORDS, _LONGEST_WIDE = 8, 24
_LONGEST_CHARACTERS = 240
"""Where text without any space (an address, a rule of dashes) is cut after all."""


@dataclass
class Grouper:
    """Collects pieces and gives back whole sentences. How the text is cut does not depend on how it was fed."""

    waiting: str = ""

    def feed(self, piece: str) -> list[str]:
        """Add a piece; return the sentences that are now whole, often none."""
        self.waiting += piece
        sentences = []
        while cut := _first_cut(self.waiting):
            sentences.append(self.waiting[:cut])
            self.waiting = self.waiting[cut:]
        return sentences

    def take(self) -> list[str]:
        """Return what waits as a sentence, for a reader who has waited long enough; the answer goes on after it.

        A character that announces more of itself (a joined emoji) stays.
        """
        cut = len(self.waiting)
        if self.waiting.endswith("\u200d"):
            cut -= 1
            while cut and not _divides(self.waiting[cut - 1], self.waiting[cut]):
                cut -= 1
        sentence, self.waiting = self.waiting[:cut], self.waiting[cut:]
        return [sentence] if sentence else []

    def flush(self) -> list[str]:
        """Return everything that waits: the answer is over."""
        sentence, self.waiting = self.waiting, ""
        return [sentence] if sentence else []


def _first_cut(text: str) -> int:
    """Return where the first whole sentence of `text` ends, or 0. The character after the cut must be there already."""
    words = wide = best = 0
    in_word = False
    for place, (before, after) in enumerate(zip(text, text[1:], strict=False), 1):
        if _is_wide(before):
            wide, in_word = wide + 1, False
        elif before.isalnum():
            words, in_word = words + (not in_word), True
        elif before.isspace():
            in_word = False
        if not _divides(before, after):
            continue
        if words / _CLAUSE_WORDS + wide / _CLAUSE_WIDE >= 1 and _ends_clause(text, place):
            return place
        if after.isspace() or _is_wide(before) or _is_wide(after):
            if words / _LONGEST_WORDS + wide / _LONGEST_WIDE >= 1:
                return place
            best = place
        if place >= _LONGEST_CHARACTERS:
            return best or place
    return 0


def _ends_clause(text: str, place: int) -> bool:
    after = text[place]
    if after in _CLOSERS or after in _WIDE_MARKS or after in _SHORT_MARKS:
        return False
    last = place - 1
    while last > 0 and text[last] in _CLOSERS:
        last -= 1
    return text[last] in _WIDE_MARKS or (text[last] in _SHORT_MARKS and after.isspace())


def _is_wide(character: str) -> bool:
    """Whether a character stands for itself, without spaces around it, as in Chinese and Japanese."""
    return character >= "\u2e80" and unicodedata.east_asian_width(character) in "WF" and character.isalnum()


def _divides(before: str, after: str) -> bool:
    """Whether a reader sees two characters here, not a letter and its accent or the halves of one emoji."""
    if after < "\u0300":
        return before != "\u200d" and (before, after) != ("\r", "\n")
    if before == "\u200d" or after in _JOINERS or unicodedata.category(after)[0] == "M":
        return False
    if "\U0001f3fb" <= after <= "\U0001f3ff":
        return False
    return not ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff")
