"""What one writes first: `st.write_stream` over the lines of a response. The benchmarks' point of comparison."""

import json
import os
from collections.abc import Iterator

import requests
import streamlit as st

base = os.environ["QIANFAN_BASE_URL"]


def sentences() -> Iterator[str]:
    keys = {"grant_type": "client_credentials", "client_id": os.environ["QIANFAN_AK"], "client_secret": os.environ["QIANFAN_SK"]}
    token = requests.post(f"{base}/oauth/2.0/token", params=keys, timeout=10).json()["access_token"]
    url = f"{base}/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/stamped"
    body = {"prompt": "go", "stream": True}
    with requests.post(url, params={"access_token": token}, json=body, stream=True, timeout=60) as response:
        for line in response.iter_lines():
            if line.startswith(b"data:"):
                yield json.loads(line[5:])["result"]


if st.button("Run"):
    st.write_stream(sentences())
    st.caption("ended")
