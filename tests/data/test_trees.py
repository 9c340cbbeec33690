"""Replies to replies, as one message a row and as one tree a row, against a plain reference that walks them."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError
from gcsl_data.ingest.shapes.trees import MAX_LEVELS

from .support import examples, expand, records, write_jsonl
from .test_turns import judged

tried = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MESSAGES = {"id": "id", "parent": "parent"}
roles = st.sampled_from(["user", "user", "assistant", "assistant", "system", "other"]) | st.none()
saids = st.sampled_from(["a", "b", " "]) | st.none()


@st.composite
def message_logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages in any order, whose parents are there, missing, or null."""
    count = draw(st.integers(1, 8))
    log = [
        {
            "id": number,
            "parent": draw(st.none() | st.sampled_from([*range(number), 99])),
            "role": draw(roles),
            "text": draw(saids),
            "reward": draw(st.none() | st.integers(0, 3)),
        }
        for number in range(count)
    ]
    whole = {"id": 50, "parent": 0.0, "role": "assistant", "text": "whole", "reward": 1}
    return draw(st.permutations([*log, whole, {**whole, "id": None}]))


def seen(node: dict[str, Any]) -> dict[str, Any]:
    role = node.get("role")
    return {"role": "user" if role == "other" else role, "content": node.get("text")}


def of_messages(log: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    known = {row["id"]: row for row in log if row["id"] is not None}
    for number, row in enumerate(log, start=1):
        if row["role"] not in ("assistant", None):
            continue
        path, up = [], row["parent"]
        while up is not None and up in known:
            path.insert(0, seen(known[up]))
            up = known[up]["parent"]
        if row["role"] is None:
            yield number, 0, "bad_messages" if up is None else "no_parent", None, None, row["reward"]
        else:
            reason = judged(path, row["text"], row["reward"]) if up is None else "no_parent"
            yield number, 0, reason, path, row["text"], row["reward"]


@tried
@given(message_logs(), st.sampled_from(["number", "text", "float"]))
def test_the_prompt_is_the_path_to_the_answer(tmp_path: Path, log: list[dict[str, Any]], ids: str) -> None:
    kind = {"number": int, "text": lambda n: f"m{int(n)}", "float": float}[ids]
    named = [{**row, **{k: None if row[k] is None else kind(row[k]) for k in ("id", "parent")}} for row in log]
    path = write_jsonl(tmp_path / "log.jsonl", named)

    found = records(path, shape__trees=MESSAGES)

    assert found == [*of_messages(log)]


def test_long_chains(tmp_path: Path) -> None:
    log = [
        {"id": n, "parent": n - 1 if n else None, "role": "assistant" if n % 2 else "user", "text": str(n), "reward": n}
        for n in range(120)
    ]
    random.Random(0).shuffle(log)

    found = records(write_jsonl(tmp_path / "log.jsonl", log), shape__trees=MESSAGES)

    assert {len(prompt) for *_, prompt, _, _ in found} == set(range(1, 120, 2))
    assert all([m["content"] for m in prompt] == [*map(str, range(int(said)))] for *_, prompt, said, _ in found)


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ([(1, 2, "user"), (2, 1, "assistant")], "GD1248"),
        ([(1, 1, "assistant")], "GD1248"),
        ([(1, None, "user"), (1, None, "assistant")], "GD1247"),
        ([(1, None, "prompter"), (2, 1, "bot")], "GD1250"),
        ([([1], None, "user"), ([2], None, "assistant")], "GD1249"),
    ],
)
def test_what_is_no_tree_is_refused(tmp_path: Path, log: list[Any], code: str) -> None:
    rows = [{"id": id, "parent": parent, "role": role, "text": "x", "reward": 1} for id, parent, role in log]

    with pytest.raises(DataError, match=code):
        records(write_jsonl(tmp_path / "log.jsonl", rows), shape__trees=MESSAGES)


def test_a_tree_in_a_row_has_not_more_levels_than_a_plan_bears(tmp_path: Path) -> None:
    tree: dict[str, Any] = {"role": "assistant", "text": "last", "reward": 1}
    for _ in range(MAX_LEVELS):
        tree = {"role": "user", "text": "x", "replies": [tree]}

    with pytest.raises(DataError, match="GD1252"):
        records(write_jsonl(tmp_path / "log.jsonl", [{"tree": tree}]), shape__trees={"root": "tree"})


def test_columns_may_be_called_anything(tmp_path: Path) -> None:
    rows = [
        {'the "id"': 1, "parent.id": None, "role": "user", "turn": "q", "reward": None},
        {'the "id"': 2, "parent.id": 1, "role": "assistant", "turn": "a", "reward": 1},
    ]
    shape = {"id": 'the "id"', "parent": "parent.id", "content": "turn"}

    found = records(write_jsonl(tmp_path / "log.jsonl", rows), shape__trees=shape)

    assert found == [(2, 0, None, [{"role": "user", "content": "q"}], "a", 1.0)]


nodes = st.deferred(
    lambda: st.fixed_dictionaries(
        {"role": roles, "text": saids},
        optional={
            "grade": st.integers(0, 3) | st.just(0.5),
            "replies": st.lists(nodes, max_size=3),
            "tag": st.just("t"),
        },
    )
)
WHOLE = {"role": "user", "text": "q", "replies": [{"role": "assistant", "text": "a", "grade": 1}]}


def of_tree(node: Any, path: list[Any], *, is_root: bool) -> Iterator[tuple[Any, ...]]:
    """The records of a tree as a reader goes: an answer, the replies to it, its next sibling."""
    if node is None or node["role"] is None:
        yield "bad_messages", None, None, None
    elif node["role"] == "assistant":
        grade = node.get("grade")
        yield judged(path, node["text"], grade), path, node["text"], grade
    for reply in (node or {}).get("replies") or ():
        yield from of_tree(reply, [*path, seen(node)], is_root=False)


@tried
@given(st.lists(st.none() | nodes, max_size=4))
def test_a_tree_in_a_row(tmp_path: Path, log: list[Any]) -> None:
    log = [WHOLE, *log]
    path = write_jsonl(tmp_path / "log.jsonl", [{"tree": tree} for tree in log])

    found = records(path, shape__trees={"root": "tree"}, record__map={"reward": "turn.grade"})

    expected = [
        (number, part, *said)
        for number, tree in enumerate(log, start=1)
        for part, said in enumerate(of_tree(tree, [], is_root=True))
    ]
    assert found == expected


def test_levels_whose_fields_differ(tmp_path: Path) -> None:
    deep = {"role": "assistant", "text": "b", "rank": 1.5, "emoji": {"-1": 2}, "odd": {"x": 1}}
    asked = {"role": "user", "text": "r", "emoji": {"+1": 1}, "odd": [1], "replies": [deep]}
    first = {
        "role": "assistant",
        "text": "a",
        "rank": 1,
        "emoji": {"+1": 1, "o": {"n": 1}},
        "odd": 1,
        "replies": [asked],
    }
    path = write_jsonl(tmp_path / "log.jsonl", [{"tree": {"role": "user", "text": "q", "replies": [first]}}])

    found = records(
        path, shape__trees={"root": "tree"}, record__map={"reward": 'turn.rank + COALESCE(turn.emoji."-1", 0)'}
    )

    assert [(said, reward) for *_, said, reward in found] == [("a", 1.0), ("b", 3.5)]


def test_ranks_among_siblings_become_comparable_rewards(tmp_path: Path) -> None:
    log = [
        {"root": {"role": "user", "text": f"q{n}", "replies": [
            {"role": "assistant", "text": f"{n}.{rank}", "rank": rank} for rank in range(n % 3 + 2)
        ]}}
        for n in range(9)
    ]  # fmt: skip
    path = write_jsonl(tmp_path / "log.jsonl", log)

    expand(
        tmp_path / "out", path, shape__trees={"root": "root"}, record__map={"reward": "turn.rank"},
        record__direction="lower", rewards__normalize="rank", rewards__normalize_by="group", goals__filter="none",
    )  # fmt: skip

    rows = examples(tmp_path / "out")
    best = {
        row["group"]: max((r for r in rows if r["group"] == row["group"]), key=lambda r: r["reward"]) for row in rows
    }
    assert len(best) == 9
    assert all(row["completion"][0]["content"].endswith(".0") for row in best.values())


def test_a_message_may_be_a_row_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "id,parent,role,text,reward\n1,,user,q,\n2,1,assistant,a,3\n3,2,user,r,\n4,3,assistant,b,4\n"
    )
    pl.read_csv(tmp_path / "log.csv").with_columns(pl.col("parent").cast(pl.Float64)).write_parquet(
        tmp_path / "log.parquet"
    )

    said = [records(tmp_path / name, shape__trees=MESSAGES) for name in ("log.csv", "log.parquet")]

    assert said[0] == said[1]
    assert [(len(prompt), response, reward) for *_, prompt, response, reward in said[0]] == [
        (1, "a", 3.0),
        (3, "b", 4.0),
    ]
