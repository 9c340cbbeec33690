"""`stats --explain`: every number by the name that gates use, what it means, and when to look closer."""

from collections.abc import Mapping

from rich.console import Console

from gcsl_data.audit.gates import Number
from gcsl_data.audit.meanings import MEANINGS, Meaning
from gcsl_data.audit.stat_numbers import stat_numbers
from gcsl_data.audit.stats import Stats
from gcsl_data.cli._draw import print_sentence
from gcsl_data.dataset.decode import encode


def show_explained(stats: Stats) -> None:
    """A line for each number and its sentences below it: the numbers of `--json`, and the totals of what was left out."""
    console = Console(highlight=False, markup=False, soft_wrap=False)
    named: Mapping[str, Number] = stat_numbers(encode(stats))
    for name, value in named.items():
        meaning = _meaning(name)
        if meaning:
            print(f"{name} = {_shown(value)}")
            worry = f" Look closer when: {meaning.worry[0].lower()}{meaning.worry[1:]}" if meaning.worry else ""
            print_sentence(console, f"{meaning.says}{worry}", indent="  ")


def _meaning(name: str) -> Meaning | None:
    """That of the number, or of the part whose items have names of their own: counts by reason, quantiles."""
    return MEANINGS.get(name) or MEANINGS.get(name.rpartition(".")[0])


def _shown(value: Number) -> str:
    return "none here" if value is None else f"{value:.10g}"
