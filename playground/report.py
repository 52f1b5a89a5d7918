"""A run as others see it: its sentences as compact rows, and its outcome in the reader's words.

The events route and the page's fallback both draw from here, so they cannot differ.
"""

import json
from json.encoder import encode_basestring
from typing import Any

from playground.completion import Ending, Sentence, Usage, Verdict, counts, final_usage
from playground.inspection import badges, reconcile, safety_timeline
from playground.language import Translate
from playground.loops import loop_advice
from playground.message import Message
from playground.price import Price, money
from playground.redaction import redact
from playground.run import Run

_MOST_SPANS = 20
_PARTS = 7
_NUMBERS = range(1, 5)
_NUMBERED = 32
_VERDICTS = {Verdict.SAFE: 1, Verdict.FLAGGED: 0}


def row(sentence: Sentence, price: Price | None = None) -> list[Any]:
    """Return one sentence as `[text, arrived ms, total, completion, prompt tokens, verdict, cost so far]`: what changes most often first."""
    usage = sentence.usage
    return [
        sentence.text,
        round(sentence.arrived * 1000),
        usage.total_tokens if usage else None,
        usage.completion_tokens if usage else None,
        usage.prompt_tokens if usage else None,
        _VERDICTS.get(sentence.safety.verdict),
        None if usage is None or price is None else _cost(final_usage([sentence]), price),
    ]


class Rows:
    """The rows of a run on one connection, as lines of its event stream, each in as few bytes as it takes.

    A number goes as what it is more than the one stated before it. Parts at the end that are as in the row before are left
    off; there is no row before the first, whose numbers count from 0. The first line, and every 32nd, has the sentence's number as its id:
    a browser that connects again says the last it saw, and counts by itself between them.
    """

    def __init__(self, offset: int) -> None:
        self.count = offset
        self._before: list[Any] = [None] * _PARTS
        self._stated = [0] * _PARTS
        self._numbered = False

    def line(self, sentence: Sentence, price: Price | None) -> bytes:
        """The next sentence."""
        whole = row(sentence, price)
        parts, stated = list(whole), self._stated
        for place in _NUMBERS:
            if (number := whole[place]) is not None:
                parts[place], stated[place] = number - stated[place], number
        while len(parts) > 2 and whole[len(parts) - 1] == self._before[len(parts) - 1]:
            parts.pop()
        self._before = whole
        self.count += 1
        line = f"data:[{','.join(map(_json, parts))}]\n\n".encode("utf-8", "backslashreplace")
        if self._numbered and self.count % _NUMBERED:
            return line
        self._numbered = True
        return b"id:%d\n%s" % (self.count, line)


def _json(part: str | int | None) -> str:
    """One part of a row; an encoder made for whatever may come takes five times as long."""
    return "null" if part is None else str(part) if isinstance(part, int) else encode_basestring(part)


def compact(value: object) -> bytes:
    """One line of JSON. Half a character, as a service may cut one between two sentences, stays what it is: an escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _cost(usage: Usage | None, price: Price | None) -> str | None:
    amount = price.of(usage) if price is not None else None
    return money(amount, price.currency) if price is not None and amount is not None else None


def loop_words(run: Run, translate: Translate) -> dict[str, Any] | None:
    """Return the loop a run's text has fallen into, with what would help; `None` if it has not."""
    found = run.loop
    if found is None:
        return None
    advice = loop_advice(run.request.parameters, [spec.name for spec in run.endpoint.parameters])
    return {"span": found.span[:80], "times": found.times, "advice": advice.render(translate)}


def _inspection(run: Run, events: list[Sentence], translate: Translate) -> dict[str, Any]:
    """What its details show: how its usage is to be read, what was said of safety and when, and in which ways it is not whole."""
    found = reconcile(events, run.request.prompt, whole=run.ending is Ending.FINISHED)
    return {
        "usage": {
            "dialect": found.dialect.value, "words": found.dialect.words.render(translate), "why": found.why.render(translate),
            "last": found.last, "summed": found.summed, "estimate": found.estimate.completion_tokens,
            "warnings": [warning.render(translate) for warning in found.warnings],
        },
        "safety": [
            {"first": span.first, "last": span.last, "verdict": span.safety.verdict.value, "flag": span.flag,
             "meaning": span.meaning.render(translate), "remedy": span.remedy and span.remedy.render(translate)}
            for span in safety_timeline(events)[:_MOST_SPANS]
        ],
        "badges": [
            {"mark": badge.mark.value, "words": badge.words.render(translate), "meaning": badge.meaning.render(translate),
             "places": badge.places, "goes_on": badge.goes_on}
            for badge in badges(events, run.ending)
        ],
    }


def outcome(run: Run, translate: Translate) -> dict[str, Any]:
    """Return what is known of a run beside its text; after its end, everything. Texts are translated and hold no secret."""
    usage, safety, error = run.usage, run.safety, run.error
    events = list(run.sentences)
    sentences = [event for event in events if counts(event)]

    def say(text: Message | None) -> str | None:
        return None if text is None else redact(text.render(translate))

    return {
        "ending": run.ending.value if run.ending else None,
        "reason": say(run.reason),
        "error": None
        if error is None
        else {
            "message": say(error.message),
            "remedy": say(error.remedy),
            "code": redact(error.code) if isinstance(error.code, str) else error.code,
            "words": None if error.endpoint_message is None else redact(error.endpoint_message)[:500],
            "request_id": error.request_id and redact(error.request_id),
            "again": error.again,
        },
        "elapsed_ms": round(run.elapsed * 1000),
        "first_ms": round(sentences[0].arrived * 1000) if sentences else None,
        "events": len(events),
        "sentences": len(sentences),
        "characters": sum(len(sentence.text) for sentence in sentences),
        "tokens": None if usage is None else [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
        "cost": _cost(usage, run.endpoint.price),
        "lower_bound": run.ending is not Ending.FINISHED,
        "safety": safety.verdict.value,
        "ban_round": safety.ban_round,
        "truncated": any(event.is_truncated for event in events),
        "finish_reason": next((redact(event.finish_reason) for event in reversed(events) if event.finish_reason), None),
        "loop": loop_words(run, translate),
        "inspection": _inspection(run, events, translate),
        "attempts": run.exchange.attempts,
        "dropped": run.exchange.dropped,
        "request_id": run.exchange.request_id and redact(run.exchange.request_id),
        "rate_limits": {redact(name): redact(value) for name, value in run.exchange.rate_limits.items()},
    }
