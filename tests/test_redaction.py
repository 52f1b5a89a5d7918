"""No secret on any way out: text, logs, tracebacks, pickles."""

import base64
import copy
import gc
import html
import io
import json
import logging
import pickle
import secrets
import threading
import time
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.client import Client
from playground.completion import CompletionRequest
from playground.credentials import AccessToken, ApplicationKeys, BearerKey, IamKeys
from playground.endpoints import Endpoint
from playground.message import message
from playground.providers import openai
from playground.redaction import MASK, Secret, guard_logs, masking, redact
from playground.report import outcome, row
from playground.run import Run, Runs
from playground.settings import Limits
from playground.wire import Cancel, Timeouts, open_request
from tests.scripted_server import ScriptedServer, json_reply, reply

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
    _held = Secret("known/secret+one"), Secret("known/secret+one-longer")
    assert redact("see known/secret+one, known/secret+one-longer.") == f"see {MASK}, {MASK}."


def test_of_secrets_that_overlap_nothing_is_left():
    _held = Secret("abcdefgh"), Secret("cdefghijklmn"), Secret("mnopqrst")
    assert redact("xabcdefghijklmnopqrstx") == f"x{MASK}x"
    assert redact("abcdefghabcdefgh") == MASK * 2


@pytest.mark.parametrize("value", ['odd "secret" with=signs&é <x>', "sk/with+signs=and&some'more", "plain0123456789abcdefgh", "秘密的钥匙在这里"])
def test_a_known_secret_is_masked_as_urls_json_html_and_base64_hold_it(value: str):
    secret = Secret(value)
    raw = value.encode()
    forms = [value, urllib.parse.quote(value), urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value), json.dumps(value)[1:-1]]
    forms += [html.escape(value), html.escape(value, quote=False)]
    for form in [*forms, *map(html.escape, forms), *map(urllib.parse.quote_plus, forms[1:]), *(json.dumps(form)[1:-1] for form in forms)]:
        assert redact(f"at {form} !") == f"at {MASK} !"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in (b"", b"u", b"user:", b"someone:"):
            coded = encode(before + raw + b"@host").decode()
            left = redact(coded).split(MASK)
            assert len(left) == 2 and len(left[0]) <= len(encode(before)) and len(left[1]) <= len(encode(b"@host")) + 2, (coded, left)
    assert secret


def test_a_secret_of_half_characters_is_one_too():
    secret = Secret("\ud83d" * 6)
    assert redact(f"x{secret.reveal()}x") == f"x{MASK}x"


@given(st.text(min_size=6, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whatever_stands_around_a_secret_it_is_masked_and_the_rest_is_not(value: str, before: str, after: str):
    secret = Secret(value)
    masked = masking([Secret(value * 3)])(f"{before}{value * 3}{after}")
    assert masking([])(before + value + after) == before + value + after
    assert value * 3 not in masked and MASK in masked
    assert value not in redact(f"{before}{value}{after}").replace(MASK, "") or value in before + after
    assert secret


def test_a_short_value_is_not_known_for_it_would_mask_words():
    _held = Secret("the"), Secret("EMPTY")
    assert redact("the EMPTY city") == "the EMPTY city"


def test_a_secret_is_known_for_as_long_as_anything_holds_it():
    one, same = Secret("held-by-two-hands"), Secret("held-by-two-hands")
    del one
    gc.collect()
    _new = Secret("another-secret")
    assert redact("held-by-two-hands") == MASK
    del same
    gc.collect()
    _newer = Secret("one-more-secret")
    assert redact("held-by-two-hands") == "held-by-two-hands"


def test_what_thousands_of_visitors_typed_costs_a_text_no_more_time_and_is_forgotten_with_them():
    text = "Introduce the city Beijing. " * 400

    def seconds() -> float:
        redact("")
        began = time.perf_counter()
        redact(text)
        return time.perf_counter() - began

    visitors = [Secret(secrets.token_hex(16)) for _ in range(200)]
    few = min(seconds() for _ in range(5))
    visitors += [Secret(secrets.token_hex(16)) for _ in range(5000)]
    many = min(seconds() for _ in range(5))
    print(f"beside 200 secrets {1000 * few:.2f} ms, beside 5,200 {1000 * many:.2f} ms")
    assert many < 5 * few, "trying each of them would take 26 times as long"
    value = visitors[4321].reveal()
    assert redact(f"see {value}") == f"see {MASK}"
    visitors.clear()
    gc.collect()
    _new = Secret("the-one-that-is-left")
    assert redact(value) == value


def test_many_threads_making_secrets_and_masking_miss_none():
    missed = []

    def work(number: int) -> None:
        for turn in range(200):
            secret = Secret(f"secret-{number}-{turn}-{secrets.token_hex(4)}")
            if redact(f"x {secret.reveal()} x") != f"x {MASK} x":
                missed.append(secret.reveal())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []


def test_a_models_text_loses_the_secrets_of_its_run_and_nothing_else():
    _elsewhere = Secret("a-key-of-another-endpoint")
    mask = masking([Secret("the-key-of-this-endpoint"), Secret("lm-studio")])
    assert mask("the-key-of-this-endpoint in the-key-of-this-endpoint") == f"{MASK} in {MASK}"
    for text in ("lm-studio", "a-key-of-another-endpoint", "sk-abcdefghijklmnopqrst", "Authorization: Bearer abc", "", "?access_token=x", " \n\t "):
        assert mask(text) == text


KEY = 'bearer/key+of="this"&run'


def ended(script) -> Run:
    """A run with a bearer key against a server that plays this script, after its end."""
    with ScriptedServer(script) as server:
        endpoint = Endpoint(
            name="mine/x", title="x", group="g", note=message("n"), base_url=server.url, path="/v1/completions", model="m",
            provider=openai.PROVIDER, parameters=openai.DIALECTS["plain"], credentials=BearerKey(key=Secret(KEY)),
        )
        run = Runs(Client(), Limits()).start(endpoint, CompletionRequest(prompt="p", parameters={"stream": True}), "visitor")
        assert run.wait(10)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    return run


def told(run: Run) -> str:
    """All that a page is given of a run."""
    return json.dumps([[row(sentence) for sentence in run.sentences], outcome(run, str), run.text], ensure_ascii=False)


HEADERS = (f"X-Request-Id: {KEY}", f"X-RateLimit-Limit: {KEY}", f"X-RateLimit-{urllib.parse.quote(KEY, safe='')}: 1")


def test_an_endpoint_that_repeats_its_key_in_the_text_tells_it_to_nobody():
    def event(text: str, reason: str | None = None) -> bytes:
        return f"data: {json.dumps({'id': KEY, 'choices': [{'text': text, 'index': 0, 'finish_reason': reason}]})}\n\n".encode()

    run = ended(reply(event("the key sk-of-nobody-in-particular "), event(f"is {KEY}."), event("", KEY), b"data: [DONE]\n\n", headers=HEADERS))
    assert run.text == f"the key sk-of-nobody-in-particular is {MASK}."
    assert "bearer/key" not in told(run) and "bearer%2Fkey" not in told(run)
    assert outcome(run, str)["finish_reason"] == outcome(run, str)["request_id"] == MASK
    assert f"x-ratelimit-{MASK}" in outcome(run, str)["rate_limits"]


def test_an_endpoint_that_repeats_its_key_in_an_error_tells_it_to_nobody_even_where_the_error_is_cut_short():
    error = {"message": "x" * 3990 + KEY, "type": KEY, "code": KEY}
    run = ended(json_reply({"error": error}, "400 Bad Request", headers=HEADERS))
    assert run.error is not None and run.error.endpoint_message == ("x" * 3990 + MASK)[:4000]
    assert (run.error.code, run.error.request_id) == (MASK, MASK)
    assert "bearer/key" not in told(run) and "bearer%2Fkey" not in told(run)


@pytest.fixture
def log():
    """What a log file would hold, while the guard stands."""
    before, end_of_thread = logging.getLogRecordFactory(), threading.excepthook
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
    threading.excepthook = end_of_thread


TOKEN = "24.feedfacefeedface.2592000.1700000000.282335-40000000"


def test_the_log_of_a_real_request_holds_no_token(log):
    with ScriptedServer(reply(b"data: x\n\n")) as server:
        url = f"{server.url}/oauth?access_token={TOKEN}&client_secret=hush-hush-hush"
        with open_request("POST", url, cancel=Cancel(), timeouts=Timeouts()) as answer:
            list(answer.events([].append))
    written = log.getvalue()
    assert "/oauth?" in written, "urllib3 logged the request"
    assert "feedface" not in written
    assert "hush-hush" not in written


def test_tracebacks_in_logs_hold_no_secret(log):
    _held = Secret("a-very-known-secret")
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


def test_what_a_thread_dies_of_holds_no_secret(log, capfd):
    held = Secret("a-very-known-secret")

    def die() -> None:
        raise RuntimeError(f"about {held.reveal()}")

    def leave() -> None:
        raise SystemExit

    for target, name in ((die, "the-one-that-dies"), (leave, "the-one-that-leaves")):
        thread = threading.Thread(target=target, name=name)
        thread.start()
        thread.join()
    written = log.getvalue()
    assert "the-one-that-dies" in written and f"RuntimeError: about {MASK}" in written and "the-one-that-leaves" not in written
    assert "a-very-known-secret" not in written + "".join(capfd.readouterr())


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
    _held = Secret("hush-hush-hush")
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
