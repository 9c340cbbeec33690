"""Thirty-seven traps that trainers of language models fall into, and the tests that keep this one out of them.

Loss
 1 mean of means: test_traps::test_the_first_gradient_is_that_of_the_mean_over_all_tokens
 2 the same over ranks: test_processes::test_two_processes_give_the_losses_of_one_from_the_start_and_from_its_checkpoint
 3 scaled twice: test_traps::test_the_first_gradient_is_that_of_the_mean_over_all_tokens
 4 the model's own loss: test_traps::test_the_model_never_computes_the_loss
 5 nothing supervised: test_losses::test_an_empty_pack_has_no_loss_a_gradient_of_zero_and_the_same_metrics

Packing and attention
 6 a cache hides the documents: test_attention::test_a_pack_gives_each_document_the_logits_and_gradients_it_has_alone
 7 more than one row: test_traps::test_two_rows_at_once_are_refused
 8 a mask beside the documents: test_traps::test_neither_a_mask_nor_shifted_positions_open_the_documents
 9 positions that begin elsewhere: test_traps::test_neither_a_mask_nor_shifted_positions_open_the_documents
10 the first label of a document: test_collate::test_the_first_token_of_a_document_is_never_a_target
11 a mask as large as T x T: test_traps::test_no_mask_is_made_for_a_pack
12 context parallelism: test_traps::test_what_would_cut_a_pack_over_devices_is_refused
13 samples cut and glued together: test_items::test_an_item_is_never_split_over_packs
14 ranks with unequal steps: test_plan::test_any_world_size_and_resume_point_see_every_example_once_per_epoch

Order and resuming
15 a loader that is cut twice: test_traps::test_no_loader_is_handed_to_accelerate_and_no_kernel_is_patched_in
16 samples repeated at the end: test_plan::test_every_example_stands_in_exactly_one_pack_that_holds_it
17 a loader's state: test_resume::test_killed_three_times_at_any_moment_it_is_the_uninterrupted_run
18 resuming in a later epoch: test_resume::test_resumed_after_any_step_it_is_the_uninterrupted_run
19 packs counted as samples: test_resume::test_killed_three_times_at_any_moment_it_is_the_uninterrupted_run
20 another number of processes: test_resume::test_on_one_process_then_two_then_one_it_is_the_run_on_one

Reference, adapters and tokens
21 a reference that sees the goal: test_passes::test_kl_is_the_divergence_over_the_vocabulary_from_the_goal_free_prompt
22 an adapter that stays on: test_passes::test_the_reference_is_the_model_without_its_adapter_on_each_answer_alone
23 new tokens and tied weights: test_goal_token_runs::test_the_card_loads_the_run_and_merging_gives_its_logits
24 all of the head: test_goal_rows::test_only_adapters_and_goal_rows_get_a_gradient_and_no_matrix_as_large_as_the_vocabulary_is_made
25 serving: test_goal_token_runs::test_answers_follow_the_goal_that_is_asked_for_and_a_merged_model_answers_alike
26 checkpointing that trains none: test_traps::test_every_adapter_moves_under_gradient_checkpointing
27 the dtype of adapters: test_training::test_sixteen_bit_models_keep_float32_adapters
28 rates that 16 bit rounds away: test_traps::test_a_rate_that_sixteen_bits_would_round_away_moves_weights
29 an adapter on the head: test_traps::test_an_adapter_on_the_head_is_refused_and_all_linear_has_none

Tokens and labels
30 prompts that are no prefix: test_generate::test_inference_sees_the_ids_that_training_saw
31 a dict instead of ids: test_tokens::test_a_prompt_has_the_ids_that_any_server_gives_it
32 two beginnings: test_traps::test_a_conversation_begins_once
33 an end that is masked: test_traps::test_the_end_is_learned_though_it_is_the_padding_too
34 no room for the answer: test_hostile_runs::test_118_prompts_that_leave_no_room_for_an_answer_are_left_out_and_counted
35 labels shifted twice: test_training::test_a_reported_loss_is_that_of_plain_forwards_through_the_reloaded_adapter
36 a kernel's wrong gradients: test_head::test_chunks_give_what_full_logits_give_with_all_gradients
37 patched forwards: test_traps::test_no_loader_is_handed_to_accelerate_and_no_kernel_is_patched_in
"""  # noqa: E501

import ast
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

import gcsl_train
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import UsageError
from gcsl_train import attention, launch
from gcsl_train import model as models
from gcsl_train.collate import collate
from gcsl_train.config import Lora
from gcsl_train.plan import steps
from gcsl_train.shards import read_examples
from gcsl_train.table import tokenise
from gcsl_train.tokens import Encoder

from .support import CHATML, command, make_tokenizer, metrics
from .test_attention import LENGTHS, documents, model_with, packed, separate

SIZES = ("--max-length", 128, "--packs-per-step", 3)
ADAPTER = "adapter/adapter_model.safetensors"
ROWS = re.findall(r"^ ?(\d+) .*: (test_\w+)::(test_\w+)$", str(__doc__), re.MULTILINE)


def test_every_trap_has_a_test_that_exists():
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 38))
    for _, file, name in ROWS:
        tree = ast.parse((Path(__file__).parent / f"{file}.py").read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"


def tokens_of(dataset, model):
    manifest = load(dataset)
    encoder = Encoder(AutoTokenizer.from_pretrained(model), manifest.format)
    return tokenise(read_examples(dataset, manifest), encoder, capacity=128), encoder


def test_the_first_gradient_is_that_of_the_mean_over_all_tokens(dataset, model, tmp_path):
    """Of the packs of a step one has far fewer answers than another; each token counts the same."""
    assert command(dataset, "--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 1) == 0
    table, _ = tokens_of(dataset, model)
    first = next(steps(table.lengths, seed=0, capacity=128, packs_per_step=3))
    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    adapted = models.add_lora(plain, Lora(), name="tiny", seed=0)
    losses = []
    for pack in first.packs:
        ours = []
        for member in pack:
            ids = torch.from_numpy(table.documents[member].astype("int64"))
            answer = len(ids) - int(table.prompt_lengths[member])
            logits = adapted(input_ids=ids[None]).logits[0, -answer - 1 : -1]
            ours.append(F.cross_entropy(logits, ids[-answer:], reduction="none"))
        losses.append(torch.cat(ours))
    torch.cat(losses).mean().backward()
    norm = torch.stack([p.grad.norm() for p in adapted.parameters() if p.grad is not None]).norm()
    [line] = metrics(tmp_path / "run")
    assert line["loss"] == pytest.approx(float(torch.cat(losses).mean()), rel=1e-5)
    assert line["grad_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert abs(sum(float(loss.mean()) for loss in losses) / 3 - line["loss"]) > 1e-3


def test_the_model_never_computes_the_loss(dataset, model, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the model was asked for its loss")

    monkeypatch.setattr(LlamaForCausalLM, "loss_function", refuse)
    assert command(dataset, "--model", model, "--out", tmp_path / "run", *SIZES, "--max-steps", 1) == 0


def test_two_rows_at_once_are_refused():
    ours = model_with(attention.register())
    ends = torch.tensor([0, 4], dtype=torch.int32)
    lengths = {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": 4, "max_length_k": 4}
    with pytest.raises(ValueError, match="takes one pack"):
        ours(input_ids=torch.zeros(2, 4, dtype=torch.int64), **lengths)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("options", [{}, {"use_cache": True}, {"use_cache": False}])
@pytest.mark.parametrize("kind", ["mask", "positions"])
def test_neither_a_mask_nor_shifted_positions_open_the_documents(kind, options, checkpointing):
    ours, alone = model_with(attention.register()), separate(model_with("eager"), documents())
    if checkpointing:
        models.checkpoint_activations(ours)
    if kind == "mask":
        together = packed(ours, documents(), attention_mask=torch.ones(1, sum(LENGTHS), dtype=torch.int64), **options)
    else:
        ends = torch.tensor([0, *torch.tensor(LENGTHS).cumsum(0).tolist()], dtype=torch.int32)
        positions = torch.cat([torch.arange(n) + 2 for n in LENGTHS])[None]  # rotary positions count differences only
        lengths = {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": 9, "max_length_k": 9}
        ids = torch.cat(documents())[None]
        together = ours(input_ids=ids, position_ids=positions, **lengths, **options).logits[0]
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


def test_no_mask_is_made_for_a_pack(monkeypatch):
    seen, real = [], F.scaled_dot_product_attention

    def watched(query, key, value, **options):
        seen.append((query.shape[2], options.get("attn_mask")))
        return real(query, key, value, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    with torch.no_grad():
        packed(model_with(attention.register()), documents())
    assert [length for length, _ in seen] == [*LENGTHS, *LENGTHS]  # two layers
    assert all(mask is None for _, mask in seen)


@pytest.mark.parametrize("kind", ["FSDP", "DEEPSPEED", "MEGATRON_LM"])
def test_what_would_cut_a_pack_over_devices_is_refused(monkeypatch, kind):
    import accelerate
    from accelerate.utils import DistributedType

    class Other:
        """Stands for an Accelerator whose kind takes several devices to make."""

        num_processes, distributed_type = 1, DistributedType[kind]

        def __init__(self, **options):
            assert options["gradient_accumulation_steps"] == 1

    monkeypatch.setattr(accelerate, "Accelerator", Other)
    with pytest.raises(UsageError, match="is not supported; run on one device"):
        launch.start()


def test_no_loader_is_handed_to_accelerate_and_no_kernel_is_patched_in():
    for path in Path(str(gcsl_train.__file__)).parent.glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        others = ("torch.utils.data", "torchdata", "liger_kernel", "triton", "kernels", "flash_attn")
        assert not [name for name in imported if name.startswith(others)], path
        prepared = [
            ast.unparse(call)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".prepare")
        ]
        assert set(prepared) <= {"accelerator.prepare(policy)"}, path


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_adapter_moves_under_gradient_checkpointing(dataset, model, tmp_path, dtype):
    flags = ("--gradient-checkpointing", "--max-steps", 2, "--dtype", dtype)
    assert command(dataset, "--model", model, "--out", tmp_path / "run", *SIZES, *flags) == 0
    found = load_file(tmp_path / "run" / ADAPTER)
    moved = {name: float(tensor.abs().max()) for name, tensor in found.items() if "lora_B" in name}
    assert len(moved) == 14  # seven matrices in each of two layers
    assert all(moved.values()), moved


def test_a_rate_that_sixteen_bits_would_round_away_moves_weights(dataset, model, tmp_path):
    adapters = {}
    for name, rate in {"still": 0, "moved": 1e-7}.items():
        flags = ("--dtype", "bfloat16", "--max-steps", 3, "--learning-rate", rate)
        assert command(dataset, "--model", model, "--out", tmp_path / name, *SIZES, *flags) == 0
        adapters[name] = load_file(tmp_path / name / ADAPTER)
    for name, still in adapters["still"].items():
        if "lora_A" in name:
            moved = adapters["moved"][name]
            assert not torch.equal(moved, still), name
            assert (moved.bfloat16() == still.bfloat16()).float().mean() > 0.95  # there the steps would have been lost


def test_an_adapter_on_the_head_is_refused_and_all_linear_has_none(dataset, model, tmp_path, capsys):
    words = (dataset, "--model", model, *SIZES, "--max-steps", 1)
    assert command(*words, "--out", tmp_path / "head", "--target-modules", "lm_head") == 2
    assert "its output head is not a plain linear layer" in capsys.readouterr().err
    assert command(*words, "--out", tmp_path / "all") == 0
    assert not [name for name in load_file(tmp_path / "all" / ADAPTER) if "lm_head" in name]


@pytest.mark.parametrize("adds", [False, True])
def test_a_conversation_begins_once(tmp_path, adds):
    """The template writes the beginning, and the tokenizer may add one of its own to any text."""
    from tokenizers.processors import TemplateProcessing

    tokenizer = make_tokenizer(tmp_path, template="{{ bos_token }}" + CHATML)
    tokenizer.bos_token = "<|endoftext|>"
    bos = tokenizer.bos_token_id
    if adds:
        one = TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", bos)])
        tokenizer.backend_tokenizer.post_processor = one
    encoder = Encoder(tokenizer, "messages")
    ids = encoder.prompt([{"role": "user", "content": "red"}])
    assert (ids[0], ids.count(bos)) == (bos, 1)
    assert bos not in encoder.completion([{"role": "assistant", "content": "red"}])


def test_the_end_is_learned_though_it_is_the_padding_too(dataset, model):
    table, encoder = tokens_of(dataset, model)
    end = encoder.tokenizer.eos_token_id
    assert encoder.tokenizer.pad_token_id == end == encoder.end_ids[-1]
    batch = collate(table, range(4))
    assert int((batch.targets_S == end).sum()) == 4
    assert batch.document_S[batch.targets_S == end].tolist() == [0, 1, 2, 3]
