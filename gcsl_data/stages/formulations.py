"""Formulations: which goals a record demonstrates, and how a goal is written. Each is a small declaration.

Where a `builder` stands, records are compared or weighted instead, for the methods that goals are compared with. Else a
record's copies are a list of Int32: one training row for each. Where goals are written by threshold, interval or token, a
copy is the goal's k; elsewhere it is the running number of the row.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from gcsl_data.dataset.manifest import Kind
from gcsl_data.fit import Direction, Fit, GoalForm
from gcsl_data.recipe import FormulationName
from gcsl_data.stages.builders.registry import BUILDERS, Builder, BuilderName
from gcsl_data.stages.templates import SHORT_DEFAULTS

Copies = Callable[[Fit], pl.Expr]


@dataclass(frozen=True, slots=True)
class Formulation:
    """`form` is how a goal is written (None: not at all), `copies` gives the list of rows from `reward` and `level`.

    `has_thresholds` says whether the reward is binned, `is_filtered` whether the goal filter applies, `cut` where the good
    records begin unless a person says otherwise (None: nowhere), `has_deviation` whether weights are made of the rewards,
    `embeds_reward` that the trainer reads the reward instead of a text; `templates` are the packaged ones for rewards where
    higher or lower is better, if not those of the form. A `builder` makes the rows itself, of its own `kind`.
    """

    about: str
    form: GoalForm | None
    copies: Copies
    has_thresholds: bool = True
    is_filtered: bool = False
    cut: str | None = None
    has_deviation: bool = False
    embeds_reward: bool = False
    templates: dict[Direction, str] | None = None
    kind: Kind = "examples"
    builder: Builder | None = None

    @property
    def indexed(self) -> bool:
        """Whether a row carries goal k of a fit."""
        return self.form in ("threshold", "interval", "token")

    @property
    def takes_aspects(self) -> bool:
        """Whether it has something to say of several rewards side by side."""
        return self.form == "attributes" or (self.has_thresholds and self.form != "interval")


def _every_reached_goal(fit: Fit) -> pl.Expr:
    """Beyond-threshold expansion: a record at level q demonstrates every kept goal k <= q (the paper, equation 2)."""
    return _listed([pl.when(pl.col("level") >= k).then(pl.lit(k, pl.Int32)) for k in fit.kept])


def _own_level(fit: Fit) -> pl.Expr:
    """A record demonstrates the one goal of its own bin (the paper, section 3.1); none beyond the end of the scale."""
    own = _listed([pl.when(pl.col("level") == k).then(pl.lit(k, pl.Int32)) for k in fit.kept])
    return own if fit.end is None else pl.when(pl.col("reward") <= fit.end).then(own).otherwise(own.list.head(0))


def _one_per_reached_goal(fit: Fit) -> pl.Expr:
    """As many rows as the record reaches kept goals, but without any goal (the paper, appendix C.1)."""
    return _listed([pl.when(pl.col("level") >= k).then(pl.lit(n, pl.Int32)) for n, k in enumerate(fit.kept, start=1)])


def _once(_fit: Fit) -> pl.Expr:
    return pl.concat_list(pl.lit(1, pl.Int32))


def _once_above_cut(fit: Fit) -> pl.Expr:
    assert fit.cut is not None
    return _listed([pl.when(pl.col("reward") >= fit.cut.value).then(pl.lit(1, pl.Int32))])


def _listed(rows: list[pl.Expr]) -> pl.Expr:
    return pl.concat_list(rows).list.drop_nulls()


def _built(
    about: str,
    builder: BuilderName,
    *,
    form: GoalForm | None = None,
    kind: Kind = "examples",
    cut: str | None = None,
    has_deviation: bool = False,
) -> Formulation:
    """A formulation whose rows a builder makes; its census has one row for each record."""
    return Formulation(
        about,
        form,
        _once,
        has_thresholds=False,
        cut=cut,
        has_deviation=has_deviation,
        kind=kind,
        builder=BUILDERS[builder],
    )


FORMULATIONS: dict[FormulationName, Formulation] = {
    "gcsl-bey-nl": Formulation(
        "one row per reached goal, the goal as a full sentence", "threshold", _every_reached_goal, is_filtered=True
    ),
    "gcsl-bey-snl": Formulation(
        "the same, the goal as a short sentence", "threshold", _every_reached_goal, is_filtered=True,
        templates=SHORT_DEFAULTS,
    ),
    "gcsl-bey": Formulation(
        "one row per reached goal, the goal as a special token", "token", _every_reached_goal, is_filtered=True
    ),
    "gcsl-nl": Formulation("one row per record, its bin as an interval in words", "interval", _own_level),
    "gcsl": Formulation("one row per record, its bin as a special token", "token", _own_level),
    "ca": Formulation("one row per record, its reward as a number in words", "value", _once, has_thresholds=False),
    "reward-embedding": Formulation(
        "one row per record; the trainer embeds the reward itself", None, _once, has_thresholds=False, embeds_reward=True
    ),
    "sft-aug": Formulation(
        "the rows of gcsl-bey without their goals", None, _one_per_reached_goal, is_filtered=True
    ),
    "sft": Formulation(
        "the best records, once each, without goals", None, _once_above_cut, has_thresholds=False, cut="25%"
    ),
    "pairs": _built("better and worse responses to one prompt, for DPO and SimPO", "pairs", kind="pairs"),
    "unpaired": _built("every record with a label, good or not, for KTO", "unpaired", kind="unpaired", cut="50%"),
    "multi-negative": _built(
        "the best response to a prompt and several worse ones, for S-DPO", "multi-negative", kind="multi-negative"
    ),
    "best-of-group": _built("the best records of each group, for RAFT", "best-of-group"),
    "weights": _built(
        "every record with a weight in the loss, for RWR, SWiFt and SFT(Q)", "weights", has_deviation=True
    ),
    "groups": _built("the records of each group with their advantages, for GFT", "groups", kind="groups"),
    "steerlm": _built("one row per record, its attributes as integers", "steerlm", form="attributes"),
}  # fmt: skip
