"""Grants as code: the exported file applied gives the same grants back, and what is wrong with a file is said, all of it, before anything changes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests_bench import MORNING, Bench, bench

from access import grant_code
from access.grant_code import NOT_SAID, diff, read, written
from hub.sharing import grant_files
from ledger import grants
from ledger.grants import Grant
from schemas.errors import ContractInvalid

MOMENTS = st.integers(0, 10**9).map(lambda seconds: MORNING + timedelta(seconds=seconds))
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20) | st.sampled_from(
    ["yes", "null", "1e3", "2026-01-01", "~", "- a", "a: b", "#", "'", '"', "&x", "*", "巡查", "0o7", " blank "]
)
GRANTS = st.builds(
    Grant, id=st.uuids().map(lambda u: u.hex), client=st.sampled_from(["portal", "other"]), kind=st.just("dataset"),
    name=st.sampled_from(["food_licences", "companies"]), purpose=WORDS, basis=st.sampled_from(["duty", "consent", "open"]), begins=MOMENTS,
    ends=st.none() | MOMENTS, fields=st.none() | st.frozensets(WORDS, min_size=1, max_size=3), quota=st.none() | st.integers(1, 2**31 - 1),
    row_filter=st.just("") | st.just('[{"column":"category","op":"eq","value":"A"}]'), legal=st.just("") | WORDS, request=st.just(""),
)  # fmt: skip


def said(found: tuple[Grant, ...]) -> set[Grant]:
    return {replace(grant, id="", request="") for grant in found}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "home") as made:
        for grant in (
            Grant(
                "g1",
                "portal",
                "dataset",
                "food_licences",
                "巡查",
                "duty",
                MORNING,
                fields=frozenset({"status"}),
                quota=5,
                request="r1",
            ),
            Grant("g2", "portal", "form", "own-uses", "own-uses", "consent", MORNING),
            Grant(
                "g3",
                "other",
                "dataset",
                "companies",
                "统计",
                "duty",
                MORNING,
                MORNING + timedelta(days=9),
                legal="统计法",
            ),
        ):
            grants.allow(made.hub.ledger, grant, MORNING)
        yield made


def apply(desk: Bench, text: str, *, dry_run: bool = False) -> grant_code.Change:
    path = desk.hub.settings.home / "grants.yaml"
    path.write_text(text, encoding="utf-8")
    return grant_files.apply(desk.hub, desk.offer, path, by="reviewer", dry_run=dry_run)


@settings(max_examples=100, deadline=None)
@given(st.lists(GRANTS, max_size=6))
def test_what_is_written_is_read_back_and_written_alike_in_whatever_order(made: list[Grant]) -> None:
    text = written(made)
    back = read(text)
    assert said(back) == said(tuple(made))
    assert (written(back), written(made[::-1])) == (text, text)
    assert diff(made, back) == grant_code.Change((), ())


@settings(max_examples=100, deadline=None)
@given(st.lists(GRANTS, max_size=5, unique_by=lambda g: g.id), st.lists(GRANTS, max_size=5, unique_by=lambda g: g.id))
def test_what_a_diff_adds_and_ends_leaves_what_was_wanted(standing: list[Grant], more: list[Grant]) -> None:
    wanted = read(written([*more, *standing[::2]]))
    change = diff(standing, wanted)
    left = [g for g in standing if g not in change.ended]
    assert said((*left, *change.added)) == said(wanted)
    assert not said(change.added) & said(tuple(standing))
    assert not said(change.ended) & said(wanted)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=st.lists(GRANTS.map(lambda g: replace(g, fields=None, name="food_licences")), max_size=4))
def test_an_export_applied_to_a_hub_without_grants_is_exported_alike(desk: Bench, made: list[Grant]) -> None:
    apply(desk, "grants: []")
    apply(desk, written(made))
    assert grant_files.export(desk.hub) == written(made)
    assert apply(desk, grant_files.export(desk.hub)) == grant_code.Change((), ())


def test_the_export_of_a_hub_changes_nothing_when_it_is_applied(desk: Bench) -> None:
    text, before = grant_files.export(desk.hub), grants.standing(desk.hub.ledger)
    assert apply(desk, text) == grant_code.Change((), ())
    assert grants.standing(desk.hub.ledger) == before
    assert "#" not in text


def test_what_a_file_lacks_is_revoked_with_its_reason_and_what_it_has_more_begins(desk: Bench) -> None:
    document = yaml.safe_load(grant_files.export(desk.hub))
    kept = [row for row in document["grants"] if row.get("dataset") != "companies"]
    new = {"client": "other", "form": "food_licence_renewal", "purpose": "延续", "basis": "duty", "legal": "食品安全法"}
    text = yaml.safe_dump({"grants": [*kept, new]}, allow_unicode=True)
    tried = apply(desk, text, dry_run=True)
    assert ([g.name for g in tried.added], [g.id for g in tried.ended]) == (["food_licence_renewal"], ["g3"])
    assert len(grants.standing(desk.hub.ledger, "other")) == 1, "a dry run changes nothing"
    done = apply(desk, text)
    assert [g.id for g in done.ended] == ["g3"]
    (given_now,) = grants.standing(desk.hub.ledger, "other")
    assert (given_now.name, given_now.begins > MORNING, given_now.begins != NOT_SAID) == (
        "food_licence_renewal",
        True,
        True,
    )
    assert apply(desk, text) == grant_code.Change((), ()), "without a beginning it stands since whenever"


def test_a_request_keeps_its_grant_through_an_export(desk: Bench) -> None:
    (row,) = [r for r in yaml.safe_load(grant_files.export(desk.hub))["grants"] if r.get("dataset") == "food_licences"]
    assert row["request"] == "r1"
    apply(desk, "grants: []")
    apply(desk, yaml.safe_dump({"grants": [row]}))
    assert grants.standing(desk.hub.ledger)[0].request == "r1"


WRONG = [
    ("", "has not one list"),
    ("grants: 7", "has not one list"),
    ("grants: [}", "is no YAML"),
    ("grants: [7]", "grants[0]"),
    ("grants: [{client: portal}]", "grants[0].purpose"),
    ("grants: [{client: portal, purpose: p, basis: whim, form: f}]", "grants[0].basis"),
    ("grants: [{client: portal, purpose: p, basis: duty, form: f, dataset: d}]", "not both"),
    ("grants: [{client: portal, purpose: p, basis: duty, form: f, rows: x}]", "no rows"),
    ("grants: [{client: portal, purpose: p, basis: duty, form: f, quota: 0}]", "grants[0].quota"),
    ("grants: [{client: portal, purpose: p, basis: duty, form: f, fields: []}]", "grants[0].fields"),
    ("grants: [{client: portal, purpose: p, basis: duty, form: f, ends: 2027-01-01}]", "grants[0].ends"),
    ("grants: [{client: portal, purpose: p, basis: duty, form: f, colour: red}]", "grants[0].colour"),
    ("grants: [{client: nobody, purpose: p, basis: duty, dataset: companies}]", "no such client"),
    ("grants: [{client: portal, purpose: p, basis: duty, form: f}]", "no form"),
    ("grants: [{client: portal, purpose: p, basis: duty, dataset: companies, fields: [x]}]", "no field"),
    ("grants: [{client: portal, purpose: p, basis: duty, dataset: companies, rows: '1 = 1'}]", "row_filter"),
    ("grants: [&a {client: portal, purpose: p, basis: duty, dataset: companies}, *a]", "2 times"),
]


@pytest.mark.parametrize(("text", "wrong"), WRONG, ids=[wrong for _, wrong in WRONG])
def test_a_file_that_is_wrong_is_refused_whole_with_the_place(desk: Bench, text: str, wrong: str) -> None:
    before = grants.standing(desk.hub.ledger)
    with pytest.raises(ContractInvalid) as refused:
        apply(desk, text)
    assert wrong.replace("not both", "and not both") in str(refused.value)
    assert grants.standing(desk.hub.ledger) == before


def test_every_fault_of_a_file_is_told_at_once(desk: Bench) -> None:
    with pytest.raises(ContractInvalid) as refused:
        apply(desk, "grants: [{client: 7, purpose: p, basis: whim, form: f}, {client: portal, basis: duty, form: f}]")
    assert {p.path for p in refused.value.problems} == {"grants[0].client", "grants[0].basis", "grants[1].purpose"}
