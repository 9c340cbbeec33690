"""Counted rewards of the train split in, the frozen Fit out."""

from collections.abc import Sequence

import polars as pl

from gcsl_data.fit import Comparator, Cut, Direction, Fit, GoalForm, Threshold
from gcsl_data.recipe import BinsStage
from gcsl_data.stages import bins, snap
from gcsl_data.stages.thresholds import Edges

AT_LEAST: dict[Direction, Comparator] = {"higher": ">=", "lower": "<="}


def fit_rewards(
    rewards: pl.DataFrame,
    found: Edges | None,
    stage: BinsStage,
    *,
    direction: Direction,
    form: GoalForm | None,
    comparator: Comparator,
    split: str,
    cut: Cut | None = None,
) -> Fit:
    """The fit of one reward: what the split looks like, its thresholds and what their goals print.

    `rewards` has distinct `reward` ascending and `records`. Only a threshold goal compares as its sentence does; every other
    goal, and a record that carries none, is labelled with "at least". Raises RecipeError (78) for exact numbers under a
    strict comparator.
    """
    if form != "threshold":
        comparator = AT_LEAST[direction]
    given = stage.decimals if isinstance(stage.decimals, int) and form == "value" else None
    decimals, printed = (given, []) if found is None else _printed(rewards, found, stage, form, comparator)
    mean = bins.mean(rewards)
    return Fit(
        split=split,
        records=int(rewards["records"].sum()),
        distinct=rewards.height,
        mean=mean,
        mean_hex=mean.hex(),
        median=bins.median(rewards),
        minimum=rewards["reward"][0],
        maximum=rewards["reward"][-1],
        direction=direction,
        form=form,
        comparator=comparator,
        decimals=decimals,
        rule=found.rule if found else None,
        ties=stage.ties,
        bins_asked=found.asked if found else None,
        thresholds=tuple(_thresholds(rewards, found, printed, snap.is_strict(comparator))) if found else (),
        cut=cut,
    )


def fit_cut(rewards: pl.DataFrame, asked: str, direction: Direction) -> Cut:
    """Where filtered SFT cuts, ties at the cut included: a share of records such as 25%, or a reward in the log's unit."""
    if asked.endswith("%"):
        value = bins.top_share(rewards, float(asked.removesuffix("%")) / 100)
    else:
        value = (1 if direction == "higher" else -1) * float(asked) or 0.0
    kept = bins.reached(rewards, [value], strict=False)[0]
    return Cut(asked=asked, value=value, value_hex=value.hex(), records=kept)


def level_of(fit: Fit) -> pl.Expr:
    """How many thresholds a record reaches (Int32, 0..K), from its `reward`."""
    reward = pl.col("reward")
    reached = [reward > bound if fit.is_strict else reward >= bound for bound in fit.bounds]
    return pl.sum_horizontal([r.cast(pl.Int32) for r in reached] or [pl.lit(0, pl.Int32)]).cast(pl.Int32)


def _printed(
    rewards: pl.DataFrame, found: Edges, stage: BinsStage, form: GoalForm | None, comparator: Comparator
) -> tuple[int | None, list[tuple[str, float]]]:
    """What each goal prints, and the bound that records are labelled with."""
    if found.words is not None and found.rule == "given":
        return None, [(word, snap.bound(word, comparator)) for word in found.words]
    if found.words is not None:
        return None, list(zip(found.words, found.edges, strict=True))
    if form not in ("threshold", "interval"):  # the number is not shown, so nothing is snapped to it
        return None, [(snap.printed(edge, comparator, None), edge) for edge in found.edges]
    decimals = snap.choose_decimals(rewards, found.edges, comparator, stage.decimals)
    numbers = [snap.printed(edge, comparator, decimals) for edge in found.edges]
    return decimals, [(number, snap.bound(number, comparator)) for number in numbers]


def _thresholds(
    rewards: pl.DataFrame, found: Edges, printed: Sequence[tuple[str, float]], strict: bool
) -> list[Threshold]:
    bounds = [bound for _, bound in printed]
    quotas = found.quotas or [None] * len(bounds)
    reach = bins.reached(rewards, bounds, strict=strict)
    if found.quotas:
        holding = dict(rewards.iter_rows())
        reach = [n - holding[e] + quota for n, e, quota in zip(reach, found.edges, found.quotas, strict=True)]
    side = "right" if strict else "left"
    starts = [int(rewards["reward"].search_sorted(bound, side=side)) for bound in bounds] + [rewards.height]
    thresholds = []
    for k, (edge, (text, bound), quota) in enumerate(zip(found.edges, printed, quotas, strict=True), start=1):
        inside = rewards.slice(starts[k - 1], starts[k] - starts[k - 1])  # they are in ascending order
        above = reach[k] if k < len(reach) else 0
        thresholds.append(
            Threshold(
                index=k,
                edge=edge,
                edge_hex=edge.hex(),
                printed=text,
                bound=bound,
                dropped=None,
                records=reach[k - 1] - above,
                reached=reach[k - 1],
                mean_reward=bins.mean(inside) if inside.height and found.quotas is None else None,
                quota=quota,
            )
        )
    return thresholds
