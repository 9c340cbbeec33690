"""How goals read: the text of every goal of a fit, written once.

Thresholds and intervals go through the template, special tokens need none, and a value is written into its sentence row by
row: the template is rendered once around a mark that stands for it.
"""

import polars as pl

from gcsl_data.dataset.goal import token
from gcsl_data.errors import DataError, RecipeError
from gcsl_data.fit import Fit
from gcsl_data.stages import snap
from gcsl_data.stages.aspects import joint_sentences
from gcsl_data.stages.templates import GoalTemplate, render_goals, render_interval, render_value

LARGEST_SHIFTED = 1e15  # a value times ten to the power of its digits: what a float surely has to the last digit
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
    number = value_number(decimals, value)
    text = render_value(template, number)
    if text != render_value(template, MARK).replace(MARK, number):
        raise RecipeError("GD7852", f"{template.name}: the text around the value depends on it; print the value alone")
    return text


def value_number(decimals: int | None, value: float) -> str:
    """The number in the goal of one value: what rows with this reward print. Raises DataError (65) for too large a one."""
    digits = 2 if decimals is None else decimals
    number = pl.select(printed_value(pl.lit(value), digits)).item()
    if number is None:
        raise DataError(
            "GD1305",
            f"{value:g} is too large for a sentence with {digits} digits after the point, where numbers stay below "
            f"{LARGEST_SHIFTED / 10.0**digits:g}; rescale the reward",
        )
    return number


def value_expression(template: GoalTemplate, fit: Fit) -> pl.Expr:
    """The goal of each record, from its `reward` (String). Raises as `value_text` does."""
    for extreme in (fit.minimum, fit.maximum):
        value_text(template, fit.decimals, fit.sign * extreme)
    digits = 2 if fit.decimals is None else fit.decimals
    return filled(render_value(template, MARK), printed_value(pl.col("reward") * fit.sign, digits))


def printed_value(value: pl.Expr, digits: int) -> pl.Expr:
    """A number with so many digits after the point (String), decimal halves rounded to even, zero without a sign.

    Rewards have 12 significant digits, so what is nearer to a half than their last one is a half (0.575 is, its float is
    not). Null from `LARGEST_SHIFTED` on.
    """
    shifted = value * 10.0**digits
    half = (shifted * 2).round(0) / 2
    meant = pl.when((shifted - half).abs() <= shifted.abs() * 1e-13).then(half).otherwise(shifted)
    units = pl.when(meant.abs() < LARGEST_SHIFTED).then(meant).round(0, mode="half_to_even").cast(pl.Int64)
    sign = pl.when(units < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    number = units.abs().cast(pl.String).str.zfill(digits + 1)
    return sign + (number.str.head(-digits) + "." + number.str.tail(digits) if digits else number)


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
        end = above.printed if above else _end_of(fit)
        low, high = (t.printed, end) if fit.sign > 0 else (end, t.printed)
        texts[t.index] = render_interval(template, low, high, t.index, count)
    if len(set(texts.values())) < count:
        raise RecipeError("GD7821", f"{template.name}: two goals of it read the same; print low and high")
    return texts


def _end_of(fit: Fit) -> str | None:
    """Where the best interval ends, with the digits of the other numbers, or all that it has."""
    if fit.end is None:
        return None
    exact = snap.printed(fit.end, fit.comparator, None)
    digits = len(exact.partition(".")[2])
    return exact if digits >= (fit.decimals or 0) else snap.printed(fit.end, fit.comparator, fit.decimals)
