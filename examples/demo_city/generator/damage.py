"""The ways in which a row goes wrong, each a small change of one value: typing slips, other systems' habits, real nonsense.

A damage takes a value and dice and gives the damaged value. What the hub must make of it stands in `faults`.
"""

from collections.abc import Callable
from datetime import date, timedelta
from random import Random
from typing import Any

from examples.demo_city.generator.identifiers import ALPHABET, citizen_check, other_check

Damage = Callable[[Any, Random], Any]

_WIDE = {i: i + 0xFEE0 for i in range(0x21, 0x7F)}


def checksum_of_citizen(value: str, _dice: Random) -> str:
    """The check character moved on by one; birth date and sex stay readable."""
    return other_check(value, "0123456789X")


def checksum_of_organisation(value: str, _dice: Random) -> str:
    """The credit code's check character moved on by one."""
    return other_check(value, ALPHABET)


def impossible_date(value: str, dice: Random) -> str:
    """The 30th of February inside an ID whose check character is right."""
    return _with_birth(value, f"{value[6:10]}02{dice.choice(('30', '31'))}")


def born_in_future(value: str, dice: Random) -> str:
    """Born in 2091, with the right check character."""
    return _with_birth(value, f"2091{dice.randrange(1, 13):02d}{dice.randrange(1, 29):02d}")


def retired_region(value: str, _dice: Random) -> str:
    """An ID issued in a district that was merged away in 2010 (310103), with the right check character."""
    body = f"310103{value[6:17]}"
    return body + citizen_check(body)


def wide(value: str, _dice: Random) -> str:
    """Full-width letters and digits, as an input method left in Chinese mode types them.

    >>> wide("13X", Random(0))
    '１３Ｘ'
    """
    return value.translate(_WIDE)


def lower(value: str, _dice: Random) -> str:
    """Lower-case letters: ...x for ...X."""
    return value.lower()


def times_sign(value: str, _dice: Random) -> str:
    """A multiplication sign for the check character X."""
    return value.replace("X", "×")


def spaced(value: str, _dice: Random) -> str:
    """Spaces around the value."""
    return f"  {value} "


def dialled(value: str, dice: Random) -> str:
    """A mobile number with its country prefix, in one of three ways of writing."""
    return dice.choice((f"+86 {value[:3]} {value[3:7]} {value[7:]}", f"0086{value}", f"+86{value}"))


def short_number(value: str, dice: Random) -> str:
    """A mobile number that lacks digits or starts with 12."""
    return dice.choice((value[:9], f"12{value[2:]}"))


def half_width_brackets(value: str, _dice: Random) -> str:
    """A branch in ASCII brackets, which the standard name writes in full width."""
    return value.replace("示例市", "示例市(总部)", 1)


def digit_in_name(value: str, dice: Random) -> str:
    """A digit inside a name.

    >>> digit_in_name("王甲", Random(0))
    '王6甲'
    """
    return f"{value[0]}{dice.randrange(1, 10)}{value[1:]}"


def other_sex(value: str, _dice: Random) -> str:
    """The other sex."""
    return "女" if value == "男" else "男"


def day_later(value: str, _dice: Random) -> str:
    """A birth date one day after the one in the ID."""
    return (date(int(value[:4]), int(value[4:6]), int(value[6:8])) + timedelta(days=1)).strftime("%Y%m%d")


def negative(value: str, _dice: Random) -> str:
    """The amount with a minus sign in front."""
    return f"-{value.lstrip('-')}"


def other_name(value: str, dice: Random) -> str:
    """The name as another department heard it: another given name."""
    tail = dice.choice([c for c in "甲乙丙丁戊己庚辛" if not value.endswith(c)])
    return value[:-1] + tail


def blank(_value: Any, _dice: Random) -> None:
    """Nothing at all."""


def one_of(*values: Any) -> Damage:
    """A damage that puts one of `values` in place of what stood there."""
    return lambda _value, dice: dice.choice(values)


def _with_birth(value: str, birth: str) -> str:
    body = value[:6] + birth + value[14:17]
    return body + citizen_check(body)
