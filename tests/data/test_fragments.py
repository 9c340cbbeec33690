"""Fragments hold every row once, whatever the logs; what each gives alone is what all give together."""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data import writing
from gcsl_data.columns import FRAGMENT, PLACE, ROW_INDEX
from gcsl_data.engines import local
from gcsl_data.fragments import Pieces, Stretch, divide, fragments_of, joined, passes, with_places
from gcsl_data.ingest.formats import jsonl
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.measure import measure
from gcsl_data.settle import settle

from .lives import hashes
from .support import expand, make_rows, plan_of, write_jsonl

logs = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 40)), min_size=1, max_size=8)


@given(logs, st.integers(1, 200))
def test_fragments_hold_every_row_of_every_log_once_and_in_order(found: list[tuple[int, int]], limit: int) -> None:
    sizes, rows = [size for size, _ in found], [count for _, count in found]

    fragments = fragments_of(divide(sizes, rows, limit))

    assert [fragment.index for fragment in fragments] == list(range(len(fragments)))
    held = []
    for fragment in fragments:
        for stretch in fragment.stretches:
            after = rows[stretch.log] if stretch.rows is None else stretch.start + stretch.rows
            held += [(stretch.log, row) for row in range(stretch.start, after)]
    assert held == [(log, row) for log, count in enumerate(rows) for row in range(count)]


@given(logs, st.integers(1, 200))
def test_a_fragment_is_as_large_as_asked_and_small_logs_share_one(found: list[tuple[int, int]], limit: int) -> None:
    sizes, rows = [size for size, _ in found], [count for _, count in found]

    fragments = fragments_of(divide(sizes, rows, limit))

    for fragment in fragments:
        if len(fragment.stretches) > 1:
            assert sum(sizes[stretch.log] for stretch in fragment.stretches) <= limit
            assert all(stretch.is_whole for stretch in fragment.stretches)
    for log, (size, count) in enumerate(found):
        pieces = [s for fragment in fragments for s in fragment.stretches if s.log == log]
        assert len(pieces) == max(1, min(-(-size // limit), count))
        spans = [count - s.start if s.rows is None else s.rows for s in pieces]
        assert max(spans) - min(spans) <= 1
    for before, after in pairwise(fragments):  # two that could have shared one do
        if all(s.is_whole for f in (before, after) for s in f.stretches):
            assert sum(sizes[s.log] for s in before.stretches) + sizes[after.stretches[0].log] > limit


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_row_knows_the_fragment_that_holds_it(rows: int, pieces: int) -> None:
    found = Pieces(first=3, pieces=min(pieces, rows), rows=rows)
    frame = pl.LazyFrame({ROW_INDEX: pl.Series(range(1, rows + 1), dtype=pl.UInt32)})

    placed = with_places(frame, 5, found).collect()

    held = [
        3 + index
        for index, stretch in enumerate(found.stretches(5))
        for _ in range(rows - stretch.start if stretch.rows is None else stretch.rows)
    ]
    assert placed[FRAGMENT].to_list() == held
    assert placed[PLACE].is_sorted()
    assert placed[PLACE].n_unique() == rows


RECIPES = {
    "goals": {"splits__shares": "0.7,0.3"},
    "dedup and means": {"checks__dedup": "exact", "checks__conflicts": "mean"},
    "long ones left out": {"checks__max_chars": 30, "checks__control_tokens": "reject"},
    "groups": {"rewards__normalize": "zscore", "rewards__normalize_by": "group"},
    "tokens": {"goals__formulation": "gcsl"},
    "values": {"goals__formulation": "ca", "record__keep": "kind"},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_fragment_alone_gives_the_rows_that_it_gives_among_all(tmp_path: Path, recipe: str) -> None:
    rows = make_rows([(i * 37 % 101) / 100 for i in range(300)])
    for i, row in enumerate(rows):
        row |= {"prompt": f"p{i % 40}", "response": "r" * (1 + i % 50), "group": str(i % 7), "kind": "ab"[i % 2]}
    first = write_jsonl(tmp_path / "a.jsonl", rows[:220])
    others = [write_jsonl(tmp_path / f"b{i}.jsonl", rows[220 + 20 * i : 240 + 20 * i]) for i in range(4)]
    flags = {"output__fragment_bytes": 4000, "record__map": {"group": "group"}, **RECIPES[recipe]}
    plan, engine = plan_of(first, *others, **flags)
    plan = settle(plan, engine)
    found = measure(plan, engine)

    whole = plan.examples(found.fit, found.texts).collect()

    assert len(plan.fragments) > 4
    assert whole[FRAGMENT].is_sorted()
    assert whole.height == sum(split.examples for split in found.splits) > 0
    for fragment in plan.fragments:
        alone = plan.of([fragment]).examples(found.fit, found.texts).collect()
        assert alone.equals(whole.filter(pl.col(FRAGMENT) == fragment.index))


@pytest.mark.parametrize(
    "flags",
    [
        {"goals__formulation": "pairs"},
        {"goals__formulation": "gcsl", "bins__ties": "rank"},
        {"shape__sequences": {"user": "prompt", "item": "response", "time": "reward"}},
    ],
)
def test_what_compares_records_stays_in_one_fragment(tmp_path: Path, flags: dict) -> None:
    log = write_jsonl(tmp_path / "a.jsonl", make_rows([0.1, 0.2, 0.3, 0.4]))
    plan, _ = plan_of(log, output__fragment_bytes=1, **flags)

    assert len(plan.divided().fragments) == 1


@given(st.lists(st.text("ab\n\u00e9", max_size=9), max_size=30), st.integers(1, 12), st.integers(0, 35))
def test_a_line_is_found_where_it_begins(lines: list[str], block: int, line: int) -> None:
    content = "\n".join(lines).encode()
    starts = [0, *(at + 1 for at, byte in enumerate(content) if byte == 10)]
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(jsonl, "_BLOCK", block):
        path = Path(folder) / "log.jsonl"
        path.write_bytes(content)
        jsonl._lines_before_blocks.cache_clear()

        found = jsonl._byte_of_line(path, len(content), 0, line)

    assert found == (starts[line] if line < len(starts) else len(content))


@given(logs, st.integers(1, 200), st.integers(1, 4))
def test_joined_fragments_hold_the_rows_of_all(found: list[tuple[int, int]], limit: int, most: int) -> None:
    sizes, rows = [size for size, _ in found], [count for _, count in found]
    fragments = fragments_of(divide(sizes, rows, limit))

    def held(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
        ends = [rows[s.log] if s.rows is None else s.start + s.rows for s in stretches]
        return [(s.log, row) for s, end in zip(stretches, ends, strict=True) for row in range(s.start, end)]

    found_passes = list(passes(fragments, most))

    assert [one for covered in found_passes for one in covered] == list(fragments)
    for covered in found_passes:
        together = joined(covered).stretches
        assert len({s.log for s in together}) == len(together)
        assert held(together) == [place for one in covered for place in held(one.stretches)]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_passes_of_several_fragments_write_the_same(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame(make_rows([(i * 37 % 101) / 100 for i in range(900)]))
    log = tmp_path / f"log.{suffix}"
    (frame.write_csv if suffix == "csv" else frame.write_ndjson)(log)
    seen = []
    for most in (1, 3, 100):
        with mock.patch.object(writing, "_UNINDEXED", most), mock.patch.object(local, "_TOGETHER", most):
            expand(tmp_path / str(most), log, output__fragment_bytes=4000)
        seen.append(hashes(tmp_path / str(most)))

    assert len(plan_of(log, output__fragment_bytes=4000)[0].divided().fragments) > 5
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "arrow", "csv"])
def test_a_stretch_of_a_log_is_the_rows_of_it(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame({"prompt": [f"{i}, \u00e9\n" for i in range(50)], "reward": [i / 3 for i in range(50)]})
    path = tmp_path / f"log.{suffix}"
    {"jsonl": frame.write_ndjson, "parquet": frame.write_parquet, "arrow": frame.write_ipc, "csv": frame.write_csv}[
        suffix
    ](path)
    (log,) = find_logs([str(path)])
    whole = log.scanned.collect()

    for start, rows in ((0, None), (0, 7), (13, 20), (49, None), (49, 1)):
        part = log.format.some_rows(log.plain, log.scanned, start, rows).collect()
        assert part.equals(whole.slice(start, rows))
        assert part.schema == whole.schema
    assert log.rows() == 50
