"""A run as plain values: as the history writes it down, as an export holds it, and how it becomes a run again.

What is read from a file was written by anybody: it is believed in nothing.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from string import Formatter
from typing import Any

from playground.completion import CompletionRequest, Ending, Safety, Sentence, Usage, Verdict, counts, final_usage, overall_safety
from playground.endpoints import Endpoint
from playground.errors import EndpointError, ParameterError, PlaygroundError, StreamInterrupted
from playground.message import Message, message
from playground.price import Price
from playground.recording import Recording, Sent
from playground.redaction import redact
from playground.replay import replay_endpoint
from playground.run import Run, described, whole_text

ENDPOINT = ("name", "title", "group", "provider", "model", "url")
SERVER_STOPPED = message("The server stopped while this run was going.")
_RUN_AGAIN = message("What had arrived until then is kept. Run it again for the rest.")
_NOT_OVER = message("This run was still going when it was saved.")
_ELSEWHERE = message("This run goes on at another server; what had arrived by now is here.")
_LATER = message("Open it again in a moment.")
_FROM_HISTORY = message("As it was when this run began.")

_MOST_WORDS = 4000
_MOST_DEPTH = 4
_MOST_TEXT = 20_000_000
_MOST_SENTENCES = 1_000_000
_LATEST = 1e10  # seconds since 1970; a date in 2286
_ID = re.compile(r"[0-9a-f]{32}")
_BIGGEST = 2**63 - 1


# --- words ---


def message_fields(words: Message | None) -> dict[str, Any] | None:
    """Return a message as plain values, without secrets; it is translated when it is read."""
    if words is None:
        return None
    return {"text": redact(words.text), "values": {name: _value_fields(value) for name, value in words.values.items()}}


def _value_fields(value: Any) -> Any:
    if isinstance(value, Message):
        return message_fields(value)
    return value if value is None or isinstance(value, bool | int | float) else redact(str(value))


def read_message(fields: Mapping[str, Any] | None) -> Message | None:
    """Return what `message_fields` wrote."""
    if fields is None:
        return None
    return Message(fields["text"], {name: read_message(one) if isinstance(one, dict) else one for name, one in fields["values"].items()})


def error_fields(error: EndpointError | None) -> dict[str, Any] | None:
    """Return an error as plain values, without secrets."""
    if error is None:
        return None
    return {
        "kind": type(error).__name__, "message": message_fields(error.message), "remedy": message_fields(error.remedy),
        "code": redact(error.code) if isinstance(error.code, str) else error.code,
        "words": error.endpoint_message and redact(error.endpoint_message), "request_id": error.request_id and redact(error.request_id),
        "again": error.again,
    }


def read_error(fields: Mapping[str, Any] | None) -> EndpointError | None:
    """Return what `error_fields` wrote."""
    words = read_message(fields["message"]) if fields is not None else None
    if fields is None or words is None:
        return None
    kind = _KINDS.get(fields["kind"], EndpointError)
    return kind(
        words, read_message(fields["remedy"]), code=fields["code"], endpoint_message=fields["words"], request_id=fields["request_id"],
        again=fields["again"],
    )


_KINDS = {kind.__name__: kind for kind in EndpointError.__subclasses__()}


def server_stopped() -> EndpointError:
    """What is said of a run whose server was gone before it had ended."""
    return StreamInterrupted(SERVER_STOPPED, _RUN_AGAIN, again=True)


# --- sentences ---


def sentence_rest(sentence: Sentence, number: int) -> dict[str, Any] | None:
    """Return what an event said beside its text, as plain values; nothing if it said nothing."""
    usage, safety = sentence.usage, sentence.safety
    rest = {
        "index": sentence.index if sentence.index != number else None,
        "is_end": sentence.is_end or None,
        "usage": [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens] if usage else None,
        "safety": [safety.verdict.value, safety.need_clear_history, safety.ban_round] if safety != Safety() else None,
        "is_truncated": sentence.is_truncated,
        "finish_reason": sentence.finish_reason and redact(sentence.finish_reason),
        "answer_id": sentence.answer_id and redact(sentence.answer_id),
        "sentence_id": sentence.sentence_id,
    }
    return {name: value for name, value in rest.items() if value is not None} or None


def read_sentence(text: str, number: int, arrived: float, rest: Mapping[str, Any] | None) -> Sentence:
    """Return the sentence with that text and `sentence_rest`."""
    rest = rest or {}
    usage, safety = rest.get("usage"), rest.get("safety")
    return Sentence(
        text=text, index=rest.get("index", number), arrived=arrived, is_end=rest.get("is_end", False),
        usage=Usage(prompt_tokens=usage[0], completion_tokens=usage[1], total_tokens=usage[2]) if usage else None,
        safety=Safety(verdict=Verdict(safety[0]), need_clear_history=safety[1], ban_round=safety[2]) if safety else Safety(),
        is_truncated=rest.get("is_truncated"), finish_reason=rest.get("finish_reason"), answer_id=rest.get("answer_id"),
        sentence_id=rest.get("sentence_id"),
    )


# --- a run ---


def endpoint_fields(endpoint: Endpoint) -> dict[str, Any]:
    """Return what is kept of an endpoint: how it was called and where it was, its price, and nothing to get in with."""
    fields: dict[str, Any] = {name: redact(text) for name, text in described(endpoint).items()}
    if endpoint.price is not None:
        fields["price"] = [str(endpoint.price.prompt), str(endpoint.price.completion), endpoint.price.currency]
    if endpoint.free:
        fields["free"] = True
    return fields


def asked_fields(run: Run) -> dict[str, Any]:
    """Return what a run is when it begins, by the names of the columns."""
    return {
        "id": run.id, "visitor": run.visitor, "started": run.started, "endpoint": endpoint_fields(run.endpoint),
        "endpoint_name": redact(run.endpoint.name), "prompt": run.request.prompt, "parameters": dict(run.request.parameters),
    }


def answer_fields(sentences: list[Sentence], endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return what all sentences of an answer come to, by the names of the columns."""
    said = [sentence for sentence in sentences if counts(sentence)]
    usage, price = final_usage(sentences) or Usage(), _read_price(endpoint)
    amount = price.of(usage) if price else None
    return {
        "text": whole_text(sentences), "sentences": len(said), "characters": sum(len(sentence.text) for sentence in said),
        "first_after": said[0].arrived if said else None, "safety": overall_safety(sentences).verdict.value,
        "prompt_tokens": _figure(usage.prompt_tokens), "completion_tokens": _figure(usage.completion_tokens),
        "total_tokens": _figure(usage.total_tokens), "cost": [str(amount), price.currency] if price and amount is not None else None,
    }


def ending_fields(ending: Ending, ended_after: float, reason: Message | None, error: EndpointError | None) -> dict[str, Any]:
    """Return how a run ended, by the names of the columns."""
    return {"ending": ending.value, "ended_after": ended_after, "reason": message_fields(reason), "error": error_fields(error)}


def past_run(row: Any, sentences: list[Sentence]) -> Run:
    """Return the run of a row as one that is over. Raises `ParameterError` if its protocol is not known here."""
    ending, ended_after, error = Ending(row.ending or Ending.CUT), row.ended_after, read_error(row.error)
    if row.ending is None:
        ended_after, error = sentences[-1].arrived if sentences else 0.0, StreamInterrupted(_ELSEWHERE, _LATER)
    return Run.past(
        row.id, row.started, read_endpoint(row.endpoint, row.parameters), CompletionRequest(prompt=row.prompt, parameters=row.parameters), row.visitor,
        sentences, ending, ended_after or 0.0, read_message(row.reason), error,
    )


def read_endpoint(fields: Mapping[str, Any], parameters: Mapping[str, Any]) -> Endpoint:
    """Return what stands for the endpoint of a past run: it holds no keys. Raises `ParameterError` if its protocol is not known here."""
    facts = {name: fields[name] for name in ENDPOINT}
    sent = Sent(method="POST", url=facts["url"], headers={}, body=json.dumps(dict(parameters)))
    made = replay_endpoint(Recording(endpoint=facts, sent=sent))
    return replace(
        made, name=facts["name"], group=facts["group"], note=_FROM_HISTORY, price=_read_price(fields), free=fields.get("free", False)
    )


def _read_price(endpoint: Mapping[str, Any]) -> Price | None:
    if "price" not in endpoint:
        return None
    prompt, completion, currency = endpoint["price"]
    return Price(prompt=Decimal(prompt), completion=Decimal(completion), currency=currency)


def _figure(tokens: int | None) -> int | None:
    """A count of tokens, if it is one that a database holds; an endpoint may state any."""
    return tokens if tokens is not None and abs(tokens) <= _BIGGEST else None


# --- records: a run in an export ---


def write_record(row: Any, sentences: Iterable[tuple[str, float, Mapping[str, Any] | None]]) -> dict[str, Any]:
    """Return everything of a run as plain JSON values, but for whose it is."""
    return {
        "id": row.id, "started": row.started, "endpoint": row.endpoint, "prompt": row.prompt, "parameters": row.parameters, "text": row.text,
        "ending": row.ending, "ended_after": row.ended_after, "reason": row.reason, "error": row.error, "parent": row.parent, "note": row.note,
        "starred": row.starred, "sentences": [{"text": text, "arrived": arrived, **(rest or {})} for text, arrived, rest in sentences],
    }


def read_record(record: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the columns of a run and of its sentences, of a record by anybody. Raises `ParameterError`."""
    try:
        return _read_record(record)
    except _Wrong as wrong:
        raise ParameterError(
            "history", message("A run of this file cannot be read: its “{field}” is not what it should be.", field=str(wrong)),
            message("Take the file as it was saved; an editor may have changed it."),
        ) from None


class _Wrong(Exception):
    """A field that cannot be read."""


def _read_record(record: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if not isinstance(record, dict):
        raise _Wrong("run")
    events = record.get("sentences")
    if not isinstance(events, list) or len(events) > _MOST_SENTENCES:
        raise _Wrong("sentences")
    rows = [_sentence_row(event, number) for number, event in enumerate(events)]
    if sum(len(row["text"]) for row in rows) > _MOST_TEXT:
        raise _Wrong("sentences")
    sentences = [read_sentence(row["text"], row["number"], row["arrived"], row["rest"]) for row in rows]
    endpoint, parameters = _endpoint(record.get("endpoint")), _parameters(record.get("parameters"))
    ending, reason, error = record.get("ending"), _words(record, "reason"), _error(record.get("error"))
    if ending is None:
        ending, reason, error = Ending.CUT, None, error_fields(StreamInterrupted(_NOT_OVER))
    elif ending not in tuple(Ending):
        raise _Wrong("ending")
    run = {
        "id": _id(record, "id"), "started": _seconds(record, "started"), "endpoint": endpoint, "endpoint_name": endpoint["name"],
        "prompt": _text(record, "prompt", _MOST_TEXT), "parameters": parameters,
        "parent": None if record.get("parent") is None else _id(record, "parent"),
        "ending": str(ending), "reason": reason, "error": error, "note": _text(record, "note", _MOST_WORDS),
        "starred": _one_of(record, "starred", bool),
        "ended_after": _seconds(record, "ended_after") if record.get("ended_after") is not None else (sentences[-1].arrived if sentences else 0.0),
        **answer_fields(sentences, endpoint),
    }
    return run, rows


def _sentence_row(event: Any, number: int) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise _Wrong("sentences")
    rest = {name: value for name, value in event.items() if name not in ("text", "arrived")}
    for name, value in rest.items():
        if name not in _REST or not _REST[name](value):
            raise _Wrong(f"sentences: {name[:40]}")
    return {"number": number, "text": _text(event, "text", _MOST_TEXT), "arrived": _seconds(event, "arrived"), "rest": rest or None}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _BIGGEST


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_WORDS


def _is_usage(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(one is None or _is_count(one) for one in value)


def _is_safety(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3:
        return False
    verdict, clear, place = value
    return verdict in tuple(Verdict) and (clear is None or isinstance(clear, bool)) and (place is None or _is_count(place))


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


_REST: Mapping[str, Callable[[Any], bool]] = {
    "index": _is_count, "is_end": _is_switch, "usage": _is_usage, "safety": _is_safety, "is_truncated": _is_switch, "finish_reason": _is_name,
    "answer_id": _is_name, "sentence_id": _is_count,
}


def _text(fields: Mapping[str, Any], name: str, most: int) -> str:
    text = fields.get(name)
    if not isinstance(text, str) or len(text) > most:
        raise _Wrong(name)
    return text


def _id(fields: Mapping[str, Any], name: str) -> str:
    text = _text(fields, name, 32)
    if not _ID.fullmatch(text):
        raise _Wrong(name)
    return text


def _one_of(fields: Mapping[str, Any], name: str, kind: type) -> Any:
    if type(fields.get(name)) is not kind:
        raise _Wrong(name)
    return fields[name]


def _seconds(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        raise _Wrong(name)
    return float(value)


def _endpoint(fields: Any) -> dict[str, Any]:
    """The description of an endpoint, as far as it is one that this app could have written."""
    if not isinstance(fields, dict):
        raise _Wrong("endpoint")
    made: dict[str, Any] = {name: redact(_text(fields, name, _MOST_WORDS)) for name in ENDPOINT}
    if not made["name"].isprintable():  # it is looked for as it is, and no database takes every character
        raise _Wrong("name")
    if "price" in fields:
        price = fields["price"]
        if not isinstance(price, list) or len(price) != 3 or not all(isinstance(one, str) and len(one) <= 40 for one in price):
            raise _Wrong("price")
        try:
            amounts = [Decimal(price[0]), Decimal(price[1])]
        except InvalidOperation:
            raise _Wrong("price") from None
        if not all(one.is_finite() and 0 <= one < 10**9 and one.as_tuple().exponent >= -20 for one in amounts):  # type: ignore[operator]
            raise _Wrong("price")
        made["price"] = price
    if fields.get("free") is True:
        made["free"] = True
    try:
        read_endpoint(made, {})
    except PlaygroundError:
        raise _Wrong("provider") from None
    return made


def _parameters(fields: Any) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise _Wrong("parameters")
    try:
        if len(json.dumps(fields, allow_nan=False)) > _MOST_TEXT:
            raise _Wrong("parameters")
    except (ValueError, TypeError, RecursionError):
        raise _Wrong("parameters") from None
    return fields


def _error(fields: Any) -> dict[str, Any] | None:
    if fields is None:
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("again"), bool) or not _is_name(fields.get("kind")):
        raise _Wrong("error")
    code, said = fields.get("code"), {name: fields.get(name) for name in ("words", "request_id")}
    if not (code is None or _is_count(code) or _is_name(code)) or not all(one is None or isinstance(one, str) for one in said.values()):
        raise _Wrong("error")
    if (words := _words(fields, "message")) is None:
        raise _Wrong("error")
    return {"kind": fields["kind"], "message": words, "remedy": _words(fields, "remedy"), "code": code, **said, "again": fields["again"]}


def _words(fields: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """A message: its places are plain names that it has values for, so that drawing it does nothing else."""
    return None if fields.get(name) is None else _message(fields[name], name, _MOST_DEPTH)


def _message(fields: Any, name: str, depth: int) -> dict[str, Any]:
    if not depth or not isinstance(fields, dict) or not isinstance(fields.get("values"), dict) or len(fields["values"]) > 20:
        raise _Wrong(name)
    text, values = _text(fields, "text", _MOST_WORDS), fields["values"]
    try:
        places = [(place, form, change) for _, place, form, change in Formatter().parse(text) if place is not None]
    except ValueError:
        raise _Wrong(name) from None
    if any(place not in values or form or change for place, form, change in places):
        raise _Wrong(name)
    return {"text": text, "values": {key: _value(value, name, depth) for key, value in values.items()}}


def _value(value: Any, name: str, depth: int) -> Any:
    if isinstance(value, dict):
        return _message(value, name, depth - 1)
    if value is None or isinstance(value, bool) or _is_count(value) or _is_name(value) or isinstance(value, float) and math.isfinite(value):
        return value
    raise _Wrong(name)
