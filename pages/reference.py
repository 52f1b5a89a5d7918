"""The reference: the request, the answer and every error code, from the same tables the requests are made from."""

import streamlit as st

from components.text import _, plain, say
from playground.errors import AuthenticationError, RateLimitError, ServiceError
from playground.parameters import ParameterSpec
from playground.providers.openai import COMPLETION_PATH as OPENAI_PATH
from playground.providers.openai import DIALECTS, TITLES
from playground.providers.qianfan import BASE_URL, COMPLETION_PATH, PARAMETERS, TOKEN_PATH
from playground.providers.qianfan_codes import ERROR_CODES, ErrorCode


def table(heads: list[str], rows: list[list[str]]) -> None:
    """Draw a plain table. Cells are Markdown: text that is not ours must come through `plain`."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    st.markdown("\n".join(lines))


def parameter_row(spec: ParameterSpec) -> list[str]:
    """Return one parameter as a row: name, type, range, meaning, effect of more and of less."""
    kind = {"float": _("number"), "int": _("whole number"), "flag": _("true or false"), "text": _("text"), "texts": _("list of texts")}
    bounds = say(spec.range) if spec.is_number or spec.kind == "texts" else ""
    effects = [_("Higher: {effect}.").format(effect=_(spec.more)) if spec.more else "",
               _("Lower: {effect}.").format(effect=_(spec.less)) if spec.less else ""]
    return [f"`{spec.name}`", kind[spec.kind], bounds, " ".join([plain(_(spec.help)), *effects]).strip()]


def code_row(code: ErrorCode) -> list[str]:
    """Return one error code as a row: what happened, what to do, whether the same request can succeed later."""
    if code.refresh_token:
        again = _("after a new token")
    else:
        again = _("yes") if code.retryable or code.again else _("no")
    return [f"`{code.code}`", plain(_(code.cause)), plain(_(code.remedy)), again]


st.title(_("Reference"))
st.subheader(_("The request"))
st.markdown(_("A completion is asked for with a POST to the address below; the token, where one is used, stands in the query."))
st.code(f"POST {BASE_URL}{COMPLETION_PATH}<endpoint>?access_token=<token>\nContent-Type: application/json", language=None, wrap_lines=True)
st.caption(_("Parameters are sent only when switched on. What is not sent is the endpoint's own choice."))
table([_("Field"), _("Type"), _("Range"), _("Meaning")],
      [["`prompt`", _("text"), _("not empty"), _("The text to continue. The only required field.")], *map(parameter_row, PARAMETERS)])

st.subheader(_("Authentication"))
st.markdown(_("Either an access token, fetched with the application's API key and secret key, or a signature made with the account's "
              "IAM keys. A token is kept until it expires and fetched anew when the service says it is too old."))
st.code(f"POST {BASE_URL}{TOKEN_PATH}?grant_type=client_credentials&client_id=<API key>&client_secret=<secret key>\n\n"
        "Authorization: bce-auth-v1/<access key>/<time>/<lifetime>/content-type;host;x-bce-date/<signature>", language=None, wrap_lines=True)

st.subheader(_("The answer"))
st.markdown(_("Streamed, each event is one sentence: a piece of text to be joined to the one before with nothing between."))
table([_("Field"), _("Meaning")], [
    ["`result`", _("The text, or this sentence's piece of it; leading spaces and commas belong to it.")],
    ["`sentence_id`, `is_end`", _("Which sentence this is, and whether it is the last. An answer without a last one is shown as not confirmed.")],
    ["`usage`", _("Tokens. The total is cumulative in every build; the completion count is per sentence in some builds and cumulative and "
                  "late in others, so the bench shows total less prompt.")],
    ["`is_safe`", _("1: the input was found safe, 0: it was not. Newer builds send `need_clear_history` instead.")],
    ["`need_clear_history`, `ban_round`", _("The input was found unsafe; the round at fault, −1 being the present question.")],
    ["`is_truncated`, `finish_reason`", _("Whether the text was cut, and why it ended, where a build says so.")],
])

st.subheader(_("Error codes"))
st.caption(_("The service answers most of these with HTTP status 200."))
sections = [
    (_("Keys, tokens and rights"), lambda code: issubclass(code.kind, AuthenticationError)),
    (_("Quotas and rates"), lambda code: issubclass(code.kind, RateLimitError)),
    (_("The service itself"), lambda code: issubclass(code.kind, ServiceError)),
    (_("The request"), lambda code: not issubclass(code.kind, AuthenticationError | RateLimitError | ServiceError)),
]
for heading, belongs in sections:
    st.markdown(f"**{heading}**")
    table([_("Error code"), _("What happened"), _("What to do"), _("Again?")], [code_row(code) for code in ERROR_CODES.values() if belongs(code)])

st.subheader(_("OpenAI-compatible servers"))
st.markdown(_("The same bench for vLLM, llama.cpp, Ollama and others. The model's name goes along with each request, and a stream is asked "
              "to tell its usage. An answer has ended when a chunk has a finish reason or `[DONE]` comes; without either it is not confirmed."))
st.code(f"POST <OPENAI_BASE_URL>/{OPENAI_PATH}\nContent-Type: application/json\nAuthorization: Bearer <key>", language=None, wrap_lines=True)
variants: dict[tuple[str, ...], list[str]] = {}
for dialect, specs in DIALECTS.items():
    for spec in specs:
        variants.setdefault(tuple(parameter_row(spec)), []).append(TITLES[dialect])
order = list(dict.fromkeys(spec.name for specs in sorted(DIALECTS.values(), key=len, reverse=True) for spec in specs))
by_name = sorted(variants.items(), key=lambda item: order.index(item[0][0].strip("`")))
table([_("Field"), _("Type"), _("Range"), _("Meaning"), _("Server")], [[*cells, ", ".join(titles)] for cells, titles in by_name])
