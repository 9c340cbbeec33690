"""Settings in layers: flags over the environment over a recipe over a preset over the defaults."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import RecipeError, UsageError
from gcsl_data.presets import presets
from gcsl_data.recipe import resolve

from .support import document, gcsl_data, write_jsonl

PRESETS = {preset.name: preset for preset in presets()}
tried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LAYERS = ("preset", "file", "environment", "flag")


def toml(count: int | None, prompt: str | None) -> str:
    bins = f"[bins]\ncount = {count}\n" if count else ""
    return bins + (f"[record.map]\nprompt = '{prompt}'\n" if prompt else "")


@pytest.mark.parametrize("given_layers", [s for n in range(5) for s in itertools.combinations(LAYERS, n)])
def test_the_upper_layer_counts(tmp_path: Path, given_layers: tuple[str, ...]) -> None:
    count = {layer: number for number, layer in enumerate(LAYERS, start=2)}
    files = {}
    for layer in ("preset", "file"):
        if layer in given_layers:
            files[layer] = str(tmp_path / f"{layer}.toml")
            Path(files[layer]).write_text(toml(count[layer], None))

    recipe, origins = resolve(
        flags={"bins.count": str(count["flag"]) if "flag" in given_layers else None},
        environment={"GCSL_BINS_COUNT": str(count["environment"])} if "environment" in given_layers else {},
        **files,
    )

    upper = given_layers[-1] if given_layers else "default"
    assert (recipe.bins.count, origins["bins.count"]) == (count.get(upper, 5), upper)


def test_a_mapped_field_replaces_that_field_alone(tmp_path: Path) -> None:
    (tmp_path / "preset.toml").write_text('[record.map]\nprompt = "a"\nresponse = "b"\nreward = "c"\n')
    (tmp_path / "recipe.toml").write_text('[record.map]\nresponse = "d"\n')
    files = {"preset": str(tmp_path / "preset.toml"), "file": str(tmp_path / "recipe.toml")}

    recipe, _ = resolve(flags={"record.map": {"prompt": "e"}}, environment={}, **files)

    assert recipe.record.map == {"prompt": "e", "response": "d", "reward": "c"}


def test_one_reward_and_several_replace_each_other(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('[record.map]\nprompt = "a"\nreward = "c"\n')
    (tmp_path / "two.toml").write_text('[record.rewards]\nx = "c"\ny = "d"\n')
    one, two = (str(tmp_path / name) for name in ("one.toml", "two.toml"))

    several, _ = resolve(flags={"record.rewards": {"z": "e"}}, preset=one, environment={})
    single, _ = resolve(flags={"record.map": {"reward": "e"}}, preset=two, environment={})
    over, _ = resolve(flags={}, preset=one, file=two, environment={})

    assert (several.record.map, several.record.rewards) == ({"prompt": "a"}, {"z": "e"})
    assert (single.record.map, single.record.rewards) == ({"reward": "e"}, {})
    assert (over.record.map, over.record.rewards) == ({"prompt": "a"}, {"x": "c", "y": "d"})


def test_what_is_inside_a_shape_may_be_set_alone() -> None:
    below, _ = resolve(flags={}, preset="movielens", environment={})

    recipe, origins = resolve(
        flags={"shape.sequences.history": "3", "shape.sequences.items": "x.csv"}, preset="movielens", environment={}
    )
    variant, _ = resolve(flags={"shape.variants.output_1.response": "best"}, preset="alpaca-eval", environment={})

    assert recipe.shape.sequences == below.shape.sequences.model_copy(update={"history": 3, "items": "x.csv"})
    assert origins["shape.sequences"] == "flag"
    assert variant.shape.variants["output_1"]["response"] == "best"
    assert variant.shape.variants["output_1"]["reward"].startswith("CASE")
    assert variant.shape.variants["output_2"]["response"] == "output_2"


values = {
    "record.map": st.dictionaries(
        st.sampled_from(["prompt", "response", "group", "time"]),
        st.text("ab'\"\\\n#é=", min_size=1, max_size=6).filter(lambda sql: sql != "reward"),
        max_size=3,
    ),
    "record.keep": st.lists(st.text("xyz .'\"\n", min_size=1, max_size=3), unique=True, max_size=2),
    "record.reward_order": st.just([]) | st.lists(st.text("ab ,'", min_size=1), min_size=2, max_size=3, unique=True),
    "shape.variants": st.none() | st.lists(st.text("ab'.\"", min_size=1), min_size=2, max_size=3, unique=True),
    "shape.transcripts": st.none()
    | st.fixed_dictionaries(
        {"columns": st.just(["c"]), "user": st.text("\n:U\t", min_size=1), "assistant": st.just("A")}
    ),
    "goals.scale": st.none() | st.just([0.0, 1e-7]),
    "splits.shares": st.just([]) | st.just([0.5, 0.5]),
}


@tried
@given(st.none() | st.sampled_from(sorted(PRESETS)), st.fixed_dictionaries({}, optional=values), st.data())
def test_a_printed_recipe_is_the_recipe(tmp_path: Path, preset: str | None, own: Any, data: st.DataObject) -> None:
    if preset and any(PRESETS[preset].text.find(f"[shape.{name}") >= 0 for name in ("sequences", "turns", "variants")):
        own.pop("shape.variants", None)
    stages: dict[str, dict[str, Any]] = {}
    for name, value in own.items():
        if value is not None:
            stages.setdefault(name.split(".")[0], {})[name.split(".")[1]] = value
    # JSON's texts, lists and numbers are TOML's too.
    lines = [
        f"[{stage}]\n" + "".join(f"{key} = {inline(value)}\n" for key, value in part.items())
        for stage, part in stages.items()
    ]
    (tmp_path / "own.toml").write_text("".join(lines), encoding="utf-8")
    layers = [*(["--preset", preset] if preset else []), "--recipe", "own.toml"]

    printed = gcsl_data("expand", "any.jsonl", *layers, "--print-recipe", cwd=tmp_path)

    assert printed.status == 0, printed.err
    (tmp_path / "printed.toml").write_text(printed.out, encoding="utf-8")
    whole, _ = resolve(flags={}, preset=preset, file=str(tmp_path / "own.toml"), environment={})
    again, _ = resolve(flags={}, file=str(tmp_path / "printed.toml"), environment={})
    assert again == whole


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_copied_preset_is_the_preset(tmp_path: Path, name: str) -> None:
    (tmp_path / "my.toml").write_text(gcsl_data("schema", "logs", name, cwd=tmp_path).out)

    packaged, _ = resolve(flags={}, preset=name, environment={})

    assert resolve(flags={}, preset=str(tmp_path / "my.toml"), environment={})[0] == packaged
    assert resolve(flags={}, file=str(tmp_path / "my.toml"), environment={})[0] == packaged


def test_a_copied_preset_gives_the_same_dataset(tmp_path: Path) -> None:
    log = [
        {"instruction": f"t{n}", "models": [], "completions": [
            {"response": f"{n}.{p}", "overall_score": (n * 3 + p) % 10 + 1} for p in range(3)
        ]}
        for n in range(20)
    ]  # fmt: skip
    write_jsonl(tmp_path / "log.jsonl", log)
    (tmp_path / "my.toml").write_text(gcsl_data("schema", "logs", "ultrafeedback", cwd=tmp_path).out)

    ways = (["--preset", "ultrafeedback"], ["--preset", "my.toml"], ["--recipe", "my.toml"])
    for number, way in enumerate(ways):
        assert gcsl_data("expand", "log.jsonl", *way, "-o", f"out{number}", cwd=tmp_path).status == 0
    again = gcsl_data("expand", "log.jsonl", "--recipe", "out0/_gcsl/recipe.toml", "-o", "out3", cwd=tmp_path)

    assert again.status == 0, again.err
    assert len({document(tmp_path / f"out{number}")["dataset_id"] for number in range(4)}) == 1


WRONG = {
    "[shape]\nvariants = 3": "shape.variants",
    "[shape.variants]\na = 1": "shape.variants",
    "[shape.variants.a]\nrespons = 'x'\n[shape.variants.b]\nresponse = 'y'": "did you mean 'response'",
    "[shape.turns]": "shape.turns.messages: it must be said",
    "[shape.turns]\nmessages = 'x'\nwhich = 'some'": "'all' or 'last'",
    "[shape.turns]\nmessages = 'x'\nanswers = ''": "at least one",
    "[shape.turns]\nmessages = 'x'\nanswer = 'y'": "no such setting",
    "[shape.trees]\nid = 'x'": "id and parent",
    "[shape.trees]\nroot = 'x'\nid = 'y'\nparent = 'z'": "id and parent",
    "[shape.transcripts]\ncolumns = []\nuser = 'x'\nassistant = 'y'": "at least one",
    "[shape.transcripts]\ncolumns = 'c'\nuser = 'x'\nassistant = 'x'": "told apart",
    "[shape.sequences]\nuser = []\nitem = 'i'\ntime = 't'": "a SQL expression is needed",
    "[shape.sequences]\nuser = 'u'\nitem = 'i'\ntime = 't'\nhistory = 0": "shape.sequences.history",
    "[record]\nmap = { reward = [] }": "a SQL expression is needed",
    "[record]\nmap = 3": "a table",
    "shape = 3": "[shape]",
    "[shapes]": "did you mean 'shape'",
    "[bins]\nthresholds = [true]": "'True' is none",
    "[bins]\nthresholds = [[1]]": "'[1]' is none",
    "[bins]\nthresholds = 1979-05-27": "bins.thresholds: plain numbers",
    "[goals]\ncut = [1]": "goals.cut: a share such as 25%",
    "[goals]\ncut = true": "goals.cut: a share such as 25%",
    "x = " + "[" * 5000 + "]" * 5000: "nested more deeply than any recipe",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_recipe_says_where_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.toml").write_text(text)

    for flag in ("--recipe", "--preset"):
        done = gcsl_data("expand", "any.jsonl", flag, "wrong.toml", cwd=tmp_path)

        assert (done.status, len(done.errors), done.out) == (78, 1, ""), done.err
        assert WRONG[text] in done.err
        assert "pydantic" not in done.err


@pytest.mark.parametrize(
    "flags",
    [
        {"shape.variants": "a", "shape.turns.messages": "b"},
        {"shape.sequences.items": "x"},
        {"shape.turn.messages": "x"},
        {"shape.records.x": "y"},
        {"record.map.prompt": "x"},
        {"shape.turns": "x"},
        {"shape.turns" + ".a" * 5000: "x"},
    ],
)
def test_wrong_flags_are_refused(flags: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"GD020[12]"):
        resolve(flags=flags, environment={})


def test_a_preset_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in ("movielen", ".", "no/such.toml"):
        with pytest.raises(RecipeError, match="GD7806"):
            resolve(flags={}, preset=name, environment={})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="GD7802"):
        resolve(flags={}, preset=str(tmp_path / "bytes.toml"), environment={})


def test_an_empty_name_is_no_name(tmp_path: Path) -> None:
    for flag, code in (("--preset", "GD7806"), ("--recipe", "GD7801"), ("--template", "GD7822")):
        write_jsonl(tmp_path / "log.jsonl", [{"prompt": "a", "response": "b", "reward": n} for n in range(4)])

        outcome = gcsl_data("expand", "log.jsonl", flag, "", "--json", cwd=tmp_path)

        assert (outcome.status, outcome.json["code"]) == (78, code), flag
