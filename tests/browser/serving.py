"""The app as a visitor meets it: `python -m streamlit run app.py` in a process of its own, and its log."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
OURS = ("PLAYGROUND_", "QIANFAN_", "OPENAI_", "LOCAL_MODEL", "STREAMLIT_", "DATABASE_URL")
START = 60.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """A running app and the emulator in it. The addresses have no slash at their ends."""

    url: str
    emulator_url: str
    log_file: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the process has written so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")


@contextmanager
def serving(log_file: Path, environ: Mapping[str, str], root: Path = ROOT, *, port: int | None = None) -> Iterator[Site]:
    """Serve the app of `root` on this or a free port, without a local model and with no setting of this machine but those in `environ`."""
    port, emulator_port = port or free_port(), free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    kept = {"DATABASE_URL": f"sqlite:///{log_file.with_suffix('.sqlite3')}"}
    chosen = {"LOCAL_MODEL": "off", "PLAYGROUND_EMULATOR_PORT": str(emulator_port), **kept, **environ}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.address", "127.0.0.1"]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env={**inherited, **chosen}, stdout=log, stderr=subprocess.STDOUT)
    base = environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "")
    site = Site(
        url=f"http://127.0.0.1:{port}" + (f"/{base}" if base else ""), emulator_url=f"http://127.0.0.1:{emulator_port}", log_file=log_file,
        process=process,
    )
    try:
        _wait_until_healthy(site, process)
        yield site
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def copy_of_app(to: Path) -> Path:
    """Copy what the app is made of, so that a test may write a `.env` beside it."""
    for name in ("components", "emulator", "local_model", "locale", "pages", "playground", ".streamlit"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "secrets.toml"))
    for name in ("app.py", "endpoints.toml"):
        shutil.copy(ROOT / name, to)
    return to


def _wait_until_healthy(site: Site, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if requests.get(site.url + "/_stcore/health", timeout=2).text == "ok":
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise RuntimeError("the app did not start:\n" + site.log)
