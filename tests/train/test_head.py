# ruff: noqa: N803
import shutil

import pytest
import torch

from gcsl_train.head import LogitRule, token_logprobs
from tests.train.support import command, metrics


def reference(hidden_SH, weight_VH, targets_S, bias_V, rule):
    """The same from all logits at once, in float32."""
    logits_SV = torch.nn.functional.linear(hidden_SH.float(), weight_VH.float(), bias_V) * rule.scale
    if rule.softcap is not None:
        logits_SV = rule.softcap * torch.tanh(logits_SV / rule.softcap)
    logp_SV = torch.log_softmax(logits_SV, dim=-1)
    entropy_S = -(logp_SV.exp() * logp_SV).sum(-1)
    return logp_SV.gather(1, targets_S[:, None])[:, 0], entropy_S, logits_SV.argmax(-1) == targets_S


def case(rows, *, dtype=torch.float32, bias=False):
    torch.manual_seed(1)
    hidden_SH = torch.randn(rows, 16).to(dtype).requires_grad_()
    weight_VH = torch.randn(41, 16).to(dtype).requires_grad_()
    bias_V = torch.randn(41).requires_grad_() if bias else None
    return hidden_SH, weight_VH, torch.randint(0, 41, (rows,)), bias_V


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("rule", [LogitRule(), LogitRule(scale=0.25, softcap=3.0)])
@pytest.mark.parametrize("bias", [False, True])
def test_chunks_give_what_full_logits_give_with_all_gradients(rows, rule, bias):
    hidden_SH, weight_VH, targets_S, bias_V = case(rows, bias=bias)
    inputs = [x for x in (hidden_SH, weight_VH, bias_V) if x is not None]
    upstream_S = torch.randn(rows)
    ours = token_logprobs(hidden_SH, weight_VH, targets_S, bias_V=bias_V, rule=rule, chunk=4)
    theirs = reference(hidden_SH, weight_VH, targets_S, bias_V, rule)
    our_grads = torch.autograd.grad((ours.logp_S * upstream_S).sum(), inputs)
    their_grads = torch.autograd.grad((theirs[0] * upstream_S).sum(), inputs)
    torch.testing.assert_close(ours.logp_S, theirs[0])
    torch.testing.assert_close(ours.entropy_S, theirs[1])
    assert torch.equal(ours.top1_S, theirs[2])
    for mine, other in zip(our_grads, their_grads, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, about itself
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiled kernels need a C++ compiler; there is no g++ here")
@pytest.mark.parametrize("rule", [LogitRule(), LogitRule(scale=0.25, softcap=3.0)])
def test_compiled_kernels_give_what_plain_ones_give(rule):
    hidden_SH, weight_VH, targets_S, bias_V = case(11, bias=True)
    found = {}
    for kernels in ("torch", "compiled"):
        scores = token_logprobs(hidden_SH, weight_VH, targets_S, bias_V=bias_V, rule=rule, chunk=4, kernels=kernels)
        found[kernels] = (*scores, *torch.autograd.grad(scores.logp_S.sum(), [hidden_SH, weight_VH, bias_V]))
    for plain, compiled in zip(found["torch"], found["compiled"], strict=True):
        torch.testing.assert_close(compiled, plain)
    with torch.no_grad():
        again = token_logprobs(hidden_SH, weight_VH, targets_S, bias_V=bias_V, rule=rule, kernels="compiled")
    torch.testing.assert_close(again.logp_S, found["torch"][0])


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiled kernels need a C++ compiler; there is no g++ here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_with_compiled_kernels_is_that_with_plain_ones(dataset, model, tmp_path):
    words = (dataset, "--model", model, "--max-length", 96, "--packs-per-step", 2, "--max-steps", 3)
    for kernels in ("torch", "compiled"):
        assert command(*words, "--out", tmp_path / kernels, "--set", f"model.kernels={kernels}") == 0
    plain, compiled = metrics(tmp_path / "torch"), metrics(tmp_path / "compiled")
    for name in ("loss", "entropy", "token_accuracy", "grad_norm"):
        assert [line[name] for line in compiled] == pytest.approx([line[name] for line in plain], rel=1e-4)


def test_kernels_that_nothing_can_compile_are_refused(dataset, model, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    words = (dataset, "--model", model, "--out", tmp_path / "run", "--set", "model.kernels=compiled")
    assert command(*words) == 2
    assert "needs a C++ compiler (no-such-compiler)" in capsys.readouterr().err


def test_sixteen_bit_inputs_are_multiplied_in_float32():
    hidden_SH, weight_VH, targets_S, _ = case(9, dtype=torch.bfloat16)
    ours = token_logprobs(hidden_SH, weight_VH, targets_S, chunk=4)
    torch.testing.assert_close(ours.logp_S, reference(hidden_SH, weight_VH, targets_S, None, LogitRule())[0])
    ours.logp_S.sum().backward()
    assert hidden_SH.grad is not None
    assert hidden_SH.grad.dtype == torch.bfloat16


def test_a_frozen_head_gets_no_gradient():
    hidden_SH, weight_VH, targets_S, _ = case(6)
    token_logprobs(hidden_SH, weight_VH.requires_grad_(False), targets_S).logp_S.sum().backward()
    assert weight_VH.grad is None
    assert hidden_SH.grad is not None


def test_no_rows_give_no_scores_and_a_gradient_of_zero():
    hidden_TH = torch.randn(3, 16, requires_grad=True)
    weight_VH = torch.randn(41, 16)
    none = torch.zeros(0, dtype=torch.int64)
    token_logprobs(hidden_TH[none], weight_VH, none).logp_S.sum().backward()
    assert torch.equal(hidden_TH.grad, torch.zeros(3, 16))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; this machine has none")
def test_the_cuda_product_matches_the_reference():
    hidden_SH, weight_VH, targets_S, _ = case(9, dtype=torch.bfloat16)
    on_gpu = token_logprobs(hidden_SH.cuda(), weight_VH.cuda(), targets_S.cuda(), chunk=4)
    theirs = reference(hidden_SH, weight_VH, targets_S, None, LogitRule())[0]
    torch.testing.assert_close(on_gpu.logp_S.cpu(), theirs, atol=1e-3, rtol=1e-3)


def test_autocast_does_not_round_the_scores():
    hidden_SH, weight_VH, targets_S, _ = case(9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours = token_logprobs(hidden_SH, weight_VH, targets_S, chunk=4)
    torch.testing.assert_close(ours.logp_S, reference(hidden_SH, weight_VH, targets_S, None, LogitRule())[0])


def test_a_gradient_of_a_gradient_is_refused_because_it_would_be_wrong():
    hidden_SH, weight_VH, targets_S, _ = case(6)
    logp_S = token_logprobs(hidden_SH, weight_VH, targets_S, chunk=4).logp_S
    (grad_SH,) = torch.autograd.grad((logp_S**2).sum(), hidden_SH, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad_SH.sum().backward()
