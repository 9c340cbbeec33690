"""What is known of a dataset without a look at its records: rows, bins and goals. `expand` and `fit` say it."""

from dataclasses import dataclass

from gcsl_data.audit.sections.bins import AspectStats, Bins, aspect_section, bins_section
from gcsl_data.dataset.manifest import Accounting, Hygiene, Manifest, Range, Split
from gcsl_data.fit import Fit
from gcsl_data.measure import Measured


@dataclass(frozen=True, slots=True)
class Summary:
    """One dataset, or what a log would become. `expansion` is examples per usable record.

    `mean` is in the unit of the `reward` column, on the scale that `normalized` names, if any. `inference_text` is what to
    ask for, null where prompts carry no goal; `inference_reward` the reward to ask for, where goals have no index. `ranges`
    tells of rows that a builder made.
    """

    name: str
    dataset_id: str | None
    formulation: str
    accounting: Accounting
    hygiene: Hygiene
    splits: tuple[Split, ...]
    mean: float
    normalized: str | None
    direction: str
    bins: Bins
    aspects: tuple[AspectStats, ...]
    ranges: tuple[Range, ...]
    inference_text: str | None
    inference_reward: float | None
    records: int
    examples: int
    expansion: float


def summary_of(found: Manifest | Measured, name: str, formulation: str) -> Summary:
    """The summary of a finished dataset, or of what a log would become."""
    fit = found.fit
    records = sum(split.records for split in found.splits)
    examples = sum(split.examples for split in found.splits)
    return Summary(
        name=name,
        dataset_id=found.dataset_id if isinstance(found, Manifest) else None,
        formulation=formulation,
        accounting=found.accounting,
        hygiene=found.hygiene,
        splits=found.splits,
        mean=fit.mean,
        normalized=scale_of(fit),
        direction=fit.direction,
        bins=bins_section(fit, found.goals, train=found.splits[0].records, formulation=formulation),
        aspects=tuple(aspect_section(aspect) for aspect in fit.aspects),
        ranges=found.ranges,
        inference_text=found.inference_text,
        inference_reward=found.inference_reward,
        records=records,
        examples=examples,
        expansion=examples / records,
    )


def scale_of(fit: Fit) -> str | None:
    """The scale that rewards were brought to, in words."""
    if fit.group_method:
        return f"{fit.group_method} by group"
    return fit.normalisation.method if fit.normalisation and fit.normalisation.method != "none" else None
