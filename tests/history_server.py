"""A server in a process of its own, to be killed: it says what it finds in the history, begins a run for each line it reads, and goes on.

    python -m tests.history_server '{"database": "sqlite:///x.sqlite3", "base_url": "http://127.0.0.1:1", "visitor": "v"}'
"""

import json
import sys

from playground.completion import CompletionRequest
from playground.credentials import AccessToken
from playground.endpoints import Endpoint
from playground.message import message
from playground.redaction import Secret
from playground.service import close_service, open_service
from playground.settings import Limits, Settings


def main() -> None:
    asked = json.loads(sys.argv[1])
    settings = Settings(database=Secret(asked["database"]), limits=Limits(runs_per_visitor=50, runs_in_all=50))
    service = open_service(settings)
    history = service.history
    assert history is not None
    found = history.find(asked["visitor"])
    whole = [history.entry(asked["visitor"], one.id) for one in found]
    print(json.dumps([
        {"id": one.id, "ending": one.ending, "text": one.text, "error": one.error and str(one.error.message), "reason": one.reason and str(one.reason)}
        for one in whole if one is not None
    ]), flush=True)
    for line in sys.stdin:
        endpoint = Endpoint(
            name="own/x", title="x", group="g", note=message("n"), base_url=asked["base_url"], path="x",
            credentials=AccessToken(token=Secret("24.token-of-servers")),
        )
        run = service.runs.start(endpoint, CompletionRequest(prompt=line.strip(), parameters={"stream": True}), asked["visitor"])
        history.keep(run)
        print(json.dumps(run.id), flush=True)
    close_service()


if __name__ == "__main__":
    main()
