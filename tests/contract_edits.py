"""Demo contracts, edited: what a department sends when its dataset changes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from city_bench import CITY

Edit = Callable[[dict[str, Any]], None]


def contract(folder: Path, dataset: str, *edits: Edit, **top: Any) -> Path:
    """A demo contract's file with top-level keys replaced and edits made to its document."""
    document = yaml.safe_load((CITY / "contracts" / f"{dataset}.odcs.yaml").read_text(encoding="utf-8"))
    document |= top
    for edit in edits:
        edit(document)
    path = folder / f"{dataset}.odcs.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def custom(**values: Any) -> Edit:
    """Set custom properties of the contract."""

    def edit(document: dict[str, Any]) -> None:
        kept = [c for c in document["customProperties"] if c["property"] not in values]
        added = [{"property": k, "value": v, "vendor": "cityhub"} for k, v in values.items()]
        document["customProperties"] = [*kept, *added]

    return edit


def without_mobile(document: dict[str, Any]) -> None:
    """Take the residents' telephone number out."""
    listed = document["schema"][0]["properties"]
    document["schema"][0]["properties"] = [p for p in listed if p["name"] != "mobile"]
    custom(authoritativeFor={"person": ["DE01001"]})(document)
