"""Who has no grant, or a grant without the consent it needs, cannot tell from status, size or time whether an identifier is known."""

import random
from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest
from serving_city import ID, PURPOSE, City, Http

from ledger import grants
from ledger.grants import Grant

FORM = "hk_macao_permit_renewal"
UNKNOWN = "440308199901101520"
PAIRS = 100
BOUND = 25
"""Five standard deviations of the number of pairs, of `PAIRS`, in which one of two equal things happens to be the slower."""


def clients(city: City, who: str) -> tuple[str, str]:
    """The token and purpose of somebody without a right: no grant at all, another purpose, or consent needed and not given."""
    if who == "no consent":
        given = Grant("c", "ungranted", "form", FORM, PURPOSE, "consent", city.clock())
        grants.allow(city.ledger, given, city.clock())
    return city.token(
        "portal" if who == "another purpose" else "ungranted"
    ), "curiosity" if who == "another purpose" else PURPOSE


@pytest.mark.parametrize("who", ["no grant", "another purpose", "no consent"])
def test_for_whoever_is_refused_nobody_is_looked_up_so_there_is_nothing_to_tell_by_time(city: City, who: str) -> None:
    token, purpose = clients(city, who)

    def looked(*_asked: str) -> Any:
        raise AssertionError("somebody was looked up")

    prefill = replace(city.services.prefill, files=looked, world=looked, handle=looked)
    http = Http(city.with_services(prefill=prefill))
    wish = {"form": FORM, "purpose": purpose, "consent": "no.statement.signed" if who == "no consent" else ""}
    batch = {"forms": [{"form": FORM}, {"form": "person"}], "purpose": purpose}
    for subject in (ID, UNKNOWN):
        for asked in (wish, batch):
            answer = http.post(
                "/v1/prefill", json={**asked, "subject": subject}, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status_code == (403 if asked is wish else 200)
            assert "forbidden" in answer.text


@pytest.mark.parametrize("who", ["no grant", "another purpose", "no consent"])
def test_known_and_unknown_identifiers_answer_alike(city: City, who: str) -> None:
    token, purpose = clients(city, who)
    slower, seen, rng = 0, set(), random.Random(who)

    def ask(subject: str) -> float:
        began = perf_counter()
        answer = city.post("/v1/prefill", {"form": FORM, "subject": subject, "purpose": purpose}, token)
        took = perf_counter() - began
        headers = {name: value for name, value in answer.headers.items() if name != "date"}
        seen.add((answer.status_code, answer.text, *headers.items()))
        return took

    ask(ID)
    for _ in range(PAIRS):
        took = {}
        for subject in rng.sample((ID, UNKNOWN), 2):
            took[subject] = ask(subject)
        slower += took[ID] > took[UNKNOWN]
    assert len(seen) == 1, "one status, one body, one set of headers"
    assert next(iter(seen))[0] == 403
    assert abs(slower - PAIRS / 2) <= BOUND, f"of {PAIRS} pairs the known one was slower in {slower}"
