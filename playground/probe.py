"""Does a parameter act? The only way to know is to ask: the same prompt again and again, with two settings that should differ.

Services document parameters that they then ignore, and an ignored one raises no error. So the answers under one setting
(A) are compared with each other and with those under the other (B). Which request gets which setting is drawn by lot:
then a permutation test is exact, whatever else changes at the endpoint meanwhile. Opt-in, for it costs requests.

What it cannot tell: whether a parameter acts or an endpoint merely keeps whole answers by their request; then each setting
has one text of its own, whatever the setting means there.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from secrets import SystemRandom
from typing import Any

from playground.comparison import Comparison, compare, false_alarm_rate
from playground.contrast import Contrast, contrast, frequent_stop
from playground.endpoints import Endpoint
from playground.errors import ParameterError
from playground.message import Message, message
from playground.run import Run, Starter
from playground.series import Series, Unanswered, finished
from playground.trial import Estimate, estimate

# From 5 answers a side the rarest outcome is rare enough, with 6 a few are; up to 10 every split can be looked at.
FEWEST, USUAL, MOST = 5, 6, 10
LONGEST = 1000
ENOUGH = message("Stopped by the probe: it has enough of this text.")


# --- the bill in advance ---


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a probe will ask: a contrast for each parameter, `repeats` answers a side; `left_out` has no two settings to compare."""

    endpoint: Endpoint
    contrasts: tuple[Contrast, ...]
    left_out: tuple[str, ...]
    repeats: int
    estimate: Estimate

    @property
    def words(self) -> Message:
        """How much it is, at most."""
        return self.estimate.words

    @property
    def false_alarms(self) -> float:
        """How often, at most, a parameter that does nothing would be said to act."""
        return false_alarm_rate(self.repeats)


def probed(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the parameters of an endpoint that can be probed."""
    return tuple(spec.name for spec in endpoint.parameters if contrast(spec, endpoint) is not None)


def plan(endpoint: Endpoint, names: Iterable[str], repeats: int = USUAL) -> Plan:
    """Return what probing these parameters takes. Raises `ParameterError` for a number of repeats that says too little or is too much."""
    if not FEWEST <= repeats <= MOST:
        raise ParameterError("repeats", message("Answers a side: from {low} to {high}.", low=FEWEST, high=MOST))
    specs = {spec.name: spec for spec in endpoint.parameters}
    chosen = {name: contrast(specs[name], endpoint) if name in specs else None for name in names}
    contrasts = tuple(found for found in chosen.values() if found is not None)
    requests = [one.request(setting) for one in contrasts for setting in (one.a, one.b) * repeats]
    requests += [one.request(one.a) for one in contrasts if one.from_answer]
    return Plan(
        endpoint=endpoint, contrasts=contrasts, left_out=tuple(name for name, found in chosen.items() if found is None),
        repeats=repeats, estimate=estimate(endpoint, requests),
    )


# --- the asking ---


class Effect(StrEnum):
    """What was seen of a parameter."""

    ACTS = "acts"
    NOT_SEEN = "no effect seen"
    REJECTED = "rejected"
    NOT_TESTED = "not tested"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What the probe saw of one parameter, under which settings, and the figures behind it where it came to a comparison."""

    contrast: Contrast
    effect: Effect
    words: Message
    comparison: Comparison | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a probe is, in requests of its plan; those that turned out needless count as done."""

    done: int
    all: int
    name: str | None
    waiting: bool
    ended: bool


class Probe(Series):
    """Carries out a plan. It ends with an observation for every parameter of the plan, whatever happens."""

    def __init__(self, runs: Starter, plan: Plan, visitor: str) -> None:
        super().__init__(runs, visitor)
        self.plan = plan
        self._observations: dict[str, Observation] = {}
        self._name: str | None = None
        self._asked = 0
        self._done = 0

    @property
    def observations(self) -> Mapping[str, Observation]:
        """What was seen so far, by parameter."""
        return dict(self._observations)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        ended = self._ended.is_set()
        asked = min(self._asked, self._needs(self._name)) if self._name is not None else 0
        return Progress(
            done=self._done + asked, all=self.plan.estimate.requests, name=self._name, waiting=self._waiting and not ended, ended=ended
        )

    def _needs(self, name: str) -> int:
        one = next(one for one in self.plan.contrasts if one.name == name)
        return 2 * self.plan.repeats + one.from_answer

    def _carry_out(self) -> None:
        for one in self.plan.contrasts:
            self._name, self._asked = one.name, 0
            self._observations[one.name] = self._observe(one)
            self._name, self._done = None, self._done + self._needs(one.name)

    def _over(self) -> None:
        for one in self.plan.contrasts:
            self._observations.setdefault(one.name, Observation(contrast=one, effect=Effect.NOT_TESTED, words=self.reason))
        self._name = None

    def _observe(self, one: Contrast) -> Observation:
        """Ask for both sides in an order drawn by lot, and compare."""
        try:
            if one.from_answer:
                spec = next(spec for spec in self.plan.endpoint.parameters if spec.name == one.name)
                stops = frequent_stop(self._text(one, one.a), spec)
                if not stops:
                    raise Unanswered(message("The first answer had no word to stop at."))
                one = replace(one, b={one.name: stops})
            a: list[str] = []
            b: list[str] = []
            lots = [(a, one.a), (b, one.b)] * self.plan.repeats
            SystemRandom().shuffle(lots)
            for side, setting in lots:
                try:
                    side.append(self._text(one, setting))
                except Unanswered as failure:
                    if failure.refused and setting and not side and self._alone(one):
                        return Observation(contrast=one, effect=Effect.REJECTED, words=failure.words)
                    raise
        except Unanswered as failure:
            return Observation(contrast=one, effect=Effect.NOT_TESTED, words=failure.words)
        found = compare(a, b)
        if found.acts:
            return Observation(
                contrast=one, effect=Effect.ACTS, comparison=found,
                words=message("Answers differ between {a} and {b}.", a=_shown(one.a), b=_shown(one.b)),
            )
        return Observation(
            contrast=one, effect=Effect.NOT_SEEN, comparison=found,
            words=message(
                "No effect seen in {count} answers with {a} and {count} with {b}.", count=self.plan.repeats, a=_shown(one.a), b=_shown(one.b)
            ),
        )

    def _alone(self, one: Contrast) -> bool:
        """Whether the same request is taken without the parameter: then it was the parameter that was refused."""
        try:
            self._text(one, {})
        except Unanswered:
            return False
        return True

    def _text(self, one: Contrast, setting: Mapping[str, Any]) -> str:
        """Return the answer to one request, at most `LONGEST` characters of it. Raises `Unanswered` or `Halted`."""
        run = self._ask(self.plan.endpoint, one.request(setting), lambda run: finished(run) or run.reason is ENOUGH, _enough)
        self._asked += 1
        return run.text[:LONGEST]


def _enough(run: Run) -> Message | None:
    return ENOUGH if sum(len(sentence.text) for sentence in list(run.sentences)) >= LONGEST else None


def _shown(setting: Mapping[str, Any]) -> Message | str:
    if not setting:
        return message("nothing sent")
    return ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in setting.items())
