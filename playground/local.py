"""What the app knows of the model on its own computer. The model itself is reached only as an endpoint, over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass

from playground.errors import ConfigurationError
from playground.message import Message


@dataclass(frozen=True, kw_only=True)
class LocalModel:
    """The model as it stands now. `off` says why it cannot be used; `fetched` is (bytes here, bytes in all) while it comes.

    `prompt_limit` is in characters, `length` the most tokens of one answer.
    """

    title: str
    note: Message
    prompt_limit: int
    length: int
    off: ConfigurationError | None = None
    fetched: tuple[int, int] | None = None


LookUp = Callable[[], LocalModel | None]
