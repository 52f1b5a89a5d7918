"""One run in a process of its own, as the product makes it; says on its last line how it ended and how its memory grew.

    python -m tests.one_run '{"base_url": "http://127.0.0.1:1", "provider": "qianfan", "limits": {}, "timeouts": {}}'
"""

import json
import re
import sys
import time
from pathlib import Path

from playground.client import Client
from playground.completion import CompletionRequest
from playground.credentials import AccessToken, ApplicationKeys
from playground.endpoints import Endpoint
from playground.language import translator
from playground.message import message
from playground.providers import openai, qianfan
from playground.redaction import Secret
from playground.report import outcome
from playground.run import Runs
from playground.settings import Limits
from playground.wire import Timeouts

KEYS = ApplicationKeys(api_key=Secret("hostile-api-key"), secret_key=Secret("hostile-secret-key"))
TOKEN = AccessToken(token=Secret("24.token-of-hostile"))


def peak() -> float:
    """This process's highest memory so far in MB. `ru_maxrss` would do, but it begins with that of the process which started this one."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))[0]) / 1024


def main() -> None:
    asked = json.loads(sys.argv[1])
    provider, parameters = (qianfan.PROVIDER, qianfan.PARAMETERS) if asked["provider"] == "qianfan" else (openai.PROVIDER, openai.DIALECTS["plain"])
    endpoint = Endpoint(
        name="mine/x", title="x", group="g", note=message("n"), base_url=asked["base_url"], path="completions", model="m", provider=provider,
        parameters=parameters, credentials=KEYS if asked["keys"] else TOKEN,
    )
    runs = Runs(Client(timeouts=Timeouts(**asked["timeouts"])), Limits(**asked["limits"]))
    before, began = peak(), time.monotonic()
    run = runs.start(endpoint, CompletionRequest(prompt="p", parameters={"stream": True}), "v")
    run.wait(100)
    seconds = time.monotonic() - began
    told = outcome(run, translator("en"))
    grown = peak() - before
    print(json.dumps({"seconds": round(seconds, 1), "grown": round(grown), "characters": len(run.text), **told}))


if __name__ == "__main__":
    main()
