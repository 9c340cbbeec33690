"""The FLOPs that a run reports are those that torch counts while it trains, less what is computed twice or left out."""

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gcsl_train import attention, config, flops
from gcsl_train.collate import collate
from gcsl_train.model import add_lora, checkpoint_activations
from gcsl_train.policy import Policy
from tests.train.support import tiny_model
from tests.train.tables import table

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

LORA = config.Lora(rank=4)
TABLE = table(([1, 2, 3], [4, 5]), ([6], [7, 8, 9, 10]), ([11, 12], [13]))
MATMULS = {torch.ops.aten.mm, torch.ops.aten.addmm}


def policy(family: str, **options: object) -> Policy:
    model = tiny_model(family, **options)
    model.name_or_path = "tiny"
    model.set_attn_implementation(attention.register())
    return Policy(add_lora(model, LORA, name="tiny", seed=0), compute=torch.float32).train()


def counted(subject: Policy) -> FlopCounterMode:
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        subject(collate(TABLE, (0, 1, 2))).tokens.logp_S.sum().backward()
    return counter


def first_projections(subject: Policy) -> int:
    """Weights whose input needs no gradient, because nothing before them is trained: q, k and v of the first layer."""
    layer = subject.causal_lm.base_model.layers[0].self_attn
    parts = (layer.q_proj, layer.k_proj, layer.v_proj)
    return sum(part.base_layer.weight.numel() + part.lora_A["default"].weight.numel() for part in parts)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_products_with_weights_are_those_that_torch_counts(family: str) -> None:
    subject = policy(family)
    found = flops.costs(subject.model, subject.head)
    assert found is not None
    lengths, supervised = TABLE.documents.lengths, int(TABLE.supervised.sum())
    by_operation = counted(subject).get_flop_counts()["Global"]
    theirs = sum(count for operation, count in by_operation.items() if operation in MATMULS)
    left_out = 2 * first_projections(subject) * lengths.sum()
    bare = flops.Costs(body=found.body, head=found.head, adapter=found.adapter, width=0, windows=())
    assert theirs == bare.step(lengths, supervised) - left_out


def test_attention_is_half_of_what_torch_counts_because_it_is_causal() -> None:
    subject = policy("llama")
    found = flops.costs(subject.model, subject.head)
    assert found is not None
    only = flops.Costs(body=0, head=0, adapter=0, width=found.width, windows=found.windows)
    lengths = TABLE.documents.lengths
    theirs = counted(subject).get_flop_counts()["Global"][torch.ops.aten.bmm]
    # Torch multiplies whole squares; of s x s pairs a causal document has s (s + 1) / 2.
    squares = flops.Costs(body=0, head=0, adapter=0, width=found.width, windows=(None, None))
    whole = sum(12 * squares.width * float(s) ** 2 for s in lengths) * len(found.windows)
    assert theirs == whole
    assert only.step(lengths, 0) == sum(12 * found.width * s * (s + 1) / 2 for s in lengths.tolist()) * 2


def test_recomputed_activations_are_not_counted() -> None:
    subject = policy("llama")
    plain = counted(subject).get_total_flops()
    again = policy("llama")
    checkpoint_activations(again.causal_lm)
    assert counted(again).get_total_flops() > 1.2 * plain
    assert flops.costs(again.model, again.head) == flops.costs(subject.model, subject.head)


def test_a_sliding_window_has_fewer_pairs() -> None:
    lengths = np.array([3.0, 10.0])
    pairs = sum(min(q + 1, 4) for s in (3, 10) for q in range(s))
    assert flops.keys_seen(lengths, 4) == pairs
    assert flops.keys_seen(lengths, None) == 6 + 55


def test_the_window_of_each_layer_comes_from_the_config() -> None:
    model = tiny_model("qwen3", sliding_window=4, use_sliding_window=True, max_window_layers=1)
    assert flops.costs(model, model.get_output_embeddings()).windows == (None, 4)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"])
def test_a_mixture_of_experts_has_no_count(name: str) -> None:
    model = tiny_model("llama")
    setattr(model.config, name, 8)
    assert flops.costs(model, model.get_output_embeddings()) is None


@pytest.mark.parametrize(
    ("name", "flops_per_s"),
    [
        ("NVIDIA H200", 989.4e12),
        ("NVIDIA GH200 480GB", 989.4e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H100 80GB HBM3", 989.4e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("rtx-4090", 165.2e12),
    ],
)
def test_a_device_is_known_by_its_kind(name: str, flops_per_s: float) -> None:
    kind = flops.gpu_kind(name)
    assert kind is not None
    assert flops.GPUS[kind].flops_per_s == flops_per_s


def test_the_smaller_a100_is_told_apart() -> None:
    assert flops.GPUS[str(flops.gpu_kind("NVIDIA A100-SXM4-40GB"))].memory == 40 * 10**9
    assert flops.GPUS[str(flops.gpu_kind("NVIDIA A100-SXM4-80GB"))].memory == 80 * 10**9


def test_what_is_no_known_gpu_has_no_peak() -> None:
    for name in ("Some CPU", "", "NVIDIA RTX A1000", "NVIDIA H20", "NVIDIA L40", "NVIDIA A10G"):
        assert flops.gpu_kind(name) is None
    assert flops.peak(torch.device("cpu"), torch.bfloat16) is None


def test_scoring_takes_the_forward_part_of_what_torch_counts() -> None:
    subject = policy("llama").eval()
    found = flops.costs(subject.model, subject.head)
    assert found is not None
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        subject(collate(TABLE, (0, 1, 2)))
    theirs = sum(c for operation, c in counter.get_flop_counts()["Global"].items() if operation in MATMULS)
    bare = flops.Costs(body=found.body, head=found.head, adapter=found.adapter, width=0, windows=())
    assert theirs == bare.forward(TABLE.documents.lengths, int(TABLE.supervised.sum()))


def test_layers_of_gpt2_are_counted_though_they_are_no_linear_ones() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=97, n_embd=32, n_head=4, n_layer=2))
    found = flops.costs(model, model.get_output_embeddings())
    assert found is not None
    assert found.body == 2 * 12 * 32**2
    assert found.head == 97 * 32


def test_layers_without_attention_have_no_pairs() -> None:
    from transformers import Lfm2Config, Lfm2ForCausalLM

    sizes = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    kinds = ["conv", "full_attention", "conv"]
    model = Lfm2ForCausalLM(Lfm2Config(**sizes, num_key_value_heads=2, num_hidden_layers=3, layer_types=kinds))
    assert flops.costs(model, model.get_output_embeddings()).windows == (None,)  # type: ignore[union-attr]
