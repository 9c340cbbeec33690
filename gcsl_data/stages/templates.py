"""Goal templates: a sentence in Jinja, with an optional head that says what it claims.

The head is a first comment that holds TOML: metric, comparator, scale, unit. Only numbers and labels go into a template,
never log text; it is rendered once per goal. The guard is an allow-list of syntax nodes: no loops, calls, attributes,
arithmetic or includes, so a template from a stranger can neither run code nor work for long.
"""

import hashlib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gcsl_data.errors import RecipeError, reading
from gcsl_data.fit import Comparator, Direction, Fit
from gcsl_data.recipe import GoalsStage, nearest
from gcsl_data.resources import folder

NAMES = ("threshold", "metric", "level", "num_levels", "scale_min", "scale_max", "unit")
INTERVAL_NAMES = ("low", "high")
FILTERS = ("capitalize", "lower", "title", "trim", "upper")
MAX_TEMPLATE_BYTES = 64 * 1024
MAX_GOAL_CHARACTERS = 8 * 1024
DEFAULT_METRIC = "score"
_HEAD = re.compile(r"\A\s*\{#-?(.*?)-?#\}[^\S\n]*\n?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|<\|[^|\s]*\|>")
_HEAD_KEYS = ("metric", "comparator", "scale", "unit")
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Filter, nodes.If, nodes.CondExpr, nodes.Const,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip
_DEFAULTS: dict[Direction, str] = {"higher": "at_least", "lower": "at_most"}
_COMPARATORS: dict[Direction, tuple[Comparator, ...]] = {"higher": (">=", ">"), "lower": ("<=", "<")}


@dataclass(frozen=True, slots=True)
class GoalTemplate:
    """A template that passed the guard: its name, text, where it was found, and what its head and flags settle."""

    name: str
    text: str
    origin: str
    metric: str
    comparator: Comparator
    scale: tuple[float, float] | None
    unit: str
    compiled: jinja2.Template = field(repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """Hash of the text as it stands in the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_template(stage: GoalsStage, direction: Direction) -> GoalTemplate:
    """The template that the recipe names: a file first, else a packaged one of that name (with or without .j2).

    Without a name it is `at_least`, or `at_most` where lower is better.

    Raises RecipeError (78): unknown template or name in it, wrong head, a comparator against the direction, or syntax
    outside the allow-list.
    """
    name, text, origin = _read(stage.template or _DEFAULTS[direction])
    head, body = _split_head(name, text)
    comparator = head.get("comparator", _COMPARATORS[direction][0])
    if comparator not in _COMPARATORS[direction]:
        allowed = " or ".join(_COMPARATORS[direction])
        raise RecipeError(
            "GD7820", f"{name}: comparator {comparator!r}, but with --direction {direction} it must be {allowed}"
        )
    lowest_highest = stage.scale or head.get("scale")
    scale = (float(lowest_highest[0]), float(lowest_highest[1])) if lowest_highest else None
    environment = _environment()
    _check_syntax(environment, name, body)
    return GoalTemplate(
        name=name,
        text=text,
        origin=origin,
        metric=stage.metric or head.get("metric", DEFAULT_METRIC),
        comparator=comparator,
        scale=scale,
        unit=head.get("unit", ""),
        compiled=environment.from_string(body),
    )


def render_goals(template: GoalTemplate, fit: Fit) -> dict[int, str]:
    """Goal index to sentence, for every threshold of the fit. Raises RecipeError (78) when two sentences are equal."""
    sentences = {
        threshold.index: _render(
            template, {"threshold": threshold.printed, "level": threshold.index, "num_levels": len(fit.thresholds)}
        )
        for threshold in fit.thresholds
    }
    by_number = {threshold.printed: sentences[threshold.index] for threshold in fit.thresholds}
    if len(set(by_number.values())) < len(by_number):
        raise RecipeError(
            "GD7821",
            f"{template.name}: a goal template must print {{{{ threshold }}}}; two goals of this one read the same",
        )
    return sentences


def packaged_templates() -> list[str]:
    """Names of the templates that come with gcsl."""
    return sorted(
        entry.name.removesuffix(".j2") for entry in folder("templates").iterdir() if entry.name.endswith(".j2")
    )


def _read(asked: str) -> tuple[str, str, str]:
    path = Path(asked)
    packaged = asked.removesuffix(".j2")
    with reading(asked, RecipeError, "GD7850"):
        content = path.read_bytes() if path.is_file() else None
    name = f"{packaged}.j2" if content is None else path.name
    if content is not None:
        origin = f"file {asked}"
    elif packaged in packaged_templates():
        origin, content = f"packaged template {packaged}", (folder("templates") / f"{packaged}.j2").read_bytes()
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


def _split_head(name: str, text: str) -> tuple[dict[str, Any], str]:
    found = _HEAD.match(text)
    if not found:
        return {}, text
    try:
        head = tomllib.loads(found.group(1))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            "GD7825", f"{name}: the first comment is the template's head and must be TOML: {error}"
        ) from None
    for key in head:
        if key not in _HEAD_KEYS:
            raise RecipeError("GD7826", f"{name}: no key {key!r} in a template's head; {nearest(key, _HEAD_KEYS)}")
    for key in ("metric", "comparator", "unit"):
        if key in head and not isinstance(head[key], str):
            raise RecipeError("GD7827", f"{name}: {key} in the head must be text, found {head[key]!r}")
    if "scale" in head and not _is_scale(head["scale"]):
        raise RecipeError("GD7828", f"{name}: scale in the head must be [lowest, highest], found {head['scale']!r}")
    return head, text[found.end() :]


def _is_scale(value: object) -> bool:
    numbers = isinstance(value, list) and len(value) == 2 and all(type(end) in (int, float) for end in value)
    return numbers and -math.inf < value[0] < value[1] < math.inf  # pyright: ignore[reportIndexIssue]


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.globals.clear()
    environment.tests.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    return environment


def _check_syntax(environment: jinja2.Environment, name: str, body: str) -> None:
    try:
        tree = environment.parse(body)
    except jinja2.TemplateSyntaxError as error:
        raise RecipeError("GD7829", f"{name}:{error.lineno}: {error.message}") from None
    for node in [tree, *tree.find_all(nodes.Node)]:
        place = f"{name}:{getattr(node, 'lineno', 1)}"
        if not isinstance(node, _ALLOWED):
            kind = type(node).__name__
            raise RecipeError(
                "GD7830", f"{place}: {kind} is not allowed in a goal template; it may print names and use if"
            )
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise RecipeError(
                "GD7831", f"{place}: no filter {node.name!r} in goal templates; {nearest(node.name, FILTERS)}"
            )
        if isinstance(node, nodes.Name) and node.name in INTERVAL_NAMES:
            raise RecipeError("GD7832", f"{place}: {node.name!r} belongs to interval goals; use threshold here")
        if isinstance(node, nodes.Name) and node.name not in NAMES:
            raise RecipeError("GD7833", f"{place}: unknown name {node.name!r}; known: {', '.join(NAMES)}")


def _render(template: GoalTemplate, values: Mapping[str, object]) -> str:
    given = {"metric": template.metric, "unit": template.unit, **values}
    if template.scale:
        given |= {"scale_min": _plain(template.scale[0]), "scale_max": _plain(template.scale[1])}
    try:
        text = template.compiled.render(given).rstrip("\n")
    except jinja2.UndefinedError:
        raise RecipeError(
            "GD7834", f"{template.name} prints the scale, but none is given; use --scale LOW,HIGH"
        ) from None
    except jinja2.TemplateError as error:
        raise RecipeError("GD7835", f"{template.name}: {error}") from None
    if not text.strip() or len(text) > MAX_GOAL_CHARACTERS:
        raise RecipeError(
            "GD7836", f"{template.name} gives a goal of {len(text)} characters; expected a sentence or two"
        )
    if found := _CONTROL.search(text):
        raise RecipeError(
            "GD7837", f"{template.name} gives a goal with {found.group()!r}, a control character or token"
        )
    return text


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else repr(float(number))
