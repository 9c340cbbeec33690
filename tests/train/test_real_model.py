import json

import pytest

from .support import command, make_dataset, make_rows, metrics


@pytest.mark.real_model
def test_a_real_model_out_of_a_gguf_file_trains_and_answers(smollm2, tmp_path, capsys):
    dataset = make_dataset(tmp_path / "d", make_rows(12))
    run = tmp_path / "run"
    flags = ("--max-steps", 2, "--max-length", 256, "--packs-per-step", 1, "--learning-rate", 1e-3)
    assert command(dataset, "--model", smollm2, "--out", run, *flags) == 0
    first, second = metrics(run)
    assert 0 < second["loss"] < first["loss"] < 20
    assert first["supervised_tokens"] < first["tokens"] <= 256
    record = json.loads((run / "run.json").read_text())
    assert (record["model"]["name"], record["model"]["kind"]) == (smollm2.name, "gguf")
    (tmp_path / "p.txt").write_text("What is the capital of France?\n")
    capsys.readouterr()
    words = ("--prompts", tmp_path / "p.txt", "--temperature", 0, "--max-new-tokens", 8)
    assert command("generate", run, "--model", smollm2, "--goal", "none", *words) == 0
    assert json.loads(capsys.readouterr().out)["response"]
