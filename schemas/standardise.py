"""From a department's spelling to the hub's value, as DuckDB SQL text: the vectorised twin of `schemas.texts`.

Most values of a column are already as they should be, and DuckDB evaluates a CASE branch only for the rows that need it. So each
expression first asks one regular expression whether the value is plain, and only otherwise substitutes, composes and trims.
A value that cannot be converted becomes NULL; the gate sees that the raw value was not blank and says so (`<column>.type`).
"""

import re
from string import ascii_lowercase, ascii_uppercase

from schemas import characters, texts
from schemas.characters import HAN, Table
from schemas.contract import Column
from schemas.elements import ELEMENTS, Reading
from schemas.identifiers import (
    CENTENARIANS,
    CITIZEN_15,
    CITIZEN_CHECKS,
    CITIZEN_FORM,
    CITIZEN_WEIGHTS,
    MOBILE_FORM,
    USCC_FORM,
)
from schemas.sql import full_match, let, literal, one_of, replaced, substituted

_WORDS = f"[!-~{HAN}](?:[ -~{HAN}]*[!-~{HAN}])?"
_NO_BRACKETS = f"[!-'*-~{HAN}](?:[ -'*-~{HAN}]*[!-'*-~{HAN}])?"
_PLAIN: dict[Reading, tuple[Table, str]] = {
    "citizen_id": (characters.CAPITAL, CITIZEN_FORM),
    "uscc": (characters.CAPITAL, USCC_FORM),
    "identifier": (characters.CAPITAL, "[0-9A-Z]+"),
    "licence_oid": (characters.CAPITAL, "[0-9A-Z.]+"),
    "licence_type": (characters.CAPITAL, "[0-9A-Z]+"),
    "task_code": (characters.CAPITAL, "[0-9A-Z]+"),
    "industry": (characters.CAPITAL, "[0-9A-Z]+"),
    "serial": (characters.UNSPACED, f"[!-~{HAN}]+"),
    "region": (characters.UNSPACED, "[0-9]+"),
    "town": (characters.UNSPACED, "[0-9]+"),
    "postcode": (characters.UNSPACED, "[0-9]+"),
    "lon_lat": (characters.UNSPACED, "[0-9.,]+"),
    "mobile": (characters.DIALLED, MOBILE_FORM),
    "phone": (characters.HYPHENED, MOBILE_FORM),
    "code": (characters.FOLDED, _WORDS),
    "email": (characters.FOLDED, "[!-?A-~]+@[a-z0-9.-]+"),
    "person_name": (characters.NAME, _WORDS),
    "org_name": (characters.ORGANISATION, _NO_BRACKETS),
    "address": (characters.HALF_WIDTH, _WORDS),
}
_TEXT = (characters.REMAPPED, _WORDS)
_HAN_BYTES = bytes((*range(0x80, 0xC0), *range(0xE4, 0xEA)))


def reading_of(column: Column) -> Reading:
    """How a column is read: as its data element says; without one by its type, local codes half-width."""
    if column.element:
        return ELEMENTS[column.element].reading
    return "address" if column.type == "string" and (column.codes or column.enum) else "text"


def string(column: Column, text: str, plain: str = "") -> str:
    """The expression for a string column over a VARCHAR expression; `plain` is one that is true where `plain_bytes` told."""
    reading = reading_of(column)
    table, pattern = _PLAIN.get(reading, _TEXT)
    slow = _phone(text) if reading == "phone" else _finished(reading, substituted(text, table))
    known = f"{plain} OR " if plain else ""
    return f"CASE WHEN {known}{full_match(text, pattern)} THEN {text} ELSE {slow} END"


def plain_bytes(column: Column) -> bytes:
    """The bytes (UTF-8) of which plain text may consist: a value of these alone, neither empty nor with a space at an end, stays as it is.

    None where more than its characters makes a value plain. Looking at bytes costs a tenth of a regular expression. Han characters are taken
    by their lead bytes, U+4000 to U+9FFF, of which no substitution table and no composition changes any.
    """
    pattern = _PLAIN.get(reading_of(column), _TEXT)[1]
    ascii_only = bytes(b for b in range(0x21, 0x7F) if re.fullmatch(pattern, chr(b)))
    if not ascii_only:
        return b""
    return ascii_only + (b" " if re.fullmatch(pattern, "a a") else b"") + (_HAN_BYTES if HAN in pattern else b"")


def table_of(reading: Reading) -> Table:
    """The substitution table of a reading."""
    return _PLAIN.get(reading, _TEXT)[0]


def integer(text: str) -> str:
    """The expression for an integer column."""
    cleaned = let("n", substituted(text, characters.UNSPACED), _integer_text)
    return f"try_cast(CASE WHEN {full_match(text, '-?[0-9]+')} THEN {text} ELSE {cleaned} END AS BIGINT)"


def number(text: str, sql_type: str) -> str:
    """The expression for a number or decimal column; only finite numbers are read."""
    cleaned = let("n", substituted(text, characters.UNSPACED), _number_text)
    value = f"try_cast(CASE WHEN {full_match(text, _SHORT_NUMBER)} THEN {text} ELSE {cleaned} END AS {sql_type})"
    return let("d", value, lambda d: f"CASE WHEN isfinite({d}) THEN {d} END") if sql_type == "DOUBLE" else value


def capital(text: str, sql_type: str) -> str:
    """The expression for an amount in 万元."""
    read = let("m", substituted(text, characters.AMOUNT), lambda m: _money(m, sql_type))
    bare = f"try_cast(rtrim({text}, '万元人民币') AS {sql_type})"
    return (
        f"CASE WHEN {full_match(text, _SHORT_AMOUNT)} THEN try_cast({text} AS {sql_type}) "
        f"WHEN {full_match(text, _TEN_THOUSANDS)} THEN {bare} ELSE {read} END"
    )


def boolean(text: str) -> str:
    """The expression for a boolean column."""
    table = characters.FOLDED.then(characters.LOWER)
    yes, no = (one_of("b", words) for words in (texts.TRUE_WORDS, texts.FALSE_WORDS))
    return let("b", substituted(text, table), lambda _: f"CASE WHEN {yes} THEN true WHEN {no} THEN false END")


def mapped(text: str, codes: dict[str, str], table: Table, *, mark: str) -> str:
    """A code map over a standardised value; an unknown value stays as it is, behind `mark`."""
    cases = " ".join(f"WHEN {literal(texts.plain(k, table) or k)} THEN {literal(v)}" for k, v in codes.items())
    unknown = f"{literal(mark)} || c" if mark else "c"
    return let("c", text, lambda c: f"CASE {c} {cases} ELSE {unknown} END")


def citizen_check(number: str) -> str:
    """The place, from 1, of the check character in `CITIZEN_CHECKS`, over a BIGINT of 17 digits; NULL where that is NULL.

    Digit k from the right is q[k] - 10 q[k+1] with q[k] = n // 10^k, and 10 is -1 modulo 11; so one multiplication per q[k]
    with (w[k] + w[k-1]) mod 11 yields the weighted sum: seventeen integer divisions, no substrings.
    """
    weights = CITIZEN_WEIGHTS[::-1]
    factors = [(w + (weights[k - 1] if k else 0)) % 11 for k, w in enumerate(weights)]
    total = " + ".join(f"{factor} * ({number} // {10**k})" for k, factor in enumerate(factors))
    return f"1 + ({total}) % 11"


_SHORT_AMOUNT = "-?[0-9]{1,15}(?:[.][0-9]{1,8})?"
_TEN_THOUSANDS = f"{_SHORT_AMOUNT}万(?:元)?(?:人民币)?"
_SHORT_NUMBER = "-?[0-9]{1,18}(?:[.][0-9]+)?"


def _finished(reading: Reading, value: str) -> str:
    """What a reading does after its characters are right."""
    match reading:
        case "citizen_id":
            return let("i", value, _citizen_18)
        case "mobile":
            return replaced(value, f"^{texts.MOBILE_PREFIX}$", r"\1")
        case "email":
            return let("e", value, _email)
        case _:
            return value


def _citizen_18(value: str) -> str:
    century = f"CASE WHEN {one_of(f'substr({value}, 13)', CENTENARIANS)} THEN '18' ELSE '19' END"
    eighteen = let("n", f"substr({value}, 1, 6) || {century} || substr({value}, 7)", _with_check)
    return f"CASE WHEN {full_match(value, CITIZEN_15)} THEN {eighteen} ELSE {value} END"


def _with_check(first17: str) -> str:
    """With its check character; of few values, and few steps: DuckDB prepares each step of a lambda anew for every two thousand rows."""
    total = f"list_inner_product(CAST(string_split({first17}, '') AS DOUBLE[]), {[float(w) for w in CITIZEN_WEIGHTS]})"
    return f"{first17} || substr('{CITIZEN_CHECKS}', 1 + CAST({total} AS BIGINT) % 11, 1)"


def _phone(text: str) -> str:
    """A mobile without its prefix, else a landline's parts joined with hyphens, else the folded text."""
    handset = let("m", substituted(text, characters.DIALLED), lambda m: _finished("mobile", m))

    def landline(value: str) -> str:
        area, number, extension = (f"nullif(regexp_extract({value}, '^{texts.LANDLINE}$', {n}), '')" for n in (1, 2, 3))
        joined = f"concat_ws('-', '0' || {area}, {number}, {extension})"
        return f"CASE WHEN {full_match(value, texts.LANDLINE)} THEN {joined} ELSE {value} END"

    other = let("p", substituted(text, characters.HYPHENED), landline)
    return let("h", handset, lambda h: f"CASE WHEN {full_match(h, MOBILE_FORM)} THEN {h} ELSE {other} END")


def _email(value: str) -> str:
    local, domain = (f"regexp_extract({value}, '(?s)^(.*@)([^@]*)$', {n})" for n in (1, 2))
    small = f"translate({domain}, '{ascii_uppercase}', '{ascii_lowercase}')"
    return f"CASE WHEN contains({value}, '@') THEN {local} || {small} ELSE {value} END"


def _integer_text(value: str) -> str:
    digits = f"regexp_replace(replace({value}, ',', ''), '[.]0*$', '')"
    return f"CASE WHEN {full_match(value, texts.INTEGER)} THEN {digits} END"


def _number_text(value: str) -> str:
    return f"CASE WHEN {full_match(value, texts.NUMBER)} THEN replace({value}, ',', '') END"


def _money(value: str, sql_type: str) -> str:
    """The first group is the number, the second the unit, the third 元; no decimal here can overflow."""
    number, unit, yuan = (f"regexp_extract({value}, '^{texts.MONEY}$', {n})" for n in (1, 2, 3))
    factors = " ".join(f"WHEN {literal(unit)} THEN {factor}.0000" for unit, factor in texts.UNITS.items())
    factor = f"CASE {unit} {factors} ELSE CASE {yuan} WHEN '' THEN 1.0000 ELSE 0.0001 END END"
    amount = f"CAST(replace({number}, ',', '') AS DECIMAL(23,8))"
    scaled = f"try_cast({amount} * CAST({factor} AS DECIMAL(9,4)) AS {sql_type})"
    return f"CASE WHEN {full_match(value, texts.MONEY)} THEN {scaled} END"
