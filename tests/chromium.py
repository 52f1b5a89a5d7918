"""The Chromium that browser tests drive, where it is; and, run as a script, how all that the tests need gets onto a bare machine."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Debian's Chromium without windows comes first: a test costs it a quarter less than the others.
SHELL = "chromium-headless-shell"
COMMANDS = (SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_APPLICATION = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
# Debian's packages of two libraries that a minimal system lacks: of Playwright's driver, and of the local model's engine.
LIBRARIES = {"libatomic.so.1": "libatomic1", "libgomp.so.1": "libgomp1"}
FONTS = ("fontconfig", "fonts-noto-cjk")


def chromium_path() -> str | None:
    """Return the path of a Chromium: `CHROMIUM` if it is set, else the first one found."""
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, COMMANDS), shutil.which(MAC_APPLICATION)]
    return next((path for path in found if path), None)


def missing() -> list[str]:
    """Return Debian's packages for what is not there; without a Chinese font a screenshot shows boxes."""
    packages = [] if chromium_path() else [SHELL if _known(SHELL) else "chromium"]
    if sys.platform == "linux":
        packages += [package for library, package in LIBRARIES.items() if not _loads(library)]
        packages += [] if _shows_chinese() else FONTS
    packages += [] if postgres_programs() else ["postgresql"]
    packages += [] if shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") else ["nginx-light"]
    return packages


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: where `postgres` in the path is, else where Debian has the newest."""
    found = [Path(path).resolve().parent for path in [shutil.which("postgres")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    return next((path for path in found if (path / "initdb").exists()), None)


def _known(package: str) -> bool:
    return bool(shutil.which("apt-cache") and subprocess.run(["apt-cache", "show", package], capture_output=True).stdout)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _shows_chinese() -> bool:
    return bool(shutil.which("fc-list") and subprocess.run(["fc-list", ":lang=zh", "family"], capture_output=True).stdout.strip())


def install() -> None:
    """Install what is missing with apt-get as root on Debian; elsewhere say what is, and stop only without a browser."""
    if missing() and shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-qq", "update"], env=environment, check=True, stdout=subprocess.DEVNULL)
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing()]
        subprocess.run(install, env=environment, check=True, stdout=subprocess.DEVNULL)
    if packages := missing():
        sys.stderr.write(f"The tests need more than Python. On Debian or Ubuntu: sudo apt install {' '.join(packages)}\n")
    if not chromium_path():
        sys.exit("They need Chromium or Google Chrome; name one with CHROMIUM=/path/to/chrome. Without a browser: make test-fast")


if __name__ == "__main__":
    install()
