"""Who sees which page of whose data; every page in both languages is usable by keyboard and screen reader; colours can be read."""

import re
from pathlib import Path

import pytest
from browsing import faults
from serving_city import PEOPLE, POLICE, City

from serving import pages

WHO = ("editor", "approver", "other", "office", "auditor", "owner", "")
SEEN = {
    "/my": ("editor", "approver", "other"),
    "/my/datasets/residents/bad": ("editor", "approver"),
    "/my/datasets/marriages/bad": ("other",),
    "/my/datasets/nothing/bad": (),
    "/my/datasets/residents/bad/file": ("editor",),
    "/my/disputes/none": (),
    "/office": ("office",),
    "/office/reviews/none": (),
    "/audit": ("auditor",),
    "/requests": ("editor", "approver", "other", "office", "auditor"),
    "/requests/new": ("editor", "other", "office", "owner"),
    "/requests/none": (),
    "/portal": ("owner",),
    "/me": ("editor", "approver", "other", "office", "auditor", "owner"),
}
"""Who gets each page. To everybody else it is refused, or not there; without a session it leads to the sign-in page."""


@pytest.mark.parametrize("path", SEEN)
@pytest.mark.parametrize("who", WHO)
def test_each_person_gets_the_own_pages_and_no_other(city: City, who: str, path: str) -> None:
    http = city.signed_in(who) if who else city.http
    answer = http.get(path)
    if not who:
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
    elif who in SEEN[path]:
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
    else:
        assert answer.status_code in (403, 404)


def test_another_departments_dataset_and_one_that_does_not_exist_answer_alike(city: City) -> None:
    http = city.signed_in("other")
    foreign, absent = (http.get(f"/my/datasets/{name}/bad?lang=en") for name in ("residents", "no_such_set"))
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.text.replace("residents", "") == absent.text.replace("no_such_set", "")


def test_a_department_sees_the_requests_that_concern_it_alone(city: City) -> None:
    office, wish = (
        city.services.approvals,
        {"kind": "dataset", "name": "residents", "purpose": "p", "basis": "duty", "legal": "art. 21"},
    )
    from access.sessions import actor

    row = office.open(actor(PEOPLE["office"]), "portal", wish)
    path = f"/requests/{row['request']}"
    seen = {name: city.signed_in(name).get(path).status_code for name in PEOPLE}
    assert seen == {"editor": 200, "approver": 200, "other": 404, "office": 200, "auditor": 200, "owner": 403}
    assert "portal" not in city.signed_in("other").get("/requests?view=all&lang=en").text.partition("<tbody>")[2]


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("path", [p for p, who in SEEN.items() if who and not p.endswith("/file")])
def test_each_page_is_whole_and_usable_in_each_language(city: City, path: str, lang: str) -> None:
    answer = city.signed_in(SEEN[path][0]).get(f"{path}{'&' if '?' in path else '?'}lang={lang}")
    assert (answer.status_code, answer.headers["content-language"]) == (200, lang)
    assert faults(answer.text) == []


def test_the_open_pages_are_usable_too(city: City) -> None:
    for path in (
        "/sign-in",
        "/catalog",
        "/catalog/residents",
        "/departments",
        f"/departments/{POLICE}",
        "/scorecards",
        "/forms",
    ):
        assert faults(city.http.get(f"{path}?lang=en").text) == [], path


def test_a_page_without_a_name_for_a_field_would_be_noticed() -> None:
    bad = '<html><body><h1>x</h1><h3>y</h3><input name="z"><nav></nav><p aria-labelledby="q"></p><th>t</th><a onclick="x()">'
    assert len(faults(bad)) >= 8


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_colour_can_be_read_on_its_ground() -> None:
    sheet = (Path(pages.__file__).parent / "static" / "hub.css").read_text(encoding="utf-8")
    named = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", sheet))
    grounds = [named[name] for name in ("paper", "ground")]
    for name in ("ink", "soft", "accent", "accent-deep", "bad"):
        for ground in grounds:
            assert contrast(named[name], ground) >= 4.5, name
    for name in ("good", "warn", "bad", "calm", "odd"):
        assert contrast(named[name], named[f"{name}-pale"]) >= 4.5, name
    assert contrast("#ffffff", named["accent"]) >= 4.5
    assert contrast("#b36500", named["ground"]) >= 3, "the ring around what has the focus"
    assert "outline: none" not in sheet.replace("main { flex: 1; padding-block: 2rem 3rem; outline: none; }", "")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("dataset", "", "dataset is missing"), ("dataset", "none", "no dataset"), ("days", "-1", "days"), ("basis", "x", "basis"),
        ("quota", "é", "quota"), ("legal", "", "legal"),
    ],
)  # fmt: skip
def test_a_form_that_is_not_in_order_is_shown_again_with_the_field_named(
    city: City, field: str, value: str, told: str
) -> None:
    http = city.signed_in("owner")
    proof = re.search(r'name="proof" value="(\w+)"', http.get("/requests/new").text)
    assert proof
    given = {"dataset": "residents", "purpose": "p", "basis": "duty", "legal": "art. 21", "days": "", "quota": ""}
    answer = http.post("/requests/new?lang=en", data={**given, field: value, "proof": proof[1]})
    assert answer.status_code in (404, 422)
    assert 'role="alert"' in answer.text
    assert told in answer.text


def test_an_audit_search_with_a_day_that_is_none_is_shown_again(city: City) -> None:
    http = city.signed_in("auditor")
    proof = re.search(r'name="proof" value="(\w+)"', http.get("/audit").text)
    assert proof
    answer = http.post("/audit?lang=en", data={"since": "soon", "proof": proof[1]})
    assert (answer.status_code, "since is no day" in answer.text) == (422, True)


def test_the_owner_of_a_portal_asks_for_that_portal_alone(city: City) -> None:
    http = city.signed_in("owner")
    proof = re.search(r'name="proof" value="(\w+)"', http.get("/requests/new").text)
    assert proof
    given = {"dataset": "residents", "purpose": "p", "basis": "duty", "legal": "art. 21", "client": "demo-portal"}
    assert http.post("/requests/new", data={**given, "proof": proof[1]}).status_code == 303
    assert [row["client"] for row in city.services.requests.listed("portal")] == ["portal"]
    assert city.services.requests.listed("demo-portal") == []
