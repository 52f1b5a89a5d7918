"""The reference of the OpenAI-compatible wire in one dialect, from the tables that requests are made and answers read with."""

import json

from playground.endpoints import OPENAI_PROMPT_LIMIT
from playground.message import N_, Message, message
from playground.providers.openai import COMPLETION_PATH, DIALECTS, STATUSES, error, names_of
from playground.reference.entry import REQUEST, STOPS, Entry, Section, Table, field, parameter, raw, usage_fields
from playground.reference.here import limits_here
from playground.settings import Settings

_OPENAI = N_("OpenAI's API reference, completions")
_STREAMED = message("streamed only")
_LAST = message("streamed: in a last event without choices")

ANSWER = (
    field("id", "string", message("The answer's id.")),
    field("object", "string", message("`text_completion`.")),
    field("created", "int", message("When it was made, in seconds since 1970.")),
    field("model", "string", message("The model that answered.")),
    field("choices", "array", message("One entry: the bench asks for one answer.")),
    field("choices[].text", "string", message("The text, or this event's piece of it, to be joined with nothing between.")),
    field("choices[].index", "int", message("Which answer this is; always 0 here.")),
    field("choices[].finish_reason", "string", message("`stop`, `length` or `content_filter`; `null` before the end. It is the end mark of a stream.")),
    field("choices[].logprobs", "object", message("Probabilities of tokens, where they were asked for; else `null`.")),
    field("usage", "object", message("Token counts."), when=_LAST),
    *usage_fields("usage"),
    field("[DONE]", "data", message("Ends a stream. Without it and without a finish reason the end is shown as not confirmed."), when=_STREAMED),
)
FAILURE = (
    field("error.message", "string", message("The server's own words; some servers send `error` as text, or `detail`, or `message` alone.")),
    field("error.type", "string", message("What kind of error it is.")),
    field("error.code", "string", message("A code, where the server has any.")),
)


def openai_reference(dialect: str, settings: Settings) -> tuple[Section, ...]:
    """Return its sections in the order they are read."""
    specs = DIALECTS[dialect]
    source = specs[0].source
    own = (
        field("model", "string", message("The model, by a name the server lists under `/models`."), required=True),
        field("prompt", "string", message("The text to continue; it may not be empty."), required=True),
    )
    usage = field(
        "stream_options", "object", message("`include_usage`, which the bench adds to a stream so that the server states its usage."),
    )
    return (
        Section(
            key="parameters", title=N_("The request"), source=source,
            words=REQUEST,
            code=f"POST <base URL>/{COMPLETION_PATH}\nContent-Type: application/json",
            tables=(Table(entries=(*own, *(parameter(spec, source) for spec in specs), usage)),),
        ),
        Section(
            key="answer", title=N_("The answer"), source=_OPENAI,
            words=message("In one piece it is one JSON object. Streamed, each event is a piece of the text, on a line that begins with `data:`."),
            tables=(Table(entries=ANSWER), Table(title=N_("When it fails"), entries=FAILURE)),
        ),
        Section(
            key="errors", title=N_("Error codes"),
            words=message("The HTTP status says what happened; an error in the middle of a stream is told by its type or code."),
            tables=(Table(entries=tuple(_status(status) for status in STATUSES)),),
        ),
        Section(
            key="authentication", title=N_("Authentication"),
            words=message("A key in a header. A server on one's own network often wants none."), code="Authorization: Bearer <key>",
            tables=(Table(entries=(
                field("Authorization", "string", message("`Bearer` and the key.")),
                field("Content-Type", "string", message("`application/json`."), required=True),
            )),),
            source=_OPENAI,
        ),
        Section(key="limits", title=N_("Limits"), tables=(_limits(dialect), limits_here(settings, OPENAI_PROMPT_LIMIT))),
    )


def _status(status: int) -> Entry:
    """What a person is told of a status: the reader of errors is asked itself."""
    told = error(status, json.dumps({"error": {}}).encode(), {})
    if told is None or told.remedy is None:
        raise ValueError(f"an answer of status {status} is told in no words")
    facts = tuple(raw(name) for name in names_of(status))
    if told.again:
        facts += (message("trying again can help"),)
    return Entry(name=str(status), facts=facts, words=(told.message, told.remedy))


def _limits(dialect: str) -> Table:
    specs = {spec.name: spec for spec in DIALECTS[dialect]}
    stop, most = specs["stop"], specs["max_tokens"]
    return Table(
        title=N_("Of the server"),
        entries=(
            Entry(name="prompt", facts=(message("in tokens, with the answer"),),
                  words=(message("The model's context. Beyond it the server refuses with `context_length_exceeded` or a code of its own."),)),
            Entry(name="stop", facts=(stop.range,), source=stop.source, words=(STOPS,)),
            Entry(name="max_tokens", facts=(most.range,), words=(Message(most.help),), source=most.source),
            Entry(name="Retry-After", facts=(message("a header of status 429 or 503"),), source=_OPENAI,
                  words=(message("Seconds to wait. The bench waits as long before it tries again by itself; a long wait is left to the person."),)),
            Entry(name="x-ratelimit-*", facts=(message("headers of the answer"),), source=_OPENAI,
                  words=(message("`limit-requests`, `limit-tokens`, `remaining-requests`, `remaining-tokens` and when each is filled up again."),)),
        ),
    )
