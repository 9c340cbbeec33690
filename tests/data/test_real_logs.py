"""All public logs that lie beside the checkout, each by one command, response by response as plain Python reads them."""

import statistics
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.manifest import load
from gcsl_data.stages.checks import FILTERED

from .preset_reference import REFERENCES
from .support import gcsl_data
from .test_shared_data import found

LOGS = {
    "toxicity/realtoxicityprompts_quark_val.jsonl": "realtoxicityprompts",
    "toxicity/realtoxicityprompts_decodingtrust_nontoxic.jsonl": "realtoxicityprompts",
    "code-efficiency/mercury_CodeLlama-7b-Instruct-hf_eval.json": "mercury",
    "code-efficiency/mercury_CodeLlama-7b-Instruct-hf_eval_new.json": "mercury",
    "code-efficiency/mercury_deepseek-coder-6.7b-instruct_eval_new.json": "mercury",
    "code-efficiency/mercury_gpt-3.5-turbo-1106_eval.json": "mercury",
    "recommendation/ml-latest-small/ratings.csv": "movielens",
    "general/topical_chat_valid_freq.json": "topical-chat",
    "general/alpaca_eval_gpt4__evo-7b.annotations.json": "alpaca-eval",
    "general/weighted_alpaca_eval_gpt4_turbo__claude-2.1.annotations.json": "alpaca-eval",
    "general/gsm8k_example_model_solutions.jsonl": "gsm8k-solutions",
    "general/hh_rlhf_harmless_base_test.jsonl.gz": "hh-rlhf",
    "general/xstest_v2_completions_gpt4.csv": "xstest",
    "general/xstest_v2_completions_mistralinstruct.csv": "xstest",
}


@pytest.mark.parametrize("name", LOGS)
def test_every_response_is_what_plain_python_reads(name: str, tmp_path: Path) -> None:
    path, preset = found(Path(name)), LOGS[name]
    entries = [*REFERENCES[preset](path)]
    records = {entry[:2]: entry[2:] for entry in entries if isinstance(entry[4], float)}
    reasons = Counter(entry[4] for entry in entries if isinstance(entry[4], str))

    outcome = gcsl_data("ingest", path, "--preset", preset, "-o", "records.parquet", "--json", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    read = {}
    for row in pl.read_parquet(tmp_path / "records.parquet").iter_rows(named=True):
        prompt = row["prompt"] if isinstance(row["prompt"], str) else list(row["prompt"])
        read[row["row"], row["part"]] = (prompt, row["response"], row["reward"])
    assert read.keys() == records.keys()
    assert read == records
    account = outcome.json["accounting"]
    assert account["rows"] == len(entries)
    assert account["used"] == len(records)
    assert account["rejected"] == {reason: n for reason, n in reasons.items() if reason not in FILTERED}
    assert account["filtered"] == {reason: n for reason, n in reasons.items() if reason in FILTERED}


@pytest.mark.parametrize("name", LOGS)
def test_one_command_makes_a_dataset_that_holds(name: str, tmp_path: Path) -> None:
    path, preset = found(Path(name)), LOGS[name]
    rewards = [entry[4] for entry in REFERENCES[preset](path) if isinstance(entry[4], float)]

    outcome = gcsl_data("expand", path, "--preset", preset, "-o", "out", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    manifest = load(tmp_path / "out")
    assert manifest.fit.records == len(rewards)
    assert manifest.fit.mean == pytest.approx(statistics.fmean(rewards), abs=1e-12)
    assert manifest.fit.maximum == max(rewards)
    assert check_dataset(tmp_path / "out") == []
