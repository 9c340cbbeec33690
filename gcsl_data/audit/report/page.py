"""The page: one file of HTML that needs nothing else, runs nothing and asks no server for anything."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Sequence

from gcsl_data.audit.advice import Advice
from gcsl_data.audit.meanings import MEANINGS
from gcsl_data.audit.report.figures import as_text, in_log
from gcsl_data.audit.report.html import LONGEST_NAME, Html, element, join, name, with_flags
from gcsl_data.audit.report.of_goals import of_goals, of_rewards
from gcsl_data.audit.report.of_log import of_groups, of_rows, of_sources, of_splits, of_text
from gcsl_data.audit.report.of_others import of_drift, of_sweep
from gcsl_data.audit.report.of_records import of_records
from gcsl_data.audit.report.part import Part
from gcsl_data.audit.report.style import STYLE
from gcsl_data.audit.report.svg import require_charts
from gcsl_data.audit.shown import ShownLevel
from gcsl_data.audit.stats import Stats

_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
_SECTION_OF = {"bins": "goals", "contradictions": "groups", "accounting": "rows", "hygiene": "rows", "aspects": "goals"}


def report_html(stats: Stats, shown: Sequence[ShownLevel]) -> str:
    """The audit as a page, `shown` records included. The same input gives the same text: it holds no time and no host.

    Raises UsageError (2) where the libraries that draw charts are not installed.
    """
    require_charts()
    parts = tuple(_parts(stats, shown))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{stats.name[:LONGEST_NAME]}: audit"),
        element("style", Html(STYLE)),
    )
    links = (element("li", element("a", part.title, href=f"#{part.id}")) for part in parts)
    body = element(
        "body",
        element("a", "Skip to the audit", href="#audit", class_="skip"),
        _header(stats),
        element("nav", element("ul", *links), aria_label="Sections"),
        element("main", *map(_section, parts), id="audit", tabindex=-1),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _parts(stats: Stats, shown: Sequence[ShownLevel]) -> Iterator[Part]:
    yield _of_advice(stats)
    for make in (of_rewards, of_goals, of_text, of_groups, of_sources, of_splits):
        yield make(stats)
    if stats.drift:
        yield of_drift(stats.drift, stats.rewards.direction)
    if stats.sweep:
        yield of_sweep(stats)
    yield of_rows(stats)
    if shown:
        yield of_records(stats, shown)


def _section(part: Part) -> Html:
    return element(
        "section",
        element("h2", part.title, id=f"{part.id}-title"),
        part.content,
        id=part.id,
        aria_labelledby=f"{part.id}-title",
    )


def _header(stats: Stats) -> Html:
    facts = [("Formulation", stats.formulation), ("Reward", stats.metric)]
    if stats.dataset_id:
        facts.append(("Dataset", stats.dataset_id))
    listed = (element("div", element("dt", what), element("dd", name(told))) for what, told in facts)
    return element("header", element("h1", name(stats.name)), element("dl", *listed, class_="facts"), _asked(stats))


def _asked(stats: Stats) -> Html:
    if stats.inference_text is not None:
        return join(element("p", "What to ask for:"), element("blockquote", stats.inference_text, dir="auto"))
    if stats.inference_reward is not None:
        reward = as_text(in_log(stats.inference_reward, stats.rewards.direction), "reward")
        return element("p", f"What to ask for: the reward {reward}, which the trainer embeds.")
    return element("p", "Prompts carry no goal, so there is nothing to ask for.")


def _of_advice(stats: Stats) -> Part:
    content = (
        element("ul", *map(_advice, stats.advice), class_="advice")
        if stats.advice
        else element("p", "No number is a reason to stop. Look at the goals and at a few records all the same.")
    )
    return Part("advice", "What to look at", content)


def _advice(advice: Advice) -> Html:
    meaning = MEANINGS.get(advice.number)
    section = advice.number.partition(".")[0]
    told = as_text(advice.value, meaning.form if meaning else "number")
    link = element("a", meaning.label if meaning else advice.number, href=f"#{_SECTION_OF.get(section, section)}")
    value = element("data", told, value=repr(advice.value), data_number="advice.value")
    return element("li", element("p", with_flags(advice.says)), element("p", link, " ", value, class_="place"))
