"""The house keeps its floors: who may import what, and what a tracked file may hold. The tables here are the rules."""

import ast
import fnmatch
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from playground.endpoint_file import read_endpoint_file
from playground.settings import read_settings

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("app", "components", "emulator", "local_model", "pages", "playground")

# From the ground up. A module imports from lower floors, and on its own floor only what stands left of it. A package may stand
# as one room; inside it modules import each other.
FLOORS = (
    ("message", "errors", "redaction", "completion", "parameters", "stops", "local", "price", "examples", "faults", "recording"),
    ("reach", "wire_errors", "event_stream", "connections", "wire"),
    (
        "signature", "credentials", "passwords", "settings", "language", "loops", "advice", "stop_simulator", "difference", "presets",
        "usage_dialect", "comparison", "visitors", "fault_lab", "tables", "database", "servers", "rates", "migrations",
    ),
    ("providers.provider", "providers.qianfan_codes", "providers.qianfan", "providers.openai", "inspection", "endpoint_file", "endpoints", "tokens"),
    ("exchange", "client", "replay"),
    ("run",),
    (
        "report", "export", "paste", "kept", "history", "archive", "setup_link", "snapshot", "sharing", "demos", "admission", "service", "trial",
        "contrast", "series", "probe", "reference", "drift", "suite", "metrics", "logs", "shutdown", "garbage",
    ),
    ("routes", "share_routes", "health", "__main__"),
)
WORDS = tuple(f"playground.{name}" for name in FLOORS[0])
PROVIDERS = ("playground.providers",)

# What else of this project each part may import, beside itself.
PARTS = {
    "app": ("components", "emulator", "local_model", "playground"),
    "pages": ("components", "playground"),
    "components": ("playground",),
    "emulator": (*WORDS, *PROVIDERS, "playground.signature", "local_model"),
    "local_model": (*WORDS, *PROVIDERS, "playground.signature"),
}

# The only importers of each package that is not Python's own; and of the part of Python's own that is one room's business.
IMPORTERS = {
    "streamlit": ("app", "components", "pages"),
    "requests": ("playground.wire", "playground.wire_errors", "playground.connections"),
    "urllib3": ("playground.wire_errors", "playground.connections"),
    "sseclient": ("playground.event_stream",),
    "dotenv": ("playground.settings",),
    "starlette": ("app", "emulator", "playground.routes", "playground.share_routes", "playground.health", "playground.shutdown"),
    "prometheus_client": ("playground.metrics",),
    "uvicorn": ("emulator",),
    "xllamacpp": ("local_model",),
    "itsdangerous": ("playground.visitors",),
    "sqlalchemy": (
        "playground.database", "playground.tables", "playground.migrations", "playground.servers", "playground.history",
        "playground.sharing", "playground.demos", "playground.rates",
    ),
    "alembic": ("playground.database", "playground.migrations"),
    "sqlite3": (),
}
# What another package imports by its name, so that nothing here does.
UNSEEN = ("psycopg", "psycopg-binary")
DISTRIBUTIONS = {"sseclient": "sseclient-py", "dotenv": "python-dotenv", "prometheus_client": "prometheus-client"}
COME_ALONG = {"starlette": "streamlit", "uvicorn": "streamlit", "urllib3": "requests"}
DOES_IO = {"asyncio", "ftplib", "http", "os", "pathlib", "random", "secrets", "shutil", "socket", "ssl", "subprocess", "tempfile", "threading", "time"}


def within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product by its dotted name."""
    paths = [path for part in PRODUCT for path in [ROOT / f"{part}.py", *sorted((ROOT / part).rglob("*.py"))] if path.exists()]
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    return {name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in named.items()}


@cache
def imports(module: str) -> tuple[str, ...]:
    """What a module imports, wherever in it, as dotted names; `from package import module` counts as the module."""
    found: set[str] = set()
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} line {node.lineno}: imports are absolute, from the root"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules() else str(node.module))
    return tuple(sorted(found))


def test_the_core_imports_downwards_only():
    order = {f"playground.{name}": (floor, place) for floor, names in enumerate(FLOORS) for place, name in enumerate(names)}
    core = [name for name in modules() if within(name, ("playground",)) and name not in ("playground", "playground.providers")]
    room = {name: next((known for known in order if within(name, (known,))), "") for name in core}
    unknown = [name for name in core if not room[name]]
    assert not unknown, f"{unknown}: give each a place in FLOORS in {Path(__file__).name}, beside its like, as low as its imports allow"
    assert set(order) == set(room.values()), f"{set(order) - set(room.values())}: in FLOORS, but no longer a module"
    top = (len(FLOORS), 0)
    ours = [(name, other) for name in core for other in imports(name) if within(other, ("playground",)) and room.get(other) != room[name]]
    wrong = [f"{name} imports {other}" for name, other in ours if order.get(room.get(other, ""), top) >= order[room[name]]]
    assert not wrong, f"{wrong}: a module imports from lower floors, or what stands left of it on its own"


def test_package_openings_import_nothing():
    assert {name: imports(name) for name in ("playground", "playground.providers") if imports(name)} == {}


@pytest.mark.parametrize("part", PRODUCT)
def test_parts_import_only_what_their_place_allows(part):
    allowed = (part, *PARTS.get(part, ()))
    own = [name for name in modules() if within(name, (part,))]
    wrong = [f"{name} imports {other}" for name in own for other in imports(name) if other.split(".")[0] in PRODUCT and not within(other, allowed)]
    assert not wrong, f"{wrong}: PARTS allows {allowed}"


def test_nothing_of_the_product_imports_tests_or_benchmarks():
    assert [name for name in modules() if any(within(other, ("tests", "bench")) for other in imports(name))] == []


def test_each_package_has_its_importers():
    wrong = []
    for name in modules():
        for other in imports(name):
            package = other.split(".")[0]
            ours = package in PRODUCT or (package in sys.stdlib_module_names and package not in IMPORTERS)
            if not ours and not within(name, IMPORTERS.get(package, ())):
                wrong.append(f"{name} imports {package}")
    assert not wrong, f"{wrong}: IMPORTERS says who may; a new package goes there and into requirements.txt"


def test_providers_do_no_io():
    wrong = []
    for name in modules():
        if within(name, PROVIDERS):
            others = imports(name)
            wrong += [f"{name} imports {other}" for other in others if other.split(".")[0] in DOES_IO or other == "urllib.request"]
            wrong += [f"{name} imports {other}" for other in others if within(other, ("playground",)) and not within(other, WORDS + PROVIDERS)]
    assert not wrong, f"{wrong}: a provider is words in, words out"


def own_files(*suffixes: str) -> Iterator[Path]:
    """The files that are or would be tracked; without git those that .gitignore does not name."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
        relative = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        paths = [ROOT / path for path in relative if not any(fnmatch.fnmatch(part, rule) for part in path.parts for rule in ignored)]
    return (path for path in sorted(paths) if path.is_file() and path.suffix in (suffixes or (path.suffix,)))


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a path of one machine", r"(?<![\w.])/(?:work|farm|root)/"),
        ("a package registry's host", r"(?:pypi|pythonhosted|npmjs|golang)\.(?:org|com)|(?:deb|security|ftp)\.debian\.org"),
        ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ],
)
def test_no_file_holds(what, pattern):
    found = []
    for path in own_files():
        content = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in re.finditer(pattern, content)]
    assert not found, f"{what}: {found}"


def test_no_weights_and_no_heavy_files():
    heavy = [path.name for path in own_files(".gguf", ".safetensors", ".bin", ".pt", ".onnx", ".whl")]
    heavy += [path.name for path in own_files() if path.stat().st_size > 1_500_000 or path.read_bytes()[:4] == b"GGUF"]
    assert heavy == []


def test_every_module_says_what_it_is_for():
    silent = [path for path in own_files(".py") if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert [path.relative_to(ROOT).as_posix() for path in silent] == []


def settings_read() -> set[str]:
    """The names of our settings that stand in the product's code as whole texts, and those that the file of endpoints refers to."""
    texts = {node.value for tree in modules().values() for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {text for text in texts if re.fullmatch(r"(?:DATABASE|QIANFAN|OPENAI|PLAYGROUND|LOCAL_MODEL)(?:_[A-Z0-9]+)*", text)}
    rows = read_endpoint_file(ROOT / "endpoints.toml", {}).rows
    return names - {"DATABASE", "PLAYGROUND", "QIANFAN"} | {name for row in rows for name in row.settings}


def example() -> list[re.Match[str]]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [], "every line is commented out"
    return [match for line in lines if (match := re.fullmatch(r"# ([A-Z][A-Z0-9_]+)=(\S*)", line))]


def test_the_example_names_every_setting_and_no_other():
    assert sorted(match[1] for match in example()) == sorted(settings_read())


def test_the_example_shows_the_defaults(tmp_path):
    (tmp_path / ".env").write_text("\n".join(match.group().removeprefix("# ") for match in example()), encoding="utf-8")
    written, default = read_settings(tmp_path, {}), read_settings(tmp_path / "empty", {})
    assert written.problems == ()
    facts = ("timeouts", "retry", "limits", "fault_endpoints")
    assert {name: getattr(written, name) for name in facts} == {name: getattr(default, name) for name in facts}


def requirements(name: str) -> dict[str, str]:
    lines = [line.split(";")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    floors = [line for line in lines if line and not line.startswith(("#", "-"))]
    wrong = [line for line in floors if not re.fullmatch(r"[A-Za-z0-9-]+>=[0-9.]+", line)]
    assert not wrong, f"{wrong}: every requirement has a floor, and nothing but a floor"
    return dict(line.split(">=") for line in floors)


def test_requirements_are_the_packages_that_are_imported():
    imported = {other.split(".")[0] for name in modules() for other in imports(name)} & set(IMPORTERS) - sys.stdlib_module_names
    assert set(requirements("requirements.txt")) == {DISTRIBUTIONS.get(name, name) for name in imported - set(COME_ALONG)} | set(UNSEEN)


def test_packages_that_come_along_do_so():
    assert set(COME_ALONG.values()) <= set(requirements("requirements.txt"))


def test_tests_and_tools_import_only_what_is_required():
    known = {*PRODUCT, "tests", "bench", "deploy", *sys.stdlib_module_names, *IMPORTERS}
    required = {*requirements("requirements-dev.txt"), *requirements("requirements.txt")}
    found = set()
    for folder in ("tests", "bench", "deploy", "locale"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                found |= {name.split(".")[0] for name in names}
    found = {{"yaml": "pyyaml"}.get(name, name) for name in found}
    assert found - known - required == set(), "a package for tests goes into requirements-dev.txt"
