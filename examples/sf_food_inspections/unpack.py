"""`python -m examples.sf_food_inspections.unpack --out DROP`: puts the three files below a drop folder, under `sf/`."""

import argparse
import gzip
import shutil
import sys
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent / "data"
FILES: Final = ("businesses.csv", "inspections.csv", "violations.csv")


def unpack(drop: Path) -> tuple[Path, ...]:
    """Writes the files as they were published to `drop`/sf and gives their paths; each appears whole."""
    folder = drop / "sf"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in FILES:
        beside = folder / f".{name}.new"
        with gzip.open(DATA / f"{name}.gz") as packed, beside.open("wb") as file:
            shutil.copyfileobj(packed, file)
        written.append(beside.replace(folder / name))
    return tuple(written)


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line and unpacks; exit code 0."""
    parser = argparse.ArgumentParser(prog="examples.sf_food_inspections.unpack", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the drop folder")
    for path in unpack(parser.parse_args(arguments).out):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
