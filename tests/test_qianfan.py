"""Every sample event of the three API pages, the whole code table, and the documented token figures."""

import json
import re
from urllib.parse import unquote, urlsplit

import pytest

from playground.completion import Verdict, final_usage
from playground.errors import AuthenticationError, EndpointError, InvalidRequestError, RateLimitError, ServiceError
from playground.providers.qianfan import completion_url, estimate_tokens, read_event
from playground.providers.qianfan_codes import ERROR_CODES, error_for, raise_if_error

BEIJING = (
    "{lead}China.\nBeijing is the capital city of China and is located in the northern part of the country. It is the largest city in China "
    "and is known for its modern architecture, cultural heritage, and historical significance. The city is home to many famous landmarks, "
    "such as the Forbidden City, Tiananmen Square{rest}"
)
REST = ", and the Great Wall of China. It is also known for its vibrant nightlife, delicious food, and stunning scenery."


def wire(**fields):
    return json.dumps(fields, ensure_ascii=False)


def usage(prompt, completion, total):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


@pytest.mark.parametrize("object_name", ["completion", "chat.completion"])
@pytest.mark.parametrize("lead", ["", " ", ", "], ids=["bare", "space", "comma"])
def test_a_whole_answer_is_read_with_its_text_untouched(lead, object_name):
    text = BEIJING.format(lead=lead, rest=REST)
    sentence = read_event(
        wire(id="as-rq3wwusja8", object=object_name, created=1693811110, result=text, is_safe=1, usage=usage(5, 92, 97)), 0, streamed=False
    )
    assert sentence.text == text
    assert sentence.is_end is True
    assert sentence.answer_id == "as-rq3wwusja8"
    assert sentence.safety.verdict is Verdict.SAFE
    assert (sentence.usage.prompt_tokens, sentence.usage.completion_tokens, sentence.usage.total_tokens) == (5, 92, 97)


@pytest.mark.parametrize("lead", [" ", ", "], ids=["Yi", "Cerebras and StableLM"])
def test_the_stream_of_the_http_pages_is_read(lead):
    first = wire(id="as-9092ws9jgh", object="completion", created=1693811126, sentence_id=0, is_end=False,
                 result=BEIJING.format(lead=lead, rest=""), is_safe=1, usage=usage(5, 67, 72))
    second = wire(id="as-9092ws9jgh", object="completion", created=1693811128, sentence_id=1, is_end=True,
                  result=REST, is_safe=1, usage=usage(5, 24, 96))
    read = [read_event(data, number) for number, data in enumerate((first, second))]
    assert [(one.index, one.is_end) for one in read] == [(0, False), (1, True)]
    assert "".join(one.text for one in read) == BEIJING.format(lead=lead, rest=REST)
    assert final_usage(read).completion_tokens == 91


YI = [
    (0, "Beijing", 0), (1, " is the capital city of China and the center of the administrative, cultural", 0),
    (2, " of China's economic, cultural, and political exchanges with the outside world.", 0),
    (3, " bordered by Hebei Province to the east and the Bohai Sea to the west. It has a total area of 16,41", 0),
    (4, "0 square kilometers, including 10,807 square kilometers of urban area.", 0), (5, ". It has a history of more than 3,000 years", 0),
    (6, " also a city with a unique modern history.", 0), (7, " 1421. After the founding of the People's Republic of China", 0),
    (8, ", cultural, educational and other fields.", 0), (9, " resources and beautiful scenery.", 272),
    (10, ", including the Forbidden City, the Temple of Heaven", 272), (11, ", Beijing is a city with a long history", 272),
    (12, " and architectural style, as well as many historical and cultural relics.", 272),
    (13, " has become an international metropolis with great influence.", 372),
]


def test_the_newer_build_s_fourteen_events_are_read():
    read = [
        read_event(wire(id="as-9hyt4r1mp9", object="completion", created=1718781893, sentence_id=number, is_end=number == 13, is_truncated=False,
                        result=text, need_clear_history=False, usage=usage(6, tokens, 6 + tokens)), number)
        for number, text, tokens in YI
    ]
    assert [one.index for one in read] == list(range(14))
    assert "".join(one.text for one in read) == "".join(text for _, text, _ in YI)
    assert "a total area of 16,410 square" in "".join(one.text for one in read)
    assert {one.safety.verdict for one in read} == {Verdict.SAFE}
    assert {one.is_truncated for one in read} == {False}
    assert [one.is_end for one in read].index(True) == 13
    assert final_usage(read).completion_tokens == 372


def test_the_node_sample_carries_a_finish_reason():
    sentence = read_event(
        wire(id="as-wnck26hc3y", object="chat.completion", created=1718782022, sentence_id=1, is_end=True, is_truncated=False,
             result="or would you like to chat for a bit?", need_clear_history=False, finish_reason="normal", usage=usage(1, 29, 30)), 1
    )
    assert (sentence.finish_reason, sentence.is_end, sentence.text) == ("normal", True, "or would you like to chat for a bit?")


@pytest.mark.parametrize(
    ("flags", "verdict", "clear", "ban_round"),
    [
        ({"is_safe": 1}, Verdict.SAFE, None, None),
        ({"is_safe": True}, Verdict.SAFE, None, None),
        ({"is_safe": 0}, Verdict.FLAGGED, None, None),
        ({"is_safe": False}, Verdict.FLAGGED, None, None),
        ({"need_clear_history": False}, Verdict.SAFE, False, None),
        ({"need_clear_history": True, "ban_round": -1}, Verdict.FLAGGED, True, -1),
        ({"need_clear_history": True, "ban_round": 3}, Verdict.FLAGGED, True, 3),
        ({"need_clear_history": True}, Verdict.FLAGGED, True, None),
        ({"is_safe": 1, "need_clear_history": True}, Verdict.FLAGGED, True, None),
        ({"is_safe": 0, "need_clear_history": False}, Verdict.FLAGGED, False, None),
        ({}, Verdict.NOT_RETURNED, None, None),
        ({"is_safe": None}, Verdict.NOT_RETURNED, None, None),
        ({"is_safe": "1"}, Verdict.NOT_RETURNED, None, None),
        ({"is_safe": 7}, Verdict.NOT_RETURNED, None, None),
        ({"is_safe": []}, Verdict.NOT_RETURNED, None, None),
        ({"need_clear_history": "no", "ban_round": "x"}, Verdict.NOT_RETURNED, None, None),
    ],
    ids=str,
)
def test_both_builds_state_safety_and_silence_is_not_safety(flags, verdict, clear, ban_round):
    safety = read_event(wire(result="x", **flags), 0).safety
    assert (safety.verdict, safety.need_clear_history, safety.ban_round) == (verdict, clear, ban_round)


@pytest.mark.parametrize(
    "stated", [None, [], "5", 5, {}, {"total_tokens": None}, {"total_tokens": "72"}, {"total_tokens": 7.5}, {"total_tokens": True}], ids=str
)
def test_senseless_usage_is_no_usage(stated):
    assert read_event(wire(result="x", usage=stated), 0).usage is None


def test_missing_usage_is_none():
    assert read_event(wire(result="x"), 0).usage is None


@pytest.mark.parametrize("is_end", [None, 1, "true", 0, False], ids=str)
def test_only_a_true_end_mark_ends(is_end):
    assert read_event(wire(result="", is_end=is_end), 0).is_end is False


@pytest.mark.parametrize(("number", "index"), [(3, 3), (None, 7), ("3", 7), (True, 7), (2.0, 7)], ids=str)
def test_a_sentence_without_a_number_is_counted(number, index):
    assert read_event(wire(result="", sentence_id=number), 7).index == index


@pytest.mark.parametrize(
    "data",
    ["", " ", "{", "null", "1", "[]", '"text"', "{}", '{"result": null}', '{"result": 5}', '{"result": ["x"]}', "<html>", b"\xff\xfe\xfd",
     '{"id":"as-1","result":"half a sen', "[" * 100_000, '{"result":' + "[" * 100_000],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_not_a_completion_is_a_service_error(data):
    with pytest.raises(ServiceError, match="not a completion") as caught:
        read_event(data, 0)
    assert caught.value.code is None


# The codes of the protocol's table: kind, whether the same request is worth repeating, whether a new token is the cure.
CODES = {
    1: ServiceError, 2: ServiceError, 3: InvalidRequestError, 4: RateLimitError, 6: AuthenticationError, 13: AuthenticationError,
    14: AuthenticationError, 15: AuthenticationError, 17: RateLimitError, 18: RateLimitError, 19: RateLimitError, 100: AuthenticationError,
    110: AuthenticationError, 111: AuthenticationError, 336000: ServiceError, 336001: InvalidRequestError, 336002: InvalidRequestError,
    336003: InvalidRequestError, 336004: AuthenticationError, 336005: InvalidRequestError, 336006: InvalidRequestError,
    336007: InvalidRequestError, 336008: InvalidRequestError, 336100: RateLimitError, 336101: InvalidRequestError,
    336102: InvalidRequestError, 336103: InvalidRequestError, 336104: InvalidRequestError, 336105: InvalidRequestError,
    336200: ServiceError, 336303: InvalidRequestError, 336501: RateLimitError, 336502: RateLimitError, 337006: InvalidRequestError,
    500000: ServiceError,
}
RETRYABLE = {2, 15, 18, 336100, 336501, 336502}
REFRESH = {100, 110, 111}


def test_the_table_holds_exactly_the_documented_codes():
    assert set(ERROR_CODES) == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_told_with_cause_and_remedy(code):
    with pytest.raises(EndpointError) as caught:
        read_event(wire(error_code=code, error_msg="its own words", id="as-1"), 0)
    error = caught.value
    assert type(error) is CODES[code]
    assert error.code == code
    assert str(error.message) and str(error.remedy)
    assert (error.endpoint_message, error.request_id) == ("its own words", "as-1")
    assert error.retryable is (code in RETRYABLE)
    assert error.refresh_token is (code in REFRESH)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "Unknown error"), (2, "Service temporarily unavailable"), (3, "Unsupported openapi method"), (4, "Open api request limit reached"),
        (6, "No permission to access data"), (13, "Get service token failed"), (14, "IAM Certification failed"),
        (15, "app not exists or create failed"), (17, "Open api daily request limit reached"), (18, "Open api qps request limit reached"),
        (19, "Open api total request limit reached"), (100, "Invalid parameter"), (110, "Access token invalid or no longer valid"),
        (111, "Access token expired"), (336000, "Internal error"), (336001, "Invalid Argument"), (336002, "Invalid JSON"),
        (336005, "API name not exist"), (336100, "人工智能是一项革命性的技术。与我互动的人过多，请您稍后重新向我提问。"),
        (336101, "Invalid HTTP Method"),
        (336103, "Prompt tokens too long"), (336501, "Rate limit reached for RPM"), (336502, "Rate limit reached for TPM"),
    ],
    ids=lambda value: str(value)[:8],
)
def test_the_table_quotes_the_service_s_own_words(code, words):
    assert ERROR_CODES[code].words == words


def test_the_busy_message_is_never_text():
    with pytest.raises(RateLimitError) as caught:
        read_event(wire(error_code=336100, error_msg=ERROR_CODES[336100].words, result="looks like an answer"), 0)
    assert "人工智能" not in str(caught.value)


@pytest.mark.parametrize("code", [336501, "336501"], ids=["number", "text"])
def test_the_rate_limit_page_s_other_keys_are_read(code):
    with pytest.raises(RateLimitError) as caught:
        raise_if_error({"code": code, "msg": "Rate limit reached for RPM"})
    assert (caught.value.code, caught.value.endpoint_message) == (336501, "Rate limit reached for RPM")


def test_an_answer_may_hold_a_code_of_its_own():
    assert read_event(wire(result="x", code=5, msg="y"), 0).text == "x"


@pytest.mark.parametrize(
    ("code", "shown"),
    [(987654, "987654"), (0, "0"), (-1, "-1"), ("weird", "weird"), (None, "None"), ([1], "[1]"), (float("inf"), "inf"), (float("nan"), "nan")],
    ids=str,
)
def test_an_unknown_code_is_told_in_the_service_s_words(code, shown):
    error = error_for(code, "words of the day", "as-2")
    assert type(error) is ServiceError
    assert (error.code, error.endpoint_message, error.request_id, error.retryable) == (shown, "words of the day", "as-2", False)
    assert str(error.message) and str(error.remedy)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (BEIJING.format(lead=", ", rest=", and the Great Wall of China. It is also known for its vibrant nightlife, delicious food, "
                                        "and stunning scenery."), 92),
        (BEIJING.format(lead=", ", rest=""), 67),
        (REST, 24),
        ("Introduce the city Beijing", 5),
        ("", 0), ("  \n", 0), ("介绍一下北京", 6), ("介绍 Beijing 的 history", 5), ("word", 1), ("十 words " * 10, 23),
    ],
    ids=["single answer", "first event", "second event", "prompt", "nothing", "space", "Chinese", "mixed", "one", "ten of each"],
)
def test_the_estimate_meets_the_documented_figures(text, tokens):
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(("words", "tokens"), [(71, 92), (52, 67), (19, 24), (4, 5), (10, 13)])
def test_the_estimate_counts_words(words, tokens):
    assert estimate_tokens(" ".join(["word"] * words)) == tokens


@pytest.mark.parametrize(
    ("endpoint", "segment"),
    [
        ("sqlcoder_7b", "sqlcoder_7b"),
        ("lbwxxxd4_test1", "lbwxxxd4_test1"),
        ("测试 v1~x(a+b)", "%E6%B5%8B%E8%AF%95%20v1~x%28a%2Bb%29"),
        ("a/b?c#d%20&e", "a%2Fb%3Fc%23d%2520%26e"),
    ],
)
def test_an_endpoint_address_is_encoded_once_as_one_segment(endpoint, segment):
    for base in ("https://aip.baidubce.com", "https://aip.baidubce.com/"):
        url = completion_url(base, endpoint)
        assert url == f"https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/completions/{segment}"
        assert unquote(urlsplit(url).path).endswith(endpoint)
        assert re.fullmatch(r"[!-~]+", url)


def test_no_remedy_says_try_again_where_the_page_will_say_that_it_cannot_help():
    for row in ERROR_CODES.values():
        if "try again" in row.remedy.lower():
            assert error_for(row.code).again, row.code
    assert not error_for(336003).again and not error_for(17).again
