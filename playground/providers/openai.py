"""The OpenAI-compatible wire, `POST {base URL}/completions`: its parameters by dialect, its bodies, events and errors.

Sources: OpenAI's API reference (completions); vLLM's `SamplingParams` and its checks; llama.cpp's server README; Ollama's
page on OpenAI compatibility. What servers do beside the reference is read too: chunks without `finish_reason`, a usage
chunk without choices, no `[DONE]`, and errors in four shapes. No I/O here.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from playground.completion import CompletionRequest, Sentence
from playground.errors import AuthenticationError, EndpointError, InvalidRequestError, RateLimitError, ServiceError
from playground.message import N_, Message, message
from playground.parameters import ParameterSpec, check_parameters
from playground.providers.provider import Provider, read_usage

COMPLETION_PATH = "completions"
_LARGEST_SEED = 2**63 - 1
_OPENAI = N_("OpenAI's API reference, completions")
_VLLM = N_("vLLM's sampling parameters")
_LLAMA = N_("llama.cpp's server README")
_OLLAMA = N_("Ollama's page on OpenAI compatibility; it states no bounds, so these are OpenAI's")

_TEMPERATURE = ParameterSpec(
    name="temperature", kind="float", minimum=0, maximum=2, step=0.01, start=0.7,
    help=N_("How freely the next token is drawn from the candidates. With 0 the likeliest is always taken."),
    more=N_("more random, more surprising"),
    less=N_("more focused, more repeatable"),
    source=_OPENAI,
)
_TOP_P = ParameterSpec(
    name="top_p", kind="float", minimum=0, maximum=1, step=0.01, start=0.8,
    help=N_("Only the likeliest tokens whose probabilities add up to top_p stay candidates."),
    more=N_("more varied text"),
    less=N_("only the likeliest words"),
    source=_OPENAI,
)
_TOP_K = ParameterSpec(
    name="top_k", kind="int", minimum=0, step=1, start=40, slider_maximum=100,
    help=N_("How many of the likeliest tokens stay candidates at each step. 0 is no limit."),
    more=N_("more varied text"),
    less=N_("more predictable; 1 always takes the likeliest token"),
    source=_VLLM,
)
_MIN_P = ParameterSpec(
    name="min_p", kind="float", minimum=0, maximum=1, step=0.01, start=0.05,
    help=N_("Only tokens at least this likely, compared with the likeliest one, stay candidates. 0 is no limit."),
    more=N_("only the likeliest words"),
    less=N_("more varied text"),
    source=_VLLM,
)
_REPETITION_PENALTY = ParameterSpec(
    name="repetition_penalty", kind="float", minimum=0, minimum_open=True, step=0.01, start=1.1, slider_maximum=2,
    help=N_("A penalty on tokens that stand in the prompt or were already generated, against repetition."),
    more=N_("repeats less, and may avoid words it needs"),
    less=N_("1 is no penalty"),
    source=_VLLM,
)
_FREQUENCY_PENALTY = ParameterSpec(
    name="frequency_penalty", kind="float", minimum=-2, maximum=2, step=0.01, start=0,
    help=N_("A penalty on tokens by how often they were already generated. 0 is no penalty."),
    more=N_("repeats less, and may avoid words it needs"),
    less=N_("below 0, repetition is favoured"),
    source=_OPENAI,
)
_PRESENCE_PENALTY = ParameterSpec(
    name="presence_penalty", kind="float", minimum=-2, maximum=2, step=0.01, start=0,
    help=N_("A penalty on tokens that were already generated, however often. 0 is no penalty."),
    more=N_("goes on to new things"),
    less=N_("below 0, repetition is favoured"),
    source=_OPENAI,
)
_MAX_TOKENS = ParameterSpec(
    name="max_tokens", kind="int", minimum=1, step=1, start=256, slider_maximum=1024,
    help=N_("The most tokens of one answer. Each server has a limit of its own without it: 16 at OpenAI and in vLLM, none in llama.cpp."),
    more=N_("longer answers"),
    less=N_("shorter answers, cut in the middle"),
    source=_OPENAI,
)
_SEED = ParameterSpec(
    name="seed", kind="int", minimum=0, maximum=_LARGEST_SEED, step=1, start=1, slider_maximum=100,
    help=N_("Where the dice begin: one seed with one setting gives one text, as far as the server can."),
    source=_OPENAI,
)
_STOP = ParameterSpec(
    name="stop", kind="texts", max_items=4,
    help=N_("Generation stops when the text ends with one of these. Write \\n for a new line and \\t for a tab."),
    source=_OPENAI,
)
_STREAM = ParameterSpec(
    name="stream", kind="flag",
    help=N_("Whether the answer arrives sentence by sentence or in one piece."),
    source=_OPENAI,
)

_REST = (_MAX_TOKENS, _FREQUENCY_PENALTY, _PRESENCE_PENALTY, _SEED, _STOP, _STREAM)


def _from(source: str, *specs: ParameterSpec) -> tuple[ParameterSpec, ...]:
    """Name a server's own source for its bounds; that there are at most four stops is OpenAI's word alone."""
    return tuple(spec if spec.kind == "texts" else replace(spec, source=source) for spec in specs)


# Each server's own names and bounds. `plain` holds what every one of them knows.
DIALECTS: Mapping[str, tuple[ParameterSpec, ...]] = {
    "plain": (_TEMPERATURE, _TOP_P, *_REST),
    "vllm": _from(_VLLM, _TEMPERATURE, replace(_TOP_P, minimum_open=True), _TOP_K, _MIN_P, _REPETITION_PENALTY, *_REST),
    "llama.cpp": _from(
        _LLAMA, replace(_TEMPERATURE, maximum=None, slider_maximum=2), _TOP_P, _TOP_K, _MIN_P,
        replace(_REPETITION_PENALTY, name="repeat_penalty"),
        _MAX_TOKENS, _FREQUENCY_PENALTY, _PRESENCE_PENALTY, replace(_SEED, maximum=2**32 - 2), _STOP, _STREAM,
    ),
    "ollama": _from(_OLLAMA, _TEMPERATURE, _TOP_P, *_REST),
}
TITLES: Mapping[str, str] = {"plain": "OpenAI", "vllm": "vLLM", "llama.cpp": "llama.cpp", "ollama": "Ollama"}


def completion_url(base_url: str, path: str = COMPLETION_PATH) -> str:
    """Return the URL to post to. The base URL is the one OpenAI's own clients take: it usually ends in `/v1`."""
    return f"{base_url.rstrip('/')}/{path}"


def body(request: CompletionRequest, specs: tuple[ParameterSpec, ...], model: str) -> dict[str, Any]:
    """Return the JSON body; a stream is asked to tell its usage too. Raises `ParameterError`."""
    fields = {"model": model, "prompt": request.prompt, **check_parameters(specs, request.parameters)}
    if fields.get("stream"):
        fields["stream_options"] = {"include_usage": True}
    return fields


def read_event(data: str | bytes, index: int, *, streamed: bool = True) -> Sentence:
    """Read one chunk of a stream, or a whole answer (`streamed=False`). Raises the `EndpointError` it states.

    A chunk with a `finish_reason` is the end mark; a chunk without choices carries the usage and no text.
    """
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise _unreadable() from None
    if not isinstance(fields, dict):
        raise _unreadable()
    choices = fields.get("choices")
    if fields.get("error") or not isinstance(choices, list):
        raise _stated(None, fields, {}) or _unreadable()
    usage = read_usage(fields.get("usage"))
    text, reason = "", None
    if choices:
        choice = choices[0] if isinstance(choices[0], dict) else {}
        found = choice.get("text")
        reason = choice["finish_reason"] if isinstance(choice.get("finish_reason"), str) else None
        if not isinstance(found, str) and (found is not None or reason is None):
            raise _unreadable()
        text = found or ""
    elif usage is None and not streamed:
        raise _unreadable()
    return Sentence(
        text=text, index=index, is_end=reason is not None if streamed else True, usage=usage, finish_reason=reason,
        answer_id=fields["id"] if isinstance(fields.get("id"), str) else None,
    )


def error(status: int, content: bytes, headers: Mapping[str, str]) -> EndpointError | None:
    """Return the error of an answer with a status other than 200; `None` if its body states none that can be read."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        fields = None
    if 300 <= status < 400:
        return None
    if not isinstance(fields, dict):
        return _error(status, None, None, None, headers) if status in (401, 403, 404, 429) else None
    return _stated(status, fields, headers)


def _stated(status: int | None, fields: Mapping[str, Any], headers: Mapping[str, str]) -> EndpointError | None:
    """Read `{"error": {message, type, code}}`, `{"error": "text"}`, `{"detail": …}` or `{"object": "error", message, …}`."""
    found: Any = fields.get("error")
    if found is None and "detail" in fields:
        found = {"message": _detail(fields["detail"])}
    elif found is None and isinstance(fields.get("message"), str):
        found = fields
    if isinstance(found, str):
        found = {"message": found}
    if not isinstance(found, dict):
        return None
    words, kind, code = found.get("message"), found.get("type"), found.get("code")
    return _error(
        status, words if isinstance(words, str) else None, kind if isinstance(kind, str) else None,
        code if isinstance(code, str) or (isinstance(code, int) and not isinstance(code, bool)) else None, headers,
    )


def _detail(detail: object) -> str:
    """FastAPI's `detail`: a text, or a list of what is wrong where."""
    if not isinstance(detail, list):
        return detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    rows = [row if isinstance(row, dict) else {"msg": row} for row in detail]
    return "; ".join(f"{'.'.join(map(str, row['loc']))}: {row.get('msg')}" if isinstance(row.get("loc"), list) else str(row.get("msg")) for row in rows)


# An error that comes as an event has no HTTP status of its own; its type or code stands for one.
_STATUS_OF = {
    "authentication_error": 401, "invalid_api_key": 401, "permission_error": 403, "not_found_error": 404, "model_not_found": 404,
    "invalid_request_error": 400, "BadRequestError": 400, "exceed_context_size_error": 400, "rate_limit_error": 429,
    "rate_limit_exceeded": 429, "insufficient_quota": 429, "unavailable_error": 503,
}
_TOO_LONG = ("exceed_context_size_error", "context_length_exceeded", "tokens_too_long", "characters_too_long")
_NO_MONEY = ("insufficient_quota", "account_overdue", "billing_not_active")

# The statuses that are told apart; any other is told like the first of its hundred.
STATUSES = (400, 401, 402, 403, 404, 413, 429, 500, 503)


def names_of(status: int) -> tuple[str, ...]:
    """Return the types and codes of errors that are told like this one of `STATUSES`, whatever status they came with."""
    own = {402: _NO_MONEY, 413: _TOO_LONG}
    return own.get(status) or tuple(name for name, stands in _STATUS_OF.items() if stands == status and name not in (*_NO_MONEY, *_TOO_LONG))


def _error(status: int | None, words: str | None, kind: str | None, code: str | int | None, headers: Mapping[str, str]) -> EndpointError:
    names = [name for name in (code, kind) if isinstance(name, str)]
    if status is None:
        stated = code if isinstance(code, int) and 400 <= code < 600 else None
        status = stated or next((_STATUS_OF[name] for name in names if name in _STATUS_OF), 500)
    after = _seconds(headers.get("retry-after"))
    make: type[EndpointError]
    retryable = False
    if any(name in _NO_MONEY for name in names) or status == 402:
        make = RateLimitError
        cause, remedy = message("The account's quota is used up or unpaid."), message("Look at the account's billing at the provider.")
    elif status == 401:
        make = AuthenticationError
        cause = message("The key was refused, or one is needed.")
        remedy = message("Check the endpoint's key: whether it is set, whole, and of this server.")
    elif status == 403:
        make = AuthenticationError
        cause = message("The key has no right to this.")
        remedy = message("Check the key's rights and the model's name at the provider.")
    elif status == 429:
        make, retryable = RateLimitError, True
        cause, remedy = message("Too many requests or tokens in this time."), _wait(after)
    elif any(name in _TOO_LONG for name in names) or status == 413:
        make = InvalidRequestError
        cause, remedy = message("The prompt is too long for this model."), message("Shorten the prompt, or lower max_tokens.")
    elif status in (404, 405):
        make = InvalidRequestError
        cause = message("The server knows no such path or model.")
        remedy = message("Check the endpoint's base URL (it usually ends in /v1) and its model's name.")
    elif status == 503:
        make, retryable = ServiceError, True
        cause, remedy = message("The server is not ready: busy, or still loading its model."), _wait(after)
    elif status >= 500:
        make, retryable = ServiceError, status != 501
        cause, remedy = message("The server failed while it worked on the request."), message("Try again; if it stays, look at the server's log.")
    else:
        make = InvalidRequestError
        cause, remedy = message("The server refused the request; it says why."), message("Correct the request and run it again.")
    return make(cause, remedy, code=code if code is not None else kind or status, endpoint_message=words, retryable=retryable, retry_after=after)


def _wait(seconds: float | None) -> Message:
    if seconds is None:
        return message("Wait a little and run again.")
    return message("Wait {seconds} s and run again; the server asks for it.", seconds=f"{seconds:g}")


def _seconds(text: str | None) -> float | None:
    """`Retry-After` in seconds. Its other form, a date, is shown among the rate limits and not reckoned with."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e6 else None


def _unreadable() -> ServiceError:
    return ServiceError(
        message("The endpoint answered something that is not a completion."),
        message("Check that the endpoint's base URL belongs to an OpenAI-compatible server; it usually ends in /v1."),
    )


PROVIDER = Provider(
    name="openai", completion_url=completion_url, body=body, read_event=read_event, error=error, ends_with_done=True,
)
