"""Goals that are special tokens: their ids, what never becomes one, and which datasets and models are refused."""

import dataclasses

import pytest
from transformers import AutoTokenizer

from gcsl_data.dataset.goal import remove
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError, UsageError
from gcsl_train import goal_tokens
from gcsl_train.goals import Asked, from_manifest
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

from .support import (
    TOKENS,
    command,
    encoder_for,
    make_dataset,
    make_model,
    make_rows,
    make_token_dataset,
    make_tokenizer,
)  # fmt: skip

SIZES = ("--max-length", 128, "--packs-per-step", 2)


@pytest.mark.parametrize(
    ("text", "placement"),
    [(False, "prefix"), (False, "suffix"), (False, "system"), (True, "prefix"), (True, "suffix")],
)
def test_training_and_inference_and_any_server_see_the_same_ids(model, tmp_path, text, placement):
    rows = make_rows(12, text=text, goals=TOKENS, placement=placement)
    dataset = make_token_dataset(
        tmp_path / "d", rows, text=text, placement=placement, format="text" if text else "messages"
    )
    manifest = load(dataset)
    encoder, book = encoder_for(model, manifest), from_manifest(manifest)
    encoder.tokenizer.save_pretrained(tmp_path / "served")
    served = AutoTokenizer.from_pretrained(tmp_path / "served")
    for example, row in zip(read_examples(dataset, manifest), rows, strict=True):
        asked = book.ask(str(row["goal_index"]))
        ids = encoder.prompt(book.place(remove(example.prompt, row["goal"], placement), asked), asked.text)
        assert ids == encoder.prompt(example.prompt, example.goal)
        chat = {"tokenize": True, "add_generation_prompt": True}
        theirs = served(example.prompt) if text else served.apply_chat_template(example.prompt, **chat)
        assert ids == theirs["input_ids"]
        assert [i for i in ids if i in encoder.goals.ids] == [encoder.goals.ids[row["goal_index"] - 2]]


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("typed", ["<|goal_3|>", "<|goal_2|>", "a <|goal_<|goal_3|>3|> b", "<|goal_3|>\n\n<|im_end|>"])
def test_a_goal_typed_by_a_user_stays_text(model, tmp_path, text, typed):
    prompt = f"{TOKENS[1]}\n\nSay {typed} twice: {typed}"
    row = {"prompt": prompt if text else [{"role": "user", "content": prompt}]}
    row["completion"] = typed if text else [{"role": "assistant", "content": typed}]
    rows = [{**row, "id": "0" * 16, "goal": TOKENS[1], "goal_index": 3}]
    dataset = make_token_dataset(tmp_path / "d", rows, text=text, format="text" if text else "messages")
    manifest = load(dataset)
    encoder = encoder_for(model, manifest)
    (example,) = read_examples(dataset, manifest)
    ids = encoder.prompt(example.prompt, example.goal)
    assert [i for i in ids if i in encoder.goals.ids] == [encoder.goals.ids[1]]
    assert f"Say {typed} twice: {typed}" in encoder.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    answer = encoder.completion(example.answers[0])
    assert not any(encoder.is_structural(i) for i in answer[:-1])
    # A prompt that asks for no goal holds no goal, whatever it says.
    assert not set(encoder.prompt(example.prompt)) & set(encoder.goals.ids)


def test_a_row_must_hold_its_goal_where_the_manifest_says(model, tmp_path):
    rows = make_rows(2, goals=TOKENS)
    encoder = encoder_for(model, load(make_token_dataset(tmp_path / "right", rows)))
    rows[1]["goal"] = TOKENS[0]
    dataset = make_token_dataset(tmp_path / "moved", rows)
    with pytest.raises(DataError, match="row 0000000000000001: the goal does not stand in this prompt"):
        tokenise(read_examples(dataset, load(dataset)), encoder, capacity=128)
    rows[1]["goal"] = "<|goal_1|>"
    dataset = make_token_dataset(tmp_path / "dropped", rows)
    with pytest.raises(DataError, match=r"the goal .<\|goal_1\|>. is not one of <\|goal_2\|>, <\|goal_3\|>"):
        tokenise(read_examples(dataset, load(dataset)), encoder, capacity=128)
    rows[1]["goal"] = None
    dataset = make_token_dataset(tmp_path / "null", rows)
    with pytest.raises(DataError, match="row 2: a null in id, prompt, completion or goal"):
        list(read_examples(dataset, load(dataset)))


def test_a_template_that_drops_the_goal_is_refused(tmp_path):
    tokenizer = make_tokenizer(tmp_path, template="{% for m in messages %}{{ m['content'][-5:] }}{% endfor %}")
    goals = goal_tokens.GoalTokens(texts=TOKENS, ids=(351, 352), placement="prefix")
    with pytest.raises(DataError, match="does not write the goal"):
        Encoder(tokenizer, "messages", goals=goals).prompt(make_rows(1, goals=TOKENS)[0]["prompt"], TOKENS[0])


def test_a_tokenizer_that_has_a_goal_already_is_refused(token_dataset, tmp_path, capsys):
    model = make_model(tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens([TOKENS[1]])
    tokenizer.save_pretrained(model)
    assert command(token_dataset, "--model", model, "--out", tmp_path / "run") == 2
    err = capsys.readouterr().err
    assert "this model's tokenizer has <|goal_3|> already (was it made by merge?)" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", [" ", "<|im_end|>", "<|goal_3|>"])
def test_a_manifest_whose_goal_is_no_goal_token_is_refused(token_dataset, text):
    manifest = load(token_dataset)
    dropped, kept, highest = manifest.goals
    with pytest.raises(DataError, match=r"goal 2 reads .*, expected the special token <\|goal_2\|>"):
        from_manifest(dataclasses.replace(manifest, goals=(dropped, dataclasses.replace(kept, text=text), highest)))


def test_an_untrained_model_does_not_know_goals_and_says_so(model, token_dataset, tmp_path, capsys):
    (tmp_path / "p.txt").write_text("red\n")
    words = (
        "generate",
        "--model",
        model,
        "--data",
        token_dataset,
        "--prompts",
        tmp_path / "p.txt",
        "--max-new-tokens",
        2,
    )
    assert command(*words) == 2
    assert "tiny does not know <|goal_3|>, a special token that is made by training" in capsys.readouterr().err
    assert command(*words, "--goal", "none") == 0
    assert command(*words, "--goal", "Be short, please.") == 2
    assert "goals are special tokens here, not texts; ask for one of 2, 3, or none" in capsys.readouterr().err


def without_goals(folder, rows, **changes):
    """A dataset whose prompts carry no goal."""
    fit = load(make_dataset(folder / "other", make_rows(2))).fit
    fit = dataclasses.replace(fit, form=None, thresholds=(), rule=None, bins_asked=None)
    nothing = {"goals": (), "inference_goal": None, "inference_text": None, "templates": {}}
    return make_dataset(folder / "dataset", rows, fit=fit, **{**nothing, **changes})


def test_a_dataset_without_goals_trains_and_then_has_none_to_ask_for(model, tmp_path, capsys):
    rows = [{**row, "goal": None, "goal_index": None, "threshold": None} for row in make_rows(8)]
    dataset, run = without_goals(tmp_path, rows, formulation="sft"), tmp_path / "run"
    assert command(dataset, "--model", model, "--out", run, *SIZES) == 0
    assert "trained without goals" in (run / "adapter" / "README.md").read_text()
    (tmp_path / "p.txt").write_text("red\n")
    words = ("generate", run, "--model", model, "--prompts", tmp_path / "p.txt", "--max-new-tokens", 2)
    for goal in ("highest", "lowest", "2"):
        capsys.readouterr()
        assert command(*words, "--goal", goal) == 2
        assert f"goal {goal}: this dataset has no goals; ask for --goal none" in capsys.readouterr().err
    assert command(*words, "--goal", "none") == 0


def test_goals_that_state_a_value_have_no_numbers_to_ask_for(tmp_path):
    words = {"formulation": "ca", "inference_text": "Write an answer of score 0.90.", "inference_reward": 0.9}
    book = from_manifest(load(without_goals(tmp_path, make_rows(4), **words)))
    assert book.ask("highest") == Asked(None, "Write an answer of score 0.90.")
    with pytest.raises(UsageError, match="these goals have no numbers; ask for highest or a text"):
        book.ask("lowest")
