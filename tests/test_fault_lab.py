"""The fault lab: the list the emulator serves, names put together from figures, and the page that puts one on the bench."""

from collections.abc import Iterator

import pytest
import requests
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from emulator.options import API_KEY, SECRET_KEY, Options
from emulator.server import FAMILIES, Running, running
from emulator.services import find
from playground.endpoints import FAULTS
from playground.errors import ConnectionFailed, ServiceError
from playground.fault_lab import Fault, read_faults
from playground.faults import DESCRIPTIONS
from playground.providers.qianfan import COMPLETION_PATH
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Settings
from tests.scripted_server import ScriptedServer, json_reply, reply, unused_port

PATIENCE = 30


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(options=Options(pace=0)) as served:
        yield served


@pytest.fixture
def service(emulator: Running) -> Iterator[Service]:
    st.cache_resource.clear()
    yield open_service(Settings(values={}, fault_endpoints=True), emulator.base_url)
    close_service()


def fault(emulator: Running, title: str) -> Fault:
    return next(one for one in read_faults(emulator.base_url) if one.title == title)


def defaults(one: Fault) -> dict[str, float]:
    return {setting.name: setting.default for setting in one.settings}


# --- the list ---


def test_the_list_is_every_fault_and_nothing_else(emulator: Running):
    faults = read_faults(emulator.base_url)
    assert [one.title for one in faults if one.settings] == [family.title for family in FAMILIES]
    assert {one.title for one in faults} == set(DESCRIPTIONS), "each fault has its words, and no words are left over"
    assert set(FAULTS) <= {one.title for one in faults}
    assert not {"yi_34b", "local_model"} & {one.title for one in faults}
    assert all(one.words == DESCRIPTIONS[one.title] for one in faults)


def test_every_letter_of_a_title_has_its_figure(emulator: Running):
    for one in read_faults(emulator.base_url):
        letters = [part for part in one.title.split("_") if part.isupper() and part.isalpha()]
        assert letters == [setting.name for setting in one.settings], one.title


@pytest.mark.parametrize("end", ["minimum", "default", "maximum"])
@pytest.mark.parametrize("title", [family.title for family in FAMILIES])
def test_a_name_put_together_is_an_endpoint(emulator: Running, title: str, end: str):
    one = fault(emulator, title)
    name = one.name({setting.name: getattr(setting, end) for setting in one.settings})
    assert find(name, {}, FAMILIES), name


@pytest.mark.parametrize(
    ("title", "values", "name"),
    [
        ("silent_N", {"N": 2.0}, "silent_2"), ("silent_N", {"N": 0.25}, "silent_0.25"), ("silent_N", {"N": 9999.0}, "silent_9999"),
        ("silent_N", {"N": 1000.0}, "silent_1000"), ("silent_before_headers_N", {"N": 0.0}, "silent_before_headers_0"),
        ("long_C_R", {"C": 90_000.0, "R": 0.0}, "long_90000_0"), ("quota_CODE_N", {"CODE": 336501.0, "N": 3.0}, "quota_336501_3"),
        ("error_code_N", {"N": 17.0}, "error_code_17"),
    ],
)
def test_a_figure_is_written_as_names_carry_it(emulator: Running, title: str, values: dict[str, float], name: str):
    assert fault(emulator, title).name(values) == name


def test_a_fault_without_figures_is_named_by_its_title(emulator: Running):
    assert fault(emulator, "cut_mid_event").name({}) == "cut_mid_event"
    assert str(fault(emulator, "cut_mid_event").note({})) == DESCRIPTIONS["cut_mid_event"]
    assert str(fault(emulator, "quota_CODE_N").note({"CODE": 18, "N": 2})) == "CODE for N calls, then it answers (CODE = 18, N = 2)"


def test_a_name_put_together_does_what_it_says(emulator: Running):
    token = requests.post(
        f"{emulator.base_url}/oauth/2.0/token", timeout=5,
        params={"grant_type": "client_credentials", "client_id": API_KEY, "client_secret": SECRET_KEY},
    ).json()["access_token"]

    def ask(title: str, **values: float) -> dict[str, object]:
        url = f"{emulator.base_url}{COMPLETION_PATH}{fault(emulator, title).name(values)}?access_token={token}"
        return dict(requests.post(url, json={"prompt": "a"}, timeout=5).json())

    assert ask("error_code_N", N=336007)["error_code"] == 336007
    assert [ask("quota_CODE_N", CODE=18, N=1).get("error_code") for _ in range(2)] == [18, None]
    assert len(str(ask("long_C_R", C=123, R=0)["result"])) == 123


def test_the_list_is_asked_for_once():
    row = {"name": "silent_N", "kind": "fault", "description": "words", "settings": [
        {"name": "N", "words": "seconds", "kind": "float", "minimum": 0, "maximum": 9, "default": 1}]}
    with ScriptedServer(json_reply([row, {"name": "yi_34b", "kind": "recorded", "description": "", "settings": []}])) as server:
        first, second = read_faults(server.url), read_faults(server.url)
        assert first == second and [one.title for one in first] == ["silent_N"]
        assert [request.path for request in server.requests] == ["/_emulator/endpoints"]


@pytest.mark.parametrize(
    "content", [b"<html>", b"{}", b"[1]", b'[{"name": "a"}]', b'[{"name": "a", "kind": "fault", "description": "b", "settings": [{}]}]'],
)
def test_what_is_no_list_is_told_in_words_and_asked_for_again(content: bytes):
    with ScriptedServer(reply(content, content_type="application/json")) as server:
        for _ in range(2):
            with pytest.raises(ServiceError, match="cannot be read"):
                read_faults(server.url)
        assert len(server.requests) == 2


def test_an_emulator_that_is_gone_is_told_in_words():
    with pytest.raises(ConnectionFailed):
        read_faults(f"http://127.0.0.1:{unused_port()}")


# --- the page ---


def open_page(name: str = "components/shell.py", locale: str = "en-GB") -> AppTest:
    page = AppTest.from_file(str(ROOT / name), default_timeout=PATIENCE)
    page.context = {"locale": locale}
    page.run()
    if name.startswith("components"):
        page.switch_page("../pages/faults.py").run()
    assert not page.exception
    return page


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("title", ["cut_mid_event", "echo", "gap"])
def test_a_fault_is_opened_on_the_bench(title: str):
    page = open_page()
    page.radio(key=state.LAB_FAULT).set_value(title).run()
    page.button(key="open-fault").click().run()
    assert not page.exception
    assert page.session_state[state.ENDPOINT] == f"fault/{title}"
    assert page.selectbox[0].value == f"fault/{title}"


@pytest.mark.usefixtures("service")
def test_a_fault_with_figures_is_opened_with_them_and_stays_for_the_session():
    page = open_page()
    page.radio(key=state.LAB_FAULT).set_value("long_C_R").run()
    page.number_input(key=state.figure("long_C_R", "C")).set_value(600).run()
    page.number_input(key=state.figure("long_C_R", "R")).set_value(0).run()
    assert any("long_600_0" in one.value for one in page.markdown)
    page.button(key="open-fault").click().run()
    assert not page.exception and page.selectbox[0].value == "fault/long_600_0"
    page.selectbox[0].set_value("recorded/yi_34b").run()
    page.switch_page("../pages/faults.py").run()
    assert page.number_input(key=state.figure("long_C_R", "C")).value == 600
    page.switch_page("../pages/bench.py").run()
    page.selectbox[0].set_value("fault/long_600_0").run()
    assert not page.exception and page.session_state[state.ENDPOINT] == "fault/long_600_0"


@pytest.mark.usefixtures("service")
def test_an_error_code_is_chosen_from_the_table():
    page = open_page()
    page.radio(key=state.LAB_FAULT).set_value("error_code_N").run()
    page.selectbox[0].set_value("336100").run()
    page.button(key="open-fault").click().run()
    assert not page.exception and page.session_state[state.ENDPOINT] == "fault/error_code_336100"


def test_another_visitor_does_not_see_it(service: Service):
    page = open_page()
    page.radio(key=state.LAB_FAULT).set_value("silent_N").run()
    page.button(key="open-fault").click().run()
    name = page.session_state[state.ENDPOINT]
    assert name not in service.endpoints
    other = open_page()
    assert state.LAB_ENDPOINTS not in other.session_state


@pytest.mark.usefixtures("service")
def test_a_search_narrows_the_list_and_says_when_nothing_is_left():
    page = open_page()
    page.text_input(key=state.LAB_QUERY).set_value("token counts").run()
    assert page.radio(key=state.LAB_FAULT).options == [r"usage\_late", r"no\_usage"]
    page.text_input(key=state.LAB_QUERY).set_value("no such thing").run()
    assert not page.exception and "no such thing" in page.info[0].value
    assert not [one for one in page.button if one.key == "open-fault"]


def test_without_the_switch_there_is_no_page_and_no_row(emulator: Running):
    st.cache_resource.clear()
    open_service(Settings(values={}), emulator.base_url)
    try:
        page = open_page("pages/faults.py")
        assert "PLAYGROUND_FAULT_ENDPOINTS" in page.info[0].value.replace("\\", "") and not page.radio
        shell = AppTest.from_file(str(ROOT / "components" / "shell.py"), default_timeout=PATIENCE).run()
        with pytest.raises(ValueError, match="Could not find a navigation page"):
            shell.switch_page("../pages/faults.py").run()
    finally:
        close_service()


def test_an_emulator_that_cannot_be_asked_is_told_on_the_page():
    st.cache_resource.clear()
    open_service(Settings(values={}, fault_endpoints=True), f"http://127.0.0.1:{unused_port()}")
    try:
        assert open_page("pages/faults.py").error[0].value
    finally:
        close_service()
