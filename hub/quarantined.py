"""Rows in quarantine, as a data engineer may see them: never the values, only where they are and which rules they failed."""

from typing import Any

from hub.core import Hub
from lake import quarantine
from lake.session import session
from ledger import contracts


def summary(hub: Hub, dataset: str | None) -> list[dict[str, Any]]:
    """Open rows by dataset and rule, with the oldest first sight."""
    names = [hub.contract(dataset).dataset] if dataset else sorted(contracts.applied(hub.ledger))
    found = []
    with session(hub.settings.work, 512) as con:
        for name in names:
            quarantine.create_view(con, hub.lake, name, "q")
            rows = con.execute(
                "SELECT rule, count(*), strftime(min(first_seen), '%Y-%m-%d') FROM (SELECT unnest(reasons) AS rule, first_seen FROM q) "
                "GROUP BY 1 ORDER BY 2 DESC, 1"
            ).fetchall()
            found += [{"dataset": name, "rule": r, "rows": n, "since": since} for r, n, since in rows]
    return found


def counts(hub: Hub) -> dict[str, int]:
    """Open rows by dataset; a row that failed several rules counts once."""
    found = {}
    with session(hub.settings.work, 512) as con:
        for name in contracts.applied(hub.ledger):
            quarantine.create_view(con, hub.lake, name, "q")
            row = con.execute("SELECT count(*) FROM q").fetchone()
            found[name] = int(row[0]) if row else 0
    return found


def rows(hub: Hub, dataset: str, rule: str | None, limit: int) -> list[dict[str, Any]]:
    """Open rows with file and row number; of a long key its first and last two characters."""
    hub.contract(dataset)
    with session(hub.settings.work, 512) as con:
        quarantine.create_view(con, hub.lake, dataset, "q")
        found = con.execute(
            "SELECT _file, _row, _key, reasons FROM q WHERE $1 IS NULL OR list_contains(reasons, $1) ORDER BY _seq LIMIT $2",
            [rule, limit],
        ).fetchall()
    return [{"file": f, "row": n, "key": masked(key), "rules": reasons} for f, n, key, reasons in found]


def masked(key: str | None) -> str:
    """A key fit to be told: of a long one its first and last two characters."""
    text = (key or "").strip('[]"')
    shown = 2 if len(text) >= 8 else 0  # a short key would be told by its ends
    return f"{text[:shown]}***{text[len(text) - shown :]}" if text else "(no key)"
