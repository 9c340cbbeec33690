"""Run every solution under tasks/, count what it costs, and write the log logs.parquet.

    python make_log.py           write logs.parquet and print the costs and the rewards
    python make_log.py --check   write nothing; exit 1 if logs.parquet differs from what is computed

The cost of a solution is the number of source lines it executes over all test cases of its task, in its own code only.
It does not depend on the machine. It can depend on the Python minor version, which decides where the interpreter
reports a new line. The shipped log was made on Python 3.11; its metadata says so (key "python"), and --check is
meaningful only on that minor version.
"""

import argparse
import copy
import importlib.util
import inspect
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import polars as pl

HERE = Path(__file__).resolve().parent
LOG = HERE / "logs.parquet"
SOLUTION_FILE = "<solution>"  # the file name that marks a frame as the solution's own code
SCHEMA = {"task": pl.String, "prompt": pl.String, "response": pl.String, "reward": pl.Float64}


class Result(NamedTuple):
    """What became of one solution: its name in the task file, its text, whether it passed, what it cost, its reward."""

    name: str
    response: str
    passed: bool
    cost: int
    reward: float


def python_version() -> str:
    """The minor version, such as "3.11": what the counted lines depend on."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def load_tasks(folder: Path = HERE / "tasks") -> dict[str, ModuleType]:
    """Import every task file, in the order of the slugs (the file names without .py)."""
    tasks = {}
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"code_efficiency_{path.stem}", path)
        tasks[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tasks[path.stem])
    return tasks


def solutions(task: ModuleType) -> list[Callable]:
    """Every function the task file defines, in file order, except `cases` and `reference`."""
    own = [value for value in vars(task).values() if inspect.isfunction(value) and value.__module__ == task.__name__]
    return [function for function in own if function.__name__ not in ("cases", "reference")]


def response_text(solution: Callable, function_name: str) -> str:
    """The source of a solution under the name that the prompt asks for, recursive calls included."""
    return re.sub(rf"\b{solution.__name__}\b", function_name, inspect.getsource(solution)).strip()


def load_function(response: str, function_name: str) -> Callable:
    """Turn the text of a response into the function it defines."""
    namespace: dict[str, Any] = {}
    exec(compile(response, SOLUTION_FILE, "exec"), namespace)
    return namespace[function_name]


def count_lines(function: Callable, arguments: tuple) -> tuple[Any, int]:
    """Call a loaded function; return its value and the number of lines executed in its own code."""
    lines = 0

    def trace_line(frame, event, _):
        nonlocal lines
        lines += event == "line"
        return trace_line

    def trace_call(frame, event, _):
        return trace_line if frame.f_code.co_filename == SOLUTION_FILE else None

    before = sys.gettrace()
    sys.settrace(trace_call)
    try:
        value = function(*arguments)
    finally:
        sys.settrace(before)
    return value, lines


def run_solution(response: str, function_name: str, tests: list[tuple[tuple, Any]]) -> tuple[bool, int]:
    """Whether the response gives every expected value, and its cost over the tests; an exception counts as wrong."""
    cost = 0
    for arguments, expected in tests:
        try:
            value, lines = count_lines(load_function(response, function_name), copy.deepcopy(arguments))
        except Exception:
            return False, cost
        cost += lines
        if value != expected:
            return False, cost
    return True, cost


def beyond(cost: int, passing_costs: list[int]) -> float:
    """Where a cost lies between the dearest (0) and the cheapest (1) passing solution of the task, clipped."""
    low, high = min(passing_costs), max(passing_costs)
    if low == high:
        return 1.0
    return (high - min(max(cost, low), high)) / (high - low)


def grade(task: ModuleType) -> list[Result]:
    """Run all solutions of one task and give each its reward: Beyond when it passed, 0 when it is wrong."""
    tests = [(arguments, task.reference(*copy.deepcopy(arguments))) for arguments in task.cases()]
    runs = []
    for solution in solutions(task):
        response = response_text(solution, task.FUNCTION)
        runs.append((solution.__name__, response, *run_solution(response, task.FUNCTION, tests)))
    passing_costs = [cost for _, _, passed, cost in runs if passed]
    return [
        Result(name, response, passed, cost, round(beyond(cost, passing_costs), 4) if passed else 0.0)
        for name, response, passed, cost in runs
    ]


def log_frame(tasks: dict[str, ModuleType], graded: dict[str, list[Result]]) -> pl.DataFrame:
    """The log: one row per solution, in the order of the slugs and then of the task file."""
    rows = [(slug, tasks[slug].PROMPT, result.response, result.reward) for slug in graded for result in graded[slug]]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def quintiles(values: list[float]) -> list[float]:
    """The order statistics at 20, 40, 60 and 80 %: the smallest values that such a share does not exceed."""
    ordered = sorted(values)
    return [ordered[math.ceil(k * len(ordered) / 5) - 1] for k in range(1, 5)]


def report(graded: dict[str, list[Result]]) -> str:
    """The costs and rewards of every task, and the distribution of the rewards, as a table for a person."""
    lines = [f"Python {python_version()}", f"{'task':28} solutions  passed  cost:reward"]
    for slug, results in graded.items():
        costs = "  ".join(f"{r.cost}:{r.reward:.2f}" if r.passed else "wrong" for r in results)
        lines.append(f"{slug:28} {len(results):9}  {sum(r.passed for r in results):6}  {costs}")
    rewards = [r.reward for results in graded.values() for r in results]
    share = {value: sum(reward == value for reward in rewards) / len(rewards) for value in (0.0, 1.0)}
    lines.append(f"{len(graded)} tasks, {len(rewards)} rows, mean reward {sum(rewards) / len(rewards):.4f}")
    lines.append(f"share of reward 0: {share[0.0]:.1%}, of reward 1: {share[1.0]:.1%}")
    lines.append(f"order statistics at 20, 40, 60, 80 %: {quintiles(rewards)}")
    return "\n".join(lines)


def main() -> int:
    """Write the log, or with --check compare it; the exit code is 1 when the comparison fails."""
    parser = argparse.ArgumentParser(description="Grade the solutions under tasks/ and write logs.parquet.")
    parser.add_argument("--check", action="store_true", help="compare with logs.parquet instead of writing it")
    arguments = parser.parse_args()
    tasks = load_tasks()
    graded = {slug: grade(task) for slug, task in tasks.items()}
    print(report(graded))
    frame = log_frame(tasks, graded)
    if not arguments.check:
        frame.write_parquet(LOG, metadata={"python": python_version()})
        return 0
    made_on = pl.read_parquet_metadata(LOG)["python"]
    if made_on != python_version():
        print(f"note: logs.parquet was made on Python {made_on}; line counts may differ on this one")
    same = pl.read_parquet(LOG).equals(frame)
    print("logs.parquet is what the tasks give" if same else "logs.parquet DIFFERS from what the tasks give")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
