"""Every state a field can be in, and that nothing is ever blank without a reason."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefill.answer import Asked, prefill
from prefill.envelope import FieldAnswer
from prefill.forms import Form, FormField
from prefill.paths import FieldPath, IdPath, LatestPath, RowsPath
from prefill.seal import SealKey
from prefill.sources import SourceState
from prefill.world import World
from subjects.file import SubjectFile

States = dict[str, SourceState]
FIELDS = (
    FormField("id", "号码", "ID", (IdPath(),), locked=True),
    FormField("name", "姓名", "Name", (FieldPath("name"),), locked=True, suppliers=("residents", "permits")),
    FormField("sex", "性别", "Sex", (FieldPath("sex"),), labels={"2": "女性"}, labels_en={"2": "Female"}, suppliers=("residents",)),
    FormField("given", "名", "Given", (LatestPath("permits", (), "pinyin", "permits", "x"),), transform="other_words", suppliers=("permits",)),
    FormField("until", "至", "Until", (LatestPath("permits", (("kind", "a"),), "valid_to", "permits", "valid_to"),), suppliers=("permits",)),
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
    return SubjectFile("person", body)


def ask(
    subject: SubjectFile | None, states: States, now: datetime, key: SealKey, **more: Any
) -> dict[str, FieldAnswer]:
    answer = prefill(
        more.pop("form", FORM), subject, World(states, now, key), Asked(**more), client="portal", subject="s-1"
    )
    for found in answer.fields:
        assert found.value is not None or found.reasons, "never silently blank"
        assert (found.seal is None) == found.typed
    return {f.name: f for f in answer.fields}


def change(states: States, dataset: str, **changes: Any) -> States:
    return {**states, dataset: replace(states[dataset], **changes)}


def test_a_fresh_value_says_where_it_is_from_and_as_of_when(fresh: States, now: datetime, key: SealKey) -> None:
    found = ask(file(), fresh, now, key)
    name = found["name"]
    assert (name.state, name.value, name.editable, name.reasons) == ("fresh", "甲", False, ())
    assert (name.department, name.department_en) == ("residents局", "Bureau of residents")
    assert (name.dataset, name.dataset_title, name.column) == ("residents", "residents表", "name")
    assert (name.load, name.run, name.as_of) == (2, "run-2", "2026-03-02T02:00:00Z")
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
    assert ask(file(), fresh, now, key, select={"permits": {"pinyin": "LI"}})["until"].value is None


def test_what_is_selected_never_opens_an_entry_that_the_forms_own_conditions_leave_out(
    fresh: States, now: datetime, key: SealKey
) -> None:
    other = {"values": {"pinyin": "LI", "kind": "b", "valid_to": "2031-01-01"}, "valid_until": "2031-01-01", **FACTS}
    form = replace(FORM, fields=(*FIELDS, ROWS))
    for kind in ("a", "b", "z"):
        found = ask(file(permits=[other]), fresh, now, key, form=form, select={"permits": {"kind": kind}})
        assert (found["until"].value, found["all"].value) == (None, None)
    assert ask(file(), fresh, now, key, form=form, select={"permits": {"kind": "b"}})["all"].value is None


def test_the_summary_counts_what_is_left_to_type(fresh: States, now: datetime, key: SealKey) -> None:
    world = World(fresh, now, key)
    summary = prefill(FORM, file(), world, client="portal", subject="x").summary
    assert (summary.asked, summary.prefilled, summary.left) == (6, 5, 1)
    without = prefill(FORM, file(sex=None), world, client="portal", subject="x").summary
    assert (without.prefilled, without.left) == (4, 2)


def test_an_answer_is_plain_json_and_its_repr_holds_no_personal_data(
    fresh: States, now: datetime, key: SealKey
) -> None:
    answer = prefill(FORM, file(), World(fresh, now, key), client="portal", subject="ab" * 32)
    found = json.loads(answer.to_json())
    assert found["answered_at"] == "2026-03-02T04:00:00Z"
    assert found["fields"][1]["as_of"] == "2026-03-02T02:00:00Z"
    assert found["summary"] == {"asked": 6, "prefilled": 5, "left": 1}
    shown = f"{answer!r}{answer.fields!r}{file()!r}"
    assert "甲" not in shown
    assert "9901011990" not in shown


def test_a_source_that_is_down_says_when_it_is_asked_next(fresh: States, now: datetime, key: SealKey) -> None:
    down = change(fresh, "residents", status="failed", available_at=datetime(2026, 3, 2, 17, tzinfo=UTC))
    held, blank = ask(file(), down, now, key)["sex"], ask(file(sex=None), down, now, key)["sex"]
    assert (held.state, held.available_at) == ("stale", "2026-03-02T17:00:00Z")
    assert (blank.state, blank.available_at, blank.department) == ("unavailable", "2026-03-02T17:00:00Z", "residents局")
    well = change(fresh, "residents", available_at=datetime(2026, 3, 2, 17, tzinfo=UTC))
    assert ask(file(), well, now, key)["sex"].available_at is None


def test_a_hidden_field_is_answered_as_one_that_nobody_holds(fresh: States, now: datetime, key: SealKey) -> None:
    nobody = ask(file(sex=None), fresh, now, key)["sex"]
    assert ask(file(), fresh, now, key, hidden={"sex"})["sex"] == nobody
    assert nobody.state == "not_held"


def test_sources_that_disagree_without_an_authority_give_no_value_and_are_named(
    fresh: States, now: datetime, key: SealKey
) -> None:
    said = [
        {"value": v, "source": s, "column": "sex", "valid_until": None}
        for v, s in (("1", "residents"), ("2", "permits"))
    ]
    subject = file(sex=None)
    found = ask(SubjectFile("person", {**subject.body, "disputed": {"sex": said}}), fresh, now, key)["sex"]
    assert (found.state, found.value, found.editable) == ("conflicting", None, True)
    assert (found.disputed_by, found.disputed_by_en[0]) == (("residents局", "permits局"), "Bureau of residents")


def test_paths_are_tried_in_order_and_a_value_still_valid_goes_first(
    fresh: States, now: datetime, key: SealKey
) -> None:
    permits = LatestPath("permits", (("kind", "b"),), "pinyin", "permits", "pinyin_name")
    field = FormField(
        "who", "谁", "Who", (FieldPath("none"), permits, FieldPath("name")), suppliers=("permits", "residents")
    )
    form = replace(FORM, fields=(field,))
    assert ask(file(), fresh, now, key, form=form)["who"].value == "甲"
    over = {"values": {"pinyin": "LI", "kind": "b", "valid_to": "2020-01-01"}, "valid_until": "2020-01-01", **FACTS}
    assert ask(file(permits=[over]), fresh, now, key, form=form)["who"].value == "甲"
    assert (found := ask(file(permits=[over], name=None), fresh, now, key, form=form)["who"]).state == "expired"
    assert found.value == "LI"


ROWS = FormField(
    "all", "证件", "Permits", rows=RowsPath("permits", (("kind", "a"),), "permits"), locked=True, most=1, suppliers=("permits",),
    items=tuple(
        FormField(n, n, n, (LatestPath("permits", (), n, "permits", n),), labels={"a": "甲类"}) for n in ("pinyin", "kind", "valid_to")
    ),
)  # fmt: skip


def test_nested_rows_come_with_a_state_each_and_say_what_is_left_out(
    fresh: States, now: datetime, key: SealKey
) -> None:
    form = replace(FORM, fields=(ROWS, replace(ROWS, name="two", most=5)))
    found = ask(file(), fresh, now, key, form=form)
    assert found["all"].value == [{"pinyin": "LI SI MING", "kind": "a", "valid_to": "2030-01-01"}]
    assert (found["all"].left_out, found["two"].left_out, len(found["two"].rows)) == (1, 0, 2)
    assert [row.state for row in found["two"].rows] == ["fresh", "expired"]
    assert (found["all"].rows[0].display["kind"], found["all"].items[0].name, found["all"].dataset) == (
        "甲类",
        "pinyin",
        "permits",
    )
    none = ask(file(permits=[]), change(fresh, "permits", status="failed"), now, key, form=form)["all"]
    assert (none.state, none.value, none.items[1].name) == ("unavailable", None, "kind")
    late = ask(file(), change(fresh, "permits", status="held"), now, key, form=form)["two"]
    assert (late.state, [row.state for row in late.rows]) == ("stale", ["stale", "expired"])


def draft_of(states: States, now: datetime, key: SealKey, **changes: Any) -> dict[str, tuple[Any, str | None]]:
    return {f.name: (f.value, f.seal) for f in ask(file(**changes), states, now, key).values()}


def test_a_resumed_draft_is_told_what_is_new_and_what_the_applicant_had_changed(
    fresh: States, now: datetime, key: SealKey
) -> None:
    draft = draft_of(fresh, now, key)
    draft["given"] = ("MY OWN", draft["given"][1])
    draft["reason"] = ("because", None)
    new = {"value": "乙", "source": "residents", "column": "name", "valid_until": None}
    later = now + timedelta(days=40)
    found = ask(file(name=new), fresh, later, key, draft=draft)
    told = {name: field.draft for name, field in found.items()}
    assert told == {
        "id": "current",
        "name": "renewed",
        "sex": "current",
        "given": "kept",
        "until": "current",
        "reason": "kept",
    }
    assert (found["name"].value, found["given"].value) == ("乙", "SI MING")
    forged = {**draft, "sex": ("1", draft["sex"][1].replace(".E.", ".B.") if draft["sex"][1] else None)}
    assert ask(file(), fresh, later, key, draft=forged)["sex"].draft == "tampered"


def test_a_draft_that_had_nothing_is_renewed_once_a_source_holds_it(fresh: States, now: datetime, key: SealKey) -> None:
    draft = draft_of(fresh, now, key, sex=None)
    assert ask(file(), fresh, now, key, draft=draft)["sex"].draft == "renewed"
    assert ask(file(sex=None), fresh, now, key, draft=draft)["sex"].draft == "current"
    typed = {**draft, "sex": ("1", draft["sex"][1])}
    assert ask(file(), fresh, now, key, draft=typed)["sex"].draft == "kept"


def test_the_tag_is_the_same_until_there_is_something_new(fresh: States, now: datetime, key: SealKey) -> None:
    def tag(subject: SubjectFile, states: States, at: datetime = now, client: str = "portal", **asked: Any) -> str:
        return prefill(FORM, subject, World(states, at, key), Asked(**asked), client=client, subject="s-1").etag

    first = tag(file(), fresh)
    assert tag(file(), fresh, now + timedelta(minutes=5)) == first
    assert tag(file(what_the_form_does_not_ask_for=None), fresh) == first
    renamed = {"value": "乙", "source": "residents", "column": "name", "valid_until": None}
    over = {"values": {"pinyin": "LI SI MING", "kind": "a"}, "valid_until": "2020-01-01", **FACTS}
    others = (
        tag(file(name=renamed), fresh),
        tag(file(name={**renamed, "value": "甲", "others": [{**renamed, "source": "permits"}]}), fresh),
        tag(file(permits=[over]), fresh),
        tag(file(), change(fresh, "residents", status="held")),
        tag(file(), change(fresh, "residents", as_of=now)),
        tag(file(), fresh, now + timedelta(days=1)),
        tag(file(), fresh, withheld={"name"}),
        tag(file(), fresh, fields=["name"]),
        tag(file(), fresh, client="another"),
    )
    assert len({first, *others}) == len(others) + 1
    assert all(one.startswith('W/"') for one in others)
