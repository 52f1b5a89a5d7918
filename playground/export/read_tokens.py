"""Code in a paste as tokens: texts with their meaning, numbers, names and marks; comments and all else are passed over.

One reader for JSON, Python, Go, Java and JavaScript. Each pattern is possessive or has one way to match, so that the work
grows with the length of the paste and no faster.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from playground.export.read_words import Unreadable, unescape
from playground.message import message

# A request as code has some hundred tokens; this bounds the work for a paste that is no code at all.
MOST_TOKENS = 100_000

END = ("end", "")
OPEN_QUOTE = ("open quote", "")

Token = tuple[str, Any]

_SPACE = re.compile(r"\s+")
_HASH = re.compile(r"#[^\n]*")
_SLASHES = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.S)
NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFdDlLnN]?(?!\w)")
_NAME = re.compile(r"[^\W\d]\w*")
_PREFIX = re.compile(r"[rbuRBUfF]{1,2}(?=[\"'])")
_OTHER = re.compile(r"[^\w\s\"'`#/{}\[\]():,=+.\-]+")
_BODIES = {
    '"': re.compile(r'(?:[^"\\\n]|\\.)*+"', re.S),
    "'": re.compile(r"(?:[^'\\\n]|\\.)*+'", re.S),
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*+"""', re.S),
    "'''": re.compile(r"(?:[^'\\]|\\.|'(?!''))*+'''", re.S),
    "`": re.compile(r"(?:[^`\\]|\\.)*+`", re.S),
}
_RAW = re.compile(r"[^`]*+`")


def read_tokens(text: str, language: str) -> list[Token]:
    """Return the tokens, the last one `OPEN_QUOTE` where a text never ends. Raises `Unreadable`."""
    tokens = list(islice(_tokens(text, language), MOST_TOKENS + 1))
    if len(tokens) > MOST_TOKENS:
        raise Unreadable(message("The paste is too long to be code of one request."))
    return tokens


def _tokens(text: str, language: str) -> Iterator[Token]:
    at, comment = 0, _HASH if language == "python" else _SLASHES
    while at < len(text):
        character = text[at]
        if character.isspace():
            found = _SPACE.match(text, at)
        elif character in "#/":
            found = comment.match(text, at) if language != "json" else None
        else:
            found = None
        if found:
            at = found.end()
            continue
        prefix = _PREFIX.match(text, at) if language == "python" and character in "rbuRBUfF" else None
        if prefix or character in "\"'`":
            token, at = _string(text, prefix.end() if prefix else at, prefix[0].lower() if prefix else "", language)
            yield token
            if token == OPEN_QUOTE:
                return
        elif character.isdecimal() or (character == "." and text[at + 1:at + 2].isdecimal()):
            digits = NUMBER.match(text, at)
            yield ("number", number(digits[0])) if digits else ("mark", character)
            at = digits.end() if digits else at + 1
        elif name := _NAME.match(text, at):
            yield "name", name[0]
            at = name.end()
        else:
            other = _OTHER.match(text, at)
            yield "mark", character
            at = other.end() if other else at + 1


def _string(text: str, at: int, prefix: str, language: str) -> tuple[Token, int]:
    quote = text[at]
    if language in ("python", "java") and text.startswith(quote * 3, at) and quote != "`":
        quote *= 3
    start = at + len(quote)
    raw = language == "go" and quote == "`"
    found = (_RAW if raw else _BODIES[quote]).match(text, start)
    if found is None:
        return OPEN_QUOTE, len(text)
    inside = text[start:found.end() - len(quote)]
    if "f" in prefix or "b" in prefix or (quote == "`" and not raw and "${" in inside):
        return ("unknown", inside), found.end()
    if language == "java" and len(quote) == 3:
        return ("unknown", inside), found.end()
    if raw or "r" in prefix:
        return ("text", inside), found.end()
    return ("text", unescape(inside, "node" if language == "json" and quote != '"' else language)), found.end()


def number(text: str) -> float | int:
    """Return a number as any of the languages writes it."""
    plain = text.replace("_", "")
    if not plain.lower().startswith("0x"):
        plain = plain.rstrip("fFdDlLnN")
    try:
        return int(plain, 0) if re.fullmatch(r"\d+|0[xX]\w+", plain) and not re.fullmatch(r"0\d+", plain) else float(plain)
    except ValueError:
        raise Unreadable(message("A number in the paste is too long.")) from None
