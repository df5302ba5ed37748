"""Where the one style sheet is."""

from pathlib import Path

STYLE = Path(__file__).parent / "static" / "hub.css"
