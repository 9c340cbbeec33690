import json

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
        (("--prompts", "none.jsonl"), 66, "none.jsonl"),
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


def test_a_wrong_line_among_the_prompts_is_named(run, model, tmp_path, capsys):
    (tmp_path / "p.jsonl").write_text('{"prompt": "fine"}\n{"promt": "no"}\n')
    assert command("generate", run, "--model", model, "--prompts", tmp_path / "p.jsonl") == 65
    assert "p.jsonl:2" in capsys.readouterr().err
