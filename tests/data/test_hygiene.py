"""What is suspicious is counted and shown for every log, and left out only where somebody asked."""

import json
from collections import defaultdict
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.census import take_census
from gcsl_data.dataset.manifest import load
from gcsl_data.settle import settle
from gcsl_data.stages.checks import FILTERED
from gcsl_data.stages.facts import PAIR

from .support import examples, expand, expand_rows, gcsl_data, make_rows, measured, plan_of, write_jsonl

DEDUPS = ("none", "exact")
CONFLICTS = ("keep", "mean", "first", "reject")
TEXTS = ("a", "b", "ab", "a ", "A", "é", "e\u0301")
REWARDS = (0.0, 0.1, 0.2, -0.3, 1.0, 2.5)

Row = dict[str, Any]


def key(row: Row) -> str:
    return json.dumps([row["prompt"], row["response"]], sort_keys=True)


def rewards_of(row: Row) -> tuple[Any, ...]:
    return row["s"], row["t"]


def rounded(value: Fraction) -> float:
    return float(format(float(value), ".12g")) + 0.0


def reference(rows: list[Row], dedup: str, conflicts: str) -> list[tuple[str | None, tuple[Any, ...]]]:
    """Why each record is left out, if it is, and its rewards, told one record at a time."""
    told: list[tuple[str | None, tuple[Any, ...]]] = []
    for row in rows:
        reject = "null_reward" if None in rewards_of(row) else None
        told.append((reject, rewards_of(row)))
    pairs: dict[str, list[int]] = defaultdict(list)
    seen: set[tuple[str, tuple[Any, ...]]] = set()
    for at, row in enumerate(rows):
        if told[at][0]:
            continue
        if dedup == "exact" and (key(row), rewards_of(row)) in seen:
            told[at] = ("duplicate", rewards_of(row))
            continue
        seen.add((key(row), rewards_of(row)))
        pairs[key(row)].append(at)
    for places in pairs.values():
        if conflicts == "keep" or len({told[at][1] for at in places}) == 1:
            continue
        for n, at in enumerate(places):
            if n > 0 or conflicts == "reject":
                told[at] = ("conflicting", told[at][1])
            elif conflicts == "mean":
                columns = zip(*(rewards_of(rows[other]) for other in places), strict=True)
                told[at] = (None, tuple(rounded(sum(Fraction(str(v)) for v in vs) / len(places)) for vs in columns))
    return told


def suspicious(rows: list[Row]) -> tuple[int, int]:
    usable = [row for row in rows if None not in rewards_of(row)]
    graded: dict[str, set[Any]] = defaultdict(set)
    for row in usable:
        graded[key(row)].add(rewards_of(row))
    duplicates = len(usable) - sum(len(rewards) for rewards in graded.values())
    return duplicates, sum(len(graded[key(row)]) > 1 for row in usable)


@st.composite
def logs(draw: st.DrawFn) -> list[list[Row]]:
    chat, texts = draw(st.booleans()), st.sampled_from(TEXTS[: draw(st.integers(1, len(TEXTS)))])
    turn = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts})
    asked = st.tuples(st.lists(turn, max_size=2), texts).map(
        lambda found: [*found[0], {"role": "user", "content": found[1]}]
    )
    reward = st.sampled_from((None, *REWARDS) if draw(st.booleans()) else REWARDS[: draw(st.integers(1, 3))])
    row = st.fixed_dictionaries({"prompt": asked if chat else texts, "response": texts, "s": reward, "t": reward})
    return draw(st.lists(st.lists(row, min_size=1, max_size=14), min_size=1, max_size=3))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs=logs(), dedup=st.sampled_from(DEDUPS), conflicts=st.sampled_from(CONFLICTS), single=st.booleans())
def test_records_are_judged_as_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, logs: list[list[Row]], dedup: str, conflicts: str, single: bool
) -> None:
    folder = tmp_path_factory.mktemp("hygiene")
    given_rows = [[{**row, "t": row["s"]} for row in log] if single else log for log in logs]
    paths = [write_jsonl(folder / f"{n}.jsonl", log) for n, log in enumerate(given_rows)]
    names = {"record__map": {"reward": "s"}} if single else {"record__rewards": {"s": "s", "t": "t"}}
    if all(row["s"] is None or row["t"] is None for log in given_rows for row in log):
        return
    if any({row[name] for row in log} == {None} for log in given_rows for name in "st"):
        return  # a column without a value has no type
    plan, engine = plan_of(*paths, **names, checks__dedup=dedup, checks__conflicts=conflicts)
    everything = [row for log in given_rows for row in log]

    plan = settle(plan, engine)

    found = plan.records.collect(engine="streaming")
    assert list(found.select("source", "row").iter_rows()) == [
        (path.name, n) for path, log in zip(paths, given_rows, strict=True) for n in range(1, len(log) + 1)
    ]
    columns = ["reward", "reward"] if single else ["reward_s", "reward_t"]
    judged = list(zip(found["reject"], zip(*(found[column] for column in columns), strict=True), strict=True))
    assert judged == reference(everything, dedup, conflicts)
    assert single or found["reward"].to_list() == found["reward_s"].to_list()
    assert plan.hygiene is not None
    assert (plan.hygiene.duplicates, plan.hygiene.conflicting) == suspicious(everything)
    account = take_census(plan.known, engine).accounting(filtered={})
    assert account.rows == account.used + sum(account.rejected.values()) + sum(account.filtered.values())
    assert account.filtered.keys() <= {"duplicate", "conflicting"}
    assert account.used == sum(reject is None for reject, _ in judged)


MANY = [
    {"prompt": f"Task {i % 12}", "response": f"Answer {i % 30}", "reward": (i * 7 % 40) / 40, "time": i}
    for i in range(200)
]
AGAIN = [row for n, row in enumerate(MANY) for _ in range(1 + (n % 3 == 0))]


def firsts(log: list[Row], *names: str) -> list[Row]:
    """The first row of the log with each combination of values."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in log:
        found.setdefault(tuple(row[name] for name in names), row)
    return list(found.values())


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"goals__formulation": "pairs"},
        {"goals__formulation": "groups"},
        {"goals__formulation": "unpaired"},
        {"rewards__normalize": "zscore", "rewards__normalize_by": "group"},
        {"splits__shares": "0.5,0.5", "splits__by": "time", "record__map": {"time": "time"}},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("log", "same", "asked"),
    [
        (AGAIN, firsts(AGAIN, "prompt", "response", "reward"), {"checks__dedup": "exact"}),
        (
            firsts(MANY, "prompt", "response", "reward"),
            firsts(MANY, "prompt", "response"),
            {"checks__conflicts": "first"},
        ),
    ],
    ids=["dedup", "first"],
)
def test_a_dataset_is_that_of_a_log_without_them(
    tmp_path: Path, log: list[Row], same: list[Row], asked: dict[str, str], flags: dict[str, Any]
) -> None:
    whole = expand(tmp_path / "whole", write_jsonl(tmp_path / "whole.jsonl", log), **asked, **flags)
    clean = expand(tmp_path / "clean", write_jsonl(tmp_path / "clean.jsonl", same), **flags)

    def texts(dataset: Path) -> list[Row]:
        places = ("id", "source", "row", "rejected_source", "rejected_row")
        return [{name: value for name, value in row.items() if name not in places} for row in examples(dataset)]

    assert len(same) < len(log)
    assert texts(tmp_path / "whole") == texts(tmp_path / "clean")
    assert whole.fit == clean.fit
    assert gcsl_data("check", "whole", cwd=tmp_path).status == 0


def test_nothing_is_dropped_that_nobody_asked_to_drop(tmp_path: Path) -> None:
    said = ["<|im_start|>", "Score: 5", "x" * 5000]
    rows = [{"prompt": "p", "response": text, "reward": n % 4} for n, text in enumerate(said * 4)]

    account = expand_rows(tmp_path, rows, goals__formulation="sft", goals__cut="100%").accounting

    assert (account.rows, account.used, account.filtered) == (12, 12, {})


def test_a_clean_log_gives_the_same_shards_whatever_is_asked(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(i / 40 for i in range(40)))
    asked = {
        "checks__dedup": "exact",
        "checks__conflicts": "mean",
        "checks__control_tokens": "reject",
        "checks__max_chars": 100,
    }

    shards = [expand(tmp_path / name, log, **flags).shards for name, flags in (("plain", {}), ("asked", asked))]

    assert shards[0] == shards[1]
    assert asdict(load(tmp_path / "asked").hygiene) == {
        "duplicates": 0,
        "conflicting": 0,
        "leaks": 0,
        "control_tokens": 0,
        "longest": len("Task 39" + "Answer 39"),
    }


CONTROL = (
    "<|im_start|>", "<|endoftext|>", "<|goal_3|>", "<｜begin▁of▁sentence｜>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>",
    "<s>", "</s>", "<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<pad>", "<unk>", "<extra_id_0>", "<extra_id_99>",
)  # fmt: skip
PLAIN = (
    "a <| b |> c",
    "x || y",
    "<b>bold</b>",
    "[INSTALL]",
    "f <|> g",
    "f <||> g",
    "<sys>",
    "< s >",
    "<extra_id_>",
    "<S>",
)
PLACES = {
    "prompt": lambda text: {"prompt": f"p {text}.", "response": "r"},
    "response": lambda text: {"prompt": "p", "response": f"r{text}"},
    "earlier turn": lambda text: {
        "prompt": [{"role": "assistant", "content": f"{text}!"}, {"role": "user", "content": "p"}],
        "response": "r",
    },
}


@pytest.mark.parametrize("place", PLACES)
def test_control_tokens_are_found_wherever_they_stand(tmp_path: Path, place: str) -> None:
    rows = [{**PLACES[place](text), "reward": n} for n, text in enumerate((*CONTROL, *PLAIN))]
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    kept, left = (measured(log, checks__control_tokens=asked) for asked in ("keep", "reject"))

    assert kept.hygiene == left.hygiene
    assert kept.hygiene.control_tokens == len(CONTROL)
    assert "control_tokens" not in kept.accounting.filtered
    assert left.accounting.filtered["control_tokens"] == len(CONTROL)
    plan, engine = plan_of(log, checks__control_tokens="reject")
    assert settle(plan, engine).records.collect()["reject"].to_list() == ["control_tokens"] * len(CONTROL) + [
        None
    ] * len(PLAIN)


@pytest.mark.parametrize("place", PLACES)
def test_the_length_is_that_of_all_messages_in_characters(tmp_path: Path, place: str) -> None:
    rows = [{**PLACES[place]("é😀" * n), "reward": n} for n in range(9)]
    bare = sum(map(len, ("p .", "r"))) if place == "prompt" else 2 if place == "response" else 3
    log = write_jsonl(tmp_path / "log.jsonl", rows)

    found = measured(log, checks__max_chars=bare + 8)

    assert found.hygiene.longest == bare + 16
    assert found.accounting.filtered["too_long"] == 4


def test_left_out_records_are_no_rejects(tmp_path: Path) -> None:
    rows = [*make_rows(range(9)), *({"prompt": "p", "response": "<s>" * n, "reward": n} for n in range(1, 9))]
    asked = {"checks__control_tokens": "reject", "checks__on_error": "fail"}

    manifest = expand_rows(tmp_path, rows, **asked)

    assert manifest.accounting.rejected == {}
    assert manifest.accounting.filtered["control_tokens"] == 8
    assert not (tmp_path / "out" / "_gcsl" / "rejects.jsonl").exists()


def test_a_mean_neither_overflows_nor_leaves_dust(tmp_path: Path) -> None:
    top = 1.7e308
    rows = [
        *({"prompt": "huge", "response": "r", "reward": r} for r in (top, top / 2, top)),
        *({"prompt": "nothing", "response": "r", "reward": r} for r in (0.1, 0.2, -0.3)),
        *make_rows([0.5, 0.25]),
    ]
    plan, engine = plan_of(write_jsonl(tmp_path / "log.jsonl", rows), checks__conflicts="mean")

    found = settle(plan, engine).records.collect()

    used = found.filter(found["reject"].is_null())
    assert used["reward"].to_list() == [pytest.approx(top / 6 * 5, rel=1e-11), 0.0, 0.5, 0.25]


# What people see


SEEN = [
    {"prompt": "a", "response": "x", "reward": 1},
    {"prompt": "a", "response": "x", "reward": 2},
    {"prompt": "a", "response": "x", "reward": 1},
    {"prompt": "b", "response": "<|im_start|> score: 3", "reward": 3},
    *make_rows(range(4, 9)),
]
LINES = [
    "  hygiene   1 repeat an earlier record (--dedup exact keeps the first)",
    "  hygiene   3 share prompt and response but not the reward (see --conflicts)",
    "  hygiene   1 hold a goal or a score in prompt or response",
    "  hygiene   1 hold control tokens (--control-tokens reject leaves them out)",
    "  longest   22 characters (--max-chars leaves out longer ones)",
]
COUNTS = {"duplicates": 1, "conflicting": 3, "leaks": 1, "control_tokens": 1, "longest": 22}


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "log.jsonl", SEEN)
    return tmp_path


@pytest.mark.parametrize("command", ["expand log.jsonl", "ingest log.jsonl", "fit log.jsonl", "stats log.jsonl"])
def test_every_count_is_shown_with_what_to_do_about_it(seen: Path, command: str) -> None:
    outcome = gcsl_data(*command.split(), cwd=seen)

    shown = (outcome.out if "stats" in command else outcome.err).splitlines()
    assert outcome.status == 0
    assert [line for line in shown if line.startswith(("  hygiene", "  longest"))] == LINES
    assert max(map(len, LINES)) <= 80


@pytest.mark.parametrize("command", ["expand log.jsonl", "ingest log.jsonl", "fit log.jsonl", "stats log.jsonl"])
@pytest.mark.parametrize("asked", ["", "--dedup exact --conflicts reject --control-tokens reject --max-chars 20"])
def test_json_has_all_counts_as_they_are_before_anything_is_left_out(seen: Path, command: str, asked: str) -> None:
    outcome = gcsl_data(*command.split(), *asked.split(), "--json", cwd=seen)

    assert outcome.json["hygiene"] == COUNTS


def test_what_was_left_out_is_counted_as_it_was(seen: Path) -> None:
    flags = ("--dedup", "exact", "--conflicts", "mean", "--control-tokens", "reject")

    outcome = gcsl_data("expand", "log.jsonl", *flags, cwd=seen)

    lines = outcome.err.splitlines()
    assert "  rows      9 = 3 used + 1 conflicting + 1 control_tokens + 1 duplicate + 3 no_goal_reached" in lines
    hygiene = [line for line in lines if line.startswith("  hygiene")]
    told = [line.partition(" (")[0] for line in LINES[:4]]
    assert hygiene == [line + ("" if "a goal or a score" in line else " (before they were left out)") for line in told]
    assert gcsl_data("stats", "log-gcsl", cwd=seen).out.count("hygiene") == 4


def test_the_card_tells_what_is_suspicious(seen: Path) -> None:
    assert gcsl_data("expand", "log.jsonl", "-o", "out", cwd=seen).status == 0

    assert (
        "Of the usable records, before any was left out: 1 repeat an earlier one, 3 share prompt and response but not the "
        "reward, 1 hold a goal or a score, 1 hold control tokens.\n"
    ) in (seen / "out" / "README.md").read_text()


def test_a_clean_log_shows_its_longest_record_and_no_more(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(range(9)))

    outcome = gcsl_data("expand", "log.jsonl", cwd=tmp_path)

    assert "hygiene" not in outcome.err
    assert "  longest   14 characters (--max-chars leaves out longer ones)" in outcome.err.splitlines()


@pytest.mark.parametrize("conflicts", CONFLICTS)
def test_records_that_were_ingested_give_the_same_dataset(seen: Path, conflicts: str) -> None:
    flags = ("--dedup", "exact", "--conflicts", conflicts, "--control-tokens", "reject")

    assert gcsl_data("ingest", "log.jsonl", *flags, cwd=seen).status == 0
    assert gcsl_data("expand", "records.parquet", "-o", "from-records", cwd=seen).status == 0
    assert gcsl_data("expand", "log.jsonl", *flags, "-o", "from-log", cwd=seen).status == 0

    assert examples(seen / "from-records") == examples(seen / "from-log")


def test_a_frozen_fit_goes_with_them(seen: Path) -> None:
    assert gcsl_data("fit", "log.jsonl", cwd=seen).status == 0

    outcome = gcsl_data("expand", "log.jsonl", "--fit", "fit.json", "--dedup", "exact", "--json", cwd=seen)

    assert outcome.json["accounting"]["filtered"]["duplicate"] == 1


def test_diff_names_the_counts(seen: Path) -> None:
    write_jsonl(seen / "clean.jsonl", make_rows(range(9)))
    for log in ("log", "clean"):
        assert gcsl_data("expand", f"{log}.jsonl", "-o", log, cwd=seen).status == 0

    found = gcsl_data("diff", "log", "clean", "--json", cwd=seen).json["differences"]

    named = {item["name"]: (item["before"], item["after"]) for item in found if item["name"].startswith("hygiene")}
    assert named == {
        "hygiene duplicates": (1, 0),
        "hygiene conflicting": (3, 0),
        "hygiene leaks": (1, 0),
        "hygiene control_tokens": (1, 0),
        "hygiene longest": (22, 14),
    }


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (("--max-chars", "0"), "checks.max_chars"),
        (("--dedup", "fuzzy"), "checks.dedup"),
        (("--conflicts", "x"), "mean"),
    ],
)
def test_a_wrong_value_is_one_line(seen: Path, flags: tuple[str, ...], hint: str) -> None:
    outcome = gcsl_data("expand", "log.jsonl", *flags, cwd=seen)

    assert outcome.status == 2
    assert hint in outcome.errors[0]


def test_every_reason_to_leave_out_has_words_and_no_column_of_ours_is_hidden() -> None:
    assert all(words and name.isidentifier() for name, words in FILTERED.items())
    assert all(" " in name for name in PAIR)


NO_USE = "<|im_end|>"


@pytest.mark.parametrize("command", ["expand", "stats", "fit", "ingest"])
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--max-chars", "1"), "6 too_long: --max-chars"),
        (("--control-tokens", "reject"), "6 control_tokens: --control-tokens reject"),
        (("--conflicts", "reject"), "6 conflicting: --conflicts reject"),
        (("--conflicts", "reject", "--dedup", "exact"), "3 conflicting: --conflicts reject, 3 duplicate"),
    ],
)
def test_the_error_names_what_left_no_row(tmp_path: Path, command: str, flags: tuple[str, ...], said: str) -> None:
    rows = [{"prompt": "Say", "response": NO_USE, "reward": reward} for reward in (1, 2, 3)]
    write_jsonl(tmp_path / "log.jsonl", rows * 2)

    outcome = gcsl_data(command, "log.jsonl", *flags, "--json", cwd=tmp_path)

    assert (outcome.status, outcome.json["code"]) == (65, "GD1302"), outcome.err
    assert f"none of 6 rows is left ({said});" in outcome.json["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


@pytest.mark.parametrize("by", ["prompt", "time"])
def test_a_frozen_fit_needs_a_row_as_well(tmp_path: Path, by: str) -> None:
    rows = [{**row, "time": n} for n, row in enumerate(make_rows([i / 9 for i in range(10)]))]
    split = {"splits__shares": (0.6, 0.4), "splits__by": by, "record__map": {"time": "time"}}
    expand_rows(tmp_path, rows, **split)

    outcome = gcsl_data(
        *("expand", "log.jsonl", "--fit", "out", "--max-chars", "1", "--map", "time=time", "--split", "0.6,0.4"),
        *("--split-by", by, "-o", "again", "--json"),
        cwd=tmp_path,
    )

    assert (outcome.status, outcome.json["code"]) == (65, "GD1302"), outcome.err
    assert "none of 10 rows is left (10 too_long: --max-chars)" in outcome.json["message"]
    assert not (tmp_path / "again").exists()


def test_a_train_split_that_holds_nothing_says_why(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([0.1, 0.2, 0.3]))

    outcome = gcsl_data("expand", "log.jsonl", "--split", "0.001,0.999", cwd=tmp_path)

    assert outcome.status == 65
    assert "no usable reward in the train split (it got none); give other shares" in outcome.errors[0]
