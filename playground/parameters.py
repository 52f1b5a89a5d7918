"""A parameter is specified once: bounds, step, texts and source. Controls, checks, requests, code and help derive from it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from playground.errors import ParameterError
from playground.message import Message, message

Kind = Literal["float", "int", "flag", "text", "texts"]


@dataclass(frozen=True, kw_only=True)
class ParameterSpec:
    """One field of a request body.

    `minimum` and `maximum` bound a number; `minimum_open` excludes the lower bound itself. `slider_maximum` is only
    how far the slider reaches where the upper bound is none or out of a hand's reach; larger values can be typed. `max_items` and `max_length`
    (in code points) bound text. `start` is where a control stands when it is first switched on; it is never sent by
    itself: the default of every parameter is "not sent". `help`, `more` and `less` are English source texts.
    """

    name: str
    kind: Kind
    help: str
    more: str = ""
    less: str = ""
    source: str = ""
    minimum: float | None = None
    maximum: float | None = None
    minimum_open: bool = False
    step: float | None = None
    start: float | None = None
    slider_maximum: float | None = None
    max_items: int | None = None
    max_length: int | None = None

    @property
    def is_number(self) -> bool:
        """Whether a slider can stand for it."""
        return self.kind in ("float", "int")

    @property
    def range(self) -> Message:
        """The permitted range in words, with the bound marks of mathematics."""
        if self.kind == "texts":
            if self.max_length is None:
                return message("at most {items} entries", items=self.max_items)
            return message("at most {items} entries of at most {length} characters", items=self.max_items, length=self.max_length)
        low, high = _figure(self.minimum), _figure(self.maximum)
        if self.kind == "int" and self.maximum is None:
            return message("whole numbers from {low}", low=low)
        if self.maximum is None:
            return message("greater than {low}", low=low) if self.minimum_open else message("from {low}", low=low)
        if self.minimum_open:
            return message("greater than {low}, at most {high}", low=low, high=high)
        return message("from {low} to {high}", low=low, high=high)

    def check(self, value: Any) -> Any:
        """Return `value` unchanged if it may be sent; raise `ParameterError` if not. `None` is always permitted."""
        if value is None:
            return None
        if self.is_number:
            self._check_number(value)
        elif self.kind == "flag":
            if not isinstance(value, bool):
                raise self._refuse(message("{name} must be true or false.", name=self.name))
        elif self.kind == "text":
            self._check_text(value)
        else:
            self._check_texts(value)
        return value

    def parse(self, text: str) -> float | int | None:
        """Read a number a person typed; empty means "not sent". Raises `ParameterError` with the reason."""
        typed = text.strip().replace("．", ".")
        if not typed:
            return None
        try:
            if "_" in typed:
                raise ValueError
            value: float | int = int(typed) if self.kind == "int" else float(typed)
        except ValueError:
            wanted = message("a whole number") if self.kind == "int" else message("a number")
            raise self._refuse(message("“{typed}” is not {wanted}.", typed=text, wanted=wanted)) from None
        self.check(value)
        return value

    def _check_number(self, value: Any) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and (self.kind == "int" or not isinstance(value, float)):
            wanted = message("a whole number") if self.kind == "int" else message("a number")
            raise self._refuse(message("{name} must be {wanted}, not {value}.", name=self.name, wanted=wanted, value=repr(value)))
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refuse(message("{name} must be a finite number, not {value}.", name=self.name, value=value))
        low = self.minimum is not None and (value < self.minimum or (self.minimum_open and value == self.minimum))
        if low or (self.maximum is not None and value > self.maximum):
            raise self._refuse(message("{name} must be {range}; {value} is not.", name=self.name, range=self.range, value=value))

    def _check_text(self, value: Any) -> None:
        if not isinstance(value, str):
            raise self._refuse(message("{name} must be text.", name=self.name))
        if _has_lone_surrogate(value):
            raise self._refuse(message("{name} holds half a character (a lone surrogate), which cannot be sent.", name=self.name))
        if self.max_length is not None and len(value) > self.max_length:
            raise self._refuse(
                message("{name} has {length} characters; at most {limit} are permitted.", name=self.name, length=len(value), limit=self.max_length)
            )

    def _check_texts(self, value: Any) -> None:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self._refuse(message("{name} must be a list of texts.", name=self.name))
        if self.max_items is not None and len(value) > self.max_items:
            raise self._refuse(
                message("{name} has {count} entries; at most {limit} are permitted.", name=self.name, count=len(value), limit=self.max_items)
            )
        for number, item in enumerate(value, 1):
            self.check_item(item, number, value[: number - 1])

    def check_item(self, item: str, number: int, before: Iterable[str] = ()) -> None:
        """Check entry `number` (from 1) of a list parameter against the entries `before` it."""
        if not item:
            raise self._refuse(message("Entry {number} of {name} is empty.", number=number, name=self.name))
        if _has_lone_surrogate(item):
            raise self._refuse(message("{name} holds half a character (a lone surrogate), which cannot be sent.", name=self.name))
        if self.max_length is not None and len(item) > self.max_length:
            raise self._refuse(
                message(
                    "Entry {number} of {name} has {length} characters; at most {limit} are permitted.",
                    number=number, name=self.name, length=len(item), limit=self.max_length,
                )
            )
        if item in before:
            raise self._refuse(message("Entry {number} of {name} is there already.", number=number, name=self.name))

    def _refuse(self, reason: Message) -> ParameterError:
        return ParameterError(self.name, reason)


def check_parameters(specs: Iterable[ParameterSpec], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that will be sent, in the table's order; raise `ParameterError` for the first bad one.

    `None` is left out; every other value, zero and false among them, is sent as it is.
    """
    table = {spec.name: spec for spec in specs}
    for name in values:
        if name not in table:
            raise ParameterError(name, message("This endpoint has no parameter “{name}”.", name=name))
    return {name: spec.check(values[name]) for name, spec in table.items() if values.get(name) is not None}


def check_prompt(prompt: str, limit: int) -> str:
    """Return the prompt unchanged if it can be sent. `limit` is in code points (the endpoint's first gate)."""
    if not prompt:
        raise ParameterError("prompt", message("The prompt is empty."), message("Type the text that the model should continue."))
    if len(prompt) > limit:
        raise ParameterError(
            "prompt",
            message("The prompt has {length} characters; this endpoint takes at most {limit}.", length=f"{len(prompt):,}", limit=f"{limit:,}"),
            message("Shorten it. Nothing was sent."),
        )
    if _has_lone_surrogate(prompt):
        raise ParameterError("prompt", message("The prompt holds half a character (a lone surrogate), which cannot be sent."))
    return prompt


def _has_lone_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False


def _figure(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:g}"
