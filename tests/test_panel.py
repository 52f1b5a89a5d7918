"""The panel without a browser: presets, marks, notes, the stop simulator, the exact request, code and paste."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import streamlit as st
from hypothesis import given, settings, strategies
from streamlit.testing.v1 import AppTest

from components import state
from playground.client import Client, Exchange
from playground.completion import CompletionRequest
from playground.endpoints import Endpoint
from playground.export import LANGUAGES, export, target_of
from playground.parameters import check_parameters
from playground.paste import read_paste
from playground.presets import BUILT_IN, Preset
from playground.providers.qianfan import PARAMETERS, body
from playground.redaction import Secret
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Settings
from playground.stops import decode, encode
from playground.visitors import user_id
from playground.wire import Cancel

CREATIVE = next(preset for preset in BUILT_IN if preset.name == "Creative")


@pytest.fixture
def service(emulator_url: str) -> Iterator[Service]:
    st.cache_resource.clear()
    yield open_service(Settings(values={}, fault_endpoints=True), emulator_url)
    close_service()


@pytest.fixture(scope="module")
def echo(emulator_url: str) -> Endpoint:
    opened = open_service(Settings(values={}, fault_endpoints=True), emulator_url)
    return opened.endpoints["fault/echo"]


@pytest.fixture
def page(service: Service) -> AppTest:
    page = AppTest.from_file(str(ROOT / "pages" / "bench.py"), default_timeout=30)
    page.context = {"locale": "en-GB"}
    return page.run()


def pick(page: AppTest, label: str, value: str) -> None:
    next(one for one in page.selectbox if one.label == label).set_value(value).run()
    assert not page.exception


def press(page: AppTest, key: str) -> None:
    next(one for one in page.button if (one.key or "").startswith(key)).click().run()
    assert not page.exception


def box(page: AppTest, key: str):
    return next(one for one in page.text_input if (one.key or "").startswith(key))


def show(page: AppTest, view: str) -> None:
    page.button_group(key=state.REQUEST_VIEW).set_value(view).run()
    assert not page.exception


def sent(page: AppTest) -> dict:
    """The body as the exact request shows it."""
    show(page, "request")
    return json.loads(next(one.value for one in page.code if one.value.startswith("{")))


def send_mark(page: AppTest) -> None:
    page.toggle(key=state.sent("user_id")).set_value(True).run()
    assert not page.exception


def fill(page: AppTest, **fields: object) -> str:
    """Paste a body, fill the form with it, and return what was said."""
    show(page, "paste")
    page.text_area(key=state.PASTED).set_value(json.dumps(fields)).run()
    press(page, "fill")
    return "\n".join(one.value for one in [*page.info, *page.warning]).replace("\\", "")


def captions(page: AppTest) -> str:
    return "\n".join(one.value for one in page.caption)


def numbers_sent(page: AppTest) -> dict:
    return {name: value for name, value in sent(page).items() if name not in ("prompt", "stream")}


def test_a_preset_sets_every_control_and_a_changed_one_goes_back_to_it(page: AppTest):
    pick(page, "Preset", "Creative")
    assert numbers_sent(page) == CREATIVE.values
    box(page, "typed-temperature").set_value("0.5").run()
    assert numbers_sent(page)["temperature"] == 0.5
    press(page, "reset-temperature")
    assert numbers_sent(page) == CREATIVE.values
    assert not [one for one in page.button if (one.key or "").startswith("reset-temp")]


def test_reset_all_goes_back_to_the_preset_stop_list_included(page: AppTest):
    press(page, "add-stop")
    box(page, "stop-0").set_value("\\n\\n").run()
    assert numbers_sent(page) == {"stop": ["\n\n"]}
    press(page, "reset-all")
    assert numbers_sent(page) == {}


def test_ones_own_preset_is_saved_renamed_deleted_and_brought_back(page: AppTest):
    pick(page, "Preset", "Precise")
    box(page, "typed-temperature").set_value("0.33").run()
    box(page, "preset-name").set_value("mine").run()
    press(page, "preset-save")
    pick(page, "Preset", "Endpoint decides")
    pick(page, "Preset", "mine")
    assert numbers_sent(page)["temperature"] == 0.33
    box(page, "preset-name").set_value("ours").run()
    press(page, "preset-rename")
    assert [one.value for one in page.selectbox if one.label == "Preset"] == ["ours"]
    press(page, "preset-delete")
    assert "ours" not in next(one for one in page.selectbox if one.label == "Preset").options
    press(page, "preset-undo")
    assert [one.value for one in page.selectbox if one.label == "Preset"] == ["ours"]


def test_a_preset_without_a_name_or_with_a_taken_one_is_refused_in_words(page: AppTest):
    press(page, "preset-save")
    assert "needs a name" in captions(page)
    box(page, "preset-name").set_value("Creative").run()
    press(page, "preset-save")
    assert "already" in captions(page)


def test_a_setting_that_makes_another_inert_is_noted(page: AppTest):
    pick(page, "Preset", "Creative")
    box(page, "typed-top_k").set_value("1").run()
    assert "temperature changes nothing" in captions(page).replace("\\", "")


def test_a_refused_value_is_shown_in_place_of_the_request_and_of_the_code(page: AppTest):
    pick(page, "Preset", "Creative")
    box(page, "typed-temperature").set_value("1.01").run()
    for view in ("request", "code"):
        show(page, view)
        assert not page.code
        assert "at most 1" in captions(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_code_is_made_from_the_request_that_is_shown(page: AppTest, language: str):
    pick(page, "Preset", "Creative")
    send_mark(page)
    shown = sent(page)
    show(page, "code")
    page.button_group(key=state.CODE_LANGUAGE).set_value(language).run()
    code = max((one.value for one in page.code), key=len)
    filled = read_paste(code)
    assert filled.prompt == shown["prompt"]
    assert {name: value for name, value in filled.parameters.items() if name != "stream"} == {**CREATIVE.values, "user_id": shown["user_id"]}
    assert "demo-" not in code


def test_a_paste_fills_the_form_drops_the_token_and_sends_nothing(page: AppTest, service: Service):
    show(page, "paste")
    paste = "curl 'https://x/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/yi_34b?access_token=24.deadbeef' -d '" + json.dumps(
        {"prompt": "Hello\n", "temperature": 0.25, "stop": ["\n", "\\"], "top_p": 0}
    ) + "'"
    page.text_area(key=state.PASTED).set_value(paste).run()
    press(page, "fill")
    assert any("left out" in one.value for one in page.warning)
    assert page.session_state[state.ENDPOINT] == "recorded/yi_34b"
    assert sent(page) == {"prompt": "Hello\n", "temperature": 0.25, "top_p": 0.0, "stop": ["\n", "\\"], "stream": False}


def test_an_unreadable_paste_leaves_the_form_as_it_is(page: AppTest):
    pick(page, "Preset", "Creative")
    before = sent(page)
    show(page, "paste")
    page.text_area(key=state.PASTED).set_value("what is this?").run()
    press(page, "fill")
    assert page.error
    assert sent(page) == before


def test_a_change_of_endpoint_keeps_what_fits_and_says_what_it_switched_off(page: AppTest, service: Service, emulator_url: str):
    pick(page, "Preset", "Creative")
    cool = tuple(replace(spec, maximum=0.5) if spec.name == "temperature" else spec for spec in PARAMETERS)
    narrowed = {**service.configured, "recorded/yi_34b": replace(service.configured["recorded/yi_34b"], parameters=cool)}
    object.__setattr__(service, "configured", narrowed)
    pick(page, "Endpoint", "recorded/yi_34b")
    assert "temperature" in captions(page)
    assert numbers_sent(page) == {"top_k": 80, "penalty_score": 1.15}


def test_a_number_no_slider_can_show_is_sent_as_typed_and_breaks_nothing(page: AppTest):
    pick(page, "Preset", "Creative")
    box(page, "typed-top_k").set_value("9" * 400).run()
    assert not page.exception
    assert sent(page)["top_k"] == int("9" * 400)


def test_a_change_of_endpoint_leaves_alone_what_is_wrong_for_both(page: AppTest):
    press(page, "add-stop")
    box(page, "stop-0").set_value("。").run()
    press(page, "add-stop")
    pick(page, "Preset", "Endpoint decides")
    pick(page, "Endpoint", "recorded/yi_34b")
    assert [one.value for one in page.text_input if (one.key or "").startswith("stop-")] == ["。", ""]


def test_the_visitors_mark_is_sent_only_when_switched_on_and_is_a_salted_hash(page: AppTest, service: Service):
    assert "user_id" not in sent(page)
    send_mark(page)
    mark = sent(page)["user_id"]
    visitor = page.session_state[state.VISITOR]
    assert mark == user_id(visitor, service.settings.salt) and re.fullmatch("[0-9a-f]{32}", mark)
    assert visitor not in mark and mark != user_id(visitor, Secret("another salt"))
    other = AppTest.from_file(str(ROOT / "pages" / "bench.py"), default_timeout=30)
    other.context = {"locale": "en-GB"}
    send_mark(other.run())
    assert sent(other)["user_id"] != mark


def test_the_visitors_mark_is_no_presets_business(page: AppTest):
    send_mark(page)
    mark = sent(page)["user_id"]
    pick(page, "Preset", "Creative")
    assert sent(page)["user_id"] == mark
    assert next(one for one in page.button if one.key == "reset-all").disabled
    box(page, "preset-name").set_value("mine").run()
    press(page, "preset-save")
    assert [preset.values for preset in page.session_state[state.OWN_PRESETS]] == [CREATIVE.values]
    page.toggle(key=state.sent("user_id")).set_value(False).run()
    page.session_state[state.OWN_PRESETS] = [Preset(name="theirs", values={"top_p": 0.5, "user_id": "theirs"})]
    page.run()
    pick(page, "Preset", "theirs")
    assert numbers_sent(page) == {"top_p": 0.5}


def test_a_pasted_mark_is_taken_up_only_if_it_is_this_sessions_own(page: AppTest, service: Service):
    send_mark(page)
    own = user_id(page.session_state[state.VISITOR], service.settings.salt)
    assert "left out" not in fill(page, prompt="Hello", user_id=own)
    assert numbers_sent(page) == {"user_id": own}
    assert "user_id was left out: it is not the mark of this session." in fill(page, prompt="Hello", top_p=0.5, user_id="somebody else")
    assert numbers_sent(page) == {"top_p": 0.5}
    send_mark(page)
    assert "left out" not in fill(page, prompt="Hello")
    assert numbers_sent(page) == {}


NUMBERS = {
    "temperature": strategies.integers(1, 100).map(lambda n: f"{n / 100:.2f}"),
    "top_p": strategies.integers(0, 100).map(lambda n: f"{n / 100:.2f}"),
    "top_k": strategies.integers(1, 10**6).map(str),
    "penalty_score": strategies.integers(100, 200).map(lambda n: f"{n / 100:.2f}"),
}
STOPS = strategies.lists(strategies.text(strategies.characters(codec="utf-8"), min_size=1, max_size=20), max_size=4, unique=True)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    prompt=strategies.text(strategies.characters(codec="utf-8"), min_size=1, max_size=60),
    typed=strategies.fixed_dictionaries({}, optional=NUMBERS), stops=STOPS, stream=strategies.booleans(), marked=strategies.booleans(),
)
def test_whatever_the_panel_can_hold_is_accepted_and_received_as_it_is_shown(echo: Endpoint, prompt, typed, stops, stream, marked):
    specs = {spec.name: spec for spec in PARAMETERS}
    values = {name: specs[name].parse(text) for name, text in typed.items()} | {"stream": stream}
    if marked:
        values["user_id"] = user_id("a session", Secret("a salt"))
    if stops:
        values["stop"] = [decode(encode(stop)) for stop in stops]
        assert values["stop"] == stops
    request = CompletionRequest(prompt=prompt, parameters=values)
    shown = body(request, echo.parameters)
    assert check_parameters(PARAMETERS, {name: value for name, value in shown.items() if name != "prompt"})
    answer = "".join(sentence.text for sentence in Client().complete(echo, request, Cancel(), Exchange()))
    assert json.loads(answer)["body"] == shown
    for language in LANGUAGES:
        again = read_paste(export(language, target_of(echo), request).text).request
        assert {**again.parameters, "stream": stream} == {**request.parameters, "stream": stream} and again.prompt == prompt
