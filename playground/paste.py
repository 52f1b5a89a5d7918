"""Paste to fill: what somebody copied from a document, a terminal or our own export becomes a prompt and parameters.

Nothing pasted is ever run. A shell command is read word by word, code is read token by token as far as its literals go, and
whatever was recognised passes the same check as a typed value. A key or a token is dropped, and said; so is a field that this
service has not. Work grows with the length of the paste and no faster, whatever it holds.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from playground.completion import CompletionRequest
from playground.errors import ParameterError
from playground.export.read_code import Code, read_code
from playground.export.read_shell import Command, read_commands
from playground.export.read_words import Unreadable
from playground.message import Message, message
from playground.parameters import ParameterSpec, check_parameters, check_prompt
from playground.providers import qianfan

MOST_CHARACTERS = 2_000_000
PROMPT_LIMIT = 131_072

# The first line that tells decides; a prompt, which may hold any of these, comes after such a line in every shape we know.
_TELLS = (
    ("json", re.compile(r"\s*[{\[]")),
    ("shell", re.compile(r"\s*(?:#!.*sh\b|(?:[$%>]\s+)?(?:\w+=\S*\s+)*curl(?:\.exe)?\s|\w+=\$\(|export\s+\w+=|(?:printf|echo|cat)\s+[-'\"<%])")),
    ("go", re.compile(r"\s*(?:package\s+\w+\s*$|\w+(?:,\s*\w+)*\s*:=\s)|.*&?qianfan\.(?:CompletionRequest|WithEndpoint)\b|import\s*\(\s*$")),
    ("java", re.compile(r"\s*(?:import\s+[\w. ]+(?:\.\*)?;|public\s+class|Qianfan\s+\w+\s*=)|.*\bnew\s+Qianfan\(|\s*\.(?:endpoint|prompt)\(")),
    ("node", re.compile(r"\s*(?:import\b.*\bfrom\b|(?:const|let|var)\s|async\s+function)|.*\.completions\(|.*\bnew\s+Completions\(")),
    ("python", re.compile(r"\s*(?:import\s+\w|from\s+\w|def\s+\w|with\s|\w+\s*=\s)|.*\b(?:json\.dumps|do|Completion|requests\.\w+)\(")),
)
_MOST_LINES = 2000
_VISIBLE = re.compile(r"\S")

_URL = re.compile(rf"(https?://[^\s?#]*?){re.escape(qianfan.COMPLETION_PATH)}([^/?#\s]*)", re.I)
_PLACEHOLDER = re.compile(r"\s*(?:$|[\[<{$]|your[_ -]|%5B|%7B)", re.I)
_LONG = {
    "--data": "data", "--data-raw": "data", "--data-binary": "data", "--data-ascii": "data", "--json": "data", "--header": "header",
    "--user": "user", "--cookie": "user", "--oauth2-bearer": "user", "--url": "url",
}
_SHORT = {"d": "data", "H": "header", "u": "user", "b": "user"}
_TAKES_VALUE = "XoAeFTmxKcwCrEyzYQPtUhD"
_QUERY_SECRETS = ("access_token", "refresh_token", "client_id", "client_secret", "api_key")
_HEADER_SECRETS = ("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key", "x-bce-security-token", "appid")


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What a paste says: the prompt (`None` if it has none), checked parameters, the address, and what was left out.

    `dropped` tells of keys and tokens, never their value; `notes` of fields this service has not, and of a paste cut short.
    """

    prompt: str | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    endpoint_path: str | None = None
    base_url: str | None = None
    dropped: tuple[Message, ...] = ()
    notes: tuple[Message, ...] = ()

    @property
    def request(self) -> CompletionRequest:
        """The request, with an empty prompt where the paste had none."""
        return CompletionRequest(prompt=self.prompt or "", parameters=self.parameters)


@dataclass
class _Found:
    """What the readers gather before it is checked."""

    fields: dict[str, Any] = field(default_factory=dict)
    path: str | None = None
    base_url: str | None = None
    dropped: dict[Message, None] = field(default_factory=dict)
    notes: dict[Message, None] = field(default_factory=dict)

    def url(self, text: str) -> None:
        """Take an address apart: base URL, path, and secrets that go no further."""
        query = text.partition("?")[2].partition("#")[0]
        if any(name.lower() in _QUERY_SECRETS and not _PLACEHOLDER.match(value) for name, value in parse_qsl(query)):
            self.dropped[message("A key or access token in the address was left out.")] = None
        if found := _URL.match(text):
            self.base(found[1])
            self.endpoint(unquote(found[2]))

    def base(self, text: str) -> None:
        """Keep a base URL, without a user name or password."""
        try:
            parts = urlsplit(text)
            if parts.username or parts.password:
                self.dropped[message("A user name or password in the address was left out.")] = None
                text = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        except ValueError:
            return
        self.base_url = self.base_url or text.rstrip("/")

    def endpoint(self, text: str) -> None:
        """Keep the address of a service unless it is the document's placeholder."""
        if not _PLACEHOLDER.match(text):
            self.path = self.path or text


def read_paste(text: str, parameters: tuple[ParameterSpec, ...] = qianfan.PARAMETERS, prompt_limit: int = PROMPT_LIMIT) -> Filled:
    """Read a curl command, a JSON body, or Python, Go, Java or JavaScript that calls the service.

    Raises `ParameterError`: named `paste` if no request can be read from it, else named after the value that must not be sent.
    """
    if len(text) > MOST_CHARACTERS:
        raise ParameterError("paste", message("The paste is too long: at most {limit} characters are read.", limit=f"{MOST_CHARACTERS:,}"))
    try:
        found = _read(text)
    except Unreadable as error:
        raise ParameterError("paste", error.message) from None
    table = {spec.name for spec in parameters}
    known = {name: value for name, value in found.fields.items() if name in table}
    unknown = [name[:40] for name, value in found.fields.items() if name not in table and name != "prompt"]
    if unknown:
        shown = ", ".join(sorted(unknown)[:20])
        found.notes[message("Not a parameter of this service, left out: {names}.", names=shown)] = None
    prompt = found.fields.get("prompt")
    if prompt is None and not known:
        raise ParameterError(
            "paste",
            message("No request was found in the paste."),
            message("Paste a curl command, a JSON body, or code that calls the service, from its first line on."),
        )
    if prompt is not None and not isinstance(prompt, str):
        raise ParameterError("prompt", message("{name} must be text.", name="prompt"))
    if prompt:
        check_prompt(prompt, prompt_limit)
    return Filled(
        prompt=prompt, parameters=check_parameters(parameters, known), endpoint_path=found.path, base_url=found.base_url,
        dropped=tuple(found.dropped), notes=tuple(found.notes),
    )


def read_address(text: str) -> str | None:
    """Return the published address of the Qianfan service that a paste calls, if it names one: its table is the one to read with."""
    try:
        return _read(text).path if len(text) <= MOST_CHARACTERS else None
    except Unreadable:
        return None


def _read(text: str) -> _Found:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    found = _Found()
    kind, start = _tell(text)
    if kind == "shell":
        _read_shell(text[start:], found)
    elif kind == "json":
        _read_body(text[start:], found)
    elif kind:
        _take(read_code(text[start:], kind), found)
    return found


def _tell(text: str) -> tuple[str, int]:
    """Return the language of the first line that tells one, and where that line begins."""
    end = 0
    for _ in range(_MOST_LINES):
        found = _VISIBLE.search(text, end)
        if found is None:
            break
        start = text.rfind("\n", 0, found.start()) + 1
        line = text[found.start():found.start() + _MOST_LINES]
        line = line.partition("\n")[0]
        for kind, pattern in _TELLS:
            if pattern.match(line):
                return kind, start
        end = text.find("\n", found.start()) + 1 or len(text)
    return "", 0


def _read_shell(text: str, found: _Found) -> None:
    commands = read_commands(text)
    if any(name.startswith("QIANFAN_") and not _PLACEHOLDER.match(value) for command in commands for name, value in command.assigned):
        found.dropped[message("A key was left out.")] = None
    curls = [command for command in commands if command.words[0] in ("curl", "curl.exe")]
    for command in curls:
        options = _options(command)
        for address in options["url"]:
            found.url(address)
        for header in options["header"]:
            name, _, value = header.partition(":")
            if name.strip().lower() in _HEADER_SECRETS and value.strip() and "$" not in value:
                found.dropped[message("The header {name} was left out.", name=name.strip()[:40])] = None
        if any("$" not in value for value in options["user"]):
            found.dropped[message("A user name or password was left out.")] = None
        body = "&".join(_content(data, command) for data in options["data"])
        if body.lstrip().startswith("{"):
            _read_body(body, found)
            if command.cut:
                found.notes[message("The end of the paste is missing; what is there was read.")] = None
            return


def _options(command: Command) -> dict[str, list[str]]:
    """Sort a curl command's words; only what may concern us is looked at, so no table of all options is needed."""
    found: dict[str, list[str]] = {"data": [], "header": [], "user": [], "url": []}
    words = iter(command.words[1:])
    for word in words:
        name, equals, value = word.partition("=")
        if name in _LONG:
            found[_LONG[name]].append(value if equals else next(words, ""))
        elif word.startswith("-") and not word.startswith("--"):
            _short_options(word, words, found)
        elif re.match(r"https?://", word, re.I):
            found["url"].append(word)
    return found


def _short_options(word: str, words: Iterator[str], found: dict[str, list[str]]) -> None:
    """Read `-d`, alone or at the end of a cluster; the first letter that takes a value takes all that follows it."""
    for place, letter in enumerate(word[1:], 2):
        if letter in _SHORT or letter in _TAKES_VALUE:
            value = word[place:] or next(words, "")
            if letter in _SHORT:
                found[_SHORT[letter]].append(value)
            return


def _content(data: str, command: Command) -> str:
    """Return the data an option stands for: itself, or what comes in through a here-document or a pipe."""
    if not data.startswith("@"):
        return data
    given = command.standard_input()
    if data == "@-" and given is not None:
        return given
    raise Unreadable(message("The body is in a file: paste what is in it."))


def _read_body(text: str, found: _Found) -> None:
    """Read a JSON body; one that was cut short, or is an object of some language, as far as it goes."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        _take(read_code(text, "json"), found)
        return
    if not isinstance(fields, dict):
        raise Unreadable(message("The body is not a JSON object."))
    found.fields = fields


def _take(code: Code, found: _Found) -> None:
    found.fields = code.fields
    for address in code.urls:
        found.url(address)
    for text in code.base_urls:
        found.base(text)
    for text in code.endpoints:
        found.endpoint(unquote(text))
    if any(not _PLACEHOLDER.match(value) for value in code.secrets):
        found.dropped[message("A key was left out.")] = None
    if code.cut:
        found.notes[message("The end of the paste is missing; what is there was read.")] = None
