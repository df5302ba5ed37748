"""What the demo shows at its end: every dataset against the generator's truth, what falls due, how full the forms are, where to look."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hub.core import Hub
from hub.filing import subject_files
from hub.filing.answers import link, prefiller
from hub.repair import quarantined
from ledger import loads

if TYPE_CHECKING:
    from examples.demo_city.demo import Plan

DUE_DAYS = 30


def show(plan: "Plan", password: str, people: Mapping[str, str]) -> bool:
    """Print the summary; whether every dataset was published and agrees with truth."""
    hub, console = Hub(), Console(width=118, soft_wrap=False)
    rows = compare(hub)
    table = Table(title="各部门数据 departments' data", title_justify="left")
    for name in ("dataset", "department", "load", "delivered", "published", "quarantined", "duplicates", "truth"):
        table.add_column(name, justify="left" if name in ("dataset", "department", "truth") else "right")
    for row in rows:
        table.add_row(*(f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()))
    console.print(table)
    console.print(due(hub))
    console.print(forms(hub))
    lines = [
        f"资源目录 catalog      {plan.hub}/catalog",
        f"表单 forms            {plan.hub}/forms",
        *(f"  {form}  {address}" for form, address in examples(hub).items()),
        f"工作台 console        {plan.hub}/sign-in",
        *(f"  {name:<10} {secret}" for name, secret in people.items()),
        f"质量文档 Data Docs     {hub.settings.docs}",
        f"Airflow               {plan.airflow}  (user admin, password {password})",
        f"命令行 command line   export HUB_HOME={hub.settings.home} HUB_DECLARATIONS={hub.settings.declared}; .venv/bin/hub --help",
    ]
    console.print("\n" + "\n".join(f"  {line}" for line in lines) + "\n", highlight=False, soft_wrap=True, markup=False)
    return all(row["truth"] == "✓ agrees" for row in rows)


def compare(hub: Hub) -> list[dict[str, Any]]:
    """A line per dataset: what the hub published and quarantined, and whether the generator's truth says the same."""
    truth = json.loads((hub.settings.drops / "truth.json").read_text(encoding="utf-8"))
    newest = loads.latest(hub.ledger)
    first = {name: loads.history(hub.ledger, name)[-1] for name in newest}
    held = quarantined.counts(hub)
    lines = []
    for name, expected in truth.items():
        load = newest.get(name)
        published, in_quarantine = (load.rows if load else 0), held.get(name, 0)
        agrees = (
            load is not None
            and load.status == "ok"
            and (published, in_quarantine) == (expected["current"], expected["quarantined"])
        )
        counts = first[name].counts if load else {}
        lines.append(
            {
                "dataset": name,
                "department": hub.contract(name).provider,
                "load": load.load if load else 0,
                "delivered": counts.get("delivered", 0),
                "published": published,
                "quarantined": in_quarantine,
                "duplicates": counts.get("duplicates", 0),
                "truth": "✓ agrees" if agrees else f"✗ {expected['current']:,} + {expected['quarantined']:,}",
            }
        )
    return lines


def examples(hub: Hub) -> dict[str, str]:
    """For each form a link that opens it filled in, for the record that expires first."""
    soonest = {d.form: d for d in reversed(subject_files.falling_due(hub, DUE_DAYS))}
    return {form: link(hub, found) for form, found in sorted(soonest.items())}


def due(hub: Hub) -> Table:
    """How many permits and licences expire soon, by kind."""
    table = Table(title=f"{DUE_DAYS} 天内到期 due within {DUE_DAYS} days", title_justify="left")
    for name in ("what", "records", "soonest", "form"):
        table.add_column(name)
    found = subject_files.falling_due(hub, DUE_DAYS)
    for dataset in sorted({d.dataset for d in found}):
        mine = [d for d in found if d.dataset == dataset]
        table.add_row(dataset, f"{len(mine):,}", f"{mine[0].valid_to}", mine[0].form)
    return table


def forms(hub: Hub) -> Table:
    """For each form: fields asked, filled by the hub, left to type — over the subjects whose permit or licence falls due."""
    table = Table(title="表单预填 forms", title_justify="left")
    for name in ("form", "title", "asked", "prefilled", "left to type", "over subjects"):
        table.add_column(name, justify="right" if name not in ("form", "title") else "left")
    answer = prefiller(hub)
    found = subject_files.falling_due(hub, DUE_DAYS)
    for form in subject_files.forms(hub).values():
        files = [subject_files.subject(hub, d.kind, d.identifier) for d in found if d.form == form.id][:50]
        summaries = [answer(form, file, {}).summary for file in files if file is not None]
        if summaries:
            prefilled = sum(s.prefilled for s in summaries) / len(summaries)
            left = sum(s.left for s in summaries) / len(summaries)
            table.add_row(
                form.id, form.title, str(len(form.fields)), f"{prefilled:.1f}", f"{left:.1f}", str(len(summaries))
            )
    return table
