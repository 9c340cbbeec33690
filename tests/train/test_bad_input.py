"""What a user can get wrong: one line, the right status, nothing left behind."""

import json
import shutil

import pytest

from gcsl_data.dataset.manifest import load

from .support import command, make_dataset, make_kind_dataset, make_kind_rows, make_model, make_rows, metrics

SIZES = ("--max-length", 128, "--packs-per-step", 2)


def refused(capsys, *words, status, said):
    """Run a command that must fail with one line."""
    capsys.readouterr()
    assert command(*words) == status
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("error[")]) == 1
    assert lines[-1].startswith("error[G")
    assert said in lines[-1]
    assert not any("Traceback" in line for line in lines)


def test_a_folder_that_is_no_dataset(model, tmp_path, capsys):
    refused(capsys, tmp_path, "--model", model, "--out", tmp_path / "run", status=65, said="no manifest.json")
    missing = tmp_path / "none"
    refused(capsys, missing, "--model", model, "--out", tmp_path / "run", status=66, said="is not a folder")
    assert not list(tmp_path.iterdir())


def test_a_dataset_that_was_never_finished(dataset, model, tmp_path, capsys):
    shutil.copytree(dataset, tmp_path / "d")
    (tmp_path / "d" / "manifest.json").unlink()
    refused(capsys, tmp_path / "d", "--model", model, "--out", tmp_path / "run", status=65, said="no finished dataset")


def test_a_damaged_shard(dataset, model, tmp_path, capsys):
    shutil.copytree(dataset, tmp_path / "d")
    shard = tmp_path / "d" / "data" / "train-00000-of-00001.arrow"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    refused(capsys, tmp_path / "d", "--model", model, "--out", tmp_path / "run", status=65, said="is damaged")
    assert not (tmp_path / "run").exists()


def test_a_null_in_the_data_names_its_row(model, tmp_path, capsys):
    rows = make_rows(5)
    rows[3]["completion"] = None
    dataset = make_dataset(tmp_path / "d", rows)
    refused(capsys, dataset, "--model", model, "--out", tmp_path / "run", status=65, said="row 4")


def test_a_prompt_without_a_message_names_its_row(model, tmp_path, capsys):
    rows = make_kind_rows("pairs", 4)
    rows[2]["prompt"] = []
    dataset = make_kind_dataset(tmp_path / "d", "pairs", rows)
    words = (dataset, "--model", model, "--loss", "dpo", "--out", tmp_path / "run")
    refused(
        capsys, *words, status=65, said=f"row {rows[2]['id']}: the chat template refuses a prompt without a message"
    )


@pytest.mark.parametrize("name", ["./none", "/none/at/all", "none.gguf", "no-such-owner/no-such-model", "nosuchmodel"])
def test_a_model_that_is_not_there(dataset, tmp_path, capsys, name):
    refused(capsys, dataset, "--model", name, "--out", tmp_path / "run", status=66, said=name.split("/")[-1])
    assert not (tmp_path / "run").exists()


def test_a_model_name_that_cannot_be_a_hub_id_is_refused_without_asking_the_hub(dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gcsl_train.model.load_tokenizer", None)
    said = "no model folder or .gguf file 'nosuchmodel' here, and hub ids look like owner/name"
    refused(capsys, dataset, "--model", "nosuchmodel", "--out", tmp_path / "run", status=66, said=said)
    refused(capsys, "plan", dataset, "--model", "no such model", status=66, said="hub ids look like owner/name")


def test_a_model_folder_without_weights(dataset, model, tmp_path, capsys):
    shutil.copytree(model, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    refused(capsys, dataset, "--model", tmp_path / "m", "--out", tmp_path / "run", status=66, said="cannot load")


def test_a_tokenizer_without_a_chat_template(dataset, tmp_path, capsys):
    model = make_model(tmp_path / "m", template=None)
    refused(capsys, dataset, "--model", model, "--out", tmp_path / "run", status=65, said="no chat template")


def test_a_run_that_exists(dataset, model, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    words = (dataset, "--model", model, "--out", tmp_path / "run")
    refused(capsys, *words, status=73, said="--resume auto")
    refused(capsys, *words, "--resume", "auto", status=73, said="no run of gcsl-train")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_an_unknown_loss_names_the_known_ones(dataset, model, tmp_path, capsys):
    refused(
        capsys,
        dataset,
        "--model",
        model,
        "--out",
        tmp_path / "run",
        "--loss",
        "sfd",
        status=2,
        said="did you mean 'sft'",
    )


def test_every_example_too_long(dataset, model, tmp_path, capsys):
    words = (dataset, "--model", model, "--out", tmp_path / "run", "--max-length", 16)
    refused(capsys, *words, status=65, said="raise --max-length")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--max-length", "many"), "--max-length"),
        (("--oot", "x"), "--oot"),
        (("--schedule", "cosin"), "cosine, linear, constant"),
        (("--dtype", "int8"), "auto, float32, bfloat16, float16"),
        (("--target-modules", "no_such_module"), "no_such_module"),
        (("--learning-rate", "nan"), "--learning-rate"),
    ],
)
def test_wrong_flags(dataset, model, tmp_path, capsys, flags, said):
    refused(capsys, dataset, "--model", model, "--out", tmp_path / "run", *flags, status=2, said=said)
    assert not (tmp_path / "run").exists()


def test_a_needed_flag_that_is_missing(dataset, capsys):
    refused(capsys, dataset, "--out", "x", status=2, said="--model is needed")
    refused(capsys, "train", "--model", "x", "--out", "x", status=2, said="DIR")


def test_a_step_that_is_not_finite_is_not_taken(dataset, model, tmp_path, capsys):
    words = (dataset, "--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 5, "--save-every", 1)
    refused(capsys, *words, "--learning-rate", 1e30, status=70, said="step 2: loss")
    assert len(metrics(tmp_path / "run")) == 1
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-1"]
    assert not (tmp_path / "run" / "adapter").exists()


def test_a_checkpoint_of_other_settings_names_what_differs(dataset, model, tmp_path, capsys):
    words = (dataset, "--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 2)
    assert command(*words) == 0
    refused(capsys, *words, "--resume", "auto", "--seed", 5, status=65, said="seed 0 then, 5 now")
    other = make_dataset(tmp_path / "other", make_rows(30))
    then, now = (load(folder).dataset_id[:8] for folder in (dataset, other))
    said = f"dataset_id {then} then, {now} now"
    refused(capsys, other, *words[1:], "--resume", "auto", status=65, said=said)
    steady = ("--schedule", "constant", "--warmup", 0)
    said = "schedule 'cosine' then, 'constant' now, warmup 0.03 then, 0.0 now; use"
    refused(capsys, *words, *steady, "--resume", "auto", status=65, said=said)
    refused(
        capsys,
        *words,
        "--model",
        make_model(tmp_path / "tiny", family="qwen3"),
        "--resume",
        "auto",
        status=65,
        said="model_sha256",
    )
    assert len(metrics(tmp_path / "run")) == 2


def test_another_length_is_refused_in_words_before_the_model_is_loaded(dataset, model, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    words = (dataset, "--model", model, "--out", run, *SIZES, "--save-every", 1, "--resume", "auto")
    assert command(*words, "--max-steps", 2) == 0
    monkeypatch.setattr("gcsl_train.model.load_model", None)
    said = f"{run} finished its 2 steps; its learning-rate schedule was laid out for 2, so it cannot be made longer (4 now)"
    refused(capsys, *words, "--max-steps", 4, status=65, said=said)
    refused(capsys, *words, "--epochs", 2, status=65, said="laid out for 2, so it cannot be made longer")
    shutil.rmtree(run / "checkpoints" / "step-2")
    refused(capsys, *words, "--max-steps", 1, status=65, said=f"{run} is at step 1 of its 2 steps")
    refused(capsys, *words, "--max-steps", 4, status=65, said="--schedule constant --warmup 0 from the start")


def test_a_manifest_that_was_edited_is_refused_by_every_command(dataset, model, tmp_path, capsys):
    shutil.copytree(dataset, tmp_path / "d")
    manifest = tmp_path / "d" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("at least 0.80", "at least 0.99"))
    (tmp_path / "p.txt").write_text("red\n")
    said = "does not match its content (it was edited after it was written)"
    refused(capsys, tmp_path / "d", "--model", model, "--out", tmp_path / "run", status=65, said=said)
    refused(capsys, "plan", tmp_path / "d", "--model", model, status=65, said=said)
    words = ("generate", "--model", model, "--data", tmp_path / "d", "--prompts", tmp_path / "p.txt")
    refused(capsys, *words, status=65, said=said)
    assert not (tmp_path / "run").exists()


def test_a_damaged_checkpoint_is_passed_over_or_refused(dataset, model, tmp_path, capsys):
    run = tmp_path / "run"
    words = (dataset, "--model", model, "--out", run, *SIZES, "--max-steps", 2, "--save-every", 1)
    assert command(*words) == 0
    moments = run / "checkpoints" / "step-2" / "optimizer.safetensors"
    moments.write_bytes(moments.read_bytes()[:-8])
    refused(capsys, *words, "--resume", moments.parent, status=65, said="damaged")
    assert command(*words, "--resume", "auto") == 0
    err = capsys.readouterr().err
    assert "passing over a checkpoint" in err
    assert "resuming after step 1" in err
    state = run / "checkpoints" / "step-1" / "state.json"
    (run / "checkpoints" / "step-2" / "state.json").unlink()
    state.write_text(json.dumps({"step": 1}))
    refused(capsys, *words, "--resume", "auto", status=65, said="no checkpoint")
    refused(capsys, *words, "--resume", run / "checkpoints" / "none", status=66, said="no checkpoint folder")
