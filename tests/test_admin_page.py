"""The owner's page and the bench of a demo link without a browser: who gets in, what is made, changed and stopped, what a visitor is offered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from playground.__main__ import main
from playground.completion import CompletionRequest
from playground.demos import Amount, Caps, Demo, Demos, Range
from playground.passwords import check_password, hash_password, is_hash
from playground.price import Price
from playground.redaction import Secret
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Settings, read_settings

PASSWORD = "a long password of the owner"
HASH = hash_password(PASSWORD)
NAME = "recorded/yi_34b"


@pytest.fixture
def service(emulator_url: str, tmp_path: Path) -> Iterator[Service]:
    st.cache_resource.clear()
    database = Secret(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    yield open_service(Settings(values={}, fault_endpoints=True, database=database, admin_password=Secret(HASH), access="demo"), emulator_url)
    close_service()


@pytest.fixture
def demos(service: Service) -> Demos:
    assert service.demos is not None
    return service.demos


def opened(name: str, **query: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / name), default_timeout=30)
    page.context = {"locale": "en-GB"}
    for key, value in query.items():
        page.query_params[key] = value
    return shown(page)


def shown(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def logged_in() -> AppTest:
    page = opened("pages/admin.py")
    page.text_input[0].set_value(PASSWORD)
    press(page, "Log in")
    return page


def press(page: AppTest, label: str) -> None:
    next(one for one in page.button if one.label == label).click().run()
    assert not page.exception


def field(page: AppTest, name: str):
    kinds = (page.text_input, page.text_area, page.number_input, page.multiselect, page.selectbox)
    return next(one for kind in kinds for one in kind if (one.key or "").startswith(f"admin-{name}#"))


def fill(page: AppTest, **values: object) -> None:
    for name, value in values.items():
        field(page, name.replace("__", "-")).set_value(value)
        shown(page)


def said(page: AppTest) -> str:
    kinds = (page.caption, page.markdown, page.error, page.info, page.warning)
    return "\n".join(str(one.value) for kind in kinds for one in kind).replace("\\", "")


def minted(demos: Demos, service: Service, **given) -> Demo:
    return demos.mint(Demo(**{"title": "The demo", "endpoints": (NAME,), **given}), service.endpoints)


def strip(page: AppTest) -> dict:
    """What the strip above the sheet was given."""
    for one in page.get("bidi_component"):
        if "prefix_label" in one.proto.json:
            return json.loads(one.proto.json)[0]
    raise AssertionError("no strip")


# --- The password --------------------------------------------------------------------------------------------------------


def test_a_password_is_known_again_by_its_hash_and_no_other_is():
    assert is_hash(HASH) and check_password(PASSWORD, HASH) and PASSWORD not in HASH
    assert hash_password(PASSWORD) != HASH, "each has a salt of its own"
    for wrong in ("", PASSWORD + " ", PASSWORD[:-1], "é\ud800"):
        assert not check_password(wrong, HASH)
    for broken in ("", "scrypt", HASH[:-1], HASH.replace("scrypt", "md5"), HASH.replace(":8:", ":99:"), HASH.replace("32768", "3276701")):
        assert not check_password(PASSWORD, broken)


def test_the_command_makes_the_hash(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    (tmp_path / "typed").write_text(PASSWORD + "\n", encoding="utf-8")
    with (tmp_path / "typed").open(encoding="utf-8") as typed:
        monkeypatch.setattr("sys.stdin", typed)
        assert main(["hash-password"]) == 0
    made = capsys.readouterr().out.strip()
    assert check_password(PASSWORD, made)
    assert read_settings(tmp_path, {"PLAYGROUND_ADMIN_PASSWORD_HASH": made}).problems == ()
    with (tmp_path / "typed").open("w+", encoding="utf-8") as typed:
        typed.write("short\n")
        typed.seek(0)
        monkeypatch.setattr("sys.stdin", typed)
        assert main(["hash-password"]) == 2
    told = capsys.readouterr()
    assert "at least" in told.err and "short" not in told.err + told.out


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PLAYGROUND_ADMIN_PASSWORD_HASH", "my password itself", "not the hash"),
        ("PLAYGROUND_ACCESS", "everybody", "none of the known"),
        ("PLAYGROUND_RUNS_PER_MINUTE", "-1", "must be a number"),
        ("PLAYGROUND_TRUSTED_PROXIES", "yes", "must be a number"),
    ],
)
def test_a_setting_that_makes_no_sense_is_said_and_closes_rather_than_opens(tmp_path: Path, name: str, value: str, words: str):
    read = read_settings(tmp_path, {name: value})
    assert [words in str(problem.message) for problem in read.problems] == [True]
    assert all(value not in str(problem.message) for problem in read.problems if "PASSWORD" in name)
    assert read.access == ("demo" if name == "PLAYGROUND_ACCESS" else "open") and read.trusted_proxies == 0 and read.runs_per_minute == 60


def test_the_page_is_shut_without_the_password(service: Service, demos: Demos):
    minted(demos, service, title="A secret title")
    page = opened("pages/admin.py")
    assert [one.label for one in page.button] == ["Log in"]
    page.text_input[0].set_value("wrong")
    press(page, "Log in")
    assert [one.value for one in page.error] == ["That is not the password."]
    assert "A secret title" not in said(page) and HASH not in str(page)


@pytest.mark.slow
def test_guesses_are_counted_and_then_refused_even_with_the_right_one(service: Service):
    page = opened("pages/admin.py")
    for number in range(7):
        page.text_input[0].set_value(f"guess {number}" if number < 6 else PASSWORD)
        press(page, "Log in")
    assert "too often" in page.error[0].value
    assert state.OWNER not in page.session_state


def test_without_a_password_somebody_from_elsewhere_is_told_how_to_set_one(emulator_url: str, tmp_path: Path):
    st.cache_resource.clear()
    open_service(Settings(values={}, database=Secret(f"sqlite:///{tmp_path / 'y.sqlite3'}")), emulator_url)
    page = opened("pages/admin.py")
    assert "hash-password" in page.info[0].value and not page.button
    close_service()


def test_owners_who_log_in_elsewhere_are_told_what_is_missing_for_it(emulator_url: str, tmp_path: Path):
    st.cache_resource.clear()
    open_service(Settings(values={}, database=Secret(f"sqlite:///{tmp_path / 'y.sqlite3'}"), admins=("owner@example.org",)), emulator_url)
    assert "PLAYGROUND_ADMINS is set, but" in said(opened("pages/admin.py"))
    close_service()


# --- Making and changing -------------------------------------------------------------------------------------------------


def test_a_link_is_made_as_the_form_says(service: Service, demos: Demos):
    page = logged_in()
    fill(page, title="For the workshop", endpoints=[NAME], way__temperature="range", low__temperature="0.2", high__temperature="0.8")
    fill(page, way__stop="fixed", value__stop="END | \\n", way__top_k="never", prefix="Say: ")
    fill(page, runs_all=50, runs_each=5, tokens_all=100_000, lasts="day")
    press(page, "Make the link")
    [demo] = demos.all()
    assert (demo.title, demo.endpoints, demo.prefix, demo.in_all, demo.each) == (
        "For the workshop", (NAME,), "Say: ", Caps(runs=50, tokens=100_000), Caps(runs=5)
    )
    assert demo.ranges == {
        "temperature": Range(low=0.2, high=0.8), "stop": Range(locked=True, value=["END", "\n"]), "top_k": Range(locked=True, value=None)
    }
    assert demo.expires is not None and demo.tokens_per_run == 2000
    assert f"/?demo={demo.id}" in page.code[0].value
    assert field(page, "title").value == "", "the form is empty again"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"way__temperature": "range", "low__temperature": "0.5", "high__temperature": "3"}, "3.0 is not"),
        ({"way__temperature": "range"}, "Type at least one"),
        ({"way__top_p": "fixed", "value__top_p": "2"}, "2.0 is not"),
        ({"way__stop": "fixed", "value__stop": "a | a"}, "there already"),
        ({"tokens_each": 10}, "Not one run fits"),
        ({"tokens_per_run": 5}, "This must be from 16"),
    ],
)
def test_what_is_wrong_stands_beside_its_control_at_once_and_nothing_is_made(service: Service, demos: Demos, values: dict, words: str):
    page = logged_in()
    fill(page, title="t", endpoints=[NAME], **values)
    assert any(words in one.value.replace("\\", "") for one in page.caption if one.value.startswith(":red["))
    press(page, "Make the link")
    assert demos.all() == []
    assert "Something above is not right yet." in said(page)


def test_an_empty_form_does_not_complain_until_it_is_used(service: Service, demos: Demos):
    page = logged_in()
    assert not any(one.value.startswith(":red[") for one in page.caption)
    press(page, "Make the link")
    assert "A title is one line" in said(page) and "Choose at least one endpoint." in said(page)
    assert demos.all() == []


def test_a_link_is_changed_stopped_resumed_and_deleted(service: Service, demos: Demos):
    demo = minted(demos, service, in_all=Caps(runs=3), ranges={"temperature": Range(low=0.2), "stop": Range(locked=True, value=["\n"])}, prefix="P ")
    page = logged_in()
    press(page, "Change")
    fill(page, runs_all=4)
    press(page, "Save")
    assert demos.find(demo.id) == replace(demo, in_all=Caps(runs=4))
    press(page, "Stop it")
    assert demos.open is not None and demos.find(demo.id).stopped is not None
    press(page, "Resume")
    assert demos.find(demo.id).stopped is None
    next(one for one in page.button if one.key == f"demo-delete-{demo.id}").click().run()
    assert demos.find(demo.id) is not None, "it asks first"
    press(page, "Delete it")
    assert demos.all() == []


def test_what_was_drawn_for_the_owner_does_nothing_after_he_has_logged_out(service: Service, demos: Demos):
    demo = minted(demos, service)
    page = logged_in()
    del page.session_state[state.OWNER]
    next(one for one in page.button if one.key == f"demo-stop-{demo.id}").click().run()
    assert demos.find(demo.id).stopped is None
    assert [one.label for one in page.button] == ["Log in"]


def test_runs_that_go_on_and_refusals_are_shown_and_a_run_can_be_stopped(service: Service, demos: Demos):
    endpoint = service.endpoints["fault/endless"]
    run = service.runs.start(endpoint, CompletionRequest(prompt="p", parameters={"stream": True}), "0123456789abcdef")
    demos.refused(None, "unknown")
    page = logged_in()
    assert "012345" in said(page) and "0123456789abcdef" not in said(page) and "endless" in said(page)
    assert "unknown link" in str(page.table[0].value)
    press(page, "Stop")
    assert run.wait(10) and str(run.reason) == "Stopped by the owner of this server."


# --- The visitor's side ----------------------------------------------------------------------------------------------------


def test_a_visitor_is_offered_what_the_link_offers(service: Service, demos: Demos):
    demo = minted(
        demos, service, ranges={"temperature": Range(low=0.2, high=0.8), "stop": Range(locked=True, value=["END"])}, prefix="Say: ",
        in_all=Caps(runs=5), each=Caps(runs=2, tokens=9000),
    )
    held = demos.reserve(demo, "somebody", Amount(runs=1))
    page = opened("pages/bench.py", demo=demo.id)
    assert [one.split(" · ")[0] for one in page.selectbox[0].options] == ["● Yi-34B"]
    sliders = {one.key.split("-")[1]: (one.min, one.max) for one in page.slider}
    assert sliders["temperature"] == (0.2, 0.8) and "top_p" in sliders
    assert not any("stop sequence" in (one.label or "").lower() for one in page.button)
    data = strip(page)
    assert (data["title"], data["prefix"], data["words"]) == ("The demo", "Say: ", "")
    assert [(line["what"], [one.get("left") for one in line["scopes"]]) for line in data["meters"]] == [
        ("Runs", ["2 left", "4 left"]), ("Tokens", ["9,000 left", None])
    ]
    page.button_group(key=state.REQUEST_VIEW).set_value("request").run()
    assert json.loads(page.code[1].value) == {"prompt": "Say: Introduce the city Beijing", "stop": ["END"], "stream": True}
    page.button_group(key=state.REQUEST_VIEW).set_value("code").run()
    assert "Say: Introduce the city Beijing" in page.code[0].value
    demos.settle(held)


@pytest.mark.parametrize(
    ("state_of_it", "words"),
    [
        ("unknown", "not known here"), ("stopped", "stopped by its owner"), ("expired", "expired at"),
        ("spent", "The one run of this demo is used up."),
        ("gone", "None of this demo's endpoints"),
    ],
)
def test_a_link_that_cannot_be_used_says_so_above_the_sheet(service: Service, demos: Demos, state_of_it: str, words: str):
    demo = minted(demos, service, in_all=Caps(runs=1), expires=4e9)
    if state_of_it == "unknown":
        demos.delete(demo.id)
    elif state_of_it == "stopped":
        demos.stop(demo.id)
    elif state_of_it == "spent":
        demos.settle(demos.reserve(demo, "v", Amount(runs=1)))
    else:
        with demos._database.begin() as connection:
            change = {"expired": "expires = 1000", "gone": "endpoints = '[\"gone\"]'"}[state_of_it]
            connection.exec_driver_sql(f"UPDATE demos SET {change}")
    page = opened("pages/bench.py", demo=demo.id)
    assert words in strip(page)["words"] + said(page)


def test_a_session_whose_link_was_tampered_with_gets_nothing(service: Service, demos: Demos):
    demo = minted(demos, service)
    page = opened("pages/bench.py", demo=demo.id)
    page.session_state[state.DEMO] = "0" * 32
    page.query_params["demo"] = "0" * 32
    shown(page)
    assert "not known here" in strip(page)["words"]
    assert [one.split(" · ")[0] for one in page.selectbox[0].options] == ["○ Nothing here"]


def test_without_a_link_what_costs_money_is_off_for_a_visitor_and_on_for_the_owner(service: Service):
    configured = service.endpoints | {"paid": replace(service.endpoints[NAME], name="paid", title="Paid", free=False)}
    object.__setattr__(service, "configured", configured)
    page = opened("pages/bench.py")
    options = {one.split(" · ")[0] for one in page.selectbox[0].options}
    assert "○ Paid" in options and "● Yi-34B" in options
    page.session_state[state.OWNER] = True
    shown(page)
    assert "● Paid" in {one.split(" · ")[0] for one in page.selectbox[0].options}


def test_the_link_stays_in_the_address_and_the_other_pages_are_not_offered(service: Service, demos: Demos):
    demo = minted(demos, service)
    page = opened("components/shell.py", demo=demo.id)
    assert page.query_params["demo"] == demo.id
    del page.query_params["demo"]
    shown(page)
    assert page.query_params["demo"] == demo.id



def test_money_can_be_capped_where_a_price_is_stated(service: Service, demos: Demos):
    price = Price(prompt=Decimal(1), completion=Decimal(2), currency="CNY")
    priced = replace(service.endpoints[NAME], name="paid", title="Paid", free=False, price=price)
    object.__setattr__(service, "configured", {**service.endpoints, "paid": priced})
    page = logged_in()
    fill(page, title="t", endpoints=[NAME])
    assert field(page, "money_all").disabled
    fill(page, endpoints=["paid"])
    assert not field(page, "money_all").disabled and field(page, "money_all").label == "Money (CNY), in all"
    fill(page, money_all="a lot")
    assert "“a lot” is not a number." in said(page)
    fill(page, money_all="12.50")
    press(page, "Make the link")
    [demo] = demos.all()
    assert (demo.currency, demo.in_all) == ("CNY", Caps(money=Decimal("12.5")))
