"""gcsl-data: one thin file per command. A command reads options, calls the library, prints the result."""

import typer

from gcsl_data.cli._run import run
from gcsl_data.cli.check import check
from gcsl_data.cli.expand import expand
from gcsl_data.cli.goal import goal
from gcsl_data.cli.stats import stats
from gcsl_data.cli.templates import templates

app = typer.Typer(
    name="gcsl-data",
    help="Logs with graded feedback in, goal-conditioned datasets out.",
    epilog="Exit: 0 done, 1 a check failed, 2 usage, 65 wrong data, 66 cannot open, 73 output exists, 74 I/O, 78 template",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (expand, stats, check, goal, templates):
    app.command()(command)


def main() -> None:
    """The `gcsl-data` program."""
    raise SystemExit(run(app, "gcsl-data"))


__all__ = ["app", "main"]
