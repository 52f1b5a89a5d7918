"""A loop while it happens: a span that repeats at the end of the text, and which parameter would help against it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from playground.message import Message, message

_TAIL = 800
_STEP = 160
_LEAST_TIMES = 4
_LEAST_CHARACTERS = 60


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What repeats, and how often in a row by now."""

    span: str
    times: int


class LoopDetector:
    """Fed with text as it arrives, says when its end has become a loop. Cost is bounded for each piece of text."""

    def __init__(self) -> None:
        self._tail = ""
        self._unseen = 0

    def feed(self, text: str) -> Loop | None:
        """Take the next piece; return the loop the text now ends in, if it does."""
        self._tail = (self._tail + text)[-_TAIL:]
        self._unseen += len(text)
        if self._unseen < _STEP:
            return None
        self._unseen = 0
        return find_loop(self._tail)


def find_loop(text: str) -> Loop | None:
    """Return the loop `text` ends in: a span at least four times in a row, sixty characters or more in all.

    The shortest period of every suffix comes from one pass of the prefix function over the text read backwards.
    Blanks alone are no loop worth a word, and a half repeated span at the very end is allowed for. Where the last three quarters
    of the least loop there is are nowhere before, as in nearly all text, there is none.
    """
    end = text[-(_LEAST_CHARACTERS - _LEAST_CHARACTERS // _LEAST_TIMES) :]
    if len(text) < _LEAST_CHARACTERS or text.find(end, 0, len(text) - 1) < 0:
        return None
    backwards = text[::-1]
    border = [0] * len(backwards)
    best: Loop | None = None
    for place in range(1, len(backwards)):
        length = border[place - 1]
        while length and backwards[place] != backwards[length]:
            length = border[length - 1]
        border[place] = length + (backwards[place] == backwards[length])
        size = place + 1
        period = size - border[place]
        times = size // period
        if times >= _LEAST_TIMES and size >= _LEAST_CHARACTERS and (best is None or times * period > best.times * len(best.span)):
            best = Loop(span=backwards[:period][::-1], times=times)
    return best if best is not None and best.span.strip() else None


# What each endpoint calls its penalty on used tokens, and what helps: from, to.
_PENALTIES = {
    "penalty_score": (1.1, 1.3), "repetition_penalty": (1.1, 1.3), "repeat_penalty": (1.1, 1.3), "frequency_penalty": (0.3, 1.0),
}


def loop_advice(values: Mapping[str, Any], names: Collection[str] = ("penalty_score",)) -> Message:
    """Return which parameter would help, given what was sent; `names` are the parameters the endpoint has."""
    top_k, temperature = values.get("top_k"), values.get("temperature")
    if top_k == 1 or values.get("top_p") == 0:
        return message("Only the likeliest token is ever taken: a larger top_k or top_p lets the text find a way out.")
    higher = message("A higher temperature lets the text find a way out.")
    if temperature == 0:
        return higher
    penalty = next((name for name in _PENALTIES if name in names), None)
    if penalty is not None:
        low, high = _PENALTIES[penalty]
        if values.get(penalty) is None or values[penalty] < low:
            return message("A {name} of {low} to {high} makes tokens that were used less likely.", name=penalty, low=f"{low:g}", high=f"{high:g}")
    if penalty is None or (temperature is not None and temperature < 0.5):
        return higher
    return message("A higher {name} or temperature, or a stop sequence, would end it.", name=penalty)
