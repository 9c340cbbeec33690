"""Logs and names that shapes were not made for: one line, an exit status of the contract, nothing left behind."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from .support import examples, gcsl_data, records, tree, write_jsonl

TURNS = "[shape.turns]\nmessages = 'm'\n"
SHAPES = {
    "variants": "[shape]\nvariants = 'v'\n",
    "columns": "[shape]\nvariants = ['a', 'b']\n",
    "records": "[shape]\nrecords = 's'\n",
    "transcripts": "[shape.transcripts]\ncolumns = 'a'\nuser = 'U'\nassistant = 'A'\n",
    "turns": TURNS,
    "messages": "[shape.trees]\nid = 'id'\nparent = 'parent'\n",
    "trees": "[shape.trees]\nroot = 'root'\n",
    "sequences": "[shape.sequences]\nuser = 'u'\nitem = 'i'\ntime = 't'\nrating = 'reward'\n",
}
MESSAGE = pl.Struct({"role": pl.String, "content": pl.String, "text": pl.String})
WHOLE = pl.Schema(
    {"v": pl.List(pl.String), "a": pl.String, "b": pl.String, "s": pl.List(MESSAGE), "m": pl.List(MESSAGE)}
    | {"id": pl.Int64, "parent": pl.Float64, "role": pl.String, "text": pl.String, "root": MESSAGE}
    | {"u": pl.Int64, "i": pl.Int64, "t": pl.Date, "prompt": pl.String, "response": pl.String, "reward": pl.Int64}
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("value", [3, "x", [], [1], ["x"], {"x": 1}, [{"x": 1}], [[1]], None, True])
def test_a_log_that_is_not_of_the_shape(tmp_path: Path, shape: str, value: Any) -> None:
    names = [name for name in WHOLE if name not in ("prompt", "response", "reward")]
    write_jsonl(tmp_path / "log.jsonl", [dict.fromkeys(names, value) | {"prompt": "p", "reward": 1}] * 2)
    (tmp_path / "shape.toml").write_text(SHAPES[shape])
    before = tree(tmp_path)

    done = gcsl_data("expand", "log.jsonl", "--recipe", "shape.toml", cwd=tmp_path)

    assert (done.status, len(done.errors), done.out) == (65, 1, ""), done.err
    assert "GD7001" not in done.err
    assert tree(tmp_path) == before


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_log_without_rows(tmp_path: Path, shape: str, form: str) -> None:
    frame = pl.DataFrame(schema=WHOLE)
    path = tmp_path / f"log.{form}"
    frame.write_parquet(path) if form == "parquet" else frame.write_ipc(path)
    mapped = "[record.map]\nprompt = 'a.prompt'\nresponse = 'a.response'\n" if shape == "transcripts" else ""
    (tmp_path / "shape.toml").write_text(SHAPES[shape] + mapped)

    done = gcsl_data("expand", path, "--recipe", "shape.toml", cwd=tmp_path)

    assert (done.status, len(done.errors)) == (65, 1)
    assert "GD1207" in done.err


@pytest.mark.parametrize("name", ["_gcsl_part", "_gcsl_row", "_gcsl_fault", "_gcsl_variant", "_gcsl_x"])
@pytest.mark.parametrize("flags", [[], ["--variants", "v"], ["--records", "s"]])
def test_names_that_the_plan_uses_are_refused(tmp_path: Path, name: str, flags: list[str]) -> None:
    row = {"prompt": "p", "response": "r", "reward": 1, "v": ["x"]}
    row = {"s": [row | {name: 7}]} if "--records" in flags else row | {name: 7}
    write_jsonl(tmp_path / "log.jsonl", [row] * 2)

    done = gcsl_data("expand", "log.jsonl", *flags, cwd=tmp_path)

    assert (done.status, len(done.errors)) == (65, 1)
    assert "GD1223" in done.err


@pytest.mark.parametrize(
    "name", ["variant", "variant_name", "turn", "history", "title", "user", "item", "select", "a b", 'q"']
)
def test_any_other_name_is_a_column_like_all(tmp_path: Path, name: str) -> None:
    log = [{"prompt": f"p{n}", "list": [f"{n}", f"{n}."], name: n} for n in range(6)]
    write_jsonl(tmp_path / "log.jsonl", log)
    quoted = name.replace('"', '""')
    sql = name if name.isidentifier() else f'"{quoted}"'

    # What the shape itself adds has the name while records are mapped.
    plain = records(tmp_path / "log.jsonl", record__map={"response": "prompt", "reward": sql})
    shaped = records(
        tmp_path / "log.jsonl", shape__variants="list", record__map={"reward": "1" if name == "variant" else sql}
    )

    assert [reward for *_, reward in plain] == [*range(6)]
    assert [response for *_, response, _ in shaped] == [said for row in log for said in row["list"]]
    if name != "variant":
        assert [reward for *_, reward in shaped] == [n for n in range(6) for _ in range(2)]


def test_a_huge_list_is_not_carried_by_each_of_its_items(tmp_path: Path) -> None:
    many = [f"x{n}" for n in range(60_000)]
    write_jsonl(
        tmp_path / "log.jsonl", [{"prompt": "p", "v": many, "reward": 1}, {"prompt": "q", "v": ["y"], "reward": 2}]
    )

    found = records(tmp_path / "log.jsonl", shape__variants="v")

    assert [response for *_, response, _ in found] == [*many, "y"]
    assert [part for _, part, *_ in found] == [*range(60_000), 0]


def test_broken_lines_in_a_conversation_log_are_set_aside_once(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "q"}, *[{"role": "assistant", "content": "a"}] * 3]
    whole = [json.dumps({"m": said, "reward": n}) for n in range(4)]
    (tmp_path / "log.jsonl").write_bytes("\n".join(whole).encode() + b"\n\xff\xfe{\n{broken\n[]\n")
    (tmp_path / "shape.toml").write_text(TURNS)
    flags = ["--recipe", "shape.toml", "--on-error", "quarantine", "--max-reject-rate", "0.5"]

    done = gcsl_data("expand", "log.jsonl", *flags, "-o", "out", "--json", cwd=tmp_path)

    assert done.status == 0, done.err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["accounting"]["rows"] == 4 * 3 + 3
    assert manifest["accounting"]["rejected"] == {"bad_json": 1, "bad_utf8": 1, "not_object": 1}
    assert {row["row"] for row in examples(tmp_path / "out")} <= {1, 2, 3, 4}
    assert gcsl_data("check", "out", cwd=tmp_path).status == 0
