"""What tokens cost. A price is stated by whoever configured the endpoint; without one a cost is unknown, never 0."""

from dataclasses import dataclass
from decimal import Decimal

from playground.completion import Usage


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
        return (self.prompt * usage.prompt_tokens + self.completion * usage.completion_tokens) / 1000
