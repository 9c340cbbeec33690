"""What is read as a time, and what is not."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.columns import TIME
from gcsl_data.errors import DataError
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.ingest.mapping import to_records
from gcsl_data.recipe import RecordStage
from gcsl_data.stages import times
from gcsl_data.stages.checks import flag_rejects

from .support import write_jsonl

EIGHT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def read(values: list[Any], dtype: Any = None) -> list[Any]:
    frame = pl.LazyFrame({"t": pl.Series(values, dtype=dtype)})
    kind = frame.collect_schema()["t"]
    return frame.select(t=times.time(pl.col("t"), kind, uri="log")).collect(engine="streaming")["t"].to_list()


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T08:00:00Z",
        "2026-03-01T08:00:00",
        " 2026-03-01 08:00 ",
        "2026-03-01t08:00:00.000z",
        "2026-03-01T10:00:00+02:00",
        "2026-03-01T10:00:00.000000+0200",
        "2026-03-01 02:30:00 -05:30",
    ],
)
def test_every_spelling_of_one_time_is_that_time(text: str) -> None:
    assert read([None, "2026-03-01", text]) == [None, datetime(2026, 3, 1, tzinfo=UTC), EIGHT]


NO_TIMES = (
    "",
    "yesterday",
    "1772352000",
    "2026",
    "2026-03",
    "2026-02-30",
    "01.03.2026",
    "2026-03-01T24:30",
    "2026-03-01T8:00",
)


@pytest.mark.parametrize("text", NO_TIMES)
def test_text_that_is_no_iso_time_cannot_be_read(text: str) -> None:
    assert read([text]) == [None]


@given(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_text_with_a_zone_is_read_as_python_reads_it(local: datetime, minutes: int) -> None:
    aware = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    assert read([aware.isoformat(), local.isoformat(sep=" ")]) == [aware.astimezone(UTC), local.replace(tzinfo=UTC)]


def test_dates_and_datetimes_are_in_utc() -> None:
    assert read([date(2026, 3, 1)]) == [datetime(2026, 3, 1, tzinfo=UTC)]
    assert read([datetime(2026, 3, 1, 8)]) == [EIGHT]
    assert read([EIGHT], pl.Datetime("ns", "Europe/Berlin")) == [EIGHT]


def test_numbers_stay_as_they_are() -> None:
    assert read([1772352000, None]) == [1772352000.0, None]
    assert read([0.5, float("nan"), float("inf")]) == [0.5, None, None]


@pytest.mark.parametrize("values", [[True], [time(8)], [[1]], [{"a": 1}]])
def test_other_types_are_an_error_that_says_what_to_map(values: list[Any]) -> None:
    with pytest.raises(DataError, match=r"the time must be a point in time, found .*--map time=SQL"):
        read(values)


def test_a_record_carries_its_time_and_is_rejected_without_one_where_time_counts(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "response": "r", "reward": 1, "at": {"made": made}}
        for made in ("2026-03-01 08:00", "soon", None)
    ]
    (log,) = find_logs([str(write_jsonl(tmp_path / "log.jsonl", rows))])

    records, _ = to_records(log, RecordStage(map={"time": "at.made"}))
    plain, _ = to_records(log, RecordStage())

    assert TIME not in plain.collect_schema()
    assert records.collect()[TIME].to_list() == [EIGHT, None, None]
    assert flag_rejects(records, is_text=True).collect()["reject"].to_list() == [None] * 3
    flagged = flag_rejects(records, is_text=True, needs_time=True).collect()
    assert flagged["reject"].to_list() == [None, "no_time", "no_time"]
