"""Code that runs, made from the request that is sent: `export("python", target_of(endpoint), request).text`.

Every language takes the very object that goes over the wire, writes each text through its one literal function, reads the
keys from the environment, and tells a finished answer from one that was cut. `playground.paste` reads all of them back.
"""

from collections.abc import Callable, Mapping
from typing import Any

from playground.completion import CompletionRequest
from playground.export import curl, go, java, node, openai_curl, openai_python, python_requests, python_sdk
from playground.export.target import Snippet, Target, target_of
from playground.parameters import ParameterSpec, check_prompt
from playground.providers import qianfan

__all__ = ["LANGUAGES", "Snippet", "Target", "export", "languages", "target_of"]

_WRITERS: Mapping[str, Callable[[Target, Mapping[str, Any]], Snippet]] = {
    "curl": curl.write,
    "python": python_requests.write,
    "python-sdk": python_sdk.write,
    "go": go.write,
    "java": java.write,
    "node": node.write,
}
_OPENAI_WRITERS: Mapping[str, Callable[[Target, Mapping[str, Any]], Snippet]] = {"curl": openai_curl.write, "python": openai_python.write}

# What a selector shows, and the name Streamlit's code block knows each language by.
LANGUAGES: Mapping[str, tuple[str, str]] = {
    "curl": ("curl", "bash"),
    "python": ("Python (requests)", "python"),
    "python-sdk": ("Python SDK", "python"),
    "go": ("Go SDK", "go"),
    "java": ("Java SDK", "java"),
    "node": ("Node.js SDK", "javascript"),
}


def languages(target: Target) -> list[str]:
    """Return the languages there is code in for this wire, in the selector's order."""
    return [name for name in LANGUAGES if name in _writers(target)]


def _writers(target: Target) -> Mapping[str, Callable[[Target, Mapping[str, Any]], Snippet]]:
    return _WRITERS if target.provider is qianfan.PROVIDER else _OPENAI_WRITERS


def export(
    language: str, target: Target, request: CompletionRequest, parameters: tuple[ParameterSpec, ...] = qianfan.PARAMETERS
) -> Snippet:
    """Return the request as code. `parameters` is the endpoint's table.

    Raises `ParameterError` for what could not be sent either; an empty prompt may be exported, since code is looked at while typing.
    """
    if request.prompt:
        check_prompt(request.prompt, len(request.prompt))
    return _writers(target)[language](target, target.provider.body(request, parameters, target.model))
