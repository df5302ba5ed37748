"""Hours in which a source may be pulled, as its department allows them: `22:00-06:00` runs over midnight.

>>> from zoneinfo import ZoneInfo
>>> night, city = ("22:00-06:00",), ZoneInfo("Asia/Shanghai")
>>> opens(night, datetime(2026, 5, 1, 3, 0, tzinfo=city), city) is None
True
>>> str(opens(night, datetime(2026, 5, 1, 9, 30, tzinfo=city), city))
'2026-05-01 22:00:00+08:00'
"""

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)")


def window(text: str) -> tuple[time, time]:
    """Beginning and end of a window, the end not being part of it; ValueError for a text that is none.

    >>> window("22:00-06:00")
    (datetime.time(22, 0), datetime.time(6, 0))
    """
    found = _WINDOW.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no span of hours")
    begin = time(int(found[1]), int(found[2]))
    end = time(int(found[4]), int(found[5])) if found[4] else time()
    if begin == end and found[4]:
        raise ValueError(f"{text!r} is no span of hours")
    return begin, end


def opens(windows: Sequence[str], now: datetime, zone: tzinfo) -> datetime | None:
    """When a pull may next begin, in `zone`; None if it may now. No window is no restriction."""
    local = now.astimezone(zone)
    parsed = [window(text) for text in windows]
    if not parsed or any(_within(local.time(), *each) for each in parsed):
        return None
    today = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return min(
        opening
        for begin, _ in parsed
        for opening in (datetime.combine(today.date() + timedelta(days=day), begin, zone) for day in (0, 1))
        if opening > local
    )


def _within(moment: time, begin: time, end: time) -> bool:
    if begin < end:
        return begin <= moment < end
    return moment >= begin or moment < end
