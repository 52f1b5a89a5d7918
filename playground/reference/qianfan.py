"""The reference of Qianfan's completion wire (V1), from the tables that requests are made and answers read with.

What no table of the code states is written here once, each with the page it is from.
"""

from dataclasses import replace

from playground.endpoints import ADVISES_ONE, MODELS, PROMPT_LIMIT
from playground.errors import AuthenticationError, RateLimitError, ServiceError
from playground.message import N_, Message, message
from playground.parameters import ParameterSpec
from playground.providers.qianfan import BASE_URL, COMPLETION_PATH, PARAMETERS, TOKEN_PATH
from playground.providers.qianfan_codes import ERROR_CODES, ErrorCode
from playground.reference.entry import REQUEST, STOPS, Entry, Section, Table, field, parameter, raw, usage_fields
from playground.reference.here import limits_here
from playground.settings import Settings
from playground.signature import LIFETIME, PREFIX

_PAGES = PARAMETERS[0].source
_LENGTHS = N_("Qianfan's pages on error codes and on the length of the input")
_RATES = N_("Qianfan's page on rate limits")
_TOKENS = N_("Baidu's page on access tokens")
_SIGNATURES = N_("API page of Yi-34B; Baidu's page on signatures")
_STABLELM, _YI = N_("API page of StableLM-Alpha-7B"), N_("API page of Yi-34B")

_STREAMED = message("streamed only")
_OLDER, _NEWER = message("older build"), message("newer build")

ANSWER = (
    field("id", "string", message("The answer's id; the service's support asks for it.")),
    field("object", "string", message("`completion`. The SDK table of the Yi-34B page says `chat.completion`; nothing depends on it.")),
    field("created", "int", message("When it was made, in seconds since 1970.")),
    field("sentence_id", "int", message("Which sentence this is, from 0."), when=_STREAMED),
    field("is_end", "bool", message("Whether it is the last. An answer without a last sentence is shown as not confirmed."), when=_STREAMED),
    field("result", "string",
          message("The text, or this sentence's piece of it; pieces are joined with nothing between. Leading spaces and commas belong to it.")),
    field("is_safe", "bool", message("`1`: no risk was found in the input, `0`: a risk was found. It is sent as a number."), when=_OLDER),
    field("is_truncated", "bool", message("Whether the answer was cut."), when=_NEWER),
    field("need_clear_history", "bool", message("`true`: a risk was found in the input, and the conversation should be closed."), when=_NEWER),
    field("ban_round", "int", message("Only with `need_clear_history`: the round at fault, `-1` being the present question."), when=_NEWER),
    field("finish_reason", "string", message("Why the text ended, for instance `normal`; in a sample of the Yi-34B page, in no table."), when=_NEWER),
    field("usage", "object", message("Token counts. The total is cumulative in every build; what the completion count counts differs.")),
    *usage_fields("usage"),
)
FAILURE = (
    field("error_code", "int", message("One of the codes below. It is looked for before anything else: the HTTP status is 200 all the same.")),
    field("error_msg", "string", message("The service's own words. They are shown as an error, never as text of the model.")),
)
TOKEN_QUERY = (
    field("grant_type", "string", message("`client_credentials`."), required=True),
    field("client_id", "string", message("The application's API key."), required=True),
    field("client_secret", "string", message("The application's secret key."), required=True),
)
TOKEN_ANSWER = (
    field("access_token", "string", message("The token. It is kept until shortly before it expires, and fetched anew when the service refuses it.")),
    field("expires_in", "int", message("Its life in seconds: 2592000, thirty days.")),
    field("error, error_description", "string", message("What is wrong with the keys instead of a token, for instance `unknown client id`.")),
)
BY_TOKEN = (
    field("access_token", "string", message("In the query: the token."), required=True),
    field("Content-Type", "string", message("A header: `application/json`."), required=True),
)
BY_SIGNATURE = (
    field("Content-Type", "string", message("`application/json`."), required=True),
    field("x-bce-date", "string", message("The time in UTC, for instance `2016-04-06T08:23:49Z`; it is the signature's time too.")),
    field("Authorization", "string",
          message("The signature of method, path, query and headers, made with the account's IAM keys. The body is not signed."), required=True),
)


def qianfan_reference(settings: Settings) -> tuple[Section, ...]:
    """Return its sections in the order they are read."""
    prompt = field("prompt", "string", message("The text to continue; it may not be empty."), required=True)
    return (
        Section(
            key="parameters", title=N_("The request"), source=_PAGES,
            words=REQUEST,
            code=f"POST {BASE_URL}{COMPLETION_PATH}<endpoint>\nContent-Type: application/json",
            tables=(Table(entries=(prompt, *map(_parameter, PARAMETERS))),),
        ),
        Section(
            key="answer", title=N_("The answer"), source=_PAGES,
            words=message("In one piece it is one JSON object. Streamed, each event is one sentence, on a line that begins with `data:`; "
                          "after the one with `is_end` the service closes the connection."),
            tables=(Table(entries=ANSWER), Table(title=N_("When it fails"), entries=FAILURE)),
        ),
        _errors(),
        Section(
            key="authentication", title=N_("Authentication"),
            words=message("Either an access token in the query, or a signature in the headers."),
            tables=(
                Table(title=N_("Access token"), entries=BY_TOKEN),
                Table(title=f"POST {TOKEN_PATH}", entries=(*TOKEN_QUERY, *TOKEN_ANSWER)),
                Table(title=N_("IAM signature"), entries=BY_SIGNATURE),
            ),
            code=f"POST {BASE_URL}{TOKEN_PATH}?grant_type=client_credentials&client_id=<API key>&client_secret=<secret key>\n\n"
                 f"POST {COMPLETION_PATH}<endpoint>?access_token=<token>\n\n"
                 f"POST {COMPLETION_PATH}<endpoint>\nx-bce-date: <time>\n"
                 f"Authorization: {PREFIX}/<access key>/<time>/<lifetime>/host;x-bce-date/<signature>",
            source=_SIGNATURES,
        ),
        Section(key="limits", title=N_("Limits"), tables=(_limits(), limits_here(settings, PROMPT_LIMIT))),
    )


def _parameter(spec: ParameterSpec) -> Entry:
    entry = parameter(spec, _PAGES)
    if spec.name not in ("temperature", "top_p"):
        return entry
    models = " + ".join(MODELS[name] for name in ADVISES_ONE)
    return replace(entry, words=(*entry.words, message("{models}: set either temperature or top_p, not both.", models=models)))


def _errors() -> Section:
    kinds = (AuthenticationError, RateLimitError, ServiceError)
    titles = (N_("Keys, tokens and rights"), N_("Quotas and rates"), N_("The service itself"), N_("The request"))
    rows: dict[str, list[Entry]] = {title: [] for title in titles}
    for code in ERROR_CODES.values():
        place = next((number for number, kind in enumerate(kinds) if issubclass(code.kind, kind)), len(kinds))
        rows[titles[place]].append(_code(code))
    return Section(
        key="errors", title=N_("Error codes"), words=message("The service answers nearly all of these with HTTP status 200."),
        tables=tuple(Table(title=title, entries=tuple(entries)) for title, entries in rows.items()),
        source=N_("The API pages, Qianfan's page of error codes and its SDK"),
    )


def _code(code: ErrorCode) -> Entry:
    facts = [raw(code.words)]
    if code.refresh_token:
        facts.append(message("again after a new token"))
    elif code.retryable or code.again:
        facts.append(message("trying again can help"))
    return Entry(name=str(code.code), facts=tuple(facts), words=(Message(code.cause), Message(code.remedy)))


def _limits() -> Table:
    stop = next(spec for spec in PARAMETERS if spec.name == "stop")
    return Table(
        title=N_("Of the service"),
        entries=(
            Entry(name="prompt", facts=(message("4 characters for each token of the model's limit"),), source=_LENGTHS,
                  words=(message("The first gate; beyond it code 336007. The second one counts tokens; beyond it code 336103."),)),
            Entry(name="StableLM-Alpha-7B", facts=(message("4k tokens of context"),), source=_STABLELM,
                  words=(message("The page of Cerebras-GPT-6.7B states none."),)),
            Entry(name="Yi-34B", facts=(message("4K tokens of context, up to 32K"),), source=_YI,
                  words=(message("Trained with 4K; the model extends it when it answers."),)),
            Entry(name="stop", facts=(stop.range,), source=stop.source, words=(STOPS,)),
            Entry(name="QPS", facts=(message("1 for a service of one's own"),), source=_RATES,
                  words=(message("Requests in a second, unless the service was given more. Beyond it code 18."),)),
            Entry(name="RPM", facts=(raw("QPS × 60"),), source=_RATES,
                  words=(message("Requests in a minute. Beyond it code 336501; more come free within the minute."),)),
            Entry(name="TPM", facts=(raw("QPS × 60 × 1000"),), source=_RATES,
                  words=(message("Tokens in a minute. Beyond it code 336502; more come free within the minute."),)),
            Entry(name="X-Ratelimit-*", facts=(message("headers of the answer"),), source=_RATES,
                  words=(message("`Limit-Requests`, `Limit-Tokens`, `Remaining-Requests` and `Remaining-Tokens`: what is permitted in a minute, "
                                 "and what is left of it."),)),
            Entry(name="access_token", facts=(message("30 days"),), source=_TOKENS, words=(message("An older one is refused with code 111."),)),
            Entry(name="Authorization", facts=(message("{seconds} s", seconds=f"{LIFETIME:,}"),), source=_SIGNATURES,
                  words=(message("How long a signature made here holds. Later, or with a wrong clock, code 14."),)),
            Entry(name="request_timeout", facts=(message("{seconds} s", seconds="60"),), source=_YI,
                  words=(message("The SDK's default: how long it waits for the answer."),)),
            Entry(name="retry_count, backoff_factor", facts=(raw("1, 0"),), source=_YI,
                  words=(message("The SDK's defaults: how often it sends a request, and how the wait between grows."),)),
            Entry(name="/wenxinworkshop/", facts=(raw("2026-08-31"),), source=N_("Qianfan's announcement"),
                  words=(message("When Baidu announced to switch off all addresses of this wire. Whether it was done is not known here."),)),
        ),
    )
