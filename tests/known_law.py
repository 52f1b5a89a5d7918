"""A real GGUF file with a known law, so that sampling can be checked by statistics.

A llama whose attention and feed-forward weights are zero and whose embeddings are one-hot: its logits are one column of
its output matrix, so the next word depends on the last one alone, by a table written here. About 2 MB, written in half a
second, thousands of tokens a second in the real engine - in process or over HTTP.

The words: after `go` comes one of six words, by `LAW`; after each of them comes `go`. So one completion of 2n tokens
holds n independent draws. Besides these, `cat` is followed by 猫 in three byte tokens, then `go`; `bye` ends the text.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

START = "go"
LAW: Mapping[str, float] = {"red": 0.40, "blue": 0.25, "green": 0.15, "white": 0.10, "black": 0.06, "brown": 0.04}
PROMPT = START
CAT, BYE = "cat", "bye"
_NEVER = -60.0
_SPACE = "\u2581"


@dataclass(frozen=True)
class Law:
    """What the file's next word must be distributed like."""

    words: Mapping[str, float]

    def probabilities(
        self,
        word: str = START,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        penalty: float = 1.0,
        seen: Collection[str] = (),
    ) -> dict[str, float]:
        """Return the words that may follow `word` with their probabilities: penalty, temperature, top_k, top_p, in this order.

        `seen` are the words that a `penalty` finds in the prompt and the text so far.
        """
        if word != START:
            return {START: 1.0}
        logits = {w: math.log(p) * (penalty if w in seen else 1.0) for w, p in self.words.items()}
        ranked = sorted(((w, logit / temperature) for w, logit in logits.items()), key=lambda pair: -pair[1])
        if top_k:
            ranked = ranked[:top_k]
        law = _normal({w: math.exp(logit) for w, logit in ranked})
        if top_p is not None:
            kept: dict[str, float] = {}
            for w, p in law.items():
                kept[w] = p
                if sum(kept.values()) >= top_p:
                    break
            law = _normal(kept)
        return law


def draws(text: str) -> list[str]:
    """Return the words that were drawn after `go` in a completion of the prompt `go`, in order. A last half word is left out."""
    return re.findall(rf"\b({'|'.join(LAW)})\b(?= {START}\b)", text)


def distance(drawn: Iterable[str], law: Mapping[str, float]) -> float:
    """Return the total variation distance between what was drawn and a law: 0 is equal, 1 is disjoint."""
    counts = Counter(drawn)
    total = sum(counts.values()) or 1
    return sum(abs(counts[w] / total - law.get(w, 0.0)) for w in {*counts, *law}) / 2


def write_model(path: Path, *, context: int = 65_536) -> Law:
    """Write the model file and return its law."""
    tokens, scores, kinds = _vocabulary()
    place = {token: number for number, token in enumerate(tokens)}
    size = -(-len(tokens) // 32) * 32
    output = np.full((len(tokens), size), _NEVER, dtype=np.float32)

    def follow(word: str, after: Mapping[str, float]) -> None:
        for token, probability in after.items():
            output[place[token], place[word]] = math.log(probability)

    output[place[_SPACE + START], :] = 0.0
    output[place[_SPACE + START], place[_SPACE + START]] = _NEVER
    follow(_SPACE + START, {_SPACE + word: p for word, p in LAW.items()})
    for word, after in ((_SPACE + CAT, "<0xE7>"), ("<0xE7>", "<0x8C>"), ("<0x8C>", "<0xAB>"), (_SPACE + BYE, "</s>")):
        output[place[_SPACE + START], place[word]] = _NEVER
        follow(word, {after: 1.0})

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(size // 32)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(32)
    writer.add_layer_norm_rms_eps(1e-12)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(True)
    one_hot = np.zeros((len(tokens), size), dtype=np.float32)
    np.fill_diagonal(one_hot, 1.0)
    writer.add_tensor("token_embd.weight", one_hot)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", np.full(size, 1 / math.sqrt(size), dtype=np.float32))
    for name, shape in (
        ("attn_q", (size, size)), ("attn_k", (32, size)), ("attn_v", (32, size)), ("attn_output", (size, size)),
        ("ffn_gate", (32, size)), ("ffn_up", (32, size)), ("ffn_down", (size, 32)),
    ):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, dtype=np.float16))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(size, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Law(LAW)


def _vocabulary() -> tuple[list[str], list[float], list[int]]:
    """Return tokens, scores and kinds. Every prefix of a word is a token too: SentencePiece only merges into tokens it has."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [int(gguf.TokenType.UNKNOWN), int(gguf.TokenType.CONTROL), int(gguf.TokenType.CONTROL), *[int(gguf.TokenType.BYTE)] * 256]
    scores = [0.0] * len(tokens)
    words = [_SPACE + word for word in (START, CAT, BYE, *LAW)]
    for piece in dict.fromkeys([*(c for word in words for c in word), *(word[:end] for word in words for end in range(2, len(word) + 1))]):
        tokens.append(piece)
        scores.append(float(len(piece)))
        kinds.append(int(gguf.TokenType.NORMAL))
    return tokens, scores, kinds


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {word: weight / total for word, weight in weights.items()}
