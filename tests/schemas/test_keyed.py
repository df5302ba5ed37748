"""Digests under a key are HMAC-SHA-256, whatever the length of key and message, and one does not disturb the next."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from schemas.keyed import digest


@given(st.binary(max_size=200), st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_every_digest_is_the_standard_librarys(key: bytes, messages: list[bytes]) -> None:
    assert [digest(key, one) for one in messages] == [hmac.digest(key, one, "sha256") for one in messages]
