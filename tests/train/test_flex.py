"""Flex attention against attention per document, on CPUs.

torch refuses to differentiate it there, though its plain implementation can: what is tested is our mask and our layout, so
the refusal is lifted where a gradient is taken. Compiled kernels are tested with the mark `gpu`, in test_attention.py.
"""

# ruff: noqa: N803
import gc
import itertools

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.attention import flex_attention as of_torch
from transformers import LlamaConfig

from gcsl_data.errors import UsageError
from gcsl_train import attention, flex
from gcsl_train.model import checkpoint_activations
from gcsl_train.policy import Policy, verify

from .support import command, metrics
from .test_attention import documents, gradients, model_with, packed, separate

pytestmark = [
    pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),  # torch reads it itself
]
quick = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # the fixture keeps no state
)

SIZES = ("--max-length", 128, "--packs-per-step", 3)
lengths_of = st.lists(st.integers(1, 80), min_size=1, max_size=6)
windows = st.none() | st.integers(1, 130)


@pytest.fixture(autouse=True, scope="module")
def _many_shapes():
    """torch compiles the plain implementation too, for each shape; here are more shapes than it likes."""
    with torch._dynamo.config.patch(recompile_limit=64):
        yield
    torch._dynamo.reset()


@pytest.fixture
def _lifted(monkeypatch):
    monkeypatch.setattr(of_torch, "_validate_device", lambda *inputs: None)


def ends_of(lengths):
    return torch.tensor([0, *itertools.accumulate(lengths)], dtype=torch.int32)


def inputs_of(tokens, kv_heads, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, heads, tokens, 8, generator=generator) for heads in (4, kv_heads, kv_heads)]


def through(path, inputs, lengths, window, scaling, room=0):
    output, _ = attention.document_attention(
        torch.nn.Module(), *inputs, None, path=path, room=room, scaling=scaling, sliding_window=window,
        cu_seq_lens_q=ends_of(lengths), max_length_q=max(lengths),
    )  # fmt: skip
    return output


def sees(lengths, window):
    """Which keys each query sees, written down from what documents, causality and windows mean."""
    owner = [number for number, length in enumerate(lengths) for _ in range(length)]
    return torch.tensor(
        [
            [owner[q] == owner[k] and k <= q and (window is None or q - k < window) for k in range(len(owner))]
            for q in range(len(owner))
        ]
    )


@quick
@given(lengths=lengths_of, window=windows, kv_heads=st.sampled_from([1, 2, 4]), scaling=st.none() | st.floats(0.05, 2))
@pytest.mark.usefixtures("_lifted")
def test_outputs_and_gradients_are_those_of_attention_per_document(lengths, window, kv_heads, scaling):
    found = []
    for path in ("sdpa", "flex"):
        inputs = [x.requires_grad_() for x in inputs_of(sum(lengths), kv_heads)]
        out = through(path, inputs, lengths, window, scaling, room=480)
        weights = torch.linspace(-1, 1, out.numel()).view_as(out)
        found.append([out, *torch.autograd.grad((out * weights).sum(), inputs)])
    for plain, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, atol=2e-5, rtol=1e-4)


@quick
@given(lengths=lengths_of, window=windows, more=st.integers(0, 200))
def test_what_a_query_sees_is_its_document_up_to_itself_and_no_more_than_its_window(lengths, window, more):
    tokens = sum(lengths)
    first_T = flex.first_keys(ends_of(lengths), tokens + more, window)
    at = torch.arange(tokens)
    assert torch.equal((at >= first_T[:tokens, None]) & (at <= at[:, None]), sees(lengths, window))
    assert (first_T[tokens:] >= tokens).all()  # the filling sees no document


@quick
@given(lengths=st.lists(st.integers(1, 400), min_size=1, max_size=6), window=st.none() | st.integers(1, 600))
def test_the_blocks_are_those_that_torch_finds_in_the_whole_mask(lengths, window):
    length = -(-sum(lengths) // flex.BLOCK) * flex.BLOCK
    ours = flex.mask_of(ends_of(lengths), length, window)
    theirs = of_torch.create_block_mask(ours.mask_mod, 1, 1, length, length, device="cpu", BLOCK_SIZE=flex.BLOCK)
    assert ours.shape == theirs.shape
    for name in ("kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    for kind in ("kv", "full_kv", "q", "full_q"):
        counts = getattr(ours, f"{kind}_num_blocks").flatten().tolist()
        rows = zip(*(getattr(mask, f"{kind}_indices").flatten(0, 2) for mask in (ours, theirs)), counts, strict=True)
        assert all(set(mine[:n].tolist()) == set(other[:n].tolist()) for mine, other, n in rows), kind


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.usefixtures("_lifted")
def test_a_pack_gives_each_document_the_logits_and_gradients_it_has_alone(family, checkpointing):
    ours, theirs = model_with(attention.register("flex", room=64), family), model_with("eager", family)
    if checkpointing:
        checkpoint_activations(ours)
    our_logits_TV, their_logits_TV = packed(ours, documents()), separate(theirs, documents())
    torch.testing.assert_close(our_logits_TV, their_logits_TV, atol=2e-5, rtol=1e-4)
    our_grads, their_grads = gradients(ours, our_logits_TV), gradients(theirs, their_logits_TV)
    for name in their_grads:
        torch.testing.assert_close(our_grads[name], their_grads[name], atol=1e-4, rtol=1e-3)


def test_a_mask_is_made_once_for_a_pack_and_a_window_and_goes_with_the_pack(monkeypatch):
    made, real = [], flex.block_mask
    monkeypatch.setattr(flex, "block_mask", lambda first_T: made.append(len(first_T)) or real(first_T))
    kinds = ["full_attention", "sliding_attention"] * 2
    options = {"num_hidden_layers": 4, "layer_types": kinds, "use_sliding_window": True, "sliding_window": 3}
    model, alone = (
        model_with(attention.register("flex", room=200), "qwen3", **options),
        model_with("eager", "qwen3", **options),
    )
    before = len(flex._masks)
    with torch.no_grad():
        together = packed(model, documents())
        torch.testing.assert_close(together, separate(alone, documents()), atol=2e-5, rtol=1e-4)
        assert made == [2 * flex.BLOCK] * 2  # four layers, two windows
        packed(model, documents())
    assert len(made) == 4
    gc.collect()
    assert len(flex._masks) == before


def test_packs_of_all_lengths_share_one_kernel(monkeypatch):
    kernel = torch.compile(of_torch.flex_attention, dynamic=False, fullgraph=True, backend="eager")
    monkeypatch.setattr(of_torch, "flex_attention", kernel)
    through("flex", inputs_of(7, 2), [3, 4], None, None, room=300)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for lengths, window in (([9], None), ([100, 1, 150], None), ([2] * 150, 1), ([40, 50], 30), ([384], None)):
            inputs = inputs_of(sum(lengths), 2)
            ours = through("flex", inputs, lengths, window, None, room=300)
            torch.testing.assert_close(ours, through("sdpa", inputs, lengths, window, None))
        with pytest.raises(UsageError, match=r"[Rr]ecompil"):  # what the room is for
            through("flex", inputs_of(385, 2), [385], None, None, room=300)


def test_verify_runs_through_it_where_no_gradient_is_asked_for():
    verify(Policy(model_with(attention.register("flex", room=32)), compute=torch.float32))


def test_what_a_layer_has_and_a_path_does_not_is_a_usage_error():
    inputs = inputs_of(5, 2)
    with pytest.raises(UsageError, match="varlen cannot be used here: it takes bfloat16 or float16, not float32"):
        through("varlen", inputs, [5], None, None)
    with pytest.raises(UsageError, match=r"flex cannot be used here: torch says .* backward on CPU"):
        through("flex", [x.requires_grad_() for x in inputs], [5], None, None)
    torch.testing.assert_close(through("auto", inputs, [5], None, None), through("sdpa", inputs, [5], None, None))


@pytest.mark.parametrize("path", ["flex", "varlen"])
def test_dropout_in_the_attention_is_refused_where_it_cannot_be(path):
    attention.check_dropout(path, LlamaConfig())
    attention.check_dropout("auto", LlamaConfig(attention_dropout=0.1))
    said = f"model.attention {path} cannot be used here: it has no dropout, and the model's attention has 0.1"
    with pytest.raises(UsageError, match=said):
        attention.check_dropout(path, LlamaConfig(attention_dropout=0.1))
    with pytest.raises(UsageError, match=said):
        attention.document_attention(
            torch.nn.Module(), *inputs_of(5, 2), None, path=path, dropout=0.1,
            cu_seq_lens_q=ends_of([5]), max_length_q=5,
        )  # fmt: skip


def test_a_choice_is_made_once_and_refused_at_the_start():
    cpu = torch.device("cpu")
    assert attention.choose("auto", device=cpu, dtype=torch.bfloat16) == "sdpa"
    assert attention.choose("sdpa", device=cpu, dtype=torch.float32) == "sdpa"
    with pytest.raises(UsageError, match="it takes CUDA, and the device of this run is cpu; leave it at auto"):
        attention.choose("varlen", device=cpu, dtype=torch.bfloat16)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with a GPU trains on it")
@pytest.mark.parametrize(("path", "said"), [("flex", "no backward pass on a CPU"), ("varlen", "takes CUDA")])
def test_training_on_a_cpu_is_refused_before_anything_is_loaded(dataset, model, tmp_path, capsys, path, said):
    words = (dataset, "--model", model, "--out", tmp_path / "run", "--set", f"model.attention={path}")
    assert command(*words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith(f"error[GT0250]: model.attention {path} cannot be used here: ")
    assert said in lines[-1]
    assert not any("loading" in line for line in lines)
    assert not (tmp_path / "run").exists()


def test_a_run_per_document_is_the_run_by_default_and_goes_on_as_it(dataset, model, tmp_path, capsys):
    words = (dataset, "--model", model, *SIZES, "--schedule", "constant", "--warmup", 0, "--save-every", 1)
    assert command(*words, "--out", tmp_path / "one", "--max-steps", 2) == 0
    assert command(*words, "--out", tmp_path / "two", "--max-steps", 1, "--set", "model.attention=sdpa") == 0
    assert "model.attention sdpa" in capsys.readouterr().err
    assert command(*words, "--out", tmp_path / "two", "--max-steps", 2, "--resume", "auto") == 0
    losses = [[line["loss"] for line in metrics(tmp_path / name)] for name in ("one", "two")]
    assert losses[0] == losses[1]
