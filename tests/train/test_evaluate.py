"""Loss by goal and the goal swap, against a plain forward of transformers for each record and goal alone."""

import dataclasses
import json
import math
import re

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from gcsl_data.dataset.goal import place
from gcsl_data.dataset.manifest import Split, load
from gcsl_train.goals import Asked
from gcsl_train.scoring import Questions, Record, records_of, summary

from .support import GOALS, WORDS, command, encoder_for, make_dataset, make_kind_dataset, make_rows


def levelled(count):
    """Rows of `count` records; every second record has a second row, of the higher goal, and level 3."""
    rows = []
    for number in range(count):
        question = [{"role": "user", "content": f"Say the next word after {WORDS[number % len(WORDS)]}"}]
        answer = [{"role": "assistant", "content": WORDS[(number + 1) % len(WORDS)] + " yes" * (number % 3)}]
        for index in (2, 3) if number % 2 else (2,):
            own = {
                "prompt": place(question, GOALS[index - 2], "prefix"),
                "completion": answer,
                "goal": GOALS[index - 2],
            }
            place_of = {"row": number + 1, "level": 3 if number % 2 else 2}
            rows.append({"id": f"{10 * number + index:016x}", **own, "goal_index": index, **place_of})
    return rows


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("held-out") / "words-gcsl", levelled(11))


def evaluated(capsys, *words):
    capsys.readouterr()
    assert command("evaluate", *words, "--split", "train", "--json") == 0
    return json.loads(capsys.readouterr().out)


def plain_losses(folder, model, lm):
    """Sum of -log p and tokens of each record's answer under no goal and each kept one, one sequence at a time."""
    manifest = load(folder)
    encoder = encoder_for(model, manifest)
    found = {}
    for index, goal in {None: None, 2: GOALS[0], 3: GOALS[1]}.items():
        for record in records_of(str(folder), manifest, "train"):
            prompt = encoder.prompt(place(record.prompt, goal, manifest.placement))
            answer = encoder.completion(record.answer)
            ids = torch.tensor([prompt + answer])
            with torch.no_grad():
                logp = lm(input_ids=ids).logits[0].float().log_softmax(-1)
            picked = [logp[at - 1, ids[0, at]].item() for at in range(len(prompt), ids.shape[1])]
            found[index, record.id] = (-math.fsum(picked), len(picked), record.level)
    return found


def test_every_record_is_scored_once_under_every_goal_as_a_plain_forward_does(held_out, model, capsys):
    found = evaluated(capsys, "--model", model, "--data", held_out)

    plain = plain_losses(held_out, model, AutoModelForCausalLM.from_pretrained(model))
    assert found["records"] == 11
    assert {(s["asked"], s["level"]) for s in found["scores"]} == {(g, k) for g in (None, 2, 3) for k in (2, 3)}
    for score in found["scores"]:
        own = [(t, n) for (g, _), (t, n, k) in plain.items() if (g, k) == (score["asked"], score["level"])]
        assert score["records"] == len(own) == (5 if score["level"] == 3 else 6)
        assert score["tokens"] == sum(n for _, n in own)
        assert score["loss"] == pytest.approx(sum(t for t, _ in own) / score["tokens"], rel=1e-5)
    for goal in found["goals"]:
        index = goal["index"]
        own = [(t, n) for (g, _), (t, n, k) in plain.items() if g == index and (index is None or k >= index)]
        assert goal["records"] == len(own)
        assert goal["loss"] == pytest.approx(sum(t for t, _ in own) / sum(n for _, n in own), rel=1e-5)
    by_place = {(s["asked"], s["level"]): s["loss"] for s in found["scores"]}
    assert found["swap"]["gap"] == by_place[2, 3] - by_place[3, 3]
    assert (found["swap"]["level"], found["swap"]["records"]) == (3, 5)


def test_a_run_that_learned_to_listen_has_a_gap_and_its_base_has_not(model, tmp_path, capsys):
    """Under the high goal the answer is one word, under the low one another: only a model that reads the goal knows."""
    rows = [
        {**row, "completion": [{"role": "assistant", "content": "sun" if row["goal_index"] == 3 else "leaf"}]}
        for row in make_rows(28)
    ]
    data = make_dataset(tmp_path / "d", [{**row, "level": row["goal_index"]} for row in rows])
    sizes = ("--max-length", 128, "--packs-per-step", 2, "--max-steps", 60, "--learning-rate", 1e-2)
    assert command(data, "--model", model, "--out", tmp_path / "run", *sizes) == 0

    trained = evaluated(capsys, tmp_path / "run", "--model", model, "--data", data)
    untrained = evaluated(capsys, "--model", model, "--data", data)

    assert abs(untrained["swap"]["gap"]) < 1 < trained["swap"]["gap"]


def test_goals_that_are_tokens_are_asked_for_as_tokens(token_dataset, model, tmp_path, capsys):
    sizes = ("--max-length", 128, "--packs-per-step", 2, "--max-steps", 2)
    assert command(token_dataset, "--model", model, "--out", tmp_path / "run", *sizes) == 0

    trained = evaluated(capsys, tmp_path / "run", "--model", model, "--data", token_dataset)
    untrained = evaluated(capsys, "--model", model, "--data", token_dataset)

    assert [goal["index"] for goal in trained["goals"]] == [None, 2, 3]
    assert [goal["index"] for goal in untrained["goals"]] == [None]  # it does not know the tokens
    assert untrained["swap"] is None


def test_a_limit_and_a_length_leave_records_out_and_say_so(held_out, model, capsys):
    assert evaluated(capsys, "--model", model, "--data", held_out, "--limit", 4)["records"] == 4
    short = evaluated(capsys, "--model", model, "--data", held_out, "--max-length", 40)
    assert short["records"] + short["dropped"] == 11
    assert 0 < short["dropped"] < 11


def test_people_get_a_table(held_out, model, capsys):
    capsys.readouterr()
    assert command("evaluate", "--model", model, "--data", held_out, "--split", "train") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "loss of 11 records of train, by what the answers are and what was asked for"
    assert lines[1].split() == ["answers", "records", "none", "goal", "2", "goal", "3"]
    assert [line.split()[:3] for line in lines[2:4]] == [["level", "3", "5"], ["level", "2", "6"]]
    assert lines[4].startswith("goal swap")


def test_the_summary_weighs_by_tokens():
    records = [Record(id=name, prompt="p", answer="a", level=level) for name, level in (("x", 1), ("y", 2))]
    losses = {None: {"x": (2.0, 1), "y": (3.0, 3)}, 2: {"x": (9.0, 1), "y": (1.5, 3)}}
    asked = Questions(
        split="s",
        records=tuple(records),
        dropped=0,
        asked=(Asked(None, None), Asked(2, "g")),
        tables={},
        capacity=9,
        sign=1,
    )
    found = summary(asked, losses)
    assert [(s.asked, s.level, s.loss) for s in found.scores] == [(None, 1, 2), (None, 2, 1), (2, 1, 9), (2, 2, 0.5)]
    assert [(g.index, g.records, g.loss) for g in found.goals] == [(None, 2, 1.25), (2, 1, 0.5)]
    assert found.swap is None


def test_what_cannot_be_evaluated_is_refused_in_one_line(held_out, model, tmp_path, capsys):
    pairs = make_kind_dataset(tmp_path / "pairs", "pairs")
    cases = [
        (("--model", model), 2, "--data is needed"),
        (("--data", held_out), 2, "evaluate takes RUN"),
        (("--model", model, "--data", pairs), 2, "kind 'pairs'"),
        (("--model", model, "--data", held_out, "--split", "test"), 65, "no split 'test'"),
        (("--model", model, "--data", held_out, "--split", "train", "--max-length", 5), 65, "raise --max-length"),
        (("--model", model, "--data", held_out, "--split", "train", "--dtype", "int8"), 2, "--dtype must be"),
        ((tmp_path / "none", "--model", model, "--data", held_out), 66, "is no folder"),
        (("--model", model, "--data", held_out, "--limit", 0), 2, "--limit must be from 1"),
        (("--model", model, "--data", held_out, "--limit", -1), 2, "--limit must be from 1"),
        (("--model", model, "--data", held_out, "--limit", 10**30), 2, "--limit must be from 1"),
        (("--model", model, "--data", held_out, "--max-length", -5), 2, "--max-length must be at least 2, found -5"),
    ]
    for words, status, said in cases:
        capsys.readouterr()
        assert command("evaluate", *words) == status, words
        printed = capsys.readouterr()
        assert said in printed.err.splitlines()[-1]
        assert printed.out == ""


@pytest.mark.parametrize(
    ("columns", "change", "said"),
    [
        ({"source": None}, {}, "has no column 'source'"),
        ({"level": None}, {}, "has no column 'level'"),
        ({"level": pa.string()}, {"level": "high"}, "column 'level' is string, expected a whole number"),
        ({"row": pa.list_(pa.int64())}, {"row": [1]}, "expected a whole number"),
        ({}, {"row": None}, "row 1: a null in source, row or part"),
        ({}, {"id": "same"}, "train has the id same for several records"),
        ({}, {"goal": GOALS[0] + "!"}, "the goal does not stand in this prompt"),
    ],
    ids=str,
)
def test_rows_whose_records_cannot_be_told_are_refused(columns, change, said, model, tmp_path, capsys):
    """All rows without a number were one record, of which only the first was scored."""
    data = make_dataset(tmp_path / "d", [row | change for row in levelled(4)], columns=columns)
    assert command("evaluate", "--model", model, "--data", data, "--split", "train") == 65
    printed = capsys.readouterr()
    assert said in printed.err.splitlines()[-1]
    assert printed.out == ""


def test_a_split_without_rows_is_not_called_too_long(held_out, model, tmp_path, capsys):
    split, fit = Split(name="train", records=1, examples=0), load(held_out).fit
    data = make_dataset(tmp_path / "d", [], splits=(split,), fit=fit)
    for words in (("evaluate", "--split", "train", "--data"), ("plan",)):
        assert command(*words, data, "--model", model) == 65
        assert "nothing is left of this split: it has no rows" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("value", [math.nan, 1e30])
def test_a_loss_that_is_no_number_is_no_result(value, held_out, model, tmp_path, capsys):
    sizes = ("--max-length", 128, "--packs-per-step", 2, "--max-steps", 1)
    assert command(held_out, "--model", model, "--out", tmp_path / "run", *sizes) == 0
    weights = tmp_path / "run" / "adapter" / "adapter_model.safetensors"
    save_file({name: torch.full_like(tensor, value) for name, tensor in load_file(weights).items()}, weights)
    capsys.readouterr()
    words = ("evaluate", tmp_path / "run", "--model", model, "--data", held_out, "--split", "train", "--json")
    assert command(*words) == 70
    printed = capsys.readouterr()
    assert re.search(r"the loss of row 0{14}\d\d is nan: the model.s numbers overflow", printed.err.splitlines()[-1])
    assert printed.out == ""


def test_levels_of_other_thresholds_than_the_goals_are_said(held_out, model, tmp_path, capsys):
    sizes = ("--max-length", 128, "--packs-per-step", 2, "--max-steps", 1)
    assert command(held_out, "--model", model, "--out", tmp_path / "run", *sizes) == 0
    plain = load(held_out)
    printed = {1: "0.00", 2: "0.50", 3: "0.90"}
    other = make_dataset(
        tmp_path / "other",
        levelled(4),
        goals=tuple(dataclasses.replace(goal, threshold=printed[goal.index]) for goal in plain.goals),
        fit=dataclasses.replace(
            plain.fit, thresholds=tuple(dataclasses.replace(t, printed=printed[t.index]) for t in plain.fit.thresholds)
        ),
    )
    for data, expected in ((held_out, False), (other, True)):
        words = ("evaluate", tmp_path / "run", "--model", model, "--data", data, "--split", "train")
        capsys.readouterr()
        assert command(*words) == 0
        assert ("warning: the dataset has other thresholds than the run's goals" in capsys.readouterr().err) is expected
