"""Endpoints from a file: what a row makes, what a mistake is told as and on which line, and that it costs no other row."""

import re
from decimal import Decimal

import pytest
import streamlit as st
from hypothesis import HealthCheck, given, settings, strategies
from streamlit.testing.v1 import AppTest

from playground.client import Client, Exchange
from playground.completion import CompletionRequest, Usage
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, IamKeys
from playground.endpoint_file import Row, narrowed, read_endpoint_file, read_key
from playground.endpoints import (
    GROUP_OPENAI,
    GROUP_OWN,
    OPENAI_PROMPT_LIMIT,
    PROMPT_LIMIT,
    build_endpoints,
    visitor_endpoint,
)
from playground.errors import ConfigurationError, ParameterError
from playground.message import message
from playground.price import Price
from playground.providers import openai, qianfan
from playground.redaction import Secret
from playground.service import close_service, open_service
from playground.settings import ROOT, Settings, read_settings
from playground.wire import Cancel
from tests.scripted_server import ScriptedServer, json_reply

KEY = "sk-do-not-repeat-this-key"
SERVER = 'provider = "openai"\nbase_url = "http://h/v1"\nmodel = "m"\n'
SERVICE = 'provider = "qianfan"\npath = "p"\ncredentials = "qianfan"\n'
KEYS = {"QIANFAN_AK": "ak-of-mine", "QIANFAN_SK": "sk-of-mine"}


@pytest.fixture
def read(tmp_path):
    """Read a text as the file of endpoints."""

    def reading(text, **values):
        path = tmp_path / "endpoints.toml"
        path.write_text(text, encoding="utf-8")
        rows = build_endpoints(Settings(values=values, endpoint_file=path), "http://emulator")
        return {name: row for name, row in rows.items() if not name.startswith("recorded/")}

    return reading


def only(rows):
    (row,) = rows.values()
    return row


def words(error):
    """Everything an error says."""
    assert isinstance(error, ConfigurationError)
    return f"{error.message} {error.remedy or ''}"


def row_of(fields, name="a"):
    return f'[[endpoint]]\nname = "{name}"\n{fields}'


# --- what a row makes ---


def test_every_field_of_a_server_arrives(read):
    row = read(
        """
        [[endpoint]]
        name = "lab/vllm-1.5_x"
        title = "Qwen in the lab"
        group = "The lab"
        provider = "openai"
        dialect = "vLLM"
        base_url = "http://10.0.0.5:8000/v1/"
        model = "Qwen/Qwen2.5-7B"
        credentials = { key = "$LAB_KEY" }
        bounds.max_tokens.maximum = 512
        price = { prompt = 0.004, completion = 0.008, currency = "CNY" }
        context = 32768
        prompt_limit = 100_000
        example = "It was a dark\\nand stormy "
        note = "Ask {name} 100% of the time"
        """,
        LAB_KEY=" sk-lab ",
    )["lab/vllm-1.5_x"]
    assert row.off is None
    assert (row.title, row.group, row.url, row.model) == ("Qwen in the lab", "The lab", "http://10.0.0.5:8000/v1/completions", "Qwen/Qwen2.5-7B")
    assert (row.provider, row.credentials) == (openai.PROVIDER, BearerKey(key=Secret("sk-lab")))
    assert [spec.name for spec in row.parameters] == [spec.name for spec in openai.DIALECTS["vllm"]]
    assert row.price == Price(prompt=Decimal("0.004"), completion=Decimal("0.008"), currency="CNY")
    assert (row.context, row.prompt_limit, row.example) == (32768, 100_000, "It was a dark\nand stormy ")
    assert str(row.note) == "Ask {name} 100% of the time"
    assert row.settings == ("LAB_KEY",)
    assert not row.free and not row.public_only


def test_the_least_a_row_needs_and_what_it_has_without_more(read):
    server = only(read(row_of(SERVER)))
    assert (server.off, server.title, server.group, server.credentials) == (None, "m", GROUP_OPENAI, None)
    assert (server.parameters, server.prompt_limit, server.price, server.context) == (openai.DIALECTS["plain"], OPENAI_PROMPT_LIMIT, None, None)
    assert str(server.note) == "Your server at h; parameters as OpenAI names them."
    service = only(read(row_of(SERVICE), **KEYS))
    assert (service.off, service.title, service.group, service.base_url) == (None, "a", GROUP_OWN, qianfan.BASE_URL)
    assert (service.parameters, service.prompt_limit, service.settings) == (qianfan.PARAMETERS, PROMPT_LIMIT, ("QIANFAN_AK", "QIANFAN_SK"))


def test_the_shipped_file_holds_no_mistake_and_says_which_settings_its_rows_are_made_from():
    rows = build_endpoints(Settings(values={}), "http://emulator")
    reasons = {name: str(row.off) for name, row in rows.items() if row.off}
    assert reasons == {
        "own/cerebras_gpt_6_7b": "The address of your service is not set.", "own/stablelm_alpha_7b": "The address of your service is not set.",
        "own/yi_34b": "The address of your service is not set.", "openai": "The address of your server is not set.",
    }
    assert rows["own/yi_34b"].settings == ("QIANFAN_BASE_URL", "QIANFAN_ENDPOINT_YI_34B", "QIANFAN_AK", "QIANFAN_SK")
    assert rows["openai"].settings == ("OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_DIALECT", "OPENAI_API_KEY")
    assert read_endpoint_file(ROOT / "endpoints.toml", {}).problems == ()


def test_the_rows_to_be_copied_from_the_shipped_file_work(read):
    text = (ROOT / "endpoints.toml").read_text(encoding="utf-8").partition("to be copied:")[2]
    rows = read(re.sub(r"^# ?", "", text, flags=re.MULTILINE), TEAM_AK="x", TEAM_SK="y")
    assert [(name, row.off) for name, row in rows.items()] == [("lab/vllm", None), ("team/yi", None)]


def test_only_what_this_computer_answers_is_free():
    free = {name: row.free for name, row in build_endpoints(Settings(values={}, fault_endpoints=True), "http://emulator").items()}
    assert {name for name, is_free in free.items() if is_free} == {name for name in free if name.startswith(("recorded/", "fault/"))}


def test_a_row_s_request_goes_out_with_its_key_its_model_and_its_bounds(read):
    with ScriptedServer(json_reply({"choices": [{"text": "b", "finish_reason": "stop"}]})) as server:
        fields = f'provider = "openai"\nbase_url = "{server.url}/v1"\nmodel = "m"\ncredentials = {{ key = "$K" }}\nbounds.max_tokens.maximum = 9\n'
        row = only(read(row_of(fields), K=KEY))
        list(Client().complete(row, CompletionRequest(prompt="a", parameters={"max_tokens": 9}), Cancel(), Exchange()))
        with pytest.raises(ParameterError, match="max_tokens"):
            list(Client().complete(row, CompletionRequest(prompt="a", parameters={"max_tokens": 10}), Cancel(), Exchange()))
        (received,) = server.requests
    assert (received.path, received.headers["authorization"]) == ("/v1/completions", f"Bearer {KEY}")
    assert received.fields == {"model": "m", "prompt": "a", "max_tokens": 9}


@pytest.mark.parametrize(
    ("written", "values", "credentials"),
    [
        ('{ access_token = "$T" }', {"T": "24.token"}, AccessToken(token=Secret("24.token"))),
        ('{ api_key = "$A", secret_key = "$B" }', {"A": "a", "B": "b"}, ApplicationKeys(api_key=Secret("a"), secret_key=Secret("b"))),
        ('{ secret_key = "$B", access_key = "$A" }', {"A": "a", "B": "b"}, IamKeys(access_key=Secret("a"), secret_key=Secret("b"))),
        ('"qianfan"', {"QIANFAN_ACCESS_KEY": "a", "QIANFAN_SECRET_KEY": "b"}, IamKeys(access_key=Secret("a"), secret_key=Secret("b"))),
    ],
    ids=["access token", "application keys", "IAM keys", "the configured ones"],
)
def test_each_kind_of_keys_is_referred_to(read, written, values, credentials):
    row = only(read(row_of(f'provider = "qianfan"\npath = "p"\ncredentials = {written}\n'), **values))
    assert (row.off, row.credentials) == (None, credentials)
    assert set(row.settings) == set(values)


@pytest.mark.parametrize(
    ("optional", "value", "off"),
    [("", "k", None), ("", "", "K is not set."), (", optional = false", " ", "K is not set."), (", optional = true", "", None),
     (", optional = true", "k", None)],
)
def test_a_server_s_key_may_be_optional(read, optional, value, off):
    row = only(read(row_of(f'{SERVER}credentials = {{ key = "$K"{optional} }}\n'), K=value))
    assert (row.off and str(row.off)) == off
    assert row.credentials == (BearerKey(key=Secret("k")) if value == "k" else None)


@pytest.mark.parametrize(
    ("values", "what", "remedy"),
    [({}, "A is not set.", "A + B"), ({"A": "x"}, "A is set, B is not.", "B"), ({"B": "x"}, "B is set, A is not.", "A"),
     ({"A": "x", "B": "a “key”"}, "B holds a character that no key has.", "quotation marks")],
)
def test_keys_that_are_not_set_are_told_by_the_names_of_their_settings(read, values, what, remedy):
    row = only(read(row_of('provider = "qianfan"\npath = "p"\ncredentials = { api_key = "$A", secret_key = "$B" }\n'), **values))
    assert str(row.off) == what and remedy in str(row.off.remedy)


def test_a_setting_that_is_not_set_is_as_a_field_that_is_not_there(read):
    row = only(read(row_of('title = "$T"\ngroup = "$G"\nnote = "$N"\nexample = "$E"\ndialect = "$D"\n' + SERVER)))
    assert (row.off, row.title, row.group, row.example) == (None, "m", GROUP_OPENAI, "")
    assert only(read(row_of('title = "$T"\n' + SERVER), T="Set")).title == "Set"


def test_a_price_is_the_figure_that_was_written(read):
    row = only(read(row_of(SERVER + 'price = { prompt = 0.1, completion = 3, currency = "USD" }\n')))
    assert row.price.of(Usage(prompt_tokens=3, completion_tokens=1)) == Decimal("0.0033")


# --- mistakes ---


WRONG = {
    "an unknown field": (SERVER + 'titel = "x"\n', 6, "there is no field “titel” here", "title, group"),
    "the other provider's field": (SERVER + 'path = "p"\n', 6, "there is no field “path” here", "model, dialect"),
    "no provider": ('model = "m"\n', 1, "provider is missing", "qianfan, openai"),
    "an unknown provider": ('provider = "azure"\n', 3, "provider is none of the known ones", "qianfan, openai"),
    "an unknown dialect": (SERVER + 'dialect = "tgi"\n', 6, "dialect is none of the known ones", "llama.cpp"),
    "no base URL": ('provider = "openai"\nmodel = "m"\n', 1, "The address of your server is not set", "base_url"),
    "a bad base URL": ('provider = "openai"\n\nmodel = "m"\nbase_url = "h/v1"\n', 6, "base_url is not a web address", "https://"),
    "a password in it": ('provider = "openai"\nmodel = "m"\nbase_url = "http://u:p@h/v1"\n', 5, "base_url holds a user name", "Take it out"),
    "no model": ('provider = "openai"\nbase_url = "http://h"\n', 1, "The name of your server's model is not set", "model ="),
    "no path": ('provider = "qianfan"\ncredentials = "qianfan"\n', 1, "The address of your service is not set", "path ="),
    "a bad path": ('provider = "qianfan"\npath = "a/b"\ncredentials = "qianfan"\n', 4, "path is not a service address", "last part"),
    "a number for text": (SERVER + "title = 5\n", 6, "title must be text in quotation marks", ""),
    "a title of two lines": (SERVER + 'title = "a\\nb"\n', 6, "title must be one line", ""),
    "a long title": (SERVER + f'title = "{"x" * 201}"\n', 6, "title must be one line of at most 200", ""),
    "text for a number": (SERVER + 'context = "8192"\n', 6, "context must be a whole number", ""),
    "no context at all": (SERVER + "context = 0\n", 6, "context must be a whole number, at least 1", ""),
    "half a character": (SERVER + "prompt_limit = 0.5\n", 6, "prompt_limit must be a whole number", ""),
    "true for a number": (SERVER + "context = true\n", 6, "context must be a whole number", ""),
    "a long example": (SERVER + 'prompt_limit = 3\nexample = "four"\n', 7, "example must have at most 3 characters", ""),
    "text for a switch": (SERVER + 'advises_one_of_temperature_and_top_p = "yes"\n', 6, "must be true or false", ""),
    "a date": (SERVER + "note = 2024-01-01\n", 6, "note must be text", ""),
    "no keys": ('provider = "qianfan"\npath = "p"\n', 1, "“credentials” has none of the forms", "api_key"),
    "keys of another provider": (SERVER + 'credentials = { access_token = "$T" }\n', 6, "“credentials” has none of the forms", "{ key ="),
    "Qianfan's keys for a server": (SERVER + 'credentials = "qianfan"\n', 6, "“credentials” has none of the forms", "{ key ="),
    "half a pair": ('provider = "qianfan"\npath = "p"\ncredentials = { api_key = "$A" }\n', 5, "“credentials” has none of the forms", "secret_key"),
    "an optional pair": ('provider = "qianfan"\npath = "p"\ncredentials = { access_token = "$A", optional = true }\n', 5, "none of the forms", ""),
    "a key that is a number": (SERVER + "credentials = { key = 5 }\n", 6, "“credentials” has none of the forms", ""),
    "a price without a currency": (SERVER + "price = { prompt = 1, completion = 1 }\n", 6, "price.currency must be the three letters", ""),
    "half a price": (SERVER + 'price = { prompt = 1, currency = "CNY" }\n', 6, "price.completion must be an amount", ""),
    "a negative price": (SERVER + 'price.currency = "CNY"\nprice.prompt = -0.1\nprice.completion = 0\n', 7, "price.prompt must be an amount", ""),
    "a price that is no number": (SERVER + 'price = { prompt = nan, completion = inf, currency = "CNY" }\n', 6, "price.prompt must be a number", ""),
    "an unknown part of a price": (SERVER + 'price = { promt = 1 }\n', 6, "there is no field “price.promt” here", "prompt, completion, currency"),
    "text for a price": (SERVER + 'price = "free"\n', 6, "price must be a table", ""),
    "bounds of nothing": (SERVER + "bounds.top_k.maximum = 5\n", 6, "“top_k” is no number that this endpoint takes", "temperature, top_p"),
    "bounds of a list": (SERVER + "bounds.stop.maximum = 5\n", 6, "“stop” is no number", ""),
    "bounds too wide": (SERVER + "bounds.top_p.step = 0.5\nbounds.temperature.maximum = 2.5\n", 7, "must be from 0 to 2; 2.5 is not", "narrower"),
    "bounds too low": (SERVER + "\n[endpoint.bounds]\ntop_p.minimum = 0.5\ntemperature.minimum = -1\n", 9, "must be from 0 to 2; -1", ""),
    "bounds in a table": (SERVER + "[endpoint.bounds.temperature]\nminimum = 0.5\nmaximum = 3\n", 8, "temperature must be from 0 to 2", ""),
    "bounds crossed": (SERVER + "bounds.top_p = { minimum = 0.9, maximum = 0.1 }\n", 6, "leave no room", "further apart"),
    "bounds at one point": (SERVER + "bounds.top_p = { minimum = 0.5, maximum = 0.5, step = 1e-12 }\n", 6, "leave no room", ""),
    "bounds without room": (SERVER + "bounds.top_p = { maximum = 0.1, step = 0.2 }\n", 6, "leave no room for a step of 0.2", "smaller step"),
    "a step of nothing": (SERVER + "bounds.top_p.step = 0\n", 6, "The step of top_p must be greater than 0", ""),
    "half a token": (SERVER + "bounds.max_tokens.maximum = 99.5\n", 6, "bounds.max_tokens.maximum must be a whole number", ""),
    "an unknown bound": (SERVER + "bounds.top_p.least = 0.5\n", 6, "there is no field “bounds.top_p.least” here", "minimum, maximum, step"),
    "a number for bounds": (SERVER + "bounds = 5\n", 6, "bounds must be a table", ""),
    "a bound that is a text": (SERVER + 'bounds.top_p.minimum = "0.5"\n', 6, "bounds.top_p.minimum must be a number", ""),
    "a bound past counting": (SERVER + "bounds.max_tokens.maximum = 99999999999999999\n", 6, "must be a whole number", ""),
    "an unclosed text": (SERVER + 'title = "x\nnote = "y"\n', 6, "this is not TOML", "quotation marks"),
    "no value": (SERVER + "title\n", 6, "this is not TOML", ""),
    "a field twice": (SERVER + 'model = "n"\n', 6, "this is not TOML", "each field once"),
    "typographic quotation marks": (SERVER + "title = “x”\n", 6, "this is not TOML", "straight"),
    "a text that never ends": (SERVER + 'note = """x\ny\n\n', 6, "this is not TOML", ""),
    "a number past reading": (SERVER + f"context = {'9' * 5000}\n", 6, "this is not TOML", ""),
    "nesting past reading": (SERVER + f"context = {'[' * 5000}\n", 6, "this is not TOML", ""),
    "a table that is none of ours": (SERVER + "\n[defaults]\nx = 1\n", 7, "there is no table “defaults” here", "[endpoint.bounds]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_told_with_its_line_and_what_to_do(read, case):
    fields, line, what, remedy = WRONG[case]
    before, after = "# a comment\n\n", "\n" + row_of(SERVER, "sound")
    rows = read(before + row_of(fields) + after, **KEYS)
    assert list(rows) == ["a", "sound"] and rows["sound"].off is None
    said = str(rows["a"].off.message)
    assert said.startswith(f"Line {line + 2} of endpoints.toml: ") and what in said
    assert remedy in str(rows["a"].off.remedy)


@pytest.mark.parametrize("opening", ["[endpoint]", "[[endpoint]", "[endpoint]]", "  [ endpoint ]  # mine"])
def test_an_opening_that_lacks_a_bracket_is_told_and_costs_no_other_row(read, opening):
    rows = read(row_of(SERVER, "before") + f'\n{opening}\nname = "a"\n{SERVER}\n' + row_of(SERVER, "after"))
    assert [(name, row.off is None) for name, row in rows.items()] == [("before", True), ("a", False), ("after", True)]
    assert str(rows["a"].off.message) == "Line 7 of endpoints.toml: an endpoint begins with two brackets on each side."


@pytest.mark.parametrize(
    ("name", "what"),
    [('"a"', "the name “a” is taken"), ('"recorded/yi_34b"', "is taken"), ('"recorded/mine"', "is taken"), ('"local"', "is taken"),
     ('"fault/slow"', "is taken"), ('"mine/x"', "is taken"), ('"line-1"', "is taken"), ('""', "needs a name"), ('"a b"', "needs a name"),
     ('"名"', "needs a name"), ("5", "needs a name"), ('"$NAME"', "needs a name"), (f'"{"x" * 101}"', "needs a name")],
)
def test_a_name_that_cannot_be_used_leaves_the_row_under_its_line(read, name, what):
    rows = read(row_of(SERVER) + f"\n[[endpoint]]\nname = {name}\n{SERVER}", NAME="b")
    assert list(rows) == ["a", "line-7"] and rows["a"].off is None
    assert str(rows["line-7"].off.message).startswith("Line 8 of endpoints.toml: ") and what in str(rows["line-7"].off.message)


def test_a_row_without_a_name_is_told_too(read):
    rows = read("[[endpoint]]\n" + SERVER)
    assert str(rows["line-1"].off.message) == "Line 1 of endpoints.toml: an endpoint needs a name."


def test_a_mistake_in_a_setting_is_told_by_its_name(read):
    fields = 'provider = "openai"\nbase_url = "$URL"\nmodel = "$MODEL"\ndialect = "$DIALECT"\n'
    sound = {"URL": "http://h/v1", "MODEL": "m", "DIALECT": "vllm"}
    for name, value in {"URL": "nonsense", "MODEL": "a\nb", "DIALECT": "tgi"}.items():
        off = only(read(row_of(fields), **{**sound, name: value})).off
        assert str(off.message).startswith(f"{name} is ") and value not in words(off)
    for name in ("URL", "MODEL"):
        assert name in str(only(read(row_of(fields), **{**sound, name: ""})).off.remedy)


@pytest.mark.parametrize(
    "written",
    ["credentials = {key!r}", "credentials = {{ key = {key!r} }}", "credentials = {{ key = {key!r}, optional = true }}", "credentials.key = {key!r}",
     "credentials = {{ api_key = '$A', secret_key = {key!r} }}", "credentials = {{ token = {key!r} }}", "credentials = {{ {key} = '$A' }}",
     "credentials = {{ key = [{key!r}] }}", "credentials = [{key!r}]", "key = {key!r}", "api_key = {key!r}", "credentials = {{ key = {key!r}",
     "{key}", "base_url = 'http://u:{key}@h'", "base_url = 'http://h?key={key}'", "provider = {key!r}", "dialect = {key!r}",
     "price = {{ currency = {key!r} }}", "context = {key!r}", "note = '''\n{key}\n\n{key}'''", "credentials = {key}"],
)
@pytest.mark.parametrize("wire", ["openai", "qianfan"])
def test_a_key_written_into_the_file_is_refused_and_never_repeated(read, written, wire):
    text = row_of((SERVER if wire == "openai" else 'provider = "qianfan"\npath = "p"\n') + written.format(key=KEY) + "\n", "a")
    off = only(read(text)).off
    assert "sk-do" not in words(off) + repr(vars(off)) + repr(off.args)
    if written.startswith("credentials") and "$A" not in written and "[" not in written and "=" in written.partition("=")[2]:
        assert ".env" in words(off) or "TOML" in words(off)


def test_the_words_for_a_key_in_the_file_say_where_it_belongs(read):
    off = only(read(row_of(SERVER + f'credentials = {{ key = "{KEY}" }}\n'))).off
    assert str(off.message) == "Line 6 of endpoints.toml: a key does not stand in this file."
    assert str(off.remedy) == "Put it in .env and name it here as $NAME."


# --- the file itself ---


@pytest.mark.parametrize("content", [b"[[endpoint]]\nname = '\xff'\n", row_of(SERVER).encode("utf-16"), None], ids=["Latin-1", "UTF-16", "none"])
def test_a_file_that_cannot_be_read_is_a_problem_of_the_service(tmp_path, content):
    if content is not None:
        (tmp_path / "mine.toml").write_bytes(content)
    made = open_service(read_settings(tmp_path, {"PLAYGROUND_ENDPOINTS": "mine.toml", "PLAYGROUND_RUN_TIME": "never"}), "http://emulator")
    close_service()
    assert [str(problem).partition(" must")[0] for problem in made.problems] == [
        "PLAYGROUND_RUN_TIME", "The endpoints in mine.toml are missing: the file cannot be read.",
    ]
    assert list(made.endpoints) == ["recorded/cerebras_gpt_6_7b", "recorded/stablelm_alpha_7b", "recorded/yi_34b"]


@pytest.mark.parametrize("head", ["version = 1\n", "[defaults]\nx = 1\n", "nonsense\n", '"""\n'])
def test_what_stands_before_the_first_endpoint_is_a_problem_and_costs_no_row(tmp_path, head):
    (tmp_path / "endpoints.toml").write_text("\ufeff# mine\n\n" + head + row_of(SERVER), encoding="utf-8")
    made = open_service(read_settings(tmp_path, {}), "http://emulator")
    close_service()
    assert [str(problem) for problem in made.problems] == ["Line 3 of endpoints.toml: this belongs to no endpoint, and is not used."]
    assert made.endpoints["a"].off is None


def test_a_file_may_be_empty(read):
    assert read("") == read("# nothing yet\r\n\n") == {}


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    text = row_of(SERVER + 'note = """\n\u2028\x85\n"""\n') + "\n" + row_of(SERVER + "context = 0\n", "b")
    path = tmp_path / "endpoints.toml"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    rows = build_endpoints(Settings(values={}, endpoint_file=path), "http://emulator")
    assert str(rows["b"].off.message).startswith("Line 15 of endpoints.toml: context")


DAMAGE = strategies.text("ab1.\"'=[]{}#,$\\\n\r\t ü\x00-_", max_size=30) | strategies.text(strategies.characters(codec="utf-8"), max_size=20)


@pytest.mark.slow
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=DAMAGE, row=strategies.integers(0, 2), place=strategies.data())
def test_a_damaged_row_leaves_the_others_as_they_were(read, damage, row, place):
    pieces = [
        row_of(SERVER + 'example = """two\nlines"""\ncredentials = { key = "$K" }\n', "first"),
        row_of(SERVICE + "bounds.temperature = { minimum = 0.1 }\n", "second"),
        row_of(SERVER + 'price = { prompt = 0.1, completion = 1, currency = "CNY" }\n', "third"),
    ]
    values = {"K": KEY, **KEYS}
    whole = read("\n".join(pieces), **values)
    assert [row.off for row in whole.values()] == [None] * 3
    body = pieces[row].removeprefix("[[endpoint]]\n")
    start, end = sorted((place.draw(strategies.integers(0, len(body))), place.draw(strategies.integers(0, len(body)))))
    pieces[row] = "[[endpoint]]\n" + body[:start] + damage + body[end:]
    names = ["first", "second", "third"]
    rows = read("\n".join(pieces), **values)
    assert {name: rows[name] for name in names if name != names[row]} == {name: whole[name] for name in names if name != names[row]}
    assert len(rows) >= 3, "the damaged row is still there, on or off"


# --- bounds ---


NUMBERS = [spec for table in (qianfan.PARAMETERS, *openai.DIALECTS.values()) for spec in table if spec.is_number]
FIGURES = strategies.integers(-10, 3000) | strategies.decimals(-3, 3, places=2, allow_nan=False)
BOUNDS = strategies.fixed_dictionaries({}, optional=dict.fromkeys(("minimum", "maximum", "step"), FIGURES))


@settings(max_examples=300)
@given(spec=strategies.sampled_from(NUMBERS), bounds=BOUNDS)
def test_narrowed_bounds_lie_inside_and_leave_a_slider_its_room(spec, bounds):
    row = Row(fields={"bounds": {spec.name: bounds}}, file="f")
    try:
        (narrow,) = narrowed(row, (spec,))
    except ConfigurationError:
        return
    for value in {narrow.minimum, narrow.maximum, narrow.start, *(bounds.get(end) for end in ("minimum", "maximum"))} - {None}:
        value = int(value) if spec.kind == "int" else float(value)
        try:
            narrow.check(value)
        except ParameterError:
            assert narrow.minimum_open and value == narrow.minimum
        else:
            spec.check(value)
    for end in ("minimum", "maximum"):
        assert bounds.get(end) is None or getattr(narrow, end) == float(bounds[end])
    if narrow.minimum is not None and "minimum" in bounds and narrow.minimum > spec.minimum:
        assert not narrow.minimum_open
    narrow.check(narrow.start)
    reach = narrow.slider_maximum if narrow.slider_maximum is not None else narrow.maximum
    low = (narrow.minimum or 0) + (narrow.step if narrow.minimum_open else 0)
    assert low < reach and (narrow.maximum is None or reach <= narrow.maximum)


def test_without_bounds_the_table_is_the_provider_s_own():
    assert narrowed(Row(fields={}, file="f"), qianfan.PARAMETERS) == qianfan.PARAMETERS


def test_an_open_bound_stays_open_only_while_it_stands_where_it_stood(read):
    def temperature(bounds):
        row = only(read(row_of(SERVICE + f"bounds.temperature = {bounds}\n"), **KEYS))
        return next(spec for spec in row.parameters if spec.name == "temperature")

    assert str(temperature("{ maximum = 0.9 }").range) == "greater than 0, at most 0.9"
    assert str(temperature("{ minimum = 0, maximum = 0.9 }").range) == "greater than 0, at most 0.9"
    assert str(temperature("{ minimum = 0.1, maximum = 0.9, step = 0.1 }").range) == "from 0.1 to 0.9"
    assert temperature("{ minimum = 0.8 }").start == 0.8


@pytest.mark.slow
def test_narrowed_bounds_reach_the_slider_the_box_and_the_exact_request(tmp_path):
    st.cache_resource.clear()
    (tmp_path / "endpoints.toml").write_text(
        row_of(SERVER + "bounds.temperature = { minimum = 0.1, maximum = 0.9, step = 0.1 }\n"
               "bounds.max_tokens = { minimum = 2000, maximum = 5000 }\n"),
        encoding="utf-8",
    )
    open_service(read_settings(tmp_path, {}), "http://127.0.0.1:9")
    try:
        page = AppTest.from_file(str(ROOT / "pages" / "bench.py"), default_timeout=30)
        page.context = {"locale": "en-GB"}
        page.run()
        next(one for one in page.selectbox if one.label == "Endpoint").set_value("a").run()
        assert not page.exception
        sliders = {name: next(one for one in page.slider if (one.key or "").startswith(f"slid-{name}-")) for name in ("temperature", "max_tokens")}
        assert (sliders["temperature"].min, sliders["temperature"].max, sliders["temperature"].step) == (0.1, 0.9, 0.1)
        assert (sliders["max_tokens"].min, sliders["max_tokens"].max) == (2000, 3023)
        page.toggle(key="sent-temperature").set_value(True).run()
        box = next(one for one in page.text_input if (one.key or "").startswith("typed-temperature"))
        box.set_value("0.95").run()
        assert any("temperature must be from 0.1 to 0.9; 0.95 is not." in caption.value.replace("\\", "") for caption in page.caption)
    finally:
        close_service()


# --- a visitor's own ---


def visitors(**fields):
    given = {
        "title": "My vLLM!", "provider": "openai", "dialect": "vllm", "base_url": "http://127.0.0.1:8000/v1", "path": "", "model": "m",
        "credentials": None, "public_only": False,
    }
    return visitor_endpoint(**{**given, **fields})


def test_a_visitor_s_endpoint_is_as_good_as_a_row():
    row = visitors(credentials=BearerKey(key=Secret(KEY)), public_only=True)
    assert re.fullmatch(r"mine/my-vllm-[0-9a-f]{4}", row.name)
    assert (row.off, row.title, row.group, row.url) == (None, "My vLLM!", "Your own, for this session", "http://127.0.0.1:8000/v1/completions")
    assert (row.parameters, row.public_only, row.settings, row.free, row.price) == (openai.DIALECTS["vllm"], True, (), False, None)
    assert "127.0.0.1:8000" in str(row.note) and "session" in str(row.note)
    assert KEY not in repr(row)
    assert visitors().name != visitors().name or visitors().name != visitors().name


def test_a_visitor_s_qianfan_service():
    keys = ApplicationKeys(api_key=Secret("a"), secret_key=Secret("b"))
    address = "https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/abc_yi"
    row = visitors(title=" ", provider="qianfan", base_url="", path=address, model="left over", credentials=keys)
    assert (row.off, row.title, row.url, row.credentials, row.provider) == (None, "abc_yi", address, keys, qianfan.PROVIDER)
    with pytest.raises(ConfigurationError, match="keys that this endpoint takes are missing"):
        visitors(provider="qianfan", path="abc_yi", credentials=None)
    with pytest.raises(ConfigurationError, match="keys that this endpoint takes are missing"):
        visitors(credentials=keys)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"base_url": ""}, "The address of your server is not set."), ({"base_url": "h/v1"}, "Base URL is not a web address."),
        ({"base_url": f"http://{KEY}@h/v1"}, "Base URL holds a user name or password."), ({"base_url": "http://h/v1?x"}, "Base URL must end before"),
        ({"model": " "}, "The name of your server's model is not set."), ({"model": "a\nb"}, "Model is not a model's name."),
        ({"dialect": KEY}, "Parameters as in is none of the known ones."), ({"provider": KEY}, "What it speaks is none of the known ones."),
        ({"provider": ""}, "What it speaks is missing."), ({"title": "x" * 201}, "Name must be one line"),
        ({"title": "a\x00"}, "Name must be one line"),
        ({"provider": "qianfan", "path": ""}, "The address of your service is not set."),
        ({"provider": "qianfan", "path": "a b"}, "Address of the service is not a service address."),
    ],
)
def test_what_a_visitor_typed_wrongly_is_told_by_the_form_s_own_words(fields, what):
    with pytest.raises(ConfigurationError) as caught:
        visitors(**fields)
    assert str(caught.value.message).startswith(what)
    assert "Line" not in str(caught.value.message) and "sk-do" not in words(caught.value)


@pytest.mark.parametrize("field", ["base_url", "model", "title", "path", "dialect", "provider"])
def test_a_visitor_cannot_name_a_setting_of_this_server(field, monkeypatch):
    monkeypatch.setenv("QIANFAN_SK", "http://the-secret/v1")
    try:
        made = visitors(**{field: "$QIANFAN_SK"})
    except ConfigurationError as error:
        assert "the-secret" not in words(error) and "QIANFAN_SK" not in words(error)
    else:
        assert "the-secret" not in repr(made)
        assert made.settings == ()


@given(typed=strategies.text(max_size=40))
def test_a_key_is_taken_whole_or_refused_unsaid(typed):
    try:
        secret = read_key(message("Key"), typed)
    except ConfigurationError as error:
        assert words(error).startswith("Key ")
        assert len(typed.strip()) < 4 or typed.strip() not in words(error)
    else:
        assert secret.reveal() == typed.strip()
        assert secret.reveal().isascii() and secret.reveal().isprintable() and " " not in secret.reveal()


@pytest.mark.parametrize(
    ("typed", "what"), [("", "is missing"), ("  ", "is missing"), ("a b", "a character"), ("“k”", "a character"), ("k" * 5000, "too long")]
)
def test_what_is_no_key_is_told_why(typed, what):
    with pytest.raises(ConfigurationError, match=f"API key .*{what}"):
        read_key("API key", typed)


# --- the settings of it ---


@pytest.mark.parametrize(("text", "choice"), [("", "auto"), (" AUTO ", "auto"), ("off", "off"), ("Public", "public"), ("any", "any")])
def test_visitors_endpoints_have_a_switch(tmp_path, text, choice):
    read = read_settings(tmp_path, {"PLAYGROUND_VISITOR_ENDPOINTS": text})
    assert (read.visitor_endpoints, read.problems) == (choice, ())


@pytest.mark.parametrize("text", ["yes", "1", "all", "local"])
def test_any_other_word_is_told_and_counts_as_off(tmp_path, text):
    read = read_settings(tmp_path, {"PLAYGROUND_VISITOR_ENDPOINTS": text})
    (problem,) = read.problems
    assert read.visitor_endpoints == "off"
    assert "PLAYGROUND_VISITOR_ENDPOINTS" in words(problem) and "auto, off, public, any" in words(problem)


def test_the_salt_is_the_configured_one_or_another_each_time(tmp_path):
    def salt(**values):
        return read_settings(tmp_path, values).salt

    assert salt(PLAYGROUND_SALT=" pepper ") == Secret("pepper")
    assert len({salt(), salt(), Settings().salt, Settings().salt}) == 4 and len(salt().reveal()) >= 32
    assert "pepper" not in repr(read_settings(tmp_path, {"PLAYGROUND_SALT": "pepper"}))


def test_the_file_of_endpoints_stands_beside_env_unless_another_is_named(tmp_path):
    assert read_settings(tmp_path, {}).endpoint_file == tmp_path / "endpoints.toml"
    assert read_settings(tmp_path, {"PLAYGROUND_ENDPOINTS": "conf/mine.toml"}).endpoint_file == tmp_path / "conf" / "mine.toml"
    assert read_settings(tmp_path, {"PLAYGROUND_ENDPOINTS": "/etc/mine.toml"}).endpoint_file.as_posix() == "/etc/mine.toml"
