"""The request in Python with Baidu's own SDK, qianfan."""

from collections.abc import Mapping
from typing import Any

from playground.export.literals import python
from playground.export.python_requests import value
from playground.export.target import ENDED_EARLY, Snippet, Target

_NAMES = {"access_token": ("ak", "sk"), "iam": ("access_key", "secret_key")}

_WHOLE = """\
response = completion.do(
{arguments})
print(response["body"]["result"])
"""

_STREAM = """\
ended = False
for part in completion.do(
{arguments}):
    print(part["body"]["result"], end="", flush=True)
    ended = part["body"]["is_end"]
print()
if not ended:
    raise RuntimeError({ended_early})
"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the script. With IAM keys the SDK also asks the console for its models, so its address goes along."""
    parts = ["import os\n\nimport qianfan\n\n"]
    if target.other_base_url is not None:
        console = "config.CONSOLE_API_BASE_URL = " if target.auth == "iam" else ""
        parts.append(f"config = qianfan.get_config()\nconfig.BASE_URL = {console}{python(target.other_base_url)}\n\n")
    keys = "".join(f'    {name}=os.environ["{variable}"],\n' for name, variable in zip(_NAMES[target.auth], target.keys, strict=True))
    if target.auth == "iam":
        parts.append("# QIANFAN_AK must not be set: this SDK would prefer it.\n")
    parts.append(f"completion = qianfan.Completion(\n{keys})\n")
    arguments = f"    endpoint={python(target.endpoint)},\n" + "".join(f"    {name}={value(given, 4)},\n" for name, given in body.items())
    parts.append((_STREAM if body.get("stream") else _WHOLE).format(arguments=arguments, ended_early=python(ENDED_EARLY)))
    return Snippet(text="".join(parts), filename="completion.py", install="pip install qianfan")
