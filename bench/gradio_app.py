"""The same in Gradio, as its guide has it: a chat whose function yields the answer so far. An interpreter that has gradio and requests runs it."""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import requests

gradio: Any = importlib.import_module("gradio")
base = os.environ["QIANFAN_BASE_URL"]


def answer(message: str, history: list[object]) -> Iterator[str]:
    """The lines of a response."""
    keys = {"grant_type": "client_credentials", "client_id": os.environ["QIANFAN_AK"], "client_secret": os.environ["QIANFAN_SK"]}
    token = requests.post(f"{base}/oauth/2.0/token", params=keys, timeout=10).json()["access_token"]
    url = f"{base}/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/bench"
    text = ""
    with requests.post(url, params={"access_token": token}, json={"prompt": message, "stream": True}, stream=True, timeout=60) as response:
        for line in response.iter_lines():
            if line.startswith(b"data:"):
                text += json.loads(line[5:])["result"]
                yield text


gradio.ChatInterface(answer).launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
