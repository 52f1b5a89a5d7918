"""Code in a paste, read token by token as far as its literals go: JSON-like objects, Python, Go, Java and JavaScript.

No parser of a whole language is needed, and none would do: examples lose their indentation, their case or their last bracket
on the way through a document. So tokens are looked through for what can hold a request: an object with a known field, a call
with named arguments, a struct, a chain of setters. Nothing is evaluated beyond joining texts that stand side by side.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from playground.export.read_tokens import END, NUMBER, OPEN_QUOTE, Token, number, read_tokens
from playground.export.read_words import Unreadable
from playground.message import message

DEEPEST = 12


class _Unknown:
    """A value that is no literal: a call, a variable from elsewhere."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = _Unknown()
_FIELDS = {
    "Prompt": "prompt", "Temperature": "temperature", "TopP": "top_p", "TopK": "top_k", "PenaltyScore": "penalty_score", "Stop": "stop",
    "UserID": "user_id", "topP": "top_p", "topK": "top_k", "penaltyScore": "penalty_score", "userId": "user_id",
}
_KNOWN = {"prompt", "temperature", "top_p", "top_k", "penalty_score", "stop", "user_id", "stream"}
_SECRET = re.compile(
    r"(?:QIANFAN_)?(?:AK|SK|ACCESS_?KEY|SECRET_?KEY|ACCESS_?TOKEN|BEARER_?TOKEN|API_?KEY|client_id|client_secret|authorization)", re.I
)
_BASE = re.compile(r"(?:QIANFAN_)?(?:CONSOLE_API_)?BASE_?URL", re.I)
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None, "nil": None, "undefined": None}


@dataclass
class Code:
    """What code says of a request. `cut` is true if an object ended without its bracket."""

    fields: dict[str, Any] = field(default_factory=dict)
    urls: list[str] = field(default_factory=list)
    base_urls: list[str] = field(default_factory=list)
    endpoints: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    cut: bool = False


def read_code(text: str, language: str) -> Code:
    """Read what the code says. Raises `Unreadable` where a quote is never closed, or a value of the request is no literal."""
    code = Code()
    tokens = read_tokens(text, language)
    open_quote = bool(tokens) and tokens[-1] == OPEN_QUOTE
    _Reader(tokens, language, code).read()
    prompt = code.fields.get("prompt", UNKNOWN)
    if open_quote and prompt is UNKNOWN:
        raise Unreadable(message("A quotation mark is opened and never closed."))
    code.urls = [address for address in code.urls if address != prompt]
    for name, value in code.fields.items():
        if name in _KNOWN and _holds_unknown(value):
            raise Unreadable(message("{name} is not written out in the paste: put its value there.", name=name))
    return code


def _holds_unknown(value: Any) -> bool:
    return value is UNKNOWN or (isinstance(value, list) and any(item is UNKNOWN for item in value))


class _Reader:
    def __init__(self, tokens: list[Token], language: str, code: Code) -> None:
        self.tokens = tokens
        self.language = language
        self.code = code
        self.at = 0
        self.variables: dict[str, Any] = {}

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else END

    def mark(self, text: str, ahead: int = 0) -> bool:
        return self.peek(ahead) == ("mark", text)

    def take(self, text: str) -> bool:
        if self.mark(text):
            self.at += 1
            return True
        return False

    def read(self) -> None:
        """Walk over the tokens; whatever reads something leaves the walk behind it."""
        while self.at < len(self.tokens):
            kind, value = self.peek()
            self.look_for_facts(kind, value)
            if kind == "mark" and value == "{" and self.is_entry(1):
                self.at += 1
                self.offer(self.entries("}", 1))
            elif kind == "name" and self.mark("(", 1):
                self.call(value)
            elif kind == "name" and self.language == "go" and value == "CompletionRequest" and self.mark("{", 1):
                self.at += 2
                self.offer(self.entries("}", 1))
            elif kind == "name" and self.assignment():
                pass
            else:
                self.at += 1

    def look_for_facts(self, kind: str, value: Any) -> None:
        """Note keys, base URLs and endpoints that stand beside their name, and addresses that stand alone."""
        self.note_address(kind, value)
        if kind not in ("text", "name") or len(value) > 40:
            return
        ahead = 1
        while self.mark("]", ahead) or self.mark(")", ahead):
            ahead += 1
            if ahead > 3:
                return
        if not any(self.mark(mark, ahead) for mark in "=:,"):
            return
        ahead += 2 if self.mark(":", ahead) and self.mark("=", ahead + 1) else 1
        beside_kind, beside = self.peek(ahead)
        if beside_kind != "text":
            return
        if _SECRET.fullmatch(value):
            self.code.secrets.append(beside)
        elif _BASE.fullmatch(value):
            self.code.base_urls.append(beside)
        elif value in ("endpoint", "Endpoint"):
            self.code.endpoints.append(beside)

    def note_address(self, kind: str, value: Any) -> None:
        if kind in ("text", "unknown") and value[:4].lower() == "http":
            self.code.urls.append(value[:5000])

    def is_entry(self, ahead: int) -> bool:
        return self.peek(ahead)[0] in ("text", "name") and self.mark(":", ahead + 1) and not self.mark("=", ahead + 2)

    def offer(self, entries: dict[str, Any]) -> None:
        """Take the first object that speaks of a request; one with a prompt goes before one without."""
        fields = {_FIELDS.get(name, name): value for name, value in entries.items()}
        extra = fields.pop("BaseRequestBody", None)
        if isinstance(extra, dict) and isinstance(extra.get("Extra"), dict):
            fields |= extra["Extra"]
        better = "prompt" in fields and "prompt" not in self.code.fields
        if better or (_KNOWN & fields.keys() and not self.code.fields):
            said = {name: value for name, value in self.code.fields.items() if name == "stream"}
            self.code.fields = {name: value for name, value in fields.items() if name not in ("endpoint", "Endpoint")} | said

    def assignment(self) -> bool:
        """Remember `name = "text"`, in the spelling of any of the languages."""
        ahead = 2 if self.mark(":", 1) and self.mark("=", 2) else 1
        if not self.mark("=", ahead):
            return False
        name, kind = self.peek()[1], self.peek(ahead + 1)[0]
        if kind not in ("text", "number") and not (kind == "mark" and self.peek(ahead + 1)[1] in "[("):
            return False
        self.at += ahead + 1
        before = self.at
        value = self.value(1)
        if isinstance(value, str | int | float | list):
            self.variables[name] = value
        self.at = max(self.at, before + 1)
        return True

    def call(self, name: str) -> None:
        self.at += 2
        if name == "do" and self.language == "python":
            self.at -= 1
            self.offer(self.arguments())
        elif name == "Qianfan" and self.language == "java":
            self.code.secrets += [value for kind, value in (self.peek(), self.peek(2)) if kind == "text"]
        elif name in ("WithEndpoint", "endpoint"):
            if self.peek()[0] == "text":
                self.code.endpoints.append(self.peek()[1])
        elif name in ("Stream", "executeStream"):
            self.code.fields["stream"] = True
        elif self.language == "java" and (name in _KNOWN or name in _FIELDS or name == "setStream"):
            field_name = "stream" if name == "setStream" else _FIELDS.get(name, name)
            self.code.fields[field_name] = self.value(1)

    def arguments(self) -> dict[str, Any]:
        """Read a Python call: the first argument without a name is the prompt."""
        self.at += 1
        found: dict[str, Any] = {}
        while self.at < len(self.tokens) and not self.take(")"):
            name = "prompt"
            if self.peek()[0] == "name" and self.mark("=", 1):
                name = self.peek()[1]
                self.look_for_facts("name", name)
                self.at += 2
            found.setdefault(name, self.whole_value(1, ")"))
            if not self.take(",") and not self.mark(")"):
                self.code.cut = True
                break
        return {name: value for name, value in found.items() if name not in ("endpoint",)}

    def entries(self, closing: str, depth: int) -> dict[str, Any]:
        """Read `key: value` pairs up to the bracket; where neither a comma nor the bracket follows, the rest was lost."""
        if depth > DEEPEST:
            raise Unreadable(message("The paste is nested too deeply."))
        found: dict[str, Any] = {}
        while not self.take(closing):
            if not self.is_entry(0):
                self.code.cut = True
                return found
            kind, name = self.peek()
            self.look_for_facts(kind, name)
            self.at += 2
            found[name] = self.whole_value(depth + 1, closing)
            if not self.take(",") and not self.mark(closing):
                self.code.cut = True
                return found
        return found

    def whole_value(self, depth: int, closing: str) -> Any:
        """Read a value; if it goes on in a way that is not read, it is unknown, and the reading goes on behind it."""
        value = self.value(depth)
        if value is not UNKNOWN and (self.mark(",") or self.mark(closing) or self.peek()[0] in ("end", "name", "text")):
            return value
        open_ = 0
        while self.at < len(self.tokens):
            kind, mark = self.peek()
            if kind == "mark":
                if not open_ and mark in (",", closing):
                    break
                open_ += (mark in "{[(") - (mark in "}])")
            self.at += 1
        return UNKNOWN

    def value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise Unreadable(message("The paste is nested too deeply."))
        kind, value = self.peek()
        if kind == "text":
            return self.text()
        self.at += 1
        if kind == "number":
            return value
        if kind == "name":
            return self.named(value, depth)
        if kind == "mark" and value in "+-" and self.peek()[0] == "number":
            self.at += 1
            found = self.peek(-1)[1]
            return -found if value == "-" else found
        if kind == "mark" and value == "(":
            inner = self.value(depth + 1)
            return inner if self.take(")") else UNKNOWN
        if kind == "mark" and value == "[":
            return self.list(depth)
        if kind == "mark" and value == "{":
            return self.entries("}", depth + 1)
        return UNKNOWN

    def text(self) -> Any:
        """Read texts that stand side by side, with a plus between them where the language wants one."""
        parts = [self.peek()[1]]
        self.note_address(*self.peek())
        self.at += 1
        while True:
            if self.mark("+") and self.peek(1)[0] == "text":
                self.at += 1
            elif not (self.language == "python" and self.peek()[0] == "text"):
                break
            parts.append(self.peek()[1])
            self.at += 1
        return UNKNOWN if self.mark("+") or self.mark("%") or self.mark(".") else "".join(parts)

    def list(self, depth: int) -> Any:
        if self.language == "go" and self.mark("]"):
            self.at += 1
            if self.peek()[0] == "name" and self.mark("{", 1):
                self.at += 2
                return self.items("}", depth)
            return UNKNOWN
        items = self.items("]", depth)
        if self.mark(".") and self.peek(1) == ("name", "join") and self.mark("(", 2) and isinstance(items, list):
            self.at += 3
            between = self.value(depth + 1)
            texts = all(isinstance(item, str) for item in items)
            return between.join(items) if self.take(")") and isinstance(between, str) and texts else UNKNOWN
        return items

    def items(self, closing: str, depth: int) -> Any:
        found: list[Any] = []
        while not self.take(closing):
            if self.at >= len(self.tokens):
                self.code.cut = True
                return UNKNOWN
            found.append(self.whole_value(depth + 1, closing))
            if not self.take(",") and not self.mark(closing):
                self.code.cut = True
                return UNKNOWN
        return found

    def named(self, name: str, depth: int) -> Any:
        """Read what begins with a name: a constant, a variable set above, or one of the calls that only build a value."""
        last = name
        while self.mark(".") and self.peek(1)[0] == "name":
            last = self.peek(1)[1]
            self.at += 2
        if self.language == "go" and name == "map" and self.mark("["):
            self.at += 3
            if self.peek()[0] == "name":
                self.at += 1
            if self.mark("{") and self.mark("}", 1):
                self.at += 2
            return self.entries("}", depth + 1) if self.take("{") else UNKNOWN
        if self.language == "go" and self.take("{"):
            return self.entries("}", depth + 1)
        if self.mark("(") and last in ("join", "asList", "of", "singletonList", "emptyList", "Number", "float64"):
            self.at += 1
            items = self.items(")", depth)
            if not isinstance(items, list) or not items and last in ("join", "Number", "float64"):
                return UNKNOWN
            if last == "join":
                return items[0].join(items[1:]) if all(isinstance(item, str) for item in items) else UNKNOWN
            if last == "Number":
                return number(items[0]) if isinstance(items[0], str) and NUMBER.fullmatch(items[0]) else UNKNOWN
            return items[0] if last == "float64" else items
        if last != name or self.mark("("):
            return UNKNOWN
        if name.lower() in _CONSTANTS:
            return _CONSTANTS[name.lower()]
        return self.variables.get(name, UNKNOWN)
