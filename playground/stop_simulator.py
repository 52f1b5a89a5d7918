"""Where a stop list would have cut a text, and which entries can never act. Nothing is asked of any endpoint.

The documented rule: generation stops when the text so far ends with an entry. Whether the service keeps the entry's
text in its answer is not documented.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from playground.message import Message, message
from playground.stops import draw

_FULL_WIDTH = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)} | {".": "。", ",": "，", " ": "\u3000"}
_HALF_WIDTH = {full: half for half, full in _FULL_WIDTH.items()} | {"．": "."}


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The first place where an entry would have stopped a text: characters `start` to `end`.

    `sentence` is the sentence in which it is completed, `seam` whether it began in an earlier one.
    """

    stop: str
    start: int
    end: int
    sentence: int
    seam: bool


def simulate(sentences: Sequence[str], stops: Sequence[str]) -> list[Cut]:
    """Return each entry's first cut, the earliest first; the first of the list is where generation would have ended."""
    text = "".join(sentences)
    ends = list(accumulate(map(len, sentences)))
    cuts = []
    for stop in stops:
        start = text.find(stop) if stop else -1
        if start < 0:
            continue
        end = start + len(stop)
        sentence = next(place for place, sentence_end in enumerate(ends) if sentence_end >= end)
        begins = ends[sentence - 1] if sentence else 0
        cuts.append(Cut(stop=stop, start=start, end=end, sentence=sentence, seam=start < begins))
    return sorted(cuts, key=lambda cut: (cut.end, -cut.start))


def stop_notes(stops: Sequence[str]) -> dict[int, Message]:
    """Return a note for each entry (by its place) that another one always forestalls, or that differs from it only in width."""
    notes: dict[int, Message] = {}
    for place, stop in enumerate(stops):
        for other_place, other in enumerate(stops):
            if other_place == place or not stop or not other:
                continue
            if stop != other and other in stop:
                notes[place] = (
                    message("Never acts: a text that ends with it ends with “{other}” too.", other=draw(other))
                    if stop.endswith(other)
                    else message("Never acts: “{other}” in it stops first.", other=draw(other))
                )
                break
            if stop != other and half_width(stop) == half_width(other):
                notes[place] = message("Differs from “{other}” only in width; each stops only its own form.", other=draw(other))
                break
    return notes


def twin_note(stop: str) -> Message | None:
    """Return a word about an entry's form of the other width, where it is a punctuation mark that has one."""
    twin = _twin(stop)
    return None if twin is None else message("“{twin}” is another character and is not stopped by it.", twin=draw(twin))


def half_width(text: str) -> str:
    """Return the text with full-width forms replaced by their half-width ones."""
    return "".join(_HALF_WIDTH.get(character, character) for character in text)


def _twin(stop: str) -> str | None:
    """The other-width form of an entry that is all punctuation; letters and digits are left in peace."""
    if not stop or not all(half_width(c) in _FULL_WIDTH and not half_width(c).isalnum() and half_width(c) != " " for c in stop):
        return None
    if half_width(stop) != stop:
        return half_width(stop)
    return "".join(_FULL_WIDTH[c] for c in stop) if all(c in ".,!?:;()" for c in stop) else None
