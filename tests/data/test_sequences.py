"""Histories of users, against a plain reference that goes through them in order of time."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError, InputError, UsageError

from .support import document, examples, expand, gcsl_data, records, write_jsonl

tried = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHAPE = {"user": "user", "item": "movie", "rating": "stars", "time": "at"}
ratings = st.lists(
    st.fixed_dictionaries(
        {
            "user": st.none() | st.sampled_from(["ann", "bob"]),
            "movie": st.none() | st.integers(1, 5),
            "stars": st.none() | st.integers(1, 5),
            "at": st.none() | st.integers(0, 4),
        }
    ),
    max_size=14,
)
tables = st.lists(
    st.tuples(st.none() | st.integers(1, 4), st.none() | st.sampled_from(["A", "B,", 'C "c"'])), max_size=6
)
WHOLE = {"user": "cid", "movie": 1, "stars": 3, "at": 1}


def expected(log: list[dict[str, Any]], titles: dict[int, str | None] | None, history: int, fewest: int) -> list[Any]:
    """Row, reason, history and response of each record."""
    rows_of = Counter(row["user"] for row in log)
    titled = [
        None if r["movie"] is None else str(r["movie"]) if titles is None else titles.get(r["movie"]) for r in log
    ]
    found = []
    for number, row in enumerate(log):
        earlier = [
            (other["at"], place)
            for place, other in enumerate(log)
            if other["user"] == row["user"] and None not in (other["at"], titled[place], row["at"])
            if (other["at"], place) < (row["at"], number)
        ]
        seen = [titled[place] for _, place in sorted(earlier)][-history:]
        reason = (
            "no_user" if row["user"] is None
            else "no_time" if row["at"] is None
            else "short_history" if rows_of[row["user"]] < fewest
            else "no_title" if titled[number] is None
            else "opening" if not seen
            else "null_reward" if row["stars"] is None
            else None
        )  # fmt: skip
        found.append((number + 1, reason, seen, titled[number], row["stars"]))
    return found


def written(folder: Path, log: list[dict[str, Any]], form: str, kind: str) -> Path:
    """The log, with its times as numbers, as text, or as dates."""
    start = datetime(2026, 1, 31, 22, tzinfo=UTC)
    moment = {
        "number": lambda at: at,
        "text": lambda at: (start + timedelta(hours=at)).isoformat(),
        "date": lambda at: start + timedelta(hours=at),
    }[kind]
    timed = [{**row, "at": None if row["at"] is None else moment(row["at"])} for row in log]
    path = folder / f"log.{form}"
    if form == "jsonl":
        return write_jsonl(path, timed)
    frame = pl.DataFrame(timed, infer_schema_length=None)
    frame.write_csv(path) if form == "csv" else frame.write_parquet(path)
    return path


@tried
@given(
    ratings,
    st.none() | tables,
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([("jsonl", "number"), ("jsonl", "text"), ("csv", "number"), ("csv", "text"), ("parquet", "date")]),
)
def test_the_prompt_is_what_was_chosen_before(
    tmp_path: Path, log: list[Any], table: list[Any] | None, history: int, fewest: int, form: tuple[str, str]
) -> None:
    log = [WHOLE, *log]
    path = written(tmp_path, log, *form)
    shape: dict[str, Any] = SHAPE | {"history": history, "min_history": fewest}
    titles: dict[int, str | None] | None = None
    if table is not None:
        full = [(9, "Z"), *table]  # of two equal keys the first row counts
        write_jsonl(tmp_path / "items.jsonl", [{"number": key, "name": name} for key, name in full])
        shape |= {"items": "items.jsonl", "item_key": "number", "title": "name"}
        titles = {}
        for key, name in full:
            titles.setdefault(key, name)

    found = records(path, shape__sequences=shape, record__map={"prompt": "ARRAY_TO_STRING(history, '|')"})

    # What is left out has no prompt that anybody reads.
    said = [(row, reason, None if reason else prompt, said, reward) for row, _, reason, prompt, said, reward in found]
    assert said == [
        (row, reason, None if reason else "|".join(seen), said, reward)
        for row, reason, seen, said, reward in expected(log, titles, history, fewest)
    ]


def test_ids_read_the_same_however_they_are_stored(tmp_path: Path) -> None:
    log = [{"user": 7.0, "movie": n, "stars": n, "at": n} for n in (1.0, 2.0, None)]
    pl.DataFrame(log).write_parquet(tmp_path / "log.parquet")
    (tmp_path / "movies.csv").write_text("movie,title\n1,One\n2,Two\n")

    found = records(tmp_path / "log.parquet", shape__sequences=SHAPE | {"items": "movies.csv", "min_history": 1})

    assert [(reason, response) for _, _, reason, _, response, _ in found] == [
        ("opening", "One"),
        (None, "Two"),
        ("no_time", None),
    ]


def test_the_table_is_looked_for_here_and_beside_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "here").mkdir()
    path = write_jsonl(tmp_path / "logs" / "log.jsonl", [{**WHOLE, "at": n} for n in range(3)])
    (tmp_path / "logs" / "movies.csv").write_text("movie,title\n1,Beside\n")
    monkeypatch.chdir(tmp_path / "here")
    shape = SHAPE | {"items": "movies.csv", "min_history": 1}

    assert records(path, shape__sequences=shape)[1][4] == "Beside"
    (tmp_path / "here" / "movies.csv").write_text("movie,title\n1,Here\n")
    assert records(path, shape__sequences=shape)[1][4] == "Here"
    with pytest.raises(InputError, match="GD6611"):
        records(path, shape__sequences=shape | {"items": "nowhere.csv"})
    with pytest.raises(InputError, match="GD6604"):
        records(path, shape__sequences=shape | {"items": "n" * 5000})
    with pytest.raises(UsageError, match="GD0263"):
        records(path, write_jsonl(tmp_path / "logs" / "b.jsonl", [WHOLE]), shape__sequences=shape)


def test_a_table_called_like_the_log_is_another_input(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    path = write_jsonl(tmp_path / "a.jsonl", [{**WHOLE, "movie": n, "stars": n, "at": n} for n in range(1, 5)])
    items = write_jsonl(tmp_path / "meta" / "a.jsonl", [{"movie": n, "title": f"T{n}"} for n in range(1, 5)])

    expand(tmp_path / "out", path, shape__sequences=SHAPE | {"items": str(items), "min_history": 1})

    assert [(given["uri"], given["rows"]) for given in document(tmp_path / "out")["inputs"]] == [
        ("a.jsonl", 4),
        ("items/a.jsonl", 0),
    ]
    example = examples(tmp_path / "out")[0]["id"]
    traced = gcsl_data("trace", "out", example, "--logs", ".", "--json", cwd=tmp_path)
    assert traced.json["log"]["state"] == "unchanged"
    assert gcsl_data("check", "out", cwd=tmp_path).status == 0


def test_a_split_by_time_trains_on_the_earlier_choices(tmp_path: Path) -> None:
    log = [{"user": u, "movie": u * 100 + n, "stars": n % 5, "at": n * 10 + u} for u in range(4) for n in range(12)]
    path = write_jsonl(tmp_path / "log.jsonl", log)

    manifest = expand(
        tmp_path / "out", path, shape__sequences=SHAPE, splits__shares=[0.5, 0.5], splits__by="time",
        goals__filter="none",
    )  # fmt: skip

    assert manifest.accounting.filtered["opening"] == 4
    at = {n: row["at"] for n, row in enumerate(log, start=1)}
    times = {name: [at[r["row"]] for r in examples(tmp_path / "out", name)] for name in ("train", "validation")}
    assert max(times["train"]) < min(times["validation"])
    assert gcsl_data("check", "out", cwd=tmp_path).status == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"user": ["x"]}, "GD1249"),
        ({"movie": {"x": 1}}, "GD1249"),
        ({"at": [1]}, "GD1234"),
        ({"at": True}, "GD1234"),
        ({"stars": [1]}, "GD1206"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    with pytest.raises(DataError, match=code):
        records(write_jsonl(tmp_path / "log.jsonl", [{**WHOLE, **change}]), shape__sequences=SHAPE)


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"movie": 1, "title": 2}, "GD1246"),
        ({"movie": 1}, "GD1201"),
        ({"title": "x"}, "GD1201"),
        ({"movie": [1]}, "GD1249"),
    ],
)
def test_what_is_no_table_of_items_is_refused(tmp_path: Path, table: dict[str, Any], code: str) -> None:
    write_jsonl(tmp_path / "items.jsonl", [table])
    path = write_jsonl(tmp_path / "log.jsonl", [WHOLE])

    with pytest.raises(DataError, match=rf"{code}.*items\.jsonl"):
        records(path, shape__sequences=SHAPE | {"items": "items.jsonl"})
