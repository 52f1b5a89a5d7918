"""A file of endpoints, read row by row: a mistake is told with its line, and never costs another row.

The file is split at its `[[endpoint]]` lines and each piece parsed alone; so no text of several lines may hold such a line. A text
`"$NAME"` stands for the setting NAME. No message repeats a value of the file: it may be a key.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from playground.errors import ConfigurationError
from playground.message import N_, Message, message
from playground.parameters import ParameterSpec
from playground.price import Price
from playground.redaction import Secret

# What a form calls the fields that a visitor fills in; a file calls them by their names.
LABELS: Mapping[str, str] = {
    "title": N_("Name"), "provider": N_("What it speaks"), "base_url": N_("Base URL"), "model": N_("Model"),
    "dialect": N_("Parameters as in"), "path": N_("Address of the service"),
}
_LONGEST_KEY = 4096
_DEAREST = 1_000_000
# A slider in a browser counts no further than this exactly.
_LARGEST = 2**53
# What a text of one line does not hold: control characters, line and paragraph ends, half characters.
_BREAKS = ("Cc", "Zl", "Zp", "Cs")

_NAME = re.compile(r"[A-Za-z0-9._/-]{1,100}")
_SETTING = re.compile(r"\$([A-Z][A-Z0-9_]*)")
# Fields in which no setting can be named.
_WRITTEN_OUT = ("name", "bounds", "price")
_CURRENCY = re.compile(r"[A-Z]{3}")
_OPENING = re.compile(r"\s*\[\[\s*([\"']?)endpoint\1\s*\]\]\s*(#.*)?")
# One that lacks a bracket begins a row too, so that it is told as what it is.
_LIKE_AN_OPENING = re.compile(r"\s*\[{1,2}\s*[\"']?endpoint[\"']?\s*\]{0,2}\s*(#.*)?")
_KEY = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"({_KEY}(?:\s*\.\s*{_KEY})*)"
_FIELD = re.compile(rf"\s*{_KEYS}\s*=")
_TABLE = re.compile(rf"\s*\[\s*endpoint\s*\.\s*{_KEYS}\s*\]")
_READABLE_NAME = re.compile(r"\s*name\s*=\s*[\"']([^\"']*)[\"']")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One endpoint as somebody wrote it: its fields, the lines they stand on, and the settings its references stand for.

    A row without a `file` is a visitor's: its texts are taken as they are, so that none can name a setting of this server.
    `fault` is why it could not be read at all.
    """

    fields: Mapping[str, Any] = field(repr=False)
    file: str = ""
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    fault: ConfigurationError | None = None

    @property
    def name(self) -> str:
        """The row's name; empty where there is none that can be used."""
        name = self.fields.get("name")
        return name if isinstance(name, str) and _NAME.fullmatch(name) else ""

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of the settings that the row refers to, in its order."""
        places: list[tuple[str, ...]] = []
        for name, value in self.fields.items():
            places += [(name, part) for part in value] if isinstance(value, Mapping) else [(name,)]
        return tuple(dict.fromkeys(name for keys in places if (name := self.setting(*keys))))

    def find(self, *keys: str) -> Any:
        """Return what stands in a field, as it was written; `None` where nothing does."""
        found: Any = self.fields
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def line(self, *keys: str) -> int:
        """Return the line of a field, or of what it stands in."""
        return next((self.lines[keys[:length]] for length in range(len(keys), -1, -1) if keys[:length] in self.lines), 0)

    def setting(self, *keys: str) -> str:
        """Return the name of the setting a field stands for; empty if it was written out."""
        value = self.find(*keys) if self.file and keys[0] not in _WRITTEN_OUT else None
        found = _SETTING.fullmatch(value) if isinstance(value, str) else None
        return found[1] if found else ""

    def called(self, *keys: str) -> str | Message:
        """Return what a person knows a field by: the setting it stands for, its name in the file, or its label in the form."""
        return self.setting(*keys) or (".".join(keys) if self.file else Message(LABELS.get(keys[0], keys[0])))

    def wrong(self, keys: tuple[str, ...], what: Message, remedy: Message | None = None) -> ConfigurationError:
        """Return the error of a field, with its line where it was written out in a file."""
        if not self.file or self.setting(*keys):
            return ConfigurationError(what, remedy)
        return ConfigurationError(_placed(self.line(*keys), self.file, what), remedy)

    def missing(self, key: str, what: Message, wanted: Message) -> ConfigurationError:
        """Return the error of a field that is not there, or stands for a setting that is not set."""
        if setting := self.setting(key):
            return ConfigurationError(what, message("Set {variable} in .env to {wanted}.", variable=setting, wanted=wanted))
        if self.file:
            return self.wrong((key,), what, message("Write {name} = \"…\" into its row: {wanted}.", name=key, wanted=wanted))
        return ConfigurationError(what, message("Fill in “{name}”: {wanted}.", name=self.called(key), wanted=wanted))

    @contextmanager
    def at(self, *keys: str) -> Iterator[None]:
        """Give the errors of a check their place."""
        try:
            yield
        except ConfigurationError as error:
            raise self.wrong(keys, error.message, error.remedy) from None

    def text(self, key: str, *, most: int = 200, wrong: Message | None = None) -> str:
        """Return a text of one line, without blanks around it; empty where it, or the setting it stands for, is not there."""
        text = self._text(key).strip()
        if len(text) > most or any(unicodedata.category(character) in _BREAKS for character in text):
            raise self.wrong((key,), wrong or message("{name} must be one line of at most {most} characters.", name=self.called(key), most=most))
        return text

    def long_text(self, key: str, most: int) -> str:
        """Return a text that may have several lines, as it was written."""
        text = self._text(key)
        if len(text) > most:
            raise self.wrong((key,), message("{name} must have at most {most} characters.", name=self.called(key), most=most))
        return text

    def one_of(self, key: str, known: Iterable[str], default: str = "") -> str:
        """Return one of the known words, in whatever case it was written."""
        known = tuple(known)
        text = self.text(key).lower() or default
        if text in known:
            return text
        what = message("{name} is none of the known ones.", name=self.called(key)) if text else message("{name} is missing.", name=self.called(key))
        raise self.wrong((key,), what, message("Set it to one of these: {known}.", known=", ".join(known)))

    def flag(self, key: str) -> bool:
        """Return whether a switch is on; one that is not there is off."""
        value = self.find(key)
        if value is not None and not isinstance(value, bool):
            raise self._not((key,), message("true or false"))
        return bool(value)

    def whole(self, key: str) -> int | None:
        """Return a number of characters or tokens."""
        value = self.figure(key, whole=True)
        if value is not None and value < 1:
            raise self._not((key,), message("a whole number, at least 1"))
        return None if value is None else int(value)

    def figure(self, *keys: str, whole: bool = False) -> Decimal | None:
        """Return a number as it was written."""
        value = self.find(*keys)
        if value is None:
            return None
        right = isinstance(value, int) and not isinstance(value, bool) or not whole and isinstance(value, Decimal) and value.is_finite()
        if not right or abs(value) > _LARGEST:
            raise self._not(keys, message("a whole number") if whole else message("a number"))
        return Decimal(value)

    def table(self, *keys: str, known: Iterable[str] | None = None) -> Mapping[str, Any]:
        """Return a table of fields, empty where there is none; with `known`, one that holds any other is refused."""
        value = self.find(*keys)
        if value is not None and not isinstance(value, dict):
            raise self._not(keys, message("a table: {form}", form="{ … }"))
        if known is not None:
            self.check_fields(known, *keys)
        return value or {}

    def check_fields(self, known: Iterable[str], *within: str) -> None:
        """Refuse a field that nobody reads: it is a slip of the pen, or meant for another provider."""
        found: Mapping[str, Any] = self.find(*within) or {}
        for name in found:
            if name not in known:
                keys = (*within, name)
                raise self.wrong(keys, message("there is no field “{name}” here.", name=".".join(keys)),
                                 message("These are known: {known}.", known=", ".join(known)))

    def _text(self, key: str) -> str:
        value = self.find(key)
        if value is not None and not isinstance(value, str):
            raise self._not((key,), message("text in quotation marks"))
        setting = self.setting(key)
        return self.values.get(setting, "") if setting else value or ""

    def _not(self, keys: tuple[str, ...], wanted: Message) -> ConfigurationError:
        return self.wrong(keys, message("{name} must be {wanted}.", name=self.called(*keys), wanted=wanted))


@dataclass(frozen=True, kw_only=True)
class EndpointFile:
    """The rows of a file, good and bad, and what is wrong with the file beside them."""

    rows: tuple[Row, ...] = ()
    problems: tuple[ConfigurationError, ...] = ()


def read_endpoint_file(path: Path, values: Mapping[str, str]) -> EndpointFile:
    """Read a file of endpoints; `values` are the settings it may refer to. Never raises for what a person wrote in it."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError):
        return EndpointFile(problems=(ConfigurationError(
            message("The endpoints in {file} are missing: the file cannot be read.", file=path.name),
            message("Save it as UTF-8 text that this user may read, or name another in PLAYGROUND_ENDPOINTS."),
        ),))
    openings = [number for number, line in enumerate(lines) if _LIKE_AN_OPENING.fullmatch(line)]
    head = lines[: openings[0]] if openings else lines
    stray = next((number for number, line in enumerate(head, 1) if line.strip() and not line.lstrip().startswith("#")), None)
    problems = () if stray is None else (ConfigurationError(
        _placed(stray, path.name, message("this belongs to no endpoint, and is not used.")),
        message("Each endpoint begins with a line {opening}; what it has stands below.", opening="[[endpoint]]"),
    ),)
    rows = (_row(lines[start:end], start + 1, path.name, values) for start, end in pairwise([*openings, len(lines)]))
    return EndpointFile(rows=tuple(rows), problems=problems)


def read_key(name: str | Message, text: str) -> Secret:
    """Return a key that can go along with a request; raise `ConfigurationError`, which does not repeat it, if it cannot."""
    key = text.strip()
    if not key:
        raise ConfigurationError(message("{name} is missing.", name=name), message("Copy the key from the provider's page."))
    if any(not 33 <= ord(character) <= 126 for character in key):
        raise ConfigurationError(
            message("{name} holds a character that no key has.", name=name), message("Copy the key again, without spaces or quotation marks.")
        )
    if len(key) > _LONGEST_KEY:
        raise ConfigurationError(message("{name} is too long to be a key.", name=name), message("Copy the key from the provider's page."))
    return Secret(key)


def read_price(row: Row) -> Price | None:
    """Return the price that a row states; `None` if it states none."""
    if not row.table("price", known=("prompt", "completion", "currency")):
        return None
    amounts = {}
    for name in ("prompt", "completion"):
        amount = row.figure("price", name)
        if amount is None or not 0 <= amount <= _DEAREST:
            raise row.wrong(("price", name), message("{name} must be an amount of money for 1,000 tokens, 0 or more.", name=f"price.{name}"))
        amounts[name] = amount
    currency = row.table("price").get("currency")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        raise row.wrong(("price", "currency"), message("{name} must be the three letters of a currency, CNY for instance.", name="price.currency"))
    return Price(**amounts, currency=currency)


def narrowed(row: Row, specs: tuple[ParameterSpec, ...]) -> tuple[ParameterSpec, ...]:
    """Return the parameter table with the row's own bounds, which lie inside those of the provider."""
    table = {spec.name: spec for spec in specs}
    for name in row.table("bounds"):
        if name not in table or not table[name].is_number:
            numbers = ", ".join(spec.name for spec in specs if spec.is_number)
            raise row.wrong(("bounds", name), message("“{name}” is no number that this endpoint takes.", name=name),
                            message("Bounds can be given for these: {known}.", known=numbers))
        table[name] = _narrowed(row, table[name])
    return tuple(table.values())


def _narrowed(row: Row, spec: ParameterSpec) -> ParameterSpec:
    keys, whole = ("bounds", spec.name), spec.kind == "int"
    row.table(*keys, known=("minimum", "maximum", "step"))
    number: Callable[[Decimal], float] = int if whole else float
    given: dict[str, Any] = {}
    for name in ("minimum", "maximum", "step"):
        figure = row.figure(*keys, name, whole=whole)
        if figure is None:
            continue
        given[name] = number(figure)
        outside = (spec.minimum is not None and figure < spec.minimum) or (spec.maximum is not None and figure > spec.maximum)
        if name != "step" and outside:
            raise row.wrong((*keys, name), message("{name} must be {range}; {value} is not.", name=spec.name, range=spec.range, value=str(figure)),
                            message("Bounds make a range narrower, never wider."))
    made = replace(spec, **given, minimum_open=spec.minimum_open and given.get("minimum", spec.minimum) == spec.minimum)
    low, high, step = made.minimum or 0, made.maximum, made.step or 1
    if given.get("step", step) <= 0:
        raise row.wrong((*keys, "step"), message("The step of {name} must be greater than 0.", name=spec.name))
    # Twice the step, because a slider begins one step above a bound that is excluded.
    if high is not None and round((high - low) / step, 6) < (2 if made.minimum_open else 1):
        raise row.wrong(keys, message("The bounds of {name} leave no room for a step of {step}.", name=spec.name, step=f"{step:.15g}"),
                        message("Set them further apart, or give a smaller step."))
    reach, start = made.slider_maximum, made.start
    if reach is not None and reach < low + 2 * step:
        reach = low + max(reach - (spec.minimum or 0), 2 * step)
    if high is not None:
        reach = None if reach is None else min(reach, high)
        start = None if start is None else min(start, high)
    return replace(made, slider_maximum=reach, start=None if start is None else max(start, low))


def _row(lines: list[str], first: int, file: str, values: Mapping[str, str]) -> Row:
    """Read the piece of a file that one `[[endpoint]]` begins."""
    places = _places(lines, first)

    def broken(line: int, what: Message, remedy: Message) -> Row:
        name = next((found[1] for text in lines if (found := _READABLE_NAME.match(text))), "")
        return Row(fields={"name": name}, file=file, lines=places, fault=ConfigurationError(_placed(line, file, what), remedy))

    if not _OPENING.fullmatch(lines[0]):
        return broken(first, message("an endpoint begins with two brackets on each side."), message("Write {opening}.", opening="[[endpoint]]"))
    try:
        document = tomllib.loads("\n".join(lines), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        found = re.search(r"\(at line (\d+), column \d+\)$", str(error)) if isinstance(error, tomllib.TOMLDecodeError) else None
        return broken(
            first + int(found[1]) - 1 if found else max(places.values()), message("this is not TOML."),
            message("Write each field once, on a line of its own, with texts in straight quotation marks: {form}.", form='name = "value"'),
        )
    row = Row(fields=document.pop("endpoint")[0], file=file, lines=places, values=values)
    if document:
        name = next(iter(document))
        number = next((number for number, line in enumerate(lines, first) if re.match(rf"\s*\[+\s*[\"']?{re.escape(name)}\b", line)), first)
        return replace(row, fault=ConfigurationError(
            _placed(number, file, message("there is no table “{name}” here.", name=name)),
            message("A table of an endpoint is called {form}.", form="[endpoint.bounds]"),
        ))
    return row


def _places(lines: list[str], first: int) -> dict[tuple[str, ...], int]:
    """Find the line on which each field first stands, by its keys from the row down; the row's own has none."""
    places: dict[tuple[str, ...], int] = {(): first}
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, first):
        if found := _TABLE.match(line):
            keys = table = _split(found[1])
        elif found := _FIELD.match(line):
            keys = (*table, *_split(found[1]))
        else:
            continue
        for length in range(1, len(keys) + 1):
            places.setdefault(keys[:length], number)
    return places


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, keys))


def _placed(line: int, file: str, what: Message) -> Message:
    return message("Line {line} of {file}: {what}", line=line, file=file, what=what)
