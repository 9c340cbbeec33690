"""What may stand in a goal template: a head that holds TOML, and a sentence out of an allow-list of syntax nodes.

No loops, calls, attributes, arithmetic or includes, and only numbers and labels as names, never log text: a template from
a stranger can neither run code nor work for long. What a template prints says which goals it states, its form: a
threshold, an interval (`low`, `high`) or a value.
"""

import math
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Literal

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gcsl_data.control_tokens import CONTROL_TOKEN
from gcsl_data.errors import RecipeError, nearest

Form = Literal["threshold", "interval", "value"]

NUMBERS: dict[Form, tuple[str, ...]] = {"threshold": ("threshold",), "interval": ("low", "high"), "value": ("value",)}
_LABELS = ("metric", "a_metric", "level", "num_levels", "scale_min", "scale_max", "unit")
NAMES: dict[Form, tuple[str, ...]] = {
    "threshold": (*NUMBERS["threshold"], *_LABELS),
    "interval": (*NUMBERS["interval"], *_LABELS),
    "value": (*NUMBERS["value"], *(name for name in _LABELS if name not in ("level", "num_levels"))),
}
FILTERS = ("capitalize", "lower", "title", "trim", "upper")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|" + CONTROL_TOKEN)
_HEAD = re.compile(r"\A\s*\{#-?(.*?)-?#\}[^\S\n]*\n?", re.DOTALL)
MAX_DEPTH = 50  # levels of the syntax tree; Python, which Jinja writes, ends at 100 indentations
_HEAD_KEYS = ("metric", "comparator", "scale", "unit")
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Filter, nodes.If, nodes.CondExpr, nodes.Const,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip


def split_head(name: str, text: str) -> tuple[dict[str, Any], str]:
    """The head's keys (none without a head) and the sentence below it. Raises RecipeError (78) for a wrong head."""
    found = _HEAD.match(text)
    if not found:
        return {}, text
    try:
        head = tomllib.loads(found.group(1))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            "GD7825", f"{name}: the first comment is the template's head and must be TOML: {error}"
        ) from None
    except RecursionError:
        raise RecipeError("GD7825", f"{name}: the template's head is nested too deeply; it has one level") from None
    for key in head:
        if key not in _HEAD_KEYS:
            raise RecipeError("GD7826", f"{name}: no key {key!r} in a template's head; {nearest(key, _HEAD_KEYS)}")
    for key in ("metric", "comparator", "unit"):
        if key in head and not isinstance(head[key], str):
            raise RecipeError("GD7827", f"{name}: {key} in the head must be text, found {head[key]!r}")
    if head.get("metric") == "":
        raise RecipeError("GD7827", f"{name}: the metric in the head is empty; name what is graded, or leave it out")
    if "scale" in head and not _is_scale(head["scale"]):
        raise RecipeError("GD7828", f"{name}: scale in the head must be [lowest, highest], found {head['scale']!r}")
    return head, text[found.end() :]


def parse(name: str, text: str) -> nodes.Template:
    """The syntax tree of a whole template, head included, so that its lines are those of the file.

    Raises RecipeError (78) with the line for what is no Jinja, and for what is nested so deeply that Jinja cannot go on.
    """
    try:
        tree = environment().parse(text)
    except jinja2.TemplateSyntaxError as error:
        raise RecipeError("GD7829", f"{name}:{error.lineno}: {error.message}") from None
    except RecursionError:
        tree = None
    if tree is None or _is_deep(tree):
        raise RecipeError("GD7829", f"{name}: the template is nested too deeply; a goal is a sentence or two")
    return tree


def _is_deep(tree: nodes.Node) -> bool:
    """Whether anything lies more than `MAX_DEPTH` levels below the tree; found level by level, without recursion."""
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node.iter_child_nodes()]
    return bool(level)


def faults(name: str, tree: nodes.Template) -> Iterator[RecipeError]:
    """Everything in the tree that no goal template may have, in the order of the text."""
    form = form_of(tree)
    for node in [tree, *tree.find_all(nodes.Node)]:
        place = f"{name}:{getattr(node, 'lineno', 1)}"
        if not isinstance(node, _ALLOWED):
            yield RecipeError(
                "GD7830",
                f"{place}: {type(node).__name__} is not allowed in a goal template; it may print names and use if",
            )
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            yield RecipeError(
                "GD7831", f"{place}: no filter {node.name!r} in goal templates; {nearest(node.name, FILTERS)}"
            )
        if isinstance(node, nodes.Name) and node.name not in NAMES[form]:
            yield _wrong_name(place, node.name, form)
    if not _forms(tree) and all(node.name in NAMES[form] for node in tree.find_all(nodes.Name)):
        yield RecipeError(
            "GD7821",
            f"{name}: a goal template must print {{{{ threshold }}}}, or {{{{ low }}}} and {{{{ high }}}}, "
            "or {{ value }}; the goals of this one all read the same",
        )


def form_of(tree: nodes.Template) -> Form:
    """Which goals the template states, by the first number it names; a threshold when it names none."""
    forms = _forms(tree)
    return forms[0] if forms else "threshold"


def environment() -> ImmutableSandboxedEnvironment:
    """Jinja without globals, tests, loader and all but a few filters; an unknown name or a null is an error."""
    bare = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_never_null
    )
    bare.globals.clear()
    bare.tests.clear()
    bare.filters = {name: bare.filters[name] for name in FILTERS}
    return bare


class OpenEndError(jinja2.TemplateRuntimeError):
    """A template printed the end of an interval that has none."""


def _never_null(value: object) -> object:
    if value is None:
        raise OpenEndError
    return value


def _forms(tree: nodes.Template) -> list[Form]:
    names = [node.name for node in tree.find_all(nodes.Name)]
    return [form for name in names for form, numbers in NUMBERS.items() if name in numbers]


def _wrong_name(place: str, name: str, form: Form) -> RecipeError:
    if any(name in numbers for numbers in NUMBERS.values()):
        ours = " and ".join(NUMBERS[form])
        return RecipeError(
            "GD7839", f"{place}: {name!r} beside {ours}; a template states thresholds, intervals or values, not two"
        )
    return RecipeError("GD7833", f"{place}: unknown name {name!r}; known: {', '.join(NAMES[form])}")


def _is_scale(value: object) -> bool:
    numbers = isinstance(value, list) and len(value) == 2 and all(type(end) in (int, float) for end in value)
    return numbers and -math.inf < value[0] < value[1] < math.inf  # pyright: ignore[reportIndexIssue]
