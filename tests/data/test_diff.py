"""A diff shows everything that differs, and calls two datasets equal only when they are."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.audit.diff import Difference, diff
from gcsl_data.dataset.decode import decode, encode, pretty
from gcsl_data.dataset.manifest import Goal, Manifest, load

from .support import Outcome, expand, gcsl_data, make_rows, write_jsonl

Values = dict[str, tuple[Any, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a` and `same` are of one log and recipe; `b` is of a longer one in fewer bins, with two splits and one more column."""
    folder = tmp_path_factory.mktemp("diff")
    rows = [{**row, "note": "n"} for row in make_rows((i * 37 % 101) / 100 for i in range(300))]
    (folder / "more").mkdir()
    log, longer = (
        write_jsonl(folder / "log.jsonl", rows),
        write_jsonl(folder / "more" / "log.jsonl", [*rows, *rows[:9]]),
    )
    expand(folder / "a", log)
    expand(folder / "same", log)
    expand(folder / "b", longer, bins__count=3, splits__shares="0.7,0.3", record__keep="note", goals__metric="x" * 70)
    return folder


@pytest.fixture(scope="module")
def a(folder: Path) -> Manifest:
    return load(folder / "a")


def section(found: tuple[Difference, ...], name: str) -> Values:
    return {item.name: (item.before, item.after) for item in found if item.section == name}


def run_diff(folder: Path, *arguments: str | Path) -> Outcome:
    return gcsl_data("diff", *arguments, cwd=folder)


def test_the_same_log_and_recipe_give_no_difference(folder: Path, a: Manifest) -> None:
    outcome = run_diff(folder, "a", "same")

    assert diff(a, load(folder / "same")) == ()
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == f"a and same: the same content, dataset_id {a.dataset_id}\n"


def test_every_section_has_what_differs(folder: Path, a: Manifest) -> None:
    b = load(folder / "b")
    found = diff(a, b)

    assert section(found, "inputs") == {
        "log.jsonl bytes": (a.inputs[0].bytes, b.inputs[0].bytes),
        "log.jsonl sha256": (a.inputs[0].sha256, b.inputs[0].sha256),
        "log.jsonl rows": (300, 309),
    }
    assert section(found, "recipe") == {
        "bins.count": (5, 3),
        "splits.shares": ([], [0.7, 0.3]),
        "record.keep": ([], ["note"]),
        "goals.metric": (a.recipe["goals"].get("metric"), "x" * 70),
    }
    fit = section(found, "fit")
    assert fit["bins"] == fit["bins_asked"] == (5, 3)
    assert fit["mean"] == (a.fit.mean, b.fit.mean)
    for old, new in zip(a.fit.thresholds, b.fit.thresholds, strict=False):
        for name in ("edge", "printed", "mean_reward"):
            values = (getattr(old, name), getattr(new, name))
            assert fit.get(f"threshold {old.index} {name}") == (values if values[0] != values[1] else None)
    assert fit["threshold 5"][0]["edge"] == a.fit.thresholds[4].edge
    assert fit["threshold 5"][1] is None
    goals = section(found, "goals")
    assert goals["goal 3 text"] == (a.goal(3).text, b.goal(3).text)
    assert goals["goal 5"] == ({"use": "kept", "text": a.goal(5).text}, None)
    counts = section(found, "counts")
    assert counts["rows"] == (300, 309)
    assert counts["split train examples"] == (a.splits[0].examples, b.splits[0].examples)
    assert counts["split validation"] == (None, {"records": b.splits[1].records, "examples": b.splits[1].examples})
    assert counts["goal 3 examples"] == (a.goal(3).examples, b.goal(3).examples)
    assert section(found, "columns") == {"note": (None, "string, nullable")}
    assert section(found, "tools") == {}


def test_inputs_that_came_and_went_are_named(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        write_jsonl(tmp_path / f"{name}.jsonl", make_rows(i / 40 for i in range(40)))
    old = expand(tmp_path / "old", tmp_path / "one.jsonl", tmp_path / "two.jsonl")
    new = expand(tmp_path / "new", tmp_path / "two.jsonl", tmp_path / "three.jsonl")

    found = section(diff(old, new), "inputs")

    assert found.keys() == {"one.jsonl", "three.jsonl"}
    assert found["one.jsonl"][0]["rows"] == found["three.jsonl"][1]["rows"] == 40
    assert found["one.jsonl"][1] is found["three.jsonl"][0] is None


def test_a_kept_goal_that_is_dropped_is_a_difference_of_use(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", make_rows(i / 40 for i in range(40)))
    all_goals = expand(tmp_path / "all", log, goals__filter="none")
    above = expand(tmp_path / "above", log)

    found = section(diff(all_goals, above), "goals")

    assert found == {f"goal {k} use": ("kept", "not above the mean") for k in (1, 2, 3)}


def test_other_tools_alone_leave_the_content_the_same(folder: Path, a: Manifest, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(folder / "a", tmp_path / name)
    document = json.loads((tmp_path / "b" / "manifest.json").read_text())
    document["tools"]["polars"] = "99.0"
    (tmp_path / "b" / "manifest.json").write_bytes(pretty(document))

    outcome = run_diff(tmp_path, "a", "b")

    assert outcome.status == 0
    assert outcome.out.splitlines()[:2] == ["tools", f"  {'polars':<28} {a.tools['polars']} -> 99.0"]


# Nothing is missed: a change of any value, at any place, is seen


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for key, inner in enumerate(value) for leaf in _leaves(inner, (*path, key))]
    return [path]


def _other(value: Any) -> Any:
    """Another value of the same type, or one that may stand in its place."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    return {} if value == [] else ["x"] if value == {} else value


CLOSED = {"kind", "format", "placement", "direction", "comparator", "ties"}  # words of a closed list


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_change_anywhere_is_a_difference(folder: Path, data: st.DataObject) -> None:
    document = encode(load(folder / "b"))
    place = data.draw(st.sampled_from([leaf for leaf in _leaves(document) if not CLOSED & set(leaf[:1] + leaf[-1:])]))
    target = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = _other(target[place[-1]])
    try:
        changed = decode(Manifest, document).identified()
    except ValueError:  # not a manifest any more, so there is nothing to compare
        return
    original = load(folder / "b")

    found, back = diff(original, changed), diff(changed, original)

    content = [item for item in found if item.section != "tools"]
    assert bool(content) == (original.dataset_id != changed.dataset_id)
    assert bool(found) == (encode(original) != encode(changed))
    key = dataclasses.astuple
    assert sorted(map(repr, map(key, found))) == sorted(repr((i.section, i.name, i.after, i.before)) for i in back)


def test_a_manifest_that_contradicts_itself_is_still_different(a: Manifest) -> None:
    """The hash of a goal's text is not shown, since the text is; alone it can only differ in a forged manifest."""
    goals = (dataclasses.replace(a.goals[0], sha256="0" * 64), *a.goals[1:])
    forged = dataclasses.replace(a, goals=goals).identified()

    assert diff(a, forged) == (Difference("dataset", "dataset_id", a.dataset_id, forged.dataset_id),)


def test_a_number_of_another_type_is_a_difference(a: Manifest) -> None:
    other = dataclasses.replace(a, recipe={**a.recipe, "bins": {**a.recipe["bins"], "count": 5.0}}).identified()

    assert diff(a, other) == (Difference("recipe", "bins.count", 5, 5.0),)


def test_datasets_without_thresholds_can_be_compared(a: Manifest) -> None:
    """Formulations without numbers have no thresholds, and goals whose threshold is null."""
    goal: Goal = dataclasses.replace(a.goals[-1], threshold=None)  # pyright: ignore[reportArgumentType]
    bare = dataclasses.replace(a, fit=dataclasses.replace(a.fit, thresholds=()), goals=(goal,)).identified()

    fit = section(diff(bare, a), "fit")

    assert fit.keys() == {"bins", *(f"threshold {k}" for k in range(1, 6))}
    assert diff(bare, bare) == ()


# The command


def test_a_difference_is_exit_1_in_80_columns(folder: Path) -> None:
    outcome = run_diff(folder, "a", "b")
    lines = outcome.out.splitlines()

    assert (outcome.status, outcome.err) == (1, "")
    assert max(map(len, lines)) <= 80
    assert f"  {'bins.count':<28} 5 -> 3" in lines
    assert lines[-1] == f"a and b: {len(diff(load(folder / 'a'), load(folder / 'b')))} differences"
    at = lines.index("  goal 3 text")
    assert lines[at + 1] == f"    - {load(folder / 'a').goal(3).text}"
    assert lines[at + 2].startswith("    + Generate a response with a")


def test_json_shows_everything(folder: Path, a: Manifest) -> None:
    b = load(folder / "b")

    outcome = run_diff(folder, "a", "b", "--json")

    assert outcome.status == 1
    assert outcome.json == {
        "ok": False,
        "exit_code": 1,
        "before": {"path": "a", "dataset_id": a.dataset_id},
        "after": {"path": "b", "dataset_id": b.dataset_id},
        "differences": json.loads(json.dumps(encode(diff(a, b)))),
    }


def test_texts_that_look_alike_are_told_apart(folder: Path, tmp_path: Path) -> None:
    log = folder / "log.jsonl"
    for name, text in (("one", "Reach {{ threshold }}. Now"), ("two", "Reach {{ threshold }}.\nNow")):
        (tmp_path / f"{name}.j2").write_text(text)
        expand(tmp_path / name, log, goals__template=str(tmp_path / f"{name}.j2"))

    lines = run_diff(tmp_path, "one", "two").out.splitlines()

    assert f"  {'goal 5 text':<28} " + r'"Reach 0.80. Now" -> "Reach 0.80.\nNow"' in lines


def test_hostile_names_stay_harmless(tmp_path: Path) -> None:
    hostile = "\x1b[31mred\x1b[0m [/red]\u202e\x07" * 9
    for name in ("one", "two"):
        rows = [{**row, f"a{hostile}{name}": hostile} for row in make_rows(map(float, range(9)))]
        log = write_jsonl(tmp_path / f"{name}{hostile[:40].replace('/', '-')}.jsonl", rows)
        expand(tmp_path / name, log, record__keep=f"a{hostile}{name}")

    outcome = run_diff(tmp_path, "one", "two")

    assert outcome.status == 1
    assert not {"\x1b", "\x07", "\u202e"} & set(outcome.out)


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace('"bins_asked": 5', '"bins_asked": 6'))


BROKEN = {
    "no folder": (66, shutil.rmtree, "is not a folder"),
    "no manifest": (65, lambda dataset: (dataset / "manifest.json").unlink(), "has no manifest.json"),
    "no JSON": (65, lambda dataset: (dataset / "manifest.json").write_text("{"), "is not valid JSON"),
    "an edited manifest": (65, lambda dataset: _edit(dataset / "manifest.json"), "was edited after it was written"),
}


@pytest.mark.parametrize(("status", "damage", "message"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_dataset_is_never_exit_1(
    folder: Path, tmp_path: Path, status: int, damage: Any, message: str
) -> None:
    for name in ("a", "b"):
        shutil.copytree(folder / "a", tmp_path / name)
    damage(tmp_path / "b")

    for arguments in (("a", "b"), ("b", "a"), ("b", "b")):
        outcome = run_diff(tmp_path, *arguments)
        assert (outcome.status, outcome.out) == (status, "")
        assert len(outcome.errors) == 1
        assert message in outcome.errors[0]
