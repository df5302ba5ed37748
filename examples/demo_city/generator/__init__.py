"""Makes the demo city: departments' systems below one folder, with planted errors and the truth about each.

1. `people` and `firms` make a city from a seed, `world` holds it.
2. `departments` write it down, each in its own way.
3. `faults` plants errors at known rates and notes what must become of each row.
4. `files` writes the systems, `truth` what is known of them.
5. `events` lets days go by.

The same plan gives the same city, day for day: `advance` rebuilds it from the plan in `city.json` and lets one more day go by.
"""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

from examples.demo_city.generator import departments, events, faults, files, truth
from examples.demo_city.generator.tables import Table
from examples.demo_city.generator.world import City, Plan, build

__all__ = ["Plan", "advance", "generate"]


def generate(root: Path, plan: Plan, day: int = 0) -> None:
    """Writes the city of `plan` below `root` as it is after `day` days, with the truth about every day up to then.

    A city that was there before is replaced.
    """
    root.mkdir(parents=True, exist_ok=True)
    for old in (*root.glob("truth_day*.json*"), *root.glob("changes_day*.json")):
        old.unlink()
    city, tables = found(plan)
    published = truth.write(root, tables, None, {})
    for number in range(1, day + 1):
        published = truth.write(root, tables, events.live(city, tables, number), published)
    files.write(root, tables)
    _note_plan(root, plan, day)


def advance(root: Path, day: int = 1) -> None:
    """Brings the city below `root` to day `day`; a day that is over already is refused with ValueError."""
    noted = json.loads((root / "city.json").read_text(encoding="utf-8"))
    if day <= noted["day"]:
        raise ValueError(f"the city is at day {noted['day']} already")
    plan = Plan(noted["residents"], noted["companies"], noted["seed"], date.fromisoformat(noted["today"]))
    generate(root, plan, day)


def found(plan: Plan) -> tuple[City, dict[str, Table]]:
    """The city at day 0 and its departments' tables, errors planted."""
    city = build(plan)
    tables = {table.dataset: table for table in departments.write_down(city)}
    faults.plant(tables, plan.dice)
    return city, tables


def last_day(root: Path) -> int:
    """How many days have gone by in the city below `root`."""
    return int(json.loads((root / "city.json").read_text(encoding="utf-8"))["day"])


def _note_plan(root: Path, plan: Plan, day: int) -> None:
    noted = {**asdict(plan), "today": plan.today.isoformat(), "day": day}
    (root / "city.json").write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")
