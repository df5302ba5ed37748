"""What a rule is: an SQL predicate, the expectation that means the same, and words for people.

`ok` is true or NULL where the row is right. The expectation is a Great Expectations built-in where one means precisely the same, else
`expect_rows_to_satisfy` (ours, `quality.gx_parts`) with the predicate itself. Rules of severity `error` without a `limit` set rows
aside; with a `limit` they hold the delivery; warnings are only counted. A rule over the table as a whole has a `measure` instead of a predicate.
"""

from dataclasses import dataclass
from typing import Any, Literal

from lake.current import quote
from schemas.contract import Severity, Threshold

Stage = Literal["row", "text", "key", "set"]


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
    """One rule.

    `stage` names the rows judged: `row` every delivered row, `text` the delivered rows of which some value does not show what was delivered
    (no other row can break the rule), `key` the delivered rows that compete for their key, `set` the table as it would be. `checked` is
    the predicate of rows that the rule has something to say of. `limit` is compared with the number of unexpected rows (with `percent`: of a
    hundred checked), or with `measure`, an SQL scalar. `threshold` is the most rows that may break it before the delivery is held.
    Rows whose `columns` hold what table `refused(id)` holds break a rule that is `once` (values that repeat) or has a `reference`, the (dataset,
    column) that values must be found in. `alone`: only Great Expectations can say whether it holds.
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
    percent: bool = False
    threshold: Threshold | None = None
    once: bool = False
    reference: tuple[str, str] | None = None
    measure: str = ""
    alone: bool = False

    @property
    def of_rows(self) -> bool:
        """Whether single rows break it, so that they can be counted and set aside."""
        return not (self.measure or self.alone)

    @property
    def rejects(self) -> bool:
        """Whether a row that breaks the rule is set aside."""
        return self.severity == "error" and self.limit is None and self.of_rows


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


def refused(rule_id: str) -> str:
    """The table of the values that break the rule, under the names of its columns; the sieve fills it."""
    return f"refused:{rule_id}"


def not_refused(rule_id: str, columns: tuple[str, ...]) -> str:
    """The predicate of rows whose values are not in `refused(rule_id)` (rows with a NULL among them never are)."""
    names = ", ".join(quote(c) for c in columns)
    found = names if len(columns) == 1 else f"({names})"
    return f"({names}) NOT IN (SELECT {found} FROM {quote(refused(rule_id))})"


def unique(columns: tuple[str, ...]) -> Expectation:
    """The expectation that no two rows agree in the columns (rows with a NULL among them agree with none)."""
    if len(columns) == 1:
        return Expectation("expect_column_values_to_be_unique", {"column": columns[0]})
    return Expectation("expect_compound_columns_to_be_unique", {"column_list": list(columns)})
