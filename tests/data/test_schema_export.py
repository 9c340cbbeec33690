"""Our schemas as files: whole, the same each time, and never over somebody's own file unasked."""

from pathlib import Path

import pytest

from .support import REPOSITORY, gcsl_data, tree

NAMES = sorted(path.name for path in (REPOSITORY / "schemas").glob("*.schema.json"))


def test_export_writes_the_files_of_the_repository(tmp_path: Path) -> None:
    outcome = gcsl_data("schema", "export", "kept/schemas", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    assert sorted(outcome.out.splitlines()) == [f"kept/schemas/{name}" for name in NAMES]
    assert sorted(path.name for path in (tmp_path / "kept" / "schemas").iterdir()) == NAMES
    for name in NAMES:
        assert (tmp_path / "kept" / "schemas" / name).read_bytes() == (REPOSITORY / "schemas" / name).read_bytes()


def test_export_again_writes_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    first = gcsl_data("schema", "export", "--json", cwd=tmp_path)
    (tmp_path / "schemas" / "pair.schema.json").unlink()
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "schemas").iterdir()}

    again = gcsl_data("schema", "export", "--json", cwd=tmp_path)

    assert (first.json["folder"], sorted(first.json["written"]), first.json["unchanged"]) == ("schemas", NAMES, [])
    assert again.json["written"] == ["pair.schema.json"]
    assert sorted([*again.json["written"], *again.json["unchanged"]]) == NAMES
    assert {name: (tmp_path / "schemas" / name).stat().st_mtime_ns for name in times} == times


def test_a_file_that_holds_something_else_is_replaced_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "recipe.schema.json").write_text("mine\n")

    refused = gcsl_data("schema", "export", "kept", cwd=tmp_path)
    left, text = tree(tmp_path / "kept"), (tmp_path / "kept" / "recipe.schema.json").read_text()
    done = gcsl_data("schema", "export", "kept", "--overwrite", cwd=tmp_path)

    assert (refused.status, len(refused.errors)) == (73, 1)
    assert (left, text) == (["recipe.schema.json"], "mine\n")
    assert "kept/recipe.schema.json holds something else" in refused.errors[0]
    assert done.status == 0
    assert gcsl_data("schema", "diff", "kept/recipe.schema.json", "recipe", cwd=tmp_path).status == 0


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_what_is_no_file_stays(overwrite: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "schemas" / "pair.schema.json").mkdir(parents=True)

    outcome = gcsl_data("schema", "export", *overwrite, cwd=tmp_path)

    assert (outcome.status, len(outcome.errors)) == (73, 1)
    assert list((tmp_path / "schemas").iterdir()) == [tmp_path / "schemas" / "pair.schema.json"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    assert gcsl_data("schema", "export", "taken/schemas", cwd=tmp_path).status == 73
