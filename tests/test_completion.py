"""The usage rule on every sample of the protocol, and the three states of safety."""

import pytest

from playground.completion import CompletionRequest, Safety, Sentence, Usage, Verdict, final_usage, overall_safety


def sentences(*counts):
    rows = [None if row is None else Usage(prompt_tokens=row[0], completion_tokens=row[1], total_tokens=row[2]) for row in counts]
    return [Sentence(text="x", index=number, usage=usage) for number, usage in enumerate(rows)]


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        ([(5, 67, 72), (5, 24, 96)], (5, 91, 96)),
        ([(1, 2, 3), (1, 24, 27)], (1, 26, 27)),
        ([(6, 0, 6)] * 9 + [(6, 272, 278)] * 4 + [(6, 372, 378)], (6, 372, 378)),
        ([(1, 0, 1), (1, 29, 30)], (1, 29, 30)),
        ([(4, 35, 87), (4, 35, 122)], (4, 118, 122)),
        ([(45, 0, 149)], (45, 104, 149)),
        ([(5, 92, 97)], (5, 92, 97)),
    ],
    ids=["HTTP pages", "Yi Java", "Yi Python", "Yi Node", "ai-commit", "langchainjs", "not a stream"],
)
def test_usage_is_the_last_total_less_its_prompt(events, usage):
    found = final_usage(sentences(*events))
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == usage


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        ([], None),
        ([None, None], None),
        ([(5, 3, None)], None),
        ([(5, 3, 8), None], (5, 3, 8)),
        ([(5, 3, 8), (5, 3, None)], (5, 3, 8)),
        ([(None, 3, 8)], (None, None, 8)),
        ([(0, 0, 0)], (0, 0, 0)),
    ],
    ids=["no event", "no usage", "no total", "last without usage", "last without total", "no prompt figure", "zero is a figure"],
)
def test_what_was_not_stated_stays_unknown(events, usage):
    found = final_usage(sentences(*events))
    assert (found and (found.prompt_tokens, found.completion_tokens, found.total_tokens)) == usage


SAFE, NOTHING = Safety(verdict=Verdict.SAFE), Safety()
FLAGGED = Safety(verdict=Verdict.FLAGGED, need_clear_history=True, ban_round=-1)


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        ([], NOTHING), ([NOTHING, NOTHING], NOTHING), ([SAFE, NOTHING], SAFE), ([NOTHING, SAFE], SAFE),
        ([SAFE, FLAGGED, SAFE], FLAGGED), ([FLAGGED, NOTHING], FLAGGED),
    ],
    ids=["no event", "never said", "said once", "said late", "flagged between", "flagged, then nothing"],
)
def test_the_gravest_verdict_stands_and_silence_is_never_safe(verdicts, overall):
    assert overall_safety(Sentence(text="", index=0, safety=safety) for safety in verdicts) == overall


@pytest.mark.parametrize(("parameters", "stream"), [({}, False), ({"stream": None}, False), ({"stream": False}, False), ({"stream": True}, True)])
def test_a_request_streams_only_when_asked_to(parameters, stream):
    assert CompletionRequest(prompt="p", parameters=parameters).stream is stream
