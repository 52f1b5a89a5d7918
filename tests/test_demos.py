"""Demo links: what a link permits, and books that hold whatever the order in which runs are asked for, end or fail."""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from playground.admission import Admission, Caller
from playground.client import Client
from playground.completion import CompletionRequest, Ending, Usage
from playground.database import Database
from playground.demos import Amount, Caps, Demo, Demos, Range, bill, count_tokens, currency_of, problems
from playground.endpoints import Endpoint, build_endpoints
from playground.errors import (
    AccessRefused,
    AuthenticationError,
    ConfigurationError,
    LimitReached,
    ParameterError,
    PlaygroundError,
    ServiceError,
    StreamInterrupted,
)
from playground.message import message
from playground.price import Price
from playground.providers import openai
from playground.rates import Rates
from playground.redaction import Secret
from playground.run import Runs
from playground.settings import Limits, Settings
from playground.tables import reservations, servers

YUAN = Price(prompt=Decimal("0.012"), completion=Decimal("0.024"), currency="CNY")
PATIENCE = 20.0
NAME = "recorded/yi_34b"


@pytest.fixture(scope="module")
def endpoints(emulator_url: str) -> dict[str, Endpoint]:
    rows = build_endpoints(Settings(values={}, fault_endpoints=True), emulator_url)
    paid = replace(rows[NAME], name="paid", title="Paid", free=False, price=YUAN)
    dollars = replace(paid, name="dollars", price=replace(YUAN, currency="USD"))
    unpriced = replace(paid, name="unpriced", title="Unpriced", price=None)
    slow = replace(rows["fault/endless"], name="endless", free=False, price=YUAN)
    return {**rows, "paid": paid, "dollars": dollars, "unpriced": unpriced, "endless": slow}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(Secret(database_url))
    yield opened
    opened.close()


@pytest.fixture
def demos(database: Database) -> Demos:
    return Demos(database, "0" * 32)


@pytest.fixture
def door(demos: Demos, database: Database, endpoints: Mapping[str, Endpoint]) -> Iterator[Admission]:
    runs = Runs(Client(), Limits(runs_per_visitor=50, runs_in_all=50))
    made = Settings(values={}, runs_per_minute=0)
    yield Admission(settings=made, runs=runs, rates=Rates(database, Secret("x")), demos=demos, endpoints=lambda: endpoints)
    runs.close()
    demos.close()


def ask(door: Admission, demo: Demo | str, endpoint: str = NAME, prompt: str = "Introduce the city Beijing", visitor: str = "v", **parameters):
    caller = Caller(visitor=visitor, marked=True, demo=demo if isinstance(demo, str) else demo.id)
    return door.start(door.endpoints()[endpoint], CompletionRequest(prompt=prompt, parameters={"stream": True, **parameters}), caller)


def refused(door: Admission, demo: Demo | str, **asked) -> AccessRefused:
    with pytest.raises(AccessRefused) as caught:
        ask(door, demo, **asked)
    return caught.value


def settled(demos: Demos, demo: Demo, visitor: str = "v"):
    demos.close()
    return demos.left(demo, visitor)


# --- What a link holds -------------------------------------------------------------------------------------------------


def test_a_link_is_kept_as_it_was_made(demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = Demo(
        title="Try Yi-34B 试用", endpoints=("paid", NAME), ranges={"temperature": Range(low=0.2, high=0.8), "stop": Range(locked=True, value=["\n\0"])},
        prefix="Translate into Chinese:\n\x00 ", tokens_per_run=300, currency="CNY", in_all=Caps(runs=50, money=Decimal("1.000000001")),
        each=Caps(tokens=1000), expires=4e9,
    )
    demos.mint(demo, endpoints)
    assert demos.find(demo.id) == demo and demos.all() == [demo]
    assert len(demo.id) == 32 and int(demo.id, 16).bit_length() <= 128 and Demo().id != Demo().id


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"title": " "}, "title", "one line"),
        ({"title": "a\nb"}, "title", "one line"),
        ({"endpoints": ()}, "endpoints", "at least one"),
        ({"endpoints": ("gone",)}, "endpoints", "not there any more"),
        ({"in_all": Caps(runs=0)}, "runs_all", "more than 0"),
        ({"each": Caps(tokens=-5)}, "tokens_each", "more than 0"),
        ({"each": Caps(tokens=20)}, "tokens_each", "Not one run fits"),
        ({"in_all": Caps(money=Decimal(1)), "endpoints": ("unpriced",)}, "money_all", "Unpriced has none"),
        ({"in_all": Caps(money=Decimal(1)), "currency": None, "endpoints": ("paid", "dollars")}, "money_all", "no prices in one currency"),
        ({"tokens_per_run": 0}, "tokens_per_run", "from 16"),
        ({"expires": 5.0}, "expires", "over"),
        ({"ranges": {"temperature": Range(low=0.5, high=2)}}, "temperature", "from 0 to 1|at most 1"),
        ({"ranges": {"temperature": Range(low=0.8, high=0.2)}}, "temperature", "no room"),
        ({"ranges": {"temperature": Range(locked=True, value=3)}}, "temperature", "3 is not"),
        ({"ranges": {"nonsense": Range(locked=True)}}, "nonsense", "no|None of these"),
        ({"ranges": {"stop": Range(locked=True, value=["a", "a"])}}, "stop", "there already"),
        ({"ranges": {"stop": Range(low=1)}}, "stop", "no number"),
    ],
)
def test_what_is_wrong_with_a_link_is_said_where_it_stands(demos: Demos, endpoints, change: dict, field: str, words: str):
    demo = replace(Demo(title="t", endpoints=("paid",), currency="CNY"), **change)
    found = problems(demo, endpoints)
    assert list(found) == [field]
    with pytest.raises(PlaygroundError, match=words):
        demos.mint(demo, endpoints)
    assert demos.all() == []


def test_money_has_the_one_currency_that_prices_have(endpoints: Mapping[str, Endpoint]):
    assert currency_of([endpoints["paid"], endpoints[NAME]]) == "CNY"
    assert currency_of([endpoints["paid"], endpoints["dollars"]]) is None
    assert currency_of([endpoints[NAME]]) is None


# --- What a visitor is let do --------------------------------------------------------------------------------------------


def test_a_visitor_sees_less_and_what_is_sent_is_what_the_link_says(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = Demo(
        title="t", endpoints=("fault/echo",), prefix="Say: ",
        ranges={"temperature": Range(low=0.2, high=0.8), "stop": Range(locked=True, value=["END"]), "top_k": Range(locked=True)},
    )
    demos.mint(demo, endpoints)
    seen = demo.shown(endpoints["fault/echo"])
    table = {spec.name: spec for spec in seen.parameters}
    assert (table["temperature"].minimum, table["temperature"].maximum) == (0.2, 0.8)
    assert "stop" not in table and "top_k" not in table and "top_p" in table
    run = ask(door, demo, "fault/echo", "hello", temperature=0.5)
    assert run.wait(PATIENCE) and '"prompt": "Say: hello"' in run.text.replace('\\"', '"')
    assert run.request.parameters == {"stream": True, "temperature": 0.5, "stop": ["END"]}


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        ({"endpoint": "paid"}, AccessRefused, "no such endpoint"),
        ({"temperature": 0.9}, ParameterError, "from 0.2 to 0.8; 0.9 is not"),
        ({"temperature": 0.1}, ParameterError, "0.1 is not"),
        ({"stop": ["END"]}, ParameterError, "set by this demo"),
        ({"stop": []}, ParameterError, "set by this demo"),
        ({"nonsense": 1}, ParameterError, "no parameter"),
        ({"prompt": ""}, ParameterError, "empty"),
        ({"prompt": "x" * 131_070}, ParameterError, "at most"),
    ],
)
def test_what_a_link_does_not_permit_is_refused_before_anything_is_sent_or_held(door: Admission, demos: Demos, endpoints, asked, kind, words):
    ranges = {"temperature": Range(low=0.2, high=0.8), "stop": Range(locked=True, value=["END"])}
    demo = demos.mint(Demo(title="t", endpoints=(NAME,), prefix="Say: ", ranges=ranges), endpoints)
    with pytest.raises(kind, match=words):
        ask(door, demo, **asked)
    assert demos.going() == []
    meters = demos.left(demo, "v")
    assert [meter.used + meter.held for meter in (*meters.in_all.values(), *meters.yours.values())] == [0] * 6
    assert [(row[0], row[2]) for row in demos.refusals()] == [(demo.id, 1)]


def test_an_endpoint_of_the_same_name_that_is_not_the_servers_own_is_not_used(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,)), endpoints)
    forged = replace(endpoints["fault/echo"], name=NAME)
    run = door.start(forged, CompletionRequest(prompt="Introduce the city Beijing"), Caller(visitor="v", marked=True, demo=demo.id))
    assert run.endpoint.path == endpoints[NAME].path
    assert run.wait(PATIENCE)


def test_a_server_that_can_be_told_the_most_tokens_is(endpoints: Mapping[str, Endpoint]):
    row = replace(endpoints["paid"], provider=openai.PROVIDER, parameters=openai.DIALECTS["plain"])
    demo = Demo(title="t", endpoints=("paid",), tokens_per_run=100)
    assert demo.composed(row, CompletionRequest(prompt="p")).parameters == {"max_tokens": 100}
    assert demo.composed(row, CompletionRequest(prompt="p", parameters={"max_tokens": 7})).parameters == {"max_tokens": 7}
    with pytest.raises(ParameterError, match="101 is not"):
        demo.composed(row, CompletionRequest(prompt="p", parameters={"max_tokens": 101}))
    locked = replace(demo, ranges={"max_tokens": Range(locked=True, value=5)})
    assert locked.composed(row, CompletionRequest(prompt="p")).parameters == {"max_tokens": 5}


def test_bounds_that_have_moved_under_a_link_put_its_endpoint_off(endpoints: Mapping[str, Endpoint]):
    demo = Demo(title="t", endpoints=(NAME,), ranges={"temperature": Range(low=0.2, high=0.8)})
    row = endpoints[NAME]
    row = replace(row, parameters=tuple(replace(spec, maximum=0.5) if spec.name == "temperature" else spec for spec in row.parameters))
    assert demo.shown(row).off is not None
    with pytest.raises(ConfigurationError, match="cannot be used now"):
        demo.composed(row, CompletionRequest(prompt="p"))


def test_a_visitor_is_not_told_of_the_owners_settings(endpoints: Mapping[str, Endpoint]):
    off = ConfigurationError(message("{variable} is not set.", variable="ACME_KEY"), message("Set ACME_KEY in .env and start again."))
    row = replace(endpoints["paid"], off=off, settings=("ACME_KEY",))
    seen = Demo(title="t", endpoints=("paid",)).shown(row)
    assert seen.off is not None and "ACME_KEY" not in f"{seen.off.message} {seen.off.remedy} {seen.settings}"
    assert Demo(title="t", endpoints=("paid",)).shown(replace(row, off=None)).settings == ()


# --- Refusals in words -----------------------------------------------------------------------------------------------------


def test_a_link_that_is_unknown_stopped_expired_or_used_up_says_so(door: Admission, demos: Demos, database: Database, endpoints):
    for wrong in ("f" * 32, "'; DROP TABLE demos; --", "\0", "\ud800", "F" * 32, "", "é" * 500):
        assert str(refused(door, wrong)) == "This demo link is not known here."
    demo = demos.mint(Demo(title="t", endpoints=(NAME,), in_all=Caps(runs=2), each=Caps(runs=1), expires=4e9), endpoints)
    demos.stop(demo.id)
    assert (refused(door, demo).reason, demos.find(demo.id).stopped is None) == ("stopped", False)
    demos.resume(demo.id)
    assert ask(door, demo).wait(PATIENCE)
    assert str(refused(door, demo)) == "You have used up your run of this demo."
    assert ask(door, demo, visitor="w").wait(PATIENCE)
    assert str(refused(door, demo, visitor="x")) == "All 2 runs of this demo are used up."
    with database.begin() as connection:
        connection.execute(text("UPDATE demos SET expires = 1000"))
    assert str(refused(door, demo)) == "This demo link expired at 1970-01-01 00:16 UTC."
    demos.delete(demo.id)
    assert refused(door, demo).reason == "unknown"
    assert {(where, reason) for where, reason, _times, _last in demos.refusals()} == {("", "unknown")}


def test_tokens_and_money_that_no_run_fits_into_are_said_with_both_figures(door: Admission, demos: Demos, endpoints):
    link = Demo(title="t", endpoints=("paid",), currency="CNY", tokens_per_run=100)
    demo = demos.mint(replace(link, in_all=Caps(tokens=150), each=Caps(tokens=110)), endpoints)
    assert ask(door, demo, "paid", "one two three").wait(PATIENCE)
    demos.close()
    spent = demos.left(demo, "v").yours["tokens"].used
    assert str(refused(door, demo, endpoint="paid")) == f"This demo has {150 - spent} tokens left; a run may take up to 106."
    demos.change(replace(demo, in_all=Caps()), endpoints)
    assert str(refused(door, demo, endpoint="paid")) == f"You have {110 - spent} tokens of this demo left; a run may take up to 106."
    money = demos.mint(replace(link, id="a" * 32, in_all=Caps(money=Decimal("0.003"))), endpoints)
    assert ask(door, money, "paid", "one two three").wait(PATIENCE)
    demos.close()
    assert re.fullmatch(r"This demo has ¥0\.00\d* left; a run may cost up to ¥0\.00\d+\.", str(refused(door, money, endpoint="paid")))


def test_changing_a_link_leaves_its_books_and_its_switch_alone(demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,), in_all=Caps(runs=5)), endpoints)
    demos.settle(demos.reserve(demo, "v", Amount(runs=2)))
    demos.stop(demo.id)
    demos.change(replace(demo, title="other", in_all=Caps(runs=1)), endpoints)
    present = demos.find(demo.id)
    assert present is not None and (present.title, present.stopped is not None) == ("other", True)
    assert (demos.left(present).in_all["runs"].used, demos.left(present).in_all["runs"].left) == (2, 0)


def test_only_who_is_let_in_uses_what_costs_money(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    shut = replace(door, settings=replace(door.settings, access="demo"))
    request = CompletionRequest(prompt="Introduce the city Beijing")
    with pytest.raises(AccessRefused, match="by a demo link only"):
        shut.start(endpoints["paid"], request, Caller(visitor="v", marked=True))
    assert shut.start(endpoints[NAME], request, Caller(visitor="v", marked=True)).wait(PATIENCE)
    assert shut.start(endpoints["paid"], request, Caller(visitor="v", owner=True)).wait(PATIENCE)
    demo = demos.mint(Demo(title="t", endpoints=("paid",)), endpoints)
    assert ask(shut, demo, "paid").wait(PATIENCE)
    assert door.start(endpoints["paid"], request, Caller(visitor="v")).wait(PATIENCE)


def test_a_run_that_this_server_refuses_itself_holds_nothing(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,), in_all=Caps(runs=5)), endpoints)
    full = replace(door, runs=Runs(Client(), Limits(runs_in_all=0)))
    with pytest.raises(LimitReached):
        ask(full, demo)
    assert demos.left(demo).in_all["runs"].left == 5


def test_a_visitor_without_a_cookie_is_known_by_his_address(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,), each=Caps(runs=1)), endpoints)
    callers = [Caller(visitor=f"session {number}", address="203.0.113.9", demo=demo.id) for number in range(2)]
    request = CompletionRequest(prompt="Introduce the city Beijing")
    assert door.start(endpoints[NAME], request, callers[0]).wait(PATIENCE)
    with pytest.raises(AccessRefused, match="used up your run"):
        door.start(endpoints[NAME], request, callers[1])
    assert demos.left(demo, door.guest(callers[1])).yours["runs"].left == 0


def test_who_asks_too_often_is_refused_and_the_owner_is_not(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    busy = replace(door, settings=replace(door.settings, runs_per_minute=2))
    demo = demos.mint(Demo(title="t", endpoints=(NAME,)), endpoints)
    for _ in range(2):
        ask(busy, demo)
    with pytest.raises(LimitReached, match="too often"):
        ask(busy, demo)
    request = CompletionRequest(prompt="Introduce the city Beijing")
    for _ in range(4):
        busy.start(endpoints[NAME], request, Caller(visitor="o", marked=True, owner=True))


@pytest.mark.parametrize("table", ["rates", "reservations", "demos"])
def test_where_the_books_cannot_be_read_nothing_is_let_in(door: Admission, demos: Demos, database: Database, endpoints, table: str):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,)), endpoints)
    careful = replace(door, settings=replace(door.settings, runs_per_minute=10))
    with database.begin() as connection:
        connection.execute(text(f"DROP TABLE {table}"))
    with pytest.raises(PlaygroundError, match="cannot be checked"):
        ask(careful, demo)
    assert demos.going() == []


def test_what_is_left_is_said_in_words_not_to_be_known(demos: Demos, database: Database, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,)), endpoints)
    with database.begin() as connection:
        connection.execute(text("DROP TABLE demo_visitors"))
    with pytest.raises(PlaygroundError, match="cannot be checked"):
        demos.left(demo, "v")


# --- The books ---------------------------------------------------------------------------------------------------------


def test_a_finished_run_costs_the_usage_that_was_stated(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=("paid",), currency="CNY", in_all=Caps(tokens=9000, money=Decimal(5))), endpoints)
    run = ask(door, demo, "paid")
    assert run.wait(PATIENCE) and run.usage is not None
    meters = settled(demos, demo).in_all
    cost = YUAN.of(run.usage)
    assert cost is not None
    assert {kind: (meter.used, meter.held) for kind, meter in meters.items()} == {
        "runs": (1, 0), "tokens": (run.usage.total_tokens, 0), "money": (int(cost * 10**9), 0)
    }


def test_a_run_beyond_the_links_limit_is_stopped_and_costs_all_that_was_held(door: Admission, demos: Demos, endpoints):
    demo = demos.mint(Demo(title="t", endpoints=("endless",), currency="CNY", tokens_per_run=16), endpoints)
    run = ask(door, demo, "endless", "one")
    assert run.wait(PATIENCE) and run.ending is Ending.STOPPED and "limit of 16 tokens" in str(run.reason)
    assert settled(demos, demo).in_all["tokens"].used >= 16 + count_tokens("one")


@pytest.mark.parametrize("name", [NAME, "told", "told too much"])
def test_an_answer_in_one_piece_is_asked_for_only_where_the_endpoint_can_be_told_the_limit(endpoints: Mapping[str, Endpoint], name: str):
    local = replace(endpoints[NAME], provider=openai.PROVIDER, parameters=openai.DIALECTS["plain"])
    endpoint = endpoints[NAME] if name == NAME else local
    ranges = {"max_tokens": Range(locked=True, value=500)} if name == "told too much" else {}
    demo = Demo(title="t", endpoints=(endpoint.name,), tokens_per_run=16, ranges=ranges)
    sent = demo.composed(endpoint, CompletionRequest(prompt="one", parameters={"stream": False})).parameters
    assert sent["stream"] is (name != "told"), "what does not come in pieces cannot be stopped at the limit"


def test_a_visitor_who_wants_his_answer_in_one_piece_passes_no_cap(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    prompt = "Introduce the city Beijing"
    cap = 16 + count_tokens(prompt)
    demo = demos.mint(Demo(title="t", endpoints=("paid",), currency="CNY", tokens_per_run=16, in_all=Caps(tokens=cap)), endpoints)
    run = ask(door, demo, "paid", prompt, stream=False)
    assert run.wait(PATIENCE) and "limit of 16 tokens" in str(run.reason)


def test_a_run_that_cannot_begin_is_refused_as_it_was_also_where_the_books_are_away(door: Admission, demos: Demos, database: Database, endpoints):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,), in_all=Caps(runs=5)), endpoints)

    class Leaving(Runs):
        def start(self, *asked):
            with database.begin() as connection:
                connection.execute(text("ALTER TABLE demo_visitors RENAME TO away"))
            return super().start(*asked)

    full = replace(door, runs=Leaving(Client(), Limits(runs_in_all=0)))
    with pytest.raises(LimitReached):
        ask(full, demo)
    with database.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO demo_visitors"))
    for _ in range(int(PATIENCE * 10)):
        if demos.left(demo).in_all["runs"].left == 5:
            return
        time.sleep(0.1)
    pytest.fail("What was held for it is still held.")


@pytest.mark.slow
def test_stopping_a_link_stops_its_runs_also_those_of_another_server(door: Admission, demos: Demos, database: Database, endpoints):
    demo = demos.mint(Demo(title="t", endpoints=("endless",), tokens_per_run=100_000), endpoints)
    near = ask(door, demo, "endless")
    demos.stop(demo.id)
    assert near.wait(1) and str(near.reason) == "Stopped because the owner of this demo stopped it."
    demos.resume(demo.id)
    far = ask(door, demo, "endless")
    Demos(database, "1" * 32).stop(demo.id)
    assert far.wait(PATIENCE) and far.reason == near.reason
    left = settled(demos, demo)
    assert (left.in_all["runs"].used, left.in_all["runs"].held) == (2, 0)


def test_deleting_a_link_stops_its_runs(door: Admission, demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=("endless",), tokens_per_run=100_000), endpoints)
    run = ask(door, demo, "endless")
    demos.delete(demo.id)
    assert run.wait(PATIENCE) and run.ending is Ending.STOPPED
    assert demos.all() == []


def test_what_a_dead_server_held_is_settled_as_held(demos: Demos, database: Database, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,), in_all=Caps(runs=3, tokens=9000)), endpoints)
    held = Amount(runs=1, tokens=2500, money=7)
    dead, alive = Demos(database, "d" * 32), Demos(database, "a" * 32)
    for server in (dead, alive, demos):
        server.reserve(demo, "v", held)
    with database.begin() as connection:
        connection.execute(servers.insert().values(id="a" * 32, began=0.0, seen=database.clock()))
        connection.execute(servers.insert().values(id="d" * 32, began=0.0, seen=1000.0))
    assert demos.settle_dead() == 0, "it may only just have begun"
    with database.begin() as connection:
        connection.execute(update(reservations).values(made=reservations.c.made - 100))
    assert [demos.settle_dead(), demos.settle_dead()] == [1, 0]
    meters = demos.left(demo, "v")
    assert [(meter.used, meter.held) for meter in meters.in_all.values()] == [(1, 2), (2500, 5000), (7, 14)]
    assert meters.in_all == meters.yours | {"runs": meters.in_all["runs"], "tokens": meters.in_all["tokens"]}
    with pytest.raises(AccessRefused):
        demos.reserve(demo, "w", held)


def test_a_hold_is_settled_once(demos: Demos, endpoints: Mapping[str, Endpoint]):
    demo = demos.mint(Demo(title="t", endpoints=(NAME,)), endpoints)
    hold = demos.reserve(demo, "v", Amount(runs=1, tokens=10))
    assert [demos.settle(hold, Amount(runs=1, tokens=4)), demos.settle(hold), demos.settle("f" * 32)] == [True, False, False]
    assert demos.left(demo, "v").yours["tokens"].used == 4


HELD = Amount(runs=1, tokens=1000, money=500)
FEW, MANY = Usage(prompt_tokens=5, completion_tokens=15, total_tokens=20), Usage(prompt_tokens=5, completion_tokens=1995, total_tokens=2000)
KEYS, GONE = AuthenticationError(message("no")), ServiceError(message("no"))


@pytest.mark.parametrize(
    ("ending", "usage", "error", "begun", "tokens"),
    [
        (Ending.FINISHED, FEW, None, True, 20),
        (Ending.FINISHED, MANY, None, True, 2000),
        (Ending.FINISHED, None, None, True, 1000),
        (Ending.FINISHED, Usage(prompt_tokens=5), None, True, 1000),
        (Ending.FINISHED, Usage(total_tokens=-7), None, True, 1000),
        (Ending.FINISHED, Usage(prompt_tokens=5, completion_tokens=10**40, total_tokens=10**40), None, True, 10**12),
        (Ending.STOPPED, FEW, None, True, 1000),
        (Ending.STOPPED, MANY, None, True, 2000),
        (Ending.CUT, FEW, StreamInterrupted(message("cut")), True, 1000),
        (Ending.FAILED, None, GONE, False, 1000),
        (Ending.FAILED, None, KEYS, False, 0),
        (Ending.FAILED, None, KEYS, True, 1000),
    ],
)
def test_a_run_is_never_charged_less_than_it_can_have_cost(endpoints, ending, usage, error, begun, tokens):
    demo = Demo(title="t", endpoints=("paid",), currency="CNY")
    spent = bill(HELD, demo, endpoints["paid"], ending, usage, error, begun)
    assert max(spent.money, spent.tokens) < 2**63, "a database could not hold more"
    assert (spent.runs, spent.tokens) == (1, tokens)
    if ending is Ending.FINISHED and usage is FEW:
        assert spent.money == 420_000
    elif tokens:
        assert spent.money >= HELD.money or ending is Ending.FINISHED


def test_money_that_was_stated_in_part_is_reckoned_at_the_dearer_price(endpoints: Mapping[str, Endpoint]):
    demo = Demo(title="t", endpoints=("paid",), currency="CNY")
    spent = bill(HELD, demo, endpoints["paid"], Ending.FINISHED, Usage(total_tokens=1000), None, True)
    assert spent.money == 24_000_000
    assert bill(HELD, demo, endpoints["dollars"], Ending.FINISHED, FEW, None, True).money == 0


@given(st.text(max_size=400))
def test_tokens_are_estimated_high_rather_than_low(written: str):
    assert count_tokens(written) >= len(written.encode("utf-8", "replace")) // 4
    assert count_tokens(written + "字") >= count_tokens(written)


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "finish", "fail", "lose"]), st.sampled_from("abc"), st.integers(0, 400), st.integers(0, 9)), max_size=40
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_the_order_nothing_passes_a_cap_and_the_books_end_at_the_sum(demos: Demos, endpoints: Mapping[str, Endpoint], steps):
    caps, each = Caps(runs=12, tokens=2000, money=Decimal("0.000003")), Caps(runs=5, tokens=900)
    row = endpoints["paid"]
    demo = Demo(title="t", endpoints=("paid",), currency="CNY", in_all=Caps(runs=12, tokens=9000, money=Decimal(1)), each=Caps(runs=5, tokens=9000))
    demos.mint(demo, {"paid": row})
    with demos._database.begin() as connection:  # the caps of this game have no room for a real run
        connection.execute(text("UPDATE demos SET tokens_cap = 2000, money_cap = 3000, tokens_each = 900 WHERE id = :id"), {"id": demo.id})
    demo = replace(demo, in_all=caps, each=each)
    going: list[tuple[str, str, Amount]] = []
    spent: dict[str, list[Amount]] = {"a": [], "b": [], "c": []}
    for step, visitor, tokens, part in steps:
        if step == "ask":
            wanted = Amount(runs=1, tokens=tokens, money=tokens * 2)
            try:
                going.append((demos.reserve(demo, visitor, wanted), visitor, wanted))
            except AccessRefused:
                all_held = [amount for _hold, _who, amount in going]
                mine = [amount for _hold, who, amount in going if who == visitor]
                done = [amount for paid in spent.values() for amount in paid]
                assert any(
                    sum(getattr(one, kind) for one in (*used, *held, wanted)) > cap
                    for limits, used, held in ((caps, done, all_held), (each, spent[visitor], mine))
                    for kind, cap in limits.counted.items() if cap is not None
                ), "it was refused although there was room"
        elif going:
            hold, who, held = going.pop(part % len(going))
            paid = {"finish": Amount(runs=1, tokens=held.tokens * part // 9, money=held.money * part // 9), "fail": Amount(), "lose": held}[step]
            assert demos.settle(hold, None if step == "lose" else paid)
            spent[who].append(paid)
        for who in spent:
            left = demos.left(demo, who)
            for limits, meters, holds, paid in (
                (caps, left.in_all, going, [one for many in spent.values() for one in many]),
                (each, left.yours, [one for one in going if one[1] == who], spent[who]),
            ):
                for kind, cap in limits.counted.items():
                    meter = meters[kind]
                    assert meter.used == sum(getattr(one, kind) for one in paid)
                    assert meter.held == sum(getattr(amount, kind) for _hold, _who, amount in holds)
                    assert cap is None or meter.used + meter.held <= cap
    for hold, *_rest in going:
        demos.settle(hold)
    demos.delete(demo.id)
