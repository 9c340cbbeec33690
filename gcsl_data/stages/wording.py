"""How goals read: the text of every goal of a fit, written once.

Thresholds and intervals go through the template, special tokens need none, and a value is written into its sentence row by
row: the template is rendered once around a mark that stands for it.
"""

import polars as pl

from gcsl_data.dataset.goal import token
from gcsl_data.errors import DataError, RecipeError
from gcsl_data.fit import Fit
from gcsl_data.stages.aspects import joint_sentences
from gcsl_data.stages.templates import GoalTemplate, render_goals, render_interval, render_value

LARGEST_VALUE = 1e15
MARK = "\ue0f0"  # a private-use character, which no template holds


def goal_texts(fit: Fit, templates: dict[str, GoalTemplate]) -> dict[int, str]:
    """Goal index to text, for every threshold of the fit; empty where goals are not written by index.

    `templates` are by aspect; a single reward has one, under "reward". Raises RecipeError (78) for goals that read the same.
    """
    if fit.form == "token":
        return {t.index: token(t.index) for t in fit.thresholds}
    if fit.form == "interval":
        return _intervals(fit, templates["reward"])
    if fit.form == "threshold" and fit.aspects:
        return joint_sentences(fit, {a.name: render_goals(templates[a.name], a.fit) for a in fit.aspects})
    return render_goals(templates["reward"], fit) if fit.form == "threshold" else {}


def value_text(template: GoalTemplate, decimals: int | None, value: float) -> str:
    """The goal of one value, in the log's own unit. Raises RecipeError (78) when the template does not print it plainly."""
    number = f"{value:.{2 if decimals is None else decimals}f}"
    number = number.removeprefix("-") if float(number) == 0 else number
    text = render_value(template, number)
    if text != render_value(template, MARK).replace(MARK, number):
        raise RecipeError("GD7852", f"{template.name}: the text around the value depends on it; print the value alone")
    return text


def value_expression(template: GoalTemplate, fit: Fit) -> pl.Expr:
    """The goal of each record, from its `reward` (String)."""
    value_text(template, fit.decimals, 0.5)
    if max(abs(fit.minimum), abs(fit.maximum)) >= LARGEST_VALUE:
        raise DataError(
            "GD1305", f"rewards go beyond {LARGEST_VALUE:g}, too long to be written in a sentence; rescale them"
        )
    logged = pl.col("reward") * fit.sign
    digits = 2 if fit.decimals is None else fit.decimals
    return filled(render_value(template, MARK), printed_value(logged, digits))


def printed_value(value: pl.Expr, digits: int) -> pl.Expr:
    """A number with so many digits after the point (String), halves rounded to even, zero without a sign."""
    rounded = value.round(digits, mode="half_to_even")
    positive = pl.when(rounded == 0.0).then(0.0).otherwise(rounded)
    return positive.cast(pl.Decimal(38, digits)).cast(pl.String)


def filled(text: str, value: pl.Expr) -> pl.Expr:
    """The text with `value` where `MARK` stands (String)."""
    first, *others = [pl.lit(piece) for piece in text.split(MARK)]
    whole = first
    for piece in others:
        whole = whole + value + piece
    return whole


def _intervals(fit: Fit, template: GoalTemplate) -> dict[int, str]:
    """[X_q, X_q+1) for each q; the best one ends where the scale does, or has no end."""
    count = len(fit.thresholds)
    texts = {}
    for t in fit.thresholds:
        above = fit.thresholds[t.index] if t.index < count else None
        end = above.printed if above else _end_of(template, fit)
        low, high = (t.printed, end) if fit.sign > 0 else (end, t.printed)
        texts[t.index] = render_interval(template, low, high, t.index, count)
    if len(set(texts.values())) < count:
        raise RecipeError("GD7821", f"{template.name}: two goals of it read the same; print low and high")
    return texts


def _end_of(template: GoalTemplate, fit: Fit) -> str | None:
    """Where the best interval ends: the good end of the scale."""
    if template.scale is None:
        return None
    end = template.scale[1] if fit.sign > 0 else template.scale[0]
    return f"{end:.{fit.decimals}f}" if fit.decimals is not None else repr(end)
