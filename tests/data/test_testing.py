"""`assert_dataset` in somebody's tests: silent for a dataset that holds, else it says what `check` says."""

from pathlib import Path

import pytest

from gcsl_data.errors import DataError, InputError, UsageError
from gcsl_data.testing import assert_dataset

from .support import expand_rows, gcsl_data, make_rows, rewrite_shard

TWENTY = [i / 20 for i in range(20)]
SHARD = "data/train-00000-of-00001.arrow"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    expand_rows(tmp_path, make_rows(TWENTY))
    return tmp_path


def test_a_dataset_that_holds_passes(folder: Path) -> None:
    assert_dataset(folder / "out")
    assert_dataset(str(folder / "out"), fail_on=["bins.effective < 5", "accounting.rows != 20"])


def test_a_failure_says_what_check_says(folder: Path) -> None:
    rewrite_shard(folder / "out" / SHARD, lambda rows: [{**row, "reward": 0.0} for row in rows])
    (folder / "out" / "data" / "extra.arrow").write_bytes(b"")
    gates = ["bins.effective < 9", "accounting.rows == 20"]

    with pytest.raises(AssertionError) as failed:
        assert_dataset(folder / "out", fail_on=gates)
    told = gcsl_data("check", str(folder / "out"), *(f"--fail-on={gate}" for gate in gates), "--json", cwd=folder)

    text = str(failed.value)
    assert [finding["rule"] for finding in told.json["findings"]] == ["shards.hash"] * 2 + ["gate"] * 2
    for finding in told.json["findings"]:
        assert f"{finding['level']}: {finding['rule']}: {finding['file']}" in text
        assert f"\n  {finding['message']}\n  -> {finding['fix']}" in text
    assert text.splitlines()[0].startswith(f"{folder / 'out'}: 4 errors in ")


def test_one_gate_may_be_given_as_it_is(folder: Path) -> None:
    with pytest.raises(
        AssertionError, match=r"gate: manifest\.json\n  bins\.effective < 9 is met: bins\.effective = 5"
    ):
        assert_dataset(folder / "out", fail_on="bins.effective < 9")


def test_text_of_the_log_cannot_fake_a_finding(tmp_path: Path) -> None:
    folder = tmp_path / "made\nerror: rows.true: all is lost"
    folder.mkdir()
    expand_rows(folder, make_rows(TWENTY))

    with pytest.raises(AssertionError) as failed:
        assert_dataset(folder / "out", fail_on=["bins.effective < 9"])

    assert len(str(failed.value).splitlines()) == 4


def test_a_warning_alone_passes(tmp_path: Path) -> None:
    expand_rows(tmp_path, make_rows([0, 1]), splits__shares=[0.98, 0.01, 0.01])
    told = gcsl_data("check", "out", "--json", cwd=tmp_path).json["findings"]

    assert_dataset(tmp_path / "out")
    assert [(finding["rule"], finding["level"]) for finding in told] == [("splits.empty", "warning")] * 2


def test_what_is_no_dataset_is_an_error_of_its_own(folder: Path) -> None:
    with pytest.raises(InputError):
        assert_dataset(folder / "nowhere")
    (folder / "out" / "manifest.json").write_text("{")
    with pytest.raises(DataError):
        assert_dataset(folder / "out")


def test_a_gate_that_is_not_understood_is_an_error_of_its_own(folder: Path) -> None:
    with pytest.raises(UsageError):
        assert_dataset(folder / "out", fail_on=["import os"])
