"""A moved slider until the page shows what it changes: the panel with the exact request open, against a page with one slider."""

import statistics

from playwright.sync_api import Page

from bench.apps import application, browser_page
from bench.report import Section, table

MOVES = 36
_NOWHERE = "http://127.0.0.1:9"  # nothing is asked for

_WATCH = """() => {
  const shown = () => [...document.querySelectorAll('[data-testid=stCode]')].map(e => e.textContent).join('\\n');
  window.moves = [];
  let since = null, before = shown();
  document.addEventListener('keydown', () => { since = performance.now(); before = shown(); }, true);
  new MutationObserver(() => {
    if (since !== null && shown() !== before) { window.moves.push(performance.now() - since); since = null; }
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
}"""


def move(page: Page) -> list[float]:
    """Move the first slider to and fro by keys; returns the ms until the page showed it, for each move."""
    page.evaluate(_WATCH)
    page.get_by_role("slider").first.focus()
    for number in range(MOVES):
        page.keyboard.press("ArrowRight" if number % 4 < 2 else "ArrowLeft")
        page.wait_for_function("count => window.moves.length > count", arg=number, timeout=10_000)
        page.wait_for_timeout(150)
    return list(page.evaluate("window.moves"))[5:]


def ours(page: Page, address: str) -> list[float]:
    """Open the bench with temperature on and the exact request shown."""
    page.goto(address)
    page.locator(".run-view .go").wait_for()
    page.get_by_text("Exact request").click()
    page.get_by_text("temperature", exact=True).first.click()
    page.get_by_text('"temperature"').first.wait_for()
    page.wait_for_timeout(1000)
    return move(page)


def plain(page: Page, address: str) -> list[float]:
    """Open the page with one slider."""
    page.goto(address)
    page.get_by_role("slider").wait_for()
    page.wait_for_timeout(1000)
    return move(page)


def measure() -> Section:
    """Move both."""
    figures = {}
    for name, script, moving in (("a page with one slider", "bench/one_slider.py", plain), ("the bench", "app.py", ours)):
        with application(script, _NOWHERE) as address, browser_page() as page:
            figures[name] = moving(page, address)
    least, *_ = medians = [statistics.median(moves) for moves in figures.values()]
    rows = [
        (name, median, sorted(moves)[int(len(moves) * 0.95)], median / least)
        for (name, moves), median in zip(figures.items(), medians, strict=True)
    ]
    body = f"""
A moved slider until the page shows what it changes, in ms; the bench has the panel and the exact request open.

{table(("", "median", "p95", "÷ one slider"), rows)}
"""
    return Section(title="A moved slider", body=body)
