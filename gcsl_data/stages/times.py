"""The time of a record as everything else sees it: a Datetime in UTC to the microsecond, or a Float64 as the log has it."""

from collections.abc import Mapping

import polars as pl

from gcsl_data.columns import TIME as COLUMN
from gcsl_data.errors import DataError

TIME = pl.Datetime("us", "UTC")
_ISO = (
    r"^(?<day>\d{4}-\d{2}-\d{2})(?:[Tt ](?<clock>\d{2}:\d{2})(?<second>:\d{2}(?:\.\d+)?)?"
    r"(?: ?(?<zone>[Zz]|[+-]\d{2}:?\d{2}))?)?$"
)


def time(value: pl.Expr, dtype: pl.DataType, *, uri: str) -> pl.Expr:
    """The logged time; null where it cannot be read.

    Dates begin at midnight; what names no zone is UTC. Text is ISO 8601, such as 2026-03-01, 2026-03-01 08:00 or
    2026-03-01T08:00:00.5+02:00. Numbers stay as they are, in whatever unit they have, so that nothing is guessed; text
    that holds one is not a time.
    Raises DataError (65) for a type that is no time.
    """
    if dtype == pl.Null:  # of the kind of the other logs' times
        return value
    if isinstance(dtype, pl.Datetime):
        utc = value.dt.convert_time_zone("UTC") if dtype.time_zone else value.dt.replace_time_zone("UTC")
        return utc.dt.cast_time_unit("us")
    if dtype == pl.Date:
        return value.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if dtype.is_numeric():
        number = value.cast(pl.Float64)
        return pl.when(number.is_finite()).then(number)
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return _from_iso(value.cast(pl.String).str.strip_chars())
    hint = "map a date, a datetime, ISO 8601 text or a number to it: --map time=SQL"
    raise DataError("GD1234", f"{uri}: the time must be a point in time, found {dtype.base_type()}; {hint}")


def shared_kind(schemas: Mapping[str, pl.Schema]) -> pl.DataType | None:
    """The one dtype of the times of all logs, by uri; None when no log has times.

    Raises DataError (65) when one has numbers and another dates.
    """
    found = {uri: schema[COLUMN] for uri, schema in schemas.items() if COLUMN in schema}
    known = {uri: dtype for uri, dtype in found.items() if dtype != pl.Null}
    if not known:
        return TIME if found else None
    (first, kind), *others = known.items()
    for uri, other in others:
        if other != kind:
            said = ["a number" if dtype.is_numeric() else "a date" for dtype in (kind, other)]
            raise DataError("GD1219", f"the time is {said[0]} in {first} and {said[1]} in {uri}; map it to one kind")
    return kind


def with_time(records: pl.LazyFrame, kind: pl.DataType | None) -> pl.LazyFrame:
    """The records of one log with a time of this kind, as the last column; null where the log has none."""
    if kind is None:
        return records
    names = records.collect_schema().names()
    value = pl.col(COLUMN) if COLUMN in names else pl.lit(None)
    return records.select(*(name for name in names if name != COLUMN), value.cast(kind).alias(COLUMN))


def _from_iso(text: pl.Expr) -> pl.Expr:
    """One spelling, then one format: Polars would infer a format from whatever text comes first."""
    part = text.str.extract_groups(_ISO).struct
    zone = part.field("zone").fill_null("Z").str.to_uppercase().str.replace("Z", "+00:00", literal=True)
    clock, second = part.field("clock").fill_null("00:00"), part.field("second").fill_null(":00")
    spelled = part.field("day") + "T" + clock + second + zone
    return spelled.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
