"""`stats --html`: the page says the audit's numbers, and log text stays text."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import html5lib
import pytest

from gcsl_data.audit.meanings import MEANINGS
from gcsl_data.audit.report.charts import drift_chart, goals_chart, length_chart, rewards_chart, sources_chart
from gcsl_data.audit.report.html import LONGEST_TEXT
from gcsl_data.audit.report.look import NARROW, PAPER, WIDE
from gcsl_data.audit.report.page import report_html
from gcsl_data.audit.report.plot import plotted
from gcsl_data.audit.report.style import STYLE
from gcsl_data.dataset.decode import encode
from gcsl_data.errors import UsageError

from .report_support import shown, stats
from .support import gcsl_data, make_rows, write_jsonl

HOSTILE = {
    "script": "<script>document.title='ran'</script>",
    "quotes": "\"><img src=x onerror=document.title='ran'> ' onmouseover='document.title=1' x='",
    "ends": "</style></title></textarea></pre></bdi><style>*{display:none}</style>",
    "comment": "<!-- --!> <![CDATA[ ]]> <?php &lt;b&gt; &amp;amp; &#0; &#x1F4A9;",
    "code": "javascript:document.title='ran' [red]bold[/red] {{ 1 }} {% if %} ${x} datum.x + parent['y']; alert(1)",
    "svg": "</text></svg><svg onload=document.title=1><foreignObject><iframe src=//example.invalid>",
    "control": "\x1b[31m\x1b]0;title\x07\x9b31m\x00\x7f\u202etxt.exe\u2066\u2069\u200f\udcff\ufffe\ufdd0",
}


def tree(page: str) -> Element:
    return html5lib.parse(page, namespaceHTMLElements=False)


def shape(node: Element) -> list[tuple[str, tuple[str, ...]]]:
    """Elements in order, each with the names of its attributes."""
    return [(str(inner.tag), tuple(sorted(map(str, inner.attrib)))) for inner in node.iter()]


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_adds_no_element_and_no_attribute(hostile: str) -> None:
    made = tree(page_of(hostile))
    harmless = tree(page_of("harmless"))

    assert without_charts(shape(made)) == without_charts(shape(harmless))
    for node in made.iter():
        assert not any(str(name).lower().startswith("on") for name in node.attrib)
        assert node.get("href", "#").startswith("#")
        assert not {"src", "srcdoc", "style", "action", "formaction", "{http://www.w3.org/1999/xlink}href"} & set(
            node.attrib
        )


@cache
def page_of(text: str) -> str:
    """A page in which all names and texts are this one."""
    return report_html(stats(lambda _: text), shown(lambda _: text))


@cache
def page() -> str:
    return report_html(stats(), shown())


def without_charts(elements: list[tuple[str, tuple[str, ...]]]) -> Counter[tuple[str, tuple[str, ...]]]:
    """Pictures may have more or fewer ticks as their labels are longer; which elements are in them stays the same."""
    inside = {"g", "path", "line", "rect", "text"}
    counted = Counter(item for item in elements if item[0].rpartition("}")[2] not in inside)
    return counted + Counter({item: 1 for item in elements if item[0].rpartition("}")[2] in inside})


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_no_control_code_reaches_the_page(hostile: str) -> None:
    page = page_of(hostile)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)
    page.encode()


def test_text_that_may_be_shown_is_shown_word_for_word() -> None:
    hostile = HOSTILE["script"]
    made = tree(page_of(hostile))

    assert {text_of(node) for node in made.iter("pre")} == {hostile}
    assert text_of(next(made.iter("h1"))) == hostile
    assert text_of(next(made.iter("title"))).startswith(hostile)


def test_control_codes_are_made_visible_and_lines_and_tabs_stay() -> None:
    one = replace(shown()[0].best[0], response="a\tb\r\n\x1b[31mred\x00\n  \u202eend")
    made = tree(report_html(stats(), (replace(shown()[0], best=(one,), worst=()),)))

    assert text_of(list(made.iter("pre"))[1]) == "a\tb\n�[31mred�\n  �end"


def test_long_texts_are_cut_and_the_cut_is_told() -> None:
    one = replace(shown()[0].best[0], response="<b>" * 400_000)
    page = report_html(stats(), (replace(shown()[0], best=(one,), worst=()),))
    made = tree(page)

    assert len(text_of(list(made.iter("pre"))[1])) == LONGEST_TEXT
    assert "The first 2,000 of 1,200,000 characters." in page
    assert len(page) < 400_000


def text_of(node: Element) -> str:
    return "".join(node.itertext())


# numbers


def in_stats(value: object, at: str = "", *, is_lower: bool = True) -> Iterator[tuple[str, float]]:
    """Every number with its dotted name, in order; a reward where lower is better as the log writes it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            deeper = (
                at
                if at in ("rewards.quantiles", "accounting.rejected", "accounting.filtered")
                else f"{at}.{name}".lstrip(".")
            )
            yield from in_stats(inner, deeper, is_lower=is_lower)
    elif isinstance(value, list):
        for inner in value:
            yield from in_stats(inner, at, is_lower=is_lower)
    elif isinstance(value, int | float):
        is_flipped = MEANINGS[at].form == "reward" and not at.startswith("aspects.")
        yield at, -value if is_flipped and is_lower else value


def in_page(page: str) -> list[tuple[str, float]]:
    return [
        (node.attrib["data-number"], ast.literal_eval(node.attrib["value"]))
        for node in tree(page).iter("data")
        if "data-number" in node.attrib
    ]


def test_every_number_of_the_stats_stands_in_the_page_exactly() -> None:
    made = stats()
    expected = Counter(in_stats(encode(made)))

    assert Counter(in_page(report_html(made, shown()))) == expected
    assert set(MEANINGS) - {name for name, _ in expected} == {"drift.levels.ks"}  # levels are compared by PSI alone


def test_the_readable_form_is_the_exact_number_rounded() -> None:
    for node in tree(page()).iter("data"):
        read = text_of(node)
        exact = float(node.attrib["value"])
        if read == "<0.1%":
            assert 0 < exact < 0.001
        else:
            told = float(read.rstrip("%").replace(",", "")) / (100 if read.endswith("%") else 1)
            assert told == pytest.approx(exact, rel=5e-4, abs=5e-4 if read.endswith("%") else 0.05 if exact > 10 else 0)


def test_each_table_row_reads_as_the_row_of_the_stats() -> None:
    made = stats()
    tables = {text_of(next(node.iter("caption"))): node for node in tree(report_html(made, shown())).iter("table")}

    ladder = body(tables["The ladder of goals, the hardest first"])
    assert [row[0] for row in ladder] == ["3", "2", "1"]
    assert ladder[-1] == [
        "1",
        "<= 0.91",
        "0.91",
        "0.91",
        "41",
        "41.0%",
        "0.751235",
        "100",
        "0",
        "no: not above the mean",
    ]
    assert ladder[0][6] == "–"
    assert body(tables["Where every row went"]) == [
        ["used", "1,003", "90.4%"], ["rejected: null_reward", "7", "0.6%"], ["filtered: duplicate", "100", "9.0%"],
        ["all", "1,110", "100.0%"],
    ]  # fmt: skip
    assert body(tables["Drift by section"])[:2] == [["rewards", "0.31", "0.28"], ["levels", "0.12", "–"]]


def body(table: Element) -> list[list[str]]:
    return [[text_of(cell) for cell in row] for row in next(table.iter("tbody"))]


# the page as a page


def test_the_same_audit_gives_the_same_bytes() -> None:
    assert report_html(stats(), shown()) == page()


def test_the_page_asks_nobody_for_anything_and_runs_nothing() -> None:
    made = tree(page())
    tags = {str(node.tag).rpartition("}")[2] for node in made.iter()}

    assert not tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "image",
        "use",
        "foreignObject",
        "a:href",
    }
    assert "url(" not in page()
    assert not re.search(r"https?:", page())
    policy = next(node.get("content", "") for node in made.iter("meta") if node.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_links_lead_somewhere_and_ids_are_there_once() -> None:
    made = tree(page())
    ids = Counter(node.attrib["id"] for node in made.iter() if "id" in node.attrib)

    assert set(ids.values()) == {1}
    for node in made.iter("a"):
        assert node.attrib["href"].removeprefix("#") in ids


def test_pictures_have_names_tables_have_captions_and_headings_step_down() -> None:
    made = tree(page())
    pictures = [node for node in made.iter() if str(node.tag).endswith("svg")]

    assert len(pictures) == 10  # five charts, each for wide and for narrow screens
    assert all(node.get("role") == "img" and len(node.get("aria-label", "")) > 20 for node in pictures)
    assert all(any("}text" in str(inner.tag) or inner.tag == "text" for inner in node.iter()) for node in pictures)
    for node in made.iter("table"):
        assert len(list(node.iter("caption"))) == 1
        assert all(cell.get("scope") in ("col", "row") for cell in node.iter("th"))
    levels = [int(str(node.tag)[1]) for node in made.iter() if re.fullmatch("h[1-6]", str(node.tag))]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_what_is_not_there_is_left_out_or_told_in_a_sentence() -> None:
    full = stats()
    bare = replace(
        full,
        dataset_id=None,
        bins=replace(full.bins, asked=None, effective=0, rule=None, decimals=None, smallest_share=None, largest_share=None,
                     cut=None, rows=()),
        text=replace(full.text, length_reward_corr=None, levels=(), tokens=None),
        sources=replace(full.sources, sources=1, top_share=None, rows=(replace(full.sources.rows[0], levels=()),), others=0),
        splits=replace(full.splits, psi=None, ks=None, rows=full.splits.rows[:1]),
        aspects=(), ranges=(), inference_text=None, inference_reward=None, drift=None, sweep=(), advice=(),
    )  # fmt: skip
    page = report_html(bare, ())
    made = tree(page)

    assert len([node for node in made.iter() if str(node.tag).endswith("svg")]) == 2  # the rewards alone
    assert all(list(node) for node in made.iter("figure"))
    for told in ("There are no bins here", "Records have no levels", "All records come from one log", "There is one split",
                 "Prompts carry no goal", "No number is a reason to stop"):  # fmt: skip
        assert told in page
    told = Counter(in_stats(encode(bare)))
    left_out = {name for name, _ in told} - {name for name, _ in in_page(page)}
    assert left_out == {"bins.effective", "bins.below", "goals.kept", "goals.dropped"}
    assert Counter(in_page(page)) == Counter({item: count for item, count in told.items() if item[0] not in left_out})


@pytest.mark.parametrize("palette", re.findall(r"--page:[^}]*", STYLE))
def test_colours_of_text_have_enough_contrast(palette: str) -> None:
    colours = dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", palette))

    for ground in ("page", "panel"):
        for ink in ("text", "muted", "accent", "mark"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(ink: str, ground: str) -> float:
    """The contrast ratio of WCAG 2."""
    lighter, darker = sorted((luminance(ink), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


# charts


def specifications(text: Callable[[str], str]) -> Iterator[dict[str, object]]:
    made = stats(text)
    assert made.drift is not None
    for look in (WIDE, NARROW, PAPER):
        charts = (
            rewards_chart(made, look),
            goals_chart(made, look),
            drift_chart(made.drift, look),
            length_chart(made.text.levels, look),
            sources_chart(made, look),
        )
        for chart in charts:
            assert chart is not None
            yield chart.to_dict()


def strings(value: object, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, (*at, name))
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, at)
    elif isinstance(value, str):
        yield at, value


def test_names_from_a_log_enter_charts_as_data_or_as_the_title_of_an_axis() -> None:
    for chart in specifications(lambda _: "SENTINEL"):
        for at, value in strings(chart):
            if "SENTINEL" in value:
                assert at[0] == "datasets" or at[-1] == "title", at


def test_charts_have_no_link_no_image_and_no_expression() -> None:
    for chart in specifications(str):
        told = {part for at, _ in strings(chart) for part in at}
        assert not told & {"href", "url", "expr", "signal", "labelExpr", "transform", "tooltip"}
        assert "image" not in {value for at, value in strings(chart) if at[-1] == "type"}


@pytest.mark.parametrize("values", [[0.0], [1e308, -1e308], [1e-300, 2e-300], [0.0, 1.0], [-5.0, 0.0, 1e9]])
def test_any_rewards_can_be_drawn(values: list[float]) -> None:
    made = stats()
    bars = tuple(replace(made.rewards.histogram[0], low=value, high=value, records=3) for value in sorted(values))
    rewards = replace(made.rewards, histogram=bars, mean=values[0], minimum=min(values), maximum=max(values))
    bins = replace(made.bins, rows=tuple(replace(row, edge=values[0]) for row in made.bins.rows))

    page = report_html(replace(made, rewards=rewards, bins=bins), ())

    assert "NaN" not in page
    assert "Infinity" not in page
    assert ("too far apart to be drawn" in page) == (1e308 in values)


# the command


def test_the_command_writes_the_page_and_the_picture(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([i / 20 for i in range(20)]))

    done = gcsl_data("stats", "log.jsonl", "--html", "report.html", "--plot", "bins.svg", "--json", cwd=tmp_path)

    assert done.status == 0, done.err
    assert "written: report.html" in done.err
    sections = {name: value for name, value in done.json.items() if name not in ("ok", "exit_code")}
    told = Counter(in_stats(sections, is_lower=False))
    found = Counter(in_page((tmp_path / "report.html").read_text()))
    assert found == Counter({item: count for item, count in told.items() if item[0] != "bins.rows.logged"})
    assert ElementTree.fromstring((tmp_path / "bins.svg").read_bytes()).tag.endswith("svg")


def test_a_dataset_has_a_report_too_and_the_same_one_twice(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([i / 20 for i in range(20)]))
    gcsl_data("expand", "log.jsonl", "--split", "0.5,0.5", cwd=tmp_path)

    for name in ("a.html", "b.html"):
        done = gcsl_data("stats", "log-gcsl", "--html", name, cwd=tmp_path)
        assert done.status == 0, done.err

    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_pictures_are_svg_with_text_in_it_or_png_twice_as_large() -> None:
    drawing = ElementTree.fromstring(plotted(stats(), Path("bins.SVG")))
    picture = plotted(stats(), Path("bins.png"))

    assert any("mean" in (node.text or "") for node in drawing.iter("{http://www.w3.org/2000/svg}text"))
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20]) == 2 * int(drawing.attrib["width"])


@pytest.mark.parametrize(
    ("flags", "status", "code"),
    [
        (["--plot", "bins.pdf"], 2, "GD0281"),
        (["--html", "taken.html"], 73, "GD7309"),
        (["--html", "folder.html", "--overwrite"], 73, "GD7304"),
        (["--html", "a.svg", "--plot", "a.svg"], 2, "GD0282"),
        (["--overwrite"], 2, "GD0283"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_audit(
    tmp_path: Path, flags: list[str], status: int, code: str
) -> None:
    (tmp_path / "taken.html").write_text("mine")
    (tmp_path / "folder.html").mkdir()

    done = gcsl_data("stats", "no-such-log.jsonl", *flags, cwd=tmp_path)

    assert done.status == status
    assert code in done.err
    assert (tmp_path / "taken.html").read_text() == "mine"


def test_an_existing_file_is_replaced_when_that_is_asked_for(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "log.jsonl", make_rows([i / 20 for i in range(20)]))
    (tmp_path / "taken.html").write_text("mine")

    done = gcsl_data("stats", "log.jsonl", "--html", "taken.html", "--overwrite", cwd=tmp_path)

    assert done.status == 0, done.err
    assert (tmp_path / "taken.html").read_text().startswith("<!doctype html>")
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl", "taken.html"}


@pytest.mark.parametrize("missing", ["altair", "vl_convert"])
def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(UsageError, match=r"pip install 'gcsl\[report\]'"):
        report_html(stats(), shown())
