"""How a request proves who sends it: an access token, an IAM signature, or a bearer key.

Four kinds, all with secrets that `repr` never shows. Which one an endpoint uses is a matter of its row.
"""

from dataclasses import dataclass, fields

from playground.redaction import Secret


@dataclass(frozen=True, kw_only=True)
class ApplicationKeys:
    """The application's API key and secret key; they buy an access token."""

    api_key: Secret
    secret_key: Secret


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An access token given as it is, without the keys that could renew it."""

    token: Secret


@dataclass(frozen=True, kw_only=True)
class IamKeys:
    """The account's IAM access key and secret key; they sign each request."""

    access_key: Secret
    secret_key: Secret


@dataclass(frozen=True, kw_only=True)
class BearerKey:
    """A key that goes along with each request as it is, in the `Authorization` header."""

    key: Secret


Credentials = ApplicationKeys | AccessToken | IamKeys | BearerKey


def secrets_of(credentials: Credentials | None) -> tuple[Secret, ...]:
    """Return the secrets of a proof; none where there is none."""
    return tuple(getattr(credentials, part.name) for part in fields(credentials)) if credentials is not None else ()
