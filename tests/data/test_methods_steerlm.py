"""SteerLM's strings of attributes, from a log to a checked dataset."""

from pathlib import Path
from typing import Any

import pytest

from gcsl_data.audit.contract import check_dataset

from .support import gcsl_data, make_rows
from .test_methods import Row, make
from .test_methods_program import run


def rated() -> list[Row]:
    return [{**row, "help": at % 5, "toxic": (at * 3 % 7) / 7} for at, row in enumerate(make_rows([0.0] * 70))]


def test_aspects_are_attributes(tmp_path: Path) -> None:
    flags = {"record__rewards": {"help": "help", "toxic": "toxic"}, "record__directions": {"toxic": "lower"}}
    manifest, written = make(tmp_path, "steerlm", rated(), **flags)

    assert manifest.inference_text == "help:4,toxic:0"
    for row in written:
        logged = rated()[row["row"] - 1]
        assert row["goal"] == f"help:{logged['help']},toxic:{round(logged['toxic'])}"
        assert row["prompt"][0]["content"] == f"{row['goal']}\n\n{logged['prompt']}"
        assert row["reward"] == logged["help"]
    assert check_dataset(tmp_path / "out") == []
    assert gcsl_data("goal", "out", cwd=tmp_path).out == "help:4,toxic:0\n"
    assert gcsl_data("goal", "out", "--scale", "1.1", cwd=tmp_path).status == 2
    assert gcsl_data("stats", "out", cwd=tmp_path).status == 0


@pytest.mark.parametrize("several", [True, False])
def test_levels_are_the_bins_of_an_attribute(tmp_path: Path, several: bool) -> None:
    flags: dict[str, Any] = {"record__map": {"reward": "toxic"}, "record__direction": "lower", "goals__metric": "rude"}
    if several:
        flags = {"record__rewards": {"help": "help", "rude": "toxic"}, "record__directions": {"rude": "lower"}}
    manifest, written = make(tmp_path, "steerlm", rated(), build__attribute_values="levels", bins__count=3, **flags)

    edges = (manifest.fit.aspects[1].fit if several else manifest.fit).thresholds
    for row in written:
        level = sum(-rated()[row["row"] - 1]["toxic"] >= t.edge - 1e-9 for t in edges)
        assert row["goal"].endswith(f"rude:{3 - level}")
    assert manifest.inference_text == ("help:2,rude:0" if several else "rude:0")
    assert check_dataset(tmp_path / "out") == []
    assert gcsl_data("stats", "out", cwd=tmp_path).status == 0


def test_a_name_that_could_not_be_told_from_the_string_is_refused(tmp_path: Path) -> None:
    outcome = run(tmp_path, "steerlm", "--metric", "a:b")

    assert (outcome.status, len(outcome.errors)) == (2, 1)


def test_ratings_that_rounding_flattens_are_a_warning(tmp_path: Path) -> None:
    assert "--set build.attribute_values=levels" in run(tmp_path, "steerlm", rewards=[i / 9 for i in range(9)]).err
