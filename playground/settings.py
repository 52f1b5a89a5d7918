"""What this server is configured with: the environment, `.env`, and `.streamlit/secrets.toml`, in that order of precedence.

Nothing is written to `os.environ`. A line that cannot be read, or a value that makes no sense, becomes a
`ConfigurationError` in `Settings.problems`: the app starts, and the page says what is wrong and where.
"""

import math
import os
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from playground.errors import ConfigurationError
from playground.message import message
from playground.passwords import is_hash
from playground.redaction import Secret
from playground.wire import Timeouts

ROOT = Path(__file__).resolve().parent.parent
# The file that everything is kept in where nothing else is said.
DATABASE = "playground.sqlite3"
# Whether visitors may add endpoints of their own, and how far these may reach.
VISITOR_ENDPOINTS = ("auto", "off", "public", "any")
# Who may use an endpoint that costs its owner something: everybody, or who has a demo link.
ACCESS = ("open", "demo")
# How this process writes its log: lines for a person, or one JSON object a line.
LOG_FORMS = ("plain", "json")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What guards this process. Times in seconds, text in characters; text and sentences are those of one answer.

    `wire` is how much of one answer is kept as it came, `wire_in_all` of all together.
    """

    runs_per_visitor: int = 3
    runs_in_all: int = 24
    streams_in_all: int = 200
    text: int = 2_000_000
    sentences: int = 100_000
    wire: int = 32_000_000
    wire_in_all: int = 256_000_000
    run_time: float = 1800.0
    unwatched: float = 120.0
    keep: float = 3600.0
    keep_runs: int = 200


@dataclass(frozen=True, kw_only=True)
class Retry:
    """`attempts` counts the first try; waiting before try n+1 is `backoff` × 2^(n-1) seconds. Defaults as the Yi-34B page."""

    attempts: int = 1
    backoff: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One reading of the configuration. `values` holds the names and texts the endpoints are made from.

    `log` is one of `LOG_FORMS`, `drain` the seconds that runs get to end when the server is asked to stop; `metrics` says whether
    `/metrics` answers, to everybody or, with a `metrics_token`, to who brings it.
    `visitor_endpoints` is one of `VISITOR_ENDPOINTS`, `access` one of `ACCESS`; `runs_per_minute` is for each visitor (0: no limit),
    `trusted_proxies` how many proxies in front of this server add to X-Forwarded-For; `admin_password` is a hash, `admins` are the
    e-mail addresses that may log in as owners; `salt` makes a visitor's mark worthless to who does not know it. `database` is
    an address, or nothing is kept, `history_days` how long a run is that has no star, `history_runs` how many of one visitor's;
    `cookie_secret` is what signs visitors' cookies, if it is not to be kept in the database.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: Retry = field(default_factory=Retry)
    limits: Limits = field(default_factory=Limits)
    emulator_port: int = 0
    local_length: int = 256
    fault_endpoints: bool = False
    endpoint_file: Path = ROOT / "endpoints.toml"
    visitor_endpoints: str = "auto"
    access: str = "open"
    runs_per_minute: int = 60
    trusted_proxies: int = 0
    admin_password: Secret | None = None
    admins: tuple[str, ...] = ()
    history_days: int = 90
    history_runs: int = 20_000
    log: str = "plain"
    drain: float = 10.0
    metrics: bool = False
    metrics_token: Secret | None = None
    salt: Secret = field(default_factory=lambda: Secret(secrets.token_hex(16)), compare=False)
    database: Secret | None = None
    cookie_secret: Secret | None = None
    problems: tuple[ConfigurationError, ...] = ()


def read_settings(root: Path = ROOT, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the three sources. Never raises for what a person wrote in them."""
    problems: list[ConfigurationError] = []
    values = {**_secrets(root / ".streamlit" / "secrets.toml", problems), **_dotenv(root / ".env", problems)}
    values.update(os.environ if environ is None else environ)

    def number(name: str, default: float, least: float, whole: bool = False, most: float = math.inf) -> Any:
        text = values.get(name, "").strip()
        if not text:
            return default
        read: Callable[[str], float] = int if whole else float
        try:
            value = read(text)
            if math.isfinite(value) and least <= value <= most:
                return value
        except (ValueError, OverflowError):
            pass
        problems.append(
            ConfigurationError(
                message("{name} must be a number from {least}; it is “{value}”.", name=name, least=f"{least:.15g}", value=text),
                message("Correct it and start again; until then {default} is used.", default=f"{default:.15g}"),
            )
        )
        return default

    access = values.get("PLAYGROUND_ACCESS", "").strip().lower() or Settings.access
    if access not in ACCESS:
        access = "demo"
        problems.append(
            ConfigurationError(
                message("{name} is none of the known ones.", name="PLAYGROUND_ACCESS"),
                message("Set it to one of these: {known}. Until then what costs money needs a demo link.", known=", ".join(ACCESS)),
            )
        )
    admin_password = values.get("PLAYGROUND_ADMIN_PASSWORD_HASH", "").strip()
    if admin_password and not is_hash(admin_password):
        problems.append(
            ConfigurationError(
                message("PLAYGROUND_ADMIN_PASSWORD_HASH is not the hash of a password, so nobody can log in with one."),
                message("Make one with python -m playground hash-password, and start again."),
            )
        )
    visitor_endpoints = values.get("PLAYGROUND_VISITOR_ENDPOINTS", "").strip().lower() or Settings.visitor_endpoints
    if visitor_endpoints not in VISITOR_ENDPOINTS:
        visitor_endpoints = "off"
        problems.append(
            ConfigurationError(
                message("{name} is none of the known ones.", name="PLAYGROUND_VISITOR_ENDPOINTS"),
                message("Set it to one of these: {known}. Until then visitors add no endpoints.", known=", ".join(VISITOR_ENDPOINTS)),
            )
        )
    log = values.get("PLAYGROUND_LOG", "").strip().lower() or Settings.log
    if log not in LOG_FORMS:
        log = Settings.log
        problems.append(
            ConfigurationError(
                message("{name} is none of the known ones.", name="PLAYGROUND_LOG"),
                message("Set it to one of these: {known}. Until then the log is plain.", known=", ".join(LOG_FORMS)),
            )
        )
    metrics_token = values.get("PLAYGROUND_METRICS_TOKEN", "").strip()
    salt = values.get("PLAYGROUND_SALT", "").strip()
    limits = Limits(
        runs_per_visitor=number("PLAYGROUND_RUNS_PER_VISITOR", Limits.runs_per_visitor, 1, True),
        runs_in_all=number("PLAYGROUND_RUNS_IN_ALL", Limits.runs_in_all, 1, True),
        text=number("PLAYGROUND_TEXT_LIMIT", Limits.text, 1000, True),
        run_time=number("PLAYGROUND_RUN_TIME", Limits.run_time, 1),
        unwatched=number("PLAYGROUND_UNWATCHED", Limits.unwatched, 1),
        keep=number("PLAYGROUND_KEEP", Limits.keep, 1),
    )
    return Settings(
        values=values,
        timeouts=Timeouts(
            connect=number("PLAYGROUND_CONNECT_TIMEOUT", Timeouts.connect, 0.1),
            silence=number("QIANFAN_LLM_API_RETRY_TIMEOUT", Timeouts.silence, 0.1),
        ),
        retry=Retry(
            attempts=max(1, number("QIANFAN_LLM_API_RETRY_COUNT", Retry.attempts, 0, True)),
            backoff=number("QIANFAN_LLM_API_RETRY_BACKOFF_FACTOR", Retry.backoff, 0),
        ),
        limits=limits,
        emulator_port=number("PLAYGROUND_EMULATOR_PORT", 0, 0, True, most=65535),
        local_length=number("LOCAL_MODEL_LENGTH", 256, 1, True, most=100_000),
        fault_endpoints=_is_on(values.get("PLAYGROUND_FAULT_ENDPOINTS", "")),
        endpoint_file=root / (values.get("PLAYGROUND_ENDPOINTS", "").strip() or Settings.endpoint_file.name),
        visitor_endpoints=visitor_endpoints,
        access=access,
        runs_per_minute=number("PLAYGROUND_RUNS_PER_MINUTE", Settings.runs_per_minute, 0, True),
        trusted_proxies=number("PLAYGROUND_TRUSTED_PROXIES", Settings.trusted_proxies, 0, True, most=20),
        admin_password=Secret(admin_password) if admin_password else None,
        admins=tuple(name.strip().lower() for name in values.get("PLAYGROUND_ADMINS", "").split(",") if name.strip()),
        history_days=number("PLAYGROUND_HISTORY_DAYS", Settings.history_days, 0, True, most=36500),
        history_runs=number("PLAYGROUND_HISTORY_RUNS", Settings.history_runs, 1, True),
        log=log,
        drain=number("PLAYGROUND_DRAIN", Settings.drain, 0, most=3600),
        metrics=bool(metrics_token) or _is_on(values.get("PLAYGROUND_METRICS", "")),
        metrics_token=Secret(metrics_token) if metrics_token else None,
        salt=Secret(salt or secrets.token_hex(16)),
        database=Secret(values.get("DATABASE_URL", "").strip() or f"sqlite:///{root / DATABASE}"),
        cookie_secret=Secret(cookie_secret) if (cookie_secret := values.get("PLAYGROUND_COOKIE_SECRET", "").strip()) else None,
        problems=tuple(problems),
    )


def _is_on(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on")


def _dotenv(path: Path, problems: list[ConfigurationError]) -> dict[str, str]:
    """Read a `.env`; a line that is not `NAME=value` is reported by its number, without its content: it may be a key."""
    try:
        stream = path.open(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError:
        problems.append(_unreadable(path))
        return {}
    values = {}
    with stream:
        try:
            bindings = list(parse_stream(stream))
        except UnicodeDecodeError:
            problems.append(_unreadable(path))
            return {}
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(
                ConfigurationError(
                    message("Line {line} of {file} cannot be read.", line=_line(binding), file=path.name),
                    message("Write it as NAME=value, one a line, and start again. The other lines are used."),
                )
            )
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values


def _line(binding: Any) -> int:
    """The parser counts blank lines before a binding to it; the number a person looks for is that of its first text."""
    text = str(binding.original.string)
    return int(binding.original.line) + text[: len(text) - len(text.lstrip())].count("\n")


def _secrets(path: Path, problems: list[ConfigurationError]) -> dict[str, str]:
    """Read the top level of Streamlit's secrets file, as a hosting service writes it."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError):
        problems.append(_unreadable(path))
        return {}
    except tomllib.TOMLDecodeError:
        problems.append(
            ConfigurationError(
                message("{file} is not valid TOML.", file=path.name), message("Write each line as NAME = \"value\" and start again.")
            )
        )
        return {}
    return {name: str(value) for name, value in fields.items() if isinstance(value, str | int | float)}


def _unreadable(path: Path) -> ConfigurationError:
    return ConfigurationError(message("{file} cannot be read.", file=path.name), message("Save it as UTF-8 text that this user may read."))
