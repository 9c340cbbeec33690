"""`check` as a CI gate: every rule is broken by a seeded fault that it finds, logs, gates, and what is written aside."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gcsl_data.audit.finding import CONTRACT, RULES

from .support import (
    Outcome,
    document,
    examples,
    expand_rows,
    forge,
    gcsl_data,
    gcsl_data_process,
    make_rows,
    write_document,
    write_jsonl,
)

SHARD = "data/train-00000-of-00001.arrow"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with two splits and a log with rows of which two were set aside."""
    folder = tmp_path_factory.mktemp("good")
    rows = [
        *make_rows((i * 37 % 101) / 100 for i in range(200)),
        {"prompt": "p", "response": "", "reward": 1.0},
        {"prompt": "q"},
    ]
    flags = {"checks__on_error": "quarantine", "checks__max_reject_rate": 0.5, "splits__shares": "0.7,0.3"}
    expand_rows(folder, rows, **flags)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage: `out`, and `log.jsonl`."""
    shutil.copytree(good, tmp_path / "work")
    return tmp_path / "work"


def check(folder: Path, *arguments: str | Path) -> Outcome:
    return gcsl_data("check", *arguments, cwd=folder)


def found(folder: Path, *arguments: str | Path) -> list[dict[str, Any]]:
    outcome = check(folder, *arguments, "--json")
    assert outcome.status == (1 if any(one["level"] == "error" for one in outcome.json["findings"]) else 0), outcome.err
    return outcome.json["findings"]


def edit(folder: Path, change: Callable[[dict[str, Any]], Any], *, identify: bool = True) -> tuple[str, ...]:
    content = document(folder / "out")
    change(content)
    write_document(folder / "out", content, identify=identify)
    return ("out",)


def change_row(folder: Path, **values: Any) -> tuple[str, ...]:
    forge(folder / "out", lambda rows: [{**rows[0], **values}, *rows[1:]])
    return ("out",)


def other_columns(folder: Path) -> tuple[str, ...]:
    path = folder / "out" / SHARD
    path.write_bytes(b"ARROW1\0\0 but not really")
    size, digest = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
    return edit(folder, lambda content: content["shards"][0].update(bytes=size, sha256=digest))


def prompt_in_two_splits(folder: Path) -> tuple[str, ...]:
    prompt = examples(folder / "out", "validation")[0]["prompt"]
    train = examples(folder / "out", "train")
    at = next(at for at, row in enumerate(train) if row["goal"] == examples(folder / "out", "validation")[0]["goal"])
    forge(folder / "out", lambda rows: [*rows[:at], {**rows[at], "prompt": prompt}, *rows[at + 1 :]])
    return ("out",)


def without_validation(folder: Path) -> tuple[str, ...]:
    shutil.rmtree(folder / "out")
    rows = [{"prompt": "one", "response": f"r{i}", "reward": i / 9} for i in range(10)]
    expand_rows(folder, rows, splits__shares="0.999,0.001")
    return ("out",)


def log_with(folder: Path, *rows: dict[str, Any], more: tuple[str, ...] = ()) -> tuple[str, ...]:
    write_jsonl(folder / "bad.jsonl", [*make_rows(i / 40 for i in range(40)), *rows])
    return ("bad.jsonl", *more)


def schema_of(folder: Path, schema: dict[str, Any]) -> str:
    (folder / "row.schema.json").write_text(json.dumps(schema))
    return "row.schema.json"


# Rule -> a fault that breaks it; gives the arguments of `check`.
FAULTS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "manifest.expected": lambda folder: ("out", "--expect-manifest-sha256", "0" * 64),
    "manifest.schema": lambda folder: edit(folder, lambda content: content.update(surprise=1)),
    "manifest.id": lambda folder: edit(
        folder, lambda content: content["recipe"]["bins"].update(count=6), identify=False
    ),
    "manifest.counts": lambda folder: edit(folder, lambda content: content["accounting"].update(rows=7)),
    "manifest.files": lambda folder: (folder / "out/_gcsl/goals.json").write_text("[]") and ("out",),
    "shards.hash": lambda folder: (folder / "out" / SHARD).write_bytes(b"") or ("out",),
    "shards.columns": other_columns,
    "rows.count": lambda folder: forge(folder / "out", lambda rows: rows[:-1]) or ("out",),
    "rows.id": lambda folder: change_row(folder, id="0" * 16),
    "rows.goal": lambda folder: change_row(folder, goal="Do well."),
    "rows.true": lambda folder: change_row(folder, reward=-1.0),
    "rows.splits": prompt_in_two_splits,
    "splits.empty": without_validation,
    "log.rows": lambda folder: log_with(folder, {"prompt": "p", "response": "", "reward": 1}),
    "log.expand": lambda folder: log_with(folder, more=("--map", "reward=grade")),
    "log.schema": lambda folder: log_with(
        folder, more=("--schema", schema_of(folder, {"properties": {"reward": {"maximum": 0.9}}}))
    ),
    "gate": lambda folder: ("out", "--fail-on", "bins.effective > 1"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_seeded_fault_is_found_for_every_rule(folder: Path, rule: str) -> None:
    arguments = FAULTS[rule](folder)

    findings = [one for one in found(folder, *arguments) if one["rule"] == rule]

    assert findings, "not found"
    for one in findings:
        assert one["level"] == RULES[rule].level
        assert one["file"]
        assert one["message"]
        assert one["fix"].endswith(".")
        if rule.startswith("rows.") and rule != "rows.count":
            assert one["file"] == SHARD
            assert one["row"] >= 1
    text = check(folder, *arguments)
    word = "warn" if RULES[rule].level == "warning" else "FAIL"
    assert f"{word}  {rule} " in text.out
    assert f"{RULES[rule].level}: {rule}: " in text.err


def test_every_rule_has_a_fault() -> None:
    assert FAULTS.keys() == RULES.keys()


def test_a_good_dataset_holds(good: Path) -> None:
    outcome = check(good, "out")

    *rules, digest, verdict = outcome.out.splitlines()
    assert (outcome.status, outcome.err) == (0, "")
    assert [line.split()[:2] for line in rules] == [["ok", rule] for rule in CONTRACT]
    assert (
        digest.removeprefix("manifest sha256 ") == hashlib.sha256((good / "out/manifest.json").read_bytes()).hexdigest()
    )
    assert verdict == f"out: {len(CONTRACT)} of {len(CONTRACT)} hold, {len(examples(good / 'out'))} rows"


def shown_rules(outcome: Outcome) -> dict[str, str]:
    """Rule -> ok, FAIL, warn, note or - (not looked at)."""
    found = [line.split() for line in outcome.out.splitlines()]
    return {words[1]: words[0] for words in found if words[1] in RULES}


def damaged_shard(folder: Path) -> None:
    (folder / "out" / SHARD).write_bytes(b"")


def without_a_row(folder: Path) -> None:
    forge(folder / "out", lambda rows: rows[:-1])


def with_another_key(folder: Path) -> None:
    edit(folder, lambda content: content.update(surprise=1))


_OF_ROWS = {"rows.id", "rows.goal", "rows.true", "rows.splits"}


@pytest.mark.parametrize(
    ("damage", "fail", "unseen"),
    [
        (damaged_shard, {"shards.hash"}, {"manifest.counts", "shards.columns", "rows.count"} | _OF_ROWS),
        (without_a_row, {"rows.count"}, {"manifest.counts"} | _OF_ROWS),
        (with_another_key, {"manifest.schema"}, {*CONTRACT} - {"manifest.schema"}),
    ],
)
def test_only_what_was_looked_at_holds(
    folder: Path, damage: Callable[[Path], None], fail: set[str], unseen: set[str]
) -> None:
    damage(folder)

    outcome = check(folder, "out")

    words = shown_rules(outcome)
    assert {rule for rule, word in words.items() if word == "FAIL"} == fail
    assert {rule for rule, word in words.items() if word == "-"} == unseen
    assert words.keys() == {*CONTRACT}
    held, of = len(CONTRACT) - len(unseen) - len(fail), len(CONTRACT) - len(unseen)
    assert f"out: {held} of {of} hold" in outcome.out
    assert not unseen & {*check(folder, "out", "--json").json["rules"]}


def test_rules_of_a_log_that_were_not_looked_at_are_not_ok(folder: Path) -> None:
    schema = schema_of(folder, {"properties": {"reward": {"maximum": 5}}})
    write_jsonl(folder / "plain.jsonl", make_rows(i / 40 for i in range(40)))

    by_schema = check(folder, "plain.jsonl", "--schema", schema)
    no_column = check(folder, "plain.jsonl", "--map", "reward=grade")
    whole = check(folder, "plain.jsonl", "--split", "0.9,0.1")

    assert shown_rules(by_schema) == {"log.schema": "ok", "log.rows": "-"}
    assert by_schema.out.endswith("plain.jsonl: 1 of 1 hold, 40 rows\n")
    assert shown_rules(no_column) == {"log.rows": "-", "log.expand": "FAIL", "splits.empty": "-"}
    assert "0 of 1 hold" in no_column.out
    assert set(shown_rules(whole).values()) == {"ok"}


def test_a_log_of_which_nothing_is_usable_was_looked_at_row_by_row(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", [{"prompt": "p", "response": "", "reward": 1}] * 3)

    assert shown_rules(check(tmp_path, "log.jsonl")) == {"log.rows": "FAIL", "log.expand": "FAIL", "splits.empty": "-"}


def test_everything_fits_80_columns(folder: Path) -> None:
    for arguments in (FAULTS["rows.true"](folder), ("log.jsonl",), ("log.jsonl", "--fail-on", "rewards.mean > 0")):
        outcome = check(folder, *arguments)
        lines = [*outcome.out.splitlines(), *outcome.err.splitlines()]
        assert [line for line in lines if len(line) > 80 and not line.startswith("manifest sha256")] == []


def test_help_names_every_option_whole(tmp_path: Path) -> None:
    shown = check(tmp_path, "--help").out

    assert "--expect-manifest-sha256 " in shown
    assert "json|junit" not in shown
    assert " text, json, junit, sarif" in shown


def test_the_expected_manifest_is_the_one_shown(good: Path) -> None:
    digest = check(good, "out", "--json").json["manifest_sha256"]

    assert check(good, "out", "--expect-manifest-sha256", digest.upper()).status == 0
    assert check(good, "out", "--expect-manifest-sha256", digest[:-1] + "x").status == 2
    assert check(good, "log.jsonl", "--expect-manifest-sha256", digest).status == 2


_SET_ASIDE = ("--on-error", "quarantine", "--max-reject-rate", "0.5")


def test_warn_only_shows_errors_and_exits_0(folder: Path) -> None:
    arguments = FAULTS["rows.true"](folder)

    outcome = check(folder, *arguments, "--warn-only")
    as_json = check(folder, *arguments, "--warn-only", "--json")

    assert outcome.status == as_json.status == as_json.json["exit_code"] == 0
    assert "FAIL  rows.true" in outcome.out
    assert outcome.out.endswith(" rows (exit 0: --warn-only)\n")
    assert "--warn-only" not in check(folder, *arguments).out
    assert "--warn-only" not in check(folder, "log.jsonl", *_SET_ASIDE, "--warn-only").out
    assert as_json.json["findings"][0]["level"] == "error"
    (folder / "out/manifest.json").unlink()
    assert check(folder, "out", "--warn-only").status == 65


# What the manifest says of rows and files


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["inputs"][0].update(rows=7),
        lambda content: content["inputs"][0]["rejected"].update(empty_response=1),
        lambda content: content["inputs"][0]["rejected"].update(null_reward=5),
        lambda content: content["accounting"]["rejected"].pop("empty_response"),
        lambda content: content["accounting"].update(used=0),
        lambda content: content["splits"][1].update(records=content["splits"][1]["records"] + 1),
        lambda content: content["inputs"].append({**content["inputs"][0], "uri": "other.jsonl"}),
    ],
)  # fmt: skip
def test_accounts_that_are_not_closed_are_found(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    edit(folder, change)

    assert "manifest.counts" in {one["rule"] for one in found(folder, "out")}


SIDE_FAULTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "another fit": ("error", lambda side: (side / "fit.json").write_bytes((side / "fit.json").read_bytes()[:-3] + b"0}")),
    "a fit that is no JSON": ("error", lambda side: (side / "fit.json").write_text("{")),
    "goals that are not UTF-8": ("error", lambda side: (side / "goals.json").write_bytes(b"\xff")),
    "goals nested deeply": ("error", lambda side: (side / "goals.json").write_text("[" * 100_000)),
    "goals as a folder": ("error", lambda side: ((side / "goals.json").unlink(), (side / "goals.json").mkdir())),
    "goals as a link": ("error", lambda side: ((side / "goals.json").unlink(), (side / "goals.json").symlink_to("fit.json"))),
    "goals of 20 MB": ("error", lambda side: (side / "goals.json").write_bytes(b" " * 20_000_000)),
    "another recipe": ("error", lambda side: (side / "recipe.toml").write_text("[bins]\ncount = 9\n")),
    "another template": ("error", lambda side: (side / "template.j2").write_text("Reach {{ threshold }}!")),
    "a reject too many": ("error", lambda side: (side / "rejects.jsonl").write_text("{}\n" * 3)),
    "no rejects": ("warning", lambda side: (side / "rejects.jsonl").unlink()),
    "no fit": ("warning", lambda side: (side / "fit.json").unlink()),
}  # fmt: skip


@pytest.mark.parametrize(("level", "damage"), SIDE_FAULTS.values(), ids=SIDE_FAULTS)
def test_files_beside_the_manifest_say_what_it_says(folder: Path, level: str, damage: Callable[[Path], Any]) -> None:
    damage(folder / "out/_gcsl")

    (one,) = found(folder, "out")
    assert (one["rule"], one["level"]) == ("manifest.files", level)
    assert one["file"].startswith("_gcsl/")


def test_a_column_called_like_ours_is_a_finding(folder: Path) -> None:
    edit(folder, lambda content: content["columns"].append({"name": "_gcsl_row", "type": "int64", "nullable": True}))

    assert "manifest.schema" in {one["rule"] for one in found(folder, "out")}


@pytest.mark.parametrize(
    "arguments", [(), ("--format", "json"), ("--format", "sarif"), ("--fail-on", "rewards.mean > 0"), ("--warn-only",)]
)
def test_an_unfinished_build_and_another_version_are_exit_65(folder: Path, arguments: tuple[str, ...]) -> None:
    content = document(folder / "out") | {"format_version": 99}
    write_document(folder / "out", content, identify=False)
    other = check(folder, "out", *arguments)
    (folder / "out/manifest.json").unlink()
    none = check(folder, "out", *arguments)

    assert (other.status, none.status) == (65, 65)
    assert "install the gcsl that wrote it" in other.err
    assert "build it again" in none.err
    if "json" in arguments:
        assert (other.json["code"], none.json["exit_code"]) == ("GD6504", 65)


# Gates


def test_gates_of_flags_and_recipe_count_together(folder: Path) -> None:
    (folder / "gates.toml").write_text(
        '[check]\nfail_on = ["bins.effective < 4", "rewards.mean > 2"]\n[bins]\ncount = 3\n'
    )

    findings = found(folder, "out", "--recipe", "gates.toml", "--fail-on", "hygiene.longest > 1")

    longest = document(folder / "out")["hygiene"]["longest"]
    assert [one["message"] for one in findings] == [f"hygiene.longest > 1 is met: hygiene.longest = {longest}"]
    of_log = ("log.jsonl", "--on-error", "quarantine", "--max-reject-rate", "0.5")
    (one,) = [one for one in found(folder, *of_log, "--recipe", "gates.toml") if one["rule"] == "gate"]
    assert one["message"] == "bins.effective < 4 is met: bins.effective = 3"


def test_reasons_that_did_not_occur_count_0(folder: Path) -> None:
    account = document(folder / "out")["accounting"]
    assert account["rejected"] == {"empty_response": 2}
    assert (
        not {"bad_json", "null_reward", "duplicate", "gap_too_small"}
        & (account["rejected"] | account["filtered"]).keys()
    )
    rejected = sum(account["rejected"].values())

    absent = "accounting.rejected.null_reward + accounting.filtered.duplicate + accounting.filtered.gap_too_small"
    met = f"accounting.rejected == {rejected} and accounting.rejected.empty_response == 2"

    assert found(folder, "out", "--fail-on", f"{absent} > 0") == []
    assert len(found(folder, "out", "--fail-on", f"{absent} == 0", "--fail-on", met)) == 2
    of_log = found(folder, "log.jsonl", "--fail-on", f"accounting.filtered == {sum(account['filtered'].values())}")
    assert len([one for one in of_log if one["rule"] == "gate"]) == 1
    unknown = check(folder, "out", "--fail-on", "accounting.rejected.nul_reward > 0")
    assert (unknown.status, "did you mean 'accounting.rejected.null_reward'?" in unknown.err) == (2, True)


def test_explain_shows_the_totals(good: Path) -> None:
    account = document(good / "out")["accounting"]

    lines = gcsl_data("stats", "out", "--explain", cwd=good).out.splitlines()

    for part in ("rejected", "filtered"):
        assert f"accounting.{part} = {sum(account[part].values())}" in lines
        assert all(f"accounting.{part}.{reason} = {count}" in lines for reason, count in account[part].items())
    assert "accounting.rejected.bad_json = 0" not in lines


def test_gates_over_drift_look_at_another_log(folder: Path) -> None:
    write_jsonl(folder / "other.jsonl", make_rows(0.9 + i / 400 for i in range(40)))
    gate = ("--fail-on", "drift.rewards.psi > 0.25")

    (none,) = found(folder, "out", *gate)
    (far,) = found(folder, "out", *gate, "--against", "other.jsonl")

    assert "has no value here" in none["message"]
    assert none["fix"].startswith("Give --against ")
    assert far["message"].startswith("drift.rewards.psi > 0.25 is met: drift.rewards.psi = ")
    assert found(folder, "out", *gate, "--against", "out") == []
    assert check(folder, "out", "--against", "out").status == 2


def test_gates_over_tokens_need_a_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    gate = ("--fail-on", "text.tokens.response.p95 > 0")

    for path in (("out",), ("log.jsonl", *_SET_ASIDE)):
        (none,) = [one for one in found(folder, *path, *gate) if one["rule"] == "gate"]
        (met,) = [one for one in found(folder, *path, *gate, "--tokenizer", "tokenizer.json") if one["rule"] == "gate"]
        assert none["fix"].startswith("Give --tokenizer ")
        assert met["message"].startswith("text.tokens.response.p95 > 0 is met: ")
    assert check(folder, "out", *gate, "--tokenizer", "nowhere.json").status == 66
    assert check(folder, "out", "--tokenizer", "tokenizer.json").status == 2


def test_gates_in_a_recipe_leave_the_dataset_as_it_is(folder: Path) -> None:
    log = make_rows(i / 40 for i in range(40))
    write_jsonl(folder / "plain.jsonl", log)
    (folder / "gates.toml").write_text('[check]\nfail_on = ["bins.effective < 4"]\n')

    assert gcsl_data("expand", "plain.jsonl", "-o", "a", cwd=folder).status == 0
    assert gcsl_data("expand", "plain.jsonl", "-o", "b", "--recipe", "gates.toml", cwd=folder).status == 0

    assert (folder / "a/manifest.json").read_bytes() == (folder / "b/manifest.json").read_bytes()
    assert (folder / "a/_gcsl/recipe.toml").read_bytes() == (folder / "b/_gcsl/recipe.toml").read_bytes()


@pytest.mark.parametrize(
    ("text", "status", "hint"),
    [
        ('[check]\nfail = ["x > 1"]', 78, "no setting check.fail"),
        ('[check]\nfail_on = "x > 1"', 78, "must be a list of texts"),
        ("check = 1", 78, "must be a table"),
        ('[check]\nfail_on = ["rewards.mean >"]', 2, "is not understood"),
        ('[chekc]\nfail_on = ["rewards.mean > 1"]', 78, "did you mean 'check'?"),
    ],
)
def test_a_wrong_part_of_a_recipe_is_said_so(folder: Path, text: str, status: int, hint: str) -> None:
    (folder / "gates.toml").write_text(text)

    outcome = check(folder, "log.jsonl", "--recipe", "gates.toml")

    assert outcome.status == status
    assert hint in outcome.errors[0]


@pytest.mark.parametrize(
    ("gate", "status", "words"),
    [
        ("bins.efective < 4", 2, "did you mean 'bins.effective'?"),
        ("x" * 10_000, 2, "has 10,000"),
        ("rewards.mean / bins.decimals", 2, "not understood"),
        ("rewards.mean / bins.below > 1", 1, "divides by zero"),
        ("bins.cut.value > 1", 1, "bins.cut.value has no value here"),
        ("bins.below < 0", 0, ""),
    ],
)
def test_gates_that_cannot_be_told(good: Path, gate: str, status: int, words: str) -> None:
    outcome = check(good, "out", "--fail-on", gate)

    assert outcome.status == status
    assert words in " ".join(outcome.err.split())
    assert len(outcome.err) < 1000


def test_a_gate_over_a_damaged_manifest_cannot_be_told(folder: Path) -> None:
    edit(folder, lambda content: content.update(surprise=1))

    assert [one["rule"] for one in found(folder, "out", "--fail-on", "rewards.mean > 0")] == ["manifest.schema", "gate"]


def test_two_forms_of_output_are_one_too_many(good: Path) -> None:
    outcome = check(good, "out", "--json", "--format", "junit")

    assert (outcome.status, outcome.json["code"]) == (2, "GD0295")


# Logs


def test_rejected_rows_are_findings_by_reason(folder: Path) -> None:
    (folder / "broken.jsonl").write_text(
        (folder / "log.jsonl").read_text() + '{"prompt": "x"\n[1]\n' + '{"prompt": "\n'
    )

    rows = {one["message"].split(":")[0]: one for one in found(folder, "broken.jsonl") if one["rule"] == "log.rows"}

    assert {reason: one["row"] for reason, one in rows.items()} == {
        "bad_json": 203, "empty_response": 201, "not_object": 204,
    }  # fmt: skip
    assert rows["bad_json"]["message"].endswith("; 2 rows are like this")
    assert rows["not_object"]["message"].endswith("; 1 row is like this")
    assert all(one["level"] == "error" for one in rows.values())


def test_rows_that_are_set_aside_are_warnings(folder: Path) -> None:
    within = found(folder, "log.jsonl", "--on-error", "quarantine", "--max-reject-rate", "0.02")
    beyond = found(folder, "log.jsonl", "--on-error", "quarantine", "--max-reject-rate", "0.001")

    assert {(one["rule"], one["level"]) for one in within} == {("log.rows", "warning")}
    assert {(one["rule"], one["level"]) for one in beyond} == {("log.rows", "error")}


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([], "log.expand"),
        ([{"prompt": "p", "response": "", "reward": 1}], "log.rows"),
        ([{"prompt": "p", "response": "r", "reward": 1}] * 3, "log.expand"),
        ([{"question": "p", "answer": "r", "score": 1}], "log.expand"),
    ],
)
def test_a_log_that_makes_no_dataset_is_a_finding(tmp_path: Path, rows: list[dict[str, Any]], rule: str) -> None:
    pl.DataFrame(
        rows, schema=None if rows else {"prompt": pl.String, "response": pl.String, "reward": pl.Float64}
    ).write_parquet(tmp_path / "log.parquet")

    assert rule in {one["rule"] for one in found(tmp_path, "log.parquet")}
    assert "gate" in {one["rule"] for one in found(tmp_path, "log.parquet", "--fail-on", "rewards.mean > 0")}


def test_a_log_of_no_rows_is_valid_against_any_schema(tmp_path: Path) -> None:
    pl.DataFrame(schema={"prompt": pl.String}).write_parquet(tmp_path / "log.parquet")
    schema = schema_of(tmp_path, {"properties": {"prompt": {"minLength": 1}}, "required": ["prompt"]})

    outcome = check(tmp_path, "log.parquet", "--schema", schema)

    assert outcome.status == 0
    assert outcome.out.splitlines()[-1] == "log.parquet: 1 of 1 hold, 0 rows"


SCHEMA = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "response": {"type": "string", "pattern": r"\S"},
        "reward": {"type": "number", "minimum": 0, "maximum": 1},
    },
    "required": ["prompt", "response", "reward"],
}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv", "arrow", "json", "jsonl.gz"])
def test_logs_of_every_format_are_held_to_a_schema(tmp_path: Path, suffix: str) -> None:
    import gzip

    table = pl.DataFrame(make_rows([0.5, 2.0, None, 0.1, -1.0, 3.0] + [7.0] * 9))
    path = tmp_path / f"log.{suffix}"
    if suffix == "jsonl.gz":
        path.write_bytes(gzip.compress(table.write_ndjson().encode()))
    else:
        {"parquet": table.write_parquet, "jsonl": table.write_ndjson, "csv": table.write_csv, "arrow": table.write_ipc,
         "json": table.write_json}[suffix](path)  # fmt: skip

    findings = found(tmp_path, path.name, "--schema", schema_of(tmp_path, SCHEMA))

    beyond = [
        (row, f"reward: {value} is more than the maximum 1 (11 of 15 rows)")
        for row, value in zip((2, 6, 7, 8, 9), (2.0, 3.0, 7.0, 7.0, 7.0), strict=True)
    ]
    assert sorted((one["row"], one["message"]) for one in findings) == sorted(
        [
            *beyond,
            (3, "reward: is missing, and required (1 of 15 rows)"),
            (5, "reward: -1.0 is less than the minimum 0 (1 of 15 rows)"),
        ]
    )
    assert {one["file"] for one in findings} == {path.name}


def test_lines_that_are_no_rows_are_told_apart_from_rows_that_are_invalid(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"a": 1}\n{"a": \n\n{"a": 3}\n')

    findings = found(
        tmp_path, "log.jsonl", "--schema", schema_of(tmp_path, {"properties": {"a": {"maximum": 2}}, "required": ["a"]})
    )

    assert [(one["rule"], one["row"]) for one in findings] == [("log.rows", 2), ("log.schema", 4)]


def test_the_schema_that_infer_prints_holds(folder: Path) -> None:
    (folder / "log.schema.json").write_text(gcsl_data("schema", "infer", "log.jsonl", cwd=folder).out)

    assert check(folder, "log.jsonl", "--schema", "log.schema.json").status == 0


def test_a_huge_cell_is_cut_in_a_finding(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", [{"a": "x\x1b[31m\u202e\n" * 100_000}])

    (one,) = found(tmp_path, "log.jsonl", "--schema", schema_of(tmp_path, {"properties": {"a": {"maxLength": 5}}}))
    shown = check(tmp_path, "log.jsonl", "--schema", "row.schema.json")

    assert "characters) has more than 5 characters" in one["message"]
    assert len(one["message"]) < 300
    assert "\x1b" not in shown.err + shown.out + one["message"]
    assert "\u202e" not in shown.err + one["message"]


def test_a_column_of_another_type_is_one_finding(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"reward": 2}\n{"reward": "x"}\n{"reward": null}\n{"reward": 0.5}\n')

    (one,) = found(
        tmp_path, "log.jsonl", "--schema", schema_of(tmp_path, {"properties": {"reward": {"type": "number"}}})
    )

    assert one["message"] == "reward: the column is read as text, not of type number (3 of 4 rows)"


def test_a_kind_of_fault_is_one_block_of_text(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", [{"reward": 2.0, "note": "" if i in (3, 7) else "n"} for i in range(120)])
    wanted = {"properties": {"reward": {"maximum": 1}, "note": {"minLength": 1}}, "required": ["prompt", "reward"]}
    arguments = ("log.jsonl", "--schema", schema_of(tmp_path, wanted))

    findings = found(tmp_path, *arguments)
    blocks = [line for line in check(tmp_path, *arguments).err.splitlines() if line.startswith("error: ")]

    assert sorted(blocks) == [
        "error: log.schema: log.jsonl row 1",
        "error: log.schema: log.jsonl rows 1, 2, 3, 4, 5 and 115 more",
        "error: log.schema: log.jsonl rows 4 and 8",
    ]
    assert [one["message"] for one in findings if one["message"].startswith("prompt")] == [
        "prompt: is in no row, and required (120 of 120 rows)"
    ]
    assert {(one["fault"], one["rows"]) for one in findings} == {
        (None, None), ("reward: maximum", 120), ("note: minLength", 2),
    }  # fmt: skip


def test_a_log_that_cannot_be_decoded_is_exit_65(tmp_path: Path) -> None:
    pl.DataFrame({"prompt": ["a", "b"], "_gcsl_row": [1, 2]}).write_parquet(tmp_path / "ours.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "ours.parquet").read_bytes()[:-50])

    for log in ("ours.parquet", "cut.parquet"):
        outcome = check(tmp_path, log, "--schema", schema_of(tmp_path, SCHEMA))
        assert (outcome.status, len(outcome.errors)) == (65, 1), outcome.err


def test_standard_input_is_a_log(folder: Path) -> None:
    schema = schema_of(folder, SCHEMA)

    with (folder / "log.jsonl").open("rb") as log:
        done = gcsl_data_process("check", "-", "--schema", schema, "--json", cwd=folder, stdin=log)

    assert done.returncode == 1
    assert {one["file"] for one in json.loads(done.stdout)["findings"]} == {"stdin"}


def test_a_schema_and_gates_ask_for_both(folder: Path) -> None:
    findings = found(folder, "log.jsonl", "--schema", schema_of(folder, SCHEMA), "--fail-on", "bins.effective < 9")

    assert {one["rule"] for one in findings} == {"log.rows", "log.schema", "gate"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("out", "--schema", "row.schema.json"), 2),
        (("out", "--bins", "4"), 2),
        (("log.jsonl", "--schema", "nowhere.json"), 66),
        (("log.jsonl", "--schema", "log.jsonl"), 65),
        (("nowhere.jsonl",), 66),
        (("out", "--format", "xml"), 2),
        (("log.jsonl", "--write-extract", "log.jsonl"), 73),
        (("out", "--write-extract", "out"), 73),
        (("log.jsonl", "--fail-on", ""), 2),
    ],
)
def test_wrong_uses_are_one_line(folder: Path, arguments: tuple[str, ...], status: int) -> None:
    schema_of(folder, SCHEMA)

    outcome = check(folder, *arguments)

    assert (outcome.status, len(outcome.errors), len(outcome.err.splitlines()), outcome.out) == (status, 1, 1, "")


# What is written aside


def test_failing_rows_of_a_log_are_written(folder: Path) -> None:
    arguments = ("--schema", schema_of(folder, SCHEMA), "--write-extract", "bad.parquet")

    assert check(folder, "log.jsonl", *arguments).status == 1

    rows = pl.read_parquet(folder / "bad.parquet")
    assert rows.columns == ["_gcsl_file", "_gcsl_row", "_gcsl_rule", "_gcsl_fault", "prompt", "response", "reward"]
    assert rows.select("_gcsl_row", "_gcsl_rule", "_gcsl_fault", "prompt").rows() == [
        (201, "log.schema", "response: pattern", "p"),
        (202, "log.schema", "response: required; reward: required", "q"),
    ]
    assert check(folder, "log.jsonl", *arguments).status == 73
    assert not [path for path in folder.iterdir() if "incomplete" in path.name]


def test_rows_that_cannot_be_used_are_written(folder: Path) -> None:
    (folder / "broken.jsonl").write_text('{"prompt": "x"\n' + (folder / "log.jsonl").read_text())

    check(folder, "log.jsonl", "broken.jsonl", "--write-extract", "bad/rows.parquet")

    rows = pl.read_parquet(folder / "bad/rows.parquet")
    assert sorted(rows.select("_gcsl_file", "_gcsl_row", "_gcsl_rule", "_gcsl_fault").rows()) == [
        ("broken.jsonl", 1, "log.rows", "bad_json"),
        ("broken.jsonl", 202, "log.rows", "empty_response"),
        ("broken.jsonl", 203, "log.rows", "empty_response"),
        ("log.jsonl", 201, "log.rows", "empty_response"),
        ("log.jsonl", 202, "log.rows", "empty_response"),
    ]


def test_failing_rows_of_a_dataset_are_written(folder: Path) -> None:
    forge(
        folder / "out",
        lambda rows: [{**rows[0], "reward": -1.0, "goal": "x"}, {**rows[1], "id": rows[2]["id"]}, *rows[2:]],
    )

    assert check(folder, "out", "--write-extract", "bad.parquet").status == 1

    rows = pl.read_parquet(folder / "bad.parquet").select("_gcsl_file", "_gcsl_row", "_gcsl_rule").rows()
    assert rows == [(SHARD, 1, "rows.goal,rows.true"), (SHARD, 2, "rows.id"), (SHARD, 3, "rows.id")]


def test_an_extract_of_nothing_is_no_file(folder: Path, tmp_path: Path) -> None:
    write_jsonl(folder / "plain.jsonl", make_rows(i / 40 for i in range(40)))
    schema = schema_of(folder, SCHEMA)
    of_column = ("log.jsonl", "--map", "reward=grade")

    for arguments in (("out",), ("plain.jsonl",), ("plain.jsonl", "--schema", schema)):
        outcome = check(folder, *arguments, "--write-extract", tmp_path / "none.parquet")
        assert (outcome.status, outcome.err.count("none.parquet is not written: no row breaks a rule")) == (0, 1)
    outcome = check(folder, *of_column, "--write-extract", tmp_path / "none.parquet")
    assert (outcome.status, "not wrong with single rows" in " ".join(outcome.err.split())) == (1, True)
    (folder / "out" / SHARD).write_bytes(b"")
    assert check(folder, "out", "--write-extract", tmp_path / "none.parquet").status == 1
    assert not (tmp_path / "none.parquet").exists()


def test_an_extract_is_replaced_when_asked(folder: Path) -> None:
    arguments = ("log.jsonl", "--schema", schema_of(folder, SCHEMA), "--write-extract", "bad.parquet")
    (folder / "bad.parquet").write_text("old")

    assert check(folder, *arguments).status == 73
    assert check(folder, *arguments, "--overwrite").status == 1
    assert pl.read_parquet(folder / "bad.parquet").height == 2
    change_row(folder, reward=-1.0)
    assert check(folder, "out", "--write-extract", "bad.parquet", "--overwrite").status == 1
    assert pl.read_parquet(folder / "bad.parquet").height == 1
    assert check(folder, "out", "--write-extract", "out", "--overwrite").status == 73


@pytest.mark.parametrize(("path", "extract"), [("log.jsonl", "./log.jsonl"), ("out", "out/manifest.json")])
def test_what_is_checked_is_not_replaced_by_its_extract(folder: Path, path: str, extract: str) -> None:
    before = (folder / extract).read_bytes()

    assert check(folder, path, "--write-extract", extract, "--overwrite").status == 2
    assert check(folder, path, "--overwrite").status == 2
    assert (folder / extract).read_bytes() == before


def test_a_float_that_is_no_number_is_found(tmp_path: Path) -> None:
    pl.DataFrame({"reward": [0.5, math.nan, math.inf]}).write_parquet(tmp_path / "log.parquet")

    findings = found(
        tmp_path, "log.parquet", "--schema", schema_of(tmp_path, {"properties": {"reward": {"type": "number"}}})
    )

    assert [(one["row"], one["message"]) for one in findings] == [
        (2, "reward: NaN is not of type number (2 of 3 rows)"),
        (3, "reward: Infinity is not of type number (2 of 3 rows)"),
    ]
