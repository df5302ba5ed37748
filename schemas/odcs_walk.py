"""What each part of the walk over a document shares: the document, the problems found so far, and our own properties on its nodes."""

from typing import Any

from schemas.errors import Problem

VENDOR = "cityhub"


def custom(node: dict[str, Any], name: str, default: Any = None) -> Any:
    """The value of our custom property `name` on an ODCS node, or `default`."""
    for item in node.get("customProperties") or ():
        if item.get("vendor") == VENDOR and item.get("property") == name:
            return item.get("value")
    return default


class Walker:
    """Collects problems instead of stopping at the first."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def wrong(self, path: str, wrong: str, example: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(path, wrong, example))

    def text(self, value: Any, path: str, example: str) -> str:
        """The text; without one a problem."""
        if isinstance(value, str) and value.strip():
            return value.strip()
        self.wrong(path, "is missing or empty", example)
        return ""

    def custom_wrong(self, name: str, wrong: str, example: str) -> None:
        """Note a problem of one of our own properties."""
        self.wrong(f"customProperties.{name}", wrong, f"{{property: {name}, value: {example}, vendor: {VENDOR}}}")
