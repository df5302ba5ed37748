"""The base: the newest live row per key up to some load, as one Parquet file. Disposable: made by `lake.upkeep`, deleted at will.

A base is named by its load and by the shape of the contract it was made for, so that a contract with other columns passes it by.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from schemas.contract import Contract


@dataclass(frozen=True)
class Base:
    """One base file: rows as of `load`."""

    path: Path
    load: int


def path_of(lake: Path, contract: Contract, load: int) -> Path:
    """Where the base of `load` lies."""
    return lake / "base" / contract.dataset / f"{load:09d}-{_shape(contract)}.parquet"


def newest(lake: Path, contract: Contract, upto: int) -> Base | None:
    """The newest base that is not younger than load `upto`."""
    found = [
        Base(path, int(path.name[:9]))
        for path in (lake / "base" / contract.dataset).glob(f"*-{_shape(contract)}.parquet")
        if int(path.name[:9]) <= upto
    ]
    return max(found, key=lambda b: b.load, default=None)


def _shape(contract: Contract) -> str:
    text = repr((contract.key, [(c.name, c.sql_type) for c in contract.columns]))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
