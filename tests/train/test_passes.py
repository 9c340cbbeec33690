"""What a loss is given of a real (tiny) model: reference and divergence, and the same numbers however it is packed."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gcsl_data.dataset.manifest import load
from gcsl_train import attention, config, goal_tokens
from gcsl_train.collate import collate
from gcsl_train.losses import LOSSES
from gcsl_train.model import add_lora
from gcsl_train.objective import choose
from gcsl_train.passes import Passes
from gcsl_train.policy import Policy
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

from .support import encoder_for, make_dataset, make_kind_dataset, make_rows

# peft asks transformers by an old name; the command line silences what libraries say to developers.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

CPU = torch.device("cpu")


def policy_for(model, *, moved=True, dropout=0.0, goals=None):
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation=attention.register())
    if goals:
        goal_tokens.make_room(base, goals)
        goal_tokens.initialise(base, goals, seed=0)
    peft_model = add_lora(base, config.Lora(dropout=dropout), name=str(model), seed=1, goals=goals)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in peft_model.named_parameters():
            if moved and ("lora_B" in name or "trainable_tokens_delta" in name):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return Policy(peft_model, compute=torch.float32, goals=goals).train()


def table_for(folder, kind, model, *, bare=None, rows=None):
    dataset = make_dataset(folder, rows or make_rows(12)) if kind == "examples" else make_kind_dataset(folder, kind)
    manifest = load(dataset)
    encoder = Encoder(AutoTokenizer.from_pretrained(model), manifest.format)
    return tokenise(read_examples(dataset, manifest), encoder, capacity=512, bare=bare)


def passes_for(name, policy, table, **settings):
    objective = choose(config.Loss(name=name, settings=settings), LOSSES[name].kind)
    passes = Passes(loss=objective.loss, table=table, policy=policy, capacity=512, device=CPU)
    return objective, passes


def step(objective, passes, packs):
    """Total, metrics, and gradients of a step of these packs."""
    statistic, state = objective.loss.statistic, ()
    if statistic:
        sums = torch.stack([passes.sums(statistic, pack) for pack in packs]).sum(dim=0)
        state = statistic.carry((), sums.tolist())
    trained = [p for p in passes.policy.parameters() if p.requires_grad]
    total, metrics = 0.0, {}
    for parameter in trained:
        parameter.grad = None
    for pack in packs:
        outcome = objective.total(passes.learning(passes.policy, pack, state)[0])
        outcome.total.backward()
        total += float(outcome.total.detach())
        for name, value in outcome.metrics.items():
            metrics[name] = metrics.get(name, 0.0) + float(value)
    return total, metrics, [p.grad.clone() for p in trained]


@pytest.mark.parametrize("name", list(LOSSES))
def test_neither_packing_nor_accumulation_nor_an_empty_rank_changes_a_step(name, model, tmp_path):
    loss = LOSSES[name]
    table = table_for(tmp_path / "d", loss.kind, model, bare="prefix" if loss.reference == "goal-free" else None)
    made = passes_for(name, policy_for(model), table)
    items = tuple(range(len(table.items) - 1))[:7]
    one = step(*made, [items])
    assert one[0] != 0.0
    for packs in ([items[::-1]], [items[:2], items[2:]], [(), *[(i,) for i in items]]):
        other = step(*made, packs)
        assert other[0] == pytest.approx(one[0], rel=1e-5)
        assert other[1] == pytest.approx(one[1], rel=1e-4, abs=1e-5)
        for ours, theirs in zip(one[2], other[2], strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["pairs", "multi-negative"])
def test_the_reference_is_the_model_without_its_adapter_on_each_answer_alone(kind, model, tmp_path):
    policy, table = policy_for(model, dropout=0.5), table_for(tmp_path / "d", kind, model)
    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    batch = collate(table, (1, 0, 3))
    found_S = policy.reference_logp(batch)
    expected = []
    for document in [d for item in (1, 0, 3) for d in table.members(item)]:
        ids = torch.from_numpy(table.documents[document].astype("int64"))
        start = int(table.prompt_lengths[document])
        with torch.no_grad():
            logp_TV = torch.log_softmax(plain(input_ids=ids[None]).logits[0], dim=-1)
        expected += logp_TV[start - 1 : -1].gather(1, ids[start:, None])[:, 0].tolist()
    torch.testing.assert_close(found_S, torch.tensor(expected), atol=1e-4, rtol=1e-4)
    assert not found_S.requires_grad
    assert policy.training
    scores = policy(batch).tokens
    assert not torch.allclose(scores.logp_S, found_S, atol=1e-2)
    scores.logp_S.sum().backward()
    names = {name for name, p in policy.named_parameters() if p.grad is not None}
    assert names == {name for name, p in policy.named_parameters() if "lora_" in name}


def test_the_reference_reads_goal_tokens_as_they_began(base, token_dataset):
    manifest = load(token_dataset)
    encoder = encoder_for(base, manifest)
    table = tokenise(read_examples(token_dataset, manifest), encoder, capacity=128)
    begun, moved = (policy_for(base, moved=m, goals=encoder.goals) for m in (False, True))
    batch = collate(table, (0, 1, 2))
    torch.testing.assert_close(moved.reference_logp(batch), begun(batch).tokens.logp_S, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(moved(batch).tokens.logp_S, begun(batch).tokens.logp_S, atol=1e-2)


def test_kl_sees_prompts_without_their_goal_tokens(base, token_dataset):
    manifest = load(token_dataset)
    encoder = encoder_for(base, manifest)
    examples = read_examples(token_dataset, manifest)
    table = tokenise(examples, encoder, capacity=128, bare=manifest.placement)
    goals = set(encoder.goals.ids)
    own, bare = (collate(table, (0, 1, 2), view) for view in ("own", "bare"))
    assert goals & set(own.ids_1T[0].tolist())
    assert not goals & set(bare.ids_1T[0].tolist())
    policy = policy_for(base, moved=False, goals=encoder.goals)
    total, metrics, _ = step(*passes_for("kl", policy, table), [(0, 1, 2)])
    assert metrics["kl"] > 0
    assert total == pytest.approx(step(*passes_for("sft", policy, table), [(0, 1, 2)])[0] + 0.05 * metrics["kl"])


@pytest.mark.parametrize("direction", ["policy-reference", "reference-policy"])
def test_kl_is_the_divergence_over_the_vocabulary_from_the_goal_free_prompt(direction, model, tmp_path):
    policy, table = policy_for(model), table_for(tmp_path / "d", "examples", model, bare="prefix")
    assert all(len(table.bare[d]) < table.prompt_lengths[d] for d in range(12))
    objective, passes = passes_for("kl", policy, table, coefficient=0.5, direction=direction)
    items = (4, 0, 7)
    total, metrics, grads = step(objective, passes, [items])

    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    trained = [p for p in policy.parameters() if p.requires_grad]
    divergence = nll = torch.zeros(())
    for item in items:
        answer = torch.from_numpy(table.answer(item).astype("int64"))
        own = torch.from_numpy(table.documents[item].astype("int64"))
        bare = torch.cat([torch.from_numpy(table.bare[item].astype("int64")), answer])
        ends = torch.tensor([0, len(own)], dtype=torch.int32)
        one = {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": len(own), "max_length_k": len(own)}
        logp = torch.log_softmax(
            policy.model(input_ids=own[None], use_cache=False, **one).logits[0, -len(answer) - 1 : -1], dim=-1
        )
        logq = torch.log_softmax(plain(input_ids=bare[None]).logits[0, -len(answer) - 1 : -1], dim=-1).detach()
        p, q = (logp, logq) if direction == "policy-reference" else (logq, logp)
        divergence = divergence + (p.exp() * (p - q)).sum()
        nll = nll - logp.gather(1, answer[:, None]).sum()
    expected = nll + 0.5 * divergence
    assert metrics["kl"] == pytest.approx(float(divergence.detach()), rel=1e-4)
    assert total == pytest.approx(float(expected.detach()), rel=1e-5)
    for ours, theirs in zip(grads, torch.autograd.grad(expected, trained), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3)


def test_before_the_first_update_kl_is_zero_for_prompts_without_a_goal(model, tmp_path):
    rows = make_rows(6)
    for row in rows:
        row |= {"goal": None, "prompt": [{"role": "user", "content": f"Say {row['id']}"}]}
    table = table_for(tmp_path / "d", "examples", model, bare="prefix", rows=rows)
    policy = policy_for(model, moved=False)
    metrics = step(*passes_for("kl", policy, table), [tuple(range(6))])[1]
    assert metrics["kl"] == pytest.approx(0.0, abs=1e-6)
    with_goals = table_for(tmp_path / "g", "examples", model, bare="prefix")
    assert step(*passes_for("kl", policy, with_goals), [tuple(range(6))])[1]["kl"] > 0.1


def test_before_the_first_update_importance_weighting_is_sft_and_dpo_is_log_two(model, tmp_path):
    policy, examples = policy_for(model, moved=False), table_for(tmp_path / "e", "examples", model)
    items = tuple(range(6))
    expected = step(*passes_for("sft", policy, examples), [items])
    for name in ("iw-sft", "iw-sft-token"):
        total, _, grads = step(*passes_for(name, policy, examples), [items])
        assert total == pytest.approx(expected[0], rel=1e-6)
        for ours, theirs in zip(grads, expected[2], strict=True):
            torch.testing.assert_close(ours, theirs)
    pairs = table_for(tmp_path / "p", "pairs", model)
    assert step(*passes_for("dpo", policy, pairs), [items])[0] / 6 == pytest.approx(0.693147, abs=1e-6)


def test_with_one_negative_sdpo_gives_the_gradients_of_dpo(model, tmp_path):
    policy, pairs = policy_for(model), table_for(tmp_path / "p", "pairs", model)
    dpo = step(*passes_for("dpo", policy, pairs), [(0, 1, 2)])
    sdpo = step(*passes_for("sdpo", policy, pairs), [(0, 1, 2)])
    assert sdpo[0] == pytest.approx(dpo[0], rel=1e-6)
    for ours, theirs in zip(sdpo[2], dpo[2], strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
