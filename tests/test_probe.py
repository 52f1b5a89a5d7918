"""The inert-parameter probe: settings inside the bounds, a bill in advance, sound statistics, and a verdict for every parameter."""

import dataclasses
import json
import random
import threading
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.local import NAME, local_service
from emulator.options import Options
from emulator.server import running
from local_model.engine import Engine
from playground.client import Client
from playground.comparison import ALARM, compare, false_alarm_rate
from playground.completion import CompletionRequest, Ending
from playground.contrast import contrast, frequent_stop
from playground.endpoints import DEMO_KEYS, Endpoint
from playground.errors import ConfigurationError, ParameterError
from playground.message import message
from playground.parameters import ParameterSpec
from playground.price import Price
from playground.probe import FEWEST, LONGEST, MOST, Effect, Probe, plan, probed
from playground.providers import openai, qianfan
from playground.run import BY_PERSON, UNWATCHED, Runs
from playground.settings import Limits
from playground.wire import Timeouts
from tests.known_law import write_model
from tests.narrowed import endpoints
from tests.scripted_server import HANG, ScriptedServer, json_reply, reply


def qianfan_endpoint(base_url="http://127.0.0.1:9", path="yi_34b", **fields):
    return Endpoint(
        name="own/x", title="x", group="g", note=message("n"), base_url=base_url, path=path, credentials=DEMO_KEYS, **fields
    )


def openai_endpoint(base_url="http://127.0.0.1:9", dialect="plain", **fields):
    return Endpoint(
        name="openai", title="x", group="g", note=message("n"), base_url=base_url, path=openai.COMPLETION_PATH, model="m",
        provider=openai.PROVIDER, parameters=openai.DIALECTS[dialect], **fields,
    )


@pytest.fixture
def runs():
    made = []

    def make(**limits):
        made.append(Runs(Client(timeouts=Timeouts(connect=5, silence=10)), dataclasses.replace(Limits(), **limits)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.005)


def probing(runs, endpoint, *names, repeats=FEWEST):
    """Probe to the end; returns the probe."""
    made = Probe(runs, plan(endpoint, names or probed(endpoint), repeats), "visitor")
    made.start()
    assert made.wait(60)
    return made


def effects(made):
    return {name: seen.effect for name, seen in made.observations.items()}


# --- what is compared ---


@settings(deadline=None)
@given(endpoints())
def test_both_settings_differ_and_are_inside_whatever_bounds_an_endpoint_has(endpoint):
    for spec in endpoint.parameters:
        found = contrast(spec, endpoint)
        if found is None:
            assert not spec.is_number or spec.minimum == spec.maximum, "a number with room has two settings"
            continue
        assert found.a != found.b or found.from_answer
        for setting in (found.a, found.b):
            assert set(setting) <= {spec.name}
            assert Client().check(endpoint, found.request(setting))


@pytest.mark.parametrize(
    ("name", "a", "b", "temperature"),
    [
        ("temperature", 0.01, 1.0, None), ("top_p", 0.05, 1.0, 1.0), ("top_k", 1, 50, 1.0), ("min_p", 0.0, 0.9, 1.0), ("seed", 1, 2, 1.0),
        ("max_tokens", 4, 32, 0.01), ("repetition_penalty", 1.0, 2.0, 0.01), ("frequency_penalty", 0.0, 2.0, 0.01),
    ],
)
def test_the_settings_are_far_apart_where_the_bounds_allow_it(name, a, b, temperature):
    endpoint = openai_endpoint(dialect="vllm")
    found = contrast(next(spec for spec in endpoint.parameters if spec.name == name), endpoint)
    assert (found.a, found.b, found.beside.get("temperature")) == ({name: a}, {name: b}, temperature)


def test_a_number_nobody_knows_is_probed_at_its_ends():
    spec = ParameterSpec(name="typical_p", kind="float", help="", minimum=0.1, maximum=0.9)
    found = contrast(spec, openai_endpoint())
    assert (found.a, found.b) == ({"typical_p": 0.1}, {"typical_p": 0.9})


def test_flags_and_marks_of_a_person_are_not_probed():
    assert probed(qianfan_endpoint()) == ("temperature", "top_p", "top_k", "penalty_score", "stop")


@pytest.mark.parametrize(
    ("answer", "length", "stops"),
    [
        ("the cat and the dog and the bird", None, ["the"]), ("北京是北方的北城。", None, ["北"]), ("a" * 30 + " bb bb bb.", 20, ["bb"]),
        ("", None, []), ("word", None, []), ("?!", None, []), ("one two", None, ["one"]),
    ],
)
def test_the_stop_word_is_frequent_fits_and_leaves_something_to_cut(answer, length, stops):
    spec = ParameterSpec(name="stop", kind="texts", help="", max_items=4, max_length=length)
    assert frequent_stop(answer, spec) == stops


@settings(deadline=None)
@given(st.text(max_size=60), st.none() | st.integers(1, 20))
def test_a_stop_word_is_always_one_the_endpoint_takes_and_the_answer_has(answer, length):
    spec = ParameterSpec(name="stop", kind="texts", help="", max_items=4, max_length=length)
    for word in spec.check(frequent_stop(answer, spec)):
        assert word in answer


# --- the bill in advance ---


def test_the_plan_tells_requests_tokens_and_cost_before_anything_is_sent():
    price = Price(prompt=Decimal("0.004"), completion=Decimal("0.008"), currency="CNY")
    made = plan(openai_endpoint(price=price, example="word"), ["temperature", "max_tokens"], 5)
    assert (made.estimate.requests, made.estimate.tokens) == (20, 10 * (2 + 48) + 5 * (2 + 4) + 5 * (2 + 32))
    assert str(made.words) == "20 requests, at most about 700 tokens: about ¥0.0054."
    assert str(plan(openai_endpoint(), ["temperature"]).words).endswith("cost unknown.")
    assert str(plan(qianfan_endpoint(free=True), ["temperature", "stop"]).words) == "25 requests; they cost nothing."


def test_the_plan_leaves_out_what_has_no_two_settings():
    narrow = tuple(dataclasses.replace(spec, minimum=0.5, maximum=0.5) if spec.name == "top_p" else spec for spec in qianfan.PARAMETERS)
    made = plan(qianfan_endpoint(parameters=narrow), ["temperature", "top_p", "stream", "no_such"])
    assert [one.name for one in made.contrasts] == ["temperature"]
    assert made.left_out == ("top_p", "stream", "no_such")


@pytest.mark.parametrize("repeats", [0, FEWEST - 1, MOST + 1])
def test_too_few_repeats_to_say_anything_and_too_many_are_refused(repeats):
    with pytest.raises(ParameterError):
        plan(qianfan_endpoint(), ["temperature"], repeats)


# --- the statistics ---


@pytest.mark.parametrize(
    ("a", "b", "acts"),
    [
        (["same"] * 5, ["same"] * 5, False), (["one"] * 5, ["two"] * 5, True), (["", "", "", "", ""], ["x"] * 5, True),
        (["ab"] * 5, ["abab"] * 5, True), (list("abcde"), list("fghij"), False), (["one"] * 5, ["two", "two", "one", "two", "two"], False),
        (["one"] * 5, ["two", "three", "four", "five", "six"], True), (["one", "two"] * 2 + ["one"], ["two", "one"] * 2 + ["two"], False),
    ],
    ids=["identical", "apart", "nothing and something", "longer", "all different", "once the same", "one text and many", "one mixture"],
)
def test_texts_act_only_where_chance_does_not_explain_them(a, b, acts):
    assert compare(a, b).acts is acts


def test_figures_of_a_comparison_are_mean_distances():
    found = compare(["one"] * 5, ["two"] * 5)
    assert (found.within, found.between, found.chance) == (0, 1, pytest.approx(1 / 252))
    assert compare(["x"] * 5, ["x"] * 5) == dataclasses.replace(found, between=0, chance=1)


samples = st.integers(FEWEST, 6).flatmap(
    lambda size: st.tuples(*[st.lists(st.text("abc ", max_size=8), min_size=size, max_size=size)] * 2)
)


@settings(deadline=None)
@given(samples)
def test_a_comparison_does_not_depend_on_the_order_of_answers(sides):
    a, b = sides
    found, again = compare(a, b), compare(sorted(a), sorted(b, reverse=True))
    assert (found.within, found.between) == pytest.approx((again.within, again.between))
    assert found.acts == again.acts
    assert 0 <= found.within <= 1 and 0 <= found.between <= 1 and 0 < found.chance <= 1


@pytest.mark.parametrize(("repeats", "rate"), [(5, 3 / 252), (6, 9 / 924), (8, 129 / 12870)])
def test_the_rate_of_false_alarms_is_known(repeats, rate):
    assert false_alarm_rate(repeats) == pytest.approx(rate)
    assert false_alarm_rate(repeats) < ALARM + 1 / 252 + 1e-9


WORDS = "red blue green white black brown".split()
NULLS = {
    "free texts": lambda dice, _: " ".join(dice.choices(WORDS, k=12)),
    "few texts": lambda dice, _: dice.choice(WORDS[:3]),
    "nearly always one text": lambda dice, _: "same" if dice.random() < 0.5 else f"other {dice.random()}",
    "an endpoint that changes meanwhile": lambda dice, place: " ".join(dice.choices(WORDS[: 1 + place // 2], k=8)),
    "two servers in turn": lambda dice, place: f"server {place % 2}",
}


@pytest.mark.slow
@pytest.mark.parametrize("law", NULLS)
def test_a_parameter_that_does_nothing_is_said_to_act_less_than_15_times_in_1000(law):
    """2,000 probes of an inert parameter for each law; which request has which setting is drawn by lot, as `Probe` does it."""
    dice = random.Random(20240)
    alarms = 0
    for _ in range(2000):
        lots = [True, False] * FEWEST
        dice.shuffle(lots)
        texts = [NULLS[law](dice, place) for place in range(2 * FEWEST)]
        sides = [[text for text, lot in zip(texts, lots, strict=True) if lot is side] for side in (True, False)]
        alarms += compare(*sides).acts
    print(law, alarms / 2000)
    assert alarms / 2000 <= 0.015


@pytest.mark.slow
def test_ten_answers_a_side_can_be_compared():
    assert compare([f"one {place}" for place in range(MOST)], [f"two {place}" for place in range(MOST)]).acts


# --- the asking ---


@pytest.mark.slow
def test_every_parameter_of_a_model_that_heeds_them_acts(runs, tmp_path):
    write_model(tmp_path / "law.gguf")
    engine = Engine(tmp_path / "law.gguf", context=4096, waiting=1)
    assert engine.load() is None
    try:
        with running(services=[local_service(lambda: engine, context=4096, length=301)]) as emulator:
            made = probing(runs(), qianfan_endpoint(emulator.base_url, NAME))
    finally:
        engine.close()
    assert effects(made) == dict.fromkeys(("temperature", "top_p", "top_k", "penalty_score", "stop"), Effect.ACTS)
    assert len(made.sent) == made.plan.estimate.requests == made.progress.done == 51
    assert made.observations["stop"].contrast.b == {"stop": ["go"]}
    for seen in made.observations.values():
        assert seen.comparison.chance <= ALARM and seen.comparison.between > seen.comparison.within


@pytest.mark.parametrize("path", ["cerebras_gpt_6_7b", "yi_34b"])
def test_no_parameter_of_a_recorded_answer_acts(runs, path):
    with running(options=Options(pace=0.0)) as emulator:
        made = probing(runs(), qianfan_endpoint(emulator.base_url, path))
    assert set(effects(made).values()) == {Effect.NOT_SEEN} and len(effects(made)) == 5
    assert {seen.comparison.between for seen in made.observations.values()} == {0}
    assert str(made.observations["top_k"].words) == "No effect seen in 5 answers with top_k 1 and 5 with top_k 50."
    assert all(run.request.parameters["stream"] for run in made.sent)


def test_which_request_has_which_setting_is_drawn_by_lot(runs):
    with ScriptedServer(answering(lambda fields: SAME)) as server:
        place, endpoint = runs(), openai_endpoint(server.url)
        orders = [tuple(run.request.parameters["top_p"] for run in probing(place, endpoint, "top_p").sent) for _ in range(5)]
    assert all(sorted(order) == [0.05] * FEWEST + [1.0] * FEWEST for order in orders)
    assert len(set(orders)) > 1


def chunk(text, reason=None):
    return f"data: {json.dumps({'choices': [{'text': text, 'index': 0, 'finish_reason': reason}]})}\n\n".encode()


SAME = chunk("the sea is near the sea") + chunk(" and so", "length") + b"data: [DONE]\n\n"


def answering(choose):
    """A script that answers as `choose` says for the request's fields: an event stream, or status and JSON fields of an error."""

    def play(peer):
        chosen = choose(peer.read_request().fields)
        status, kind, content = ("200 OK", "text/event-stream", chosen) if isinstance(chosen, bytes) else (
            chosen[0], "application/json", json.dumps(chosen[1]).encode()
        )
        peer.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    return play


def refusing(name):
    """A script that refuses any request with this field."""
    words = f"Unsupported parameter: '{name}'"
    return answering(lambda fields: ("400 Bad Request", {"error": {"message": words, "code": "unsupported"}}) if name in fields else SAME)


def test_a_refused_parameter_is_rejected_with_the_endpoint_s_words_and_the_others_are_tested(runs):
    with ScriptedServer(refusing("presence_penalty")) as server:
        made = probing(runs(), openai_endpoint(server.url))
    rejected = made.observations["presence_penalty"]
    assert (rejected.effect, rejected.comparison) == (Effect.REJECTED, None)
    assert "Unsupported parameter: 'presence_penalty'" in str(rejected.words)
    assert set(effects(made).values()) == {Effect.REJECTED, Effect.NOT_SEEN} and list(effects(made).values()).count(Effect.REJECTED) == 1
    asked = [one.fields for one in server.requests if one.fields["prompt"].startswith("The wheels")]
    assert sum("presence_penalty" in fields for fields in asked) == 1
    assert len(server.requests) < made.plan.estimate.requests == made.progress.done


def test_a_refusal_of_something_else_rejects_no_parameter(runs):
    with ScriptedServer(refusing("max_tokens")) as server:
        made = probing(runs(), openai_endpoint(server.url), "max_tokens", "top_p")
    assert effects(made) == {"max_tokens": Effect.REJECTED, "top_p": Effect.NOT_TESTED}
    assert "Unsupported parameter: 'max_tokens'" in str(made.observations["top_p"].words)
    with ScriptedServer(json_reply({"error": {"message": "no such model", "code": "model_not_found"}}, "404 Not Found")) as server:
        made = probing(runs(), openai_endpoint(server.url))
    assert set(effects(made).values()) == {Effect.NOT_TESTED}
    assert "no such model" in str(made.observations["top_p"].words)


def test_a_value_accepted_before_and_refused_later_is_no_rejection(runs):
    seen = []

    def choose(fields):
        seen.append(fields["top_p"])
        return SAME if seen.count(fields["top_p"]) < 3 else ("400 Bad Request", {"error": {"message": "enough of it"}})

    with ScriptedServer(answering(choose)) as server:
        made = probing(runs(), openai_endpoint(server.url), "top_p")
    assert effects(made) == {"top_p": Effect.NOT_TESTED}
    assert "enough of it" in str(made.observations["top_p"].words)


def test_a_seed_that_acts_is_seen(runs):
    with ScriptedServer(answering(lambda fields: chunk(f"text of {fields['seed']}", "stop"))) as server:
        assert effects(probing(runs(), openai_endpoint(server.url), "seed")) == {"seed": Effect.ACTS}


@pytest.mark.parametrize(("path", "words"), [("html_502", "A server on the way failed"), ("cut_without_end", "without an end mark")])
def test_an_error_is_no_verdict(runs, path, words):
    with running(options=Options(pace=0.0)) as emulator:
        made = probing(runs(), qianfan_endpoint(emulator.base_url, path), "temperature", "stop")
    assert set(effects(made).values()) == {Effect.NOT_TESTED}
    assert all(words in str(seen.words) for seen in made.observations.values())
    assert len(made.sent) == 2


def test_an_endpoint_that_is_off_is_not_tested_and_says_why(runs):
    off = ConfigurationError(message("No key is configured."))
    made = probing(runs(), qianfan_endpoint(off=off), "temperature")
    assert (effects(made), str(made.observations["temperature"].words)) == ({"temperature": Effect.NOT_TESTED}, "No key is configured.")
    assert made.sent == []


def test_no_word_to_stop_at_is_no_verdict(runs):
    with ScriptedServer(answering(lambda fields: chunk("…", "stop"))) as server:
        made = probing(runs(), openai_endpoint(server.url), "stop")
    assert effects(made) == {"stop": Effect.NOT_TESTED} and len(server.requests) == 1


def test_long_answers_are_left_when_there_is_enough_of_them(runs):
    with running(options=Options(pace=0.0)) as emulator:
        made = probing(runs(), qianfan_endpoint(emulator.base_url, "long_3000000_0"), "top_k")
    assert effects(made) == {"top_k": Effect.NOT_SEEN}
    assert {run.ending for run in made.sent} == {Ending.STOPPED}
    assert all(LONGEST <= len(run.text) < 3_000_000 for run in made.sent)


@pytest.mark.slow
def test_an_endpoint_that_is_asked_too_often_is_given_time(runs):
    busy = json_reply({"error": {"message": "slow down", "type": "rate_limit_error"}}, "429 Too Many Requests")
    with ScriptedServer(busy, answering(lambda fields: SAME)) as server:
        made = probing(runs(), openai_endpoint(server.url), "top_p")
        assert len(server.requests) == made.plan.estimate.requests + 1
    assert effects(made) == {"top_p": Effect.NOT_SEEN}


# --- its life ---


def test_stop_ends_it_at_once_and_nothing_more_is_sent(runs):
    answer = answering(lambda fields: SAME)
    with ScriptedServer(*[answer] * (2 * FEWEST + 3), reply(chunk("begun"), HANG)) as server:
        made = Probe(runs(), plan(openai_endpoint(server.url), ["temperature", "top_p", "seed"], FEWEST), "visitor")
        made.start()
        until(lambda: made.sent and made.sent[-1].text == "begun")
        assert (made.progress.done, made.progress.all, made.progress.name, made.progress.ended) == (13, 30, "top_p", False)
        made.stop()
        assert made.wait(5) and server.client_left.wait(5)
        assert len(server.requests) == 14
    assert effects(made) == {"temperature": Effect.NOT_SEEN, "top_p": Effect.NOT_TESTED, "seed": Effect.NOT_TESTED}
    assert str(made.observations["seed"].words) == str(BY_PERSON)
    assert made.progress.ended and made.progress.name is None


def test_it_waits_for_room_among_the_visitor_s_own_runs(runs):
    place = runs(runs_per_visitor=1)
    with ScriptedServer(reply(chunk("begun"), HANG), answering(lambda fields: SAME)) as server:
        endpoint = openai_endpoint(server.url)
        other = place.start(endpoint, CompletionRequest(prompt="p", parameters={"stream": True}), "visitor")
        until(lambda: other.text)
        made = Probe(place, plan(endpoint, ["top_p"], FEWEST), "visitor")
        made.start()
        until(lambda: made.progress.waiting)
        assert made.sent == []
        other.stop()
        assert made.wait(20)
    assert effects(made) == {"top_p": Effect.NOT_SEEN} and not made.progress.waiting


def test_stop_ends_it_while_it_waits_for_room(runs):
    place = runs(runs_per_visitor=1)
    with ScriptedServer(reply(HANG)) as server:
        endpoint = openai_endpoint(server.url)
        place.start(endpoint, CompletionRequest(prompt="p"), "visitor")
        made = Probe(place, plan(endpoint, ["top_p"]), "visitor")
        made.start()
        until(lambda: made.progress.waiting)
        made.stop()
        assert made.wait(5)
    assert made.sent == [] and effects(made) == {"top_p": Effect.NOT_TESTED}


@pytest.mark.slow
@pytest.mark.parametrize("watched", [True, False])
def test_it_goes_on_only_while_somebody_looks(runs, watched):
    place = runs(unwatched=0.5)
    with ScriptedServer(answering(lambda fields: SAME), reply(chunk("the sea "), 2.0, chunk("is near", "stop"), b"data: [DONE]\n\n")) as server:
        made = Probe(place, plan(openai_endpoint(server.url), ["top_p"], FEWEST), "visitor")
        made.start()
        until(lambda: len(made.sent) == 2)
        for _ in range(25):
            if watched:
                made.touch()
            made.wait(0.1)
        assert made.progress.ended is not watched
        assert len(made.sent) == (3 if watched else 2)
        made.stop()
        assert made.wait(5)
    assert str(made.observations["top_p"].words) == str(BY_PERSON if watched else UNWATCHED)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_ours_ends_it_in_words(runs):
    sound = plan(qianfan_endpoint(), ["temperature", "top_p"])
    broken = dataclasses.replace(sound, contrasts=(dataclasses.replace(sound.contrasts[0], beside=None), sound.contrasts[1]))
    made = Probe(runs(), broken, "visitor")
    made.start()
    assert made.wait(5)
    until(lambda: "probe" not in {thread.name for thread in threading.enumerate()})
    assert {str(seen.words) for seen in made.observations.values()} == {"The playground itself failed."}
    assert made.progress.ended
