import ast
import importlib.util
import sys
from pathlib import Path

import polars as pl
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "code_efficiency"
HIDDEN_WORK = {
    *("sum", "sorted", "any", "all", "map", "filter", "list", "tuple", "pow", "divmod", "str", "bin", "frozenset"),
    *("sort", "reverse", "index", "count", "insert", "remove", "extend", "copy", "join", "split", "replace", "find"),
    *("update", "union", "intersection", "difference", "items", "values", "keys", "startswith", "endswith"),
}


def load_make_log():
    spec = importlib.util.spec_from_file_location("code_efficiency_make_log", FOLDER / "make_log.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_log = load_make_log()


@pytest.fixture(scope="module")
def tasks():
    return make_log.load_tasks()


@pytest.fixture(scope="module")
def graded(tasks):
    return {slug: make_log.grade(task) for slug, task in tasks.items()}


def containers_with_fast_lookup(tree):
    """The names that a response assigns a set or a dictionary, in which a look-up is one step."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            pairs = [(node.targets[0], node.value)]
            if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
            for target, value in pairs:
                is_set_call = isinstance(value, ast.Call) and getattr(value.func, "id", "") == "set"
                if isinstance(value, ast.Dict | ast.Set) or is_set_call:
                    names.add(target.id)
    return names


def hidden_work(response):
    """The constructs in a response that do more than a fixed amount of work within one line."""
    tree = ast.parse(response)
    fast = containers_with_fast_lookup(tree)
    comprehensions = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    found = []
    for node in ast.walk(tree):
        if isinstance(node, comprehensions | ast.Slice | ast.Starred | ast.Lambda | ast.YieldFrom):
            found.append(type(node).__name__)
        elif isinstance(node, ast.BinOp) and (isinstance(node.left, ast.List) or isinstance(node.right, ast.List)):
            found.append("arithmetic with a list")
        elif isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            found += [f"in {ast.unparse(c)}" for c in node.comparators if getattr(c, "id", "") not in fast]
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            whole_list = name in ("min", "max", "set", "dict") and len(node.args) == 1
            pop_inside = name == "pop" and len(node.args) > 0
            found += [name] if name in HIDDEN_WORK or whole_list or pop_inside else []
    return found


def test_beyond_goes_from_the_dearest_to_the_cheapest_and_is_clipped():
    costs = [100, 40, 60, 20]
    assert [make_log.beyond(cost, costs) for cost in costs] == [0.0, 0.75, 0.5, 1.0]
    assert make_log.beyond(500, costs) == 0.0
    assert make_log.beyond(1, costs) == 1.0


def test_beyond_is_one_when_all_passing_solutions_cost_the_same():
    assert make_log.beyond(7, [7, 7]) == 1.0


def test_the_counter_counts_every_executed_line_of_straight_code():
    function = make_log.load_function("def toy(n):\n    a = n\n    b = a + 1\n    return b\n", "toy")
    assert make_log.count_lines(function, (4,)) == (5, 3)


def test_the_counter_counts_a_loop_line_once_per_turn_and_once_at_its_end():
    function = make_log.load_function(
        "def toy(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n", "toy"
    )
    assert make_log.count_lines(function, (3,)) == (3, 1 + (3 + 1) + 3 + 1)


def test_the_counter_sees_inner_functions_but_not_code_from_elsewhere():
    source = "import textwrap\n\ndef toy(n):\n    def inner():\n        return n\n    {}\n    return inner()\n"
    plain = make_log.load_function(source.format("pass"), "toy")
    calling = make_log.load_function(source.format("textwrap.dedent('a')"), "toy")
    assert make_log.count_lines(plain, (4,)) == make_log.count_lines(calling, (4,)) == (4, 4)


def test_the_counter_puts_an_earlier_trace_function_back():
    before = sys.gettrace()
    function = make_log.load_function("def toy():\n    return 1 // 0\n", "toy")
    with pytest.raises(ZeroDivisionError):
        make_log.count_lines(function, ())
    assert sys.gettrace() is before


def test_an_exception_or_another_value_makes_a_solution_wrong():
    tests = [((2,), 4), ((0,), 0)]
    assert make_log.run_solution("def f(n):\n    return n + n\n", "f", tests) == (True, 2)
    assert not make_log.run_solution("def f(n):\n    return 4\n", "f", tests)[0]
    assert not make_log.run_solution("def f(n):\n    return 4 // n * n\n", "f", tests)[0]


def test_quintiles_are_elements_of_the_sorted_values():
    assert make_log.quintiles([5.0, 3.0, 1.0, 2.0, 4.0]) == [1.0, 2.0, 3.0, 4.0]
    assert make_log.quintiles([1.0, 2.0, 3.0]) == [1.0, 2.0, 2.0, 3.0]


def test_the_shipped_log_is_what_make_log_computes(tasks, graded):
    made_on = pl.read_parquet_metadata(make_log.LOG)["python"]
    if made_on != make_log.python_version():
        pytest.skip(f"the log was made on Python {made_on}; another minor version counts lines differently")
    assert pl.read_parquet(make_log.LOG).equals(make_log.log_frame(tasks, graded))


def test_the_shipped_log_has_plain_columns_and_rewards_from_zero_to_one():
    log = pl.read_parquet(make_log.LOG)
    assert dict(log.schema) == make_log.SCHEMA
    assert log.null_count().row(0) == (0, 0, 0, 0)
    assert log["reward"].is_between(0, 1).all()
    assert log.select("prompt", "response").is_unique().all()


def test_there_are_enough_tasks_and_solutions(graded):
    assert len(graded) >= 24
    assert all(4 <= len(results) <= 8 for results in graded.values())


def test_every_task_has_at_least_three_passing_solutions_of_different_cost(graded):
    for slug, results in graded.items():
        costs = [result.cost for result in results if result.passed]
        assert len(costs) >= 3, slug
        assert len(set(costs)) >= 3, slug


def test_exactly_the_solutions_named_wrong_fail_and_get_nothing(graded):
    for slug, results in graded.items():
        for result in results:
            assert result.passed == (not result.name.startswith("wrong_")), (slug, result.name)
            assert result.passed or result.reward == 0.0
        assert sum(not result.passed for result in results) <= 1, slug


def test_rewards_within_a_task_follow_the_costs(graded):
    for slug, results in graded.items():
        passing = sorted((result for result in results if result.passed), key=lambda result: result.cost)
        rewards = [result.reward for result in passing]
        assert rewards == sorted(rewards, reverse=True), slug
        assert (rewards[0], rewards[-1]) == (1.0, 0.0), slug


def test_rewards_over_the_log_are_spread():
    rewards = pl.read_parquet(make_log.LOG)["reward"].to_list()
    assert rewards.count(0.0) <= 0.33 * len(rewards)
    assert rewards.count(1.0) <= 0.22 * len(rewards)
    assert len(set(make_log.quintiles(rewards))) == 4


def test_every_response_is_one_function_with_the_name_from_the_prompt(tasks, graded):
    for slug, results in graded.items():
        assert f"`{tasks[slug].FUNCTION}(" in tasks[slug].PROMPT
        for result in results:
            body = ast.parse(result.response).body
            assert [node.name for node in body] == [tasks[slug].FUNCTION], (slug, result.name)
            assert result.name not in result.response


def test_no_solution_hides_work_inside_one_line(graded):
    for slug, results in graded.items():
        for result in results:
            assert hidden_work(result.response) == [], (slug, result.name)


def test_hidden_work_is_recognised():
    assert hidden_work("def f(a):\n    return sum(a)") == ["sum"]
    assert hidden_work("def f(a):\n    return max(a)") == ["max"]
    assert hidden_work("def f(a, x):\n    return x in a") == ["in a"]
    assert hidden_work("def f(a):\n    return a[1:]") == ["Slice"]
    assert hidden_work("def f(a, x):\n    seen = set()\n    return x in seen and max(a, x)") == []


def test_check_exits_with_one_only_when_the_log_differs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make_log, "LOG", tmp_path / "logs.parquet")
    monkeypatch.setattr(sys, "argv", ["make_log.py"])
    assert make_log.main() == 0
    monkeypatch.setattr(sys, "argv", ["make_log.py", "--check"])
    assert make_log.main() == 0
    log = pl.read_parquet(make_log.LOG)
    log.with_columns(reward=pl.lit(0.5)).write_parquet(make_log.LOG, metadata={"python": make_log.python_version()})
    assert make_log.main() == 1
    assert "DIFFERS" in capsys.readouterr().out
