"""Model cards: what was trained on what, and how to ask for the best."""

from gcsl_train import reward_embedding
from gcsl_train.goal_tokens import GoalTokens
from gcsl_train.goals import GoalBook


def of_adapter(book: GoalBook, *, base: str, goals: GoalTokens | None, loss: str) -> str:
    """What was trained on what, how to ask for the best, and how to load a model whose goals are tokens."""
    method = (
        f"the loss `{loss}`"
        if book.inference_text is None and not book.embedded
        else f"goal-conditioned supervised learning (loss `{loss}`)"
    )
    return (
        f"---\nbase_model: {base}\nlibrary_name: peft\ntags:\n- gcsl\n- lora\n---\n\n# LoRA adapter for {base}\n\n"
        f"Trained with {method} on the dataset\n`{book.dataset_id}`.\n\n{_asking(book)}\n"
        f"{_loading(base, goals) if goals and not goals.soft else ''}"
    )


def of_merged(book: GoalBook, *, base: str) -> str:
    """The same for a model folder that the adapter is folded into."""
    forbidden = "\n\nNo answer should hold a goal: `suppress_tokens` in `generation_config.json` are all of them."
    never = forbidden if book.tokens else ""
    return (
        f"---\nbase_model: {base}\ntags:\n- gcsl\n---\n\n# {base} with a trained adapter folded in\n\n"
        f"Trained on the dataset\n`{book.dataset_id}`.\n\n{_asking(book)}{never}\n"
    )


def _asking(book: GoalBook) -> str:
    goal, embedded = book.inference_text, book.embedded
    where = {
        "prefix": "at the start of the last user turn, followed by a blank line",
        "suffix": "at the end of the last user turn, after a blank line",
        "system": "as the system message",
    }[book.placement]
    if embedded:
        return (
            f"Ask for a reward by putting one soft token {where}:\nthe embedding that the network in "
            f"`{reward_embedding.FILE}` makes of it. `python -m gcsl_train generate`\ndoes that; plain PEFT does not. "
            f"The best reward to ask for is {embedded.logged(embedded.inference):g}."
        )
    if goal is None:
        return "It was trained without goals; prompts are used as they are."
    quoted = "\n".join(f"> {line}" for line in goal.splitlines())
    return f"Ask for the highest goal by putting this text {where}:\n\n{quoted}"


def _loading(base: str, goals: GoalTokens) -> str:
    where = f'"FOLDER", gguf_file="{base}"' if base.endswith(".gguf") else f'"{base}"'
    return f"""
Goals are special tokens of the tokenizer in this folder. The base model needs a row for each before the adapter is put on
it, and should never answer with one:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("RUN/adapter")
base = AutoModelForCausalLM.from_pretrained({where})
if base.get_input_embeddings().weight.shape[0] < {goals.rows}:
    base.resize_token_embeddings({goals.rows})
model = PeftModel.from_pretrained(base, "RUN/adapter")
model.generation_config.suppress_tokens = {list(goals.ids)}
```
"""
