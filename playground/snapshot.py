"""A run as it stood, written down for whoever has the link: all that the sheet shows of it, and what makes it a run again that is over.

There is no secret in it that this process knows, no address of the endpoint, no visitor's mark, and nothing of the wire beside the
number of attempts and the request's id. Else prompt and answer are as they were.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from playground.completion import CompletionRequest, Ending, Sentence
from playground.endpoints import KNOWN_PARAMETERS
from playground.errors import ParameterError
from playground.kept import ending_fields, endpoint_fields, read_endpoint, read_error, read_message, read_sentence, sentence_rest
from playground.message import message
from playground.redaction import mask_known, redact
from playground.run import Run

VERSION = 1
_MARKS = frozenset(spec.name for spec in KNOWN_PARAMETERS if spec.kind == "text")


def freeze(run: Run) -> dict[str, Any]:
    """Return a run as plain JSON values. Raises `ParameterError` for one that is not over."""
    if run.ending is None:
        raise ParameterError("snapshot", message("The answer is still coming."), message("Wait until it has ended, or stop it."))
    events = list(run.sentences)
    whole = "".join(event.text for event in events)
    mask: Callable[[str], str] = mask_known if mask_known(whole) != whole else str
    return {
        "v": VERSION,
        "started": round(run.started),
        "endpoint": {**endpoint_fields(run.endpoint), "url": ""},
        "prompt": mask_known(run.request.prompt),
        "parameters": {name: masked(value) for name, value in run.request.parameters.items() if name not in _MARKS and value is not None},
        "sentences": [_written(event, number, mask) for number, event in enumerate(events)],
        **ending_fields(run.ending, round(run.elapsed, 4), run.reason, run.error),
        "attempts": run.exchange.attempts,
        "request_id": run.exchange.request_id and redact(run.exchange.request_id),
    }


def thaw(frozen: Mapping[str, Any]) -> Run:
    """Return the run that was frozen, under an id of its own. Raises `ParameterError` if it is of a newer version, or protocol."""
    if frozen.get("v") != VERSION:
        raise ParameterError("snapshot", message("This snapshot was made by a newer version of this playground."), message("Update it here."))
    sentences = [read_sentence(fields["text"], number, fields["arrived"], fields) for number, fields in enumerate(frozen["sentences"])]
    run = Run.past(
        secrets.token_hex(16), float(frozen["started"]), read_endpoint(frozen["endpoint"], frozen["parameters"]),
        CompletionRequest(prompt=frozen["prompt"], parameters=frozen["parameters"]), "", sentences, Ending(frozen["ending"]),
        frozen["ended_after"], read_message(frozen["reason"]), read_error(frozen["error"]),
    )
    run.exchange.attempts, run.exchange.request_id = frozen["attempts"], frozen["request_id"]
    return run


def made_on(run: Run) -> str:
    """Return the day of a run by the world's standard time: at which hour somebody worked is nobody else's business."""
    return datetime.fromtimestamp(run.started, UTC).strftime("%Y-%m-%d")


def excerpt(content: Mapping[str, Any], most: int) -> str:
    """Return the beginning of what a link holds: of the prompt, and of the answer if there is one."""
    prompt, answer = str(content.get("prompt") or "")[:most], ""
    for fields in content.get("sentences", ()):
        answer += fields["text"]
        if len(answer) > most:
            break
    if not answer:
        return prompt
    begun = prompt if len(prompt) <= most // 2 else f"{prompt[: most // 2].rstrip()}…"
    return f"{begun} → {answer}" if begun else answer


def masked(value: Any) -> Any:
    """Return a parameter's value without the secrets that this process knows."""
    return [mask_known(item) for item in value] if isinstance(value, list | tuple) else value


def _written(sentence: Sentence, number: int, mask: Callable[[str], str]) -> dict[str, Any]:
    return {"text": mask(sentence.text), "arrived": round(sentence.arrived, 4), **(sentence_rest(sentence, number) or {})}
