"""docs/training.md: its table of losses is what they declare, and the loss that it adds trains and has TRL's value."""

import dataclasses
import re
from pathlib import Path

import pytest

from gcsl_train import config
from gcsl_train.config import resolve
from gcsl_train.losses import LOSSES
from gcsl_train.objective import choose

from .support import command, make_kind_dataset, metrics
from .tables import table
from .test_trl_values import CLOSE, batch_of, documents, fields, halves, ours, pairs, trainer

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


def declared(loss):
    settings = ", ".join(f"`{name}` {parameter.default}" for name, parameter in loss.settings.items())
    return [loss.kind, settings, loss.reference, loss.normaliser]


def test_the_table_of_losses_is_what_they_declare():
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z-]+) \|(.*?)\| ([a-z-]+) \| ([a-z]+) \| .+ \|$", PAGE, re.MULTILINE)
    written = {name: [kind, settings.strip(), *rest] for name, kind, settings, *rest in rows}
    assert written == {name: declared(loss) for name, loss in LOSSES.items()}
    assert list(written) == list(LOSSES)


@pytest.fixture
def added(monkeypatch):
    """The losses with the one that the page adds."""
    (block,) = [b for b in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if "LOSSES" in b]
    monkeypatch.setitem(LOSSES, "ipo", None)  # so that it is gone again afterwards
    exec(compile(block, "docs/training.md", "exec"), {})


@pytest.mark.usefixtures("added")
def test_the_loss_that_the_page_adds_trains(model, tmp_path):
    words = (
        make_kind_dataset(tmp_path / "d", "pairs"),
        "--model",
        model,
        "--out",
        tmp_path / "run",
        "--max-length",
        128,
    )
    assert command(*words, "--loss", "ipo", "--set", "loss.beta=0.5", "--max-steps", 3) == 0
    first = metrics(tmp_path / "run")[0]
    assert first["loss"] == pytest.approx(1.0)  # (0 - 1 / (2 * 0.5))^2
    assert first["lead"] == pytest.approx(0.0)
    assert metrics(tmp_path / "run")[2]["loss"] < 1.0


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.usefixtures("added", "offline")
def test_the_loss_that_the_page_adds_has_the_value_of_trl(model, tmp_path):
    from trl import DPOConfig, DPOTrainer

    theirs = trainer(DPOTrainer, DPOConfig, pairs(), model, tmp_path, beta=0.3, loss_type="ipo")
    batch = batch_of(theirs)
    expected = float(theirs.compute_loss(theirs.model, dict(batch)))
    chosen_first = [d for both in zip(*halves(documents(*fields(batch))), strict=True) for d in both]
    value = ours("ipo", table(*chosen_first, items=[2] * 5), model, beta=0.3)
    assert abs(value - expected) <= CLOSE * min(expected, 1)


def test_the_settings_file_on_the_page_is_one(tmp_path):
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "run.toml").write_text(block)
    made = resolve(str(tmp_path / "run.toml"), {"DIR": "d", "model": "m", "out": "o"})
    assert (made.data.max_length, made.lora.rank, made.run.packs_per_step) == (4096, 32, 16)
    assert choose(made.loss, "examples").settings == {"coefficient": 0.1, "direction": "policy-reference"}


def test_every_setting_stands_on_the_page_with_its_default():
    line = {row.split("|")[1].strip(" `[]"): row for row in PAGE.splitlines() if row.startswith("| `[")}
    for part, kind in config.PARTS.items():
        for setting in dataclasses.fields(kind):
            if (part, setting.name) == ("loss", "settings"):
                continue
            assert f"`{setting.name}`" in line[part], (part, setting.name)
            if setting.default not in (dataclasses.MISSING, None):
                default = setting.default
                found = line[part].split(f"`{setting.name}` ")[1].split(",")[0].split(":")[0].strip(" )|")
                same = float(found) == default if type(default) in (int, float) else found == str(default).lower()
                assert same, (part, setting.name)
