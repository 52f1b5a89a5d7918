"""What a reference is made of: sections of tables of entries, in words that are translated where they are drawn."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from playground.message import Message, message
from playground.parameters import Kind, ParameterSpec

WIRE_TYPES: dict[Kind, str] = {"float": "float", "int": "int", "flag": "bool", "text": "string", "texts": "List[string]"}
REQUEST = message("A POST whose body is JSON. Parameters are sent only when switched on; what is not sent is the endpoint's own choice.")
STOPS = message("More or longer ones are refused before anything is sent.")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row. `name` is as on the wire, `facts` what fits in a few words; `spec` where the bench has a control for it."""

    name: str
    facts: tuple[Message, ...] = ()
    words: tuple[Message, ...] = ()
    source: str = ""
    spec: ParameterSpec | None = None

    def holds(self, wanted: list[str], translate: Callable[[str], str]) -> bool:
        """Whether every wanted word, in lower case, stands somewhere in it, in the source's language or the reader's."""
        texts = [self.name, self.source, translate(self.source)]
        for part in (*self.facts, *self.words):
            texts += [str(part), part.render(translate)]
        return found(wanted, texts)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under a small heading, or under none."""

    entries: tuple[Entry, ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """One heading of the page. `key` is its anchor, `code` stands above the tables as it goes over the wire."""

    key: str
    title: str
    tables: tuple[Table, ...]
    words: Message | None = None
    code: str = ""
    source: str = ""

    def only(self, wanted: list[str], translate: Callable[[str], str]) -> "Section":
        """Return it with the entries that hold the wanted words; without words, whole."""
        tables = (replace(table, entries=tuple(entry for entry in table.entries if entry.holds(wanted, translate))) for table in self.tables)
        return replace(self, tables=tuple(table for table in tables if table.entries))


def found(wanted: list[str], texts: list[str]) -> bool:
    """Whether every wanted word stands somewhere in the texts, whatever its case."""
    whole = "\n".join(texts).lower()
    return all(word in whole for word in wanted)


def raw(text: str) -> Message:
    """Return a text of the wire as a message: it reads the same in every language."""
    return Message("{text}", {"text": text})


def field(name: str, kind: str, *words: Message, when: Message | None = None, required: bool = False) -> Entry:
    """Return the entry of a field, a header or a query parameter. What is not required is optional, or is not asked for."""
    return Entry(name=name, facts=(raw(kind), *((message("required"),) if required else ()), *((when,) if when else ())), words=words)


def parameter(spec: ParameterSpec, source: str) -> Entry:
    """Return a parameter's entry from its one specification; its source is named where it is not that of the others."""
    bounds = (spec.range,) if spec.is_number or spec.kind == "texts" else ()
    words = [Message(spec.help)]
    if spec.more:
        words.append(message("Higher: {effect}.", effect=Message(spec.more)))
    if spec.less:
        words.append(message("Lower: {effect}.", effect=Message(spec.less)))
    return Entry(
        name=spec.name, facts=(raw(WIRE_TYPES[spec.kind]), *bounds), words=tuple(words),
        source=spec.source if spec.source != source else "", spec=spec,
    )


def usage_fields(prefix: str, when: Message | None = None) -> tuple[Entry, ...]:
    """Return the three token counts, which every wire names alike."""
    return (
        field(f"{prefix}.prompt_tokens", "int", message("Tokens of the prompt."), when=when),
        field(f"{prefix}.completion_tokens", "int", message("Tokens of the answer, as far as the service has counted them."), when=when),
        field(f"{prefix}.total_tokens", "int", message("Both together. The bench reckons the answer's tokens as total less prompt."), when=when),
    )
