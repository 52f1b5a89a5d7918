"""Links: what they hold comes back as it was, on both databases; nothing a stranger wrote into one does any harm."""

import json
import threading
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import sharing as module
from playground.client import Client
from playground.completion import CompletionRequest, Ending, Safety, Sentence, Usage, Verdict
from playground.credentials import AccessToken
from playground.database import Database
from playground.endpoints import KNOWN_PARAMETERS, Endpoint, build_endpoints
from playground.errors import EndpointError, LimitReached, ParameterError, StreamInterrupted
from playground.language import translator
from playground.message import message
from playground.parameters import ParameterSpec
from playground.price import Price
from playground.providers import openai, qianfan
from playground.redaction import MASK, Secret
from playground.report import outcome, row
from playground.run import Run, Runs
from playground.settings import Limits, Settings
from playground.setup_link import LARGEST, LONGEST_LINK, VERSION, Setup, find_endpoint, fit, read_setup, setup_of, write_setup
from playground.sharing import DAY, Link, Sharing, clean, clean_title, looks_like_a_key
from playground.snapshot import excerpt, freeze, thaw
from tests.scripted_server import ScriptedServer, reply

TABLES = {"qianfan": qianfan.PARAMETERS, **openai.DIALECTS}
ENDPOINT = Endpoint(name="mine/x-1", title="My server", group="Your own", note=message("n"), base_url="http://10.1.2.3/v1", path="x", model="m-7")


def packed(fields: Any) -> str:
    """Pack anything as a link packs a set-up."""
    content = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return urlsafe_b64encode(packer.compress(content) + packer.flush()).rstrip(b"=").decode()


def said(words: Any) -> str:
    return " ".join(map(str, words))


# --- set-ups ---


def value_of(spec: ParameterSpec) -> st.SearchStrategy[Any]:
    """Any value that may be sent, the ends of its range among them."""
    if spec.kind == "float":
        high = spec.maximum if spec.maximum is not None else 1e9
        return st.floats(spec.minimum, high, exclude_min=spec.minimum_open, allow_nan=False).map(lambda value: value + 0.0)
    if spec.kind == "int":
        return st.integers(int(spec.minimum or 0), int(spec.maximum) if spec.maximum is not None else 2**60)
    if spec.kind == "flag":
        return st.booleans()
    item = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("\n\t\r\0中文🙂\\\"\u2028"), min_size=1, max_size=20)
    return st.lists(item, max_size=spec.max_items, unique=True)


def setups() -> st.SearchStrategy[tuple[tuple[ParameterSpec, ...], str, dict[str, Any]]]:
    def of(table: tuple[ParameterSpec, ...]) -> st.SearchStrategy[Any]:
        values = st.fixed_dictionaries({}, optional={spec.name: value_of(spec) for spec in table if spec.kind != "text"})
        return st.tuples(st.just(table), st.text(st.characters(exclude_categories=("Cs",))), values)

    return st.sampled_from(list(TABLES.values())).flatmap(of)


@given(setups())
def test_a_set_up_comes_back_as_it_was_whatever_its_table_permits(drawn: tuple[tuple[ParameterSpec, ...], str, dict[str, Any]]):
    table, prompt, values = drawn
    endpoint = replace(ENDPOINT, parameters=table)
    setup, words = read_setup(write_setup(setup_of(endpoint, prompt, values)))
    assert words == ()
    assert (setup.prompt, setup.endpoint, setup.title) == (prompt, endpoint.name, endpoint.title)
    fitting, left_out = fit(table, setup.parameters or {})
    assert left_out == []
    assert fitting == values
    assert {name: type(value) for name, value in fitting.items()} == {name: type(value) for name, value in values.items()}


def test_falsy_values_stay_and_what_is_not_sent_stays_unsent():
    values = {"temperature": 0.0, "top_k": 0, "seed": 0, "stream": False, "stop": ["\n\n", "用户："], "frequency_penalty": -0.0}
    setup, _ = read_setup(write_setup(setup_of(replace(ENDPOINT, parameters=openai.DIALECTS["vllm"]), "", values)))
    assert setup.prompt == ""
    assert fit(openai.DIALECTS["vllm"], setup.parameters or {}) == ({**values}, [])
    assert "top_p" not in (setup.parameters or {})


@pytest.mark.parametrize("name", [*build_endpoints(Settings(values={}, fault_endpoints=True), "http://127.0.0.1:1")])
def test_a_set_up_finds_its_endpoint_again(name: str):
    rows = build_endpoints(Settings(values={}, fault_endpoints=True), "http://127.0.0.1:1")
    setup, _ = read_setup(write_setup(setup_of(rows[name], "p", {"top_p": 0.0})))
    assert find_endpoint(rows, setup.endpoint, setup.title) is rows[name]


def test_an_endpoint_of_another_name_is_found_by_its_title_if_it_can_be_used():
    rows = build_endpoints(Settings(values={}), "http://127.0.0.1:1")
    assert find_endpoint(rows, "mine/elsewhere-1a2b", "Yi-34B") is rows["recorded/yi_34b"]
    assert find_endpoint(build_endpoints(Settings(values={}), None), "mine/elsewhere-1a2b", "Yi-34B") is None
    assert find_endpoint(rows, "mine/elsewhere-1a2b", "") is None


def test_a_link_holds_neither_the_visitors_mark_nor_an_address_nor_a_key():
    key = Secret("Kq7ZtWm2XvLr9pYc4HdB6sNf")
    endpoint = replace(ENDPOINT, credentials=AccessToken(token=key))
    setup = setup_of(endpoint, f"My key is {key.reveal()}, the bearer of news", {"user_id": "f00d", "stop": [key.reveal(), "\n"], "top_p": 0.5})
    text = str(read_setup(write_setup(clean(setup)))[0])
    assert key.reveal() not in text and "f00d" not in text and "10.1.2.3" not in text
    assert f"My key is {MASK}, the bearer of news" in text
    assert clean(setup).parameters == {"stop": [MASK, "\n"], "top_p": 0.5}
    assert looks_like_a_key("sk-proj-Tb3Vn8Mq2Wx7Lp5Rz9Kc") and not looks_like_a_key("an ordinary prompt", "用户")


def test_a_long_prompt_that_repeats_itself_still_fits_into_a_link():
    assert len(write_setup(Setup(prompt="na " * 40_000, parameters={}))) < LONGEST_LINK


HOSTILE = {
    "nothing": ("", "holds no set-up"),
    "no base64": ("%%%", "holds no set-up"),
    "not deflated": (urlsafe_b64encode(b"plain text").decode(), "holds no set-up"),
    "no JSON": (packed(b"{]"), "holds no set-up"),
    "a list": (packed([1, 2]), "holds no set-up"),
    "deep": (packed(b"[" * 100_000), "holds no set-up"),
    "no version": (packed({"prompt": "p"}), "holds no set-up"),
    "version of another kind": (packed({"v": "1", "prompt": "p"}), "holds no set-up"),
    "true as a version": (packed({"v": True, "prompt": "p"}), "holds no set-up"),
    "nothing in it": (packed({"v": 1}), "holds no set-up"),
    "a number of many figures": (packed(b'{"v":1,"prompt":"p","parameters":{"top_k":' + b"9" * 5000 + b"}}"), "holds no set-up"),
    "a bomb": (packed(b'{"v":1,"prompt":"' + b"a" * 50_000_000 + b'"}'), "more than any prompt"),
    "cut early": (write_setup(Setup(prompt="p" * 50, parameters={}, endpoint="e"))[:4], "holds no set-up"),
}


@pytest.mark.parametrize(("link", "words"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_link_that_holds_nothing_says_so(link: str, words: str):
    with pytest.raises(ParameterError) as raised:
        read_setup(link)
    assert words in str(raised.value.message)


def test_a_bomb_is_unpacked_no_further_than_the_limit(monkeypatch: pytest.MonkeyPatch):
    given_out: list[int] = []
    make = zlib.decompressobj

    class Counting:
        def __init__(self, *args: Any) -> None:
            self._inner = make(*args)

        def decompress(self, content: bytes, most: int) -> bytes:
            made = self._inner.decompress(content, most)
            given_out.append(len(made))
            return made

        @property
        def eof(self) -> bool:
            return self._inner.eof

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with pytest.raises(ParameterError):
        read_setup(HOSTILE["a bomb"][0])
    assert given_out == [LARGEST + 1]


@pytest.mark.parametrize(
    ("fields", "kept", "words"),
    [
        ({"temperature": 7, "top_p": 0.0}, {"top_p": 0.0}, "temperature must be greater than 0"),
        ({"nonsense": 1, "top_k": 3}, {"top_k": 3}, "left out: nonsense"),
        ({"user_id": "somebody", "top_k": 3}, {"top_k": 3}, "left out: user_id"),
        ({"top_k": "3"}, {}, "top_k must be a whole number"),
        ({"top_k": True}, {}, "top_k must be a whole number"),
        ({"top_k": [0] * 10_000}, {}, "top_k was left out: it is none of its values."),
        ({"stop": ["x" * 21]}, {}, "at most 20"),
        ({"stop": ["a"] * 5}, {}, "at most 4"),
        ({"stop": {"a": 1}}, {}, "list of texts"),
        ({"stop": ["\ud800"]}, {}, "half a character"),
        ({"temperature": float("nan")}, {}, "finite"),
        ({"stream": 0}, {}, "true or false"),
        ({"\ud800" * 99: 1}, {}, "????"),
        ({f"name{number}": 1 for number in range(999)}, {}, "name19, …"),
    ],
    ids=lambda value: next(iter(value))[:12] if isinstance(value, dict) and value else None,
)
def test_what_an_endpoint_does_not_take_is_left_out_and_named(fields: dict[str, Any], kept: dict[str, Any], words: str):
    setup, _ = read_setup(packed({"v": 1, "prompt": "p", "parameters": fields}))
    fitting, left_out = fit(qianfan.PARAMETERS, setup.parameters or {})
    assert fitting == kept
    assert words in said(left_out)
    assert len(said(left_out)) < 1000


def test_a_link_of_a_later_version_is_read_as_far_as_it_is_known():
    setup, words = read_setup(packed({"v": VERSION + 1, "prompt": "p", "parameters": {"top_p": 0.5}, "more": {}}))
    assert (setup.prompt, setup.parameters) == ("p", {"top_p": 0.5})
    assert "newer version" in said(words)


def test_fields_of_the_wrong_kind_are_no_fields():
    setup, _ = read_setup(packed({"v": 1, "prompt": 3, "parameters": [1], "endpoint": "recorded/yi_34b", "title": {"a": 1}}))
    assert setup == Setup(prompt=None, parameters=None, endpoint="recorded/yi_34b", title="")


def test_half_characters_do_not_reach_the_page():
    setup, _ = read_setup(packed({"v": 1, "prompt": "a\ud800b", "endpoint": "\udfff", "title": "\ud800"}))
    assert (setup.prompt, setup.endpoint, setup.title) == ("a?b", "?", "?")


def test_a_cut_link_is_used_as_far_as_it_goes_and_never_with_a_cut_value():
    values = {"temperature": 0.123456789, "top_k": 123456, "stop": ["\n", "结束"]}
    whole = setup_of(replace(ENDPOINT, parameters=qianfan.PARAMETERS), "".join(chr(0x4E00 + 7 * n) for n in range(300)) + '"\\\n end', values)
    link = write_setup(whole)
    used = set()
    for end in range(len(link)):
        try:
            setup, words = read_setup(link[:end])
        except ParameterError:
            continue
        assert setup.endpoint == whole.endpoint
        assert setup.parameters in (None, values)
        assert (whole.prompt or "").startswith(setup.prompt or "")
        if setup.prompt != whole.prompt:
            assert "end of the link is missing" in said(words)
        used.add((setup.parameters is None, setup.prompt is None))
    assert used == {(True, True), (False, False)}


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda content: urlsafe_b64encode(content).decode()) | st.binary(max_size=300).map(packed))
def test_nothing_in_a_link_breaks_the_reader(text: str):
    try:
        setup, _ = read_setup(text)
    except ParameterError:
        return
    fit(KNOWN_PARAMETERS, setup.parameters or {})


# --- snapshots ---


@pytest.fixture
def sharing(database_url: str) -> Iterator[Sharing]:
    database = Database(Secret(database_url))
    yield Sharing(database)
    database.close()


@pytest.fixture
def other(database_url: str) -> Iterator[Callable[..., Sharing]]:
    """Return a function that makes another server's view of the same database, with its own limits."""
    opened: list[Database] = []

    def make(**limits: int) -> Sharing:
        opened.append(Database(Secret(database_url)))
        return Sharing(opened[-1], **limits)

    yield make
    for database in opened:
        database.close()


PROMPT = " 写一首诗\n\"<b>\" \0 \ud83d end "
VALUES = {"temperature": 0.0, "top_k": 0, "stop": ["\n\n", "。"], "stream": True, "user_id": "a-visitors-mark"}
PRICE = Price(prompt=Decimal("0.008"), completion=Decimal("0.02"), currency="CNY")


TEXTS = ("春 ", "", "\0\ud83d", "\ude42\n", " end")


def past(ending: Ending = Ending.FINISHED, error: EndpointError | None = None, texts: tuple[str, ...] = TEXTS) -> Run:
    """A run that is over."""
    last = len(texts) - 1
    sentences = [
        Sentence(
            text=text, index=number, arrived=0.25 * (number + 1), is_end=number == last, sentence_id=number, answer_id="as-1",
            usage=Usage(prompt_tokens=3, completion_tokens=None, total_tokens=3 + number),
            safety=Safety(verdict=Verdict.FLAGGED, need_clear_history=True, ban_round=-1) if number == 1 else Safety(verdict=Verdict.SAFE),
            is_truncated=False if number == last else None, finish_reason="stop" if number == last else None,
        )
        for number, text in enumerate(texts)
    ]
    reason = message("Stopped by you.") if ending is Ending.STOPPED else None
    endpoint = replace(ENDPOINT, provider=openai.PROVIDER, parameters=openai.DIALECTS["vllm"], price=PRICE)
    request = CompletionRequest(prompt=PROMPT, parameters=VALUES)
    return Run.past("0" * 32, 1763800000.5, endpoint, request, "visitor-a", sentences, ending, 1.5, reason, error)


ENDINGS = {
    "finished": (Ending.FINISHED, None),
    "stopped": (Ending.STOPPED, None),
    "cut": (Ending.CUT, StreamInterrupted(message("Cut after {count} sentences.", count=4), message("Run it again."), again=True)),
    "failed": (Ending.FAILED, EndpointError(message("Refused."), code=336003, endpoint_message="their {words}", request_id="r-1")),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_snapshot_opened_elsewhere_is_the_same_run(sharing: Sharing, other: Callable[..., Sharing], name: str):
    run = past(*ENDINGS[name])
    link = sharing.share_run("visitor-a", run, title=" My\n title ", lasts=None)
    elsewhere = other()
    found = elsewhere.find(link.id)
    assert found is not None and found.title == "My title" and not found.over
    opened = elsewhere.run(found)
    assert opened.text == run.text
    assert [sentence.text for sentence in opened.sentences] == [sentence.text for sentence in run.sentences]
    assert opened.request.prompt == PROMPT
    assert opened.request.parameters == {name: value for name, value in VALUES.items() if name != "user_id"}
    assert [row(sentence, PRICE) for sentence in opened.sentences] == [row(sentence, PRICE) for sentence in run.sentences]
    for language in ("en", "zh_CN"):
        assert outcome(opened, translator(language)) == outcome(run, translator(language))
    assert (opened.ending, opened.usage, opened.safety, opened.elapsed) == (run.ending, run.usage, run.safety, run.elapsed)
    assert (opened.endpoint.title, opened.endpoint.group, opened.endpoint.model) == ("My server", "Your own", "m-7")
    assert opened.id != run.id, "the id of the run itself is nobody else's"


def test_a_snapshot_has_no_address_no_mark_no_visitor_and_no_secret():
    key = Secret("Uw3RgTj8Qe5MzPa1VxCk7bDyFh0LsN2o")
    said = key.reveal()
    error = EndpointError(message("Refused {key}.", key=said), endpoint_message=f"your key {said}", code=said, request_id=said)
    run = past(Ending.FAILED, error, texts=(f"You sent {said}. ", "Bearer of good news"))
    run.request = CompletionRequest(prompt=f"Say {key.reveal()}", parameters={"stop": [key.reveal()]})
    written = json.dumps(freeze(run))
    assert all(text not in written for text in (key.reveal(), "10.1.2.3", "a-visitors-mark", "visitor-a", "0" * 32))
    opened = thaw(json.loads(written))
    assert opened.text == f"You sent {MASK}. Bearer of good news", "but for the key the text is as it was"
    assert opened.request.prompt == f"Say {MASK}"


def test_a_real_run_can_be_shared_and_one_that_goes_on_cannot(sharing: Sharing):
    go = threading.Event()
    event = b'data: {"result":"a \xe4\xb8\xad","is_end":false}\n\n'
    last = b'data: {"result":"b","is_end":true,"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
    with ScriptedServer(reply(event, go, last)) as upstream:
        endpoint = replace(ENDPOINT, base_url=upstream.url, credentials=AccessToken(token=Secret("24.token-of-sharing")))
        runs = Runs(Client(), Limits())
        run = runs.start(endpoint, CompletionRequest(prompt="p", parameters={"stream": True}), "v")
        with pytest.raises(ParameterError, match="still coming"):
            sharing.share_run("v", run, title="", lasts=None)
        go.set()
        assert run.wait(10)
    link = sharing.share_run("v", run, title="", lasts=None)
    opened = sharing.run(link)
    assert (opened.text, opened.usage, opened.ending) == (run.text, run.usage, Ending.FINISHED)
    assert link.excerpt == "p → a 中b"


def test_ids_cannot_be_guessed_and_nonsense_finds_nothing(sharing: Sharing):
    ids = {sharing.share_run("v", past(), title="", lasts=None).id for _ in range(5)}
    assert len(ids) == 5 and all(len(link_id) == 32 for link_id in ids)
    for nonsense in ("", "x", "0" * 32, "%", "' or 1=1 --", "\0", "\ud800", next(iter(ids)).upper() + "x"):
        assert sharing.find(nonsense) is None


def test_a_revoked_link_is_over_everywhere_and_holds_nothing(sharing: Sharing, other: Callable[..., Sharing], database_url: str):
    link = sharing.share_run("a", past(), title="kept title", lasts=None)
    assert sharing.run(link).text
    assert not other().revoke("b", link.id), "only who made it"
    assert other().revoke("a", link.id)
    assert not other().revoke("a", link.id)
    found = sharing.find(link.id)
    assert found is not None and found.over and found.revoked is not None and found.excerpt == ""
    for opening in (sharing.run, sharing.setup, other().run):
        with pytest.raises(ParameterError, match="revoked"):
            opening(found)
    with pytest.raises(ParameterError, match="revoked"):
        other().run(link)
    assert [one.title for one in sharing.links("a")] == ["kept title"]


def test_a_link_is_over_at_its_time_and_is_emptied_then(sharing: Sharing, monkeypatch: pytest.MonkeyPatch):
    link = sharing.share_run("a", past(), title="", lasts=DAY)
    stays = sharing.share_run("a", past(), title="", lasts=None)
    moment = link.made
    monkeypatch.setattr(module, "now", lambda: moment)
    moment = link.made + DAY - 1
    assert not _found(sharing, link).over
    moment = link.made + DAY
    assert _found(sharing, link).over
    with pytest.raises(ParameterError, match="time is over"):
        sharing.run(_found(sharing, link))
    newest = sharing.share_run("a", past(), title="", lasts=None)
    assert _found(sharing, link).excerpt == ""
    moment = link.made + 200 * DAY
    sharing.share_run("a", past(), title="", lasts=None)
    assert sharing.find(link.id) is None, "after a while it is as if it had never been"
    assert not _found(sharing, stays).over and not _found(sharing, newest).over


def _found(sharing: Sharing, link: Link) -> Link:
    found = sharing.find(link.id)
    assert found is not None
    return found


def test_a_set_up_too_long_for_an_address_is_kept_and_comes_back(sharing: Sharing, other: Callable[..., Sharing]):
    setup = setup_of(replace(ENDPOINT, parameters=openai.DIALECTS["vllm"]), PROMPT.replace("\ud83d", "") * 9000, {"top_k": 0, "stop": ["\n"]})
    link = sharing.share_setup("a", setup, lasts=30 * DAY)
    assert other().setup(_found(other(), link)) == (setup, ())


def test_the_set_up_of_a_snapshot_is_its_request(sharing: Sharing):
    link = sharing.share_run("a", past(), title="", lasts=None)
    setup, words = sharing.setup(link)
    assert (setup.prompt, setup.endpoint, setup.title, words) == (PROMPT, "mine/x-1", "My server", ())
    assert setup.parameters == {name: value for name, value in VALUES.items() if name != "user_id"}


def test_each_visitor_sees_his_own_links_the_newest_first_with_their_opens(sharing: Sharing):
    first = sharing.share_run("a", past(), title="first", lasts=None)
    sharing.share_run("b", past(), title="of another", lasts=None)
    sharing.share_setup("a", Setup(prompt="p", parameters={}, title="second"), lasts=DAY)
    for _ in range(3):
        sharing.count_open(first.id)
    assert [(link.title, link.kind, link.opens) for link in sharing.links("a")] == [("second", "setup", 0), ("first", "snapshot", 3)]


def test_opens_of_many_at_once_are_all_counted(sharing: Sharing):
    link = sharing.share_run("a", past(), title="", lasts=None)
    threads = [threading.Thread(target=sharing.count_open, args=(link.id,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert _found(sharing, link).opens == 20


def test_a_visitor_has_so_many_links_and_so_many_a_minute_also_when_he_asks_at_once(other: Callable[..., Sharing]):
    few = other(most=3, a_minute=100)
    outcomes: list[str] = []

    def share() -> None:
        try:
            few.share_setup("a", Setup(prompt="p", parameters={}), lasts=None)
            outcomes.append("made")
        except LimitReached as error:
            outcomes.append(str(error.message))

    threads = [threading.Thread(target=share) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["You have 3 links; that is the limit."] * 5 + ["made"] * 3
    few.share_setup("b", Setup(prompt="p", parameters={}), lasts=None)
    few.revoke("a", few.links("a")[0].id)
    share()
    assert outcomes[-1] == "made"
    quick = other(a_minute=5)
    outcomes.clear()
    few = quick
    share()
    share()
    assert outcomes[0] == "made" and "within a minute" in outcomes[1]


def test_what_is_too_large_or_finds_no_room_is_refused_in_words(other: Callable[..., Sharing]):
    sharing = other()
    with pytest.raises(ParameterError, match="too large"):
        sharing.share_run("a", past(texts=("长" * 1_500_000,)), title="", lasts=None)
    assert sharing.links("a") == []
    with pytest.raises(LimitReached, match="no room"):
        other(room=100).share_run("a", past(), title="", lasts=None)


def test_a_snapshot_of_a_newer_version_says_so():
    with pytest.raises(ParameterError, match="newer version"):
        thaw({**freeze(past()), "v": 99})


def test_an_excerpt_tells_of_prompt_and_answer_and_is_short():
    content = {"prompt": "P" * 1000, "sentences": [{"text": "answer "}] * 1000}
    text = excerpt(content, 300)
    assert text.startswith("PPP") and "… → answer" in text and len(text) < 700
    assert excerpt({"prompt": "p", "sentences": []}, 300) == "p"
    assert excerpt({"sentences": [{"text": "a"}]}, 300) == "a"
    assert clean_title("x" * 1000 + "\ud800") == "x" * 120
