from datetime import UTC, datetime, timedelta

import pytest

from prefill.seal import SealKey
from prefill.sources import SourceState

NOW = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def key() -> SealKey:
    return SealKey("s1", b"s" * 32, timedelta(hours=1))


@pytest.fixture
def fresh() -> dict[str, SourceState]:
    return {
        name: SourceState(
            dataset=name, title=f"{name}表", title_en=f"{name} table", department=f"{name}局",
            department_en=f"Bureau of {name}", latency=timedelta(hours=24), status="ok", reason="",
            as_of=NOW - timedelta(hours=2), load=3,
        )
        for name in ("residents", "permits")
    }  # fmt: skip
