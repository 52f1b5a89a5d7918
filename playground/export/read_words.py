"""What the readers of a paste share: the refusal, and what an escape in a string means in each language."""

import re
import unicodedata

from playground.message import Message, message


class Unreadable(Exception):
    """A paste, or a part of it, that cannot be read; `message` says why."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u+([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|u\{([0-9a-fA-F]{1,6})\}|N\{([^}]{1,80})\}|([0-7]{1,3})|(.))", re.S)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "E": "\x1b", "\n": "", "s": " "}
_KNOWN = {
    "json": 'ntrbf"\\/',
    "python": "ntrbfva\\'\"\n",
    "go": "ntrbfva\\'\"",
    "java": "ntrbfs\\'\"\n",
    "node": "ntrbfv\n",
    "shell": "ntrbfvaeE\\'\"?",
}


def unescape(text: str, language: str) -> str:
    """Return what the inside of a string means. Raises `Unreadable` for an escape that the language has not."""
    if "\\" not in text:
        return text

    def one(found: re.Match[str]) -> str:
        x, u, wide, braced, name, octal, other = found.groups()
        number = x or u or wide or braced
        if number:
            code = int(number, 16)
            if code > 0x10FFFF or (x and code > 127 and language in ("go", "shell")):
                raise Unreadable(message("“{escape}” cannot be read.", escape=found[0]))
            return chr(code)
        if octal:
            return chr(int(octal, 8))
        if name and language == "python":
            try:
                return unicodedata.lookup(name)
            except KeyError:
                raise Unreadable(message("“{escape}” cannot be read.", escape=found[0])) from None
        if other is None or other not in _KNOWN[language]:
            if language in ("python", "shell"):
                return found[0]
            if language == "node" and other is not None:
                return other
            raise Unreadable(message("“{escape}” cannot be read.", escape=found[0]))
        return _SIMPLE.get(other, other)

    read = _ESCAPE.sub(one, text)
    if any("\ud800" <= c <= "\udfff" for c in read):
        read = read.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return read
