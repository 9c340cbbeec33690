"""Bugs that would be silent and ruin a dataset or a run, put into a copy of the source: the normal suite turns red.

Each is a small replacement of text; when the code moves on and the text is no longer there, the test says so. `caught_by` are
the tests that fail with the bug, and no other test of the stated subset does.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.data.support import REPOSITORY

pytestmark = pytest.mark.soak
SOURCE = ("gcsl_data", "gcsl_train", "tests", "schemas", "templates", "examples", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class Bug:
    """`changes` are file, text and what stands in its place; `subset` what of the suite is run."""

    changes: tuple[tuple[str, str, str], ...]
    subset: tuple[str, ...]
    caught_by: frozenset[str]


def _bug(*changes: tuple[str, str, str], subset: str, caught_by: str) -> Bug:
    return Bug(changes, tuple(subset.split()), frozenset(caught_by.split()))


SYNCED = "test_all_that_is_made_is_synced_before_it_appears_and_its_parent_after"
BUGS = {
    "no fsync of files": _bug(
        ("gcsl_data/dataset/files.py", "    os.fsync(file.fileno())\n", ""),
        subset="tests/data/test_synced.py",
        caught_by=f"{SYNCED} test_the_manifest_is_the_last_file_that_is_written",
    ),
    "no fsync of folders": _bug(
        ("gcsl_data/dataset/files.py", "        os.fsync(handle)\n", "        pass\n"),
        subset="tests/data/test_synced.py",
        caught_by=SYNCED,
    ),
    "the parent is synced before and not after": _bug(
        (
            "gcsl_data/dataset/files.py",
            "        _take_place(staging, target, overwrite=overwrite)\n        _fsync_folder(target.parent)\n",
            "        _fsync_folder(target.parent)\n        _take_place(staging, target, overwrite=overwrite)\n",
        ),
        subset="tests/data/test_synced.py",
        caught_by=SYNCED,
    ),
    "the manifest is not written last": _bug(
        (
            "gcsl_data/build.py",
            "    files.write_bytes(folder / CARD_NAME, dataset_card(manifest).encode())\n"
            "    files.write_bytes(folder / MANIFEST_NAME, pretty(encode(manifest)))\n",
            "    files.write_bytes(folder / MANIFEST_NAME, pretty(encode(manifest)))\n"
            "    files.write_bytes(folder / CARD_NAME, dataset_card(manifest).encode())\n",
        ),
        subset="tests/data/test_synced.py",
        caught_by="test_the_manifest_is_the_last_file_that_is_written",
    ),
    "no check of shards' hashes": _bug(
        ("gcsl_data/dataset/manifest.py", "    if digest != shard.sha256:\n", "    if False:\n"),
        subset="tests/data/test_contract_check.py::test_a_flipped_bit_is_found_before_anything_parses_it "
        "tests/data/test_contract_check.py::test_a_damaged_shard_is_found",
        caught_by="test_a_flipped_bit_is_found_before_anything_parses_it",
    ),
    "no check of the manifest's id": _bug(
        (
            "gcsl_data/dataset/manifest.py",
            "    if manifest.identified().dataset_id != manifest.dataset_id:\n",
            "    if False:\n",
        ),
        subset="tests/data/test_mutants.py::test_mutants_over_the_command_line_are_one_line_each "
        "tests/train/test_hostile_datasets.py::test_101_shards_that_changed_places_are_refused",
        caught_by="test_mutants_over_the_command_line_are_one_line_each test_101_shards_that_changed_places_are_refused",
    ),
    "no check that rewards are finite": _bug(
        (
            "gcsl_data/stages/checks.py",
            '    "nonfinite_reward": lambda name: ~pl.col(name).is_finite(),\n',
            '    "nonfinite_reward": lambda name: pl.lit(False),\n',
        ),
        subset="tests/data/test_checks.py::test_a_text_row_is_rejected_for_the_first_rule_it_breaks "
        "tests/data/test_checks.py::test_nan_in_parquet_never_counts_as_a_reward "
        "tests/data/test_checks.py::test_a_row_is_rejected_for_any_of_its_rewards",
        caught_by="test_a_text_row_is_rejected_for_the_first_rule_it_breaks "
        "test_nan_in_parquet_never_counts_as_a_reward test_a_row_is_rejected_for_any_of_its_rewards",
    ),
    "no check that one of several rewards is finite": _bug(
        (
            "gcsl_data/stages/checks.py",
            'for name in ("null_reward", "nonfinite_reward") if aspects else ():',
            'for name in ("null_reward",) if aspects else ():',
        ),
        subset="tests/data/test_checks.py::test_a_text_row_is_rejected_for_the_first_rule_it_breaks "
        "tests/data/test_checks.py::test_a_row_is_rejected_for_any_of_its_rewards",
        caught_by="test_a_row_is_rejected_for_any_of_its_rewards",
    ),
    "a reward at a threshold does not reach it": _bug(
        (
            "gcsl_data/stages/fitting.py",
            "reward > bound if fit.is_strict else reward >= bound for bound",
            "reward > bound for bound",
        ),
        subset=""
        "tests/data/test_fitting.py::test_fixture_a_gives_sixty_rows_filtered_and_three_hundred_unfiltered "
        "tests/data/test_fitting.py::test_the_fit_freezes_what_was_measured "
        "tests/data/test_fitting.py::test_levels_are_those_of_exact_decimal_arithmetic",
        caught_by="test_fixture_a_gives_sixty_rows_filtered_and_three_hundred_unfiltered "
        "test_levels_are_those_of_exact_decimal_arithmetic",
    ),
    "the goal filter forgets the mean": _bug(
        ("gcsl_data/stages/goal_filter.py", "lambda t: t.edge - cut > slack", "lambda t: True"),
        subset="tests/data/test_goal_filter.py",
        caught_by="test_a_threshold_at_the_mean_is_not_above_it test_dropped_goals_may_print_the_same_number "
        "test_float_noise_in_the_mean_is_not_above_it test_goals_above_the_mean_are_kept "
        "test_one_goal_left_is_a_warning test_the_filter_is_that_of_the_plain_reference "
        "test_the_goal_that_every_record_reaches_never_stays_as_the_last_one "
        "test_two_kept_goals_that_print_the_same_are_refused_naming_the_fewest_digits "
        "test_when_nothing_is_above_the_mean_the_top_goal_stays_with_a_warning",
    ),
    "prefix and suffix are mixed up": _bug(
        ("gcsl_data/dataset/goal.py", 'if placement == "suffix" else', 'if placement != "suffix" else'),
        subset="tests/data/test_render.py",
        caught_by="test_conversations_get_their_goal_as_the_contract_says",
    ),
    "splits go by row": _bug(
        (
            "gcsl_data/stages/splits.py",
            'fraction = pl.col("prompt_hash").str',
            "fraction = pl.int_range(pl.len()).cast(pl.String).chash.sha2_256().str",
        ),
        subset="tests/data/test_splits.py::test_no_prompt_stands_in_two_splits "
        "tests/data/test_splits.py::test_without_shares_every_record_is_in_train",
        caught_by="test_no_prompt_stands_in_two_splits",
    ),
    "shards are read in another order": _bug(
        (
            "gcsl_data/dataset/manifest.py",
            "shard for shard in self.shards if",
            "shard for shard in self.shards[::-1] if",
        ),
        subset="tests/data/test_export.py::test_json_lines_read_back_every_bit "
        "tests/data/test_export.py::test_parquet_keeps_the_types_and_names_its_dataset "
        "tests/data/test_export.py::test_trl_gets_its_columns_and_no_others",
        caught_by="test_json_lines_read_back_every_bit test_trl_gets_its_columns_and_no_others",
    ),
    "the trainer learns the prompts": _bug(
        (
            "gcsl_train/collate.py",
            "starts = [max(len(prompt), 1) for prompt, _ in parts]",
            "starts = [1 for _ in parts]",
        ),
        subset="tests/train/test_collate.py",
        caught_by="test_each_position_predicts_the_next_token_of_its_own_answer",
    ),
}


def copied(folder: Path) -> Path:
    """The source, and nothing that was made of it."""
    without = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in SOURCE:
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=without)
        else:
            shutil.copy(path, folder / name)
    return folder


def failures(folder: Path, subset: tuple[str, ...]) -> tuple[int, set[str], str]:
    """Runs a subset of the suite that stands in `folder`: pytest's exit status, the tests that failed, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *subset],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    names = re.findall(r"^(?:FAILED|ERROR) \S+?::(\w+)", done.stdout, re.MULTILINE)
    return done.returncode, set(names), done.stdout + done.stderr


def test_without_a_bug_the_subsets_pass(tmp_path: Path) -> None:
    subset = tuple(sorted({part for bug in BUGS.values() for part in bug.subset}))

    status, failed, said = failures(copied(tmp_path), subset)

    assert (status, failed) == (0, set()), said


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_turns_the_suite_red(tmp_path: Path, name: str) -> None:
    bug = BUGS[name]
    folder = copied(tmp_path)
    for file, text, instead in bug.changes:
        content = (folder / file).read_text()
        assert content.count(text) == 1, f"{file} has changed: {text!r} stands in it {content.count(text)} times"
        (folder / file).write_text(content.replace(text, instead))

    status, failed, said = failures(folder, bug.subset)

    assert (status, failed) == (1, set(bug.caught_by)), said
