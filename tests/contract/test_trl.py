"""TRL's SFTTrainer trains on a dataset as `load_dataset` gives it: no converter, no renaming."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gcsl_data.build import build
from gcsl_data.dataset.export import export
from gcsl_data.dataset.manifest import load
from gcsl_data.engines.local import LocalEngine
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import make_plan
from gcsl_data.recipe import resolve

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ m['content'] }}<|im_end|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_dataset(folder: Path) -> Path:
    import polars as pl

    rows = [{"prompt": f"Add {i} and {i}.", "response": f"It is {2 * i}.", "reward": i / 40} for i in range(40)]
    pl.DataFrame(rows).write_ndjson(folder / "log.jsonl")
    logs = find_logs([str(folder / "log.jsonl")])
    build(make_plan(logs, resolve(flags={}, environment={})[0]), LocalEngine(logs), folder / "out")
    return folder / "out"


def make_export(folder: Path) -> Path:
    export(make_dataset(folder), "trl", folder / "exported")
    return folder / "exported"


@pytest.mark.parametrize("make", [make_dataset, make_export])
def test_trl_trains_two_steps_without_a_converter(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    rows = datasets.load_dataset(str(make(tmp_path)), cache_dir=str(tmp_path / "cache"))["train"]
    goals = load(tmp_path / "out").kept_goals
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>", "<pad>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [goal.text for goal in goals],
        trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<pad>", chat_template=CHAT
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    arguments = SFTConfig(
        output_dir=str(tmp_path / "run"), max_steps=2, per_device_train_batch_size=4, learning_rate=1e-2, logging_steps=1,
        report_to="none", bf16=False, use_cpu=True, save_strategy="no", disable_tqdm=True, max_length=256, seed=0,
    )  # fmt: skip

    trainer = SFTTrainer(model=LlamaForCausalLM(config), args=arguments, train_dataset=rows, processing_class=tokenizer)
    seen = trainer.train_dataset[0]
    trainer.train()

    text = tokenizer.decode(seen["input_ids"])
    assert text.startswith(f"<|im_start|>user\n{rows[0]['prompt'][0]['content']}<|im_end|>")
    assert text.startswith(tuple(f"<|im_start|>user\n{goal.text}\n\nAdd " for goal in goals))
    supervised = tokenizer.decode([label for label in seen["labels"] if label != -100])
    assert supervised.strip().startswith(rows[0]["completion"][0]["content"])
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 2
    assert losses[1] < losses[0]
