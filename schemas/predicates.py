"""What a standardised value must be, as DuckDB SQL predicates: the vectorised twin of `schemas.identifiers`.

Each predicate holds (true, never NULL) for NULL, and each but `format` holds for a value of the wrong form: one fault, one reason.
They say so over `_formed(value)`, NULL where the form is wrong, and not by CASE or OR around the question: DuckDB evaluates a
common subexpression once only outside of such branches (a citizen ID's four checks: 0.3 s instead of 1.1 s a million).
No predicate contains a colon before a word, which SQLAlchemy would take for a bind parameter.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from schemas import findings
from schemas.characters import CONTROL
from schemas.codes import code_list, pattern
from schemas.contract import Column, Severity
from schemas.elements import ELEMENTS, Element, Reading
from schemas.findings import FORMS, Finding
from schemas.identifiers import (
    ALPHANUMERIC,
    CITIZEN_CHECKS,
    CITIZEN_FORM,
    FIRST_BIRTH_YEAR,
    FOREIGN_15,
    FOREIGN_WEIGHTS,
    LICENCE_FORM,
    ORGANISATION_CHECKS,
    ORGANISATION_WEIGHTS,
    USCC_ALPHABET,
    USCC_FORM,
    USCC_WEIGHTS,
    citizen_issuers,
    foreign_countries,
)
from schemas.sql import full_match, literal, one_of
from schemas.standardise import citizen_check, reading_of


@dataclass(frozen=True)
class ElementCheck:
    """One rule a column owes to its type or data element: the SQL predicate that holds, and what to say where it does not."""

    code: str
    severity: Severity
    ok: str
    zh: str
    en: str


def of_string(column: Column, value: str, today: date) -> Iterator[ElementCheck]:
    """The checks of a string column over a SQL value."""
    reading, unformed = reading_of(column), value
    if reading == "citizen_id":
        formed = f"greatest({full_match(value, CITIZEN_FORM)}, {_old_card_form(value)})"
        yield _check(findings.malformed(reading), formed)
        unformed = f"CASE WHEN {full_match(value, CITIZEN_FORM)} THEN NULL ELSE {value} END"
    elif reading in FORMS:
        yield _check(findings.malformed(reading), full_match(value, FORMS[reading][0]))
    yield _check(findings.CONTROL, f"NOT regexp_matches({unformed}, {literal(CONTROL)})")
    match reading:
        case "citizen_id":
            yield from _citizen(value, today)
        case "uscc":
            yield _check(findings.CHECKSUM, _uscc(value))
        case "licence_oid":
            yield _check(findings.LICENCE_CHECKSUM, _licence(value))
        case "region" | "town" | "industry":
            yield from _register(reading, value)
        case _:
            yield from _listed(column, value)


def of_date(element: Element | None, column: Column, value: str, today: date) -> Iterator[ElementCheck]:
    """The checks of a date or timestamp column: some elements cannot lie in the future."""
    if element is None or not element.past:
        return
    bound = f"DATE '{today}'"
    if column.type == "timestamp":
        bound = f"timezone('Asia/Shanghai', TIMESTAMP '{today + timedelta(days=1)}')"
    operator = "<" if column.type == "timestamp" else "<="
    yield _check(findings.FUTURE, f"{value} {operator} {bound}")


def of_number(element: Element | None, column: Column, value: str) -> Iterator[ElementCheck]:
    """The checks of a number column: capital is not negative, unless the contract states its own bound."""
    if element is not None and element.reading == "capital" and column.minimum is None:
        yield _check(findings.NEGATIVE, f"{value} >= 0")


def _check(finding: Finding, ok: str) -> ElementCheck:
    return ElementCheck(finding.code, finding.severity, f"coalesce({ok}, true)", finding.zh, finding.en)


def _formed(form: str, value: str) -> str:
    """The value where it has the form, else NULL."""
    return f"CASE WHEN {full_match(value, form)} THEN {value} END"


def _citizen(value: str, today: date) -> Iterator[ElementCheck]:
    card, value = value, _formed(CITIZEN_FORM, value)
    place = citizen_check(f"CAST(substr({value}, 1, 17) AS BIGINT)")
    right = f"instr('{CITIZEN_CHECKS}', substr({value}, 18, 1)) = {place}"
    yield _both(findings.CHECKSUM, right, _old_card(card, _foreign_check))
    born = f"try_strptime(substr({value}, 7, 8), '%Y%m%d')"
    exists = f"coalesce({born} >= TIMESTAMP '{FIRST_BIRTH_YEAR}-01-01', false) = ({value} IS NOT NULL)"
    yield _both(findings.BIRTH, exists, _old_card(card, _foreign_birth))
    yield _check(findings.BORN_LATER, f"{born} < TIMESTAMP '{today + timedelta(days=1)}'")
    known = full_match(f"substr({value}, 1, 6)", citizen_issuers())
    countries = _old_card(card, lambda v: full_match(f"substr({v}, 1, 3)", foreign_countries()))
    yield _both(findings.ISSUER, known, countries)


def _both(finding: Finding, one: str, other: str) -> ElementCheck:
    """Both predicates, NULL holding; `least` and not AND, within which DuckDB shares no subexpression either."""
    return _check(finding, f"least({one}, {other})")


def _old_card_form(value: str) -> str:
    """Whether it is the older number of a foreign permanent resident; the pattern is asked of values of that length only."""
    return f"CASE WHEN length({value}) <> 15 THEN false ELSE {full_match(value, FOREIGN_15)} END"


def _old_card(value: str, ok: Callable[[str], str]) -> str:
    """What holds of such an older number; a branch that other values never enter."""
    return f"CASE WHEN {_old_card_form(value)} THEN {ok(value)} ELSE true END"


def _foreign_check(value: str) -> str:
    total = " + ".join(_term(ALPHANUMERIC, value, i, w) for i, w in enumerate(FOREIGN_WEIGHTS, 1))
    return f"CAST(({total}) % 10 AS VARCHAR) = substr({value}, 15, 1)"


def _foreign_birth(value: str) -> str:
    days = (f"try_strptime('{century}' || substr({value}, 8, 6), '%Y%m%d') IS NOT NULL" for century in ("19", "20"))
    return f"({' OR '.join(days)})"


def _uscc(value: str) -> str:
    """Both check characters in one comparison."""
    value = _formed(USCC_FORM, value)
    total = " + ".join(_term(USCC_ALPHABET, value, i, w) for i, w in enumerate(USCC_WEIGHTS, 1))
    own = f"substr('{USCC_ALPHABET}', 1 + (31 - ({total}) % 31) % 31, 1)"
    total = " + ".join(_term(ALPHANUMERIC, value, i, w) for i, w in enumerate(ORGANISATION_WEIGHTS, 9))
    organisation = f"substr('{ORGANISATION_CHECKS}', 1 + ({total}) % 11, 1)"
    return f"{organisation} || {own} = substr({value}, 17, 2)"


def _term(alphabet: str, value: str, position: int, weight: int) -> str:
    return f"{weight} * (instr('{alphabet}', substr({value}, {position}, 1)) - 1)"


def _licence(value: str) -> str:
    value = _formed(LICENCE_FORM, value)
    parts = " || ".join(f"split_part({value}, '.', {n})" for n in (6, 7, 8, 9))
    digits = f"list_transform(string_split({parts}, ''), lambda c: instr('{ALPHANUMERIC}', c) - 1)"
    step = "CASE WHEN (p + a) % 36 = 0 THEN 72 % 37 ELSE (p + a) % 36 * 2 % 37 END"
    total = f"list_reduce({digits}, lambda p, a: {step}, 36)"
    return f"substr('{ALPHANUMERIC}', 1 + (37 - {total}) % 36, 1) = split_part({value}, '.', 10)"


def _register(reading: Reading, value: str) -> Iterator[ElementCheck]:
    """Membership of a long register, by one regular expression; whether a region is still in force, by another."""
    formed = _formed(FORMS[reading][0], value)
    if reading == "industry":
        known = full_match(f"substr({formed}, 1, 3)", _codes("industry"))
        yield _check(findings.NO_INDUSTRY, known)
        return
    regions, code = code_list("region"), f"substr({formed}, 1, 6)"
    yield _check(findings.NO_REGION, full_match(code, _codes("region")))
    gone = full_match(code, _codes("region", gone=True))
    yield _check(findings.retired(regions), f"NOT {gone}")


@cache
def _codes(name: str, *, gone: bool = False) -> str:
    """A pattern of a list's codes, or of those out of force; made once, as long lists take a while."""
    listed = code_list(name)
    return pattern(listed.retired if gone else listed.values)


def _listed(column: Column, value: str) -> Iterator[ElementCheck]:
    """Membership of the element's code list, else of the code map's targets."""
    element = ELEMENTS[column.element] if column.element else None
    if element and element.codes:
        listed = code_list(element.codes)
        yield _check(findings.unlisted(listed), _member(value, listed.values))
        if listed.retired:
            yield _check(findings.retired(listed), f"NOT ({_member(value, listed.retired)})")
    elif column.codes and not column.enum:
        yield _check(findings.UNMAPPED, _member(value, set(column.codes.values())))


def _member(value: str, codes: Iterable[str]) -> str:
    values = sorted(codes)
    if len(values) > 40 and all(v.isalnum() for v in values):
        return full_match(value, pattern(values))
    return one_of(value, values)
