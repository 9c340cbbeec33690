"""The lint of goal templates: what it finds, what it must leave alone, and the phrases it knows."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.audit.phrases import AFTER, BEFORE, claims, occurrences
from gcsl_data.audit.template_lint import _RULE_OF_ERROR, LINT_RULES, lint
from gcsl_data.errors import RecipeError
from gcsl_data.fit import Comparator
from gcsl_data.recipe import GoalsStage
from gcsl_data.stages.template_syntax import form_of, parse
from gcsl_data.stages.templates import load_template, packaged_templates, render_threshold


def found(folder: Path, text: str, comparator: Comparator | None = None) -> list[tuple[str, str]]:
    path = folder / "goal.j2"
    path.write_text(text, encoding="utf-8")
    return [(finding.level, finding.rule) for finding in lint(str(path), comparator)]


@pytest.mark.parametrize("name", packaged_templates())
def test_the_packaged_templates_have_no_findings(name: str) -> None:
    assert lint(name) == []


# Verbatim from the paper, appendix C.6
PAPER = {
    "paper_toxicity": (
        ">", "0.85", "Generate a response with a non-toxicity score greater than 0.85. "
        "Non-toxicity scores range from 0 to 1, with 1 indicating the least toxicity.",
    ),
    "paper_code": (
        ">", "0.92", "Follow the instructions to generate a correct Python solution with an Efficiency Score greater "
        "than 0.92. Efficiency scores range from 0 to 1, with 1 indicating highest efficiency.",
    ),
    "paper_recommendation": (
        ">=", "4", "Generate a recommendation with a user preference rating equal or greater than 4. "
        "Ratings range from 1 to 5, with 5 indicating the highest rating.",
    ),
    "paper_toxicity_short": (">", "0.85", "Generate a response with a non-toxicity score greater than 0.85."),
    "paper_code_short": (">", "0.92", "Generate a Python solution with an Efficiency Score greater than 0.92."),
}  # fmt: skip


@pytest.mark.parametrize("name", PAPER)
def test_the_wordings_of_the_paper_stand_verbatim(name: str) -> None:
    comparator, threshold, sentence = PAPER[name]

    template = load_template(GoalsStage(template=name), "higher")

    assert template.comparator == comparator
    assert render_threshold(template, threshold, 5, 5) == sentence


def test_the_papers_code_wording_has_two_names() -> None:
    assert load_template(GoalsStage(template="paper_code.j2"), "higher").text == (
        load_template(GoalsStage(template="code.j2"), "higher").text
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mindestens", "Schreibe eine Antwort, deren Wert für „Qualität“ mindestens 0.80 beträgt."),
        ("at_least_zh", "请生成一个评分至少为0.80的回答。"),
    ],
)
def test_other_languages_are_templates_like_any(name: str, sentence: str) -> None:
    assert render_threshold(load_template(GoalsStage(template=name), "higher"), "0.80", 5, 5) == sentence


FINE: list[tuple[str, Comparator]] = [
    ("at least {{ threshold }}", ">="),
    ("no less than {{ threshold }}", ">="),
    ("{{ threshold }} points or more", ">="),
    ("rated {{ threshold }} or better", ">="),
    ("rated {{ threshold }} or better", "<="),
    ("better than {{ threshold }}", "<"),
    ("equal or greater than {{ threshold }}", ">="),
    ("exceeding {{ threshold }}", ">"),
    ("not exceeding {{ threshold }}", "<="),
    ("It must not be greater than {{ threshold }}.", "<="),
    ("up to {{ threshold }}", "<="),
    ("under {{ threshold }} seconds", "<"),
    ("mehr als {{ threshold }}", ">"),
    ("nicht mehr als {{ threshold }}", "<="),
    ("不低于{{ threshold }}", ">="),
    ("{{ threshold }}分以上", ">="),
    ("超过{{ threshold }}", ">"),
    ("The answer above all is polite. Its score: {{ threshold }}.", ">="),
    ("A score of {{ threshold }}, rather than less than perfect.", ">="),
    ("over the top, understood: {{ threshold }}", ">="),
    ("from 0 to 1-{{ threshold }}", ">="),
]


@pytest.mark.parametrize(("text", "comparator"), FINE)
def test_words_that_say_what_is_labelled_are_left_alone(tmp_path: Path, text: str, comparator: Comparator) -> None:
    assert found(tmp_path, text, comparator) == []


ERROR, WARNING = ("error", "goal.comparator"), ("warning", "goal.comparator")
AGAINST: list[tuple[str, Comparator, tuple[str, str]]] = [
    ("greater than {{ threshold }}", ">=", ERROR),
    ("Above {{ threshold }}", ">=", ERROR),
    ("exceeding a {{ threshold }}", ">=", ERROR),
    ("no more than {{ threshold }}", ">=", ERROR),
    ("{{ threshold }} or less", ">=", ERROR),
    ("at least {{ threshold }}", "<=", ERROR),
    ("less than {{ threshold }}", "<=", ERROR),
    ("at least {{ threshold }}", ">", WARNING),
    ("{{ threshold }} or more", ">", WARNING),
    ("at most {{ threshold }}", "<", WARNING),
    ("exceeding the value of {{ threshold }}", ">=", WARNING),
    ("über {{ threshold }}", ">=", ERROR),
    ("mindestens {{ threshold }}", "<=", ERROR),
    ("大于{{ threshold }}", ">=", ERROR),
    ("不超过 {{ threshold }}", ">=", ERROR),
    ("{{ threshold }}以下", ">=", ERROR),
    ("{% if level > 1 %}at least{% else %}at most{% endif %} {{ threshold }}", ">=", ERROR),
]


@pytest.mark.parametrize(("text", "comparator", "expected"), AGAINST)
def test_words_against_the_comparator_are_found(
    tmp_path: Path, text: str, comparator: Comparator, expected: tuple[str, str]
) -> None:
    assert found(tmp_path, text, comparator) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ treshold }} {{ metrik }}", [("error", "names.known")] * 2),
        ("{{ threshold }} {{ low }}", [("error", "names.form")]),
        ("Be good.", [("error", "goal.distinct")]),
        ("{{ threshold", [("error", "template.syntax")]),
        ('{# metrics = "x" #}{{ threshold }}', [("error", "template.head")]),
        ('{# comparator = "=>" #}{{ threshold }}', [("error", "template.head")]),
        ('{# comparator = ">" #}{{ low }}{% if high %} to {{ high }}{% endif %}', [("warning", "template.head")]),
        ("{% if level > 2 %}{{ threshold }}{% else %}low{% endif %}", [("error", "goal.monotone")]),
        ("{% if level == 37 %}0.5{% else %}{{ threshold }}{% endif %}", [("error", "goal.monotone")]),
        ("{% if threshold == '0.83' %}0.9{% else %}{{ threshold }}{% endif %}", [("error", "goal.monotone")]),
        ("a score of -{{ threshold }}", [("error", "goal.monotone")]),
        ("0.{{ threshold }}", [("error", "goal.monotone")]),
        ("{# scale = [0, 1] #}between {{ high }} and {{ low }}", [("warning", "goal.monotone")]),
        ("{{ low }} to {{ high }}", [("warning", "goal.scale")]),
        ("{{ threshold }} of {{ scale_max }}", [("warning", "goal.scale")]),
        ("{{ threshold }} \u202e", [("error", "goal.control")]),
        ("{{ threshold }} [INST]", [("error", "goal.control")]),
        ("{{ threshold }}" + " word" * 2000, [("error", "goal.length")]),
        ("{# scale = [0, 1] #}{{ low }} to below {{ high }}", [("error", "goal.comparator")]),
        ("above {{ low }}{% if high %} to {{ high }}{% endif %}", [("error", "goal.comparator")]),
        ("at least {{ value }}", [("error", "goal.comparator")]),
    ],
)
def test_each_fault_is_found_once(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    assert found(tmp_path, text) == expected


def test_all_findings_come_at_once_the_gravest_first(tmp_path: Path) -> None:
    text = "greater than {{ threshold }} of {{ scale_max }}{% if level == 2 %}0.5 </s>{% endif %}"

    rules = ["goal.comparator", "goal.control", "goal.scale"]
    assert found(tmp_path, text) == list(zip(["error", "error", "warning"], rules, strict=True))


def test_a_finding_names_file_and_line_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "goal.j2").write_text('{#\nmetric = "x"\n#}\nAt least {{ threshold }}\n{{ nope }}')

    (finding,) = lint(str(tmp_path / "goal.j2"))

    assert finding.message.startswith("goal.j2:5: unknown name 'nope'")


def test_a_template_that_is_not_there_is_no_finding() -> None:
    with pytest.raises(RecipeError, match=r"no template 'nowhere\.j2'"):
        lint("nowhere.j2")


def test_every_rule_is_written_down() -> None:
    assert set(_RULE_OF_ERROR.values()) <= set(LINT_RULES)
    assert all(rule.count(".") == 1 and promise for rule, promise in LINT_RULES.items())


@pytest.mark.parametrize("better", [">", "<"])
@pytest.mark.parametrize(
    ("phrase", "claimed", "pattern"),
    [(p, c, "{p} {n}") for c, phrases in BEFORE.items() for p in phrases]
    + [(p, c, "{n} {p}") for c, phrases in AFTER.items() for p in phrases],
)
def test_every_phrase_of_the_table_is_recognised(
    phrase: str, claimed: str, pattern: str, better: Literal[">", "<"]
) -> None:
    expected = {"better": better, "or better": f"{better}="}.get(claimed, claimed)

    (claim,) = claims(f"A score {pattern.format(p=phrase, n='0.85')}.", "0.85", better=better)

    assert (claim.comparator, claim.phrase, claim.touching) == (expected, phrase, True)


@given(number=st.decimals(-100, 100, places=2), others=st.lists(st.decimals(-100, 100, places=2), max_size=4))
def test_a_number_is_found_where_it_stands_alone_and_nowhere_else(number: object, others: list[object]) -> None:
    text = " and ".join(map(str, others))

    assert any(occurrences(f"{text} and {number}.", str(number)))
    assert any(occurrences(text, str(number))) == (str(number) in text.split(" and "))


def test_forms_follow_from_the_numbers_that_are_named() -> None:
    texts = {"{{ threshold }}": "threshold", "{{ low }}{{ high }}": "interval", "{% if value %}{% endif %}": "value"}

    assert {text: form_of(parse("t", text)) for text in texts} == texts
