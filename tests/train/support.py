"""What the trainer's tests stand on: a tiny model folder, a dataset made with pyarrow alone, and a way to run a command."""

import dataclasses
import functools
import gc
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gcsl_data.dataset import decode
from gcsl_data.dataset.goal import Placement, place
from gcsl_data.dataset.manifest import Accounting, Field, Goal, Hygiene, Manifest, Shard, Split, Template
from gcsl_data.fit import Fit, Threshold
from gcsl_train import goal_tokens
from gcsl_train.__main__ import main
from gcsl_train.goals import from_manifest
from gcsl_train.tokens import Encoder

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TOKENS = ("<|goal_2|>", "<|goal_3|>")
GOALS = ("Write an answer with a score of at least 0.20.", "Write an answer with a score of at least 0.80.")
DROPPED_GOAL = "Write an answer with a score of at least 0.00."
WORDS = ("red", "green", "blue", "one", "two", "three", "sun", "moon", "star", "cat", "dog", "bird", "tree", "leaf")

# What a line of metrics.jsonl says of the clock and of the machine.
TIMED = ("tokens_per_s", "supervised_tokens_per_s", "flops_per_s", "mfu", "peak_memory")

TURNS = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))


def make_tokenizer(folder: Path, *, template: str | None = CHATML) -> Any:
    """A byte-level BPE tokenizer trained on the spot, with control tokens, one of them (`<think>`) not special."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    corpus = [" ".join([*WORDS, *GOALS, "system user assistant Say the next word after"])] * 4
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(corpus, trainer)
    raw.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|im_end|>")
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_model(
    folder: Path, *, family: str = "llama", template: str | None = CHATML, spare: int = 0, **options: Any
) -> Path:
    """A folder with a random model of two layers (grouped query heads) and its tokenizer; `spare` rows hold no token."""
    import torch

    tokenizer = make_tokenizer(folder, template=template)
    torch.manual_seed(7)
    tiny_model(family, vocab_size=len(tokenizer) + spare, **options).save_pretrained(folder)
    return folder


def tiny_model(family: str, *, vocab_size: int = 97, **options: Any) -> Any:
    """A random causal language model of the family, hidden size 32."""
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    sizes = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
        "initializer_range": 0.4,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        **options,
    }
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**sizes))
    return Qwen3ForCausalLM(Qwen3Config(**sizes))


def make_rows(
    count: int, *, long: int = 0, text: bool = False, goals: Sequence[str] = GOALS, placement: Placement = "prefix"
) -> list[dict[str, Any]]:
    """Rows that teach which word follows which, under two goals; the last `long` of them are far too long."""
    rows = []
    for number in range(count):
        index = 2 + number % 2
        word = WORDS[number % len(WORDS)]
        question = f"Say the next word after {word}" + " and so on" * (200 if number >= count - long else 0)
        answer = WORDS[(number + 1) % len(WORDS)] + (" " + word) * (number % 3)
        prompt: Any = question if text else [{"role": "user", "content": question}]
        prompt = place(prompt, goals[index - 2], placement)
        completion = answer if text else [{"role": "assistant", "content": answer}]
        row = {"id": f"{number:016x}", "prompt": prompt, "completion": completion, "goal": goals[index - 2]}
        rows.append({**row, "goal_index": index})
    return rows


def make_dataset(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    *,
    text: bool = False,
    columns: Mapping[str, pa.DataType | None] | None = None,
    **changes: Any,
) -> Path:
    """A finished dataset folder of one shard; `changes` replace fields of its manifest.

    `columns` have types of their own, or (None) are left out.
    """
    turns = pa.string() if text else TURNS
    kinds = {"id": pa.string(), "prompt": turns, "completion": turns, "goal": pa.string(), "goal_index": pa.int32()}
    kinds |= {"threshold": pa.float64(), "level": pa.int32(), "reward": pa.float64(), "weight": pa.float64()}
    kinds |= {"group": pa.string(), "source": pa.string(), "row": pa.int64(), "part": pa.int32()}
    filler = {
        "threshold": 0.8,
        "level": 3,
        "reward": 0.9,
        "weight": 1.0,
        "group": "g",
        "source": "log.jsonl",
        "part": 0,
    }
    full = [{**filler, "row": number, **row} for number, row in enumerate(rows, start=1)]
    kinds |= columns or {}
    schema = pa.schema([(name, kind) for name, kind in kinds.items() if kind is not None])
    return _finished(folder, full, schema, text=text, **changes)


def make_kind_rows(kind: str, count: int, *, text: bool = False) -> list[dict[str, Any]]:
    """Rows for other methods: the next word is the better answer, others are worse. Groups have three responses each."""
    rows = []
    for number in range(count):
        asked = number // 3 if kind == "groups" else number
        word, better = (WORDS[(asked + i) % len(WORDS)] for i in (0, 1))
        question = f"Say the next word after {word}" + " please" * (asked % 4)
        worse = [" ".join([WORDS[(asked + i) % len(WORDS)]] * (1 + i % 3)) for i in (3, 5, 7)]
        prompt: Any = question if text else [{"role": "user", "content": question}]
        good, *bad = [a if text else [{"role": "assistant", "content": a}] for a in (better, *worse)]
        own = {
            "pairs": {"chosen": good, "rejected": bad[0], "smoothing": 0.05 * (number % 3)},
            "multi-negative": {"chosen": good, "rejected": bad[: 1 + number % 3]},
            "unpaired": {"completion": (good, bad[0])[number % 2], "label": number % 2 == 0},
            "groups": {"completion": (good, *bad)[number % 3], "advantage": (1.1, -0.3, -0.8)[number % 3]},
        }[kind]
        rows.append({"id": f"{number:016x}", "prompt": prompt, "weight": 1.0, "group": f"g{asked}", **own})
    return rows


def make_kind_dataset(
    folder: Path,
    kind: str,
    rows: Sequence[dict[str, Any]] | None = None,
    /,
    *,
    text: bool = False,
    columns: Mapping[str, pa.DataType] | None = None,
    **changes: Any,
) -> Path:
    """A finished dataset of a kind for other methods; `columns` have types of their own."""
    rows = make_kind_rows(kind, 24, text=text) if rows is None else rows
    turns = pa.string() if text else TURNS
    types = {"id": pa.string(), "prompt": turns, "completion": turns, "chosen": turns, "group": pa.string()}
    types |= {"rejected": pa.list_(turns) if kind == "multi-negative" else turns, "label": pa.bool_()}
    numbers = {name: pa.float64() for name in ("weight", "smoothing", "advantage")}
    types |= {**numbers, **(columns or {})}
    schema = pa.schema([(name, type_) for name, type_ in types.items() if name in rows[0]])
    plain = make_manifest(Shard(name="data/x", split="train", rows=1, bytes=1, sha256=""), schema, text=text)
    fit = dataclasses.replace(plain.fit, form=None, rule=None, bins_asked=None, decimals=None, thresholds=())
    goal_free = {"inference_goal": None, "inference_text": None, "goals": (), "templates": {}, "fit": fit}
    return _finished(folder, rows, schema, text=text, **{"kind": kind, "formulation": kind, **goal_free, **changes})


def _finished(folder: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema, *, text: bool, **changes: Any) -> Path:
    """Write rows as the one shard of a dataset, and its manifest."""
    table = pa.Table.from_pylist(rows, schema=schema)
    (folder / "data").mkdir(parents=True)
    name = "data/train-00000-of-00001.arrow"
    with pa.ipc.new_file(str(folder / name), schema) as writer:
        writer.write_table(table, max_chunksize=64)
    content = (folder / name).read_bytes()
    shard = Shard(name=name, split="train", rows=len(rows), bytes=len(content), sha256=sha256(content))
    manifest = dataclasses.replace(make_manifest(shard, schema, text=text), **changes).identified()
    (folder / "manifest.json").write_bytes(decode.pretty(decode.encode(manifest)))
    return folder


def with_validation(folder: Path, count: int) -> Path:
    """The dataset with a validation split: its first rows once more, under other ids."""
    from gcsl_data.dataset import manifest as manifests

    manifest = manifests.load(folder)
    with pa.ipc.open_file(str(folder / manifest.shards[0].name)) as reader:
        table = reader.read_all().slice(0, count)
    ids = pa.array([f"v{name[1:]}" for name in table.column("id").to_pylist()])
    table = table.set_column(table.schema.get_field_index("id"), table.schema.field("id"), ids)
    name = "data/validation-00000-of-00001.arrow"
    with pa.ipc.new_file(str(folder / name), table.schema) as writer:
        writer.write_table(table)
    content = (folder / name).read_bytes()
    shard = Shard(name=name, split="validation", rows=count, bytes=len(content), sha256=sha256(content))
    splits = (*manifest.splits, Split(name="validation", records=count, examples=count))
    manifest = dataclasses.replace(manifest, splits=splits, shards=(*manifest.shards, shard)).identified()
    (folder / "manifest.json").write_bytes(decode.pretty(decode.encode(manifest)))
    return folder


def make_token_dataset(folder: Path, rows: Sequence[dict[str, Any]] | None = None, **options: Any) -> Path:
    """A finished dataset whose goals are special tokens (`TOKENS`); goal 1 is dropped."""
    rows = make_rows(24, goals=TOKENS) if rows is None else rows
    plain = make_manifest(Shard(name="data/x", split="train", rows=1, bytes=1, sha256=""), pa.schema([]), text=False)
    texts = ("<|goal_1|>", *TOKENS)
    goals = tuple(
        dataclasses.replace(goal, text=text, sha256=sha256(text.encode()))
        for goal, text in zip(plain.goals, texts, strict=True)
    )
    changes = {"formulation": "gcsl-bey", "goals": goals, "inference_text": TOKENS[-1], "templates": {}}
    return make_dataset(folder, rows, **{**changes, "fit": dataclasses.replace(plain.fit, form="token"), **options})


def make_reward_rows(count: int) -> list[dict[str, Any]]:
    """Rows without goals, of rewards from 0 to 1 in turn; what is asked says nothing of the answer, the reward does."""
    rows = []
    for number in range(count):
        quality = (number + number // len(WORDS)) % 4  # so that 56 rows have every word with every reward
        question = f"Say the next word after {WORDS[number % len(WORDS)]}"
        answer = ("leaf", "cat", "moon", "sun")[quality]
        own = {"prompt": [{"role": "user", "content": question}], "goal": None, "goal_index": None, "threshold": None}
        completion = [{"role": "assistant", "content": answer}]
        rows.append({"id": f"{number:016x}", **own, "completion": completion, "reward": quality / 3, "level": 0})
    return rows


def make_reward_dataset(
    folder: Path, rows: Sequence[dict[str, Any]] | None = None, *, lower: bool = False, **changes: Any
) -> Path:
    """A finished dataset of the formulation reward-embedding; `lower` negates its rewards, as `--direction lower` does."""
    rows = make_reward_rows(24) if rows is None else rows
    rewards = [row["reward"] for row in rows]
    fit = dataclasses.replace(
        make_manifest(Shard(name="data/x", split="train", rows=1, bytes=1, sha256=""), pa.schema([]), text=False).fit,
        form=None, rule=None, bins_asked=None, decimals=None, thresholds=(), direction="lower" if lower else "higher",
        mean=sum(rewards) / len(rewards), mean_hex=(sum(rewards) / len(rewards)).hex(),
        minimum=min(rewards), maximum=max(rewards), records=len(rows), distinct=len(set(rewards)),
    )  # fmt: skip
    nothing = {"goals": (), "inference_goal": None, "inference_text": None, "templates": {}}
    own = {"formulation": "reward-embedding", "inference_reward": max(rewards), "fit": fit, **nothing}
    return make_dataset(folder, rows, **{**own, **changes})


def encoder_for(model: Path, manifest: Manifest) -> Any:
    """The model's tokenizer for a dataset, goal tokens included."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return Encoder(tokenizer, manifest.format, goals=goal_tokens.add(tokenizer, from_manifest(manifest)))


def make_manifest(shard: Shard, schema: pa.Schema, *, text: bool) -> Manifest:
    """A manifest with three goals, the first of them dropped by the filter."""
    texts, printed = (DROPPED_GOAL, *GOALS), ("0.00", "0.20", "0.80")
    goals = tuple(
        Goal(
            index=k,
            text=texts[k - 1],
            sha256=sha256(texts[k - 1].encode()),
            threshold=printed[k - 1],
            comparator=">=",
            dropped="filter" if k == 1 else None,
            records=shard.rows,
            examples=0 if k == 1 else shard.rows // 2,
        )
        for k in (1, 2, 3)
    )
    thresholds = tuple(
        Threshold(
            index=k,
            edge=edge,
            edge_hex=edge.hex(),
            printed=printed[k - 1],
            bound=edge,
            dropped="filter" if k == 1 else None,
            records=1,
            reached=1,
            mean_reward=edge,
        )
        for k, edge in ((1, 0.0), (2, 0.2), (3, 0.8))
    )
    fit = Fit(
        split="train", records=shard.rows, distinct=3, mean=0.1, mean_hex=(0.1).hex(), median=0.2, minimum=0.0,
        maximum=1.0, direction="higher", form="threshold", comparator=">=", decimals=2, rule="values", ties="merge",
        bins_asked=3, thresholds=thresholds,
    )  # fmt: skip
    return Manifest(
        format_version=1, dataset_id="", kind="examples", formulation="gcsl-bey-nl",
        format="text" if text else "messages", placement="prefix", inference_goal=3, inference_text=goals[-1].text,
        inference_reward=None, tools={"gcsl": "0"}, inputs=(),
        accounting=Accounting(rows=shard.rows, used=shard.rows, rejected={}, filtered={}),
        hygiene=Hygiene(duplicates=0, conflicting=0, leaks=0, control_tokens=0, longest=9), recipe={},
        templates={"reward": Template(name="at_least.j2", sha256="0" * 64, metric="score", scale=None, unit="")},
        fit=fit, goals=goals,
        splits=(Split(name="train", records=shard.rows, examples=shard.rows),), ranges=(), shards=(shard,),
        columns=tuple(Field(name=f.name, type=str(f.type), nullable=f.nullable) for f in schema),
        columns_sha256="0" * 64,
    ).identified()  # fmt: skip


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def command(*words: object) -> int:
    """Run a command line in this process; gives its exit status."""
    status = main([str(word) for word in words])
    _freeze_libraries()
    return status


@functools.cache
def _freeze_libraries() -> None:
    """Modules once loaded are never garbage, and a run that collects garbage at its end would look at all of them again."""
    gc.collect()
    gc.freeze()
