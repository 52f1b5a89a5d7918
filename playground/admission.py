"""The one door through which a run begins: who asks, what he may, how often, and what is left for him.

Whatever a page shows or hides, and whatever a browser sends, what is checked here holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from playground.completion import CompletionRequest
from playground.demos import Demo, Demos
from playground.endpoints import VISITOR, Endpoint
from playground.errors import AccessRefused, ConfigurationError, LimitReached, ParameterError, PlaygroundError
from playground.message import message
from playground.rates import ADDRESS_FACTOR, Rates
from playground.run import Run, Runs
from playground.settings import Limits, Settings

_LOGINS = 5
_LOGINS_IN_ALL = 30


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks: `visitor` is his mark, `marked` whether it came in a cookie of ours, `address` where he sits (`None`: this computer).

    `owner` may use everything and is not counted; `demo` is the id in his link, which binds an owner too.
    """

    visitor: str
    marked: bool = False
    address: str | None = None
    owner: bool = False
    demo: str | None = None


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What the door knows. `demos` is `None` where no database could be opened."""

    settings: Settings
    runs: Runs
    rates: Rates
    demos: Demos | None
    endpoints: Callable[[], Mapping[str, Endpoint]]

    def start(self, endpoint: Endpoint, request: CompletionRequest, caller: Caller) -> Run:
        """Begin a run. Raises a `PlaygroundError` in words where it may not be; then nothing was sent and nothing is held."""
        try:
            return self._start(endpoint, request, caller)
        except PlaygroundError as error:
            self.runs.refused(error)
            reason = {LimitReached: "often", ParameterError: "request"}.get(type(error))
            if self.demos is not None and (isinstance(error, AccessRefused) or (caller.demo and reason)):
                known = caller.demo if not isinstance(error, AccessRefused) or error.reason != "unknown" else None
                self.demos.refused(known, error.reason if isinstance(error, AccessRefused) else str(reason))
            raise

    def demo(self, demo_id: str) -> Demo:
        """Return a link that can be used now. Raises `AccessRefused`, or `ConfigurationError` where the books cannot be read."""
        if self.demos is None:
            raise ConfigurationError(message("This server keeps nothing, so it has no demo links."))
        return self.demos.open(demo_id)

    def look(self, demo_id: str) -> tuple[Demo | None, PlaygroundError | None]:
        """Return a link, if it is known, and why it cannot be used now, if it cannot."""
        try:
            return self.demo(demo_id), None
        except ConfigurationError as error:
            return None, error
        except AccessRefused as error:
            return self.demos.find(demo_id) if self.demos is not None and error.reason != "unknown" else None, error

    def guest(self, caller: Caller) -> str:
        """Return by what a link tells its visitors apart: without a cookie of ours by the address, or each reload would be somebody new."""
        return caller.visitor if caller.marked or caller.address is None else self.rates.key(f"guest {caller.address}")

    def permitted(self, endpoint: Endpoint, caller: Caller) -> bool:
        """Whether somebody without a link may use an endpoint. Where links are asked for, not what costs its owner something.

        An endpoint that a visitor added costs himself: whether he may add any is another setting.
        """
        return self.settings.access != "demo" or caller.owner or endpoint.free or endpoint.name.startswith(VISITOR)

    def log_in(self, caller: Caller) -> None:
        """Count a try at the owner's password. Raises `LimitReached`; where it cannot be counted, it is refused."""
        self.rates.take([(f"log in {caller.address}", _LOGINS), ("log in", _LOGINS_IN_ALL)], strict=True)

    def for_caller(self, caller: Caller) -> "Entrance":
        """Return the door as one caller meets it, for what starts many runs."""
        return Entrance(self, caller)

    def _start(self, endpoint: Endpoint, request: CompletionRequest, caller: Caller) -> Run:
        if caller.demo is None:
            if not self.permitted(endpoint, caller):
                raise AccessRefused(
                    "link", message("This endpoint can be used by a demo link only."),
                    message("Open the link you were given, or choose an endpoint that costs nothing."),
                )
            self.runs.client.check(endpoint, request)
            self._count(caller)
            return self.runs.start(endpoint, request, caller.visitor)
        demo = self.demo(caller.demo)
        own = self.endpoints().get(endpoint.name) if endpoint.name in demo.endpoints else None
        if own is None or self.demos is None:
            raise AccessRefused("endpoint", message("This demo has no such endpoint."), message("Choose one of those it has."))
        whole = demo.composed(own, request)
        self.runs.client.check(own, whole)
        wanted = demo.estimate(own, whole.prompt)
        self._count(caller)
        hold = self.demos.reserve(demo, self.guest(caller), wanted)
        try:
            run = self.runs.start(own, whole, caller.visitor, demo.brake())
        except BaseException:
            self.demos.give_back(hold)
            raise
        self.demos.watch(demo, hold, wanted, run)
        return run

    def _count(self, caller: Caller) -> None:
        if caller.owner and caller.demo is None:
            return
        tries = self.settings.runs_per_minute
        counted = [(f"visitor {caller.visitor}", tries)] if caller.marked or caller.address is None else []
        if caller.address is not None:
            counted.append((f"address {caller.address}", tries * ADDRESS_FACTOR))
        self.rates.take(counted, strict=caller.demo is not None or self.settings.access == "demo")


class Entrance:
    """`Runs`, as far as one caller may start any."""

    def __init__(self, admission: Admission, caller: Caller) -> None:
        self._admission = admission
        self._caller = caller

    @property
    def limits(self) -> Limits:
        """What guards this process."""
        return self._admission.runs.limits

    def start(self, endpoint: Endpoint, request: CompletionRequest, visitor: str) -> Run:
        """Begin a run of this caller."""
        return self._admission.start(endpoint, request, self._caller)
