"""What a goal template says, shown: its form, how it compares, its text and two sample goals."""

from dataclasses import dataclass

from gcsl_data.fit import Comparator, Direction
from gcsl_data.recipe import GoalsStage
from gcsl_data.stages.template_syntax import Form, form_of, parse, split_head
from gcsl_data.stages.templates import (
    COMPARATORS,
    GoalTemplate,
    load_template,
    packaged_templates,
    read_template,
    render_interval,
    render_threshold,
    render_value,
)


@dataclass(frozen=True, slots=True)
class TemplateCard:
    """A template as people see it. `comparator` is null for intervals and values; `samples` are two goals, best last."""

    name: str
    form: Form
    comparator: Comparator | None
    origin: str
    text: str
    sentence: str
    samples: tuple[str, str]


def describe(asked: str) -> TemplateCard:
    """A packaged template or a file. Raises RecipeError (78) for one that cannot be used."""
    name, text, origin = read_template(asked)
    head, sentence = split_head(name, text)
    form = form_of(parse(name, text))
    direction: Direction = "lower" if head.get("comparator") in COMPARATORS["lower"] else "higher"
    scale = head.get("scale", (0, 1))
    template = load_template(GoalsStage(template=asked, scale=scale), direction, form=form)
    return TemplateCard(
        name=name.removesuffix(".j2"),
        form=form,
        comparator=template.comparator if form == "threshold" else None,
        origin=origin,
        text=text,
        sentence=sentence.strip(),
        samples=_samples(template, direction, *scale),
    )


def packaged_cards() -> list[TemplateCard]:
    """All packaged templates by name."""
    return [describe(f"{name}.j2") for name in packaged_templates()]


def _samples(template: GoalTemplate, direction: Direction, low: float, high: float) -> tuple[str, str]:
    """Goals at three and four fifths of the scale, from the better end; a scale of whole numbers gets whole numbers."""
    whole = high - low >= 4 and float(low).is_integer() and float(high).is_integer()
    shares = (0.6, 0.8) if direction == "higher" else (0.4, 0.2)
    first, second = (format(low + (high - low) * share, ".0f" if whole else ".2f") for share in shares)
    match template.form:
        case "threshold":
            return render_threshold(template, first, 4, 5), render_threshold(template, second, 5, 5)
        case "interval":
            return render_interval(template, first, second, 4, 5), render_interval(template, second, f"{high:g}", 5, 5)
        case "value":
            return render_value(template, first), render_value(template, second)
