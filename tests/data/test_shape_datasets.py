"""Datasets of logs with a shape: the contract holds, records lead to the same rows, and examples lead back."""

from pathlib import Path

import polars as pl
import pytest

from .support import examples, expand, gcsl_data, write_jsonl


@pytest.mark.parametrize(
    "formulation", ["gcsl-bey-nl", "gcsl", "ca", "sft", "pairs", "groups", "unpaired", "multi-negative"]
)
def test_datasets_of_variants_hold_and_lead_back(tmp_path: Path, formulation: str) -> None:
    log = [
        {
            "ask": f"Task {n}",
            "said": [{"say": f"{n} {p}", "score": (n * 3 + p * 5) % 7} for p in range(n % 4)],
            "step": n,
        }
        for n in range(40)
    ]
    path = write_jsonl(tmp_path / "log.jsonl", log)
    rewards = ["a=variant.score", "b=7 - variant.score"] if formulation == "gcsl" else []
    flags = ["--variants", "said", "--map", "prompt=ask", "--map", "response=variant.say", "--keep", "step"]
    flags += [word for reward in rewards for word in ("--reward", reward)] or ["--map", "reward=variant.score"]
    quarantine = ["--on-error", "quarantine", "--max-reject-rate", "1"]

    ingested = gcsl_data("ingest", path, *flags, *quarantine, cwd=tmp_path)
    made = gcsl_data("expand", path, *flags, *quarantine, "--formulation", formulation, "-o", "direct", cwd=tmp_path)
    again = gcsl_data(
        "expand", "records.parquet", "--keep", "step", "--formulation", formulation, "-o", "again", cwd=tmp_path
    )
    frozen = gcsl_data(
        "expand",
        path,
        *flags,
        *quarantine,
        "--formulation",
        formulation,
        "--fit",
        "direct",
        "-o",
        "frozen",
        cwd=tmp_path,
    )

    assert (ingested.status, made.status, again.status) == (0, 0, 0), ingested.err + made.err + again.err
    assert gcsl_data("check", "direct", cwd=tmp_path).status == 0
    found = examples(tmp_path / "direct")
    assert found == examples(tmp_path / "again")
    assert found
    assert all(row["step"] == row["row"] - 1 for row in found)
    assert frozen.status == 0, frozen.err
    assert examples(tmp_path / "frozen") == found
    traced = gcsl_data("trace", "direct", found[-1]["id"], "--logs", ".", "--json", cwd=tmp_path).json
    assert (traced["row"], traced["part"]) == (found[-1]["row"], found[-1]["part"])
    assert traced["log"]["row"]["ask"] == f"Task {found[-1]['row'] - 1}"


def test_many_variants_keep_their_order(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": range(50_000)}).select(
        prompt="p" + pl.col("n").cast(pl.String), reward=pl.col("n") % 11, said=pl.concat_list(
            [pl.format("{} {}", "n", pl.lit(part)) for part in range(4)]
        )
    )  # fmt: skip
    frame.write_parquet(tmp_path / "log.parquet", row_group_size=1000)

    manifest = expand(tmp_path / "out", tmp_path / "log.parquet", shape__variants="said", goals__filter="none",
                      goals__formulation="ca")  # fmt: skip

    assert manifest.accounting.rows == 200_000
    places = [(row["row"], row["part"]) for row in examples(tmp_path / "out")]
    assert places == [(row, part) for row in range(1, 50_001) for part in range(4)]
