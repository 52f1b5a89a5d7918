"""The page of endpoints: what is there and what is missing, a test with its cost said before, an endpoint of one's own, and a probe."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bench import Bench, Endpoints
from tests.browser.conftest import Serve, Visit
from tests.browser.serving import Site, copy_of_app
from tests.scripted_server import HANG, ScriptedServer, json_reply, reply

pytestmark = pytest.mark.browser
KEY = "visitors-own-key-4711"
OWN = "Your own, for this session"
RECORDED = "recorded/stablelm_alpha_7b"


def chunk(text: str, finish_reason: str | None = None, **fields: object) -> bytes:
    return f"data: {json.dumps({'choices': [{'text': text, 'index': 0, 'finish_reason': finish_reason}], **fields})}\n\n".encode()


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 6, "completion_tokens": 8, "total_tokens": 14}}\n\n'
ANSWER = reply(chunk(" 4,"), chunk(" 5, 6"), chunk("", "length"), USAGE, b"data: [DONE]\n\n")


def endpoints(visit: Visit, *at: Site) -> Endpoints:
    """A new visitor who goes to the page by its address; Streamlit looks for its own routes there first."""
    bench = visit(*at, expects=("/endpoints/_stcore/",))
    return Endpoints(bench.page, bench.url).open()


def to_bench(page: Page, url: str) -> Bench:
    """Go to the bench by its link, in the same session."""
    page.get_by_role("link", name="Bench").click()
    return Bench(page, url).ready()


def test_what_is_configured_can_be_tested_and_what_is_missing_is_said_with_what_to_do(visit: Visit):
    page = endpoints(visit)
    expect(page.card(RECORDED)).to_contain_text("● StableLM-Alpha-7B")
    expect(page.card(RECORDED).get_by_role("button", name="Test", exact=True)).to_be_enabled()
    missing = page.card("own/yi_34b")
    expect(missing).to_contain_text("○ Yi-34B")
    expect(missing).to_contain_text("from QIANFAN_BASE_URL, QIANFAN_ENDPOINT_YI_34B, QIANFAN_AK, QIANFAN_SK")
    expect(missing).to_contain_text("The address of your service is not set. Set QIANFAN_ENDPOINT_YI_34B in .env")
    expect(page.card("openai")).to_contain_text("The address of your server is not set. Set OPENAI_BASE_URL in .env")
    for name in ("own/yi_34b", "openai"):
        expect(page.card(name).get_by_role("button")).to_have_count(0)
    expect(page.page.get_by_text("fault/echo")).to_have_count(0)


def test_a_recorded_endpoint_is_tested_and_its_card_tells_what_it_can_do(visit: Visit):
    page = endpoints(visit)
    page.card(RECORDED).get_by_role("button", name="Test", exact=True).hover()
    expect(page.page.get_by_role("tooltip")).to_have_text("One request; it costs nothing.")
    card = page.details(RECORDED)
    expect(card).to_contain_text("Last checked never")
    expect(card).to_contain_text("Prompt at most 131,072 characters")
    for bounds in ("temperature greater than 0, at most 1", "top_p from 0 to 1", "penalty_score from 1 to 2", "stop at most 4 entries of at most"):
        expect(card).to_contain_text(bounds)
    shown = page.test(RECORDED)
    expect(shown).to_contain_text("Access Accepted with an access token.")
    expect(shown).to_contain_text("HTTP status 200")
    expect(shown).to_contain_text(re.compile(r"First sentence after \d+\.\d\d s"))
    expect(shown).to_contain_text("Shape An event stream; sentences: 2.")
    expect(shown).to_contain_text("Usage Completion tokens are stated for each sentence alone")
    expect(card).to_contain_text("Safety It states is_safe.")
    expect(card).to_contain_text(re.compile(r"Last checked \d\d:\d\d:\d\d"))


def test_an_openai_compatible_server_is_tested_and_a_wrong_key_is_told_in_words(visit: Visit, serve: Serve):
    refusal = json_reply({"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}, "401 Unauthorized")
    with ScriptedServer(ANSWER, refusal) as server:
        site = serve(OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_MODEL="the-model", OPENAI_API_KEY=KEY)
        page = endpoints(visit, site)
        expect(page.card("openai")).to_contain_text("no price stated")
        page.card("openai").get_by_role("button", name="Test", exact=True).hover()
        expect(page.page.get_by_role("tooltip")).to_have_text(re.compile(r"One request, at most about \d+ tokens: cost unknown\."))
        assert server.requests == []
        shown = page.test("openai")
        for words in ("Accepted with a bearer key.", "HTTP status 200", "First sentence after", "Shape An event stream; sentences: 2.", "Usage"):
            expect(shown).to_contain_text(words)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.requests[0].fields["max_tokens"] == 8
        page.press("openai", "Test")
        expect(shown).to_contain_text("Refused with a bearer key: Incorrect API key provided: •••")
        expect(shown).to_contain_text("HTTP status 401")
        expect(shown).to_contain_text("Check the endpoint's key: whether it is set, whole, and of this server.")
        assert KEY not in page.page.content() + site.log


def test_stop_ends_a_test_that_waits_for_a_silent_server(visit: Visit, serve: Serve):
    with ScriptedServer(reply(HANG)) as server:
        site = serve(OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_MODEL="the-model")
        page = endpoints(visit, site)
        page.press("openai", "Test")
        expect(page.card("openai")).to_contain_text("Testing…")
        page.press("openai", "Stop")
        assert server.client_left.wait(5)
        expect(page.card("openai").get_by_test_id("stAlert")).to_contain_text("Not told: there was no answer.")
        expect(page.card("openai").get_by_role("button", name="Test", exact=True)).to_be_visible()


def test_an_endpoint_of_ones_own_is_used_with_its_key_and_ends_with_the_session(visit: Visit, site: Site):
    with ScriptedServer(ANSWER) as server:
        page = endpoints(visit).form()
        page.add({"Name": "My server", "Base URL": f"{server.url}/v1", "Model": "the-model", "Key, where it wants one": KEY})
        card = page.card("My server")
        expect(card).to_contain_text("it is kept for as long as this session lasts.")
        for label in ("Name", "Model", "Key, where it wants one"):
            expect(page.field(label)).to_have_value("")
        card.get_by_role("button", name="Use", exact=True).click()
        bench = Bench(page.page, page.url).ready()
        expect(bench.page.get_by_role("combobox", name="Endpoint")).to_have_value(f"● My server · {OWN}")
        bench.type_prompt("1, 2, 3,")
        bench.run().wait_ended()
        assert bench.answer_text() == " 4, 5, 6" and bench.ending() == "Finished"
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert server.requests[0].path == "/v1/completions" and server.requests[0].fields["model"] == "the-model"

        other = endpoints(visit)
        expect(other.card("My server")).to_have_count(0)
        page.follow()
        expect(page.card("My server")).to_be_visible()
        page.open()
        expect(page.card("My server")).to_have_count(0)
        assert KEY not in page.page.content() + other.page.content() + site.log
        assert server.connections == 1


def test_an_endpoint_of_ones_own_can_be_removed(visit: Visit):
    page = endpoints(visit).form()
    for name in ("first", "second"):
        page.add({"Name": name, "Base URL": "http://127.0.0.1:9/v1", "Model": "the-model"})
        expect(page.card(name)).to_be_visible()
    page.card("first").get_by_role("button", name="delete").click()
    expect(page.card("first")).to_have_count(0)
    expect(page.card("second")).to_be_visible()
    bench = to_bench(page.page, page.url)
    box = bench.page.get_by_role("combobox", name="Endpoint")
    box.click()
    box.fill(OWN)
    expect(bench.page.get_by_role("option")).to_have_text([f"● second · {OWN}"])


def test_what_cannot_be_an_endpoint_is_refused_beside_the_form_and_stays_as_it_was_typed(visit: Visit):
    page = endpoints(visit).form()
    typed = {"Name": "My server", "Base URL": "example.org/v1", "Model": "the-model", "Key, where it wants one": KEY}
    page.add(typed)
    expect(page.page.get_by_text("Base URL is not a web address. It must begin with https:// or http:// and name a host.")).to_be_visible()
    for label, text in typed.items():
        expect(page.field(label)).to_have_value(text)
    page.add({"Base URL": "https://example.org/v1", "Model": ""})
    expect(page.page.get_by_text("Fill in “Model”: a name that the server lists under /v1/models.")).to_be_visible()
    expect(page.card("My server")).to_have_count(0)
    page.choose_wire("Qianfan service")
    page.add({"Address of the service": "mine", "API key": "an-api-key"})
    expect(page.page.get_by_text("Secret key is missing.")).to_be_visible()
    page.add({"Secret key": "a secret key"})
    expect(page.page.get_by_text("Secret key holds a character that no key has.")).to_be_visible()
    page.add({"Secret key": "a-secret-key"})
    expect(page.card("My server")).to_contain_text("example.org")


def test_where_own_endpoints_are_off_there_is_no_form(visit: Visit, serve: Serve):
    page = endpoints(visit, serve(PLAYGROUND_VISITOR_ENDPOINTS="off"))
    page.page.get_by_text("Add an endpoint for this session").click()
    expect(page.page.get_by_text("Adding one's own endpoint is switched off on this server.")).to_be_visible()
    expect(page.page.get_by_role("button", name="Add this endpoint")).to_have_count(0)


def test_where_only_the_public_internet_is_open_this_computer_is_not_reached(visit: Visit, serve: Serve):
    refusal = "This address leads into a private network, and this server does not let visitors' endpoints go there."
    with ScriptedServer(ANSWER) as server:
        page = endpoints(visit, serve(PLAYGROUND_VISITOR_ENDPOINTS="public")).form()
        expect(page.page.get_by_text("Only addresses of the public internet can be reached from here.")).to_be_visible()
        page.add({"Name": "Inside", "Base URL": f"{server.url}/v1", "Model": "the-model"})
        expect(page.test("Inside")).to_contain_text(f"Access Not reached: {refusal} What to do Use an address on the public internet")
        bench = to_bench(page.page, page.url).choose("Inside", OWN).run().wait_ended()
        assert bench.ending() == "Failed"
        expect(bench.note).to_contain_text(refusal)
        assert server.connections == 0


def test_a_probe_says_its_cost_first_then_how_far_it_is_then_what_was_seen(visit: Visit, serve: Serve, tmp_path: Path):
    root = copy_of_app(tmp_path / "copy")
    entry = (root / "app.py").read_text(encoding="utf-8")
    assert "Options(keep_bodies=False)" in entry
    (root / "app.py").write_text(entry.replace("Options(keep_bodies=False)", "Options(keep_bodies=False, pace=0.2)"), encoding="utf-8")
    page = endpoints(visit, serve(root))
    card = page.details(RECORDED)
    for name in ("top_p", "top_k", "penalty_score", "stop"):
        card.get_by_role("button", name=name, exact=True).click()
    expect(card.get_by_text(re.compile(r"^\d+ requests; they cost nothing\."))).to_contain_text("12 requests; they cost nothing.")
    card.get_by_role("slider", name="Answers for each setting").press("ArrowLeft")
    expect(card).to_contain_text("10 requests; they cost nothing. A parameter that does nothing is said to act at most")
    card.get_by_role("button", name="Start asking").click()
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(card).to_contain_text(re.compile(r"[1-9] of 10 requests · temperature"))
    expect(card).to_contain_text("temperature no effect seen No effect seen in 5 answers with")
    expect(card.get_by_role("button", name="Start asking")).to_be_visible()
