"""The dataset card: README.md with the YAML that lets Hugging Face find the splits, and what a person asks first."""

from gcsl_data.columns import TRAINER_COLUMNS
from gcsl_data.dataset.goal import place
from gcsl_data.dataset.manifest import Kind, Manifest

CARD_NAME = "README.md"
_TITLES: dict[Kind, str] = {
    "examples": "Examples",
    "pairs": "Preference pairs",
    "unpaired": "Labelled responses",
    "multi-negative": "Responses with worse ones",
    "groups": "Groups with advantages",
}


def dataset_card(manifest: Manifest) -> str:
    """Markdown for the dataset's README.md, made from the manifest alone."""
    fit = manifest.fit
    splits = [split.name for split in manifest.splits if split.examples]  # load_dataset refuses one without rows
    files = "\n".join(f"  - split: {name}\n    path: data/{name}-*.arrow" for name in splits)
    counts = ", ".join(f"{split.name} {split.examples}" for split in manifest.splits)
    lower = " (logged values negated: lower is better)" if fit.direction == "lower" else ""
    has_goals = not manifest.ranges and manifest.kind == "examples"
    title = "Goal-conditioned examples" if has_goals else _TITLES[manifest.kind]
    tags = "- goal-conditioned\n- gcsl" if has_goals else "- gcsl"
    told = [f"{item.name} {item.minimum:.6g} to {item.maximum:.6g}" for item in manifest.ranges]
    how = ", ".join(told) or (
        f"{len(fit.thresholds)} bins" if has_goals else f"label from the reward {_cut(manifest)} on"
    )
    return f"""---
configs:
- config_name: default
  data_files:
{files}
tags:
{tags}
---

# {title}

{manifest.accounting.used} records of {manifest.accounting.rows} rows became examples: {counts}. Formulation
`{manifest.formulation}`, {how}, mean reward {fit.mean:.6g}{lower}.
{_hygiene(manifest)}Dataset id `{manifest.dataset_id}`.
{_goals(manifest)}{_inference(manifest)}
Each row is one example: {_needed(manifest)} are what a trainer needs, the other columns trace it back to its log.
"""


def _cut(manifest: Manifest) -> str:
    return f"{manifest.fit.sign * manifest.fit.cut.value:.6g}" if manifest.fit.cut else ""


def _hygiene(manifest: Manifest) -> str:
    """What is suspicious in the log, in a line; nothing where nothing is."""
    found = manifest.hygiene
    counts = {
        "repeat an earlier one": found.duplicates,
        "share prompt and response but not the reward": found.conflicting,
        "hold a goal or a score": found.leaks,
        "hold control tokens": found.control_tokens,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"Of the usable records, before any was left out: {told}.\n" if told else ""


def _needed(manifest: Manifest) -> str:
    """The columns that a trainer needs, as people list them."""
    names = list(TRAINER_COLUMNS.get(manifest.kind, ("prompt", "completion", "advantage")))
    if any(told.name == "weight" for told in manifest.ranges):
        names.append("weight")
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}"


def _goals(manifest: Manifest) -> str:
    """The table of goals, as Markdown; nothing where rows carry none."""
    if not manifest.goals:
        return ""
    rows = "\n".join(
        f"| {goal.index} | {goal.threshold} | {goal.records} | {goal.examples} | {goal.dropped or 'kept'} |"
        for goal in manifest.goals
    )
    fit = manifest.fit
    return f"""
| goal | threshold ({fit.comparator}) | {manifest.splits[0].name} records that reach it | examples of all splits | |
| --- | --- | --- | --- | --- |
{rows}

The exact edge decides which goals are kept; the threshold is what is printed or, for tokens, the edge itself.
"""


def _inference(manifest: Manifest) -> str:
    """What to ask for, as it stands in a prompt."""
    if manifest.inference_text is None:
        return "\nPrompts carry no goal, and none is asked for at inference.\n" if not manifest.inference_reward else ""
    if manifest.format == "text":
        example = place("...", manifest.inference_text, manifest.placement)
    else:
        shown = place([{"role": "user", "content": "..."}], manifest.inference_text, manifest.placement)
        example = "\n".join(f"{turn['role']}: {turn['content']}" for turn in shown)
    return f"""
At inference, ask for the highest goal; it stands in the prompt like this ({manifest.placement}):

```
{example}
```
"""
