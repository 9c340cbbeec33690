"""Several responses in a row, against a plain reference: in lists, in columns, declared; rows inside rows."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError, UsageError

from .support import records, write_jsonl

tried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text("ab ", min_size=0, max_size=3)
variants = st.none() | st.fixed_dictionaries({"say": st.none() | texts, "score": st.none() | st.integers(0, 9)})
rows = st.lists(
    st.fixed_dictionaries({"ask": st.none() | texts, "said": st.none() | st.lists(variants, max_size=3)}), max_size=5
)
BY_VARIANT = {"prompt": "ask", "response": "variant.say", "reward": "variant.score"}
# Every log has one whole row, so that each of its columns has a type.
WHOLE: dict[str, Any] = {"ask": "a", "said": [{"say": "b", "score": 1}]}


def judged(prompt: Any, response: Any, reward: Any) -> str | None:
    """Why a record cannot be used, in the order of the rules."""
    if not (prompt or "").strip():
        return "empty_prompt"
    if not (response or "").strip():
        return "empty_response"
    return "null_reward" if reward is None else None


def record(row: int, part: int, prompt: Any, response: Any, reward: Any) -> tuple[Any, ...]:
    return row, part, judged(prompt, response, reward), prompt, response, reward


def of_lists(log: list[dict[str, Any]], name: str = "said") -> Iterator[tuple[Any, ...]]:
    for number, row in enumerate(log, start=1):
        for part, variant in enumerate(row[name] or [None]):
            variant = variant or {}
            yield record(number, part, row["ask"], variant.get("say"), variant.get("score"))


def written(folder: Path, log: list[dict[str, Any]], form: str) -> Path:
    path = folder / f"log.{form}"
    if form == "jsonl":
        return write_jsonl(path, log)
    if form == "json":
        path.write_text(json.dumps(log, indent=1), encoding="utf-8")
    elif form == "parquet":
        pl.DataFrame(log).write_parquet(path)
    else:
        pl.DataFrame(log).write_ipc(path)
    return path


@tried
@given(rows, st.sampled_from(["jsonl", "json", "parquet", "arrow"]))
def test_each_object_of_a_list_is_a_record(tmp_path: Path, log: list[dict[str, Any]], form: str) -> None:
    log = [WHOLE, *log]
    path = written(tmp_path, log, form)

    assert records(path, shape__variants="said", record__map=BY_VARIANT) == [*of_lists(log)]


@tried
@given(st.lists(st.none() | st.lists(st.none() | texts, max_size=3), max_size=5))
def test_each_text_of_a_list_is_a_response(tmp_path: Path, log: list[list[str | None] | None]) -> None:
    log = [["a"], *log]
    path = write_jsonl(tmp_path / "log.jsonl", [{"prompt": "p", "reward": 1, "said": said} for said in log])

    expected = [
        record(number, part, "p", response, 1)
        for number, said in enumerate(log, start=1)
        for part, response in enumerate(said or [None])
    ]
    assert records(path, shape__variants="said") == expected


@tried
@given(st.lists(st.tuples(variants, variants), max_size=4), st.booleans())
def test_columns_of_objects_may_differ_in_their_fields(
    tmp_path: Path, log: list[tuple[Any, Any]], has_more: bool
) -> None:
    full = [(WHOLE["said"][0], {"say": "c", "score": 2}), *log]
    more = {"why": {"deep": [1]}} if has_more else {}
    path = write_jsonl(
        tmp_path / "log.jsonl",
        [{"prompt": "p", "x y": left, 'z"': right and {**more, **right}} for left, right in full],
    )

    mapped = {"response": "variant.say", "reward": "variant.score", "group": "variant_name"}
    expected = [
        record(number, part, "p", (variant or {}).get("say"), (variant or {}).get("score"))
        for number, row in enumerate(full, start=1)
        for part, variant in enumerate(row)
    ]
    assert records(path, shape__variants=["x y", 'z"'], record__map=mapped) == expected


def test_columns_of_text(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("prompt,a,b,reward\np,x,y,1\nq,,z,2\n")

    assert records(tmp_path / "log.csv", shape__variants="a,b") == [
        (1, 0, None, "p", "x", 1.0),
        (1, 1, None, "p", "y", 1.0),
        (2, 0, "empty_response", "q", None, 2.0),
        (2, 1, None, "q", "z", 2.0),
    ]


def test_labels_and_lists_of_a_fixed_length_are_text_and_lists_too(tmp_path: Path) -> None:
    kind = pl.Array(pl.Categorical, 2)
    frame = pl.DataFrame({"prompt": ["p"], "reward": [1], "said": [["x", "y"]]}, schema_overrides={"said": kind})
    frame.write_ipc(tmp_path / "log.arrow")

    assert records(tmp_path / "log.arrow", shape__variants="said") == [
        (1, 0, None, "p", "x", 1.0),
        (1, 1, None, "p", "y", 1.0),
    ]


@tried
@given(st.lists(st.tuples(st.none() | texts, st.none() | texts, st.integers(0, 3)), min_size=1, max_size=5))
def test_declared_variants_say_what_differs_and_the_map_the_rest(
    tmp_path: Path, log: list[tuple[str | None, str | None, int]]
) -> None:
    log = [("a", "b", 1), *log]
    named = [{"ask": "p", "left": left, "right": right, "reward": reward} for left, right, reward in log]
    path = write_jsonl(tmp_path / "log.jsonl", named)

    declared = {"a": {"response": "left"}, "b": {"response": "right", "reward": "4 - reward"}}
    expected = [
        record(number, part, "p", response, reward)
        for number, (left, right, given) in enumerate(log, start=1)
        for part, (response, reward) in enumerate([(left, given), (right, 4 - given)])
    ]
    assert records(path, shape__variants=declared, record__map={"prompt": "ask"}) == expected


@tried
@given(st.lists(st.tuples(st.booleans(), st.none() | rows), max_size=4))
def test_rows_inside_rows_and_variants_in_them(tmp_path: Path, outer: list[tuple[bool, Any]]) -> None:
    log = [{"ask": "outer", "items": [WHOLE]}, *({"ask": "outer", "items": items} for _, items in outer)]
    # Fields of an item win over those of the row around it, also where they are null.
    log = [{**row, "said": None, "kept": number} for number, row in enumerate(log)]
    path = write_jsonl(tmp_path / "log.jsonl", log)

    mapped = {**BY_VARIANT, "group": "kept"}
    found = records(path, shape__records="items", shape__variants="said", record__map=mapped)

    expected = []
    for number, row in enumerate(log, start=1):
        inner = [*of_lists(row["items"] or [{"ask": None, "said": None}])]
        expected += [(number, part, *rest) for part, (_, _, *rest) in enumerate(inner)]
    assert found == expected


@tried
@given(
    st.lists(st.fixed_dictionaries({"ask": texts, "say": texts, "reward": st.integers(0, 3)}), min_size=1, max_size=4)
)
def test_rows_of_a_document(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"about": {"x": [1]}, "data": {"rows": log}, "other": [{"y": 1}]}, indent=1))

    found = records(path, shape__records="data.rows", record__map={"prompt": "ask", "response": "say"})

    assert found == [record(n, 0, row["ask"], row["say"], row["reward"]) for n, row in enumerate(log, start=1)]


def test_a_line_that_is_not_json_counts_once(tmp_path: Path) -> None:
    whole = json.dumps(WHOLE | {"said": WHOLE["said"] * 3})
    (tmp_path / "log.jsonl").write_text(f"{whole}\n{{broken\n\n{whole}\n")

    for shape in (
        {"shape__variants": "said"},
        {"shape__variants": {"x": {"response": "'x'"}, "y": {"response": "'y'"}}},
    ):
        mapped = BY_VARIANT if shape["shape__variants"] == "said" else {"prompt": "ask", "reward": "1"}
        found = records(tmp_path / "log.jsonl", **shape, record__map=mapped)

        assert Counter(reject for _, _, reject, *_ in found)["bad_json"] == 1
        assert [row for row, *_ in found] == sorted([1, 4] * ((len(found) - 1) // 2) + [2])


def test_a_field_of_several_types_matters_only_where_it_is_needed(tmp_path: Path) -> None:
    said = [{"say": "x", "score": 1, "why": 1}, {"say": "y", "score": 2, "why": [1]}]
    path = write_jsonl(tmp_path / "log.jsonl", [{"ask": "p", "said": said, "task": 1}, {"ask": "q", "task": {}}])

    assert len(records(path, shape__variants="said", record__map=BY_VARIANT)) == 3
    for field, sql in (("reward", "variant.why"), ("group", "task")):
        with pytest.raises(DataError, match="GD1215"):
            records(path, shape__variants="said", record__map={**BY_VARIANT, field: sql})


@pytest.mark.parametrize(
    ("shape", "mapped", "code"),
    [
        ("ask", {}, "GD1242"),
        ("nothing", {}, "GD1201"),
        (["said", "nothing"], {}, "GD1243"),
        (["ask", "said"], {}, "GD1244"),
        (["ask", "number"], {}, "GD1244"),
        ({"x": {"response": "ask"}, "y": {"response": "said"}}, {"prompt": "ask"}, "GD1244"),
        ("said", {"prompt": "ask", "response": "variant"}, "GD1204"),
        ("said", {"prompt": "ask", "response": "variant.nothing"}, "GD1202"),
    ],
)
def test_a_log_of_another_shape_is_refused(tmp_path: Path, shape: Any, mapped: Any, code: str) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [{**WHOLE, "number": 1, "reward": 1}])

    with pytest.raises(DataError, match=code):
        records(path, shape__variants=shape, record__map=mapped)


@pytest.mark.parametrize(
    "shape", [{"x": {"respons": "a"}, "y": {"respons": "b"}}, {"x": {}, "y": {}}, ["a", "a"], ["a"]]
)
def test_a_declaration_that_cannot_be_meant_is_refused(tmp_path: Path, shape: Any) -> None:
    with pytest.raises(UsageError, match="GD0202"):
        records(tmp_path, shape__variants=shape)


def test_the_order_of_rows_and_files_changes_no_record(tmp_path: Path) -> None:
    log = [{"ask": f"t{n}", "said": [{"say": f"{n}.{p}", "score": p} for p in range(n % 3)]} for n in range(12)]
    whole = write_jsonl(tmp_path / "log.jsonl", log)
    other = write_jsonl(tmp_path / "other.jsonl", reversed(log))
    halves = [write_jsonl(tmp_path / f"h{n}.jsonl", log[n::2]) for n in range(2)]
    flags: dict[str, Any] = {"shape__variants": "said", "record__map": BY_VARIANT}

    said = [sorted(map(str, (r[2:] for r in records(*logs, **flags)))) for logs in ([whole], [other], halves)]

    assert said[0] == said[1] == said[2]


def test_an_aspect_may_be_called_like_a_record_field(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "log.jsonl", [{"prompt": "p", "a": "x", "b": "y", "s": 1, "t": 2}])
    flags: dict[str, Any] = {"record__rewards": {"response": "s", "prompt": "t"}}

    assert records(path, shape__variants="a,b", **flags) == [(1, 0, None, "p", "x", 1.0), (1, 1, None, "p", "y", 1.0)]
    declared = {"x": {"response": "a"}, "y": {"response": "b"}}
    assert records(path, shape__variants=declared, **flags) == records(path, shape__variants="a,b", **flags)
