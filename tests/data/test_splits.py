"""Splits are by prompt, by a hash whose values never change."""

import hashlib
import json
import re
import tempfile
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.columns import MESSAGES, TIME
from gcsl_data.dataset.decode import decode, encode
from gcsl_data.errors import DataError
from gcsl_data.hashing import prompt_hash
from gcsl_data.stages.splits import assign_splits, assign_time_splits, cuts_of, first_times
from gcsl_data.time_cuts import TimeCuts

from .support import examples, expand_rows

WHITE_SPACE = "[\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+"

GOLDEN = {
    "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "Hello": "185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969",
}


def normalised(text: str) -> str:
    return re.sub(WHITE_SPACE, " ", unicodedata.normalize("NFKC", text)).strip(" ")


def hashes(texts: list[str]) -> list[str]:
    return (
        pl.DataFrame({"p": texts}, schema={"p": pl.String})
        .select(prompt_hash(pl.col("p"), is_text=True))["p"]
        .to_list()
    )


def chat_hashes(chats: list[Any]) -> list[str]:
    frame = pl.DataFrame({"p": chats}, schema={"p": MESSAGES})
    return frame.select(p=prompt_hash(pl.col("p"), is_text=False))["p"].to_list()


@pytest.mark.parametrize(("text", "expected"), GOLDEN.items())
def test_prompt_hashes_have_their_golden_values(text: str, expected: str) -> None:
    assert hashes([text]) == [expected]


@pytest.mark.parametrize("same", ["  Hello\n", "Hello\t", "\u00a0Ｈｅｌｌｏ\u2003", "Hello\r\n"])
def test_compatible_forms_and_white_space_do_not_matter(same: str) -> None:
    assert hashes([same]) == [GOLDEN["Hello"]]


@pytest.mark.parametrize("other", ["hello", "Hel lo", "Hello.", "Héllo"])
def test_case_and_letters_do_matter(other: str) -> None:
    assert hashes([other]) != [GOLDEN["Hello"]]


def test_text_and_the_same_text_as_one_user_turn_agree() -> None:
    assert chat_hashes([[{"role": "user", "content": " Hello "}]]) == [GOLDEN["Hello"]]


def test_a_conversation_is_hashed_with_its_roles() -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]

    expected = hashlib.sha256(b"system Be brief. user Hello").hexdigest()

    assert chat_hashes([turns]) == [expected]
    assert chat_hashes([[turns[0]], [{"role": "assistant", "content": "Hello"}]]) != [GOLDEN["Hello"]] * 2


# Characters that Python's Unicode tables do not know (Cn) may be normalised by newer ones.
known_text = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=30)


@given(st.lists(known_text, min_size=1, max_size=10))
def test_prompt_hashes_are_sha256_of_the_normalised_text(texts: list[str]) -> None:
    encodable = [text for text in texts if text.isprintable() or not re.search("[\ud800-\udfff]", text)]

    assert hashes(encodable) == [hashlib.sha256(normalised(t).encode()).hexdigest() for t in encodable]


def split_of(hashes: list[str], shares: tuple[float, ...]) -> list[str]:
    frame = pl.LazyFrame({"prompt_hash": hashes}, schema={"prompt_hash": pl.String})
    return assign_splits(frame, shares).collect()["split"].to_list()


def test_the_first_52_bits_decide() -> None:
    def at(fraction: float) -> str:
        return f"{int(fraction * 2**52):013x}" + "f" * 51

    found = split_of([at(f) for f in (0.0, 0.7999999, 0.8, 0.8999999, 0.9000001, 0.99999)], (0.8, 0.1, 0.1))

    assert found == ["train", "train", "validation", "validation", "test", "test"]


def test_without_shares_every_record_is_in_train() -> None:
    assert split_of(["00" * 32, "ff" * 32], ()) == ["train", "train"]


def make_rows(count: int) -> list[dict[str, Any]]:
    return [
        {"prompt": f"Task {i % (count // 4)}{' ' * (i % 3)}", "response": f"R{i}", "reward": (i * 37 % 101) / 100}
        for i in range(count)
    ]


def test_no_prompt_stands_in_two_splits(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(400), splits__shares="0.6,0.2,0.2", goals__filter="none")

    homes: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        rows = examples(tmp_path / "out", split)
        assert rows
        for row in rows:
            homes.setdefault(normalised(row["prompt"][0]["content"].split("\n\n", 1)[1]), set()).add(split)
    assert len(homes) == 100
    assert all(len(splits) == 1 for splits in homes.values())
    assert [split.name for split in manifest.splits] == ["train", "validation", "test"]


def test_adding_rows_moves_no_other_row(tmp_path: Path) -> None:
    rows = make_rows(400)
    for name in ("few", "many"):
        (tmp_path / name).mkdir()
    flags = {"splits__shares": "0.5,0.5", "goals__filter": "none"}

    expand_rows(tmp_path / "few", rows[:200], **flags)
    expand_rows(tmp_path / "many", rows, **flags)

    for split in ("train", "validation"):
        few = {row["row"] for row in examples(tmp_path / "few" / "out", split)}
        many = {row["row"] for row in examples(tmp_path / "many" / "out", split)}
        assert few == {row for row in many if row <= 200}


def test_the_fit_comes_from_the_train_split_alone(tmp_path: Path) -> None:
    manifest = expand_rows(tmp_path, make_rows(400), splits__shares="0.5,0.5", goals__filter="none")

    train = {row["row"]: row["reward"] for row in examples(tmp_path / "out", "train")}

    assert manifest.fit.split == "train"
    assert manifest.fit.records == len(train) == manifest.splits[0].records
    assert manifest.fit.minimum == min(train.values())
    assert sum(goal.examples for goal in manifest.goals) == sum(split.examples for split in manifest.splits)


SHARES = (0.6, 0.2, 0.2)
LOG = make_rows(80)
SPLITS = split_of(hashes([row["prompt"] for row in LOG]), SHARES)
TEST_ROWS = [at for at, split in enumerate(SPLITS) if split == "test"]
NEW_TEST_PROMPTS = [
    text for i in range(100) if split_of(hashes([text := f"Another task {i}"]), SHARES) == ["test"]
]  # fmt: skip

reward = st.one_of(st.integers(-5, 5).map(float), st.sampled_from([-0.0, 1e-300, 1e300, 1 / 3]))
change = st.tuples(st.sampled_from(TEST_ROWS), reward, st.text("ab", min_size=1, max_size=3))
addition = st.tuples(st.sampled_from(NEW_TEST_PROMPTS), reward, st.text("ab", min_size=1, max_size=3))


def train_bytes(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    """The train shards and the fit of a real build."""
    with tempfile.TemporaryDirectory() as folder:
        expand_rows(Path(folder), rows, splits__shares=",".join(map(str, SHARES)), bins__count=4)
        out = Path(folder) / "out"
        paths = [*out.glob("data/train-*.arrow"), out / "_gcsl" / "fit.json"]
        return {path.name: path.read_bytes() for path in paths}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(change, max_size=6), st.lists(addition, max_size=3), st.booleans())
def test_a_row_of_the_test_split_never_changes_a_byte_of_train(
    changes: list[Any], additions: list[Any], removes: bool
) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in LOG]
    for at, value, response in changes:
        rows[at] |= {"reward": value, "response": response}
    # A train row's id holds its row number, so rows come and go behind the last train row, where they move no other.
    last = max(at for at, split in enumerate(SPLITS) if split == "train")
    if removes:
        rows = [row for at, row in enumerate(rows) if at <= last or SPLITS[at] != "test"]
    rows += [{"prompt": p, "response": r, "reward": v} for p, v, r in additions]

    assert train_bytes(rows) == train_bytes(LOG)


TimedRow = tuple[str, Any, str | None]
moments = st.integers(0, 12).map(lambda hour: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour))
numbers = st.integers(-6, 6).map(lambda i: i / 4)
shares = st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5), (0.6, 0.2, 0.2), (0.1, 0.9)])


def timed(when: st.SearchStrategy[Any]) -> st.SearchStrategy[list[TimedRow]]:
    row = st.tuples(st.sampled_from("abcdefghij"), when, st.sampled_from([None, None, None, "no_reward"]))
    return st.lists(row, min_size=1, max_size=40)


def timed_frame(rows: list[TimedRow]) -> pl.LazyFrame:
    is_number = all(isinstance(when, float) for _, when, _ in rows)
    kind = pl.Float64 if is_number else pl.Datetime("us", "UTC")
    schema = {"prompt_hash": pl.String, TIME: kind, "reject": pl.String, "row": pl.Int64}
    return pl.LazyFrame([(*row, at) for at, row in enumerate(rows)], schema=schema, orient="row")


def time_splits(rows: list[TimedRow], cuts: TimeCuts | None, given: Sequence[float]) -> tuple[pl.DataFrame, TimeCuts]:
    frame = timed_frame(rows)
    firsts = first_times(frame).collect(engine="streaming")
    found = cuts or cuts_of(firsts, given)
    return assign_time_splits(frame, firsts.lazy(), found).collect(engine="streaming"), found


def reference_starts(rows: list[TimedRow], given: Sequence[float]) -> list[Any]:
    """The first time of each later split: the earliest at which enough records belong to prompts that began before."""
    usable = [(prompt, when) for prompt, when, reject in rows if reject is None]
    first = {prompt: min(w for p, w in usable if p == prompt) for prompt, _ in usable}
    times = sorted(set(first.values()))
    starts = []
    for share in list(accumulate(Fraction(str(s)) for s in given))[:-1]:
        enough = [t for t in times if sum(first[p] < t for p, _ in usable) >= share * len(usable)]
        starts.append(enough[0] if enough else None)
    return starts


@given(st.one_of(timed(moments), timed(numbers)), shares)
def test_time_splits_are_those_of_plain_python(rows: list[TimedRow], given: tuple[float, ...]) -> None:
    starts = reference_starts(rows, given)
    if None in starts or len(set(starts)) < len(starts):
        with pytest.raises(DataError, match="cannot be parted into train, validation"):
            time_splits(rows, None, given)
        return
    found, cuts = time_splits(rows, None, given)

    assert cuts.values == starts
    assert found["row"].to_list() == list(range(len(rows)))
    assert found.columns == ["prompt_hash", TIME, "reject", "row", "split"]
    usable = [(prompt, when) for prompt, when, reject in rows if reject is None]
    for prompt, _ in usable:
        first = min(w for p, w in usable if p == prompt)
        homes = set(found.filter(prompt_hash=prompt)["split"])
        assert homes == {("train", "validation", "test")[sum(first >= start for start in starts)]}


@given(st.one_of(timed(moments), timed(numbers)), shares)
def test_time_cuts_go_through_json_exactly(rows: list[TimedRow], given: tuple[float, ...]) -> None:
    try:
        cuts = time_splits(rows, None, given)[1]
    except DataError:
        return
    read = decode(TimeCuts, json.loads(json.dumps(encode(cuts))))

    assert (read, read.values, list(read.contradictions())) == (cuts, cuts.values, [])


@given(timed(numbers), shares, st.lists(st.tuples(st.sampled_from("klm"), st.integers(7, 9).map(float), st.none())))
def test_later_rows_move_no_train_row_once_the_cuts_are_frozen(
    rows: list[TimedRow], given: tuple[float, ...], later: list[TimedRow]
) -> None:
    """Without frozen cuts they do: more records later mean that the same share reaches further."""
    try:
        before, cuts = time_splits(rows, None, given)
    except DataError:
        return
    after, _ = time_splits([*rows, *later], cuts, given)

    assert after.filter(split="train").equals(before.filter(split="train"))


def test_a_prompt_that_comes_again_stays_where_it_came_first() -> None:
    rows = [("a", 1.0, None), ("b", 2.0, None), ("c", 3.0, None), ("a", 9.0, None), ("d", 4.0, "no_time")]

    found, cuts = time_splits(rows, None, (0.5, 0.25, 0.25))

    assert found["split"].to_list() == ["train", "validation", "test", "train", "train"]
    assert cuts == TimeCuts(kind="number", splits=("train", "validation", "test"), starts=("2.0", "3.0"))


def test_cuts_of_times_are_read_as_people_write_them() -> None:
    rows = [(name, datetime(2026, 3, day, 8, tzinfo=UTC), None) for day, name in enumerate("abcd", start=1)]

    assert time_splits(rows, None, (0.5, 0.5))[1].starts == ("2026-03-03T08:00:00.000000+00:00",)


def test_times_of_another_kind_than_the_cuts_are_an_error() -> None:
    cuts = TimeCuts(kind="datetime", splits=("train", "test"), starts=("2026-03-03T08:00:00.000000+00:00",))

    with pytest.raises(DataError, match="cut by datetime, and the log's times are of the kind number") as caught:
        time_splits([("a", 1.0, None)], cuts, ())
    assert caught.value.exit_status == 65


@pytest.mark.parametrize(
    ("cuts", "words"),
    [
        (TimeCuts(kind="datetime", splits=("a", "b"), starts=("2026-03-03T08:00",)), "names no zone"),
        (TimeCuts(kind="number", splits=("train", "test"), starts=("soon",)), "not all of the kind number"),
        (TimeCuts(kind="number", splits=("train", "test"), starts=("nan", "1.0")), "not in ascending order"),
        (TimeCuts(kind="number", splits=("train", "test"), starts=()), "cannot part 2 splits"),
        (
            TimeCuts(kind="datetime", splits=("a", "b", "c"), starts=("2026-03-03T00:00Z", "2026-03-01T00:00Z")),
            "not in ascending order",
        ),
    ],
)
def test_contradictions_of_strange_time_cuts_are_named(cuts: TimeCuts, words: str) -> None:
    assert any(words in line for line in cuts.contradictions())
