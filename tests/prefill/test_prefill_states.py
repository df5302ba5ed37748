"""Every state a field can be in, and that nothing is ever blank without a reason."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefill.answer import FieldAnswer, prefill, summarise
from prefill.forms import Form, FormField
from prefill.paths import FieldPath, IdPath, LatestPath
from prefill.seal import SealKey
from prefill.sources import SourceState
from subjects.file import SubjectFile

States = dict[str, SourceState]
FIELDS = (
    FormField("id", "号码", "ID", IdPath(), locked=True),
    FormField("name", "姓名", "Name", FieldPath("name"), locked=True, suppliers=("residents", "permits")),
    FormField("sex", "性别", "Sex", FieldPath("sex"), labels={"2": "女性"}, labels_en={"2": "Female"}, suppliers=("residents",)),
    FormField("given", "名", "Given", LatestPath("permits", (), "pinyin", "permits", "pinyin_name"), transform="other_words", suppliers=("permits",)),
    FormField("until", "至", "Until", LatestPath("permits", (("kind", "a"),), "valid_to", "permits", "valid_to"), suppliers=("permits",)),
    FormField("reason", "原因", "Reason"),
)  # fmt: skip
FORM = Form("renewal", "1.0.0", "换发", "Renewal", "person", "出入境", "Exit-Entry", FIELDS)
FACTS = {"load": 2, "run": "run-2", "as_of": "2026-02-01T00:00:00Z"}


def file(**changes: Any) -> SubjectFile:
    value = {
        "value": "甲",
        "source": "residents",
        "column": "name",
        "valid_until": None,
        "conflict": False,
        "others": [],
    }
    permits = [
        {
            "values": {"pinyin": "LI SI MING", "kind": "a", "valid_to": "2030-01-01"},
            "valid_until": "2030-01-01",
            **FACTS,
        },
        {"values": {"pinyin": "LI WU", "kind": "a", "valid_to": "2020-01-01"}, "valid_until": "2020-01-01", **FACTS},
    ]
    body = {
        "kind": "person",
        "id": "990101199001010012",
        "fields": {"name": value, "sex": {**value, "value": "2", "column": "sex_code"}, **changes},
        "lists": {"permits": changes.pop("permits", permits)},
        "datasets": {
            n: {"title": f"{n}表", "title_en": n, "department": f"{n}局", "department_en": f"Bureau of {n}"}
            for n in ("residents", "permits")
        },
        "sources": {"residents": {"dataset": "residents", **FACTS}, "permits": {"dataset": "permits", **FACTS}},
    }
    return SubjectFile("person", "ab" * 32, "etag", body)


def ask(
    subject: SubjectFile | None, states: States, now: datetime, key: SealKey, **more: Any
) -> dict[str, FieldAnswer]:
    answer = prefill(FORM, subject, states, now, subject="ab" * 32, key=key, **more)
    for found in answer.fields:
        assert found.value is not None or found.reasons, "never silently blank"
        assert (found.value is None) == (found.seal is None)
    return {f.name: f for f in answer.fields}


def change(states: States, dataset: str, **changes: Any) -> States:
    return {**states, dataset: replace(states[dataset], **changes)}


def test_a_fresh_value_says_where_it_is_from_and_as_of_when(fresh: States, now: datetime, key: SealKey) -> None:
    found = ask(file(), fresh, now, key)
    name = found["name"]
    assert (name.state, name.value, name.editable, name.reasons) == ("fresh", "甲", False, ())
    assert (name.department, name.department_en) == ("residents局", "Bureau of residents")
    assert (name.dataset, name.dataset_title, name.column) == ("residents", "residents表", "name")
    assert (name.load, name.run, name.as_of) == (2, "run-2", now - timedelta(hours=2))
    assert (found["sex"].value, found["sex"].display, found["sex"].display_en) == ("2", "女性", "Female")
    assert (found["given"].value, found["given"].valid_until) == ("SI MING", "2030-01-01")
    assert (found["id"].state, found["id"].value, found["id"].dataset) == ("fresh", "990101199001010012", None)


@pytest.mark.parametrize(
    ("changes", "with_value", "without", "why"),
    [
        ({}, "fresh", "not_held", ""),
        ({"as_of": datetime(2026, 3, 1, 3, tzinfo=UTC)}, "stale", "unavailable", "超过更新时限"),
        ({"as_of": datetime(2020, 1, 1, tzinfo=UTC), "latency": None}, "fresh", "not_held", ""),
        ({"status": "held", "reason": "rejected 60 %"}, "stale", "unavailable", "rejected 60 %"),
        ({"status": "failed", "reason": "no answer"}, "stale", "unavailable", "no answer"),
        ({"status": "never", "as_of": None}, "stale", "unavailable", "尚未接入"),
    ],
    ids=["fresh", "late", "no promise", "held", "failed", "never loaded"],
)
def test_the_state_follows_the_source_at_the_moment_of_the_answer(
    fresh: States, now: datetime, key: SealKey, changes: dict[str, Any], with_value: str, without: str, why: str
) -> None:
    states = change(fresh, "residents", **changes)
    held, blank = ask(file(), states, now, key)["sex"], ask(file(sex=None), states, now, key)["sex"]
    assert (held.state, blank.state) == (with_value, without)
    assert all(why in answer.reasons[0].zh for answer in (held, blank) if answer.reasons)
    assert bool(held.reasons) == (with_value != "fresh")
    assert blank.editable


def test_an_unknown_dataset_is_unavailable_not_blank(fresh: States, now: datetime, key: SealKey) -> None:
    found = ask(file(sex=None), {"permits": fresh["permits"]}, now, key)["sex"]
    assert (found.state, found.reasons[0].en) == ("unavailable", "residents has never been loaded")


def test_absence_needs_every_source_that_may_supply_it_to_be_fresh(fresh: States, now: datetime, key: SealKey) -> None:
    assert ask(file(name=None), fresh, now, key)["name"].state == "not_held"
    fallback_down = change(fresh, "permits", status="failed")
    assert ask(file(name=None), fallback_down, now, key)["name"].state == "unavailable"
    assert ask(file(), fallback_down, now, key)["name"].state == "fresh"


def test_a_value_is_expired_only_after_its_last_day_in_the_citys_time_zone(fresh: States, key: SealKey) -> None:
    permit = {"values": {"kind": "a", "valid_to": "2026-03-01"}, "valid_until": "2026-03-01", **FACTS}
    evening = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)
    assert ask(file(permits=[permit]), fresh, evening, key)["until"].state == "fresh"
    found = ask(file(permits=[permit]), fresh, evening + timedelta(minutes=1), key)["until"]
    assert (found.state, found.value, found.reasons[0].zh) == ("expired", "2026-03-01", "有效期至2026-03-01，已过")


def test_the_endless_date_never_expires_and_reads_as_such(fresh: States, now: datetime, key: SealKey) -> None:
    permit = {"values": {"kind": "a", "valid_to": "9999-12-31"}, "valid_until": "9999-12-31", **FACTS}
    found = ask(file(permits=[permit]), fresh, now, key)["until"]
    assert (found.state, found.display, found.display_en) == ("fresh", "长期", "no end")


def test_a_conflict_names_the_other_departments_and_outranks_staleness(
    fresh: States, now: datetime, key: SealKey
) -> None:
    other = {"value": "乙", "source": "permits", "column": "name", "valid_until": None}
    name = {
        "value": "甲",
        "source": "residents",
        "column": "name",
        "valid_until": None,
        "conflict": True,
        "others": [other],
    }
    found = ask(file(name=name), change(fresh, "residents", status="failed"), now, key)["name"]
    assert (found.state, found.value, found.disputed_by) == ("conflicting", "甲", ("permits局",))
    assert len(found.reasons) == 2
    assert "乙" not in json.dumps([r.zh for r in found.reasons])


def test_a_withheld_field_tells_nothing_of_the_file(fresh: States, now: datetime, key: SealKey) -> None:
    held = ask(file(), fresh, now, key, withheld={"name"})["name"]
    assert held == ask(None, fresh, now, key, withheld={"name"})["name"]
    assert (held.state, held.value, held.department, held.as_of) == ("withheld", None, None, None)


def test_somebody_without_a_file_gets_the_same_fields_without_values(
    fresh: States, now: datetime, key: SealKey
) -> None:
    found = ask(None, fresh, now, key)
    assert {f.state for f in found.values()} == {"not_held"}
    assert {f.state for f in ask(None, {}, now, key).values()} == {"not_held", "unavailable"}


def test_the_entry_that_is_renewed_can_be_selected(fresh: States, now: datetime, key: SealKey) -> None:
    assert ask(file(), fresh, now, key)["until"].value == "2030-01-01"
    found = ask(file(), fresh, now, key, select={"permits": {"pinyin": "LI WU"}})
    assert (found["until"].value, found["until"].state, found["given"].value) == ("2020-01-01", "expired", "WU")
    assert ask(file(), fresh, now, key, select={"permits": {"kind": "z"}})["until"].value is None


def test_the_summary_counts_what_is_left_to_type(fresh: States, now: datetime, key: SealKey) -> None:
    summary = summarise(prefill(FORM, file(), fresh, now, subject="x", key=key))
    assert (summary.asked, summary.prefilled, summary.left) == (6, 5, 1)
    without = summarise(prefill(FORM, file(sex=None), fresh, now, subject="x", key=key))
    assert (without.prefilled, without.left) == (4, 2)


def test_an_answer_is_plain_json_and_its_repr_holds_no_personal_data(
    fresh: States, now: datetime, key: SealKey
) -> None:
    answer = prefill(FORM, file(), fresh, now, subject="ab" * 32, key=key)
    found = json.loads(json.dumps(answer.to_json()))
    assert found["answered_at"] == "2026-03-02T04:00:00Z"
    assert found["fields"][1]["as_of"] == "2026-03-02T02:00:00Z"
    assert found["summary"] == {"asked": 6, "prefilled": 5, "left": 1}
    assert "甲" not in repr(answer)
    assert "9901011990" not in repr(answer) + repr(file())
