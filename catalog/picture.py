"""The lineage as a drawing: where boxes, rows and lines go, in pixels; a page's template writes the words and the SVG."""

import unicodedata
from dataclasses import dataclass

from catalog.lineage import Box, Flow, Port, Stage

WIDE, GAP, ROW, HEAD, SPACE = 210, 44, 26, 54, 22
STAGES: tuple[Stage, ...] = ("source", "dataset", "subject", "form")
_FITS = 26


@dataclass(frozen=True)
class DrawnRow:
    """One port: the baseline of its text, its words cut to fit, and whether any line touches it."""

    y: int
    port: Port
    zh: str
    en: str
    linked: bool


@dataclass(frozen=True)
class DrawnBox:
    """One box at its place."""

    x: int
    y: int
    height: int
    box: Box
    zh: str
    en: str
    rows: tuple[DrawnRow, ...]


@dataclass(frozen=True)
class Drawing:
    """All of it; `lines` are SVG paths, `stages` the columns in which there is anything, each with its left edge."""

    width: int
    height: int
    stages: tuple[tuple[Stage, int], ...]
    boxes: tuple[DrawnBox, ...]
    lines: tuple[str, ...]


def draw(flow: Flow) -> Drawing:
    """The drawing of a flow, stages from left to right."""
    filled = [stage for stage in STAGES if flow.of(stage)]
    touched = {port for edge in flow.edges for port in edge}
    boxes: list[DrawnBox] = []
    for column, stage in enumerate(filled):
        y = ROW
        for box in flow.of(stage):
            boxes.append(_box(box, column * (WIDE + GAP), y, touched))
            y += boxes[-1].height + SPACE
    places = {row.port.id: (box.x, row.y - ROW // 5) for box in boxes for row in box.rows}
    lines = tuple(_line(places[a], places[b]) for a, b in flow.edges if a in places and b in places)
    height = max((box.y + box.height for box in boxes), default=0) + 2
    width = len(filled) * (WIDE + GAP) - GAP
    return Drawing(width, height, tuple((s, i * (WIDE + GAP)) for i, s in enumerate(filled)), tuple(boxes), lines)


def _box(box: Box, x: int, y: int, touched: set[str]) -> DrawnBox:
    rows = tuple(
        DrawnRow(y + HEAD + i * ROW + ROW * 2 // 3, port, cut(port.zh), cut(port.en), port.id in touched)
        for i, port in enumerate(box.ports)
    )
    return DrawnBox(x, y, HEAD + len(box.ports) * ROW + ROW // 3, box, cut(box.zh), cut(box.en), rows)


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    """A curve from the right edge of one row to the left edge of another."""
    (x1, y1), (x2, y2) = (start[0] + WIDE, start[1]), end
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"


def cut(text: str) -> str:
    """The text, or so much of it as fits a row; Chinese is twice as wide.

    >>> cut("姓名"), cut("x" * 40)
    ('姓名', 'xxxxxxxxxxxxxxxxxxxxxxxxx…')
    """
    room, kept = _FITS, ""
    for character in text:
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return kept[:-1] + "…"
        kept += character
    return kept
