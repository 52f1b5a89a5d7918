"""Which endpoints there are: rows made from the settings, each usable, or off with the reason.

The recorded answers are Qianfan endpoints like any other; only their base URL is the emulator's, and their keys are the
emulator's well-known ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from playground.credentials import AccessToken, ApplicationKeys, BearerKey, Credentials, IamKeys
from playground.errors import ConfigurationError
from playground.local import LocalModel
from playground.message import N_, Message, message
from playground.parameters import ParameterSpec
from playground.price import Price
from playground.providers import openai, qianfan
from playground.providers.provider import Provider
from playground.redaction import Secret
from playground.settings import Settings

PROMPT_LIMIT = 131_072
# An OpenAI-compatible server knows its context alone, in tokens; this only keeps a paste by mistake from being sent.
OPENAI_PROMPT_LIMIT = 1_000_000
# Every parameter that any endpoint can have: what a preset may hold, whichever endpoint is chosen.
KNOWN_PARAMETERS = (*qianfan.PARAMETERS, *(spec for table in openai.DIALECTS.values() for spec in table))
DEMO_KEYS = ApplicationKeys(api_key=Secret("demo-api-key"), secret_key=Secret("demo-secret-key"))

GROUP_LOCAL = N_("Local (this computer)")
GROUP_RECORDED = N_("Recorded answers")
GROUP_OWN = N_("Your Qianfan services")
GROUP_OPENAI = N_("OpenAI-compatible")
GROUP_FAULTS = N_("Fault lab")

MODELS = {"cerebras_gpt_6_7b": "Cerebras-GPT-6.7B", "stablelm_alpha_7b": "StableLM-Alpha-7B", "yi_34b": "Yi-34B"}
# The pages of these two advise setting temperature or top_p, not both; the Yi-34B page does not.
ADVISES_ONE = ("cerebras_gpt_6_7b", "stablelm_alpha_7b")

FAULTS: Mapping[str, str] = {
    "echo": N_("answers with the request it received"),
    "slow": N_("one sentence every half second"),
    "silent": N_("says nothing for 30 seconds"),
    "cut_mid_event": N_("cut in the middle of an event"),
    "cut_without_end": N_("ends without an end mark"),
    "error_json": N_("a JSON error instead of a stream"),
    "error_mid_stream": N_("an error in the middle of a stream"),
    "html_502": N_("a gateway's HTML page"),
    "split_characters": N_("bytes split inside a character"),
    "crlf": N_("lines that end in CR LF"),
    "unchunked": N_("a body without chunking"),
    "endless": N_("never ends"),
    "loop": N_("repeats itself"),
    "busy": N_("busy twice, then an answer"),
    "expired_token": N_("the first access token has expired"),
    "unsafe": N_("flags the prompt as unsafe"),
}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row of the selector. `off` says why it cannot be used; such a row is shown and never sent to.

    `path` is the published address of the service, `model` the name its requests carry where the wire has one;
    `prompt_limit` is in characters, `context` in tokens; `fetched` is (bytes here, bytes in all) while a model is on its
    way to this computer. `settings` names where its address and keys come from, `public_only` is set where the address came
    from a visitor who may not reach into this server's own network. `price` is `None` where nobody stated one.
    """

    name: str
    title: str
    group: str
    note: Message
    base_url: str = ""
    path: str = ""
    model: str = ""
    credentials: Credentials | None = None
    provider: Provider = qianfan.PROVIDER
    parameters: tuple[ParameterSpec, ...] = qianfan.PARAMETERS
    prompt_limit: int = PROMPT_LIMIT
    advises_one_of_temperature_and_top_p: bool = False
    example: str = ""
    context: int | None = None
    price: Price | None = None
    settings: tuple[str, ...] = ()
    public_only: bool = False
    fetched: tuple[int, int] | None = None
    off: ConfigurationError | None = None

    @property
    def url(self) -> str:
        """The completion URL, without any credential."""
        return self.provider.completion_url(self.base_url, self.path)


def build_endpoints(settings: Settings, emulator_url: str | None) -> dict[str, Endpoint]:
    """Return the configured endpoints by name, in the selector's order. `emulator_url` is `None` while no emulator runs."""
    rows = [_recorded(name, emulator_url) for name in MODELS]
    rows += [_own(name, settings.values) for name in MODELS]
    rows.append(_openai(settings.values))
    if settings.fault_endpoints:
        rows += [_fault(name, emulator_url) for name in FAULTS]
    return {row.name: row for row in rows}


def local_endpoint(model: LocalModel, emulator_url: str | None) -> Endpoint:
    """Return the row of the model on this computer, as it stands now."""
    return Endpoint(
        name="local", title=model.title, group=GROUP_LOCAL, note=model.note, base_url=emulator_url or "", path="local_model",
        credentials=DEMO_KEYS, prompt_limit=model.prompt_limit, example="The best thing about living near the sea is",
        off=model.off or (None if emulator_url else _no_emulator()), fetched=model.fetched,
    )


def check_base_url(name: str, text: str) -> str:
    """Return a base URL that can be sent to; raise `ConfigurationError` naming the setting if it is none."""
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in url):
        raise ConfigurationError(
            message("{name} is not a web address.", name=name),
            message("It must begin with https:// or http:// and name a host."),
        )
    if "@" in parts.netloc:
        raise ConfigurationError(
            message("{name} holds a user name or password.", name=name), message("Take it out; credentials have their own settings.")
        )
    if "?" in url or "#" in url:
        raise ConfigurationError(message("{name} must end before any ? or #.", name=name))
    return url


def read_credentials(values: Mapping[str, str]) -> Credentials:
    """Return the credentials that are configured; application keys before IAM keys, as Baidu's SDK does.

    Raises `ConfigurationError` when there are none, or when one of a pair is missing.
    """
    token = values.get("QIANFAN_ACCESS_TOKEN", "").strip()
    if token:
        return AccessToken(token=Secret(token))
    for first, second in (("QIANFAN_AK", "QIANFAN_SK"), ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")):
        one, other = values.get(first, "").strip(), values.get(second, "").strip()
        if one and other:
            pair = Secret(one), Secret(other)
            if first == "QIANFAN_AK":
                return ApplicationKeys(api_key=pair[0], secret_key=pair[1])
            return IamKeys(access_key=pair[0], secret_key=pair[1])
        if one or other:
            given, missing = (first, second) if one else (second, first)
            raise ConfigurationError(
                message("{given} is set, {missing} is not.", given=given, missing=missing),
                message("Keys come in pairs: set {missing} in .env too, and start again.", missing=missing),
            )
    raise ConfigurationError(
        message("No key is configured."),
        message("Set QIANFAN_AK and QIANFAN_SK (the application's keys) or QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY (IAM) in .env."),
    )


def _recorded(name: str, emulator_url: str | None) -> Endpoint:
    return Endpoint(
        name=f"recorded/{name}", title=MODELS[name], group=GROUP_RECORDED,
        note=message("A recording from the API page, played by this server. No key needed; parameters are checked but do not change the text."),
        base_url=emulator_url or "", path=name, credentials=DEMO_KEYS, example="Introduce the city Beijing",
        advises_one_of_temperature_and_top_p=name in ADVISES_ONE, off=None if emulator_url else _no_emulator(),
    )


def _fault(name: str, emulator_url: str | None) -> Endpoint:
    return Endpoint(
        name=f"fault/{name}", title=name, group=GROUP_FAULTS, note=Message(FAULTS[name]), base_url=emulator_url or "", path=name,
        credentials=DEMO_KEYS, example="Introduce the city Beijing", off=None if emulator_url else _no_emulator(),
    )


def _own(name: str, values: Mapping[str, str]) -> Endpoint:
    """A service the person published himself: its address, the base URL and the keys all come from the settings."""
    variable = f"QIANFAN_ENDPOINT_{name.upper()}"
    path = values.get(variable, "").strip()
    off: ConfigurationError | None = None
    base_url, credentials = "", None
    try:
        base_url = check_base_url("QIANFAN_BASE_URL", values.get("QIANFAN_BASE_URL", "").strip() or qianfan.BASE_URL)
        if not path:
            raise ConfigurationError(
                message("The address of your service is not set."),
                message("Set {variable} in .env to the address the service's detail page shows.", variable=variable),
            )
        path = path.rpartition(qianfan.COMPLETION_PATH)[2]
        if not path or len(path) > 200 or "/" in path or "?" in path or any(ord(character) < 33 for character in path):
            raise ConfigurationError(
                message("{variable} is not a service address.", variable=variable),
                message("Copy the last part of the address on the service's detail page."),
            )
        credentials = read_credentials(values)
    except ConfigurationError as error:
        off = error
    return Endpoint(
        name=f"own/{name}", title=MODELS[name], group=GROUP_OWN,
        note=message("Your own service at {host}.", host=urlsplit(base_url).hostname or ""),
        base_url=base_url, path=path, credentials=credentials, off=off, advises_one_of_temperature_and_top_p=name in ADVISES_ONE,
    )


def _openai(values: Mapping[str, str]) -> Endpoint:
    """A server that speaks OpenAI's completions: its base URL, model, dialect and, where it wants one, key."""
    model = values.get("OPENAI_MODEL", "").strip()
    dialect = values.get("OPENAI_DIALECT", "").strip().lower() or "plain"
    off: ConfigurationError | None = None
    base_url, credentials = "", None
    try:
        if dialect not in openai.DIALECTS:
            known, dialect = ", ".join(openai.DIALECTS), "plain"
            raise ConfigurationError(
                message("{name} is none of the known ones.", name="OPENAI_DIALECT"), message("Set it to one of these: {known}.", known=known)
            )
        if not values.get("OPENAI_BASE_URL", "").strip():
            raise ConfigurationError(
                message("The address of your server is not set."),
                message("Set OPENAI_BASE_URL in .env, for instance http://127.0.0.1:8000/v1, and OPENAI_MODEL."),
            )
        base_url = check_base_url("OPENAI_BASE_URL", values["OPENAI_BASE_URL"])
        if not model:
            raise ConfigurationError(
                message("The name of your server's model is not set."),
                message("Set OPENAI_MODEL in .env to a name that the server lists under /v1/models."),
            )
        if len(model) > 500 or not model.isprintable():
            raise ConfigurationError(message("{name} is not a model's name.", name="OPENAI_MODEL"))
        credentials = _bearer_key(values.get("OPENAI_API_KEY", "").strip())
    except ConfigurationError as error:
        off = error
    return Endpoint(
        name="openai", title=model or openai.TITLES[dialect], group=GROUP_OPENAI,
        note=message("Your server at {host}; parameters as {dialect} names them.", host=urlsplit(base_url).netloc, dialect=openai.TITLES[dialect]),
        base_url=base_url, path=openai.COMPLETION_PATH, model=model, credentials=credentials, provider=openai.PROVIDER,
        parameters=openai.DIALECTS[dialect], prompt_limit=OPENAI_PROMPT_LIMIT, off=off,
    )


def _bearer_key(key: str) -> BearerKey | None:
    """Return the key, or `None` where none is set: a server on one's own network often wants none."""
    if not key:
        return None
    if not key.isascii() or any(not 33 <= ord(character) <= 126 for character in key):
        raise ConfigurationError(
            message("{name} holds a character that no key has.", name="OPENAI_API_KEY"),
            message("Copy the key again, without spaces or quotation marks."),
        )
    return BearerKey(key=Secret(key))


def _no_emulator() -> ConfigurationError:
    return ConfigurationError(message("The emulator is not running."), message("Start the app with make run, or streamlit run app.py."))
