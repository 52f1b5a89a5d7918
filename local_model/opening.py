"""From the `LOCAL_MODEL` setting to an engine: what an app or a server calls once when it starts."""

from collections.abc import Callable
from pathlib import Path

from local_model.engine import Engine
from local_model.fetch import Progress, fetch, present
from local_model.models import KnownModel, choose
from playground.errors import ConfigurationError
from playground.message import message


def open_engine(setting: str | None, *, folder: Path | None = None, progress: Callable[[Progress], None] | None = None) -> Engine | None:
    """Return an engine for what `setting` chooses, not loaded yet; `None` if it is "off".

    With `progress` weights that are missing are fetched first (this blocks); without it they must be there. A model
    with conditions is never fetched from here: it has to be there. Raises `ConfigurationError` with reason and remedy.
    """
    model = choose(setting)
    if model is None:
        return None
    if isinstance(model, Path):
        return Engine(model)
    return Engine(_file(model, folder, progress), banned_tokens=model.banned_tokens)


def _file(model: KnownModel, folder: Path | None, progress: Callable[[Progress], None] | None) -> Path:
    if progress is not None:
        return fetch(model, folder, progress=progress)
    if path := present(model, folder):
        return path
    raise ConfigurationError(
        message("The local model {title} is not on this computer yet.", title=model.title),
        message("To fetch it, run: python -m local_model fetch {name}", name=model.name),
    )
