"""Two settings of one parameter that should make different texts, inside an endpoint's bounds, and the request that shows it."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from playground.completion import CompletionRequest
from playground.endpoints import Endpoint
from playground.parameters import ParameterSpec
from playground.trial import nearest, stops_within

_PROMPT = "The best thing about living near the sea is"
_REPEATING = "The wheels go round and round and round and round and"
_TOKENS = 48
_COLD, _WARM = 0.01, 1.0


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Two settings that should make different texts, and what is sent beside both so that the difference can show.

    A setting without values leaves the parameter out. The stop list's `b` is filled from a first answer: a word of it.
    """

    name: str
    a: Mapping[str, Any]
    b: Mapping[str, Any]
    beside: Mapping[str, Any]
    prompt: str

    @property
    def from_answer(self) -> bool:
        """Whether `b` waits for a first answer."""
        return not self.b

    def request(self, setting: Mapping[str, Any]) -> CompletionRequest:
        """Return the request of one side."""
        return CompletionRequest(prompt=self.prompt, parameters={**self.beside, **setting})


_PAIRS: Mapping[str, tuple[float, float]] = {
    "temperature": (_COLD, _WARM), "top_p": (0.05, 1.0), "top_k": (1, 50), "min_p": (0.0, 0.9), "seed": (1, 2), "max_tokens": (4, 32),
    "penalty_score": (1.0, 2.0), "repetition_penalty": (1.0, 2.0), "repeat_penalty": (1.0, 2.0),
    "frequency_penalty": (0.0, 2.0), "presence_penalty": (0.0, 2.0),
}
# Penalties show where the likeliest text repeats itself; these and the others of the cold where each answer is nearly the same.
_PENALTIES = ("penalty_score", "repetition_penalty", "repeat_penalty", "frequency_penalty", "presence_penalty")
_SHOWN_COLD = (*_PENALTIES, "max_tokens", "stop")


def contrast(spec: ParameterSpec, endpoint: Endpoint) -> Contrast | None:
    """Return the two settings for a parameter of an endpoint, inside its bounds; `None` if there are no two to compare."""
    specs = {one.name: one for one in endpoint.parameters}
    beside: dict[str, Any] = {}
    if "temperature" in specs and spec.name != "temperature":
        beside["temperature"] = nearest(specs["temperature"], _COLD if spec.name in _SHOWN_COLD else _WARM)
    if "max_tokens" in specs and spec.name != "max_tokens":
        beside["max_tokens"] = nearest(specs["max_tokens"], _TOKENS)
    if "stream" in specs:
        beside["stream"] = True
    prompt = (_REPEATING if spec.name in _PENALTIES else endpoint.example or _PROMPT)[: endpoint.prompt_limit]
    if spec.kind == "texts":
        return Contrast(name=spec.name, a={}, b={}, beside=beside, prompt=prompt) if spec.max_items != 0 else None
    if not spec.is_number:
        return None
    low, high = _pair(spec)
    if low == high:
        return None
    return Contrast(name=spec.name, a={spec.name: low}, b={spec.name: high}, beside=beside, prompt=prompt)


def _pair(spec: ParameterSpec) -> tuple[float, float]:
    """The two values wanted, moved into the bounds; where they meet there, or none are known, the bounds' own ends."""
    if spec.name in _PAIRS:
        low, high = (nearest(spec, value) for value in _PAIRS[spec.name])
        if low != high:
            return low, high
    end = spec.maximum if spec.maximum is not None else spec.slider_maximum
    low = nearest(spec, spec.minimum if spec.minimum is not None else 0)
    return low, low if end is None else nearest(spec, end)


def frequent_stop(answer: str, spec: ParameterSpec) -> list[str]:
    """Return a stop list of the word that stands most often in an answer and leaves something to cut behind it; empty if none does.

    Beyond ASCII a single character stands for a word: Chinese puts nothing between them.
    """
    words = [part for word in re.findall(r"[^\W_]+", answer) for part in ([word] if word.isascii() else word)]
    cutting = Counter(word for word in words if answer.find(word) + len(word) < len(answer.rstrip()) - 1)
    return stops_within(replace(spec, max_items=1), [word for word, _ in cutting.most_common()])
