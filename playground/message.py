"""Sentences for people, kept as English source text and values so that they can be translated where they are drawn.

The core knows no visitor and so no language: it says what happened with `message(...)`, and the page draws it
through the visitor's catalogue. `str()` of a message is its English form, for logs and for tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """English source text with `{name}` places, and the values for them. A value may itself be a `Message`."""

    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def render(self, translate: Callable[[str], str]) -> str:
        """Return the sentence in the language of `translate`, a gettext function."""
        values = {k: v.render(translate) if isinstance(v, Message) else v for k, v in self.values.items()}
        return translate(self.text).format(**values)

    def __str__(self) -> str:
        return self.render(lambda text: text)

    def __hash__(self) -> int:
        return hash(str(self))


def message(text: str, **values: Any) -> Message:
    """Make a `Message`. The extractor collects the first argument of every call of this name."""
    return Message(text, values)


def N_(text: str) -> str:
    """Mark a text for the catalogue without translating it here."""
    return text
