"""What HTTP libraries log, cut of what may be secret: a query holds keys and values, an answer's headers cookies and redirects with keys."""

import logging

import httpx


class _WithoutQuery(logging.Filter):
    """Shortens the addresses in httpx's log lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(a.copy_with(query=None) if isinstance(a, httpx.URL) else a for a in record.args)
        return True


_FILTER = _WithoutQuery()


def quiet() -> None:
    """Cut the logs of this process; a second call does nothing. Whoever sends requests calls it first."""
    logging.getLogger("httpx").addFilter(_FILTER)
    logging.getLogger("httpcore").setLevel(logging.INFO)  # below, it logs an answer's headers
