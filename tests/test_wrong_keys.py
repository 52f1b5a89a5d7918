"""Keys that are wrong, each in its own way, and tokens that expire under many runs at once: what a person reads, and what is sent."""

import json
import threading

import pytest

from emulator.options import ACCESS_KEY, API_KEY, APPLICATIONS, IAM_SECRET, SECRET_KEY, SHORT_API_KEY, Options
from emulator.server import running
from playground.client import Client
from playground.completion import CompletionRequest, Ending
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, IamKeys
from playground.endpoints import Endpoint
from playground.errors import AuthenticationError
from playground.language import translator
from playground.message import message
from playground.providers import openai
from playground.redaction import Secret
from playground.report import outcome
from playground.run import Runs
from playground.settings import Limits
from tests.scripted_server import ScriptedServer, json_reply

MANY = 20
ASKED = CompletionRequest(prompt="Introduce the city Beijing", parameters={"stream": True})


class Applications(dict):
    """The emulator's applications, counting how often one is looked up: once for each token that is asked for."""

    fetches = 0

    def get(self, key, default=None):
        self.fetches += 1
        return super().get(key, default)


@pytest.fixture
def applications():
    return Applications(APPLICATIONS)


@pytest.fixture
def emulator(applications):
    with running(options=Options(pace=0.0, applications=applications)) as server:
        yield server.base_url


@pytest.fixture
def runs():
    made = Runs(Client(), Limits(runs_per_visitor=MANY, runs_in_all=MANY))
    yield made
    made.close()


def endpoint(base_url, credentials, path="yi_34b", **fields):
    return Endpoint(name="own/x", title="x", group="g", note=message("n"), base_url=base_url, path=path, credentials=credentials, **fields)


def application(api_key, secret_key):
    return ApplicationKeys(api_key=Secret(api_key), secret_key=Secret(secret_key))


def iam(access_key, secret_key):
    return IamKeys(access_key=Secret(access_key), secret_key=Secret(secret_key))


def token(text):
    return AccessToken(token=Secret(text))


UNKNOWN_KEY = ("invalid_client", "The API key is not known to the service.", "Check the API key. It is the application's, not the IAM access key.")
WRONG_SECRET = (
    "invalid_client", "The secret key does not belong to this API key.", "Check the secret key. It is the application's, not the IAM secret key.",
)
REFUSED = (14, "The IAM signature or access key was refused.", "IAM pair, not the application's, and that this computer's clock is right")
WRONG = {
    "the API key": (application("wrong-api-key", SECRET_KEY), *UNKNOWN_KEY),
    "the secret key": (application(API_KEY, "wrong-secret-key"), *WRONG_SECRET),
    "both application keys": (application("wrong-api-key", "wrong-secret-key"), *UNKNOWN_KEY),
    "the application keys, changed about": (application(SECRET_KEY, API_KEY), *UNKNOWN_KEY),
    "IAM keys for the application's": (application(ACCESS_KEY, IAM_SECRET), *UNKNOWN_KEY),
    "the IAM access key": (iam("wrong-access-key", IAM_SECRET), *REFUSED),
    "the IAM secret key": (iam(ACCESS_KEY, "wrong-iam-secret"), *REFUSED),
    "the application's keys for IAM ones": (iam(API_KEY, SECRET_KEY), *REFUSED),
    "an access token nobody issued": (
        token("24.0123456789abcdef.2592000.1700000000.282335-40000000"), 110, "The access token is invalid.", "a token given alone must be replaced",
    ),
    "an access token that is none": (token("wrong-access-token"), 100, "The access token is malformed.", "a token given alone must be replaced"),
}


@pytest.mark.parametrize(("credentials", "code", "words", "remedy"), WRONG.values(), ids=WRONG)
def test_a_wrong_key_is_told_apart_and_never_shown(emulator, runs, credentials, code, words, remedy):
    run = runs.start(endpoint(emulator, credentials), ASKED, "v")
    assert run.wait(10)
    assert (run.ending, type(run.error), run.error.code, run.sentences) == (Ending.FAILED, AuthenticationError, code, [])
    assert str(run.error.message) == words
    assert remedy in str(run.error.remedy)
    assert not run.error.again, "the same keys stay wrong"
    told = json.dumps(outcome(run, translator("en")))
    assert not [secret for secret in vars(credentials).values() if secret.reveal() in told]


def test_the_right_keys_of_each_pair_are_taken(emulator, runs):
    for credentials in (application(API_KEY, SECRET_KEY), iam(ACCESS_KEY, IAM_SECRET)):
        run = runs.start(endpoint(emulator, credentials), ASKED, "v")
        assert run.wait(10)
        assert run.ending is Ending.FINISHED


@pytest.mark.parametrize("key", ["wrong-bearer-key", None], ids=["another", "none"])
def test_a_wrong_bearer_key_is_told_and_never_shown(runs, key):
    refusal = {"error": {"message": f"Incorrect API key provided: {key}.", "type": "invalid_request_error", "code": "invalid_api_key"}}
    credentials = BearerKey(key=Secret(key)) if key else None
    with ScriptedServer(json_reply(refusal, "401 Unauthorized")) as server:
        asked = endpoint(server.url, credentials, "completions", model="m", provider=openai.PROVIDER, parameters=openai.DIALECTS["plain"])
        run = runs.start(asked, ASKED, "v")
        assert run.wait(10)
        assert server.requests[0].headers.get("authorization") == (f"Bearer {key}" if key else None)
        assert server.connections == 1
    assert (run.ending, type(run.error), run.error.code) == (Ending.FAILED, AuthenticationError, "invalid_api_key")
    assert str(run.error.message) == "The key was refused, or one is needed."
    assert "key" in str(run.error.remedy)
    assert "wrong-bearer-key" not in json.dumps(outcome(run, translator("en")))


def finish_all(runs, asked):
    """Start many runs at once and wait for them all; returns them."""
    gate, started = threading.Barrier(MANY), []

    def start():
        gate.wait()
        started.append(runs.start(asked, ASKED, "v"))

    threads = [threading.Thread(target=start) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(run.wait(30) for run in started)
    return started


def test_many_runs_with_an_expired_token_fetch_one_new_and_all_succeed(emulator, applications, runs):
    keys = application(API_KEY, SECRET_KEY)
    runs.client.tokens.token(emulator, keys)
    assert applications.fetches == 1
    ended = finish_all(runs, endpoint(emulator, keys, "expired_token"))
    assert [(run.ending, run.error) for run in ended] == [(Ending.FINISHED, None)] * MANY
    assert all(run.text and run.exchange.attempts == 1 for run in ended)
    assert applications.fetches == 2


@pytest.mark.slow
def test_many_runs_after_a_token_s_life_fetch_one_new_and_all_succeed(emulator, applications, runs):
    keys = application(SHORT_API_KEY, SECRET_KEY)
    runs.client.tokens.token(emulator, keys)
    threading.Event().wait(2.1)
    ended = finish_all(runs, endpoint(emulator, keys))
    assert [(run.ending, run.error) for run in ended] == [(Ending.FINISHED, None)] * MANY
    assert applications.fetches == 2


def test_many_runs_with_wrong_keys_all_fail_in_words(emulator, runs):
    ended = finish_all(runs, endpoint(emulator, application(API_KEY, "wrong-secret-key")))
    assert {str(run.error) for run in ended} == {"The secret key does not belong to this API key."}
