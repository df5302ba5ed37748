"""Grants as code: every grant that stands as one YAML text, for people to review and machines to apply.

    grants:
    - client: my-portal
      dataset: food_licences          # or form: …
      purpose: 巡查
      basis: duty
      legal: 食品安全法第一百一十条
      fields:                         # left out: all, now and later
      - licence_no
      - status
      rows: '[{"column":"category","op":"eq","value":"A"}]'
      quota: 500
      begins: 2026-09-29T01:00:00+00:00
      ends: 2027-09-29T01:00:00+00:00
      request: r3f2a91c04b7d

`written` gives the same text for the same grants, in whatever order they were made. `read` finds every fault of a file. `diff` says what is to be
added and what is to end so that the file's grants stand and no others. A grant that a file has without `begins` stands if it stands since
whenever, else begins now; `request` is told and not compared.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Self

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ledger.grants import Basis, Grant, Kind
from schemas.errors import ContractInvalid, Problem

NOT_SAID = datetime.max.replace(tzinfo=UTC)
"""The beginning of a grant that a file has without one."""
_EXAMPLES = {
    "client": "client: my-portal", "purpose": "purpose: 巡查", "basis": "basis: duty", "fields": "fields: [name, mobile]", "quota": "quota: 500",
    "begins": "begins: 2026-01-01T00:00:00+08:00", "ends": "ends: 2027-01-01T00:00:00+08:00", "legal": "legal: 条例第十二条",
}  # fmt: skip


class _Entry(BaseModel):
    """One grant of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client: Annotated[str, Field(min_length=1, max_length=64)]
    form: Annotated[str, Field(max_length=64)] = ""
    dataset: Annotated[str, Field(max_length=64)] = ""
    purpose: Annotated[str, Field(min_length=1, max_length=200)]
    basis: Basis
    legal: Annotated[str, Field(max_length=400)] = ""
    fields: Annotated[list[str], Field(min_length=1)] | None = None
    rows: str = ""
    quota: Annotated[int, Field(strict=True, ge=1, lt=2**31)] | None = None
    begins: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    request: Annotated[str, Field(max_length=32)] = ""

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if bool(self.form) == bool(self.dataset):
            raise ValueError("form or dataset is wanted, and not both")
        if self.form and self.rows:
            raise ValueError("a form has no rows")
        return self


@dataclass(frozen=True)
class Change:
    """What applying a file does."""

    added: tuple[Grant, ...]
    ended: tuple[Grant, ...]


def written(grants: Iterable[Grant]) -> str:
    """The grants as YAML; those that say the same once."""
    unique = {_said(g): g for g in sorted(grants, key=lambda g: (g.begins, g.request, g.id), reverse=True)}
    rows = [_row(g) for g in sorted(unique.values(), key=_order)]
    return yaml.safe_dump({"grants": rows}, allow_unicode=True, sort_keys=False, width=10_000)


def read(text: str, file: str = "") -> tuple[Grant, ...]:
    """The grants of a file, without ids.

    Raises:
        ContractInvalid: with every fault, each with its place.
    """
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ContractInvalid([Problem("", f"is no YAML: {type(error).__name__}", "grants: [...]", file)]) from None
    rows = document.get("grants") if isinstance(document, dict) and document.keys() == {"grants"} else None
    if not isinstance(rows, list):
        raise ContractInvalid(
            [Problem("", "has not one list `grants`", "grants: [{client: my-portal, form: …}]", file)]
        )
    problems: list[Problem] = []
    found: list[Grant] = []
    for number, row in enumerate(rows):
        try:
            found.append(_grant(_Entry.model_validate(row)))
        except ValidationError as error:
            problems += _faults(error, f"grants[{number}]", file)
    for said, times in Counter(map(_said, found)).items():
        if times > 1:
            twice = f"{said.client}: {said.kind} {said.name} for {said.purpose!r} stands {times} times"
            problems.append(Problem("grants", twice, "once", file))
    if problems:
        raise ContractInvalid(problems)
    return tuple(found)


def diff(standing: Sequence[Grant], wanted: Sequence[Grant]) -> Change:
    """What is to be added and to be ended so that what is wanted stands, and nothing else."""
    said = {_said(g) for g in wanted}
    exact, anyhow = {_said(g) for g in standing}, {_said(g, begins=NOT_SAID) for g in standing}
    added = [g for g in wanted if _said(g) not in (anyhow if g.begins == NOT_SAID else exact)]
    ended = [g for g in standing if _said(g) not in said and _said(g, begins=NOT_SAID) not in said]
    return Change(tuple(sorted(added, key=_order)), tuple(sorted(ended, key=_order)))


def _said(grant: Grant, **changes: Any) -> Grant:
    """What a grant says: all but its id and the request that it answers."""
    return replace(grant, id="", request="", **changes)


def _order(grant: Grant) -> tuple[str, ...]:
    fields = "" if grant.fields is None else "\x1f".join(sorted(grant.fields))
    times = (grant.begins.astimezone(UTC).isoformat(), grant.ends.astimezone(UTC).isoformat() if grant.ends else "")
    about = (grant.client, grant.kind, grant.name, grant.purpose, grant.basis, grant.legal, fields, grant.row_filter)
    return (*about, f"{grant.quota or 0:012}", *times)


def _row(grant: Grant) -> dict[str, Any]:
    """The grant as a mapping, without what it does not say; moments as text, since YAML's own lose their zone."""
    row = {
        "client": grant.client, grant.kind: grant.name, "purpose": grant.purpose, "basis": grant.basis, "legal": grant.legal,
        "fields": None if grant.fields is None else sorted(grant.fields), "rows": grant.row_filter, "quota": grant.quota,
        "begins": grant.begins.astimezone(UTC).isoformat(), "ends": grant.ends.astimezone(UTC).isoformat() if grant.ends else None,
        "request": grant.request,
    }  # fmt: skip
    return {name: value for name, value in row.items() if value is not None and value != ""}


def _grant(entry: _Entry) -> Grant:
    kind: Kind = "form" if entry.form else "dataset"
    return Grant(
        id="", client=entry.client, kind=kind, name=entry.form or entry.dataset, purpose=entry.purpose, basis=entry.basis,
        begins=entry.begins or NOT_SAID, ends=entry.ends, fields=None if entry.fields is None else frozenset(entry.fields),
        quota=entry.quota, row_filter=entry.rows, legal=entry.legal, request=entry.request,
    )  # fmt: skip


def _faults(error: ValidationError, path: str, file: str) -> list[Problem]:
    """What is wrong with an entry, one problem for each place; what stands there is not repeated."""
    found = []
    for fault in error.errors(include_input=False, include_url=False):
        place = ".".join((path, *map(str, fault["loc"])))
        found.append(
            Problem(place, fault["msg"], _EXAMPLES.get(str(fault["loc"][0]) if fault["loc"] else "", ""), file)
        )
    return found
