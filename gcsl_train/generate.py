"""Answers to prompts under a goal, written as a log: what comes out here can be scored and expanded again.

The goal is put into each prompt by the same function as in training, and the prompt is encoded by the same encoder, so its
ids are those that the model was trained on.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gcsl_data.errors import DataError, InputError, OutputError, UsageError, from_os_error, shown
from gcsl_train import reward_embedding
from gcsl_train.errors import reason
from gcsl_train.files import write_bytes
from gcsl_train.goals import Asked, GoalBook
from gcsl_train.say import Say
from gcsl_train.tokens import Encoder

# Fields that describe another answer; they must not travel from an old log into the new one.
_OF_THE_ANSWER = frozenset(
    {"response", "completion", "reward", "goal", "goal_index", "goal_reward", "threshold", "level", "weight"}
    | {"sample", "finish"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How answers are drawn; temperature 0 is greedy, and `seed` makes the rest reproducible for one `batch_size`."""

    n: int = 1
    max_new_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 0.9
    seed: int = 0
    batch_size: int = 8

    def __post_init__(self) -> None:
        checks = {
            "--n": (self.n >= 1, "at least 1"),
            "--max-new-tokens": (self.max_new_tokens >= 1, "at least 1"),
            "--temperature": (self.temperature == 0 or 1e-3 <= self.temperature < float("inf"), "0, or at least 0.001"),
            "--top-p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "--seed": (0 <= self.seed < 2**63, "from 0 to 2^63 - 1"),
            "--batch-size": (self.batch_size >= 1, "at least 1"),
        }
        for flag, (holds, wanted) in checks.items():
            if not holds:
                raise UsageError("GT0218", f"{flag} must be {wanted}")


class Job(NamedTuple):
    """One answer to give: the row of the prompts file, the ids that the model sees, and which sample of the row it is."""

    row: dict[str, Any]
    ids: list[int]
    sample: int


def read_prompts(path: str) -> list[dict[str, Any]]:
    """The rows of a prompts file: JSON objects with a `prompt` (.jsonl), or one prompt per line (.txt).

    Raises InputError (66) for a file that cannot be read or of another kind, DataError (65) naming a wrong line.
    """
    file = Path(path)
    if file.suffix not in (".jsonl", ".txt"):
        raise InputError("GT6607", f"{path} is neither .jsonl (objects with `prompt`) nor .txt (one prompt per line)")
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError("GT6608", f"{path} cannot be read ({reason(error)})") from None
    except UnicodeDecodeError as error:
        raise DataError("GT6522", f"{path} is not UTF-8 ({error})") from None
    rows = [
        {"prompt": line.rstrip("\r")} if file.suffix == ".txt" else _json_row(line, f"{path}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not rows:
        raise DataError("GT6521", f"{path} holds no prompt")
    return rows


def make_jobs(rows: list[dict[str, Any]], book: GoalBook, asked: Asked, encoder: Encoder, *, n: int) -> list[Job]:
    """`n` jobs for every row, in order. Raises DataError (65) naming the prompt that cannot take the goal or be encoded."""
    jobs = []
    for number, row in enumerate(rows, start=1):
        try:
            ids = encoder.prompt(book.place(row["prompt"], asked), asked.text)
        except DataError as error:
            raise DataError(error.code, f"prompt {number}: {error.message}") from None
        jobs += [Job(row, ids, sample) for sample in range(n)]
    return jobs


def write_log(
    jobs: list[Job],
    out: str,
    *,
    asked: Asked,
    book: GoalBook,
    encoder: Encoder,
    model: Any,
    sampling: Sampling,
    say: Say,
) -> None:
    """Do every job and write the log to `out` (`-`: standard output), whole or not at all.

    A line holds the row's own fields, `prompt` without the goal, `response`, `goal`, `goal_index`, `sample` and `finish`
    (stop or length), and `goal_reward` (in the log's own unit) where goals are rewards. Raises OutputError (73) when `out`
    exists.
    """
    if out != "-" and Path(out).exists():
        raise OutputError("GT7304", f"{out} exists; choose another -o")
    lines = []
    for job, (response, finish) in _answers(jobs, asked, encoder, model, sampling, say):
        own = {name: value for name, value in job.row.items() if name not in _OF_THE_ANSWER}
        record = {**own, "response": response, **book.named(asked), "sample": job.sample}
        lines.append(json.dumps({**record, "finish": finish}, ensure_ascii=False) + "\n")
    if out == "-":
        sys.stdout.write("".join(lines))
        return
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, out) from error
    write_bytes(Path(out), "".join(lines).encode())


def _answers(
    jobs: list[Job], asked: Asked, encoder: Encoder, model: Any, sampling: Sampling, say: Say
) -> Iterator[tuple[Job, tuple[str, str]]]:
    """One answer per job, in order, `batch_size` at a time."""
    for start in range(0, len(jobs), sampling.batch_size):
        batch = jobs[start : start + sampling.batch_size]
        torch.manual_seed(sampling.seed + start)
        outputs = _generate([job.ids for job in batch], asked, encoder, model, sampling)
        for job, ids in zip(batch, outputs, strict=True):
            yield job, _decoded(ids, encoder, model)
        say(f"{min(start + sampling.batch_size, len(jobs))}/{len(jobs)} answers")


@torch.inference_mode()
def _generate(
    prompts: list[list[int]], asked: Asked, encoder: Encoder, model: Any, sampling: Sampling
) -> list[list[int]]:
    """New token ids after each prompt, padded on the right; prompts are padded on the left."""
    from transformers import GenerationConfig

    longest = max(map(len, prompts))
    pad = encoder.tokenizer.pad_token_id
    pad = encoder.end_ids[-1] if pad is None else pad
    ids_BT = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=model.device)
    mask_BT = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    drawn = {"do_sample": False, "num_beams": 1}
    if sampling.temperature > 0:
        drawn |= {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    settings = GenerationConfig(
        max_new_tokens=sampling.max_new_tokens,
        eos_token_id=encoder.stop_ids(model.generation_config.eos_token_id),
        pad_token_id=pad,
        suppress_tokens=_never(encoder, model),
        **drawn,
    )
    if asked.reward is None:
        output_BT = model.generate(input_ids=ids_BT, attention_mask=mask_BT, generation_config=settings)
        return output_BT[:, longest:].tolist()
    embedding = reward_embedding.of(model)
    assert embedding is not None
    assert encoder.goals is not None
    soft_H = embedding.of(asked.reward)
    embeds_BTH = reward_embedding.embed(model.get_input_embeddings(), encoder.goals, ids_BT, soft_H)
    # Prompts of embeddings are not given back: what comes begins with the answer.
    return model.generate(inputs_embeds=embeds_BTH, attention_mask=mask_BT, generation_config=settings).tolist()


def _never(encoder: Encoder, model: Any) -> list[int] | None:
    """What no answer may hold: goal tokens and all behind them, which training's softmax leaves out too."""
    rows = model.get_input_embeddings().weight.shape[0]
    return (list(range(encoder.goals.first, rows)) if encoder.goals else []) or None


def _decoded(ids: list[int], encoder: Encoder, model: Any) -> tuple[str, str]:
    stops = encoder.stop_ids(model.generation_config.eos_token_id)
    end = next((at for at, token_id in enumerate(ids) if token_id in stops), None)
    text = encoder.tokenizer.decode(ids[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text, "length" if end is None else "stop"


def _json_row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        # It must be writable again: NaN is not JSON, and half a surrogate pair fits into no text file.
        json.dumps(row, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise DataError("GT6522", f"{where}: not valid JSON ({error})") from None
    prompt = row.get("prompt") if isinstance(row, dict) else None
    if isinstance(prompt, str) and prompt:
        return row
    if isinstance(prompt, list) and prompt and all(_is_message(turn) for turn in prompt):
        return row
    raise DataError("GT6522", f"{where}: expected an object with a `prompt` (text or messages), found {shown(line)}")


def _is_message(turn: Any) -> bool:
    return isinstance(turn, dict) and isinstance(turn.get("role"), str) and isinstance(turn.get("content"), str)
