"""A fit that was made earlier: read, checked against the recipe, used as it is (`--fit FILE`)."""

import os
from collections.abc import Mapping
from pathlib import Path

from gcsl_data.dataset.decode import decode, parse
from gcsl_data.dataset.manifest import SIDE_FOLDER, load
from gcsl_data.errors import DataError, InputError, RecipeError, UsageError
from gcsl_data.fit import Comparator, Direction, Fit, GoalForm
from gcsl_data.recipe import Recipe

FIT_NAME = "fit.json"


def frozen_fit(
    recipe: Recipe,
    *,
    form: GoalForm | None,
    rewards: Mapping[str, Direction],
    comparators: Mapping[str, Comparator],
) -> Fit | None:
    """The fit that the recipe names (its file, or a dataset that has one); None when it names none.

    Raises InputError (66) and DataError (65) for the file, UsageError (2) when it was made for other rewards, RecipeError
    (78) when it was made for goals that are written or compared in another way.
    """
    path = recipe.bins.fit
    if path is None:
        return None
    fit = read_fit(Path(path))
    if fit.form != form:
        raise RecipeError(
            "GD7850",
            f"{path} was fitted for {fit.form or 'rows without goals'}, {recipe.goals.formulation} has {form or 'no goals'}; "
            "fit anew",
        )
    parts = {f"reward_{aspect.name}": aspect.fit for aspect in fit.aspects} or {"reward": fit}
    if list(parts) != list(rewards):
        raise UsageError("GD0224", f"{path} was fitted on {', '.join(parts)}, the log has {', '.join(rewards)}")
    for column, part in parts.items():
        if part.direction != rewards[column]:
            raise UsageError("GD0225", f"{path} was fitted with --direction {part.direction}; say so here as well")
        if part.comparator != comparators[column]:
            raise RecipeError(
                "GD7851",
                f"{path} was fitted for sentences with {part.comparator}, the template has {comparators[column]}",
            )
    return fit


def read_fit(path: Path) -> Fit:
    """The fit in a file, or that of a dataset: its manifest's. Raises InputError (66) and DataError (65)."""
    if path.is_dir():
        return _fit_of_dataset(path)
    fit = _parsed(path)
    for problem in fit.contradictions():
        raise DataError("GD6541", f"{path}: {problem}; make it again with gcsl-data fit")
    return fit


def _fit_of_dataset(folder: Path) -> Fit:
    """The manifest's, which its id vouches for. The copy beside it is for people: whoever edited that is told so."""
    fit = load(folder).fit
    copy = folder / SIDE_FOLDER / FIT_NAME
    if os.path.lexists(copy) and (not copy.is_file() or _parsed(copy) != fit):
        raise DataError(
            "GD6546", f"{copy} does not say what the manifest says; restore it, or give --fit the file itself"
        )
    return fit


def _parsed(file: Path) -> Fit:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError("GD6615", f"{file}: cannot read the fit ({error.strerror})") from None
    try:
        return decode(Fit, parse(content))
    except (ValueError, RecursionError) as error:
        raise DataError("GD6540", f"{file} is no fit: {error}; make one with gcsl-data fit") from None
