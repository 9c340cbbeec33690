"""Goals and scores inside a log's own texts are found, whatever number or metric they were made with."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from gcsl_data.recipe import GoalsStage
from gcsl_data.stages.leaks import goal_patterns, leak_patterns
from gcsl_data.stages.template_syntax import form_of, parse, split_head
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

from .support import make_rows, measured, write_jsonl

NUMBERS = ("0.5", "-1.25", "4", "0.123456", "100")


def loaded(asked: str) -> GoalTemplate:
    name, text, _ = read_template(asked)
    head, _ = split_head(name, text)
    direction = "lower" if head.get("comparator") in COMPARATORS["lower"] else "higher"
    return load_template(GoalsStage(template=asked), direction, form=form_of(parse(name, text)))


def goals_of(template: GoalTemplate) -> list[str]:
    """Goals as expansions with other thresholds, another metric and another scale write them."""
    own = template.scale or (0.0, 1.0)
    texts = []
    for metric, scale in ((template.metric, own), ("user preference (1-5)", (-10.0, 10.5)), ("Qualität", own)):
        made = replace(template, metric=metric, scale=scale)
        if made.form == "threshold":
            texts += [render_threshold(made, n, 1, 4) for n in NUMBERS]
        elif made.form == "value":
            texts += [render_value(made, n) for n in NUMBERS]
        else:
            ends = [("1", "2"), (None, "2"), ("1", None)]
            texts += [render_interval(made, low, high, 2, 4) for low, high in ends]
    return texts


def is_leak(texts: list[str], *, patterns: tuple[str, ...] | None = None) -> list[bool]:
    frame = pl.DataFrame({"text": texts})
    found = [pl.col("text").str.contains(pattern) for pattern in patterns or leak_patterns()]
    return frame.select(pl.any_horizontal(found))["text"].to_list()


@pytest.mark.parametrize("name", packaged_templates())
def test_goals_of_every_packaged_template_are_found(name: str) -> None:
    template = loaded(name)
    goals = goals_of(template)
    patterns = goal_patterns(template)

    assert patterns
    assert all(is_leak([f"Write a poem.\n\n{goal}" for goal in goals], patterns=patterns))
    assert all(is_leak([f"{goal}\n\nWrite a poem." for goal in goals]))


INNOCENT = [
    "Write a poem.",
    "Generate a response.",
    "Generate a response with a twist.",
    "at least 5 of 7 days",
    "Write a function that returns numbers between 0 and 1.",
    "Target: at least try.",
    "请生成一个回答。",
    "Keep the score in mind, then list 3 reasons.",
    "The film was rated 5 stars and scored 7 points.",
    "upgrade 3 packages, underscore 4, scores: 5",
    "my grade is good",
    "score: 3rd place",
    "",
]


def test_other_texts_are_not_taken_for_goals_or_scores() -> None:
    assert is_leak(INNOCENT) == [False] * len(INNOCENT)


@pytest.mark.parametrize(
    "text",
    [
        "Score: 0.8",
        "a rating of 4",
        "Reward=-1.5",
        "the grade is 3",
        "SCORE 12",
        "(score:5)",
        "rating 4,5",
        "reward is 0.7.",
    ],
)
def test_scores_are_found(text: str) -> None:
    assert is_leak([text, f"So {text}", f"{text} then"]) == [True] * 3


@pytest.mark.parametrize("metric", ["non-toxicity score", "Qualität", "评分", "p(correct)", "BLEU-4"])
def test_the_metric_is_a_word_for_a_score(metric: str) -> None:
    patterns = leak_patterns(metrics=[metric])

    assert is_leak([f"{metric.upper()}: 4", f"the {metric} is 0.5", metric, f"{metric}."], patterns=patterns) == [
        True,
        True,
        False,
        False,
    ]
    assert is_leak(["Qualität: 4"]) == [False]


def test_special_tokens_are_goals() -> None:
    assert is_leak(["<|goal_3|>\n\np", "<|goal|>", "goal_3"]) == [True, False, False]


@pytest.mark.parametrize(
    ("body", "goal", "found"),
    [
        ("Reach {{ threshold }} in every test (all of them).", "Reach 0.9 in every test (all of them).", True),
        ("Reach {{ threshold }} in every test (all of them).", "Reach it in every test (all of them).", False),
        ("{{ metric }} {{ threshold }}!", "quality 3!", False),
        (
            "Level {{ level }} of {{ num_levels }}: reach {{ threshold }} points",
            "Level 7 of 9: reach 3.50 points",
            True,
        ),
        (
            "{% if level == num_levels %}The very best of all: {{ threshold }}{% else %}Reach {{ threshold }}{% endif %}",
            "The very best of all: 17",
            True,
        ),
    ],
)
def test_goals_of_a_template_of_ones_own_are_found(tmp_path: Path, body: str, goal: str, found: bool) -> None:
    (tmp_path / "own.j2").write_text(body)
    rows = [*make_rows(i / 16 for i in range(16)), {"prompt": f"{goal}\n\nTask", "response": "r", "reward": 0.5}]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    hygiene = measured(log, goals__template=str(tmp_path / "own.j2"), goals__metric="zest").hygiene

    assert hygiene.leaks == int(found)
    assert measured(log, goals__formulation="sft").hygiene.leaks == 0


def test_a_metric_as_long_as_a_book_names_no_score(tmp_path: Path) -> None:
    rows = [{**row, "response": "The score is 4."} for row in make_rows([0.1, 0.2, 0.3])]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    found = measured(log, goals__metric="quality (é) " * 100_000, goals__formulation="sft")

    assert found.hygiene.leaks == 3
