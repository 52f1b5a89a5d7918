"""The report: one section a benchmark, each with what it was to show and whether it did, in `bench/report.md`.

A benchmark that is run replaces its own section and leaves the others; the head gathers what all of them were to show.
"""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

REPORT = Path(__file__).with_name("report.md")
_HEAD = "# Benchmarks"
_INTRODUCTION = """\
Written by `make bench`; `python -m bench NAME …` measures some of it again. What is compared ran in turn on the same machine, against the
same upstream and in the same browser, so the ratios are what to trust: absolute times are this machine's."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure that had to be reached. `least` says that it must be that much or more; `why` what stands against it where it was missed."""

    words: str
    measured: float
    limit: float
    unit: str = ""
    least: bool = False
    why: str = ""

    @property
    def met(self) -> bool:
        """Whether it was reached."""
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    def row(self) -> tuple[str, ...]:
        """As a row of a table."""
        unit = f" {self.unit}" if self.unit else ""
        return (
            "met" if self.met else "**missed**", f"{self.words}{'' if self.met or not self.why else f': {self.why}'}",
            f"{figure(self.measured)}{unit}", f"{'≥' if self.least else '≤'} {figure(self.limit)}{unit}",
        )


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one benchmark found: its targets, and the rest as Markdown."""

    title: str
    targets: Sequence[Target] = ()
    body: str = ""

    def markdown(self) -> str:
        """As it stands in the report."""
        parts = [f"## {self.title}", table(("", "target", "measured", "limit"), (target.row() for target in self.targets)), self.body.strip()]
        return "\n\n".join(part for part in parts if part)


def figure(value: float) -> str:
    """A number in as many digits as say something."""
    if value != value:  # not measured
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, floats by `figure`; nothing without rows."""
    lines = [[figure(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    if not lines:
        return ""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines))


def write(section: Section, path: Path = REPORT) -> None:
    """Put a section into the report, in place of the one of the same title if there is one."""
    sections = _sections(path.read_text(encoding="utf-8") if path.exists() else "")
    sections[section.title] = f"{section.markdown()}\n\n_{_where()}_"
    targets = [re.split(r" \| ", line.strip("| ")) for text in sections.values() for line in text.splitlines()
               if line.startswith(("| met |", "| **missed** |"))]
    summary = table(("", "target", "measured", "limit"), targets)
    path.write_text("\n\n".join([_HEAD, _INTRODUCTION, summary, *sections.values()]) + "\n", encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    """The sections of a report by their titles."""
    found = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return {part.partition("\n")[0].removeprefix("## "): part.strip() for part in found if part.startswith("## ")}


def _where() -> str:
    """When and on what it was measured."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
