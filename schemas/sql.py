"""The few SQL forms (DuckDB) that the vectorised twins are written in.

A CASE branch costs only the rows that reach it, but what is repeated inside a branch or a lambda is evaluated again each time:
`let` names a value once. `translate` builds its table anew for each row (some 50 ns a character), so a substitution is split into
groups, each named only where a regular expression meets one of its characters. That stands outside of lambdas: within one it is compiled
anew for every two thousand rows.
"""

import re
from collections.abc import Callable, Iterable
from string import ascii_lowercase, ascii_uppercase

from schemas.characters import WHITE, Table

_ASCII = r"[\x00-\x7F]*"
_SPACE = f"[{re.escape(WHITE)}]+"
_TRIMMED = f"^{_SPACE}|{_SPACE}$"


def literal(text: str) -> str:
    """A string literal (only the quote needs doubling)."""
    return "'" + text.replace("'", "''") + "'"


def full_match(value: str, pattern: str) -> str:
    """Whether the whole value matches the pattern (RE2)."""
    return f"regexp_full_match({value}, {literal(pattern)})"


def one_of(value: str, options: Iterable[str]) -> str:
    """Whether the value is one of a few."""
    return f"{value} IN ({', '.join(map(literal, options))})"


def replaced(value: str, pattern: str, by: str, flags: str = "") -> str:
    """The value with what the pattern matches replaced."""
    return f"regexp_replace({value}, {literal(pattern)}, {literal(by)}, {literal(flags)})"


def let(name: str, value: str, body: Callable[[str], str]) -> str:
    """`body` over `value` evaluated once: SQL has no such form inside an expression, a lambda over one element is one."""
    return f"list_transform([{value}], lambda {name}: {body(name)})[1]"


def substituted(value: str, table: Table) -> str:
    """`texts.plain` over a SQL value: characters substituted, composed (NFC), trimmed; NULL where blank.

    A value of ASCII alone needs no composition, and only the ASCII part of the table.
    """
    ascii_only = _trimmed(_substituted_ascii(value, table))
    composed = let("u", _staged(value, table), _composed)
    return f"CASE WHEN {full_match(value, _ASCII)} THEN {ascii_only} ELSE {_trimmed(composed)} END"


def _trimmed(value: str) -> str:
    return f"nullif({replaced(value, _TRIMMED, '', 'g')}, '')"


def _composed(value: str) -> str:
    """NFC; what holds a NUL stays as it is, as DuckDB's `nfc_normalize` would cut it off there."""
    return f"CASE WHEN contains({value}, chr(0)) THEN {value} ELSE nfc_normalize({value}) END"


def _substituted_ascii(value: str, table: Table) -> str:
    changes = {k: v for k, v in table.changes.items() if k.isascii()}
    if all(changes.get(low) == up for low, up in zip(ascii_lowercase, ascii_uppercase, strict=True)):
        value = f"upper({value})"
        changes = {k: v for k, v in changes.items() if k not in ascii_lowercase}
    for target in sorted(set(changes.values())):
        value = replaced(value, _class(k for k, v in changes.items() if v == target), target, "g")
    return value


def _staged(value: str, table: Table) -> str:
    """The substitution: what vanishes, then group by group of what is usually met together.

    No target of a table is a source of another group, so the value itself tells which groups it needs; of the others nothing is translated.
    """
    removed = [k for k, v in table.changes.items() if not v]
    staged = replaced(value, _class(removed), "", "g") if removed else value
    groups: dict[tuple[bool, bool, bool], dict[str, str]] = {}
    for k, v in table.changes.items():
        if v:
            groups.setdefault((k.isascii(), v.isdigit(), v.isalpha()), {})[k] = v
    for group in groups.values():
        needed = (
            f"CASE WHEN regexp_matches({value}, {literal(_class(group))}) THEN {literal(''.join(group))} ELSE '' END"
        )
        staged = f"translate({staged}, {needed}, {literal(''.join(group.values()))})"
    return staged


def _class(characters: Iterable[str]) -> str:
    """A character class; runs folded, everything else escaped by code point."""
    points = sorted(ord(c) for c in characters)
    runs: list[list[int]] = []
    for point in points:
        if runs and point == runs[-1][-1] + 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return "[" + "".join(rf"\x{{{r[0]:X}}}" + (rf"-\x{{{r[-1]:X}}}" if len(r) > 1 else "") for r in runs) + "]"
