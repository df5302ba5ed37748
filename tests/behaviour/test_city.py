"""The whole way of a record through the demo city, against the generator's truth: two days, quarantine row by row, files, forms."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from city_bench import ORDER, City, city

from examples.demo_city import report
from hub.console import library
from hub.filing import subject_files
from hub.filing.answers import prefiller
from hub.pulling import pipeline
from hub.repair import quarantined
from lake.history import History
from ledger import loads
from schemas.contract import Contract


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with city(tmp_path_factory.mktemp("city")) as made:
        made.pull_all()
        subject_files.build_all(made.hub)
        yield made


@pytest.fixture(scope="module")
def second_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with city(tmp_path_factory.mktemp("city2")) as made:
        made.pull_all()
        subject_files.build_all(made.hub)
        made.next_day()
        made.pull_all()
        subject_files.build_all(made.hub)
        yield made


@pytest.mark.parametrize("dataset", ORDER)
def test_quarantine_equals_the_planted_errors_row_by_row_both_ways(first_day: City, dataset: str) -> None:
    found, planted = first_day.quarantined(dataset), first_day.expected_quarantine(dataset)
    assert found - planted == {}, "nothing is refused that was not planted"
    assert planted - found == {}, "nothing planted slips through"
    assert sum(planted.values()) > 0


def test_every_dataset_agrees_with_truth_in_numbers(first_day: City) -> None:
    lines = report.compare(first_day.hub)
    assert [line["truth"] for line in lines] == ["✓ agrees"] * len(ORDER)


def test_every_delivered_row_is_accounted_for_once(first_day: City) -> None:
    for load in loads.latest(first_day.hub.ledger).values():
        c = load.counts
        assert c["delivered"] == c["passed"] + c["rejected"] + c["duplicates"] + c["superseded"]
        assert c["passed"] == c["new"] + c["updated"] + c["unchanged"] + c["outdated"]


def test_what_was_to_be_standardised_is_published_standardised(first_day: City) -> None:
    checked = 0
    for record in first_day.truth("truth.jsonl"):
        detail = record["detail"]
        if record["expected"] != "standardised" or "right" not in detail:
            continue
        contract: Contract = first_day.hub.contract(record["dataset"])
        names = [c.name for c in contract.columns]
        rows = first_day.current(record["dataset"])
        column = next(c.name for c in contract.columns if c.source == detail["column"])
        values = {str(row[names.index(column)]) for row in rows.values()}
        assert str(detail["right"]) in values, record
        checked += 1
    assert checked > 3


def test_a_day_later_only_what_changed_is_appended(second_day: City) -> None:
    for dataset, change in second_day.truth("changes_day1.json").items():
        load = next(x for x in loads.history(second_day.hub.ledger, dataset) if x.load == 2)
        counts = load.counts
        assert (counts["new"], counts["updated"], counts["deleted"]) == tuple(
            len(change[k]) if isinstance(change[k], list) else change[k] for k in ("new", "changed", "deleted")
        ), dataset
        assert load.facts["changed"] == counts["new"] + counts["updated"] + counts["deleted"]
        assert load.rows == second_day.truth("truth_day1.json")[dataset]["current"]


def test_a_row_corrected_at_its_source_leaves_quarantine(second_day: City) -> None:
    corrected = [r for r in second_day.truth("truth_day1.jsonl") if r["expected"] == "corrected"]
    assert corrected
    for record in corrected:
        left = {key for key, _ in second_day.quarantined(record["dataset"])}
        still = {key for key, _ in second_day.expected_quarantine(record["dataset"], "truth_day1.jsonl")}
        assert record["key"][0] not in left - still


def test_touched_subject_files_equal_those_of_a_full_rebuild(second_day: City) -> None:
    def bodies() -> dict[tuple[str, bytes], bytes]:
        with second_day.hub.subjects.read() as connection:
            rows = connection.exec_driver_sql("SELECT kind, subject_key, body FROM subject_files").all()
        return {(kind, bytes(key)): bytes(body) for kind, key, body in rows}

    subject_files.build_all(second_day.hub)
    incremental = bodies()
    with second_day.hub.ledger.write() as connection:
        connection.exec_driver_sql("DELETE FROM subject_watermarks")
    subject_files.build_all(second_day.hub)
    assert bodies() == incremental
    assert len(incremental) > 600


def test_unchanged_sources_append_nothing_and_rewrite_nothing(second_day: City) -> None:
    def data() -> list[tuple[str, int]]:
        kept = ("history", "quarantine", "base")
        files = [p for k in kept for p in (second_day.hub.lake / k).rglob("*.parquet")]
        return sorted((str(p), p.stat().st_mtime_ns) for p in files)

    before, loads_before = data(), loads.latest(second_day.hub.ledger)
    for dataset, run in second_day.pull_all().items():
        assert run.facts["counts"]["new"] == run.facts["counts"]["updated"] == run.facts["counts"]["deleted"] == 0
        assert run.load == loads_before[dataset].load + 1
    assert data() == before


def test_a_rollback_restates_the_first_load_as_a_new_one_and_the_next_pull_goes_on(second_day: City) -> None:
    dataset = "utility_accounts"
    wanted, newest = second_day.current(dataset, load=1), second_day.current(dataset)
    assert newest != wanted
    run = pipeline.rollback(second_day.hub, dataset, to=1, reason="the second day was wrong", owner="test rollback")
    assert second_day.current(dataset) == wanted
    assert run.load == History(second_day.hub.lake, dataset).number
    head = History(second_day.hub.lake, dataset).head()
    assert head is not None
    assert head.verdict == {"outcome": "rollback", "to": 1, "reason": "the second day was wrong"}
    second_day.pull(dataset)
    assert second_day.current(dataset) == newest


def test_a_persons_file_names_the_source_of_every_value(first_day: City) -> None:
    due = subject_files.falling_due(first_day.hub, 60)
    person = next(d for d in due if d.kind == "person")
    file = subject_files.subject(first_day.hub, "person", person.identifier.lower())
    assert file is not None
    held = file.held("name")
    assert held is not None
    assert (held.provenance.dataset, held.provenance.load) == ("residents", 1)
    assert held.provenance.run == loads.latest(first_day.hub.ledger)["residents"].run


def test_forms_fill_themselves_in_and_say_what_is_left(first_day: City) -> None:
    answer = prefiller(first_day.hub)
    for form in subject_files.forms(first_day.hub).values():
        due = [d for d in subject_files.falling_due(first_day.hub, 365) if d.form == form.id]
        file = subject_files.subject(first_day.hub, due[0].kind, due[0].identifier)
        assert file is not None
        filled = answer(form, file, {})
        summary = filled.summary
        assert summary.asked == len(form.fields)
        assert summary.prefilled + summary.left == summary.asked
        assert summary.prefilled > summary.asked / 2
        for field in filled.fields:
            asked_with = field.value == file.identifier  # what the applicant came with has no source but the applicant
            assert field.value is None or asked_with or (field.department and field.as_of and field.seal and field.run)


def test_departments_that_disagree_on_a_name_show_as_conflicting(first_day: City) -> None:
    conflict = next(r for r in first_day.truth("truth.jsonl") if r["expected"] == "conflict")
    file = subject_files.subject(first_day.hub, "person", str(conflict["detail"]["subject"]))
    assert file is not None
    held = file.held("name")
    assert held is not None
    assert held.conflict


def test_the_catalog_shows_what_was_promised_and_what_was_measured(first_day: City) -> None:
    entries = {e.dataset: e for e in library.catalog(first_day.hub).everything()}
    assert set(entries) == set(ORDER)
    truth = first_day.truth("truth.json")
    assert {name: e.measured.rows for name, e in entries.items()} == {name: t["current"] for name, t in truth.items()}
    assert all(e.measured.freshness == "fresh" for e in entries.values())


def test_quarantine_shown_to_people_holds_no_delivered_value(first_day: City) -> None:
    rows = quarantined.rows(first_day.hub, "residents", None, 1000)
    shown = str(rows) + str(quarantined.summary(first_day.hub, None))
    with duckdb.connect() as con:
        from lake import quarantine

        quarantine.create_view(con, first_day.hub.lake, "residents", "q")
        ids: list[Any] = [k for (k,) in con.execute("SELECT _key FROM q").fetchall()]
    assert rows
    assert not [k for k in ids if k and k.strip('[]"') in shown]
