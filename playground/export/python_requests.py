"""The request in Python with nothing but requests."""

from collections.abc import Mapping
from typing import Any

from playground.export.literals import lines, python
from playground.export.target import ENDED_EARLY, Snippet, Target

_BUY = """\
token = requests.post(
    {token_url},
    params={{
        "grant_type": "client_credentials",
        "client_id": os.environ["QIANFAN_AK"],
        "client_secret": os.environ["QIANFAN_SK"],
    }},
    timeout=10,
).json()["access_token"]
"""

_SIGN = """\
def hmac_sha256(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def sign() -> dict[str, str]:
    \"\"\"Return headers that sign method, path, host and date; the body is never signed.\"\"\"
    date = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = {path}
    host = {host}
    prefix = f"bce-auth-v1/{{os.environ['QIANFAN_ACCESS_KEY']}}/{{date}}/1800"
    canonical = "\\n".join(
        ["POST", path, "", f"host:{{quote(host, safe='')}}", f"x-bce-date:{{quote(date, safe='')}}"]
    )
    signature = hmac_sha256(hmac_sha256(os.environ["QIANFAN_SECRET_KEY"], prefix), canonical)
    return {{"Host": host, "x-bce-date": date, "Authorization": f"{{prefix}}/host;x-bce-date/{{signature}}"}}
"""

_WHOLE = """\
response = requests.post(url, {proof}, json=body, timeout=(10, 300))
answer = response.json()
if "error_code" in answer:
    raise RuntimeError(f"{{answer['error_code']}}: {{answer['error_msg']}}")
print(answer["result"])
"""

_STREAM = """\
ended = False
with requests.post(url, {proof}, json=body, stream=True, timeout=(10, 300)) as response:
    for line in response.iter_lines():
        if not line:
            continue
        event = json.loads(line.removeprefix(b"data:"))
        if "error_code" in event:
            raise RuntimeError(f"{{event['error_code']}}: {{event['error_msg']}}")
        print(event["result"], end="", flush=True)
        ended = event.get("is_end", False)
print()
if not ended:
    raise RuntimeError({ended_early})
"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the script."""
    iam, stream = target.auth == "iam", bool(body.get("stream"))
    modules = [*(["hashlib", "hmac"] if iam else []), *(["json"] if stream else []), "os"]
    heads = [f"import {name}" for name in modules]
    if iam:
        heads += ["from datetime import datetime, timezone", "from urllib.parse import quote"]
    parts = ["\n".join([*heads, "", "import requests"]) + "\n\n"]
    if iam:
        parts.append("\n" + _SIGN.format(path=python(target.signed_path), host=python(target.host)) + "\n\n")
    else:
        parts.append(_BUY.format(token_url=python(target.token_url)) + "\n")
    parts.append(f"url = {python(target.url)}\n")
    parts.append("body = {\n" + "".join(f"    {python(name)}: {value(given, 4)},\n" for name, given in body.items()) + "}\n\n")
    proof = "headers=sign()" if iam else 'params={"access_token": token}'
    parts.append((_STREAM if stream else _WHOLE).format(proof=proof, ended_early=python(ENDED_EARLY)))
    return Snippet(text="".join(parts), filename="completion.py", install="pip install requests")


def value(given: Any, indent: int) -> str:
    """Return a value of a body in Python; a text of several lines stands on several lines, inside brackets."""
    if isinstance(given, list | tuple):
        return "[" + ", ".join(value(item, indent) if not isinstance(item, str) else python(item) for item in given) + "]"
    if not isinstance(given, str):
        return repr(given)
    shown = lines(given)
    if len(shown) == 1:
        return python(given)
    space = " " * indent
    return "(\n" + "".join(f"{space}    {python(line)}\n" for line in shown) + f"{space})"
