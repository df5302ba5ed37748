"""Each delivered row's fate, by the rules' predicates over the table `standard`.

1. Row rules: `faults` holds, for each row that breaks any, the numbers of the rules broken.
2. Keys: of the rows with a key, only those of the last file that has the key compete for it; those of earlier files are *superseded*.
   Of competing rows with one payload the first is kept, the others are *duplicates*. If more than one payload is left, all of
   them break `key.duplicate`. `contenders` is what competed.
3. Set rules: over `candidates`, the table as it would be: current's rows that stay (their `_seq` is NULL here), and the rows that passed so far.
4. A row that broke a rejecting rule is *rejected*, with all such rules as reasons; what is left has *passed*.

A key whose new row is rejected keeps its last good row, so that row stays among the candidates. In a snapshot, current's rows that were
not delivered are leaving and do not stay, unless an unkeyable row suspends deletions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from lake.current import literal, quote
from quality.rule import Rule, Stage, delivered
from quality.standardise import delivered_json
from quality.stated import reference_table
from quality.verdict import Counts
from schemas.contract import Contract
from schemas.errors import ContractInvalid, Problem, SourceMissing

View = Callable[[duckdb.DuckDBPyConnection, str], None]
TABLES: dict[Stage, str] = {"row": "standard", "key": "contenders", "set": "candidates"}


@dataclass(frozen=True)
class Sifted:
    """The split's counts.

    `judged` is by rule id what the judge must find: unexpected rows of the stage's table (rows at all for `rowCount`).
    `unexpected` counts delivered rows only, `checked` those that the rule had something to say of.
    """

    counts: Counts
    judged: dict[str, int]
    unexpected: dict[str, int]
    checked: dict[str, int]
    unknown_references: tuple[str, ...]


def sift(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    rules: Sequence[Rule],
    *,
    current: View,
    references: Mapping[str, View],
) -> Sifted:
    """Split `standard`; leaves tables `faults` (_seq, rule numbers), `fates` (superseded, duplicate), `rejected` (_seq, reasons), `candidates`.

    Raises:
        ContractInvalid: a predicate cannot be evaluated over the rows.
        SourceMissing: a referenced dataset is not known.
    """
    numbered = dict(enumerate(rules))
    con.execute("CREATE TABLE faults (_seq BIGINT, rules INTEGER[])")
    _find_faults(con, numbered, "row")
    _settle_keys(con, contract)
    _find_faults(con, numbered, "key")
    unknown = _prepare_sets(con, contract, rules, current, references)
    _find_faults(con, {n: r for n, r in numbered.items() if r.id not in unknown}, "set")
    _reject(con, rules)
    broken = _by_rule(con, numbered)
    return Sifted(
        counts=_counts(con),
        judged={r.id: _judged(con, r, broken) for r in rules if r.id not in unknown},
        unexpected=broken,
        checked=_checked(con, [r for r in rules if r.id not in unknown]),
        unknown_references=unknown,
    )


def _find_faults(con: duckdb.DuckDBPyConnection, numbered: Mapping[int, Rule], stage: Stage) -> None:
    """Add the stage's rows that break a rule. Counts come first: in one pass they are cheap, and most rules are broken by no row."""
    here = {n: r for n, r in numbered.items() if r.stage == stage and r.ok != "TRUE"}
    try:
        found = _broken(con, here, stage)
        broken = {n: r for n, r in here.items() if n in found}
        if broken:
            cases = ", ".join(f"CASE WHEN ({r.ok}) IS FALSE THEN {n} END" for n, r in broken.items())
            any_of = " OR ".join(f"({r.ok}) IS FALSE" for r in broken.values())
            con.execute(
                f"INSERT INTO faults SELECT _seq, list_filter([{cases}], lambda n: n IS NOT NULL) FROM {TABLES[stage]} "
                f"WHERE ({any_of}) AND _seq IS NOT NULL"
            )
    except duckdb.Error as error:
        raise ContractInvalid([_culprit(con, list(here.values()), error)]) from None


def _broken(con: duckdb.DuckDBPyConnection, rules: Mapping[int, Rule], stage: Stage) -> set[int]:
    """The numbers of the rules that some row breaks."""
    if not rules:
        return set()
    sums = ", ".join(f"bool_or(({r.ok}) IS FALSE)" for r in rules.values())
    row = con.execute(f"SELECT {sums} FROM {TABLES[stage]}").fetchone() or ()
    return {n for n, broken in zip(rules, row, strict=True) if broken}


def _culprit(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], error: duckdb.Error) -> Problem:
    """The rule that cannot be evaluated. DuckDB's own words would tell the value it stumbled over."""
    for rule in rules:
        try:
            con.execute(f"SELECT count(*) FROM {TABLES[rule.stage]} WHERE ({rule.ok}) IS FALSE").fetchone()
        except duckdb.Error as own:
            wrong = f"fails on delivered values ({type(own).__name__})"
            return Problem(
                f"quality.{rule.id}", wrong, "a predicate that is true, false or NULL for any value: TRY_CAST"
            )
    raise error


def _settle_keys(con: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Table `fates` (only superseded and duplicate rows stand in it) and view `contenders`.

    Windows run over repeated keys only. The payload is the hash of the values, and of the delivered text where a value was unreadable.
    """
    key = ", ".join(quote(k) for k in contract.key)
    unread = " OR ".join(
        f"{quote(c.name)} IS NULL AND {delivered(i)} IS NOT NULL" for i, c in enumerate(contract.columns)
    )
    con.execute(
        f"CREATE TABLE fates AS WITH repeated AS (SELECT {key} FROM standard GROUP BY ALL HAVING count(*) > 1), "
        f"rivals AS (SELECT _seq, _part, {key}, CASE WHEN {unread} THEN {delivered_json(contract)} ELSE CAST(_hash AS VARCHAR) END AS payload "
        f"FROM standard SEMI JOIN repeated USING ({key})), "
        f"placed AS (SELECT _seq, _part = max(_part) OVER (PARTITION BY {key}) AS last, "
        f"row_number() OVER (PARTITION BY {key}, _part, payload ORDER BY _seq) AS copy FROM rivals) "
        "SELECT _seq, CASE WHEN last THEN 'duplicate' ELSE 'superseded' END AS fate FROM placed WHERE NOT last OR copy > 1"
    )
    keyed = " AND ".join(f"{quote(k)} IS NOT NULL" for k in contract.key)
    con.execute(f"CREATE VIEW contenders AS SELECT * FROM standard ANTI JOIN fates USING (_seq) WHERE {keyed}")


def _prepare_sets(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    rules: Sequence[Rule],
    current: View,
    references: Mapping[str, View],
) -> tuple[str, ...]:
    """Table `candidates` and one table of known values per reference; ids of rules whose referenced dataset has no rows yet."""
    here = [r for r in rules if r.stage == "set"]
    if not here:
        return ()
    rejecting = ", ".join(str(n) for n, r in enumerate(rules) if r.rejects)
    con.execute(
        "CREATE VIEW passing AS SELECT * FROM contenders "
        f"ANTI JOIN (SELECT _seq FROM faults WHERE list_has_any(rules, [{rejecting}])) USING (_seq)"
    )
    names = dict.fromkeys(c for r in here for c in r.columns)
    compared = {c for r in here if r.reference is None for c in r.columns}
    fresh = ", ".join(["_seq", *map(quote, names)])
    kept = ["NULL", *(f"s.{quote(c)}" if c in compared else "NULL" for c in names)]
    con.execute(f"CREATE TABLE candidates AS SELECT {fresh} FROM passing")
    if any(r.reference is None for r in here):
        current(con, "_current")
        con.execute(f"INSERT INTO candidates SELECT {', '.join(kept)} FROM _current s {_staying(con, contract)}")
    return tuple(r.id for r in here if r.reference and not _known_values(con, contract, r, references))


def _staying(con: duckdb.DuckDBPyConnection, contract: Contract) -> str:
    """The joins that leave the rows of current which the delivery will not replace or end."""
    key = ", ".join(quote(k) for k in contract.key)
    replaced = f"ANTI JOIN passing USING ({key})"
    unkeyable = _one(
        con, f"SELECT count(*) FROM standard WHERE {' OR '.join(f'{quote(k)} IS NULL' for k in contract.key)}"
    )
    if contract.source.sync != "snapshot" or unkeyable:
        return replaced
    return f"{replaced} SEMI JOIN standard USING ({key})"


def _known_values(
    con: duckdb.DuckDBPyConnection, contract: Contract, rule: Rule, references: Mapping[str, View]
) -> bool:
    """Fill the rule's reference table with those candidate values that the referenced dataset knows; false if it has no rows."""
    dataset, to = rule.reference or ("", "")
    if dataset not in references:
        what = f"{contract.dataset}: rule {rule.id} refers to dataset {dataset}, which the hub does not have"
        raise SourceMissing(what, todo=f"hub contract apply the contract of {dataset}, or take the rule out")
    view, table, column = quote(f"_referenced_{rule.id}"), quote(reference_table(rule.id)), quote(rule.columns[0])
    references[dataset](con, f"_referenced_{rule.id}")
    con.execute(
        f"CREATE TABLE {table} AS SELECT DISTINCT {column} AS value FROM candidates "
        f"WHERE {column} IN (SELECT {quote(to)} FROM {view})"
    )
    return bool(con.execute(f"SELECT 1 FROM {view} LIMIT 1").fetchone())


def _reject(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> None:
    """Table `rejected`: the rows set aside with the ids of the rules they broke, in rule order."""
    ids = ", ".join(f"({n}, {literal(r.id)})" for n, r in enumerate(rules) if r.rejects)
    con.execute(
        f"CREATE TABLE rejected AS WITH names(rule, id) AS (VALUES {ids}), "
        "broken AS (SELECT _seq, unnest(rules) AS rule FROM faults ANTI JOIN fates USING (_seq)) "
        "SELECT _seq, list(id ORDER BY rule) AS reasons FROM broken JOIN names USING (rule) GROUP BY _seq"
    )


def _counts(con: duckdb.DuckDBPyConnection) -> Counts:
    fates = dict(con.execute("SELECT fate, count(*) FROM fates GROUP BY 1").fetchall())
    return Counts(
        delivered=_one(con, "SELECT count(*) FROM standard"),
        passed=_one(con, "SELECT count(*) FROM standard ANTI JOIN fates USING (_seq) ANTI JOIN rejected USING (_seq)"),
        rejected=_one(con, "SELECT count(*) FROM rejected"),
        duplicates=fates.get("duplicate", 0),
        superseded=fates.get("superseded", 0),
        unkeyable=_one(con, "SELECT count(*) FROM rejected WHERE list_contains(reasons, 'key.missing')"),
    )


def _by_rule(con: duckdb.DuckDBPyConnection, numbered: Mapping[int, Rule]) -> dict[str, int]:
    found = dict(
        con.execute("SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM faults) GROUP BY 1").fetchall()
    )
    return {r.id: found.get(n, 0) for n, r in numbered.items()}


def _judged(con: duckdb.DuckDBPyConnection, rule: Rule, broken: Mapping[str, int]) -> int:
    if rule.kind == "rowCount":
        return _one(con, "SELECT count(*) FROM candidates")
    if rule.stage != "set":
        return broken[rule.id]
    return _one(con, f"SELECT count(*) FROM candidates WHERE ({rule.ok}) IS FALSE")


def _checked(con: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> dict[str, int]:
    found: dict[str, int] = {}
    for stage, table in TABLES.items():
        here = [r for r in rules if r.stage == stage]
        if here:
            asked = list(dict.fromkeys(r.checked for r in here))
            sums = ", ".join(f"count(*) FILTER (WHERE {one})" for one in asked)
            row = con.execute(f"SELECT {sums} FROM {table} WHERE _seq IS NOT NULL").fetchone() or ()
            counts = dict(zip(asked, row, strict=True))
            found |= {r.id: counts[r.checked] for r in here}
    return found


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
