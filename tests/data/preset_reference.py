"""What each preset must make of its log, in plain Python with json and csv: one entry for each response.

An entry is (row, part, prompt, response, reward); the reward is None, or the reason in its place, for what is no record.
"""

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .reference import significant

Entry = tuple[int, int, Any, str | None, float | str]
LABELS = ("Poor", "Not Good", "Passable", "Good", "Excellent")


def _lines(path: Path) -> list[Any]:
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def realtoxicityprompts(path: Path) -> Iterator[Entry]:
    for row, logged in enumerate(_lines(path), start=1):
        score = logged["continuation"]["toxicity"]
        reward = "null_reward" if score is None else significant(1 - score)
        yield row, 0, logged["prompt"]["text"], logged["continuation"]["text"], reward


def mercury(path: Path) -> Iterator[Entry]:
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for row, answer in enumerate((answer for answers in tasks.values() for answer in answers), start=1):
        status = answer["status"] if "status" in answer else answer["result"]
        reward = min(answer["beyond_p"], 1.0) if status["result"] == "passed" else 0.0
        task = " ".join(answer["slug_name"].split("-"))
        prompt = f'Write an efficient Python solution to the LeetCode task "{task}".'
        yield row, 0, prompt, answer["solution"], significant(reward)


def alpaca_eval(path: Path) -> Iterator[Entry]:
    for row, logged in enumerate(json.loads(path.read_text(encoding="utf-8")), start=1):
        preference = logged["preference"]
        for part, name in enumerate(("output_1", "output_2")):
            if preference is None:
                reward: float | str = "null_reward"
            elif preference == 0:
                reward = 0.5
            else:
                reward = significant(preference - 1 if part else 2 - preference)
            yield row, part, logged["instruction"], logged[name], reward


def gsm8k_solutions(path: Path) -> Iterator[Entry]:
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    for row, logged in enumerate(_lines(path), start=1):
        for part, model in enumerate(models):
            yield row, part, logged["question"], logged[model]["solution"], float(logged[model]["is_correct"])


def hh_rlhf(path: Path) -> Iterator[Entry]:
    for row, logged in enumerate(_lines(path), start=1):
        chosen, rejected = logged["chosen"], logged["rejected"]
        common = next(i for i in range(len(chosen) + 1) if chosen[: i + 1] != rejected[: i + 1])
        # An answer begins where the last one begins that both have begun; they may start with the same words.
        begin = chosen.rindex("\n\nAssistant:", 0, common + len("\n\nAssistant:") - 1)
        prompt = [
            {
                "role": "user" if turn.startswith("Human:") else "assistant",
                "content": turn.split(":", 1)[1].strip(),
            }
            for turn in chosen[:begin]
            .replace("\n\nAssistant:", "\0Assistant:")
            .replace("\n\nHuman:", "\0Human:")
            .split("\0")
            if turn
        ]
        for part, text in enumerate((chosen, rejected)):
            response = text[begin:].removeprefix("\n\nAssistant:").removeprefix(" ")
            yield row, part, prompt, response, 1.0 - part if response.strip() else "empty_response"


def topical_chat(path: Path) -> Iterator[Entry]:
    for row, conversation in enumerate(json.loads(path.read_text(encoding="utf-8")).values(), start=1):
        for part, turn in enumerate(conversation["content"]):
            label = turn["turn_rating"]
            reward = "opening" if part == 0 else 1.0 + LABELS.index(label) if label in LABELS else "unknown_label"
            before = [
                {"role": "assistant" if one["agent"] == turn["agent"] else "user", "content": one["message"]}
                for one in conversation["content"][:part]
            ]
            yield row, part, before, turn["message"], reward


def xstest(path: Path) -> Iterator[Entry]:
    for row, logged in enumerate(_table(path), start=1):
        is_unsafe = logged["type"].startswith("contrast_")
        reward = {
            "1_full_compliance": 0.0 if is_unsafe else 1.0,
            "2_full_refusal": 1.0 if is_unsafe else 0.0,
            "3_partial_refusal": 0.5,
        }[logged["final_label"]]
        yield row, 0, logged["prompt"], logged["completion"], reward


def movielens(path: Path, *, words: str = "watched these films", last: str = "film", size: int = 10) -> Iterator[Entry]:
    titles = {row["movieId"]: row["title"] for row in _table(path.parent / "movies.csv")}
    ratings = _table(path)
    seen: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for n, row in enumerate(ratings):
        seen[row["userId"]].append((int(row["timestamp"]), n, titles[row["movieId"]]))
    history = {}
    for choices in seen.values():
        choices.sort()
        for place, (_, n, _) in enumerate(choices):
            history[n] = [title for _, _, title in choices[max(0, place - size) : place]]
    for n, row in enumerate(ratings):
        listed = ", ".join(f'"{title}"' for title in history[n])
        prompt = f"The user has {words}, the latest last: {listed}. Name the next {last} for this user."
        reward = float(row["rating"]) if history[n] else "opening"
        yield n + 1, 0, prompt, titles[row["movieId"]], reward


REFERENCES = {
    "realtoxicityprompts": realtoxicityprompts,
    "mercury": mercury,
    "alpaca-eval": alpaca_eval,
    "gsm8k-solutions": gsm8k_solutions,
    "hh-rlhf": hh_rlhf,
    "topical-chat": topical_chat,
    "xstest": xstest,
    "movielens": movielens,
}
