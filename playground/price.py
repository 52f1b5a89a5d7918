"""What tokens cost. A price is stated by whoever configured the endpoint; without one a cost is unknown, never 0."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from playground.completion import Usage
from playground.message import Message, message

_SIGNS = {"CNY": "¥", "USD": "$", "EUR": "€"}


@dataclass(frozen=True, kw_only=True)
class Price:
    """Per 1,000 tokens of the prompt and of the completion, in one currency (its ISO 4217 code)."""

    prompt: Decimal
    completion: Decimal
    currency: str

    def of(self, usage: Usage | None) -> Decimal | None:
        """Return what an answer with this usage cost; `None` if its tokens are not known well enough to say."""
        if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        if usage.prompt_tokens < 0 or usage.completion_tokens < 0:
            return None
        return (self.prompt * usage.prompt_tokens + self.completion * usage.completion_tokens) / 1000

    @property
    def words(self) -> Message:
        """By which price a cost is reckoned, and how far to trust it."""
        return message(
            "An estimate by the price configured for this endpoint: {prompt} for 1,000 tokens of the prompt, {completion} for 1,000 of the answer.",
            prompt=_signed(f"{self.prompt:f}", self.currency), completion=_signed(f"{self.completion:f}", self.currency),
        )


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What several runs cost together: a sum for each currency, those of them that are a lower bound, and how many runs are in none."""

    sums: Mapping[str, Decimal] = field(default_factory=dict)
    at_least: frozenset[str] = frozenset()
    unknown: int = 0

    def plus(self, price: Price | None, usage: Usage | None, *, whole: bool) -> "Spending":
        """Add a run; the usage of one that did not come to its end (`whole` is false) is a lower bound."""
        amount = price.of(usage) if price is not None else None
        if price is None or amount is None:
            return replace(self, unknown=self.unknown + 1)
        return replace(
            self, sums={**self.sums, price.currency: self.sums.get(price.currency, Decimal(0)) + amount},
            at_least=self.at_least if whole else self.at_least | {price.currency},
        )


def money(amount: Decimal, currency: str) -> str:
    """Write an amount as a person wants to read it: two places from 1 on, four below, and never fewer than two figures that count."""
    places = 2 if amount >= 1 or not amount else max(4, 1 - amount.adjusted())
    whole, _, part = f"{amount:,.{places}f}".partition(".")
    return _signed(f"{whole}.{part.rstrip('0'):0<2}", currency)


def _signed(figure: str, currency: str) -> str:
    return f"{_SIGNS[currency]}{figure}" if currency in _SIGNS else f"{currency} {figure}"
