"""`python -m bench [name …]`: run the benchmarks named, or those of `make bench`; each writes its section of `bench/report.md`."""

import importlib
import sys
import time

from bench.report import write

NAMES = ("client", "start", "rerun", "pages", "load")
BY_NAME = ("soak", "history")  # these take longer: they are run by their names alone

for name in sys.argv[1:] or NAMES:
    if name not in (*NAMES, *BY_NAME):
        sys.exit(f"There is no benchmark {name}: {', '.join((*NAMES, *BY_NAME))}")
    began = time.monotonic()
    section = importlib.import_module(f"bench.{name}").measure()
    write(section)
    print(f"\n{section.markdown()}\n\n({name}: {time.monotonic() - began:.0f} s)", flush=True)
