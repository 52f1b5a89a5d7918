"""The request to an OpenAI-compatible server as a shell script: curl alone.

The body stands in a here-document with a quoted end mark, as in the script for Qianfan.
"""

from collections.abc import Mapping
from typing import Any

from playground.export.literals import json_text, shell
from playground.export.target import Snippet, Target

_SCRIPT = """\
{head}curl {options} {url} \\
{proof}  -H 'Content-Type: application/json' \\
  --data-binary @- <<'JSON'
{body}
JSON
"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the script; without a key where the server wants none."""
    options = "-sS" + ("N" if body.get("stream") else "") + ("g" if "[" in target.base_url else "")
    keyed = target.auth == "bearer"
    script = _SCRIPT.format(
        head="# Reads the key from OPENAI_API_KEY.\n" if keyed else "", options=options, url=shell(target.url),
        proof='  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n' if keyed else "", body=json_text(body),
    )
    return Snippet(text=script, filename="completion.sh", install="")
