"""The reward embedding inside a model: its values against a plain forward, its gradients, and the same however packed."""

import dataclasses
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from gcsl_data.dataset.goal import place
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import UsageError
from gcsl_data.normalisation import Number
from gcsl_train import attention, config, goal_tokens, reward_embedding
from gcsl_train.collate import collate
from gcsl_train.goals import REWARD_TOKEN, Embedded, from_manifest
from gcsl_train.losses import LOSSES
from gcsl_train.model import add_lora
from gcsl_train.policy import Policy, verify
from gcsl_train.reward_embedding import Scale, scale_of
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

from .support import encoder_for, make_model, make_reward_dataset, make_reward_rows
from .test_passes import passes_for, step

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def policy_for(model, dataset, *, moved=True):
    manifest = load(dataset)
    tokens = encoder_for(model, manifest).goals
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation=attention.register())
    peft_model = add_lora(base, config.Lora(), name=str(model), seed=1)
    embedding = reward_embedding.fresh(base, tokens, scale_of(dataset, manifest), seed=0)
    reward_embedding.attach(peft_model, embedding)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, parameter in peft_model.named_parameters():
            if moved and ("lora_B" in name or "reward_embedding" in name):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return Policy(peft_model, compute=torch.float32, goals=tokens).train()


def table_for(model, dataset, *, bare=None):
    manifest = load(dataset)
    rows = reward_embedding.placed(
        read_examples(dataset, manifest), from_manifest(manifest), scale_of(dataset, manifest)
    )
    return tokenise(rows, encoder_for(model, manifest), capacity=512, bare=bare)


@pytest.mark.parametrize("placement", ["prefix", "suffix", "system"])
def test_a_soft_token_stands_where_a_goal_would_and_is_made_of_the_reward(base, placement, tmp_path):
    """Against transformers alone: each document by itself, its embeddings laid out by hand."""
    dataset = make_reward_dataset(tmp_path / "d", placement=placement)
    policy, table = policy_for(base, dataset), table_for(base, dataset)
    found_S = policy(batch := collate(table, (3, 0, 6, 1))).tokens.logp_S

    plain = policy.causal_lm.eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    first = len(tokenizer)
    tokenizer.add_tokens([REWARD_TOKEN], special_tokens=True)
    rows, embedding = make_reward_rows(24), policy.model.reward_embedding
    rewards = [row["reward"] for row in rows]
    mean, deviation = statistics.fmean(rewards), statistics.stdev(rewards)
    expected = []
    for item in (3, 0, 6, 1):
        prompt = place(rows[item]["prompt"], REWARD_TOKEN, placement)
        text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        prompt_ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = torch.tensor(prompt_ids + tokenizer(rows[item]["completion"][0]["content"])["input_ids"])
        ids = torch.cat([ids, ids.new_tensor([tokenizer.eos_token_id])])
        assert (ids == first).sum() == 1
        z = torch.tensor([(rewards[item] - mean) / deviation])
        with torch.no_grad():
            hidden = torch.nn.functional.gelu(embedding.first.weight[:, 0] * z + embedding.first.bias)
            soft_H = embedding.second.weight @ hidden + embedding.second.bias
            embeds_TH = plain.get_input_embeddings().weight[ids.where(ids != first, 0)].clone()
            embeds_TH[ids == first] = soft_H
            end = torch.tensor([0, len(ids)], dtype=torch.int32)
            one = {"cu_seq_lens_q": end, "cu_seq_lens_k": end, "max_length_q": len(ids), "max_length_k": len(ids)}
            logits_TV = plain(inputs_embeds=embeds_TH[None], use_cache=False, **one).logits[0, :, :first]
        logp_TV = logits_TV.log_softmax(-1)
        expected += [logp_TV[at - 1, ids[at]] for at in range(len(prompt_ids), len(ids))]
    torch.testing.assert_close(found_S.detach(), torch.stack(expected), atol=1e-4, rtol=1e-4)
    assert batch.ids_1T.max() == first


def test_only_the_network_and_the_adapter_get_gradients(model, reward_dataset):
    policy = policy_for(model, reward_dataset)
    policy(collate(table_for(model, reward_dataset), (0, 1, 2))).tokens.logp_S.sum().backward()
    graded = {name for name, p in policy.named_parameters() if p.grad is not None}
    assert graded == {name for name, p in policy.named_parameters() if p.requires_grad}
    assert graded == {n for n, _ in policy.named_parameters() if "lora_" in n or "reward_embedding" in n}
    assert policy.causal_lm.get_input_embeddings().weight.grad is None
    for name, parameter in policy.model.reward_embedding.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_a_token_of_rewards_is_no_row_and_no_prediction(base, reward_dataset):
    before = AutoModelForCausalLM.from_pretrained(base).get_input_embeddings().weight.shape
    policy = policy_for(base, reward_dataset)
    assert policy.causal_lm.get_input_embeddings().weight.shape == before
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert policy.vocabulary == slice(len(tokenizer))
    verify(policy)


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.kind == "examples"])
def test_neither_packing_nor_accumulation_nor_an_empty_rank_changes_a_step(name, model, reward_dataset):
    bare = "prefix" if LOSSES[name].reference == "goal-free" else None
    made = passes_for(name, policy_for(model, reward_dataset), table_for(model, reward_dataset, bare=bare))
    items = tuple(range(7))
    one = step(*made, [items])
    for packs in ([items[::-1]], [items[:2], items[2:]], [(), *[(i,) for i in items]]):
        other = step(*made, packs)
        assert other[0] == pytest.approx(one[0], rel=1e-5)
        for ours, theirs in zip(one[2], other[2], strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-4)


def test_an_empty_pack_owes_a_gradient_of_zero(model, reward_dataset):
    made = passes_for("sft", policy_for(model, reward_dataset), table_for(model, reward_dataset))
    assert all(not gradient.any() for gradient in step(*made, [()])[2])


def test_before_training_every_reward_reads_as_the_mean_row_and_so_does_the_reference(model, reward_dataset):
    fresh, moved = (policy_for(model, reward_dataset, moved=m).eval() for m in (False, True))
    batch = collate(table_for(model, reward_dataset), (0, 1, 2, 3))
    rows = fresh.causal_lm.get_input_embeddings().weight
    for reward in (-5.0, 0.0, 1.0):
        torch.testing.assert_close(fresh.model.reward_embedding.of(reward), rows.detach().mean(dim=0))
    with torch.no_grad():
        start_S = fresh(batch).tokens.logp_S
    torch.testing.assert_close(start_S, fresh.reference_logp(batch), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(start_S, moved.reference_logp(batch), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(start_S, moved(batch).tokens.logp_S, atol=1e-2)


def test_the_goal_free_prompt_is_the_prompt_of_the_log(model, reward_dataset):
    table = table_for(model, reward_dataset, bare="prefix")
    encoder = encoder_for(model, load(reward_dataset))
    for item, row in enumerate(make_reward_rows(4)):
        assert table.bare[item].tolist() == encoder.prompt(row["prompt"])


def test_a_log_that_spells_the_token_does_not_become_it(model, tmp_path):
    rows = make_reward_rows(2)
    for row in rows:
        row["prompt"] = [{"role": "user", "content": f"{REWARD_TOKEN} or {REWARD_TOKEN}?"}]
        row["completion"] = [{"role": "assistant", "content": f"{REWARD_TOKEN}!"}]
    table = table_for(model, make_reward_dataset(tmp_path / "d", rows))
    for document in range(2):
        assert (table.documents[document] == len(AutoTokenizer.from_pretrained(model))).sum() == 1


@pytest.mark.parametrize("placement", ["prefix", "suffix"])
def test_plain_text_has_the_token_at_its_place_too(model, placement, tmp_path):
    turns = make_reward_rows(4)
    rows = [{**r, **{n: r[n][0]["content"] for n in ("prompt", "completion")}} for r in turns]
    dataset = make_reward_dataset(tmp_path / "d", rows, text=True, placement=placement)
    table, first = table_for(model, dataset), len(AutoTokenizer.from_pretrained(model))
    for document in range(4):
        ids = table.prompt(document).tolist()
        assert ids.count(first) == 1
        assert (ids[0] if placement == "prefix" else ids[-1]) == first


def test_rewards_far_from_zero_stay_apart(model, tmp_path):
    """In float32 all four would be one number before they are standardised."""
    rows = [{**row, "reward": 1e12 + number} for number, row in enumerate(make_reward_rows(4))]
    numbers = table_for(model, make_reward_dataset(tmp_path / "d", rows)).numbers["reward"]
    np.testing.assert_allclose(numbers, (np.arange(4) - 1.5) / statistics.stdev(range(4)), rtol=1e-6)


def test_the_scale_is_that_of_the_train_split_or_of_its_fit(tmp_path, reward_dataset):
    manifest, rewards = load(reward_dataset), [row["reward"] for row in make_reward_rows(24)]
    found = scale_of(reward_dataset, manifest)
    assert (found.mean, found.deviation) == pytest.approx((statistics.fmean(rewards), statistics.stdev(rewards)))
    fitted = dataclasses.replace(manifest.fit, deviation=Number(value=0.25, hex=(0.25).hex()))
    assert scale_of(reward_dataset, dataclasses.replace(manifest, fit=fitted)) == Scale(manifest.fit.mean, 0.25)
    equal = make_reward_dataset(tmp_path / "d", [{**row, "reward": 0.5} for row in make_reward_rows(3)])
    assert scale_of(equal, load(equal)) == Scale(0.5, 1.0)


def test_the_seed_decides_the_first_layer(model, reward_dataset):
    base = AutoModelForCausalLM.from_pretrained(model)
    tokens = goal_tokens.add(AutoTokenizer.from_pretrained(model), from_manifest(load(reward_dataset)))
    one, same, other = (reward_embedding.fresh(base, tokens, Scale(0.0, 1.0), seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.first.weight, same.first.weight)
    assert not torch.equal(one.first.weight, other.first.weight)


def test_the_network_computes_in_float32_inside_a_sixteen_bit_body(model, reward_dataset):
    embedding = policy_for(model, reward_dataset).model.reward_embedding
    rewards_M = torch.tensor([0.1, 0.7])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = embedding(rewards_M)
    assert narrow.dtype == torch.float32
    assert torch.equal(narrow, embedding(rewards_M))


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([1, -1]))
def test_a_reward_that_is_asked_for_is_in_the_unit_of_the_log(logged, sign):
    found = Embedded(inference=0.5, minimum=0.0, maximum=1.0, sign=sign)
    asked = found.ask(repr(logged))
    assert asked.reward == sign * logged
    assert found.logged(asked.reward) == logged
    assert found.ask("highest").reward == 0.5


@pytest.mark.parametrize("wanted", ["lowest", "", "nan", "inf", "-inf", "1e999", "best", "Write well.", "0,9"])
def test_what_is_no_reward_cannot_be_asked_for(wanted):
    with pytest.raises(UsageError, match=r"ask for a number such as -0\.5, for highest, or none"):
        Embedded(inference=0.5, minimum=0.0, maximum=1.0, sign=-1).ask(wanted)


def test_a_tokenizer_that_has_the_token_is_refused(reward_dataset, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(make_model(tmp_path / "m"))
    tokenizer.add_tokens([REWARD_TOKEN])
    book = from_manifest(load(reward_dataset))
    with pytest.raises(UsageError, match=r"tokenizer has <\|reward\|> already"):
        goal_tokens.add(tokenizer, book)
    assert goal_tokens.find(tokenizer, book) is None
    assert Encoder(tokenizer, "messages").goals is None
