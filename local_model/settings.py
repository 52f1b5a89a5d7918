"""How our llama.cpp is set up, for the engine and for the child process that tries it first.

Run as a script (`python -P settings.py MODEL`) it is that child: it loads the model, writes one token and says how far
it came. So that it can run alone, it imports nothing of ours.
"""

import secrets
import sys
from typing import Any

BATCH = 16
"""Prompt tokens evaluated at a stretch: what a cancel has to wait for (0.15 s). Larger ones were no faster on one thread."""
IMPORTED, LOADED, WROTE = "imported", "loaded", "wrote"


def open_server(path: str, *, context: int, threads: int, key: str, verbosity: int = -1) -> Any:
    """Load a model. The engine insists on a port: it is bound to this computer and asks for a key nobody is told.

    Raises `RuntimeError` without a reason; the reason goes to standard error if `verbosity` is 1.
    """
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_ctx = context
    parameters.n_parallel = 1
    parameters.n_batch = parameters.n_ubatch = BATCH
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.n_gpu_layers = 0
    parameters.fit_params = parameters.warmup = parameters.ctx_shift = False
    parameters.cache_ram_mib = parameters.n_ctx_checkpoints = 0
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [key]
    parameters.n_threads_http = 2
    parameters.ui = parameters.endpoint_slots = False
    parameters.verbosity = verbosity
    return xllamacpp.Server(parameters)


def _try(path: str) -> int:
    """Import, load, write one token; say each on standard output as it is done."""

    def say(step: str) -> None:
        sys.stdout.write(step + "\n")
        sys.stdout.flush()

    import xllamacpp

    xllamacpp.get_system_info()
    say(IMPORTED)
    if path:
        try:
            server = open_server(path, context=256, threads=1, key=secrets.token_hex(16), verbosity=1)
        except RuntimeError:
            return 1
        say(LOADED)
        server.handle_completions({"prompt": "a", "max_tokens": 1, "stream": True}, lambda chunk: False)
        say(WROTE)
    return 0


if __name__ == "__main__":
    sys.exit(_try(sys.argv[1] if len(sys.argv) > 1 else ""))
