"""Two replicas of the app behind nginx with PostgreSQL, on this computer alone and without containers: what compose.yaml starts, to try out.

    python deploy/replicas.py [--port 8080] [--base PATH]

Prints the address and goes on until Ctrl+C. Without DATABASE_URL in the environment a PostgreSQL of its own is started in a temporary
folder. It takes nginx and PostgreSQL as Debian packs them: apt install nginx-light postgresql.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = ROOT / "deploy" / "nginx.conf"
LISTEN = "listen 8080;"
REPLICAS = ("app-1:8501", "app-2:8501")
FOLDER = "/tmp/nginx"  # as the configuration has it
_PATIENCE = 60.0


class Replica:
    """One process of the app. `start` may come again after `kill`; it has the same port then."""

    def __init__(self, name: str, folder: Path, environ: Mapping[str, str], base: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}" + (f"/{base}" if base else "")
        self.log = folder / f"{name}.log"
        self._environ = {**environ, "STREAMLIT_SERVER_BASE_URL_PATH": base}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `ready` waits."""
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address", "127.0.0.1", "--server.port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self._environ, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def ready(self) -> None:
        """Wait until it may be sent visitors."""
        _wait(f"{self.url}/readyz", self.process, self.log)

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


class Replicas:
    """All of it while it runs. `url` is where visitors go."""

    def __init__(self, url: str, apps: tuple[Replica, ...]) -> None:
        self.url = url
        self.apps = apps


@contextmanager
def proxy(folder: Path, port: int, upstreams: tuple[str, str], configuration: Path = CONFIGURATION) -> Iterator[str]:
    """nginx with `deploy/nginx.conf`, in which only addresses and folders are others, before these servers; its address."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("No nginx was found. On Debian or Ubuntu: sudo apt install nginx-light")
    written = folder / "nginx.conf"
    written.write_text(here(configuration.read_text(encoding="utf-8"), folder, port, upstreams), encoding="utf-8")
    command = [program, "-p", str(folder), "-c", str(written)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
    if checked.returncode:
        sys.exit(checked.stderr)
    manner = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")  # or its workers could not write into the folder
    with (folder / "nginx.log").open("ab") as log:
        process = subprocess.Popen([*command, "-g", manner], stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/proxy-healthz", process, folder / "nginx.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def here(configuration: str, folder: Path, port: int, upstreams: tuple[str, str]) -> str:
    """Return the configuration with the addresses and folders of this computer."""
    changes = {LISTEN: f"listen 127.0.0.1:{port};", FOLDER: f"{folder}/nginx", "/dev/stderr": f"{folder}/nginx.log"}
    changes |= {f"server {name}": f"server {address}" for name, address in zip(REPLICAS, upstreams, strict=True)}
    for old, new in changes.items():
        if old not in configuration:
            raise ValueError(f"nginx.conf has no “{old}”")
        configuration = configuration.replace(old, new)
    return configuration


@contextmanager
def replicas(
    database: str, folder: Path, *, port: int = 0, base: str = "", environ: Mapping[str, str] | None = None
) -> Iterator[Replicas]:
    """Both replicas on one database, and the proxy; all of them end with the block."""
    given = {**(os.environ if environ is None else environ), "DATABASE_URL": database, "PLAYGROUND_TRUSTED_PROXIES": "1"}
    base = base.strip("/")
    apps = (Replica("app-1", folder, given, base), Replica("app-2", folder, given, base))
    with ExitStack() as stack:
        for app in apps:
            stack.callback(app.stop)
            app.start()
        for app in apps:
            app.ready()
        site = stack.enter_context(proxy(folder, port or free_port(), (f"127.0.0.1:{apps[0].port}", f"127.0.0.1:{apps[1].port}")))
        yield Replicas(site + (f"/{base}" if base else ""), apps)


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait(url: str, process: subprocess.Popen[bytes] | None, log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process is not None and process.poll() is None:
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')}")


@contextmanager
def own_database() -> Iterator[str]:
    """A PostgreSQL of our own, as the tests start it; its address."""
    sys.path.insert(0, str(ROOT))
    from tests.postgres import running

    with running() as server, server.fresh() as address:
        yield address


def main() -> None:
    """Start everything and wait."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--port", type=int, default=8080, help="where visitors go (8080)")
    asked.add_argument("--base", default="", help="a path that everything is served under")
    options = asked.parse_args()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="playground-")))
        database = os.environ.get("DATABASE_URL") or stack.enter_context(own_database())
        running = stack.enter_context(replicas(database, folder, port=options.port, base=options.base))
        pids = ", ".join(str(app.process.pid) for app in running.apps if app.process)
        print(f"{running.url}  (replicas: processes {pids}; logs in {folder}; Ctrl+C stops all)", flush=True)
        over.wait()


if __name__ == "__main__":
    main()
