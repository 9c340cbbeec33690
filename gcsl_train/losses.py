"""The training losses: plain functions on per-token log-probabilities, written out in one table.

A loss returns a **sum** over a pack; the loop divides it by the normaliser counted over the whole optimizer step, all packs
and all ranks, so neither packing nor accumulation nor the number of ranks changes it. Its keyword arguments are its settings:
they can be set in `[loss]` and by `--set loss.NAME=VALUE`, and their defaults stand here and nowhere else.

To add a loss, write the function and one line in `LOSSES` (docs/training.md has an example).

Notation: rho(y) = log p(y) - log p_reference(y), sums over the tokens of an answer; sg() takes no gradient.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gcsl_train.loss import Loss, Outcome, Scored, State, Statistic

Direction = Literal["policy-reference", "reference-policy"]


# --- next-token losses on examples; `weight` is the row's own, and may be negative


def sft(pack: Scored) -> Outcome:
    """Minus the weighted sum of log-probabilities; an empty pack gives 0 with a gradient of 0.

    The normaliser is the number of supervised tokens, not the sum of weights: a row of weight 2 counts as two rows would.
    Source: GCSL (arXiv 2605.16345), the next-token objective; with weights RWR, SWiFt and SFT(Q).
    """
    return _weighted(pack, torch.ones_like(pack.logp_S))


def kl(pack: Scored, *, coefficient: float = 0.05, direction: Direction = "policy-reference") -> Outcome:
    """`sft` plus the divergence from the model without its adapter, which sees each prompt without its goal.

    The divergence is over the whole vocabulary, and unweighted. `policy-reference` is KL(model || reference), which Quark's
    code computes; its paper has the other one. Source: GCSL (arXiv 2605.16345, appendix B), Quark (arXiv 2205.13636).
    """
    assert pack.divergence is not None
    divergence_S = pack.divergence.forward_S if direction == "policy-reference" else pack.divergence.backward_S
    total = sft(pack).total + coefficient * divergence_S.sum()
    return Outcome(total, {"kl": divergence_S.detach().sum()})


def dft(pack: Scored) -> Outcome:
    """`sft` with each token weighted by sg(p). Source: DFT (arXiv 2508.05629)."""
    return _weighted(pack, pack.logp_S.detach().exp())


def iw_sft(pack: Scored, *, power: float = 1.0, limit: float = 16.0) -> Outcome:
    """`sft` with each answer weighted by sg(min(exp(power * mean of log p - log p_reference), limit)).

    Source: iw-SFT (arXiv 2507.12856) as its code has it, normalised by length.
    """
    weight_N = (power * pack.mean_N(pack.ratio_S.detach())).exp().clamp(max=limit)
    weight_S = weight_N[pack.batch.document_S]
    return _weighted(pack, weight_S, {"importance": weight_S.sum()})


def iw_sft_token(pack: Scored, *, low: float = 0.2, high: float = 1.8) -> Outcome:
    """`sft` with each token weighted by sg(p / p_reference), kept between two limits. Source: as `iw_sft`."""
    weight_S = pack.ratio_S.detach().exp().clamp(low, high)
    return _weighted(pack, weight_S, {"importance": weight_S.sum()})


def gft(pack: Scored, *, threshold: float = 0.1) -> Outcome:
    """Each answer weighted by its advantage in its group, each token by sg(p) where p is below the threshold, else by 1.

    Threshold 0 is advantage-weighted SFT, above 1 it is advantage-weighted DFT; 0.1 is that of the authors' command, other
    sources have 0.3 to 0.7. Source: GFT (arXiv 2604.14258), dynamic coefficient rectification.
    """
    p_S = pack.logp_S.detach().exp()
    advantage_S = pack.number_S("advantage")
    rectified_S = p_S < threshold
    weight_S = advantage_S * torch.where(rectified_S, p_S, 1.0)
    return _weighted(pack, weight_S, {"rectified": rectified_S.float().sum()})


def _weighted(pack: Scored, weight_S: Tensor, metrics: Mapping[str, Tensor] | None = None) -> Outcome:
    return Outcome(-(pack.number_S("weight") * weight_S * pack.logp_S).sum(), metrics or {})


# --- preferences: the first document of an item is the chosen one


def dpo(pack: Scored, *, beta: float = 0.1) -> Outcome:
    """-log sigmoid(beta (rho(chosen) - rho(rejected))). Source: DPO (arXiv 2305.18290)."""
    return _preference(pack, beta * pack.lead_R(pack.sum_N(pack.ratio_S)))


def cdpo(pack: Scored, *, beta: float = 0.1) -> Outcome:
    """`dpo` with the label smoothing e of each pair: -(1 - e) log sigmoid(z) - e log sigmoid(-z).

    With smoothing that differs per pair this is our reading of RosePO (arXiv 2410.12519), whose formula was not at hand.
    """
    return _preference(pack, beta * pack.lead_R(pack.sum_N(pack.ratio_S)), smoothing_I=pack.number_I("smoothing"))


def simpo(pack: Scored, *, beta: float = 2.0, gamma: float = 0.5) -> Outcome:
    """-log sigmoid(beta (mean log p(chosen) - mean log p(rejected)) - gamma), without a reference.

    `gamma` is the margin itself, as in TRL; the paper's ratio is gamma / beta. Source: SimPO (arXiv 2405.14734).
    """
    return _preference(pack, beta * pack.lead_R(pack.mean_N(pack.logp_S)), target=gamma)


def alphadpo(pack: Scored, *, beta: float = 2.5, gamma: float = 1.5, alpha: float = 0.2) -> Outcome:
    """`simpo` with a margin for each pair: gamma + beta alpha sg(z), where z says how far, in standard deviations, the model
    prefers the chosen answer more than the reference does.

    Mean and deviation are running ones over steps (0.9 to 0.1), from the first step whose pairs differ; a step of one pair
    has no deviation and leaves the running one. The authors' code begins at 0, so its first margins are about ten times too
    large. Source: AlphaDPO (arXiv 2410.10148).
    """
    mean, deviation = pack.state
    gap_I = pack.lead_R(pack.mean_N(pack.ratio_S)).detach()
    z_I = (gap_I - mean) / deviation if deviation >= _SMALLEST_DEVIATION else torch.zeros_like(gap_I)
    return _preference(pack, beta * pack.lead_R(pack.mean_N(pack.logp_S)), target=gamma + beta * alpha * z_I)


def sdpo(pack: Scored, *, beta: float = 0.1) -> Outcome:
    """-log sigmoid(-log sum over rejected of exp(beta (rho(rejected) - rho(chosen)))). Source: S-DPO (arXiv 2406.09215)."""
    margin_R = beta * pack.lead_R(pack.sum_N(pack.ratio_S))
    item_R = pack.batch.item_N[~pack.batch.first_N]
    items = len(pack.number_I("weight"))
    smallest_I = margin_R.detach().new_zeros(items).scatter_reduce(
        0, item_R, margin_R.detach(), "amin", include_self=False
    )  # fmt: skip
    sum_I = margin_R.new_zeros(items).index_add(0, item_R, (smallest_I[item_R] - margin_R).exp())
    margin_I = smallest_I - sum_I.log()
    losses_I = -F.logsigmoid(margin_I)
    return _per_item(pack, losses_I, {"margin": margin_I.detach().sum(), "preferred": (smallest_I > 0).float().sum()})


def kto(pack: Scored, *, beta: float = 0.1, desirable: float = 1.0, undesirable: float = 1.0) -> Outcome:
    """Good answers: desirable (1 - sigmoid(beta (rho - z))), bad ones: undesirable (1 - sigmoid(beta (z - rho))).

    z estimates KL(model || reference) from answers to other prompts of the step, and is not below 0. Source: KTO
    (arXiv 2402.01306).
    """
    (z,) = pack.state
    rho_N = pack.sum_N(pack.ratio_S)
    good_N = pack.number_N("label") > 0.5
    side_N = torch.where(good_N, 1.0, -1.0)
    losses_N = torch.where(good_N, desirable, undesirable) * (1 - torch.sigmoid(beta * side_N * (rho_N - z)))
    return _per_item(pack, losses_N, {"margin": (beta * side_N * rho_N.detach()).sum(), "kl": _each(losses_N, z)})


def _preference(
    pack: Scored, margin_I: Tensor, *, target: float | Tensor = 0.0, smoothing_I: Tensor | None = None
) -> Outcome:
    """-log sigmoid(margin - target), smoothed; the metrics are the margin, and how many chosen answers are preferred."""
    z_I = margin_I - target
    losses_I = -F.logsigmoid(z_I)
    if smoothing_I is not None:
        losses_I = (1 - smoothing_I) * losses_I - smoothing_I * F.logsigmoid(-z_I)
    seen_I = margin_I.detach()
    return _per_item(pack, losses_I, {"margin": seen_I.sum(), "preferred": (seen_I > 0).float().sum()})


def _per_item(pack: Scored, losses_I: Tensor, metrics: Mapping[str, Tensor]) -> Outcome:
    return Outcome((pack.number_I("weight") * losses_I).sum(), metrics)


def _each(like_I: Tensor, value: float) -> Tensor:
    """A sum whose mean over items is `value`."""
    return torch.full_like(like_I, value).sum()


# --- statistics of a step

_SMALLEST_DEVIATION = 1e-6  # below it all gaps are equal, as before the first update, and z is 0


def _gaps(pack: Scored) -> Tensor:
    gap_I = pack.lead_R(pack.mean_N(pack.ratio_S)).cpu().double()
    return torch.stack([gap_I.sum(), (gap_I**2).sum(), torch.ones_like(gap_I).sum()])


def _running(state: State, sums: Sequence[float]) -> State:
    total, squares, count = sums
    mean = total / count
    deviation = max(squares - total * mean, 0.0) / max(count - 1, 1)
    now = (mean, deviation**0.5)
    begun = bool(state) and state[1] >= _SMALLEST_DEVIATION
    if begun and count < 2:
        now = (mean, state[1])
    return tuple(0.9 * a + 0.1 * b for a, b in zip(state, now, strict=True)) if begun else now


def _mismatched_ratios(pack: Scored) -> Tensor:
    rho_N = pack.sum_N(pack.ratio_S).cpu().double()
    return torch.stack([rho_N.sum(), torch.ones_like(rho_N).sum()])


def _divergence_estimate(state: State, sums: Sequence[float]) -> State:
    total, count = sums
    return (max(total / max(count, 1), 0.0),)


LOSSES: dict[str, Loss] = {
    "sft": Loss(sft, "examples"),
    "kl": Loss(kl, "examples", reference="goal-free"),
    "dft": Loss(dft, "examples"),
    "iw-sft": Loss(iw_sft, "examples", reference="same-prompt"),
    "iw-sft-token": Loss(iw_sft_token, "examples", reference="same-prompt", ordered=("low", "high")),
    "gft": Loss(gft, "groups"),
    "dpo": Loss(dpo, "pairs", "items", "same-prompt", smoothing=False),
    "cdpo": Loss(cdpo, "pairs", "items", "same-prompt", smoothing=True),
    "simpo": Loss(simpo, "pairs", "items", smoothing=False),
    "alphadpo": Loss(alphadpo, "pairs", "items", "same-prompt", Statistic(sums=_gaps, carry=_running), smoothing=False),
    "sdpo": Loss(sdpo, "multi-negative", "items", "same-prompt"),
    "kto": Loss(
        kto,
        "unpaired",
        "items",
        "same-prompt",
        Statistic(sums=_mismatched_ratios, carry=_divergence_estimate, mismatched=True),
    ),
}
