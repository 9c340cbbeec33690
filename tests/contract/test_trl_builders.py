"""TRL's trainers for other methods take datasets for them as they lie on disk: no converter, no renaming."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gcsl_data.build import build
from gcsl_data.dataset.manifest import Format
from gcsl_data.engines.local import LocalEngine
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.plan import make_plan
from gcsl_data.recipe import resolve

from .test_trl import CHAT

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
FORMATS: tuple[Format, ...] = ("messages", "text")


def dataset(formulation: str, output_format: Format, folder: Path) -> Any:
    """Four graded answers to each of six questions, expanded, and opened by `datasets` as any reader would."""
    import datasets

    rows = [
        {"prompt": f"Add {i} and {i}.", "response": f"It is {2 * i + 3 - grade}.", "reward": float(grade)}
        for i in range(6)
        for grade in range(4)
    ]
    pl.DataFrame(rows).write_ndjson(folder / "log.jsonl")
    logs = find_logs([str(folder / "log.jsonl")])
    flags = {"goals.formulation": formulation, "output.format": output_format}
    build(make_plan(logs, resolve(flags=flags, environment={})[0]), LocalEngine(logs), folder / "out")
    return datasets.load_dataset(str(folder / "out"), cache_dir=str(folder / "cache"))["train"]


def tokenizer_and_model(folder: Path) -> tuple[Any, Any]:
    """A random model, from a folder because the reference model is loaded from there once more."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|im_start|>", "<|im_end|>", "<pad>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    bpe.train_from_iterator(["Add 1 and 1. It is 2."], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<pad>", chat_template=CHAT
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return tokenizer, LlamaForCausalLM.from_pretrained(folder)


def trained_one_step(trainer_class: Any, config_class: Any, rows: Any, folder: Path, **options: Any) -> list[float]:
    """The losses that a trainer logs in one step; every gradient must have been finite for the model to change."""
    tokenizer, model = tokenizer_and_model(folder / "model")
    before = model.lm_head.weight.detach().clone()
    arguments = config_class(
        output_dir=str(folder / "run"), max_steps=1, per_device_train_batch_size=4, learning_rate=1e-2, logging_steps=1,
        report_to="none", bf16=False, use_cpu=True, save_strategy="no", disable_tqdm=True, max_length=128, seed=0, **options,
    )  # fmt: skip
    trainer = trainer_class(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    after = trainer.model.lm_head.weight
    assert after.isfinite().all()
    assert not after.equal(before)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize("output_format", FORMATS)
def test_dpo_takes_pairs(tmp_path: Path, output_format: Format) -> None:
    from trl import DPOConfig, DPOTrainer

    rows = dataset("pairs", output_format, tmp_path)

    losses = trained_one_step(DPOTrainer, DPOConfig, rows, tmp_path)

    assert losses == pytest.approx([0.6931], abs=1e-3)  # log 2: the model is still its own reference


@pytest.mark.parametrize("output_format", FORMATS)
def test_simpo_takes_pairs(tmp_path: Path, output_format: Format) -> None:
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    rows = dataset("pairs", output_format, tmp_path)

    losses = trained_one_step(CPOTrainer, CPOConfig, rows, tmp_path, loss_type="simpo", cpo_alpha=0.0)

    assert len(losses) == 1
    assert losses[0] > 0


@pytest.mark.parametrize("formulation", ["best-of-group", "steerlm"])
def test_sft_takes_examples_of_other_methods(tmp_path: Path, formulation: str) -> None:
    from trl import SFTConfig, SFTTrainer

    rows = dataset(formulation, "messages", tmp_path)

    losses = trained_one_step(SFTTrainer, SFTConfig, rows, tmp_path)

    assert len(losses) == 1
    assert losses[0] > 0


@pytest.mark.parametrize("output_format", FORMATS)
def test_kto_takes_unpaired_rows(tmp_path: Path, output_format: Format) -> None:
    from trl import KTOConfig, KTOTrainer

    rows = dataset("unpaired", output_format, tmp_path)

    losses = trained_one_step(KTOTrainer, KTOConfig, rows, tmp_path)

    assert losses == pytest.approx([0.5], abs=1e-3)  # 1 - sigmoid(0)
