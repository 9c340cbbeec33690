"""Attribute strings such as `helpfulness:4,safety:3`: SteerLM's goals, one for each record.

Values are integers, as in SteerLM (0-9 in the paper, 0-4 in later models; METHODS 7). Ratings are rounded, halves away
from zero; a finer score is given as its level, the number of bounds that it reaches. The log's own sense of an
attribute is kept: where lower is better, the best records have the lowest number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from gcsl_data.columns import ASPECT_PREFIX
from gcsl_data.fit import Aspect, Fit
from gcsl_data.stages.builders.built import REASON, Built, count_reasons

_LARGEST = 10.0**15  # up to here a float still has its units


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its `name` in the string and the record's `column` that holds it (higher is better).

    `sign` is -1 when the column holds the negated value of the log. `bounds` are ascending, in the unit of the column,
    the lowest reward not among them: with four the levels are 0 to 4. None means rounded values.
    """

    name: str
    column: str
    sign: int = 1
    bounds: tuple[float, ...] | None = None

    def value(self) -> pl.Expr:
        """The attribute's integer (Int64); null when it is too large to be one."""
        column = pl.col(self.column)
        if self.bounds is not None:
            level = pl.sum_horizontal(pl.lit(0, pl.Int64), *((column >= bound).cast(pl.Int64) for bound in self.bounds))
            return level if self.sign == 1 else len(self.bounds) - level
        logged = column * self.sign
        small = pl.when(logged.abs() <= _LARGEST).then(logged)
        return small.round(0, mode="half_away_from_zero").cast(pl.Int64)


def side_by_side(aspects: Sequence[Aspect]) -> Fit:
    """One fit of several aspects that stay apart; the numbers beside them are those of the first, which is `reward`."""
    return replace(
        aspects[0].fit,
        aspects=tuple(aspects),
        thresholds=(),
        rule=None,
        bins_asked=None,
        decimals=None,
        normalisation=None,
    )


def attribute_names(columns: Iterable[str], metric: str | None) -> dict[str, str]:
    """What each graded column is called: an aspect by its name, a single reward by `metric`, else "score"."""
    return {
        column: (metric or "score") if column == "reward" else column.removeprefix(ASPECT_PREFIX) for column in columns
    }


def attributes_of(fit: Fit, names: Mapping[str, str]) -> list[Attribute]:
    """The attributes that a fit speaks of, called as `names` says of each graded column; with thresholds, by level."""
    parts = {ASPECT_PREFIX + aspect.name: aspect.fit for aspect in fit.aspects} or {"reward": fit}
    return [
        Attribute(
            names[column],
            column,
            part.sign,
            tuple(t.edge for t in part.thresholds if t.edge > part.minimum) if part.thresholds else None,
        )
        for column, part in parts.items()
    ]


def best_string(fit: Fit, names: Mapping[str, str]) -> str | None:
    """What to ask for: the best value of each attribute in the train split, although no record need have them all.

    None when one of them is too large to be written. Source: SteerLM asks for the highest values; the rest is our choice.
    """
    parts = {ASPECT_PREFIX + aspect.name: aspect.fit for aspect in fit.aspects} or {"reward": fit}
    best = pl.LazyFrame({column: [part.maximum] for column, part in parts.items()})
    return best.select(attribute_strings(attributes_of(fit, names))).collect().item()


def coarse_warnings(fit: Fit, names: Mapping[str, str]) -> tuple[str, ...]:
    """Attributes of which rounding leaves two values at most, although the train split has more."""
    parts = {ASPECT_PREFIX + aspect.name: aspect.fit for aspect in fit.aspects} or {"reward": fit}
    return tuple(
        f"{names[column]} has {part.distinct} different values, of which rounding to integers leaves two at most; "
        "--set build.attribute_values=levels tells more of them apart"
        for column, part in parts.items()
        if part.distinct > 2 and not part.thresholds and part.maximum - part.minimum <= 1
    )


def attribute_string(values: Mapping[str, int]) -> str:
    """The string for given values: what is asked for at inference."""
    return ",".join(f"{name}:{value}" for name, value in values.items())


def attribute_strings(attributes: Sequence[Attribute]) -> pl.Expr:
    """The string of each record (String), the attributes in their given order; null when one has no value."""
    return pl.concat_str([pl.format(f"{a.name}:{{}}", a.value()) for a in attributes], separator=",")


def to_steered(records: pl.LazyFrame, attributes: Sequence[Attribute], *, keep: tuple[str, ...] = ()) -> Built:
    """One row a record, in log order.

    *Gives* prompt (still without the goal), completion (text), goal (the attribute string), reward, weight (1), group,
    source, row, part, copy (0) and `keep`.
    """
    goal = attribute_strings(attributes)
    steered = records.with_columns(goal=goal).with_columns(
        pl.when(pl.col("goal").is_null()).then(pl.lit("no_integer")).alias(REASON)
    )
    rows = steered.filter(pl.col(REASON).is_null()).select(
        "prompt", pl.col("response").alias("completion"), "goal", "reward", pl.lit(1.0).alias("weight"), "group",
        "source", "row", "part", pl.lit(0, pl.Int32).alias("copy"), *keep,
    )  # fmt: skip
    return Built(rows, count_reasons(steered))
