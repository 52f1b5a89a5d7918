"""Quiet words about a setting: what makes another inert, what the documentation advises against. Never a refusal."""

from collections.abc import Mapping
from typing import Any

from playground.message import Message, message


def advice(values: Mapping[str, Any], *, advises_one_of_temperature_and_top_p: bool = False) -> dict[str, Message]:
    """Return notes by the parameter they stand beside, for the values that will be sent."""
    notes: dict[str, Message] = {}
    temperature, top_p, top_k = values.get("temperature"), values.get("top_p"), values.get("top_k")
    if temperature == 0:
        inert = [name for name in ("top_p", "top_k", "min_p") if values.get(name) is not None]
        notes["temperature"] = (
            message("With temperature 0 the likeliest token is always taken: {names} changes nothing.", names=", ".join(inert))
            if inert
            else message("With temperature 0 the likeliest token is always taken: each run gives the same text.")
        )
    elif top_k == 1:
        inert = [name for name, value in (("temperature", temperature), ("top_p", top_p)) if value is not None]
        notes["top_k"] = (
            message("With top_k 1 the likeliest token is always taken: {names} changes nothing.", names=", ".join(inert))
            if inert
            else message("With top_k 1 the likeliest token is always taken: each run gives the same text.")
        )
    elif top_p == 0:
        inert = [name for name, value in (("temperature", temperature), ("top_k", top_k)) if value is not None]
        notes["top_p"] = (
            message("With top_p 0 only the likeliest token is left: {names} changes nothing.", names=", ".join(inert))
            if inert
            else message("With top_p 0 only the likeliest token is left: each run gives the same text.")
        )
    elif advises_one_of_temperature_and_top_p and temperature is not None and top_p is not None:
        notes["top_p"] = message("The page for this model advises setting temperature or top_p, not both.")
    for name in ("penalty_score", "repetition_penalty", "repeat_penalty"):
        if values.get(name) == 1:
            notes[name] = message("1 is no penalty; it differs from not sending only if the endpoint's own default is another.")
    return notes
