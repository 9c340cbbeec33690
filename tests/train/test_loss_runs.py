"""Whole runs of every loss: what they record, that they go on exactly, and what is refused before anything is written."""

import json
import shutil

import pyarrow as pa
import pytest

from gcsl_data.errors import DataError
from gcsl_train.losses import LOSSES
from gcsl_train.shards import read_examples, read_manifest

from .support import TIMED, command, make_dataset, make_kind_dataset, make_kind_rows, make_rows, metrics
from .test_bad_input import refused
from .test_processes import start_two

FLAGS = ("--max-length", 192, "--packs-per-step", 3, "--learning-rate", 1e-2)
EVERY_RUN = [
    "step", "loss", "tokens", "supervised_tokens", "padding", "lr", "grad_norm", "entropy", "token_accuracy", *TIMED,
]  # fmt: skip
OWN = {
    "kl": ["kl"],
    "iw-sft": ["importance"],
    "iw-sft-token": ["importance"],
    "gft": ["rectified"],
    "kto": ["margin", "kl"],
    **{name: ["margin", "preferred"] for name in ("dpo", "cdpo", "simpo", "alphadpo", "sdpo")},
}


def dataset_for(name, folder):
    kind = LOSSES[name].kind
    return make_dataset(folder, make_rows(30)) if kind == "examples" else make_kind_dataset(folder, kind)


def without_times(lines):
    return [{name: value for name, value in line.items() if name not in TIMED} for line in lines]


@pytest.mark.parametrize("name", list(LOSSES))
def test_a_run_records_its_loss_and_goes_on_bit_for_bit(name, model, tmp_path):
    dataset = dataset_for(name, tmp_path / "d")
    words = (dataset, "--model", model, *FLAGS, "--loss", name, "--max-steps", 4, "--save-every", 2)
    words = (*words, "--lora-dropout", 0.1)
    assert command(*words, "--out", tmp_path / "whole") == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-4")
    shutil.rmtree(tmp_path / "cut" / "adapter")
    assert command(*words, "--out", tmp_path / "cut", "--resume", "auto") == 0
    lines = metrics(tmp_path / "whole")
    assert without_times(metrics(tmp_path / "cut")) == without_times(lines)
    weights = "adapter/adapter_model.safetensors"
    assert (tmp_path / "cut" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()

    assert list(lines[0]) == [*EVERY_RUN, *OWN.get(name, [])]
    assert all(line["grad_norm"] > 0 for line in lines)
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    declared = LOSSES[name]
    assert record["loss"] == {
        "name": name,
        "normaliser": declared.normaliser,
        "reference": declared.reference,
        **{setting: parameter.default for setting, parameter in declared.settings.items()},
    }
    card = (tmp_path / "whole" / "adapter" / "README.md").read_text()
    assert f"Trained with the loss `{name}`" in card or f"(loss `{name}`)" in card
    carried = json.loads((tmp_path / "whole" / "checkpoints" / "step-4" / "state.json").read_text())["loss_state"]
    assert len(carried) == {"alphadpo": 2, "kto": 1}.get(name, 0)


@pytest.mark.parametrize(
    ("name", "flags"), [("alphadpo", ()), ("kto", ("--set", "run.store_reference=true")), ("kl", ())]
)
def test_two_processes_give_the_losses_of_one(name, flags, model, tmp_path):
    dataset = dataset_for(name, tmp_path / "d")
    words = (dataset, "--model", model, *FLAGS, "--loss", name, "--max-steps", 4, *flags)
    assert command(*words, "--out", tmp_path / "one") == 0
    process = start_two(*words, "--out", tmp_path / "two")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    for field in ("loss", "grad_norm", "entropy", *OWN[name]):
        expected = [line[field] for line in one]
        assert [line[field] for line in two] == pytest.approx(expected, rel=2e-5, abs=1e-7), field


@pytest.mark.parametrize("name", ["sdpo", "kto"])
def test_a_stored_reference_is_that_of_each_step_and_is_read_when_resuming(name, model, tmp_path, capsys):
    dataset = dataset_for(name, tmp_path / "d")
    words = (dataset, "--model", model, *FLAGS, "--loss", name, "--max-steps", 4, "--save-every", 2)
    assert command(*words, "--out", tmp_path / "each") == 0
    words = (*words, "--set", "run.store_reference=true")
    assert command(*words, "--out", tmp_path / "once") == 0
    each, once = metrics(tmp_path / "each"), metrics(tmp_path / "once")
    for field in ("loss", "grad_norm", *OWN[name]):
        expected = [line[field] for line in each]
        assert [line[field] for line in once] == pytest.approx(expected, rel=1e-4, abs=1e-5), field

    shutil.rmtree(tmp_path / "once" / "checkpoints" / "step-4")
    shutil.rmtree(tmp_path / "once" / "adapter")
    other = make_kind_dataset(tmp_path / "other", LOSSES[name].kind, make_kind_rows(LOSSES[name].kind, 24)[::-1])
    assert command(other, *words[1:], "--out", tmp_path / "of-another") == 0
    content = (tmp_path / "once" / "reference.safetensors").read_bytes()
    contents = {
        "cut": content[:-8],
        "bit": content[:-38] + bytes([content[-38] ^ 64]) + content[-37:],  # the last 32 are the hash
        "swapped": (tmp_path / "of-another" / "reference.safetensors").read_bytes(),
    }
    for folder, content in contents.items():
        shutil.copytree(tmp_path / "once", tmp_path / folder)
        (tmp_path / folder / "reference.safetensors").write_bytes(content)
    for folder, again in (("once", False), *((folder, True) for folder in contents)):
        capsys.readouterr()
        assert command(*words, "--out", tmp_path / folder, "--resume", "auto") == 0
        assert without_times(metrics(tmp_path / folder)) == without_times(once)
        err = capsys.readouterr().err
        assert ("computing the reference of all answers" in err) is again
        assert ("reference.safetensors cannot be used" in err) is again


@pytest.mark.parametrize(
    "change", [{"loss_state": []}, {"loss_state": [float("nan")] * 2}, {"loss_state": [0.5] * 5}, {"step": 1}], ids=str
)
def test_a_checkpoint_whose_counters_were_edited_is_damaged(change, model, tmp_path, capsys):
    dataset = dataset_for("alphadpo", tmp_path / "d")
    words = (dataset, "--model", model, *FLAGS, "--loss", "alphadpo", "--max-steps", 2, "--out", tmp_path / "run")
    assert command(*words) == 0
    file = tmp_path / "run" / "checkpoints" / "step-2" / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    refused(capsys, *words, "--resume", file.parent, status=65, said="step-2 is damaged")


@pytest.mark.parametrize(("name", "why"), [("simpo", "has no reference"), ("kl", "needs its reference's whole")])
def test_a_reference_that_cannot_be_stored_is_refused(name, why, tmp_path, capsys):
    dataset = dataset_for(name, tmp_path / "d")
    words = (dataset, "--model", tmp_path / "none", "--loss", name, "--out", tmp_path / "run")
    refused(capsys, *words, "--set", "run.store_reference=true", status=2, said=why)


@pytest.mark.parametrize("name", ["dpo", "kl"])
def test_gradient_checkpointing_and_sixteen_bits_give_the_losses_of_any_run(name, model, tmp_path):
    dataset = dataset_for(name, tmp_path / "d")
    words = (dataset, "--model", model, *FLAGS, "--loss", name, "--max-steps", 3)
    runs = {}
    for run, flags in (("plain", ()), ("saving", ("--gradient-checkpointing",)), ("narrow", ("--dtype", "bfloat16"))):
        assert command(*words, *flags, "--out", tmp_path / run) == 0
        runs[run] = metrics(tmp_path / run)
    for field in ("loss", "grad_norm"):
        plain = [line[field] for line in runs["plain"]]
        assert [line[field] for line in runs["saving"]] == pytest.approx(plain, rel=1e-4)
        assert runs["narrow"][0][field] == pytest.approx(plain[0], rel=0.1)


@pytest.mark.parametrize("name", ["dpo", "simpo", "sdpo"])
def test_training_teaches_to_prefer_the_chosen(name, model, tmp_path):
    dataset = dataset_for(name, tmp_path / "d")
    words = (dataset, "--model", model, "--max-length", 192, "--loss", name, "--epochs", 6, "--learning-rate", 5e-3)
    assert command(*words, "--out", tmp_path / "run") == 0
    lines = metrics(tmp_path / "run")
    assert lines[-1]["preferred"] > 0.9
    assert lines[-1]["margin"] > lines[0]["margin"] + 0.5


def test_settings_come_from_flags_and_from_a_file(model, tmp_path, capsys):
    dataset = dataset_for("simpo", tmp_path / "d")
    (tmp_path / "run.toml").write_text('[loss]\nname = "simpo"\nbeta = 3\ngamma = 1.0\n')
    words = (dataset, "--model", model, "--config", tmp_path / "run.toml", "--max-steps", 1)
    assert command(*words, "--set", "loss.gamma=0.25", "--set", "data.max-length=256", "--out", tmp_path / "run") == 0
    err = capsys.readouterr().err
    assert err.startswith("settings: max-length 256, max-steps 1, loss simpo, loss.beta 3, loss.gamma 0.25 (")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["loss"] == {
        "name": "simpo", "normaliser": "items", "reference": "none", "beta": 3.0, "gamma": 0.25,
    }  # fmt: skip
    assert record["config"]["loss"] == {"name": "simpo", "beta": 3, "gamma": 0.25}
    resumed = (*words, "--out", tmp_path / "run", "--resume", "auto")
    refused(capsys, *resumed, status=65, said="capacity 256 then, 2048 now, loss_gamma 0.25 then, 1.0 now")


@pytest.mark.parametrize(
    ("kind", "flags", "said"),
    [
        ("pairs", (), "loss 'sft' takes datasets of kind 'examples', this one is 'pairs'"),
        ("pairs", (), "(dpo, cdpo, simpo, alphadpo)"),
        ("unpaired", ("--loss", "dpo"), "choose a --loss for it (kto)"),
        ("pairs", ("--loss", "dppo"), "unknown loss 'dppo'; did you mean 'dpo'?"),
        ("pairs", ("--loss", "dpo", "--set", "loss.gamma=1"), "loss 'dpo' has no setting 'gamma'; known: beta"),
        ("pairs", ("--loss", "dpo", "--set", "loss.beta=-1"), "loss.beta must be a finite number that is not negative"),
        ("pairs", ("--loss", "dpo", "--set", "beta=1"), "--set takes PART.NAME=VALUE, as in loss.beta=0.2"),
        ("pairs", ("--loss", "dpo", "--set", "los.beta=1"), "unknown part 'los'; did you mean 'loss'"),
        ("pairs", ("--loss", "dpo", "--set", "optim.clip=high"), "optim.clip must be of type float"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_loaded(kind, flags, said, tmp_path, capsys):
    dataset = make_kind_dataset(tmp_path / "d", kind)
    words = (dataset, "--model", tmp_path / "none", "--out", tmp_path / "run", *flags)
    refused(capsys, *words, status=2, said=said)
    refused(capsys, "plan", dataset, "--model", tmp_path / "none", *flags, status=2, said=said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("loss", "name", "number", "wanted"),
    [
        ("gft", "advantage", float("nan"), "a finite number"),
        ("gft", "advantage", 1e300, "a finite number of at most 3.4e+38"),
        ("dpo", "weight", -1e39, "a finite number of at most 3.4e+38"),
    ],
)
def test_a_number_that_no_pack_can_hold_is_refused_by_row(loss, name, number, wanted, model, tmp_path, capsys):
    kind = LOSSES[loss].kind
    rows = make_kind_rows(kind, 6)
    rows[4][name] = number
    dataset = make_kind_dataset(tmp_path / "d", kind, rows)
    words = (dataset, "--model", model, "--loss", loss, "--out", tmp_path / "run")
    refused(capsys, *words, status=65, said=f"row 5 ({rows[4]['id']}): {name} is {number}, expected {wanted}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("label", [0.7, -1.0, 5.0])
def test_a_label_is_true_or_false(label, tmp_path):
    rows = [{**row, "label": float(row["label"])} for row in make_kind_rows("unpaired", 4)]
    rows[2]["label"] = label
    dataset = make_kind_dataset(tmp_path / "d", "unpaired", rows, columns={"label": pa.float64()})
    with pytest.raises(DataError, match=f"label is {label}, expected true or false"):
        list(read_examples(dataset, read_manifest(dataset)))


def test_a_loss_that_leaves_a_column_unread_says_so(model, tmp_path, capsys):
    dataset = dataset_for("dpo", tmp_path / "d")
    said = "warning: loss 'dpo' does not read the smoothing of these pairs (up to 0.1); 'cdpo' does"
    assert command("plan", dataset, "--model", model, "--loss", "dpo") == 0
    assert said in capsys.readouterr().err.splitlines()
    assert command(dataset, "--model", model, *FLAGS, "--loss", "dpo", "--max-steps", 1, "--out", tmp_path / "run") == 0
    assert said in capsys.readouterr().err.splitlines()


def test_a_step_without_a_gradient_is_said_once(model, tmp_path, capsys):
    rows = [{**row, "weight": 0.0} for row in make_kind_rows("pairs", 24)]
    dataset = make_kind_dataset(tmp_path / "d", "pairs", rows)
    words = (dataset, "--model", model, *FLAGS, "--loss", "cdpo", "--max-steps", 2, "--out", tmp_path / "run")
    assert command(*words) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "has no gradient" in line]
    assert lines == ["warning: step 1 has no gradient, so nothing is learned from it; are weights or settings 0?"]


def test_groups_that_teach_nothing_are_not_called_too_long(model, tmp_path, capsys):
    rows = [{**row, "advantage": -0.0} for row in make_kind_rows("groups", 6)]
    dataset = make_kind_dataset(tmp_path / "d", "groups", rows)
    words = ("plan", dataset, "--model", model, "--loss", "gft")
    refused(capsys, *words, status=65, said="all of its rows are left out (6 equal_rewards); build the dataset again")


def test_a_step_that_is_not_finite_names_rows_of_pairs_once(model, tmp_path, capsys):
    dataset = dataset_for("dpo", tmp_path / "d")
    words = (dataset, "--model", model, "--max-length", 192, "--loss", "dpo", "--out", tmp_path / "run")
    refused(capsys, *words, "--learning-rate", 1e30, "--warmup", 0, "--epochs", 9, status=70, said="step 2: loss")


def test_the_plan_of_a_loss_counts_its_items(model, tmp_path, capsys):
    dataset = dataset_for("gft", tmp_path / "d")
    assert command("plan", dataset, "--model", model, "--loss", "gft", "--json", *FLAGS[:4]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert (counts["examples"], counts["dropped"], counts["filtered"]) == (24, 0, {})
    lonely = make_kind_dataset(tmp_path / "lonely", "groups", make_kind_rows("groups", 7))
    assert command("plan", lonely, "--model", model, "--loss", "gft") == 0
    assert "6 (1 group_of_one are left out, the longest" in capsys.readouterr().out
