"""The bound of a read as a value: later never reads less."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.bounds import Bound, Horizon, bound, rank, start
from schemas.errors import SourceDamaged

SHAPES = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y%m%d%H%M%S",
    "%Y-%m-%d",
)
MOMENTS = st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2090-01-01"))


@given(MOMENTS, st.sampled_from(SHAPES), st.integers(0, 10**6))
def test_starting_earlier_comes_first_in_text_order_too(moment: datetime, shape: str, lag: int) -> None:
    written = moment.strftime(shape)
    begin = start(Bound(written, sure=False), lag)
    assert begin <= written
    assert begin <= (moment - timedelta(seconds=lag)).strftime(shape)


@given(MOMENTS, st.sampled_from(SHAPES), MOMENTS)
def test_a_bound_is_never_beyond_the_horizon(newest: datetime, shape: str, horizon: datetime) -> None:
    written = newest.strftime(shape)
    found = bound(written, Horizon(horizon.replace(tzinfo=UTC), sure=True), "UTC").value
    assert found <= written
    assert rank(str(found), "UTC")[1] <= horizon.replace(tzinfo=UTC)


def test_zoneless_text_is_compared_in_the_sources_zone() -> None:
    horizon = Horizon(datetime(2026, 5, 1, 0, 0, tzinfo=UTC), sure=True)
    assert bound("2026-05-01 08:00:00", horizon, "Asia/Shanghai").value == "2026-05-01 08:00:00"
    assert bound("2026-05-01 08:00:01", horizon, "Asia/Shanghai").value == "2026-05-01 07:59:59"
    assert bound("2026-05-01 08:00:01+00:00", horizon, "Asia/Shanghai").value == "2026-04-30 23:59:59+00:00"


def test_ranks_compare_moments_as_moments_and_numbers_as_numbers() -> None:
    assert rank("2026-05-01T08:00:00+08:00", "UTC") == rank("2026-05-01 00:00:00Z", "UTC")
    assert rank("9", "UTC") < rank("10", "UTC") < rank("2026-05-01", "UTC")


def test_a_watermark_survives_its_text_and_a_strange_one_is_refused() -> None:
    for mark in (Bound("2026-05-01", sure=True), Bound(0, sure=False)):
        assert Bound.from_json(mark.to_json()) == mark
    for strange in ("", "[]", "{}", "2026-05-01"):
        with pytest.raises(SourceDamaged, match="full refresh"):
            Bound.from_json(strange)
