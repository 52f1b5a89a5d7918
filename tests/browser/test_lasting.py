"""Nothing that happens to the page costs text: a moved slider, a reload, another page, a lost network, another visitor."""

import itertools

import pytest
import requests
from playwright.sync_api import WebSocketRoute, expect

from playground.examples import EXAMPLES
from tests.browser.bench import Bench
from tests.browser.emulator_log import EmulatorLog
from tests.browser.serving import Site
from tests.browser.tunnel import Tunnel

pytestmark = pytest.mark.browser
LOST = ("Failed to load resource", "WebSocket", "ERR_")
DROPS = "".join(f"Drop {number} fell. " for number in range(1, 41))


def recorded() -> str:
    return "".join(event["result"] for event in EXAMPLES["yi_34b"].stream)


@pytest.fixture
def running(bench: Bench, emulator: EmulatorLog) -> Bench:
    """A run of five seconds that has begun to answer."""
    return bench.choose("Yi-34B").toggle("temperature").run().wait_streaming("Beijing")


def assert_whole(bench: Bench, emulator: EmulatorLog) -> None:
    bench.wait_ended()
    assert bench.answer_text() == recorded()
    assert bench.ending() == "Finished" and "6 + 372 = 378 tokens" in bench.status_text()
    assert len(emulator.entries()) == 1, "asked once"
    assert emulator.ended()["ending"] == "completed"


def test_a_moved_slider_costs_no_text(running: Bench, emulator: EmulatorLog):
    for _ in range(5):
        running.slider("temperature").press("ArrowRight")
    expect(running.box("temperature")).to_have_value("0.75")
    running.toggle("top_k").typed("top_k", "7")
    assert_whole(running, emulator)


def test_a_reload_costs_no_text(running: Bench, emulator: EmulatorLog):
    running.page.reload()
    running.ready()
    assert_whole(running, emulator)


def test_a_finished_run_is_there_after_a_reload_with_what_it_was_asked(bench: Bench):
    bench.choose("Cerebras-GPT-6.7B").toggle("top_p").typed("top_p", "0").add_stop("\\n\\n")
    bench.type_prompt("Introduce the city Beijing, please")
    bench.run().wait_ended()
    before = bench.answer_text()
    bench.page.reload()
    bench.ready()
    expect(bench.state).to_have_text("Finished")
    assert bench.answer_text() == before
    assert bench.prompt.input_value() == "Introduce the city Beijing, please"
    assert bench.box("top_p").input_value() == "0.00"
    assert bench.stops().first.input_value() == "\\n\\n"


def test_another_page_and_back_costs_no_text(running: Bench, emulator: EmulatorLog):
    running.page.get_by_role("link", name="Reference").click()
    expect(running.page.get_by_role("heading", name="Error codes")).to_be_visible()
    running.page.get_by_role("link", name="Bench").click()
    running.ready()
    assert running.box("temperature").input_value() == "0.70"
    assert_whole(running, emulator)


def test_two_seconds_without_network_cost_no_text(visit, site: Site, emulator: EmulatorLog):
    with Tunnel(site.url) as tunnel:
        bench = visit(tunnel, expects=LOST).open().choose("Yi-34B").run().wait_streaming("Beijing")
        begun = tunnel.connections
        tunnel.cut()
        bench.page.wait_for_timeout(2000)
        tunnel.mend()
        assert_whole(bench, emulator)
        assert tunnel.connections > begun


def test_a_network_lost_again_and_again_leaves_no_gap(visit, site: Site):
    with Tunnel(site.url) as tunnel:
        bench = visit(tunnel, expects=LOST).open().fault("slow").run()
        for number in (2, 5, 8):
            bench.wait_streaming(f"Drop {number} ")
            tunnel.cut()
            bench.page.wait_for_timeout(300)
            tunnel.mend()
        bench.wait_streaming("Drop 10 ").stop().wait_ended()
        text = bench.answer_text()
    assert DROPS.startswith(text) and text.endswith(". ")


def test_a_lost_websocket_costs_no_text(visit, emulator: EmulatorLog):
    bench = visit(expects=LOST)
    sockets: list[WebSocketRoute] = []

    def passing(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    bench.page.route_web_socket("**/_stcore/stream", passing)
    bench.open().choose("Yi-34B").run().wait_streaming("Beijing")
    sockets[0].close(code=1011, reason="gone")
    assert_whole(bench, emulator)
    bench.toggle("temperature")
    expect(bench.box("temperature")).to_have_value("0.70")
    assert len(sockets) > 1, "the page connected again"


def test_two_visitors_never_see_each_other(visit, emulator: EmulatorLog):
    one, other = visit().open(), visit().open()
    one.fault("slow").run().wait_streaming("Drop 1 ")
    other.choose("Yi-34B").run().wait_streaming("Beijing")
    for _ in range(10):
        assert DROPS.startswith(one.answer_text())
        assert recorded().startswith(other.answer_text())
    one.stop().wait_ended()
    other.wait_ended()
    assert other.answer_text() == recorded() and other.ending() == "Finished"
    assert DROPS.startswith(one.answer_text()) and one.ending() == "Stopped"
    third = visit().open()
    assert third.answer_text() == "" and third.state.inner_text() == "Ready"
    assert sorted(row["ending"] for row in emulator.entries()) == ["client disconnected", "completed"]


@pytest.mark.parametrize("run_id", ["0" * 32, "x", "null"])
def test_a_guessed_run_leads_nowhere(site: Site, run_id: str):
    assert requests.get(f"{site.url}/runs/{run_id}/events", timeout=20).status_code == 404
    assert requests.post(f"{site.url}/runs/{run_id}/stop", timeout=20).status_code == 404


def test_a_link_to_a_run_that_is_gone_says_so(visit):
    bench = visit().open("/?run=" + "0" * 32)
    expect(bench.page.get_by_text("no longer kept on the server")).to_be_visible()
    assert bench.state.inner_text() == "Ready"
    assert "run=" not in bench.page.url


def test_another_sites_page_may_not_stop_a_run(bench: Bench, site: Site):
    bench.fault("slow").run().wait_streaming("Drop 1 ")
    path = bench.page.url.split("run=")[1]
    answer = requests.post(f"{site.url}/runs/{path}/stop", headers={"Origin": "http://example.org"}, timeout=20)
    assert answer.status_code == 403
    bench.wait_streaming("Drop 4 ").stop()


def test_where_the_events_route_is_blocked_the_text_comes_through_the_page(visit, emulator: EmulatorLog):
    bench = visit(expects=("Failed to load resource",)).open().choose("Yi-34B")
    bench.page.route("**/runs/*/events*", lambda route: route.fulfill(status=404, body="not here"))
    bench.run()
    expect(bench.status).to_contain_text("The events route cannot be reached")
    bench.wait_streaming("Beijing")
    grown = {len(bench.answer_text()) for _ in itertools.repeat(None, 20) if not bench.page.wait_for_timeout(100)}
    assert len(grown) > 1, "it grows while it runs"
    assert_whole(bench, emulator)


def test_where_the_events_route_does_not_answer_the_text_comes_through_the_page(visit, emulator: EmulatorLog):
    bench = visit(expects=("Failed to load resource",)).open().choose("Yi-34B")
    bench.page.route("**/runs/*/events*", lambda route: route.abort())
    bench.run()
    expect(bench.status).to_contain_text("The events route cannot be reached")
    assert_whole(bench, emulator)
