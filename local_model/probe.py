"""Whether the engine runs on this computer, found out in a child process.

On a processor without the instructions it was built for the engine dies by a signal, and some broken files kill it
too. It must not take the whole app along, so a child goes first.
"""

import subprocess
import sys
from pathlib import Path

from local_model import settings
from playground.message import Message, message

_PATIENCE = 180
"""Seconds for the child; a large model on a slow disk needs its time."""


def probe(path: Path | None = None, *, python: str = sys.executable) -> Message | None:
    """Load `path` and write one token in a child process. Return `None` if that works, else why it does not.

    Without a path only the engine itself is tried. Takes as long as loading the model, and warms its file.
    """
    if path is not None and (reason := _unreadable(path)):
        return reason
    try:
        child = subprocess.run(  # noqa: S603 - our own file, our own interpreter
            [python, "-P", settings.__file__, str(path or "")],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return message("The local model is off: it did not start within {seconds} seconds.", seconds=_PATIENCE)
    if child.returncode == 0:
        return None
    steps = child.stdout.split()
    if child.returncode < 0 or child.returncode > 255:
        return _died(child.returncode, steps)
    if settings.IMPORTED not in steps:
        if "No module named 'xllamacpp'" in child.stderr:
            return message("The local model is off: its engine is not installed. To have it, run: pip install xllamacpp")
        return message("The local model is off: its engine cannot be loaded here: {reason}", reason=_last_line(child.stderr))
    return message("The local model is off: {path} cannot be loaded: {reason}", path=path, reason=_load_error(child.stderr))


def _unreadable(path: Path) -> Message | None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        return message("The local model is off: there is no file {path}.", path=path)
    except OSError as error:
        return message("The local model is off: {path} cannot be read: {reason}", path=path, reason=error.strerror or str(error))
    if magic != b"GGUF":
        return message("The local model is off: {path} is not a GGUF file.", path=path)
    return None


def _died(code: int, steps: list[str]) -> Message:
    if settings.LOADED in steps or settings.IMPORTED not in steps:
        return message("The local model is off: its engine does not run on this processor (it ended with {code}). It needs AVX2 or ARM64.", code=code)
    return message("The local model is off: its engine broke while it loaded the model (it ended with {code}).", code=code)


def _load_error(words: str) -> str:
    for line in words.splitlines():
        _, found, reason = line.partition("error loading model: ")
        if found and "llama_model_loader" not in reason:
            return reason.strip()
    first = next((line for line in words.splitlines() if " E " in line), "")
    return first.partition(": ")[2].strip() or _last_line(words) or "?"


def _last_line(words: str) -> str:
    lines = words.strip().splitlines()
    return lines[-1].strip() if lines else "?"
