"""Presets of logs that do not lie beside the checkout, on fixtures made after their dataset cards, with their quirks."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.manifest import load

from .support import gcsl_data, write_jsonl


def records(log: Path, preset: str, *flags: str, folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    outcome = gcsl_data("ingest", log, "--preset", preset, *flags, "-o", "records.parquet", "--json", cwd=folder)
    assert outcome.status == 0, outcome.err
    return pl.read_parquet(folder / "records.parquet").to_dicts(), outcome.json["accounting"]


def completion(response: str, score: float | None) -> dict[str, Any]:
    rating = {"Rating": "N/A" if score is None else str(score), "Rationale": "..."}
    return {
        "annotations": {
            "helpfulness": rating,
            "honesty": rating,
            "instruction_following": rating,
            "truthfulness": rating,
        },
        "custom_system_prompt": "You are an AI assistant.",
        "model": "alpaca-7b",
        "principle": "helpfulness",
        "response": response,
        "critique": "...",
        "overall_score": score,
        "fine-grained_score": score,
    }


def ultrafeedback(count: int) -> list[dict[str, Any]]:
    return [
        {
            "source": "evol_instruct",
            "instruction": f"Task {i}",
            "models": ["alpaca-7b", "gpt-4", "llama-2-7b-chat", "bard"],
            "completions": [completion(f"Answer {i} {j}", float(1 + (i + 3 * j) % 10)) for j in range(4)],
            "correct_answers": ["None"],
            "incorrect_answers": ["None"],
        }
        for i in range(count)
    ]


def test_ultrafeedback_gives_each_completion_and_sets_aside_what_was_not_rated(tmp_path: Path) -> None:
    rows = ultrafeedback(120)
    rows[3]["completions"], rows[3]["models"] = [], []
    rows[5]["completions"][2]["overall_score"] = None
    log = write_jsonl(tmp_path / "evol_instruct.jsonl", rows)

    found, account = records(log, "ultrafeedback", folder=tmp_path)

    expected = [
        (i, j, row["instruction"], one["response"], one["overall_score"])
        for i, row in enumerate(rows, start=1)
        for j, one in enumerate(row["completions"])
        if one["overall_score"] is not None
    ]
    assert [(r["row"], r["part"], r["prompt"], r["response"], r["reward"]) for r in found] == expected
    assert account["rejected"] == {"empty_response": 1, "null_reward": 1}
    assert account["rows"] == len(expected) + 2
    assert len({record["group"] for record in found}) == 119


def test_the_four_completions_of_an_instruction_make_pairs_and_groups(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", ultrafeedback(20))

    for formulation in ("pairs", "groups", "best-of-group"):
        arguments = (log, "--preset", "ultrafeedback", "--formulation", formulation, "-o", formulation)
        outcome = gcsl_data("expand", *arguments, cwd=tmp_path)
        assert outcome.status == 0, outcome.err
        assert check_dataset(tmp_path / formulation) == []
    assert load(tmp_path / "groups").splits[0].examples == 80


def test_helpsteer2_reads_prompts_with_several_turns_and_any_of_its_ratings(tmp_path: Path) -> None:
    names = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
    several = "Hi\n\n<extra_id_1>Assistant\n\nHello\n  you\n\n<extra_id_1>User\n\nAnd now?"
    rows = [
        {
            "prompt": several if i % 3 == 0 else f"Ask {i}",
            "response": f" A {i}\n",
            **{n: (i // k) % 5 for k, n in enumerate(names, 1)},
        }
        for i in range(30)
    ]
    log = write_jsonl(tmp_path / "train.jsonl", rows)

    found, _ = records(log, "helpsteer2", folder=tmp_path)
    outcome = gcsl_data(
        "expand", log, "--preset", "helpsteer2", "--reward", "helpfulness=helpfulness", "--reward", "verbosity=verbosity",
        "--direction", "verbosity=lower", "-o", "out", cwd=tmp_path,
    )  # fmt: skip

    turns = [("user", "Hi"), ("assistant", "Hello\n  you"), ("user", "And now?")]
    for i, record in enumerate(found):
        said = turns if i % 3 == 0 else [("user", f"Ask {i}")]
        assert [(turn["role"], turn["content"]) for turn in record["prompt"]] == said
        assert record["response"] == f" A {i}\n"
        assert record["reward"] == i % 5
    assert outcome.status == 0, outcome.err
    assert [aspect.name for aspect in load(tmp_path / "out").fit.aspects] == ["helpfulness", "verbosity"]


def amazon(*, old: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[tuple[str, str, int, float]]]:
    """Reviews, meta, and of every review (user, product, time, rating), in one spelling or the other."""
    choices = [(f"U{i % 3}", f"P{(7 * i) % 61}", 1_500_000_000 + 977 * i, float(1 + i % 5)) for i in range(60)]
    keys = (
        ("reviewerID", "asin", "unixReviewTime", "overall")
        if old
        else ("user_id", "parent_asin", "timestamp", "rating")
    )
    extra = {"reviewText": "..."} if old else {"title": "A review's own title", "text": "...", "helpful_vote": 0}
    reviews = [{**dict(zip(keys, one, strict=True)), **extra} for one in choices]
    titles = {f"P{n}": f"Album {n}" for n in range(61) if n != 4} | {"P5": "  "}
    return reviews, [{keys[1]: product, "title": title} for product, title in titles.items()], choices


@pytest.mark.parametrize("old", [False, True], ids=["2023", "2018"])
def test_amazon_reviews_become_histories(tmp_path: Path, old: bool) -> None:
    reviews, meta, choices = amazon(old=old)
    log = write_jsonl(tmp_path / "CDs_and_Vinyl.jsonl", reviews)
    packed = tmp_path / "meta" / "meta_CDs.jsonl.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in meta).encode()))
    flags = ("--items", "meta/meta_CDs.jsonl.gz", "--max-reject-rate", "0.5")

    found, account = records(log, "amazon-reviews", *flags, folder=tmp_path)

    titles = {row["asin" if old else "parent_asin"]: row["title"] for row in meta if row["title"].strip()}
    expected = []
    for i, (user, product, _, rating) in enumerate(choices):
        before = [titles[p] for u, p, _, _ in choices[:i] if u == user and p in titles][-10:]
        if product in titles and before:
            listed = ", ".join(f'"{title}"' for title in before)
            prompt = (
                f"The user has bought these products, the latest last: {listed}. Name the next product for this user."
            )
            expected.append((i + 1, prompt, titles[product], rating))
    assert [(r["row"], r["prompt"], r["response"], r["reward"]) for r in found] == expected
    assert account["rejected"] == {"no_title": sum(product not in titles for _, product, _, _ in choices)}
    assert account["filtered"] == {"opening": 3}
    assert account["rows"] == 60


def test_users_with_few_reviews_are_left_out_and_counted_and_time_splits_the_rest(tmp_path: Path) -> None:
    reviews, meta, choices = amazon(old=False)
    lone = {**reviews[0], "user_id": "U9"}
    log = write_jsonl(tmp_path / "log.jsonl", [*reviews, lone])
    write_jsonl(
        tmp_path / "meta.jsonl", [*meta, {"parent_asin": "P4", "title": "Album 4"}, {"parent_asin": "P5", "title": "x"}]
    )
    split = ("--split", "0.8,0.1,0.1", "--split-by", "time", "--max-reject-rate", "0.5")

    outcome = gcsl_data("expand", log, "--preset", "amazon-reviews", *split, "-o", "out", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    manifest = load(tmp_path / "out")
    assert manifest.accounting.filtered["short_history"] == 1
    assert [item.uri for item in manifest.inputs] == ["log.jsonl", "meta.jsonl"]
    assert [item.rows for item in manifest.inputs] == [61, 0]
    assert manifest.recipe["shape"]["sequences"]["items"] == "meta.jsonl"
    starts = [float(start) for start in manifest.fit.time_cuts.starts] if manifest.fit.time_cuts else []
    assert len(starts) == 2
    for shard in manifest.shards:
        frame = pl.read_ipc(tmp_path / "out" / shard.name)
        times = [choices[row - 1][2] for row in frame["row"]]
        bounds = {"train": (0, starts[0]), "validation": (starts[0], starts[1]), "test": (starts[1], 1e18)}[shard.split]
        assert all(bounds[0] <= time < bounds[1] for time in times)
    assert check_dataset(tmp_path / "out") == []
