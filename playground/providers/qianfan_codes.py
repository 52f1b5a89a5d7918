"""Qianfan's error codes: the service's own words, what each means, what to do, and whether trying again helps.

Source: the API pages and the service's error-code page; which codes its official Python SDK retries and refreshes on.
The service answers nearly all of them with HTTP status 200.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playground.errors import AuthenticationError, EndpointError, InvalidRequestError, RateLimitError, ServiceError
from playground.message import N_, Message, message


@dataclass(frozen=True, kw_only=True)
class ErrorCode:
    """One code. `words` is the service's own `error_msg`; `cause` and `remedy` are English source texts.

    `retryable` is what the official SDK sends again by itself, `again` what the pages tell a person to try again.
    """

    code: int
    words: str
    kind: type[EndpointError]
    cause: str
    remedy: str
    retryable: bool = False
    again: bool = False
    refresh_token: bool = False


BUSY_WORDS = "人工智能是一项革命性的技术。与我互动的人过多，请您稍后重新向我提问。"

_LATER = N_("Try again later.")
_TICKET = N_("Try again; if it stays, open a ticket with the request id.")
_FIX = N_("Correct the request and run it again.")
_BILLING = N_("Open billing or top up the account in the Qianfan console.")
_SLOWER = N_("Wait a moment and run again, or send fewer requests per second.")
_MINUTE = N_("Wait until the next minute and run again.")
_SHORTER = N_("Shorten the prompt.")
_NEW_TOKEN = N_("A new access token is fetched by itself when the API key and the secret key are set; a token given alone must be replaced.")
_INTERNAL = N_("The service had an internal fault.")
_REFUSED = N_("The service refused the request.")

_TABLE = (
    ErrorCode(code=1, words="Unknown error", kind=ServiceError, cause=N_("The service had an unknown fault."), remedy=_TICKET, again=True),
    ErrorCode(code=2, words="Service temporarily unavailable", kind=ServiceError,
              cause=N_("The service is unavailable for the moment."), remedy=_LATER, retryable=True),
    ErrorCode(code=3, words="Unsupported openapi method", kind=InvalidRequestError,
              cause=N_("The service knows no such path."),
              remedy=N_("Check the base URL and the endpoint address, prefix and spelling included.")),
    ErrorCode(code=4, words="Open api request limit reached", kind=RateLimitError,
              cause=N_("The service's cluster reached its request limit."), remedy=_LATER, again=True),
    ErrorCode(code=6, words="No permission to access data", kind=AuthenticationError,
              cause=N_("The application has no right to this service."),
              remedy=N_("Open or publish the service for this application in the Qianfan console.")),
    ErrorCode(code=13, words="Get service token failed", kind=AuthenticationError,
              cause=N_("The service could not get its own token."), remedy=N_("Check the keys and their rights.")),
    ErrorCode(code=14, words="IAM Certification failed", kind=AuthenticationError,
              cause=N_("The IAM signature or access key was refused."),
              remedy=N_("Check that the access key and secret key are the IAM pair, not the application's, and that this computer's clock is right.")),
    ErrorCode(code=15, words="app not exists or create failed", kind=AuthenticationError,
              cause=N_("The application does not exist or could not be made."),
              remedy=N_("Try again; check the application in the console."), retryable=True),
    ErrorCode(code=17, words="Open api daily request limit reached", kind=RateLimitError,
              cause=N_("The daily limit is used up, billing is not opened, or the account is in arrears."), remedy=_BILLING),
    ErrorCode(code=18, words="Open api qps request limit reached", kind=RateLimitError,
              cause=N_("Too many requests in a second."), remedy=_SLOWER, retryable=True),
    ErrorCode(code=19, words="Open api total request limit reached", kind=RateLimitError,
              cause=N_("The total quota is used up."), remedy=_BILLING),
    ErrorCode(code=100, words="Invalid parameter", kind=AuthenticationError,
              cause=N_("The access token is malformed."), remedy=_NEW_TOKEN, refresh_token=True),
    ErrorCode(code=110, words="Access token invalid or no longer valid", kind=AuthenticationError,
              cause=N_("The access token is invalid."), remedy=_NEW_TOKEN, refresh_token=True),
    ErrorCode(code=111, words="Access token expired", kind=AuthenticationError,
              cause=N_("The access token has expired."), remedy=_NEW_TOKEN, refresh_token=True),
    ErrorCode(code=336000, words="Internal error", kind=ServiceError, cause=_INTERNAL, remedy=_TICKET, again=True),
    ErrorCode(code=336001, words="Invalid Argument", kind=InvalidRequestError,
              cause=N_("The request has a wrong form, a required field is missing for instance."), remedy=_FIX),
    ErrorCode(code=336002, words="Invalid JSON", kind=InvalidRequestError,
              cause=N_("The request body was not JSON."), remedy=_FIX),
    ErrorCode(code=336003, words="Invalid parameter value", kind=InvalidRequestError,
              cause=N_("A parameter was refused; the service says which."), remedy=_FIX),
    ErrorCode(code=336004, words="Permission check failed", kind=AuthenticationError,
              cause=N_("The permission check failed; the service says why."),
              remedy=N_("Check the account's rights in the console.")),
    ErrorCode(code=336005, words="API name not exist", kind=InvalidRequestError,
              cause=N_("No service has this endpoint address."),
              remedy=N_("Copy the address from the service's detail page: the console adds a prefix of its own.")),
    ErrorCode(code=336006, words="Bad request", kind=InvalidRequestError, cause=_REFUSED, remedy=_FIX),
    ErrorCode(code=336007, words="the max length of current question is {limit}", kind=InvalidRequestError,
              cause=N_("The prompt has too many characters for this service."), remedy=_SHORTER),
    ErrorCode(code=336008, words="Bad request", kind=InvalidRequestError, cause=_REFUSED, remedy=_FIX),
    ErrorCode(code=336100, words=BUSY_WORDS, kind=RateLimitError,
              cause=N_("The service is busy: too many people are using it."),
              remedy=N_("Wait a little and run again."), retryable=True),
    ErrorCode(code=336101, words="Invalid HTTP Method", kind=InvalidRequestError,
              cause=N_("The service takes only POST."), remedy=N_("Check the base URL: something on the way changed the request.")),
    ErrorCode(code=336102, words="Bad request", kind=InvalidRequestError, cause=_REFUSED, remedy=_FIX),
    ErrorCode(code=336103, words="Prompt tokens too long", kind=InvalidRequestError,
              cause=N_("The prompt has too many tokens for this service."), remedy=_SHORTER),
    ErrorCode(code=336104, words="Invalid system argument", kind=InvalidRequestError, cause=_REFUSED, remedy=_FIX),
    ErrorCode(code=336105, words="Invalid user argument", kind=InvalidRequestError, cause=_REFUSED, remedy=_FIX),
    ErrorCode(code=336200, words="Internal error", kind=ServiceError, cause=_INTERNAL, remedy=_TICKET, again=True),
    ErrorCode(code=336303, words="Bad request", kind=InvalidRequestError, cause=_REFUSED, remedy=_FIX),
    ErrorCode(code=336501, words="Rate limit reached for RPM", kind=RateLimitError,
              cause=N_("Too many requests in this minute."), remedy=_MINUTE, retryable=True),
    ErrorCode(code=336502, words="Rate limit reached for TPM", kind=RateLimitError,
              cause=N_("Too many tokens in this minute."), remedy=_MINUTE, retryable=True),
    ErrorCode(code=337006, words="Bad request", kind=InvalidRequestError, cause=_REFUSED, remedy=_FIX),
    ErrorCode(code=500000, words="Internal error", kind=ServiceError, cause=_INTERNAL, remedy=_TICKET, again=True),
)

ERROR_CODES: Mapping[int, ErrorCode] = {row.code: row for row in _TABLE}


def raise_if_error(fields: Mapping[str, Any]) -> None:
    """Raise the error that `fields` (an answer or an event) states, if it states one.

    The code is under `error_code`; one page of the service shows `code` and `msg` instead, so both are read.
    """
    if "error_code" in fields:
        code, words = fields["error_code"], fields.get("error_msg")
    elif "code" in fields and "msg" in fields and "result" not in fields:
        code, words = fields["code"], fields["msg"]
    else:
        return
    raise error_for(code, str(words) if words else None, fields.get("id"))


def error_for(code: object, words: str | None = None, answer_id: object = None) -> EndpointError:
    """Return the error of a Qianfan code; an unknown code is told by the service's own words."""
    row = ERROR_CODES.get(_as_int(code))
    number = row.code if row else str(code)
    if row is None:
        cause: Message = message("The service reported an error that is not in its documentation.")
        return ServiceError(cause, message("Quote the code and the request id to the service's support."), code=number,
                            endpoint_message=words, request_id=answer_id if isinstance(answer_id, str) else None)
    return row.kind(
        Message(row.cause), Message(row.remedy), code=row.code, endpoint_message=words,
        request_id=answer_id if isinstance(answer_id, str) else None,
        retryable=row.retryable, again=row.again, refresh_token=row.refresh_token,
    )


def _as_int(code: object) -> int:
    try:
        return int(code)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return -1
