# ruff: noqa: N803
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gcsl_train.divergence import token_divergence
from gcsl_train.head import LogitRule


def reference(hidden_SH, reference_SH, weight_VH, bias_V, rule):
    """The same from all logits at once."""

    def logp(states_SH):
        logits_SV = torch.nn.functional.linear(states_SH.float(), weight_VH.float(), bias_V) * rule.scale
        if rule.softcap is not None:
            logits_SV = rule.softcap * torch.tanh(logits_SV / rule.softcap)
        return torch.log_softmax(logits_SV, dim=-1)

    ours, theirs = logp(hidden_SH), logp(reference_SH)
    return (ours.exp() * (ours - theirs)).sum(-1), (theirs.exp() * (theirs - ours)).sum(-1)


def case(rows, *, dtype=torch.float32):
    torch.manual_seed(5)
    hidden_SH = torch.randn(rows, 16).to(dtype).requires_grad_()
    return hidden_SH, torch.randn(rows, 16).to(dtype), torch.randn(41, 16).to(dtype)


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 11])
@pytest.mark.parametrize("rule", [LogitRule(), LogitRule(scale=0.25, softcap=3.0)])
@pytest.mark.parametrize("bias_V", [None, torch.linspace(-1, 1, 41)])
@pytest.mark.parametrize("used", [(1.0, 0.0), (0.0, 1.0), (0.7, -0.3)])
def test_chunks_give_what_full_logits_give_with_the_gradient(rows, rule, bias_V, used):
    hidden_SH, reference_SH, weight_VH = case(rows)
    ours = token_divergence(hidden_SH, reference_SH, weight_VH, bias_V=bias_V, rule=rule, chunk=4)
    theirs = reference(hidden_SH, reference_SH, weight_VH, bias_V, rule)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4)
    upstream_S = torch.linspace(-1, 2, rows)
    grads = [
        torch.autograd.grad(sum(u * (d * upstream_S).sum() for u, d in zip(used, both, strict=True) if u), hidden_SH)[0]
        for both in (ours, theirs)
    ]
    torch.testing.assert_close(grads[0], grads[1], atol=1e-5, rtol=1e-4)


def test_three_words_worked_out_by_hand():
    """Logits are the hidden states themselves: p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2)."""
    p, q = torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([[0.25, 0.25, 0.5]])
    ours = token_divergence(p.log().requires_grad_(), q.log(), torch.eye(3))
    log2 = float(torch.log(torch.tensor(2.0)))
    assert ours.forward_S.tolist() == pytest.approx([0.5 * log2 - 0.25 * log2])
    assert ours.backward_S.tolist() == pytest.approx([0.5 * log2 - 0.25 * log2])
    skewed = torch.tensor([[0.8, 0.1, 0.1]])
    ours = token_divergence(skewed.log().requires_grad_(), q.log(), torch.eye(3))
    expected = [
        sum(a * torch.log(torch.tensor(a / b)).item() for a, b in zip(x, y, strict=True))
        for x, y in (((0.8, 0.1, 0.1), (0.25, 0.25, 0.5)), ((0.25, 0.25, 0.5), (0.8, 0.1, 0.1)))
    ]
    assert [float(d.detach()) for d in ours] == pytest.approx(expected)


def test_the_gradient_of_the_divergence_from_the_reference_is_that_of_soft_labels():
    hidden_SH, reference_SH, weight_VH = case(6)
    backward_S = token_divergence(hidden_SH, reference_SH, weight_VH, chunk=4).backward_S
    labels_SV = torch.softmax(reference_SH @ weight_VH.t(), dim=-1)
    soft = torch.nn.functional.cross_entropy(hidden_SH @ weight_VH.t(), labels_SV, reduction="sum")
    ours, theirs = (torch.autograd.grad(total, hidden_SH)[0] for total in (backward_S.sum(), soft))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_equal_states_have_no_divergence_and_no_gradient():
    hidden_SH, _, weight_VH = case(6)
    ours = token_divergence(hidden_SH, hidden_SH.detach(), weight_VH)
    assert [d.tolist() for d in ours] == [[0.0] * 6] * 2
    grad_SH = torch.autograd.grad(ours.forward_S.sum() + ours.backward_S.sum(), hidden_SH)[0]
    assert float(grad_SH.abs().max()) < 1e-6


def test_sixteen_bit_inputs_are_multiplied_in_float32():
    hidden_SH, reference_SH, weight_VH = case(9, dtype=torch.bfloat16)
    ours = token_divergence(hidden_SH, reference_SH, weight_VH, chunk=4)
    theirs = reference(hidden_SH, reference_SH, weight_VH, None, LogitRule())
    torch.testing.assert_close(ours.forward_S, theirs[0], atol=1e-4, rtol=1e-4)
    ours.forward_S.sum().backward()
    assert hidden_SH.grad.dtype == torch.bfloat16


class Shapes(TorchDispatchMode):
    """The shapes of every tensor that an operator gives."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.seen |= {tuple(t.shape) for t in (out if isinstance(out, tuple | list) else [out]) if hasattr(t, "shape")}
        return out


def test_no_more_logits_than_those_of_a_chunk_are_ever_held():
    hidden_SH, reference_SH, weight_VH = case(11)
    with Shapes() as shapes:
        ours = token_divergence(hidden_SH, reference_SH, weight_VH, chunk=4)
        (ours.forward_S.sum() + ours.backward_S.sum()).backward()
    transposed = (16, 41)  # the weight
    logits = {shape for shape in shapes.seen if shape[-1:] == (41,) and shape != transposed}
    assert max(shape[0] for shape in logits) == 4
