"""CSV columns have the types that a look at every row gives, however they were found."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gcsl_data.columns import ROW_INDEX
from gcsl_data.ingest.formats import csv

CELLS = [
    "3",
    " 3",
    "3 ",
    "+3",
    "003",
    '"3"',
    "3.0",
    "1e5",
    "1e400",
    "9" * 18,
    "9" * 20,
    "x",
    "",
    '""',
    "NaN",
    "nan",
    "inf",
]
CELLS += ["Infinity", "-3", "-0", "-.5", "5.", '"1,5"', "0x10", "true", "True", "1", " true", "2020-01-01", "é"]
HEADS = {"integers": "12", "numbers": "-1.5", "booleans": "false", "text": "word", "quoted": '"7"', "nothing": ""}


@pytest.mark.parametrize("late", CELLS)
@pytest.mark.parametrize("head", HEADS)
def test_a_late_cell_changes_a_type_as_if_every_row_were_looked_at(tmp_path: Path, head: str, late: str) -> None:
    log = tmp_path / "log.csv"
    log.write_text("value,text\n" + f"{HEADS[head]},a\n" * csv.HEAD_ROWS + f"{late},b\n", encoding="utf-8")
    whole = pl.scan_csv(log, infer_schema_length=None).collect()

    found = csv.scan(log, separator=",").drop(ROW_INDEX).collect()

    assert_frame_equal(found, whole)
