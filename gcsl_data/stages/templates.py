"""Goal templates: a sentence in Jinja, with an optional head that says what it claims (metric, comparator, scale, unit).

A template is found, guarded (`template_syntax.py`) and rendered: once per goal for thresholds and intervals, once per
printed value for values. The numbers that it is given stand in the text, or it is refused: a goal that hides its number
could not be checked.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from gcsl_data.errors import RecipeError, nearest, reading
from gcsl_data.fit import Comparator, Direction, Fit
from gcsl_data.recipe import GoalsStage
from gcsl_data.resources import folder
from gcsl_data.stages.template_syntax import (
    CONTROL,
    NUMBERS,
    Form,
    OpenEndError,
    environment,
    faults,
    form_of,
    parse,
    split_head,
)

MAX_TEMPLATE_BYTES = 64 * 1024
MAX_GOAL_CHARACTERS = 8 * 1024
_VOWELS = tuple("aeiou")
DEFAULT_METRIC = "score"
COMPARATORS: dict[Direction, tuple[Comparator, ...]] = {"higher": (">=", ">"), "lower": ("<=", "<")}
DEFAULTS: dict[Form, dict[Direction, str]] = {
    "threshold": {"higher": "at_least", "lower": "at_most"},
    "interval": {"higher": "between", "lower": "between"},
    "value": {"higher": "conditional", "lower": "conditional"},
}
SHORT_DEFAULTS: dict[Direction, str] = {"higher": "at_least_short", "lower": "at_most_short"}
ALIASES = {"paper_code": "code"}  # one file, two names: `code` was promised, `paper_code` completes the paper's set
# What a template of a form states, and the formulation that takes it.
_STATED: dict[Form, tuple[str, str, str]] = {
    "threshold": ("a threshold", "thresholds", "gcsl-bey-nl"),
    "interval": ("an interval (low, high)", "intervals", "gcsl-nl"),
    "value": ("a value", "values", "ca"),
}


@dataclass(frozen=True, slots=True)
class GoalTemplate:
    """A template that passed the guard: its name, text, where it was found, and what its head and flags settle.

    `body` is the text after the head. `comparator` is how the sentence of a threshold compares; intervals and values do
    not ask the head for it.
    """

    name: str
    text: str
    origin: str
    form: Form
    metric: str
    comparator: Comparator
    scale: tuple[float, float] | None
    unit: str
    body: str = field(repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """Hash of the text as it stands in the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_template(
    stage: GoalsStage, direction: Direction, *, form: Form = "threshold", default: str | None = None
) -> GoalTemplate:
    """The template that the recipe names: a file first, else a packaged one of that name (with or without .j2).

    Without a name it is `default`, else the packaged one for the form and direction (`DEFAULTS`).

    Raises RecipeError (78): unknown template or name in it, wrong head, a comparator against the direction, another form
    than the asked one, or syntax outside the allow-list.
    """
    asked = stage.template if stage.template is not None else default or DEFAULTS[form][direction]
    name, text, origin = read_template(asked)
    head, body = split_head(name, text)
    tree = parse(name, text)
    for fault in faults(name, tree):
        raise fault
    if form_of(tree) != form:
        raise _wrong_form(name, form_of(tree), stage.formulation, form)
    comparator = head.get("comparator", COMPARATORS[direction][0]) if form == "threshold" else COMPARATORS[direction][0]
    if comparator not in COMPARATORS[direction]:
        allowed = " or ".join(COMPARATORS[direction])
        raise RecipeError(
            "GD7820", f"{name}: comparator {comparator!r}, but with --direction {direction} it must be {allowed}"
        )
    lowest_highest = stage.scale or head.get("scale")
    return GoalTemplate(
        name=name,
        text=text,
        origin=origin,
        form=form,
        metric=_label("--metric", stage.metric) if stage.metric else _label(name, head.get("metric", DEFAULT_METRIC)),
        comparator=comparator,
        scale=(float(lowest_highest[0]), float(lowest_highest[1])) if lowest_highest else None,
        unit=_label(name, head.get("unit", "")),
        body=body,
    )


def render_goals(template: GoalTemplate, fit: Fit) -> dict[int, str]:
    """Goal index to sentence, for every threshold of the fit. Raises RecipeError (78) when two sentences are equal."""
    total = len(fit.thresholds)
    sentences = {t.index: render_threshold(template, t.printed, t.index, total) for t in fit.thresholds}
    by_number = {threshold.printed: sentences[threshold.index] for threshold in fit.thresholds}
    if len(set(by_number.values())) < len(by_number):
        raise RecipeError(
            "GD7838", f"{template.name}: two goals with different thresholds read the same; print only one"
        )
    return sentences


def render_threshold(template: GoalTemplate, printed: str, level: int, num_levels: int) -> str:
    """The sentence of one threshold. Raises RecipeError (78) when it does not print it."""
    return _render(template, {"threshold": printed}, {"level": level, "num_levels": num_levels})


def render_interval(template: GoalTemplate, low: str | None, high: str | None, level: int, num_levels: int) -> str:
    """The sentence of one interval. The best one has no end on its good side when there is no scale: null there.

    Raises RecipeError (78) when it does not print an end that there is, or prints one that there is not.
    """
    return _render(template, {"low": low, "high": high}, {"level": level, "num_levels": num_levels})


def render_value(template: GoalTemplate, printed: str) -> str:
    """The sentence of one value. Raises RecipeError (78) when it does not print it."""
    return _render(template, {"value": printed}, {})


def packaged_templates() -> list[str]:
    """Names of the templates that come with gcsl."""
    return sorted(
        entry.name.removesuffix(".j2") for entry in folder("templates").iterdir() if entry.name.endswith(".j2")
    )


def read_template(asked: str) -> tuple[str, str, str]:
    """Name, text and origin of a template: a file first, else a packaged one. Raises RecipeError (78)."""
    path = Path(asked)
    packaged = ALIASES.get(asked.removesuffix(".j2"), asked.removesuffix(".j2"))
    with reading(asked, RecipeError, "GD7860"):
        own = path.read_bytes() if path.is_file() else None
    if own is not None:
        name, origin, content = path.name, f"file {asked}", own
    elif packaged in packaged_templates():
        name, origin = f"{packaged}.j2", f"packaged template {packaged}"
        content = (folder("templates") / name).read_bytes()
    else:
        known = packaged_templates()
        raise RecipeError(
            "GD7822", f"no template {asked!r}: neither a file nor a packaged one; {nearest(packaged, known)}"
        )
    if len(content) > MAX_TEMPLATE_BYTES:
        raise RecipeError("GD7823", f"{asked} has {len(content)} bytes; a goal template is a sentence or two")
    try:
        return name, content.decode("utf-8-sig"), origin
    except UnicodeDecodeError as error:
        raise RecipeError("GD7824", f"{asked} is not UTF-8 at byte {error.start}") from None


def _wrong_form(name: str, found: Form, formulation: str, asked: Form) -> RecipeError:
    prints, _, takes_it = _STATED[found]
    names = " and ".join(f"{{{{ {number} }}}}" for number in NUMBERS[asked])
    return RecipeError(
        "GD7832",
        f"{name} prints {prints}, but {formulation} states {_STATED[asked][1]}; "
        f"use --formulation {takes_it} or a template with {names}",
    )


def _label(place: str, text: str) -> str:
    if found := CONTROL.search(text):
        raise RecipeError(
            "GD7837", f"{place}: {text!r} has {found.group()!r}, a control character or token; leave it out"
        )
    return text


def _render(template: GoalTemplate, numbers: Mapping[str, str | None], levels: Mapping[str, int]) -> str:
    article = "an" if template.metric[:1].lower() in _VOWELS else "a"
    named = {"metric": template.metric, "a_metric": f"{article} {template.metric}"}
    given: dict[str, object] = {**named, "unit": template.unit, **numbers, **levels}
    if template.scale:
        given |= {"scale_min": _plain(template.scale[0]), "scale_max": _plain(template.scale[1])}
    try:
        text = _compiled(template.body).render(given).rstrip("\n")
    except jinja2.UndefinedError:
        raise RecipeError(
            "GD7834", f"{template.name} prints the scale, but none is given; use --scale LOW,HIGH"
        ) from None
    except OpenEndError:
        raise RecipeError(
            "GD7843",
            f"{template.name} prints both ends, but without a scale the best interval has one; "
            "use --scale LOW,HIGH, or {% if high %} as in the packaged between.j2",
        ) from None
    except jinja2.TemplateError as error:
        raise RecipeError("GD7835", f"{template.name}: {error}") from None
    if not text.strip() or len(text) > MAX_GOAL_CHARACTERS:
        raise RecipeError(
            "GD7836", f"{template.name} gives a goal of {len(text)} characters; expected a sentence or two"
        )
    if found := CONTROL.search(text):
        raise RecipeError(
            "GD7837", f"{template.name} gives a goal with {found.group()!r}, a control character or token"
        )
    for number, printed in numbers.items():
        if printed is not None and printed not in text:
            raise RecipeError(
                "GD7844", f"{template.name}: a goal must print {{{{ {number} }}}}; one of this template hides {printed}"
            )
    return text


@functools.cache
def _compiled(body: str) -> jinja2.Template:
    return environment().from_string(body)


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(float(number))
