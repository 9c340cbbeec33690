import json
import shutil

import pytest
from transformers import AutoTokenizer

from gcsl_data.dataset.goal import remove
from gcsl_data.dataset.manifest import load
from gcsl_train.goals import from_manifest
from gcsl_train.shards import read_examples
from gcsl_train.tokens import Encoder

from .support import GOALS, WORDS, command, make_dataset, make_rows

SHORT = ("--max-new-tokens", 6)


@pytest.fixture(scope="module")
def run(dataset, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("generate") / "run"
    sizes = ("--max-length", 128, "--packs-per-step", 2, "--max-steps", 160, "--learning-rate", 1e-2)
    assert command(dataset, "--model", model, "--out", path, *sizes) == 0
    return path


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    rows = [
        {"prompt": "Say the next word after red", "group": "g1", "task": 4, "reward": 0.1, "response": "old"},
        {
            "prompt": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Say the next word after sun"},
            ]
        },
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def log(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_log_holds_the_prompt_without_its_goal_and_what_identifies_it(run, model, prompts, tmp_path):
    out = tmp_path / "log.jsonl"
    assert command("generate", run, "--model", model, "--prompts", prompts, *SHORT, "--n", 2, "-o", out) == 0
    rows = log(out)
    assert [(row["sample"], row["goal_index"], row["goal"]) for row in rows] == [(k, 3, GOALS[1]) for k in (0, 1, 0, 1)]
    assert rows[0]["prompt"] == "Say the next word after red"
    assert (rows[0]["group"], rows[0]["task"]) == ("g1", 4)
    assert "reward" not in rows[0]
    assert rows[0]["response"] != "old"
    assert all(row["finish"] in ("stop", "length") for row in rows)


def test_the_seed_decides_the_draw_and_temperature_zero_needs_none(run, model, prompts, tmp_path):
    words = ("generate", run, "--model", model, "--prompts", prompts, *SHORT)
    draws = {}
    for name, flags in {"a": ("--seed", 1), "b": ("--seed", 1), "c": ("--seed", 2)}.items():
        assert command(*words, "--temperature", 2, "--top-p", 1, *flags, "-o", tmp_path / name) == 0
        draws[name] = (tmp_path / name).read_bytes()
    assert draws["a"] == draws["b"] != draws["c"]
    for name, flags in {"d": ("--seed", 1), "e": ("--seed", 2)}.items():
        assert command(*words, "--temperature", 0, *flags, "-o", tmp_path / name) == 0
    assert (tmp_path / "d").read_bytes() == (tmp_path / "e").read_bytes()


def test_batches_of_any_size_give_the_same_greedy_answers(run, model, prompts, tmp_path):
    words = ("generate", run, "--model", model, "--prompts", prompts, *SHORT, "--temperature", 0)
    assert command(*words, "--batch-size", 1, "-o", tmp_path / "one") == 0
    assert command(*words, "--batch-size", 2, "-o", tmp_path / "two") == 0
    assert log(tmp_path / "one") == log(tmp_path / "two")


def test_the_adapter_answers_what_it_was_taught_and_the_base_does_not(run, dataset, model, tmp_path):
    taught = WORDS[1::2]  # these were shown under the highest goal
    (tmp_path / "p.txt").write_text("".join(f"Say the next word after {word}\n\n" for word in taught))
    words = ("--model", model, "--prompts", tmp_path / "p.txt", *SHORT, "--temperature", 0)
    assert command("generate", run, *words, "-o", tmp_path / "run.jsonl") == 0
    assert command("generate", "--data", dataset, *words, "-o", tmp_path / "base.jsonl") == 0
    right = {
        name: sum(
            row["response"].startswith(WORDS[(2 * number + 2) % len(WORDS)])
            for number, row in enumerate(log(tmp_path / name))
        )
        for name in ("run.jsonl", "base.jsonl")
    }
    assert right["base.jsonl"] == 0
    assert right["run.jsonl"] >= 4


@pytest.mark.parametrize(
    ("goal", "index", "text"),
    [
        ("highest", 3, GOALS[1]),
        ("lowest", 2, GOALS[0]),
        ("2", 2, GOALS[0]),
        ("none", None, None),
        ("Be short, please.", None, "Be short, please."),
        (GOALS[0], 2, GOALS[0]),
    ],
)
def test_goals_can_be_asked_for_in_words_numbers_and_texts(dataset, model, prompts, tmp_path, goal, index, text):
    out = tmp_path / "log.jsonl"
    words = ("generate", "--model", model, "--data", dataset, "--prompts", prompts, "--max-new-tokens", 1)
    assert command(*words, "--goal", goal, "-o", out) == 0
    assert {(row["goal_index"], row["goal"]) for row in log(out)} == {(index, text)}


@pytest.mark.parametrize("text", [False, True])
def test_inference_sees_the_ids_that_training_saw(model, tmp_path, text):
    dataset = make_dataset(tmp_path / "d", make_rows(12, text=text), text=text)
    manifest = load(dataset)
    encoder, book = Encoder(AutoTokenizer.from_pretrained(model), manifest.format), from_manifest(manifest)
    for example, row in zip(read_examples(dataset, manifest), make_rows(12, text=text), strict=True):
        bare = remove(example.prompt, row["goal"], manifest.placement)
        placed = book.place(bare, book.ask(str(row["goal_index"])))
        assert placed == example.prompt
        assert encoder.prompt(placed) == encoder.prompt(example.prompt)


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        (("--goal", "1"), 2, "kept goals: 2, 3"),
        (("--goal", "9"), 2, "kept goals: 2, 3"),
        (("--goal", "hihgest"), 2, "did you mean 'highest'"),
        (("--temperature", "-1"), 2, "--temperature"),
        (("--top-p", "0"), 2, "--top-p"),
        (("--n", "0"), 2, "--n must be"),
        (("--prompts", "none.jsonl"), 66, "none.jsonl cannot be read (No such file or directory)\n"),
        (("--model", "nosuchmodel"), 66, "hub ids look like owner/name"),
        (("--model", "x" * 300), 2, "too long for a file name"),
        (("--temperature", "1e-300"), 2, "--temperature must be 0, or at least 0.001"),
        (("--seed", str(2**64)), 2, "--seed must be"),
        (("--goal", "a \udcff"), 2, "--goal is not UTF-8"),
        (("--dtype", "int8"), 2, "--dtype must be one of"),
        (("-o", "/dev/null/log.jsonl"), 73, "/dev/null is not a writable folder"),
        (("--prompts", "prompts.csv"), 66, ".jsonl"),
        (("--data", "DATA"), 2, "generate takes"),
    ],
)
def test_what_cannot_be_generated_is_refused_in_one_line(run, model, prompts, tmp_path, capsys, flags, status, said):
    capsys.readouterr()
    out = tmp_path / "log.jsonl"
    assert command("generate", run, "--model", model, "--prompts", prompts, "-o", out, *flags) == status
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_a_local_base_must_be_named_and_be_the_right_one(run, tmp_path, prompts, capsys):
    from .support import make_model

    assert command("generate", run, "--prompts", prompts) == 2
    assert "say where with --model" in capsys.readouterr().err
    other = make_model(tmp_path / "other", family="qwen3")
    assert command("generate", run, "--model", other, "--prompts", prompts) == 65
    assert "is not the tiny" in capsys.readouterr().err


def test_an_existing_log_is_kept(run, model, prompts, tmp_path):
    (tmp_path / "log.jsonl").write_text("mine")
    assert command("generate", run, "--model", model, "--prompts", prompts, "-o", tmp_path / "log.jsonl") == 73
    assert (tmp_path / "log.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    "line",
    [
        '{"prompt": "half \\ud800"}',
        '{"prompt": "fine", "note": "half \\ud800"}',
        '{"prompt": "fine", "note": NaN}',
        '{"prompt": "fine", "note": 1e999}',
        '{"prompt": "fine", "note": ' + "[" * 100_000,
        '{"prompt": [{"role": "user"}]}',
        '{"prompt": ""}',
        "[1]",
        b"\xff",
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_in_one_line(run, model, tmp_path, capsys, line):
    (tmp_path / "p.jsonl").write_bytes(line if isinstance(line, bytes) else line.encode())
    capsys.readouterr()
    assert command("generate", run, "--model", model, "--prompts", tmp_path / "p.jsonl") == 65
    err = capsys.readouterr().err
    assert err.startswith("error[GT6522]")
    assert err.count("\n") == 1


def test_a_prompt_without_a_place_for_the_goal_is_numbered_before_the_model_is_loaded(
    run, model, tmp_path, capsys, monkeypatch
):
    lines = ['{"prompt": "fine"}', '{"prompt": [{"role": "system", "content": "x"}]}']
    (tmp_path / "p.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr("gcsl_train.model.load_model", None)
    assert command("generate", run, "--model", model, "--prompts", tmp_path / "p.jsonl") == 65
    assert "prompt 2: a conversation needs a user turn" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "status", "said"),
    [
        ("adapter/adapter_model.safetensors", b"xx", 65, "adapter is damaged"),
        ("adapter/adapter_model.safetensors", None, 66, "has no adapter yet"),
        ("adapter/adapter_config.json", b"{", 65, "adapter is damaged"),
        ("adapter/adapter_config.json", b"[]", 65, "adapter is damaged"),
        ("adapter/adapter_config.json", None, 65, "adapter is damaged"),
        ("run.json", b"{}", 65, "names no model"),
        ("run.json", b"[]", 65, "no JSON object"),
        ("run.json", None, 65, "run.json cannot be read (No such file or directory)"),
        ("goals.json", b"{}", 65, "goals.json cannot be read (no 'goals')"),
        ("goals.json", None, 65, "goals.json cannot be read (No such file or directory)"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(run, model, prompts, tmp_path, capsys, file, content, status, said):
    shutil.copytree(run, tmp_path / "run")
    if content is None:
        (tmp_path / "run" / file).unlink()
    else:
        (tmp_path / "run" / file).write_bytes(content)
    capsys.readouterr()
    assert command("generate", tmp_path / "run", "--model", model, "--prompts", prompts) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert [line[:6] for line in err.splitlines() if not line.startswith("loading")] == ["error["]


def test_a_run_that_is_not_there_is_an_input_that_is_not_there(model, prompts, tmp_path, capsys):
    for words in (("generate", tmp_path / "no", "--prompts", prompts), ("merge", tmp_path / "no", "--out", "x")):
        assert command(*words, "--model", model) == 66
        assert f"{tmp_path / 'no'} is no folder" in capsys.readouterr().err


def test_a_wrong_line_among_the_prompts_is_named(run, model, tmp_path, capsys):
    (tmp_path / "p.jsonl").write_text('{"prompt": "fine"}\n{"promt": "no"}\n')
    assert command("generate", run, "--model", model, "--prompts", tmp_path / "p.jsonl") == 65
    assert "p.jsonl:2" in capsys.readouterr().err
