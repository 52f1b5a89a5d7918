"""One literal function per language: any text that can be sent goes in, source text that means exactly it comes out.

What a reader cannot see (control characters, line separators, direction marks, a byte-order mark) is always written as an
escape, so that no literal depends on how a file is stored, shown or pasted; all else stays readable, Chinese and emoji
included. Lone surrogates never arrive here: the parameter check refuses them.
"""

import json
import re
from collections.abc import Callable
from typing import Any

# More lines than this, or longer pieces, are written as a reader would not want to see them anyway: on one line.
MOST_LINES = 200
# Java keeps a constant in at most 65,535 bytes, and a character takes up to six of them.
JAVA_PIECE = 8_000

_JOINT = re.compile(r"\n(?!\Z)")
_WRITTEN = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def lines(text: str) -> list[str]:
    """Return the lines of a text, each with its end, if it is worth showing them as lines; else the text as it is."""
    return re.split(r"(?<=\n)(?!\Z)", text) if 0 < len(_JOINT.findall(text)) < MOST_LINES else [text]


def shell(text: str) -> str:
    """Return a word for any POSIX shell. A shell cannot hold NUL: bodies travel in a here-document instead."""
    return "'" + text.replace("'", "'\\''") + "'"


def json_text(value: Any) -> str:
    """Return JSON to read, for a here-document: only its own line ends are line ends."""
    return "".join(c if c == "\n" or c.isprintable() else _utf16(c) for c in json.dumps(value, ensure_ascii=False, indent=2))


def python(text: str) -> str:
    """Return a Python string."""
    return _quoted(text, lambda c: f"\\x{ord(c):02x}" if ord(c) < 256 else _wide(c))


def go(text: str) -> str:
    """Return an interpreted Go string. `\\x` would mean a byte there, so it is never used."""
    return _quoted(text, _wide)


def go_raw(text: str) -> str | None:
    """Return a raw Go string, or `None` for a text it cannot hold."""
    fits = all(c in "\n\t" or (c.isprintable() and c != "`") for c in text)
    return f"`{text}`" if fits else None


def java(text: str) -> str:
    """Return a Java string. Java reads `\\u000a` as a line end before it reads the string, so ASCII is written in octal."""
    return _quoted(text, lambda c: f"\\{ord(c):03o}" if ord(c) < 128 else _utf16(c))


def javascript(text: str) -> str:
    """Return a JavaScript string."""
    return _quoted(text, lambda c: f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{{{ord(c):x}}}" if ord(c) > 0xFFFF else _wide(c))


def _quoted(text: str, escape: Callable[[str], str]) -> str:
    return '"' + "".join(_WRITTEN.get(c) or (c if c.isprintable() else escape(c)) for c in text) + '"'


def _wide(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
