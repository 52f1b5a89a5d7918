"""What one process holds for all its visitors: settings, endpoints, token cache, runs. Made once, reached by `service()`."""

import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from playground.admission import Admission
from playground.client import Client
from playground.database import Database
from playground.demos import Demos
from playground.endpoint_file import read_endpoint_file
from playground.endpoints import Endpoint, build_endpoints, local_endpoint
from playground.errors import ConfigurationError
from playground.history import History
from playground.local import LookUp
from playground.rates import Rates
from playground.redaction import Secret
from playground.run import Observer, Runs
from playground.settings import Settings, read_settings
from playground.sharing import Sharing


@dataclass(frozen=True, kw_only=True)
class Service:
    """The process-wide objects. `emulator_url` is `None` where no emulator was started, `database` where it cannot be opened.

    `cookie_secret` signs visitors' cookies; `demos` is `None` where `database` is; `problems` are those of all that was read.
    """

    settings: Settings
    emulator_url: str | None
    configured: Mapping[str, Endpoint]
    local: LookUp
    client: Client
    runs: Runs
    database: Database | None = None
    history: History | None = None
    sharing: Sharing | None = None
    cookie_secret: Secret
    rates: Rates
    demos: Demos | None = None
    problems: tuple[ConfigurationError, ...] = ()

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Every endpoint as it stands now: the model on this computer first, then the configured ones."""
        model = self.local()
        if model is None:
            return self.configured
        row = local_endpoint(model, self.emulator_url)
        return {row.name: row, **self.configured}

    @property
    def admission(self) -> Admission:
        """The door through which every run that asks an endpoint begins."""
        return Admission(settings=self.settings, runs=self.runs, rates=self.rates, demos=self.demos, endpoints=lambda: self.endpoints)


_lock = threading.Lock()
_service: Service | None = None


def open_service(
    settings: Settings | None = None, emulator_url: str | None = None, local: LookUp = lambda: None, observers: Sequence[Observer] = ()
) -> Service:
    """Make the service of this process, in place of any before it, whose runs are stopped.

    `local` tells of the model on this computer whenever it is asked; `None` where there is none. `observers` are told of every run.
    """
    global _service
    settings = settings or read_settings()
    client = Client(timeouts=settings.timeouts, retry=settings.retry)
    file = read_endpoint_file(settings.endpoint_file, settings.values)
    database, troubles = _open_database(settings)
    history = History(database, days=settings.history_days, most=settings.history_runs) if database else None
    cookie_secret = settings.cookie_secret or Secret(database.agreed("cookie") if database else secrets.token_hex(32))
    made = Service(
        settings=settings,
        emulator_url=emulator_url,
        configured=build_endpoints(settings, emulator_url, file),
        local=local,
        client=client,
        runs=Runs(client, settings.limits, observers),
        database=database,
        history=history,
        sharing=Sharing(database) if database else None,
        cookie_secret=cookie_secret,
        rates=Rates(database, cookie_secret),
        demos=Demos(database, history.server) if database and history else None,
        problems=(*settings.problems, *file.problems, *troubles),
    )
    with _lock:
        before, _service = _service, made
    if before is not None:
        _close(before)
    return made


def service() -> Service:
    """Return the service of this process; one without an emulator is made if nobody opened any."""
    with _lock:
        present = _service
    return present if present is not None else open_service()


def close_service() -> None:
    """Stop all runs and forget the service."""
    global _service
    with _lock:
        before, _service = _service, None
    if before is not None:
        _close(before)


def _close(before: Service) -> None:
    before.runs.close()
    if before.history is not None:
        before.history.close()
    if before.demos is not None:
        before.demos.close()
    if before.database is not None:
        before.database.close()


def _open_database(settings: Settings) -> tuple[Database | None, list[ConfigurationError]]:
    """Open it, or say why not: without one everything works that keeps nothing."""
    if settings.database is None:
        return None, []
    try:
        return Database(settings.database), []
    except ConfigurationError as problem:
        return None, [problem]
