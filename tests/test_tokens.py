"""Access tokens against a token service that counts: cached, renewed once for all who wait, and never a secret in an error."""

import threading
import traceback

import pytest

from playground.credentials import ApplicationKeys
from playground.errors import AuthenticationError, ConnectionFailed, EndpointError, ServiceError
from playground.redaction import Secret
from playground.tokens import TokenCache, fetch_token
from playground.wire import Cancel, Cancelled
from tests.scripted_server import CUT, HANG, ScriptedServer, json_reply, raw, reply, unused_port

API_KEY, SECRET_KEY = "api+key/with=signs&", "secret key/with=signs&é"
KEYS = ApplicationKeys(api_key=Secret(API_KEY), secret_key=Secret(SECRET_KEY))


def grant(token, lifetime=2592000, **fields):
    return json_reply({"access_token": token, "expires_in": lifetime, "refresh_token": "25.x", "session_key": "", "scope": "", **fields})


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_the_keys_travel_as_the_protocol_says():
    with ScriptedServer(grant("token-one")) as server:
        token, lifetime = fetch_token(server.url + "/", KEYS)
        received = server.requests[0]
    assert (token.reveal(), lifetime) == ("token-one", 2592000.0)
    assert (received.method, received.path) == ("POST", "/oauth/2.0/token")
    assert received.query == {"grant_type": ["client_credentials"], "client_id": [API_KEY], "client_secret": [SECRET_KEY]}


@pytest.mark.parametrize(("lifetime", "kept"), [(2592000, 2592000 - 60), (600, 540), (30, 27), (10, 9)], ids=["30 days", "10 min", "30 s", "10 s"])
def test_a_token_is_kept_until_its_end_less_a_margin(lifetime, kept):
    clock = Clock()
    with ScriptedServer(grant("first-token", lifetime), grant("second-token", lifetime)) as server:
        cache = TokenCache(clock)
        assert cache.token(server.url, KEYS).reveal() == "first-token"
        clock.now += kept - 0.5
        assert cache.token(server.url, KEYS).reveal() == "first-token"
        assert server.connections == 1
        clock.now += 1
        assert cache.token(server.url, KEYS).reveal() == "second-token"
        assert server.connections == 2


@pytest.mark.parametrize("lifetime", [None, 0, -5, "3600", True, "soon", float("nan")], ids=repr)
def test_a_senseless_lifetime_is_taken_for_an_hour(lifetime):
    with ScriptedServer(grant("token-one", lifetime)) as server:
        assert fetch_token(server.url, KEYS)[1] == 3600.0


@pytest.mark.parametrize("lifetime", [10**400, float("inf"), 1e300], ids=["400 digits", "infinite", "1e300"])
def test_an_endless_lifetime_is_harmless(lifetime):
    with ScriptedServer(grant("token-one", lifetime)) as server:
        assert TokenCache().token(server.url, KEYS).reveal() == "token-one"


def test_a_missing_lifetime_is_taken_for_an_hour():
    with ScriptedServer(json_reply({"access_token": "token-one"})) as server:
        assert fetch_token(server.url, KEYS)[1] == 3600.0


def test_a_refused_token_is_not_returned_again():
    with ScriptedServer(grant("first-token"), grant("second-token")) as server:
        cache = TokenCache()
        first = cache.token(server.url, KEYS)
        second = cache.token(server.url, KEYS, refused=first)
        assert (first.reveal(), second.reveal()) == ("first-token", "second-token")
        assert cache.token(server.url, KEYS, refused=first) == second
        assert cache.token(server.url, KEYS) == second
        assert server.connections == 2


def test_twenty_runs_with_the_same_refused_token_fetch_one_new():
    with ScriptedServer(grant("first-token"), grant("second-token"), grant("third-token")) as server:
        cache = TokenCache()
        refused = cache.token(server.url, KEYS)
        start = threading.Barrier(20)
        got = []

        def renew():
            start.wait()
            got.append(cache.token(server.url, KEYS, refused=refused).reveal())

        threads = [threading.Thread(target=renew) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == ["second-token"] * 20
        assert server.connections == 2


def test_keys_and_base_urls_do_not_share_tokens():
    other = ApplicationKeys(api_key=Secret("other-api-key"), secret_key=Secret(SECRET_KEY))
    with ScriptedServer(grant("first-token"), grant("second-token"), grant("third-token")) as server:
        cache = TokenCache()
        assert cache.token(server.url, KEYS).reveal() == "first-token"
        assert cache.token(server.url, other).reveal() == "second-token"
        assert cache.token(server.url.replace("127.0.0.1", "localhost"), KEYS).reveal() == "third-token"
        assert cache.token(server.url, KEYS).reveal() == "first-token"


def test_a_failed_fetch_is_forgotten():
    with ScriptedServer(json_reply({"error": "invalid_client", "error_description": "unknown client id"}, "401 Unauthorized"),
                        grant("token-one")) as server:
        cache = TokenCache()
        with pytest.raises(AuthenticationError):
            cache.token(server.url, KEYS)
        assert cache.token(server.url, KEYS).reveal() == "token-one"


@pytest.mark.parametrize("status", ["401 Unauthorized", "200 OK"])
@pytest.mark.parametrize(
    ("error", "description", "words"),
    [
        ("invalid_client", "unknown client id", "API key is not known"),
        ("invalid_client", "Client authentication failed", "secret key does not belong"),
        ("invalid_request", "grant_type must be client_credentials", "refused the keys"),
        ("rate_limit_exceeded", "", "refused the keys"),
    ],
    ids=["wrong key", "wrong secret", "bad request", "other"],
)
def test_wrong_keys_are_told_apart_whatever_the_status(status, error, description, words):
    with ScriptedServer(json_reply({"error": error, "error_description": description}, status)) as server:
        with pytest.raises(AuthenticationError, match=words) as caught:
            fetch_token(server.url, KEYS)
    assert (caught.value.code, caught.value.endpoint_message) == (error, description)
    assert str(caught.value.remedy)


NO_TOKENS = {
    "HTML": reply(b"<html>502</html>", status="502 Bad Gateway", content_type="text/html"),
    "nothing": reply(content_type="application/json"),
    "a list": json_reply(["token"]),
    "an object without token": json_reply({"expires_in": 5}),
    "an empty token": json_reply({"access_token": ""}),
    "a token beyond all measure": json_reply({"access_token": "x" * 5000}),
    "a token that is no text": json_reply({"access_token": 5}),
    "a token of half characters": reply(b'{"access_token": "\\ud800\\ud800"}', content_type="application/json"),
    "not UTF-8": reply(b'{"access_token": "\xff"}', content_type="application/json"),
    "endless nesting": reply(b"[" * 100_000, content_type="application/json"),
    "a redirect": reply(b"", status="302 Found", headers=("Location: /elsewhere",)),
}


@pytest.mark.parametrize("script", NO_TOKENS.values(), ids=NO_TOKENS)
def test_an_answer_that_is_no_token_is_told(script):
    with ScriptedServer(script) as server:
        with pytest.raises(ServiceError, match="not a token"):
            fetch_token(server.url, KEYS)


FAULTS = {
    "wrong secret": json_reply({"error": "invalid_client", "error_description": "Client authentication failed"}, "401 Unauthorized"),
    "no token": reply(b"<html>", content_type="text/html"),
    "cut": raw(CUT),
    "garbage": raw(b"garbage\r\n\r\n"),
}


@pytest.mark.parametrize("script", [*FAULTS.values(), None], ids=[*FAULTS, "refused port"])
def test_no_error_shows_the_keys(script, caplog):
    caplog.set_level("ERROR")
    with ScriptedServer(script or raw(CUT)) as server:
        base_url = server.url if script else f"http://127.0.0.1:{unused_port()}"
        try:
            fetch_token(base_url, KEYS)
        except EndpointError as error:
            shown = [str(error), repr(error), repr(vars(error)), str(error.remedy), "".join(traceback.format_exception(error))]
        else:
            pytest.fail("no error")
    for text in shown:
        for part in (API_KEY, SECRET_KEY, "with%3Dsigns", "with=signs"):
            assert part not in text


def test_a_silent_port_is_a_connection_failure():
    with pytest.raises(ConnectionFailed):
        TokenCache().token(f"http://127.0.0.1:{unused_port()}", KEYS)


def test_who_waits_for_another_s_fetch_can_be_cancelled():
    fetching, waiting, ended = Cancel(), [Cancel() for _ in range(5)], []
    with ScriptedServer(raw(HANG)) as server:
        cache = TokenCache()

        def fetch(cancel):
            try:
                cache.token(server.url, KEYS, cancel=cancel)
            except Cancelled:
                ended.append(cancel)

        threads = [threading.Thread(target=fetch, args=(cancel,)) for cancel in (fetching, *waiting)]
        threads[0].start()
        pause = threading.Event()
        while not server.requests:
            pause.wait(0.01)
        for thread in threads[1:]:
            thread.start()
        for cancel in waiting:
            cancel.cancel()
        for thread in threads[1:]:
            thread.join(5)
        assert set(ended) == set(waiting), "while the first still waits for its silent service"
        fetching.cancel()
        threads[0].join(5)
        assert (len(ended), server.connections) == (6, 1)


def test_only_the_tokens_used_last_are_kept():
    with ScriptedServer(grant("a-token")) as server:
        cache = TokenCache()
        others = [ApplicationKeys(api_key=Secret(f"api-key-{number}"), secret_key=Secret(SECRET_KEY)) for number in range(201)]
        cache.token(server.url, others[0])
        for keys in others[1:200]:
            cache.token(server.url, keys)
        cache.token(server.url, others[0])
        assert server.connections == 200
        cache.token(server.url, others[200])
        cache.token(server.url, others[0])
        assert server.connections == 201, "the first was used lately, the second was not"
        cache.token(server.url, others[1])
        assert server.connections == 202


def test_a_cancel_ends_a_silent_fetch_and_another_run_still_gets_its_token():
    cancel, caught = Cancel(), []
    with ScriptedServer(raw(HANG), grant("token-one")) as server:
        cache = TokenCache()

        def fetch():
            try:
                cache.token(server.url, KEYS, cancel=cancel)
            except Cancelled as error:
                caught.append(error)

        thread = threading.Thread(target=fetch)
        thread.start()
        waiting = threading.Event()
        while not server.requests:
            waiting.wait(0.01)
        cancel.cancel()
        assert server.client_left.wait(1)
        thread.join(5)
        assert len(caught) == 1
        assert cache.token(server.url, KEYS).reveal() == "token-one"
