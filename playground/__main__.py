"""The terminal's way in: `python -m playground replay`, and `hash-password`. Exit codes: 0 no drift, 1 drift, 2 it could not be run."""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from getpass import getpass
from itertools import accumulate
from pathlib import Path
from unicodedata import east_asian_width

from playground.client import Client
from playground.drift import THRESHOLD
from playground.endpoints import Endpoint, build_endpoints, check_base_url, fault_endpoint
from playground.errors import ConfigurationError, ParameterError, PlaygroundError
from playground.message import Message, message
from playground.passwords import LEAST, hash_password
from playground.recording import CONTENT_LIMIT
from playground.redaction import guard_logs, redact
from playground.run import BY_PERSON, Runs
from playground.settings import read_settings
from playground.suite import USUAL, CaseReport, Outcome, Plan, Report, SuiteRun, plan, read_suite

SAME, DRIFT, NOT_RUN = 0, 1, 2
_LOOK = 0.1
_BAR = 24
_INDENT = "   "
_CLEAR = "\r\033[K"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code. What went wrong is said in words on standard error."""
    guard_logs()
    parser = _parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "run"):
        parser.print_help()
        return SAME
    try:
        return int(options.run(options))
    except PlaygroundError as error:
        _complain(error.message, error.remedy)
    except KeyboardInterrupt:
        _complain(BY_PERSON)
    return NOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m playground", description="What the playground does without its page.")
    commands = parser.add_subparsers(metavar="command")
    command = commands.add_parser(
        "replay", help="ask the requests of recordings again, and tell in what the answers have changed",
        description="Asks the requests of recordings again, and tells in what the answers have changed since. "
        "Exit code: 0 no drift, 1 drift, 2 it could not be run.",
    )
    command.add_argument("suite", type=Path, nargs="+", help="files of recordings, as the playground saves them")
    command.add_argument("--endpoint", metavar="NAME", help="whom to ask; default: whoever each was recorded from")
    command.add_argument("--repeats", type=int, default=USUAL, metavar="N", help=f"fresh answers to each request (default: {USUAL})")
    command.add_argument(
        "--threshold", type=float, default=THRESHOLD, metavar="X",
        help=f"how far answers may differ, 0 to 1, before it can be drift (default: {THRESHOLD:g})",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write the report for programs")
    command.add_argument("--markdown", type=Path, metavar="FILE", help="write the report for people")
    command.add_argument("--list", action="store_true", help="show what would be asked, and ask nothing")
    command.add_argument("--emulator", metavar="URL", help="where an emulator runs, for recorded/… and fault/… (python -m emulator)")
    command.set_defaults(run=_replay)
    command = commands.add_parser(
        "hash-password", help="make what PLAYGROUND_ADMIN_PASSWORD_HASH is set to",
        description="Asks for a password, or reads it from standard input, and prints the hash that PLAYGROUND_ADMIN_PASSWORD_HASH is set to.",
    )
    command.set_defaults(run=_hash_password)
    return parser


def _hash_password(_options: argparse.Namespace) -> int:
    """The password goes nowhere but through the hash."""
    if sys.stdin.isatty():
        password = getpass("Password: ")
        if getpass("Again: ") != password:
            raise ParameterError("password", message("These are two passwords."))
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < LEAST:
        raise ParameterError("password", message("A password has at least {least} characters.", least=LEAST))
    print(hash_password(password))
    return SAME


def _replay(options: argparse.Namespace) -> int:
    suite = read_suite(*map(_content, options.suite))
    settings = read_settings()
    for problem in settings.problems:
        _complain(problem.message, problem.remedy)
    names = {options.endpoint} if options.endpoint is not None else {case.endpoint.name for case in suite.cases}
    emulator = None if options.emulator is None else check_base_url("--emulator", options.emulator)
    endpoints = _emulated(build_endpoints(settings, emulator), names, emulator)
    ahead = plan(suite, endpoints, options.endpoint, repeats=options.repeats, threshold=options.threshold)
    if options.list:
        _list(ahead)
        return SAME
    for path in (options.json, options.markdown):
        if path is not None:
            _write(path, "")
    runs = Runs(Client(timeouts=settings.timeouts, retry=settings.retry), settings.limits)
    try:
        report = _asked(SuiteRun(runs, ahead, "command line"))
    finally:
        runs.close()
    _say(report.words)
    if options.json is not None:
        _write(options.json, report.to_json())
    if options.markdown is not None:
        _write(options.markdown, report.to_markdown())
    return _exit_code(report)


def _exit_code(report: Report) -> int:
    """Drift is the graver news; a suite of which nothing could be compared is not a suite without drift."""
    total = report.total
    if total[Outcome.DRIFT]:
        return DRIFT
    return NOT_RUN if total[Outcome.FAILED] or total[Outcome.NOT_RUN] or not total[Outcome.SAME] else SAME


def _emulated(endpoints: Mapping[str, Endpoint], names: set[str], emulator: str | None) -> dict[str, Endpoint]:
    """Add the emulator's faults that are named, for it alone knows which there are; without an emulator say how to have one."""
    faults = {name: fault_endpoint(name.removeprefix("fault/"), emulator, Message("")) for name in names if name.startswith("fault/")}
    known = {**endpoints, **faults}
    if emulator is not None:
        return known
    remedy = message("Start one with python -m emulator, and name its address with --emulator.")
    return {
        name: replace(one, off=ConfigurationError(one.off.message, remedy)) if one.off and name.startswith(("recorded/", "fault/")) else one
        for name, one in known.items()
    }


def _list(ahead: Plan) -> None:
    for one in ahead.questions:
        _say(message("{number}. {title} · {endpoint} · recordings: {count}", number=one.case.number, title=one.case.title,
                     endpoint=one.endpoint.name, count=len(one.case.references)))
        for name, words in one.changed.items():
            _say(message("{name}: {words}", name=name, words=words), _INDENT)
        if one.trouble is not None:
            _say(message("not comparable: {reason}", reason=one.trouble), _INDENT)
    for name, bill in ahead.estimates.items():
        _say(message("{endpoint}: {bill}", endpoint=name, bill=bill.words))


def _asked(run: SuiteRun) -> Report:
    """Carry it out and show how far it is; Ctrl+C stops it, and what was found until then stands."""
    told: set[int] = set()
    run.start()
    while True:
        try:
            ended = run.wait(_LOOK)
            run.touch()
            report = run.report
            _tell([case for case in report.cases if ended or case.outcome is not Outcome.NOT_RUN], told)
            if ended:
                return report
            _draw(run)
        except KeyboardInterrupt:
            run.stop()


def _tell(cases: list[CaseReport], told: set[int]) -> None:
    """Say what is known now and was not before."""
    for case in cases:
        if case.question.case.number not in told:
            told.add(case.question.case.number)
            if sys.stderr.isatty():
                sys.stderr.write(_CLEAR)
                sys.stderr.flush()
            _say_case(case)


def _say_case(case: CaseReport) -> None:
    one = case.question
    _say(message("{number}. {title} · {endpoint} · {words}", number=one.case.number, title=one.case.title, endpoint=one.endpoint.name,
                 words=case.words))
    for name, words in one.changed.items():
        _say(message("{name}: {words}", name=name, words=words), _INDENT)
    for row in case.differences:
        if row.drifted or row.noisy:
            noise = message("unknown") if row.noise is None else f"{row.noise:.2f}"
            _say(message("{words} (distance {distance}, noise {noise})", words=row.words, distance=f"{row.distance:.2f}", noise=noise), _INDENT)


def _draw(run: SuiteRun) -> None:
    """Show a bar, in place, where somebody sees it."""
    if not sys.stderr.isatty():
        return
    progress = run.progress
    filled = _BAR * progress.done // max(1, progress.all)
    doing = message("waiting for a free place") if progress.waiting else progress.case.title if progress.case else ""
    line = _plain(f"{'█' * filled}{'░' * (_BAR - filled)} {progress.done}/{progress.all} {doing}")
    widths = accumulate(2 if east_asian_width(letter) in "WF" else 1 for letter in line)
    columns = shutil.get_terminal_size().columns
    sys.stderr.write(_CLEAR + "".join(letter for letter, width in zip(line, widths, strict=True) if width < columns))
    sys.stderr.flush()


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(CONTENT_LIMIT + 1)
    except OSError as error:
        raise ParameterError(
            "suite", message("{file} cannot be read: {reason}.", file=str(path), reason=os.strerror(error.errno or 0)),
            message("Name a file of recordings, as the playground saves them."),
        ) from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            message("{file} cannot be written: {reason}.", file=str(path), reason=os.strerror(error.errno or 0)),
            message("Name a file in a folder that is there and yours."),
        ) from None


def _say(text: Message, before: str = "") -> None:
    print(before + _plain(str(text)), flush=True)


def _complain(*texts: Message | None) -> None:
    sys.stderr.write("".join(f"{_plain(str(text))}\n" for text in texts if text is not None))


def _plain(text: str) -> str:
    """A text without secrets, and without what would command the terminal: prompts and errors are written by others."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in redact(text))


if __name__ == "__main__":
    sys.exit(main())
