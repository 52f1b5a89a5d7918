"""What was asked: reading a request's body and refusing what the service would refuse, in its order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from emulator.refusal import Refusal
from playground.errors import ParameterError
from playground.parameters import check_parameters, check_prompt
from playground.providers.qianfan import PARAMETERS, estimate_tokens

MOST_BYTES = 4 * 1024 * 1024
_READ_ON = 16 * MOST_BYTES
_NAMES = {spec.name for spec in PARAMETERS}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A body that passed: the prompt, the checked parameters, and all of it as it came."""

    prompt: str
    parameters: Mapping[str, Any]
    body: Mapping[str, Any]


async def read_body(request: Request) -> bytes:
    """Return the body; raise `Refusal` for more than 4 MB.

    A body that is only somewhat too long is read to its end and dropped: a client that is still sending would not see the answer.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= MOST_BYTES:
            parts.append(part)
        elif size > _READ_ON:
            break
    if size > MOST_BYTES:
        raise Refusal(336003, f"the request body is larger than {MOST_BYTES} bytes")
    return b"".join(parts)


def parse(raw: bytes) -> dict[str, Any]:
    """Return the body's fields whatever content type it came with; raise `Refusal` 336002 if it is not a JSON object."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refusal(336002) from None
    if not isinstance(fields, dict):
        raise Refusal(336002)
    return fields


def check(fields: Mapping[str, Any]) -> Asked:
    """Return what is asked; raise `Refusal` 336001 or 336003 for what the service refuses. Unknown fields are ignored."""
    prompt = fields.get("prompt", _last_message(fields))
    if prompt is None:
        raise Refusal(336001)
    if not isinstance(prompt, str):
        raise Refusal(336003, "prompt must be text")
    try:
        check_prompt(prompt, MOST_BYTES)
        parameters = check_parameters(PARAMETERS, {name: value for name, value in fields.items() if name in _NAMES})
    except ParameterError as error:
        raise Refusal(336003, str(error)) from None
    return Asked(prompt=prompt, parameters=parameters, body=fields)


def check_length(prompt: str, token_limit: int) -> None:
    """Raise `Refusal` for a prompt over the service's gates: characters first (four a token), then tokens."""
    if len(prompt) > token_limit * 4:
        raise Refusal(336007, f"the max length of current question is {token_limit * 4}")
    if estimate_tokens(prompt) > token_limit:
        raise Refusal(336103)


def _last_message(fields: Mapping[str, Any]) -> Any:
    """The Node SDK may turn the prompt into a list of messages although it posts to a completion path."""
    messages = fields.get("messages")
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict):
        return messages[-1].get("content")
    return None
