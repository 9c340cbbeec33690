"""The plan: what will be done to the logs, stage by stage. Nothing runs here; an engine runs it."""

from dataclasses import dataclass

import polars as pl

from gcsl_data.census import census_of
from gcsl_data.columns import ASPECT_PREFIX
from gcsl_data.errors import DataError, UsageError
from gcsl_data.fit import Direction, Fit
from gcsl_data.ingest.inputs import Log
from gcsl_data.ingest.mapping import aspects_of, to_records
from gcsl_data.recipe import Recipe, RecordStage
from gcsl_data.stages.checks import flag_rejects, rejected_rows
from gcsl_data.stages.formulations import FORMULATIONS
from gcsl_data.stages.goal_filter import GoalChoice
from gcsl_data.stages.render import Wording, to_examples
from gcsl_data.stages.splits import SPLIT_NAMES, assign_splits
from gcsl_data.stages.templates import GoalTemplate, load_template


@dataclass(frozen=True, slots=True)
class Plan:
    """Lazy frames from logs to examples. `records` carries `reject` and `split` beside the record's columns.

    `aspects` are the rewards that stand side by side, each with its direction; none when there is one reward.
    `notes` say how the logs were read where that is not obvious.
    """

    recipe: Recipe
    logs: tuple[Log, ...]
    template: GoalTemplate
    records: pl.LazyFrame
    aspects: dict[str, Direction]
    notes: tuple[str, ...] = ()

    @property
    def direction(self) -> Direction:
        """Which values of the logged `reward` are better; of several rewards it is the first."""
        return next(iter(self.aspects.values())) if self.aspects else self.recipe.record.direction

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in order."""
        return SPLIT_NAMES[: max(1, len(self.recipe.splits.shares))]

    def census(self) -> pl.LazyFrame:
        """The measure that everything is fitted on."""
        return census_of(self.records)

    def rejects(self) -> pl.LazyFrame:
        """Where each rejected row stands and why."""
        return rejected_rows(self.records, is_text=self.records.collect_schema()["prompt"] == pl.String)

    def examples(self, fit: Fit, choice: GoalChoice, sentences: dict[int, str]) -> pl.LazyFrame:
        """Good records expanded into examples, in log order, with their `split`."""
        stage = self.recipe.goals
        wording = Wording({k: sentences[k] for k in choice.kept}, stage.placement, self.recipe.output.format)
        good = self.records.filter(pl.col("reject").is_null())
        formulation, carried = FORMULATIONS[stage.formulation], tuple(self.carried_types)
        return to_examples(good, fit=fit, formulation=formulation, wording=wording, keep=carried)

    @property
    def carried_types(self) -> dict[str, pl.DataType]:
        """Dtype of each column that examples have beside their own: the reward of each aspect, and kept ones of the log."""
        schema = self.records.collect_schema()
        return {name: schema[name] for name in (*map(ASPECT_PREFIX.__add__, self.aspects), *self.recipe.record.keep)}


def make_plan(logs: tuple[Log, ...], recipe: Recipe) -> Plan:
    """Logs and a recipe in, a plan out.

    Raises RecipeError (78) for the template, DataError (65) for columns that are missing or of the wrong type.
    """
    template = load_template(recipe.goals, recipe.record.direction)
    records, aspects, notes = all_records(logs, recipe.record)
    is_text = records.collect_schema()["prompt"] == pl.String
    if recipe.output.format == "text" and not is_text:
        raise UsageError("GD0206", "--format text needs plain-text prompts, and these are chat messages; leave it out")
    return Plan(recipe, logs, template, assign_splits(records, recipe.splits.shares), aspects, notes)


def all_records(
    logs: tuple[Log, ...], stage: RecordStage
) -> tuple[pl.LazyFrame, dict[str, Direction], tuple[str, ...]]:
    """The flagged records of all logs, one after another, their aspects, and the notes on how they were read."""
    aspects = aspects_of(logs, stage)
    mapped = [to_records(log, stage) for log in logs]
    schemas = {log.uri: frame.collect_schema() for log, (frame, _) in zip(logs, mapped, strict=True)}
    _require_same_prompts(schemas)
    shared = {name: _shared_type(name, schemas) for name in stage.keep}
    frames = [frame.with_columns(pl.col(name).cast(dtype) for name, dtype in shared.items()) for frame, _ in mapped]
    is_text = next(iter(schemas.values()))["prompt"] == pl.String
    notes = [*(note for log in logs for note in log.notes), *(note for _, given in mapped for note in given)]
    columns = [ASPECT_PREFIX + name for name in aspects]
    flagged = flag_rejects(pl.concat(frames, how="vertical"), is_text=is_text, aspects=columns)
    return flagged, aspects, tuple(notes)


def _require_same_prompts(schemas: dict[str, pl.Schema]) -> None:
    text = [uri for uri, schema in schemas.items() if schema["prompt"] == pl.String]
    chat = [uri for uri, schema in schemas.items() if schema["prompt"] != pl.String]
    if text and chat:
        raise DataError("GD1210", f"prompts are text in {text[0]} and chat messages in {chat[0]}; expand them apart")


def _shared_type(name: str, schemas: dict[str, pl.Schema]) -> pl.DataType:
    """The one dtype of a kept column over all logs; a log that lacks it gives nulls."""
    found = {uri: schema[name] for uri, schema in schemas.items() if schema[name] != pl.Null}
    if not found:
        raise DataError("GD1211", f"no log has a column {name!r} to keep with a value in it; check --keep")
    if all(dtype.is_numeric() for dtype in found.values()) and len(set(found.values())) > 1:
        return pl.Float64()
    (first, dtype), *others = found.items()
    for uri, other in others:
        if other != dtype:
            raise DataError(
                "GD1212", f"the column {name!r} is {dtype} in {first} and {other} in {uri}; make them one type"
            )
    return dtype
