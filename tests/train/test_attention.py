# ruff: noqa: N803
import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM

from gcsl_data.errors import UsageError
from gcsl_train import attention
from gcsl_train.model import checkpoint_activations
from gcsl_train.policy import Policy, verify

from .support import command, make_model, metrics, tiny_model

LENGTHS = (5, 1, 9, 4)


def documents(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 97, (n,), generator=generator) for n in LENGTHS]


def model_with(name, family="llama", **options):
    torch.manual_seed(3)
    model = tiny_model(family, **options).train()
    model.set_attn_implementation(name)
    return model


def packed(model, parts, **options):
    """Logits (T, V) of all documents in one row."""
    ends = torch.tensor([0, *torch.tensor([len(p) for p in parts]).cumsum(0).tolist()], dtype=torch.int32)
    positions = torch.cat([torch.arange(len(p)) for p in parts])[None]
    longest = max(len(p) for p in parts)
    lengths = {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}
    return model(input_ids=torch.cat(parts)[None], position_ids=positions, **lengths, **options).logits[0]


def separate(model, parts):
    """Logits (T, V) of each document alone under transformers' own attention."""
    return torch.cat([model(input_ids=part[None]).logits[0] for part in parts])


def gradients(model, logits_TV):
    weights_TV = torch.linspace(-1, 1, logits_TV.numel()).view_as(logits_TV)
    model.zero_grad()
    (logits_TV * weights_TV).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("options", [{}, {"use_cache": False}, {"use_cache": True}])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_pack_gives_each_document_the_logits_and_gradients_it_has_alone(family, options, checkpointing):
    ours, theirs = model_with(attention.register(), family), model_with("eager", family)
    if checkpointing:
        checkpoint_activations(ours)
    our_logits_TV, their_logits_TV = packed(ours, documents(), **options), separate(theirs, documents())
    torch.testing.assert_close(our_logits_TV, their_logits_TV, atol=2e-5, rtol=1e-4)
    our_grads, their_grads = gradients(ours, our_logits_TV), gradients(theirs, their_logits_TV)
    for name in their_grads:
        torch.testing.assert_close(our_grads[name], their_grads[name], atol=1e-4, rtol=1e-3)


def test_without_document_ends_the_same_row_leaks():
    """The negative control: what the test above would catch."""
    theirs = model_with("sdpa")
    with torch.no_grad():
        positions = torch.cat([torch.arange(n) for n in LENGTHS])[None]
        plain_TV = theirs(input_ids=torch.cat(documents())[None], position_ids=positions).logits[0]
        difference = (plain_TV - separate(theirs, documents())).abs().max()
    assert difference > 0.01


def test_a_sliding_window_stays_inside_the_document():
    torch.manual_seed(0)
    query = torch.randn(1, 4, 19, 8)
    key, value = torch.randn(1, 2, 19, 8), torch.randn(1, 2, 19, 8)
    ends = torch.tensor([0, *torch.tensor(LENGTHS).cumsum(0).tolist()], dtype=torch.int32)
    ours, _ = attention.document_attention(
        torch.nn.Module(), query, key, value, None, sliding_window=3, cu_seq_lens_q=ends, max_length_q=9
    )
    at = torch.arange(19)
    document = torch.searchsorted(ends[1:].long(), at, right=True)
    distance = at[:, None] - at[None, :]
    mask = (document[:, None] == document[None, :]) & (distance >= 0) & (distance < 3)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), attn_mask=mask
    )
    torch.testing.assert_close(ours, expected.transpose(1, 2))


def test_a_score_cap_in_the_attention_is_refused():
    ends = torch.tensor([0, 3], dtype=torch.int32)
    x = torch.randn(1, 2, 3, 8)
    with pytest.raises(UsageError, match="softcap"):
        attention.document_attention(torch.nn.Module(), x, x, x, None, cu_seq_lens_q=ends, max_length_q=3, softcap=50.0)


def test_a_model_that_mixes_documents_is_refused_before_training():
    config = BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2)
    with pytest.raises(UsageError, match="see each other"):
        verify(Policy(BloomForCausalLM(config), compute=torch.float32))
    verify(Policy(model_with(attention.register()), compute=torch.float32))


def test_a_model_whose_scores_we_would_get_wrong_is_refused():
    model = model_with(attention.register())
    model.config.logits_scaling = 4.0  # a llama does not divide its scores
    with pytest.raises(UsageError, match="scores"):
        verify(Policy(model, compute=torch.float32))


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; this machine has none")
@pytest.mark.parametrize("window", [None, 3, 150])
@pytest.mark.parametrize("path", ["sdpa", "varlen", "flex"])
def test_on_cuda_each_path_gives_outputs_and_gradients_of_attention_per_document(path, window):
    torch.manual_seed(0)
    for lengths in (LENGTHS, (200, 1, 300, 11)):
        tokens = sum(lengths)
        ends = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32, device="cuda")
        shapes = ((1, 4, tokens, 64), (1, 2, tokens, 64), (1, 2, tokens, 64))
        narrow = [torch.randn(s, device="cuda", dtype=torch.bfloat16, requires_grad=True) for s in shapes]
        plain = [x.detach().float().requires_grad_() for x in narrow]
        options = {"sliding_window": window, "cu_seq_lens_q": ends, "max_length_q": max(lengths)}
        one, _ = attention.document_attention(torch.nn.Module(), *narrow, None, path=path, room=512, **options)
        two, _ = attention.document_attention(torch.nn.Module(), *plain, None, path="sdpa", **options)
        torch.testing.assert_close(one.float(), two, atol=2e-2, rtol=2e-2)
        one.float().square().sum().backward()
        two.square().sum().backward()
        for mine, other in zip(narrow, plain, strict=True):
            torch.testing.assert_close(mine.grad.float(), other.grad, atol=5e-2, rtol=5e-2)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; this machine has none")
def test_on_cuda_flex_holds_no_scores_compiles_once_and_refuses_small_heads():
    def attend(lengths, head_size=64):
        ends = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32, device="cuda")
        shape = (1, 2, sum(lengths), head_size)
        inputs = [torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
        options = {"cu_seq_lens_q": ends, "max_length_q": max(lengths)}
        out, _ = attention.document_attention(torch.nn.Module(), *inputs, None, path="flex", room=8192, **options)
        out.sum().backward()

    attend((3000, 5000))
    torch.cuda.reset_peak_memory_stats()
    with torch._dynamo.config.patch(error_on_recompile=True):
        attend((1, 4000, 4190))
    assert torch.cuda.max_memory_allocated() < 2 * 8192 * 8192  # bytes, as many as scores of one head in 16 bit
    with pytest.raises(UsageError, match="heads of 16 numbers and more, and the model has 8"):
        attend((5,), head_size=8)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; this machine has none")
@pytest.mark.parametrize("path", ["auto", "sdpa", "varlen", "flex"])
def test_on_cuda_a_run_learns_the_same_whatever_the_path(dataset, path, tmp_path):
    model = make_model(tmp_path / "model", head_dim=16)
    words = (dataset, "--model", model, "--max-length", 128, "--packs-per-step", 2, "--max-steps", 3)
    for name, chosen in (("ours", path), ("plain", "sdpa")):
        assert command(*words, "--out", tmp_path / name, "--set", f"model.attention={chosen}") == 0
    ours, plain = ([line["loss"] for line in metrics(tmp_path / name)] for name in ("ours", "plain"))
    assert ours == pytest.approx(plain, rel=2e-2)
    if path == "varlen":
        assert command(*words, "--out", tmp_path / "x", "--set", "model.attention=varlen", "--dtype", "float32") == 2
