"""Every loss against numbers worked out by hand, its gradient, its limits, and that a sum over packs is a sum."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from gcsl_data.errors import UsageError
from gcsl_train import __main__, config
from gcsl_train.collate import collate
from gcsl_train.divergence import Divergence
from gcsl_train.loss import Scored
from gcsl_train.losses import LOSSES
from gcsl_train.meter import StepReport
from gcsl_train.objective import choose

from .tables import scored, table

# Two answers of two tokens and one, then of one and two: log-probabilities of the model and of the reference.
ANSWERS = ((-1.0, -2.0), (-0.5,), (-3.0,), (-0.25, -0.75))
REFERENCE = ((-1.5, -2.5), (-0.25,), (-2.0,), (-1.25, -0.25))
RHO = (1.0, -0.25, -1.0, 0.5)  # sums of the differences
STATE = {"alphadpo": (0.25, 0.5), "kto": (0.125,)}


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def objective(name, **settings):
    return choose(config.Loss(name=name, settings=settings), LOSSES[name].kind)


def pack_for(name, answers=ANSWERS, reference=REFERENCE, *, dtype=torch.float32, **changes):
    """A pack of the kind that a loss takes."""
    kind = LOSSES[name].kind
    if name == "kl":
        tokens = sum(map(len, answers))
        values = torch.linspace(0.1, 0.7, tokens, dtype=dtype)
        changes.setdefault("divergence", Divergence(values, 2 * values))
    count = len(answers)
    layout = {
        "examples": {"weight": [1.0, 0.5, -1.0, 2.0][:count]},
        "pairs": {
            "items": [2] * (count // 2),
            "smoothing": [0.1, 0.1, 0.3, 0.3][:count],
            "weight": [1, 1, 2, 2][:count],
        },
        "multi-negative": {"items": [count], "weight": [2.0] * count},
        "unpaired": {"label": [1.0, 0.0, 0.0, 1.0][:count], "weight": [1.0, 1.0, 2.0, 0.5][:count]},
        "groups": {"items": [count], "advantage": [1.5, -0.5, -1.25, 0.25][:count]},
    }[kind]
    return scored(*answers, reference=reference, state=STATE.get(name, ()), dtype=dtype, **{**layout, **changes})


def value(name, pack=None, **settings):
    return float(objective(name, **settings).total(pack_for(name) if pack is None else pack).total.detach())


def by_hand():
    """Name, settings, and the loss of `pack_for(name)` as plain arithmetic."""
    margin_1, margin_2 = RHO[0] - RHO[1], RHO[2] - RHO[3]  # 1.25 and -1.5
    yield "sft", {}, 3 + 0.5 * 0.5 - 3 + 2 * 1
    kl = sum(0.1 + 0.1 * i * 1.2 for i in range(6))
    yield "kl", {}, 2.25 + 0.05 * kl
    yield "kl", {"coefficient": 0.5, "direction": "reference-policy"}, 2.25 + 0.5 * 2 * kl
    yield "dft", {}, (
        math.exp(-1) + 2 * math.exp(-2) + 0.25 * math.exp(-0.5) - 3 * math.exp(-3)
        + 2 * (0.25 * math.exp(-0.25) + 0.75 * math.exp(-0.75))
    )  # fmt: skip
    weights = [math.exp(0.5), math.exp(-0.25), math.exp(-1), math.exp(0.25)]
    yield "iw-sft", {}, weights[0] * 3 + weights[1] * 0.25 - weights[2] * 3 + weights[3] * 2
    yield "iw-sft", {"power": 8.0}, 16 * 3 + math.exp(-2) * 0.25 - math.exp(-8) * 3 + math.exp(2) * 2
    yield "iw-sft-token", {}, (
        math.exp(0.5) * 3 + math.exp(-0.25) * 0.25 - math.exp(-1) * 3 + 2 * (1.8 * 0.25 + math.exp(-0.5) * 0.75)
    )  # fmt: skip
    yield "iw-sft-token", {"low": 0.9, "high": 1.1}, 1.1 * 3 + 0.9 * 0.25 - 0.9 * 3 + 2 * (1.1 * 0.25 + 0.9 * 0.75)
    # Below 0.3 are exp(-2) and exp(-3); exp(-1) and larger are not.
    yield "gft", {"threshold": 0.3}, (
        1.5 * (1 + 2 * math.exp(-2)) - 0.5 * 0.5 - 1.25 * 3 * math.exp(-3) + 0.25 * (0.25 + 0.75)
    )  # fmt: skip
    yield "dpo", {}, -math.log(sigmoid(0.1 * margin_1)) - 2 * math.log(sigmoid(0.1 * margin_2))
    yield "dpo", {"beta": 0.5}, -math.log(sigmoid(0.5 * margin_1)) - 2 * math.log(sigmoid(0.5 * margin_2))
    smoothed = [
        -(1 - e) * math.log(sigmoid(0.1 * m)) - e * math.log(sigmoid(-0.1 * m))
        for e, m in ((0.1, margin_1), (0.3, margin_2))
    ]
    yield "cdpo", {}, smoothed[0] + 2 * smoothed[1]
    means = (-1.5 + 0.5, -3.0 + 0.5)  # mean log p of the chosen minus that of the rejected
    yield "simpo", {}, -math.log(sigmoid(2 * means[0] - 0.5)) - 2 * math.log(sigmoid(2 * means[1] - 0.5))
    z = [(0.5 + 0.25 - 0.25) / 0.5, (-1 - 0.25 - 0.25) / 0.5]  # gaps 0.75 and -1.25, mean 0.25, deviation 0.5
    yield "alphadpo", {}, (
        -math.log(sigmoid(2.5 * (means[0] - (0.6 + 0.2 * z[0]))))
        - 2 * math.log(sigmoid(2.5 * (means[1] - (0.6 + 0.2 * z[1]))))
    )  # fmt: skip
    behind = sum(math.exp(0.1 * (r - RHO[0])) for r in RHO[1:])
    yield "sdpo", {}, -2 * math.log(sigmoid(-math.log(behind)))
    yield "kto", {}, (
        (1 - sigmoid(0.1 * (1.0 - 0.125))) + (1 - sigmoid(0.1 * (0.125 + 0.25)))
        + 2 * (1 - sigmoid(0.1 * (0.125 + 1.0))) + 0.5 * (1 - sigmoid(0.1 * (0.5 - 0.125)))
    )  # fmt: skip
    yield "kto", {"desirable": 2.0, "undesirable": 0.0, "beta": 1.0}, (
        2 * (1 - sigmoid(1.0 - 0.125)) + 0.5 * 2 * (1 - sigmoid(0.5 - 0.125))
    )  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "expected"), list(by_hand()))
def test_the_value_worked_out_by_hand(name, settings, expected):
    assert value(name, **settings) == pytest.approx(expected, rel=1e-5)


def test_every_loss_has_a_value_worked_out_by_hand():
    assert {name for name, _, _ in by_hand()} == set(LOSSES)


@pytest.mark.parametrize("name", ["sft", "dpo", "cdpo", "simpo", "sdpo", "kto", "kl"])
def test_the_gradient_is_that_of_the_value(name):
    pack = pack_for(name, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda values: objective(name).total(dataclasses.replace(pack, logp_S=values)).total, pack.logp_S
    )


@pytest.mark.parametrize("name", ["dft", "iw-sft", "iw-sft-token", "gft"])
def test_no_gradient_goes_through_what_only_weighs(name):
    """A weighted sum of log-probabilities whose weights are held is linear: its value is its gradient times its argument."""
    pack = pack_for(name, dtype=torch.float64)
    total = objective(name).total(pack).total
    (grad_S,) = torch.autograd.grad(total, pack.logp_S)
    assert float((grad_S * pack.logp_S).sum().detach()) == pytest.approx(float(total.detach()))


def test_no_gradient_goes_through_the_margins_of_alphadpo():
    pack = pack_for("alphadpo", dtype=torch.float64)
    gap_I = pack.lead_R(pack.mean_N(pack.ratio_S)).detach()
    target_I = 2.5 * (0.6 + 0.2 * (gap_I - 0.25) / 0.5)
    held_I = torch.nn.functional.logsigmoid(2.5 * pack.lead_R(pack.mean_N(pack.logp_S)) - target_I)
    (grad_S,) = torch.autograd.grad(objective("alphadpo").total(pack).total, pack.logp_S, retain_graph=True)
    torch.testing.assert_close(grad_S, torch.autograd.grad(-(pack.number_I("weight") * held_I).sum(), pack.logp_S)[0])


def test_without_a_difference_from_the_reference_importance_weighting_is_sft():
    for name in ("iw-sft", "iw-sft-token"):
        assert value(name, pack_for(name, reference=ANSWERS)) == pytest.approx(value("sft"), rel=1e-6)


def test_one_expert_with_advantage_one_and_threshold_zero_is_sft():
    expert = scored(ANSWERS[0], advantage=[1.0])
    assert value("gft", expert, threshold=0.0) == value("sft", scored(ANSWERS[0]))


def test_dft_is_gft_with_advantage_one_and_a_threshold_above_one():
    pack = scored(*ANSWERS, (0.0, -30.0), advantage=[1.0] * 5)
    assert value("gft", pack, threshold=1.5) == value("dft", pack)


def test_with_one_negative_sdpo_is_dpo():
    pairs = pack_for("dpo")
    assert value("sdpo", pairs, beta=0.7) == pytest.approx(value("dpo", pairs, beta=0.7), rel=1e-6)


def test_without_smoothing_cdpo_is_dpo():
    assert value("cdpo", pack_for("cdpo", smoothing=[0.0] * 4)) == value("dpo")


def test_without_alpha_alphadpo_is_simpo():
    pairs = pack_for("alphadpo")
    assert value("alphadpo", pairs, alpha=0.0, beta=3.0, gamma=0.2) == pytest.approx(
        value("simpo", pairs, beta=3.0, gamma=0.2)
    )


def test_where_all_gaps_are_equal_alphadpo_has_the_plain_margin():
    pairs = pack_for("alphadpo", reference=ANSWERS)
    statistic = LOSSES["alphadpo"].statistic
    state = statistic.carry((), statistic.sums(pairs).tolist())
    assert state == (0.0, 0.0)
    assert value("alphadpo", dataclasses.replace(pairs, state=state)) == pytest.approx(
        value("simpo", pairs, beta=2.5, gamma=1.5)
    )


def test_alphadpo_carries_running_mean_and_deviation_over_steps():
    statistic = LOSSES["alphadpo"].statistic
    gaps = torch.tensor([0.75, -1.25])
    sums = statistic.sums(pack_for("alphadpo")).tolist()
    first = statistic.carry((), sums)
    assert first == pytest.approx((float(gaps.mean()), float(gaps.std())))
    assert statistic.carry((0.0, 0.0), sums) == first  # before the first update all gaps are equal
    second = statistic.carry((1.0, 2.0), sums)
    assert second == pytest.approx((0.9 + 0.1 * first[0], 1.8 + 0.1 * first[1]))


def test_a_step_of_one_pair_says_nothing_of_a_deviation():
    statistic = LOSSES["alphadpo"].statistic
    one = statistic.sums(pack_for("alphadpo", ANSWERS[:2], REFERENCE[:2])).tolist()
    assert one == pytest.approx([0.75, 0.75**2, 1])
    assert statistic.carry((0.25, 0.5), one) == pytest.approx((0.9 * 0.25 + 0.1 * 0.75, 0.5))
    assert statistic.carry((), one) == pytest.approx((0.75, 0.0))


def test_where_nothing_deviates_rounding_is_no_margin_for_alphadpo():
    pairs = pack_for("alphadpo")
    gap = float(pairs.lead_R(pairs.mean_N(pairs.ratio_S))[0].detach())
    nearly = dataclasses.replace(pairs, state=(gap - 1e-6, 0.0))
    assert value("alphadpo", nearly) == pytest.approx(value("simpo", pairs, beta=2.5, gamma=1.5))


def test_kto_estimates_a_divergence_that_is_never_negative():
    statistic = LOSSES["kto"].statistic
    sums = statistic.sums(pack_for("kto")).tolist()
    assert sums == pytest.approx([sum(RHO), 4])
    assert statistic.carry((9.0,), sums) == (pytest.approx(0.25 / 4),)
    assert statistic.carry((), [-3.0, 4.0]) == (0.0,)
    assert statistic.carry((), [0.0, 0.0]) == (0.0,)  # no mismatched answer fitted


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_an_empty_pack_has_no_loss_a_gradient_of_zero_and_the_same_metrics(name):
    full = pack_for(name)
    batch = collate(table(([1], [2]), **{n: [0.0] for n in full.batch.numbers_N}), ())
    none = torch.zeros(0, requires_grad=True)
    pack = Scored(
        batch=batch, logp_S=none, reference_S=torch.zeros(0), divergence=Divergence(none, none), state=full.state
    )
    outcome = objective(name).total(pack)
    assert float(outcome.total.detach()) == 0.0
    assert torch.autograd.grad(outcome.total, none)[0].shape == (0,)
    assert outcome.metrics.keys() == objective(name).total(full).metrics.keys()
    if statistic := LOSSES[name].statistic:
        assert statistic.sums(pack).tolist() == [0.0] * len(statistic.sums(full))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_sum_over_packs_is_that_of_one_pack(name):
    whole = pack_for(name) if LOSSES[name].kind != "multi-negative" else pack_for(name, items=[2, 2])
    halves = []
    for part in (slice(0, 2), slice(2, 4)):
        start, end = (sum(map(len, ANSWERS[: i or 0])) for i in (part.start, part.stop))
        divergence = whole.divergence and Divergence(*(d[start:end] for d in whole.divergence))
        own = {n: c[part].tolist() for n, c in whole.batch.numbers_N.items()}
        items = [2] if LOSSES[name].kind in ("pairs", "multi-negative", "groups") else None
        halves.append(pack_for(name, ANSWERS[part], REFERENCE[part], items=items, **own, divergence=divergence))
    outcomes = [objective(name).total(pack) for pack in (whole, *halves)]
    totals = [float(o.total.detach()) for o in outcomes]
    assert totals[0] == pytest.approx(totals[1] + totals[2], rel=1e-6)
    for metric in outcomes[0].metrics:
        one, *parts = (float(o.metrics[metric]) for o in outcomes)
        assert one == pytest.approx(sum(parts), rel=1e-6)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_metrics_of_a_loss_do_not_hide_those_of_every_run(name):
    metrics = objective(name).total(pack_for(name)).metrics
    assert not metrics.keys() & {field.name for field in dataclasses.fields(StepReport)}
    assert not any(metric.requires_grad for metric in metrics.values())


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.reference == "same-prompt"])
def test_a_missing_reference_is_an_error(name):
    with pytest.raises(ValueError, match="no log-probabilities of a reference"):
        objective(name).total(pack_for(name, reference=None))


def test_a_loss_refuses_datasets_of_another_kind_and_names_those_that_fit():
    assert choose(config.Loss(), "examples").loss is LOSSES["sft"]
    with pytest.raises(UsageError, match=r"takes datasets of kind 'examples', this one is 'unpaired'.*\(kto\)"):
        choose(config.Loss(), "unpaired")


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("dpo", {"betta": 0.1}, "loss 'dpo' has no setting 'betta'; did you mean 'beta'"),
        ("sft", {"beta": 0.1}, "loss 'sft' has no setting 'beta'; it has no settings"),
        ("dpo", {"beta": -1.0}, "loss.beta must be a finite number that is not negative"),
        ("dpo", {"beta": math.nan}, "loss.beta must be a finite number"),
        ("dpo", {"beta": "high"}, "loss.beta must be a finite number"),
        ("dpo", {"beta": True}, "loss.beta must be a finite number"),
        ("dpo", {"beta": 10**400}, "loss.beta must be a finite number"),
        ("dpo", {"beta": 1e300}, r"loss.beta must be a finite number that is not negative \(at most 3.4e\+38\)"),
        ("simpo", {"beta": 0}, "loss.beta must be above 0, or nothing is learned"),
        ("iw-sft-token", {"low": 2}, "loss.low must not be above loss.high, found 2 and 1.8"),
        ("kl", {"direction": "forward"}, "loss.direction must be one of policy-reference, reference-policy"),
    ],
)
def test_a_setting_that_a_loss_cannot_take_is_refused(name, settings, said):
    with pytest.raises(UsageError, match=said):
        objective(name, **settings)


@pytest.mark.parametrize(
    ("name", "smoothing", "said"),
    [
        ("dpo", [0.0, 0.2], "loss 'dpo' does not read the smoothing of these pairs (up to 0.2); 'cdpo' does"),
        ("simpo", [0.1], "loss 'simpo' does not read"),
        ("alphadpo", [0.1], "loss 'alphadpo' does not read"),
        ("dpo", [0.0, 0.0], None),
        ("cdpo", [0.0, 0.2], None),
        ("cdpo", [0.0, 0.0], "no pair has a smoothing for loss 'cdpo' to read, so it is plain DPO here"),
        ("sdpo", None, None),
    ],
)
def test_a_smoothing_that_nobody_reads_is_said(name, smoothing, said):
    numbers = {"weight": np.ones(2)} | ({} if smoothing is None else {"smoothing": np.asarray(smoothing, np.float32)})
    warning = objective(name).warning(numbers)
    assert warning is None if said is None else said in warning


def test_a_run_records_every_setting_of_its_loss():
    assert objective("simpo", beta=3).as_json() == {
        "name": "simpo",
        "normaliser": "items",
        "reference": "none",
        "beta": 3.0,
        "gamma": 0.5,
    }


def test_the_command_line_names_the_losses_there_are():
    said = __main__._LOSSES.removeprefix("[sft] ")
    assert ["sft", *said.split(", ")] == list(LOSSES)
