"""What newcomers stumbled over: words that did not fit, other people's CSV, answers to questions that nobody was asked."""

from pathlib import Path

import pytest

from gcsl_data.dataset.manifest import load
from gcsl_data.stages.leaks import leak_patterns

from .support import gcsl_data, make_rows, measured, write_jsonl


@pytest.mark.parametrize(
    ("metric", "said"), [("accuracy", "an accuracy"), ("score", "a score"), ("Overall score", "an Overall score")]
)
@pytest.mark.parametrize("template", ["at_least", "between", "conditional"])
def test_the_article_fits_the_metric(tmp_path: Path, metric: str, said: str, template: str) -> None:
    formulation = {"between": "gcsl-nl", "conditional": "ca"}.get(template, "gcsl-bey-nl")
    log = write_jsonl(tmp_path / "log.jsonl", make_rows([0.1, 0.5, 0.9]))

    found = measured(log, goals__formulation=formulation, goals__template=template, goals__metric=metric)

    assert f"with {said} " in str(found.inference_text)
    assert any(_matches(pattern, str(found.inference_text)) for pattern in leak_patterns())


def _matches(pattern: str, text: str) -> bool:
    import polars as pl

    return bool(pl.select(pl.lit(text).str.contains(pattern)).item())


def test_several_rewards_are_called_by_their_names_whatever_one_was_called(tmp_path: Path) -> None:
    rows = [{**row, "a": i % 5, "b": 7 * i % 5} for i, row in enumerate(make_rows([0.5] * 40))]
    log = write_jsonl(tmp_path / "log.jsonl", rows)
    (tmp_path / "my.toml").write_text('[record]\nmap = {reward = "a"}\n[goals]\nmetric = "old"\nscale = [0, 0.5]\n')
    several = ("--reward", "safety=a", "--reward", "help=b")

    outcome = gcsl_data("expand", log, "--preset", "my.toml", *several, "--no-goal-filter", "-o", "out", cwd=tmp_path)
    refused = gcsl_data("expand", log, *several, "--metric", "old", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    text = load(tmp_path / "out").inference_text
    assert "safety" in str(text)
    assert "help" in str(text)
    assert "old" not in str(text)
    assert (refused.status, "GD0264" in refused.errors[0]) == (2, True)


def test_another_reward_is_not_called_and_scaled_as_the_old_one(tmp_path: Path) -> None:
    rows = [{**row, "stars": i % 5} for i, row in enumerate(make_rows([i / 40 for i in range(40)]))]
    log = write_jsonl(tmp_path / "log.jsonl", rows)
    (tmp_path / "my.toml").write_text('[record]\nmap = {prompt = "prompt"}\n[goals]\nmetric = "old"\nscale = [0, 1]\n')

    outcome = gcsl_data("expand", log, "--preset", "my.toml", "--map", "reward=stars", "-o", "out", cwd=tmp_path)
    shown = gcsl_data(
        "expand", "x", "--preset", "my.toml", "--map", "reward=stars", "--print-recipe", "--json", cwd=tmp_path
    )

    assert outcome.status == 0, outcome.err
    assert load(tmp_path / "out").inference_text == "Generate a response with a score of at least 4."
    assert shown.json["settings"]["goals.metric"] == {"value": None, "origin": "default"}


def test_semicolons_part_the_columns_of_a_spreadsheet(tmp_path: Path) -> None:
    rows = "".join(f'Task {i};"Answer; {i}\nand, more";0.{i}\n' for i in range(10))
    (tmp_path / "log.csv").write_text(f"prompt;response;reward\n{rows}", encoding="utf-8")

    outcome = gcsl_data("expand", "log.csv", "-o", "out", cwd=tmp_path)
    (tmp_path / "ragged.csv").write_text("prompt;response;reward\na;b;1\nc;d;2;3\n", encoding="utf-8")
    bad = gcsl_data("expand", "ragged.csv", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    assert load(tmp_path / "out").accounting.rows == 10
    assert "another number of fields" in bad.errors[0]


def test_the_best_and_the_worst_of_a_conversation_are_answers_that_can_be_used(tmp_path: Path) -> None:
    turns = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("assistant", "user")]
    log = write_jsonl(tmp_path / "log.jsonl", [{"chat": turns, "reward": i} for i in range(6)])

    outcome = gcsl_data("stats", log, "--set", "shape.turns.messages=chat", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    best = [line for line in outcome.err.splitlines() if line.startswith("  best")]
    assert best[0].split() == ["best", "5:", "user", "0", "->", "assistant", "1"]
    assert len(best) == 3


@pytest.mark.parametrize("name", ["records.jsonl", "records.csv", "records.parquet.gz"])
def test_records_are_not_written_under_the_name_of_another_format(tmp_path: Path, name: str) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([1, 2]))

    outcome = gcsl_data("ingest", "log.jsonl", "-o", name, cwd=tmp_path)

    assert (outcome.status, "Parquet" in outcome.errors[0]) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_rows_inside_a_document_are_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text(
        '{"meta": {"v": 1}, "data": {"items": [{"prompt": "a", "response": "b", "reward": 1}]}}'
    )

    outcome = gcsl_data("expand", "n.json", cwd=tmp_path)

    assert "--records" in outcome.errors[0]
    assert "'items'" in outcome.errors[0]
