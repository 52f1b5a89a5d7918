"""Which endpoints there are: the emulator's, and those of a file or of a visitor, each usable, or off with the reason.

The recorded answers are Qianfan endpoints like any other; only their base URL is the emulator's, and their keys are the
emulator's well-known ones. All others take one path from a row to an endpoint, whoever wrote the row.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from urllib.parse import urlsplit

from playground.credentials import AccessToken, ApplicationKeys, BearerKey, Credentials, IamKeys
from playground.endpoint_file import EndpointFile, Row, narrowed, read_endpoint_file, read_key, read_price
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
GROUP_FILE = N_("Rows that cannot be read")
GROUP_VISITOR = N_("Your own, for this session")

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
    from a visitor who may not reach into this server's own network. `price` is `None` where nobody stated one; `free` marks
    what this computer itself answers.
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
    free: bool = False
    settings: tuple[str, ...] = ()
    public_only: bool = False
    fetched: tuple[int, int] | None = None
    off: ConfigurationError | None = None

    @property
    def url(self) -> str:
        """The completion URL, without any credential."""
        return self.provider.completion_url(self.base_url, self.path)


# The settings of the Qianfan keys, those that go first before the others, as in Baidu's SDK.
QIANFAN_KEYS: Mapping[type[Credentials], tuple[str, ...]] = {
    AccessToken: ("QIANFAN_ACCESS_TOKEN",),
    ApplicationKeys: ("QIANFAN_AK", "QIANFAN_SK"),
    IamKeys: ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY"),
}
# How a row of the file names keys: a reference under each of these names.
_FORMS: Mapping[type[Credentials], tuple[str, ...]] = {
    AccessToken: ("access_token",), ApplicationKeys: ("api_key", "secret_key"), IamKeys: ("access_key", "secret_key"), BearerKey: ("key",),
}
_FIELDS = (
    "name", "title", "group", "provider", "base_url", "credentials", "bounds", "price", "context", "prompt_limit", "example", "note",
    "advises_one_of_temperature_and_top_p",
)
# How the names of visitors' own endpoints begin, and all those that this app gives itself.
VISITOR = "mine/"
_OURS = ("recorded/", "fault/", VISITOR, "line-")


@dataclass(frozen=True, kw_only=True)
class _Wire:
    """What a row has by its provider, and the fields it takes beside those of every row."""

    provider: Provider
    group: str
    note: str
    fields: tuple[str, ...]
    proofs: tuple[type[Credentials], ...]
    dialects: Mapping[str, tuple[ParameterSpec, ...]]
    titles: Mapping[str, str]
    prompt_limit: int
    base_url: str
    path: str


_WIRES = {
    "qianfan": _Wire(
        provider=qianfan.PROVIDER, group=GROUP_OWN, note=N_("Your own service at {host}."), fields=("path",),
        proofs=(AccessToken, ApplicationKeys, IamKeys), dialects={"plain": qianfan.PARAMETERS}, titles={}, prompt_limit=PROMPT_LIMIT,
        base_url=qianfan.BASE_URL, path="",
    ),
    "openai": _Wire(
        provider=openai.PROVIDER, group=GROUP_OPENAI, note=N_("Your server at {host}; parameters as {dialect} names them."),
        fields=("model", "dialect"), proofs=(BearerKey,), dialects=openai.DIALECTS, titles=openai.TITLES, prompt_limit=OPENAI_PROMPT_LIMIT,
        base_url="", path=openai.COMPLETION_PATH,
    ),
}


def build_endpoints(settings: Settings, emulator_url: str | None, file: EndpointFile | None = None) -> dict[str, Endpoint]:
    """Return the configured endpoints by name, in the selector's order. `emulator_url` is `None` while no emulator runs.

    `file` is the settings' own file of endpoints, if it has been read already.
    """
    file = file or read_endpoint_file(settings.endpoint_file, settings.values)
    made = {row.name: row for row in (_recorded(name, emulator_url) for name in MODELS)}
    for row in file.rows:
        endpoint = _configured(row, made)
        made[endpoint.name] = endpoint
    if settings.fault_endpoints:
        made |= {row.name: row for row in (fault_endpoint(name, emulator_url) for name in FAULTS)}
    return made


def visitor_endpoint(
    *, title: str, provider: str, dialect: str, base_url: str, path: str, model: str, credentials: Credentials | None, public_only: bool
) -> Endpoint:
    """Return an endpoint that a visitor adds for his own session; raises `ConfigurationError` where a row of the file would be off.

    What does not belong to the provider is left aside: a form may still hold it from another one.
    """
    typed = {"title": title, "provider": provider, "dialect": dialect, "base_url": base_url, "path": path, "model": model}
    known = (*_FIELDS, *(_WIRES[provider].fields if provider in _WIRES else ()))
    kept = {name: text for name, text in typed.items() if name in known and text.strip()}
    row = Row(fields={**kept, "group": GROUP_VISITOR, "credentials": credentials})
    slug = re.sub(r"[^a-z0-9]+", "-", (title.strip() or model or path).lower()).strip("-")[:40] or "endpoint"
    name = f"{VISITOR}{slug}-{secrets.token_hex(2)}"
    *_, made = _stages(row, Endpoint(name=name, title="", group=GROUP_VISITOR, note=Message("")))
    note = message("At {host}; it is kept for as long as this session lasts.", host=urlsplit(made.base_url).netloc)
    return replace(made, title=made.title or made.path, note=note, public_only=public_only)


def local_endpoint(model: LocalModel, emulator_url: str | None) -> Endpoint:
    """Return the row of the model on this computer, as it stands now."""
    return Endpoint(
        name="local", title=model.title, group=GROUP_LOCAL, note=model.note, base_url=emulator_url or "", path="local_model",
        credentials=DEMO_KEYS, prompt_limit=model.prompt_limit, example="The best thing about living near the sea is",
        off=model.off or (None if emulator_url else _no_emulator()), fetched=model.fetched, free=True,
    )


def check_base_url(name: str | Message, text: str) -> str:
    """Return a base URL that can be sent to; raise `ConfigurationError` with its name if it is none."""
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
    if found := _qianfan_keys(values):
        return _read_keys(*found, values)
    raise ConfigurationError(
        message("No key is configured."),
        message("Set QIANFAN_AK and QIANFAN_SK (the application's keys) or QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY (IAM) in .env."),
    )


def _recorded(name: str, emulator_url: str | None) -> Endpoint:
    return Endpoint(
        name=f"recorded/{name}", title=MODELS[name], group=GROUP_RECORDED,
        note=message("A recording from the API page, played by this server. No key needed; parameters are checked but do not change the text."),
        base_url=emulator_url or "", path=name, credentials=DEMO_KEYS, example="Introduce the city Beijing", free=True,
        advises_one_of_temperature_and_top_p=name in ADVISES_ONE, off=None if emulator_url else _no_emulator(),
    )


def fault_endpoint(name: str, emulator_url: str | None, note: Message | None = None) -> Endpoint:
    """Return the row of one of the emulator's faults: one of `FAULTS`, or any other that `note` describes."""
    return Endpoint(
        name=f"fault/{name}", title=name, group=GROUP_FAULTS, note=note or Message(FAULTS[name]), base_url=emulator_url or "", path=name,
        credentials=DEMO_KEYS, example="Introduce the city Beijing", free=True, off=None if emulator_url else _no_emulator(),
    )


def _configured(row: Row, taken: Iterable[str]) -> Endpoint:
    """Return the endpoint of a row in the file; what is wrong with it, or not set, puts it off in words."""
    name, number = row.name, f"line-{row.line()}"
    usable = name not in ("", "local", *taken) and not name.startswith(_OURS)
    made = Endpoint(name=name if usable else number, title=name or number, group=GROUP_FILE, note=Message(""))
    try:
        if row.fault is not None:
            raise row.fault
        if not name:
            raise row.wrong(("name",), message("an endpoint needs a name."), message("It has letters, digits and - _ . / and no other characters."))
        if not usable:
            raise row.wrong(("name",), message("the name “{name}” is taken.", name=name),
                            message("Give each endpoint a name of its own. Those that begin with {ours} are this app's.", ours=", ".join(_OURS)))
        for known in _stages(row, made):
            made = known
    except ConfigurationError as error:
        made = replace(made, off=error)
    return made


def _stages(row: Row, made: Endpoint) -> Iterator[Endpoint]:
    """Yield the endpoint of a row, each time with more of it known; raises at the first thing that is wrong or not set."""
    wire = _WIRES[row.one_of("provider", _WIRES)]
    made = replace(
        made, provider=wire.provider, parameters=wire.dialects["plain"], path=wire.path, prompt_limit=wire.prompt_limit,
        group=row.text("group") or wire.group, settings=_settings(row),
    )
    yield made
    row.check_fields((*_FIELDS, *wire.fields))
    title, note = row.text("title"), row.text("note", most=1000)
    model = row.text("model", most=500, wrong=message("{name} is not a model's name.", name=row.called("model")))
    prompt_limit = row.whole("prompt_limit") or wire.prompt_limit
    made = replace(
        made, title=title or model or made.title, model=model, price=read_price(row), context=row.whole("context"),
        prompt_limit=prompt_limit, example=row.long_text("example", most=prompt_limit),
        advises_one_of_temperature_and_top_p=row.flag("advises_one_of_temperature_and_top_p"),
    )
    yield made
    dialect = row.one_of("dialect", wire.dialects, "plain")
    made = replace(made, title=title or model or wire.titles.get(dialect, made.title), parameters=narrowed(row, wire.dialects[dialect]))
    yield made
    made = replace(made, base_url=_base_url(row, wire))
    yield made
    if not wire.path:
        made = replace(made, path=_service_path(row))
        yield made
    elif not model:
        raise row.missing("model", message("The name of your server's model is not set."), message("a name that the server lists under /v1/models"))
    place = {"host": urlsplit(made.base_url).netloc, "dialect": wire.titles.get(dialect, "")}
    yield replace(made, credentials=_credentials(row, wire), note=Message("{note}", {"note": note}) if note else Message(wire.note, place))


def _base_url(row: Row, wire: _Wire) -> str:
    text = row.text("base_url", most=1000) or wire.base_url
    if not text:
        raise row.missing("base_url", message("The address of your server is not set."),
                          message("the server's base URL, for instance {example}", example="http://127.0.0.1:8000/v1"))
    with row.at("base_url"):
        return check_base_url(row.called("base_url"), text)


def _service_path(row: Row) -> str:
    """Return the published address; a service's whole URL may stand for it."""
    wrong = message("{variable} is not a service address.", variable=row.called("path"))
    text = row.text("path", most=1000, wrong=wrong)
    if not text:
        raise row.missing("path", message("The address of your service is not set."), message("the address the service's detail page shows"))
    path = text.rpartition(qianfan.COMPLETION_PATH)[2]
    if not path or len(path) > 200 or any(character in "/?" or character.isspace() for character in path):
        raise row.wrong(("path",), wrong, message("Copy the last part of the address on the service's detail page."))
    return path


def _settings(row: Row) -> tuple[str, ...]:
    """The settings an endpoint is made from, the Qianfan keys that would be used among them."""
    if row.fields.get("credentials") != "qianfan":
        return row.settings
    _kind, names = _qianfan_keys(row.values) or (ApplicationKeys, QIANFAN_KEYS[ApplicationKeys])
    return (*row.settings, *names)


def _credentials(row: Row, wire: _Wire) -> Credentials | None:
    """Return what proves who asks. A file only refers to its keys: one that was written out is refused, and not repeated."""
    given, bearer = row.find("credentials"), BearerKey in wire.proofs
    if given is None and bearer:
        return None
    if not row.file:
        if isinstance(given, wire.proofs):
            return given
        raise ConfigurationError(message("The keys that this endpoint takes are missing."), message("Fill them in."))
    if given == "qianfan" and not bearer:
        return read_credentials(row.values)
    names = [name for name in given if name != "optional"] if isinstance(given, Mapping) else []
    places: list[tuple[str, ...]] = [("credentials", name) for name in names]
    for keys in places or [("credentials",)]:
        if isinstance(row.find(*keys), str) and row.find(*keys) != "qianfan" and not row.setting(*keys):
            raise row.wrong(keys, message("a key does not stand in this file."), message("Put it in .env and name it here as {form}.", form="$NAME"))
    kind = next((kind for kind in wire.proofs if set(names) == set(_FORMS[kind])), None)
    optional = row.find("credentials", "optional")
    fits = all(row.setting(*keys) for keys in places) and (optional is None or kind is BearerKey and isinstance(optional, bool))
    if kind is None or not fits:
        known = [*([] if bearer else ['"qianfan"']), *map(_form, wire.proofs)]
        raise row.wrong(("credentials",), message("“credentials” has none of the forms that are known here."),
                        message("Write one of these: {known}.", known="; ".join(known)))
    settings = tuple(row.setting("credentials", name) for name in _FORMS[kind])
    if optional and not row.values.get(settings[0], "").strip():
        return None
    return _read_keys(kind, settings, row.values)


def _form(kind: type[Credentials]) -> str:
    """How a row refers to keys of a kind."""
    return "{ " + ", ".join(f'{name} = "$NAME"' for name in _FORMS[kind]) + " }"


def _qianfan_keys(values: Mapping[str, str]) -> tuple[type[Credentials], tuple[str, ...]] | None:
    """The first kind of Qianfan keys of which something is set, and its settings."""
    return next((found for found in QIANFAN_KEYS.items() if any(values.get(name, "").strip() for name in found[1])), None)


def _read_keys(kind: type[Credentials], settings: tuple[str, ...], values: Mapping[str, str]) -> Credentials:
    """Return a key, or a pair of which neither may be missing."""
    missing = [name for name in settings if not values.get(name, "").strip()]
    if missing == list(settings):
        raise ConfigurationError(
            message("{variable} is not set.", variable=missing[0]), message("Set {missing} in .env and start again.", missing=" + ".join(missing))
        )
    if missing:
        given = next(name for name in settings if name not in missing)
        raise ConfigurationError(
            message("{given} is set, {missing} is not.", given=given, missing=missing[0]),
            message("Keys come in pairs: set {missing} in .env too, and start again.", missing=missing[0]),
        )
    return kind(**{part.name: read_key(name, values[name]) for part, name in zip(fields(kind), settings, strict=True)})


def _no_emulator() -> ConfigurationError:
    return ConfigurationError(message("The emulator is not running."), message("Start the app with make run, or streamlit run app.py."))
