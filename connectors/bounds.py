"""Up to where an incremental read went, and from where the next one starts.

A bound is the greatest cursor value that the read saw, but never beyond the moment from which on the source may still commit
older values (`Horizon`): a row stamped 09:59 whose transaction ends at 10:05 is not there at 10:00. Where a source tells its
oldest running transaction, that moment is the cap and the bound is sure; elsewhere it is the source's own now, and
the next read starts `lag` earlier. Reads use `>=`, so rows equal to the bound come again; hashes tell them apart later.

>>> start(Bound("2026-05-01 08:00:00", sure=False), lag=30)
'2026-05-01 07:59:29'
>>> start(Bound("2026-05-01 08:00:00", sure=True), lag=30)
'2026-05-01 08:00:00'
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from schemas.errors import SourceDamaged

Value = str | int
HELD_BACK = timedelta(hours=1)

_STAMP = re.compile(
    r"(\d{4})(-?)(\d\d)\2(\d\d)(?:([T ]?)(\d\d)(:?)(\d\d)(?:\7(\d\d)([.,]\d+)?)?\s?(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?)?"
)


@dataclass(frozen=True)
class Horizon:
    """The moment before which the source commits nothing any more; `sure` if the source itself vouches for it."""

    moment: datetime
    sure: bool
    note: str = ""

    def remark(self, now: datetime) -> str:
        """What a person should know of it: no sure bound, or one that an old transaction holds back."""
        if self.sure and now - self.moment > HELD_BACK:
            return f"a transaction running since {self.moment:%Y-%m-%d %H:%M} UTC holds the bound back"
        return self.note


@dataclass(frozen=True)
class Bound:
    """A watermark's content: the value read up to, in the cursor column's own text form (a number stays one)."""

    value: Value
    sure: bool

    def to_json(self) -> str:
        """The watermark text."""
        return json.dumps({"bound": self.value, "sure": self.sure}, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "Bound":
        """The inverse of `to_json`; a text that is none is SourceDamaged (a full read is the way out)."""
        try:
            content = json.loads(text)
            return Bound(content["bound"], bool(content["sure"]))
        except (ValueError, KeyError, TypeError):
            raise SourceDamaged("the watermark is not one of this source", todo="run once with full refresh") from None


def bound(newest: Value, horizon: Horizon, zone: str, *, numeric: bool = False) -> Bound:
    """The bound of a read whose greatest cursor value was `newest`.

    Numbers cannot be compared with a moment, so they are never sure. Text that is neither is refused: one such value
    would be the greatest for ever, and nothing after it would be read.
    """
    if isinstance(newest, int) or numeric:
        return Bound(newest, sure=False)
    stamp = _Stamp.parse(newest, zone)
    if stamp is None:
        raise SourceDamaged(
            "the cursor column's greatest value is neither a timestamp (YYYY-MM-DD hh:mm:ss) nor a number",
            todo="correct that row at the source, or name another cursor column",
        )
    if stamp.moment <= horizon.moment:
        return Bound(newest, horizon.sure)
    return Bound(stamp.at(horizon.moment), horizon.sure)


def start(last: Bound, lag: int) -> Value:
    """The value at which the next read starts: the bound itself if it was sure, else `lag` (seconds, or units of a number) earlier."""
    if last.sure or not lag:
        return last.value
    if isinstance(last.value, int):
        return last.value - lag
    stamp = _Stamp.parse(last.value, "UTC")
    if stamp is not None:
        return stamp.at(stamp.moment - timedelta(seconds=lag))
    try:
        return str(Decimal(last.value) - lag)
    except InvalidOperation:
        raise SourceDamaged(
            "the watermark is neither a timestamp nor a number", todo="run once with full refresh"
        ) from None


def rank(value: str, zone: str) -> tuple[int, datetime | Decimal | str]:
    """A sort key under which timestamps compare as moments and numbers as numbers."""
    stamp = _Stamp.parse(value, zone)
    if stamp is not None:
        return 2, stamp.moment
    try:
        return 1, Decimal(value)
    except InvalidOperation:
        return 0, value


def moment(text: str, zone: str) -> datetime | None:
    """The moment that a timestamp's text means, in UTC; None if it is none.

    >>> print(moment("2026-05-01T08:00:00", "Asia/Shanghai"))
    2026-05-01 00:00:00+00:00
    """
    stamp = _Stamp.parse(text, zone)
    return stamp.moment if stamp else None


def shown(watermark: str | None, zone: str) -> datetime | Value | None:
    """The bound in a watermark for people: a moment where it is one; None for a watermark without a bound.

    >>> print(shown('{"bound": "2026-05-01 08:00:00", "sure": true}', "Asia/Shanghai"))
    2026-05-01 00:00:00+00:00
    """
    try:
        value = Bound.from_json(watermark or "").value
    except SourceDamaged:
        return None
    at = moment(value, zone) if isinstance(value, str) else None
    return at or value


@dataclass(frozen=True)
class _Stamp:
    """A timestamp's moment and the way it was written, so that another moment can be written alike."""

    moment: datetime
    zone: tzinfo
    dash: str
    separator: str | None
    colon: str
    suffix: str

    @staticmethod
    def parse(text: str, zone: str) -> "_Stamp | None":
        found = _STAMP.fullmatch(text)
        if not found:
            return None
        year, dash, month, day, separator, hour, colon, minute, second, fraction, suffix = found.groups()
        where: tzinfo = ZoneInfo(zone)
        if suffix:
            where = UTC if suffix == "Z" else datetime.strptime(_offset(suffix), "%z").tzinfo or UTC
        try:
            moment = datetime(
                int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=where
            )
            moment += timedelta(seconds=float((fraction or "0").replace(",", ".")))
            return _Stamp(moment.astimezone(UTC), where, dash, separator, colon or "", suffix or "")
        except (ValueError, OverflowError):
            return None

    def at(self, moment: datetime) -> str:
        """The second before `moment` in the same writing, so that by text order too it comes before every fraction of that moment."""
        local = (moment - timedelta(seconds=1)).astimezone(self.zone)
        day = local.strftime(f"%Y{self.dash}%m{self.dash}%d")
        if self.separator is None:
            return day
        return f"{day}{self.separator}{local.strftime(f'%H{self.colon}%M{self.colon}%S')}{self.suffix}"


def _offset(suffix: str) -> str:
    """`+08`, `+0800` and `+08:00` as strptime reads them."""
    digits = suffix[1:].replace(":", "")
    return suffix[0] + digits.ljust(4, "0")
