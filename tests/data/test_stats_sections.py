"""Each section of `stats` against a plain computation of the same, and as a person asks for it."""

import math
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.audit.sections.contradictions import contradictions_section
from gcsl_data.audit.sections.drift import kolmogorov_smirnov, psi, shift
from gcsl_data.audit.sections.groups import groups_section
from gcsl_data.audit.sections.rewards import BARS, histogram
from gcsl_data.audit.sections.text import length_of, spearman

from .support import document, expand, gcsl_data, make_rows, write_document, write_jsonl

REWARDS = st.integers(-20, 20).map(lambda n: n / 4)
SAMPLES = st.lists(REWARDS, min_size=1, max_size=40)


def ranks(values: list[float]) -> list[Fraction]:
    """Places from 1 in ascending order, equal values at the mean of theirs."""
    places = defaultdict(list)
    for place, value in enumerate(sorted(values), start=1):
        places[value].append(place)
    return [Fraction(sum(places[value]), len(places[value])) for value in values]


def correlation(a: list[Fraction], b: list[Fraction]) -> float | None:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    xy = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    xx, yy = sum((x - mean_a) ** 2 for x in a), sum((y - mean_b) ** 2 for y in b)
    return None if xx == 0 or yy == 0 else float(xy) / math.sqrt(xx * yy)


@given(st.lists(st.tuples(REWARDS, st.integers(0, 9)), min_size=1, max_size=40))
def test_rank_correlation_is_that_of_the_ranks(pairs: list[tuple[float, int]]) -> None:
    rewards, lengths = [a for a, _ in pairs], [b for _, b in pairs]
    expected = correlation(ranks(rewards), ranks([float(n) for n in lengths]))

    found = spearman(pl.Series(lengths, dtype=pl.Int64), pl.Series(rewards, dtype=pl.Float64))

    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


def test_rank_correlation_is_one_for_what_rises_together() -> None:
    lengths, rewards = pl.Series([1, 5, 9, 700]), pl.Series([0.1, 0.2, 0.3, 1e300])

    assert spearman(lengths, rewards) == pytest.approx(1.0, abs=1e-15)
    assert spearman(lengths, -rewards) == pytest.approx(-1.0, abs=1e-15)


@given(SAMPLES, SAMPLES)
def test_ks_is_the_largest_distance_of_the_cumulative_shares(a: list[float], b: list[float]) -> None:
    def share(values: list[float], limit: float) -> float:
        return sum(value <= limit for value in values) / len(values)

    expected = max(abs(share(a, value) - share(b, value)) for value in {*a, *b})

    assert kolmogorov_smirnov(pl.Series(a), pl.Series(b)) == pytest.approx(expected, abs=1e-12)


@given(SAMPLES, SAMPLES, st.sets(REWARDS, min_size=1, max_size=6))
def test_psi_is_summed_over_the_bins(a: list[float], b: list[float], edges: set[float]) -> None:
    ends = [-math.inf, *sorted(edges), math.inf]

    def shares(values: list[float]) -> list[float]:
        return [max(sum(low <= v < high for v in values) / len(values), 1e-4) for low, high in pairwise(ends)]

    expected = sum((p - q) * math.log(p / q) for p, q in zip(shares(a), shares(b), strict=True))

    assert psi(pl.Series(a), pl.Series(b), sorted(edges)) == pytest.approx(expected, abs=1e-12)


@given(SAMPLES)
def test_a_sample_has_not_moved_from_itself_and_has_from_what_lies_elsewhere(values: list[float]) -> None:
    here, far = pl.Series(values), pl.Series(values) + 1000.0

    assert (shift(here, here).psi, shift(here, here).ks) == (0.0, 0.0)
    assert shift(far, here).psi > 1
    assert shift(far, here).ks == 1.0
    assert shift(pl.Series([*values, *values]), here).psi == pytest.approx(0.0, abs=1e-12)


@given(st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=60))
def test_a_histogram_holds_every_record_in_its_bar(values: list[float]) -> None:
    counts = Counter(value + 0.0 for value in values)
    counted = pl.DataFrame({"value": sorted(counts), "records": [counts[v] for v in sorted(counts)]})

    bars = histogram(counted)

    assert sum(bar.records for bar in bars) == len(values)
    assert len(bars) <= BARS
    for bar in bars[:-1]:
        exact = bar.low == bar.high
        assert bar.records == sum(v == bar.low if exact else bar.low <= v < bar.high for v in values)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=50))
def test_lengths_are_order_statistics(lengths: list[int]) -> None:
    found, ascending = length_of(pl.Series(lengths)), sorted(lengths)

    assert found.mean == pytest.approx(sum(lengths) / len(lengths))
    assert found.longest == ascending[-1]
    assert (found.median, found.p95) == tuple(
        ascending[math.floor((len(lengths) - 1) * share)] for share in (0.5, 0.95)
    )


def facts(rows: list[tuple[int, float, int]]) -> pl.DataFrame:
    """Group, reward and pair of prompt and response; level 1 from reward 0 up."""
    return pl.DataFrame(
        {
            "group": [group for group, _, _ in rows],
            "reward": [reward for _, reward, _ in rows],
            "pair": [pair for _, _, pair in rows],
            "level": [int(reward >= 0) for _, reward, _ in rows],
        },
        schema_overrides={"reward": pl.Float64},
    )


ROWS = st.lists(st.tuples(st.integers(0, 5), REWARDS, st.integers(0, 9)), min_size=1, max_size=40)


@given(ROWS, st.sampled_from([1e-300, 1.0, 1e300]))
def test_the_share_within_groups_is_that_of_an_analysis_of_variance(
    rows: list[tuple[int, float, int]], unit: float
) -> None:
    groups = defaultdict(list)
    for group, reward, _ in rows:
        groups[group].append(Fraction(reward))
    several = [rewards for rewards in groups.values() if len(rewards) > 1]
    every = [reward for rewards in several for reward in rewards]
    total = sum((r - sum(every) / len(every)) ** 2 for r in every)
    within = sum((r - sum(rewards) / len(rewards)) ** 2 for rewards in several for r in rewards)

    found = groups_section(facts([(group, reward * unit, pair) for group, reward, pair in rows]), top=1)

    assert found.within_share == (pytest.approx(float(within / total), abs=1e-9) if total else None)
    assert found.groups == len(groups)
    assert found.largest == max(map(len, groups.values()))
    assert found.alone_share == sum(len(rewards) == 1 for rewards in groups.values()) / len(rows)
    best = Counter(group for group, reward, _ in rows if reward >= 0)
    assert found.top_share == (max(best.values()) / best.total() if best else None)


@given(ROWS)
def test_contradictions_are_pairs_with_several_rewards(rows: list[tuple[int, float, int]]) -> None:
    rewards = defaultdict(list)
    for _, reward, pair in rows:
        rewards[pair].append(reward)
    against = {pair: held for pair, held in rewards.items() if len(set(held)) > 1}

    found = contradictions_section(facts(rows))

    assert found.pairs == len(against)
    assert found.records == sum(map(len, against.values()))
    assert found.share == found.records / len(rows)
    assert found.largest_gap == max((max(held) - min(held) for held in against.values()), default=0.0)


def stats(folder: Path, *arguments: object) -> dict[str, Any]:
    outcome = gcsl_data("stats", *map(str, arguments), "--json", cwd=folder)
    assert outcome.status == 0, outcome.err
    return outcome.json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = make_rows([(i * 37 % 101) / 100 for i in range(400)])
    write_jsonl(tmp_path / "log.jsonl", rows)
    return tmp_path


def test_a_dataset_has_not_moved_from_its_log_nor_the_log_from_it(folder: Path) -> None:
    expand(folder / "out", folder / "log.jsonl")

    for of, reference in (("log.jsonl", "out"), ("out", "log.jsonl"), ("out", "out"), ("log.jsonl", "log.jsonl")):
        drift = stats(folder, of, "--against", reference)["drift"]
        assert (drift["psi"], drift["ks"]) == (0.0, 0.0), (of, reference)
        assert drift["records"] == drift["against_records"]
        assert (drift["floor"] is None) == (of == reference == "log.jsonl")


def test_a_log_that_got_worse_has_moved_from_the_dataset(folder: Path) -> None:
    expand(folder / "out", folder / "log.jsonl")
    write_jsonl(folder / "worse.jsonl", make_rows([(i * 37 % 101) / 130 for i in range(400)]))

    outcome = gcsl_data("stats", "worse.jsonl", "--against", "out", cwd=folder)
    found = stats(folder, "worse.jsonl", "--against", "out")

    drift = found["drift"]
    assert drift["psi"] >= drift["levels"]["psi"] > 0.2
    assert "drift.psi" in [advice["number"] for advice in found["advice"]]
    assert "drift from out: " in outcome.out
    assert "look at drift.psi: this is not the population of the reference" in outcome.out


def test_what_has_no_record_in_common_cannot_be_compared(folder: Path) -> None:
    expand(folder / "out", folder / "log.jsonl")
    write_jsonl(folder / "bad.jsonl", make_rows([-1.0, -2.0, -3.0] * 9))

    outcome = gcsl_data("stats", "bad.jsonl", "--against", "out", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (65, "GD1350")


@pytest.mark.parametrize("rewards", [[i / 7 for i in range(60)], [0.0] * 40 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] * 3])
def test_a_sweep_promises_what_each_number_of_bins_gives(tmp_path: Path, rewards: list[float]) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(rewards))

    for row in stats(tmp_path, "log.jsonl", "--sweep-bins", "2..9")["sweep"]:
        outcome = gcsl_data("stats", "log.jsonl", "--bins", str(row["asked"]), "--json", cwd=tmp_path)
        alone = outcome.json
        if row["fails"]:
            assert alone["message"] == row["fails"]
            continue
        assert row == {
            "asked": row["asked"],
            "effective": alone["bins"]["effective"],
            "kept": alone["goals"]["kept"],
            "examples": alone["goals"]["examples"],
            "expansion": alone["goals"]["expansion"],
            "smallest_share": alone["bins"]["smallest_share"],
            "largest_share": alone["bins"]["largest_share"],
            "fails": None,
        }


def test_a_sweep_says_which_numbers_of_bins_fail(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([0.0] * 60 + [i / 7 for i in range(1, 6)]))

    rows = stats(tmp_path, "log.jsonl", "--sweep-bins", "2..3", "--set", "bins.ties=error", "--bins", "6")["sweep"]
    outcome = gcsl_data("stats", "log.jsonl", "--sweep-bins", "2..3", "--bins", "6", cwd=tmp_path)

    assert [row["fails"] is None for row in rows] == [False, False]
    assert outcome.status == 0
    header, *lines = outcome.out.splitlines()
    assert header.split()[:4] == ["asked", "effective", "goals", "kept"]
    assert [line.split()[:2] for line in lines if line[0] != " "] == [["2", "bins:"], ["3", "bins:"]]
    assert outcome.out.count("60 of 65 records (92%) have the reward 0") == 2


@pytest.mark.parametrize("asked", ["", "3", "1..4", "9..2", "2..1001", "2..300", "a..b", "2...4", "-2..4"])
def test_a_range_that_is_none_is_refused(folder: Path, asked: str) -> None:
    outcome = gcsl_data("stats", "log.jsonl", f"--sweep-bins={asked}", "--json", cwd=folder)

    assert outcome.status == 2, outcome.out
    assert "--sweep-bins" in outcome.json["message"]


@pytest.mark.parametrize(
    "flags", [["--thresholds", "0.5,0.8"], ["--formulation", "sft"], ["--formulation", "pairs"], ["--fit", "out"]]
)
def test_there_is_no_sweep_where_nothing_is_left_to_choose(folder: Path, flags: list[str]) -> None:
    expand(folder / "out", folder / "log.jsonl")

    outcome = gcsl_data("stats", "log.jsonl", "--sweep-bins", "2..4", *flags, "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (2, "GD0274")


def test_a_datasets_bins_are_not_swept(folder: Path) -> None:
    expand(folder / "out", folder / "log.jsonl")

    assert gcsl_data("stats", "out", "--sweep-bins", "2..4", "--json", cwd=folder).json["code"] == "GD0275"


def test_splits_are_compared_with_train(folder: Path) -> None:
    splits = stats(folder, "log.jsonl", "--split", "0.6,0.2,0.2")["splits"]

    assert splits["overlap"] == 0
    assert [row["psi"] is None for row in splits["rows"]] == [True, False, False]
    assert splits["psi"] == max(row["psi"] for row in splits["rows"][1:])
    assert sum(row["share"] for row in splits["rows"]) == pytest.approx(1.0)


def test_sources_say_who_supplies_each_level(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "good.jsonl", make_rows([0.6 + i / 100 for i in range(30)]))
    write_jsonl(tmp_path / "poor.jsonl", make_rows([i / 100 for i in range(60)]))

    found = stats(tmp_path, "good.jsonl", "poor.jsonl")
    shown = gcsl_data("stats", "good.jsonl", "poor.jsonl", cwd=tmp_path).out

    poor, good = found["sources"]["rows"]
    assert (poor["name"], poor["records"], good["records"]) == ("poor.jsonl", 60, 30)
    assert [a + b for a, b in zip(poor["levels"], good["levels"], strict=True)] == [
        found["bins"]["below"], *(row["records"] for row in found["bins"]["rows"])
    ]  # fmt: skip
    assert found["sources"]["top_share"] == 1.0
    assert good["mean"] == pytest.approx(sum(0.6 + i / 100 for i in range(30)) / 30)
    assert "look at sources.top_share: one log supplies 100%" in shown


def test_contradictions_are_those_that_hygiene_counts(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i % 5}", "response": f"r{i % 3}", "reward": float(i % 4)} for i in range(60)]
    write_jsonl(tmp_path / "log.jsonl", rows)

    found = stats(tmp_path, "log.jsonl")

    assert found["contradictions"]["records"] == found["hygiene"]["conflicting"] > 0
    assert found["contradictions"]["largest_gap"] == 3.0


def test_lengths_in_tokens_are_those_of_the_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    (folder / "model").mkdir()
    tokenizer.save(str(folder / "model" / "tokenizer.json"))
    rows = [{"prompt": "a b c", "response": "x " * (i % 9 + 1), "reward": i / 90} for i in range(90)]
    write_jsonl(folder / "words.jsonl", rows)

    for name in ("model", "model/tokenizer.json"):
        tokens = stats(folder, "words.jsonl", "--tokenizer", name)["text"]["tokens"]
        assert (tokens["records"], tokens["prompt"]["median"], tokens["response"]["longest"]) == (90, 3, 9)
        assert tokens["response"]["mean"] == 5.0
    assert gcsl_data("stats", "words.jsonl", "--tokenizer", "model", cwd=folder).out.count("tokens") == 2


@pytest.mark.parametrize("name", ["nowhere", "log.jsonl", "."])
def test_what_is_no_tokenizer_is_said_in_a_line(folder: Path, name: str) -> None:
    outcome = gcsl_data("stats", "log.jsonl", "--tokenizer", name, "--json", cwd=folder)

    assert outcome.status == 66
    assert f"--tokenizer {name}" in outcome.json["message"]


@pytest.mark.parametrize(
    "formulation",
    ["gcsl-bey-nl", "gcsl-nl", "gcsl", "ca", "sft", "sft-aug", "pairs", "multi-negative", "unpaired", "groups"],
)
def test_a_dataset_of_any_kind_describes_the_records_in_its_rows(tmp_path: Path, formulation: str) -> None:
    rows = [
        {"prompt": f"question {i % 8}", "response": "word " * (i % 7 + 1) + str(i), "reward": (i * 7 % 32) / 4}
        for i in range(32)
    ]
    write_jsonl(tmp_path / "log.jsonl", rows)
    flags = ("--formulation", formulation)
    assert gcsl_data("expand", "log.jsonl", "-o", "out", *flags, cwd=tmp_path).status == 0

    log, dataset = stats(tmp_path, "log.jsonl", *flags), stats(tmp_path, "out")

    held = dataset["rewards"]["described"]
    assert 0 < held <= log["rewards"]["described"] == 32
    assert dataset["text"]["prompt"]["longest"] == len("question 0")  # without its goal
    assert dataset["text"]["response"]["longest"] <= max(len(row["response"]) for row in rows)
    assert {*dataset["rewards"]["quantiles"].values()} <= {row["reward"] for row in rows}
    assert dataset["groups"]["groups"] <= 8
    if formulation not in ("pairs", "multi-negative", "gcsl-bey-nl", "sft-aug", "sft"):
        assert held == 32
        assert dataset["rewards"] == log["rewards"]
        assert dataset["text"] == log["text"]
        assert dataset["groups"] == log["groups"]


def test_every_number_that_a_gate_may_name_is_explained(folder: Path) -> None:
    from gcsl_data.audit.gates import numbers

    flags = ["--split", "0.8,0.2", "--against", "log.jsonl"]
    named = numbers(stats(folder, "log.jsonl", *flags))
    shown = gcsl_data("stats", "log.jsonl", *flags, "--explain", cwd=folder).out.splitlines()

    explained = {line.partition(" = ")[0]: line.partition(" = ")[2] for line in shown if line[0] != " "}
    assert named.keys() - explained.keys() == {
        "ok", "exit_code", "dataset_id", "rewards.normalized", "bins.cut", "groups.advice", "text.tokens", "drift.levels.ks",
    } & named.keys() - explained.keys()  # fmt: skip
    assert float(explained["rewards.mean"]) == named["rewards.mean"]
    assert max(map(len, shown)) <= 80


def test_a_folder_of_logs_is_told_apart_from_a_dataset(folder: Path) -> None:
    outcome = gcsl_data("stats", ".", "--bins", "3", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (2, "GD0276")
    assert "name its files" in outcome.json["message"]


def test_advice_is_not_what_is_done_already(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([0.0] * 70 + [i / 100 for i in range(1, 31)]))

    merged = {a["number"]: a["says"] for a in stats(tmp_path, "log.jsonl", "--bins", "8")["advice"]}
    spread = {a["number"]: a["says"] for a in stats(tmp_path, "log.jsonl", "--bins", "8", "--ties", "spread")["advice"]}

    assert merged["rewards.most_frequent_share"].endswith("try --ties spread")
    assert "try" not in spread.get("rewards.most_frequent_share", "")


def test_groups_of_one_say_nothing_of_the_variance(tmp_path: Path) -> None:
    rows = make_rows([i / 100 for i in range(100)])
    for row in rows[:4]:
        row["prompt"] = f"shared {rows.index(row) // 2}"
    write_jsonl(tmp_path / "log.jsonl", rows)

    found = stats(tmp_path, "log.jsonl")["groups"]

    assert (found["alone_share"], found["advice"]) == (0.96, None)
    assert found["within_share"] < 0.5
    assert "96.0% of records alone" in gcsl_data("stats", "log.jsonl", cwd=tmp_path).out


@pytest.mark.parametrize("unit", [5e-324, 1e-310, 1e-300, 1e300])
def test_rewards_of_any_size_have_numbers(tmp_path: Path, unit: float) -> None:
    write_jsonl(
        tmp_path / "log.jsonl",
        [{**row, "prompt": f"p{i % 9}"} for i, row in enumerate(make_rows(k * unit for k in range(1, 60)))],
    )

    found = stats(tmp_path, "log.jsonl", "--formulation", "sft")

    assert 0 < found["rewards"]["deviation"] < 60 * unit
    assert 0 < found["groups"]["within_share"] <= 1


def test_rewards_that_mean_something_else_are_not_compared(folder: Path) -> None:
    expand(folder / "lower", folder / "log.jsonl", record__direction="lower")
    expand(folder / "scaled", folder / "log.jsonl", rewards__normalize="zscore")

    for reference in ("lower", "scaled"):
        outcome = gcsl_data("stats", "log.jsonl", "--against", reference, "--json", cwd=folder)
        assert (outcome.status, outcome.json["code"]) == (65, "GD1352")
    assert stats(folder, "log.jsonl", "--direction", "lower", "--against", "lower")["drift"]["psi"] == 0.0


def test_a_selection_of_records_is_not_compared(tmp_path: Path) -> None:
    rows = [{"prompt": f"question {i % 8}", "response": f"word {i}", "reward": (i * 7 % 32) / 4} for i in range(32)]
    write_jsonl(tmp_path / "log.jsonl", rows)
    expand(tmp_path / "pairs", tmp_path / "log.jsonl", goals__formulation="pairs")

    outcome = gcsl_data("stats", "pairs", "--against", "log.jsonl", "--json", cwd=tmp_path)

    assert (outcome.status, outcome.json["code"]) == (65, "GD1351")


def test_a_terminal_without_columns_and_a_forged_reason_are_harmless(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expand(folder / "out", folder / "log.jsonl")
    monkeypatch.setenv("COLUMNS", "0")

    assert gcsl_data("stats", "out", cwd=folder).status == 0


def test_a_dataset_of_another_format_than_its_manifest_says_is_refused(folder: Path) -> None:
    expand(folder / "out", folder / "log.jsonl")
    write_document(folder / "out", {**document(folder / "out"), "format": "text"})

    outcome = gcsl_data("stats", "out", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (65, "GD6547")
