"""One app, one browser and a clean context a test; what a page complains of, or asks of another host, fails its test."""

from collections.abc import Callable, Iterator, Sequence
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


class Watch:
    """What the pages of some contexts complain of, or ask of another host."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.expected: list[str] = []

    def begin(self, context: BrowserContext) -> None:
        """Watch a context and every page that opens in it."""
        context.set_default_timeout(PATIENCE)
        context.on("request", self._request)
        context.on("page", self._page)

    def end(self, context: BrowserContext) -> None:
        """Watch it no longer."""
        context.remove_listener("request", self._request)
        context.remove_listener("page", self._page)

    def assert_calm(self) -> None:
        """Nothing was complained of but what was expected."""
        assert [one for one in self.complaints if not any(words in one for words in self.expected)] == []

    def _page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("console", lambda said: self.complaints.append(f"console: {said.text} {said.location['url']}") if said.type == "error" else None)

    def _request(self, made: Request) -> None:
        parts = urlsplit(made.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.complaints.append(f"asked of another host: {made.url}")


@pytest.fixture
def visit(browser: Browser, profile: BrowserContext, site: Site, serve: Serve) -> Iterator[Visit]:
    """Return a function that makes a new visitor: a page and a memory of his own, not yet opened."""
    contexts: list[BrowserContext] = []
    watch = Watch()

    def one(at: Site | Tunnel = site, *, expects: tuple[str, ...] = (), permissions: Sequence[str] = (), **options: object) -> Bench:
        if options or contexts:
            context = browser.new_context(**{"viewport": WINDOW, "locale": LOCALE, **options})
        else:
            context = profile
            forget(context, at.url)
        if permissions:
            context.grant_permissions(list(permissions))
        contexts.append(context)
        watch.begin(context)
        watch.expected.extend(expects)
        return Bench(context.new_page(), at.url)

    yield one
    for context in contexts:
        if context is not profile:
            context.close()
        else:
            for page in context.pages[1:]:  # without any page the browser ends
                page.close()
            watch.end(context)
    watch.assert_calm()


@pytest.fixture(scope="module")
def first_visit(browser: Browser, site: Site) -> Iterator[tuple[Bench, Watch]]:
    """The visitor that `staying` is, and what his page complains of."""
    context, watch = browser.new_context(viewport=WINDOW, locale=LOCALE, permissions=["clipboard-read", "clipboard-write"]), Watch()
    watch.begin(context)
    yield Bench(context.new_page(), site.url).open(), watch
    context.close()


@pytest.fixture
def staying(first_visit: tuple[Bench, Watch], request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One visitor for the tests of a file that only look at what a run brings: he has looked at others, and has closed whatever he opened."""
    bench, watch = first_visit
    watch.complaints.clear()
    if getattr(request.node, "execution_count", 1) > 1:
        bench.open()
    bench.page.set_viewport_size(WINDOW)
    bench.tidy()
    yield bench
    watch.assert_calm()


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
