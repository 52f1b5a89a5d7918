"""From the command to the first paint, beside an empty Streamlit page; and what our own modules take to import.

Both start in turn as `make run` starts them once it is set up: the database is there, the modules are compiled, and the local model is loaded if
it is on this computer. Then both run, and are opened in turn by somebody whose browser has nothing of them, and again, when it has everything.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext

from bench.apps import ROOT, browser_page
from bench.report import Section, Target, table
from local_model.fetch import present
from local_model.models import SETTING, KnownModel, choose

STARTS = 5
VISITS = 5
LIMIT = 1.3
EMPTY, OURS = "bench/empty_app.py", "app.py"
# What is there when the page itself can be seen, beside menus, and when all of it can be used.
PAGE = {EMPTY: "[data-testid=stMarkdownContainer]", OURS: "[data-testid=stMain] label"}
USABLE = {EMPTY: PAGE[EMPTY], OURS: ".go"}
STEPS = ("first paint", "the page itself painted", "usable", "main thread busy until then")
# What nobody needs before he asks for it, and for whom it is then imported.
HEAVY = {
    "alembic": "a database to be brought up to date", "sqlalchemy.dialects.postgresql": "PostgreSQL", "psycopg": "PostgreSQL",
    "prometheus_client": "metrics",
    "pandas": "never", "pyarrow": "never", "xllamacpp": "the local model, seconds after the start", "numpy": "Streamlit, to read the page's icon",
}
_PYTHON = (sys.executable, "-m", "streamlit", "run")
_WATCH = """selectors => {
  window.seen = {};
  const roots = () => [document, ...[...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')].map(e => e.shadowRoot)];
  const found = selector => roots().some(root => root && [...root.querySelectorAll(selector)].some(e => e.getClientRects().length));
  const look = () => {
    for (const [name, selector] of Object.entries(selectors)) {
      if (name in window.seen || !found(selector)) continue;
      window.seen[name] = null;
      requestAnimationFrame(() => setTimeout(() => { window.seen[name] = performance.now(); }));
    }
    if (Object.keys(window.seen).length < Object.keys(selectors).length) requestAnimationFrame(look);
  };
  look();
}"""
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@contextmanager
def started(script: str, folder: Path) -> Iterator[str]:
    """Run a script as `make run` does; yields its address as soon as that answers 200."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    model = choose(os.environ.get(SETTING))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"DATABASE_URL": f"sqlite:///{folder}/start.sqlite3", "PYTHONPATH": str(ROOT)}
    if isinstance(model, KnownModel) and present(model, None) is None:
        environment[SETTING] = "off"
    command = [*_PYTHON, script, "--server.address", "localhost", "--server.port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                try:
                    urllib.request.urlopen(f"http://localhost:{port}", timeout=5).read()
                    break
                except OSError:
                    time.sleep(0.01)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(30)


def opened(context: BrowserContext, script: str, address: str, since: float | None = None) -> list[float]:
    """Open the page; returns the seconds to each of `STEPS`, since the navigation or since that time."""
    page = context.new_page()
    profile = context.new_cdp_session(page)
    profile.send("Performance.enable")
    page.add_init_script(f"({_WATCH})({{ page: {PAGE[script]!r}, usable: {USABLE[script]!r} }})")
    page.goto(address, wait_until="commit")
    page.wait_for_function(f"window.seen.page && window.seen.usable && {_PAINTED}", timeout=60_000)
    began, first, seen = page.evaluate(f"[performance.timeOrigin, {_PAINTED}, window.seen]")
    busy = next(one["value"] for one in profile.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration")
    page.close()
    return [*(one / 1000 + (0 if since is None else began / 1000 - since) for one in (first, seen["page"], seen["usable"])), busy]


def starts(browser: Browser, folder: Path) -> dict[str, list[list[float]]]:
    """Start each in turn; returns for each the seconds since the command until it answers, and to each of `STEPS`. The first round compiles."""
    found: dict[str, list[list[float]]] = {EMPTY: [], OURS: []}
    for number in range(STARTS + 1):
        for script, rounds in found.items():
            since = time.time()
            with started(script, folder) as address:
                answered = time.time() - since
                context = browser.new_context()
                steps = opened(context, script, address, since)
                context.close()
            if number:
                rounds.append([answered, *steps])
    return found


def visits(browser: Browser, folder: Path) -> tuple[dict[str, list[list[float]]], dict[str, list[list[float]]]]:
    """Let both run and open each in turn; returns the seconds to each of `STEPS`, in a new browser and in one that was there before."""
    new: dict[str, list[list[float]]] = {EMPTY: [], OURS: []}
    again: dict[str, list[list[float]]] = {EMPTY: [], OURS: []}
    with ExitStack() as held:
        running = {script: held.enter_context(started(script, folder)) for script in new}
        for number in range(VISITS + 1):
            for script, address in running.items():
                context = browser.new_context()
                steps = opened(context, script, address), opened(context, script, address)
                context.close()
                if number:
                    new[script].append(steps[0])
                    again[script].append(steps[1])
    return new, again


def medians(rounds: list[list[float]]) -> list[float]:
    """Of each step."""
    return [statistics.median(step) for step in zip(*rounds, strict=True)]


def imports() -> tuple[list[tuple[str, float]], list[str]]:
    """Return the dearest packages that our own modules bring beyond Streamlit's, by ms, and what of `HEAVY` is among what they import."""
    code = (
        "import streamlit.starlette, uvicorn, sys; sys.stderr.write('ours\\n'); import app; from components import ahead; ahead._import();"
        f" print(*[name for name in {list(HEAVY)!r} if name in sys.modules])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run([sys.executable, "-X", "importtime", "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    cost: Counter[str] = Counter()
    for line in run.stderr.partition("\nours\n")[2].splitlines():
        if match := re.match(r"import time: +(\d+) \| +\d+ \| +([\w.]+)$", line):
            cost[match[2].partition(".")[0]] += int(match[1])
    return [(name, ms / 1000) for name, ms in cost.most_common(10)], run.stdout.split()


def measure() -> Section:
    """Measure starts, visits and imports."""
    with tempfile.TemporaryDirectory() as name, browser_page() as page:
        browser = page.context.browser
        assert browser is not None
        cold = starts(browser, Path(name))
        new, again = visits(browser, Path(name))
    dearest, heavy = imports()
    rows = []
    ratios = {}
    for title, found in (("command → ", cold), ("new visitor → ", new), ("page opened again → ", again)):
        steps = (*(["HTTP 200"] if found is cold else []), *STEPS)
        for step, empty, ours in zip(steps, medians(found[EMPTY]), medians(found[OURS]), strict=True):
            ratios[title + step] = ours / empty
            rows.append((title + step, empty, ours, ours / empty))
    why = f"the main thread is busy {ratios[f'page opened again → {STEPS[-1]}']:.1f} × as long, for Streamlit draws each control of the page by itself"
    before = medians(cold[OURS])[0] - medians(cold[EMPTY])[0]
    whys = {
        "command": f"{before:.2f} s go by before the first answer, most of it the imports named below; then those that the first page needs",
        "new visitor": why, "page opened again": why,
    }
    targets = [
        Target(words=f"{title} → {STEPS[0]} ÷ an empty Streamlit page's", measured=ratios[f"{title} → {STEPS[0]}"], limit=LIMIT, why=reason)
        for title, reason in whys.items()
    ]
    later = {name: reason for name, reason in HEAVY.items() if name not in heavy}
    body = f"""
Medians of {STARTS} starts and {VISITS} visits, in s; the first paint is the browser's own first-contentful-paint.

{table(("", "empty Streamlit page", "ours", "ours ÷ empty"), rows)}

What our modules import beyond Streamlit's own, the dearest (all together {sum(ms for _, ms in dearest):.0f} ms under `-X importtime`):

{table(("package", "ms"), dearest)}

Not imported by a start and its first page: {"; ".join(f"`{name}` ({reason})" for name, reason in later.items())}.
{f"Imported: {', '.join(f'`{name}` ({HEAVY[name]})' for name in heavy)}." if heavy else ""}
"""
    return Section(title="Start", targets=targets, body=body)
