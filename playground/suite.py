"""Regression replay: recorded requests asked again, and what has changed in the answers since.

A suite is one or more recordings. Those of one request to one endpoint are one case; their answers are its references, with
which the fresh ones are compared. A plan says what will be asked of whom before anything is sent, a `SuiteRun` asks it, one
request at a time, and its `Report` has a verdict on every case, whatever happened.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import reduce
from typing import Any

from playground.completion import CompletionRequest, Ending, Sentence
from playground.drift import THRESHOLD, Answer, Difference, answer, differences
from playground.endpoints import Endpoint
from playground.errors import (
    ConfigurationError,
    EndpointError,
    ParameterError,
    StreamInterrupted,
)
from playground.exchange import Exchange
from playground.language import Translate
from playground.message import Message, message
from playground.parameters import check_prompt
from playground.recording import Recording, read_recordings
from playground.redaction import redact
from playground.replay import Tape, replay, replay_endpoint
from playground.run import Run, Starter
from playground.series import Series, Unanswered
from playground.trial import Estimate, estimate
from playground.wire import Cancel

VERSION = 1
USUAL, MOST = 3, 20

_SHOWN = 60
# What a body holds that is no parameter a person chose.
_NO_PARAMETERS = ("prompt", "model", "stream_options")


# --- what is asked ---


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request that was recorded, the endpoint as it was then, and its answers. `trouble` is why there is nothing to compare with."""

    number: int
    endpoint: Endpoint
    request: CompletionRequest
    references: tuple[Answer, ...]
    trouble: Message | None = None

    @property
    def title(self) -> str:
        """The prompt's beginning, in one line and without any secret."""
        words = " ".join(redact(self.request.prompt).split())
        return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The cases of some recordings, in the order in which their requests first stand there."""

    cases: tuple[Case, ...]


def read_suite(*contents: bytes) -> Suite:
    """Return the suite of these files of recordings. Raises `ParameterError`."""
    return suite_of(recording for content in contents for recording in read_recordings(content))


def suite_of(recordings: Iterable[Recording]) -> Suite:
    """Return the suite of these recordings. Raises `ParameterError` for one of a protocol that is not known here."""
    groups: dict[tuple[str, str], list[Recording]] = {}
    for recording in recordings:
        body = json.dumps(_body(recording), sort_keys=True) if recording.sent else f"no request, {len(groups)}"
        groups.setdefault((recording.endpoint.get("name", ""), body), []).append(recording)
    return Suite(cases=tuple(_case(number, group) for number, group in enumerate(groups.values(), 1)))


def _case(number: int, recordings: list[Recording]) -> Case:
    first = recordings[0]
    endpoint = replay_endpoint(first)
    fields = _body(first)
    prompt = fields.get("prompt")
    parameters = {name: value for name, value in fields.items() if name not in _NO_PARAMETERS and value is not None}
    troubles = [_trouble(recording) for recording in recordings]
    whole = [recording for recording, trouble in zip(recordings, troubles, strict=True) if trouble is None]
    return Case(
        number=number, endpoint=replace(endpoint, name=first.endpoint.get("name") or endpoint.name),
        request=CompletionRequest(prompt=prompt if isinstance(prompt, str) else "", parameters=parameters),
        references=tuple(_reference(recording, endpoint) for recording in whole), trouble=None if whole else troubles[0],
    )


def _body(recording: Recording) -> dict[str, Any]:
    try:
        fields = json.loads(recording.sent.body) if recording.sent else {}
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _trouble(recording: Recording) -> Message | None:
    """Say why an answer is nothing to compare others with."""
    if not isinstance(_body(recording).get("prompt"), str):
        return message("the recording does not hold the request")
    if recording.ended is None or recording.dropped:
        return message("the recording does not hold the whole answer")
    return message("the recorded answer was stopped before its end") if recording.ending is Ending.STOPPED else None


def _reference(recording: Recording, endpoint: Endpoint) -> Answer:
    """Read a recorded answer by the code that reads the wire, each sentence at its recorded time."""
    tape, sentences = Tape(0), list[Sentence]()
    times = [recording.body.at] if recording.body else [event.at for event in recording.events]
    ending, error = Ending.FINISHED, None
    try:
        for sentence in replay(recording, endpoint.provider, tape, Cancel(), Exchange(room=0)):
            if sentence.queue_place is None:
                sentences.append(sentence._replace(arrived=times[tape.position - 1]))
    except EndpointError as raised:
        ending, error = Ending.CUT if isinstance(raised, StreamInterrupted) else Ending.FAILED, raised
    return answer(sentences, ending, error=error, timed=recording.timed)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A case as it will be asked. `changed` tells what is not as it was recorded and why: parameters left out, another model."""

    case: Case
    endpoint: Endpoint
    request: CompletionRequest
    changed: Mapping[str, Message] = field(default_factory=dict)
    trouble: Message | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a suite run will ask: every question without trouble, `repeats` times."""

    questions: tuple[Question, ...]
    repeats: int
    threshold: float

    @property
    def requests(self) -> int:
        """How many requests it is."""
        return self.repeats * sum(one.trouble is None for one in self.questions)

    @property
    def estimates(self) -> Mapping[str, Estimate]:
        """The bill in advance, by endpoint."""
        asked = [one for one in self.questions if one.trouble is None]
        names = {one.endpoint.name: one.endpoint for one in asked}
        return {
            name: estimate(endpoint, [one.request for one in asked if one.endpoint.name == name] * self.repeats) for name, endpoint in names.items()
        }


def plan(
    suite: Suite, endpoints: Mapping[str, Endpoint], name: str | None = None, *, repeats: int = USUAL, threshold: float = THRESHOLD
) -> Plan:
    """Return what replaying a suite takes: each case on the endpoint it was recorded on, or all on the one named.

    Raises `ParameterError` for repeats or a threshold out of bounds, `ConfigurationError` for an endpoint that is not there or off.
    """
    if not 1 <= repeats <= MOST:
        raise ParameterError("repeats", message("Fresh answers to each request: from {low} to {high}.", low=1, high=MOST))
    if not 0 <= threshold <= 1:
        raise ParameterError("threshold", message("The threshold is a number from 0 to 1."))
    chosen = None if name is None else _usable(name, endpoints)
    questions = tuple(
        _question(case, chosen or (case.endpoint if case.trouble is not None else _usable(case.endpoint.name, endpoints))) for case in suite.cases
    )
    return Plan(questions=questions, repeats=repeats, threshold=threshold)


def _usable(name: str, endpoints: Mapping[str, Endpoint]) -> Endpoint:
    endpoint = endpoints.get(name)
    if endpoint is None:
        raise ConfigurationError(
            message("There is no endpoint “{name}” here.", name=name), message("Name one of these instead: {known}.", known=", ".join(endpoints))
        )
    if endpoint.off is not None:
        raise ConfigurationError(message("The endpoint “{name}” cannot be used: {reason}", name=name, reason=endpoint.off.message), endpoint.off.remedy)
    return endpoint


def _question(case: Case, endpoint: Endpoint) -> Question:
    """Fit a recorded request to an endpoint's own table; what has no place there is left out, and said."""
    specs = {spec.name: spec for spec in endpoint.parameters}
    kept: dict[str, Any] = {}
    changed: dict[str, Message] = {}
    if endpoint.model != case.endpoint.model:
        changed["model"] = message("{before} → {now}", before=case.endpoint.model or "–", now=endpoint.model or "–")
    for name, value in case.request.parameters.items():
        if name not in specs:
            changed[name] = message("not sent: this endpoint has no such parameter")
            continue
        try:
            kept[name] = specs[name].check(value)
        except ParameterError as error:
            changed[name] = message("not sent: {reason}", reason=error.message)
    request, trouble = replace(case.request, parameters=kept), case.trouble
    if trouble is None:
        try:
            check_prompt(request.prompt, endpoint.prompt_limit)
        except ParameterError as error:
            trouble = error.message
    return Question(case=case, endpoint=endpoint, request=request, changed=changed, trouble=trouble)


# --- what came of it ---


class Outcome(StrEnum):
    """The verdict on a case."""

    SAME = "same"
    DRIFT = "drift"
    FAILED = "failed"
    NOT_COMPARABLE = "not comparable"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class CaseReport:
    """One case: the verdict, in words where there is more to say, and the figures behind it. `identical` counts answers that are a reference's text."""

    question: Question
    outcome: Outcome
    reason: Message | None = None
    differences: tuple[Difference, ...] = ()
    answers: int = 0
    identical: int = 0

    @property
    def words(self) -> Message:
        """The verdict in one line."""
        if self.outcome is Outcome.DRIFT:
            names = [one.aspect.words for one in self.differences if one.drifted]
            return message("drift in {aspects}", aspects=reduce(_joined, names))
        if self.outcome is Outcome.SAME:
            noisy = [one.aspect.words for one in self.differences if one.noisy]
            return message("the same within the noise: {aspects}", aspects=reduce(_joined, noisy)) if noisy else message("the same")
        return message("{verdict}: {reason}", verdict=_VERDICTS[self.outcome], reason=self.reason or Message("–"))


def _joined(one: Message, other: Message) -> Message:
    return Message("{one}, {other}", {"one": one, "other": other})


_VERDICTS = {
    Outcome.FAILED: message("failed"),
    Outcome.NOT_COMPARABLE: message("not comparable"),
    Outcome.NOT_RUN: message("not run"),
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a suite run found. `made` is wall-clock time."""

    cases: tuple[CaseReport, ...]
    repeats: int
    threshold: float
    made: float

    @property
    def total(self) -> Mapping[Outcome, int]:
        """How many cases have each verdict."""
        count = Counter(case.outcome for case in self.cases)
        return {outcome: count[outcome] for outcome in Outcome}

    @property
    def words(self) -> Message:
        """The total in one line."""
        total = self.total
        return message(
            "Cases: {count} · the same: {same} · drift: {drift} · failed: {failed} · not compared: {rest}",
            count=len(self.cases), same=total[Outcome.SAME], drift=total[Outcome.DRIFT], failed=total[Outcome.FAILED],
            rest=total[Outcome.NOT_COMPARABLE] + total[Outcome.NOT_RUN],
        )

    def to_json(self) -> str:
        """Return the report for programs to read, versioned, without any secret."""
        fields = {
            "report": VERSION, "made": _moment(self.made), "repeats": self.repeats, "threshold": self.threshold,
            "total": {outcome.value: count for outcome, count in self.total.items()}, "cases": [_fields(case) for case in self.cases],
        }
        return json.dumps(fields, ensure_ascii=False, indent=2) + "\n"

    def to_markdown(self, translate: Translate = str) -> str:
        """Return the report for people to read: every case in a table, and every figure of those that are not the same."""
        def say(text: Message) -> str:
            return redact(text.render(translate))

        made = message("Made {moment}. Fresh answers to each request: {repeats}. Threshold: {threshold}.", moment=_moment(self.made),
                       repeats=self.repeats, threshold=f"{self.threshold:g}")
        names = (message("case"), message("request"), message("endpoint"), message("verdict"))
        title = say(message("Regression replay"))
        lines = [f"# {title}", "", say(self.words), "", say(made), ""]
        lines += _table(map(say, names), [
            [str(one.question.case.number), one.question.case.title, _route(one.question), say(one.words)] for one in self.cases
        ])
        for one in self.cases:
            rows = [[say(row.words), f"{row.distance:.2f}", "–" if row.noise is None else f"{row.noise:.2f}", "●" if row.drifted else ""]
                    for row in one.differences if row.drifted or row.noisy]
            changed = [f"- `{name}`: {say(words)}" for name, words in one.question.changed.items()]
            if rows or changed:
                lines += ["", f"## {one.question.case.number}. {_cell(one.question.case.title)}", "", *changed, *([""] if changed and rows else [])]
            if rows:
                lines += _table(map(say, (message("difference"), message("distance"), message("noise"), message("drift"))), rows)
        return "\n".join(lines) + "\n"


def _fields(case: CaseReport) -> dict[str, Any]:
    one = case.question
    return {
        "case": one.case.number, "prompt": one.case.title, "recorded_on": redact(one.case.endpoint.name), "endpoint": redact(one.endpoint.name),
        "references": len(one.case.references), "answers": case.answers, "identical": case.identical, "verdict": case.outcome.value,
        "words": redact(str(case.words)), "changed": {name: redact(str(words)) for name, words in one.changed.items()},
        "differences": [
            {
                "aspect": row.aspect.value, "before": [_value(value) for value in row.before], "now": [_value(value) for value in row.now],
                "distance": round(row.distance, 4), "noise": None if row.noise is None else round(row.noise, 4), "threshold": row.threshold,
                "drifted": row.drifted, "words": redact(str(row.words)),
            }
            for row in case.differences
        ],
    }


def _value(value: Any) -> Any:
    return redact(value) if isinstance(value, str) else round(value, 3)


def _route(one: Question) -> str:
    before, now = one.case.endpoint.name, one.endpoint.name
    return now if now == before else f"{before} → {now}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _table(names: Iterable[str], rows: list[list[str]]) -> list[str]:
    head = list(names)
    return [f"| {' | '.join(map(_cell, row))} |" for row in (head, ["---"] * len(head), *rows)]


def _cell(text: str) -> str:
    """A text as a cell of a table holds it: what would end the cell, or be markup, stands there as it is."""
    return "".join(f"\\{letter}" if letter in "\\|`*_<[" else letter for letter in redact(text)).replace("\n", " ")


# --- the asking ---


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a suite run is, in requests of its plan; those that turned out needless count as done. `case` is the one that is asked now."""

    done: int
    all: int
    case: Case | None
    waiting: bool
    ended: bool


class SuiteRun(Series):
    """Carries out a plan. It ends with a verdict on every case, whatever happens."""

    def __init__(self, runs: Starter, plan: Plan, visitor: str) -> None:
        super().__init__(runs, visitor)
        self.plan = plan
        self._reports: dict[int, CaseReport] = {}
        self._question: Question | None = None
        self._asked = 0

    @property
    def progress(self) -> Progress:
        """How far it is."""
        ended, question = self._ended.is_set(), self._question
        done = self.plan.repeats * sum(one.question.trouble is None for one in list(self._reports.values()))
        asked = min(self._asked, self.plan.repeats) if question is not None else 0
        return Progress(
            done=min(done + asked, self.plan.requests), all=self.plan.requests, case=question.case if question else None,
            waiting=self._waiting and not ended, ended=ended,
        )

    @property
    def report(self) -> Report:
        """What it has found so far; cases still to come are not run."""
        reason = self.reason if self._ended.is_set() else message("It has not been asked yet.")
        rows = (self._reports.get(one.case.number) or CaseReport(question=one, outcome=Outcome.NOT_RUN, reason=reason) for one in self.plan.questions)
        return Report(cases=tuple(rows), repeats=self.plan.repeats, threshold=self.plan.threshold, made=self.started)

    def _carry_out(self) -> None:
        for one in self.plan.questions:
            self._asked, self._question = 0, one
            found = self._replay(one)
            self._question = None
            self._reports[one.case.number] = found

    def _over(self) -> None:
        self._question = None

    def _replay(self, one: Question) -> CaseReport:
        """Ask for the fresh answers of a case, and compare."""
        if one.trouble is not None:
            return CaseReport(question=one, outcome=Outcome.NOT_COMPARABLE, reason=one.trouble)
        references, fresh = one.case.references, []
        expected = all(_silent(known) for known in references)
        try:
            for _ in range(self.plan.repeats):
                fresh.append(self._fresh(one, expected))
                self._asked += 1
        except Unanswered as failure:
            return CaseReport(question=one, outcome=Outcome.FAILED, reason=failure.words, answers=len(fresh))
        found = differences(references, fresh, self.plan.threshold)
        known = {reference.text for reference in references}
        return CaseReport(
            question=one, outcome=Outcome.DRIFT if any(row.drifted for row in found) else Outcome.SAME, differences=found, answers=len(fresh),
            identical=sum(one.text in known for one in fresh),
        )

    def _fresh(self, one: Question, failure_expected: bool) -> Answer:
        """Return a fresh answer. Raises `Unanswered` where there is none although there was one before, or `Halted`."""
        return _answer(self._ask(one.endpoint, one.request, lambda run: failure_expected or not _silent(_answer(run))))


def _answer(run: Run) -> Answer:
    return answer(list(run.sentences), run.ending or Ending.FAILED, error=run.error)


def _silent(one: Answer) -> bool:
    """Whether it failed before its first sentence."""
    return one.ending is Ending.FAILED and not one.sentences and not one.text
