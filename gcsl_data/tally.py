"""What a builder would make of the logs, counted before a row is written.

It is one more look at the logs: which rows there are follows from comparing records, not from counting their rewards.
"""

from dataclasses import dataclass

import polars as pl

from gcsl_data.dataset.manifest import Range
from gcsl_data.engines import Engine
from gcsl_data.errors import DataError
from gcsl_data.fit import Fit
from gcsl_data.plan import Plan


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows by split, records that are in none by reason, and the range of the builder's quantity over all rows."""

    rows: dict[str, int]
    dropped: dict[str, int]
    ranges: tuple[Range, ...]


def tally(plan: Plan, fit: Fit, engine: Engine) -> Tally:
    """The exact size of what the plan's builder makes.

    Raises DataError (65) when the train split would have no row.
    """
    builder = plan.formulation.builder
    assert builder is not None
    built = plan.built(fit)
    value = builder.quantity.value if builder.quantity else pl.lit(None, pl.Float64)
    counts = built.rows.group_by("split").agg(records=pl.len().cast(pl.Int64), minimum=value.min(), maximum=value.max())
    found = engine.measure(pl.concat([counts, built.dropped], how="diagonal"))
    rows = found.filter(pl.col("reason").is_null())
    dropped = found.filter(pl.col("reason").is_not_null()).sort("reason")
    reasons = dict(dropped.select("reason", "records").iter_rows())
    by_split = dict(rows.select("split", "records").iter_rows())
    if not by_split.get(fit.split):
        _refuse(plan, fit, reasons)
    ranges = ()
    if builder.quantity:
        minimum, maximum = rows.select(pl.col("minimum").min(), pl.col("maximum").max()).row(0)
        ranges = (Range(name=builder.quantity.name, minimum=minimum, maximum=maximum),)
    return Tally({name: by_split.get(name, 0) for name in plan.splits}, reasons, ranges)


def _refuse(plan: Plan, fit: Fit, reasons: dict[str, int]) -> None:
    assert plan.formulation.builder is not None
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "it has no records"
    raise DataError(
        "GD1322",
        f"--formulation {plan.recipe.goals.formulation} gives no row for the split {fit.split} ({counts}); it needs "
        f"{plan.formulation.builder.needs}: log more responses to each prompt, or --map group=SQL to what belongs together",
    )


def tally_warnings(found: Tally) -> tuple[str, ...]:
    """What a person should be warned of, in a count."""
    return tuple(
        f"weights go down to {told.minimum:.4g}: below zero a row pushes the model away from its response, and the plain "
        "loss has no floor there; use --weight-method exp or quality, or keep the run short"
        for told in found.ranges
        if told.name == "weight" and told.minimum < 0
    )
