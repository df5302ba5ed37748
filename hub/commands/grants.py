"""hub grant …: which client may use which fields, for which purpose, on which legal basis; one at a time, or all as a file under review."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from hub.commands.common import Json, hub, operator, output
from hub.core import Hub
from hub.sharing import grant_files
from hub.sharing.offer import offer
from ledger import grants
from ledger.grants import Basis, Grant
from schemas.errors import Invalid

grant_app = typer.Typer(no_args_is_help=True, help="授权 grants: which fields for which purpose, on which legal basis")

Client = Annotated[str, typer.Argument(help="client id, as a portal will send it")]
Purpose = Annotated[str, typer.Option(help="the purpose it may ask for")]
BasisOption = Annotated[
    Literal["consent", "duty", "open"],
    typer.Option(help="consent: the subject's; duty: a case number with every request; open: neither"),
]
Legal = Annotated[str, typer.Option(help="the article, decree or agreement that it rests on")]


@grant_app.command("add")
def grant_add(
    client: Client,
    purpose: Purpose,
    basis: BasisOption,
    form: Annotated[str, typer.Option(help="the form; or --dataset")] = "",
    dataset: Annotated[str, typer.Option(help="the dataset; or --form")] = "",
    field: Annotated[list[str] | None, typer.Option(help="a field it may see (again for more); none: all")] = None,
    rows: Annotated[str, typer.Option(help="conditions that a dataset's rows must meet, as JSON; none: all rows")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="how many days it holds; none: until revoked")] = None,
    quota: Annotated[int | None, typer.Option(min=1, help="answers a day; none: no limit")] = None,
    legal: Legal = "",
    as_json: Json = False,
) -> None:
    """Grant a client fields of a form or dataset for a purpose."""
    it = hub()
    if bool(form) == bool(dataset):
        raise Invalid("a grant is for a form or for a dataset", todo="give --form or --dataset")
    kind: grants.Kind = "form" if form else "dataset"
    row_filter = offer(it).asked(kind, form or dataset, field or (), rows).row_filter if rows else ""
    given = new_grant(
        it, client, kind, form or dataset, purpose, basis, legal=legal, days=days, quota=quota,
        fields=frozenset(field) if field else None, row_filter=row_filter,
    )  # fmt: skip
    output(as_json).record(_shown(grants.allow(it.ledger, given, it.clock())))


@grant_app.command("list")
def grant_list(
    client: Annotated[str | None, typer.Argument(help="only this client's")] = None, as_json: Json = False
) -> None:
    """List the grants that stand."""
    output(as_json).table("grants", [_shown(g) for g in grants.standing(hub().ledger, client)], empty="no grant")


@grant_app.command("revoke")
def grant_revoke(
    grant: Annotated[str, typer.Argument(help="grant id, as in: hub grant list")],
    why: Annotated[str, typer.Option(help="the reason, for the record")],
    as_json: Json = False,
) -> None:
    """Revoke a grant: within seconds no process answers under it any more."""
    it = hub()
    grants.revoke(it.ledger, grant, it.clock(), by=operator(), why=why)
    output(as_json).record({"grant": grant, "revoked": True})


@grant_app.command("export")
def grant_export(
    client: Annotated[str | None, typer.Argument(help="only this client's")] = None,
) -> None:
    """Write every grant that stands as one YAML text on standard output, the same for the same grants, for review."""
    output(False).raw(grant_files.export(hub(), client))


@grant_app.command("apply")
def grant_apply(
    file: Annotated[Path, typer.Argument(help="a file as `hub grant export` writes it", exists=True, dir_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would change, change nothing")] = False,
    as_json: Json = False,
) -> None:
    """Make the file's grants those that stand: what it has more is added, what it lacks is revoked."""
    it = hub()
    done = grant_files.apply(it, offer(it), file, by=operator(), dry_run=dry_run)
    changes = [("added", grant) for grant in done.added] + [("ended", grant) for grant in done.ended]
    rows = [{"change": change, **_shown(grant)} for change, grant in changes]
    for row in rows:
        row["grant"] = row["grant"] or None
    output(as_json).table("grants", rows, empty="nothing changes")


def add_to(app: typer.Typer) -> None:
    """Hang these commands on the root command."""
    app.add_typer(grant_app, name="grant")


def new_grant(
    it: Hub, client: str, kind: grants.Kind, name: str, purpose: str, basis: Basis, *, legal: str,
    days: int | None = None, quota: int | None = None, fields: frozenset[str] | None = None, row_filter: str = "",
) -> Grant:  # fmt: skip
    """A grant that begins now."""
    now = it.clock()
    ends = now + timedelta(days=days) if days else None
    id_ = f"g{secrets.token_hex(6)}"
    return Grant(id_, client, kind, name, purpose, basis, now, ends, fields, quota, row_filter=row_filter, legal=legal)


def _shown(grant: Grant) -> dict[str, object]:
    return {
        "grant": grant.id, "client": grant.client, "for": f"{grant.kind} {grant.name}", "purpose": grant.purpose, "basis": grant.basis,
        "fields": sorted(grant.fields) if grant.fields is not None else "all", "rows": grant.row_filter or "all",
        "until": f"{grant.ends:%Y-%m-%d}" if grant.ends else None,
        "quota": grant.quota, "legal": grant.legal or None,
    }  # fmt: skip
