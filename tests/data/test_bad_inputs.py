"""Bad inputs by number: what a log can be that it should not be, and what becomes of it.

The numbers are those of the catalogue that the project keeps of bad inputs (1 to 80: files as bytes, rows and rewards, flags
and environment). Each case is run in both modes, `--on-error fail` and `quarantine`. Not here, with the reason:

    26  one line of 400 MB inside a small gzip: tests/soak (it takes a minute)
    46  a reward outside a declared range: there is no declared range yet (issue 5); `--scale` only drops goals
    56  an answer of two million characters is kept (here); how long is too long is the trainer's to say (`plan` counts)
    58, 59  the goal, or a score, in the text of the log: the leak scan (issue 9)
    60  exact duplicates are kept (here); counting and `--dedup` are issue 4
    61  the same pair with different rewards: `--conflicts` (issue 4)
    62, 63  no prompt in two splits, prompts that differ in white space or Unicode form: test_splits
    66  split by time: issue 4
    68  secrets: issue 4
    72  thresholds as flags: they are measured, not given (issue 5)
    75  a full or read-only disk: test_build, tests/system
    79  a seed: nothing is drawn at random yet
"""

import bz2
import ctypes
import gzip
import hashlib
import io
import json
import math
import os
import resource
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from gcsl_data.errors import DataError

from .support import PROGRAM, examples, expand, gcsl_data, gcsl_data_process, make_rows, plan_of, tree, write_jsonl

GOOD = make_rows([i / 200 for i in range(200)])
FRAME = pl.DataFrame(GOOD)
LAST = len(GOOD) + 1  # where a row after the good ones stands


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def row(**changed: Any) -> str:
    """The good rows and one more."""
    return LINES + lines({"prompt": "p", "response": "r", "reward": 0.5} | changed)


LINES = lines(*GOOD)
CSV = "prompt,response,reward\n" + "".join(f"p{i},r{i},{i}\n" for i in range(200))


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def arrow(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return buffer.getvalue()


def arrow_stream(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def zstd(content: str) -> bytes:
    return pa.compress(content.encode(), codec="zstd", asbytes=True)


def rewards(*values: Any) -> bytes:
    """A Parquet log whose last rows have these rewards."""
    kept = FRAME.head(len(GOOD) - len(values))
    return parquet(pl.concat([kept, pl.DataFrame(make_rows(values), schema=FRAME.schema)]))


Content = bytes | str


@dataclass(frozen=True)
class Case:
    """Files, arguments, and what becomes of them: the exit status and words of the line that says it.

    A `reject` (row, reason) fails with 65 under `fail` and is set aside under `quarantine`. Without it both modes do
    the same; status 0 then means accepted, and `words` stand in the notes and warnings.
    """

    files: dict[str, Content]
    words: str = ""
    status: int = 65
    reject: tuple[int, str] | None = None
    arguments: tuple[str, ...] = ()
    prepare: Callable[[Path], object] | None = None


def rejected(
    content: Content, reason: str, words: str, *, name: str = "a.jsonl", at: int = LAST, flags: str = ""
) -> Case:
    return Case({name: content}, words, reject=(at, reason), arguments=(name, *flags.split()))


def refused(content: Content, words: str, *, name: str = "a.jsonl", status: int = 65, flags: str = "") -> Case:
    return Case({name: content}, words, status, arguments=(name, *flags.split()))


def accepted(content: Content, words: str = "", *, name: str = "a.jsonl", flags: str = "") -> Case:
    return Case({name: content}, words, 0, arguments=(name, *flags.split()))


def usage(flags: str, words: str) -> Case:
    return Case({"a.jsonl": LINES}, words, 2, arguments=("a.jsonl", *flags.split()))


USER = {"role": "user", "content": "Why?"}
CHATS = lines(*({**item, "prompt": [USER]} for item in GOOD))


def chat(*turns: dict[str, Any]) -> str:
    return CHATS + lines({"prompt": list(turns), "response": "r", "reward": 0.5})


CASES: dict[str, Case] = {
    # Log files as bytes
    "01 a missing file": Case({}, "a.jsonl: no such log", 66, arguments=("a.jsonl",)),
    "01 a path through a file": Case({"a": "x"}, "a/b.jsonl: no such log", 66, arguments=("a/b.jsonl",)),
    "01 a folder": Case({"a/x": ""}, "a is a folder", 66, arguments=("a",)),
    "02 an empty file": refused("", "a.jsonl is empty"),
    "02 an empty file among others": Case({"a.jsonl": LINES, "b.jsonl": ""}, "note: b.jsonl is empty and left out", 0),
    "02 an empty CSV": refused("", "a.csv is empty", name="a.csv"),
    "02 gzip of nothing": refused(gzip.compress(b""), "a.jsonl.gz is empty", name="a.jsonl.gz"),
    "03 only newlines": refused("\n\n \r\n", "a.jsonl is empty"),
    "03 only newlines among others": Case({"a.jsonl": LINES, "b.csv": "\n\n"}, "note: b.csv is empty and left out", 0),
    "04 a header alone": refused("prompt,response,reward\n", "a.csv: no rows", name="a.csv"),
    "04 a header alone among others": Case({"a.csv": CSV, "b.csv": "prompt,response,reward\n"}, "", 0),
    "04 Parquet without rows": refused(parquet(FRAME.head(0)), "a.parquet: no rows", name="a.parquet"),
    "05 a truncated last line": rejected(
        LINES + '{"prompt": "p", "resp', "bad_json", f"a.jsonl:{LAST}: the line is not JSON"
    ),
    "06 garbage in the middle": rejected(
        lines(*GOOD[:9]) + "%$!\n" + lines(*GOOD[9:]), "bad_json", "a.jsonl:10: the line is not JSON", at=10
    ),
    "06 a text editor's objects": rejected(
        LINES + "{'prompt': 'p'}\n", "bad_json", "the line is not JSON (Expecting property"
    ),
    "06 two objects on a line": rejected(
        LINES.strip() + LINES[: LINES.index("\n") + 1], "bad_json", "Extra data", at=200
    ),
    "07 bytes that are not UTF-8": rejected(
        LINES.encode() + b'{"prompt": "caf\xe9", "response": "r", "reward": 1}\n',
        "bad_utf8",
        "the line is not UTF-8 (byte 0xe9)",
    ),
    "07 bytes that are not UTF-8 in CSV": rejected(
        CSV.encode() + b"caf\xe9,r,1\n",
        "bad_utf8",
        "a.csv:201: the line is not UTF-8 (byte 0xe9)",
        name="a.csv",
        at=201,
    ),
    "07 bytes that are not UTF-8 in the reward of a TSV": rejected(
        CSV.replace(",", "\t").encode() + b"p\tr\t\xff1\n", "bad_utf8", "(byte 0xff)", name="a.tsv", at=201
    ),
    "07 bytes that are not UTF-8 in a CSV's header": refused(
        b"caf\xe9," + CSV.encode(), "a.csv:1: the header is not UTF-8", name="a.csv"
    ),
    "07 bytes that are not UTF-8 in a JSON document": refused(
        json.dumps(GOOD).encode()[:-1] + b', {"prompt": "caf\xe9"}]', "a.json: it is not UTF-8", name="a.json"
    ),
    "08 half a surrogate pair": rejected(
        LINES + '{"prompt": "\\ud800", "response": "r", "reward": 1}\n', "bad_unicode", "half of a surrogate pair"
    ),
    "08 a whole surrogate pair": accepted(LINES + '{"prompt": "\\ud83d\\udca1", "response": "r", "reward": 1}\n'),
    "09 an escaped NUL": rejected(
        LINES + '{"prompt": "a\\u0000b", "response": "r", "reward": 1}\n',
        "nul_in_text",
        f"a.jsonl:{LAST}: the prompt or the response holds a NUL character",
    ),
    "09 an escaped NUL in a JSON document": rejected(
        json.dumps([*GOOD, {"prompt": "p", "response": "a\0b", "reward": 1}]),
        "nul_in_text",
        "a.json:201: the prompt or the response holds a NUL",
        name="a.json",
    ),
    "09 an escaped NUL in a chat": rejected(
        chat({"role": "system", "content": "\0"}, USER), "nul_in_text", "the prompt or the response holds a NUL"
    ),
    "09 a NUL in Parquet": rejected(
        parquet(
            FRAME.with_columns(prompt=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("a\0b")).otherwise("prompt"))
        ),
        "nul_in_text",
        "a.parquet:8: the prompt or the response holds a NUL",
        name="a.parquet",
        at=8,
    ),
    "09 a NUL in Arrow": rejected(
        arrow(
            FRAME.with_columns(response=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("\0")).otherwise("response"))
        ),
        "nul_in_text",
        "a.arrow:8: the prompt or the response holds a NUL",
        name="a.arrow",
        at=8,
    ),
    "09 a NUL that nobody maps": accepted(row(extra="a\0b")),
    "09 a raw NUL": rejected(
        LINES + '{"prompt": "a\0b", "response": "r", "reward": 1}\n', "bad_json", "Invalid control character"
    ),
    "09 a NUL in CSV": rejected(
        CSV + "a\0b,r,1\n", "nul_in_text", "the prompt or the response holds a NUL", name="a.csv", at=201
    ),
    "10 a byte order mark": accepted(b"\xef\xbb\xbf" + LINES.encode(), "note: a.jsonl starts with a byte order mark"),
    "10 a byte order mark in CSV": accepted(
        b"\xef\xbb\xbf" + CSV.encode(), "starts with a byte order mark", name="a.csv"
    ),
    "11 UTF-16": refused(LINES.encode("utf-16"), "a.jsonl: it is UTF-16; convert it"),
    "11 UTF-16 without a mark": refused(LINES.encode("utf-16-le"), "a.jsonl: it is UTF-16; convert it"),
    "11 UTF-16 the other way": refused(CSV.encode("utf-16-be"), "a.csv: it is UTF-16; convert it", name="a.csv"),
    "11 Latin-1 in every row": refused(
        LINES.replace("Task", "Tâche").encode("latin-1"),
        "a.jsonl:1: the line is not UTF-8 (byte 0xe2), and no other row",
    ),
    "12 CRLF": accepted(LINES.replace("\n", "\r\n")),
    "12 CRLF in CSV": accepted(CSV.replace("\n", "\r\n"), name="a.csv"),
    "12 CR alone in CSV": accepted(CSV.replace("\n", "\r"), name="a.csv"),
    "12 no final newline": accepted(LINES.strip()),
    "12 no final newline in CSV": accepted(CSV.strip(), name="a.csv"),
    "13 a JSON array": accepted(json.dumps(GOOD), "note: a.jsonl is read as json"),
    "13 a JSON array called so": accepted(json.dumps(GOOD), name="a.json"),
    "14 pretty-printed JSON": accepted(json.dumps(GOOD, indent=2), name="a.json"),
    "14 pretty-printed objects": accepted("\n".join(json.dumps(item, indent=2) for item in GOOD), "is read as json"),
    "15 a number on a line": rejected(LINES + "42\n", "not_object", "the line is JSON but no object (found 42)"),
    "15 an array on a line": rejected(LINES + "[1, 2]\n", "not_object", "found [1, 2]"),
    "15 null on a line": rejected(LINES + "null\n", "not_object", "found None"),
    "16 NaN in JSON": rejected(row(reward=math.nan), "nonfinite_number", "(found NaN)"),
    "16 minus infinity in JSON": rejected(row(reward=-math.inf), "nonfinite_number", "(found -Infinity)"),
    "17 1e400": rejected(
        LINES + '{"prompt": "p", "response": "r", "reward": 1e400}\n', "nonfinite_number", "(found 1e400)"
    ),
    # A whole number of 30 digits is a number; as a reward it is read as the nearest float.
    "18 30 digits": accepted(row(reward=10**29 + 1)),
    "18 30 digits beside the reward": accepted(row(extra=10**29 + 1)),
    "18 100 digits": rejected(row(reward=10**99), "nonfinite_number", "a number too large to be read"),
    "19 a key twice": rejected(
        LINES + '{"prompt": "p", "prompt": "q", "response": "r", "reward": 1}\n', "duplicate_key", '(key "prompt")'
    ),
    "19 a key twice, once escaped": rejected(
        LINES + '{"prompt": "p", "\\u0070rompt": "q", "response": "r", "reward": 1}\n',
        "duplicate_key",
        '(key "prompt")',
    ),
    "19 a key twice inside": rejected(
        LINES + '{"prompt": "p", "response": "r", "reward": 1, "x": {"y": 1, "y": 2}}\n', "duplicate_key", '(key "y")'
    ),
    "20 nested 3,000 deep": rejected(
        LINES + '{"prompt": "p", "response": "r", "reward": 1, "x": ' + "[" * 3000 + "]" * 3000 + "}\n",
        "too_deep",
        "it is nested too deeply",
    ),
    "20 nested 100,000 deep": rejected(
        LINES + '{"prompt": "p", "response": "r", "reward": 1, "x": ' + '{"y":' * 100_000 + "1" + "}" * 100_000 + "}\n",
        "too_deep",
        "it is nested too deeply",
    ),
    "21 a field too many": rejected(CSV + "p,r,1,x\n", "ragged", "(4 fields, the header has 3)", name="a.csv"),
    "22 a field too few": rejected(CSV + "p,r\n", "ragged", "(2 fields, the header has 3)", name="a.csv"),
    "22 a field too few in TSV": rejected(CSV.replace(",", "\t") + "p\tr\n", "ragged", "(2 fields", name="a.tsv"),
    "22 blank lines in CSV": accepted(CSV.replace("\np9,", "\n\n\np9,") + "\n\n", name="a.csv"),
    "23 a quote that is not closed": refused(
        CSV + 'p,"r,1\np,r,2\n',
        "a.csv: the quote that opens on line 202 is never closed; close it",
        name="a.csv",
    ),
    "23 a quote that is not closed, after one over two lines": refused(
        CSV + '"p\n""q""",r,1\n"p\nq\nr","r,2\np,r,3\n',
        "a.csv: the quote that opens on line 206 is never closed; close it",
        name="a.csv",
    ),
    "23 a quote that is not closed in the last field": refused(
        CSV + 'p,r,"1\n', "a.csv: the quote that opens on line 202 is never closed; close it", name="a.csv"
    ),
    "23 a quote that is not closed in a header": refused(
        'prompt,"response,reward\n' + CSV, "a.csv: the quote that opens on line 1 is never closed", name="a.csv"
    ),
    "23 a quote that is not closed in a compressed log": refused(
        gzip.compress((CSV + 'p,"r,1\n').encode()),
        "a.csv.gz: the quote that opens on line 202 is never closed",
        name="a.csv.gz",
    ),
    "23 a quote inside a quoted field": refused(
        CSV + '"p" q,r,1\n', "a.csv: the record that starts on line 202: ',' expected after '\"'", name="a.csv"
    ),
    "24 a header twice": refused(CSV.replace("response", "prompt", 1), 'the header names "prompt" twice', name="a.csv"),
    # A thousands separator or decimal comma is no number anywhere: such a row is set aside, and `--map` can mend it.
    "25 a thousands separator": rejected(
        CSV + 'p,r,"1,000"\n', "bad_reward", "the reward is text that is no number", name="a.csv"
    ),
    "25 decimal commas": refused(
        "prompt,response,reward\n" + "".join(f'p{i},r,"{i},5"\n' for i in range(200)),
        "(199 more rows cannot be used)",
        name="a.csv",
    ),
    "25 decimal commas, mapped": Case(
        {"a.csv": "prompt,response,reward\n" + "".join(f'p{i},r,"{i},5"\n' for i in range(200))},
        "",
        0,
        arguments=("a.csv", "--map", "reward=REPLACE(reward, ',', '.')"),
    ),
    "27 truncated gzip": refused(gzip.compress(LINES.encode())[:-40], "a.jsonl.gz is damaged", name="a.jsonl.gz"),
    "27 gzip with a wrong checksum": refused(
        gzip.compress(LINES.encode())[:-8] + b"x" * 8, "a.jsonl.gz is damaged", name="a.jsonl.gz"
    ),
    "27 truncated zstd": refused(zstd(LINES)[:-40], "a.jsonl.zst is damaged", name="a.jsonl.zst"),
    "27 truncated bz2": refused(bz2.compress(LINES.encode())[:-40], "a.jsonl.bz2 is damaged", name="a.jsonl.bz2"),
    "27 gzip in gzip": refused(gzip.compress(gzip.compress(LINES.encode())), "is compressed twice", name="a.jsonl.gz"),
    "27 gzip without the suffix": accepted(
        gzip.compress(LINES.encode()), "note: a.jsonl is read as gzip-compressed jsonl"
    ),
    "27 JSON lines called Parquet": accepted(LINES, "note: a.parquet is read as jsonl", name="a.parquet"),
    "27 Parquet called CSV": accepted(parquet(FRAME), "note: a.csv is read as parquet", name="a.csv"),
    "27 plain text called gzip": accepted(LINES, "note: a.jsonl.gz is read as jsonl", name="a.jsonl.gz"),
    "27 a zip archive": refused(b"PK\x03\x04rest", "it is a zip archive or an Excel workbook", name="a.zip"),
    "27 a pointer to a large file": refused("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "27 a web page": refused("<!DOCTYPE html>\n<html>\n", "it is a web page"),
    "28 truncated Parquet": refused(parquet(FRAME)[:-1], "a.parquet: cannot be decoded", name="a.parquet"),
    "28 mutated Parquet": refused(parquet(FRAME)[:-30] + b"x" * 30, "a.parquet", name="a.parquet"),
    "28 truncated Arrow": refused(arrow(FRAME)[:-9], "a.arrow", name="a.arrow"),
    "28 a truncated Arrow stream": refused(arrow_stream(FRAME)[:-100], "a.arrows is damaged", name="a.arrows"),
    "29 a FIFO": Case({}, "a is not a regular file", 66, arguments=("a",), prepare=lambda at: os.mkfifo(at / "a")),
    "29 a device": Case({}, "/dev/zero is not a regular file", 66, arguments=("/dev/zero",)),
    "29 standard input twice": Case({}, "standard input is given twice", 2, arguments=("-", "-")),
    "31 a loop of links": Case(
        {}, "a is a link that leads nowhere", 66, arguments=("a",), prepare=lambda at: (at / "a").symlink_to("a")
    ),
    "31 a pattern without a match": Case({"a.jsonl": LINES}, "*.csv: no such log", 66, arguments=("*.csv",)),
    # A name twice is a slip of the hand on the command line, so it is exit 2 and needs no switch.
    "32 the same file twice": Case({"a.jsonl": LINES}, "is given twice", 2, arguments=("a.jsonl", "./a.jsonl")),
    "32 the same file by a link": Case(
        {"a.jsonl": LINES},
        "is given twice",
        2,
        arguments=("a.jsonl", "b"),
        prepare=lambda at: (at / "b").symlink_to("a.jsonl"),
    ),
    # The output must not exist, so what lies in it cannot be read either.
    "33 a log inside the output": Case({"out/a.jsonl": LINES}, "out exists", 73, arguments=("out/a.jsonl",)),
    # Rows and rewards
    "34 NaN in Parquet": rejected(
        rewards(math.nan), "nonfinite_reward", "a.parquet:200: the reward is NaN", name="a.parquet", at=200
    ),
    "34 NaN in CSV": rejected(CSV + "p,r,NaN\n", "nonfinite_reward", "the reward is NaN or infinite", name="a.csv"),
    "34 NaN as text": rejected(row(reward="nan"), "nonfinite_reward", "the reward is NaN or infinite"),
    "35 infinity": rejected(rewards(math.inf), "nonfinite_reward", "NaN or infinite", name="a.parquet", at=200),
    "35 minus infinity": rejected(rewards(-math.inf), "nonfinite_reward", "NaN or infinite", name="a.parquet", at=200),
    "36 null": rejected(row(reward=None), "null_reward", f"a.jsonl:{LAST}: the reward is null"),
    "36 a missing reward": rejected(LINES + '{"prompt": "p", "response": "r"}\n', "null_reward", "the reward is null"),
    "36 an empty field": rejected(CSV + "p,r,\n", "null_reward", "the reward is null", name="a.csv"),
    "37 equal rewards": refused(lines(*make_rows([1.0] * 9)), "9 of 9 records (100%) have the reward 1"),
    "38 fewer values than bins": accepted(lines(*make_rows([1, 2, 3, 4] * 9)), flags="--bins 10"),
    "38 fewer edges than bins": accepted(lines(*make_rows([0] * 60 + [*range(40)]))),
    "38 fewer edges than bins, strictly": refused(
        lines(*make_rows([0] * 60 + [*range(40)])), "have the reward 0, so 5 bins share an edge", flags="--ties error"
    ),
    "39 star ratings": accepted(lines(*make_rows([5] * 70 + [4] * 15 + [1, 2, 3] * 5))),
    "40 ties on an edge": accepted(lines(*make_rows([0.5] * 50 + [i / 100 for i in range(100)]))),
    "41 whole numbers, then a half": accepted(lines(*make_rows([*range(300), 0.5]))),
    "41 whole numbers, then a half, in CSV": accepted(CSV + "p,r,0.5\n", name="a.csv"),
    "42 booleans": accepted(lines(*make_rows([True, False, True])), "note: a.jsonl: the reward is true or false"),
    # Which of the two kinds is meant cannot be told, so no row is set aside for it.
    "42 booleans among numbers": refused(
        row(reward=True), f"the field 'reward' is a number on line 1 and true or false on line {LAST}; make it one"
    ),
    "42 booleans among numbers in a JSON document": refused(
        json.dumps([*GOOD, {**GOOD[0], "reward": True}]),
        "the field 'reward' is a number on record 1 and true or false on record 201; make it one type",
        name="a.json",
    ),
    "43 numbers as text": accepted(
        lines(*make_rows(map(str, range(200)))), "note: a.jsonl: the reward is text; it is read as a number"
    ),
    "43 a word among numbers as text": rejected(
        row(reward="ten"), "bad_reward", "the reward is text that is no number"
    ),
    "44 labels without an order": refused(lines(*make_rows(["good", "bad"] * 9)), "give --reward-order for labels"),
    "44 a label without a place": rejected(
        lines(*make_rows(["good", "bad"] * 100), *make_rows(["fair"])),
        "unknown_label",
        "a label that --reward-order does not have",
        flags="--reward-order bad<good",
    ),
    # A number in one log and numbers as text in the other are the same thing; words in one are counted as bad rewards there.
    "45 numbers and numbers as text": Case(
        {"a.jsonl": LINES, "b.jsonl": lines(*make_rows(["7", "8"]))}, "note: b.jsonl: the reward is text", 0
    ),
    "45 numbers and words": Case(
        {"a.jsonl": LINES, "b.jsonl": lines(*make_rows(["good", "bad"] * 9))},
        "b.jsonl:1: the reward is text that is no number",
        65,
    ),
    "45 kept columns that disagree": Case(
        {"a.jsonl": row(tag=1), "b.jsonl": row(tag="x")},
        "the column 'tag' is Int64 in a.jsonl and String in b.jsonl",
        65,
        arguments=("a.jsonl", "b.jsonl", "--keep", "tag"),
    ),
    "48 a reward of several scores": refused(
        lines(*make_rows([{"clear": 1, "true": 2}])), "choose one of its fields with a dot: clear, true"
    ),
    "48 a list of scores": refused(lines(*make_rows([[1.0, 2.0]])), "--reward-reduce mean|median|min|max|sum|first"),
    "49 Float32": accepted(parquet(FRAME.with_columns(pl.col("reward").cast(pl.Float32))), name="a.parquet"),
    "50 no goal left": refused(
        LINES, "half of the rewards are better than the scale -9 to -8 allows", flags="--scale=-9,-8"
    ),
    "51 zeros of both signs": accepted(lines(*make_rows([-0.0, 0.0] * 10 + [5e-324, 1.0, 2.0]))),
    "52 no prompt": rejected(
        LINES + '{"response": "r", "reward": 1}\n', "empty_prompt", "the prompt is missing or blank"
    ),
    "52 a null prompt": rejected(row(prompt=None), "empty_prompt", "the prompt is missing or blank"),
    "52 a blank prompt": rejected(row(prompt=" \t\u2003"), "empty_prompt", "the prompt is missing or blank"),
    "53 no response": rejected(
        LINES + '{"prompt": "p", "reward": 1}\n', "empty_response", "the response is missing or blank"
    ),
    "53 an empty response": rejected(
        CSV + 'p,"",3\n', "empty_response", "the response is missing or blank", name="a.csv"
    ),
    "54 prompts of two kinds": refused(
        row(prompt=[USER]), f"a.jsonl: the field 'prompt' is text on line 1 and a list on line {LAST}; make it one type"
    ),
    "54 prompts of two kinds, chats first": refused(
        lines({**GOOD[0], "prompt": [USER]}) + LINES, "'prompt' is a list on line 1 and text on line 2"
    ),
    "54 contents of two kinds": refused(
        chat({**USER, "content": [{"type": "text", "text": "Why?"}]}),
        f"the field 'prompt[].content' is text on line 1 and a list on line {LAST}",
    ),
    "54 answers of two kinds": refused(
        row(response={"text": "r"}), f"'response' is text on line 1 and an object on line {LAST}"
    ),
    "54 prompts of two kinds in two files": Case(
        {"a.jsonl": LINES, "b.jsonl": CHATS}, "prompts are text in a.jsonl and chat messages in b.jsonl", 65
    ),
    "54 other columns of two kinds": accepted(
        row(extra="x") + lines({**GOOD[0], "extra": {"y": 1}}),
        "note: a.jsonl: extra is of several types (text on line 201, an object on line 202); kept as JSON text",
    ),
    "54 other columns of two kinds, kept": accepted(
        row(extra=7) + lines({**GOOD[0], "extra": [1]}),
        "extra is of several types (a number on line 201, a list on line 202); kept as JSON text",
        flags="--keep extra",
    ),
    "54 inner columns of two kinds": accepted(
        row(meta={"a": {"b": 1}}) + lines({**GOOD[0], "meta": {"a": {"b": {"c": 1}}}}),
        "meta.a.b is of several types (a number on line 201, an object on line 202); kept as JSON text",
    ),
    "54 inner columns of two kinds in a JSON document": accepted(
        json.dumps([*GOOD, {**GOOD[0], "meta": [{"a": 1}]}, {**GOOD[0], "meta": [{"a": []}]}]),
        "meta[].a is of several types (a number on record 201, a list on record 202); kept as JSON text",
        name="a.json",
    ),
    "55 an unknown role": rejected(chat({**USER, "role": "human"}), "bad_messages", "an unknown role"),
    "55 no user turn": rejected(chat({**USER, "role": "system"}), "bad_messages", "the conversation has no user turn"),
    # Some templates take two system turns and some do not; that is for the trainer to say.
    "55 two system turns": accepted(chat({**USER, "role": "system"}, {**USER, "role": "system"}, USER)),
    "56 a very long answer": accepted(row(response="x" * 2_000_000)),
    # Kept, because the trainer encodes a log's text apart from the template; counting and showing them is issue 4.
    "57 control tokens": accepted(row(response="<|im_start|></s><think>[INST]")),
    "60 exact duplicates": accepted(LINES + LINES),
    # Every row is looked at for the columns, so a late one is there.
    "64 a late column": accepted(row(late="x"), flags="--keep late"),
    "64 a column that is nowhere": refused(LINES, "no log has a column 'late' to keep", flags="--keep late"),
    "65 a misspelt column": refused(
        LINES.replace("reward", "rewrad"), "no column 'reward' for the reward; say --map reward=rewrad"
    ),
    "65 other names": refused(
        LINES.replace("reward", "score").replace("prompt", "question"),
        'nearest: question ("Task 0", "Task 1", "Task 2")',
    ),
    "67 the reward as the prompt": usage("--map prompt=x --map reward=x", "the prompt would be the reward itself"),
    "67 the reward as the answer": usage("--map response=reward", "the response would be the reward itself"),
    "69 bidirectional controls": accepted(row(prompt="a\u202eb\u200bc")),
    # Flags and environment
    "70 no bins": usage("--bins 0", "bins.count"),
    "70 bins below zero": usage("--bins=-1", "bins.count"),
    "70 a billion bins": usage("--bins 1000000000", "bins.count"),
    "70 bins as a float": usage("--bins 1e9", "bins.count"),
    "70 bins as a word": usage("--bins abc", "bins.count"),
    # As 38: K shrinks to what the rewards allow; `--ties error` refuses it.
    "71 five bins of three rows": accepted(lines(*make_rows([1, 2, 3])), "one goal is left", flags="--bins 5"),
    "71 one row": refused(lines(*make_rows([1])), "1 of 1 records (100%) have the reward 1"),
    "73 shards of no bytes": usage("--set output.shard_bytes=0", "output.shard_bytes"),
    "74 an output that is a file": Case({"a.jsonl": LINES, "out": "mine"}, "out exists", 73, arguments=("a.jsonl",)),
    "74 an output that is a folder": Case(
        {"a.jsonl": LINES, "out/x": "mine"}, "out exists", 73, arguments=("a.jsonl",)
    ),
    "74 an output that is a broken link": Case(
        {"a.jsonl": LINES},
        "out exists",
        73,
        arguments=("a.jsonl",),
        prepare=lambda at: (at / "out").symlink_to("nowhere"),
    ),
    "76 an output below a file": Case(
        {"a.jsonl": LINES, "file": "mine"}, "cannot create", 73, arguments=("a.jsonl", "-o", "file/out")
    ),
    "78 shares above one": usage("--split 0.8,0.21", "must add up to 1"),
    "78 a share of nothing": usage("--split 1,0", "positive shares"),
    # A validation split may be empty, a train split may not.
    "78 a train split without rows": refused(
        lines(*make_rows([1, 2])), "no usable reward in the train split", flags="--split 0.000001,0.999999"
    ),
}


@pytest.mark.parametrize("mode", ["fail", "quarantine"])
@pytest.mark.parametrize("name", CASES)
def test_bad_input_has_the_outcome_of_the_table(tmp_path: Path, name: str, mode: str) -> None:
    case = CASES[name]
    for file, content in case.files.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    if case.prepare:
        case.prepare(tmp_path)
    before = tree(tmp_path)
    arguments = case.arguments or tuple(case.files)

    outcome = gcsl_data("expand", "-o", "out", "--on-error", mode, "--json", *arguments, cwd=tmp_path)

    expected = 0 if case.reject and mode == "quarantine" else case.status
    assert outcome.status == outcome.json["exit_code"] == expected, outcome.err
    assert "Traceback" not in outcome.err
    if expected:
        too_many = mode == "quarantine" and "more than --max-reject-rate 0.01" in outcome.json["message"]
        assert too_many or case.words in outcome.json["message"]
        assert len(outcome.errors) == 1
        assert tree(tmp_path) == before
        return
    assert outcome.errors == []
    assert outcome.json["accounting"]["rejected"] == ({case.reject[1]: 1} if case.reject else {})
    aside = tmp_path / "out" / "_gcsl" / "rejects.jsonl"
    if case.reject:
        (reject,) = map(json.loads, aside.read_text(encoding="utf-8").splitlines())
        assert (reject["source"], reject["row"], reject["reason"]) == (arguments[0], *case.reject)
    else:
        assert case.words in outcome.err
        assert not aside.exists()


def test_every_number_of_the_catalogue_is_here_or_named_above() -> None:
    named = "26 46 47 30 56 58 59 60 61 62 63 66 68 72 75 77 79 80"

    assert {name[:2] for name in CASES} | set(named.split()) == {f"{number:02}" for number in range(1, 81)}


def _without_superpowers() -> None:
    """Takes from root what lets it read everything (capabilities 1 and 2, by prctl's PR_CAPBSET_DROP)."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ("expand secret/log.jsonl", 66, "error[GD6604]: secret/log.jsonl cannot be read: Permission denied"),
        ("expand secret.jsonl", 66, "error[GD6604]: secret.jsonl cannot be read: Permission denied"),
        ("stats secret/dataset", 66, "error[GD6604]: secret/dataset cannot be read: Permission denied"),
        ("check secret", 66, "error[GD6604]: secret/manifest.json cannot be read: Permission denied"),
        (f"expand {'x' * 300}", 66, f"error[GD6604]: {'x' * 300} cannot be read: File name too long"),
        ("expand log.jsonl --recipe secret.jsonl", 78, "cannot read the recipe (Permission denied)"),
        ("expand log.jsonl --recipe secret/x", 78, "cannot read the recipe (Permission denied)"),
        (
            "expand log.jsonl --template secret.jsonl",
            78,
            "error[GD7860]: secret.jsonl cannot be read: Permission denied",
        ),
        ("expand log.jsonl -o secret/out", 73, "secret/out: Permission denied; choose another place"),
        ("schema diff log.jsonl secret/x.schema.json", 66, "secret/x.schema.json cannot be read: Permission denied"),
    ],
)
def test_01_and_76_what_may_not_be_read_or_written_is_told(
    tmp_path: Path, arguments: str, status: int, message: str
) -> None:
    write_jsonl(tmp_path / "log.jsonl", GOOD)
    write_jsonl(tmp_path / "secret.jsonl", GOOD).chmod(0)
    (tmp_path / "secret").mkdir(mode=0)

    done = gcsl_data_process(*arguments.split(), cwd=tmp_path, preexec_fn=_without_superpowers)

    (tmp_path / "secret").chmod(0o700)
    assert (done.returncode, done.stderr.decode().count("error[")) == (status, 1)
    assert message[:250] in done.stderr.decode()
    assert tree(tmp_path) == ["log.jsonl", "secret", "secret.jsonl"]


def test_07_the_place_of_a_bad_byte_is_told(tmp_path: Path) -> None:
    bad = b'{"prompt": "caf\xe9", "response": "r", "reward": 1}\n'
    (tmp_path / "log.jsonl").write_bytes(LINES.encode() + b"\n" + bad)

    gcsl_data("expand", "log.jsonl", "-o", "out", "--on-error", "quarantine", cwd=tmp_path)

    assert rejects(tmp_path / "out") == [
        {
            "source": "log.jsonl",
            "row": 202,
            "reason": "bad_utf8",
            "line": 202,
            "byte": len(LINES) + 1 + bad.index(b"\xe9"),
            "detail": "byte 0xe9",
            "excerpt": '{"prompt": "caf\\xe9", "response": "r", "reward": 1}',
            "row_sha256": hashlib.sha256(bad[:-1]).hexdigest(),
        }
    ]


def rejects(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "_gcsl" / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]


def test_12_line_ends_change_no_example(tmp_path: Path) -> None:
    found = []
    for name, text in {"lf": LINES, "crlf": LINES.replace("\n", "\r\n"), "cut": LINES.rstrip("\n")}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.jsonl").write_bytes(text.encode())
        expand(tmp_path / name / "out", tmp_path / name / "log.jsonl")
        found.append(examples(tmp_path / name / "out"))

    assert found[0] == found[1] == found[2]


def test_30_a_log_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "log.jsonl", GOOD)
    plan, engine = plan_of(log)
    write_jsonl(log, [*GOOD, *make_rows([0.5])])

    from gcsl_data.build import build

    with pytest.raises(DataError, match=r"log\.jsonl changed while it was read"):
        build(plan, engine, tmp_path / "out")
    assert tree(tmp_path) == ["log.jsonl"]


def test_31_many_logs_are_one_dataset(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for number in range(500):
        write_jsonl(tmp_path / "logs" / f"{number:04}.jsonl", make_rows([number / 500]))

    outcome = gcsl_data("expand", "logs/*.jsonl", "-o", "out", "--json", cwd=tmp_path)

    assert outcome.json["accounting"]["rows"] == 500


def test_32_a_log_called_like_standard_input_is_refused(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "stdin", GOOD)

    done = gcsl_data_process("expand", "stdin", "-", cwd=tmp_path, input=LINES.encode())

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"two logs are both called stdin" in done.stderr


def test_47_the_best_and_the_worst_records_are_shown(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([0.5, 0.25, 0.75, 1.0]))

    higher = gcsl_data("ingest", "log.jsonl", "-o", "higher.parquet", cwd=tmp_path).err
    lower = gcsl_data("ingest", "log.jsonl", "-o", "lower.parquet", "--direction", "lower", cwd=tmp_path).err

    shown = {word: [line.split()[1] for line in text.splitlines() if line.split()[0] == word]
             for text, word in ((higher, "best"), (higher, "worst"))}  # fmt: skip
    assert shown == {"best": ["1:", "0.75:", "0.5:"], "worst": ["0.25:", "0.5:", "0.75:"]}
    assert [line.split()[1] for line in lower.splitlines() if line.split()[0] == "best"] == ["0.25:", "0.5:", "0.75:"]


def test_77_the_bytes_do_not_depend_on_the_environment(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", [{**item, "prompt": f"é {i}"} for i, item in enumerate(GOOD)])
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "LANG", "LC_ALL")}

    found = []
    for name, environment in {"plain": os.environ, "bare": {**kept, "LC_ALL": "C", "TZ": "Asia/Tokyo"}}.items():
        command = [*PROGRAM, "expand", "log.jsonl", "-o", name]
        subprocess.run(command, cwd=tmp_path, env={**environment}, check=True, capture_output=True)
        found.append((tmp_path / name / "manifest.json").read_bytes())

    assert found[0] == found[1]


def test_80_few_open_files_are_enough(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.jsonl.gz").write_bytes(gzip.compress(lines(*make_rows([number])).encode()))

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    command = [*PROGRAM, "expand", "*.gz", "-o", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, preexec_fn=limited)

    assert done.returncode in (0, 71), done.stderr
    assert b"Traceback" not in done.stderr
