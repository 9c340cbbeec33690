"""Truth: every goal in a written dataset, read back from its text, is true of the row that carries it."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsl_data.errors import DataError, RecipeError

from . import reference
from .support import errors, examples, expand_rows, make_rows
from .truth import claims, is_true, is_true_of_label

TOO_TIED = (
    "GD1302",
    "GD1303",
    "GD1304",
    "GD7810",
    "GD7811",
    "GD7812",
)  # the last three: no numbers that part the goals
LABELS = ["Poor", "Fair", "Good", "Excellent"]
TEMPLATES = {
    ">=": "A score of at least {{ threshold }}.",
    ">": '{#comparator = ">"#}A score greater than {{ threshold }}.',
    "<=": "A score of at most {{ threshold }}.",
    "<": '{#comparator = "<"#}A score less than {{ threshold }}.',
}
odd_rewards = st.lists(
    st.one_of(st.sampled_from([0.0, 0.3, 1 - 0.81, 1.0]), st.decimals(-3, 3, places=4).map(float)).map(
        lambda r: reference.significant(r) or 0.0
    ),
    min_size=2,
    max_size=40,
)
quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def direction_of(comparator: str) -> str:
    return "higher" if comparator in (">=", ">") else "lower"


def build(folder: Path, rows: list[dict[str, Any]], **flags: Any) -> list[dict[str, Any]] | None:
    """The rows of a dataset that keeps all goals; None where the rewards are too tied or too close together for one."""
    try:
        expand_rows(folder, rows, goals__filter="none", **flags)
    except (DataError, RecipeError) as error:
        if error.code not in TOO_TIED:
            raise
        return None
    assert errors(folder / "out") == []
    return examples(folder / "out")


@pytest.mark.parametrize("comparator", TEMPLATES)
@quick
@given(log=odd_rewards, ties=st.sampled_from(["merge", "spread"]), decimals=st.sampled_from(["auto", "2", "5"]))
def test_thresholds(
    tmp_path_factory: pytest.TempPathFactory, comparator: str, log: list[float], ties: str, decimals: str
) -> None:
    folder = tmp_path_factory.mktemp("thresholds")
    (folder / "goal.j2").write_text(TEMPLATES[comparator])

    rows = build(
        folder, make_rows(log), bins__ties=ties, bins__decimals=decimals, record__direction=direction_of(comparator),
        goals__template=str(folder / "goal.j2"),
    )  # fmt: skip

    for row in rows or ():
        assert is_true(row["goal"], Decimal(repr(log[row["row"] - 1])))


@pytest.mark.parametrize("direction", ["higher", "lower"])
@quick
@given(
    log=odd_rewards,
    scale=st.sampled_from([None, (-1, 1), (-3, 2.125), (-2.5, 3)]),
    decimals=st.sampled_from(["auto", "1"]),
)
def test_intervals(
    tmp_path_factory: pytest.TempPathFactory,
    direction: str,
    log: list[float],
    scale: tuple[float, float] | None,
    decimals: str,
) -> None:
    folder = tmp_path_factory.mktemp("intervals")
    flags = {"goals__scale": scale} if scale else {}

    rows = build(
        folder,
        make_rows(log),
        goals__formulation="gcsl-nl",
        record__direction=direction,
        bins__decimals=decimals,
        **flags,
    )

    for row in rows or ():
        value = log[row["row"] - 1]
        assert is_true(row["goal"], Decimal(repr(value)))
        assert scale is None or scale[0] <= value <= scale[1]


def test_a_row_beyond_the_scale_gets_no_interval_and_is_counted(tmp_path: Path) -> None:
    log = [i / 10 for i in range(11)] + [1.2, 1.5]

    manifest = expand_rows(tmp_path, make_rows(log), goals__formulation="gcsl-nl", goals__scale=(0, 1), bins__count=3)

    assert {row["row"] for row in examples(tmp_path / "out")} == set(range(1, 12))
    assert manifest.accounting.filtered == {"beyond_scale": 2}
    assert manifest.inference_text == "Generate a response with a score between 0.9 and 1.0."


def test_the_end_of_the_scale_is_printed_with_all_its_digits(tmp_path: Path) -> None:
    expand_rows(
        tmp_path, make_rows([1.0, 2.0, 3.0, 4.0, 4.25, 4.5]), goals__formulation="gcsl-nl", goals__scale=(0, 4.5),
        bins__decimals=0, bins__count=3,
    )  # fmt: skip

    assert examples(tmp_path / "out")[-1]["goal"] == "Generate a response with a score between 4 and 4.5."


@quick
@given(st.lists(st.sampled_from(LABELS), min_size=2, max_size=40))
def test_labels_are_said_and_never_their_rank(tmp_path_factory: pytest.TempPathFactory, log: list[str]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    rows = [{**row, "reward": label} for row, label in zip(make_rows([0.0] * len(log)), log, strict=True)]

    written = build(folder, rows, record__reward_order="<".join(LABELS))

    for row in written or ():
        assert is_true_of_label(row["goal"], log[row["row"] - 1], LABELS)
        assert not any(character.isdigit() for character in row["goal"])


@quick
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100)), min_size=4, max_size=60))
def test_joint_goals(tmp_path_factory: pytest.TempPathFactory, log: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("joint")
    rows = [{**row, "help": a, "tox": b / 100} for row, (a, b) in zip(make_rows([0.0] * len(log)), log, strict=True)]

    written = build(
        folder,
        rows,
        record__rewards={"helpfulness": "help", "toxicity": "tox"},
        record__directions={"toxicity": "lower"},
    )

    for row in written or ():
        help_, tox = log[row["row"] - 1]
        assert is_true(row["goal"], {"helpfulness": Decimal(help_), "toxicity": Decimal(tox) / 100})
        assert len(claims(row["goal"])) == 2


def test_the_reader_of_goals_tells_true_from_false() -> None:
    assert is_true("A score of at least 0.85.", Decimal("0.85"))
    assert not is_true("A score greater than 0.85.", Decimal("0.85"))
    joint = "Target help: at least 3. Target harm: at most 0.1."
    assert is_true(joint, {"help": Decimal(3), "harm": Decimal("0.1")})
    assert not is_true(joint, {"help": Decimal(3), "harm": Decimal("0.11")})
    assert not is_true("A score between 0.1 and 0.2.", Decimal("0.21"))


@pytest.mark.parametrize("comparator", TEMPLATES)
def test_ten_thousand_odd_rewards(tmp_path: Path, comparator: str) -> None:
    rng = random.Random(comparator)
    log = [rng.choice([0.0, 1.0, round(rng.random(), 7), round(rng.random(), 2)]) for _ in range(10_000)]
    (tmp_path / "goal.j2").write_text(TEMPLATES[comparator])

    rows = build(
        tmp_path, make_rows(log), bins__count=7, bins__ties="spread", goals__template=str(tmp_path / "goal.j2"),
        record__direction=direction_of(comparator),
    )  # fmt: skip

    assert rows is not None
    assert len(rows) > 20_000
    assert all(is_true(row["goal"], Decimal(repr(log[row["row"] - 1]))) for row in rows)
