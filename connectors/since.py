"""How an API is told from when on changes are wanted: one query parameter, the moment written as the API reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.bounds import Value, moment
from schemas.errors import ContractInvalid, Problem, SourceDamaged

FORMATS = ("as is", "iso", "epoch", "epoch-ms")
_WHERE = "servers[0].customProperties.options"


@dataclass(frozen=True)
class Since:
    """The parameter's name (empty: the API cannot be asked so), the format of its value, and the zone it is written in.

    `source_zone` is that of zoneless timestamps in the records.
    """

    name: str
    format: str
    zone: str
    source_zone: str

    @staticmethod
    def of(settings: Mapping[str, Any], source_zone: str) -> "Since":
        """From a source's options. Raises ContractInvalid."""
        form = str(settings.get("updated_since_format", FORMATS[0]))
        if form not in FORMATS and "%" not in form:
            right = f"{', '.join(FORMATS)}, or a pattern: %Y-%m-%d %H:%M:%S"
            raise ContractInvalid([Problem(f"{_WHERE}.updatedSinceFormat", f"{form!r} is unknown", right)])
        zone = str(settings.get("updated_since_zone", source_zone))
        try:
            ZoneInfo(zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            problem = Problem(f"{_WHERE}.updatedSinceZone", f"{zone!r} is no IANA time zone", "Asia/Shanghai")
            raise ContractInvalid([problem]) from None
        return Since(str(settings.get("updated_since") or ""), form, zone, source_zone)

    def write(self, value: Value) -> str:
        """The parameter's value for a bound; what the format cannot hold is cut, so that the read starts earlier, never later.

        >>> Since("since", "epoch", "UTC", "Asia/Shanghai").write("2026-05-01 08:00:00.7")
        '1777593600'
        >>> Since("since", "%Y%m%d%H%M", "Asia/Shanghai", "UTC").write("2026-05-01T00:00:59Z")
        '202605010800'
        """
        if self.format == "as is":
            return str(value)
        at = moment(str(value), self.source_zone)
        if at is None:
            raise SourceDamaged(
                f"the watermark is no moment, so it cannot be written as {self.format}",
                todo="leave options.updatedSinceFormat out, or run once with full refresh",
            )
        match self.format:
            case "epoch":
                return str(int(at.timestamp()))
            case "epoch-ms":
                return str(int(at.timestamp()) * 1000)
            case "iso":
                return at.astimezone(ZoneInfo(self.zone)).isoformat(timespec="seconds")
            case pattern:
                return at.astimezone(ZoneInfo(self.zone)).strftime(pattern)
