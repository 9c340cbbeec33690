"""The rows of goals in the embedding: how they begin, what trains, and that nothing as large as the vocabulary is made."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM

from gcsl_data.dataset.manifest import load
from gcsl_data.errors import UsageError
from gcsl_train import attention, goal_tokens
from gcsl_train.collate import collate
from gcsl_train.config import Lora
from gcsl_train.model import add_lora
from gcsl_train.policy import Policy, verify
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise

from .support import TOKENS, encoder_for, tiny_model

# peft asks transformers by an old name; the command line silences what libraries say to developers.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def prepared(base, dataset, *, dtype=torch.float32, seed=0):
    """A policy as a run begins with it, its table, and the base's weights as they were loaded."""
    manifest = load(dataset)
    encoder = encoder_for(base, manifest)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=attention.register())
    before = model.get_input_embeddings().weight.detach().clone()
    goal_tokens.make_room(model, encoder.goals)
    goal_tokens.initialise(model, encoder.goals, seed=seed)
    policy = Policy(
        add_lora(model, Lora(), name=str(base), seed=seed, goals=encoder.goals), compute=dtype, goals=encoder.goals
    )
    return policy, tokenise(read_examples(dataset, manifest), encoder, capacity=128), before


def test_rows_begin_as_quark_begins_them_and_all_others_stay(base, token_dataset):
    policy, _, before = prepared(base, token_dataset)
    goals, table = policy.goals, policy.causal_lm.get_input_embeddings()
    own = before[: goals.first].double()
    noise = torch.randn(2, 32, generator=torch.Generator().manual_seed(0)).double()
    expected = own.mean(dim=0) + own.std(dim=0) * noise
    torch.testing.assert_close(goal_tokens.trained_rows(table).detach().double(), expected, atol=1e-6, rtol=1e-5)
    assert torch.equal(goal_tokens.plain(table).weight[: goals.first], before[: goals.first])
    again, other = prepared(base, token_dataset)[0], prepared(base, token_dataset, seed=1)[0]
    rows = [goal_tokens.trained_rows(p.causal_lm.get_input_embeddings()) for p in (policy, again, other)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_rows_of_many_dimensions_have_the_spread_of_the_vocabulary(tmp_path):
    model = tiny_model("llama", vocab_size=400, hidden_size=1024)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(torch.linspace(0.1, 2, 1024)).add_(torch.linspace(-3, 3, 1024))
    goals = goal_tokens.GoalTokens(texts=TOKENS, ids=(300, 301), placement="prefix")
    goal_tokens.initialise(model, goals, seed=3)
    weight = model.get_input_embeddings().weight.detach()
    standard = (weight[300:302] - weight[:300].mean(dim=0)) / weight[:300].std(dim=0)
    assert float(standard.mean().abs()) < 0.1
    assert float(standard.std()) == pytest.approx(1.0, abs=0.1)


class Shapes(TorchDispatchMode):
    """The shapes of every tensor that an operator makes anew."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        known = {a.data_ptr() for a in args if isinstance(a, torch.Tensor)}
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor) and tensor.data_ptr() not in known:
                self.seen.add(tuple(tensor.shape))
        return out


def large(shapes, policy):
    """Those as large as embedding or head."""
    rows = {policy.goals.first, goal_tokens.plain(policy.causal_lm.get_input_embeddings()).weight.shape[0]}
    return {shape for shape in shapes if shape in {(v, 32) for v in rows} | {(32, v) for v in rows}}


def ends(batch):
    return {
        "cu_seq_lens_q": batch.cu_seqlens_N,
        "cu_seq_lens_k": batch.cu_seqlens_N,
        "max_length_q": batch.longest,
        "max_length_k": batch.longest,
        "use_cache": False,
    }


def test_only_adapters_and_goal_rows_get_a_gradient_and_no_matrix_as_large_as_the_vocabulary_is_made(
    base, token_dataset
):
    policy, table, _ = prepared(base, token_dataset)
    batch = collate(table, (0, 1, 2, 3))
    with Shapes() as ours:
        policy.train()(batch).tokens.logp_S.sum().backward()
    assert not large(ours.seen, policy)
    names = {name for name, p in policy.named_parameters() if p.grad is not None}
    assert names == {name for name, p in policy.named_parameters() if p.requires_grad}
    assert {name.rpartition(".trainable_tokens")[0] for name in names if "lora" not in name} == {
        "model.base_model.model.model.embed_tokens.token_adapter"
    }
    with Shapes() as theirs:  # the negative control: what peft's own forward makes
        policy.model(input_ids=batch.ids_1T, position_ids=batch.positions_1T, **ends(batch)).logits.sum().backward()
    assert large(theirs.seen, policy)


def test_scores_and_gradients_are_those_of_full_logits_without_the_goals(base, token_dataset):
    policy, table, _ = prepared(base, token_dataset)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    batch = collate(table, (0, 1, 2, 3, 4))
    trained = [p for p in policy.parameters() if p.requires_grad]
    upstream_S = torch.linspace(-1, 1, len(batch.targets_S))
    ours = policy(batch).tokens
    our_grads = torch.autograd.grad((ours.logp_S * upstream_S).sum(), trained)
    # The reference: peft's own forward on each document alone, all logits, the goals' columns cut off. The head is frozen.
    head = goal_tokens.plain(policy.causal_lm.get_output_embeddings())
    hidden = []
    for member in range(5):
        ids = torch.from_numpy(table.documents[member].astype("int64"))
        one = torch.tensor([0, len(ids)], dtype=torch.int32)
        lengths = {"cu_seq_lens_q": one, "cu_seq_lens_k": one, "max_length_q": len(ids), "max_length_k": len(ids)}
        hidden.append(policy.causal_lm.base_model(input_ids=ids[None], use_cache=False, **lengths).last_hidden_state[0])
    logits_SV = (torch.cat(hidden) @ head.weight.detach().t())[batch.at_S, : policy.goals.first]
    logp_S = torch.log_softmax(logits_SV, dim=-1).gather(1, batch.targets_S[:, None])[:, 0]
    torch.testing.assert_close(ours.logp_S, logp_S, atol=1e-4, rtol=1e-4)
    for mine, other in zip(our_grads, torch.autograd.grad((logp_S * upstream_S).sum(), trained), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-3, rtol=1e-3)
    goals = [g for p, g in zip(trained, our_grads, strict=True) if p.shape == (2, 32)]
    assert len(goals) == 1
    assert (goals[0].abs().sum(dim=1) > 0).all()


def test_the_self_check_covers_goals_and_catches_rows_that_are_read_wrongly(base, token_dataset):
    policy = prepared(base, token_dataset)[0]
    verify(policy)
    # Only rows of goals are scaled by us, since the base's own forward knows nothing of this.
    goal_tokens.plain(policy.causal_lm.get_input_embeddings()).embed_scale = 3.0
    policy.model.disable_adapter_layers()
    with pytest.raises(UsageError, match="scores"):
        verify(policy)
