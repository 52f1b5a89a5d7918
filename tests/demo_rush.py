"""Many visitors at one demo link, all at the same moment, in a process of its own; it says what became of each.

    python -m tests.demo_rush '{"database": "sqlite:///x.sqlite3", "emulator": "http://127.0.0.1:1", "demo": "…", "visitors": 100, …}'
"""

import json
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from playground.admission import Caller
from playground.completion import CompletionRequest
from playground.errors import AccessRefused
from playground.redaction import Secret
from playground.service import close_service, open_service
from playground.settings import Limits, Settings

PATIENCE = 60.0


def main() -> None:
    asked = json.loads(sys.argv[1])
    visitors = asked["visitors"]
    limits = Limits(runs_per_visitor=visitors, runs_in_all=visitors, unwatched=600)
    settings = Settings(values={}, limits=limits, fault_endpoints=True, database=Secret(asked["database"]), cookie_secret=Secret("rush"))
    made = open_service(settings, asked["emulator"])
    endpoint = made.endpoints[asked["endpoint"]]
    together = threading.Barrier(visitors)

    def one(number: int) -> str:
        caller = Caller(visitor=f"{asked['name']}{number % asked['browsers']}", marked=True, demo=asked["demo"])
        together.wait(PATIENCE)
        try:
            run = made.admission.start(endpoint, CompletionRequest(prompt="Introduce the city Beijing", parameters={"stream": True}), caller)
        except AccessRefused as refusal:
            return refusal.reason
        return str(run.ending) if run.wait(PATIENCE) else "goes on"

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    time.sleep(max(0.0, float(sys.stdin.readline()) - time.time()))
    with ThreadPoolExecutor(visitors) as pool:
        found = Counter(pool.map(one, range(visitors)))
    close_service()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
