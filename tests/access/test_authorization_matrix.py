"""Who may see what: every client x field x purpose x basis x hour says the same as a model of twenty lines."""

from datetime import datetime, timedelta
from itertools import product

import pytest
from access_bench import NOW, grant
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from access.decision import Ask, Consent, decide
from ledger.grants import Grant

CLIENTS, NAMES, PURPOSES = ("portal", "stranger"), ("renewal", "permit"), ("renewal", "statistics")
FIELDS, BASES = ("name", "mobile", "record"), ("consent", "duty", "open")
HOURS = (NOW - timedelta(days=2), NOW - timedelta(days=1), NOW, NOW + timedelta(days=1))
CONSENT = Consent("c1", "id", "portal", "pair", "renewal", "form", "renewal", frozenset({"name", "record"}), HOURS[3])


def model(client: str, ask: Ask, grants: list[Grant], consent: Consent | None, now: datetime) -> set[str]:
    """The fields that may be answered."""
    if consent is not None and ask.case:
        return set()
    basis = "consent" if consent is not None else "duty" if ask.case else "open"
    if consent is not None:
        same_party = consent.client == client and consent.subject == ask.subject != ""
        same_use = (consent.kind, consent.name, consent.purpose) == (ask.kind, ask.name, ask.purpose)
        if not (same_party and same_use and now < consent.expires):
            return set()
    allowed = set()
    for field in ask.fields:
        if consent is not None and field not in consent.fields:
            continue
        for g in grants:
            mine = g.client == client and g.kind == ask.kind and g.name == ask.name and g.purpose == ask.purpose
            within = g.begins <= now and (g.ends is None or now < g.ends)
            if mine and within and g.basis == basis and (g.fields is None or field in g.fields):
                allowed.add(field)
    return allowed


GRANTS = [
    grant(
        id=f"{client}-{name}-{purpose}-{basis}",
        client=client,
        name=name,
        purpose=purpose,
        basis=basis,
        fields=fields,
        ends=ends,
    )
    for (client, name, purpose, basis), fields, ends in zip(
        product(CLIENTS, NAMES, PURPOSES, BASES),
        [None, frozenset({"name"}), frozenset({"name", "mobile"}), frozenset({"record"}), frozenset()] * 5,
        [None, HOURS[2], HOURS[3]] * 8,
        strict=False,
    )
]


def test_every_ask_of_the_matrix_is_decided_as_the_model_decides_it() -> None:
    seen = set()
    consents = (
        None,
        CONSENT,
        replace(CONSENT, subject="other"),
        replace(CONSENT, client="stranger"),
        replace(CONSENT, expires=NOW),
    )
    for client, name, purpose, fields, consent, case, now in product(
        CLIENTS, NAMES, PURPOSES, (FIELDS, ("mobile",), ("name", "record")), consents, ("", "case 7"), HOURS
    ):
        ask = Ask("form", name, purpose, fields, "pair", case, frozenset({"record"}))
        found = decide(client, ask, GRANTS, consent, now)
        assert {*found.allowed} == model(client, ask, GRANTS, consent, now), (client, ask, consent, now)
        assert sorted(found.allowed + found.withheld + found.hidden) == sorted(fields)
        assert {*found.hidden} == {"record"} & {*fields} - {*found.allowed}
        assert found.granted == (found.reason == "granted") == bool(found.grants)
        seen.add((found.basis, found.reason))
    assert seen >= {(b, "granted") for b in BASES} | {
        ("consent", "no-consent"),
        ("consent", "two-bases"),
        ("duty", "no-grant"),
    }


moments = st.sampled_from(HOURS)
some_fields = st.none() | st.frozensets(st.sampled_from(FIELDS))
any_grant = st.builds(
    Grant, id=st.uuids().map(str), client=st.sampled_from(CLIENTS), kind=st.sampled_from(("form", "dataset")), name=st.sampled_from(NAMES),
    purpose=st.sampled_from(PURPOSES), basis=st.sampled_from(BASES), begins=moments, ends=st.none() | moments, fields=some_fields,
)  # fmt: skip
any_consent = st.none() | st.builds(
    Consent, id=st.just("c"), issuer=st.just("id"), client=st.sampled_from(CLIENTS), subject=st.sampled_from(("pair", "other", "")),
    purpose=st.sampled_from(PURPOSES), kind=st.sampled_from(("form", "dataset")), name=st.sampled_from(NAMES),
    fields=st.frozensets(st.sampled_from(FIELDS)), expires=moments,
)  # fmt: skip
any_ask = st.builds(
    Ask, kind=st.sampled_from(("form", "dataset")), name=st.sampled_from(NAMES), purpose=st.sampled_from(PURPOSES),
    fields=st.lists(st.sampled_from(FIELDS), unique=True).map(tuple), subject=st.sampled_from(("pair", "")),
    case=st.sampled_from(("", "case 7")), private=st.frozensets(st.sampled_from(FIELDS)),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(CLIENTS), any_ask, st.lists(any_grant, max_size=6), any_consent, moments)
def test_any_grants_and_any_consent_are_decided_as_the_model_decides_them(
    client: str, ask: Ask, grants: list[Grant], consent: Consent | None, now: datetime
) -> None:
    found = decide(client, ask, grants, consent, now)
    assert {*found.allowed} == model(client, ask, grants, consent, now)
    assert all(any(g.fields is None or f in g.fields for g in found.grants) for f in found.allowed)
    assert {*found.grants} <= {*grants}


def test_the_basis_that_was_used_is_told_with_its_evidence() -> None:
    everything = [grant(id=basis, basis=basis) for basis in BASES]
    ask = Ask("form", "renewal", "renewal", ("name",), "pair")
    by_consent = decide("portal", ask, everything, CONSENT, NOW)
    by_duty = decide("portal", replace(ask, case="case 7"), everything, None, NOW)
    by_openness = decide("portal", ask, everything, None, NOW)
    assert [(d.basis, d.evidence, d.grants[0].id) for d in (by_consent, by_duty, by_openness)] == [
        ("consent", "c1", "consent"), ("duty", "case 7", "duty"), ("open", "", "open"),
    ]  # fmt: skip


@pytest.mark.parametrize("reason", ["no-grant", "no-consent", "two-bases"])
def test_a_refusal_tells_what_the_caller_can_do_and_nothing_of_a_subject(reason: str) -> None:
    asks = {
        "no-grant": (Ask("form", "permit", "renewal", ("name",), "pair"), None),
        "no-consent": (Ask("form", "renewal", "renewal", ("name",), "someone else"), CONSENT),
        "two-bases": (Ask("form", "renewal", "renewal", ("name",), "pair", "case 7"), CONSENT),
    }
    ask, consent = asks[reason]
    refusal = decide("portal", ask, [grant()], consent, NOW).refusal()
    assert (refusal.status, refusal.facts["reason"]) == (403, reason)
    assert refusal.todo
    assert "pair" not in str(refusal.problem())
    assert ("`case` or `consent`" in (refusal.todo or "")) == (reason == "no-grant"), (
        "nothing came that it could rest on"
    )
