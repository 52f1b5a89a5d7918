"""How an answer reaches the page: ours beside plain Streamlit, Gradio's chat, and the least page there is.

The same endpoint, a process of its own, plays the same answers to each; the same browser shows them, one after the other. Everything between
browser and application crosses a line that counts the bytes and, for one of the answers, is as slow as 1 Mbit/s. An event is on the page when
its text is in the document.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.apps import FLAGS, Application, gradio_python, served, streamlit
from bench.link import Link, link
from bench.report import Section, Target, figure, table
from bench.upstream import EVENT, Answer, answer, calls, play, steady, upstream
from playground.examples import EXAMPLES, offsets
from tests.chromium import chromium_path

PRESSES = 7
SILENCE = 4.0
FLAT = 1.25
_NEVER = 2  # so often it is tried what comes to nothing
_PATIENCE = 20.0
_STILL = 8.0  # without headway so long, nothing more will come

_HEAD = ("", "delay median", "p95", "in the first tenth", "in the last", "all there after, s", "bytes ÷ text", "main thread", "server", "came")
# Tells, on the clock the endpoint uses too and finer than `Date.now()`, when each number behind a `%` came in sight, and each click. Numbers
# grow. What is told goes out of the page by itself: one that has too much to do would never come to answer a question.
_WATCH = """find => {
  const tick = Date.now();
  while (Date.now() === tick);
  const offset = Date.now() - performance.now();
  let last = -1, fresh = [], timer = null;
  const tell = () => {
    clearTimeout(timer);
    timer = null;
    benchTell(JSON.stringify(fresh));
    fresh = [];
  };
  const look = (text, now) => {
    const numbers = [];
    for (let at = text.length; at > 0 && (at = text.lastIndexOf("%", at - 1)) >= 0; ) {
      const number = parseInt(text.slice(at + 1, at + 7));
      if (!(number > last)) break;
      numbers.push(number);
    }
    last = Math.max(last, ...numbers);
    for (const number of numbers) fresh.push([number, now]);
    if (fresh.length > 100) tell();
    else if (fresh.length) timer ??= setTimeout(tell, 100);
  };
  document.addEventListener("click", (event) => benchTell(JSON.stringify([[-1, offset + event.timeStamp]])), true);
  new MutationObserver((records) => {
    const now = offset + performance.now();
    for (const { type, target, addedNodes } of records)
      if (type === "characterData") look(target.data, now);
      else for (const node of addedNodes) look(node.textContent, now);
  }).observe(eval(find), { childList: true, characterData: true, subtree: true });
}"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A page that is measured: the command that serves it, and what is pressed and watched in it. `first` is what is done before Run each time."""

    name: str
    command: Sequence[str]
    run: str
    stop: str
    idle: str
    root: str
    ready: Callable[[Page], None]
    first: Callable[[Page], None] = lambda page: None
    python: str = sys.executable
    configured: bool = True


def _own_service(page: Page) -> None:
    """Choose the endpoint in our selector."""
    page.locator(".run-view .go").wait_for()
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="Yi-34B · Your").click()
    page.get_by_text("Your own service at").wait_for()


FLOOR = Subject(
    name="bare page", command=["-m", "bench.floor", "{port}"], run="#run", stop="#stop", idle="#stop:disabled",
    root="document.querySelector('#answer')", ready=lambda page: page.locator("#run").wait_for(),
)
OURS = Subject(
    name="ours", command=streamlit("app.py"), run=".run-view .go", stop=".run-view .go", idle=".run-view .state:is(.finished, .stopped)",
    root="""[...document.querySelectorAll('*')].map(one => one.shadowRoot?.querySelector('.answer')).find(Boolean)
            ?? document.querySelector('.run-view .answer')""",
    ready=_own_service,
)
PLAIN = Subject(
    name="plain Streamlit", command=streamlit("bench/plain_app.py"), run="[data-testid=stButton] button", stop="[data-testid=stStatusWidget] button",
    idle="[data-testid=stApp][data-test-script-state=notRunning]", root="document.querySelector('[data-testid=stMain]')",
    ready=lambda page: page.get_by_role("button", name="Run").wait_for(), configured=False,
)
GRADIO = Subject(
    name="Gradio", command=["-m", "bench.gradio_app", "{port}"], run="button.submit-button", stop="button.stop-button", idle="button.submit-button",
    root="document.body", ready=lambda page: page.locator("button.submit-button").wait_for(),
    first=lambda page: page.get_by_role("textbox").first.fill("go"), configured=False,
)


@dataclass
class Shown:
    """What came of one answer in one page. Times in ms, but `busy` and `server` in s."""

    sent: int
    delays: list[float]
    whole: float
    received: float
    busy: float
    server: float

    @property
    def arrived(self) -> float:
        """The share of the events that came."""
        return len(self.delays) / self.sent

    @property
    def median(self) -> float:
        """The delay that half of the events exceed."""
        return statistics.median(self.delays) if self.delays else math.nan

    @property
    def late(self) -> float:
        """The delay that one event in twenty exceeds."""
        return statistics.quantiles(self.delays, n=20, method="inclusive")[-1] if len(self.delays) > 1 else math.nan

    @property
    def tenths(self) -> list[float]:
        """The median delay of each tenth of the answer; of what did not come there is none."""
        bounds = [self.sent * number // 10 for number in range(11)]
        parts = [self.delays[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
        return [statistics.median(part) if part else math.nan for part in parts]


@dataclass
class Served:
    """A subject that runs, behind its line."""

    subject: Subject
    application: Application
    link: Link
    base: str
    browser: Browser

    @contextmanager
    def page(self) -> Iterator["Watched"]:
        """Open it in a fresh profile, whole before anything is measured."""
        with self.browser.new_context(viewport={"width": 1280, "height": 900}) as context:
            page = context.new_page()
            page.goto(self.link.address)
            self.subject.ready(page)
            yield Watched(self, page)


class Watched:
    """A page that is watched. The numbers of its events go on from one answer to the next, so that none is taken for another."""

    def __init__(self, served: Served, page: Page) -> None:
        self._served, self._subject = served, served.subject
        self._page = page
        self._number = 0
        self._pressed, self._moments = 0.0, dict[int, float]()
        self._session = page.context.new_cdp_session(page)
        self._session.on("Runtime.bindingCalled", self._told)
        self._session.send("Runtime.enable")
        self._session.send("Runtime.addBinding", {"name": "benchTell"})
        page.evaluate(_WATCH, self._subject.root)
        page.wait_for_timeout(1000)

    def show(self, sizes: Sequence[int], moments: Sequence[float], megabits: float = 0.0) -> Shown:
        """Press Run and follow the answer until it is all there, or no more of it comes."""
        said = self._play(answer(sizes, moments, first=self._number))
        self._served.link.limit(megabits)
        received, busy, server = self._served.link.received, self._busy(), self._served.application.busy
        self._press(self._subject.run)
        self._wait(self._number - 1, moments[-1] + _PATIENCE)
        self._page.wait_for_timeout(1000)  # what follows the last event is part of it
        received, busy, server = self._served.link.received - received, self._busy() - busy, self._served.application.busy - server
        self._served.link.limit(0)
        left, seen = dict(enumerate(calls(self._served.base)[-1].sent, self._number - len(sizes))), self._moments
        return Shown(
            sent=len(sizes), delays=[seen[number] - moment * 1000 for number, moment in left.items() if number in seen],
            whole=seen.get(self._number - 1, math.nan) - next(iter(left.values())) * 1000, received=received / said.size, busy=busy, server=server,
        )

    def first(self) -> float:
        """Press Run; returns the ms until the first of an answer that the endpoint gives at once is there."""
        number = self._number
        self._play(steady(3, 0, first=number))
        self._press(self._subject.run)
        self._wait(self._number - 1, _PATIENCE)
        self._idle()
        return self._moments[number] - self._pressed

    def stop(self, silent: bool) -> float:
        """Press Stop; returns the ms until the endpoint saw its connection closed; `inf` if that was not while it was silent."""
        count = 2 if silent else 200
        self._play(steady(count, 0 if silent else 20, first=self._number, silence=SILENCE if silent else 0))
        self._press(self._subject.run)
        self._wait(self._number - count + (0 if silent else 10), _PATIENCE)
        self._press(self._subject.stop)
        until = time.monotonic() + SILENCE + 2
        while not (call := calls(self._served.base)[-1]).closed and len(call.sent) < count and time.monotonic() < until:
            self._page.wait_for_timeout(50)
        self._idle()
        return call.closed * 1000 - self._pressed if call.closed and len(call.sent) < count else math.inf

    def _play(self, said: Answer) -> Answer:
        self._number += len(said.texts)
        play(self._served.base, said)
        self._subject.first(self._page)
        return said

    def _press(self, button: str) -> None:
        self._page.locator(button).click()

    def _idle(self) -> None:
        self._page.locator(self._subject.idle).wait_for(state="attached")
        self._page.wait_for_timeout(200)

    def _told(self, event: dict[str, str]) -> None:
        """Take what the page tells."""
        for number, moment in json.loads(event["payload"]):
            if number < 0:
                self._pressed = moment
            else:
                self._moments[number] = moment

    def _wait(self, number: int, seconds: float) -> None:
        """Wait until that event is there; for so many seconds at most, and only while some come."""
        until, moved, before = time.monotonic() + seconds, time.monotonic(), 0
        while number not in self._moments and (now := time.monotonic()) < until:
            if len(self._moments) > before:
                before, moved = len(self._moments), now
            elif now > moved + _STILL:
                break
            self._page.wait_for_timeout(50)

    def _busy(self) -> float:
        """Processor time of the page's main thread so far, in s: of the first thread of whatever renders pages, and only this one is open."""
        found = self._served.browser.new_browser_cdp_session()
        renderers = [one["id"] for one in found.send("SystemInfo.getProcessInfo")["processInfo"] if one["type"] == "renderer"]
        found.detach()
        return sum(int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) for pid in renderers) / 1e9


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One answer that all show: how long each event is and when it leaves, and what it crosses."""

    title: str
    sizes: Sequence[int]
    moments: Sequence[float]
    megabits: float = 0.0


def steady_profile(title: str, count: int, per_second: float, megabits: float = 0.0) -> Profile:
    said = steady(count, per_second)
    return Profile(title=title, sizes=[EVENT] * count, moments=said.moments, megabits=megabits)


_YI = EXAMPLES["yi_34b"].stream
SHORT = steady_profile("20,000 characters, 100 events/s", 20_000 // EVENT, 100)
LONG = steady_profile("100,000 characters, 100 events/s", 100_000 // EVENT, 100)
BURST = steady_profile("a burst of 1,000 events", 1000, 0)
NARROW = steady_profile("20,000 characters, 100 events/s, over 1 Mbit/s", 20_000 // EVENT, 100, 1.0)
RECORDED = Profile(
    title="the recorded Yi-34B", sizes=[len(event["result"]) for event in _YI], moments=offsets([event["created"] for event in _YI]),
)
PROFILES = (SHORT, LONG, BURST, RECORDED, NARROW)


@dataclass
class Presses:
    """What a press of a button led to, each time, in ms."""

    first: list[float]
    flowing: list[float]
    silent: list[float]


@contextmanager
def subjects(wanted: Sequence[Subject]) -> Iterator[list[Served]]:
    """Run the endpoint, the applications and the browser."""
    with ExitStack() as stack:
        base = stack.enter_context(upstream())
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=chromium_path(), args=FLAGS)
        stack.callback(browser.close)
        found = []
        for subject in wanted:
            application = stack.enter_context(served(subject.command, base, python=subject.python, configured=subject.configured))
            found.append(Served(subject, application, stack.enter_context(link(application.port)), base, browser))
        yield found


def show(one: Served, profile: Profile) -> Shown:
    """One answer in a new page, which has shown a short one before."""
    with one.page() as page:
        page.first()
        shown = page.show(profile.sizes, profile.moments, profile.megabits)
    until = time.monotonic() + _PATIENCE
    while shown.arrived < 1 and time.monotonic() < until:  # what is still under way for it must not meet the next
        before = one.application.busy
        time.sleep(1)
        if one.application.busy - before < 0.1:
            break
    return shown


def press(one: Served, times: int = PRESSES) -> Presses:
    """Run and Stop again and again in one page; the first time counts for nothing."""
    with one.page() as page:
        page.first()
        found = Presses([page.first() for _ in range(times)], [page.stop(silent=False) for _ in range(times)], [])
        while len(found.silent) < times and found.silent.count(math.inf) < _NEVER:
            found.silent.append(page.stop(silent=True))
    return found


def measure() -> Section:
    """Show each answer in each page in turn, then press the buttons."""
    python = gradio_python()
    wanted = [FLOOR, OURS, PLAIN, *([replace(GRADIO, python=python)] if python else [])]
    with subjects(wanted) as found:
        shown = {profile.title: {one.subject.name: show(one, profile) for one in found} for profile in PROFILES}
        pressed = {one.subject.name: press(one) for one in found}
    return Section(title="An answer in the page", targets=targets(shown, pressed), body=body(shown, pressed, bool(python)))


def targets(shown: Mapping[str, Mapping[str, Shown]], pressed: Mapping[str, Presses]) -> list[Target]:
    """What our page had to reach beside the others."""
    found = []
    for profile in (SHORT, LONG):
        floor, ours, plain = (shown[profile.title][subject.name] for subject in (FLOOR, OURS, PLAIN))
        for words, of in (("median delay", attrgetter("median")), ("p95 of the delay", attrgetter("late"))):
            found += [
                Target(words=f"{profile.title}: {words}, to 1.5 × the bare page's + 10 ms", measured=of(ours), limit=1.5 * of(floor) + 10, unit="ms"),
                Target(words=f"{profile.title}: {words}, to half of plain Streamlit's", measured=of(ours), limit=of(plain) / 2, unit="ms",
                       why=f"the bare page itself takes {figure(of(floor))} ms" if of(floor) > of(plain) / 4 else ""),
            ]
        found.append(Target(words=f"{profile.title}: bytes to the browser ÷ the text's", measured=ours.received, limit=2.5))
    tenths = shown[LONG.title][OURS.name].tenths
    found.append(Target(words=f"{LONG.title}: delay in the last tenth of the answer ÷ in the first", measured=tenths[-1] / tenths[0], limit=FLAT))
    more = statistics.median(pressed[OURS.name].first) - statistics.median(pressed[FLOOR.name].first)
    found.append(Target(words="Run pressed → first sentence: more than the bare page's by", measured=more, limit=120, unit="ms"))
    for words, times in (("text flowing", pressed[OURS.name].flowing), ("endpoint silent", pressed[OURS.name].silent)):
        found.append(Target(words=f"Stop pressed → connection to the endpoint closed, {words}", measured=statistics.median(times), limit=50, unit="ms"))
    return found


def body(shown: Mapping[str, Mapping[str, Shown]], pressed: Mapping[str, Presses], with_gradio: bool) -> str:
    """All of it, as tables."""
    parts = [
        f"Events have {EVENT} characters; but those of the recorded answer are the {len(RECORDED.sizes)} sentences of the Yi-34B page in their sizes\n"
        "and at their pace. Delays are from the endpoint's write until the text is in the page's document, in ms. Main thread and server are\n"
        "processor time in s for 1,000 events, what belongs to Run and to the end included. Plain Streamlit is `st.write_stream` over\n"
        "`requests.iter_lines`; the bare page appends a text node for each server-sent event and does nothing else: it keeps nothing,\n"
        "counts nothing, and does not follow the end of the text. A page is given the time of the answer and "
        f"{_PATIENCE:.0f} s more, and is given up once nothing\ncame for {_STILL:.0f} s: what came by then is what the figures are of.",
        *([] if with_gradio else ["Gradio could not be installed here, so it is missing."]),
    ]
    for title, pages in shown.items():
        rows = [
            (name, one.median, one.late, one.tenths[0], one.tenths[-1], one.whole / 1000, one.received, one.busy / one.sent * 1000,
             one.server / one.sent * 1000, f"{one.arrived:.0%}")
            for name, one in pages.items()
        ]
        parts += [f"### {title[0].upper()}{title[1:]}", table(_HEAD, rows)]
    parts += ["### Delay by tenth of the 100,000 characters", table(
        ("", *(f"{number}." for number in range(1, 11))), [(name, *one.tenths) for name, one in shown[LONG.title].items()])]
    presses = [(name, *map(_pressed, (one.first, one.flowing, one.silent))) for name, one in pressed.items()]
    parts += ["### A press of a button, ms", table(("", "Run → first sentence", "Stop → connection closed, text flowing", "endpoint silent"), presses),
              f"Medians of {PRESSES} (least–most). The endpoint gives its first event at once; silent means that for {SILENCE:.0f} s it sends nothing."]
    return "\n\n".join(parts)


def _pressed(times: Sequence[float]) -> str:
    """The median, the least and the most."""
    if math.inf in times:
        return "never while so" if min(times) == math.inf else f"{figure(min(times))}, or never while so"
    return f"{figure(statistics.median(times))} ({figure(min(times))}–{figure(max(times))})"
