"""What each number of the audit means, in a sentence, and when it is a reason to worry. A test holds it equal to `Stats`.

Keys are where a number stands: `bins.rows.records` is the field `records` of each row of `bins`. Sentences are for people who
have not read the code; they hold for either direction, so the ends of the rewards are "best" and "worst".
"""

from dataclasses import dataclass
from typing import Literal

# How it is written: a reward is in the unit of the `reward` column and turned into the log's own, a difference of two is not.
Form = Literal["count", "share", "reward", "logged", "number", "length"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """A number: `label` names it in two or three words, `says` what it is, `worry` when to look closer (null: never)."""

    label: str
    form: Form
    says: str
    worry: str | None = None


_BIN_ROW = {
    "index": Meaning("Goal", "count", "The goal's number, from the easiest to the hardest."),
    "edge": Meaning(
        "Edge",
        "reward",
        "Where the goal begins, exactly; on the normalised scale where rewards were brought to one.",
    ),
    "logged": Meaning("Edge as logged", "logged", "The same edge before any normalisation, as the log writes it."),
    "records": Meaning(
        "Records",
        "count",
        "Train records between this threshold and the next one.",
        "It is below 100 or so: the goal is learned from few examples.",
    ),
    "share": Meaning("Share", "share", "The same as a part of the train split."),
    "mean_reward": Meaning("Mean", "reward", "Mean reward of those records, in the split that the fit was made on."),
    "reached": Meaning("Reached by", "count", "Train records that reach this goal, those of higher goals among them."),
    "examples": Meaning(
        "Examples", "count", "Rows of all splits that carry the goal; none where rows carry no such goal."
    ),
}

_LENGTH = {
    "mean": "Mean length over all records.",
    "median": "Half of the records are shorter.",
    "p95": "Of 100 records 95 are no longer than this.",
    "longest": "The longest of all records.",
}
_LENGTH_LABEL = {"mean": "mean", "median": "median", "p95": "95%", "longest": "longest"}


def _lengths(at: str, what: str, unit: str, worry: str) -> dict[str, Meaning]:
    return {
        f"{at}.{name}": Meaning(
            f"{what}, {_LENGTH_LABEL[name]}",
            "length",
            f"{says[:-1]}, in {unit}.",
            worry if name == "p95" else None,
        )
        for name, says in _LENGTH.items()
    }


def _shifts(part: str, what: str) -> dict[str, Meaning]:
    worry = "It is 0.1 or more; from 0.2 it is another population."
    return {
        f"drift.{part}.psi": Meaning("PSI", "number", f"Population stability index of {what}.", worry),
        f"drift.{part}.ks": Meaning("KS", "number", f"Largest distance of the cumulative distributions of {what}."),
    }


_TOO_LONG = "It is beyond what the trainer's --max-length holds: longer examples are dropped there."
_TOO_LONG_HERE = (
    "It is above three times the trainer's --max-length, a usual number of characters for that many tokens."
)

MEANINGS: dict[str, Meaning] = {
    "accounting.rows": Meaning("Rows", "count", "Responses that were read from the logs, usable or not."),
    "accounting.used": Meaning("Used", "count", "Records that give at least one row of the dataset."),
    "accounting.rejected": Meaning(
        "Rejected",
        "count",
        "Rows that could not be used, by reason; _gcsl/rejects.jsonl lists them.",
        "It is more than a few in a hundred, or the reason surprises you.",
    ),
    "accounting.filtered": Meaning(
        "Filtered",
        "count",
        "Usable records that were left out on purpose, by reason.",
        "A reason that you did not ask for.",
    ),
    "hygiene.duplicates": Meaning(
        "Duplicates",
        "count",
        "Records that repeat an earlier one: prompt, response and rewards.",
        "They are many: the model learns them by heart. --dedup exact keeps the first.",
    ),
    "hygiene.conflicting": Meaning(
        "Conflicting",
        "count",
        "Records whose prompt and response stand elsewhere with another reward.",
        "They are many: the grade is noisy. See --conflicts.",
    ),
    "hygiene.leaks": Meaning(
        "Leaks",
        "count",
        "Records that hold a goal's text or a score in the prompt or the response.",
        "Any: the model may read the grade instead of earning it.",
    ),
    "hygiene.control_tokens": Meaning(
        "Control tokens",
        "count",
        "Records that hold a control token of a chat template, such as <|im_start|>.",
        "Any that you did not expect. --control-tokens reject leaves them out.",
    ),
    "hygiene.longest": Meaning(
        "Longest",
        "length",
        "Most characters of prompt and response together.",
        "It is far above the rest; see --max-chars.",
    ),
    "rewards.records": Meaning(
        "Records",
        "count",
        "Train records that the thresholds were fitted on.",
        "It is below a few hundred: edges are noisy.",
    ),
    "rewards.described": Meaning(
        "Described",
        "count",
        "Records that the figures below describe: all of them for a log, those that stand in the rows for a dataset.",
    ),
    "rewards.distinct": Meaning(
        "Different values",
        "count",
        "How many different rewards there are.",
        "It is not above the number of bins: each value is a level of its own then.",
    ),
    "rewards.mean": Meaning("Mean", "reward", "Mean reward; goals above it are kept by default."),
    "rewards.median": Meaning(
        "Median", "reward", "Half of the records are no better.", "It is far from the mean: the rewards are skewed."
    ),
    "rewards.minimum": Meaning("Worst", "reward", "The worst reward."),
    "rewards.maximum": Meaning(
        "Best", "reward", "The best reward.", "It is beyond the scale that the grade should have."
    ),
    "rewards.deviation": Meaning(
        "Deviation", "number", "Standard deviation of the rewards.", "It is near 0: there is little to tell apart."
    ),
    "rewards.most_frequent": Meaning("Most frequent", "reward", "The reward that most records share."),
    "rewards.most_frequent_share": Meaning(
        "Share of the most frequent",
        "share",
        "How many records hold the most frequent reward.",
        "It is above one bin's part, 20% of five: edges merge. Above 50% bins can tell little apart. See --ties spread.",
    ),
    "rewards.at_minimum_share": Meaning(
        "At the worst",
        "share",
        "Records that hold the worst reward.",
        "It is above 20%: the grade does not tell failures apart.",
    ),
    "rewards.at_maximum_share": Meaning(
        "At the best",
        "share",
        "Records that hold the best reward.",
        "It is above 20%: the grade is saturated at the top.",
    ),
    "rewards.quantiles": Meaning(
        "Reward",
        "reward",
        "A reward that occurred; so many of the records are no better.",
        "Several agree: the rewards stick.",
    ),
    "rewards.histogram.low": Meaning("From", "reward", "Where the bar begins."),
    "rewards.histogram.high": Meaning("To", "reward", "Where the bar ends; the same number where it holds one value."),
    "rewards.histogram.records": Meaning("Records", "count", "Records with a reward in this bar."),
    "bins.asked": Meaning("Bins asked", "count", "K, the number of bins that was asked for."),
    "bins.effective": Meaning(
        "Bins",
        "count",
        "What is left of K when equal edges are one.",
        "It is below what was asked: many records share a reward. See --ties.",
    ),
    "bins.decimals": Meaning(
        "Digits", "count", "Digits after the point in every printed number; none where they are exact."
    ),
    "bins.smallest_share": Meaning(
        "Smallest bin",
        "share",
        "Part of the train split in its smallest bin.",
        "It is below 1%: that level has next to no examples.",
    ),
    "bins.largest_share": Meaning(
        "Largest bin",
        "share",
        "Part of the train split in its largest bin.",
        "It is above 50%: one level takes most of it.",
    ),
    "bins.below": Meaning(
        "Below all", "count", "Train records that reach no threshold.", "It is large, under thresholds of your own."
    ),
    "bins.cut.value": Meaning("Cut", "reward", "The worst reward that still counts as good."),
    "bins.cut.records": Meaning("Good", "count", "Train records that count as good."),
    **{f"bins.rows.{name}": meaning for name, meaning in _BIN_ROW.items()},
    "goals.kept": Meaning(
        "Goals kept",
        "count",
        "Goals that rows carry.",
        "It is 1: the model then learns the same as from filtered records.",
    ),
    "goals.dropped": Meaning("Goals dropped", "count", "Goals that are not in use; the ladder says why."),
    "goals.records": Meaning("Records", "count", "Usable records of all splits."),
    "goals.examples": Meaning(
        "Examples", "count", "Rows of the dataset: one for each goal that a record demonstrates."
    ),
    "goals.expansion": Meaning(
        "Expansion", "number", "Examples per usable record.", "It is far above 1: training costs that many times more."
    ),
    "goals.unused": Meaning("Unused", "count", "Usable records that give no row."),
    "goals.unused_share": Meaning(
        "Unused share",
        "share",
        "The same as a part of all usable records.",
        "It is above 90%: look at the goal filter, and whether higher rewards are better.",
    ),
    "goals.most_copies": Meaning("Most copies", "count", "The most rows that one record gives."),
    "goals.top_share": Meaning(
        "Reach the top goal",
        "share",
        "Part of the train split that reaches the highest kept goal.",
        "It is below 2%: what you ask for at inference was hardly seen.",
    ),
    "goals.copies.copies": Meaning("Rows each", "count", "How many rows a record gives."),
    "goals.copies.records": Meaning("Records", "count", "How many records give so many rows."),
    **_lengths("text.prompt", "Prompt", "characters", _TOO_LONG_HERE),
    **_lengths("text.response", "Response", "characters", _TOO_LONG_HERE),
    "text.length_reward_corr": Meaning(
        "Length and reward",
        "number",
        "Rank correlation of a response's length with its reward, from -1 to 1: 1 when longer is always better.",
        "It is beyond 0.5 or -0.5: the model may learn the length instead of the quality.",
    ),
    "text.levels.level": Meaning("Level", "count", "How many thresholds the records reach."),
    "text.levels.records": Meaning("Records", "count", "Records of all splits at this level."),
    "text.levels.prompt_median": Meaning(
        "Prompt, median",
        "length",
        "Half of the level's prompts are shorter, in characters.",
        "It differs much between levels: the reward follows the prompt.",
    ),
    "text.levels.response_median": Meaning(
        "Response, median",
        "length",
        "Half of the level's responses are shorter, in characters.",
        "It rises or falls from level to level: better may just be longer, or shorter.",
    ),
    "text.levels.response_p95": Meaning("Response, 95%", "length", "Of 100 responses of the level 95 are no longer."),
    "text.levels.response_tokens_median": Meaning(
        "Response, median tokens", "length", "Half of the level's responses have fewer tokens."
    ),
    "text.tokens.records": Meaning("Tokenised", "count", "Records that the tokenizer read for the lengths in tokens."),
    **_lengths("text.tokens.prompt", "Prompt tokens", "tokens, without a chat template", _TOO_LONG),
    **_lengths("text.tokens.response", "Response tokens", "tokens, without a chat template", _TOO_LONG),
    "contradictions.pairs": Meaning(
        "Contradicting pairs",
        "count",
        "Pairs of prompt and response that stand with more than one reward.",
        "Many: no model can satisfy both. See --conflicts.",
    ),
    "contradictions.records": Meaning("Records of such pairs", "count", "Records that hold one of those pairs."),
    "contradictions.share": Meaning(
        "Share of records", "share", "The same as a part of all records.", "It is above 5%: the grade is noisy."
    ),
    "contradictions.largest_gap": Meaning(
        "Largest gap",
        "number",
        "The most that two rewards of one pair differ.",
        "It is as large as the scale: the same answer was called best and worst.",
    ),
    "groups.groups": Meaning("Groups", "count", "Different prompts or tasks."),
    "groups.largest": Meaning(
        "Largest group", "count", "Records of the largest group.", "It is a large part of all: one task dominates."
    ),
    "groups.alone_share": Meaning(
        "Alone in the group", "share", "Records whose group has no other record: nothing can be compared there."
    ),
    "groups.within_share": Meaning(
        "Variance within groups",
        "share",
        "How much of the rewards' variance lies within groups. 0: a group's rewards all agree; 100%: the groups' means do.",
        "It is below 50%: the reward tells prompts apart more than responses. See --normalize-by group.",
    ),
    "groups.top_share": Meaning(
        "Largest group in the top goal",
        "share",
        "Part of the highest kept goal's records that one group supplies.",
        "It is above 50%: the best answers are answers to one task.",
    ),
    "sources.sources": Meaning("Sources", "count", "Log files that supply records."),
    "sources.largest_share": Meaning(
        "Largest source", "share", "Part of all records that comes from the largest file."
    ),
    "sources.top_share": Meaning(
        "Largest source in the top goal",
        "share",
        "Part of the highest kept goal's records that one file supplies.",
        "It is above 90% and there are several: the goal may teach the source's style.",
    ),
    "sources.rows.records": Meaning("Records", "count", "Records of this file."),
    "sources.rows.share": Meaning("Share", "share", "The same as a part of all records."),
    "sources.rows.mean": Meaning(
        "Mean", "reward", "Mean reward of its records.", "Files differ much: they may be graded differently."
    ),
    "sources.rows.levels": Meaning("Level", "count", "How many of its records are of this level."),
    "sources.others": Meaning("Other sources", "count", "Records of the files that are not listed."),
    "splits.overlap": Meaning(
        "Prompts in two splits",
        "count",
        "Prompts that stand in more than one split.",
        "Any: evaluation would be on what was trained.",
    ),
    "splits.psi": Meaning(
        "PSI",
        "number",
        "The largest shift of any split's rewards from the train split's.",
        "It is 0.2 or more: splits are not alike.",
    ),
    "splits.ks": Meaning(
        "KS", "number", "The largest distance of a split's cumulative distribution from the train split's, 0 to 1."
    ),
    "splits.rows.records": Meaning("Records", "count", "Records that were put in the split."),
    "splits.rows.examples": Meaning("Examples", "count", "Rows that were written for them."),
    "splits.rows.share": Meaning("Share", "share", "The split's part of all records."),
    "splits.rows.psi": Meaning(
        "PSI",
        "number",
        "How far its rewards are from the train split's.",
        "It is 0.2 or more: it is another population.",
    ),
    "splits.rows.ks": Meaning("KS", "number", "The largest distance of the two cumulative distributions, 0 to 1."),
    "aspects.mean": Meaning("Mean", "reward", "Mean of this reward; its goals above it are kept by default."),
    **{f"aspects.bins.{name}": meaning for name, meaning in _BIN_ROW.items()},
    "ranges.minimum": Meaning("Lowest", "number", "The lowest value over all rows."),
    "ranges.maximum": Meaning("Highest", "number", "The highest value over all rows."),
    "inference_reward": Meaning(
        "Reward to ask for", "number", "What the trainer embeds when the model is asked for the best."
    ),
    "drift.records": Meaning("Compared", "count", "Records of this log or dataset that are compared."),
    "drift.against_records": Meaning("With", "count", "Records of the reference that they are compared with."),
    "drift.floor": Meaning(
        "From reward", "reward", "Only records at least this good are compared, as a dataset holds no others."
    ),
    "drift.psi": Meaning(
        "PSI",
        "number",
        "Population stability index, the largest of the sections: 0 when the shares of ten bins agree.",
        "It is 0.1 or more; from 0.2 this is another population, and the old thresholds mean something else.",
    ),
    "drift.ks": Meaning(
        "KS",
        "number",
        "The largest distance of two cumulative distributions, 0 to 1, over the sections.",
        "It is above 0.1.",
    ),
    **_shifts("rewards", "the rewards"),
    **_shifts("levels", "the levels that the reference's thresholds make"),
    **_shifts("prompt", "the prompts' lengths"),
    **_shifts("response", "the responses' lengths"),
    **_shifts("groups", "the groups' sizes"),
    "sweep.asked": Meaning("K", "count", "A number of bins."),
    "sweep.effective": Meaning("Bins", "count", "What is left of it when equal edges are one."),
    "sweep.kept": Meaning("Goals kept", "count", "Goals that rows would carry."),
    "sweep.examples": Meaning("Examples", "count", "Rows that the dataset would have."),
    "sweep.expansion": Meaning(
        "Expansion", "number", "Examples per usable record.", "It is more than you can pay for in training."
    ),
    "sweep.smallest_share": Meaning(
        "Smallest bin", "share", "Part of the train split in the smallest bin.", "It is below 1%."
    ),
    "sweep.largest_share": Meaning(
        "Largest bin", "share", "Part of the train split in the largest bin.", "It is above 50%."
    ),
    "advice.value": Meaning("Value", "number", "The number that the advice is about."),
}
