"""Hugging Face's `transformers serve` on loopback: its own virtual environment, and a checkpoint whose law is known.

The checkpoint is the model of `tests.known_law` in Hugging Face's files: a llama without attention whose next word depends on
the last one alone. It is written here byte by byte, so that the tests need neither torch nor a hub; only the server does.
"""

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from tests.known_law import BYE, CAT, LAW, START

# The versions whose ways the tests describe. Where pip is offered a build of this torch for the CPU alone, it prefers it.
PACKAGES = ("transformers[serving]==5.23.0", "torch==2.13.0")
ENVIRONMENT = Path(__file__).resolve().parents[2] / "build" / "transformers"
MODEL = "law"
# After `edge` comes `void`, and what comes after `void` is not a number: the server fails in the middle of the text.
EDGE, VOID = "edge", "void"
_END = "</s>"
_NEVER = -60.0
_PATIENCE = 120.0


@cache
def executable() -> Path:
    """Return the `transformers` command, installed into an environment of its own the first time: a minute or two."""
    stamp, python = ENVIRONMENT / "installed", ENVIRONMENT / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != "\n".join(PACKAGES):
        for command in ([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]):
            done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
            assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stderr[-2000:]}"
        stamp.write_text("\n".join(PACKAGES), encoding="utf-8")
    return ENVIRONMENT / "bin" / "transformers"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the checkpoint in `folder`, pinned to it under the name `MODEL`; yields the server's address."""
    log = folder / "server.log"
    write_checkpoint(folder / MODEL)
    command = [str(executable()), "serve", MODEL, "--device", "cpu", "--host", "127.0.0.1", "--port", "0"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output, subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as process:
        try:
            yield _address(process, log)
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"running on (http://[\d.:]+)", log.read_text(encoding="utf-8", errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def write_checkpoint(folder: Path) -> None:
    """Write configuration, tokenizer and weights of the model with the known law."""
    letters = _byte_letters()
    space = letters[ord(" ")]
    words = [space + word for word in (START, CAT, BYE, EDGE, VOID, *LAW)]
    steps = list(dict.fromkeys((word[:end], word[end]) for word in words for end in range(1, len(word))))
    tokens = [*letters, *(first + second for first, second in steps), _END]
    place = {token: number for number, token in enumerate(tokens)}
    size = -(-len(tokens) // 32) * 32

    output = np.full((len(tokens), size), _NEVER, dtype=np.float32)
    cat = [letters[byte] for byte in "猫".encode()]
    law: dict[str, Mapping[str, float]] = {token: {space + START: 1.0} for token in tokens}
    law[space + START] = {space + word: p for word, p in LAW.items()}
    law |= {space + BYE: {_END: 1.0}, space + EDGE: {space + VOID: 1.0}}
    law |= {token: {after: 1.0} for token, after in zip([space + CAT, *cat], cat, strict=False)}
    for token, after in law.items():
        for following, p in after.items():
            output[place[following], place[token]] = math.log(p)
    one_hot = np.eye(len(tokens), size, dtype=np.float32)
    one_hot[place[space + VOID]] = np.nan
    zeros, ones = np.zeros((size, size), dtype=np.float32), np.ones(size, dtype=np.float32)
    weights = {"model.embed_tokens.weight": one_hot, "model.norm.weight": ones / math.sqrt(size), "lm_head.weight": output}
    layer = "model.layers.0"
    weights |= {f"{layer}.self_attn.{name}_proj.weight": zeros for name in "qkvo"}
    weights |= {f"{layer}.mlp.{name}_proj.weight": zeros for name in ("gate", "up", "down")}
    weights |= {f"{layer}.{name}_layernorm.weight": ones for name in ("input", "post_attention")}

    folder.mkdir(parents=True)
    _write_tensors(folder / "model.safetensors", weights)
    files = {
        "config": {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32", "vocab_size": len(tokens),
            "hidden_size": size, "intermediate_size": size, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
            "max_position_embeddings": 65_536, "rms_norm_eps": 1e-12, "bos_token_id": None, "eos_token_id": place[_END],
        },
        "generation_config": {"do_sample": True, "top_k": 0, "eos_token_id": place[_END], "pad_token_id": place[_END]},
        "tokenizer_config": {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": _END},
        "tokenizer": {
            "version": "1.0",
            "added_tokens": [{"id": place[_END], "content": _END, "special": True, **dict.fromkeys(
                ("single_word", "lstrip", "rstrip", "normalized"), False)}],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "vocab": place, "merges": steps},
        },
    }
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in a byte-level vocabulary: itself where it can be seen, else one after U+0100."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    unseen = [byte for byte in range(256) if byte not in seen]
    return [chr(byte if byte in seen else 0x100 + unseen.index(byte)) for byte in range(256)]


def _write_tensors(path: Path, weights: Mapping[str, np.ndarray]) -> None:
    """Write a safetensors file: the length of a JSON head, the head with each tensor's place, then the bytes."""
    head, end = {}, 0
    for name, array in weights.items():
        head[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": (end, end + array.nbytes)}
        end += array.nbytes
    text = json.dumps({"__metadata__": {"format": "pt"}, **head}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in weights.values()))
