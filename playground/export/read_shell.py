"""Shell commands in a paste, read word by word as a POSIX shell would, without running or expanding anything but plain text.

Knows quotes of all three kinds, continued lines, comments, here-documents, pipes, and variables that the paste itself sets to
plain text. A command substitution is passed over.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from playground.export.read_words import Unreadable, unescape
from playground.message import message

_PLAIN = re.compile(r"[^\s'\"\\$`|&;<>()#^]+|[#^]")
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.S)
_NAME = re.compile(r"\{(\w+)\}|(\w+)")
_BLANKS = re.compile(r"[ \t\r]+")
_INSIDE_DOUBLE = re.compile(r'[^"\\$`]+')
_HERE = re.compile(r"<<(-?)[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|\\?([\w.-]+))")
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*+)'", re.S)
_DATA = re.compile(r"^(?:-\w*d|--data|--json)", re.M)
_DEEPEST = 20
# A command has some dozen words; this bounds the work for a paste that is no command at all.
_MOST_STEPS = 100_000


@dataclass
class Command:
    """A command's words; its here-document; what is piped into it; variables set before it; whether the paste ended inside it."""

    words: list[str] = field(default_factory=list)
    here_document: str | None = None
    source: "Command | None" = None
    assigned: list[tuple[str, str]] = field(default_factory=list)
    cut: bool = False

    def standard_input(self) -> str | None:
        """Return what comes in, if the paste says it."""
        return self.here_document if self.here_document is not None or self.source is None else _printed(self.source)


def read_commands(text: str) -> Sequence[Command]:
    """Return the commands in order. Raises `Unreadable` for an open quote or bracket, unless a curl with data stands before it."""
    reader = _Reader(text)
    try:
        reader.read()
    except Unreadable:
        if not any(command.words[0].startswith("curl") and _DATA.search("\n".join(command.words)) for command in reader.commands):
            raise
    return reader.commands


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.variables: dict[str, str] = {}
        self.commands: list[Command] = []
        self.command = Command()
        self.piped: Command | None = None
        self.waiting: list[tuple[Command, str, bool, bool]] = []

    def read(self) -> None:
        for _ in range(_MOST_STEPS):
            if self.at >= len(self.text):
                return self.end_command(piped=False)
            character = self.text[self.at]
            if character == "\n":
                self.at += 1
                self.here_documents()
                self.end_command(piped=False)
            elif blank := _BLANKS.match(self.text, self.at):
                self.at = blank.end()
            elif character == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text.startswith(("\\\n", "^\n"), self.at):
                self.at += 2
            elif character == "<":
                self.redirect()
            elif character in "|&;()>":
                self.at += 1
                self.end_command(piped=character == "|")
            else:
                self.word()
        raise Unreadable(message("The paste is too long to be a command."))

    def end_command(self, *, piped: bool) -> None:
        """Close the command; variables that stand alone hold for the commands after them."""
        done, self.command = self.command, Command()
        done.source, self.piped = self.piped, done if piped else None
        if done.words or done.assigned:
            if not done.words:
                self.variables.update(done.assigned)
                done.words = [""]
            self.commands.append(done)

    def word(self) -> None:
        parts: list[str] = []
        start = self.at
        while self.at < len(self.text):
            try:
                part = self.part()
            except Unreadable:
                if not parts or not parts[0].lstrip().startswith("{"):
                    raise
                self.at, self.command.cut = len(self.text), True
                break
            if part is None:
                break
            parts.append(part)
        if self.at == start:
            self.at += 1
            return
        word = "".join(parts)
        assignment = _ASSIGNMENT.fullmatch(word) if not self.command.words else None
        if assignment and self.text[start].isidentifier():
            self.command.assigned.append((assignment[1], assignment[2]))
        elif word in ("export", "$", "%") and not self.command.words:
            return
        else:
            self.command.words.append(word)

    def part(self) -> str | None:
        """Read one quoted or plain piece of a word; `None` where the word ends."""
        character = self.text[self.at]
        if character == "'":
            return self.single()
        if character == '"':
            return self.double()
        if character == "\\":
            piece = self.text[self.at + 1:self.at + 2]
            self.at += 2
            return "" if piece == "\n" else piece
        if character == "$" and self.text.startswith("$'", self.at):
            return self.ansi()
        if character in "$`":
            return self.expansion()
        if character == "^" and self.text.startswith("^\n", self.at):
            return None
        if found := _PLAIN.match(self.text, self.at):
            self.at = found.end()
            return found[0]
        return None

    def single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            return self.unterminated("'")
        piece, self.at = self.text[self.at + 1:end], end + 1
        return piece

    def unterminated(self, quote: str) -> str:
        """A body that was copied without its end is still read; any other open quote is an error."""
        rest = self.text[self.at + 1:]
        if not rest.lstrip().startswith("{") or quote != "'":
            raise Unreadable(message("A quotation mark is opened and never closed."))
        self.at, self.command.cut = len(self.text), True
        return rest

    def ansi(self) -> str:
        found = _ANSI.match(self.text, self.at)
        if found is None:
            raise Unreadable(message("A quotation mark is opened and never closed."))
        self.at = found.end()
        return unescape(found[1], "shell")

    def double(self, depth: int = 0) -> str:
        self.at += 1
        parts: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(parts)
            if character == "\\":
                piece = self.text[self.at + 1:self.at + 2]
                parts.append(piece if piece in ('"', "\\", "$", "`") else "" if piece == "\n" else "\\" + piece)
                self.at += 2
            elif character in "$`":
                parts.append(self.expansion(depth + 1))
            elif found := _INSIDE_DOUBLE.match(self.text, self.at):
                parts.append(found[0])
                self.at = found.end()
        raise Unreadable(message("A quotation mark is opened and never closed."))

    def expansion(self, depth: int = 0) -> str:
        """Read a variable or pass over a substitution; what is not known stays as it is written."""
        start = self.at
        if self.text[start] == "`":
            end = self.text.find("`", start + 1)
            self.at = len(self.text) if end < 0 else end + 1
            return self.text[start:self.at]
        if self.text.startswith("$(", start):
            self.substitution(depth)
            return self.text[start:self.at]
        found = _NAME.match(self.text, start + 1)
        self.at = found.end() if found else start + 1
        return self.variables.get(found[1] or found[2], found.group(0).join(("$", ""))) if found else "$"

    def substitution(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise Unreadable(message("The paste is nested too deeply."))
        self.at += 2
        open_ = 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "'":
                self.single()
            elif character == '"':
                self.double(depth + 1)
            elif character == "\\":
                self.at += 2
            else:
                open_ += (character == "(") - (character == ")")
                self.at += 1
                if not open_:
                    return
        raise Unreadable(message("A bracket is opened and never closed."))

    def redirect(self) -> None:
        if len(self.waiting) < 16 and (found := _HERE.match(self.text, self.at)):
            mark = next(group for group in found.groups()[1:] if group is not None)
            self.waiting.append((self.command, mark, bool(found[1]), found[4] is None or found[0].endswith("\\" + mark)))
            self.at = found.end()
        else:
            self.at += 1

    def here_documents(self) -> None:
        for command, mark, strip, quoted in self.waiting:
            found = re.compile(rf"^\t*{re.escape(mark)}[ \t]*$" if strip else rf"^{re.escape(mark)}[ \t]*$", re.M).search(self.text, self.at)
            end = found.start() if found else len(self.text)
            content = self.text[self.at:end]
            command.cut = found is None
            self.at = min(found.end() + 1, len(self.text)) if found else len(self.text)
            if strip:
                content = re.sub(r"^\t+", "", content, flags=re.M)
            command.here_document = content if quoted else re.sub(r"\\([\\$`])", r"\1", content.replace("\\\n", ""))
        self.waiting = []


def _printed(command: Command) -> str | None:
    """Return what a command that only prints would print."""
    name, words = command.words[0], [word for word in command.words[1:] if word not in ("-n", "-e", "--")]
    if name == "cat" and not words:
        return command.here_document
    if name == "echo":
        return " ".join(words)
    if name == "printf" and words:
        return words[1] if words[0] in ("%s", "%s\n", "%s\\n") and len(words) > 1 else words[0].replace("%%", "%")
    return None
