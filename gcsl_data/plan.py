"""The plan: what will be done to the logs, stage by stage. Nothing runs here; an engine runs it."""

from dataclasses import dataclass

import polars as pl

from gcsl_data.census import census_of
from gcsl_data.errors import DataError, UsageError
from gcsl_data.fit import Fit
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.mapping import to_records
from gcsl_data.recipe import Recipe
from gcsl_data.stages.checks import flag_rejects
from gcsl_data.stages.formulations import FORMULATIONS
from gcsl_data.stages.goal_filter import GoalChoice
from gcsl_data.stages.render import Wording, to_examples
from gcsl_data.stages.splits import SPLIT_NAMES, assign_splits
from gcsl_data.stages.templates import GoalTemplate, load_template


@dataclass(frozen=True, slots=True)
class Plan:
    """Lazy frames from logs to examples. `records` carries `reject` and `split` beside the record's columns."""

    recipe: Recipe
    logs: tuple[Log, ...]
    template: GoalTemplate
    records: pl.LazyFrame

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in order."""
        return SPLIT_NAMES[: max(1, len(self.recipe.splits.shares))]

    def census(self) -> pl.LazyFrame:
        """The measure that everything is fitted on."""
        return census_of(self.records)

    def rejects(self) -> pl.LazyFrame:
        """Where each rejected row stands and why."""
        rejected = self.records.filter(pl.col("reject").is_not_null())
        return rejected.select("source", "row", reason="reject")

    def examples(self, fit: Fit, choice: GoalChoice, sentences: dict[int, str]) -> pl.LazyFrame:
        """Good records expanded into examples, in log order, with their `split`."""
        stage = self.recipe.goals
        wording = Wording({k: sentences[k] for k in choice.kept}, stage.placement, self.recipe.output.format)
        good = self.records.filter(pl.col("reject").is_null())
        return to_examples(good, fit=fit, formulation=FORMULATIONS[stage.formulation], wording=wording)


def make_plan(logs: tuple[Log, ...], recipe: Recipe) -> Plan:
    """Logs and a recipe in, a plan out.

    Raises RecipeError (78) for the template, DataError (65) for columns that are missing or of the wrong type.
    """
    template = load_template(recipe.goals, recipe.record.direction)
    frames = [to_records(log, recipe.record) for log in logs]
    is_text = _same_prompt_type(frames, logs)
    if recipe.output.format == "text" and not is_text:
        raise UsageError("GD0206", "--format text needs plain-text prompts, and these are chat messages; leave it out")
    records = flag_rejects(pl.concat(frames, how="vertical"), is_text=is_text)
    return Plan(recipe, logs, template, assign_splits(records, recipe.splits.shares))


def _same_prompt_type(frames: list[pl.LazyFrame], logs: tuple[Log, ...]) -> bool:
    kinds = {log.uri: frame.collect_schema()["prompt"] == pl.String for log, frame in zip(logs, frames, strict=True)}
    if len(set(kinds.values())) > 1:
        text = next(uri for uri, is_text in kinds.items() if is_text)
        chat = next(uri for uri, is_text in kinds.items() if not is_text)
        raise DataError("GD1210", f"prompts are text in {text} and chat messages in {chat}; expand them apart")
    return all(kinds.values())
