"""What a server can be told: its pace, its tokens, the shape of its answers, and the well-known demo credentials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

API_KEY = "demo-api-key"
SHORT_API_KEY = "demo-api-key-short"
SECRET_KEY = "demo-secret-key"  # noqa: S105 - well known on purpose
ACCESS_KEY = "demo-access-key"
IAM_SECRET = "demo-iam-secret"  # noqa: S105 - well known on purpose
TOKEN_LIFETIME = 2592000
SHORT_LIFETIME = 2


@dataclass(frozen=True, kw_only=True)
class Application:
    """One API key's secret key, and the life of its tokens in seconds if it differs from the server's."""

    secret_key: str = field(repr=False)
    lifetime: int | None = None


APPLICATIONS: Mapping[str, Application] = MappingProxyType(
    {API_KEY: Application(secret_key=SECRET_KEY), SHORT_API_KEY: Application(secret_key=SECRET_KEY, lifetime=SHORT_LIFETIME)}
)
ACCESS_KEYS: Mapping[str, str] = MappingProxyType({ACCESS_KEY: IAM_SECRET})


@dataclass(frozen=True, kw_only=True)
class Options:
    """`pace` multiplies the waits of recordings (0: none). `build` and `object_name` shape the answers that are not
    recorded. `keep_bodies` lets the request log hold what was asked; switch it off where people are served.
    """

    pace: float = 1.0
    token_lifetime: int = TOKEN_LIFETIME
    build: Literal["older", "newer"] = "newer"
    object_name: str = "completion"
    keep_bodies: bool = True
    applications: Mapping[str, Application] = field(default_factory=lambda: APPLICATIONS, repr=False)
    access_keys: Mapping[str, str] = field(default_factory=lambda: ACCESS_KEYS, repr=False)


DEFAULTS = Options()
