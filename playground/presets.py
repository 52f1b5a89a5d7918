"""Presets: named sets of parameter values. Four are built in; a person's own travel as one small JSON file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from playground.errors import ParameterError
from playground.message import N_, Message, message
from playground.parameters import ParameterSpec, check_parameters

FORMAT = "completion-playground/presets"
VERSION = 1
LONGEST_NAME = 60
MOST = 100
_LARGEST_FILE = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A name and the values it sets; every number and stop list that is not in `values` is not sent."""

    name: str
    values: Mapping[str, Any] = field(default_factory=dict)


BUILT_IN = (
    Preset(name=N_("Endpoint decides")),
    Preset(name=N_("Precise"), values={"temperature": 0.2, "penalty_score": 1.05}),
    Preset(name=N_("Balanced"), values={"temperature": 0.7, "penalty_score": 1.1}),
    Preset(name=N_("Creative"), values={"temperature": 0.95, "top_k": 80, "penalty_score": 1.15}),
)


def check_name(name: str, taken: Sequence[str]) -> str:
    """Return a name that may be used for a person's own preset; raise `ParameterError` if it may not."""
    clean = " ".join(name.split())
    if not clean:
        raise ParameterError("preset", message("A preset needs a name."))
    if len(clean) > LONGEST_NAME:
        raise ParameterError(
            "preset", message("The name has {length} characters; at most {limit} are permitted.", length=len(clean), limit=LONGEST_NAME)
        )
    if clean in taken or clean in (preset.name for preset in BUILT_IN):
        raise ParameterError("preset", message("There is a preset “{name}” already.", name=clean))
    return clean


def export_presets(presets: Sequence[Preset]) -> str:
    """Return the file that `import_presets` reads. It holds names and values, nothing else."""
    rows = [{"name": preset.name, "values": dict(preset.values)} for preset in presets]
    return json.dumps({"format": FORMAT, "version": VERSION, "presets": rows}, ensure_ascii=False, indent=2) + "\n"


def import_presets(content: str | bytes, specs: Sequence[ParameterSpec]) -> tuple[list[Preset], list[Message]]:
    """Read a file of presets; returns those that can be used and a word about each that cannot.

    `specs` may hold a name more than once, as endpoints bound it differently: one that takes the value is enough.
    Raises `ParameterError` if it is no such file.
    """
    if len(content) > _LARGEST_FILE:
        raise ParameterError("preset", message("The file is too large to be a file of presets."))
    try:
        fields = json.loads(content)
        rows = fields["presets"] if fields["format"] == FORMAT and fields["version"] == VERSION else None
    except (ValueError, RecursionError, TypeError, KeyError):
        rows = None
    if not isinstance(rows, list):
        raise ParameterError("preset", message("This is not a file of presets."), message("Choose a file that was exported here."))
    presets: list[Preset] = []
    refused: list[Message] = []
    for number, row in enumerate(rows[:MOST], 1):
        try:
            name, values = row["name"], row["values"]
            if not isinstance(name, str) or not isinstance(values, dict):
                raise TypeError
            name = check_name(name, [preset.name for preset in presets])
            presets.append(Preset(name=name, values=_check(specs, values)))
        except (TypeError, KeyError):
            refused.append(message("Preset {number} has no name or no values.", number=number))
        except ParameterError as error:
            refused.append(message("Preset {number}: {reason}", number=number, reason=error.message))
    return presets, refused


def _check(specs: Sequence[ParameterSpec], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in the tables' order, or raise what the first table of the name says of the first bad one."""
    checked: dict[str, Any] = {}
    for name, value in values.items():
        tables = [one for one in specs if one.name == name]
        checked |= check_parameters([one for one in tables if _takes(one, value)][:1] or tables[:1], {name: value})
    return {name: checked[name] for name in dict.fromkeys(spec.name for spec in specs) if name in checked}


def _takes(spec: ParameterSpec, value: Any) -> bool:
    try:
        spec.check(value)
    except ParameterError:
        return False
    return True
