"""Where an example came from, for people: a line per fact. Log text stays one harmless line."""

from gcsl_data.audit.trace import LogRow, ReachedGoal, Trace
from gcsl_data.dataset.goal import Message
from gcsl_data.errors import one_line, shown

TEXT_WIDTH = 68  # 80 columns, less two spaces and the name of the fact
_LOG_STATES = {
    "unchanged": "unchanged since the dataset was made",
    "changed": "CHANGED since the dataset was made (other SHA-256)",
    "unknown": "no input of this dataset itself; whether it changed is not known",
    "missing": "not there:",
}


def show_trace(trace: Trace) -> None:
    """The example, its place, its record, the goals, both texts, and the row in the log when that was looked up."""
    print(one_line(trace.id))
    _fact("file", f"{trace.source}, row {trace.row}" + (f", part {trace.part}" if trace.part else ""))
    _fact("place", f"{trace.shard}, row {trace.shard_row}, split {trace.split}")
    _fact("group", trace.group)
    lower = f" ({trace.logged!r} in the log)" if trace.logged != trace.reward else ""
    _fact("reward", f"{trace.reward!r}{lower}, level {trace.level}")
    for goal in reversed(trace.goals):
        _fact(f"goal {goal.index}", _goal(goal, trace))
    if trace.goal_index is None and trace.others:
        _fact("others", ", ".join(trace.others))
    _fact("prompt", _first_line(trace.prompt))
    _fact("response", _first_line(trace.completion))
    for name, value in trace.kept.items():
        _fact(name, shown(value, limit=TEXT_WIDTH))
    if trace.log:
        _show_log(trace.log, trace.row)


def _goal(goal: ReachedGoal, trace: Trace) -> str:
    number = goal.text if goal.threshold is None else f"{goal.comparator} {goal.threshold}"
    if goal.dropped:
        return f"{number}: dropped, {goal.dropped}"
    if goal.example is None:
        return f"{number}: kept"
    return f"{number}: kept, {'this example' if goal.example == trace.id else f'example {goal.example}'}"


def _first_line(text: str | list[Message]) -> str:
    """The first line of a text, or of the last turn of a conversation, and how many more there are."""
    content = text if isinstance(text, str) else text[-1]["content"]
    first, *more = content.strip().splitlines() or [""]
    rest = f" (+{len(more)} lines)" if more else ""
    return one_line(first, limit=TEXT_WIDTH - len(rest)) + rest


def _show_log(log: LogRow, row: int) -> None:
    _fact("log", _LOG_STATES[log.state] + (f" {log.path}" if log.state == "missing" else ""))
    if log.row is None and log.state != "missing":
        _fact("", f"no row {row} can be read in it")
    for name, value in (log.row or {}).items():
        _fact("", f"{name} = {shown(value, limit=TEXT_WIDTH)}")


def _fact(name: str, text: str) -> None:
    label = f"{one_line(name, limit=30):<9}"
    print(f"  {label} {one_line(text, limit=TEXT_WIDTH + 9 - len(label))}".rstrip())
