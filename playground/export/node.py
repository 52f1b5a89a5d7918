"""The request in JavaScript for Node.js with Baidu's SDK.

Called without a model, the SDK turns a prompt into chat messages; the name it keeps for "no model" prevents that.
"""

from collections.abc import Mapping
from typing import Any

from playground.export.literals import javascript, lines
from playground.export.target import ENDED_EARLY, Snippet, Target

_EXACT = 2**53 - 1

_PROGRAM = """\
import {{ Completions }} from "@baiducloud/qianfan";

{alone}const client = new Completions({{
{options}}});

// Without a model's name this SDK would send chat messages instead of the prompt.
const {answer} = await client.completions({{
{fields}}}, "UNSPECIFIED_MODEL");
{rest}"""

_WHOLE = """\
if (answer.error_code) throw new Error(`${answer.error_code}: ${answer.error_msg}`);
console.log(answer.result);
"""

_STREAM = """\
let ended = false;
for await (const part of parts) {
  if (part.error_code) throw new Error(`${part.error_code}: ${part.error_msg}`);
  process.stdout.write(part.result);
  ended = part.is_end;
}
console.log();
if (!ended) throw new Error(ENDED_EARLY);
"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the module."""
    stream = bool(body.get("stream"))
    options = [(name, f"process.env.{name}") for name in target.keys]
    options += [("QIANFAN_BASE_URL", javascript(target.other_base_url))] if target.other_base_url is not None else []
    options += [("Endpoint", javascript(target.endpoint))]
    fields = ""
    for name, given in body.items():
        if isinstance(given, int) and abs(given) > _EXACT:
            fields += f"  // JavaScript rounds whole numbers above {_EXACT}, so {name} is not sent exactly.\n"
        fields += f"  {name}: {_value(given)},\n"
    text = _PROGRAM.format(
        alone="// QIANFAN_AK must not be set: this SDK would prefer it.\n" if target.auth == "iam" else "",
        options="".join(f"  {name}: {given},\n" for name, given in options), answer="parts" if stream else "answer", fields=fields,
        rest=_STREAM.replace("ENDED_EARLY", javascript(ENDED_EARLY)) if stream else _WHOLE,
    )
    return Snippet(text=text, filename="completion.mjs", install="npm install @baiducloud/qianfan")


def _value(given: Any) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str):
        return _text(given)
    if isinstance(given, list | tuple):
        return "[" + ", ".join(javascript(item) for item in given) + "]"
    return repr(given)


def _text(given: str) -> str:
    shown = [line.removesuffix("\n") for line in lines(given)]
    if len(shown) == 1:
        return javascript(given)
    shown += [""] if given.endswith("\n") else []
    return "[\n" + "".join(f"    {javascript(line)},\n" for line in shown) + '  ].join("\\n")'
