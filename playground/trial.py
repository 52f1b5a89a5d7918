"""Testing an endpoint: the cheapest request that shows what it does, what it costs beforehand, and what it showed.

A trial is a run like any other; everything here is read from its endpoint or from the run itself, at any moment of its life.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from playground.completion import CompletionRequest, Ending, Usage, Verdict, counts
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, IamKeys
from playground.endpoints import Endpoint
from playground.errors import AuthenticationError, EndpointError
from playground.message import Message, message
from playground.parameters import ParameterSpec
from playground.price import money
from playground.redaction import redact
from playground.run import Run
from playground.usage_dialect import UsageDialect, usage_dialect

# What any model goes on with, in a few tokens, and where it is soon stopped if the endpoint takes no other limit.
PROMPT = "1, 2, 3,"
_STOPS = ("9", "\n", "。", ".")
_TOKENS = 8
# Tokens of an answer that nothing limits: the recorded ones have 91 to 372; one that stops at a number has a few.
_UNLIMITED = 300
_STOPPED = 40


def nearest(spec: ParameterSpec, value: float) -> float | int:
    """Return the value that an endpoint takes for a number and that is nearest to the wanted one."""
    low, high, whole = spec.minimum, spec.maximum, spec.kind == "int"
    if low is not None and (value < low or (spec.minimum_open and value == low)):
        room = 0.0 if not spec.minimum_open else 1.0 if whole else spec.step or 0.01
        value = low + (room if high is None or whole else min(room, (high - low) / 2))
    if high is not None:
        value = min(value, high)
    return round(value) if whole else value


def stops_within(spec: ParameterSpec, entries: Iterable[str]) -> list[str]:
    """Return as many of the entries as an endpoint takes in its stop list."""
    return [entry for entry in entries if spec.max_length is None or len(entry) <= spec.max_length][: spec.max_items]


def trial_request(endpoint: Endpoint) -> CompletionRequest:
    """Return the cheapest request that still shows the answer's shape and its usage; nothing in it is outside the endpoint's bounds."""
    specs = {spec.name: spec for spec in endpoint.parameters}
    values: dict[str, Any] = {}
    if "max_tokens" in specs:
        values["max_tokens"] = nearest(specs["max_tokens"], _TOKENS)
    elif "stop" in specs and (stops := stops_within(specs["stop"], _STOPS)):
        values["stop"] = stops
    if "stream" in specs:
        values["stream"] = True
    return CompletionRequest(prompt=PROMPT[: endpoint.prompt_limit], parameters=values)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What requests will use, before any is sent. `bounded` says that no answer can be longer, `cost` is `None` if unknown."""

    requests: int
    tokens: int
    bounded: bool
    cost: Decimal | None
    currency: str = ""
    free: bool = False

    @property
    def words(self) -> Message:
        """The bill in advance."""
        if self.free:
            return message("One request; it costs nothing.") if self.requests == 1 else message(
                "{requests} requests; they cost nothing.", requests=f"{self.requests:,}"
            )
        tokens = f"{self.tokens:,}"
        amount = message("at most about {tokens} tokens", tokens=tokens) if self.bounded else message(
            "about {tokens} tokens, though nothing limits the answers", tokens=tokens
        )
        cost = message("cost unknown") if self.cost is None else message("about {cost}", cost=money(self.cost, self.currency))
        if self.requests == 1:
            return message("One request, {tokens}: {cost}.", tokens=amount, cost=cost)
        return message("{requests} requests, {tokens}: {cost}.", requests=f"{self.requests:,}", tokens=amount, cost=cost)


def estimate(endpoint: Endpoint, requests: Iterable[CompletionRequest]) -> Estimate:
    """Return what these requests will use and cost; rather too much than too little."""
    asked = list(requests)
    prompt = sum(_prompt_tokens(request.prompt) for request in asked)
    written = sum(_answer_tokens(endpoint, request) for request in asked)
    price = endpoint.price
    return Estimate(
        requests=len(asked), tokens=prompt + written, bounded=all("max_tokens" in request.parameters for request in asked),
        cost=price.of(Usage(prompt_tokens=prompt, completion_tokens=written)) if price else None,
        currency=price.currency if price else "", free=endpoint.free,
    )


def trial_cost(endpoint: Endpoint) -> Message:
    """Say what a trial costs, before it is sent."""
    return estimate(endpoint, [trial_request(endpoint)]).words


def _prompt_tokens(text: str) -> int:
    """Words, digits and marks × 1.3: more than the usual tokenizers make of a short prompt."""
    return math.ceil(1.3 * len(re.findall(r"[A-Za-z]+|[^\sA-Za-z]|\n", text)))


def _answer_tokens(endpoint: Endpoint, request: CompletionRequest) -> int:
    limit = request.parameters.get("max_tokens")
    if isinstance(limit, int):
        return limit
    usual = _STOPPED if request.parameters.get("stop") else _UNLIMITED
    return min(usual, endpoint.context or usual)


class Authentication(StrEnum):
    """What became of the credential."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNTOLD = "untold"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a trial showed, so far or in the end; `None` is not known.

    `streamed` tells an event stream from one JSON body, `end_mark` whether a stream said that it ended, `safety_field` which
    of the two documented flags came. `first` is in seconds, `at` is wall-clock time.
    """

    ending: Ending | None
    authentication: Authentication
    credential: Message
    error: EndpointError | None
    status: int | None
    first: float | None
    streamed: bool | None
    stream_asked: bool
    sentences: int
    end_mark: bool | None
    dialect: UsageDialect
    usage: Usage | None
    safety_field: str | None
    at: float

    @property
    def access(self) -> Message:
        """What became of the credential, in words."""
        if self.authentication is Authentication.ACCEPTED:
            return message("Accepted with {credential}.", credential=self.credential)
        if self.error is None:
            return message("No answer yet.") if self.ending is None else message("Not told: there was no answer.")
        words = self.error.message if not self.error.endpoint_message else redact(self.error.endpoint_message)[:500]
        if self.authentication is Authentication.REFUSED:
            return message("Refused with {credential}: {words}", credential=self.credential, words=words)
        return message("Not reached: {words}", words=words) if self.status is None else message("Not known: {words}", words=words)

    @property
    def shape(self) -> Message:
        """How the answer came."""
        if self.streamed is None:
            return message("No answer yet.") if self.ending is None else message("There was no answer.")
        if not self.streamed:
            return message("One JSON body, although a stream was asked for.") if self.stream_asked else message("One JSON body.")
        if self.end_mark or self.ending is None:
            return message("An event stream; sentences: {count}.", count=self.sentences)
        return message("An event stream without an end mark; sentences: {count}.", count=self.sentences)


def finding(run: Run, endpoint: Endpoint) -> Finding:
    """Return what a run shows of its endpoint, now. An ended run no longer holds the credentials, so the endpoint comes along."""
    ending, error, sentences = run.ending, run.error, list(run.sentences)
    answered = bool(sentences)
    streamed = run.exchange.streamed if answered else None
    if answered:
        authentication = Authentication.ACCEPTED
    else:
        authentication = Authentication.REFUSED if isinstance(error, AuthenticationError) else Authentication.UNTOLD
    return Finding(
        ending=ending, authentication=authentication, credential=_credential(endpoint), error=error, status=run.exchange.status,
        first=sentences[0].arrived if answered else None, streamed=streamed, stream_asked=run.request.stream,
        sentences=sum(counts(sentence) for sentence in sentences),
        end_mark=(ending is Ending.FINISHED or any(sentence.is_end for sentence in sentences)) if streamed else None,
        dialect=usage_dialect(sentences), usage=run.usage, safety_field=_safety_field(run), at=run.started,
    )


def _credential(endpoint: Endpoint) -> Message:
    if isinstance(endpoint.credentials, ApplicationKeys | AccessToken):
        return message("an access token")
    if isinstance(endpoint.credentials, IamKeys):
        return message("a signature")
    return message("a bearer key") if isinstance(endpoint.credentials, BearerKey) else message("no credential")


def _safety_field(run: Run) -> str | None:
    """Older builds say `is_safe`, newer ones `need_clear_history`."""
    said = [sentence.safety for sentence in list(run.sentences) if sentence.safety.verdict is not Verdict.NOT_RETURNED]
    if not said:
        return None
    return "need_clear_history" if any(safety.need_clear_history is not None for safety in said) else "is_safe"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """An endpoint's card: what its table permits, and what its last trial showed. `checked` is wall-clock time, `None` before any trial."""

    bounds: Mapping[str, Message]
    context: Message
    shape: Message
    usage: Message
    safety: Message
    checked: float | None


def capabilities(endpoint: Endpoint, found: Finding | None) -> Capabilities:
    """Return the card of an endpoint; `found` is what its last trial showed."""
    answered = found is not None and found.streamed is not None
    untested = message("Not tested yet.")
    context = message("unknown") if endpoint.context is None else message("{tokens} tokens", tokens=f"{endpoint.context:,}")
    safety = message("Neither is_safe nor need_clear_history came.")
    if found is not None and found.safety_field is not None:
        safety = message("It states {name}.", name=found.safety_field)
    return Capabilities(
        bounds={spec.name: _bounds(spec) for spec in endpoint.parameters},
        context=context,
        shape=found.shape if found is not None else untested,
        usage=found.dialect.words if found is not None and answered else untested,
        safety=safety if answered else untested,
        checked=found.at if found is not None else None,
    )


def _bounds(spec: ParameterSpec) -> Message:
    if spec.kind == "flag":
        return message("true or false")
    if spec.kind != "text":
        return spec.range
    return message("text") if spec.max_length is None else message("text of at most {length} characters", length=spec.max_length)
