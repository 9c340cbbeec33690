"""Our losses and TRL's on the same tokens, the same weights and the same settings: one number, to 1e-5 in float32."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gcsl_train import attention, config
from gcsl_train.collate import collate
from gcsl_train.losses import LOSSES
from gcsl_train.model import add_lora
from gcsl_train.objective import choose
from gcsl_train.passes import Passes
from gcsl_train.policy import Policy

from .support import WORDS
from .tables import table

pytestmark = [
    pytest.mark.usefixtures("offline"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
CLOSE = 1e-5


def fresh(folder: Path, attention_name: str) -> Any:
    """The model with an adapter that does nothing yet."""
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention_name)
    return add_lora(base, config.Lora(), name="tiny", seed=3)


def moved(model: Any) -> Any:
    """The same, its adapter away from where it began by a step that is always the same one."""
    torch.manual_seed(11)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "lora_B.default" in name:
                parameter.normal_(std=0.1)
    return model


def trainer(kind: Any, settings: Any, rows: list[dict[str, Any]], model: Path, folder: Path, **options: Any) -> Any:
    """A trainer of TRL over these rows, which come as one batch in their order."""
    import datasets

    arguments = settings(
        output_dir=str(folder / "run"), per_device_train_batch_size=len(rows), report_to="none", bf16=False, use_cpu=True,
        disable_tqdm=True, max_length=256, seed=0, save_strategy="no", train_sampling_strategy="sequential", **options,
    )  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(model)
    made = kind(
        model=fresh(model, "sdpa"), args=arguments, train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
    )  # fmt: skip
    moved(made.model)  # only now: TRL's reference is a copy of the adapter as it was given
    return made


def batch_of(theirs: Any) -> dict[str, torch.Tensor]:
    return next(iter(theirs.get_train_dataloader()))


def documents(ids: torch.Tensor, attended: torch.Tensor, answered: torch.Tensor) -> list[tuple[list[int], list[int]]]:
    """Padded rows as (prompt ids, answer ids)."""
    rows = []
    for row, seen, answer in zip(ids.tolist(), attended.bool().tolist(), answered.bool().tolist(), strict=True):
        prompt = [i for i, s, a in zip(row, seen, answer, strict=True) if s and not a]
        rows.append((prompt, [i for i, a in zip(row, answer, strict=True) if a]))
    return rows


def ours(name: str, pack_table: Any, model: Path, **settings: Any) -> float:
    """Our loss of all items in one pack, over its normaliser."""
    objective = choose(config.Loss(name=name, settings=settings), LOSSES[name].kind)
    policy = Policy(moved(fresh(model, attention.register())), compute=torch.float32).train()
    passes = Passes(loss=objective.loss, table=pack_table, policy=policy, capacity=4096, device=torch.device("cpu"))
    pack = tuple(range(len(pack_table.items) - 1))
    statistic = objective.loss.statistic
    state = statistic.carry((), passes.sums(statistic, pack).tolist()) if statistic else ()
    scored, _ = passes.learning(policy, pack, state)
    divisor = len(pack) if objective.loss.normaliser == "items" else len(scored.logp_S)
    return float(objective.total(scored).total.detach()) / divisor


def words(number: int, count: int) -> str:
    return " ".join(WORDS[(number + i) % len(WORDS)] for i in range(count))


def pairs() -> list[dict[str, str]]:
    return [
        {
            "prompt": words(i, 2 + i),
            "chosen": " " + words(3 * i, 1 + i % 3),
            "rejected": " " + words(5 * i + 1, 2 + i % 2),
        }
        for i in range(5)
    ]


@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_dpo(model: Path, tmp_path: Path, beta: float) -> None:
    from trl import DPOConfig, DPOTrainer

    theirs = trainer(DPOTrainer, DPOConfig, pairs(), model, tmp_path, beta=beta)
    batch = batch_of(theirs)
    expected = float(theirs.compute_loss(theirs.model, dict(batch)))

    chosen_first = [d for both in zip(*halves(documents(*fields(batch))), strict=True) for d in both]
    value = ours("dpo", table(*chosen_first, items=[2] * 5), model, beta=beta)

    assert expected != pytest.approx(0.6931, abs=1e-3)  # the model has moved away from its reference
    assert abs(value - expected) <= CLOSE * min(expected, 1)


@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 0.5), (0.3, 1.2)])
def test_simpo(model: Path, tmp_path: Path, beta: float, gamma: float) -> None:
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    options = {"loss_type": "simpo", "cpo_alpha": 0.0, "beta": beta, "simpo_gamma": gamma}
    theirs = trainer(CPOTrainer, CPOConfig, pairs(), model, tmp_path, **options)
    batch = batch_of(theirs)
    expected = float(theirs.get_batch_loss_metrics(theirs.model, batch)[0])

    sides = [
        documents(batch[f"{side}_input_ids"], batch[f"{side}_attention_mask"], batch[f"{side}_labels"] != -100)
        for side in ("chosen", "rejected")
    ]
    chosen_first = [d for both in zip(*sides, strict=True) for d in both]
    value = ours("simpo", table(*chosen_first, items=[2] * 5), model, beta=beta, gamma=gamma)

    assert abs(value - expected) <= CLOSE * min(expected, 1)


@pytest.mark.parametrize("settings", [{}, {"beta": 0.5, "desirable": 0.5, "undesirable": 2.0}])
def test_kto(model: Path, tmp_path: Path, settings: dict[str, float]) -> None:
    from trl import KTOConfig, KTOTrainer

    rows = [
        {"prompt": words(i, 2 + i), "completion": " " + words(3 * i, 1 + i % 3), "label": i % 2 == 0} for i in range(6)
    ]
    names = {"desirable": "desirable_weight", "undesirable": "undesirable_weight"}
    options = {names.get(name, name): value for name, value in settings.items()}
    theirs = trainer(KTOTrainer, KTOConfig, rows, model, tmp_path, **options)
    batch = batch_of(theirs)
    expected = float(theirs.compute_loss(theirs.model, dict(batch)))

    own = table(*documents(*fields(batch)), label=[float(label) for label in batch["label"]])
    mismatched = collate(own, tuple(range(6)), "mismatched")
    kl_rows = documents(*fields(batch, "KL_"))
    assert mismatched.ids_1T[0].tolist() == [i for prompt, answer in kl_rows for i in (*prompt, *answer)]
    value = ours("kto", own, model, **settings)

    assert abs(value - expected) <= CLOSE * min(expected, 1)


def test_dft(model: Path, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    rows = [{"prompt": words(i, 2 + i), "completion": " " + words(3 * i, 1 + i % 3)} for i in range(5)]
    theirs = trainer(SFTTrainer, SFTConfig, rows, model, tmp_path, loss_type="dft")
    batch = batch_of(theirs)
    expected = float(theirs.compute_loss(theirs.model, dict(batch)))

    value = ours("dft", table(*documents(batch["input_ids"], batch["attention_mask"], batch["labels"] != -100)), model)

    assert abs(value - expected) <= CLOSE * min(expected, 1)


def fields(batch: dict[str, Any], prefix: str = "") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return tuple(batch[prefix + name] for name in ("input_ids", "attention_mask", "completion_mask"))


def halves(rows: list[Any]) -> tuple[list[Any], list[Any]]:
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]
