"""The command line: `gcsl-train`, `python -m gcsl_train`, `accelerate launch -m gcsl_train`.

A first word that is no verb means `train`. Nothing heavy is imported before a command runs. Standard output carries
results, standard error everything else; an error is one line and an exit status (see gcsl_data.errors).
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gcsl_data.errors import UsageError
from gcsl_train import __version__
from gcsl_train.exits import failed
from gcsl_train.say import quiet_libraries

VERBS = ("train", "plan", "generate", "evaluate", "merge")
TRACEBACK = "GCSL_TRACEBACK"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

DirArg = Annotated[str | None, typer.Argument(metavar="DIR", help="dataset folder made by `gcsl-data expand`")]
RunArg = Annotated[str | None, typer.Argument(metavar="RUN", help="run folder made by train")]
ModelOpt = Annotated[str | None, typer.Option("--model", help="hub id, model folder or .gguf file")]
OutOpt = Annotated[str | None, typer.Option("--out", "-o", help="run folder to make")]
ConfigOpt = Annotated[str | None, typer.Option("--config", help="TOML file with the same settings, nested")]
_LOSSES = "[sft] kl, dft, iw-sft, iw-sft-token, gft, dpo, cdpo, simpo, alphadpo, sdpo, kto"
LossOpt = Annotated[str | None, typer.Option(help=_LOSSES)]
_PROGRESS = "[auto] auto (a bar on a terminal, else json), bar, plain, json, none"
_GOAL = "[highest, or none where there are no goals] highest, lowest, none, a goal's number (or a reward), or a text"
_SET = "any setting, as loss.beta=0.2; may be repeated"
SetOpt = Annotated[list[str] | None, typer.Option("--set", metavar="PART.NAME=VALUE", help=_SET)]
IntOpt = int | None
FloatOpt = float | None


def _print_version(wanted: bool) -> None:
    if wanted:
        _result(f"gcsl-train {__version__}\n")
        raise typer.Exit


@app.callback()
def _gcsl_train(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print it")
    ] = False,
) -> None:
    """Shards of a gcsl dataset in, a LoRA adapter out."""


@app.command()
def train(
    dataset: DirArg = None,
    model: ModelOpt = None,
    out: OutOpt = None,
    config: ConfigOpt = None,
    max_steps: Annotated[IntOpt, typer.Option(help="optimizer steps; wins over --epochs")] = None,
    epochs: Annotated[IntOpt, typer.Option(help="[1] times over the data")] = None,
    seed: Annotated[IntOpt, typer.Option(help="[0] decides order and first weights")] = None,
    max_length: Annotated[IntOpt, typer.Option(help="[2048] tokens of a pack and of the longest example")] = None,
    packs_per_step: Annotated[IntOpt, typer.Option(help="[8] packs per optimizer step, over all ranks")] = None,
    learning_rate: Annotated[FloatOpt, typer.Option(help="[1e-4]")] = None,
    schedule: Annotated[str | None, typer.Option(help="[cosine] cosine, linear, constant")] = None,
    warmup: Annotated[FloatOpt, typer.Option(help="[0.03] fraction of all steps")] = None,
    dtype: Annotated[str | None, typer.Option(help="[auto] auto, float32, bfloat16, float16")] = None,
    lora_rank: Annotated[IntOpt, typer.Option(help="[16]")] = None,
    lora_alpha: Annotated[IntOpt, typer.Option(help="[32]")] = None,
    lora_dropout: Annotated[FloatOpt, typer.Option(help="[0]")] = None,
    target_modules: Annotated[str | None, typer.Option(help="[all-linear] or module names with commas")] = None,
    loss: LossOpt = None,
    settings: SetOpt = None,
    save_every: Annotated[IntOpt, typer.Option(help="[100] steps between checkpoints")] = None,
    evaluate_every: Annotated[IntOpt, typer.Option(help="steps between scorings of the validation split")] = None,
    resume: Annotated[str | None, typer.Option(help="[never] never, auto, or a checkpoint folder")] = None,
    progress: Annotated[str | None, typer.Option(help=_PROGRESS)] = None,
    tracker: Annotated[str | None, typer.Option(help="[none] tensorboard, wandb, trackio, ...")] = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="less memory, slower")
    ] = False,
) -> None:
    """Train an adapter on a dataset."""
    resolved = _config(dict(locals()))
    from gcsl_train.session import train as run_training

    run = run_training(resolved, say=_say)
    _result(f"{run.path}\n")


@app.command()
def plan(
    dataset: DirArg = None,
    model: ModelOpt = None,
    config: ConfigOpt = None,
    max_steps: Annotated[IntOpt, typer.Option(help="optimizer steps; wins over --epochs")] = None,
    epochs: Annotated[IntOpt, typer.Option(help="[1] times over the data")] = None,
    seed: Annotated[IntOpt, typer.Option(help="[0] decides order")] = None,
    max_length: Annotated[IntOpt, typer.Option(help="[2048] tokens of a pack and of the longest example")] = None,
    packs_per_step: Annotated[IntOpt, typer.Option(help="[8] packs per optimizer step, over all ranks")] = None,
    dtype: Annotated[str | None, typer.Option(help="[auto] auto, float32, bfloat16, float16")] = None,
    lora_rank: Annotated[IntOpt, typer.Option(help="[16]")] = None,
    target_modules: Annotated[str | None, typer.Option(help="[all-linear] or module names with commas")] = None,
    loss: LossOpt = None,
    settings: SetOpt = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="less memory, slower")
    ] = False,
    gpu: Annotated[str | None, typer.Option(help="H200, H100, A100, RTX 4090, ...: fits, and how long?")] = None,
    mfu: Annotated[float, typer.Option(help="share of its best that the GPU reaches")] = 0.4,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Say what a training run would do and take: packs, padding, steps, tokens, examples left out, memory, time."""
    given = dict(locals())
    wants_json, gpu, mfu = given.pop("as_json"), given.pop("gpu"), given.pop("mfu")
    resolved = _config({**given, "out": "-"})
    from gcsl_train.preview import as_text, preview

    counts = preview(resolved, gpu=gpu, mfu=mfu, say=_say)
    if wants_json:
        import json

        _result(json.dumps(counts) + "\n")
    else:
        _result(as_text(counts))


@app.command()
def generate(
    run: RunArg = None,
    prompts: Annotated[str | None, typer.Option(help=".jsonl with `prompt`, or .txt with one per line")] = None,
    model: ModelOpt = None,
    data: Annotated[str | None, typer.Option(help="dataset whose goals the untrained --model is given")] = None,
    goal: Annotated[str | None, typer.Option(help=_GOAL)] = None,
    n: Annotated[int, typer.Option("--n", help="answers per prompt")] = 1,
    max_new_tokens: Annotated[int, typer.Option(help="longest answer")] = 256,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token")] = 1.0,
    top_p: Annotated[float, typer.Option(help="nucleus")] = 0.9,
    seed: Annotated[int, typer.Option(help="makes the draw reproducible")] = 0,
    batch_size: Annotated[int, typer.Option(help="prompts at a time")] = 8,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16")] = "auto",
    out: Annotated[str, typer.Option("--out", "-o", help="log to write; - prints it")] = "-",
) -> None:
    """Answer prompts under a goal and write a log."""
    from gcsl_train.answer import answer
    from gcsl_train.generate import Sampling

    if prompts is None:
        raise UsageError("GT0207", "--prompts is needed: a .jsonl or .txt file")
    sampling = Sampling(
        n=n, max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed, batch_size=batch_size
    )
    answer(
        run=run, model=model, data=data, prompts=prompts, goal=goal, sampling=sampling, dtype=dtype, out=out, say=_say
    )


@app.command()
def evaluate(
    run: RunArg = None,
    data: Annotated[str | None, typer.Option(help="dataset whose records are scored")] = None,
    model: ModelOpt = None,
    split: Annotated[str, typer.Option(help="which of its splits")] = "validation",
    limit: Annotated[IntOpt, typer.Option(help="the first so many records; all of them if not given")] = None,
    max_length: Annotated[int, typer.Option(help="longer records are left out, in tokens")] = 2048,
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Say how likely a model finds the answers of a dataset under each goal, and under none."""
    from gcsl_train.evaluate import evaluate as score
    from gcsl_train.evaluation import as_json as whole
    from gcsl_train.evaluation import as_text

    if data is None:
        raise UsageError("GT0207", "--data is needed: a dataset folder made by `gcsl-data expand`")
    found = score(
        run=run, model=model, data=data, split=split, max_length=max_length, limit=limit, dtype=dtype, say=_say
    )
    _result(whole(found) + "\n" if as_json else as_text(found))


@app.command()
def merge(
    run: RunArg = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="model folder to make")] = None,
    model: Annotated[str | None, typer.Option(help="the base model, when it was a local file")] = None,
) -> None:
    """Fold the adapter into its base model and write a plain float32 model folder."""
    if run is None or out is None:
        raise UsageError("GT0207", "merge needs RUN and --out")
    from gcsl_train.adapter import merge as merge_run
    from gcsl_train.runfolder import RunFolder

    merge_run(RunFolder(Path(run)), model=model, out=Path(out), say=_say)
    _result(f"{out}\n")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and give its exit status; nothing but the status and the printed lines comes out."""
    words = list(sys.argv[1:] if argv is None else argv)
    traceback = os.environ.get(TRACEBACK, "") not in ("", "0")
    if "--traceback" in words:
        words.remove("--traceback")
        traceback = True
    quiet_libraries()
    try:
        return int(app(args=_with_verb(words), prog_name="gcsl-train", standalone_mode=False) or 0)
    except BaseException as error:
        return failed(error, traceback=traceback, say=_say)


def _with_verb(words: list[str]) -> list[str]:
    """The words with `train` before them, when they begin with none of ours. A verb that was mistyped is UsageError (2)."""
    if not words or words[0] in (*VERBS, "--help", "--version"):
        return words
    if not words[0].startswith("-") and not Path(words[0]).exists():
        from gcsl_train.errors import nearest

        if "did you mean" in (hint := nearest(words[0], list(VERBS))):
            raise UsageError("GT0220", f"no command {words[0]!r}; {hint} (nor is there a dataset of that name)")
    return ["train", *words]


def _config(given: dict[str, Any]) -> Any:
    """The config from the flags that were given."""
    from gcsl_train.config import FLAGS, resolve

    path, assignments = given.pop("config"), given.pop("settings") or ()
    given["DIR"] = given.pop("dataset")
    given["gradient_checkpointing"] = given.get("gradient_checkpointing") or None
    flags = {name if name in FLAGS else name.replace("_", "-"): value for name, value in given.items()}
    return resolve(path, flags, assignments)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _result(text: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        sys.stdout.write(text)
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
