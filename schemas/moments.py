"""Days and points in time as DuckDB SQL text: the vectorised twin of `texts.day` and `texts.instant`."""

from schemas import characters, texts
from schemas.sql import full_match, let, literal, one_of, replaced, substituted

_ISO_DAY = "[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"
_ISO_TIME = f"{_ISO_DAY}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]+)?"
_CLOCK_ZONE = f"{texts.CLOCK}(?:{texts.ZONE})?"


def day(text: str, timezone: str, *, pattern: str | None = None, open_end: bool = False) -> str:
    """The expression for a date column; a `pattern` (strptime) replaces the standard readings, 长期 apart."""

    def read(t: str) -> str:
        value = _day(t, timezone) if pattern is None else f"CAST({_parsed(t, pattern, timezone, local=True)} AS DATE)"
        words = one_of(t, texts.OPEN_WORDS)
        return f"CASE WHEN {words} THEN DATE '{texts.OPEN_END}' ELSE {value} END" if open_end else value

    slow = let("t", substituted(text, characters.FOLDED), read)
    if pattern is not None:
        return slow
    return (
        f"CASE WHEN {full_match(text, _ISO_DAY)} THEN try_cast({text} AS DATE) "
        f"WHEN {full_match(text, '[1-9][0-9]{7}')} THEN CAST(try_strptime({text}, '%Y%m%d') AS DATE) ELSE {slow} END"
    )


def instant(text: str, timezone: str, *, pattern: str | None = None) -> str:
    """The expression for a timestamp column; text without a zone is in `timezone`."""
    folded = substituted(text, characters.FOLDED)
    if pattern is not None:
        return let("t", folded, lambda t: _parsed(t, pattern, timezone, local=False))
    fast = _zoned(f"try_cast({text} AS TIMESTAMP)", timezone)
    return f"CASE WHEN {full_match(text, _ISO_TIME)} THEN {fast} ELSE {let('t', folded, lambda t: _instant(t, timezone))} END"


def _day(value: str, timezone: str) -> str:
    at_midnight = f"CAST({_zoned(_instant(value, timezone), timezone)} AS DATE)"
    return f"CASE WHEN {full_match(value, texts.DAY)} THEN try_cast({_hyphened(value)} AS DATE) ELSE {at_midnight} END"


def _hyphened(value: str) -> str:
    return replaced(value, f"^{texts.DAY}$", r"\1-\2\4-\3\5")


def _instant(value: str, timezone: str) -> str:
    """A folded text as TIMESTAMPTZ: made ISO step by step (RE2 rewrites know nine groups), then cast."""
    dated = replaced(value, f"^{texts.DAY_LEAD}", r"\1-\2\4-\3\5 ")
    timed = replaced(dated, f" {_CLOCK_ZONE}$", r" \1\5:\2\6:\3\7\4\8\9")
    filled = replaced(timed, ":(Z|[+-].*)?$", r":00\1")
    cast = let("i", filled, lambda i: _cast(i, timezone))
    midnight = _zoned(f"try_cast({_hyphened(value)} AS TIMESTAMP)", timezone)
    return (
        f"CASE WHEN {full_match(value, texts.DAY_LEAD + _CLOCK_ZONE)} THEN {cast} "
        f"WHEN {full_match(value, texts.DAY)} THEN {midnight} END"
    )


def _cast(iso: str, timezone: str) -> str:
    local = _zoned(f"try_cast({iso} AS TIMESTAMP)", timezone)
    return (
        f"CASE WHEN regexp_matches({iso}, ':[0-9.]+(Z|[+-].*)$') THEN try_cast({iso} AS TIMESTAMPTZ) ELSE {local} END"
    )


def _parsed(value: str, pattern: str, timezone: str, *, local: bool) -> str:
    """`value` after a strptime pattern: as local time, or as the point in time it names."""
    parsed = f"try_strptime({value}, {literal(pattern)})"
    return parsed if ("%z" in pattern) != local else _zoned(parsed, timezone)


def _zoned(value: str, timezone: str) -> str:
    """A local TIMESTAMP as TIMESTAMPTZ, a TIMESTAMPTZ as the local TIMESTAMP."""
    return f"timezone({literal(timezone)}, {value})"
