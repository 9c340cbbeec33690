"""Formulations: which goals a record demonstrates. Each is a small declaration; how a goal reads is the template's affair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from gcsl_data.recipe import FormulationName


@dataclass(frozen=True, slots=True)
class Formulation:
    """`demonstrated(kept)` gives, from `level`, the list (Int32) of kept goals that a record demonstrates, lowest first."""

    about: str
    demonstrated: Callable[[Sequence[int]], pl.Expr]


def _every_reached_goal(kept: Sequence[int]) -> pl.Expr:
    """Beyond-threshold expansion: a record at level q demonstrates every kept goal k <= q (the paper, equation 2)."""
    reached = [pl.when(pl.col("level") >= k).then(pl.lit(k, pl.Int32)) for k in kept]
    return pl.concat_list(reached).list.drop_nulls()


FORMULATIONS: dict[FormulationName, Formulation] = {
    "gcsl-bey-nl": Formulation("one row per reached goal, the goal as a full sentence", _every_reached_goal),
}
