"""The model of one process: fetched if need be, probed, loaded in the background, and what is to be said of it meanwhile.

Starting it costs the caller nothing; whoever wants an answer asks `engine`, and whoever draws a page asks `look_up`.
"""

import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path

from local_model.engine import Engine
from local_model.fetch import Progress
from local_model.models import SETTING, KnownModel, choose
from local_model.opening import open_engine
from playground.errors import ConfigurationError
from playground.local import LocalModel
from playground.message import Message, message

LENGTH = 256
CONTEXT = 2048
CHARACTERS_A_TOKEN = 4


class Resident:
    """The local model that `LOCAL_MODEL` chooses. Make it, `start()` it, `close()` it."""

    def __init__(self, values: Mapping[str, str], length: int = LENGTH, *, folder: Path | None = None, fetches: bool = True) -> None:
        self.length = length
        self._setting = values.get(SETTING)
        self._folder = folder
        self._fetches = fetches
        self._closed = False
        self._engine: Engine | None = None
        self._off: ConfigurationError | None = None
        self._progress: Progress | None = None
        self._asked = threading.Event()
        self._ready = threading.Event()
        self._model: KnownModel | Path | None = None
        try:
            self._model = choose(self._setting)
        except ConfigurationError as error:
            self._off = error
            self._ready.set()

    @property
    def wanted(self) -> bool:
        """Whether there is to be a local model at all; `LOCAL_MODEL=off` says no."""
        return self._model is not None or self._off is not None

    def start(self, after: float = 0) -> None:
        """Fetch and load in a thread of its own; load `after` seconds or as soon as somebody asks. Nothing happens if there is no model to load."""
        if self._model is not None:
            threading.Thread(target=self._settle, args=(after,), name="local-model", daemon=True).start()

    def engine(self, timeout: float | None = 60) -> Engine | None:
        """Return the engine once it is loaded; `None` if it is not within `timeout` seconds, or never will be."""
        self._asked.set()
        self._ready.wait(timeout)
        return self._engine if self._off is None else None

    def look_up(self) -> LocalModel | None:
        """Return what a page may say of it now; `None` where it is switched off."""
        if not self.wanted:
            return None
        progress = self._progress
        off = self._off
        coming = progress is not None and not self._ready.is_set() and (progress.stage == "waiting" or progress.done < progress.total)
        if off is None and coming:
            off = _FETCHING
        return LocalModel(
            title=self._title(), note=self._note(), prompt_limit=CONTEXT * CHARACTERS_A_TOKEN, length=self.length, off=off,
            fetched=(progress.done, progress.total or 1) if progress is not None and coming else None,
        )

    def trouble(self) -> str:
        """Return why there is no engine, in English, for the wire."""
        return str(self._off) if self._off is not None else "the local model is still being loaded"

    def close(self) -> None:
        """Free the model."""
        self._closed = True
        self._asked.set()
        if self._engine is not None:
            self._engine.close()

    def _settle(self, after: float) -> None:
        try:
            engine = open_engine(self._setting, folder=self._folder, progress=self._saw if self._fetches else None)
            self._asked.wait(after)
            if self._closed:
                return
            trouble = engine.load() if engine is not None else None
            if trouble is not None:
                raise ConfigurationError(trouble, _ELSEWHERE)
            self._engine = engine
        except ConfigurationError as error:
            self._off = error
        finally:
            self._ready.set()
            if self._closed and self._engine is not None:
                with contextlib.suppress(RuntimeError):
                    self._engine.close()

    def _saw(self, progress: Progress) -> None:
        self._progress = progress

    def _title(self) -> str:
        if isinstance(self._model, KnownModel):
            return self._model.title.rsplit(" ", 1)[0].removesuffix("-Instruct")
        return self._model.stem if self._model is not None else ""

    def _note(self) -> Message:
        if isinstance(self._model, KnownModel):
            return message(
                "{note} Licence: {licence}. An answer ends after {length} tokens at the latest.",
                note=self._model.note, licence=self._model.licence, length=self.length,
            )
        return message("Your own model file, run on this computer. An answer ends after {length} tokens at the latest.", length=self.length)


_ELSEWHERE = message("The recorded answers and other endpoints work all the same.")
_FETCHING = ConfigurationError(message("The local model is being fetched."), message("This happens once. Recorded answers work meanwhile."))

