"""A mapped expression makes one value of one row, and of that row alone."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.columns import ROW_INDEX
from gcsl_data.errors import UsageError
from gcsl_data.ingest.sql import sees_other_rows

from .support import gcsl_data, make_rows, plan_of, write_jsonl

ROWS = pl.DataFrame(
    {
        ROW_INDEX: [1, 2, 3, 4],
        "x": [1.5, -2.0, None, 8.0],
        "n": [3, 1, 2, 2],
        "t": ["Good", "7", None, "b,ad"],
        "l": [[1, 2], [3], [], None],
        "s": [{"a": 1, "b": {"c": "q"}}, {"a": 2, "b": {"c": "r"}}, {"a": None, "b": {"c": None}}, {"a": 4, "b": {"c": "s"}}],
    }
)  # fmt: skip

NUMBERS = ("x", "n", "s.a", "l[1]", "1", "-0.5", "LENGTH(t)", "ARRAY_SUM(l)", "TRY_CAST(t AS DOUBLE)")
TEXTS = ("t", "s.b.c", "'it'", "CAST(n AS VARCHAR)")
number = st.recursive(
    st.sampled_from(NUMBERS),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("CASE WHEN {} > {} THEN {} ELSE {} END".format, inner, inner, inner, inner),
        st.builds("COALESCE({}, {})".format, inner, inner),
        st.builds("CAST({} AS DOUBLE)".format, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["GREATEST", "LEAST"]), inner, inner),
        st.builds("ABS({})".format, inner),
        st.builds("ROUND(CAST({} AS DOUBLE), 1)".format, inner),
        st.builds("CASE WHEN {} IN (1, 2) THEN {} ELSE 0 END".format, st.sampled_from(["n", "s.a"]), inner),
        st.builds("CASE WHEN {} BETWEEN 1 AND 5 THEN 1 ELSE {} END".format, inner, inner),
    ),
    max_leaves=6,
)
text = st.recursive(
    st.sampled_from(TEXTS),
    lambda inner: st.one_of(
        st.builds("{}({})".format, st.sampled_from(["LOWER", "UPPER", "TRIM"]), inner),
        st.builds("CONCAT({}, {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("REPLACE({}, 'o', '0')".format, inner),
        st.builds("SUBSTR({}, 1, 2)".format, inner),
        st.builds("COALESCE({}, {})".format, inner, inner),
        st.builds("CASE WHEN {} IS NULL THEN 'none' ELSE {} END".format, inner, inner),
    ),
    max_leaves=6,
)
aggregate = st.one_of(
    st.builds("{}({})".format, st.sampled_from(["AVG", "MAX", "MIN", "SUM", "MEDIAN", "FIRST", "COUNT", "STDDEV"]), number),
    st.builds("AVG({}) OVER ()".format, st.sampled_from(["x", "n"])),
    st.builds("SUM({}) OVER (PARTITION BY t)".format, st.sampled_from(["x", "n"])),
    st.sampled_from(["COUNT(*)", "ROW_NUMBER() OVER ()", "RANK() OVER (ORDER BY x)", "LAG(n) OVER (ORDER BY x)", "UNNEST(l)",
                     "COUNT(DISTINCT n)", "CORR(x, n)", "QUANTILE_CONT(x, 0.5)"]),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(number, text))
def test_an_expression_over_one_row_is_accepted_and_gives_the_same_for_each_row_alone(sql: str) -> None:
    expression = pl.sql_expr(sql)

    assert not sees_other_rows(expression, ROWS.schema)
    together = ROWS.with_columns(mapped=expression)["mapped"].to_list()
    assert together == [ROWS[i : i + 1].with_columns(mapped=expression)["mapped"].item() for i in range(len(ROWS))]


@settings(max_examples=200, deadline=None)
@given(
    aggregate, st.sampled_from(["{}", "n - {}", "ROUND(CAST({} AS DOUBLE), 1)", "CASE WHEN n > {} THEN 1 ELSE 0 END"])
)
def test_an_aggregate_or_a_window_is_seen_wherever_it_stands(inner: str, around: str) -> None:
    assert sees_other_rows(pl.sql_expr(around.format(inner)), ROWS.schema)


@pytest.mark.parametrize("given_flags", [{"record__map": {"reward": "MAX(reward)"}},
                                         {"record__map": {"prompt": "CONCAT(prompt, FIRST(response))"}},
                                         {"record__map": {"group": "CAST(ROW_NUMBER() OVER () AS VARCHAR)"}},
                                         {"record__rewards": {"a": "reward - AVG(reward) OVER ()"}}])  # fmt: skip
def test_a_row_never_learns_of_another(tmp_path: Path, given_flags: dict[str, Any]) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows([1, 2, 3]))

    with pytest.raises(UsageError, match="makes one row of several, or several of one") as caught:
        plan_of(log, **given_flags)

    assert (caught.value.code, caught.value.exit_status) == ("GD0231", 2)


def test_the_flag_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([1, 2, 3]))

    outcome = gcsl_data("stats", "log.jsonl", "--map", "reward=AVG(reward) OVER ()", cwd=tmp_path)

    assert outcome.errors == [
        'error[GD0231]: --map reward="AVG(reward) OVER ()" makes one row of several, or several of one; '
        "use the fields of the row alone"
    ]
