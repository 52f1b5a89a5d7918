"""What stands in `deploy/`: the container file is built by its steps and run; the other files hold to their own schemas, and to each other."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest
import requests
import yaml

from deploy.replicas import REPLICAS, free_port, here
from playground.settings import read_settings

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
# What only a container has: its own system and its users. Where pip comes from is the base image.
OF_THE_SYSTEM = ("apt-get", "groupadd", "useradd", "rm", "mkdir", "chown")


def instructions():
    """The steps of the container file: each a word and the rest of its logical line."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Containerfile").read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


def ignored(path, rules):
    """Whether an ignore file keeps a path, relative to the root, out of the build: the last rule that fits decides."""
    out = False
    for rule in rules:
        pattern = rule.lstrip("!")
        parts = [path, *(parent.as_posix() for parent in Path(path).parents if parent != Path("."))]
        if any(fnmatch(part, pattern) or (pattern.startswith("**/") and fnmatch(Path(part).name, pattern[3:])) for part in parts):
            out = not rule.startswith("!")
    return out


def context(to):
    """Copy what a build would be sent."""
    rules = [line for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name]
    names = names or [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
    for name in names:
        if not ignored(name, rules) and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    return to


class Build:
    """A container file's steps in a folder: a virtual environment stands for the base image, and paths are under the folder."""

    def __init__(self, sent, root):
        self.sent, self.root = sent, root
        self.environ = {"PATH": f"{root / 'venv' / 'bin'}:/usr/bin:/bin", "HOME": str(root / "home"), "LANG": "C.UTF-8"}
        self.place = root
        self.user = "root"
        self.facts = {}
        (root / "home").mkdir()

    def path(self, name):
        return self.root / name.lstrip("/") if name.startswith("/") else self.place / name

    def FROM(self, image):
        name, _, version = image.partition(":")
        assert name == "python" and tuple(map(int, version.split("-")[0].split("."))) >= (3, 11)
        subprocess.run([sys.executable, "-m", "venv", self.root / "venv"], check=True)

    def ENV(self, text):
        for name, value in (part.split("=", 1) for part in shlex.split(text)):
            for old in ("/cache", "/data"):
                value = value.replace(old, str(self.root) + old)
            self.environ[name] = value

    def WORKDIR(self, name):
        self.place = self.path(name)
        self.place.mkdir(parents=True, exist_ok=True)

    def COPY(self, text):
        *sources, target = shlex.split(text)
        for source in sources:
            found, to = self.sent / source, self.path(target)
            assert found.exists(), f"COPY {source}: the build is not sent it"
            if found.is_dir():
                shutil.copytree(found, to, dirs_exist_ok=True)
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, to)

    def RUN(self, text):
        commands = [part.strip() for part in text.split("&&")]
        if all(command.split()[0] in OF_THE_SYSTEM for command in commands):
            for command in commands:
                if command.startswith("mkdir -p "):
                    for name in command.split()[2:]:
                        self.path(name).mkdir(parents=True, exist_ok=True)
            return
        # The machine's own settings of pip hold, as a build's arguments would: where it fetches from.
        machine = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_")) or "proxy" in name.lower()}
        environ = {**machine, **{name: value for name, value in self.environ.items() if name != "PIP_NO_CACHE_DIR"}, "HOME": os.environ["HOME"]}
        made = subprocess.run(["/bin/sh", "-c", text], cwd=self.place, env=environ, capture_output=True, text=True)
        assert made.returncode == 0, made.stdout[-3000:] + made.stderr[-3000:]

    def USER(self, name):
        self.user = name

    def VOLUME(self, text):
        self.facts["VOLUME"] = json.loads(text)

    def EXPOSE(self, text):
        self.facts["EXPOSE"] = text

    def STOPSIGNAL(self, text):
        self.facts["STOPSIGNAL"] = text

    def HEALTHCHECK(self, text):
        self.facts["HEALTHCHECK"] = json.loads(text.partition(" CMD ")[2])

    def CMD(self, text):
        self.facts["CMD"] = json.loads(text)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The container file's steps, each carried out once."""
    folder = tmp_path_factory.mktemp("container")
    (folder / "sent").mkdir()
    (folder / "root").mkdir()
    build = Build(context(folder / "sent"), folder / "root")
    began = time.monotonic()
    for word, rest in instructions():
        getattr(build, word)(rest)
    print(f"the steps took {time.monotonic() - began:.0f} s")
    return build


@pytest.mark.slow(seconds=50)
def test_what_the_steps_make_runs_is_healthy_and_stops_when_told(built):
    """Its own health check says when it is well; and as its user may, it writes nowhere but in the volumes."""
    port = free_port()
    command = [part.replace("8501", str(port)).replace("0.0.0.0", "127.0.0.1") for part in built.facts["CMD"]]
    check = [part.replace("8501", str(port)) for part in built.facts["HEALTHCHECK"]]
    program = built.root / "venv" / "bin" / "python"
    assert command[0] == check[0] == "python"
    before = written(built)
    environ = {**built.environ, "LOCAL_MODEL": "off"}
    with (built.root.parent / "log").open("wb") as log:
        process = subprocess.Popen([program, *command[1:]], cwd=built.place, env=environ, stdout=log, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
        while subprocess.run([program, *check[1:]], env=environ, capture_output=True).returncode:
            assert time.monotonic() < until and process.poll() is None, (built.root.parent / "log").read_text()
        answer = requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
        assert answer.json() == {"ready": True, "reason": None}
        assert (built.root / "data" / "playground.sqlite3").exists(), "the history is in the volume"
        assert built.facts["STOPSIGNAL"] == "SIGTERM"
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert subprocess.run([program, *check[1:]], env=environ, capture_output=True).returncode != 0, "the check can fail"
    assert "Traceback" not in (built.root.parent / "log").read_text()
    assert written(built) == before, "all it wrote is in the volumes"


def written(build):
    """Every file that is in no volume, and when it was written."""
    volumes = [build.path(name) for name in build.facts["VOLUME"]]
    files = [path for path in build.root.rglob("*") if path.is_file() and not any(path.is_relative_to(volume) for volume in volumes)]
    return {path: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_the_image_holds_what_the_app_needs_and_nothing_else(built):
    held = {path.relative_to(built.place).as_posix() for path in built.place.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    imported = {"app.py", "endpoints.toml", ".streamlit/config.toml", "locale/zh_CN/LC_MESSAGES/playground.mo", "playground/service.py"}
    assert imported <= held
    assert not [name for name in held if name.startswith(("tests/", "bench/", "deploy/", ".git")) or name.endswith((".env", "secrets.toml", ".gguf"))]


def test_no_key_and_no_weights_are_sent_to_a_build(tmp_path):
    rules = [line for line in (DEPLOY / "Containerfile.dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    kept = [".env", "deploy/app.env", ".streamlit/secrets.toml", "playground.sqlite3", "local_model/x.gguf", ".git/config", "tests/visitor.py"]
    assert [name for name in kept if not ignored(name, rules)] == []
    sent = ["app.py", "requirements.txt", "endpoints.toml", ".streamlit/config.toml", "pages/bench.py", "components/run_view/run_view.js"]
    assert [name for name in sent if ignored(name, rules)] == []


def test_both_names_of_the_ignore_file_say_the_same():
    assert (ROOT / ".containerignore").read_text() == (DEPLOY / "Containerfile.dockerignore").read_text()


def test_the_container_does_not_run_as_root_and_holds_no_setting_that_is_a_secret():
    steps = dict(instructions())
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", steps["USER"])
    words = [word for word, _ in instructions()]
    assert words.index("USER") < words.index("CMD") and "ADD" not in words
    assert not re.search(r"SECRET|TOKEN|PASSWORD|_AK\b|_SK\b", steps["ENV"])


def checks(*arguments):
    return subprocess.run([sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True)


COMPOSE_CHECK = ("check_jsonschema", "--builtin-schema", "vendor.compose-spec")


def test_the_compose_file_holds_to_the_official_schema(tmp_path):
    checked = checks(*COMPOSE_CHECK, DEPLOY / "compose.yaml")
    assert checked.returncode == 0, checked.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DEPLOY / "compose.yaml").read_text().replace("condition: service_healthy", "condition: healthy"))
    assert checks(*COMPOSE_CHECK, wrong).returncode != 0, "the check can fail"


def test_manifests_hold_to_the_official_schemas(tmp_path):
    assert len(MANIFESTS) == 4
    checked = checks("kubernetes_validate", "--strict", *MANIFESTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((DEPLOY / "kubernetes" / "app.yaml").read_text().replace("periodSeconds: 10", "everySeconds: 10"))
    assert checks("kubernetes_validate", "--strict", wrong).returncode != 0, "the check can fail"


def test_nginx_accepts_its_configuration(tmp_path):
    assert NGINX, "No nginx was found: python tests/chromium.py"
    text = here((DEPLOY / "nginx.conf").read_text(encoding="utf-8"), tmp_path, free_port(), ("127.0.0.1:8501", "127.0.0.1:8502"))
    wrong = text.replace("proxy_buffering off;", "proxy_buffering no;")
    for words, fine in ((text, True), (wrong, False)):
        (tmp_path / "nginx.conf").write_text(words)
        checked = subprocess.run([NGINX, "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], capture_output=True, text=True)
        assert (checked.returncode == 0) == fine, checked.stderr


def test_the_proxy_of_compose_knows_its_replicas_and_they_know_their_proxy():
    services = COMPOSE["services"]
    assert {name.partition(":")[0] for name in REPLICAS} <= set(services)
    apps = [services[name.partition(":")[0]] for name in REPLICAS]
    assert apps[0] == apps[1], "replicas are alike"
    settings = read_settings(ROOT / "nowhere", apps[0]["environment"])
    assert (settings.problems, settings.trusted_proxies, settings.log) == ((), 1, "json")
    assert int(apps[0]["stop_grace_period"].rstrip("s")) > settings.drain + 5
    assert services["proxy"]["ports"] == ["${PLAYGROUND_PORT:-8080}:8080"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"], "nothing else is reached from outside"


def documents():
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


def test_the_manifests_have_the_same_shape_as_compose():
    found = {(one["kind"], one["metadata"]["name"]): one for one in documents()}
    deployment = found["Deployment", "playground"]["spec"]
    pod = deployment["template"]["spec"]
    container = pod["containers"][0]
    settings = read_settings(ROOT / "nowhere", {one["name"]: one["value"] for one in container["env"]})
    assert deployment["replicas"] == len(REPLICAS) and settings.problems == () and settings.trusted_proxies == 1
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] > before + settings.drain + 5
    steps = dict(instructions())
    assert str(pod["securityContext"]["runAsUser"]) == steps["USER"].split(":")[0]
    assert str(container["ports"][0]["containerPort"]) == steps["EXPOSE"]
    assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/cache"}
    used = {one["secretRef"]["name"] for one in container["envFrom"]}
    assert used <= {name for kind, name in found if kind == "Secret"}
    address = found["Secret", "playground"]["stringData"]["DATABASE_URL"].partition("@")[2].split("/")[0]
    assert ("Service", address) in found and ("StatefulSet", address) in found
    backends = {
        path["backend"]["service"]["name"]
        for one in documents() if one["kind"] == "Ingress" for rule in one["spec"]["rules"] for path in rule["http"]["paths"]
    }
    assert backends <= {name for kind, name in found if kind == "Service"}
    assert found["PodDisruptionBudget", "playground"]["spec"]["minAvailable"] == 1


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("*.env.example")), ids=lambda path: path.name)
def test_the_examples_of_settings_hold_no_secret_and_no_unknown_name(path):
    names = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", path.read_text(encoding="utf-8"), re.M)
    known = (ROOT / ".env.example").read_text(encoding="utf-8")
    strange = [name for name, _ in names if f"# {name}=" not in known and not name.startswith(("STREAMLIT_", "POSTGRES_"))]
    assert names and strange == []
    assert {value for _, value in names} <= {"", "PASSWORD", "postgresql://playground:PASSWORD@database/playground"}
    assert subprocess.run(["git", "check-ignore", "-q", path.with_suffix("")], cwd=ROOT).returncode != 1, "the filled-in copy is never committed"
