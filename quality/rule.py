"""What a rule is: an SQL predicate, the expectation that means the same, and words for people.

`ok` is true or NULL where the row is right. The expectation is a Great Expectations built-in where one means precisely the same, else
`expect_rows_to_satisfy` (ours, `quality.gx_parts`) with the predicate itself. Rules of severity `error` without a `limit` set rows
aside; with a `limit` they hold the delivery; warnings are only counted.
"""

from dataclasses import dataclass
from typing import Any, Literal

from lake.current import quote
from schemas.contract import Severity

Stage = Literal["row", "key", "set"]


@dataclass(frozen=True)
class Expectation:
    """A Great Expectations expectation by its registered type and arguments."""

    type: str
    kwargs: dict[str, Any]


@dataclass(frozen=True)
class Words:
    """What is wrong with a row that breaks the rule, and how to put it right, in Chinese and English."""

    zh: str
    en: str
    fix_zh: str
    fix_en: str


@dataclass(frozen=True)
class Rule:
    """One rule over rows.

    `stage` names the rows judged: `row` every delivered row, `key` the delivered rows that compete for their key, `set` the table
    as it would be. `checked` is the predicate of rows that the rule has something to say of. `limit` is compared with the number of
    unexpected rows (of rows at all for `rowCount`). `reference` is the (dataset, column) that values must be found in.
    """

    id: str
    kind: str
    columns: tuple[str, ...]
    ok: str
    words: Words
    expectation: Expectation
    severity: Severity = "error"
    dimension: str = "conformity"
    stage: Stage = "row"
    checked: str = "TRUE"
    limit: tuple[str, float] | None = None
    reference: tuple[str, str] | None = None

    @property
    def rejects(self) -> bool:
        """Whether a row that breaks the rule is set aside."""
        return self.severity == "error" and self.limit is None


def raw(place: int) -> str:
    """The name of the delivered column that is the contract's column number `place`."""
    return f"_raw_{place}"


def delivered(place: int) -> str:
    """The expression over `standard` of the delivered text of column number `place`; NULL where the value shows it."""
    return f"_raws[{place + 1}]"


def satisfy(ok: str, columns: tuple[str, ...] = ()) -> Expectation:
    """The expectation that is the predicate itself, shown under its column if it has just one."""
    return Expectation(
        "expect_rows_to_satisfy", {"predicate": ok} | ({"column": columns[0]} if len(columns) == 1 else {})
    )


def present(columns: tuple[str, ...]) -> str:
    """The predicate of rows where all of the columns have a value."""
    return " AND ".join(f"{quote(c)} IS NOT NULL" for c in columns) or "TRUE"


def unique(columns: tuple[str, ...], table: str) -> tuple[str, Expectation]:
    """That no two rows of `table` agree in the columns (rows with a NULL among them agree with none)."""
    names = ", ".join(quote(c) for c in columns)
    twice = f"SELECT {names} FROM {table} WHERE {present(columns)} GROUP BY ALL HAVING count(*) > 1"
    ok = f"({names}) NOT IN ({twice})" if len(columns) == 1 else f"({names}) NOT IN (SELECT ({names}) FROM ({twice}))"
    if len(columns) == 1:
        return ok, Expectation("expect_column_values_to_be_unique", {"column": columns[0]})
    return ok, Expectation("expect_compound_columns_to_be_unique", {"column_list": list(columns)})
