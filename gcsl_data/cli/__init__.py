"""gcsl-data: one thin file per command. A command reads options, calls the library, prints the result."""

from typing import Annotated

import typer

from gcsl_data import __version__
from gcsl_data.cli._run import leave, listen, open_streams, run
from gcsl_data.cli.check import check
from gcsl_data.cli.diff import diff
from gcsl_data.cli.expand import expand
from gcsl_data.cli.export import export
from gcsl_data.cli.fit import fit
from gcsl_data.cli.goal import goal
from gcsl_data.cli.ingest import ingest
from gcsl_data.cli.merge import merge
from gcsl_data.cli.schema import schema_app
from gcsl_data.cli.stats import stats
from gcsl_data.cli.templates import templates_app
from gcsl_data.cli.trace import trace

app = typer.Typer(
    name="gcsl-data",
    help="Logs with graded feedback in, goal-conditioned datasets out.",
    epilog="Exit: 0 done, 1 a check failed, 2 usage, 65 wrong data, 66 cannot open, 70 a bug, 71 out of a resource, "
    "73 output exists, 74 I/O, 78 template, 130 and 143 signals, 141 nobody reads what is printed",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (expand, merge, fit, stats, check, diff, trace, goal, export, ingest):
    app.command()(command)
app.add_typer(schema_app, name="schema")
app.add_typer(templates_app, name="templates")


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """The `gcsl-data` program."""
    open_streams()
    leave(run(app, "gcsl-data", listen()))


__all__ = ["app", "main"]
