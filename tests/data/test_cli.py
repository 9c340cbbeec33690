"""The program as people and scripts meet it: the user's forms, one line per error, one JSON object, no traceback."""

import json
import math
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gcsl_data import __version__
from gcsl_data.cli import app
from gcsl_data.dataset.manifest import load
from gcsl_data.recipe import OTHER_VARIABLES, field_names

from .support import (
    PROGRAM,
    REPOSITORY,
    Outcome,
    expand_rows,
    gcsl_data,
    gcsl_data_process,
    make_rows,
    rewrite_shard,
    settled,
    tree,
    write_jsonl,
)

EXAMPLE_LOG = REPOSITORY / "examples" / "code_efficiency" / "logs.parquet"
TWENTY = [i / 20 for i in range(20)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "log.jsonl", make_rows(TWENTY))
    return tmp_path


def fails(outcome: Outcome, status: int) -> str:
    """The one line of an error; everything else on standard error is talk before it: notes and the template."""
    assert outcome.status == status, outcome.err
    assert outcome.out == ""
    assert len(outcome.errors) == 1
    assert [line for line in outcome.err.splitlines() if not line.startswith(("error[", "note: ", "template: "))] == []
    return outcome.errors[0]


def commands() -> list[str]:
    """Every command and group of commands."""
    single = [command.callback.__name__ for command in app.registered_commands if command.callback]
    return [*single, *(group.name for group in app.registered_groups if group.name)]


# The user's forms


def test_the_users_session_works_word_for_word(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE_LOG, tmp_path / "logs.parquet")
    frame = pl.read_parquet(EXAMPLE_LOG)

    made = gcsl_data("expand", "logs.parquet", "--bins", "5", "--template", "code.j2", cwd=tmp_path)
    shown = gcsl_data("stats", cwd=tmp_path)
    checked = gcsl_data("check", "logs-gcsl", cwd=tmp_path)
    asked = gcsl_data("goal", "logs-gcsl", cwd=tmp_path)

    assert (made.status, made.out) == (0, "logs-gcsl\n")
    assert made.err.splitlines()[0] == "template: packaged template code"
    manifest = load(tmp_path / "logs-gcsl")
    assert manifest.accounting.rows == frame.height
    assert (shown.status, shown.err) == (0, "")
    assert max(len(line) for line in shown.out.splitlines()[:-1]) <= 80
    for goal in manifest.kept_goals:
        row = next(line.split() for line in shown.out.splitlines() if line.split()[:1] == [str(goal.index)])
        assert goal.threshold in row
        assert row[-1] == str(goal.examples)
    assert (checked.status, checked.err) == (0, "")
    best = max(manifest.kept_goals, key=lambda goal: goal.index)
    assert asked.out == best.text + "\n"
    assert best.text.startswith(
        "Follow the instructions to generate a correct Python solution with an Efficiency Score"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs-gcsl", "logs.parquet"]


def test_the_program_works_in_a_process_of_its_own(folder: Path) -> None:
    made = gcsl_data_process("expand", "log.jsonl", cwd=folder)
    wrong = gcsl_data_process("expand", "log.jsonl", cwd=folder)

    assert (made.returncode, made.stdout) == (0, b"log-gcsl\n")
    assert (wrong.returncode, wrong.stdout) == (73, b"")
    assert wrong.stderr == b"error[GD7301]: log-gcsl exists; choose another place, or remove it\n"


def test_stats_without_a_path_takes_the_dataset_here(folder: Path) -> None:
    gcsl_data("expand", "log.jsonl", cwd=folder)

    inside = gcsl_data("stats", "--json", cwd=folder / "log-gcsl")

    assert inside.status == 0
    assert inside.json["dataset_id"] == load(folder / "log-gcsl").dataset_id


def test_stats_without_a_path_takes_the_newest_dataset_in_this_folder(folder: Path) -> None:
    for age, name in enumerate(("b-gcsl", "a-gcsl", "c-gcsl", "other")):
        gcsl_data("expand", "log.jsonl", "-o", name, "--bins", str(age + 2), cwd=folder)
        os.utime(folder / name / "manifest.json", (1_000_000 - age, 1_000_000 - age))
    os.utime(folder / "a-gcsl" / "manifest.json", (2_000_000, 2_000_000))
    (folder / "z-gcsl").mkdir()

    assert gcsl_data("stats", "--json", cwd=folder).json["name"] == "a-gcsl"


def test_stats_without_a_path_and_without_a_dataset_is_a_usage_error(folder: Path) -> None:
    assert "name a dataset or a log" in fails(gcsl_data("stats", cwd=folder), 2)


def test_stats_of_a_log_are_those_of_its_dataset(folder: Path) -> None:
    flags = ["--bins", "4", "--split", "0.5,0.5", "--placement", "suffix"]

    before = gcsl_data("stats", "log.jsonl", *flags, "--json", cwd=folder).json
    names = tree(folder)
    made = gcsl_data("expand", "log.jsonl", *flags, "--json", cwd=folder).json
    after = gcsl_data("stats", "log-gcsl", "--json", cwd=folder).json

    assert names == ["log.jsonl"]
    assert settled(before) == settled(made) == settled(after)
    assert before["goals"] == after["goals"]
    assert [(s["name"], s["records"], s["examples"]) for s in after["splits"]["rows"]] == [
        (s["name"], s["records"], s["examples"]) for s in made["splits"]
    ]


def test_numbers_in_stats_are_the_numbers_in_the_manifest(folder: Path) -> None:
    gcsl_data("expand", "log.jsonl", cwd=folder)
    manifest, stats = load(folder / "log-gcsl"), gcsl_data("stats", "--json", cwd=folder).json

    assert stats["rewards"]["mean"] == manifest.fit.mean
    assert stats["goals"]["examples"] == manifest.splits[0].examples
    assert [(b["index"], b["edge"], b["printed"], b["records"], b["reached"]) for b in stats["bins"]["rows"]] == [
        (t.index, t.edge, t.printed, t.records, t.reached) for t in manifest.fit.thresholds
    ]
    assert [b["examples"] for b in stats["bins"]["rows"]] == [goal.examples for goal in manifest.goals]
    assert stats["inference_text"] == manifest.inference_text == manifest.goals[4].text


def test_goal_prints_one_goal_word_for_word(folder: Path) -> None:
    gcsl_data("expand", "log.jsonl", cwd=folder)

    assert gcsl_data("goal", "log-gcsl", cwd=folder).out == "Generate a response with a score of at least 0.80.\n"
    assert gcsl_data("goal", "log-gcsl", "-k", "4", cwd=folder).out.endswith("at least 0.60.\n")
    assert gcsl_data("goal", "log-gcsl", "-k", "4", "--json", cwd=folder).json["index"] == 4
    assert "kept goals: 4, 5" in fails(gcsl_data("goal", "log-gcsl", "-k", "1", cwd=folder), 2)


@pytest.mark.parametrize("arguments", [["templates"], ["templates", "list"]])
def test_templates_lists_the_packaged_ones(tmp_path: Path, arguments: list[str]) -> None:
    packaged = {path.stem: path.read_text(encoding="utf-8") for path in (REPOSITORY / "templates").glob("*.j2")}

    cards = gcsl_data(*arguments, "--json", cwd=tmp_path).json["templates"]
    lines = gcsl_data(*arguments, cwd=tmp_path).out.splitlines()

    assert {card["name"]: card["text"] for card in cards} == packaged
    assert [line.split()[0] for line in lines] == sorted(packaged)
    assert {tuple(line.split()[:3]) for line in lines} >= {("code", "threshold", ">"), ("at_most", "threshold", "<=")}
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("at_least", ["a score of at least 0.60.", "a score of at least 0.80."]),
        ("at_most", ["a score of at most 0.40.", "a score of at most 0.20."]),
        ("between", ["a score between 0.60 and 0.80.", "a score between 0.80 and 1."]),
        ("conditional", ["a score of 0.60.", "a score of 0.80."]),
    ],
)
def test_templates_show_prints_the_text_and_two_goals(tmp_path: Path, name: str, samples: list[str]) -> None:
    text = (REPOSITORY / "templates" / f"{name}.j2").read_text()
    goals = [f"Generate a response with {sample}" for sample in samples]

    assert gcsl_data("templates", "show", name, cwd=tmp_path).out == f"{text}\n" + "\n".join(goals) + "\n"
    assert gcsl_data("templates", "show", f"{name}.j2", "--json", cwd=tmp_path).json["template"]["samples"] == goals


def test_templates_lint_fails_with_an_error_and_not_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "bad.j2").write_text("Greater than {{ threshold }}.")
    (tmp_path / "hint.j2").write_text("{{ threshold }} of {{ scale_max }}.")

    bad = gcsl_data("templates", "lint", "code", "hint.j2", "bad.j2", cwd=tmp_path)
    hint = gcsl_data("templates", "lint", "hint.j2", "--json", cwd=tmp_path)
    fits = gcsl_data("templates", "lint", "bad.j2", "--comparator", ">", cwd=tmp_path)

    assert (bad.status, bad.out.splitlines()[0]) == (1, "ok      code")
    assert bad.out.splitlines()[1].startswith("warning goal.scale: hint.j2: prints the scale")
    assert bad.out.splitlines()[2].startswith("error   goal.comparator: bad.j2: says 'Greater than' (>)")
    assert (hint.status, [f["level"] for f in hint.json["templates"]["hint.j2"]]) == (0, ["warning"])
    assert (fits.status, fits.out) == (0, "ok      bad.j2\n")


def test_a_pattern_in_quotes_reads_all_logs(folder: Path) -> None:
    write_jsonl(folder / "more.jsonl", make_rows(TWENTY))

    made = gcsl_data("expand", "*.jsonl", "-o", "both", "--json", cwd=folder)

    assert made.json["accounting"]["rows"] == 40


# Settings and where they come from


def settings(*arguments: str, cwd: Path, environment: dict[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    outcome = gcsl_data("expand", "x", "--print-recipe", "--json", *arguments, cwd=cwd, environment=environment)
    return {name: (item["value"], item["origin"]) for name, item in outcome.json["settings"].items()}


def test_flags_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "gcsl.toml").write_text(
        '[bins]\ncount = 3\nties = "error"\ndecimals = 4\n[goals]\nmetric = "a"\n[splits]\nshares = [0.5, 0.5]\n'
    )
    environment = {"GCSL_BINS_COUNT": "4", "GCSL_BINS_TIES": "merge", "GCSL_SPLITS_SHARES": "0.9,0.1"}

    found = settings("--recipe", "gcsl.toml", "--bins", "6", cwd=tmp_path, environment=environment)

    assert found["bins.count"] == (6, "flag")
    assert found["bins.ties"] == ("merge", "environment")
    assert found["splits.shares"] == ([0.9, 0.1], "environment")
    assert found["bins.decimals"] == (4, "file")
    assert found["goals.metric"] == ("a", "file")
    assert found["goals.filter"] == ("mean", "default")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("GCSL_BIN_COUNT", "no setting GCSL_BIN_COUNT for the environment; did you mean 'GCSL_BINS_COUNT'?"),
        ("GCSL_TRACEBAK", "no setting GCSL_TRACEBAK for the environment; did you mean 'GCSL_TRACEBACK'?"),
    ],
)
def test_a_misspelt_variable_is_a_usage_error(folder: Path, name: str, message: str) -> None:
    outcome = gcsl_data("stats", "log.jsonl", cwd=folder, environment={name: "4"})

    assert (outcome.status, outcome.out, outcome.errors) == (2, "", [f"error[GD0232]: {message}"])


def test_every_variable_that_the_code_names_is_a_setting_or_is_listed() -> None:
    paths = [REPOSITORY / "Makefile", REPOSITORY / "README.md", *REPOSITORY.glob("scripts/*")]
    paths += [path for half in ("gcsl_data", "gcsl_train") for path in (REPOSITORY / half).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    named = {name for text in texts for name in re.findall(r"\bGCSL_[A-Z_]+[A-Z]\b", text)}

    assert "GCSL_TRACEBACK" in named
    assert named <= {f"GCSL_{field.replace('.', '_').upper()}" for field in field_names()} | {*OTHER_VARIABLES}


def test_set_reaches_every_setting(tmp_path: Path) -> None:
    found = settings("--set", "bins.ties=error", "--set", "output.shard_bytes=7", cwd=tmp_path)

    assert found["bins.ties"] == ("error", "flag")
    assert found["output.shard_bytes"] == (7, "flag")


def test_print_recipe_writes_nothing_and_reads_no_log(tmp_path: Path) -> None:
    outcome = gcsl_data("expand", "nowhere.jsonl", "--print-recipe", cwd=tmp_path)

    assert outcome.status == 0
    assert tomllib.loads(outcome.out)["bins"]["count"] == 5
    assert tree(tmp_path) == []


def test_a_printed_recipe_is_a_recipe(folder: Path) -> None:
    flags = ["--bins", "3", "--map", 'reward=1 - "reward"', "--keep", "score", "--split", "0.5,0.5"]
    flags += ["--reward-order", "a<b", "--scale", "0,1", "--decimals", "2", "--metric", 'a "word"']
    printed = gcsl_data("expand", "x", "--print-recipe", *flags, cwd=folder)
    (folder / "gcsl.toml").write_text(printed.out)

    again = settings("--recipe", "gcsl.toml", cwd=folder)

    assert {name: value for name, (value, _) in again.items()} == {
        name: value for name, (value, _) in settings(*flags, cwd=folder).items()
    }


def test_print_recipe_is_silent(tmp_path: Path) -> None:
    outcome = gcsl_data("expand", "nowhere.jsonl", "--print-recipe", cwd=tmp_path)

    assert outcome.err == ""
    assert tree(tmp_path) == []


# Bad input: (what the folder holds, arguments, exit status, what the line says)

Files = dict[str, bytes | str]
LINES = "".join(json.dumps(row) + "\n" for row in make_rows(TWENTY))
CSV = "prompt,response,reward\n" + "".join(f"p{i},r{i},{i}\n" for i in range(20))


def _bytes(frame: pl.DataFrame) -> bytes:
    import io

    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


ROWS = pl.DataFrame(make_rows(TWENTY))
BAD: dict[str, tuple[Files, list[str], int, str]] = {
    "a missing column": ({"a.jsonl": LINES.replace("reward", "rewards")}, ["a.jsonl"], 65, "nearest: rewards"),
    "NaN in JSON lines": (
        {"a.jsonl": LINES + '{"prompt": "p", "response": "r", "reward": NaN}\n'}, ["a.jsonl"], 65,
        "a.jsonl:21: it holds NaN, Infinity or a number too large to be read",
    ),
    "NaN in CSV": ({"a.csv": CSV + "p,r,NaN\n"}, ["a.csv"], 65, "a.csv:21: the reward is NaN or infinite"),
    "infinity in CSV": ({"a.csv": CSV + "p,r,inf\n"}, ["a.csv"], 65, "a.csv:21: the reward is NaN or infinite"),
    "NaN in Parquet": (
        {"a.parquet": _bytes(ROWS.with_columns(reward=pl.when(pl.col("reward") > 0.5).then(math.nan).otherwise("reward")))},
        ["a.parquet"], 65, "a.parquet:12: the reward is NaN or infinite (8 more rows cannot be used)",
    ),
    "a null reward": ({"a.csv": CSV + "p,r,\n"}, ["a.csv"], 65, "a.csv:21: the reward is null"),
    "an empty response": ({"a.csv": CSV + 'p,"",3\n'}, ["a.csv"], 65, "a.csv:21: the response is missing or blank"),
    "too many rejects": (
        {"a.csv": CSV + "p,r,\n"}, ["a.csv", "--on-error", "quarantine"], 65, "1 of 21 rows cannot be used (1 null_reward)"
    ),
    "constant rewards": (
        {"a.jsonl": "".join(json.dumps(row) + "\n" for row in make_rows([1.0] * 9))}, ["a.jsonl"], 65,
        "9 of 9 records (100%) have the reward 1",
    ),
    "tied edges": (
        {"a.jsonl": "".join(json.dumps(row) + "\n" for row in make_rows([0.0] * 15 + TWENTY))},
        ["a.jsonl", "--ties", "error"], 65, "have the reward 0",
    ),
    "an unknown template": ({"a.jsonl": LINES}, ["a.jsonl", "--template", "cod"], 78, "did you mean 'code'"),
    "a template with a typing error": (
        {"a.jsonl": LINES, "t.j2": "{{ treshold }}"}, ["a.jsonl", "--template", "t.j2"], 78, "unknown name 'treshold'"
    ),
    "equal printed goals": ({"a.jsonl": LINES}, ["a.jsonl", "--decimals", "0"], 78, "--decimals 1 parts them"),
    "an existing output": ({"a.jsonl": LINES, "out/x": ""}, ["a.jsonl", "-o", "out"], 73, "out exists"),
    "an unknown flag": ({"a.jsonl": LINES}, ["a.jsonl", "--bin", "5"], 2, "--bin"),
    "a flag without a value": ({"a.jsonl": LINES}, ["a.jsonl", "--bins"], 2, "--bins"),
    "bins as text": ({"a.jsonl": LINES}, ["a.jsonl", "--bins", "many"], 2, "bins.count"),
    "one bin": ({"a.jsonl": LINES}, ["a.jsonl", "--bins", "1"], 2, "bins.count"),
    "a wrong choice": ({"a.jsonl": LINES}, ["a.jsonl", "--ties", "drop"], 2, "bins.ties"),
    "a wrong scale": ({"a.jsonl": LINES}, ["a.jsonl", "--scale", "1,0"], 2, "goals.scale"),
    "an infinite scale": ({"a.jsonl": LINES}, ["a.jsonl", "--scale=-inf,inf"], 2, "goals.scale"),
    "a scale of one number": ({"a.jsonl": LINES}, ["a.jsonl", "--scale", "1"], 2, "goals.scale"),
    "shares that do not add up": ({"a.jsonl": LINES}, ["a.jsonl", "--split", "0.8,0.1"], 2, "must add up to 1"),
    "shares that are NaN": ({"a.jsonl": LINES}, ["a.jsonl", "--split", "nan,nan"], 2, "must add up to 1"),
    "too many decimals": ({"a.jsonl": LINES}, ["a.jsonl", "--decimals", "16"], 2, "decimals go from 0 to 15"),
    "an unknown setting": ({"a.jsonl": LINES}, ["a.jsonl", "--set", "bins.cuont=5"], 2, "did you mean 'bins.count'"),
    "a setting without a value": ({"a.jsonl": LINES}, ["a.jsonl", "--set", "bins.count"], 2, "expected NAME=VALUE"),
    "a setting given twice": (
        {"a.jsonl": LINES}, ["a.jsonl", "--set", "bins.count=4", "--set", "bins.count=5"], 2, "given twice"
    ),
    "a map of an unknown field": ({"a.jsonl": LINES}, ["a.jsonl", "--map", "rewrad=x"], 2, "did you mean 'reward'"),
    "a map that is no SQL": ({"a.jsonl": LINES}, ["a.jsonl", "--map", "reward=1 +"], 2, "not a SQL expression"),
    "both goal filters": (
        {"a.jsonl": LINES}, ["a.jsonl", "--no-goal-filter", "--goal-filter", "mean"], 2, "contradicts --goal-filter"
    ),
    "text with a system goal": (
        {"a.jsonl": LINES}, ["a.jsonl", "--format", "text", "--placement", "system"], 2, "no system message"
    ),
    "a recipe with an unknown key": (
        {"a.jsonl": LINES, "r.toml": "[bins]\ncuont = 5\n"}, ["a.jsonl", "--recipe", "r.toml"], 78, "'bins.count'"
    ),
    "a recipe with an unknown part": (
        {"a.jsonl": LINES, "r.toml": "[bin]\ncount = 5\n"}, ["a.jsonl", "--recipe", "r.toml"], 78, "did you mean 'bins'"
    ),
    "a recipe with a wrong value": (
        {"a.jsonl": LINES, "r.toml": '[bins]\nties = "no"\n'}, ["a.jsonl", "--recipe", "r.toml"], 78, "r.toml: bins.ties"
    ),
    "a recipe that is no TOML": ({"a.jsonl": LINES, "r.toml": "bins: 5"}, ["a.jsonl", "--recipe", "r.toml"], 78, "not TOML"),
    "no recipe there": ({"a.jsonl": LINES}, ["a.jsonl", "--recipe", "r.toml"], 78, "cannot read the recipe"),
    "an empty file": ({"a.jsonl": ""}, ["a.jsonl"], 65, "a.jsonl"),
    "an empty CSV": ({"a.csv": ""}, ["a.csv"], 65, "a.csv"),
    "an empty Parquet": ({"a.parquet": ""}, ["a.parquet"], 65, "a.parquet"),
    "blank lines only": ({"a.jsonl": "\n \n\n"}, ["a.jsonl"], 65, "a.jsonl"),
    "a header alone": ({"a.csv": "prompt,response,reward\n"}, ["a.csv"], 65, "a.csv: no rows"),
    "Parquet without rows": ({"a.parquet": _bytes(ROWS.head(0))}, ["a.parquet"], 65, "a.parquet: no rows"),
    "a missing file": ({}, ["a.jsonl"], 66, "a.jsonl: no such log"),
    "a pattern without a match": ({}, ["*.jsonl"], 66, "*.jsonl: no such log"),
    "a workbook": ({"a.xlsx": b"PK\x03\x04rest"}, ["a.xlsx"], 65, "a.xlsx: it is a zip archive or an Excel workbook"),
    "one word": ({"a.log": "x"}, ["a.log"], 65, "a.log: no column 'prompt' for the prompt; it has x"),
    "a folder": ({"a/x": ""}, ["a"], 66, "a is a folder"),
    "a folder with a log's name": ({"a.csv/x": ""}, ["a.csv"], 66, "a.csv is a folder"),
    "a pointer to a large file": (
        {"a.jsonl": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"}, ["a.jsonl"], 65, "a.jsonl"
    ),
    "an empty name": ({}, [""], 66, "is a folder"),
    "a web page": ({"a.csv": "<!DOCTYPE html>\n<html>Not found</html>\n"}, ["a.csv"], 65, "a.csv"),
    "a damaged Parquet": ({"a.parquet": _bytes(ROWS)[:-30] + b"x" * 30}, ["a.parquet"], 65, "a.parquet"),
    "a cut Parquet": ({"a.parquet": _bytes(ROWS)[:-1]}, ["a.parquet"], 65, "a.parquet"),
    "the same file twice": ({"a.jsonl": LINES}, ["a.jsonl", "./a.jsonl"], 2, "given twice"),
    "prompts of two kinds": (
        {"a.jsonl": LINES, "b.jsonl": '{"prompt": [{"role": "user", "content": "x"}], "response": "r", "reward": 1}'},
        ["a.jsonl", "b.jsonl"], 65, "text in a.jsonl and chat messages in b.jsonl",
    ),
    "text output of chats": (
        {"a.jsonl": '{"prompt": [{"role": "user", "content": "x"}], "response": "r", "reward": 1}'},
        ["a.jsonl", "--format", "text"], 2, "--format text needs plain-text prompts",
    ),
    "bytes that are not UTF-8": (
        {"a.jsonl": LINES.encode() + b'{"prompt": "caf\xe9", "response": "r", "reward": 1}\n'}, ["a.jsonl"], 65,
        "a.jsonl:21: the line is not UTF-8 (byte 0xe9)",
    ),
    "a CSV that is not UTF-8": ({"a.csv": CSV.encode() + b"caf\xe9,r,1\n"}, ["a.csv"], 65, "not UTF-8"),
    "a cut last line": ({"a.jsonl": LINES + '{"prompt": "p", "resp'}, ["a.jsonl"], 65, "a.jsonl:21: the line is not JSON"),
    "a line that is no object": ({"a.jsonl": LINES + "[1, 2]\n"}, ["a.jsonl"], 65, "a.jsonl:21: the line is JSON but"),
    "rows with too many fields": ({"a.csv": CSV + "a,b,1,2\n"}, ["a.csv"], 65, "a.csv:21: the row has another number"),
    "a reward in words": ({"a.csv": CSV + "p,r,high\n"}, ["a.csv"], 65, "a.csv:21: the reward is text that is no number"),
    "a reserved column": (
        {"a.jsonl": LINES.replace('"prompt"', '"_gcsl_row": 1, "prompt"')}, ["a.jsonl"], 65, "_gcsl_row"
    ),
    "no logs": ({}, [], 2, "Missing argument"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_with_the_right_status_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    files, arguments, status, message = BAD[name]
    for file, content in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    before = tree(tmp_path)

    outcome = gcsl_data("expand", *arguments, cwd=tmp_path)
    as_json = gcsl_data("expand", *arguments, "--json", cwd=tmp_path)

    assert message in fails(outcome, status)
    assert as_json.status == status
    assert as_json.json.keys() == {"ok", "exit_code", "code", "message"}
    assert (as_json.json["ok"], as_json.json["exit_code"]) == (False, status)
    assert f"error[{as_json.json['code']}]: " in as_json.err
    assert tree(tmp_path) == before


def test_flags_beside_a_dataset_are_refused_by_stats(folder: Path) -> None:
    gcsl_data("expand", "log.jsonl", cwd=folder)

    assert "a dataset's recipe is settled" in fails(gcsl_data("stats", "log-gcsl", "--bins", "4", cwd=folder), 2)


def test_a_damaged_shard_fails_the_check_with_place_and_fix(folder: Path) -> None:
    gcsl_data("expand", "log.jsonl", cwd=folder)
    rewrite_shard(folder / "log-gcsl" / "data" / "train-00000-of-00001.arrow", lambda rows: rows[1:])

    outcome = gcsl_data("check", "log-gcsl", cwd=folder)

    assert outcome.status == 1
    place, *_, fix = outcome.err.splitlines()
    assert place == "error: shards.hash: data/train-00000-of-00001.arrow"
    assert fix.endswith("again.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["expand", "log.jsonl"],
        ["stats", "log.jsonl"],
        ["stats", "made"],
        ["check", "made"],
        ["goal", "made"],
        ["templates"],
        ["templates", "show", "code"],
        ["templates", "show", "nothing"],
        ["templates", "lint", "code", "between"],
        ["templates", "lint", "code", "--comparator", ">="],
        ["templates", "lint", "code", "--comparator", "="],
        ["templates", "lint", "nothing"],
        ["templates", "lint"],
        ["ingest", "log.jsonl"],
        ["ingest", "nowhere"],
        ["ingest", "log.jsonl", "-o", "log.jsonl"],
        ["schema", "show", "record"],
        ["schema", "show", "nothing"],
        ["schema", "export"],
        ["schema", "export", "log.jsonl"],
        ["schema", "infer", "log.jsonl"],
        ["schema", "infer", "nowhere"],
        ["schema", "diff", "log.jsonl", "log.jsonl"],
        ["schema", "diff", "log.jsonl", "nowhere"],
        ["schema", "diff", "manifest", "recipe"],
        ["schema"],
        ["--version"],
        ["expand", "log.jsonl", "--print-recipe"],
        ["stats", "nowhere"],
        ["check", "nowhere"],
        ["goal", "nowhere"],
        ["goal", "made", "-k", "99"],
        ["trace", "made", "0000"],
        ["trace", "nowhere", "0000"],
        ["diff", "made", "made"],
        ["diff", "made", "nowhere"],
        ["export", "made", "--to", "trl", "-o", "out"],
        ["export", "made", "--to", "trl"],
        ["nonsense"],
        ["templates", "--nonsense"],
        [],
    ],
)
def test_json_is_one_object_whatever_happens(folder: Path, arguments: list[str]) -> None:
    expand_rows(folder, make_rows(TWENTY))
    (folder / "out").rename(folder / "made")

    outcome = gcsl_data(*arguments, "--json", cwd=folder)

    assert outcome.json["exit_code"] == outcome.status
    assert outcome.json["ok"] is (outcome.status == 0)
    assert outcome.out.count("\n") == 1


def test_an_unexpected_error_is_70_without_a_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise pl.exceptions.PanicException("boom")

    monkeypatch.setattr("gcsl_data.audit.describe.make_plan", broken)

    outcome = gcsl_data("stats", "log.jsonl", "--json", cwd=folder)

    assert outcome.status == outcome.json["exit_code"] == 70
    assert "this is a bug in gcsl (PanicException: boom)" in outcome.errors[0]
    assert "Traceback" not in outcome.err


def test_progress_plain_tells_the_rows(folder: Path) -> None:
    outcome = gcsl_data("expand", "log.jsonl", "--progress", "plain", cwd=folder)

    assert "writing examples: 12 of 12 rows" in outcome.err.splitlines()
    assert outcome.out == "log-gcsl\n"


def test_help_says_every_command_and_exits_well(tmp_path: Path) -> None:
    outcome = gcsl_data("--help", cwd=tmp_path)

    assert outcome.status == 0
    for name in commands():
        assert name in outcome.out


def test_the_version_is_printed(tmp_path: Path) -> None:
    assert gcsl_data("--version", cwd=tmp_path) == Outcome(0, f"{__version__}\n", "")


# Streams


def _closed_pipe(*arguments: str, cwd: Path) -> tuple[int, bytes]:
    """The program writing to a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [*PROGRAM, *arguments], cwd=cwd, stdout=write, stderr=subprocess.PIPE, check=False, env={**os.environ}
    )
    os.close(write)
    return process.returncode, process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["stats", "log.jsonl"],
        ["stats", "log.jsonl", "--json", "--bins", "600"],
        ["check", "made"],
        ["diff", "made", "made"],
        ["templates"],
        ["--help"],
    ],
)
def test_a_reader_that_went_away_is_no_error_of_ours(tmp_path: Path, arguments: list[str]) -> None:
    rows = make_rows(i / 1000 for i in range(1000))
    write_jsonl(tmp_path / "log.jsonl", rows)
    expand_rows(tmp_path, rows)
    (tmp_path / "out").rename(tmp_path / "made")

    status, talk = _closed_pipe(*arguments, cwd=tmp_path)

    assert status == 141
    assert b"Traceback" not in talk
    assert b"Exception" not in talk


@pytest.mark.parametrize("arguments", [["stats", "nowhere.jsonl", "--json"], ["nonsense", "--json"]])
def test_an_error_that_nobody_reads_keeps_its_status(tmp_path: Path, arguments: list[str]) -> None:
    status, talk = _closed_pipe(*arguments, cwd=tmp_path)

    assert status == (66 if arguments[0] == "stats" else 2)
    assert len(talk.splitlines()) == 1


def test_a_listener_to_the_progress_who_went_away_stops_the_build_cleanly(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*PROGRAM, "expand", "log.jsonl", "--progress", "plain"]

    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=write, check=False)
    os.close(write)

    assert done.returncode == 141
    assert tree(folder) == ["log.jsonl"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("arguments", [["stats", "log.jsonl"], ["stats", "log.jsonl", "--json"], ["templates"]])
def test_a_full_standard_output_is_exit_74(folder: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False)

    assert done.returncode == 74
    assert done.stderr.decode().splitlines()[-1] == "error[GD7402]: output: No space left on device"
    assert b"Traceback" not in done.stderr


def test_a_closed_standard_output_is_no_crash(folder: Path) -> None:
    command = f"exec {' '.join(PROGRAM)} stats log.jsonl --json >&-"

    done = subprocess.run(["sh", "-c", command], cwd=folder, stderr=subprocess.PIPE, check=False)

    assert done.returncode == 0
    assert b"error[" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_terminal_that_knows_ascii_only_is_no_error(folder: Path) -> None:
    done = gcsl_data_process("stats", "log.jsonl", cwd=folder, environment={"PYTHONIOENCODING": "ascii"})

    assert done.returncode == 0
    assert b"Ask for: Generate a response" in done.stdout


HOSTILE = "\x1b[31mred\x1b[0m [/red] [bold]\u202e\x07\u2028%s{x}"


def _harmless(outcome: Outcome) -> None:
    for text in (outcome.out, outcome.err):
        assert not {"\x1b", "\x07", "\u202e", "\u2028"} & set(text)
    assert "bug in gcsl" not in outcome.err


@pytest.mark.parametrize("command", ["expand", "stats"])
def test_markup_and_control_characters_in_names_and_texts_stay_harmless(tmp_path: Path, command: str) -> None:
    name = HOSTILE.replace("/", "-") + ".jsonl"
    rows = [{"prompt": HOSTILE + str(i), "response": HOSTILE, "reward": r, HOSTILE: 1} for i, r in enumerate(TWENTY)]
    write_jsonl(tmp_path / name, rows)

    good = gcsl_data(command, name, cwd=tmp_path)
    missing = gcsl_data(
        command, name, "--map", "reward=nothing", "-o" if command == "expand" else "--recipe", "x", cwd=tmp_path
    )
    unknown = gcsl_data(command, HOSTILE, cwd=tmp_path)

    assert good.status == 0
    assert missing.status in (65, 78)
    assert unknown.status == 66
    if command == "expand":
        folder = name.removesuffix(".jsonl") + "-gcsl\n"
        assert good.out == folder  # for scripts, so to the letter
        good = Outcome(good.status, good.out.removesuffix(folder), good.err)
    for outcome in (good, missing, unknown):
        _harmless(outcome)


def test_markup_in_a_goal_is_shown_as_it_is(folder: Path) -> None:
    (folder / "t.j2").write_text("[bold]At least[/bold] {{ threshold }} [/red].")

    gcsl_data("expand", "log.jsonl", "--template", "t.j2", cwd=folder)
    shown = gcsl_data("stats", cwd=folder)

    assert shown.status == 0
    assert "Ask for: [bold]At least[/bold] 0.80 [/red]." in shown.out
    assert gcsl_data("goal", "log-gcsl", cwd=folder).out == "[bold]At least[/bold] 0.80 [/red].\n"


def test_hostile_flag_values_stay_harmless(folder: Path) -> None:
    for arguments in (
        ["--metric", HOSTILE],
        ["--template", HOSTILE],
        ["--map", f"reward={HOSTILE}"],
        ["--map", f"{HOSTILE}=reward"],
        ["--set", f"{HOSTILE}=1"],
        ["--recipe", HOSTILE],
        ["--ties", HOSTILE],
        [f"--{HOSTILE}"],
        ["--scale", HOSTILE],
    ):
        outcome = gcsl_data("expand", "log.jsonl", *arguments, cwd=folder)
        assert outcome.status in (2, 65, 78), arguments
        assert len(outcome.errors) == 1
        _harmless(outcome)
    assert tree(folder) == ["log.jsonl"]


# Signals


@pytest.mark.parametrize(("signal", "status"), [("INT", 130), ("TERM", 143)])
def test_a_stopped_run_says_so_and_leaves_nothing_behind(tmp_path: Path, signal: str, status: int) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 7919 for i in range(4000)))
    program = (
        "import os, signal, gcsl_data.build as b\n"
        "real = b._manifest\n"
        f"b._manifest = lambda *a: (os.kill(os.getpid(), signal.SIG{signal}), real(*a))[1]\n"
        "from gcsl_data.cli import main\n"
        "main()\n"
    )

    done = subprocess.run(
        [PROGRAM[0], "-c", program, "expand", "log.jsonl", "--json"], cwd=tmp_path, capture_output=True, check=False
    )

    assert done.returncode == status, done.stderr
    assert json.loads(done.stdout)["exit_code"] == status
    assert tree(tmp_path) == ["log.jsonl"]


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_a_silent_one(tmp_path: Path, closed: str) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 50 for i in range(50)))
    program = f"{PROGRAM[0]} -m gcsl_data"

    built = subprocess.run(f"{program} expand log.jsonl -o out --json {closed}", shell=True, cwd=tmp_path, check=False)
    missed = subprocess.run(f"{program} stats no-log.jsonl {closed}", shell=True, cwd=tmp_path, check=False)

    assert (built.returncode, missed.returncode) == (0, 66)
    assert gcsl_data("check", "out", cwd=tmp_path).status == 0
    assert tree(tmp_path)[0] == "log.jsonl"


def test_what_is_printed_stays_valid_where_the_other_stream_is_closed(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 50 for i in range(50)))
    command = f"{PROGRAM[0]} -m gcsl_data expand log.jsonl -o out --json 2>&-"

    said = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, check=True).stdout

    assert json.loads(said)["output"] == "out"


def test_every_command_has_one_file() -> None:
    files = {path.stem for path in (REPOSITORY / "gcsl_data" / "cli").glob("[a-z]*.py")}

    assert set(commands()) == files
