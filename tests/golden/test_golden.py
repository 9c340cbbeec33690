"""The golden datasets come out as they were reviewed. After a change that is meant: `python -m tests.golden.refresh`."""

from pathlib import Path

import pytest

from gcsl_data.audit.contract import check_dataset

from .refresh import CASES, HERE, expand, readable


@pytest.mark.parametrize("case", CASES)
def test_a_golden_dataset_comes_out_as_reviewed(tmp_path: Path, case: str) -> None:
    expand(case, tmp_path / "dataset")

    found = readable(tmp_path / "dataset")

    assert found == {path.name: path.read_text(encoding="utf-8") for path in (HERE / case).iterdir()}
    assert check_dataset(tmp_path / "dataset") == []
