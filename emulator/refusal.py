"""The one exception of the emulator: a request that is answered with an error code."""


class Refusal(Exception):
    """Answer with this `code`; `words` replace the table's where the service gives a concrete reason."""

    def __init__(self, code: int, words: str | None = None) -> None:
        super().__init__(f"{code}")
        self.code = code
        self.words = words
