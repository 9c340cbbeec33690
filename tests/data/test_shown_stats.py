"""What people read in `stats` and `expand`: the log's own unit, and what each goal claims."""

from itertools import takewhile
from pathlib import Path

import pytest

from .support import Outcome, gcsl_data, make_rows, write_jsonl

FIXTURE_A = [i / 100 for i in range(100)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = ({**row, "gain": row["reward"], "harm": 1 - row["reward"]} for row in make_rows(FIXTURE_A))
    write_jsonl(tmp_path / "log.jsonl", rows)
    return tmp_path


def stats(folder: Path, *flags: str) -> Outcome:
    done = gcsl_data("stats", "log.jsonl", *flags, cwd=folder)
    assert done.status == 0, done.err
    assert "--json" in flags or max(map(len, done.out.splitlines())) <= 80
    return done


def table(done: Outcome) -> list[list[str]]:
    """The words of each row of the last table of bins, best bin first."""
    lines = [line.split() for line in done.out.splitlines()]
    start = max(at for at, words in enumerate(lines) if words[:1] == ["k"])
    return [*takewhile(lambda words: words[0].isdigit(), lines[start + 1 :])]


def test_where_lower_is_better_edges_and_means_are_the_logs_own(folder: Path) -> None:
    done = stats(folder, "--direction", "lower")

    assert "mean reward 0.495 (lower is better)" in done.out
    assert [row[:3] for row in table(done)] == [
        ["5", "0.19", "0.19"], ["4", "0.39", "0.39"], ["3", "0.59", "0.59"], ["2", "0.79", "0.79"], ["1", "0.99", "0.99"]
    ]  # fmt: skip
    assert [row[6] for row in table(done)] == ["0.095", "0.295", "0.495", "0.695", "0.895"]
    assert [line for line in done.out.splitlines() if "-" in line.replace("--max-chars", "")] == [
        "  text      median 7 + 9 characters; rank correlation with reward -0.52",
        "  correlation -0.52): goals may come to mean length",
    ]


def test_the_json_has_the_manifests_numbers_and_what_people_read(folder: Path) -> None:
    best = stats(folder, "--direction", "lower", "--json").json["bins"]["rows"][-1]

    assert (best["edge"], best["mean_reward"]) == (-0.19, -0.095)
    assert (best["logged"], best["printed"], best["says"]) == (0.19, "0.19", "<= 0.19")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["gcsl-nl"], [">= 0.80", "0.60 to 0.80", "0.40 to 0.60", "0.20 to 0.40", "0.00 to 0.20"]),
        (["gcsl-nl", "--scale", "0,1"], ["0.80 to 1", "0.60 to 0.80", "0.40 to 0.60", "0.20 to 0.40", "0.00 to 0.20"]),
        (["gcsl"], [">= 0.8", "0.6 to 0.8", "0.4 to 0.6", "0.2 to 0.4", "0 to 0.2"]),
        (
            ["gcsl-nl", "--direction", "lower"],
            ["<= 0.19", "0.19 to 0.39", "0.39 to 0.59", "0.59 to 0.79", "0.79 to 0.99"],
        ),
    ],
)
def test_goals_of_one_bin_say_both_ends(folder: Path, flags: list[str], says: list[str]) -> None:
    done = stats(folder, "--formulation", *flags)

    assert [line for line in says if f" {line} " not in done.out] == []
    made = gcsl_data("expand", "log.jsonl", "--formulation", *flags, cwd=folder)
    assert [line.strip() for line in made.err.splitlines() if "goal" in line] == [
        f"goal {k}    {line}: 20 examples" for k, line in zip(range(5, 0, -1), says, strict=True)
    ]


def test_a_normalised_reward_is_shown_beside_what_it_was(folder: Path) -> None:
    done = stats(folder, "--normalize", "zscore")

    assert "on the zscore scale" in done.out
    assert [row[1] for row in table(done)] == ["0.8", "0.6", "0.4", "0.2", "0"]


def test_joint_goals_say_what_each_aspect_must_be(folder: Path) -> None:
    flags = ("--reward", "gain=gain", "--reward", "harm=harm", "--direction", "harm=lower")

    done = stats(folder, *flags)
    made = gcsl_data("expand", "log.jsonl", *flags, cwd=folder)

    assert "gain, mean 0.495\n" in done.out
    assert "harm, mean 0.505 (lower is better)\n" in done.out
    assert [" ".join(row) for row in table(done)] == [
        "2 gain >= 0.80, harm <= 0.20 20 20.0% 20", "1 gain >= 0.60, harm <= 0.40 20 20.0% 40", "0 below 60"
    ]  # fmt: skip
    assert "  goal 2    gain >= 0.80, harm <= 0.20: 20 examples\n" in made.err


def test_rows_without_goals_are_not_counted_as_nought(folder: Path) -> None:
    made = gcsl_data("expand", "log.jsonl", "--formulation", "sft-aug", cwd=folder)

    assert [row[-1] for row in table(stats(folder, "--formulation", "sft-aug"))] == [
        "kept",
        "kept",
        "mean",
        "mean",
        "mean",
    ]
    assert "  copies    one for each that a record reaches: >= 0.8, >= 0.6\n" in made.err


def test_each_step_is_said_when_progress_is_plain(folder: Path) -> None:
    done = gcsl_data("stats", "log.jsonl", "--progress", "plain", cwd=folder)

    steps = [line for line in done.err.splitlines() if line.startswith(("log.jsonl: ", "computing"))]
    assert [step.removeprefix("log.jsonl: ") for step in steps] == [
        "recognising",
        "looking for what is suspicious",
        "counting rewards",
        "lengths, groups and levels",
        "computing the sections",
    ]


def test_what_to_ask_for_may_be_a_reward(folder: Path) -> None:
    assert stats(folder, "--formulation", "reward-embedding").out.endswith(
        "Ask for: the reward 0.99, which the trainer embeds\n"
    )


@pytest.mark.parametrize(("direction", "cut"), [("higher", "from 0.75"), ("lower", "up to 0.24")])
def test_a_cut_is_said_in_the_logs_unit(folder: Path, direction: str, cut: str) -> None:
    assert (
        f"cut       25%: {cut}, 25.0% of train, mean 0.495"
        in stats(folder, "--formulation", "sft", "--direction", direction).out
    )
