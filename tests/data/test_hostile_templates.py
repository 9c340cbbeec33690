"""Templates from a stranger, over the command line: refused with exit 78 and a place, or harmless. Nothing is left behind."""

from pathlib import Path

import pytest

from .support import examples, expand_rows, gcsl_data, make_rows, tree, write_jsonl

ESCAPE = "is not allowed in a goal template; it may print names and use if"

# What is in the file (after a plain {{ threshold }}), and words that the one error line must have.
HOSTILE: dict[str, tuple[str, str]] = {
    "a dunder of a constant": ("{{ ''.__class__.__mro__ }}", f"goal.j2:1: Getattr {ESCAPE}"),
    "the globals of a helper": ("{{ lipsum.__globals__['os'].popen('id').read() }}", f"goal.j2:1: Call {ESCAPE}"),
    "the constructor of a helper": ("\n{{ cycler.__init__ }}", f"goal.j2:2: Getattr {ESCAPE}"),
    "format found by attr": ("{{ ('{0.__class__}'|attr('format'))(threshold) }}", f"goal.j2:1: Call {ESCAPE}"),
    "loops in loops": (
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        f"goal.j2:1: For {ESCAPE}",
    ),
    "a long text by a helper": ("{{ lipsum(n=100000) }}", f"goal.j2:1: Call {ESCAPE}"),
    "a helper alone": ("{{ range }}", "unknown name 'range'; known: threshold, metric"),
    "repetition": ("{{ 'x' * 2000000000 }}", f"goal.j2:1: Mul {ESCAPE}"),
    "padding": ("{{ threshold|center(2000000000) }}", "goal.j2:1: no filter 'center' in goal templates"),
    "padding by a format": ("{{ '%02000000000d' % 1 }}", f"goal.j2:1: Mod {ESCAPE}"),
    "doubling by a namespace": (
        "{% set n = namespace(a='x') %}{% set n.a = n.a ~ n.a %}",
        f"goal.j2:1: Assign {ESCAPE}",
    ),
    "a power": ("{{ 2 ** 100000000 }}", f"goal.j2:1: Pow {ESCAPE}"),
    "a recursive macro": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", f"goal.j2:1: Macro {ESCAPE}"),
    "include": ("{% include '/etc/passwd' %}", f"goal.j2:1: Include {ESCAPE}"),
    "import": ("{% import '/etc/passwd' as p %}", f"goal.j2:1: Import {ESCAPE}"),
    "extends": ("{% extends '/etc/passwd' %}", f"goal.j2:1: Extends {ESCAPE}"),
    "a mistyped name": (
        "\n\n{{ treshold }}",
        "goal.j2:3: unknown name 'treshold'; known: threshold, metric, a_metric, level",
    ),
    "what is no Jinja": ("\n{% if level %}", "goal.j2:2: Unexpected end of template"),
    "a random filter": ("{{ 'abc'|random }}", "goal.j2:1: no filter 'random' in goal templates"),
    "a control token": ("<|im_start|>system", "'<|im_start|>', a control character or token"),
    "another control token": ("</s>", "'</s>', a control character or token"),
    "a terminal escape": ("\x1b]0;x\x07", r"'\x1b', a control character or token"),
    "text turned around": ("\u202e", r"'\u202e', a control character or token"),
    "a megabyte": ("x" * 1_000_000, "goal.j2 has 1000016 bytes; a goal template is a sentence or two"),
    "deep brackets": ("{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}", "goal.j2: the template is nested too deeply"),
    "a long sum": ("{{ 1" + " + 1" * 9000 + " }}", "goal.j2: the template is nested too deeply"),
    "many ifs": ("{% if 1 %}" * 100 + "{% endif %}" * 100, "goal.j2: the template is nested too deeply"),
    "a long goal": ("x" * 10_000, "gives a goal of 10005 characters; expected a sentence or two"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_template_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    text, words = HOSTILE[case]
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 20 for i in range(20)))
    (tmp_path / "goal.j2").write_text("{{ threshold }} " + text)

    expanded = gcsl_data("expand", "log.jsonl", "--template", "goal.j2", cwd=tmp_path)
    linted = gcsl_data("templates", "lint", "goal.j2", cwd=tmp_path)

    assert (expanded.status, len(expanded.errors)) == (78, 1)
    assert words in expanded.errors[0]
    assert linted.status == 1
    assert words in linted.out
    assert tree(tmp_path) == ["goal.j2", "log.jsonl"]


@pytest.mark.parametrize("text", ["Be good.", "{% if level > 2 %}Be good{% else %}Be better{% endif %}"])
def test_goals_that_read_the_same_are_refused(tmp_path: Path, text: str) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 20 for i in range(20)))
    (tmp_path / "goal.j2").write_text(text)

    outcome = gcsl_data("expand", "log.jsonl", "--template", "goal.j2", cwd=tmp_path)

    assert (outcome.status, len(outcome.errors)) == (78, 1)
    assert "must print {{ threshold }}" in outcome.errors[0]
    assert "read the same" in outcome.errors[0]
    assert "goal.distinct" in gcsl_data("templates", "lint", "goal.j2", cwd=tmp_path).out


def test_greater_than_where_rows_may_be_equal_is_found(tmp_path: Path) -> None:
    (tmp_path / "goal.j2").write_text("A score greater than {{ threshold }}.")

    outcome = gcsl_data("templates", "lint", "goal.j2", cwd=tmp_path)

    assert outcome.status == 1
    assert "says 'greater than' (>) beside the number, but rows are labelled with >=" in outcome.out


def test_a_number_is_never_rounded_past_its_rows(tmp_path: Path) -> None:
    """0.849999 is not "at least 0.85": what is printed is what rows are labelled with."""
    expand_rows(tmp_path, make_rows([0.1] * 10 + [0.849999] * 10), bins__decimals=2)

    assert {row["goal"] for row in examples(tmp_path / "out")} == {"Generate a response with a score of at least 0.84."}
    assert gcsl_data("check", "out", cwd=tmp_path).status == 0


def test_the_sandbox_is_new_enough() -> None:
    """Older releases let `attr('format')` out of the sandbox (CVE-2025-27516)."""
    from importlib.metadata import requires, version

    assert tuple(int(part) for part in version("jinja2").split(".")[:3]) >= (3, 1, 6)
    assert "jinja2>=3.1.6" in (requires("gcsl") or [])


def test_expand_warns_of_words_against_the_labels(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 10 for i in range(10)))
    (tmp_path / "gt.j2").write_text("Greater than {{ threshold }}.")

    done = gcsl_data("expand", "log.jsonl", "--template", "gt.j2", cwd=tmp_path)

    assert done.status == 0
    assert "warning: gt.j2: says 'Greater than' (>) beside the number" in done.err


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("metric = ''", "goal.j2: the metric in the head is empty"),
        ("scale = " + "[" * 9000 + "]" * 9000, "goal.j2: the template's head is nested too deeply"),
    ],
)
def test_a_hostile_head_is_refused_in_one_line(tmp_path: Path, head: str, words: str) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows(i / 20 for i in range(20)))
    (tmp_path / "goal.j2").write_text(f"{{# {head} #}}\nAnswer with {{{{ threshold }}}}.\n")

    outcome = gcsl_data("expand", "log.jsonl", "--template", "goal.j2", cwd=tmp_path)

    assert (outcome.status, len(outcome.errors)) == (78, 1), outcome.err
    assert words in outcome.err


def test_as_many_ifs_as_a_template_may_have_are_rendered(tmp_path: Path) -> None:
    text = "{% if level %}" * 40 + "Score {{ threshold }} or more." + "{% endif %}" * 40
    (tmp_path / "goal.j2").write_text(text)

    expand_rows(tmp_path, make_rows(i / 20 for i in range(20)), goals__template=str(tmp_path / "goal.j2"))

    assert examples(tmp_path / "out")[0]["goal"].startswith("Score 0.")
