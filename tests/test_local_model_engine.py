"""The real engine on a file with a known law."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_model.engine import Engine
from local_model.generation import EngineUnavailable, Finish, Generation, GenerationRequest, PromptTooLong, QueueFull, RequestRefused
from local_model.opening import open_engine
from local_model.probe import probe
from tests.known_law import BYE, CAT, LAW, PROMPT, Law, distance, draws, write_model

pytestmark = pytest.mark.slow

CONTEXT = 32_768
LONG = 30_000


@pytest.fixture(scope="module")
def law_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Law]:
    path = tmp_path_factory.mktemp("law") / "law.gguf"
    return path, write_model(path)


@pytest.fixture(scope="module")
def law(law_file: tuple[Path, Law]) -> Law:
    return law_file[1]


@pytest.fixture(scope="module")
def engine(law_file: tuple[Path, Law]) -> Iterator[Engine]:
    engine = Engine(law_file[0], context=CONTEXT, waiting=2)
    assert engine.load() is None
    yield engine
    engine.close()


def ask(engine: Engine, prompt: str = PROMPT, **settings: Any) -> Generation:
    return engine.submit(GenerationRequest(prompt=prompt, **settings))


def text_of(generation: Generation) -> str:
    return "".join(generation)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"temperature": 1.0}, {"temperature": 0.3}, {"top_k": 3}, {"top_p": 0.5}, {"top_p": 0.0}, {"temperature": 0.3, "top_p": 0.7}],
    ids=["nothing set", "temperature 1", "temperature 0.3", "top_k 3", "top_p 0.5", "top_p 0", "temperature before top_p"],
)
def test_500_draws_follow_the_law(engine: Engine, law: Law, parameters: dict[str, Any]) -> None:
    drawn = draws(text_of(ask(engine, max_tokens=1001, seed=7, **parameters)))
    allowed = law.probabilities(**parameters)
    assert len(drawn) == 500
    assert distance(drawn, allowed) <= 0.08
    assert set(drawn) <= set(allowed)
    if "temperature" not in parameters:
        assert set(drawn) == set(allowed)


@pytest.mark.parametrize("penalty", [1.0, 2.0])
def test_the_penalty_acts_on_words_of_the_prompt(engine: Engine, law: Law, penalty: float) -> None:
    drawn = [text_of(ask(engine, "red go", max_tokens=1, penalty_score=penalty, seed=seed)).strip() for seed in range(500)]
    assert distance(drawn, law.probabilities(penalty=penalty, seen={"red"})) <= 0.08
    assert distance(drawn, law.probabilities(penalty=3.0 - penalty, seen={"red"})) > 0.1


def test_without_a_seed_each_text_is_new_and_with_one_it_is_repeated(engine: Engine) -> None:
    assert text_of(ask(engine, max_tokens=101)) != text_of(ask(engine, max_tokens=101))
    assert text_of(ask(engine, max_tokens=101, seed=3)) == text_of(ask(engine, max_tokens=101, seed=3))


@pytest.mark.parametrize("stop", ["red go", "d g", " black", "go white go"])
def test_a_stop_sequence_never_leaks_not_even_a_part(engine: Engine, stop: str) -> None:
    for seed in range(5):
        generation = ask(engine, max_tokens=200, stop=("never", stop), seed=seed)
        pieces = list(generation)
        whole = text_of(ask(engine, max_tokens=200, seed=seed))
        assert "".join(pieces) == whole[: whole.index(stop)]
        assert generation.outcome().finish is Finish.STOP


def test_a_character_of_several_tokens_arrives_whole(engine: Engine) -> None:
    pieces = list(ask(engine, CAT, max_tokens=4))
    assert pieces[0] == "猫" and "".join(pieces) == "猫 go"
    cut = ask(engine, CAT, max_tokens=2)
    assert text_of(cut) == ""
    assert (cut.outcome().finish, cut.outcome().completion_tokens) == (Finish.LENGTH, 2)


def test_the_facts_of_an_end(engine: Engine) -> None:
    cap = ask(engine, "go red go", max_tokens=20)
    assert len(list(cap)) == 20
    outcome = cap.outcome()
    assert (outcome.finish, outcome.prompt_tokens, outcome.completion_tokens) == (Finish.LENGTH, 3, 20)
    assert outcome.tokens_per_second and outcome.tokens_per_second > 100
    assert (cap.prompt_tokens, cap.evaluated_tokens, cap.completion_tokens, cap.place, cap.ended) == (3, 3, 20, 0, True)
    end = ask(engine, BYE, max_tokens=20)
    assert text_of(end) == "" and end.outcome().finish is Finish.STOP
    assert engine.count_tokens("go red go") == 3


@pytest.mark.parametrize("prompt", ["a\0b", "猫", "\n", "👩\u200d🚀 \ufffd", '{"prompt": 1}', "<s></s>", " "])
def test_any_text_is_a_prompt(engine: Engine, prompt: str) -> None:
    assert len(text_of(ask(engine, prompt, max_tokens=5)).split()) >= 2


def test_half_a_character_is_refused_and_the_next_request_goes_well(engine: Engine) -> None:
    with pytest.raises(RequestRefused):
        text_of(ask(engine, "\ud800", max_tokens=5))
    assert text_of(ask(engine, max_tokens=5))


def test_the_context_fills_up_and_a_longer_prompt_is_refused(law_file: tuple[Path, Law]) -> None:
    engine = Engine(law_file[0], context=256)
    try:
        full = ask(engine, max_tokens=10_000)
        assert len(text_of(full).split()) == 255
        assert (full.outcome().finish, full.outcome().completion_tokens) == (Finish.CONTEXT, 255)
        assert ask(engine).outcome().finish is Finish.CONTEXT
        assert ask(engine, max_tokens=255).outcome().finish is Finish.LENGTH
        last = ask(engine, " ".join([PROMPT] * 255), max_tokens=1)
        assert text_of(last) and last.outcome().finish is Finish.LENGTH
        with pytest.raises(PromptTooLong) as caught:
            text_of(ask(engine, " ".join([PROMPT] * 256)))
        assert (caught.value.tokens, caught.value.limit) == (256, 255)
        assert engine.context == 256
    finally:
        engine.close()


def test_cancel_tells_the_reader_at_once_and_frees_the_worker(engine: Engine) -> None:
    running = ask(engine, max_tokens=LONG)
    assert running.wait(5)
    began = time.monotonic()
    running.cancel()
    assert running.ended and running.outcome().finish is Finish.CANCELLED
    assert running.outcome().completion_tokens > 0
    assert text_of(ask(engine, max_tokens=1))
    assert time.monotonic() - began < 0.5
    kept = running.take()
    time.sleep(0.05)
    assert kept and running.take() == []


def test_a_reader_who_walks_away_frees_the_worker(engine: Engine) -> None:
    running = ask(engine, max_tokens=LONG)
    reading = iter(running)
    assert next(reading)
    reading.close()  # type: ignore[attr-defined]
    assert running.cancelled
    assert text_of(ask(engine, max_tokens=1))


def test_the_line_has_places_and_an_end(engine: Engine) -> None:
    running = ask(engine, max_tokens=LONG)
    assert running.wait(5)
    first, second = ask(engine, max_tokens=1), ask(engine, max_tokens=1)
    assert [g.place for g in (running, first, second)] == [0, 1, 2]
    assert engine.queued == 2
    with pytest.raises(QueueFull):
        ask(engine, max_tokens=1)
    first.cancel()
    assert first.outcome().finish is Finish.CANCELLED and text_of(first) == ""
    assert second.place == 1
    third = ask(engine, max_tokens=1)
    running.cancel()
    assert text_of(second) and text_of(third)
    assert second.place == third.place == 0


def test_an_event_loop_reads_without_being_blocked(engine: Engine) -> None:
    async def read() -> tuple[str, float]:
        worst = 0.0

        async def tick() -> None:
            nonlocal worst
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.01)
                worst = max(worst, time.monotonic() - began - 0.01)

        ticker = asyncio.create_task(tick())
        generation = ask(engine, max_tokens=2001)
        text = ""
        while not generation.ended:
            await generation.arrived(1)
            text += "".join(generation.take())
        ticker.cancel()
        return text + "".join(generation.take()), worst

    text, worst = asyncio.run(read())
    assert len(draws(text)) == 1000
    assert worst < 0.5


def test_arrived_gives_up_after_its_time_and_survives_a_closed_loop(engine: Engine) -> None:
    running = ask(engine, max_tokens=LONG)
    waiting = ask(engine, max_tokens=1)
    began = time.monotonic()
    assert asyncio.run(waiting.arrived(0.05)) is False
    assert time.monotonic() - began < 0.5
    running.cancel()
    assert text_of(waiting)


def test_closing_ends_everything(law_file: tuple[Path, Law]) -> None:
    before = threading.active_count()
    engine = Engine(law_file[0], context=CONTEXT)
    running, waiting = ask(engine, max_tokens=LONG), ask(engine)
    assert running.wait(20)
    engine.close()
    assert running.ended and waiting.ended
    assert threading.active_count() == before
    with pytest.raises(EngineUnavailable, match="shut down"):
        ask(engine)
    engine.close()


def test_a_process_that_never_closes_its_engine_ends_cleanly(law_file: tuple[Path, Law]) -> None:
    words = (
        "import sys; from pathlib import Path; from local_model.engine import Engine; from local_model.generation import GenerationRequest;"
        f"g = Engine(Path(sys.argv[1]), context={CONTEXT}).submit(GenerationRequest(prompt='go', max_tokens={LONG})); g.wait(20)"
    )
    done = subprocess.run([sys.executable, "-c", words, str(law_file[0])], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_port_is_closed_to_whoever_has_no_key(engine: Engine) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", engine._port, timeout=5)
    connection.request("POST", "/v1/completions", '{"prompt": "go"}', {"Content-Type": "application/json"})
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no file"), (b"", "not a GGUF file"), (b"<html>", "not a GGUF file"), (b"GGUF", "cannot be loaded"), ("half", "cannot be loaded")],
    ids=["missing", "empty", "another file", "only its first word", "cut"],
)
def test_a_file_that_cannot_be_loaded_is_named_in_clear_words(
    tmp_path: Path, law_file: tuple[Path, Law], capfd: pytest.CaptureFixture[str], content: bytes | str | None, words: str
) -> None:
    path = tmp_path / "broken.gguf"
    if content == "half":
        path.write_bytes(law_file[0].read_bytes()[:600_000])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    engine = Engine(path)
    with pytest.raises(EngineUnavailable, match=words) as caught:  # at once, if the worker has found it out by then
        text_of(engine.submit(GenerationRequest(prompt=PROMPT)))
    assert str(path) in str(caught.value)
    assert engine.unavailable is caught.value.message
    with pytest.raises(EngineUnavailable):
        engine.count_tokens("go")
    assert capfd.readouterr() == ("", "")
    engine.close()


def test_the_probe_says_what_is_wrong_in_the_file(tmp_path: Path, law_file: tuple[Path, Law]) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(law_file[0].read_bytes()[:600_000])
    assert "corrupted or incomplete" in str(probe(path))
    assert probe(law_file[0]) is None


def test_the_probe_survives_an_engine_that_dies_or_is_not_there(tmp_path: Path, law_file: tuple[Path, Law]) -> None:
    for body, words in (
        ('import sys, os\nprint("imported\\nloaded", flush=True)\nos.kill(os.getpid(), 4)', "does not run on this processor"),
        ('import sys\nsys.stderr.write("ModuleNotFoundError: No module named \'xllamacpp\'")\nsys.exit(1)', "not installed"),
    ):
        stand_in = tmp_path / "python"
        stand_in.write_text(f"#!{sys.executable}\n{body}\n")
        stand_in.chmod(0o755)
        assert words in str(probe(law_file[0], python=str(stand_in)))


def test_complete_in_the_terminal(law_file: tuple[Path, Law]) -> None:
    command = [sys.executable, "-m", "local_model", "complete", PROMPT, "--max-tokens", "5", "--top-k", "1"]
    done = subprocess.run(command, env={**os.environ, "LOCAL_MODEL": str(law_file[0])}, capture_output=True, text=True, timeout=30)
    assert done.stdout == " red go red go red"
    assert "[length: 1 + 5 tokens" in done.stderr and done.returncode == 0


def test_a_path_in_the_setting_opens_that_file(law_file: tuple[Path, Law]) -> None:
    engine = open_engine(str(law_file[0]))
    assert engine is not None
    assert not engine.ready
    assert set(text_of(ask(engine, max_tokens=9)).split()) <= {PROMPT, *LAW}
    assert engine.ready
    engine.close()
