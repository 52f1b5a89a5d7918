"""Baidu Qianfan's completion wire (V1): its parameters, its bodies, its events.

Source: the three API pages this project implements (Cerebras-GPT-6.7B, StableLM-Alpha-7B, Yi-34B). No I/O here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from playground.completion import CompletionRequest, Safety, Sentence, Verdict
from playground.errors import EndpointError, ServiceError
from playground.message import N_, message
from playground.parameters import ParameterSpec, check_parameters
from playground.providers.provider import Provider, is_int, read_object, read_usage
from playground.providers.qianfan_codes import raise_if_error

BASE_URL = "https://aip.baidubce.com"
COMPLETION_PATH = "/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/"
TOKEN_PATH = "/oauth/2.0/token"  # noqa: S105 - a path, not a token

_PAGES = N_("API pages for Cerebras-GPT-6.7B, StableLM-Alpha-7B and Yi-34B")

PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        name="temperature", kind="float", minimum=0, minimum_open=True, maximum=1, step=0.01, start=0.7,
        help=N_("How freely the next token is drawn from the candidates. It cannot be 0."),
        more=N_("more random, more surprising"),
        less=N_("more focused, more repeatable"),
        source=_PAGES,
    ),
    ParameterSpec(
        name="top_p", kind="float", minimum=0, maximum=1, step=0.01, start=0.8,
        help=N_("Only the likeliest tokens whose probabilities add up to top_p stay candidates."),
        more=N_("more varied text"),
        less=N_("only the likeliest words"),
        source=_PAGES,
    ),
    ParameterSpec(
        name="top_k", kind="int", minimum=1, step=1, start=40, slider_maximum=100,
        help=N_("How many of the likeliest tokens stay candidates at each step."),
        more=N_("more varied text"),
        less=N_("more predictable; 1 always takes the likeliest token"),
        source=_PAGES,
    ),
    ParameterSpec(
        name="penalty_score", kind="float", minimum=1, maximum=2, step=0.01, start=1.1,
        help=N_("A penalty on tokens that were already generated, against repetition."),
        more=N_("repeats less, and may avoid words it needs"),
        less=N_("1 is no penalty"),
        source=_PAGES,
    ),
    ParameterSpec(
        name="stop", kind="texts", max_items=4, max_length=20,
        help=N_("Generation stops when the text ends with one of these. Write \\n for a new line and \\t for a tab."),
        source=_PAGES,
    ),
    ParameterSpec(
        name="user_id", kind="text",
        help=N_("An opaque mark for the end user, so that the service can trace abuse."),
        source=_PAGES,
    ),
    ParameterSpec(
        name="stream", kind="flag",
        help=N_("Whether the answer arrives sentence by sentence or in one piece."),
        source=_PAGES,
    ),
)


def completion_url(base_url: str, endpoint: str) -> str:
    """Return the URL of a published service. `endpoint` is its address as the service page shows it, not yet encoded."""
    return base_url.rstrip("/") + COMPLETION_PATH + quote(endpoint, safe="-._~")


def body(request: CompletionRequest, specs: tuple[ParameterSpec, ...] = PARAMETERS) -> dict[str, Any]:
    """Return the JSON body: the prompt, then what was chosen, in the table's order. Raises `ParameterError`."""
    return {"prompt": request.prompt, **check_parameters(specs, request.parameters)}


def read_event(data: str | bytes, index: int, *, streamed: bool = True) -> Sentence:
    """Read one event of a stream, or a whole answer (`streamed=False`), as a `Sentence`.

    Raises the `EndpointError` that an `error_code` in it stands for, and `ServiceError` if it is not the protocol.
    `object` is never looked at: the pages name two values for the same thing.
    """
    fields = read_object(data)
    if fields is None:
        raise _unreadable()
    raise_if_error(fields)
    stated = fields.get
    text, is_end, number, is_truncated = stated("result"), stated("is_end"), stated("sentence_id"), stated("is_truncated")
    finish_reason, answer_id, place = stated("finish_reason"), stated("id"), stated("queue_place")
    if not isinstance(text, str):
        raise _unreadable()
    sentence_id = number if streamed and is_int(number) else None
    return _new(Sentence, (
        text,
        index if sentence_id is None else sentence_id,
        is_end is True if streamed else True,
        read_usage(stated("usage")),
        _safety(fields),
        is_truncated if isinstance(is_truncated, bool) else None,
        finish_reason if isinstance(finish_reason, str) else None,
        answer_id if isinstance(answer_id, str) else None,
        sentence_id,
        place if streamed and not text and is_int(place) else None,
        0.0,
    ))


# A named tuple made without the call that names its fields: a third of the time, and there is one for each sentence.
_new = tuple.__new__


def error(content: bytes) -> EndpointError | None:
    """Return the error that an answer's body states, if it states one."""
    try:
        fields = json.loads(content)
        if isinstance(fields, dict):
            raise_if_error(fields)
    except EndpointError as stated:
        return stated
    except (ValueError, RecursionError):
        pass
    return None


def estimate_tokens(text: str) -> int:
    """Estimate tokens as the Cerebras page says: Chinese characters + 1.3 × words, rounded down. Only an estimate.

    A comma standing alone is no word: so the figures of the pages' own samples come out.
    """
    rest, characters = _CHINESE.subn(" ", text)
    words = sum(any(map(str.isalnum, word)) for word in rest.split())
    return int(characters + 1.3 * words + 1e-9)


_CHINESE = re.compile("[㐀-䶿一-鿿豈-﫿\U00020000-\U0003134f]")


def _safety(fields: Mapping[str, Any]) -> Safety:
    """`is_safe` is documented as a bool and sent as 1 or 0; newer builds send `need_clear_history` instead."""
    is_safe, clear, round_ = fields.get("is_safe"), fields.get("need_clear_history"), fields.get("ban_round")
    if is_safe in (0, False) or clear is True:
        safety = _FLAGGED
    elif is_safe in (1, True) or clear is False:
        safety = _SAFE
    else:
        safety = _NOT_RETURNED
    if clear is None and round_ is None:
        return safety
    return Safety(safety.verdict, clear if isinstance(clear, bool) else None, round_ if is_int(round_) else None)


_FLAGGED, _SAFE, _NOT_RETURNED = Safety(Verdict.FLAGGED), Safety(Verdict.SAFE), Safety()


def _unreadable() -> ServiceError:
    return ServiceError(
        message("The endpoint answered something that is not a completion."),
        message("Check that the base URL and the endpoint address belong to a Qianfan completion service."),
    )


PROVIDER = Provider(
    name="qianfan", completion_url=completion_url, body=lambda request, specs, _model: body(request, specs), read_event=read_event,
    error=lambda _status, content, _headers: error(content), ends_with_done=False,
)
