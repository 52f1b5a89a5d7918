"""Bring the catalogues in step with the texts in the code: `make messages`; `--check` only says what is out of step.

The texts are the first arguments of `_`, `N_` and `message`. The catalogue holds neither dates nor line numbers, and no
guessed translations: a text that changed loses its translation and is reported, so that somebody writes it anew.
"""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("components", "pages", "playground", "local_model")
KEYWORDS = {"_": None, "N_": None, "message": None}
LANGUAGE = "zh_CN"
PO = ROOT / "locale" / LANGUAGE / "LC_MESSAGES" / "playground.po"
MO = PO.with_suffix(".mo")


class Catalogue(Catalog):
    """A catalogue whose header says only what a reader needs, so that equal texts make equal files."""

    mime_headers = [
        ("Language", LANGUAGE),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit"),
    ]


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text with the file it stands in, in the order of files and lines."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for _, found, _, _ in extract_from_file("python", path, keywords=KEYWORDS):
                yield (found if isinstance(found, str) else found[0]), path.relative_to(ROOT).as_posix()


def read() -> dict[str, str]:
    """Return the translations of the catalogue by text; an untranslated one is empty."""
    if not PO.exists():
        return {}
    with PO.open("rb") as file:
        return {str(entry.id): str(entry.string or "") for entry in read_po(file, locale=LANGUAGE) if entry.id}


def build(translations: dict[str, str]) -> Catalogue:
    """Return the catalogue of the texts in the code, with the translations there are."""
    catalogue = Catalogue(locale=LANGUAGE, header_comment="# Chinese texts of the playground. `make messages` keeps the entries.", fuzzy=False)
    for text, file in texts():
        catalogue.add(text, translations.get(text, ""), locations=[(file, 0)])
    return catalogue


def compiled(catalogue: Catalogue) -> bytes:
    """Return the bytes of the `.mo` file."""
    buffer = BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def written(catalogue: Catalogue) -> bytes:
    """Return the bytes of the `.po` file."""
    buffer = BytesIO()
    write_po(buffer, catalogue, width=0, include_lineno=False)
    return buffer.getvalue().rstrip(b"\n") + b"\n"


def main(check: bool) -> int:
    """Write what is out of step, or with `check` only report it; return the exit status."""
    translations = read()
    catalogue = build(translations)
    wanted = {PO: written(catalogue), MO: compiled(catalogue)}
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_bytes() != content]
    lines = [f"{path.relative_to(ROOT)}: {'out of step; run make messages' if check else 'written'}" for path in stale]
    lines += [f"dropped: {text!r}, was {translations[text]!r}" for text in translations if text not in catalogue]
    missing = [entry for entry in catalogue if entry.id and not entry.string]
    lines += [f"untranslated: {entry.id!r} ({entry.locations[0][0]})" for entry in missing]
    if not check:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted[path])
    lines.append(f"{LANGUAGE}: {len(catalogue)} texts, {len(missing)} untranslated")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(check and bool(stale or missing))


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
