"""The numbers that a person audits before spending GPU time, section by section. The same numbers as in the manifest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from gcsl_data.audit.advice import Advice, advice_on
from gcsl_data.audit.comparable import drift_of
from gcsl_data.audit.sections.bins import AspectStats, Bins, aspect_section, bins_section
from gcsl_data.audit.sections.contradictions import Contradictions, contradictions_section
from gcsl_data.audit.sections.drift import Drift
from gcsl_data.audit.sections.goals import Goals, goals_section
from gcsl_data.audit.sections.groups import Groups, groups_section
from gcsl_data.audit.sections.rewards import Rewards, rewards_section
from gcsl_data.audit.sections.sources import Sources, sources_section
from gcsl_data.audit.sections.splits import Splits, splits_section
from gcsl_data.audit.sections.text import Text, text_section
from gcsl_data.audit.subject import Subject
from gcsl_data.audit.summary import scale_of
from gcsl_data.audit.sweep import SweepRow
from gcsl_data.audit.tokens import count_tokens
from gcsl_data.dataset.manifest import Accounting, Hygiene, Manifest, Range


@dataclass(frozen=True, slots=True)
class Stats:
    """One dataset, or what a log would become.

    `metric` is what goals call the reward. `inference_text` is what to ask for, null where prompts carry no goal;
    `inference_reward` the reward to ask for, where goals have no index. `ranges` tells of rows that a builder made. `drift`
    stands where there is something to compare with, `sweep` where other numbers of bins were asked about. `advice` says which
    numbers are a reason to stop and look.
    """

    name: str
    dataset_id: str | None
    formulation: str
    metric: str
    accounting: Accounting
    hygiene: Hygiene
    rewards: Rewards
    bins: Bins
    goals: Goals
    text: Text
    contradictions: Contradictions
    groups: Groups
    sources: Sources
    splits: Splits
    aspects: tuple[AspectStats, ...]
    ranges: tuple[Range, ...]
    inference_text: str | None
    inference_reward: float | None
    drift: Drift | None
    sweep: tuple[SweepRow, ...]
    advice: tuple[Advice, ...]


def stats_of(
    subject: Subject,
    name: str,
    *,
    against: tuple[str, Subject] | None = None,
    sweep: Sequence[SweepRow] = (),
    tokenizer: str | None = None,
) -> Stats:
    """All sections. `against` is the name of a reference and the reference itself."""
    found, fit, facts = subject.found, subject.found.fit, subject.facts
    split = found.splits[0].name
    levels = len(fit.thresholds) if facts["level"].null_count() < facts.height else None
    top = max(fit.kept, default=None) if levels else None
    tokens, read = count_tokens(subject, tokenizer) if tokenizer else (None, _unread(facts))
    stats = Stats(
        name=name,
        dataset_id=found.dataset_id if isinstance(found, Manifest) else None,
        formulation=subject.formulation,
        metric=subject.metric,
        accounting=found.accounting,
        hygiene=found.hygiene,
        rewards=rewards_section(facts, fit, split, scale_of(fit)),
        bins=bins_section(fit, found.goals, train=found.splits[0].records, formulation=subject.formulation),
        goals=goals_section(
            facts, goals=found.goals, splits=found.splits, accounting=found.accounting, is_whole=subject.is_whole
        ),
        text=text_section(read, split=split, has_levels=levels is not None, tokens=tokens),
        contradictions=contradictions_section(facts),
        groups=groups_section(facts, top=top, is_by_group=fit.group_method is not None),
        sources=sources_section(facts, levels=levels, top=top),
        splits=splits_section(facts, found.splits),
        aspects=tuple(aspect_section(aspect) for aspect in fit.aspects),
        ranges=found.ranges,
        inference_text=found.inference_text,
        inference_reward=found.inference_reward,
        drift=drift_of(subject, against[1], against[0]) if against else None,
        sweep=tuple(sweep),
        advice=(),
    )
    advice = advice_on(
        rewards=stats.rewards,
        bins=stats.bins,
        goals=stats.goals,
        groups=stats.groups,
        sources=stats.sources,
        splits=stats.splits,
        drift=stats.drift,
        text=stats.text,
        contradictions=stats.contradictions,
    )
    return replace(stats, advice=advice)


def _unread(facts: pl.DataFrame) -> pl.DataFrame:
    return facts.with_columns(response_tokens=pl.lit(None, pl.Int64))
