"""The panel with an OpenAI-compatible endpoint: every table is drawn as it is, and a switch of endpoint or preset says what it leaves out."""

import json
from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from playground.providers import openai
from playground.service import close_service, open_service
from playground.settings import ROOT, Settings

pytestmark = pytest.mark.slow

KEY = "sk-never-on-the-page"
EMULATOR = "http://127.0.0.1:9"


def open_bench(dialect: str, key: str = KEY, **values: str) -> AppTest:
    st.cache_resource.clear()
    fields = {"OPENAI_BASE_URL": "http://10.0.0.5:8000/v1", "OPENAI_MODEL": "the/model", "OPENAI_API_KEY": key, "OPENAI_DIALECT": dialect}
    open_service(Settings(values={**fields, **values}), EMULATOR)
    page = AppTest.from_file(str(ROOT / "pages" / "bench.py"), default_timeout=30)
    page.context = {"locale": "en-GB"}
    page.run()
    pick(page, "Endpoint", "openai")
    return page


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_service()


def pick(page: AppTest, label: str, value: str) -> None:
    next(one for one in page.selectbox if one.label == label).set_value(value).run()
    assert not page.exception


def switch(page: AppTest, name: str) -> None:
    toggle = page.toggle(key=state.sent(name))
    toggle.set_value(not toggle.value).run()
    assert not page.exception


def box(page: AppTest, name: str):
    return next(one for one in page.text_input if (one.key or "").startswith(f"typed-{name}"))


def slider(page: AppTest, name: str):
    return next(one for one in page.slider if (one.key or "").startswith(f"slid-{name}"))


def sent(page: AppTest) -> dict:
    """The body as the exact request shows it, without what is the same each time."""
    page.button_group(key=state.REQUEST_VIEW).set_value("request").run()
    assert not page.exception
    fields = json.loads(next(one.value for one in page.code if one.value.startswith("{")))
    return {name: value for name, value in fields.items() if name not in ("prompt", "stream", "model", "stream_options")}


def captions(page: AppTest) -> str:
    return "\n".join(one.value for one in page.caption).replace("\\", "")


def everything(page: AppTest) -> str:
    return " ".join(str(getattr(one, "value", "")) for kind in ("caption", "code", "markdown", "text_input", "error") for one in page.get(kind))


@pytest.mark.parametrize("dialect", openai.DIALECTS)
def test_every_number_of_every_table_is_drawn_and_sent(dialect: str):
    page = open_bench(dialect)
    numbers = [spec for spec in openai.DIALECTS[dialect] if spec.is_number]
    assert [one.key for one in page.toggle] == [*(state.sent(spec.name) for spec in numbers), state.STREAM]
    for spec in numbers:
        switch(page, spec.name)
    assert sent(page) == {spec.name: spec.start for spec in numbers}
    for spec in numbers:
        shown = slider(page, spec.name)
        assert shown.min <= shown.value <= shown.max and shown.max <= (spec.maximum or shown.max)


def test_whole_numbers_beyond_the_slider_and_below_zero_are_held_exactly():
    page = open_bench("vllm")
    for name, text in (("seed", "9223372036854775807"), ("max_tokens", "100000"), ("frequency_penalty", "-1.25"), ("repetition_penalty", "7")):
        switch(page, name)
        box(page, name).set_value(text).run()
    assert sent(page) == {"repetition_penalty": 7.0, "max_tokens": 100_000, "frequency_penalty": -1.25, "seed": 9223372036854775807}
    assert (slider(page, "seed").value, slider(page, "max_tokens").value, slider(page, "frequency_penalty").value) == (100, 1024, -1.25)
    slider(page, "frequency_penalty").set_value(-2.0).run()
    assert box(page, "frequency_penalty").value == "-2.00"
    for name, text, words in (("seed", "1.5", "not a whole number"), ("frequency_penalty", "-2.01", "from -2 to 2"), ("top_p", "0", "greater than 0")):
        if not page.toggle(key=state.sent(name)).value:
            switch(page, name)
        box(page, name).set_value(text).run()
        assert words in captions(page)


def test_a_switch_of_endpoint_keeps_by_name_what_fits_and_says_the_rest():
    page = open_bench("vllm")
    for name, text in (("temperature", "0.55"), ("top_k", "7"), ("seed", "0"), ("repetition_penalty", "1.3")):
        switch(page, name)
        box(page, name).set_value(text).run()
    sent(page)
    pick(page, "Endpoint", "recorded/yi_34b")
    words = next(line for line in captions(page).splitlines() if "Switched off, because this endpoint does not take it" in line)
    assert "repetition_penalty" in words and "seed" in words and "top_k" not in words
    assert sent(page) == {"temperature": 0.55, "top_k": 7}
    assert (box(page, "temperature").value, slider(page, "temperature").value, slider(page, "top_k").value) == ("0.55", 0.55, 7)
    switch(page, "penalty_score")
    pick(page, "Endpoint", "openai")
    assert "does not take it: penalty_score" in captions(page)
    assert sent(page) == {"temperature": 0.55, "top_k": 7}


def test_what_the_new_endpoint_refuses_is_switched_off_also_where_it_slept():
    page = open_bench("plain")
    switch(page, "temperature")
    box(page, "temperature").set_value("1.5").run()
    pick(page, "Endpoint", "recorded/yi_34b")
    assert "does not take it: temperature" in captions(page)
    assert sent(page) == {}
    switch(page, "temperature")
    assert sent(page) == {"temperature": 0.7}


def test_a_preset_sets_what_the_endpoint_has_and_says_what_it_left_out():
    page = open_bench("vllm")
    pick(page, "Preset", "Creative")
    assert sent(page) == {"temperature": 0.95, "top_k": 80}
    assert "This endpoint has no penalty_score: that part of the preset is left out." in captions(page)
    pick(page, "Endpoint", "recorded/yi_34b")
    assert "left out" not in captions(page)


@pytest.mark.parametrize("key", [KEY, ""], ids=["key", "no key"])
def test_the_exact_request_and_the_code_are_those_of_this_wire(key: str):
    page = open_bench("plain", key)
    switch(page, "seed")
    assert sent(page) == {"seed": 1}
    head = page.code[0].value
    assert head == "POST http://10.0.0.5:8000/v1/completions" + ("\nAuthorization: Bearer •••" if key else "")
    assert "`model`, `stream`, `stream_options`, `Content-Type`" in captions(page)
    page.button_group(key=state.REQUEST_VIEW).set_value("code").run()
    assert page.button_group(key=state.CODE_LANGUAGE).options and len(page.button_group(key=state.CODE_LANGUAGE).options) == 2
    assert ("$OPENAI_API_KEY" in page.code[0].value) is bool(key)
    assert not [one for one in page.selectbox if one.label == "Authentication"]
    page.button_group(key=state.CODE_LANGUAGE).set_value("python").run()
    assert not page.exception and "requests.post" in max((one.value for one in page.code), key=len)
    assert KEY not in everything(page)


def test_a_language_this_wire_has_not_gives_way_to_curl():
    page = open_bench("plain")
    pick(page, "Endpoint", "recorded/yi_34b")
    page.button_group(key=state.REQUEST_VIEW).set_value("code").run()
    page.button_group(key=state.CODE_LANGUAGE).set_value("go").run()
    pick(page, "Endpoint", "openai")
    assert page.code[0].value.startswith("# Reads the key from OPENAI_API_KEY.\ncurl ")


def test_a_paste_is_read_by_the_table_of_the_endpoint_it_is_for():
    page = open_bench("vllm")
    page.button_group(key=state.REQUEST_VIEW).set_value("paste").run()
    body = {"model": "x", "prompt": "Hi\n", "temperature": 1.5, "min_p": 0.1, "stream": True, "penalty_score": 1.2}
    page.text_area(key=state.PASTED).set_value(json.dumps(body)).run()
    page.button(key="fill").click().run()
    assert not page.exception
    assert any("model, penalty" in one.value.replace("\\", "") for one in page.info)
    assert sent(page) == {"temperature": 1.5, "min_p": 0.1}
    page.button_group(key=state.REQUEST_VIEW).set_value("paste").run()
    paste = "curl 'https://x/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/yi_34b' -d '{\"prompt\": \"p\", \"top_p\": 0, \"penalty_score\": 1.2}'"
    page.text_area(key=state.PASTED).set_value(paste).run()
    page.button(key="fill").click().run()
    assert not page.exception
    assert page.session_state[state.ENDPOINT] == "recorded/yi_34b"
    assert sent(page) == {"top_p": 0.0, "penalty_score": 1.2}


def test_an_endpoint_that_is_not_set_up_is_off_with_the_reason_and_can_be_looked_at():
    page = open_bench("llama.cpp", OPENAI_BASE_URL="")
    assert "The address of your server is not set." in captions(page) and "OPENAI_BASE_URL" in captions(page)
    assert sent(page) == {} and page.code[0].value.startswith("POST …")
