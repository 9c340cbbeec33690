"""The model as the losses see it: a pack in, per-token log-probabilities of its supervised tokens out.

The body runs once for the last hidden states; the head is applied to supervised positions only (`head.py`). Families differ
in what they do to their scores and in whether they can keep documents apart, so `verify` compares both with the model's own
answers before the first step: a family we would get wrong is refused, not trained.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gcsl_train import goal_tokens, reward_embedding
from gcsl_train.collate import Batch
from gcsl_train.config import Kernels
from gcsl_train.divergence import Divergence, token_divergence
from gcsl_train.errors import unsupported_model
from gcsl_train.goal_tokens import GoalTokens
from gcsl_train.head import LogitRule, TokenScores, token_logprobs
from gcsl_train.spread import gathered


class PolicyScores(NamedTuple):
    """The scores of a pack's supervised tokens, and their divergence from a reference where one was given."""

    tokens: TokenScores
    divergence: Divergence | None


class Policy(nn.Module):
    """A causal language model (with or without an adapter) whose forward gives `PolicyScores` for a `Batch`.

    `compute` is the dtype of matrix products: below float32 the body runs under autocast, so float32 adapters are
    multiplied in 16 bit while their gradients and updates stay float32. `goals` are those that are tokens, if any are: their
    rows are read from the adapter, or made of rewards, and the softmax runs over the model's own vocabulary without them.
    """

    def __init__(
        self, model: Any, *, compute: torch.dtype, goals: GoalTokens | None = None, kernels: Kernels = "torch"
    ) -> None:
        super().__init__()
        self.model = model
        self.compute = compute
        self.goals = goals
        self.kernels: Kernels = kernels
        self.vocabulary = slice(goals.first if goals else None)
        self.rule = logit_rule(self.causal_lm.config)
        self._adapted = True

    @property
    def causal_lm(self) -> Any:
        """The transformers model, adapter layers included."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    @property
    def head(self) -> Any:
        """The output layer, without the wrapper that trained tokens put around a tied one: its rows are frozen."""
        return goal_tokens.plain(self.causal_lm.get_output_embeddings())

    def forward(self, batch: Batch, reference_SH: Tensor | None = None) -> PolicyScores:
        """Scores of the supervised tokens of one pack, in the order of `batch.targets_S`.

        With the hidden states of a reference at the same tokens, the divergence from it too.
        """
        hidden_SH = self._supervised(batch)
        weight_VH, bias_V = self._frozen_head()
        scores = token_logprobs(
            hidden_SH, weight_VH, batch.targets_S, bias_V=bias_V, rule=self.rule, kernels=self.kernels
        )
        if reference_SH is None:
            return PolicyScores(scores, None)
        divergence = token_divergence(hidden_SH, reference_SH, weight_VH, bias_V=bias_V, rule=self.rule)
        return PolicyScores(scores, divergence)

    def reference_logp(self, batch: Batch) -> Tensor:
        """log p of the supervised tokens under the model without its adapter; no gradient, no dropout."""
        with self._without_adapter():
            hidden_SH = self._supervised(batch)
            weight_VH, bias_V = self._frozen_head()
            return token_logprobs(
                hidden_SH, weight_VH, batch.targets_S, bias_V=bias_V, rule=self.rule, kernels=self.kernels
            ).logp_S

    def reference_hidden(self, batch: Batch) -> Tensor:
        """Hidden states (S, H) that predict the supervised tokens, without the adapter; no gradient, no dropout."""
        with self._without_adapter():
            return self._supervised(batch)

    def check(self) -> None:
        """Compare a small pack with the model's own passes (see `verify`)."""
        _compare(self)

    @contextlib.contextmanager
    def _without_adapter(self) -> Iterator[None]:
        was_training = self.training
        self.eval()
        try:
            with torch.no_grad(), self.model.disable_adapter():
                self._adapted = False
                yield
        finally:
            self._adapted = True
            self.train(was_training)

    def _supervised(self, batch: Batch) -> Tensor:
        """Hidden states (S, H) at the positions that predict supervised tokens, in the head's dtype."""
        hidden_TH = self.hidden(
            batch.ids_1T,
            batch.positions_1T,
            batch.cu_seqlens_N,
            batch.longest,
            rewards_N=batch.numbers_N.get(reward_embedding.NUMBER),
        )
        return hidden_TH[batch.at_S].to(self.head.weight.dtype)

    def _frozen_head(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the head for the model's own vocabulary.

        The head is frozen, so no V x H gradient is made; adapters on the head itself are refused by `verify`.
        """
        head = self.head
        with gathered(head.weight, head.bias):
            return head.weight[self.vocabulary], None if head.bias is None else head.bias[self.vocabulary]

    def precision(self, device: torch.device) -> torch.autocast:
        """The autocast that the body runs under; it does nothing in float32."""
        narrow = self.compute != torch.float32
        return torch.autocast(device.type, dtype=self.compute if narrow else torch.bfloat16, enabled=narrow)

    def hidden(
        self,
        ids_1T: Tensor,
        positions_1T: Tensor,
        cu_seqlens_N: Tensor,
        longest: int,
        *,
        rewards_N: Tensor | None = None,
    ) -> Tensor:
        """The body's last hidden states, (T, H); `rewards_N`, standardised, are for documents that hold a soft token."""
        with self.precision(ids_1T.device):
            output = self.causal_lm.base_model(
                **self._inputs(ids_1T, cu_seqlens_N, rewards_N),
                position_ids=positions_1T,
                use_cache=False,
                cu_seq_lens_q=cu_seqlens_N,
                cu_seq_lens_k=cu_seqlens_N,
                max_length_q=longest,
                max_length_k=longest,
            )
        return output.last_hidden_state[0]

    def _inputs(self, ids_1T: Tensor, cu_seqlens_N: Tensor, rewards_N: Tensor | None) -> dict[str, Tensor]:
        embedding, table = reward_embedding.of(self.model), self.causal_lm.get_input_embeddings()
        if self.goals is not None and embedding is not None and rewards_N is not None:
            tokens = ids_1T.shape[1]
            soft_TH = embedding.start_H  # without the adapter, a reward reads as all did before training
            if self._adapted:
                soft_TH = reward_embedding.per_token(embedding, rewards_N, cu_seqlens_N, tokens)
            return {"inputs_embeds": reward_embedding.embed(table, self.goals, ids_1T, soft_TH)}
        if self.goals is None or self.goals.soft or not self._adapted:
            return {"input_ids": ids_1T}  # without the adapter, goals have the rows that they began with
        return {"inputs_embeds": goal_tokens.embed(table, self.goals, ids_1T)}


def logit_rule(config: Any) -> LogitRule:
    """What the family does to its scores, from its config: Gemma caps them, Granite divides, Cohere multiplies."""
    scale = getattr(config, "logit_scale", None) or 1.0
    divisor = getattr(config, "logits_scaling", None) or 1.0
    return LogitRule(scale=float(scale) / float(divisor), softcap=getattr(config, "final_logit_softcapping", None))


def verify(policy: Policy) -> None:
    """Compare a small pack with the model's own forward passes on its parts; any difference is UsageError (2).

    Two documents of 5 and 7 tokens are packed. Their hidden states must be those of each document alone, and our logits
    those of the model. Tolerances are relative to the largest value: 1e-3 in float32, 5e-2 in 16 bit.
    """
    was_training = policy.training
    policy.eval()
    try:
        policy.check()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Families that do not take part in transformers' attention interface fail in ways of their own.
        raise unsupported_model(f"a pack cannot be run through it ({error})") from None
    finally:
        policy.train(was_training)


@torch.no_grad()
def _compare(policy: Policy) -> None:
    model = policy.causal_lm
    head = policy.head
    if head is None or not isinstance(getattr(head, "weight", None), Tensor) or type(head) is not nn.Linear:
        raise unsupported_model("its output head is not a plain linear layer")
    device, limit = head.weight.device, 1e-3 if policy.compute == torch.float32 else 5e-2
    parts = [torch.arange(n, device=device) % min(17, head.out_features) for n in (5, 7)]
    if policy.goals is not None and not policy.goals.soft:
        parts[0][0] = parts[1][1] = policy.goals.first
    packed_TH = _hidden(policy, parts)
    alone_TH = torch.cat([_hidden(policy, [part]) for part in parts])
    if _difference(packed_TH, alone_TH) > limit:
        raise unsupported_model("its documents see each other inside a pack")
    ours_TV = _logits(alone_TH[:5].to(head.weight.dtype), head, policy.rule)
    end = torch.tensor([0, 5], dtype=torch.int32, device=device)
    one = {"cu_seq_lens_q": end, "cu_seq_lens_k": end, "max_length_q": 5, "max_length_k": 5}
    table = goal_tokens.plain(model.get_input_embeddings())
    with policy.precision(device), gathered(head.weight, table.weight):  # peft reads both around their modules
        theirs_TV = model(input_ids=parts[0][None], use_cache=False, **one).logits[0]
    if _difference(ours_TV[:, policy.vocabulary], theirs_TV[:, policy.vocabulary]) > limit:
        raise unsupported_model("its scores are not head(hidden) with a known scale or cap")


def _hidden(policy: Policy, parts: list[Tensor]) -> Tensor:
    device = parts[0].device
    ends = torch.tensor(
        [0, *torch.tensor([len(p) for p in parts]).cumsum(0).tolist()], dtype=torch.int32, device=device
    )
    positions = torch.cat([torch.arange(len(p), device=device) for p in parts])
    return policy.hidden(torch.cat(parts)[None], positions[None], ends, max(len(p) for p in parts))


def _logits(hidden_TH: Tensor, head: nn.Linear, rule: LogitRule) -> Tensor:
    with gathered(head.weight, head.bias):
        scores_TV = nn.functional.linear(hidden_TH, head.weight, head.bias).float() * rule.scale
    return scores_TV if rule.softcap is None else rule.softcap * torch.tanh(scores_TV / rule.softcap)


def _difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference relative to the largest value."""
    return float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max().clamp_min(1e-6))
