"""The generate command: which model, which goals, and then a log (see generate.py)."""

from pathlib import Path

from gcsl_data.errors import OutputError, UsageError
from gcsl_train import goal_tokens, serving
from gcsl_train import goals as goal_books
from gcsl_train import model as models
from gcsl_train.generate import Sampling, make_jobs, read_prompts, write_log
from gcsl_train.runfolder import RunFolder
from gcsl_train.say import Say
from gcsl_train.shards import read_manifest


def answer(
    *,
    run: str | None,
    model: str | None,
    data: str | None,
    prompts: str,
    goal: str | None,
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
    device = serving.device()
    numbers = serving.numbers(dtype, device)
    if out != "-":
        if Path(out).exists():
            raise OutputError("GT7304", f"{out} exists; choose another -o")
        RunFolder(Path(out)).check_writable()
    folder = RunFolder(Path(run)) if run is not None else None
    if folder:
        folder.check_here()
    book = goal_books.read(folder.goals) if folder else goal_books.from_manifest(read_manifest(str(data)))
    asked = book.ask(goal or ("highest" if book.has_goals else "none"))
    if warning := book.warning(asked):
        say(warning)
    rows = read_prompts(prompts)
    source = serving.base(folder, model)
    encoder = serving.open_encoder(source, folder, book, asks=asked.text is not None, say=say)
    jobs = make_jobs(rows, book, asked, encoder, n=sampling.n)
    opened = serving.open_model(source, folder, encoder, dtype=numbers, attention="sdpa")
    of_goals = encoder.goals.ids if encoder.goals else ()
    models.check_rows(opened, max((i for job in jobs for i in job.ids if i not in of_goals), default=0), source)
    lm = goal_tokens.fold(opened)
    write_log(jobs, out, asked=asked, book=book, encoder=encoder, model=lm.to(device), sampling=sampling, say=say)
