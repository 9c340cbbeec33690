"""A made-up audit in which every number and every name is there, to be told as a page."""

from collections.abc import Callable
from dataclasses import replace

from gcsl_data.audit.advice import Advice
from gcsl_data.audit.sections.bins import AspectStats, BinRow, Bins
from gcsl_data.audit.sections.contradictions import Contradictions
from gcsl_data.audit.sections.drift import Drift, Shift
from gcsl_data.audit.sections.goals import Copies, Goals
from gcsl_data.audit.sections.groups import Groups
from gcsl_data.audit.sections.rewards import Bar, Rewards
from gcsl_data.audit.sections.sources import Source, Sources
from gcsl_data.audit.sections.splits import SplitRow, Splits
from gcsl_data.audit.sections.text import Length, LevelText, Text, Tokens
from gcsl_data.audit.shown import ShownLevel, ShownRecord
from gcsl_data.audit.stats import Stats
from gcsl_data.audit.sweep import SweepRow
from gcsl_data.dataset.manifest import Accounting, Hygiene, Range
from gcsl_data.fit import Cut


def rows(text: Callable[[str], str]) -> tuple[BinRow, ...]:
    return (
        BinRow(
            1, -0.9100001, 0.91, "0.91", text("<= 0.91"), 41, 0.41, -0.7512345678, 100, text("not above the mean"), 0
        ),
        BinRow(2, -0.5, 0.5, "0.50", text("<= 0.50"), 32, 0.32, -0.4, 59, None, 1059),
        BinRow(3, -0.125, 0.125, "0.12", text("<= 0.12"), 27, 0.27, None, 27, None, 27),
    )


def stats(text: Callable[[str], str] = str) -> Stats:
    """`text` makes each name or sentence that may come from a log, a file name or a recipe of a harmless one."""
    length = Length(mean=81.25, median=77, p95=1234, longest=98765)
    return Stats(
        name=text("logs.jsonl"),
        dataset_id=text("0" * 64),
        formulation="gcsl-bey-nl",
        metric=text("toxicity"),
        accounting=Accounting(rows=1110, used=1003, rejected={text("null_reward"): 7}, filtered={text("duplicate"): 100}),
        hygiene=Hygiene(duplicates=11, conflicting=12, leaks=13, control_tokens=14, longest=99_999),
        rewards=Rewards(
            records=1103, described=1102, distinct=1101, mean=-0.4321987654321, median=-0.41, minimum=-0.91, maximum=-0.03125,
            deviation=0.2718281828459045, direction="lower", normalized=text("zscore"), most_frequent=-0.3,
            most_frequent_share=0.061, at_minimum_share=0.021, at_maximum_share=0.0004, quantiles={"p01": -0.9, "p99": -0.04},
            histogram=(Bar(-0.91, -0.5, 45), Bar(-0.5, -0.03125, 55)),
        ),
        bins=Bins(
            asked=5, effective=3, rule="bins", ties="merge", comparator="<=", decimals=2, smallest_share=0.27,
            largest_share=0.41, below=3, cut=Cut(asked=text("best 10%"), value=-0.2, value_hex=(-0.2).hex(), records=110),
            rows=rows(text),
        ),
        goals=Goals(
            kept=2, dropped=1, records=1103, examples=1086, expansion=0.98459, unused=401, unused_share=0.36355,
            most_copies=2, top_share=0.27001, copies=(Copies(0, 401), Copies(1, 318), Copies(2, 384)),
        ),
        text=Text(
            prompt=length,
            response=replace(length, mean=12.5, median=12, p95=14, longest=15),
            length_reward_corr=-0.512345,
            levels=tuple(LevelText(n, 30 + n, 70 - n, 100 * n + 9, 1000 - n, 17 + n) for n in range(4)),
            tokens=Tokens(text("tokenizer.json"), 1099, replace(length, mean=21.0), replace(length, mean=22.0)),
        ),
        contradictions=Contradictions(pairs=21, records=44, share=0.03989, largest_gap=0.77),
        groups=Groups(groups=301, largest=19, alone_share=0.111, within_share=0.432, top_share=0.0901, advice=text("Stop.")),
        sources=Sources(
            sources=23, largest_share=0.6, top_share=0.71,
            rows=(
                Source(text("a/first.jsonl"), 60, 0.6, -0.25, (1, 20, 20, 19)),
                Source(text("b/second.jsonl"), 40, 0.4, -0.75, (0, 21, 12, 7)),
            ),
            others=1003,
        ),
        splits=Splits(
            overlap=1, psi=0.0123, ks=0.0456,
            rows=(
                SplitRow(text("train"), 900, 890, 0.8, None, None),
                SplitRow(text("test"), 203, 196, 0.2, 0.0122, 0.0455),
            ),
        ),
        aspects=(AspectStats(text("safety"), text("safety score"), "higher", ">=", 0.61803, rows(text)),),
        ranges=(Range(name=text("gap"), minimum=0.015, maximum=0.985),),
        inference_text=text("Write a response with a toxicity of at most 0.12."),
        inference_reward=-0.04,
        drift=Drift(
            text("last-week"), 1103, 1234, -0.55, 0.31, 0.28, Shift(0.31, 0.28), Shift(0.12, None), Shift(0.01, 0.02),
            Shift(0.03, 0.04),
            Shift(0.05, 0.06),
        ),
        sweep=(
            SweepRow(2, 2, 1, 551, 0.4995, 0.49, 0.51, None),
            SweepRow(9, None, None, None, None, None, None, text("ties")),
        ),
        advice=(Advice("goals.kept", 2, text("Look here.")), Advice("drift.psi", 0.31, text("And here."))),
    )  # fmt: skip


def shown(text: Callable[[str], str] = str) -> tuple[ShownLevel, ...]:
    record = ShownRecord(-0.0625, text("a/first.jsonl"), 7, text("Say hello."), text("Hello."))
    return (
        ShownLevel(3, best=(record, record), worst=(record,)),
        ShownLevel(0, best=(record,), worst=()),
        ShownLevel(None, best=(record,), worst=()),
    )
