"""Random logs and command lines, made by hypothesis, and what must hold whatever comes of them."""

import bz2
import gzip
import itertools
import json
import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from hypothesis import strategies as st

from gcsl_data.dataset.manifest import load
from gcsl_data.stages.checks import REASONS

from .support import gcsl_data, tree

texts = st.text(max_size=8) | st.sampled_from(
    ["", " ", "a\x00b", "\ufeff", "\ud800", "[/red]", '"', "a,b", "\r\n", "\x1b[0m"]
)
numbers = (
    st.sampled_from([0, 1, -1, 0.5, 1e300, -0.0, 10**30, 10**60, math.nan, math.inf, True, False, None]) | st.floats()
)
turns = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "x", None]), "content": texts | st.none()}
    ),
    max_size=3,
)
anything = st.recursive(
    texts | numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
rewards = numbers | texts | st.lists(numbers, max_size=2) | st.sampled_from(["1", "2.5", "good", "bad"])
sound_rows = st.fixed_dictionaries(
    {"prompt": st.just("p"), "response": st.just("r"), "reward": st.sampled_from([0, 1, 2, 3, 4])}
)
FIVE = [{"prompt": f"p{i}", "response": "r", "reward": i} for i in range(5)]
odd_rows = st.fixed_dictionaries(
    {"prompt": texts | turns | st.none(), "response": texts | st.none() | anything, "reward": rewards},
    optional={
        "extra": anything,
        "late": texts,
        "messages": turns,
        "_gcsl_row": st.integers(),
        "reward_a": numbers,
        "time": st.sampled_from(["2026-03-01", "2026-03-01T08:00:00+02:00", "soon", 7, None]),
    },
)
# Mostly sound rows, so that whole runs are made and not only first errors.
rows = st.integers(0, 9).flatmap(
    lambda kind: (
        st.lists(odd_rows, max_size=6)
        if kind == 0
        else st.lists(sound_rows, min_size=5, max_size=20).flatmap(
            lambda sound: st.lists(odd_rows | sound_rows, max_size=2 if kind < 8 else 6).map(
                lambda odd: [*sound, *FIVE, *odd]
            )
        )
    )
)


def json_lines(content: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in content).encode()


def _csv(content: list[dict[str, Any]], separator: str = ",") -> bytes:
    import csv
    import io

    file = io.StringIO()
    writer = csv.DictWriter(file, ["prompt", "response", "reward"], extrasaction="ignore", delimiter=separator)
    writer.writeheader()
    writer.writerows(content)
    return file.getvalue().encode(errors="surrogatepass")


def _frame(content: list[dict[str, Any]]) -> pl.DataFrame:
    def text(value: Any) -> str | None:
        return value.encode(errors="replace").decode() if isinstance(value, str) else None

    def number(value: Any) -> float | None:
        return float(value) if isinstance(value, int | float) else None

    kept = [(text(row["prompt"]), text(row["response"]), number(row["reward"])) for row in content]
    return pl.DataFrame(kept, {"prompt": pl.String, "response": pl.String, "reward": pl.Float64}, orient="row")


def _arrow(write: Callable[[pl.DataFrame, Path], object]) -> Callable[[list[dict[str, Any]]], bytes]:
    def encoded(content: list[dict[str, Any]]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            write(_frame(content), Path(folder) / "x")
            return (Path(folder) / "x").read_bytes()

    return encoded


ENCODERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "jsonl": json_lines,
    "json": lambda content: json.dumps(content).encode(),
    "pretty": lambda content: "\n".join(json.dumps(row, indent=1) for row in content).encode(),
    "keyed": lambda content: json.dumps({f"k{i}": row for i, row in enumerate(content)}).encode(),
    "csv": _csv,
    "tsv": lambda content: _csv(content, "\t"),
    "parquet": _arrow(pl.DataFrame.write_parquet),
    "arrows": _arrow(pl.DataFrame.write_ipc_stream),
    # Not the Arrow file format with changed bytes: some of those end the process (see the notes on reliability).
}
CODECS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


@dataclass(frozen=True)
class Log:
    """A file's name and bytes."""

    name: str
    content: bytes


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """A log in any format, perhaps compressed, perhaps damaged, perhaps under another name; or just bytes."""
    suffix = draw(st.sampled_from([*ENCODERS, "txt", ""]))
    if draw(st.integers(0, 19)) == 0:
        return Log(f"log.{suffix}", draw(st.binary(max_size=200)))
    kind = draw(st.sampled_from(list(ENCODERS)))
    content = ENCODERS[kind](draw(rows))
    if draw(st.integers(0, 3)) == 0 and content:
        content = draw(st.sampled_from([_cut, _changed, _inserted]))(draw, content)
    content = CODECS[draw(st.sampled_from(["", "", "", *CODECS]))](content)
    if draw(st.integers(0, 9)) == 0 and content:
        content = _cut(draw, content)
    return Log(f"log.{kind if draw(st.booleans()) else suffix}", content)


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content) - 1))]


def _changed(draw: st.DrawFn, content: bytes) -> bytes:
    at = draw(st.integers(0, len(content) - 1))
    return content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at + 1 :]


def _inserted(draw: st.DrawFn, content: bytes) -> bytes:
    piece = draw(
        st.sampled_from(
            [b"\n", b"\n\n", b"\r", b"\0", b'"', b",", b"{", b"}", b"\xef\xbb\xbf", b"\xff", b"[1]\n", b"42\n"]
        )
    )
    at = draw(st.integers(0, len(content)))
    return content[:at] + piece + content[at:]


def _mostly_none(*choices: str) -> st.SearchStrategy[list[str]]:
    return st.sampled_from(["", "", "", "", "", *choices]).map(str.split)


flags = st.tuples(
    st.sampled_from(["", "--on-error quarantine", "--on-error quarantine --max-reject-rate 1"]).map(str.split),
    _mostly_none("--direction lower"),
    _mostly_none(
        "--map messages=messages",
        "--map reward=reward*2",
        "--map prompt=UPPER(prompt)",
        "--map reward=CAST(reward/AS/DOUBLE)",
        "--map reward=1/reward",
        "--map group=prompt",
    ),
    _mostly_none(
        "--reward a=reward --reward b=reward*2",
        "--reward a=reward --reward x__y=reward --direction x__y=lower",
        "--reward a=reward --reward late=late",
        "--reward a=reward --direction b=lower",
    ),
    _mostly_none(*(f"--normalize {name}" for name in ("minmax", "zscore", "robust", "rank", "log"))),
    _mostly_none("--normalize-by group", "--clip 0.1,0.9"),
    _mostly_none("--map time=reward --split-by time --split 0.5,0.5", "--map time=late", "--map time=time"),
    _mostly_none("--reward-order bad<good", "--reward-reduce mean", "--reward-reduce first"),
    _mostly_none("--keep extra", "--keep late,extra", "--keep reward_a", "--keep time"),
    _mostly_none("--bins 2", "--decimals exact", "--no-goal-filter", "--ties error", "--thresholds 1,2.50"),
    _mostly_none(*(f"--formulation {name}" for name in ("gcsl", "gcsl-nl", "gcsl-bey", "ca", "sft", "sft-aug"))),
    _mostly_none("--split 0.5,0.5", "--format text", "--placement system"),
    st.sampled_from([""] * 30 + ["--bins 0", "--direction sideways", "--map x=y", "--keep no"]).map(str.split),
).map(lambda parts: [flag.replace("/AS/", " AS ") for part in parts for flag in part])

# "again" is `expand` of what `ingest` made of the logs.
commands = st.sampled_from(["expand", "expand", "expand", "ingest", "ingest", "again", "stats", "infer"])
RECORD_FLAGS = (
    "--on-error",
    "--max-reject-rate",
    "--direction",
    "--map",
    "--reward",
    "--reward-order",
    "--reward-reduce",
    "--keep",
)


def _arguments(command: str, given: list[str], names: list[str]) -> list[str]:
    if command == "infer":
        return ["schema", "infer", names[0]]
    if command == "ingest":
        return ["ingest", *names, "-o", "out.parquet", *_of_records(given)]
    return [command, *names, *given, *(["-o", "out"] if command == "expand" else [])]


def _of_records(given: list[str]) -> list[str]:
    pairs = [(flag, value) for flag, value in itertools.pairwise(given) if flag in RECORD_FLAGS]
    return [part for pair in pairs for part in pair]


def hold_to_the_contract(command: str, given: list[str], content: list[Log]) -> None:
    """Runs the program on these logs: no bug, no traceback, one JSON object, all or nothing on disk, rows that add up."""
    folder = Path(tempfile.mkdtemp(prefix="gcsl-fuzz-"))
    try:
        names = [f"{i}-{log.name}" for i, log in enumerate(content)]
        for name, log in zip(names, content, strict=True):
            (folder / name).write_bytes(log.content)
        if command == "again":
            if gcsl_data("ingest", *names, "-o", "in.parquet", *_of_records(given), cwd=folder).status:
                return
            command, names = "expand", ["in.parquet"]
            given = _without_records(given)
        before = tree(folder)

        outcome = gcsl_data(*_arguments(command, given, names), "--json", cwd=folder)

        assert outcome.status in (0, 2, 65, 66, 78), outcome.err
        assert "Traceback" not in outcome.err
        assert outcome.out.count("\n") == 1
        assert (outcome.json["exit_code"], outcome.json["ok"]) == (outcome.status, outcome.status == 0)
        assert len(outcome.errors) == (outcome.status != 0)
        made = {name.split("/")[0] for name in tree(folder)} - {name.split("/")[0] for name in before}
        if outcome.status or command in ("stats", "infer"):
            assert made == set()
        elif command == "ingest":
            aside = outcome.json["accounting"]["rejected"]
            assert made == {"out.parquet", "out.rejects.jsonl"} if aside else made == {"out.parquet"}
            _adds_up(outcome.json["accounting"], folder / "out.rejects.jsonl")
            assert pl.read_parquet(folder / "out.parquet").height == outcome.json["accounting"]["used"]
        else:
            assert made == {"out"}
            assert gcsl_data("check", "out", cwd=folder).status == 0
            _adds_up(outcome.json["accounting"], folder / "out" / "_gcsl" / "rejects.jsonl")
            assert sum(log.rows for log in load(folder / "out").inputs) == outcome.json["accounting"]["rows"]
    finally:
        shutil.rmtree(folder)


def _without_records(given: list[str]) -> list[str]:
    """What is left to say of records: all but how they were mapped, so the direction stays."""
    said = {flag for flag in RECORD_FLAGS if flag not in ("--direction", "--keep")}
    gone = {at for i, flag in enumerate(given) if flag in said for at in (i, i + 1)}
    return [part for i, part in enumerate(given) if i not in gone]


def _adds_up(account: dict[str, Any], rejects: Path) -> None:
    rejected = account["rejected"]
    assert account["rows"] == account["used"] + sum(rejected.values()) + sum(account["filtered"].values())
    assert set(rejected) <= set(REASONS)
    lines = [json.loads(line) for line in rejects.read_text(encoding="utf-8").splitlines()] if rejects.exists() else []
    assert len(lines) == sum(rejected.values())
    assert lines == sorted(lines, key=lambda line: (line["source"], line["row"]))
    for reason, count in rejected.items():
        assert [line["reason"] for line in lines].count(reason) == count
