"""The desk remembers what it verified, and forgets it within a second of any change, in whatever process that was made."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from access_bench import (
    CURVE,
    EDWARDS,
    ID,
    NOW,
    PRIMES,
    PROVIDER,
    Office,
    furnish,
    grant,
    jwks,
    office,
    signed,
    statement,
    times,
    urls,
)

from access import desk
from access.decision import Ask
from access.desk import STALE, Subject
from ledger import access_revision, credentials, grants, requests
from ledger import clients as client_store
from ledger.credentials import Issuer
from ledger.requests import Request, Step
from schemas.errors import Retry, Unauthenticated

ASK = Ask("form", "renewal", "renewal", ("name", "mobile", "record"), private=frozenset({"record"}))
LIN = Subject("person", ID)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Office]:
    with office(*urls(tmp_path)) as found:
        furnish(found.ledger)
        yield found


@pytest.fixture
def there(tmp_path: Path, here: Office) -> Iterator[Office]:
    """Another process of the same hub."""
    with office(*urls(tmp_path), name="two") as found:
        yield found


def test_a_consent_opens_the_fields_that_were_granted_and_agreed_to(here: Office) -> None:
    found = here.desk.decide("portal", ASK, about=LIN, statement=statement())
    assert (found.allowed, found.withheld, found.hidden) == (("name", "mobile"), (), ("record",))
    assert (found.basis, found.evidence, found.reason) == ("consent", "consent-1", "granted")


@pytest.mark.parametrize("typed", [ID.lower(), f" {ID} ", "４４０308199901101512"])
def test_the_subject_of_a_consent_is_the_same_however_its_identifier_is_typed(here: Office, typed: str) -> None:
    assert here.desk.decide("portal", ASK, about=Subject("person", typed), statement=statement()).granted


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "https://another.test"}, "audience"),
        ({"iss": "https://stranger.test"}, "issuer"),
        ({"sub": "somebody else"}, ""),
        ({"client_id": "stranger"}, ""),
        ({"purpose": "statistics"}, ""),
        ({"target": "form:permit"}, ""),
        ({"target": "renewal"}, "target"),
        ({"fields": "name"}, "fields"),
        ({"fields": None}, "fields"),
        ({"jti": None}, "jti"),
        ({"sub": 7}, "sub"),
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        (times(901), "900 seconds"),
        (times(60, NOW - timedelta(seconds=60)), "expired"),
        (times(60, NOW + timedelta(minutes=2)), "future"),
        ({"nbf": int(NOW.timestamp()) + 300}, "future"),
    ],
)
def test_a_consent_for_anything_else_opens_nothing(here: Office, changes: dict[str, Any], why: str) -> None:
    found = here.desk.decide("portal", ASK, about=LIN, statement=statement(**changes))
    assert (found.allowed, found.reason, found.basis) == ((), "no-consent", "consent")
    assert why in found.detail
    assert ID not in str(found.refusal().problem())


def test_a_consent_in_another_base64_than_that_of_urls_opens_nothing(here: Office) -> None:
    told = next(text for n in range(200) if {*"-_"} & {*(text := statement(jti=f"j{n}")).rpartition(".")[2]})
    body, _, signature = told.rpartition(".")
    standard = signature.translate(str.maketrans("-_", "+/"))
    for other in (standard, f"{signature}==", f"{signature}\n", f" {signature}", f"{signature}.", ""):
        found = here.desk.decide("portal", ASK, about=LIN, statement=f"{body}.{other}")
        assert (found.allowed, found.reason) == ((), "no-consent")
    assert here.desk.decide("portal", ASK, about=LIN, statement=told).granted


def test_a_consent_for_another_subject_opens_nothing(here: Office) -> None:
    found = here.desk.decide("portal", ASK, about=Subject("person", "440308199901101520"), statement=statement())
    assert (found.granted, found.reason) == (False, "no-consent")
    of_another_kind = here.desk.decide("portal", ASK, about=Subject("enterprise", ID), statement=statement())
    assert not of_another_kind.granted


def test_a_consent_without_a_subject_to_be_about_opens_nothing(here: Office) -> None:
    assert not here.desk.decide("portal", ASK, statement=statement()).granted


@pytest.mark.parametrize(
    "text", ["x", "a.b.c", "", "é" * 9000, statement()[:-6] + "AAAAAA", statement().rpartition(".")[0] + "."]
)
def test_what_is_no_signed_statement_opens_nothing(here: Office, text: str) -> None:
    assert not here.desk.decide("portal", ASK, about=LIN, statement=text).granted


def test_a_portal_cannot_sign_a_consent_itself(here: Office) -> None:
    genuine = statement()
    claims = here.desk.consent(genuine)
    forged = signed(
        {"iss": PROVIDER, "aud": "https://hub.test", "sub": claims.subject, "jti": "x", **times()}, CURVE, "ES256"
    )
    assert not here.desk.decide("portal", ASK, about=LIN, statement=forged).granted


def test_two_clients_know_a_subject_by_two_names(here: Office) -> None:
    names = {here.desk.pairwise(PROVIDER, client, LIN) for client in ("portal", "stranger")}
    assert len(names) == 2
    assert all(ID not in name for name in names)


def test_a_consent_ends_with_its_last_second_although_it_is_remembered(here: Office) -> None:
    text = statement()
    assert here.desk.decide("portal", ASK, about=LIN, statement=text).granted
    here.clock.now += timedelta(seconds=60)
    assert not here.desk.decide("portal", ASK, about=LIN, statement=text).granted


def test_a_verified_token_costs_no_look_at_the_ledger_until_it_expires(here: Office) -> None:
    token = here.token()
    assert here.desk.caller(token).client == "portal"
    here.ledger.dispose()
    real, here.ledger.read = here.ledger.read, None  # type: ignore[method-assign,assignment]
    assert here.desk.caller(token).client == "portal"
    here.ledger.read = real  # type: ignore[method-assign]
    here.clock.now += timedelta(seconds=300)
    with pytest.raises(Unauthenticated, match="expired"):
        here.desk.caller(token)


def revoke_grant(at: Office) -> None:
    grants.revoke(at.ledger, "g1", NOW, by="office", why="misuse")


def switch_client_off(at: Office) -> None:
    client_store.set_active(at.ledger, "portal", False)


def drop_provider(at: Office) -> None:
    credentials.drop_issuer(at.ledger, PROVIDER)


def change_provider_keys(at: Office) -> None:
    credentials.put_issuer(at.ledger, Issuer(PROVIDER, jwks(CURVE)), NOW)


@pytest.mark.parametrize("revoke", [revoke_grant, switch_client_off, drop_provider, change_provider_keys])
def test_what_is_revoked_in_one_process_is_dead_in_another_within_a_second(
    here: Office, there: Office, revoke: Any
) -> None:
    text = statement()
    assert there.desk.decide("portal", ASK, about=LIN, statement=text).granted
    revoke(here)
    there.seconds[0] += 1
    assert not there.desk.decide("portal", ASK, about=LIN, statement=text).granted


def test_what_a_request_is_granted_counts_in_another_process_within_a_second_and_its_revocation_too(
    here: Office, there: Office
) -> None:
    ask = Ask("dataset", "things", "audit", ("name",), case="")
    asked = Request(
        "r1", "portal", "dataset", "things", frozenset({"name"}), "audit", "open", "law", "", "things", 10, NOW.date(), NOW, NOW
    )  # fmt: skip
    assert not there.desk.decide("portal", ask).granted
    requests.open_(here.ledger, asked, [Step("requested", "", NOW)], [])
    given = grant(
        id="g9", kind="dataset", name="things", purpose="audit", basis="open", fields=frozenset({"name"}), request="r1"
    )
    requests.take(here.ledger, requests.find(here.ledger, "r1"), Step("granted", "chief", NOW), [], given)
    there.seconds[0] += 1
    assert there.desk.decide("portal", ask).granted
    grants.revoke(here.ledger, "g9", NOW, by="chief", why="misuse")
    there.seconds[0] += 1
    assert not there.desk.decide("portal", ask).granted


def test_a_revoked_token_and_a_switched_off_client_are_dead_in_another_process_within_a_second(
    here: Office, there: Office
) -> None:
    mine, other = here.token(), here.token()
    caller = there.desk.caller(mine)
    assert there.desk.caller(other)
    here.sign_in.revoke(caller, mine)
    there.seconds[0] += 1
    with pytest.raises(Unauthenticated, match="revoked"):
        there.desk.caller(mine)
    assert there.desk.caller(other)
    client_store.set_active(here.ledger, "portal", False)
    there.seconds[0] += 1
    with pytest.raises(Unauthenticated, match="switched off"):
        there.desk.caller(other)


def test_a_grant_revoked_by_a_program_of_its_own_is_dead_here_within_a_second(here: Office) -> None:
    text = statement()
    assert here.desk.decide("portal", ASK, about=LIN, statement=text).granted
    program = (
        "import sys; from datetime import UTC, datetime; from ledger import grants; from ledger.database import Database, ledger_tables\n"
        "grants.revoke(Database(sys.argv[1], ledger_tables), 'g1', datetime.now(UTC), by='office', why='misuse')"
    )
    subprocess.run(
        [sys.executable, "-c", program, str(here.ledger.engine.url)], check=True, cwd=Path(__file__).parents[2]
    )
    here.seconds[0] += 1
    assert not here.desk.decide("portal", ASK, about=LIN, statement=text).granted


def test_a_slow_reader_cannot_bring_back_what_was_revoked_meanwhile(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = grants.standing

    def slow(*given: Any) -> Any:
        found = read(*given)
        with monkeypatch.context() as patch:
            patch.setattr(grants, "standing", read)
            revoke_grant(here)
            here.seconds[0] += 1
            assert here.desk.grants("portal") == ()
        return found

    monkeypatch.setattr(grants, "standing", slow)
    here.desk.grants("portal")
    monkeypatch.setattr(grants, "standing", read)
    assert here.desk.grants("portal") == ()


def test_a_ledger_that_does_not_answer_is_believed_for_seconds_and_no_longer(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = here.token()
    assert here.desk.caller(token)

    def broken(_db: object) -> int:
        raise OSError("connection refused")

    monkeypatch.setattr(access_revision, "current", broken)
    here.seconds[0] += STALE
    assert here.desk.caller(token)
    here.seconds[0] += STALE
    with pytest.raises(Retry) as refused:
        here.desk.caller(token)
    assert (refused.value.status, "refused" in str(refused.value)) == (503, False)
    with pytest.raises(Retry):
        here.desk.caller(token)


def test_a_grant_that_says_the_same_is_one_grant_and_a_revoked_one_can_be_given_again(here: Office) -> None:
    again = grants.allow(here.ledger, grant(id="g2", begins=NOW), NOW)
    assert (again.id, len(grants.standing(here.ledger, "portal"))) == ("g1", 1)
    revoke_grant(here)
    assert grants.allow(here.ledger, grant(id="g2"), NOW).id == "g2"
    wider = grants.allow(
        here.ledger,
        grant(id="g3", fields=frozenset({"name"}), quota=5, ends=NOW + timedelta(days=1), legal="条例"),
        NOW,
    )
    assert grants.standing(here.ledger)[-1] == wider


def test_keys_are_taken_from_whoever_signs_with_any_algorithm_of_the_list(here: Office) -> None:
    credentials.put_issuer(here.ledger, Issuer(PROVIDER, jwks(EDWARDS, CURVE, PRIMES)), NOW)
    here.seconds[0] += 1
    text = statement()
    by_curve = signed({**vars_of(text), "jti": "consent-2"}, CURVE, "ES256")
    by_old_name = signed({**vars_of(text), "jti": "consent-3"}, EDWARDS, "EdDSA")
    by_primes = signed({**vars_of(text), "jti": "consent-4"}, PRIMES, "PS256")
    for one in (text, by_curve, by_old_name, by_primes):
        assert here.desk.decide("portal", ASK, about=LIN, statement=one).granted


def vars_of(text: str) -> dict[str, Any]:
    import base64
    import json

    part = text.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def test_of_too_many_consents_the_first_is_forgotten_and_is_read_again(
    here: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read = list[str](), desk.consent.read
    monkeypatch.setattr(desk, "_MOST", 2)

    def counted(*given: Any, **more: Any) -> Any:
        found = read(*given, **more)
        reads.append(found.id)
        return found

    monkeypatch.setattr(desk.consent, "read", counted)
    for jti in ("a", "b", "c", "c", "b", "a"):
        assert here.desk.decide("portal", ASK, about=LIN, statement=statement(jti=jti)).granted
    assert reads == ["a", "b", "c", "a"]
