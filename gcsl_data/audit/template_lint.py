"""What is wrong with a goal template, before any log is expanded with it.

The template is rendered over ladders of sample goals: every number must stand in its own sentence, no two sentences may be
equal, and the words beside a number (`phrases.py`) must claim what the rows are labelled with. An error makes some
sentence false or refuses to render; a warning is what a person should look at.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from jinja2 import nodes

from gcsl_data.audit.phrases import Claim, claims, occurrences
from gcsl_data.errors import RecipeError, one_line
from gcsl_data.fit import Comparator, Direction
from gcsl_data.recipe import GoalsStage
from gcsl_data.stages.template_syntax import Form, faults, form_of, parse, split_head
from gcsl_data.stages.templates import (
    COMPARATORS,
    GoalTemplate,
    load_template,
    read_template,
    render_interval,
    render_threshold,
    render_value,
)

Level = Literal["error", "warning"]

# Rule id -> what holds when nothing is found.
LINT_RULES = {
    "template.file": "it is UTF-8 and no longer than a sentence or two",
    "template.head": "the head is TOML with known keys, and its comparator fits",
    "template.syntax": "it prints names and uses if, and nothing else",
    "names.known": "every name is known",
    "names.form": "it states thresholds, intervals or values, and only one of them",
    "goal.distinct": "no two goals read the same",
    "goal.monotone": "every goal prints its own number, so that a higher goal prints a higher number",
    "goal.comparator": "the words beside the number claim what rows are labelled with",
    "goal.scale": "a scale that is printed stands in the head",
    "goal.control": "no control character, control token or change of writing direction",
    "goal.length": "a goal has a sentence or two",
}
_RULE_OF_ERROR = {
    "GD7820": "template.head",
    "GD7821": "goal.distinct",
    "GD7823": "template.file",
    "GD7824": "template.file",
    "GD7825": "template.head",
    "GD7826": "template.head",
    "GD7827": "template.head",
    "GD7828": "template.head",
    "GD7829": "template.syntax",
    "GD7830": "template.syntax",
    "GD7831": "template.syntax",
    "GD7833": "names.known",
    "GD7835": "template.syntax",
    "GD7836": "goal.length",
    "GD7837": "goal.control",
    "GD7839": "names.form",
    "GD7843": "goal.scale",
    "GD7844": "goal.monotone",
}
_LADDERS = ((2, "{:.2f}"), (5, "{:.2f}"), (10, "{:.3f}"), (100, "{:.3f}"), (5, "-{:.1f}"))
_SCALE_NAMES = ("scale_min", "scale_max")


@dataclass(frozen=True, slots=True)
class LintFinding:
    """Something to mend in a template: which rule, how bad, and in words that name the place."""

    rule: str
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class _Sample:
    """A goal to render: what rows are compared with at each number, which way is better, and how to say it."""

    numbers: dict[str, Comparator | None]
    better: Direction
    say: Callable[[GoalTemplate], str]


def lint(asked: str, comparator: Comparator | None = None) -> list[LintFinding]:
    """All findings for a packaged template or a file, the gravest first; `comparator` stands in for the head's.

    Raises RecipeError (78) when there is no such template.
    """
    try:
        return _lint(asked, comparator)
    except RecipeError as error:
        if error.code not in _RULE_OF_ERROR:
            raise
        return [_finding(error)]


def lint_used(templates: Iterable[GoalTemplate]) -> list[str]:
    """What the words of templates in files say against what their rows are labelled with, a line each."""
    files: dict[str, Comparator] = {
        t.origin.removeprefix("file "): t.comparator for t in templates if t.origin.startswith("file ")
    }
    found = [finding for file, comparator in files.items() for finding in lint(file, comparator)]
    return [finding.message for finding in found if finding.rule == "goal.comparator" and finding.level == "error"]


def _lint(asked: str, comparator: Comparator | None) -> list[LintFinding]:
    name, text, _ = read_template(asked)
    head, _ = split_head(name, text)
    tree = parse(name, text)
    if found := [_finding(fault) for fault in faults(name, tree)]:
        return found
    form = form_of(tree)
    direction: Direction = "lower" if (comparator or head.get("comparator")) in COMPARATORS["lower"] else "higher"
    template = load_template(GoalsStage(template=asked, scale=head.get("scale", (0, 1))), direction, form=form)
    names = {node.name for node in tree.find_all(nodes.Name)}
    samples = _ladders(template, comparator or template.comparator, tree, scale=head.get("scale"))
    unique: dict[str, LintFinding] = {}
    for finding in (*_of_head(template, head, names), *_of_goals(template, samples)):
        unique.setdefault(finding.message if finding.rule == "goal.comparator" else finding.rule, finding)
    return sorted(unique.values(), key=lambda finding: finding.level)


def _of_head(template: GoalTemplate, head: dict[str, object], names: set[str]) -> Iterator[LintFinding]:
    if "scale" not in head and names & set(_SCALE_NAMES):
        message = f"{template.name}: prints the scale, but the head gives none; add scale = [LOW, HIGH] or use --scale"
        yield LintFinding("goal.scale", "warning", message)
    if "comparator" in head and template.form != "threshold":
        message = f"{template.name}: the comparator in the head is not used, as the template states {template.form}s"
        yield LintFinding("template.head", "warning", message)


def _of_goals(template: GoalTemplate, ladders: Iterable[list[_Sample]]) -> Iterator[LintFinding]:
    for ladder in ladders:
        said: dict[str, _Sample] = {}
        for sample in ladder:
            try:
                text = sample.say(template)
            except RecipeError as error:
                yield _finding(error)
                continue
            if text in said:
                pair = " and ".join(" to ".join(goal.numbers) for goal in (said[text], sample))
                message = f"{template.name}: the goals for {pair} read the same; print only the goal's own number"
                yield LintFinding("goal.distinct", "error", message)
            said[text] = sample
            yield from _of_sentence(template, text, sample)


def _of_sentence(template: GoalTemplate, text: str, sample: _Sample) -> Iterator[LintFinding]:
    stands = []
    for number, labelled in sample.numbers.items():
        stands += [place.start() for place in itertools.islice(occurrences(text, number), 1)]
        claimed = list(claims(text, number, better=">" if sample.better == "higher" else "<"))
        if not any(claim.comparator == labelled for claim in claimed):
            yield from (finding for claim in claimed if (finding := _contradiction(template, claim, labelled)))
    if len(stands) < len(sample.numbers):
        message = f"{template.name}: a number is glued to another figure or sign, as in {one_line(text, limit=60)!r}"
        yield LintFinding("goal.monotone", "error", message)
    elif stands != sorted(stands):
        yield LintFinding("goal.monotone", "warning", f"{template.name}: prints high before low; is that meant?")


def _contradiction(template: GoalTemplate, claim: Claim, labelled: Comparator | None) -> LintFinding | None:
    """False for some row: an error where the phrase touches the number, else a warning. True but weaker: a warning."""
    says = f"{template.name}: says {claim.phrase!r} ({claim.comparator}) beside the number"
    level: Level = "error" if claim.touching else "warning"
    if labelled is None:
        return LintFinding(
            "goal.comparator", level, f"{says}, but a value is no bound; say that the score is that value"
        )
    if claim.comparator[0] == labelled[0] and len(claim.comparator) > len(labelled):
        if template.form != "threshold":
            return None
        message = f"{says}, but rows are labelled with {labelled}: true, yet a row with exactly that number is left out"
        return LintFinding("goal.comparator", "warning", message)
    message = f"{says}, but rows are labelled with {labelled}; change the words or the comparator in the head"
    return LintFinding("goal.comparator", level, message)


def _ladders(
    template: GoalTemplate, comparator: Comparator, tree: nodes.Template, scale: list[float] | None
) -> Iterator[list[_Sample]]:
    """Sample goals, a ladder of levels at a time; numbers that the template itself compares with are rungs too."""
    constants = [str(node.value) for node in tree.find_all(nodes.Const) if _is_number(node.value)]
    low, high = template.scale or (0.0, 1.0)
    ladders = [[form.format(abs(low + (high - low) * k / (n + 1))) for k in range(1, n + 1)] for n, form in _LADDERS]
    for rungs in (*ladders, [*constants, "0.5", "0.123456"]):
        yield _samples(template.form, _ascending(rungs), comparator, scale)


def _samples(form: Form, rungs: list[str], comparator: Comparator, scale: list[float] | None) -> list[_Sample]:
    size = len(rungs)
    better: Direction = "lower" if comparator in COMPARATORS["lower"] else "higher"
    levels = range(size, 0, -1) if better == "lower" else range(1, size + 1)
    if form == "value":
        return [_Sample({rung: None}, better, lambda t, rung=rung: render_value(t, rung)) for rung in rungs]
    if form == "threshold":
        return [
            _Sample({rung: comparator}, better, lambda t, rung=rung, k=k: render_threshold(t, rung, k, size))
            for rung, k in zip(rungs, levels, strict=True)
        ]
    lows, highs = ((None, *rungs[:-1]), rungs) if better == "lower" else (rungs, (*rungs[1:], None))
    end = None if scale is None else f"{scale[0 if better == 'lower' else 1]:g}"
    intervals = [
        (low or end, high or end, _bounds(low, high, end, better), k)
        for low, high, k in zip(lows, highs, levels, strict=True)
    ]
    return [
        _Sample(bounds, better, lambda t, low=low, high=high, k=k: render_interval(t, low, high, k, size))
        for low, high, bounds, k in intervals
    ]


def _bounds(low: str | None, high: str | None, end: str | None, better: Direction) -> dict[str, Comparator | None]:
    """[low, high) where higher is better, (low, high] where lower is; the best interval is closed at the scale's end."""
    if better == "higher":
        bounds: dict[str | None, Comparator | None] = {low: ">=", (high or end): "<" if high else "<="}
    else:
        bounds = {(low or end): ">" if low else ">=", high: "<="}
    return {number: comparator for number, comparator in bounds.items() if number is not None}


def _ascending(numbers: list[str]) -> list[str]:
    return sorted({float(number): number for number in reversed(numbers)}.values(), key=float)


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str | int | float) and not isinstance(value, bool) and abs(float(value)) < 1e15
    except ValueError:
        return False


def _finding(error: RecipeError) -> LintFinding:
    return LintFinding(_RULE_OF_ERROR[error.code], "warning" if error.code == "GD7843" else "error", error.message)
