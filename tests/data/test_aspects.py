"""Several rewards side by side: carried, each with its direction, rejected where one of them cannot be used."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from .support import Outcome, gcsl_data, plan_of, write_jsonl

ROWS: list[dict[str, Any]] = [
    {"prompt": f"Task {i % 5}", "response": f"Answer {i}", "score": {"help": i % 4 + 1, "tox": (i * 7 % 10) / 10}}
    for i in range(40)
]
REWARDS = ("--reward", "helpfulness=score.help", "--reward", "toxicity=score.tox", "--direction", "toxicity=lower")


def run(log: Path, *arguments: str) -> Outcome:
    return gcsl_data(*arguments, cwd=log.parent)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "log.jsonl", ROWS)


def test_every_reward_is_carried_and_the_first_is_the_reward(log: Path) -> None:
    out = log.with_name("records.parquet")

    done = run(log, "ingest", str(log), *REWARDS, "-o", str(out))

    assert done.status == 0
    records = pl.read_parquet(out)
    assert records["reward_helpfulness"].to_list() == [row["score"]["help"] for row in ROWS]
    assert records["reward_toxicity"].to_list() == [0.0 if (t := row["score"]["tox"]) == 0 else -t for row in ROWS]
    assert records["reward"].to_list() == records["reward_helpfulness"].to_list()


def test_records_keep_their_aspects_and_directions(log: Path) -> None:
    out = log.with_name("records.parquet")
    run(log, "ingest", str(log), *REWARDS, "-o", str(out))

    plan, _ = plan_of(out)

    assert plan.aspects == {"helpfulness": "higher", "toxicity": "lower"}
    assert plan.records.collect()["reward_toxicity"].to_list() == pl.read_parquet(out)["reward_toxicity"].to_list()


def test_a_row_that_lacks_one_of_its_rewards_is_rejected(tmp_path: Path) -> None:
    rows = [*ROWS, {"prompt": "p", "response": "r", "score": {"help": 3, "tox": None}}]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    failed = run(log, "ingest", str(log), *REWARDS, "-o", str(tmp_path / "a.parquet"))
    assert failed.status == 65
    assert "log.jsonl:41: the reward is null" in failed.err

    kept = run(log, "ingest", str(log), *REWARDS, "--on-error", "quarantine", "--max-reject-rate", "0.1",
        "-o", str(tmp_path / "b.parquet"),
    )  # fmt: skip
    assert kept.status == 0
    assert '"row": 41, "reason": "null_reward"' in (tmp_path / "b.rejects.jsonl").read_text()
    assert pl.read_parquet(tmp_path / "b.parquet").height == 40


def test_a_text_reward_is_noted_under_its_own_name(tmp_path: Path) -> None:
    rows = [{**row, "grade": str(i % 3)} for i, row in enumerate(ROWS)]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    done = run(
        log, "ingest", str(log), "--reward", "help=score.help", "--reward", "grade=grade", "-o", str(tmp_path / "r")
    )

    assert "the grade is text; it is read as a number" in done.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--reward", "Help=score.help"), "'Help' cannot name an aspect"),
        (("--reward", "raw=score.help"), "'raw' cannot name an aspect"),
        (("--reward", "help=score.help", "--map", "reward=score.tox"), "both say what the reward is"),
        (("--reward", "help=score.help", "--direction", "hlep=lower"), "did you mean 'help'?"),
        (("--reward", "help=score.help", "--reward", "help=score.tox"), "given twice"),
        (("--reward", "help=score.("), "--reward help="),
        (("--direction", "lower", "--direction", "higher"), "--direction is given twice"),
    ],
)
def test_wrong_rewards_are_usage_errors(log: Path, flags: tuple[str, ...], words: str) -> None:
    done = run(log, "ingest", str(log), *flags, "-o", str(log.with_name("r.parquet")))

    assert done.status == 2
    assert words in done.err
    assert not log.with_name("r.parquet").exists()


def test_logs_that_do_not_agree_on_their_aspects_are_refused(log: Path, tmp_path: Path) -> None:
    run(log, "ingest", str(log), *REWARDS, "-o", str(tmp_path / "a.parquet"))
    run(log, "ingest", str(log), "--reward", "helpfulness=score.help", "-o", str(tmp_path / "b.parquet"))

    done = run(log, "expand", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"))

    assert done.status == 65
    assert "a.parquet has helpfulness, toxicity and b.parquet has helpfulness" in done.err
