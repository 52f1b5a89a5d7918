"""`python -m bench [name …] [--ours]`: run the benchmarks named, or all; `--ours` leaves the comparison out."""

import importlib
import sys

NAMES = ("client", "rerun", "stream", "history")

for name in [one for one in sys.argv[1:] if not one.startswith("-")] or NAMES:
    print(f"\n== {name}")
    importlib.import_module(f"bench.{name}").main()
