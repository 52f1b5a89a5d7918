"""A run as others see it: its sentences as compact rows, and its outcome in the reader's words.

The events route and the page's fallback both draw from here, so they cannot differ.
"""

from typing import Any

from playground.completion import Ending, Sentence
from playground.language import Translate
from playground.loops import loop_advice
from playground.message import Message
from playground.redaction import redact
from playground.run import Run


def row(sentence: Sentence) -> list[Any]:
    """Return one sentence as `[text, arrived ms, prompt, completion, total tokens, verdict]`; short for the browser's sake.

    Trailing parts that say nothing are left off.
    """
    usage = sentence.usage
    parts: list[Any] = [
        sentence.text,
        round(sentence.arrived * 1000),
        usage.prompt_tokens if usage else None,
        usage.completion_tokens if usage else None,
        usage.total_tokens if usage else None,
        {"safe": 1, "flagged": 0}.get(sentence.safety.verdict.value),
    ]
    while len(parts) > 2 and parts[-1] is None:
        parts.pop()
    return parts


def loop_words(run: Run, translate: Translate) -> dict[str, Any] | None:
    """Return the loop a run's text has fallen into, with what would help; `None` if it has not."""
    found = run.loop
    if found is None:
        return None
    advice = loop_advice(run.request.parameters, [spec.name for spec in run.endpoint.parameters])
    return {"span": found.span[:80], "times": found.times, "advice": advice.render(translate)}


def outcome(run: Run, translate: Translate) -> dict[str, Any]:
    """Return what is known of a run beside its text; after its end, everything. Texts are translated and hold no secret."""
    usage, safety, error = run.usage, run.safety, run.error
    sentences = list(run.sentences)

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
            "code": error.code,
            "words": None if error.endpoint_message is None else redact(error.endpoint_message)[:500],
            "request_id": error.request_id,
            "again": error.again,
        },
        "elapsed_ms": round(run.elapsed * 1000),
        "first_ms": round(sentences[0].arrived * 1000) if sentences else None,
        "sentences": len(sentences),
        "characters": sum(len(sentence.text) for sentence in sentences),
        "tokens": None if usage is None else [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
        "lower_bound": run.ending is not Ending.FINISHED,
        "safety": safety.verdict.value,
        "ban_round": safety.ban_round,
        "truncated": any(sentence.is_truncated for sentence in sentences),
        "finish_reason": next((sentence.finish_reason for sentence in reversed(sentences) if sentence.finish_reason), None),
        "loop": loop_words(run, translate),
        "attempts": run.exchange.attempts,
        "request_id": run.exchange.request_id,
        "rate_limits": run.exchange.rate_limits,
    }
