"""A visitor's mark is the same in one session, another in each other, and leads back to nothing without the salt."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.redaction import Secret
from playground.visitors import COOKIE, VisitorCookie, new_cookie, read_visitor, sent_visitor, user_id

SALTS = st.sampled_from([Secret("one salt"), Secret("another salt")])
VISITORS = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(VISITORS, SALTS, VISITORS, SALTS)
def test_a_mark_belongs_to_one_session_and_one_salt(visitor: str, salt: Secret, other: str, other_salt: Secret):
    mark = user_id(visitor, salt)
    assert re.fullmatch("[0-9a-f]{32}", mark) and visitor not in mark
    assert (mark == user_id(other, other_salt)) is ((visitor, salt) == (other, other_salt))


def test_a_cookie_is_its_visitors_and_one_that_was_changed_is_nobodys():
    secret = Secret("a secret that signs cookies")
    cookie = new_cookie(secret)
    mark = read_visitor(cookie, secret)
    assert mark is not None and len(mark) == 32
    assert read_visitor(new_cookie(secret), secret) != mark
    other = f"{'0' * 32}{cookie[32:]}"
    for wrong in (None, "", mark, other, cookie[:-1], f"{cookie}x", "é" * 40):
        assert read_visitor(wrong, secret) is None
    assert read_visitor(cookie, Secret("the secret of another server")) is None


ODD = ['a={"b":1}', 'a=x"y', "a b=c", "x[y]=1", "a=1; foo", "a@b=1", "=", "a=\u00e9", 'a="x']


@pytest.mark.parametrize("odd", ODD)
def test_what_else_a_host_has_put_into_a_browser_hides_no_cookie_of_ours(odd: str):
    secret = Secret("a secret that signs cookies")
    cookie = new_cookie(secret)
    for line in (f"{odd}; {COOKIE}={cookie}", f"{COOKIE}={cookie}; {odd}"):
        assert sent_visitor({"headers": [(b"cookie", line.encode("latin-1"))]}, secret) == read_visitor(cookie, secret), line


def set_by(secret: Secret, brought: str | None) -> str | None:
    """What a server's page puts into a browser that brought this."""
    sent = []

    async def page(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})

    async def sending(event):
        sent.append(event)

    headers = [] if brought is None else [(b"cookie", f"{COOKIE}={brought}".encode())]
    asyncio.run(VisitorCookie(page, secret=lambda: secret)({"type": "http", "method": "GET", "headers": headers}, None, sending))
    lines = [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]
    return lines[0].partition(";")[0].removeprefix(f"{COOKIE}=") if lines else None


def test_another_server_of_the_same_host_takes_no_visitor_from_this_one():
    here, there = Secret("the secret of this server"), Secret("the secret of another server")
    first = set_by(here, None)
    both = set_by(there, first)
    assert read_visitor(both, here) == read_visitor(first, here) is not None
    assert read_visitor(both, there) not in (None, read_visitor(first, here))
    assert set_by(here, both) is set_by(there, both) is None, "both know him, and nothing is set again"


def test_a_cookie_grows_no_longer_than_a_few_servers_need_and_takes_nothing_strange_along():
    cookie = f"<script>~{'x' * 5000}"
    for number in range(20):
        cookie = set_by(Secret(f"the secret of server {number}"), cookie)
    assert len(cookie) < 1000 and re.fullmatch(r"[\w.~-]+", cookie)
    assert read_visitor(cookie, Secret("the secret of server 19")) and read_visitor(cookie, Secret("the secret of server 15"))
