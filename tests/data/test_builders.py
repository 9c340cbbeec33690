"""What all builders have in common: dataset rows, the same on every run, in any order of the log that does not matter."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable

import polars as pl
import pytest
from pydantic import ValidationError

from gcsl_data.columns import KINDS
from gcsl_data.dataset.manifest import Kind
from gcsl_data.stages.builders.best import to_best
from gcsl_data.stages.builders.built import REASONS, Built
from gcsl_data.stages.builders.groups import to_groups
from gcsl_data.stages.builders.negatives import to_negatives
from gcsl_data.stages.builders.pairs import to_pairs
from gcsl_data.stages.builders.rows import to_rows
from gcsl_data.stages.builders.settings import BuildStage
from gcsl_data.stages.builders.unpaired import to_unpaired
from gcsl_data.stages.builders.weights import WeightFit, to_weighted
from gcsl_data.stages.render import Layout

from .builders_support import collected, frame, make_records
from .support import REPOSITORY

FIT = WeightFit(mean=0.5, deviation=0.3, minimum=0.0, maximum=1.0)
Builder = Callable[[pl.LazyFrame], Built]
BUILDERS: dict[str, Builder] = {
    "pairs": to_pairs,
    "all pairs": lambda records: to_pairs(records, top=None, min_gap=0.2),
    "negatives": to_negatives,
    "best": to_best,
    "groups": to_groups,
    "weights": lambda records: to_weighted(records, method="group-standard", fit=FIT),
    "unpaired": lambda records: to_unpaired(records, cut=0.5),
}
BUILT_KINDS: dict[Kind, Builder] = {
    "pairs": to_pairs, "unpaired": BUILDERS["unpaired"], "multi-negative": to_negatives, "groups": to_groups,
}  # fmt: skip


def many_records(count: int = 6000, *, decimals: int = 1) -> pl.DataFrame:
    """Records of many prompts, with many equal rewards unless `decimals` says otherwise."""
    rng = random.Random(7)
    return pl.DataFrame(
        [
            {"prompt": f"p{i % 97}", "response": f"r{rng.randrange(40)}", "reward": round(rng.random(), decimals),
             "group": f"g{i % 97 // 2}", "source": "log.jsonl", "row": i + 1, "part": 0}
            for i in range(count)
        ],
        schema_overrides={"part": pl.Int32},
    )  # fmt: skip


def digest(built: Built) -> str:
    rows, dropped = (part.collect(engine="streaming") for part in (built.rows, built.dropped))
    return hashlib.sha256((rows.write_ndjson() + dropped.write_ndjson()).encode()).hexdigest()


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_rows_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    code = (
        "from tests.data.test_builders import *\nassert pl.thread_pool_size() == int(os.environ['POLARS_MAX_THREADS'])\n"
        "for build in BUILDERS.values(): print(digest(build(many_records(decimals=9).lazy())))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "POLARS_MAX_THREADS": str(threads), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [digest(build(many_records(decimals=9).lazy())) for build in BUILDERS.values()]


@pytest.mark.parametrize("name", BUILDERS)
def test_the_order_of_the_log_only_orders_the_rows(name: str) -> None:
    # No reward twice, so log order decides nothing but the order of the rows. (A `copy` counts equal gaps in log order.)
    records = many_records(400, decimals=9)
    assert records["reward"].is_unique().all()
    build = BUILDERS[name]

    plain, shuffled = (build(log.lazy()) for log in (records, records.sample(fraction=1, shuffle=True, seed=3)))

    rows = [sorted(map(repr, built.rows.drop("copy").collect().to_dicts())) for built in (plain, shuffled)]
    assert rows[0] == rows[1]
    assert plain.dropped.collect().equals(shuffled.dropped.collect())


@pytest.mark.parametrize("name", BUILDERS)
def test_carried_columns_may_have_any_name(name: str) -> None:
    names = ("order", "unit", "text", "reason", "mean", "rewards", "gap", "nth", "first", "split")
    records = many_records(200).with_columns(pl.lit(name).alias(name) for name in names).lazy()
    keep = {"keep": names}
    with_names = {
        "pairs": lambda: to_pairs(records, **keep), "all pairs": lambda: to_pairs(records, top=None, **keep),
        "negatives": lambda: to_negatives(records, **keep), "best": lambda: to_best(records, **keep),
        "groups": lambda: to_groups(records, **keep), "unpaired": lambda: to_unpaired(records, cut=0.5, **keep),
        "weights": lambda: to_weighted(records, method="group-standard", fit=FIT, **keep),
    }  # fmt: skip

    rows = with_names[name]().rows.collect(engine="streaming")

    assert rows.height > 0
    assert rows.select(names).unique().rows() == [names]


@pytest.mark.parametrize("kind", BUILT_KINDS)
@pytest.mark.parametrize("chat", [True, False])
def test_rows_have_the_columns_of_their_kind(kind: Kind, chat: bool) -> None:
    built = BUILT_KINDS[kind](frame(make_records([0.1, 0.9, 0.4]), chat=chat))

    rows = to_rows(built.rows, kind=kind, layout=Layout("prefix", "messages")).collect(engine="streaming")

    assert dict(rows.schema) == {column.name: column.dtype for column in KINDS[kind]}
    assert rows.null_count().sum_horizontal().item() == 0
    assert rows["prompt"][0].to_list() == [{"role": "user", "content": "p"}]
    assert rows["id"].is_unique().all()
    first = rows.row(0, named=True)
    source = f"{first['source']}\x1f{first['row']}\x1f{first['part']}\x1f{first['copy']}"
    assert first["id"] == hashlib.sha256(source.encode()).hexdigest()[:16]


def test_responses_are_assistant_messages_or_text() -> None:
    built = to_negatives(frame(make_records([3, 1, 2]))).rows

    messages = to_rows(built, kind="multi-negative", layout=Layout("prefix", "messages")).collect().row(0, named=True)
    text = to_rows(built, kind="multi-negative", layout=Layout("prefix", "text")).collect().row(0, named=True)

    turn = [{"role": "assistant", "content": "r1"}]
    assert messages["chosen"] == [{"role": "assistant", "content": "r0"}]
    assert messages["rejected"] == [turn, [{"role": "assistant", "content": "r2"}]]
    assert (text["prompt"], text["chosen"], text["rejected"]) == ("p", "r0", ["r1", "r2"])


@pytest.mark.parametrize("name", BUILDERS)
def test_an_empty_log_gives_no_rows(name: str) -> None:
    assert collected(BUILDERS[name](frame([]))) == ([], {})


def test_reasons_read_as_half_sentences() -> None:
    for reason, words in REASONS.items():
        assert reason == reason.lower()
        assert words[-1].isalpha()


def test_settings_are_checked() -> None:
    assert BuildStage().top == 5
    assert BuildStage(pairs_top="all").top is None
    for wrong in ({"pairs_top": 0}, {"smoothing_max": 0.5}, {"beta": 0}, {"weight_method": "rwr"}, {"negatives": 0}):
        with pytest.raises(ValidationError):
            BuildStage.model_validate(wrong)
