"""The truth about a delivery: which rows were planted, what must become of each, and what everything adds up to.

A row is named by its dataset, its key as delivered, and its `occurrence`: the how-manieth row with that key it is, in delivery
order. Rows that are not in the truth are clean and must be published as they are.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from examples.demo_city.generator.day import Day
from examples.demo_city.generator.files import delivered
from examples.demo_city.generator.tables import Table

Record = dict[str, Any]


def records(tables: dict[str, Table]) -> list[Record]:
    """One record for each row with a note."""
    return [record for table in tables.values() for record in _of_table(table)]


def _of_table(table: Table) -> list[Record]:
    seen: Counter[Any] = Counter()
    found = []
    for row in delivered(table):
        key = row.values[0]
        seen[key] += 1
        if row.note is None:
            continue
        note = row.note
        found.append(
            {
                "dataset": table.dataset,
                "key": [key],
                "occurrence": seen[key],
                **({"file": row.file} if row.file else {}),
                "kind": note.kind,
                "expected": note.expected,
                "rules": list(note.rules),
                "since": note.since,
                "detail": note.detail,
            }
        )
    return found


def summary(tables: dict[str, Table], planted: list[Record]) -> dict[str, Record]:
    """Per dataset: delivered = published + quarantined + duplicates + superseded, and the quarantined by rule.

    That is of everything that the departments hold, as a first or full pull delivers it.
    """
    totals = {}
    for name, table in tables.items():
        mine = [r for r in planted if r["dataset"] == name]
        fate = Counter(r["expected"] for r in mine)
        lost = fate["quarantined"] + fate["duplicate"] + fate["superseded"]
        totals[name] = {
            "delivered": len(table.rows),
            "published": len(table.rows) - lost,
            "quarantined": fate["quarantined"],
            "duplicates": fate["duplicate"],
            "superseded": fate["superseded"],
            "rules": dict(
                sorted(Counter(rule for r in mine if r["expected"] == "quarantined" for rule in r["rules"]).items())
            ),
            "kinds": dict(sorted(Counter(r["kind"] for r in mine).items())),
        }
    return totals


def corrections(day: Day) -> list[Record]:
    """The rows that were refused before and set right on `day`, under the key they had when they were refused."""
    return [
        {
            "dataset": dataset,
            "key": [key],
            "kind": note.kind,
            "expected": "corrected",
            "rules": list(note.rules),
            "since": day.number,
        }
        for dataset, key, note in day.corrected
    ]


def current(before: Mapping[str, int], day: Day) -> dict[str, int]:
    """Rows published per dataset after incremental pulls up to `day`: what went unseen is not among them, what turned bad stays."""
    return {
        dataset: rows + len(day.changes[dataset].new) - len(day.changes[dataset].deleted)
        for dataset, rows in before.items()
    }


def write(root: Path, tables: dict[str, Table], day: Day | None, before: Mapping[str, int]) -> dict[str, int]:
    """`truth.jsonl` and `truth.json` of the first delivery, or of a later day under that day's name, with its changes.

    Gives the rows published per dataset; `before` are those of the day before.
    """
    name = f"truth_day{day.number}" if day else "truth"
    planted = records(tables)
    totals = summary(tables, planted)
    published = current(before, day) if day else {dataset: int(t["published"]) for dataset, t in totals.items()}
    for dataset, rows in published.items():
        totals[dataset]["current"] = rows
    lines = planted + (corrections(day) if day else [])
    (root / f"{name}.jsonl").write_text("".join(_json(line) + "\n" for line in lines), encoding="utf-8")
    (root / f"{name}.json").write_text(_json(totals, indent=2) + "\n", encoding="utf-8")
    if day:
        changes = {dataset: asdict(change) for dataset, change in sorted(day.changes.items())}
        (root / f"changes_day{day.number}.json").write_text(_json(changes, indent=1) + "\n", encoding="utf-8")
    return published


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)
