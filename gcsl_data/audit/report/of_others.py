"""The sections that compare: with another log, and with other numbers of bins."""

from collections.abc import Sequence

from gcsl_data.audit.meanings import MEANINGS
from gcsl_data.audit.report.charts import drift_chart
from gcsl_data.audit.report.figures import Number, figures, number, numbers_of
from gcsl_data.audit.report.html import Html, element, join, name
from gcsl_data.audit.report.part import IN_TABLE, Part, picture
from gcsl_data.audit.report.tables import Words, columns_of, folded, heading, plain_table, table
from gcsl_data.audit.sections.drift import Drift, Shift
from gcsl_data.audit.stats import Stats
from gcsl_data.audit.sweep import SweepRow


def of_drift(drift: Drift, direction: str) -> Part:
    """How far this is from the reference."""
    shifts = (("rewards", drift.rewards), ("levels", drift.levels), ("prompt", drift.prompt),
              ("response", drift.response), ("groups", drift.groups))  # fmt: skip
    rows = [(part, shift) for part, shift in shifts if shift is not None]
    label = f"Bars: PSI of {len(rows)} sections against marks at 0.1 and 0.2. {IN_TABLE}"
    return Part(
        "drift",
        "Drift",
        join(
            element(
                "p", "Compared with ", name(drift.against), ". Below 0.1 is the same population, from 0.2 another one."
            ),
            picture(label, lambda look: drift_chart(drift, look)),
            folded("The shifts as a table", _shifts(rows)),
            figures(numbers_of("drift", drift), direction),
        ),
    )


def of_sweep(stats: Stats) -> Part:
    """What other numbers of bins would give."""
    columns = columns_of("sweep", SweepRow)
    if any(row.fails for row in stats.sweep):
        columns.append(Words("Fails", lambda row: row.fails))
    return Part("sweep", "Other numbers of bins", table("What each number of bins would give", columns, stats.sweep))


def _shifts(rows: Sequence[tuple[str, Shift]]) -> Html:
    """The sections of drift; each has a meaning of its own, so they stand in rows here and are explained below."""
    keys: list[str] = []
    lines: list[list[str]] = []
    for part, shift in rows:
        values: list[tuple[str, Number | None]] = [(f"drift.{part}.psi", shift.psi), (f"drift.{part}.ks", shift.ks)]
        keys += [key for key, value in values if value is not None]
        lines.append([part, *(number(*pair) for pair in values)])
    said = [
        element("div", element("dt", key.removeprefix("drift.")), element("dd", MEANINGS[key].says)) for key in keys
    ]
    headings = [heading("Section", words=True), heading("PSI"), heading("KS")]
    return join(plain_table("Drift by section", headings, lines), element("dl", *said, class_="meanings"))
