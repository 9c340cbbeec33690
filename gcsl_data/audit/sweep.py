"""Sweep: what each number of bins would give, from rewards that were counted once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gcsl_data.census import Census
from gcsl_data.errors import GcslError, UsageError
from gcsl_data.measure import fit_census, rows_of
from gcsl_data.plan import Plan

MOST_SWEPT = 200


@dataclass(frozen=True, slots=True)
class SweepRow:
    """One K: bins left when equal edges are one, goals kept, rows, rows per record, smallest and largest bin.

    All are null where it `fails`, which says why.
    """

    asked: int
    effective: int | None
    kept: int | None
    examples: int | None
    expansion: float | None
    smallest_share: float | None
    largest_share: float | None
    fails: str | None


def counts_of(text: str) -> range:
    """The numbers of bins that `2..10` names, both ends too. Raises UsageError (2)."""
    low, dots, high = text.partition("..")
    if not (dots and low.isdecimal() and high.isdecimal()) or not 2 <= int(low) <= int(high) <= 1000:
        raise UsageError("GD0272", f"--sweep-bins {text!r}: expected FROM..TO between 2 and 1000, such as 2..10")
    if int(high) - int(low) >= MOST_SWEPT:
        raise UsageError("GD0273", f"--sweep-bins {text}: more than {MOST_SWEPT} numbers of bins; ask for fewer")
    return range(int(low), int(high) + 1)


def sweep_bins(plan: Plan, census: Census, counts: Sequence[int]) -> tuple[SweepRow, ...]:
    """What each number of bins would give; the log is not looked at again."""
    return tuple(_swept(plan, census, count) for count in counts)


def require_choice(plan: Plan) -> None:
    """Raises UsageError (2) where the recipe leaves nothing to choose: no bins, given thresholds, a frozen fit, rows that a
    builder makes."""
    stage = plan.recipe.bins
    if (
        not plan.is_binned
        or stage.thresholds
        or plan.frozen
        or plan.recipe.record.reward_order
        or plan.formulation.builder
    ):
        why = "an earlier fit" if plan.frozen else "given thresholds" if stage.thresholds else "this recipe"
        raise UsageError("GD0274", f"--sweep-bins: {why} leaves no number of bins to choose; leave it out")


def _swept(plan: Plan, census: Census, count: int) -> SweepRow:
    bins = plan.recipe.bins.model_copy(update={"count": count})
    asked = replace(plan, recipe=plan.recipe.model_copy(update={"bins": bins}))
    try:
        fit, _ = fit_census(census, asked)
    except GcslError as error:
        return SweepRow(count, None, None, None, None, None, None, error.message)
    examples = sum(rows_of(fit, census, asked).rows.values())
    shares = [t.records / fit.records for t in fit.thresholds]
    return SweepRow(
        asked=count,
        effective=len(fit.thresholds),
        kept=len(fit.kept),
        examples=examples,
        expansion=examples / int(census.usable["records"].sum()),
        smallest_share=min(shares),
        largest_share=max(shares),
        fails=None,
    )
