"""The request as a shell script: curl, and for the IAM signature openssl.

The body stands in a here-document with a quoted end mark: nothing in it is expanded, its size is not limited as an argument's
is, and no line of it can be the end mark, because JSON's strings hold no line ends.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from playground.export.literals import json_text, shell
from playground.export.target import Snippet, Target

_ACCESS = """\
# Reads the application's keys from QIANFAN_AK and QIANFAN_SK.
token=$(curl -sS -G {token_url} \\
  --data-urlencode grant_type=client_credentials \\
  --data-urlencode "client_id=$QIANFAN_AK" \\
  --data-urlencode "client_secret=$QIANFAN_SK" |
  sed -n 's/.*"access_token" *: *"\\([^"]*\\)".*/\\1/p')

url={url}
curl {options} "$url?access_token=$token" \\
  -H 'Content-Type: application/json' \\
  --data-binary @- <<'JSON'
{body}
JSON
"""

_SIGNED = """\
#!/usr/bin/env bash
# Signs the request with the IAM keys in QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY.
set -euo pipefail

hmac() {{ printf '%s' "$2" | openssl dgst -sha256 -hmac "$1" | sed 's/.*= *//'; }}

date=$(date -u +%Y-%m-%dT%H:%M:%SZ)
prefix="bce-auth-v1/$QIANFAN_ACCESS_KEY/$date/1800"
canonical="POST
{path}

host:{host}
x-bce-date:${{date//:/%3A}}"
signature=$(hmac "$(hmac "$QIANFAN_SECRET_KEY" "$prefix")" "$canonical")

url={url}
curl {options} "$url" \\
  -H 'Content-Type: application/json' \\
  -H "x-bce-date: $date" \\
  -H "Authorization: $prefix/host;x-bce-date/$signature" \\
  --data-binary @- <<'JSON'
{body}
JSON
"""


def write(target: Target, body: Mapping[str, Any]) -> Snippet:
    """Return the script. `-N` shows a stream as it arrives; `-g` keeps curl from reading brackets in an address as a pattern."""
    options = "-sS" + ("N" if body.get("stream") else "") + ("g" if "[" in target.base_url else "")
    script = (_SIGNED if target.auth == "iam" else _ACCESS).format(
        token_url=shell(target.token_url), url=shell(target.url), options=options, body=json_text(body),
        path=target.signed_path, host=quote(target.host, safe="-._~"),
    )
    return Snippet(text=script, filename="completion.sh", install="")
