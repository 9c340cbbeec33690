"""What to ask for at inference: the goals that were trained, and the same sentence with another number."""

from pathlib import Path

import pytest

from .support import Outcome, examples, expand, expand_rows, gcsl_data, make_rows, write_jsonl

FIXTURE_A = [i / 100 for i in range(100)]


def run(folder: Path, *arguments: str) -> Outcome:
    return gcsl_data("goal", "out", *arguments, cwd=folder)


@pytest.fixture
def toxicity(tmp_path: Path) -> Path:
    """The paper's example: thresholds .75 and .85 of a score from 0 to 1."""
    expand_rows(
        tmp_path, make_rows(FIXTURE_A), bins__thresholds="0.75,0.85", goals__template="paper_toxicity",
    )  # fmt: skip
    return tmp_path


def test_the_papers_example_scales_085_to_088(toxicity: Path) -> None:
    asked = run(toxicity, "--scale", "1.04", "--json").json

    assert asked["number"] == "0.88"
    assert asked["text"].startswith("Generate a response with a non-toxicity score greater than 0.88. ")
    assert asked["extrapolates"] is True
    assert asked["index"] is None
    assert asked["warnings"] == []


def test_beyond_the_scale_there_is_a_warning_and_no_clipping(toxicity: Path) -> None:
    asked = run(toxicity, "--scale", "1.24")

    assert asked.status == 0
    assert "greater than 1.05." in asked.out
    assert asked.err == "warning: 1.05 is beyond the scale 0 to 1\n"


def test_beyond_the_best_reward_seen_there_is_a_warning(tmp_path: Path) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A))

    asked = run(tmp_path, "--value", "1.5")

    assert asked.out == "Generate a response with a score of at least 1.5.\n"
    assert asked.err == "warning: no training row had a reward of 1.5 or better\n"


def test_where_lower_is_better_less_is_more(tmp_path: Path) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A), record__direction="lower")

    assert run(tmp_path, "--value", "0.5").err == ""
    assert "a reward of -0.1 or better" in run(tmp_path, "--value", "-0.1").err


def test_a_value_that_was_trained_is_no_extrapolation(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(FIXTURE_A))

    asked = run(tmp_path, "--value", "0.80", "--json").json

    assert (asked["text"], asked["index"], asked["extrapolates"]) == (manifest.inference_text, 5, False)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--scale", "1.04", "--value", "0.9"), "--scale and --value both say which number"),
        (("--value", "much"), "--value 'much' is not a number"),
        (("--value", "inf"), "--value 'inf' is not a number"),
        (("--index", "1"), "kept goals: 4, 5"),
    ],
)
def test_wrong_questions_are_usage_errors(tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A))

    asked = run(tmp_path, *flags)

    assert (asked.status, asked.out) == (2, "")
    assert words in asked.errors[0]


@pytest.mark.parametrize("formulation", ["gcsl", "gcsl-bey", "gcsl-nl"])
def test_goals_without_one_number_have_no_other_number(tmp_path: Path, formulation: str) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A), goals__formulation=formulation)

    assert run(tmp_path).status == 0
    assert run(tmp_path, "--scale", "1.04").status == run(tmp_path, "--value", "0.9").status == 2


@pytest.mark.parametrize("formulation", ["sft", "sft-aug", "reward-embedding"])
def test_prompts_without_a_goal_have_none_to_ask_for(tmp_path: Path, formulation: str) -> None:
    expand_rows(tmp_path, make_rows(FIXTURE_A), goals__formulation=formulation)

    assert "carry no goal" in run(tmp_path).errors[0]


def test_labels_have_no_number(tmp_path: Path) -> None:
    rows = [{**row, "reward": ("Poor", "Good")[i % 2]} for i, row in enumerate(make_rows([0.0] * 20))]
    expand_rows(tmp_path, rows, record__reward_order="Poor<Good")

    assert run(tmp_path).out == "Generate a response with a score of at least Good.\n"
    assert run(tmp_path, "--value", "3").status == 2


def test_a_goal_of_one_value_is_written_as_rows_write_it(tmp_path: Path) -> None:
    # 0.575 and 1.115 lie a hair beside their decimal halves, to either side.
    log = [0.575, 1.115, *[1.115] * 18]
    expand_rows(tmp_path, make_rows(log), goals__formulation="ca")

    written = {row["reward"]: row["goal"] for row in examples(tmp_path / "out")}

    assert written == {
        0.575: "Generate a response with a score of 0.58.",
        1.115: "Generate a response with a score of 1.12.",
    }
    assert run(tmp_path).out == written[1.115] + "\n"
    assert run(tmp_path, "--value", "0.575").out == written[0.575] + "\n"
    assert run(tmp_path, "--scale", "2").err == "warning: no training row had a reward of 2.23 or better\n"


def test_a_value_has_as_many_digits_as_asked_for(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows([0.12345, 0.5, 12.0]))

    expand(tmp_path / "out", log, goals__formulation="ca", bins__decimals=3)

    assert [row["goal"].split()[-1] for row in examples(tmp_path / "out")] == ["0.123.", "0.500.", "12.000."]
    assert run(tmp_path).out.endswith(" 12.000.\n")


def test_values_too_long_for_a_sentence_are_refused(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows([1.0, 2e13]))

    done = gcsl_data("expand", log, "--formulation", "ca", cwd=tmp_path)

    assert done.status == 65
    assert (
        "2e+13 is too large for a sentence with 2 digits after the point, where numbers stay below 1e+13"
        in done.errors[0]
    )
