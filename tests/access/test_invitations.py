from datetime import UTC, datetime, timedelta

import pytest

from access.invitations import LIFETIME, Invitation, Invitations
from schemas.errors import Invalid

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SUBJECT = "110101199003074610"
INVITATION = Invitation("renewal", SUBJECT, {"permits": {"permit_no": "C1"}})
DESK = Invitations(b"k" * 32)


def token() -> str:
    return DESK.seal(INVITATION, now=NOW, nonce=b"n" * 12)


def test_an_invitation_opens_to_what_was_sealed_until_it_expires() -> None:
    assert DESK.open(token(), "renewal", now=NOW + LIFETIME - timedelta(seconds=1)) == INVITATION
    with pytest.raises(Invalid, match="expired"):
        DESK.open(token(), "renewal", now=NOW + LIFETIME)


def test_an_invitation_tells_nobody_whom_it_is_for() -> None:
    assert SUBJECT not in token()
    assert SUBJECT not in repr(INVITATION)


@pytest.mark.parametrize(
    "changed", ["", "x", "ä", "A" * 40, token()[:-2], token()[:-1] + ("A" if token()[-1] != "A" else "B")]
)
def test_what_is_not_ours_is_refused(changed: str) -> None:
    with pytest.raises(Invalid, match="not one of ours"):
        DESK.open(changed, "renewal", now=NOW)


def test_an_invitation_to_one_form_does_not_open_another_nor_under_another_key() -> None:
    with pytest.raises(Invalid):
        DESK.open(token(), "other", now=NOW)
    with pytest.raises(Invalid):
        Invitations(b"x" * 32).open(token(), "renewal", now=NOW)
