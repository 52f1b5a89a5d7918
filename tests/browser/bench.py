"""What a person does and sees on the bench and on the page of endpoints, so that tests read as actions."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

RECORDED = "Recorded answers"
FAULTS = "Fault lab"
ENDED = re.compile(r"\b(finished|stopped|cut|failed)\b")
SHEET_TIME = 60_000


class Bench:
    """The bench in one page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.sheet = page.locator(".run-view")
        self.prompt = page.locator(".run-view textarea.prompt")
        self.answer = page.locator(".run-view .answer")
        self.go = page.locator(".run-view .go")
        self.status = page.locator(".run-view .status")
        self.state = page.locator(".run-view .status .state")
        self.note = page.locator(".run-view .note.outcome")
        self.refusal = page.locator(".run-view .note.refusal")
        self.badges = page.locator(".run-view .badge .words")
        self.rows = page.locator(".run-view .panel:not([hidden]) .line:not([hidden])")

    def open(self, path: str = "/") -> "Bench":
        """Go there and wait for the sheet."""
        self.page.goto(self.url + path)
        return self.ready()

    def ready(self) -> "Bench":
        """Wait until the sheet is drawn and the page is quiet."""
        expect(self.go).to_be_visible(timeout=SHEET_TIME)
        self.settled()
        return self

    def settled(self) -> None:
        """Wait until no script runs."""
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached(timeout=SHEET_TIME)

    def tidy(self) -> None:
        """Close what was opened below the sheet, and show no seams."""
        for pressed in (".tabs [aria-expanded=true]", ".look-seams[aria-pressed=true]"):
            for button in self.sheet.locator(pressed).all():
                button.click()

    def choose(self, title: str, group: str = RECORDED, mark: str = "●") -> "Bench":
        """Choose an endpoint in the selector."""
        box = self.page.locator("[class*=st-key-endpoint-]").get_by_role("combobox").first
        box.click()
        box.fill(title)
        label = f"{mark} {title} · {group}" + ("" if mark == "●" else " · off")
        self.page.get_by_role("option", name=label, exact=True).click()
        expect(box).to_have_value(label)
        self.settled()
        return self

    def fault(self, name: str) -> "Bench":
        """Choose an endpoint that fails on purpose."""
        return self.choose(name, FAULTS)

    def type_prompt(self, text: str) -> str:
        """Replace the prompt."""
        self.prompt.fill(text)
        return text

    def run(self) -> "Bench":
        """Press Run."""
        expect(self.go).to_contain_text(re.compile("Run|运行"))
        self.go.click()
        return self

    def run_anew(self) -> "Bench":
        """Press Run and wait until the sheet shows the new run, not the one before it."""
        pager = self.sheet.locator(".standing")
        count = int((pager.text_content() or "0").split()[-1])
        self.run()
        expect(pager).to_have_text(f"{count + 1} of {count + 1}")
        return self

    def stop(self) -> "Bench":
        """Press Stop."""
        expect(self.go).to_contain_text("Stop")
        self.go.click()
        return self

    def wait_streaming(self, text: str = "") -> "Bench":
        """Wait until the answer holds `text`, or anything."""
        expect(self.answer).to_contain_text(text or re.compile(r"\S"))
        return self

    def wait_ended(self, seconds: float = 45) -> "Bench":
        """Wait for any ending."""
        expect(self.state).to_have_class(ENDED, timeout=seconds * 1000)
        return self

    def wait_refused(self, words: str | re.Pattern[str]) -> "Bench":
        """Wait for a refusal under the sheet, with Run ready again."""
        expect(self.refusal).to_contain_text(words)
        expect(self.go).to_contain_text("Run")
        return self

    def details(self, name: str) -> "Bench":
        """Open or close a tab of the details."""
        self.page.get_by_role("button", name=name, exact=True).click()
        return self

    def answer_text(self) -> str:
        """The answer, character by character as the page holds it."""
        return str(self.answer.evaluate("element => element.textContent"))

    def echoed(self) -> dict[str, Any]:
        """The request that the endpoint `echo` received: method, path, query, headers, body."""
        return dict(json.loads(self.answer_text()))

    def ending(self) -> str:
        """The word of the ending."""
        return self.state.inner_text()

    def status_text(self) -> str:
        """The line under the sheet."""
        return " | ".join(self.status.locator("span").all_inner_texts())

    def group(self, name: str) -> Locator:
        """Everything the panel holds for one parameter."""
        return self.page.locator(f".st-key-parameter-{name}")

    def toggle(self, name: str) -> "Bench":
        """Switch a parameter's sending on or off."""
        was_on = self.box(name).is_enabled()
        self.group(name).get_by_text(name, exact=True).first.click()
        expect(self.box(name)).to_be_enabled(enabled=not was_on)
        self.settled()
        return self

    def box(self, name: str) -> Locator:
        """A parameter's box; disabled while it is switched off. A replaced one lingers for a moment, after the new one."""
        return self.group(name).get_by_role("textbox", name=name).first

    def typed(self, name: str, value: str) -> "Bench":
        """Type a value and leave the box."""
        self.box(name).fill(value)
        self.box(name).press("Tab")
        self.settled()
        return self

    def switch_stream(self) -> "Bench":
        """Switch streaming on or off."""
        self.page.get_by_text("Stream the answer").click()
        self.settled()
        return self

    def slider(self, name: str) -> Locator:
        """The handle of a parameter's slider: the browser's own, hidden input. A replaced one lingers for a moment, after the new one."""
        return self.group(name).get_by_role("slider").first

    def stops(self) -> Locator:
        """The boxes of the stop list."""
        return self.group("stop").get_by_placeholder("for instance")

    def add_stop(self, text: str) -> "Bench":
        """Add an entry to the stop list."""
        count = self.stops().count()
        self.page.get_by_role("button", name="Add a stop sequence").click()
        expect(self.stops()).to_have_count(count + 1)
        box = self.stops().nth(count)
        box.fill(text)
        box.press("Tab")
        self.settled()
        return self

    def remove_stop(self, number: int) -> "Bench":
        """Remove an entry, counted from 1."""
        count = self.stops().count()
        self.group("stop").locator("[class*=st-key-remove-stop] button:visible").nth(number - 1).click()
        expect(self.stops()).to_have_count(count - 1)
        return self

    def screenshot(self, path: Path) -> None:
        """Save the window as it is."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)


class Endpoints:
    """The page of endpoints in one page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self) -> "Endpoints":
        """Go there and wait for the cards."""
        self.page.goto(self.url + "/endpoints")
        return self.ready()

    def follow(self) -> "Endpoints":
        """Go there by the link, in the same session."""
        self.page.get_by_role("link", name="Endpoints").click()
        return self.ready()

    def ready(self) -> "Endpoints":
        """Wait until the cards are drawn and the page is quiet."""
        expect(self.page.get_by_role("heading", name="Endpoints")).to_be_visible(timeout=SHEET_TIME)
        expect(self.card("recorded/yi_34b")).to_be_visible()
        self.settled()
        return self

    def settled(self) -> None:
        """Wait until no script runs."""
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached(timeout=SHEET_TIME)

    def card(self, name: str) -> Locator:
        """The card of an endpoint, by its name or its title."""
        return self.page.locator("[class*=st-key-card-]").filter(has=self.page.get_by_text(name, exact=True))

    def press(self, name: str, button: str) -> "Endpoints":
        """Press a button of a card."""
        self.card(name).get_by_role("button", name=button, exact=True).click()
        return self

    def test(self, name: str) -> Locator:
        """Test an endpoint that was not tested yet, and wait for what that showed."""
        self.press(name, "Test")
        shown = self.card(name).get_by_test_id("stAlert")
        expect(shown).to_be_visible()
        self.settled()
        return shown

    def details(self, name: str) -> Locator:
        """Open or close the details of a card; return it."""
        self.card(name).get_by_text("Details", exact=True).click()
        self.settled()
        return self.card(name)

    def form(self) -> "Endpoints":
        """Open the form for an endpoint of one's own."""
        self.page.get_by_text("Add an endpoint for this session").click()
        expect(self.page.get_by_role("button", name="Add this endpoint")).to_be_visible()
        return self

    def choose_wire(self, title: str) -> "Endpoints":
        """Say what the endpoint speaks."""
        self.page.get_by_role("radio", name=title, exact=True).click()
        expect(self.field("Address of the service" if title == "Qianfan service" else "Model")).to_be_visible()
        self.settled()
        return self

    def choose(self, label: str, option: str) -> "Endpoints":
        """Choose in one of the form's lists."""
        self.page.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.settled()
        return self

    def field(self, label: str) -> Locator:
        """A field of the form."""
        return self.page.get_by_role("textbox", name=label, exact=True)

    def add(self, fields: Mapping[str, str]) -> "Endpoints":
        """Fill the form in and send it."""
        for label, text in fields.items():
            self.field(label).fill(text)
        self.page.get_by_role("button", name="Add this endpoint").click()
        self.settled()
        return self


class HistoryPage:
    """The page of the history in one page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.lines = page.locator(".history-list li")
        self.text = page.locator(".history-text .words")

    def follow(self) -> "HistoryPage":
        """Go there by the link, in the same session."""
        self.page.get_by_role("link", name="History").click()
        expect(self.page.get_by_role("heading", name="History", exact=True)).to_be_visible(timeout=SHEET_TIME)
        self.settled()
        return self

    def settled(self) -> None:
        """Wait until no script runs."""
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached(timeout=SHEET_TIME)

    def open(self, number: int = 0) -> "HistoryPage":
        """Open a line, the newest first, and wait for its text."""
        self.lines.nth(number).locator(".open").click()
        expect(self.text).to_be_visible()
        self.settled()
        return self

    def search(self, words: str) -> "HistoryPage":
        """Type into the search."""
        self.page.get_by_role("searchbox", name="Search").fill(words)
        return self

    def press(self, key: str) -> "HistoryPage":
        """Press a button by its key. A replaced one lingers for a moment, after the new one."""
        self.page.locator(f".st-key-{key} button").first.click()
        self.settled()
        return self

    def text_content(self) -> str:
        """The text that is shown, character by character as the page holds it."""
        return str(self.text.evaluate("element => element.textContent"))
