"""What a provider is: how a request, an event and an error look on one wire. A value of functions; no I/O, no plug-ins."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from playground.completion import CompletionRequest, Sentence, Usage
from playground.errors import EndpointError
from playground.parameters import ParameterSpec


class ReadEvent(Protocol):
    """Reads the data of one event, or a whole answer; raises the `EndpointError` it states, `ServiceError` if it is not the protocol."""

    def __call__(self, data: str | bytes, index: int, *, streamed: bool = True) -> Sentence: ...


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One wire format.

    `completion_url` makes the URL of a base URL and a path. `body` makes the JSON body of a request, a parameter table
    and a model's name, or raises `ParameterError`. `error` reads an answer whose HTTP status is not 200, from status,
    body and headers; it returns `None` where the endpoint stated nothing that can be read. `ends_with_done` says what
    an answer's end is. False: its end mark, and `[DONE]` means nothing. True: its end mark or `[DONE]`; after the end
    mark reading goes on until `[DONE]` or the end of the bytes, because the usage comes last.
    """

    name: str
    completion_url: Callable[[str, str], str]
    body: Callable[[CompletionRequest, tuple[ParameterSpec, ...], str], dict[str, Any]]
    read_event: ReadEvent
    error: Callable[[int, bytes, Mapping[str, str]], EndpointError | None]
    ends_with_done: bool


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return the bytes of a body: UTF-8 JSON in which text stays readable."""
    return json.dumps(fields, ensure_ascii=False).encode("utf-8")


def read_object(data: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object that an event or a body is; `None` if it is none."""
    try:
        if isinstance(data, bytes):
            found = json.loads(data)
        else:
            data = data.strip(" \t\r\n")
            found, end = _DECODE(data)
            if end != len(data):
                return None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


# What `json.loads` does for a text after it has looked at its arguments: a sixth of its time for an event.
_DECODE = json.JSONDecoder().raw_decode


def read_usage(fields: object) -> Usage | None:
    """Return the token counts of a `usage` object; what is no whole number was not stated."""
    if not isinstance(fields, dict):
        return None
    stated = fields.get
    prompt, completion, total = stated("prompt_tokens"), stated("completion_tokens"), stated("total_tokens")
    if type(prompt) is type(completion) is type(total) is int:  # as services state them, and once for each sentence
        return Usage(prompt, completion, total)
    usage = Usage(prompt if is_int(prompt) else None, completion if is_int(completion) else None, total if is_int(total) else None)
    return None if usage == _NONE_STATED else usage


_NONE_STATED = Usage()


def is_int(value: object) -> bool:
    """Whether a JSON value is a whole number; `true` is none."""
    return type(value) is int
