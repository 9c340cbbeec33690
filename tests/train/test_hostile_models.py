"""Models, tokenizers and chat templates from a stranger (RELIABILITY items 115 to 117): nothing of theirs is run."""

import io
import json
import shutil

import pytest
import torch
from transformers import AutoTokenizer

from .forge import Marker
from .support import CHATML, command, tiny_model
from .test_bad_input import refused

SIZES = ("--max-length", 128, "--packs-per-step", 2, "--schedule", "constant", "--warmup", 0, "--save-every", 1)


@pytest.mark.parametrize("part", ["model", "family", "tokenizer"])
@pytest.mark.parametrize("verb", ["train", "plan", "generate"])
def test_115_code_that_comes_with_a_model_is_never_run(good, model, tmp_path, capsys, monkeypatch, part, verb):
    folder, marker = shutil.copytree(model, tmp_path / "m"), tmp_path / "marker"
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(marker)!r})\nclass Own: pass\n")
    file = "tokenizer_config.json" if part == "tokenizer" else "config.json"
    own = {
        "model": {"auto_map": {"AutoModelForCausalLM": "own.Own"}},  # of a family that transformers knows itself
        "family": {"auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}, "model_type": "own"},
        "tokenizer": {"auto_map": {"AutoTokenizer": [None, "own.Own"]}, "tokenizer_class": "Own"},
    }
    content = json.loads((folder / file).read_text()) | own[part]
    (folder / file).write_text(json.dumps(content))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))  # transformers asks, and a hurried user says yes
    (tmp_path / "p.txt").write_text("red\n")
    words = {
        "train": (good, "--model", folder, "--out", tmp_path / "run"),
        "plan": ("plan", good, "--model", folder),
        "generate": ("generate", "--model", folder, "--data", good, "--prompts", tmp_path / "p.txt"),
    }[verb]
    status = command(*words)
    out, err = capsys.readouterr()
    assert not marker.exists()
    assert "[y/N]" not in out + err
    refused = part == "tokenizer" or (part == "family" and verb != "plan")  # a plan needs the tokenizer alone
    assert status == (65 if refused else 0)
    assert ("wants code of its own to be run" in err) == refused


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_115_weights_that_are_pickles_only_are_refused(good, model, tmp_path, capsys, name):
    folder, marker = shutil.copytree(model, tmp_path / "m"), tmp_path / "marker"
    (folder / "model.safetensors").unlink()
    torch.save(Marker(marker), folder / name)
    said = "has pickled weights only"
    refused(capsys, good, "--model", folder, "--out", tmp_path / "run", *SIZES, status=65, said=said)
    assert not marker.exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "template",
    [
        "{{ cycler.__init__.__globals__.os.mkdir('MARKER') }}",
        "{{ lipsum.__globals__['os'].mkdir('MARKER') }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ self.__init__.__globals__.__builtins__.open('MARKER', 'w') }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}",
        "{% set x = messages.append %}{{ x({'role': 'user', 'content': 'y'}) }}",
        "{{ messages | map(attribute='__class__') | list }}{{ messages[0].pop('role') }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ range(1000000000) | list }}",
        "{{ 1 / 0 }}",
        "{{ messages[7].content }}",
        "{{ undefined_name() }}",
        "{% for m in messages %}",
        "{{ raise_exception('no') }}",
    ],
)
def test_116_a_hostile_chat_template_runs_nothing(good, model, tmp_path, capsys, template):
    folder, marker = shutil.copytree(model, tmp_path / "m"), tmp_path / "marker"
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = CHATML + template.replace("MARKER", str(marker))
    tokenizer.save_pretrained(folder)
    said = "the chat template refuses"
    refused(capsys, good, "--model", folder, "--out", tmp_path / "run", *SIZES, status=65, said=said)
    assert not marker.exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("no-template", "no chat template"),
        ("no-end", "names no end-of-text token"),
        ("vocabulary", "but its embedding has 97 rows"),
        ("broken", "cannot load the tokenizer"),
    ],
)
def test_117_a_tokenizer_that_does_not_do_is_refused_before_the_first_step(good, model, tmp_path, capsys, kind, said):
    folder = shutil.copytree(model, tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(model)
    if kind == "vocabulary":
        tiny_model("llama", vocab_size=97).save_pretrained(folder)
    elif kind == "broken":
        (folder / "tokenizer.json").write_text("{")
    else:
        tokenizer.chat_template = (
            None if kind == "no-template" else "{% for m in messages %}{{ m['content'] }}{% endfor %}"
        )
        tokenizer.eos_token = None
        (folder / "chat_template.jinja").unlink()
        tokenizer.save_pretrained(folder)
    status = 66 if kind == "broken" else 65
    refused(capsys, good, "--model", folder, "--out", tmp_path / "run", *SIZES, status=status, said=said)
    assert not (tmp_path / "run").exists()


def test_117_a_prompt_with_an_id_beyond_the_embedding_is_refused_before_it_is_answered(good, model, tmp_path, capsys):
    folder = shutil.copytree(model, tmp_path / "m")
    tiny_model("llama", vocab_size=97).save_pretrained(folder)
    (tmp_path / "p.txt").write_text("red\n")
    words = ("generate", "--model", folder, "--data", good, "--prompts", tmp_path / "p.txt")
    refused(capsys, *words, status=65, said="but its embedding has 97 rows")


def test_117_a_tokenizer_without_padding_trains_and_answers(good, model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "m")
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    run, prompts = tmp_path / "run", tmp_path / "p.txt"
    prompts.write_text("red\nSay the next word after sun\n")
    assert command(good, "--model", folder, "--out", run, *SIZES, "--max-steps", 1) == 0
    assert command("generate", run, "--model", folder, "--prompts", prompts, "--max-new-tokens", 2) == 0
