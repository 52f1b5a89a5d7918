"""The request to an OpenAI-compatible server in Python, with nothing but requests."""

from collections.abc import Mapping
from typing import Any

from playground.export.literals import python
from playground.export.python_requests import value
from playground.export.target import Snippet, Target

_ENDED_EARLY = "The stream ended without finish_reason and without [DONE]: the text may be incomplete."

_WHOLE = """\
response = requests.post(url, {proof}json=body, timeout=(10, 300))
if not response.ok:
    raise RuntimeError(f"HTTP {{response.status_code}}: {{response.text}}")
print(response.json()["choices"][0]["text"])
"""

_STREAM = """\
ended = False
with requests.post(url, {proof}json=body, stream=True, timeout=(10, 300)) as response:
    if not response.ok:
        raise RuntimeError(f"HTTP {{response.status_code}}: {{response.text}}")
    for line in response.iter_lines():
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or not data:
            continue
        if data == b"[DONE]":
            ended = True
            break
        chunk = json.loads(data)
        if chunk.get("error"):
            raise RuntimeError(chunk["error"])
        for choice in chunk["choices"]:
            print(choice.get("text") or "", end="", flush=True)
            ended = ended or choice.get("finish_reason") is not None
print()
if not ended:
    raise RuntimeError({ended_early})
"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the script; without a key where the server wants none."""
    keyed, stream = target.auth == "bearer", bool(body.get("stream"))
    heads = [f"import {name}" for name in [*(["json"] if stream else []), *(["os"] if keyed else [])]]
    parts = ["\n".join([*heads, *([""] if heads else []), "import requests"]) + "\n\n", f"url = {python(target.url)}\n"]
    if keyed:
        parts.append("headers = {\"Authorization\": f\"Bearer {os.environ['OPENAI_API_KEY']}\"}\n")
    parts.append("body = {\n" + "".join(f"    {python(name)}: {value(given, 4)},\n" for name, given in body.items()) + "}\n\n")
    parts.append((_STREAM if stream else _WHOLE).format(proof="headers=headers, " if keyed else "", ended_early=python(_ENDED_EARLY)))
    return Snippet(text="".join(parts), filename="completion.py", install="pip install requests")
