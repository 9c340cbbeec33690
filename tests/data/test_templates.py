"""Goal templates: what their head says, which names and syntax they may use, and the sentences they give."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.errors import RecipeError
from gcsl_data.fit import Direction
from gcsl_data.recipe import BinsStage, GoalsStage
from gcsl_data.stages.template_syntax import Form, form_of, parse
from gcsl_data.stages.templates import (
    GoalTemplate,
    load_template,
    packaged_templates,
    render_goals,
    render_interval,
    render_value,
)

from .support import REPOSITORY, fit_of

FIXTURE_A = [i / 100 for i in range(100)]


def load(folder: Path, text: str | bytes, *, direction: Direction = "higher", **stage: Any) -> GoalTemplate:
    path = folder / "goal.j2"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_template(GoalsStage(template=str(path), **stage), direction)


def sentences(template: GoalTemplate) -> dict[int, str]:
    direction = "higher" if template.comparator in (">=", ">") else "lower"
    rewards = FIXTURE_A if direction == "higher" else [-r or 0.0 for r in FIXTURE_A]
    fit = fit_of(rewards, BinsStage(), comparator=template.comparator)
    return render_goals(template, fit)


def refused(folder: Path, text: str, **stage: Any) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        sentences(load(folder, text, **stage))
    assert caught.value.exit_status == 78
    return caught.value


def test_a_plain_sentence_without_a_head_works(tmp_path: Path) -> None:
    template = load(tmp_path, "At least {{ threshold }}, please.\n")

    assert (template.comparator, template.metric, template.scale, template.unit) == (">=", "score", None, "")
    assert sentences(template)[5] == "At least 0.80, please."


def test_the_head_says_metric_comparator_scale_and_unit(tmp_path: Path) -> None:
    head = '{#\nmetric = "Speed"\ncomparator = ">"\nscale = [0, 1.5]\nunit = "ms"\n#}\n'

    template = load(tmp_path, head + "{{ metric }} over {{ threshold }} {{ unit }}, {{ scale_min }}-{{ scale_max }}.")

    assert (template.metric, template.comparator, template.scale, template.unit) == ("Speed", ">", (0, 1.5), "ms")
    assert sentences(template)[5] == "Speed over 0.79 ms, 0-1.5."


def test_flags_win_over_the_head(tmp_path: Path) -> None:
    text = '{# metric = "Speed"\nscale = [0, 1] #}{{ metric }} {{ threshold }} of {{ scale_max }}'

    template = load(tmp_path, text, metric="Pace", scale=(0, 7))

    assert sentences(template)[5] == "Pace 0.80 of 7"


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\n\n  "])
def test_a_head_is_found_behind_a_byte_order_mark_and_blank_lines(tmp_path: Path, mark: bytes) -> None:
    template = load(tmp_path, mark + b'{# comparator = ">" #}\r\nMore than {{ threshold }}.\r\n')

    assert template.comparator == ">"
    assert sentences(template)[5] == "More than 0.79."


def test_names_and_conditions_may_be_used(tmp_path: Path) -> None:
    choice = "{% if level == num_levels %}top{% elif level > 1 and not unit %}{{ level }}{% else %}low{% endif %}"
    text = "{{ threshold }} " + choice

    found = sentences(load(tmp_path, text))

    assert [found[k] for k in (1, 2, 5)] == ["0.00 low", "0.20 2", "0.80 top"]


def test_a_goal_may_have_lines_and_loses_only_trailing_ones(tmp_path: Path) -> None:
    assert sentences(load(tmp_path, "\nFirst {{ threshold }}.\n\nSecond.\n\n"))[5] == "\nFirst 0.80.\n\nSecond."


def test_without_a_template_the_direction_chooses(tmp_path: Path) -> None:
    higher, lower = (load_template(GoalsStage(), direction) for direction in ("higher", "lower"))

    assert sentences(higher)[5] == "Generate a response with a score of at least 0.80."
    assert sentences(lower)[5] == "Generate a response with a score of at most 0.19."


def test_the_packaged_code_template_has_the_wording_of_the_paper() -> None:
    template = load_template(GoalsStage(template="code"), "higher")

    assert sentences(template)[5] == (
        "Follow the instructions to generate a correct Python solution with an Efficiency Score greater than 0.79. "
        "Efficiency scores range from 0 to 1, with 1 indicating highest efficiency."
    )


@pytest.mark.parametrize("name", packaged_templates())
def test_every_packaged_template_renders(name: str) -> None:
    text = (REPOSITORY / "templates" / f"{name}.j2").read_text(encoding="utf-8")
    direction = "lower" if 'comparator = "<' in text else "higher"

    template = load_template(GoalsStage(template=name, scale=(0, 1)), direction, form=form_of(parse(name, text)))

    assert template.name == f"{name}.j2"
    assert template.origin == f"packaged template {name}"
    assert template.sha256 == hashlib.sha256(text.encode()).hexdigest()
    if template.form == "threshold":
        assert len(set(sentences(template).values())) == 5


# Forms


def test_an_interval_prints_both_ends_and_is_open_without_a_scale() -> None:
    template = load_template(GoalsStage(), "higher", form="interval")

    assert render_interval(template, "0.80", "0.90", 4, 5) == "Generate a response with a score between 0.80 and 0.90."
    assert render_interval(template, "0.90", None, 5, 5) == "Generate a response with a score of at least 0.90."
    assert render_interval(template, None, "1.5", 5, 5) == "Generate a response with a score of at most 1.5."


def test_a_value_is_printed_and_claims_no_comparison() -> None:
    template = load_template(GoalsStage(metric="rating"), "lower", form="value")

    assert render_value(template, "-0.25") == "Generate a response with a rating of -0.25."


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ("{{ low }} to {{ high }}", "threshold",
         "goal.j2 prints an interval (low, high), but gcsl-bey-nl states thresholds; "
         "use --formulation gcsl-nl or a template with {{ threshold }}"),
        ("{{ value }}", "interval", "prints a value, but .* states intervals; .* template with {{ low }} and {{ high }}"),
        ("{{ threshold }}", "value", "prints a threshold, but .* states values; .* a template with {{ value }}"),
        ("One\n{{ threshold }} {{ low }}", "threshold", "goal.j2:2: 'low' beside threshold; .*not two"),
        ("{{ low }} {{ high }} {{ value }}", "interval", "'value' beside low and high"),
        ("{{ value }} of level {{ level }}", "value", "unknown name 'level'; known: value, metric, a_metric, scale_min"),
    ],
)  # fmt: skip
def test_a_template_of_another_form_is_refused(tmp_path: Path, text: str, form: Form, message: str) -> None:
    path = tmp_path / "goal.j2"
    path.write_text(text)

    with pytest.raises(RecipeError) as caught:
        load_template(GoalsStage(template=str(path)), "higher", form=form)

    assert caught.value.exit_status == 78
    assert message in caught.value.message or re.search(message, caught.value.message)


@pytest.mark.parametrize(
    ("text", "low", "high", "message"),
    [
        ("{{ low }} to {{ high }}", "0.9", None, "without a scale the best interval has one"),
        ("{{ low }} or more", "0.8", "0.9", "must print {{ high }}"),
        ("up to {{ high }}", "0.8", "0.9", "must print {{ low }}"),
        ("{{ low }} to {{ scale_max }}{% if not high %}{{ high }}{% endif %}", "0.8", "0.9", "prints the scale"),
    ],
)
def test_an_interval_that_hides_an_end_is_refused(
    tmp_path: Path, text: str, low: str, high: str | None, message: str
) -> None:
    path = tmp_path / "goal.j2"
    path.write_text(text)
    template = load_template(GoalsStage(template=str(path)), "higher", form="interval")

    with pytest.raises(RecipeError, match=message) as caught:
        render_interval(template, low, high, 5, 5)
    assert caught.value.exit_status == 78


def test_a_formulation_may_bring_its_own_default() -> None:
    template = load_template(GoalsStage(), "higher", default="at_least_short")

    assert sentences(template)[5] == "Target score: at least 0.80."
    assert load_template(GoalsStage(template="at_least"), "higher", default="at_least_short").name == "at_least.j2"


def test_a_path_comes_before_a_packaged_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_template(GoalsStage(template="code.j2"), "higher").origin == "packaged template code"

    (tmp_path / "code.j2").write_text("Mine {{ threshold }}")

    assert load_template(GoalsStage(template="code.j2"), "higher").origin == "file code.j2"


def test_an_unknown_template_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no template 'codee.j2'.*did you mean 'code'") as caught:
        load_template(GoalsStage(template="codee.j2"), "higher")
    assert caught.value.exit_status == 78


@pytest.mark.parametrize(
    ("direction", "comparator"), [("higher", "<="), ("higher", "<"), ("lower", ">="), ("lower", ">"), ("higher", "==")]
)
def test_a_comparator_against_the_direction_is_refused(tmp_path: Path, direction: Direction, comparator: str) -> None:
    with pytest.raises(RecipeError, match=f"with --direction {direction} it must be") as caught:
        load(tmp_path, f'{{# comparator = "{comparator}" #}}{{{{ threshold }}}}', direction=direction)
    assert caught.value.exit_status == 78


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("a note, not TOML", "must be TOML"),
        ('metrics = "x"', "no key 'metrics'.*did you mean 'metric'"),
        ("metric = 3", "metric in the head must be text"),
        ("comparator = 1", "comparator in the head must be text"),
        ("scale = [1, 0]", "scale in the head"),
        ("scale = [0]", "scale in the head"),
        ('scale = "0,1"', "scale in the head"),
        ("scale = [0, nan]", "scale in the head"),
        ("scale = [-inf, inf]", "scale in the head"),
        ("scale = [false, true]", "scale in the head"),
    ],
)
def test_a_wrong_head_is_refused(tmp_path: Path, head: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load(tmp_path, f"{{# {head} #}}{{{{ threshold }}}}")


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    error = refused(tmp_path, "One\n{{ treshold }}")

    assert "goal.j2:2" in error.message
    assert (
        "'treshold'; known: threshold, metric, a_metric, level, num_levels, scale_min, scale_max, unit" in error.message
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A good answer.", "must print {{ threshold }}"),
        ("{% if level > 3 %}High{% else %}Low{% endif %}", "must print {{ threshold }}"),
        ("{% if level > 3 %}{{ threshold }}{% else %}Low{% endif %}", "must print {{ threshold }}; one .* hides"),
        ("{% if level < 3 %}0.00 0.20{% else %}{{ threshold }}{% endif %}", "two goals .* read the same"),
        ("{{ threshold }} of {{ scale_max }}", "none is given; use --scale"),
        ("{{ threshold }", "goal.j2:1"),
        ("{{ threshold }} <|im_end|>", "control character or token"),
        ("{{ threshold }} \x1b[31m", "control character or token"),
        ("{{ threshold }} \u202e", "control character or token"),
        ("{{ threshold }} </s>", "control character or token"),
        ("", "must print {{ threshold }}"),
        ("{{ threshold }}" + "x" * 9000, "a sentence or two"),
        ("{{ threshold }}" + "x" * 70_000, "a sentence or two"),
    ],
)
def test_a_template_that_gives_no_honest_goal_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert re.search(message, refused(tmp_path, text).message)


@pytest.mark.parametrize("metric", ["<|im_start|>", "a\u202eb", "a\u2066b", "a\x1bb", "[INST]"])
def test_a_metric_may_not_carry_a_control_token_or_turn_text_around(tmp_path: Path, metric: str) -> None:
    assert "--metric: " in refused(tmp_path, "{{ threshold }}", metric=metric).message

    escaped = "".join(f"\\u{ord(letter):04x}" for letter in metric)
    for key in ("metric", "unit"):
        error = refused(tmp_path, f'{{# {key} = "{escaped}" #}}{{{{ threshold }}}}')
        assert "goal.j2: " in error.message
        assert "a control character or token" in error.message


@pytest.mark.parametrize(
    "syntax",
    [
        "{% for i in threshold %}{{ i }}{% endfor %}",
        "{{ threshold.__class__ }}",
        "{{ threshold['__class__'] }}",
        "{{ threshold[0] }}",
        "{{ threshold() }}",
        "{{ range(10**9) }}",
        "{{ lipsum() }}",
        "{{ cycler }}",
        "{{ self }}",
        "{{ 'a' * 1000000000 }}",
        "{{ level + 1 }}",
        "{{ -level }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 'a' ~ 'b' }}",
        "{{ [threshold] }}",
        "{{ (1, 2) }}",
        "{{ {'a': 1} }}",
        "{% set threshold = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% call m() %}{% endcall %}",
        "{% include 'other.j2' %}",
        "{% import 'other.j2' as other %}",
        "{% from 'other.j2' import m %}",
        "{% extends 'other.j2' %}",
        "{% block b %}{% endblock %}",
        "{% filter upper %}x{% endfilter %}",
        "{% with %}{% endwith %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% do threshold %}",
        "{{ threshold|attr('x') }}",
        "{{ threshold|replace('0', '1') }}",
        "{{ threshold|format(1) }}",
        "{{ threshold|pprint }}",
        "{{ threshold|center(1000000000) }}",
        "{{ threshold is defined }}",
        "{{ threshold is sameas threshold }}",
    ],
)
def test_syntax_outside_the_allow_list_is_refused_before_it_runs(tmp_path: Path, syntax: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, "{{ threshold }} " + syntax)
    assert caught.value.exit_status == 78


@pytest.mark.parametrize("name", ["upper", "lower", "title", "capitalize", "trim"])
def test_filters_of_the_allow_list_work(tmp_path: Path, name: str) -> None:
    found = sentences(load(tmp_path, f"{{{{ metric|{name} }}}} {{{{ threshold }}}}", metric=" a Score "))

    expected = " a Score ".strip() if name == "trim" else getattr(" a Score ", name)()
    assert found[5] == f"{expected} 0.80"


def test_a_template_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not UTF-8 at byte 0"):
        load(tmp_path, b"\xff{{ threshold }}")
