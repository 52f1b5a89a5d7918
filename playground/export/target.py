"""Where exported code sends its request, and what an export is. No secret is held, so none can be written out."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from playground.credentials import BearerKey, IamKeys
from playground.endpoints import Endpoint
from playground.providers import qianfan
from playground.providers.provider import Provider

Auth = Literal["access_token", "iam", "bearer", "none"]

ENDED_EARLY = "The stream ended without is_end: the text may be incomplete."

# The environment variables that hold the keys of each authentication; the names are those of Baidu's SDKs and of OpenAI's.
KEYS: dict[Auth, tuple[str, ...]] = {
    "access_token": ("QIANFAN_AK", "QIANFAN_SK"),
    "iam": ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY"),
    "bearer": ("OPENAI_API_KEY",),
    "none": (),
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """The address of a service and the way to prove who calls it. `path` is the published address, not yet encoded.

    `model` is the name a request carries where the wire has one.
    """

    base_url: str
    path: str
    auth: Auth
    provider: Provider = qianfan.PROVIDER
    model: str = ""

    @property
    def url(self) -> str:
        """The completion URL."""
        return self.provider.completion_url(self.base_url, self.path)

    @property
    def token_url(self) -> str:
        """Where keys buy an access token."""
        return self.base_url.rstrip("/") + qianfan.TOKEN_PATH

    @property
    def endpoint(self) -> str:
        """The published address as it stands in a URL; no SDK encodes it itself."""
        return quote(self.path, safe="-._~")

    @property
    def host(self) -> str:
        """The `Host` header as clients send it: without the port that goes without saying."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        usual = {"http": 80, "https": 443}.get(parts.scheme)
        return host if parts.port in (None, usual) else f"{host}:{parts.port}"

    @property
    def signed_path(self) -> str:
        """The path as the IAM signature covers it: an encoded slash counts as a slash."""
        return quote(unquote(urlsplit(self.url).path), safe="/-._~")

    @property
    def other_base_url(self) -> str | None:
        """The base URL where it is not the service's own, which every SDK knows."""
        given = self.base_url.rstrip("/")
        return None if given == qianfan.BASE_URL else given

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the environment variables."""
        return KEYS[self.auth]


def target_of(endpoint: Endpoint) -> Target:
    """Return the target of a row of the selector."""
    auth: Auth = "access_token"
    if isinstance(endpoint.credentials, IamKeys):
        auth = "iam"
    elif isinstance(endpoint.credentials, BearerKey):
        auth = "bearer"
    elif endpoint.provider is not qianfan.PROVIDER:
        auth = "none"
    return Target(base_url=endpoint.base_url, path=endpoint.path, auth=auth, provider=endpoint.provider, model=endpoint.model)


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """Code that runs: its text, the name its file would have, and what installs what it needs (empty: nothing)."""

    text: str
    filename: str
    install: str
