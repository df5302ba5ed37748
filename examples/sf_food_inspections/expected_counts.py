"""What must become of each row of the real files, counted by pandas apart from the hub: `python -m examples.sf_food_inspections.expected_counts`.

Follows the contracts by hand: trims, applies the city table, drops exact repeats (the first is kept), applies the row rules and the
key rule to what is left, then the reference to what passed. Prints the counts; `--write` puts them into `expected.json`, which a test
compares with the hub's own.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml

from examples.sf_food_inspections.unpack import DATA

HERE: Final = Path(__file__).parent
EXPECTED: Final = HERE / "expected.json"
Counts = dict[str, Any]


def expected() -> dict[str, Counts]:
    """Counts per dataset: delivered = published + duplicates + quarantined, rows per rule, warnings, and what was standardised."""
    counts: dict[str, Counts] = {}
    known = _businesses(counts)
    _inspections(counts, known)
    _violations(counts, known)
    return counts


def _businesses(counts: dict[str, Counts]) -> set[str]:
    delivered = _read("businesses")
    cities = _city_table()
    rows = delivered.assign(city=delivered["city"].map(lambda c: cities.get(c, c)))
    dated = pd.to_datetime(rows["application_date"], format="%m/%d/%Y", errors="coerce")
    faults = {
        "name.required": rows["name"] == "",
        "city.code": ~rows["city"].isin({"", *cities.values()}),
        "postal_code.pattern": (rows["postal_code"] != "") & ~rows["postal_code"].str.fullmatch(r"\d{5}(\d{4})?"),
        "phone_number.pattern": (rows["phone_number"] != "") & ~rows["phone_number"].str.fullmatch(r"1\d{10}"),
        "application_date.type": (rows["application_date"] != "") & dated.isna(),
        "application_date.range": dated < pd.Timestamp("1900-01-01"),
    }
    passed = _sift(counts, "sf_businesses", rows, ["business_id"], faults)
    nowhere = (pd.to_numeric(rows["latitude"]) == 0) | (pd.to_numeric(rows["longitude"]) == 0)
    counts["sf_businesses"]["warnings"] = {"location_known": int(nowhere.sum())}
    counts["sf_businesses"]["standardised"] = {"city": int((rows["city"] != delivered["city"]).sum())}
    return set(passed["business_id"])


def _inspections(counts: dict[str, Counts], known: set[str]) -> None:
    rows = _read("inspections")
    score = pd.to_numeric(rows["Score"], errors="coerce")
    faults = {
        "score.type": (rows["Score"] != "") & score.isna(),
        "score.range": ~score.isna() & ~score.between(0, 100),
        "inspected_on.type": pd.to_datetime(rows["date"], format="%Y%m%d", errors="coerce").isna(),
    }
    _sift(counts, "sf_inspections", rows, ["business_id", "date", "type"], faults, known)


def _violations(counts: dict[str, Counts], known: set[str]) -> None:
    rows = _read("violations")
    faults = {
        "risk.enum": ~rows["risk_category"].isin({"Low Risk", "Moderate Risk", "High Risk", "N/A"}),
        "found_on.type": pd.to_datetime(rows["date"], format="%Y%m%d", errors="coerce").isna(),
    }
    _sift(counts, "sf_violations", rows, ["business_id", "date", "ViolationTypeID"], faults, known)


def _sift(
    counts: dict[str, Counts],
    dataset: str,
    rows: pd.DataFrame,
    key: list[str],
    faults: dict[str, "pd.Series[bool]"],
    known: set[str] | None = None,
) -> pd.DataFrame:
    """Counts the rows' fates; gives those that passed. The reference is asked only of rows that are right otherwise."""
    repeated = rows.duplicated()
    broken = {name: fault & ~repeated for name, fault in faults.items()}
    broken["key.duplicate"] = rows[~repeated].duplicated(key, keep=False).reindex(rows.index, fill_value=False)
    bad = pd.concat(broken, axis=1).any(axis=1)
    if known is not None:
        broken["establishment_known"] = ~repeated & ~bad & ~rows["business_id"].isin(known)
        bad |= broken["establishment_known"]
    passed = rows[~repeated & ~bad]
    counts[dataset] = {
        "delivered": len(rows),
        "published": len(passed),
        "duplicates": int(repeated.sum()),
        "quarantined": int(bad.sum()),
        "rules": {name: int(fault.sum()) for name, fault in sorted(broken.items()) if fault.any()},
    }
    return passed


def _read(name: str) -> pd.DataFrame:
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    return pd.DataFrame({name: rows[name].str.strip() for name in rows.columns})


def _city_table() -> dict[str, str]:
    contract = yaml.safe_load((HERE / "contracts" / "sf_businesses.odcs.yaml").read_text(encoding="utf-8"))
    city = next(p for p in contract["schema"][0]["properties"] if p["name"] == "city")
    return dict(city["customProperties"][0]["value"])


def main(arguments: list[str] | None = None) -> int:
    """Prints the counts, and with --write keeps them; exit code 0."""
    parser = argparse.ArgumentParser(prog="examples.sf_food_inspections.expected_counts", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write expected.json")
    text = json.dumps(expected(), indent=2) + "\n"
    if parser.parse_args(arguments).write:
        EXPECTED.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
