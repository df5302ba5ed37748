"""Each delivered row's fate, by the rules' predicates over the table `standard`.

1. Row rules: `faults` holds each row that breaks one with the rule's number. Rules that only a value unlike its delivered text can
   break are asked of such rows alone (`respelt`).
2. Keys: of the rows with a key, only those of the last file that has the key compete for it; those of earlier files are *superseded*.
   Of competing rows with one payload the first is kept, the others are *duplicates*. If more than one payload is left, all of
   them break `key.duplicate`. `contenders` is what competed.
3. Set rules: over `candidates`, the table as it would be: current's rows that stay (their `_seq` is NULL here), and the rows that passed so far.
   Values that repeat, or that a reference does not know, are sought first; as a rule there are none, and no row need be looked at again.
4. A row that broke a rejecting rule is *rejected*, with all such rules as reasons; what is left has *passed*.

A key whose new row is rejected keeps its last good row, so that row stays among the candidates. In a snapshot, current's rows that were
not delivered are leaving and do not stay, unless an unkeyable row suspends deletions.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from lake.current import literal, quote
from quality import table_rules
from quality.repeats import shared_hashes
from quality.rule import Rule, Stage, delivered, present, refused
from quality.standardise import delivered_json
from quality.table_rules import Past
from quality.verdict import Counts
from schemas.contract import Contract
from schemas.errors import ContractInvalid, Problem, SourceMissing

View = Callable[[duckdb.DuckDBPyConnection, str], None]
Ready = tuple[Stage, Collection[str]]
"""A stage whose table is there, and the ids of its rules that cannot be judged."""
TABLES: dict[Stage, str] = {"row": "standard", "text": "respelt", "key": "contenders", "set": "candidates"}


@dataclass(frozen=True)
class Sifted:
    """The split's counts.

    `judged` is by rule id what the judge must find: unexpected rows of the stage's table. `measures` is the same of rules that measure
    (None: nothing to compare with). `unexpected` counts delivered rows only, `standing` published rows that stay,
    `checked` the delivered rows that the rule had something to say of.
    """

    counts: Counts
    judged: dict[str, int]
    measures: dict[str, float | None]
    unexpected: dict[str, int]
    standing: dict[str, int]
    checked: dict[str, int]
    unknown_references: tuple[str, ...]


def sift(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    rules: Sequence[Rule],
    *,
    current: View,
    references: Mapping[str, View],
    past: Past | None = None,
    ready: Callable[[Ready], object] = id,
) -> Sifted:
    """Split `standard`; leaves tables `faults` (_seq, rule number), `fates` (superseded, duplicate), `rejected` (_seq, reasons), view `candidates`.

    `ready` is told of each stage once its table stands and will not change.

    Raises:
        ContractInvalid: a predicate cannot be evaluated over the rows.
        SourceMissing: a referenced dataset is not known.
    """
    it = _Sieve(con, contract, rules)
    con.execute("CREATE TABLE faults (_seq BIGINT, rule INTEGER)")
    ready(("row", ()))
    ready(("text", ()))
    delivered_rows = it.count_rows()
    it.find_faults("row")
    it.find_faults("text")
    it.settle_keys()
    ready(("key", ()))
    it.find_faults("key")
    it.prepare_sets(current, references, past)
    ready(("set", it.unknown))
    it.find_faults("set")
    it.reject()
    return it.outcome(delivered_rows)


@dataclass
class _Sieve:
    """One split on its way.

    `rows` is how many there are at most at a stage; `quiet` are the rules that no row can break, `unknown` those whose referenced dataset
    has no rows yet.
    """

    con: duckdb.DuckDBPyConnection
    contract: Contract
    rules: Sequence[Rule]
    checked: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    quiet: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)

    def of(self, *stages: Stage) -> dict[int, Rule]:
        """The stages' rules over rows, by number."""
        return {n: r for n, r in enumerate(self.rules) if r.stage in stages and r.of_rows}

    def count_rows(self) -> int:
        """The delivered rows; notes how many each of their rules has something to say of."""
        here = self.of("row", "text").values()
        asked = list(dict.fromkeys(r.checked for r in here))
        sums = ", ".join(["count(*)", *(f"count(CASE WHEN {one} THEN 1 END)" for one in asked)])
        total, *found = self.con.execute(f"SELECT {sums} FROM standard").fetchone() or (0,)
        counts = dict(zip(asked, found, strict=True))
        self.checked |= {r.id: counts[r.checked] for r in here}
        self.rows = int(total)
        return self.rows

    def find_faults(self, stage: Stage) -> None:
        """Add the stage's rows that break a rule, all rules in one look; no row is looked at for rules that none can break.

        Rules stand in a projection of their own, where DuckDB evaluates what they have in common once.
        """
        here = {n: r for n, r in self.of(stage).items() if r.id not in self.quiet}
        if not here:
            return
        broken = ", ".join(f"({r.ok}) IS FALSE AS b{n}" for n, r in here.items())
        numbers = ", ".join(f"CASE WHEN b{n} THEN {n} END" for n in here)
        found = (
            f"CASE WHEN {' OR '.join(f'b{n}' for n in here)} THEN list_filter([{numbers}], lambda n: n IS NOT NULL) END"
        )
        try:
            self.con.execute(
                f"INSERT INTO faults SELECT _seq, unnest({found}) FROM (SELECT _seq, {broken} FROM {TABLES[stage]} WHERE _seq IS NOT NULL)"
            )
        except duckdb.Error as error:
            raise ContractInvalid([_culprit(self.con, list(here.values()), error)]) from None

    def settle_keys(self) -> None:
        """Table `fates` (only superseded and duplicate rows stand in it) and view `contenders`.

        Windows run over repeated keys only. The payload is the hash of the values, and of the delivered text where a value was unreadable.
        """
        key, keyed = ", ".join(quote(k) for k in self.contract.key), present(self.contract.key)
        self.con.execute(f"CREATE TABLE repeated AS {self._repeated('standard', self.contract.key)}")
        if not _one(self.con, "SELECT count(*) FROM repeated"):
            self.con.execute("CREATE TABLE fates (_seq BIGINT, fate VARCHAR)")
            self.con.execute(f"CREATE VIEW contenders AS SELECT * FROM standard WHERE {keyed}")
            self._refuse(next(r for r in self.rules if r.stage == "key"), f"SELECT {key} FROM repeated")
            return
        unread = " OR ".join(
            f"{quote(c.name)} IS NULL AND {delivered(i)} IS NOT NULL" for i, c in enumerate(self.contract.columns)
        )
        self.con.execute(
            f"CREATE TABLE fates AS WITH rivals AS (SELECT _seq, _part, {key}, "
            f"CASE WHEN {unread} THEN {delivered_json(self.contract)} ELSE CAST(_hash AS VARCHAR) END AS payload "
            f"FROM standard SEMI JOIN repeated USING ({key})), "
            f"placed AS (SELECT _seq, _part = max(_part) OVER (PARTITION BY {key}) AS last, "
            f"row_number() OVER (PARTITION BY {key}, _part, payload ORDER BY _seq) AS copy FROM rivals) "
            "SELECT _seq, CASE WHEN last THEN 'duplicate' ELSE 'superseded' END AS fate FROM placed WHERE NOT last OR copy > 1"
        )
        self.con.execute(f"CREATE VIEW contenders AS SELECT * FROM standard ANTI JOIN fates USING (_seq) WHERE {keyed}")
        still = f"SELECT {key} FROM contenders SEMI JOIN repeated USING ({key}) GROUP BY ALL HAVING count(*) > 1"
        self._refuse(next(r for r in self.rules if r.stage == "key"), still)

    def prepare_sets(self, current: View, references: Mapping[str, View], past: Past | None) -> None:
        """View `candidates`, the values that its rules refuse, and what its measures look at."""
        everything = [r for r in self.rules if r.stage == "set"]
        if not everything:
            return
        self.con.execute(f"CREATE VIEW passing AS SELECT * FROM contenders {self._without_rejected()}")
        names = ", ".join(map(quote, dict.fromkeys(c for r in everything for c in r.columns)))
        columns = f"{', ' if names else ''}{names}"
        current(self.con, "_current")
        self.con.execute(
            f"CREATE TABLE staying AS SELECT NULL::BIGINT AS _seq{columns} FROM _current {self._staying()}"
        )
        self.con.execute(
            f"CREATE VIEW candidates AS SELECT _seq{columns} FROM passing UNION ALL SELECT _seq{columns} FROM staying"
        )
        self.rows += _one(self.con, "SELECT count(*) FROM staying")
        measuring = [r for r in everything if r.measure]
        if measuring:
            table_rules.prepare(self.con, self.contract, measuring, past, published="_current")
        for rule in self.of("set").values():
            if rule.reference:
                self._refuse_unknown(rule, references)
            elif rule.once:
                self._refuse(rule, self._repeated("candidates", rule.columns))

    def _without_rejected(self) -> str:
        """The join that leaves out the rows that a rule has rejected so far; nothing where there is none."""
        rejecting = ", ".join(str(n) for n, r in enumerate(self.rules) if r.rejects)
        self.con.execute(f"CREATE TABLE faulty AS SELECT DISTINCT _seq FROM faults WHERE rule IN ({rejecting})")
        return "ANTI JOIN faulty USING (_seq)" if _one(self.con, "SELECT count(*) FROM faulty") else ""

    def _staying(self) -> str:
        """The joins that leave the rows of current which the delivery will not replace or end."""
        key = ", ".join(quote(k) for k in self.contract.key)
        replaced = f"ANTI JOIN passing USING ({key})"
        unkeyable = f"SELECT count(*) FROM standard WHERE NOT ({present(self.contract.key)})"
        if self.contract.source.sync != "snapshot" or _one(self.con, unkeyable):
            return replaced
        return f"{replaced} SEMI JOIN standard USING ({key})"

    def _repeated(self, table: str, columns: tuple[str, ...]) -> str:
        """The query of the values, all there, that more than one row of the table has. Rows that share no hash need no grouping."""
        names, there = ", ".join(map(quote, columns)), present(columns)

        def hashes(least: int, most: int) -> Any:
            part = f"hash({names}) BETWEEN {least} AND {most}"
            return self.con.execute(f"SELECT hash({names}) AS h FROM {table} WHERE {there} AND {part}").fetchnumpy()[
                "h"
            ]

        shared = shared_hashes(hashes, self.rows)
        if shared is not None:
            there = f"hash({names}) IN ({', '.join(map(str, shared))}) AND {there}" if shared else "FALSE"
        return f"SELECT {names} FROM {table} WHERE {there} GROUP BY ALL HAVING count(*) > 1"

    def _refuse(self, rule: Rule, values: str) -> None:
        """Table `refused(rule)`, of these values; without any no row breaks the rule."""
        table = quote(refused(rule.id))
        self.con.execute(f"CREATE TABLE {table} AS {values}")
        if not _one(self.con, f"SELECT count(*) FROM {table}"):
            self.quiet.add(rule.id)

    def _refuse_unknown(self, rule: Rule, references: Mapping[str, View]) -> None:
        """The candidates' values that the referenced dataset does not have; if it has no rows at all, the rule cannot be judged."""
        dataset, to = rule.reference or ("", "")
        if dataset not in references:
            what = f"{self.contract.dataset}: rule {rule.id} refers to dataset {dataset}, which the hub does not have"
            raise SourceMissing(what, todo=f"hub contract apply the contract of {dataset}, or take the rule out")
        view, column = quote(f"_referenced_{rule.id}"), quote(rule.columns[0])
        references[dataset](self.con, f"_referenced_{rule.id}")
        if self.con.execute(f"SELECT 1 FROM {view} LIMIT 1").fetchone() is None:
            self.unknown.append(rule.id)
            self.quiet.add(rule.id)
            return
        known = f"SELECT {quote(to)} AS {column} FROM {view}"
        self._refuse(
            rule,
            f"SELECT DISTINCT {column} FROM candidates ANTI JOIN ({known}) USING ({column}) WHERE {column} IS NOT NULL",
        )

    def reject(self) -> None:
        """Table `rejected`: the rows set aside with the ids of the rules they broke, in rule order."""
        ids = ", ".join(f"({n}, {literal(r.id)})" for n, r in enumerate(self.rules) if r.rejects)
        self.con.execute(
            f"CREATE TABLE rejected AS WITH names(rule, id) AS (VALUES {ids}), "
            "broken AS (SELECT * FROM faults ANTI JOIN fates USING (_seq)) "
            "SELECT _seq, list(id ORDER BY rule) AS reasons FROM broken JOIN names USING (rule) GROUP BY _seq"
        )

    def outcome(self, delivered_rows: int) -> Sifted:
        """The counts of it all."""
        found = dict(self.con.execute("SELECT rule, count(*) FROM faults GROUP BY 1").fetchall())
        broken = {r.id: found.get(n, 0) for n, r in enumerate(self.rules)}
        known = [r for r in self.rules if r.id not in self.unknown and not r.alone]
        judged = {r.id: self._judged(r, broken) for r in known if not r.measure}
        return Sifted(
            counts=self._counts(delivered_rows),
            judged=judged,
            measures={r.id: self._measured(r) for r in known if r.measure},
            unexpected=broken,
            standing={r.id: judged[r.id] - broken[r.id] for r in known if r.stage == "set" and r.of_rows},
            checked=self._all_checked(broken),
            unknown_references=tuple(self.unknown),
        )

    def _counts(self, total: int) -> Counts:
        fates = dict(self.con.execute("SELECT fate, count(*) FROM fates GROUP BY 1").fetchall())
        rejected = _one(self.con, "SELECT count(*) FROM rejected")
        return Counts(
            delivered=total,
            passed=_one(
                self.con, "SELECT count(*) FROM standard ANTI JOIN fates USING (_seq) ANTI JOIN rejected USING (_seq)"
            ),
            rejected=rejected,
            duplicates=fates.get("duplicate", 0),
            superseded=fates.get("superseded", 0),
            unkeyable=_one(self.con, "SELECT count(*) FROM rejected WHERE list_contains(reasons, 'key.missing')"),
        )

    def _judged(self, rule: Rule, broken: Mapping[str, int]) -> int:
        if rule.stage != "set" or rule.id in self.quiet:
            return broken[rule.id]
        return broken[rule.id] + _one(self.con, f"SELECT count(*) FROM staying WHERE ({rule.ok}) IS FALSE")

    def _measured(self, rule: Rule) -> float | None:
        row = self.con.execute(f"SELECT {rule.measure}").fetchone()
        return None if row is None or row[0] is None else float(row[0])

    def _all_checked(self, broken: Mapping[str, int]) -> dict[str, int]:
        """What each rule had something to say of: of text rules the values that are there or were unreadable."""
        found = dict(self.checked)
        found |= {r.id: found[r.id] + broken[r.id] for r in self.of("text").values() if r.kind == "type"}
        for stage in ("key", "set"):
            here = [r for r in self.of(stage).values() if r.id not in self.unknown]
            if here:
                sums = ", ".join(f"count(CASE WHEN {r.checked} THEN 1 END)" for r in here)
                row = self.con.execute(f"SELECT {sums} FROM {TABLES[stage]} WHERE _seq IS NOT NULL").fetchone() or ()
                found |= {r.id: n for r, n in zip(here, row, strict=True)}
        return found


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


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
