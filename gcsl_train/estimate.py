"""What a run will take, known before a weight is loaded: memory by parts, and arithmetic.

The model is laid out without data and one full pack is run through it, forward only, counting what autograd keeps: every
family, dtype and adapter is measured as it is instead of guessed from its sizes. What CUDA itself takes and what a loss with
a reference adds for a moment come on top.
"""

# ruff: noqa: N803 (names of tensors end in their shape letters)

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gcsl_train import model as models
from gcsl_train.collate import Batch
from gcsl_train.config import Config, Quantize
from gcsl_train.errors import unsupported_model
from gcsl_train.flops import Costs, costs
from gcsl_train.goal_tokens import GoalTokens
from gcsl_train.head import rows_at_once
from gcsl_train.policy import Policy

NAME = "gcsl_sizes"
_MOMENTS = 2  # AdamW keeps two numbers for each that is trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on each device while it trains. `activations` are those kept for the backward pass of one full pack, `head` the
    scores of one chunk of predictions, which come and go."""

    base: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    head: int

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(asdict(self).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one device holds, and what the model multiplies with (None where that cannot be counted)."""

    memory: Memory
    costs: Costs | None


def estimate(
    config: Config,
    source: models.Source,
    *,
    device: torch.device,
    dtype: torch.dtype,
    supervised: int,
    goals: GoalTokens | None,
) -> Estimate:
    """The memory of training on full packs with so many supervised tokens in each.

    Raises InputError (66), and UsageError (2) for a family that cannot be trained.
    """
    policy = _laid_out(config, source, dtype)
    base, multiplies = policy.causal_lm, costs(policy.model, policy.head)
    trained = sum(_bytes(p) for p in policy.parameters() if p.requires_grad)
    if goals is not None and not goals.soft:
        trained += 4 * len(goals.ids) * base.config.get_text_config().hidden_size
    length = config.data.max_length
    if multiplies is None:  # torch lays out the products of experts in bfloat16 only
        narrow = _activations(_laid_out(config, source, torch.bfloat16), length, supervised)
        kept = narrow * dtype.itemsize // torch.bfloat16.itemsize
    else:
        kept = _activations(policy, length, supervised)
    if config.model.gradient_checkpointing:
        layers = base.config.get_text_config().num_hidden_layers
        inputs = layers * length * base.config.get_text_config().hidden_size * dtype.itemsize
        kept = inputs + kept // layers
    memory = Memory(
        base=_base_bytes(policy, config.model.quantize),
        adapter=trained,
        gradients=trained,
        optimizer=_MOMENTS * trained,
        activations=kept,
        # Scores, their softmax and the gradient of them are there at once, in float32.
        head=3 * 4 * min(rows_at_once(device), supervised) * policy.head.out_features,
    )
    return Estimate(memory=memory, costs=multiplies)


def _laid_out(config: Config, source: models.Source, dtype: torch.dtype) -> Policy:
    """The model with its adapter, without data."""
    with torch.device("meta"):
        base = models.empty_model(source, dtype=dtype, attention=_register())
        adapted = models.add_lora(base, config.lora, name=base.name_or_path, seed=0)
    return Policy(adapted, compute=dtype, goals=None)


def _base_bytes(policy: Policy, quantize: Quantize) -> int:
    """Bytes of the frozen weights; in four bits a weight of a body layer takes half a byte, and each 64 one for a scale."""
    frozen = sum(_bytes(p) for p in policy.parameters() if not p.requires_grad)
    if quantize == "none":
        return frozen
    names = dict(policy.named_modules())
    layers = [m.weight for n, m in names.items() if isinstance(m, torch.nn.Linear) and n.endswith("base_layer")]
    return frozen - sum(_bytes(w) for w in layers) + sum(w.numel() // 2 + w.numel() // 64 for w in layers)


def _activations(policy: Policy, length: int, supervised: int) -> int:
    """Bytes that autograd keeps of one pack of one document, parameters not counted. Raises UsageError (2), as `verify`."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.func import functional_call

    kept: list[Tensor] = []
    with FakeTensorMode():
        weights = {
            name: torch.empty(p.shape, dtype=p.dtype, requires_grad=p.requires_grad)
            for name, p in policy.named_parameters(remove_duplicate=False)
        }
        weights |= {name: torch.empty(b.shape, dtype=b.dtype) for name, b in policy.named_buffers()}
        batch = _batch(length, supervised)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
            try:
                functional_call(policy, weights, (batch,), tie_weights=False)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise unsupported_model(f"a pack cannot be run through it ({error})") from None
    own = {_storage(weight) for weight in weights.values()}
    found = {key: t.untyped_storage().nbytes() for t in kept if (key := _storage(t)) not in own}
    return sum(found.values())


def _batch(length: int, supervised: int) -> Batch:
    places = torch.zeros(supervised, dtype=torch.int64)
    row = torch.zeros(1, length, dtype=torch.int64)
    ends = torch.zeros(2, dtype=torch.int32)
    one = torch.zeros(1, dtype=torch.int64)
    return Batch(
        ids_1T=row, positions_1T=row, cu_seqlens_N=ends, longest=length, at_S=places, targets_S=places, document_S=places,
        item_N=one, first_N=one.bool(), numbers_N={}, names_N=("0",),
    )  # fmt: skip


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _bytes(parameter: Tensor) -> int:
    return parameter.numel() * parameter.element_size()


def _register() -> str:
    """An attention that keeps what flash attention keeps: queries, keys, values, the result, and a number per query."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, lambda *args, **kwargs: None)
    return NAME


def _attention(
    module: torch.nn.Module, query_BHTD: Tensor, key_BKTD: Tensor, value_BKTD: Tensor, mask: None, **other: Any
) -> tuple[Tensor, None]:
    return _Sizes.apply(query_BHTD, key_BKTD, value_BKTD), None  # type: ignore[return-value]


class _Sizes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query_BHTD: Tensor, key_BKTD: Tensor, value_BKTD: Tensor) -> Tensor:
        out_BTHD = torch.empty_like(query_BHTD.transpose(1, 2), memory_format=torch.contiguous_format)
        sums_BHT = query_BHTD.new_empty(query_BHTD.shape[:3], dtype=torch.float32)
        ctx.save_for_backward(query_BHTD, key_BKTD, value_BKTD, out_BTHD, sums_BHT)
        return out_BTHD

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        raise NotImplementedError("sizes have no gradient")
