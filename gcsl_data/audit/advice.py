"""Advice: which numbers are a reason to stop and look, before a training run is spent on them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gcsl_data.audit.sections.bins import Bins
from gcsl_data.audit.sections.contradictions import Contradictions
from gcsl_data.audit.sections.drift import PARTS, Drift
from gcsl_data.audit.sections.goals import Goals
from gcsl_data.audit.sections.groups import Groups
from gcsl_data.audit.sections.rewards import Rewards
from gcsl_data.audit.sections.sources import Sources
from gcsl_data.audit.sections.splits import Splits
from gcsl_data.audit.sections.text import Text


@dataclass(frozen=True, slots=True)
class Advice:
    """A number of the stats, by its dotted name, its value, and what it says in a sentence."""

    number: str
    value: float
    says: str


# All limits are our choice: rules of thumb, to make a person look. `check --fail-on` is for limits of one's own.
_LIMITS: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("goals.unused_share", lambda x: x > 0.9,
     "{:.0%} of the records give no example; look at the goal filter, and whether higher rewards are better"),
    ("text.length_reward_corr", lambda x: abs(x) > 0.5,
     "reward follows the length of the response (rank correlation {:.2f}): goals may come to mean length"),
    ("contradictions.share", lambda x: x > 0.05,
     "{:.0%} of the records share prompt and response with one of another reward; see --conflicts"),
    ("groups.top_share", lambda x: x > 0.5,
     "one group supplies {:.0%} of the records that reach the highest goal"),
    ("splits.overlap", lambda x: x > 0, "{:.0f} prompts stand in more than one split; build the dataset again"),
)  # fmt: skip


def advice_on(
    *,
    rewards: Rewards,
    bins: Bins,
    goals: Goals,
    groups: Groups,
    sources: Sources,
    splits: Splits,
    text: Text,
    contradictions: Contradictions,
    drift: Drift | None,
) -> tuple[Advice, ...]:
    """What to look at."""
    sections = {"goals": goals, "text": text, "contradictions": contradictions, "groups": groups, "splits": splits}
    return (
        *_counted(rewards, bins, goals),
        *_beyond_limits(sections),
        *_of_groups(groups, sources),
        *_moved(splits, drift),
    )


def _counted(rewards: Rewards, bins: Bins, goals: Goals) -> Iterator[Advice]:
    if bins.rule == "bins" and bins.asked and bins.effective < bins.asked:
        yield Advice(
            "bins.effective", bins.effective, f"{bins.effective} bins are left of {bins.asked}: edges were equal"
        )
    if goals.kept == 1:
        says = "one goal is kept, so this equals filtered SFT; see --bins, and --goal-filter for which are kept"
        yield Advice("goals.kept", 1, says)
    if bins.rule != "bins":  # values, labels and given thresholds are as few and as small as they are
        return
    if rewards.most_frequent_share > 0.5:
        hint = "" if bins.ties == "spread" else "; try --ties spread"
        says = f"{rewards.most_frequent_share:.0%} of the records hold one reward, so bins cannot tell them apart{hint}"
        yield Advice("rewards.most_frequent_share", rewards.most_frequent_share, says)
    if bins.smallest_share is not None and bins.smallest_share < 0.01 and goals.kept > 1:
        says = f"the smallest bin holds {bins.smallest_share:.2%} of the records; ask for fewer bins"
        yield Advice("bins.smallest_share", bins.smallest_share, says)


def _beyond_limits(sections: Mapping[str, object]) -> Iterator[Advice]:
    for number, is_worrying, says in _LIMITS:
        section, name = number.split(".")
        value = getattr(sections[section], name)
        if value is not None and is_worrying(value):
            yield Advice(number, value, says.format(value))


def _of_groups(groups: Groups, sources: Sources) -> Iterator[Advice]:
    if groups.advice and groups.within_share is not None:
        yield Advice("groups.within_share", groups.within_share, groups.advice)
    share = sources.top_share
    if sources.sources > 1 and share and share > 0.9:
        says = f"one log supplies {share:.0%} of the records that reach the highest goal"
        yield Advice("sources.top_share", share, says)


def _moved(splits: Splits, drift: Drift | None) -> Iterator[Advice]:
    """PSI above 0.2, and above what chance gives: about (bins - 1) (1 / n + 1 / m) for two samples of one population."""
    train, *others = splits.rows
    moved = [row for row in others if row.psi is not None and row.psi > _limit(row.records, train.records)]
    for row in sorted(moved, key=lambda row: row.psi or 0.0)[-1:]:
        says = f"{row.name}'s rewards are not train's (PSI {row.psi:.2f}): results on it say little of train"
        yield Advice("splits.psi", row.psi or 0.0, says)
    if drift and drift.psi > _limit(drift.records, drift.against_records):
        says = f"this is not the population of the reference (PSI {drift.psi:.2f}); fit anew, or find out why"
        yield Advice("drift.psi", drift.psi, says)


def _limit(n: int, m: int) -> float:
    return 0.2 + 2 * (PARTS - 1) * (1 / n + 1 / m)
