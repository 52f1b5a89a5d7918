"""The fault lab: which faults the running emulator offers, read from its own list over HTTP."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass

from playground.errors import ServiceError
from playground.faults import Setting
from playground.message import Message, message
from playground.wire import Cancel, Timeouts, open_request

LIST_PATH = "/_emulator/endpoints"
_KINDS = ("echo", "fault")
_TIMEOUTS = Timeouts(connect=3, silence=3)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One entry of the list. `title` is the endpoint's name, with a letter in it for each of `settings`."""

    title: str
    words: str
    settings: tuple[Setting, ...] = ()

    def name(self, values: Mapping[str, float]) -> str:
        """Return the endpoint's name: the title with these figures in place of its letters."""
        figures = {setting.name: setting.written(values[setting.name]) for setting in self.settings}
        return "_".join(figures.get(part, part) for part in self.title.split("_"))

    def note(self, values: Mapping[str, float]) -> Message:
        """Return what it does, with the figures that its letters stand for."""
        if not self.settings:
            return Message(self.words)
        figures = ", ".join(f"{setting.name} = {setting.written(values[setting.name])}" for setting in self.settings)
        return message("{words} ({figures})", words=Message(self.words), figures=figures)


@functools.lru_cache(maxsize=4)
def read_faults(emulator_url: str) -> tuple[Fault, ...]:
    """Return the faults of an emulator in its own order; asked once, since it never changes while it runs.

    Raises `EndpointError` if it does not answer, or not with its list.
    """
    with open_request("GET", emulator_url + LIST_PATH, cancel=Cancel(), timeouts=_TIMEOUTS) as answer:
        body = answer.body()
    try:
        rows = json.loads(body)
        if not isinstance(rows, list):
            raise TypeError
        return tuple(
            Fault(title=row["name"], words=row["description"], settings=tuple(Setting(**fields) for fields in row["settings"]))
            for row in rows if row["kind"] in _KINDS
        )
    except (ValueError, KeyError, TypeError):
        raise ServiceError(
            message("The emulator's list of faults cannot be read."), message("Restart the app: the emulator may be of another version.")
        ) from None
