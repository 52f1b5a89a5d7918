"""Stop sequences as people type and see them: escapes for what a text box cannot hold, and drawn marks for what hides."""

import re

from playground.errors import ParameterError
from playground.message import message

_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_WRITTEN = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}
_DRAWN = {"\n": "⏎", "\t": "⇥", "\r": "␍", " ": "␣", "\u3000": "□"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.?)", re.S)


def decode(typed: str) -> str:
    """Read `\\n`, `\\t`, `\\r`, `\\\\`, `\\uXXXX` and `\\UXXXXXXXX`; anything else stands for itself.

    Raises `ParameterError` for a backslash that begins none of them.
    """

    def one(found: re.Match[str]) -> str:
        code = found.group(1)
        if code in _SIMPLE:
            return _SIMPLE[code]
        if len(code) > 1 and int(code[1:], 16) <= 0x10FFFF:
            return chr(int(code[1:], 16))
        raise ParameterError(
            "stop",
            message("“\\{code}” is no escape.", code=code),
            message("Write \\n, \\t, \\r, \\u and four hexadecimal digits, or \\\\ for a backslash."),
        )

    return _ESCAPE.sub(one, typed)


def encode(text: str) -> str:
    """Return the text as one would type it; `decode(encode(x)) == x` for every x that may be sent."""
    return "".join(_WRITTEN.get(c) or (c if c.isprintable() else _escaped(c)) for c in text)


def draw(text: str) -> str:
    """Return the text with marks for line ends, tabs and blanks, to be looked at."""
    return "".join(_DRAWN.get(c) or (c if c.isprintable() else _escaped(c)) for c in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
