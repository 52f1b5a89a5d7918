"""What the first page needs, imported while the browser still fetches its own part: so whoever comes first waits no longer than the next."""

import ast
import gc
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

_FOLDER = Path(__file__).parent
# Where a first page comes from.
_SCRIPTS = (_FOLDER / "shell.py", _FOLDER.parent / "pages" / "bench.py")
# What Streamlit imports when such a page is drawn; numpy is for its icon.
_STREAMLITS = ("streamlit.emojis", "numpy", "PIL.ImageFile")


def import_ahead() -> threading.Thread:
    """Begin it, in a thread of its own. Call when Streamlit runs: components of ours register with it."""
    thread = threading.Thread(target=_import, name="import-ahead", daemon=True)
    thread.start()
    return thread


def _import() -> None:
    for name in (*_imported(), *_STREAMLITS):
        import_module(name)
    # What was imported stays: out of the collector's way.
    gc.collect()
    gc.freeze()


def _imported() -> Iterator[str]:
    for script in _SCRIPTS:
        for node in ast.parse(script.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module == __package__:
                yield from (f"{__package__}.{part.name}" for part in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield str(node.module)
