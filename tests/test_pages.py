"""The pages without a browser: what the script draws, keeps, refuses and sends."""

from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from playground.language import LANGUAGES
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Settings

PATIENCE = 30
LOCALES = {"en": "en-GB", "zh_CN": "zh-CN"}


@pytest.fixture
def service(emulator_url: str) -> Iterator[Service]:
    st.cache_resource.clear()
    yield open_service(Settings(values={}, fault_endpoints=True), emulator_url)
    close_service()


def open_page(name: str, locale: str = "en-GB") -> AppTest:
    page = AppTest.from_file(str(ROOT / name), default_timeout=PATIENCE)
    page.context = {"locale": locale}
    page.run()
    assert not page.exception
    return page


def toggle(page: AppTest, name: str) -> None:
    page.toggle(key=state.sent(name)).set_value(not page.toggle(key=state.sent(name)).value).run()
    assert not page.exception


def box(page: AppTest, name: str):
    return next(one for one in page.text_input if (one.key or "").startswith(f"typed-{name}"))


def selector(page: AppTest):
    return page.selectbox[0]


def slider(page: AppTest, name: str):
    return next(one for one in page.slider if (one.key or "").startswith(f"slid-{name}"))


def said(page: AppTest) -> str:
    return "\n".join(one.value for one in page.caption)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("locale", LOCALES.values(), ids=list(LOCALES))
@pytest.mark.parametrize("name", ["components/shell.py", "pages/bench.py", "pages/reference.py"])
def test_a_page_is_drawn_in_each_language(name: str, locale: str):
    assert set(LOCALES) == set(LANGUAGES)
    open_page(name, locale)


@pytest.mark.usefixtures("service")
def test_nothing_is_sent_unless_switched_on_and_a_start_value_is_no_default():
    page = open_page("pages/bench.py")
    assert [one.value for one in page.toggle] == [False, False, False, False, True, False]
    assert [one.disabled for one in page.slider] == [True] * 4
    toggle(page, "temperature")
    assert (box(page, "temperature").value, slider(page, "temperature").value) == ("0.70", 0.7)


@pytest.mark.usefixtures("service")
def test_slider_and_box_stay_in_step():
    page = open_page("pages/bench.py")
    toggle(page, "penalty_score")
    box(page, "penalty_score").set_value("1.5").run()
    assert slider(page, "penalty_score").value == 1.5
    slider(page, "penalty_score").set_value(1.27).run()
    assert box(page, "penalty_score").value == "1.27"
    toggle(page, "top_k")
    box(page, "top_k").set_value("1000").run()
    assert (box(page, "top_k").value, slider(page, "top_k").value) == ("1000", 100)


@pytest.mark.usefixtures("service")
def test_a_precise_value_stays_as_typed():
    page = open_page("pages/bench.py")
    toggle(page, "temperature")
    box(page, "temperature").set_value("0.123456").run()
    assert (box(page, "temperature").value, slider(page, "temperature").value) == ("0.123456", 0.12)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temperature", "0", "temperature must be greater than 0, at most 1"),
        ("temperature", "nan", "finite"),
        ("top_p", "1.01", "top_p must be from 0 to 1"),
        ("top_k", "2.5", "is not a whole number"),
        ("penalty_score", "0.99", "penalty_score must be from 1 to 2"),
        ("penalty_score", "abc", "is not a number"),
        ("top_p", "", "Type a value, or switch it off."),
    ],
)
def test_a_refused_value_stays_in_its_box_with_the_reason(name: str, value: str, words: str):
    page = open_page("pages/bench.py")
    toggle(page, name)
    box(page, name).set_value(value).run()
    assert not page.exception
    assert box(page, name).value == value
    assert words in said(page).replace("\\", "")


@pytest.mark.usefixtures("service")
def test_stops_are_added_counted_refused_and_removed():
    page = open_page("pages/bench.py")

    def stops():
        return [one for one in page.text_input if (one.key or "").startswith("stop-")]

    for text in ("\\n\\n", "END", "x" * 21, "END"):
        page.button(key="add-stop").click().run()
        stops()[-1].set_value(text).run()
        assert not page.exception
    assert page.button(key="add-stop").disabled
    words = said(page).replace("\\", "")
    assert "4 / 4" in words and "⏎⏎ · 2 / 20" in words
    assert "Entry 3 of stop has 21 characters; at most 20 are permitted" in words and "Entry 4 of stop is there already" in words
    page.button(key=f"remove-{stops()[1].key}").click().run()
    assert [one.value for one in stops()] == ["\\n\\n", "x" * 21, "END"]
    assert "is there already" not in said(page)


def test_an_endpoint_that_is_off_says_why_and_what_to_do(service: Service):
    page = open_page("pages/bench.py")
    selector(page).set_value("own/yi_34b").run()
    assert not page.exception
    off = service.endpoints["own/yi_34b"].off
    assert off is not None and off.remedy is not None
    words = said(page).replace("\\", "")
    assert str(off.message) in words and str(off.remedy) in words


def test_without_an_emulator_every_row_is_off_and_the_page_opens():
    st.cache_resource.clear()
    open_service(Settings(values={}))
    try:
        page = open_page("pages/bench.py")
        assert "The emulator is not running." in said(page).replace("\\", "")
    finally:
        close_service()


@pytest.mark.usefixtures("service")
def test_a_choice_survives_another_page():
    page = open_page("components/shell.py")
    toggle(page, "top_p")
    box(page, "top_p").set_value("0.25").run()
    selector(page).set_value("recorded/yi_34b").run()
    page.switch_page("../pages/reference.py").run()
    assert not page.exception and page.title[0].value == "Reference"
    page.switch_page("../pages/bench.py").run()
    assert not page.exception
    assert selector(page).value == "recorded/yi_34b"
    assert (page.toggle(key=state.sent("top_p")).value, box(page, "top_p").value) == (True, "0.25")
    assert slider(page, "top_p").value == 0.25


@pytest.mark.usefixtures("service")
def test_the_models_advice_shows_only_with_both_switched_on():
    page = open_page("pages/bench.py")
    selector(page).set_value("recorded/cerebras_gpt_6_7b").run()
    toggle(page, "temperature")
    assert "not both" not in said(page)
    toggle(page, "top_p")
    assert "not both" in said(page)
    selector(page).set_value("recorded/yi_34b").run()
    assert "not both" not in said(page)
