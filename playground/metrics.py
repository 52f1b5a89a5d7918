"""What this process counts, in the form that Prometheus reads. No label is a name that a visitor made, so their number is bounded."""

import threading
from collections import Counter as Tally
from collections.abc import Callable
from functools import partial
from typing import Any

from playground.errors import AccessRefused, ConfigurationError, LimitReached, ParameterError, PlaygroundError
from playground.redaction import Secret
from playground.run import Run
from playground.visitors import Receive, Scope, Send, sent_visitor

OTHER = "other"
_SOURCE = ("group", "provider")
_MOST_LABELS = 40
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 60)
_KINDS = {LimitReached: "limit", ParameterError: "request", ConfigurationError: "configuration"}


class Metrics:
    """The counts of one process. It observes its runs, and each replica has its own."""

    def __init__(self) -> None:
        # Here, because most servers count nothing.
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

        registry = CollectorRegistry()
        self.media_type = CONTENT_TYPE_LATEST
        self._written = partial(generate_latest, registry)
        self._lock = threading.Lock()
        self._labels: dict[str, set[str]] = {}
        self._pages: Tally[str] = Tally()
        ProcessCollector(registry=registry)
        self._began = Counter("playground_runs_started", "Runs begun", _SOURCE, registry=registry)
        self._ended = Counter("playground_runs_ended", "Runs that are over, by how they ended", (*_SOURCE, "ending"), registry=registry)
        self._first = Histogram(
            "playground_first_sentence_seconds", "Seconds until the first sentence", _SOURCE, buckets=_SECONDS, registry=registry
        )
        self._tokens = Counter("playground_tokens", "Tokens as the endpoints stated them", (*_SOURCE, "kind"), registry=registry)
        self._refused = Counter("playground_refusals", "Runs that were not begun, by why", ("kind",), registry=registry)
        self._live = Gauge("playground_live_runs", "Runs that go on", registry=registry)
        self._streams = Gauge("playground_event_streams", "Open event streams and downloads of recordings", registry=registry)
        Gauge("playground_open_pages", "Pages connected now", registry=registry).set_function(lambda: sum(self._pages.values()))
        Gauge("playground_visitors", "Visitors with a connected page", registry=registry).set_function(lambda: len(self._pages))

    def text(self, *, live: int, streams: int) -> bytes:
        """Return everything, as it stands now."""
        self._live.set(live)
        self._streams.set(streams)
        return self._written()

    def began(self, run: Run) -> None:
        """Count a run that begins."""
        self._began.labels(*self._source(run)).inc()

    def ended(self, run: Run) -> None:
        """Count how a run ended, and what it brought."""
        source, usage = self._source(run), run.usage
        self._ended.labels(*source, str(run.ending)).inc()
        if run.sentences:
            self._first.labels(*source).observe(run.sentences[0].arrived)
        if usage is not None:
            self._tokens.labels(*source, "prompt").inc(max(0, usage.prompt_tokens or 0))
            self._tokens.labels(*source, "completion").inc(max(0, usage.completion_tokens or 0))

    def refused(self, error: PlaygroundError) -> None:
        """Count a refusal."""
        kind = error.reason if isinstance(error, AccessRefused) else _KINDS.get(type(error), OTHER)
        self._refused.labels(self._bounded("kind", kind)).inc()

    def entered(self, visitor: str) -> None:
        """Count a page that connects."""
        with self._lock:
            self._pages[visitor] += 1

    def left(self, visitor: str) -> None:
        """Count a page no more."""
        with self._lock:
            self._pages[visitor] -= 1
            if not self._pages[visitor]:
                del self._pages[visitor]

    def _source(self, run: Run) -> tuple[str, str]:
        return self._bounded("group", run.endpoint.group), run.endpoint.provider.name

    def _bounded(self, label: str, value: str) -> str:
        """The value, unless there are too many others already."""
        with self._lock:
            known = self._labels.setdefault(label, set())
            if value not in known and len(known) >= _MOST_LABELS:
                return OTHER
            known.add(value)
            return value


class OpenPages:
    """The layer around the app that counts pages by their websockets. Those of browsers without our cookie count as one visitor's."""

    def __init__(self, app: Any, *, metrics: Metrics, secret: Callable[[], Secret]) -> None:
        self._app, self._metrics, self._secret = app, metrics, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        visitor = sent_visitor(scope, self._secret()) or ""
        self._metrics.entered(visitor)
        try:
            await self._app(scope, receive, send)
        finally:
            self._metrics.left(visitor)
