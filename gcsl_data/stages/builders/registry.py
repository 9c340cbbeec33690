"""The builders by their words: what each makes of records, what it needs, and the number that tells how its rows came out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from gcsl_data.fit import Fit
from gcsl_data.stages.builders.best import to_best
from gcsl_data.stages.builders.built import Built
from gcsl_data.stages.builders.groups import to_groups
from gcsl_data.stages.builders.negatives import to_negatives
from gcsl_data.stages.builders.pairs import to_pairs
from gcsl_data.stages.builders.settings import BuildStage
from gcsl_data.stages.builders.smoothing import smoothing_of
from gcsl_data.stages.builders.steerlm import attributes_of, to_steered
from gcsl_data.stages.builders.unpaired import to_unpaired
from gcsl_data.stages.builders.weights import WeightFit, to_weighted

BuilderName = Literal["pairs", "unpaired", "multi-negative", "best-of-group", "weights", "groups", "steerlm"]

# A group may hold several prompts, and splits go by prompt: what is compared within a group stays within its split.
_WITHIN = ("group", "split")


@dataclass(frozen=True, slots=True)
class Job:
    """What a builder is told beside the records: settings, the fit, what each graded column is called, what to carry."""

    settings: BuildStage
    fit: Fit
    names: Mapping[str, str]
    keep: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of every built row (Float64), by its name; its lowest and highest value stand in the manifest."""

    name: str
    value: pl.Expr


@dataclass(frozen=True, slots=True)
class Builder:
    """`make` gives rows from usable records with their `split`; `needs` says what a log must have for a row to come of it."""

    make: Callable[[pl.LazyFrame, Job], Built]
    needs: str
    quantity: Quantity | None = None


def weight_fit(fit: Fit) -> WeightFit:
    """What weights are made of, as the fit has it."""
    assert fit.deviation is not None
    return WeightFit(fit.mean, fit.deviation.value, fit.minimum, fit.maximum)


def _pairs(records: pl.LazyFrame, job: Job) -> Built:
    stage, largest_gap = job.settings, job.fit.maximum - job.fit.minimum
    return to_pairs(
        records,
        top=stage.top,
        min_gap=stage.min_gap,
        distinct_members=stage.distinct_members,
        smoothing=smoothing_of(maximum=stage.smoothing_max, largest_gap=largest_gap),
        keep=job.keep,
    )


def _unpaired(records: pl.LazyFrame, job: Job) -> Built:
    assert job.fit.cut is not None
    return to_unpaired(records, cut=job.fit.cut.value, keep=job.keep)


def _weights(records: pl.LazyFrame, job: Job) -> Built:
    stage = job.settings
    return to_weighted(
        records,
        method=stage.weight_method,
        fit=weight_fit(job.fit),
        beta=stage.beta,
        max_weight=stage.max_weight,
        within=_WITHIN,
        keep=job.keep,
    )


BUILDERS: dict[BuilderName, Builder] = {
    "pairs": Builder(
        _pairs,
        "two different responses to one prompt, their rewards further apart than --min-gap",
        Quantity("gap", (pl.col("chosen_reward") - pl.col("rejected_reward")).round_sig_figs(12)),
    ),
    "unpaired": Builder(_unpaired, "a usable record"),
    "multi-negative": Builder(
        lambda records, job: to_negatives(records, negatives=job.settings.negatives, keep=job.keep),
        "two different responses to one prompt with different rewards",
        Quantity("negatives", pl.col("rejected_reward").list.len().cast(pl.Float64)),
    ),
    "best-of-group": Builder(
        lambda records, job: to_best(records, best=job.settings.best, within=_WITHIN, keep=job.keep),
        "a usable record",
        Quantity("reward", pl.col("reward")),
    ),
    "weights": Builder(_weights, "rewards that differ", Quantity("weight", pl.col("weight"))),
    "groups": Builder(
        lambda records, job: to_groups(records, within=_WITHIN, keep=job.keep),
        "two records of one group with different rewards",
        Quantity("advantage", pl.col("advantage")),
    ),
    "steerlm": Builder(
        lambda records, job: to_steered(records, attributes_of(job.fit, job.names), keep=job.keep),
        "values that can be written as integers",
    ),
}
