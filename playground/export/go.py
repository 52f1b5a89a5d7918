"""The request in Go with Baidu's SDK.

The SDK's request leaves out every field with Go's zero value, so 0, "" and an empty list travel in `Extra`, which it sends as
it is; so does what fits no field. It takes its keys from the environment, those of the application first.
"""

from collections.abc import Mapping
from typing import Any

from playground.export.literals import go, go_raw, lines
from playground.export.target import ENDED_EARLY, Snippet, Target

FIELDS = {
    "prompt": "Prompt",
    "temperature": "Temperature",
    "top_p": "TopP",
    "top_k": "TopK",
    "penalty_score": "PenaltyScore",
    "stop": "Stop",
    "user_id": "UserID",
}
_MOST = 2**63 - 1

_PROGRAM = """\
package main

import (
{imports}
	"github.com/baidubce/bce-qianfan-sdk/go/qianfan"
)

func main() {{
	// Reads {first} and {second} from the environment{alone}.
{config}	completion := qianfan.NewCompletion(qianfan.WithEndpoint({endpoint}))
	{answer}, err := completion.{method}(context.Background(), &qianfan.CompletionRequest{{
{fields}	}})
	if err != nil {{
		log.Fatal(err)
	}}
{rest}}}
"""

_WHOLE = """\
	fmt.Println(response.Result)
"""

_STREAM = """\
	ended := false
	for {{
		part, err := stream.Recv()
		if err != nil {{
			log.Fatal(err)
		}}
		if stream.IsEnd {{
			break
		}}
		fmt.Print(part.Result)
		ended = part.IsEnd
	}}
	fmt.Println()
	if !ended {{
		log.Fatal({ended_early})
	}}
"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the program, as gofmt would leave it."""
    stream = bool(body.get("stream"))
    entries = [(FIELDS[name], _value(given)) for name, given in body.items() if name in FIELDS and _has_field(given)]
    extra = {name: given for name, given in body.items() if not (name in FIELDS and _has_field(given)) and not (name == "stream" and stream)}
    if extra:
        pairs = ", ".join(f"{go(name)}: {_value(given)}" for name, given in extra.items())
        entries.append(("BaseRequestBody", f"qianfan.BaseRequestBody{{Extra: map[string]interface{{}}{{{pairs}}}}}"))
    imports = ["context", "fmt", "log"] + (["encoding/json"] if any(_is_large(given) for given in extra.values()) else [])
    config = ""
    if target.other_base_url is not None:
        config = f"\tqianfan.GetConfig().BaseURL = {go(target.other_base_url)}\n"
    if target.auth == "iam" and target.endpoint != target.path:
        config += "\t// This SDK signs an address with special characters wrongly: use the access token for it.\n"
    text = _PROGRAM.format(
        imports="".join(f'\t"{name}"\n' for name in sorted(imports)), first=target.keys[0], second=target.keys[1],
        alone="; QIANFAN_AK must not be set" if target.auth == "iam" else "", config=config, endpoint=go(target.endpoint),
        answer="stream" if stream else "response", method="Stream" if stream else "Do", fields=_aligned(entries),
        rest=_STREAM.format(ended_early=go(ENDED_EARLY)) if stream else _WHOLE,
    )
    return Snippet(text=text, filename="main.go", install="go get github.com/baidubce/bce-qianfan-sdk/go/qianfan")


def _has_field(given: Any) -> bool:
    return bool(given) and not _is_large(given)


def _is_large(given: Any) -> bool:
    return isinstance(given, int) and not -_MOST <= given <= _MOST


def _value(given: Any) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, list | tuple):
        return "[]string{" + ", ".join(go(item) for item in given) + "}"
    return f'json.Number("{given}")' if _is_large(given) else repr(given)


def _text(given: str) -> str:
    shown = lines(given)
    if len(shown) == 1:
        return go(given)
    return go_raw(given) or " +\n\t\t\t".join(go(line) for line in shown)


def _aligned(entries: list[tuple[str, str]]) -> str:
    """Return the fields with their values in a column, each run of one-line fields for itself, as gofmt does."""
    text, run = "", list[tuple[str, str]]()
    for name, given in [*entries, ("", "\n")]:
        if "\n" not in given:
            run.append((name, given))
            continue
        width = max((len(each) for each, _ in run), default=0) + 2
        text += "".join(f"\t\t{each + ':':{width}}{value},\n" for each, value in run)
        text += f"\t\t{name}: {given},\n" if name else ""
        run = []
    return text
