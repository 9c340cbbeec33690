import re
from pathlib import Path

import pytest
import torch

import gcsl_train
from gcsl_data.errors import UsageError
from gcsl_train.losses import LOSSES, choose, sft


def test_sft_is_minus_the_weighted_sum():
    logp_S = torch.tensor([-1.0, -2.0, -4.0], requires_grad=True)
    loss = sft(logp_S, torch.tensor([1.0, 0.5, 0.0]))
    loss.backward()
    assert loss.item() == 2.0
    assert logp_S.grad.tolist() == [-1.0, -0.5, 0.0]


def test_an_empty_pack_has_no_loss():
    none = torch.zeros(0, requires_grad=True)
    assert sft(none, torch.zeros(0)).item() == 0.0


def test_a_loss_refuses_datasets_of_another_kind():
    assert choose("sft", "examples") is LOSSES["sft"]
    with pytest.raises(UsageError, match="takes datasets of kind 'examples', this one is 'pairs'"):
        choose("sft", "pairs")


def test_the_command_line_names_the_losses_there_are():
    source = (Path(gcsl_train.__file__).parent / "__main__.py").read_text()
    (said,) = re.findall(r"help=\"\[sft\](.*?)\"", source)
    assert sorted({"sft", *re.findall(r"\w+", said)}) == sorted(LOSSES)
