"""The log as JSON, one object a line, for whoever collects the logs of many servers; and a line for each run's end.

What a line may hold beside its words is `FIELDS`, and nothing else: never a prompt, never a model's text. `guard_logs` takes the
secrets out of a record's words; what stands beside them passes through the same sieve here.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from playground.endpoints import GROUP_VISITOR
from playground.errors import AccessRefused, PlaygroundError
from playground.redaction import redact
from playground.run import Run

FIELDS = ("run", "endpoint", "provider", "ending", "why", "seconds", "first_seconds", "sentences", "prompt_tokens", "completion_tokens")
_log = logging.getLogger("playground.runs")


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. `event` is a short name where the caller gave one, else the words."""
        words = record.getMessage()
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(), "logger": record.name, "event": getattr(record, "event", words),
        }
        fields |= {name: value for name in FIELDS if (value := getattr(record, name, None)) is not None}
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            fields["error"] = record.exc_text
        return json.dumps({name: redact(value) if isinstance(value, str) else value for name, value in fields.items()})


class RunLog:
    """Writes a line for each run that ends or is refused. Where the log is plain they are too fine to be shown."""

    def began(self, run: Run) -> None:
        """Nothing: its end will tell."""

    def ended(self, run: Run) -> None:
        """Write how it ended. The run is marked by what its thread is named by, which opens nothing."""
        usage, name = run.usage, "visitor's own" if run.endpoint.group == GROUP_VISITOR else run.endpoint.name
        first = round(run.sentences[0].arrived, 3) if run.sentences else None
        why = type(run.error).__name__ if run.error is not None else None
        _log.info(
            "Run %s at %s %s after %.1f s.", run.id[:6], name, run.ending, run.elapsed,
            extra={
                "event": "run ended", "run": run.id[:6], "endpoint": name, "provider": run.endpoint.provider.name, "ending": str(run.ending),
                "why": why, "seconds": round(run.elapsed, 3), "first_seconds": first, "sentences": len(run.sentences),
                "prompt_tokens": usage and usage.prompt_tokens, "completion_tokens": usage and usage.completion_tokens,
            },
        )

    def refused(self, error: PlaygroundError) -> None:
        """Write why one was refused, by kind alone: its words may quote what was typed."""
        why = error.reason if isinstance(error, AccessRefused) else type(error).__name__
        _log.info("A run was refused: %s.", why, extra={"event": "run refused", "why": why})


def write_json() -> None:
    """From now on every line of this process's log is JSON, whatever library writes it, and those of runs are among them."""
    formatter, factory = JsonLines(), logging.getLogRecordFactory()
    for handler in logging.root.handlers:
        handler.setFormatter(formatter)
    if not logging.root.handlers:
        logging.root.addHandler(logging.StreamHandler())
    logging.getLogger("playground").setLevel(logging.INFO)

    def make(name: str, *args: Any, **values: Any) -> logging.LogRecord:
        # Libraries bring handlers of their own, some of them late; a record is made just before they see it.
        place: logging.Logger | None = logging.getLogger(name)
        while place is not None:
            for handler in place.handlers:
                if handler.formatter is not formatter:
                    handler.setFormatter(formatter)
            place = place.parent if place.propagate else None
        return factory(name, *args, **values)

    logging.setLogRecordFactory(make)
