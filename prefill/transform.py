"""How a value is rewritten for a form, and how it is shown to a person."""

from collections.abc import Callable, Mapping

from subjects.file import Value

ENDLESS = "9999-12-31"
"""The date that stands for 长期 in licences (DE03010, DE02009)."""


def _first_word(text: str) -> str:
    return text.split(maxsplit=1)[0] if text.strip() else ""


def _other_words(text: str) -> str:
    return " ".join(text.split()[1:])


TRANSFORMS: Mapping[str, Callable[[str], str]] = {
    "upper": str.upper,
    "first_word": _first_word,
    "other_words": _other_words,
    "date_part": lambda text: text[:10],
    "year": lambda text: text[:4],
}


def transformed(value: Value, name: str | None) -> Value | None:
    """The value as the form wants it; None where nothing is left of it."""
    return value if name is None else TRANSFORMS[name](shown(value)) or None


def shown(value: Value) -> str:
    """The value as plain text.

    >>> shown(True), shown(3), shown("甲")
    ('true', '3', '甲')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def display(value: Value, labels: Mapping[str, str], endless: str, *, decimal: bool = False) -> str:
    """The value as people read it: a code by its label, the endless date by its word, a decimal without idle zeros.

    >>> display("200.5000", {}, "长期", decimal=True), display("200.0000", {}, "长期", decimal=True), display("100", {}, "长期")
    ('200.5', '200', '100')
    """
    text = value if isinstance(value, str) else shown(value)
    if decimal and "." in text:
        text = text.rstrip("0").rstrip(".")
    return endless if text == ENDLESS else labels.get(text, text)
