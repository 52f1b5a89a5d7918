"""One app, one browser and a clean context a test; what a page complains of, or asks of another host, fails its test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from tests.browser.bench import Bench
from tests.browser.emulator_log import EmulatorLog
from tests.browser.serving import ROOT, Site, serving
from tests.browser.tunnel import Tunnel
from tests.chromium import chromium_path

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--disable-component-extensions-with-background-pages", "--in-process-gpu", "--renderer-process-limit=1",
)
WINDOW = {"width": 1360, "height": 900}
LOCALE = "en-US"
PATIENCE = 30_000
Visit = Callable[..., Bench]
Serve = Callable[..., Site]


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app with its fault lab; its log may hold no traceback when the tests are over."""
    with serving(tmp_path_factory.mktemp("site") / "app.log", {"PLAYGROUND_FAULT_ENDPOINTS": "1", "PLAYGROUND_RUNS_PER_VISITOR": "5"}) as served:
        yield served
    assert "Traceback" not in served.log


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Where there is none the test says what to install, and fails: a suite that skips its browser is no suite."""
    path = chromium_path()
    assert path, "No Chromium was found: python tests/chromium.py"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def profile(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser that keeps what it has fetched and compiled, as a visitor's own does: a test's first page comes in half the time."""
    launched = browser.browser_type.launch_persistent_context(
        tmp_path_factory.mktemp("profile"), executable_path=chromium_path(), args=FLAGS, viewport=WINDOW, locale=LOCALE
    )
    yield launched
    launched.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that starts an app of its own with some settings. It goes on until the visitors have left."""
    with ExitStack() as stack:
        yield lambda root=ROOT, **settings: stack.enter_context(serving(tmp_path / "app.log", settings, root))


@pytest.fixture
def visit(browser: Browser, profile: BrowserContext, site: Site, serve: Serve) -> Iterator[Visit]:
    """Return a function that makes a new visitor: a page and a memory of his own, not yet opened."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("console", lambda said: complaints.append(f"console: {said.text} {said.location['url']}") if said.type == "error" else None)

    def asked(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost"):
            complaints.append(f"asked of another host: {url}")

    def one(at: Site | Tunnel = site, *, expects: tuple[str, ...] = (), **options: object) -> Bench:
        if options or contexts:
            context = browser.new_context(**{"viewport": WINDOW, "locale": LOCALE, **options})
        else:
            context = profile
            forget(context, at.url)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        context.on("request", request)
        context.on("page", watch)
        expected.extend(expects)
        return Bench(context.new_page(), at.url)

    def request(made: Request) -> None:
        asked(made.url)

    expected: list[str] = []
    yield one
    for context in contexts:
        if context is not profile:
            context.close()
        else:
            for page in context.pages[1:]:  # without any page the browser ends
                page.close()
            context.remove_listener("request", request)
            context.remove_listener("page", watch)
    assert [one for one in complaints if not any(words in one for words in expected)] == []


def forget(context: BrowserContext, url: str) -> None:
    """Make a used browser a new visitor's: nothing stored, nothing permitted."""
    context.clear_cookies()
    context.clear_permissions()
    wire = context.new_cdp_session(context.pages[0])
    wire.send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "local_storage,indexeddb,cache_storage,service_workers"})
    wire.detach()


@pytest.fixture
def bench(visit: Visit) -> Bench:
    """One visitor on the bench."""
    return visit().open()


@pytest.fixture
def emulator(site: Site) -> EmulatorLog:
    """The log of the emulator inside the app, from the beginning of this test."""
    return EmulatorLog(site.emulator_url)
