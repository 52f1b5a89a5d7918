"""What this app itself permits, and how long it waits: the settings as they stand."""

from playground.message import N_, Message, message
from playground.reference.entry import Entry, Table
from playground.settings import Settings


def limits_here(settings: Settings, prompt_limit: int) -> Table:
    """Return the limits that a run meets on this side, each under the name of its setting."""
    limits, timeouts, retry = settings.limits, settings.timeouts, settings.retry
    rows = (
        ("prompt", _characters(prompt_limit), message("A longer prompt is refused before anything is sent; an endpoint may set its limit lower.")),
        ("PLAYGROUND_TEXT_LIMIT", _characters(limits.text), message("A longer answer is stopped; its text stays.")),
        ("PLAYGROUND_CONNECT_TIMEOUT", _seconds(timeouts.connect), message("How long making the connection may take.")),
        ("QIANFAN_LLM_API_RETRY_TIMEOUT", _seconds(timeouts.silence),
         message("How long an endpoint may be silent. It bounds each gap between bytes, not the whole answer.")),
        ("QIANFAN_LLM_API_RETRY_COUNT", message("at most {count}", count=retry.attempts),
         message("How often a request is sent, the first included, and only while nothing of the answer has come.")),
        ("QIANFAN_LLM_API_RETRY_BACKOFF_FACTOR", _seconds(retry.backoff), message("The wait before the second try; doubled before each further one.")),
        ("PLAYGROUND_RUN_TIME", _seconds(limits.run_time), message("A longer run is stopped; its text stays.")),
        ("PLAYGROUND_UNWATCHED", _seconds(limits.unwatched), message("How long a run goes on while nobody looks at it.")),
        ("PLAYGROUND_RUNS_PER_VISITOR", message("{count} at once", count=limits.runs_per_visitor), message("Runs of one visitor.")),
        ("PLAYGROUND_RUNS_IN_ALL", message("{count} at once", count=limits.runs_in_all), message("Runs of all visitors.")),
    )
    entries = tuple(Entry(name=name, facts=(figure,), words=(words,)) for name, figure, words in rows)
    return Table(title=N_("On this server, as it is configured"), entries=entries)


def _seconds(figure: float) -> Message:
    return message("{seconds} s", seconds=f"{figure:,g}")


def _characters(count: int) -> Message:
    return message("{count} characters", count=f"{count:,}")
