"""The applications compared, each a process of its own, and the browser that looks at them."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.chromium import chromium_path

ROOT = Path(__file__).parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
# Gradio would move packages that this project has too.
_PEERS = ROOT / ".venv-bench"
_TICKS = os.sysconf("SC_CLK_TCK")


class Application:
    """One that runs: its port, and what its processes take."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.port = port
        self.address = f"http://127.0.0.1:{port}"

    @property
    def busy(self) -> float:
        """Processor time so far, in s, of its process and all that come from it."""
        fields = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parts = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            fields[int(folder.name)] = (int(parts[1]), sum(map(int, parts[11:15])))
        family = {self._process.pid}
        while more := {pid for pid, (parent, _) in fields.items() if parent in family} - family:
            family |= more
        return sum(fields[pid][1] for pid in family if pid in fields) / _TICKS


@contextmanager
def served(command: Sequence[str], upstream: str, *, python: str = sys.executable, configured: bool = True) -> Iterator[Application]:
    """Run a command of Python's, `{port}` in it filled in, with the upstream as the visitor's own Qianfan service and an empty database.

    Unless it is `configured` it runs where this project's settings of Streamlit are not seen.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ, "QIANFAN_BASE_URL": upstream, "QIANFAN_AK": "demo-api-key", "QIANFAN_SK": "demo-secret-key",
            "QIANFAN_ENDPOINT_YI_34B": "stamped", "PYTHONPATH": str(ROOT), "LOCAL_MODEL": "off",
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3", "GRADIO_ANALYTICS_ENABLED": "False",
        }
        filled = [python, *(part.replace("{port}", str(port)) for part in command)]
        log = Path(folder, "log")
        with log.open("wb") as out, subprocess.Popen(filled, cwd=ROOT if configured else folder, env=environment, stdout=out, stderr=out) as process:
            try:
                application = Application(process, port)
                if not _answers(application, process):
                    raise RuntimeError(f"{' '.join(command)} does not start: {log.read_text()[-2000:]}")
                yield application
            finally:
                process.terminate()
                process.wait(30)


def _answers(application: Application, process: subprocess.Popen[bytes]) -> bool:
    """Wait until it answers."""
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(application.address, timeout=5).read()
            return True
        except OSError:
            time.sleep(0.1)
    return False


def streamlit(script: str) -> list[str]:
    """The command that serves a script of Streamlit's."""
    return ["-m", "streamlit", "run", str(ROOT / script), "--server.port", "{port}", "--server.headless", "true",
            "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"]


@contextmanager
def application(script: str, upstream: str) -> Iterator[str]:
    """Run a Streamlit script; yields its address."""
    with served(streamlit(script), upstream) as app:
        yield app.address


def gradio_python() -> str | None:
    """The interpreter of an environment that has Gradio, made if there is none; `None` where it cannot be installed."""
    python = _PEERS / "bin/python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", _PEERS], check=True, capture_output=True)
        if not list(_PEERS.glob("lib/*/site-packages/gradio")):
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "gradio", "requests"], check=True, timeout=300)
    except (OSError, subprocess.SubprocessError):
        return None
    return str(python)


@contextmanager
def browser_page() -> Iterator[Page]:
    """Open an empty page in a fresh profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        browser.close()
