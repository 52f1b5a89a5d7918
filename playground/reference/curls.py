"""The request of an example as the API pages write it: curl, with a name between angle brackets for what is one's own."""

import json
from collections.abc import Mapping
from typing import Any

from playground.completion import CompletionRequest
from playground.examples import Example
from playground.export.literals import shell
from playground.providers import openai, qianfan


def token_curl() -> str:
    """Return the first step: the access token for the application's keys."""
    query = "grant_type=client_credentials&client_id=<API key>&client_secret=<secret key>"
    return f"curl {shell(f'{qianfan.BASE_URL}{qianfan.TOKEN_PATH}?{query}')}"


def qianfan_curl(example: Example, *, streamed: bool) -> str:
    """Return the second step: the completion."""
    body = qianfan.body(_request(example, streamed=streamed))
    url = f"{qianfan.BASE_URL}{qianfan.COMPLETION_PATH}<endpoint>?access_token=<access token>"
    return f"curl -X POST {shell(url)} \\\n  -d {_written(body)}"


def openai_curl(example: Example, *, streamed: bool) -> str:
    """Return the one step there is."""
    body = openai.body(_request(example, streamed=streamed), openai.DIALECTS["plain"], example.model)
    headers = "".join(f"  -H {shell(header)} \\\n" for header in ("Content-Type: application/json", "Authorization: Bearer <key>"))
    return f"curl '<base URL>/{openai.COMPLETION_PATH}' \\\n{headers}  -d {_written(body)}"


def answer_text(example: Example, *, streamed: bool, older: bool = False) -> str:
    """Return the documented answer as it comes over the wire; in one piece indented, as the pages print it."""
    if not streamed:
        return json.dumps(example.single, ensure_ascii=False, indent=2)
    return "\n\n".join(f"data: {json.dumps(event, ensure_ascii=False)}" for event in (example.older if older else example.stream))


def _request(example: Example, *, streamed: bool) -> CompletionRequest:
    return CompletionRequest(prompt=example.prompt, parameters={**example.parameters, **({"stream": True} if streamed else {})})


def _written(body: Mapping[str, Any]) -> str:
    return shell(json.dumps(body, ensure_ascii=False, indent=2))
