"""Splits are by prompt, by a hash whose values never change."""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsl_data.columns import MESSAGES
from gcsl_data.hashing import prompt_hash
from gcsl_data.stages.splits import assign_splits

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
