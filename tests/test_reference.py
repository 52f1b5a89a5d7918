"""The reference against the API pages: their facts stand here by hand, as read, since a table compared with itself proves nothing.

Names, types, what is required, ranges, codes and examples are those of the pages; the bounds in action are in test_parameters.py.
"""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
import requests
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import state
from emulator.options import API_KEY, SECRET_KEY, Options
from emulator.server import Running, running
from playground.examples import EXAMPLES, OPENAI_EXAMPLE
from playground.language import translator
from playground.paste import read_paste
from playground.providers import openai, qianfan
from playground.providers.qianfan_codes import ERROR_CODES
from playground.reference import Entry, Section, answer_text, openai_curl, openai_reference, qianfan_curl, qianfan_reference, token_curl
from playground.service import Service, close_service, open_service
from playground.settings import ROOT, Limits, Retry, Settings
from playground.wire import Timeouts
from tests.scripted_server import ScriptedServer, json_reply
from tests.toolchains import tool

PATIENCE = 30

# Name: type, whether it is required, and its range, from the body tables of the Cerebras-GPT-6.7B and Yi-34B pages, which agree.
BODY = {
    "prompt": ("string", True, ""),
    "stream": ("bool", False, ""),
    "temperature": ("float", False, "(0, 1.0]"),
    "top_k": ("int", False, "[1, "),
    "top_p": ("float", False, "[0, 1.0]"),
    "penalty_score": ("float", False, "[1.0, 2.0]"),
    "stop": ("List[string]", False, "4 x 20"),
    "user_id": ("string", False, ""),
}
# The answer, from the HTTP tables of both pages and the SDK table of the Yi-34B page, which adds three.
ANSWER = {
    "id": "string", "object": "string", "created": "int", "sentence_id": "int", "is_end": "bool", "result": "string", "is_safe": "bool",
    "usage": "object", "usage.prompt_tokens": "int", "usage.completion_tokens": "int", "usage.total_tokens": "int",
}
ANSWER_OF_THE_SDK = {"is_truncated": "bool", "need_clear_history": "bool", "ban_round": "int"}
ANSWER_OF_A_SAMPLE = {"finish_reason": "string"}
STREAMED_ONLY = {"sentence_id", "is_end"}
FAILURE = {"error_code", "error_msg"}
# Headers and query, from the Yi-34B page: name to required.
BY_TOKEN = {"Content-Type": True, "access_token": True}
BY_SIGNATURE = {"Content-Type": True, "x-bce-date": False, "Authorization": True}
# Each code of the StableLM-Alpha-7B page with its words, and what the page says of it in one word or two of ours.
PAGE_CODES = {
    17: ("Open api daily request limit reached", "daily limit.*billing.*arrears"),
    18: ("Open api qps request limit reached", "in a second"),
    19: ("Open api total request limit reached", "total quota"),
    100: ("Invalid parameter", "access token is malformed"),
    110: ("Access token invalid or no longer valid", "access token is invalid"),
    111: ("Access token expired", "access token has expired"),
    336000: ("Internal error", "internal fault"),
    336001: ("Invalid Argument", "wrong form, a required field is missing"),
    336002: ("Invalid JSON", "not JSON"),
    336003: ("Invalid parameter value", "A parameter was refused; the service says which"),
    336004: ("Permission check failed", "permission"),
    336005: ("API name not exist", "No service has this endpoint address"),
    336100: ("人工智能是一项革命性的技术。与我互动的人过多，请您稍后重新向我提问。", "too many people"),
    336101: ("Invalid HTTP Method", "only POST"),
}
REQUEST = {"prompt": "Introduce the city Beijing"}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Running]:
    with running(options=Options(pace=0)) as served:
        yield served


@pytest.fixture
def service(emulator: Running) -> Iterator[Service]:
    st.cache_resource.clear()
    yield open_service(Settings(values={}), emulator.base_url)
    close_service()


def section(key: str, sections: tuple[Section, ...] | None = None) -> Section:
    return next(one for one in sections or qianfan_reference(Settings()) if one.key == key)


def entries(key: str, table: int = 0) -> dict[str, Entry]:
    return {entry.name: entry for entry in section(key).tables[table].entries}


def facts(entry: Entry) -> list[str]:
    return [str(fact) for fact in entry.facts]


def words(entry: Entry) -> str:
    return " ".join(map(str, entry.words))


def interval(entry: Entry) -> str:
    """The bounds of an entry's one specification, as the pages write them."""
    spec = entry.spec
    if spec is None or (spec.minimum is None and spec.max_items is None):
        return ""
    if spec.max_items is not None:
        return f"{spec.max_items} x {spec.max_length}"
    low, high = (None if end is None else float(end) for end in (spec.minimum, spec.maximum))
    return f"{'(' if spec.minimum_open else '['}{low:g}, " + ("" if high is None else f"{high:g}]")


# --- the tables ---


def test_the_request_has_the_fields_of_the_pages_with_their_types_and_ranges():
    shown = entries("parameters")
    assert {name: (facts(entry)[0], "required" in facts(entry), interval(entry)) for name, entry in shown.items()} == {
        name: (kind, required, bounds.replace(".0", "")) for name, (kind, required, bounds) in BODY.items()
    }


@pytest.mark.parametrize(
    ("name", "range"),
    [("temperature", "greater than 0, at most 1"), ("top_p", "from 0 to 1"), ("top_k", "whole numbers from 1"), ("penalty_score", "from 1 to 2"),
     ("stop", "at most 4 entries of at most 20 characters")],
)
def test_a_range_is_shown_in_words(name: str, range: str):
    assert range in facts(entries("parameters")[name])


def test_the_pages_that_advise_one_of_two_are_named():
    for name in ("temperature", "top_p"):
        assert "Cerebras-GPT-6.7B" in words(entries("parameters")[name]) and "not both" in words(entries("parameters")[name])
        assert "Yi-34B" not in words(entries("parameters")[name])
    assert "not both" not in words(entries("parameters")["top_k"])


def test_the_answer_has_the_fields_of_the_pages_with_their_types():
    shown = entries("answer")
    assert {name: facts(entry)[0] for name, entry in shown.items()} == {**ANSWER, **ANSWER_OF_THE_SDK, **ANSWER_OF_A_SAMPLE}
    assert {name for name, entry in shown.items() if "streamed only" in facts(entry)} == STREAMED_ONLY
    assert {name for name, entry in shown.items() if "newer build" in facts(entry)} == {*ANSWER_OF_THE_SDK, *ANSWER_OF_A_SAMPLE}
    assert set(entries("answer", 1)) == FAILURE


def test_every_field_of_the_documented_answers_is_in_the_table():
    shown = entries("answer")
    for example in EXAMPLES.values():
        for answer in (example.single, *example.stream, *example.older):
            assert set(answer) | {f"usage.{name}" for name in answer["usage"]} <= set(shown)


def test_every_code_is_shown_once_with_the_service_s_words_and_what_to_do():
    shown = [entry for table in section("errors").tables for entry in table.entries]
    assert sorted(int(entry.name) for entry in shown) == sorted(ERROR_CODES)
    for entry in shown:
        code = ERROR_CODES[int(entry.name)]
        assert facts(entry)[0] == code.words and words(entry) == f"{code.cause} {code.remedy}"
        assert ("trying again can help" in facts(entry)) == ((code.retryable or code.again) and not code.refresh_token)
        assert ("again after a new token" in facts(entry)) == code.refresh_token


@pytest.mark.parametrize("code", PAGE_CODES)
def test_a_code_of_the_pages_means_what_they_say(code: int):
    said, meaning = PAGE_CODES[code]
    shown = next(entry for table in section("errors").tables for entry in table.entries if entry.name == str(code))
    assert facts(shown)[0] == said
    assert re.search(meaning, words(shown)), words(shown)


def test_authentication_has_the_headers_and_the_query_of_the_pages():
    by_token, by_signature = ({name: "required" in facts(entry) for name, entry in entries("authentication", table).items()} for table in (0, 2))
    assert (by_token, by_signature) == (BY_TOKEN, BY_SIGNATURE)
    code = section("authentication").code
    assert "https://aip.baidubce.com/oauth/2.0/token?grant_type=client_credentials&client_id=<API key>&client_secret=<secret key>" in code
    assert "Authorization: bce-auth-v1/" in code
    assert section("parameters").code.startswith("POST https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/<endpoint>\n")


def test_the_limits_are_those_of_the_pages():
    shown = entries("limits")
    assert facts(shown["stop"]) == ["at most 4 entries of at most 20 characters"]
    assert facts(shown["request_timeout"]) == ["60 s"] and facts(shown["retry_count, backoff_factor"]) == ["1, 0"]
    assert "4k" in facts(shown["StableLM-Alpha-7B"])[0] and "32K" in facts(shown["Yi-34B"])[0]
    assert all(entry.source for entry in shown.values()), "a limit of the service says where it is stated"


def test_the_limits_of_this_server_are_its_settings_as_they_stand():
    settings = Settings(timeouts=Timeouts(connect=7, silence=45), retry=Retry(attempts=4, backoff=0.5), limits=Limits(text=12_345, run_time=99))
    for whole in (qianfan_reference(settings), *(openai_reference(dialect, settings) for dialect in openai.DIALECTS)):
        shown = {entry.name: facts(entry)[0] for entry in section("limits", whole).tables[1].entries}
        assert shown["PLAYGROUND_CONNECT_TIMEOUT"] == "7 s" and shown["QIANFAN_LLM_API_RETRY_TIMEOUT"] == "45 s"
        assert shown["QIANFAN_LLM_API_RETRY_COUNT"] == "at most 4" and shown["QIANFAN_LLM_API_RETRY_BACKOFF_FACTOR"] == "0.5 s"
        assert shown["PLAYGROUND_TEXT_LIMIT"] == "12,345 characters" and shown["PLAYGROUND_RUN_TIME"] == "99 s"


@pytest.mark.parametrize("dialect", openai.DIALECTS)
def test_each_dialect_shows_its_own_parameters(dialect: str):
    shown = section("parameters", openai_reference(dialect, Settings())).tables[0].entries
    assert [entry.name for entry in shown] == ["model", "prompt", *(spec.name for spec in openai.DIALECTS[dialect]), "stream_options"]
    for entry, spec in zip(shown[2:], openai.DIALECTS[dialect], strict=False):
        assert not spec.is_number or str(spec.range) in facts(entry)


# The statuses of OpenAI's page of error codes, and the codes that stand for them in a body.
@pytest.mark.parametrize(
    ("status", "name", "said"),
    [
        (400, "invalid_request_error", "refused the request"), (401, "invalid_api_key", "key was refused"), (403, "permission_error", "no right"),
        (402, "insufficient_quota", "quota"), (404, "model_not_found", "no such path or model"), (413, "context_length_exceeded", "too long"),
        (429, "rate_limit_exceeded", "Too many requests"), (500, None, "failed"), (503, "unavailable_error", "not ready"),
    ],
)
def test_a_status_is_shown_as_the_client_tells_it(status: int, name: str | None, said: str):
    shown = {entry.name: entry for entry in section("errors", openai_reference("plain", Settings())).tables[0].entries}[str(status)]
    told = openai.error(status, json.dumps({"error": {"message": "m"}}).encode(), {})
    assert told is not None and words(shown) == f"{told.message} {told.remedy}" and said in words(shown)
    assert name is None or name in facts(shown)
    assert ("trying again can help" in facts(shown)) == told.again
    for code in openai.names_of(status):
        as_event = openai.error(status, json.dumps({"error": {"message": "m", "code": code}}).encode(), {})
        assert as_event is not None and as_event.message == told.message, code


# --- searching ---


def holding(text: str, language: str = "en") -> list[str]:
    found = (part.only(text.lower().split(), translator(language)) for part in qianfan_reference(Settings()))
    return [entry.name for part in found for table in part.tables for entry in table.entries]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("336007", ["336007", "prompt"]), ("PENALTY", ["penalty_score"]), ("access expired", ["111"]), ("bce-date", ["x-bce-date"]),
        ("人工智能", ["336100"]), ("qps × 60", ["RPM", "TPM"]), ("no such thing", []), ("api reference [", []),
    ],
)
def test_every_word_must_be_found(text: str, names: list[str]):
    assert holding(text) == names


def test_without_words_all_is_shown():
    whole = qianfan_reference(Settings())
    assert tuple(part.only([], str) for part in whole) == whole


def test_a_chinese_reader_finds_by_both_languages():
    chinese = translator("zh_CN")
    shown = entries("parameters")["penalty_score"]
    said = shown.words[0].render(chinese)
    assert said != words(shown)
    assert "penalty_score" in holding(said.split("，")[0], "zh_CN") and "penalty_score" in holding("against repetition", "zh_CN")


# --- the examples ---


def test_the_examples_ask_what_the_pages_ask():
    prompts = {name: example.prompt for name, example in EXAMPLES.items()}
    assert prompts == {"cerebras_gpt_6_7b": REQUEST["prompt"].lower(), "stablelm_alpha_7b": REQUEST["prompt"], "yi_34b": REQUEST["prompt"]}
    for example in EXAMPLES.values():
        assert example.parameters == {} and "API page of" in example.source


@pytest.mark.parametrize(
    ("name", "single", "stream"),
    [("cerebras_gpt_6_7b", "china.\nbeijing is", ", china.\nbeijing is"), ("stablelm_alpha_7b", ", China.\nBeijing is", ", China.\nBeijing is"),
     ("yi_34b", "China.\nBeijing is", "Beijing is the capital")],
)
def test_the_documented_answers_begin_and_end_as_on_the_pages(name: str, single: str, stream: str):
    example = EXAMPLES[name]
    assert example.single["result"].startswith(single) and example.single["result"].endswith("and stunning scenery.")
    assert example.single["id"] == "as-rq3wwusja8" and example.single["created"] == 1693811110
    assert "".join(event["result"] for event in example.stream).startswith(stream)
    assert [event["is_end"] for event in example.stream] == [False] * (len(example.stream) - 1) + [True]
    totals = {"yi_34b": (6, 378)}.get(name, (5, 96))
    assert (example.stream[-1]["usage"]["prompt_tokens"], example.stream[-1]["usage"]["total_tokens"]) == totals


def test_the_page_of_two_builds_shows_both_streams():
    yi = EXAMPLES["yi_34b"]
    assert [len(yi.stream), len(yi.older)] == [14, 2]
    assert all("is_safe" in event for event in yi.older) and all("need_clear_history" in event for event in yi.stream)
    assert yi.older[0]["result"].startswith(" China.\nBeijing")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_steps_of_an_example_run_and_are_answered_as_documented(emulator: Running, name: str, streamed: bool):
    def run(command: str, **own: str) -> str:
        for place, value in {"<API key>": API_KEY, "<secret key>": SECRET_KEY, "<endpoint>": name, qianfan.BASE_URL: emulator.base_url, **own}.items():
            command = command.replace(place, value)
        assert not re.search("<|aip", command)
        done = subprocess.run([tool("bash"), "-c", command.replace("curl ", "curl -sS --noproxy '*' ", 1)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    tool("curl")
    token = json.loads(run(token_curl()))["access_token"]
    answer = run(qianfan_curl(EXAMPLES[name], streamed=streamed), **{"<access token>": token})
    shown = answer_text(EXAMPLES[name], streamed=streamed)
    if streamed:
        assert [json.loads(line[6:]) for line in answer.split("\n\n") if line] == [json.loads(line[6:]) for line in shown.split("\n\n")]
    else:
        assert json.loads(answer) == json.loads(shown)


def test_the_example_of_openai_runs_and_sends_what_its_reference_shows():
    with ScriptedServer(json_reply(dict(OPENAI_EXAMPLE.single))) as server:
        command = openai_curl(OPENAI_EXAMPLE, streamed=False).replace("<base URL>", server.url + "/v1").replace("<key>", "sk-test")
        done = subprocess.run([tool("bash"), "-c", command.replace("curl ", "curl -sS --noproxy '*' ", 1)], capture_output=True, text=True, timeout=30)
        assert json.loads(done.stdout)["choices"][0]["text"] == "\n\nThis is indeed a test"
    sent = server.requests[0]
    assert sent.fields == {"model": "gpt-3.5-turbo-instruct", "prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}
    assert (sent.path, sent.headers["authorization"], sent.headers["content-type"]) == ("/v1/completions", "Bearer sk-test", "application/json")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_documented_request_pasted_fills_the_form_with_itself(name: str, streamed: bool):
    filled = read_paste(qianfan_curl(EXAMPLES[name], streamed=streamed), qianfan.PARAMETERS, 10_000)
    assert (filled.prompt, dict(filled.parameters)) == (EXAMPLES[name].prompt, {"stream": True} if streamed else {})


def test_the_documented_answers_are_read_as_answers():
    assert openai.read_event(json.dumps(OPENAI_EXAMPLE.single), 0, streamed=False).text == "\n\nThis is indeed a test"
    assert openai.read_event(json.dumps(OPENAI_EXAMPLE.stream[0]), 0).text == "This"
    assert answer_text(OPENAI_EXAMPLE, streamed=True).startswith('data: {"id": "cmpl-')


# --- the page ---


def open_page(locale: str = "en-GB") -> AppTest:
    page = AppTest.from_file(str(ROOT / "components" / "shell.py"), default_timeout=PATIENCE)
    page.context = {"locale": locale}
    page.run().switch_page("../pages/reference.py").run()
    assert not page.exception
    return page


def tables(page: AppTest) -> str:
    return "\n".join(one.proto.body for one in page.get("html") if "<table>" in one.proto.body).replace("<wbr>", "")


@pytest.mark.usefixtures("service")
def test_a_search_leaves_what_holds_it_marked_and_says_when_nothing_does():
    page = open_page()
    assert "penalty_score" in tables(page) and "336103" in tables(page)
    page.text_input(key=state.REFERENCE_QUERY).set_value("336103").run()
    assert "<mark>336103</mark>" in tables(page) and "penalty_score" not in tables(page)
    assert not page.info
    page.text_input(key=state.REFERENCE_QUERY).set_value("<b>no such thing").run()
    assert not page.exception and tables(page) == ""
    assert "no such thing" in page.info[0].value


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("dialect", openai.DIALECTS)
def test_the_other_wire_is_shown_by_dialect_and_says_why_its_example_cannot_run(dialect: str):
    page = open_page()
    page.segmented_control(key=state.REFERENCE_WIRE).set_value("openai").run()
    page.segmented_control(key=state.REFERENCE_DIALECT).set_value(dialect).run()
    assert not page.exception
    assert ("min_p" in tables(page)) == (dialect in ("vllm", "llama.cpp"))
    assert page.button(key="try-example").disabled
    assert any("OPENAI" in one.value for one in page.caption)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("way", "streamed"), [("whole", False), ("streamed", True)])
def test_try_it_opens_the_bench_filled(way: str, streamed: bool):
    page = open_page()
    page.segmented_control(key=state.EXAMPLE).set_value("stablelm_alpha_7b").run()
    page.segmented_control(key=state.EXAMPLE_ANSWER).set_value(way).run()
    page.button(key="try-example").click().run()
    assert not page.exception
    assert page.session_state[state.ENDPOINT] == "recorded/stablelm_alpha_7b"
    assert page.session_state[state.PROMPT] == REQUEST["prompt"]
    assert page.toggle(key=state.STREAM).value is streamed
    assert not any(page.toggle(key=state.sent(name)).value for name in ("temperature", "top_p", "top_k", "penalty_score"))


def test_with_a_service_of_one_s_own_the_example_runs_there(emulator: Running):
    st.cache_resource.clear()
    values = {
        "QIANFAN_BASE_URL": emulator.base_url, "QIANFAN_AK": API_KEY, "QIANFAN_SK": SECRET_KEY,
        "QIANFAN_ENDPOINT_CEREBRAS_GPT_6_7B": "cerebras_gpt_6_7b",
    }
    open_service(Settings(values=values), emulator.base_url)
    try:
        page = open_page()
        page.button(key="try-example").click().run()
        assert page.session_state[state.ENDPOINT] == "own/cerebras_gpt_6_7b"
    finally:
        close_service()


@pytest.mark.usefixtures("service")
def test_a_parameter_is_tried_beside_what_is_on_already():
    page = open_page()
    page.switch_page("../pages/bench.py").run()
    page.toggle(key=state.sent("top_k")).set_value(True).run()
    next(one for one in page.text_input if (one.key or "").startswith("typed-top_k")).set_value("7").run()
    page.selectbox[0].set_value("recorded/yi_34b").run()
    page.switch_page("../pages/reference.py").run()
    page.button(key="try-temperature").click().run()
    assert not page.exception
    on = {name: page.toggle(key=state.sent(name)).value for name in ("temperature", "top_p", "top_k", "penalty_score")}
    assert on == {"temperature": True, "top_p": False, "top_k": True, "penalty_score": False}
    boxes = {name: next(one.value for one in page.text_input if (one.key or "").startswith(f"typed-{name}")) for name in ("temperature", "top_k")}
    assert boxes == {"temperature": "0.70", "top_k": "7"}
    assert page.session_state[state.ENDPOINT] == "recorded/yi_34b", "the chosen endpoint takes it too"


def test_the_emulator_plays_the_documented_answers(emulator: Running):
    rows = requests.get(emulator.base_url + "/_emulator/endpoints", timeout=5).json()
    assert [row["name"] for row in rows if row["kind"] == "recorded"] == list(EXAMPLES)
