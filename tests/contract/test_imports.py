"""Imports point one way, and light modules stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# From the ground up. A module imports only from lines above its own; modules on one line do not know each other.
LAYERS = """
errors normalisation time_cuts resources behind
fit schema_shape
dataset.renames
dataset.decode dataset.goal dataset.files dataset.store dataset
dataset.manifest
dataset.upload
columns control_tokens hashing lookup schema_diff
stages.builders stages.builders.settings ingest.shapes ingest.shapes.settings
presets
recipe ingest.fault ingest.recognise ingest.conversations
ingest.examine ingest.mixed ingest.sql ingest.refused
ingest.suspicious
ingest.formats.*
ingest.formats
ingest.plain
ingest.remote
ingest.inputs
ingest.offers stages.times
ingest.expressions
ingest.shapes.shaped ingest.shapes.chats ingest.shapes.types
ingest.shapes.turns ingest.shapes.variants ingest.shapes.transcripts
ingest.shapes.records ingest.shapes.sequences ingest.shapes.trees
ingest.shapes.registry
fragments ingest.explain ingest.fields ingest.rejects stages.rewards stages.splits stages.template_syntax
stages.bins stages.ranks
ingest.mapping ingest stages.checks stages.normalise stages.snap stages.thresholds frozen
stages.normalise_groups stages.fitting stages.templates stages.goal_filter stages.builders.built stages.builders.smoothing
stages.builders.advantage stages.builders.pairs stages.builders.unpaired stages.builders.negatives stages.builders.best
stages.builders.steerlm
stages.builders.groups stages.builders.weights
stages.builders.registry
stages.aspects stages.formulations
stages.labels stages.leaks stages.wording stages.facts
stages.hygiene stages.render stages reading dataset.shards
stages.builders.rows
plan inference
writing dataset.finished
engines
engines.local census
extremes
engines.ray_worker
engines.ray
engines.registry
settle tally
measure dataset.card dataset.find schemas
dataset.verified
build records log_schema
parts
merge
dataset.export
audit.phrases audit.built_rows audit.split_rows audit.subject audit.sweep audit.finding audit.gates audit.row_schema
audit.schema_pattern
audit.contract_rows audit.schema_terms
audit.contract_manifest audit.schema_rows
audit.contract audit.log_rows audit.gating audit.stat_numbers
audit.sections.rewards audit.sections.bins audit.sections.goals audit.sections.text audit.sections.drift
audit.sections.groups audit.sections.splits audit.sections.sources audit.sections.contradictions audit.sections
audit.summary
audit.comparable audit.tokens audit.advice audit.shown
audit.stats audit.meanings
audit.report.html audit.report.style audit.report
audit.report.figures audit.report.look audit.report.svg
audit.report.tables audit.report.charts audit.report.part
audit.report.of_* audit.report.plot
audit.report.page
audit.report.output audit.describe audit.expansion
audit.check_folder audit.check_logs
audit.* audit
testing
cli._options cli._run cli._show cli._draw
cli._show_explained cli._show_sections cli._show_diff cli._show_trace cli._show_check cli._upload
cli._show_stats
cli.*
cli
__main__
"""


def modules(package: str) -> dict[str, Path]:
    root = REPOSITORY / package
    found = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imported(path: Path, package: str, *, known: set[str]) -> set[str]:
    """Modules of a package that a file imports, at the top or inside functions, `""` for the package itself."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module and (node.module + ".").startswith(package + "."):
                base = node.module[len(package) + 1 :]
                inner = {f"{base}.{alias.name}".strip(".") for alias in node.names}
                names |= {name if name in known else base for name in inner}
        elif isinstance(node, ast.Import):
            names |= {a.name[len(package) + 1 :] for a in node.names if (a.name + ".").startswith(package + ".")}
    return names


def layer_of(module: str) -> int:
    layers = [line.split() for line in LAYERS.strip().splitlines()]
    for patterns in (True, False):
        for height, names in enumerate(layers):
            for name in names:
                if name == module if patterns else name.endswith("*") and module.startswith(name[:-1]):
                    return height
    raise AssertionError(f"gcsl_data.{module} stands in no layer of {__file__}; say where it belongs")


def test_imports_of_the_data_half_point_one_way() -> None:
    found = modules("gcsl_data")
    known = set(found)
    for module, path in found.items():
        if not module:
            continue
        for other in imported(path, "gcsl_data", known=known) - {"", module}:
            upward = f"gcsl_data.{module} imports gcsl_data.{other}, which does not stand below it"
            assert layer_of(other) < layer_of(module), upward


def test_the_package_itself_imports_none_of_its_modules() -> None:
    found = modules("gcsl_data")

    assert imported(found[""], "gcsl_data", known=set(found)) == set()


def test_no_module_imports_the_command_line() -> None:
    found = modules("gcsl_data")

    for module, path in found.items():
        if not module.startswith("cli") and module != "__main__":
            assert not any(name.startswith("cli") for name in imported(path, "gcsl_data", known=set(found)))


def test_the_trainer_knows_only_the_contract() -> None:
    known = set(modules("gcsl_data"))

    used = set().union(*(imported(path, "gcsl_data", known=known) for path in modules("gcsl_train").values()))

    assert used <= {"", "errors", "fit", "dataset.manifest", "dataset.goal", "dataset.decode"}


def test_the_data_half_does_not_know_the_trainer() -> None:
    for path in modules("gcsl_data").values():
        assert imported(path, "gcsl_train", known=set()) == set()


BORDERS = {
    "gcsl_data": {"polars", "torch", "typer", "pydantic", "jinja2", "pyarrow", "rich"},
    "gcsl_data.dataset.manifest": {"polars", "torch", "typer", "pydantic", "jinja2", "pyarrow", "rich"},
    "gcsl_data.dataset.goal": {"polars", "torch", "typer", "pydantic", "jinja2", "pyarrow", "rich"},
    "gcsl_data.testing": {"polars", "torch", "typer", "pydantic", "jinja2", "pyarrow", "rich", "jsonschema", "pytest"},
    "gcsl_data.build": {"torch", "typer", "transformers", "datasets"},
    "gcsl_data.audit.contract": {"torch", "typer"},
    "gcsl_data.cli": {"polars", "torch", "pyarrow", "jinja2"},
    "gcsl_train": {"polars", "typer", "torch", "pydantic"},
}


@pytest.mark.parametrize("module", BORDERS)
def test_a_fresh_interpreter_loads_no_more_than_it_must(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({sorted(BORDERS[module])!r})))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout.split() == []


@pytest.mark.parametrize("name", sorted(name for name in modules("gcsl_train") if name and name != "__main__"))
def test_no_module_of_the_trainer_imports_polars_or_typer(name: str) -> None:
    tree = ast.parse(modules("gcsl_train")[name].read_text(encoding="utf-8"))
    names = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert not names & {"polars", "typer"}
