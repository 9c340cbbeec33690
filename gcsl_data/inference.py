"""The goal to ask for: one that was trained, word for word, or the same sentence with another number.

Source: the paper asks for the highest threshold, and for 1.04 to 1.24 times its printed number (appendix C.4); it says
nothing of the end of the scale, so beyond it there is a warning and no clipping (our choice).
"""

import hashlib
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path

from gcsl_data.dataset.manifest import SIDE_FOLDER, Goal, Manifest, template_file
from gcsl_data.errors import DataError, UsageError, reading
from gcsl_data.fit import Fit
from gcsl_data.recipe import GoalsStage
from gcsl_data.stages.templates import GoalTemplate, load_template, render_threshold
from gcsl_data.stages.wording import value_number, value_text

_WIDE = Context(prec=800)


@dataclass(frozen=True, slots=True)
class Asked:
    """One goal: its text, its index if it was trained, the number that it prints, whether any training row carried it."""

    text: str
    index: int | None
    number: str | None
    extrapolates: bool
    warnings: tuple[str, ...] = ()


def asked_goal(
    folder: Path, manifest: Manifest, *, index: int | None = None, scale: float | None = None, value: str | None = None
) -> Asked:
    """The highest goal, goal `index`, or its sentence with `scale` times its number, or with `value` in its place.

    Raises UsageError (2) for a goal that the data does not have and for another number where goals print none.
    """
    if scale is not None and value is not None:
        raise UsageError("GD0226", "--scale and --value both say which number the goal prints; give one of them")
    fit = manifest.fit
    if fit.form == "value":
        return _of_value(folder, manifest, scale, value, index)
    if manifest.inference_text is None:
        raise UsageError("GD0227", f"prompts of {manifest.formulation} carry no goal, so there is none to ask for")
    if fit.form == "attributes":
        if index is not None or scale is not None or value is not None:
            raise UsageError(
                "GD0267",
                f"the goal is a string of attributes such as {manifest.inference_text}; ask for another as it stands",
            )
        return Asked(manifest.inference_text, None, None, extrapolates=False)
    goal = _kept(manifest, index)
    if scale is None and value is None:
        return Asked(goal.text or "", goal.index, goal.threshold, extrapolates=False)
    if fit.form != "threshold" or fit.aspects or fit.rule == "labels":
        raise UsageError(
            "GD0228", f"goals of {manifest.formulation} here print no single number that could be another one"
        )
    template = _template(folder, manifest)
    number = _number(value) if value is not None else _scaled(goal.threshold, scale or 0.0, fit)
    text = render_threshold(template, number, goal.index, len(fit.thresholds))
    trained = {g.text: g.index for g in manifest.kept_goals}
    return Asked(text, trained.get(text), number, text not in trained, _warnings(number, manifest, template))


def _kept(manifest: Manifest, index: int | None) -> Goal:
    wanted = manifest.inference_goal if index is None else index
    kept = {goal.index: goal for goal in manifest.kept_goals}
    if wanted not in kept:
        names = ", ".join(str(k) for k in kept)
        raise UsageError("GD0212", f"goal {wanted} is not one the data was written for; kept goals: {names}")
    return kept[wanted]


def _of_value(folder: Path, manifest: Manifest, scale: float | None, value: str | None, index: int | None) -> Asked:
    if index is not None:
        raise UsageError("GD0212", f"goals of {manifest.formulation} have no index; ask with --value")
    fit, reward = manifest.fit, manifest.inference_reward or 0.0
    logged = fit.sign * reward if value is None else float(_number(value))
    logged *= 1.0 if scale is None else scale
    template = _template(folder, manifest)
    seen = fit.minimum <= fit.sign * logged <= fit.maximum
    warnings = () if seen else (f"no training row had a reward of {logged:g} or better",)
    number = value_number(fit.decimals, logged)
    return Asked(value_text(template, fit.decimals, logged), None, number, not seen, warnings)


def _number(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise UsageError("GD0229", f"--value {text!r} is not a number")
    return format(number, "f")


def _scaled(number: str, scale: float, fit: Fit) -> str:
    """The printed number times `scale`, with as many digits as it has."""
    digits = len(number.partition(".")[2])
    product = _WIDE.multiply(Decimal(number), Decimal(repr(scale)))
    return format(product.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN, context=_WIDE), "f")


def _warnings(number: str, manifest: Manifest, template: GoalTemplate) -> tuple[str, ...]:
    fit, asked = manifest.fit, float(number)
    if template.scale and not template.scale[0] <= asked <= template.scale[1]:
        return (f"{number} is beyond the scale {template.scale[0]:g} to {template.scale[1]:g}",)
    if fit.sign * asked > fit.maximum:
        return (f"no training row had a reward of {number} or better",)
    return ()


def _template(folder: Path, manifest: Manifest) -> GoalTemplate:
    """The template as it was when the dataset was made, with what was filled in."""
    path = folder / SIDE_FOLDER / template_file("reward")
    noted = manifest.templates.get("reward")
    if noted is None or not path.is_file():
        raise DataError("GD6542", f"{path} is missing; restore it or build the dataset again")
    with reading(path):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != noted.sha256:
        raise DataError("GD6543", f"{path} is not the template that the dataset was made with; restore it")
    scale = (noted.scale[0], noted.scale[1]) if noted.scale else None
    stage = GoalsStage.model_construct(template=str(path), metric=noted.metric, scale=scale, formulation="gcsl-bey-nl")
    return load_template(stage, manifest.fit.direction, form="value" if manifest.fit.form == "value" else "threshold")
