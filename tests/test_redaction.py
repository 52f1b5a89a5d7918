"""No secret on any way out: text, logs, tracebacks, pickles."""

import copy
import io
import json
import logging
import pickle
import urllib.parse

import pytest

from playground.credentials import AccessToken, ApplicationKeys, IamKeys
from playground.redaction import MASK, Secret, guard_logs, redact
from playground.wire import Cancel, Timeouts, open_request
from tests.scripted_server import ScriptedServer, reply

VALUE = "correct-horse-battery"


def test_a_secret_is_shown_by_reveal_alone():
    secret = Secret(VALUE)
    assert secret.reveal() == VALUE
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "%s" % secret, repr([secret]), repr({"key": secret})):  # noqa: UP031
        assert VALUE not in shown


def test_credentials_do_not_show_their_secrets():
    for credentials in (
        ApplicationKeys(api_key=Secret(VALUE), secret_key=Secret(VALUE + "2")), AccessToken(token=Secret(VALUE)),
        IamKeys(access_key=Secret(VALUE), secret_key=Secret(VALUE + "2")),
    ):
        assert VALUE not in repr(credentials) + str(credentials)


@pytest.mark.parametrize("write", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps], ids=["pickle", "copy", "deepcopy", "json"])
def test_a_secret_is_never_written_down(write):
    with pytest.raises(TypeError):
        write(Secret(VALUE))


def test_a_secret_is_equal_by_value_and_keys_a_table():
    assert Secret(VALUE) == Secret(VALUE) != Secret("another-value")
    assert Secret(VALUE) != VALUE
    assert {Secret(VALUE): 1}[Secret(VALUE)] == 1
    assert not Secret("") and Secret("x")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/p?access_token=abc123&x=1", "abc123"),
        ("POST /oauth/2.0/token?grant_type=client_credentials&client_id=the-id&client_secret=the-sec HTTP/1.1", "the-sec"),
        ("POST /oauth/2.0/token?grant_type=client_credentials&client_id=the-id&client_secret=the-sec HTTP/1.1", "the-id"),
        ("next=%2Fp%3Faccess_token%3Dabc123", "abc123"),
        ("ACCESS_TOKEN=abc123", "abc123"),
        ('{"access_token": "abc123", "expires_in": 5}', "abc123"),
        ('{"refresh_token":"abc123"}', "abc123"),
        ("{'session_secret': 'abc123'}", "abc123"),
        ('"{\\"client_secret\\": \\"abc123\\"}"', "abc123"),
        ("{'Authorization': 'Basic abc123'}", "abc123"),
        ("Authorization: bce-auth-v1/ak123/2023-09-04T07:05:10Z/1800/host/deadbeef", "deadbeef"),
        ("Authorization: bce-auth-v1/ak123/2023-09-04T07:05:10Z/1800/host/deadbeef", "ak123"),
        ("Authorization: Bearer abc123", "abc123"),
        ("key bce-v3/ALTAK-abc/def123 here", "def123"),
        ("token 24.0123456789abcdef.2592000.1700000000.282335-40000000 seen", "0123456789abcdef"),
        ("token 25.0123456789abcdef.2592000.1700000000.282335-40000000 seen", "40000000"),
        ("OPENAI sk-abcdefghijklmnop", "abcdefghijklmnop"),
        ("http://user:pass-word@proxy:3128/", "pass-word"),
    ],
    ids=lambda text: text[:24],
)
def test_what_is_shaped_like_a_secret_is_masked(text, hidden):
    masked = redact(text)
    assert hidden not in masked
    assert MASK in masked
    assert redact(masked) == masked


@pytest.mark.parametrize(
    "text",
    ["", "a sentence about access_token and Bearer bonds", "The answer is 24.5 and 25.000", "http://127.0.0.1:8866/p?x=1", "sk-1", "北京 🙂",
     '{"prompt": "Introduce the city Beijing"}', "12:30 user@example.com"],
)
def test_what_is_no_secret_stays(text):
    masked = redact(text)
    assert masked == text or text.startswith("a sentence")


def test_a_known_secret_is_masked_in_any_text():
    Secret("known/secret+one")
    Secret("known/secret+one-longer")
    assert redact("see known/secret+one, known/secret+one-longer.") == f"see {MASK}, {MASK}."


def test_a_known_secret_is_masked_as_it_looks_in_a_url_and_in_json():
    secret = Secret('odd "secret" with=signs&é')
    for text in (urllib.parse.quote(secret.reveal()), urllib.parse.quote_plus(secret.reveal()), json.dumps(secret.reveal())):
        assert "signs" not in redact(f"at {text} !")


def test_a_short_value_is_not_known_for_it_would_mask_words():
    Secret("the")
    assert redact("the city") == "the city"


@pytest.fixture
def log():
    """What a log file would hold, while the guard stands."""
    before = logging.getLogRecordFactory()
    stream = io.StringIO()
    stray = logging.StreamHandler(stream)
    stray.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(stray)
    root.setLevel(logging.DEBUG)
    guard_logs()
    yield stream
    root.removeHandler(stray)
    root.setLevel(level)
    logging.setLogRecordFactory(before)


TOKEN = "24.feedfacefeedface.2592000.1700000000.282335-40000000"


def test_the_log_of_a_real_request_holds_no_token(log):
    with ScriptedServer(reply(b"data: x\n\n")) as server:
        url = f"{server.url}/oauth?access_token={TOKEN}&client_secret=hush-hush-hush"
        with open_request("POST", url, cancel=Cancel(), timeouts=Timeouts()) as answer:
            list(answer.events())
    written = log.getvalue()
    assert "/oauth?" in written, "urllib3 logged the request"
    assert "feedface" not in written
    assert "hush-hush" not in written


def test_tracebacks_in_logs_hold_no_secret(log):
    Secret("a-very-known-secret")
    try:
        try:
            raise ValueError(f"url /p?access_token={TOKEN}")
        except ValueError as error:
            raise RuntimeError("a-very-known-secret") from error
    except RuntimeError:
        logging.getLogger("x").exception("it failed with client_secret=%s", "hush-hush-hush")
    written = log.getvalue()
    assert "Traceback" in written and "RuntimeError" in written and "ValueError" in written
    for hidden in ("feedface", "a-very-known-secret", "hush-hush"):
        assert hidden not in written


def test_guarding_twice_changes_nothing(log):
    factory = logging.getLogRecordFactory()
    guard_logs()
    assert logging.getLogRecordFactory() is factory


def test_a_record_without_secrets_keeps_its_arguments(log):
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, "%s - %d", ("plain", 5), None)
    assert (record.msg, record.args) == ("%s - %d", ("plain", 5))


def test_a_record_with_a_secret_keeps_the_shape_of_its_arguments(log):
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, "%s - %d", (f"/p?access_token={TOKEN}", 5), None)
    assert record.args == (f"/p?access_token={MASK}", 5)


@pytest.mark.parametrize(("text", "args"), [("%d", ("hush-hush-hush",)), ("%s %s", ("one",)), ("%(name)s", ({"other": 1},)), ("%y", (1,))])
def test_a_badly_written_log_call_does_not_fail_its_caller(log, text, args, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    Secret("hush-hush-hush")
    logging.getLogger("x").info(text, *args)
    assert "hush-hush-hush" not in log.getvalue()


def test_a_mapping_and_an_odd_object_may_be_arguments(log):
    class Odd:
        def __str__(self):
            return f"access_token={TOKEN}"

    logging.getLogger("x").info("%(a)s", {"a": f"access_token={TOKEN}"})
    logging.getLogger("x").info("%s", Odd())
    logging.getLogger("x").info(Odd())
    written = log.getvalue()
    assert "feedface" not in written
    assert written.count(MASK) == 3
