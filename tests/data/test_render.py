"""Goals in prompts: the same bytes from Polars as from `dataset.goal`, which trainers and inference use."""

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsl_data.columns import EXAMPLE, FRAGMENT, MESSAGES
from gcsl_data.dataset.goal import PLACEMENTS, Placement, place, remove
from gcsl_data.lookup import lookup
from gcsl_data.recipe import BinsStage
from gcsl_data.stages.formulations import FORMULATIONS
from gcsl_data.stages.labels import with_labels
from gcsl_data.stages.render import Layout, to_examples

from .support import examples, expand_rows, fit_of, make_rows

GOALS = {1: "Reach 0.", 2: "Reach 1.\n\nReally.", 3: "Reach 2."}
FIT = fit_of([0.0, 1.0, 2.0], BinsStage(count=3))

nasty = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(
        ["", "\n\n", *GOALS.values(), GOALS[1] + "\n\n", "\n\n" + GOALS[2], "{{ threshold }}", "\x00", "\r\n"]
    ),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "\n\n"]),
        st.sampled_from(list(GOALS.values())),
        st.text("\n x", max_size=4),
    ),
)
turn = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": nasty})
chats = st.lists(turn, max_size=4).map(lambda turns: [*turns, {"role": "user", "content": "Go."}]) | st.tuples(
    st.lists(turn, max_size=2), nasty, st.lists(turn, max_size=2)
).map(lambda parts: [*parts[0], {"role": "user", "content": parts[1]}, *parts[2]])
placements = st.sampled_from(PLACEMENTS)


def render(
    prompts: list[Any], *, placement: Placement, format: str, rewards: list[float] | None = None
) -> pl.DataFrame:
    is_text = all(isinstance(prompt, str) for prompt in prompts)
    records = pl.LazyFrame(
        {
            "prompt": pl.Series(prompts, dtype=pl.String if is_text else MESSAGES),
            "response": [f"Answer {i}" for i in range(len(prompts))],
            "reward": rewards or [2.0] * len(prompts),
            "group": ["g"] * len(prompts),
            "source": ["log.jsonl"] * len(prompts),
            "row": list(range(1, len(prompts) + 1)),
            "part": pl.Series([0] * len(prompts), dtype=pl.Int32),
            "split": ["train"] * len(prompts),
            FRAGMENT: 0,
        }
    )
    labelled = with_labels(records, FIT, FORMULATIONS["gcsl-bey-nl"])
    goal = lookup(pl.col("copy"), GOALS, pl.String)
    numbers = {t.index: t.bound for t in FIT.thresholds}
    layout = Layout(placement, format)
    return to_examples(labelled, goal=goal, thresholds=numbers, indexed=True, layout=layout).collect()


@given(st.one_of(nasty, chats), st.sampled_from(list(GOALS.values())), placements)
def test_removing_a_goal_gives_back_the_prompt_byte_for_byte(prompt: Any, goal: str, placement: Placement) -> None:
    if isinstance(prompt, str) and placement == "system":
        with pytest.raises(ValueError, match="no system message"):
            place(prompt, goal, placement)
        return

    placed = place(prompt, goal, placement)

    assert placed != prompt
    assert remove(placed, goal, placement) == prompt


@settings(max_examples=60)
@given(st.lists(chats, min_size=1, max_size=4), placements)
def test_conversations_get_their_goal_as_the_contract_says(prompts: list[Any], placement: Placement) -> None:
    found = render(prompts, placement=placement, format="messages")

    expected = [place(prompt, GOALS[k], placement) for prompt in prompts for k in (1, 2, 3)]
    assert found["prompt"].to_list() == expected


@settings(max_examples=60)
@given(st.lists(nasty, min_size=1, max_size=4), placements)
def test_text_prompts_become_one_user_turn_with_the_goal(prompts: list[str], placement: Placement) -> None:
    found = render(prompts, placement=placement, format="messages")

    expected = [place([{"role": "user", "content": p}], GOALS[k], placement) for p in prompts for k in (1, 2, 3)]
    assert found["prompt"].to_list() == expected


@given(st.lists(nasty, min_size=1, max_size=4), st.sampled_from(["prefix", "suffix"]))
def test_text_prompts_stay_text_when_asked(prompts: list[str], placement: Placement) -> None:
    found = render(prompts, placement=placement, format="text")

    assert found["prompt"].to_list() == [place(p, GOALS[k], placement) for p in prompts for k in (1, 2, 3)]
    assert found["completion"].to_list() == [f"Answer {i}" for i in range(len(prompts)) for _ in GOALS]


def test_a_goal_that_does_not_stand_there_cannot_be_removed() -> None:
    for prompt in ("Plain", [{"role": "user", "content": "Plain"}]):
        with pytest.raises(ValueError, match="does not stand"):
            remove(prompt, "Reach 0.", "prefix")


def test_no_goal_leaves_a_prompt_as_it_is() -> None:
    chat = [{"role": "user", "content": "Plain"}]

    assert place("Plain", None, "prefix") == remove("Plain", None, "prefix") == "Plain"
    assert place(chat, None, "system") == remove(chat, None, "system") == chat


def test_a_conversation_without_a_user_turn_has_no_place_for_a_goal() -> None:
    with pytest.raises(ValueError, match="user turn"):
        place([{"role": "assistant", "content": "x"}], "Reach 0.", "prefix")


def test_every_record_has_one_row_per_reached_goal_lowest_first() -> None:
    found = render(["a", "b", "c"], placement="prefix", format="messages", rewards=[2.0, 0.0, 1.5])

    assert found.select("row", "goal_index", "level", "threshold").rows() == [
        (1, 1, 3, 0.0), (1, 2, 3, 1.0), (1, 3, 3, 2.0), (2, 1, 1, 0.0), (3, 1, 2, 0.0), (3, 2, 2, 1.0),
    ]  # fmt: skip
    assert found["goal"].to_list() == [GOALS[k] for k in (1, 2, 3, 1, 1, 2)]
    assert found.columns == [*(column.name for column in EXAMPLE), "split", FRAGMENT]


def test_a_record_below_every_kept_goal_gives_no_row() -> None:
    found = render(["a", "b"], placement="prefix", format="messages", rewards=[-1.0, 2.0])

    assert found["row"].to_list() == [2, 2, 2]


def test_ids_are_the_documented_hash_and_unique(tmp_path: Path) -> None:
    expand_rows(tmp_path, make_rows(i / 50 for i in range(50)), goals__filter="none")

    rows = examples(tmp_path / "out")

    for row in rows:
        parts = "\x1f".join(["log.jsonl", str(row["row"]), "0", str(row["goal_index"])])
        assert row["id"] == hashlib.sha256(parts.encode()).hexdigest()[:16]
    assert len({row["id"] for row in rows}) == len(rows) == 150


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_no_prompt_and_no_answer_is_lost_or_changed(tmp_path: Path, placement: Placement) -> None:
    texts = ["plain", "  kept spaces \n", "naïve 💡 \u200f rtl", 'quotes "and" \\ slashes', "\r\nlines\r"]
    rows = [{"prompt": t, "response": t[::-1], "reward": i / 10} for i, t in enumerate(texts)]

    manifest = expand_rows(tmp_path, rows, goals__filter="none", goals__placement=placement, bins__count=3)

    written = examples(tmp_path / "out")
    assert {row["row"] for row in written} == set(range(1, len(texts) + 1))
    for row in written:
        text = texts[row["row"] - 1]
        assert remove(row["prompt"], row["goal"], manifest.placement) == [{"role": "user", "content": text}]
        assert row["completion"] == [{"role": "assistant", "content": text[::-1]}]
        assert row["goal"] == manifest.goal(row["goal_index"]).text
        assert row["weight"] == 1.0
