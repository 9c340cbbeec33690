"""Runs on embedded rewards: trained, resumed, asked, evaluated, and what is refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from gcsl_data.dataset.goal import place
from gcsl_data.dataset.manifest import load
from gcsl_train import reward_embedding
from gcsl_train.goals import REWARD_TOKEN

from .support import command, make_dataset, make_model, make_reward_dataset, make_reward_rows, metrics

SIZES = ("--max-length", 128, "--packs-per-step", 2)
FILE = "reward_embedding.safetensors"
REWARDS = {"goals": (), "inference_goal": None, "inference_text": None, "inference_reward": 1.0, "templates": {}}


@pytest.fixture(scope="module")
def listening(model, tmp_path_factory):
    """A run in which only the reward says which of four words is the answer: leaf at 0, then cat, moon, and sun at 1."""
    folder = tmp_path_factory.mktemp("listening")
    data = make_reward_dataset(folder / "d", make_reward_rows(56))
    words = (data, "--model", model, "--out", folder / "run", *SIZES, "--max-steps", 120, "--learning-rate", 1e-2)
    assert command(*words) == 0
    return folder / "run", data


@pytest.fixture
def prompts(tmp_path):
    (tmp_path / "p.txt").write_text("Say the next word after red\nSay the next word after bird\n")
    return ("--prompts", tmp_path / "p.txt", "--max-new-tokens", 8, "--temperature", 0)


def log_of(capsys, *words):
    capsys.readouterr()
    assert command("generate", *words) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_run_answers_as_the_reward_that_is_asked_for(listening, model, prompts, capsys):
    answers = {"0": "leaf", "0.3333": "cat", "0.6667": "moon", "1": "sun", "highest": "sun"}
    for goal, answer in answers.items():
        log = log_of(capsys, listening[0], "--model", model, *prompts, "--goal", goal)
        assert [row["response"] for row in log] == [answer, answer], goal
        assert {row["goal_reward"] for row in log} == {1.0 if goal == "highest" else float(goal)}
        assert {(row["goal"], row["goal_index"]) for row in log} == {(None, None)}
        assert [row["finish"] for row in log] == ["stop", "stop"]
    log = log_of(capsys, listening[0], "--model", model, *prompts, "--goal", "none")
    assert [row["goal_reward"] for row in log] == [None, None]


def test_where_lower_is_better_people_read_and_write_the_unit_of_the_log(model, prompts, tmp_path, capsys):
    """The column `reward` is negated: 0 is the best, and 3 the worst, which is answered with leaf."""
    rows = [{**row, "reward": 3 * row["reward"] - 3} for row in make_reward_rows(56)]
    data, run = make_reward_dataset(tmp_path / "d", rows, lower=True), tmp_path / "run"
    assert command(data, "--model", model, "--out", run, *SIZES, "--max-steps", 120, "--learning-rate", 1e-2) == 0
    assert "The best reward to ask for is 0." in (run / "adapter" / "README.md").read_text()
    for goal, reward, answer in (("0", 0.0, "sun"), ("highest", 0.0, "sun"), ("3", 3.0, "leaf"), ("2", 2.0, "cat")):
        log = log_of(capsys, run, "--model", model, *prompts, "--goal", goal)
        assert [(row["goal_reward"], row["response"]) for row in log] == [(reward, answer)] * 2
        assert "-0.0" not in json.dumps(log)
    assert command("generate", run, "--model", model, *prompts, "--goal", "-1") == 0
    assert "warning: the reward -1 is outside of those trained, 0 to 3" in capsys.readouterr().err


def test_an_answer_is_what_a_plain_forward_finds_likeliest(listening, model, prompts, capsys):
    """Greedy decoding by hand, one prompt at a time and without a cache."""
    (first, _) = log_of(capsys, listening[0], "--model", model, *prompts, "--goal", "0.9")
    tokenizer = AutoTokenizer.from_pretrained(model)
    marker = len(tokenizer)
    tokenizer.add_tokens([REWARD_TOKEN], special_tokens=True)
    lm = merged_of(listening[0], model)
    embedding = reward_embedding.read(listening[0] / "adapter" / FILE)
    turns = place([{"role": "user", "content": first["prompt"]}], REWARD_TOKEN, "prefix")
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    new = []
    with torch.no_grad():
        while not new or (new[-1] != tokenizer.eos_token_id and len(new) < 8):
            now = torch.tensor([*ids, *new])
            rows_TH = lm.get_input_embeddings()(now.where(now != marker, 0))
            rows_TH[now == marker] = embedding.of(0.9)
            new.append(int(lm(inputs_embeds=rows_TH[None]).logits[0, -1, :marker].argmax()))
    assert tokenizer.decode(new, skip_special_tokens=True) == first["response"]


def merged_of(run, model):
    """The base with the run's LoRA on it, loaded by peft alone: the network beside it is no concern of its."""
    from peft import PeftModel

    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), run / "adapter").eval()


def test_evaluation_scores_under_no_goal_and_the_lowest_and_highest_reward(listening, model, capsys):
    run, data = listening
    words = ("--model", model, "--data", data, "--split", "train")
    capsys.readouterr()
    assert command("evaluate", run, *words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(goal["index"], goal["reward"], goal["records"]) for goal in found["goals"]] == [
        (None, None, 56),
        (None, 0.0, 56),
        (None, 1.0, 56),
    ]
    # Levels are quarters of the rewards, which are 0, 1/3, 2/3 and 1 here, each fourteen times.
    assert [(s["level"], s["records"]) for s in found["scores"] if s["reward"] == 1.0] == [
        (n, 14) for n in (1, 2, 3, 4)
    ]
    assert (found["swap"]["level"], found["swap"]["records"]) == (4, 14)
    assert found["swap"]["gap"] > 1  # the best answers are far likelier under the highest reward
    assert command("evaluate", *words, "--json") == 0
    assert [goal["reward"] for goal in json.loads(capsys.readouterr().out)["goals"]] == [None]  # it reads no rewards
    assert command("evaluate", run, *words) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "answers",
        "records",
        "none",
        "reward",
        "0",
        "reward",
        "1",
    ]


def test_the_best_answers_are_likelier_under_the_highest_reward(listening, model, tmp_path, capsys):
    rows = make_reward_rows(56)
    losses = {}
    for answer, reward in (("sun", 1.0), ("leaf", 0.0)):
        some = [row for row in rows if row["reward"] == reward]
        data = make_reward_dataset(tmp_path / answer, some)
        capsys.readouterr()
        assert command("evaluate", listening[0], "--model", model, "--data", data, "--split", "train", "--json") == 0
        losses[answer] = json.loads(capsys.readouterr().out)["goals"][2]["loss"]
    assert losses["sun"] + 1 < losses["leaf"]


@pytest.mark.parametrize("loss", ["sft", "iw-sft"])
def test_a_resumed_run_is_the_uninterrupted_one(model, reward_dataset, tmp_path, loss):
    words = (reward_dataset, "--model", model, *SIZES, "--max-steps", 6, "--save-every", 3, "--loss", loss)
    words += ("--learning-rate", 5e-3)
    assert command(*words, "--out", tmp_path / "whole") == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-6")
    shutil.rmtree(tmp_path / "cut" / "adapter")
    assert command(*words, "--out", tmp_path / "cut", "--resume", "auto") == 0
    for name in ("adapter_model.safetensors", FILE, "adapter_config.json", "README.md"):
        assert (tmp_path / "cut" / "adapter" / name).read_bytes() == (
            tmp_path / "whole" / "adapter" / name
        ).read_bytes()
    for name in ("optimizer.safetensors", FILE):
        parts = [tmp_path / run / "checkpoints" / "step-6" / name for run in ("cut", "whole")]
        assert parts[0].read_bytes() == parts[1].read_bytes(), name
    losses = [[line["loss"] for line in metrics(tmp_path / run)] for run in ("cut", "whole")]
    assert losses[0] == losses[1]
    early, late = (load_file(tmp_path / "whole" / "checkpoints" / f"step-{n}" / FILE) for n in (3, 6))
    changed = {name for name in early if not torch.equal(early[name], late[name])}
    assert changed == {"first.weight", "first.bias", "second.weight", "second.bias"}


def test_a_run_without_its_network_is_not_complete_and_is_made_whole(model, reward_dataset, tmp_path, capsys):
    words = (reward_dataset, "--model", model, *SIZES, "--max-steps", 2, "--out", tmp_path / "run")
    assert command(*words) == 0
    file = tmp_path / "run" / "adapter" / FILE
    content = file.read_bytes()
    file.unlink()
    assert command(*words, "--resume", "auto") == 0
    assert "is already complete" not in capsys.readouterr().err
    assert file.read_bytes() == content
    assert command(*words, "--resume", "auto") == 0
    assert "is already complete" in capsys.readouterr().err


def test_gradient_checkpointing_changes_nothing(model, reward_dataset, tmp_path):
    words = (reward_dataset, "--model", model, *SIZES, "--max-steps", 3, "--learning-rate", 5e-3)
    assert command(*words, "--out", tmp_path / "plain") == 0
    assert command(*words, "--out", tmp_path / "saving", "--gradient-checkpointing") == 0
    plain, saving = (load_file(tmp_path / name / "adapter" / FILE) for name in ("plain", "saving"))
    for name, tensor in plain.items():
        torch.testing.assert_close(saving[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_network_is_float32_in_sixteen_bit_models_and_answers_there(
    model, reward_dataset, prompts, tmp_path, capsys, dtype
):
    words = (reward_dataset, "--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 2, "--dtype", dtype)
    assert command(*words, "--learning-rate", 1e-5) == 0
    tensors = load_file(tmp_path / "run" / "adapter" / FILE)
    assert {t.dtype for name, t in tensors.items() if "." in name} == {torch.float32}
    assert len(log_of(capsys, tmp_path / "run", "--model", model, *prompts, "--dtype", dtype)) == 2


def test_all_losses_on_examples_train(model, reward_dataset, tmp_path):
    for loss in ("kl", "dft", "iw-sft", "iw-sft-token"):
        words = (reward_dataset, "--model", model, "--out", tmp_path / loss, *SIZES, "--max-steps", 2, "--loss", loss)
        assert command(*words) == 0
    stored = (reward_dataset, "--model", model, "--out", tmp_path / "stored", *SIZES, "--max-steps", 2)
    assert command(*stored, "--loss", "iw-sft", "--set", "run.store_reference=true") == 0
    assert metrics(tmp_path / "stored")[1]["loss"] == pytest.approx(metrics(tmp_path / "iw-sft")[1]["loss"], rel=1e-5)


def test_what_a_soft_token_cannot_do_is_refused_in_one_line(listening, model, prompts, tmp_path, capsys):
    run, data = listening
    cases = [
        (("merge", run, "--model", model, "--out", tmp_path / "m"), "embeds rewards with a network of its own"),
        (("generate", run, "--model", model, *prompts, "--goal", "lowest"), 'goal "lowest": goals are rewards here'),
        (("generate", run, "--model", model, *prompts, "--goal", "Be short."), "ask for a number such as 1, for"),
        (("generate", "--model", model, "--data", data, *prompts), "tiny does not read rewards"),
        (("generate", "--model", model, "--data", data, *prompts, "--goal", "0.5"), "tiny does not read rewards"),
    ]
    for words, said in cases:
        capsys.readouterr()
        assert command(*words) == 2, words
        printed = capsys.readouterr()
        assert said in printed.err.splitlines()[-1]
        assert printed.out == ""
    assert not (tmp_path / "m").exists()
    log = log_of(capsys, "--model", model, "--data", data, *prompts, "--goal", "none")
    assert [row["goal_reward"] for row in log] == [None, None]


def test_a_plan_counts_the_soft_token(model, reward_dataset, capsys):
    capsys.readouterr()
    assert command("plan", reward_dataset, "--model", model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 24


def spoiled(tensors, how):
    if how == "not finite":
        tensors["second.bias"][0] = torch.nan
    elif how == "sixteen bit":
        tensors["first.bias"] = tensors["first.bias"].half()
    elif how == "one layer":
        del tensors["second.weight"]
    elif how == "third":
        tensors["third.bias"] = torch.zeros(3)
    elif how == "scale":
        del tensors["mean"]
    elif how == "flat":
        tensors["deviation"] = torch.tensor(0.0, dtype=torch.float64)
    return tensors


@pytest.mark.parametrize(
    "how", ["missing", "no tensors", "not finite", "sixteen bit", "one layer", "third", "scale", "flat"]
)
def test_a_damaged_network_is_a_line_and_exit_65(listening, model, prompts, tmp_path, capsys, how):
    run = tmp_path / "run"
    shutil.copytree(listening[0], run)
    file = run / "adapter" / FILE
    if how == "missing":
        file.unlink()
    elif how == "no tensors":
        file.write_bytes(b"{}")
    else:
        save_file(spoiled(load_file(file), how), file)
    scored = ("evaluate", run, "--model", model, "--data", listening[1], "--split", "train")
    for words in (("generate", run, "--model", model, *prompts), scored):
        capsys.readouterr()
        assert command(*words) == 65, how
        assert "is no reward embedding (" in capsys.readouterr().err.splitlines()[-1]


def test_a_network_of_another_model_is_refused(listening, model, prompts, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(listening[0], run)
    other = reward_embedding.RewardEmbedding(16, reward_embedding.Scale(0.0, 1.0))
    save_file(other.tensors(), run / "adapter" / FILE)
    assert command("generate", run, "--model", model, *prompts) == 65
    assert "makes embeddings of 16 numbers, the model has 32" in capsys.readouterr().err


@pytest.mark.parametrize("file", [FILE, "state.json"])
def test_a_checkpoint_whose_network_is_not_the_one_that_was_saved_is_passed_over(model, reward_dataset, tmp_path, file):
    words = (reward_dataset, "--model", model, *SIZES, "--max-steps", 4, "--save-every", 2, "--out", tmp_path / "run")
    assert command(*words) == 0
    last = tmp_path / "run" / "checkpoints" / "step-4"
    before = (last / FILE).read_bytes()
    state = json.loads((last / "state.json").read_text())
    if file == FILE:
        (last / FILE).write_bytes(before[:-4] + b"\0\0\0\1")
    else:
        state["files"][FILE] = "0" * 64
        (last / "state.json").write_text(json.dumps(state))
    assert command(*words, "--resume", str(last)) == 65
    assert command(*words, "--resume", "auto") == 0
    assert (last / FILE).read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [{"inference": "1"}, {"sign": 0}, {"minimum": None}, {"maximum": float("inf")}, {"unknown": 1}],
    ids=lambda change: next(iter(change)),
)
def test_a_damaged_goal_book_is_a_line_and_exit_65(listening, model, prompts, tmp_path, capsys, change):
    run = tmp_path / "run"
    shutil.copytree(listening[0], run)
    book = json.loads((run / "goals.json").read_text())
    book["embedded"] |= change
    (run / "goals.json").write_text(json.dumps(book))
    assert command("generate", run, "--model", model, *prompts) == 65
    assert "goals.json cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reward", "said"), [(None, "row 3: a null in"), (float("nan"), "reward is nan, expected a finite number")]
)
def test_a_row_without_a_reward_is_named(model, tmp_path, capsys, reward, said):
    rows = [*make_reward_rows(2), {**make_reward_rows(3)[2], "reward": reward}]
    fit = load(make_reward_dataset(tmp_path / "good", rows[:2])).fit
    data = make_dataset(tmp_path / "d", rows, **REWARDS, fit=fit)
    assert command(data, "--model", model, "--out", tmp_path / "run") == 65
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_folders_made_elsewhere_train_the_same(reward_dataset, tmp_path):
    """Nothing of this machine stands in a run."""
    model = make_model(tmp_path / "m", family="qwen3", tie_word_embeddings=True)
    assert command(reward_dataset, "--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 1) == 0
    for path in (tmp_path / "run").rglob("*"):
        assert not path.is_file() or str(tmp_path).encode() not in path.read_bytes(), path
