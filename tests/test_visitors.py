"""A visitor's mark is the same in one session, another in each other, and leads back to nothing without the salt."""

import re

from hypothesis import given
from hypothesis import strategies as st

from playground.redaction import Secret
from playground.visitors import user_id

SALTS = st.sampled_from([Secret("one salt"), Secret("another salt")])
VISITORS = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(VISITORS, SALTS, VISITORS, SALTS)
def test_a_mark_belongs_to_one_session_and_one_salt(visitor: str, salt: Secret, other: str, other_salt: Secret):
    mark = user_id(visitor, salt)
    assert re.fullmatch("[0-9a-f]{32}", mark) and visitor not in mark
    assert (mark == user_id(other, other_salt)) is ((visitor, salt) == (other, other_salt))
