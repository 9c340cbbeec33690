"""A trace leads to the very row that an example was made of, or says why it cannot."""

import hashlib
import json
import math
import operator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gcsl_data.audit.trace import trace
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError, InputError, UsageError

from .support import (
    document,
    examples,
    expand,
    expand_rows,
    gcsl_data,
    make_rows,
    rewrite_shard,
    write_document,
    write_jsonl,
)

COMPARE = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


def rows_of_log() -> list[dict[str, Any]]:
    """Conversations of several shapes, with rewards in no order and several responses to one prompt."""
    rows = []
    for i in range(4000):
        prompt = [{"role": "user", "content": f"Task {i % 900}\nin two lines"}]
        if i % 2:
            prompt.insert(0, {"role": "system", "content": "Be brief."})
        if i % 3:
            prompt += [{"role": "assistant", "content": "?"}, {"role": "user", "content": f"So {i % 900}!"}]
        rows.append({"prompt": prompt, "response": f"Answer {i}\n.", "reward": (i * 37 % 101) / 100, "note": [f"n{i}"]})
    return rows


@pytest.mark.parametrize("direction", ["higher", "lower"])
@pytest.mark.parametrize("placement", ["prefix", "suffix", "system"])
def test_every_example_leads_to_its_row(tmp_path: Path, direction: str, placement: str) -> None:
    log = rows_of_log()
    flags = {"record__direction": direction, "goals__placement": placement, "record__keep": "note"}
    manifest = expand_rows(tmp_path, log, splits__shares="0.7,0.3", output__shard_bytes=20_000, **flags)
    assert len(manifest.shards) > 2
    rows = examples(tmp_path / "out")

    for example in rows[::150]:
        found = trace(tmp_path / "out", example["id"], logs=tmp_path)
        logged = log[found.row - 1]
        reached = [t.index for t in manifest.fit.thresholds
                   if COMPARE[manifest.fit.comparator](logged["reward"], float(t.printed))]  # fmt: skip
        same = [row for row in rows if row["row"] == example["row"]]

        assert (found.id, found.source, found.part) == (example["id"], "log.jsonl", 0)
        assert found.completion == example["completion"] == [{"role": "assistant", "content": logged["response"]}]
        assert found.prompt == logged["prompt"]
        assert found.logged == logged["reward"]
        assert math.copysign(1, found.logged) == 1
        assert (found.reward, found.level, found.group) == (example["reward"], len(reached), example["group"])
        assert [goal.index for goal in found.goals] == reached
        assert [goal.dropped is None for goal in found.goals] == [
            goal in manifest.kept_goals for goal in manifest.goals if goal.index in reached
        ]
        assert {goal.index: goal.example for goal in found.goals if goal.example} == {
            row["goal_index"]: row["id"] for row in same
        }
        assert found.others == tuple(row["id"] for row in same if row["id"] != example["id"])
        assert found.kept == {"note": logged["note"]}
        assert found.log is not None
        assert (found.log.state, found.log.row) == ("unchanged", logged)
        shard = pl.read_ipc(tmp_path / "out" / found.shard)
        assert shard["id"][found.shard_row - 1] == found.id
        assert found.shard.startswith(f"data/{found.split}-")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    expand_rows(tmp_path, make_rows((i * 37 % 101) / 100 for i in range(600)))
    return tmp_path / "out"


def test_a_prefix_is_enough_when_it_is_of_one_example_alone(dataset: Path) -> None:
    ids = [row["id"] for row in examples(dataset)]
    for example_id in ids[::50]:
        unique = next(n for n in range(4, 17) if sum(other.startswith(example_id[:n]) for other in ids) == 1)
        assert trace(dataset, example_id[:unique]).id == example_id


def test_a_prefix_of_several_names_them(dataset: Path, tmp_path: Path) -> None:
    """Four digits are shared by two examples sooner or later; the log is made long enough for that."""
    expand(tmp_path / "long", write_jsonl(tmp_path / "long.jsonl", make_rows(i / 3000 for i in range(3000))))
    ids = sorted(row["id"] for row in examples(tmp_path / "long"))
    one, two = next((a, b) for a, b in pairwise(ids) if a[:4] == b[:4])

    with pytest.raises(UsageError, match="examples start with") as error:
        trace(tmp_path / "long", one[:4])

    assert one in error.value.message
    assert two in error.value.message


@pytest.mark.parametrize("wrong", ["", "123", "12345678901234567", "ABCD", "xyz12", "../..", "90ff\n", "____"])
def test_what_is_no_id_is_a_usage_error_that_says_what_one_is(dataset: Path, wrong: str) -> None:
    with pytest.raises(UsageError, match="one is 16 hex digits"):
        trace(dataset, wrong)


def test_an_unknown_id_is_a_usage_error_with_an_id_that_is_known(dataset: Path) -> None:
    outcome = gcsl_data("trace", dataset, "0" * 16, cwd=dataset)

    assert outcome.status == 2
    assert outcome.errors == [
        f"error[GD0241]: {dataset} has no example 0000000000000000; its first is {examples(dataset)[0]['id']}"
    ]


def test_a_damaged_shard_is_never_parsed(dataset: Path) -> None:
    example_id = examples(dataset)[0]["id"]
    path = dataset / load(dataset).shards[0].name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(DataError, match="is damaged"):
        trace(dataset, example_id)


def forge(dataset: Path, change: Any) -> None:
    """Changes the rows of all shards and makes every hash of the manifest fit again."""
    manifest = document(dataset)
    for shard in manifest["shards"]:
        rewrite_shard(dataset / shard["name"], change)
        content = (dataset / shard["name"]).read_bytes()
        shard |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_document(dataset, manifest)


def _each(**values: Any) -> Any:
    return lambda rows: [{**row, **values} for row in rows]


def test_an_id_that_stands_twice_is_a_broken_dataset(dataset: Path) -> None:
    forge(dataset, _each(id="0123456789abcdef"))

    with pytest.raises(DataError, match="have the id 0123456789abcdef"):
        trace(dataset, "0123")


def test_a_goal_that_is_not_in_the_prompt_is_a_broken_dataset(dataset: Path) -> None:
    forge(dataset, _each(goal="another"))

    with pytest.raises(DataError, match="the goal does not stand in this prompt"):
        trace(dataset, examples(dataset)[0]["id"])


@pytest.mark.parametrize("source", ["../secret.jsonl", "/etc/passwd", "a/../../secret.jsonl"])
def test_a_forged_source_leads_nowhere_outside_the_folder(dataset: Path, tmp_path: Path, source: str) -> None:
    write_jsonl(tmp_path.parent / "secret.jsonl", [{"secret": 1}])
    forge(dataset, _each(source=source))

    with pytest.raises(DataError, match="is not the name of a log of this dataset"):
        trace(dataset, examples(dataset)[0]["id"], logs=tmp_path)


# The log, today


def log_of(dataset: Path, folder: Path) -> tuple[str, Any]:
    found = trace(dataset, examples(dataset)[-1]["id"], logs=folder).log
    assert found is not None
    return found.state, found.row


def test_a_log_that_changed_is_shown_and_said_to_have_changed(dataset: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    row = examples(dataset)[-1]["row"]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    unchanged = log_of(dataset, tmp_path)

    write_jsonl(log, [{"prompt": "new", "response": "first", "reward": 0}, *lines])
    longer = log_of(dataset, tmp_path)
    write_jsonl(log, lines[:3])
    shorter = log_of(dataset, tmp_path)
    log.write_bytes(b"\xff\x00 no log at all")
    ruined = log_of(dataset, tmp_path)
    log.unlink()
    missing = log_of(dataset, tmp_path)

    assert unchanged == ("unchanged", lines[row - 1])
    assert longer == ("changed", lines[row - 2])
    assert shorter == ("changed", None)
    assert ruined == ("changed", None)
    assert missing == ("missing", None)


def test_a_folder_of_logs_that_is_not_there_is_an_input_error(dataset: Path) -> None:
    with pytest.raises(InputError, match="nowhere is not a folder"):
        trace(dataset, examples(dataset)[0]["id"], logs=Path("nowhere"))


def test_records_lead_back_to_the_log_before_them(tmp_path: Path) -> None:
    """A dataset made of a file of records has that as its input; its rows name the log."""
    log = make_rows(i / 40 for i in range(40))
    write_jsonl(tmp_path / "log.jsonl", log)
    gcsl_data("ingest", "log.jsonl", "-o", "records.parquet", cwd=tmp_path)
    expand(tmp_path / "out", tmp_path / "records.parquet")

    found = trace(tmp_path / "out", examples(tmp_path / "out")[-1]["id"], logs=tmp_path)

    assert found.source == "log.jsonl"
    assert found.log is not None
    assert (found.log.state, found.log.row) == ("unknown", log[found.row - 1])


def test_values_without_a_form_in_json_are_shown_as_text(tmp_path: Path) -> None:
    rows = [
        {**row, "x": float("nan"), "y": b"\xff", "z": [{"a": float("inf")}]} for row in make_rows(map(float, range(9)))
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "log.parquet")
    expand(tmp_path / "out", tmp_path / "log.parquet", record__keep="x,y,z")
    example_id = examples(tmp_path / "out")[0]["id"]

    outcome = gcsl_data("trace", "out", example_id, "--logs", ".", "--json", cwd=tmp_path)

    expected = {"x": "nan", "y": "b'\\xff'", "z": [{"a": "inf"}]}
    assert outcome.status == 0
    assert outcome.json["kept"] == expected
    assert expected.items() <= outcome.json["log"]["row"].items()


# The command


def test_the_command_prints_every_fact(tmp_path: Path) -> None:
    rows = [{"prompt": "Be quick\nplease", "response": f"ok\n{i}\n", "reward": float(i)} for i in range(4)]
    expand_rows(tmp_path, rows, record__direction="lower", goals__metric="latency")
    example_id, other = (row["id"] for row in examples(tmp_path / "out") if row["row"] == 1)

    outcome = gcsl_data("trace", "out", example_id, "--logs", ".", cwd=tmp_path)

    group = examples(tmp_path / "out")[0]["group"]
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        example_id,
        "  file      log.jsonl, row 1",
        "  place     data/train-00000-of-00001.arrow, row 1, split train",
        f"  group     {group}",
        "  reward    0.0, level 4",
        f"  goal 4    <= 0: kept, example {other}",
        "  goal 3    <= 1: kept, this example",
        "  goal 2    <= 2: dropped, not above the mean",
        "  goal 1    <= 3: dropped, not above the mean",
        "  prompt    Be quick (+1 lines)",
        "  response  ok (+1 lines)",
        "  log       unchanged since the dataset was made",
        '            prompt = "Be quick\\nplease"',
        '            response = "ok\\n0\\n"',
        "            reward = 0.0",
    ]


def test_a_lower_reward_is_shown_in_both_units(tmp_path: Path) -> None:
    expand_rows(tmp_path, make_rows([0.5, 1.5, 2.5]), record__direction="lower")

    outcome = gcsl_data("trace", "out", examples(tmp_path / "out")[0]["id"], cwd=tmp_path)

    assert "  reward    -0.5 (0.5 in the log), level 3" in outcome.out.splitlines()


def test_hostile_text_stays_harmless_and_in_80_columns(tmp_path: Path) -> None:
    hostile = "\x1b[31mred\x1b[0m [/red]\u202e\x07\u2028" * 9
    rows = [{"prompt": hostile, "response": hostile, "reward": i, "a" + hostile + "z": hostile} for i in range(9)]
    write_jsonl(tmp_path / "a\x1b.jsonl", rows)
    expand(tmp_path / "out", tmp_path / "a\x1b.jsonl", record__keep="a" + hostile + "z")

    outcome = gcsl_data("trace", "out", examples(tmp_path / "out")[0]["id"], "--logs", ".", cwd=tmp_path)

    assert outcome.status == 0
    assert not {"\x1b", "\x07", "\u202e", "\u2028"} & set(outcome.out)
    assert max(map(len, outcome.out.splitlines())) <= 80
