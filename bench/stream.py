"""How text reaches the page: delay from the endpoint's send to the page, and bytes to the browser, along a long answer.

Ours against plain `st.write_stream`, the same upstream, the same Chromium, one after the other in one run.
"""

import statistics
import sys
from collections.abc import Callable

from playwright.sync_api import CDPSession, Page

from bench.apps import application, browser_page
from bench.upstream import EVENT, upstream

_OBSERVE = """(find) => {
  const root = eval(find);
  const bench = (window.bench = { delays: [], seen: 0 });
  const look = () => {
    const now = Date.now(), text = root.textContent;
    for (const found of text.slice(bench.seen).matchAll(/@(\\d{13})/g)) bench.delays.push(now - Number(found[1]));
    bench.seen = Math.max(bench.seen, text.lastIndexOf("@") + 14);
  };
  new MutationObserver(look).observe(root, { childList: true, characterData: true, subtree: true });
}"""
_OURS = """[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.answer')).find(Boolean)
           ?? document.querySelector('.run-view .answer')"""


def run_ours(page: Page, address: str, begin: Callable[[], None]) -> None:
    """Choose the upstream in the selector and run it to its end."""
    page.goto(address)
    page.locator(".run-view .go").wait_for()
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="Yi-34B · Your").click()
    page.get_by_text("Your own service at").wait_for()
    page.evaluate(_OBSERVE, _OURS)
    begin()
    page.locator(".run-view .go").click()
    page.locator(".run-view .state.finished").wait_for(timeout=600_000)


def run_plain(page: Page, address: str, begin: Callable[[], None]) -> None:
    """Press its button and wait for its end, or for as long as it still makes headway."""
    page.goto(address)
    page.get_by_role("button", name="Run").wait_for()
    page.evaluate(_OBSERVE, "document.querySelector('[data-testid=stMain]')")
    begin()
    page.get_by_role("button", name="Run").click()
    before = -1
    while page.get_by_text("ended", exact=True).count() == 0:
        page.wait_for_timeout(5000)
        seen = page.evaluate("window.bench.delays.length")
        if seen == before:
            break
        before = seen


def busy(session: CDPSession) -> float:
    """Seconds the page's main thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def measure(run: Callable[[Page, str, Callable[[], None]], None], script: str, characters: int, per_second: float) -> dict[str, float]:
    """Run one application; returns its figures. Times in ms, `bytes` as a multiple of the text's bytes."""
    with upstream(characters, per_second) as base, application(script, base) as address, browser_page() as page:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        received = {"bytes": 0}
        session.on("Network.dataReceived", lambda e: received.update(bytes=received["bytes"] + (e["encodedDataLength"] or e["dataLength"])))
        session.on("Network.webSocketFrameReceived", lambda e: received.update(bytes=received["bytes"] + len(e["response"]["payloadData"]) * 3 // 4))
        session.send("Performance.enable")
        figures = {}

        def begin() -> None:
            page.wait_for_timeout(2000)
            received["bytes"] = 0
            figures["busy"] = busy(session)

        run(page, address, begin)
        figures["busy"] = busy(session) - figures["busy"]
        delays = page.evaluate("window.bench.delays")
    tenth = max(1, len(delays) // 10)
    return {
        "arrived": len(delays) / (characters // EVENT),
        "median": statistics.median(delays),
        "p95": sorted(delays)[int(len(delays) * 0.95)],
        "first tenth": statistics.median(delays[:tenth]),
        "last tenth": statistics.median(delays[-tenth:]),
        "bytes": received["bytes"] / characters,
        "main thread s": figures["busy"],
    }


def main() -> None:
    """Print the figures of both, and their ratios."""
    plain_too = "--ours" not in sys.argv
    for characters, per_second in ((20_000, 100), (100_000, 100)):
        ours = measure(run_ours, "app.py", characters, per_second)
        plain = measure(run_plain, "bench/plain_app.py", characters, per_second) if plain_too else {}
        print(f"\n{characters:,} characters, {EVENT} an event, {per_second}/s")
        print(f"{'':16}{'ours':>10}{'plain':>10}{'plain ÷ ours':>14}")
        for name, value in ours.items():
            other = plain.get(name)
            ratio = "" if not other or not value else f"{other / value:14.1f}"
            print(f"{name:16}{value:10.2f}{'' if other is None else f'{other:10.2f}'}{ratio}")
        print(f"delay grows along the answer: last tenth ÷ first tenth = {ours['last tenth'] / max(1, ours['first tenth']):.2f}")
