"""The file of a recording: it gives back what it was written from, whatever bytes came, and says in words what is wrong with one that is damaged."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from playground import recording as module
from playground.completion import Ending
from playground.errors import ParameterError, PlaygroundError
from playground.event_stream import EventStream
from playground.recording import Recording, Sent, WireEvent, event_lines, raw_bytes, raw_text, read_recordings, write_recording
from playground.redaction import MASK, Secret, redact
from playground.wire_errors import not_text

QIANFAN = b'data: {"id":"as-1","sentence_id":0,"is_end":false,"result":"\xe5\x8c\x97\xe4\xba\xac","usage":{"total_tokens":7}}\n\n'
LAST = b'data: {"sentence_id":1,"is_end":true,"result":" end"}\n\n'
OPENAI = b'data: {"id":"cmpl-1","choices":[{"text":"Hi","finish_reason":null}]}\n\n'
PLAIN = Recording(
    made="2026-11-22T01:02:03Z", sent=Sent(method="POST", url="http://h/x", headers={"Host": "h"}, body='{"prompt": "p"}'),
    endpoint={"name": "own/x", "title": "Yi-34B", "group": "g", "provider": "qianfan", "model": "", "url": "http://h/x"},
    status=200, version="HTTP/1.1", headers={"content-type": "text/event-stream"}, answered=0.25,
    events=(WireEvent(0.5, QIANFAN), WireEvent(0.75, LAST)), ending=Ending.FINISHED, ended=1.0,
)


def written(*recordings):
    return "".join(line for recording in recordings for line in write_recording(recording)).encode()


def read_one(content):
    [found] = read_recordings(content)
    return found


def refusal(content):
    with pytest.raises(ParameterError) as caught:
        read_recordings(content)
    assert str(caught.value.remedy)
    return str(caught.value)


texts = st.text(st.characters(codec="utf-8"), max_size=20)
times = st.floats(0, 1e6).map(lambda at: round(at, 4))
events = st.lists(st.builds(WireEvent, times, st.binary(max_size=40)), max_size=5).map(tuple)
headers = st.dictionaries(texts, texts, max_size=3)
recordings = st.builds(
    Recording,
    made=texts, endpoint=st.fixed_dictionaries({}, optional={name: texts for name in ("name", "title", "group", "provider", "model", "url")}),
    sent=st.none() | st.builds(Sent, method=texts, url=texts, headers=headers, body=st.binary(max_size=40).map(raw_text)),
    status=st.integers(100, 599), version=st.none() | texts, headers=headers, answered=times, events=events, dropped=st.integers(0, 9),
    attempts=st.integers(0, 9), reason=st.none() | texts, error=st.none() | texts, remedy=st.none() | texts, lost=st.booleans(),
    ending=st.none() | st.sampled_from(Ending), ended=times,
)


@given(st.lists(recordings, min_size=1, max_size=3))
def test_a_file_read_and_written_again_is_the_same_byte_for_byte(made):
    content = written(*made)
    again = read_recordings(content)
    assert written(*again) == content
    assert len(again) == len(made)


@given(recordings)
def test_a_recording_comes_back_as_it_was(made):
    assume(all(redact(event.raw) == event.raw for event in made.events))
    assume(made.sent is None or redact(made.sent.body) == made.sent.body)
    found = read_one(written(made))
    names = ("status", "answered", "events", "ending", "ended", "dropped", "attempts", "lost")
    assert [getattr(found, name) for name in names] == [getattr(made, name) for name in names]
    assert found.sent is None or found.sent.body == made.sent.body


def test_the_lines_are_what_the_format_says():
    opening, response, *lines, end = map(json.loads, written(PLAIN).decode().splitlines())
    assert (opening["recording"], opening["made"], opening["endpoint"]["title"]) == (1, "2026-11-22T01:02:03Z", "Yi-34B")
    assert opening["request"] == {"method": "POST", "url": "http://h/x", "headers": {"Host": "h"}, "body": '{"prompt": "p"}'}
    assert response == {"response": {"status": 200, "version": "HTTP/1.1", "headers": {"content-type": "text/event-stream"}}, "at": 0.25}
    assert lines == [{"event": QIANFAN.decode(), "at": 0.5}, {"event": LAST.decode(), "at": 0.75}]
    assert end == {"end": "finished", "at": 1.0, "kept": 2, "dropped": 0, "attempts": 1, "reason": None, "error": None, "remedy": None}
    assert PLAIN.file_name == "yi-34b-2026-11-22T01-02-03.jsonl"


def test_a_body_takes_the_place_of_events():
    made = replace(PLAIN, events=(), body=WireEvent(2.0, b'{"result":"\xff"}'))
    assert json.loads(written(made).decode().splitlines()[2]) == {"body": '{"result":"\udcff"}', "at": 2.0}
    assert read_one(written(made)).body == made.body


@pytest.mark.parametrize(("title", "name"), [("文心", "recording"), ("../../etc/passwd", "etc-passwd"), ('a"\r\nb', "a-b"), ("", "recording")])
def test_a_file_name_is_one_for_any_system(title, name):
    assert replace(PLAIN, endpoint={"title": title}).file_name == f"{name}-2026-11-22T01-02-03.jsonl"
    assert replace(PLAIN, endpoint={"title": title}, made="").file_name == f"{name}.jsonl"


def test_the_event_lines_alone_begin_where_they_are_asked_to():
    lines = written(PLAIN).decode().splitlines(keepends=True)
    assert [list(event_lines(PLAIN, start)) for start in (0, 1, 2, 9)] == [lines[2:4], lines[3:4], [], []]


def test_a_file_that_was_cut_off_anywhere_is_read_as_far_as_it_goes():
    content = written(PLAIN)
    first, third = content.index(b"\n"), content.index(b"\n", content.index(b'{"event"'))
    for end in range(1, len(content)):
        if end < first:
            assert refusal(content[:end])
            continue
        found = read_one(content[:end])
        assert found.events == PLAIN.events[: len(found.events)] and len(found.events) >= (end > third)
        assert (found.ending, found.ended) == ((Ending.FINISHED, 1.0) if end == len(content) - 1 else (Ending.CUT, None))
    both = read_recordings(content[: content.index(b'{"end"')] + content)
    assert [(one.ending, len(one.events)) for one in both] == [(Ending.CUT, 2), (Ending.FINISHED, 2)]


OPENING = written(PLAIN).splitlines(keepends=True)[0]
RESPONSE = b'{"response": {"status": 200, "headers": {}}, "at": 0.2}\n'


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([b"{}\n"], "Line 2 of the recording is of a kind that is not known here."),
        ([b"nonsense\n", RESPONSE], "Line 2 of the recording cannot be read."),
        ([b"[1]\n"], "Line 2 of the recording cannot be read."),
        ([b"\xff\n", RESPONSE], "Line 2 of the recording cannot be read."),
        ([b'{"event": "x", "at": 1}\n'], "Line 2 of the recording cannot be read."),
        ([RESPONSE, b"\n", RESPONSE], "Line 4 of the recording cannot be read."),
        ([RESPONSE, b'{"event": 7}\n'], "Line 3 of the recording cannot be read."),
        ([RESPONSE, b'{"event": "x", "at": -1}\n'], "Line 3 of the recording cannot be read."),
        ([RESPONSE, b'{"event": "x", "at": NaN}\n'], "Line 3 of the recording cannot be read."),
        ([RESPONSE, b'{"event": "x", "at": 1e999}\n'], "Line 3 of the recording cannot be read."),
        ([RESPONSE, b'{"event": "x", "at": "1"}\n'], "Line 3 of the recording cannot be read."),
        ([RESPONSE, b'{"event": "x"}\n', b'{"body": "x"}\n'], "Line 4 of the recording cannot be read."),
        ([RESPONSE, b'{"body": "x"}\n', b'{"event": "x"}\n'], "Line 4 of the recording cannot be read."),
        ([b'{"end": "finished"}\n', RESPONSE], "Line 3 of the recording cannot be read."),
        ([b'{"end": "over"}\n'], "Line 2 of the recording cannot be read."),
        ([b'{"end": ["cut"]}\n'], "Line 2 of the recording cannot be read."),
        ([b'{"end": "cut", "dropped": true}\n'], "Line 2 of the recording cannot be read."),
        ([b'{"response": 200}\n'], "Line 2 of the recording cannot be read."),
        ([b'{"response": {"status": "200"}}\n'], "Line 2 of the recording cannot be read."),
        ([b'{"response": {"status": 200, "headers": {"x": 1}}}\n'], "Line 2 of the recording cannot be read."),
        ([RESPONSE, b'{"event": "\\ud83d"}\n'], "Line 3 of the recording holds half a character"),
        ([b'{"response": {"status": 200, "headers": {"\\udce9": ""}}}\n'], "Line 2 of the recording holds half a character"),
        ([b'{"recording": 1}\n'], "Line 2 of the recording cannot be read."),
        ([b'{"recording": 1, "made": "x", "endpoint": {"title": "%s"}}\n' % (b"x" * 2000)], "Line 2 of the recording cannot be read."),
        ([b'{"recording": 2, "made": "x"}\n'], "made by another version of the playground (format 2)"),
        ([b"[" * 100_000 + b"\n", RESPONSE], "Line 2 of the recording cannot be read."),
        ([b'{"end": "cut", "more": [' + b"{}," * 50_000 + b"0]}\n"], "Line 2 of the recording cannot be read."),
        ([b'{"end": "cut", "at": ' + b"9" * 5000 + b"}\n"], "Line 2 of the recording cannot be read."),
    ],
    ids=range(28),
)
def test_damage_is_told_with_its_line(lines, words):
    assert words in refusal(b"".join([OPENING, *lines]))


def test_fields_that_are_not_known_are_passed_over_and_their_order_is_free():
    opening = {**json.loads(OPENING), "new": [1]}
    response = {"at": 0.2, "response": {"headers": {}, "status": 200, "x": {}}}
    lines = [dict(reversed(opening.items())), response, {"x": 1, "event": LAST.decode(), "at": 3}]
    found = read_one(b"\xef\xbb\xbf" + "\r\n".join(map(json.dumps, lines)).encode())
    assert (found.status, found.events, found.endpoint["title"]) == (200, (WireEvent(3.0, LAST),), "Yi-34B")


def test_another_version_is_refused_in_words():
    assert refusal(OPENING.replace(b'"recording": 1', b'"recording": 7')) == "This recording was made by another version of the playground (format 7)."
    assert "Line 1" in refusal(OPENING.replace(b'"recording": 1', b'"recording": true'))


@pytest.mark.parametrize("content", [b"", b" \n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_told(content):
    assert "empty" in refusal(content)


def test_what_is_too_large_is_refused(monkeypatch):
    assert "larger than 64 MB" in refusal(b"x" * (64 * 1024 * 1024 + 1))
    monkeypatch.setattr(module, "LINES_LIMIT", 100)
    event = b'{"event": "data: {}\\n\\n", "at": 1}\n'
    assert len(read_one(OPENING + RESPONSE + event * 98).events) == 98
    assert "more than 100 lines" in refusal(OPENING + RESPONSE + event * 99)
    assert "more than 100 lines" in refusal(b"data: {}\n\n" * 101)


# --- secrets ---

KEY = Secret("recorded-key-0123456789")


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ('data: {"result":"the key is recorded-key-0123456789."}\n\n', {"result": f"the key is {MASK}."}),
        ('data: {"result":"Bearer abcdef\\"; quoted"}\n\n', {"result": f'Bearer {MASK}"; quoted'}),
        ('data: {"result":"access_token=24.abc\\nnext"}\n\n', {"result": f"access_token={MASK}\nnext"}),
        ('data: {"api_key":"hush","result":"\\ud83d","list":[{"Authorization":"a\\"b"},1.5,true,null]}\n\n',
         {"api_key": MASK, "result": "\ud83d", "list": [{"Authorization": MASK}, 1.5, True, None]}),
        ('data: {"recorded-key-0123456789":{"client_secret":12345}}\n\n', {MASK: {"client_secret": MASK}}),
    ],
    ids=["known", "before a quote", "before a line end", "by name", "in a name"],
)
def test_a_masked_event_is_still_the_json_it_was(raw, left):
    line = json.loads(next(event_lines(replace(PLAIN, events=(WireEvent(0, raw_bytes(raw)),)))))["event"]
    assert (line[:6], line[-2:]) == ("data: ", "\n\n")
    assert json.loads(line[6:]) == left
    assert "hush" not in line and KEY.reveal() not in line


def test_no_text_of_a_recording_holds_a_secret():
    words = f"with {KEY.reveal()} in it"
    made = Recording(
        made=words, endpoint={"title": words, "url": f"http://h/?access_token={KEY.reveal()}"}, reason=words, error=words, remedy=words, ended=1.0,
        sent=Sent(method="POST", url="http://h/?access_token=24.xyz", headers={"Authorization": "Basic dXNlcg==", "X": words}, body=words),
        status=200, headers={"Set-Cookie": "session=abc", "x-echo": words}, events=(WireEvent(0, words.encode()),),
    )
    content = written(made).decode() + written(replace(made, body=WireEvent(0, words.encode()))).decode()
    for secret in (KEY.reveal(), "24.xyz", "dXNlcg", "session=abc"):
        assert secret not in content
    assert content.count(MASK) >= 18


@given(st.lists(st.sampled_from(["Bearer ", "access_token=", '"api_key":"', "x", '"', "\\", "\n", KEY.reveal(), "{", "}", "24.", ": "]), max_size=12))
def test_whatever_is_masked_stays_as_it_is_the_second_time(parts):
    text = "".join(parts)
    made = replace(PLAIN, events=(WireEvent(0, text.encode()), WireEvent(0, b"data: " + json.dumps({"result": text}).encode())))
    content = written(made)
    assert KEY.reveal() not in content.decode()
    assert written(read_one(content)) == content
    assert isinstance(json.loads(read_one(content).events[1].raw[6:]), dict)


# --- what curl saves ---

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Request-Id: r-1\r\n\r\n"
JSON_HEADERS = b"HTTP/2 429 \r\ncontent-type: application/json\r\n\r\n"
RETURNS = [piece.replace(b"\n", b"\r\n") for piece in (QIANFAN, LAST)]
BODY = b'{\n  "id": "as-1",\n  "result": "all"\n}\n'


@pytest.mark.parametrize(
    ("content", "provider", "status", "events"),
    [
        (QIANFAN + LAST, "qianfan", 200, [QIANFAN, LAST]),
        (b"\xef\xbb\xbf" + QIANFAN + LAST, "qianfan", 200, [QIANFAN, LAST]),
        (OPENAI + b"data: [DONE]\n\n", "openai", 200, [OPENAI, b"data: [DONE]\n\n"]),
        (HEADERS + QIANFAN, "qianfan", 200, [QIANFAN]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEADERS + OPENAI, "openai", 200, [OPENAI]),
        (HEADERS, "qianfan", 200, []),
        (RETURNS[0] + RETURNS[1], "qianfan", 200, RETURNS),
        (QIANFAN.strip() + b"\n" + LAST.strip(), "qianfan", 200, [QIANFAN, LAST]),
        (b"\n    " + QIANFAN.strip() + b"\n\n    " + LAST.strip() + b"\n", "qianfan", 200, [b"\n" + QIANFAN, LAST.strip() + b"\n"]),
        (b": ping\n\n" + QIANFAN + b"data: {cut", "qianfan", 200, [b": ping\n\n", QIANFAN, b"data: {cut"]),
        (QIANFAN + b'{"error_code":336100}\n', "qianfan", 200, [QIANFAN, b'{"error_code":336100}\n']),
        (b'{"error_code":1,"error_msg":"x"}\n{"result":"x"}\n', "qianfan", 200, [b'{"error_code":1,"error_msg":"x"}\n{"result":"x"}\n']),
        (b'data: {"result":"\xff"}\n\n' + QIANFAN, "qianfan", 200, [b'data: {"result":"\xff"}\n\n', QIANFAN]),
    ],
    ids=["Qianfan", "with a mark", "OpenAI", "headers", "two answers", "nothing", "CR LF", "no blank lines", "pasted", "cut", "bare error", "bare",
         "not UTF-8"],
)
def test_a_stream_that_curl_saved_is_read(content, provider, status, events):
    found = read_one(content)
    assert (found.endpoint["provider"], found.status, found.body, found.timed) == (provider, status, None, False)
    assert [event.content for event in found.events] == events
    assert (found.ending, found.ended) == (None, 0.0)
    assert written(read_one(written(found))) == written(found)


@pytest.mark.parametrize(
    ("content", "provider", "status", "body"),
    [
        (BODY, "qianfan", 200, BODY),
        (b'{"object":"text_completion","choices":[]}', "openai", 200, b'{"object":"text_completion","choices":[]}'),
        (b'{"error":{"message":"x"}}', "openai", 200, b'{"error":{"message":"x"}}'),
        (JSON_HEADERS + b'{"error_code":18}', "qianfan", 429, b'{"error_code":18}'),
        (b"HTTP/1.1 502 Bad Gateway\nContent-Type: text/html\n\n<html>data: x", "qianfan", 502, b"<html>data: x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "qianfan", 200, b""),
    ],
    ids=["Qianfan", "OpenAI", "error", "refused", "a gateway", "empty"],
)
def test_a_whole_answer_that_curl_saved_is_read(content, provider, status, body):
    found = read_one(content)
    assert (found.endpoint["provider"], found.status, found.events) == (provider, status, ())
    assert found.body.content == body


@pytest.mark.parametrize(
    "content", [b"hello", b"<html></html>", b"[1, 2]", b'{"a": 1}', b"data: x\n\n", b"\x00\xff" * 50, b'{"choices": [', b"7"], ids=repr
)
def test_what_is_no_answer_is_refused(content):
    assert "neither a recording nor an answer" in refusal(content)


# --- anything at all ---

LINES = st.sampled_from([
    OPENING, RESPONSE, b'{"event": "data: {}\\n\\n", "at": 1}\n', b'{"body": "{}"}\n', b'{"end": "cut", "at": 2}\n', HEADERS, JSON_HEADERS,
    QIANFAN, OPENAI, LAST, BODY, b"\n", b"\r\n", b"data:", b'{"error_code":1}\n', b": ping\n", b"\xff", b"\xef\xbb\xbf", b'"\\ud800"', b"[[[[",
])


@given(st.lists(LINES | st.binary(max_size=8), max_size=12).map(b"".join))
def test_any_bytes_are_read_or_refused_in_words(content):
    try:
        found = read_recordings(content)
    except ParameterError as error:
        assert error.name == "recording" and str(error) and str(error.remedy)
        return
    again = written(*found)
    assert written(*read_recordings(again)) == again


PARTS = [
    QIANFAN, OPENAI, b"data: x", b"data:", b": c", b"event: ping", b"\n", b"\r", b"\r\n", b"\n\n", b'{"error_code":1}', b"{", b"\xef\xbb\xbf",
    b"\xe5\x8c", b"",
]
STREAMS = st.lists(st.sampled_from(PARTS), max_size=20).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 400), max_size=8))
def test_the_raw_of_all_events_together_is_what_was_sent_wherever_it_was_cut(stream, cuts):
    marks = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in zip(marks, marks[1:], strict=False)]
    found, error = parsed(pieces)
    together = b"".join(raw for _, raw in found)
    assert together == (stream if error is None else stream[: len(together)])
    whole, _ = parsed([stream])
    assert [data for data, _ in found if data] == [data for data, _ in whole if data]
    assert b"\r" in stream or error or found == whole, "a CR may end an event, and the LF after it come with the next"
    again, same = parsed([raw for _, raw in found])
    assert ([event for event in again if event[0]], same) == ([event for event in found if event[0]], error)


ODD = [b"", b"\n", b"\n\n", b": c\n", b": c\n\n", b"data\n\n", b"id: 1\n", b"{}\n", b"{}\n\n", b"x", b"data: y\n"]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_what_stands_between_events_goes_with_the_same_one_however_the_stream_is_cut(odd):
    stream = b"data: a\n\n" + b"data: b\n\n".join([odd] * 4)
    bytewise = parsed([stream[at : at + 1] for at in range(len(stream))])
    for size in range(2, len(stream) + 1):
        assert parsed([stream[at : at + size] for at in range(0, len(stream), size)]) == bytewise


def parsed(pieces):
    """The events of these pieces, each as its data and what it came as; what came last without data too; and what it ended with."""
    found, kept, error = [], [], None
    try:
        for data in EventStream(pieces, kept.append).events():
            found.append((data, kept.pop()))
            assert not kept
    except PlaygroundError as raised:
        error = str(raised)
        assert error == str(not_text())
    return found + [("", raw) for raw in kept], error


def test_an_interrupted_stream_gives_what_it_had_and_then_the_error():
    def pieces():
        yield QIANFAN + b"data: {hal"
        raise OSError("gone")

    found, kept = [], []
    with pytest.raises(OSError, match="gone"):
        for data in EventStream(pieces(), kept.append).events():
            found.append(data)
    assert (found, kept) == ([re.search(rb"\{.*\}", QIANFAN)[0].decode()], [QIANFAN, b"data: {hal"])
