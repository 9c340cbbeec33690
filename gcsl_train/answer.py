"""The generate command: which model, which goals, and then a log (see generate.py)."""

from pathlib import Path
from typing import get_args

import torch

from gcsl_data.errors import OutputError, UsageError
from gcsl_train import adapter, goal_tokens
from gcsl_train import goals as goal_books
from gcsl_train import model as models
from gcsl_train.config import Dtype
from gcsl_train.generate import Sampling, make_jobs, read_prompts, write_log
from gcsl_train.meter import Say
from gcsl_train.runfolder import RunFolder
from gcsl_train.shards import read_manifest
from gcsl_train.tokens import Encoder


def answer(
    *,
    run: str | None,
    model: str | None,
    data: str | None,
    prompts: str,
    goal: str,
    sampling: Sampling,
    dtype: str,
    out: str,
    say: Say,
) -> None:
    """Answer the prompts with a run's model, or with an untrained one under a dataset's goals.

    All that can be wrong with the request is found before a model is loaded. Raises the errors of gcsl_data.errors.
    """
    if (run is None) == (data is None) or (data is not None and model is None):
        raise UsageError("GT0219", "generate takes RUN (and --model for a local base), or --model MODEL --data DIR")
    if dtype not in get_args(Dtype):
        raise UsageError("GT0208", f"--dtype must be one of {', '.join(get_args(Dtype))}, found {dtype!r}")
    if out != "-":
        if Path(out).exists():
            raise OutputError("GT7304", f"{out} exists; choose another -o")
        RunFolder(Path(out)).check_writable()
    folder = RunFolder(Path(run)) if run is not None else None
    if folder:
        folder.check_here()
    book = goal_books.read(folder.goals) if folder else goal_books.from_manifest(read_manifest(str(data)))
    asked = book.ask(goal)
    rows = read_prompts(prompts)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    numbers = models.pick_dtype(dtype, device)  # type: ignore[arg-type]
    source = adapter.base_of(folder, model) if folder else models.find(str(model))
    say(f"loading {source.name} ...")
    tokenizer = models.load_tokenizer(source)
    goals = goal_tokens.add(tokenizer, book) if folder else goal_tokens.find(tokenizer, book)
    if book.tokens and goals is None and asked.text is not None:
        raise UsageError(
            "GT0224",
            f"{source.name} does not know {asked.text}, a special token that is made by training; "
            "give a RUN, or a model made by merge, or ask for --goal none",
        )
    encoder = Encoder(tokenizer, book.format, goals=goals)
    jobs = make_jobs(rows, book, asked, encoder, n=sampling.n)
    base = models.load_model(source, dtype=numbers, attention="sdpa")
    lm = goal_tokens.fold(adapter.put_on(base, folder, goals)) if folder else base
    write_log(jobs, out, asked=asked, encoder=encoder, model=lm.to(device), sampling=sampling, say=say)
