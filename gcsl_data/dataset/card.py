"""The dataset card: README.md with the YAML that lets Hugging Face find the splits, and what a person asks first."""

from gcsl_data.dataset.goal import place
from gcsl_data.dataset.manifest import Manifest


def dataset_card(manifest: Manifest) -> str:
    """Markdown for the dataset's README.md, made from the manifest alone."""
    fit = manifest.fit
    best = manifest.goal(manifest.inference_goal)
    splits = [split.name for split in manifest.splits if split.examples]  # load_dataset refuses one without rows
    files = "\n".join(f"  - split: {name}\n    path: data/{name}-*.arrow" for name in splits)
    goals = "\n".join(
        f"| {goal.index} | {goal.threshold} | {goal.records} | {goal.examples} | {goal.dropped or 'kept'} |"
        for goal in manifest.goals
    )
    counts = ", ".join(f"{split.name} {split.examples}" for split in manifest.splits)
    if manifest.format == "text":
        example = place("...", best.text, manifest.placement)
    else:
        shown = place([{"role": "user", "content": "..."}], best.text, manifest.placement)
        example = "\n".join(f"{turn['role']}: {turn['content']}" for turn in shown)
    lower = " (logged values negated: lower is better)" if fit.direction == "lower" else ""
    return f"""---
configs:
- config_name: default
  data_files:
{files}
tags:
- goal-conditioned
- gcsl
---

# Goal-conditioned examples

{manifest.accounting.used} records of {manifest.accounting.rows} rows became examples: {counts}. Formulation
`{manifest.formulation}`, {len(fit.thresholds)} bins, mean reward {fit.mean:.6g}{lower}.
Dataset id `{manifest.dataset_id}`.

| goal | threshold ({fit.comparator}) | {fit.split} records that reach it | examples of all splits | |
| --- | --- | --- | --- | --- |
{goals}

The goals above the mean are kept; the exact edge decides, the threshold is what it prints. At inference, ask for the
highest goal; it stands in the prompt like this ({manifest.placement}):

```
{example}
```

Each row is one example: `prompt` and `completion` are what a trainer needs, the other columns trace it back to its log.
"""
