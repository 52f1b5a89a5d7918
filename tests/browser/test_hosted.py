"""The app as it is hosted: under a base path, behind nginx with the configuration that is shipped, in two replicas."""

import os
import re
import time

import pytest
import requests
from playwright.sync_api import expect

from deploy.replicas import replicas
from tests.browser.serving import OURS, Site
from tests.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosted")
    settings = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    settings |= {"LOCAL_MODEL": "off", "PLAYGROUND_FAULT_ENDPOINTS": "1", "PLAYGROUND_METRICS": "1"}
    with replicas(f"sqlite:///{folder / 'playground.sqlite3'}", folder, base="play", environ=settings) as started:
        yield started
    assert all("Traceback" not in app.log.read_text() for app in started.apps)


@pytest.fixture
def hosted(running, visit):
    """One visitor on the bench, through the proxy. Streamlit looks for its base path by asking under a deep link first, and hears 404."""
    return visit(Site(url=running.url, emulator_url="", log_file=running.apps[0].log), expects=("/play/endpoints/_stcore/",)).open()


def test_a_run_streams_through_the_proxy_and_is_found_again(hosted):
    """Sentence by sentence: nothing on the way keeps the text back."""
    hosted.fault("slow").run().wait_streaming("Drop 1 ")
    begun = time.monotonic()
    hosted.wait_streaming("Drop 5 ")
    assert time.monotonic() - begun > 1, "they did not come all at once"
    hosted.stop().wait_ended()
    expect(hosted.note).to_contain_text("Stopped by you")
    text = hosted.answer_text()
    hosted.page.reload()
    hosted.ready().wait_ended()
    assert hosted.answer_text() == text


def test_deep_links_and_the_cookie_keep_to_the_base_path(hosted, running):
    hosted.page.goto(running.url + "/endpoints")
    expect(hosted.page.get_by_role("heading", name="Endpoints")).to_be_visible()
    cookies = {cookie["name"]: cookie for cookie in hosted.page.context.cookies()}
    assert cookies["playground_visitor"]["path"] == "/play" and cookies["playground_visitor"]["httpOnly"]


def test_a_recording_is_downloaded_through_the_proxy(hosted, running):
    hosted.run().wait_ended()
    run_id = re.findall(r"run=([0-9a-f]{32})", hosted.page.url)[0]
    answer = requests.get(f"{running.url}/runs/{run_id}/recording", timeout=10)
    assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
    assert len(answer.text.splitlines()) > 2


def test_a_run_is_found_at_whichever_replica_it_goes_on(running):
    """A request without the visitor's cookie goes to a replica by its address, and that one need not know the run."""
    with Visitor(running.url) as one, Visitor(running.url) as other:
        for visitor in (one, other):
            run_id = visitor.start("slow")
            known = [requests.get(f"{app.url}/runs/{run_id}/recording", timeout=10).status_code for app in running.apps]
            assert sorted(known) == [200, 404]
            for number in range(8):
                through = requests.get(f"{running.url}/runs/{run_id}/recording", cookies={"playground_visitor": f"any {number}"}, timeout=10)
                assert through.status_code == 200
            assert requests.post(f"{running.url}/runs/{run_id}/stop", timeout=10).json() == {"ending": "stopped"}
    assert requests.get(f"{running.url}/runs/{'0' * 32}/events", timeout=10).status_code == 404


@pytest.mark.parametrize("path", ["metrics", "_stcore/metrics", "readyz"])
def test_what_is_for_the_owner_is_asked_of_a_replica_and_not_of_the_proxy(running, path):
    assert requests.get(f"{running.url}/{path}", timeout=10).status_code == 404
    assert requests.get(f"{running.apps[0].url}/{path}", timeout=10).status_code == 200


def test_share_links_are_reached_through_the_proxy(running):
    answer = requests.get(f"{running.url}/s/nothing-of-this-name", timeout=10)
    assert answer.status_code == 404 and "There is no such link." in answer.text


def test_files_are_packed_and_kept_and_a_page_is_not(running):
    page = requests.get(f"{running.url}/", timeout=10)
    assert "no-store" in page.headers["cache-control"] and "playground_visitor" in page.headers["set-cookie"]
    script = re.findall(r'src="\.?/?((?:play/)?static/js/[^"]+\.js)"', page.text)[0].removeprefix("play/")
    packed = requests.get(f"{running.url}/{script}", timeout=10)
    assert packed.headers["content-encoding"] == "gzip" and "max-age" in packed.headers["cache-control"]


def test_an_address_that_a_visitor_writes_himself_goes_no_further(running):
    with Visitor(running.url) as visitor:
        events = visitor.start("Yi-34B", "Recorded answers")
    answer = requests.get(f"{running.url}/runs/{events}/events", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}, timeout=20)
    assert answer.status_code == 200 and "event: end" in answer.text
    secure = requests.get(f"{running.url}/", headers={"X-Forwarded-Proto": "https"}, timeout=10)
    assert "Secure" in secure.headers["set-cookie"], "behind TLS the cookie is for TLS alone"
    assert "Secure" not in requests.get(f"{running.url}/", timeout=10).headers["set-cookie"]


def test_a_flood_of_pages_from_one_address_is_turned_away(running):
    answers = [requests.get(f"{running.url}/_stcore/stream", timeout=10).status_code for _ in range(120)]
    assert 429 in answers and answers[0] != 429
    assert requests.get(f"{running.url}/healthz", timeout=10).status_code == 200, "all else goes on"
