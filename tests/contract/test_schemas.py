"""Lists that must be equal are equal: schemas and code, flags and settings, registries and their words."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from gcsl_data import recipe as recipes
from gcsl_data.audit.finding import RULES as CHECKED
from gcsl_data.build import build
from gcsl_data.cli import _options, app
from gcsl_data.columns import EXAMPLE, RECORD
from gcsl_data.dataset.goal import PLACEMENTS, Placement
from gcsl_data.dataset.manifest import Format
from gcsl_data.dataset.shards import arrow_schema
from gcsl_data.engines.local import LocalEngine
from gcsl_data.fit import Comparator, Direction, Ties
from gcsl_data.ingest.fault import DECODING_REASONS, SHAPE_REASONS
from gcsl_data.ingest.formats import LOG_FORMATS
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.ingest.recognise import CODEC_SUFFIXES, SUFFIXES, Codec, FormatName
from gcsl_data.ingest.shapes.sequences import SHORT_HISTORY
from gcsl_data.ingest.shapes.settings import Sequences
from gcsl_data.ingest.shapes.turns import OPENING
from gcsl_data.plan import make_plan
from gcsl_data.schemas import generate
from gcsl_data.stages import templates
from gcsl_data.stages.checks import FILTERED, REASONS, RULES, TIME_RULES
from gcsl_data.stages.formulations import FORMULATIONS
from gcsl_data.stages.goal_filter import GOAL_FILTERS
from gcsl_data.stages.rewards import _REDUCERS, unread_reason

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMAS = {path.name: json.loads(path.read_text()) for path in (REPOSITORY / "schemas").glob("*.json")}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "log.csv").write_text("prompt,response,reward\n" + "".join(f"p{i},r{i},{i}\n" for i in range(20)))
    logs = find_logs([str(folder / "log.csv")])
    build(make_plan(logs, recipes.resolve(flags={}, environment={})[0]), LocalEngine(logs), folder / "out")
    return folder / "out"


def test_the_schema_files_are_those_of_the_code() -> None:
    assert generate() == SCHEMAS


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_valid_one(name: str) -> None:
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(SCHEMAS[f"{name}.schema.json"])


def test_a_real_manifest_is_valid_and_an_edited_one_is_not(dataset: Path) -> None:
    content = json.loads((dataset / "manifest.json").read_text())

    assert list(validator("manifest").iter_errors(content)) == []
    assert list(validator("recipe").iter_errors(content["recipe"])) == []
    for fault in ({"surprise": 1}, {"kind": "pears"}, {"goals": {}}, {"inference_goal": "5"}):
        assert list(validator("manifest").iter_errors({**content, **fault}))


def test_real_examples_are_valid_rows(dataset: Path) -> None:
    import pyarrow as pa

    with pa.ipc.open_file(dataset / "data" / "train-00000-of-00001.arrow") as reader:
        rows = reader.read_all().to_pylist()

    assert rows
    for row in rows:
        assert list(validator("example").iter_errors(row)) == []
    assert list(validator("example").iter_errors({**rows[0], "level": "high"}))


def test_the_glossary_is_the_shards_and_the_schemas() -> None:
    for name, columns in (("record", RECORD), ("example", EXAMPLE)):
        assert list(SCHEMAS[f"{name}.schema.json"]["properties"]) == [column.name for column in columns]
    for output_format in get_args(Format):
        assert arrow_schema(output_format).names == [column.name for column in EXAMPLE]


def test_registries_hold_the_words_of_the_recipe() -> None:
    assert list(FORMULATIONS) == list(get_args(recipes.FormulationName))
    assert all(recipes.GoalsStage(filter=name).filter == name for name in GOAL_FILTERS)
    assert list(_REDUCERS) == list(get_args(recipes.Reducer))
    assert get_args(Placement) == PLACEMENTS
    assert set(templates.COMPARATORS) == set(get_args(Direction))
    assert {c for allowed in templates.COMPARATORS.values() for c in allowed} == set(get_args(Comparator))
    assert list(templates.DEFAULTS) == list(get_args(templates.Form))
    for family in (*templates.DEFAULTS.values(), templates.SHORT_DEFAULTS):
        assert set(family) == set(get_args(Direction))
        assert set(family.values()) <= set(templates.packaged_templates())


def test_every_reason_for_a_rejected_row_has_words() -> None:
    unread = {unread_reason(recipes.RecordStage(reward_order=order)) for order in ((), ("a", "b"))}

    assert set(REASONS) == {*DECODING_REASONS, *SHAPE_REASONS, *unread, *RULES, *TIME_RULES}
    assert len(REASONS) == len(DECODING_REASONS) + len(SHAPE_REASONS) + len(unread) + len(RULES) + len(TIME_RULES)
    assert {OPENING, SHORT_HISTORY} <= set(FILTERED)
    assert not {*FILTERED} & {*REASONS}


def test_every_log_format_and_codec_has_suffixes() -> None:
    assert set(LOG_FORMATS) == set(SUFFIXES) == set(get_args(FormatName))
    assert set(CODEC_SUFFIXES) == set(get_args(Codec))


def test_every_rule_of_the_contract_says_what_holds() -> None:
    for rule in CHECKED.values():
        assert 0 < len(rule.holds) <= 54, "the table of rules has 80 columns"
        assert rule.fix.endswith(".")


def test_every_flag_is_a_setting_and_no_two_are_the_same() -> None:
    settings = [row[1] for row in _options._TABLE]
    flags = [row[3] for row in _options._TABLE]

    assert {".".join(setting.split(".")[:2]) for setting in settings} <= set(recipes.field_names())
    assert len(set(settings)) == len(settings)
    assert len(set(flags)) == len(flags)


def choices(setting: str) -> tuple[str, ...]:
    kinds: dict[str, Any] = {
        "record.direction": Direction,
        "checks.on_error": recipes.OnError,
        "checks.dedup": recipes.Dedup,
        "checks.conflicts": recipes.Conflicts,
        "checks.control_tokens": recipes.ControlTokens,
        "bins.ties": Ties,
        "goals.placement": Placement,
        "goals.formulation": recipes.FormulationName,
        "output.format": Format,
    }
    return get_args(kinds[setting]) if setting in kinds else ()


@pytest.mark.parametrize("row", _options._TABLE, ids=[row[3] for row in _options._TABLE])
def test_a_flag_offers_the_choices_and_says_the_default_of_its_setting(row: tuple[Any, ...]) -> None:
    _, setting, _, _, metavar, help_text, _ = row
    defaults = recipes.settings(recipes.Recipe()) | {
        f"shape.sequences.{name}": field.default for name, field in Sequences.model_fields.items()
    }
    default = defaults[setting]

    if words := choices(setting):
        assert metavar == "|".join(words) or all(word in help_text.split("(")[0] for word in words)
    if default not in (None, [], {}):
        assert f"({default})" in help_text


def test_expand_and_stats_take_the_same_recipe_flags() -> None:
    import typer.main

    group = typer.main.get_command(app)
    inner = {f"{name} {c.name}": c for name in ("schema", "templates") for c in group.commands[name].commands.values()}
    commands = {**{n: c for n, c in group.commands.items() if n not in ("schema", "templates")}, **inner}
    flags = {
        name: {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        for name, command in commands.items()
    }

    assert flags["expand"] - flags["stats"] == {"--out", "--print-recipe", "--resume", "--shard", "--engine"}
    assert flags["stats"] - flags["expand"] == {
        "--against",
        "--sweep-bins",
        "--tokenizer",
        "--explain",
        "--html",
        "--plot",
    }
    assert flags["ingest"] <= flags["expand"]
    assert all("--json" in options for options in flags.values())


def fields(schema: Any) -> Iterator[str]:
    for stage, part in schema["$defs"].items():
        yield from (f"{stage}.{name}" for name in part["properties"] if not part["properties"][name].get("description"))


def test_every_setting_is_described_in_the_schema() -> None:
    assert list(fields(SCHEMAS["recipe.schema.json"])) == []


def test_the_manifest_schema_names_every_field_of_the_dataclass() -> None:
    from gcsl_data.dataset.manifest import Manifest

    schema = SCHEMAS["manifest.schema.json"]

    assert list(schema["properties"]) == [field.name for field in dataclasses.fields(Manifest)] == schema["required"]
    assert schema["additionalProperties"] is False
