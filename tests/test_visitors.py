"""A visitor's mark is the same in one session, another in each other, and leads back to nothing without the salt."""

import re

from hypothesis import given
from hypothesis import strategies as st

from playground.redaction import Secret
from playground.visitors import new_cookie, read_visitor, user_id

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
