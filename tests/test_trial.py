"""Testing an endpoint: what a trial asks and costs, and what it shows of every kind of endpoint, to its last moment and before."""

import dataclasses
import json
import threading
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings

from emulator.options import ACCESS_KEY, IAM_SECRET, Options
from emulator.server import running
from playground.client import Client
from playground.completion import Ending, Usage
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, IamKeys
from playground.endpoints import DEMO_KEYS, Endpoint
from playground.message import message
from playground.price import Price
from playground.providers import openai, qianfan
from playground.redaction import Secret
from playground.run import Runs
from playground.settings import Limits
from playground.trial import Authentication, Finding, capabilities, finding, nearest, trial_cost, trial_request
from playground.usage_dialect import UsageDialect
from playground.wire import Timeouts
from tests.narrowed import endpoints
from tests.scripted_server import CUT, HANG, ScriptedServer, json_reply, reply, unused_port

IAM = IamKeys(access_key=Secret(ACCESS_KEY), secret_key=Secret(IAM_SECRET))
PRICE = Price(prompt=Decimal("0.004"), completion=Decimal("0.008"), currency="CNY")


def qianfan_endpoint(base_url="http://127.0.0.1:9", path="yi_34b", credentials=DEMO_KEYS, **fields):
    return Endpoint(
        name="own/x", title="x", group="g", note=message("n"), base_url=base_url, path=path, credentials=credentials, **fields
    )


def openai_endpoint(base_url="http://127.0.0.1:9", key="sk-the-trial-key", dialect="plain", **fields):
    return Endpoint(
        name="openai", title="x", group="g", note=message("n"), base_url=base_url + "/v1", path=openai.COMPLETION_PATH, model="m",
        credentials=BearerKey(key=Secret(key)) if key else None, provider=openai.PROVIDER, parameters=openai.DIALECTS[dialect], **fields,
    )


@pytest.fixture
def runs():
    made = Runs(Client(timeouts=Timeouts(connect=5, silence=5)), Limits())
    yield made
    made.close()


@pytest.fixture(scope="module")
def emulator():
    with running(options=Options(pace=0.0)) as server:
        yield server.base_url


def tried(runs, endpoint) -> Finding:
    run = runs.start(endpoint, trial_request(endpoint), "visitor")
    assert run.wait(10)
    return finding(run, endpoint)


# --- what is asked ---


@settings(deadline=None)
@given(endpoints())
def test_a_trial_stays_inside_whatever_bounds_an_endpoint_has(endpoint):
    request = trial_request(endpoint)
    assert Client().check(endpoint, request)
    names = {spec.name for spec in endpoint.parameters}
    assert request.stream == ("stream" in names)
    assert ("max_tokens" in request.parameters) == ("max_tokens" in names)


@pytest.mark.parametrize(
    ("endpoint", "limit"),
    [(qianfan_endpoint(), {"stop": ["9", "\n", "。", "."]}), (openai_endpoint(), {"max_tokens": 8})],
    ids=["by stops, where there is no limit", "by tokens"],
)
def test_a_trial_is_short_and_streams(endpoint, limit):
    request = trial_request(endpoint)
    assert request.parameters == {**limit, "stream": True}
    assert len(request.prompt) < 10


@pytest.mark.parametrize(
    ("bounds", "wanted", "value"),
    [
        ({"minimum": 16, "maximum": 64}, 8, 16), ({"minimum": 1, "maximum": 4}, 8, 4), ({"minimum": 1}, 8, 8),
        ({"minimum": 8, "minimum_open": True}, 8, 9),
    ],
)
def test_a_wanted_number_is_moved_to_the_nearest_permitted_one(bounds, wanted, value):
    spec = dataclasses.replace(next(spec for spec in openai.DIALECTS["plain"] if spec.name == "max_tokens"), **{"maximum": None, **bounds})
    assert nearest(spec, wanted) == spec.check(nearest(spec, wanted)) == value


# --- what it costs ---


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (openai_endpoint(), "One request, at most about 16 tokens: cost unknown."),
        (openai_endpoint(price=PRICE), "One request, at most about 16 tokens: about ¥0.000096."),
        (qianfan_endpoint(price=PRICE), "One request, about 48 tokens, though nothing limits the answers: about ¥0.00035."),
        (qianfan_endpoint(), "One request, about 48 tokens, though nothing limits the answers: cost unknown."),
        (qianfan_endpoint(free=True), "One request; it costs nothing."),
    ],
    ids=["no price", "a price and a limit", "a price, no limit", "neither", "free"],
)
def test_the_cost_is_told_before_and_never_0_unless_it_is_free(endpoint, words):
    assert str(trial_cost(endpoint)) == words


# --- what it shows ---


@pytest.mark.parametrize(
    ("path", "credentials", "dialect", "safety", "sentences", "completion", "access"),
    [
        ("cerebras_gpt_6_7b", DEMO_KEYS, UsageDialect.PER_EVENT, "is_safe", 2, 91, "Accepted with an access token."),
        ("yi_34b", IAM, UsageDialect.LAGGING, "need_clear_history", 14, 372, "Accepted with a signature."),
    ],
)
def test_a_recorded_endpoint_shows_all_of_itself(runs, emulator, path, credentials, dialect, safety, sentences, completion, access):
    before = time.time()
    found = tried(runs, qianfan_endpoint(emulator, path, credentials))
    assert (found.ending, found.error, found.status, found.streamed, found.end_mark) == (Ending.FINISHED, None, 200, True, True)
    assert (found.authentication, str(found.access)) == (Authentication.ACCEPTED, access)
    assert (found.dialect, found.safety_field, found.sentences, found.usage.completion_tokens) == (dialect, safety, sentences, completion)
    assert found.first >= 0 and before - 1 <= found.at <= time.time() + 1
    assert str(found.shape) == f"An event stream; sentences: {sentences}."


def chunk(text, reason=None, **fields):
    return event({"choices": [{"text": text, "index": 0, "finish_reason": reason}], **fields})


def event(fields):
    return f"data: {json.dumps(fields)}\n\n".encode()


LAST_USAGE = event({"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}})
STREAMED = reply(chunk(" 4,"), chunk(" 5,", "length"), LAST_USAGE, b"data: [DONE]\n\n")


@pytest.mark.parametrize(("key", "access"), [("sk-the-trial-key", "Accepted with a bearer key."), ("", "Accepted with no credential.")])
def test_an_openai_endpoint_states_usage_at_the_end_and_no_safety(runs, key, access):
    with ScriptedServer(STREAMED) as server:
        found = tried(runs, openai_endpoint(server.url, key))
        assert server.requests[0].fields["max_tokens"] == 8
    assert (found.dialect, found.usage, found.safety_field) == (
        UsageDialect.FINAL_ONLY, Usage(prompt_tokens=8, completion_tokens=3, total_tokens=11), None
    )
    assert (found.sentences, str(found.access)) == (2, access)


def test_done_alone_is_an_end_mark(runs):
    with ScriptedServer(reply(chunk(" 4,"), b"data: [DONE]\n\n")) as server:
        found = tried(runs, openai_endpoint(server.url))
    assert (found.ending, found.end_mark, found.dialect) == (Ending.FINISHED, True, UsageDialect.ABSENT)


def test_one_body_where_a_stream_was_asked_for_is_told(runs, emulator):
    found = tried(runs, qianfan_endpoint(emulator, "json_success"))
    assert (found.streamed, found.end_mark, found.dialect) == (False, None, UsageDialect.UNDECIDED)
    assert str(found.shape) == "One JSON body, although a stream was asked for."
    whole = tuple(spec for spec in qianfan.PARAMETERS if spec.name != "stream")
    assert str(tried(runs, qianfan_endpoint(emulator, "json_success", parameters=whole)).shape) == "One JSON body."


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        (ApplicationKeys(api_key=Secret("wrong-api-key"), secret_key=Secret("wrong-secret")), "unknown client id"),
        (IamKeys(access_key=Secret(ACCESS_KEY), secret_key=Secret("wrong-iam-secret")), "IAM Certification failed"),
        (AccessToken(token=Secret("nonsense")), "Invalid parameter"),
    ],
    ids=["application keys", "signature", "access token"],
)
def test_a_refused_credential_is_told_in_the_endpoint_s_own_words(runs, emulator, credentials, words):
    found = tried(runs, qianfan_endpoint(emulator, credentials=credentials))
    assert (found.ending, found.authentication, found.streamed, found.first) == (Ending.FAILED, Authentication.REFUSED, None, None)
    assert str(found.access).startswith("Refused with a") and words in str(found.access)
    assert str(found.shape) == "There was no answer."


def test_words_of_an_endpoint_that_repeats_the_key_do_not_show_it(runs):
    refused = json_reply({"error": {"message": "Incorrect API key provided: sk-the-trial-key"}}, "401 Unauthorized")
    with ScriptedServer(refused) as server:
        found = tried(runs, openai_endpoint(server.url))
    assert found.status == 401
    assert "Incorrect API key" in str(found.access) and "sk-the-trial-key" not in str(found.access)


@pytest.mark.parametrize("path", ["html_502", "busy", "no-such-service"])
def test_an_error_that_says_nothing_of_the_credential_leaves_it_open(runs, emulator, path):
    found = tried(runs, qianfan_endpoint(emulator, path))
    assert (found.ending, found.authentication) == (Ending.FAILED, Authentication.UNTOLD)
    assert str(found.access).startswith("Not known: ")


def test_a_closed_port_is_not_reached(runs):
    found = tried(runs, openai_endpoint(f"http://127.0.0.1:{unused_port()}"))
    assert (found.authentication, found.status, found.dialect) == (Authentication.UNTOLD, None, UsageDialect.ABSENT)
    assert str(found.access).startswith("Not reached: ")


def test_a_stream_that_is_cut_has_no_end_mark_and_keeps_what_it_showed(runs):
    with ScriptedServer(reply(chunk(" 4,"), CUT)) as server:
        found = tried(runs, openai_endpoint(server.url))
    assert (found.ending, found.end_mark, found.authentication) == (Ending.CUT, False, Authentication.ACCEPTED)
    assert str(found.shape) == "An event stream without an end mark; sentences: 1."


def until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.005)


def test_a_trial_can_be_read_while_it_goes(runs):
    with ScriptedServer(reply(HANG), reply(chunk(" 4,"), HANG)) as server:
        endpoint = openai_endpoint(server.url)
        silent = runs.start(endpoint, trial_request(endpoint), "visitor")
        until(lambda: server.requests)
        early = finding(silent, endpoint)
        silent.stop()
        begun = runs.start(endpoint, trial_request(endpoint), "visitor")
        until(lambda: begun.sentences)
        found = finding(begun, endpoint)
        begun.stop()
    assert (early.ending, str(early.access), str(early.shape)) == (None, "No answer yet.", "No answer yet.")
    assert str(finding(silent, endpoint).access) == "Not told: there was no answer."
    assert (found.ending, found.authentication, found.streamed, str(found.shape)) == (
        None, Authentication.ACCEPTED, True, "An event stream; sentences: 1."
    )


# --- the card ---


def test_the_card_of_an_untested_endpoint_holds_its_table_and_no_guess():
    card = capabilities(openai_endpoint(dialect="vllm", context=4096), None)
    assert str(card.bounds["top_p"]) == "greater than 0, at most 1"
    assert str(card.bounds["stream"]) == "true or false"
    assert str(card.context) == "4,096 tokens"
    assert {str(card.shape), str(card.usage), str(card.safety)} == {"Not tested yet."} and card.checked is None


def test_the_card_of_a_tested_endpoint_holds_what_was_seen_and_when(runs, emulator):
    endpoint = qianfan_endpoint(emulator)
    found = tried(runs, endpoint)
    card = capabilities(endpoint, found)
    assert (str(card.context), card.checked, card.usage) == ("unknown", found.at, UsageDialect.LAGGING.words)
    assert str(card.safety) == "It states need_clear_history."
    assert str(card.bounds["user_id"]) == "text"


def test_the_card_of_an_endpoint_that_did_not_answer_claims_nothing(runs):
    endpoint = openai_endpoint(f"http://127.0.0.1:{unused_port()}")
    card = capabilities(endpoint, tried(runs, endpoint))
    assert str(card.shape) == "There was no answer."
    assert {str(card.usage), str(card.safety)} == {"Not tested yet."} and card.checked is not None
