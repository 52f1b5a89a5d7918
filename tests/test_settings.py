"""What a person wrote wrongly is told with its place, never with its content, and never stops the start."""

import os

import pytest

from playground.redaction import Secret
from playground.settings import Limits, Retry, Settings, read_settings
from playground.wire import Timeouts

SECRET = "do-not-show-this-key"


def settings(tmp_path, *, env="", secrets=None, environ=None):
    if env is not None:
        (tmp_path / ".env").write_bytes(env if isinstance(env, bytes) else env.encode())
    if secrets is not None:
        (tmp_path / ".streamlit").mkdir(exist_ok=True)
        (tmp_path / ".streamlit" / "secrets.toml").write_bytes(secrets if isinstance(secrets, bytes) else secrets.encode())
    return read_settings(tmp_path, environ or {})


def words(read):
    return [str(problem) for problem in read.problems]


def test_nothing_configured_is_the_documented_defaults(tmp_path):
    read = settings(tmp_path, env=None)
    assert read == Settings(endpoint_file=tmp_path / "endpoints.toml", database=Secret(f"sqlite:///{tmp_path / 'playground.sqlite3'}"))
    assert (read.retry, read.timeouts, read.limits) == (Retry(attempts=1, backoff=0.0), Timeouts(connect=10.0, silence=60.0), Limits())
    assert not read.fault_endpoints


def test_the_environment_comes_before_env_before_secrets(tmp_path):
    read = settings(
        tmp_path, env="A=env\nB=env\n", secrets='A = "secrets"\nB = "secrets"\nC = "secrets"\nN = 5\n[section]\nD = "deep"\n',
        environ={"A": "environment"},
    )
    assert {name: read.values[name] for name in "ABCN"} == {"A": "environment", "B": "env", "C": "secrets", "N": "5"}
    assert "D" not in read.values
    assert read.problems == ()


def test_nothing_is_written_to_the_process_environment(tmp_path):
    before = dict(os.environ)
    settings(tmp_path, env=f"QIANFAN_AK={SECRET}\n")
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{SECRET}\n", 1),
        (f"A=1\n{SECRET}\nB=2\n", 2),
        (f"A=1\n\n\n{SECRET}\nB=2\n", 4),
        (f"# a comment\n\n# another\nA=1\n   {SECRET} more words\n\nB=2\n", 5),
        (f"A=1\r\n\r\n{SECRET}\r\nB=2\r\n", 3),
        (f"A=1\nX='{SECRET}\nB=2\n", 2),
        (f"A=1\n= {SECRET}\nB=2", 2),
        (f"A='two\nlines'\n{SECRET}\nB=2", 3),
    ],
    ids=["first", "middle", "after blanks", "after comments", "CRLF", "open quote", "no name", "after two lines"],
)
def test_a_broken_line_is_told_by_its_number_without_its_content(tmp_path, text, line):
    read = settings(tmp_path, env=text)
    assert words(read) == [f"Line {line} of .env cannot be read."]
    assert SECRET not in str(read.problems) + str(read.problems[0].remedy)
    if "B=2" in text:
        assert read.values["B"] == "2", "the other lines are used"


@pytest.mark.parametrize(
    ("line", "value"),
    [("A=x", "x"), ("export A=x", "x"), ("A = x # note", "x"), ("A='x y'", "x y"), ('A="x\\ny"', "x\ny"), ("A=a=b&c", "a=b&c"), ("A=", ""),
     ("A=${HOME}", "${HOME}")],
)
def test_the_forms_of_a_line_are_read(tmp_path, line, value):
    read = settings(tmp_path, env=line + "\n")
    assert (read.values["A"], read.problems) == (value, ())


def test_a_byte_order_mark_does_not_hide_the_first_name(tmp_path):
    assert settings(tmp_path, env=b"\xef\xbb\xbfQIANFAN_AK=x\n").values == {"QIANFAN_AK": "x"}
    assert settings(tmp_path, env="", secrets=b'\xef\xbb\xbfA = "x"\n').values == {"A": "x"}


@pytest.mark.parametrize("content", [b"A=\xff\xfe\n", "A=1\n".encode("utf-16")], ids=["Latin-1", "UTF-16"])
def test_an_unreadable_file_is_told(tmp_path, content):
    assert words(settings(tmp_path, env=content)) == [".env cannot be read."]


def test_a_folder_in_place_of_a_file_is_told(tmp_path):
    (tmp_path / ".env").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").mkdir(parents=True)
    assert sorted(words(read_settings(tmp_path, {}))) == [".env cannot be read.", "secrets.toml cannot be read."]


def test_broken_toml_is_told_without_its_content(tmp_path):
    read = settings(tmp_path, env="A=1\n", secrets=f'KEY = "{SECRET}\n')
    assert words(read) == ["secrets.toml is not valid TOML."]
    assert SECRET not in str(read.problems) + str(vars(read.problems[0]))
    assert read.values["A"] == "1"


NUMBERS = {
    "QIANFAN_LLM_API_RETRY_COUNT": (lambda read: read.retry.attempts, "3", 3, 1),
    "QIANFAN_LLM_API_RETRY_BACKOFF_FACTOR": (lambda read: read.retry.backoff, "0.5", 0.5, 0.0),
    "QIANFAN_LLM_API_RETRY_TIMEOUT": (lambda read: read.timeouts.silence, "300", 300.0, 60.0),
    "PLAYGROUND_CONNECT_TIMEOUT": (lambda read: read.timeouts.connect, "2.5", 2.5, 10.0),
    "PLAYGROUND_RUNS_PER_VISITOR": (lambda read: read.limits.runs_per_visitor, "7", 7, 3),
    "PLAYGROUND_RUNS_IN_ALL": (lambda read: read.limits.runs_in_all, "70", 70, 24),
    "PLAYGROUND_TEXT_LIMIT": (lambda read: read.limits.text, "5000", 5000, 2_000_000),
    "PLAYGROUND_RUN_TIME": (lambda read: read.limits.run_time, "60", 60.0, 1800.0),
    "PLAYGROUND_UNWATCHED": (lambda read: read.limits.unwatched, "5", 5.0, 120.0),
    "PLAYGROUND_KEEP": (lambda read: read.limits.keep, "60", 60.0, 3600.0),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_used(tmp_path, name):
    value, text, wanted, _ = NUMBERS[name]
    read = settings(tmp_path, environ={name: f" {text} "})
    assert (value(read), read.problems) == (wanted, ())


@pytest.mark.parametrize("text", ["", "  "], ids=["empty", "blank"])
@pytest.mark.parametrize("name", NUMBERS)
def test_an_empty_number_is_the_default(tmp_path, name, text):
    value, _, _, default = NUMBERS[name]
    read = settings(tmp_path, environ={name: text})
    assert (value(read), read.problems) == (default, ())


@pytest.mark.parametrize("text", ["many", "-1", "nan", "inf", "-inf", "1e999", "1" + "0" * 400, "9" * 5000, "0x10", "1,5"], ids=lambda text: text[:8])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_senseless_number_is_told_and_the_default_used(tmp_path, name, text):
    value, _, _, default = NUMBERS[name]
    read = settings(tmp_path, environ={name: text})
    assert value(read) == default
    (problem,) = read.problems
    assert name in str(problem)


@pytest.mark.parametrize("name", ["QIANFAN_LLM_API_RETRY_COUNT", "PLAYGROUND_RUNS_PER_VISITOR", "PLAYGROUND_RUNS_IN_ALL", "PLAYGROUND_TEXT_LIMIT"])
def test_a_count_is_whole(tmp_path, name):
    assert len(settings(tmp_path, environ={name: "2000.5"}).problems) == 1


def test_the_default_is_said_in_full(tmp_path):
    (problem,) = settings(tmp_path, environ={"PLAYGROUND_TEXT_LIMIT": "999"}).problems
    assert str(problem) == "PLAYGROUND_TEXT_LIMIT must be a number from 1000; it is “999”."
    assert "2000000 is used" in str(problem.remedy)


def test_a_retry_count_of_zero_is_one_attempt(tmp_path):
    assert settings(tmp_path, environ={"QIANFAN_LLM_API_RETRY_COUNT": "0"}).retry.attempts == 1


@pytest.mark.parametrize(
    ("text", "on"),
    [("1", True), ("true", True), (" YES ", True), ("on", True), ("0", False), ("false", False), ("", False), ("maybe", False)],
)
def test_the_fault_endpoints_have_a_switch(tmp_path, text, on):
    assert settings(tmp_path, environ={"PLAYGROUND_FAULT_ENDPOINTS": text}).fault_endpoints is on


def test_settings_do_not_show_their_values(tmp_path):
    assert SECRET not in repr(settings(tmp_path, env=f"QIANFAN_SK={SECRET}\n"))
