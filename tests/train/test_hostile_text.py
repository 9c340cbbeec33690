"""Text of a log never becomes structure: 200 hostile texts for each tokenizer at hand, as prompts, roles and answers."""

import json
from collections import Counter

import pytest
from transformers import PreTrainedTokenizerFast

from gcsl_data.dataset.goal import remove
from gcsl_data.dataset.manifest import load
from gcsl_train import model as models
from gcsl_train.generate import make_jobs, read_prompts
from gcsl_train.goals import from_manifest
from gcsl_train.shards import read_examples
from gcsl_train.tokens import Encoder

from .hostile_text import hostile_texts
from .support import CHATML, GOALS, TOKENS, encoder_for, make_dataset, make_token_dataset, make_tokenizer


def plain_bpe(folder):
    return make_tokenizer(folder)


def end_is_unknown(folder):
    """As GPT-2 and SmolLM2 have it: one token for the end of text and for what is unknown, which bytes never are."""
    tokenizer = make_tokenizer(folder)
    tokenizer.unk_token = "<|endoftext|>"
    return tokenizer


def normalising(folder):
    """Its added tokens are looked for in text that was folded to one width and to lower case."""
    from tokenizers import AddedToken, normalizers

    tokenizer = make_tokenizer(folder)
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.add_tokens([AddedToken("<|folded|>", normalized=True, special=True)])
    return tokenizer


def few_characters(folder):
    """A vocabulary of pieces that has a token for the characters it lacks."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    pieces = [
        ("<unk>", 0.0),
        ("<|im_start|>", 0.0),
        ("<|im_end|>", 0.0),
        *((c, -2.0) for c in "▁abcdefghijklmnopqrstuvwxyz<|>_.\n"),
    ]
    raw = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", unk_token="<unk>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = CHATML
    return tokenizer


MADE = {f.__name__: f for f in (plain_bpe, end_is_unknown, normalising, few_characters)}


@pytest.fixture(scope="module", params=[*MADE, pytest.param("smollm2", marks=pytest.mark.real_model)])
def tokenizer(request, tmp_path_factory):
    if request.param == "smollm2":
        return models.load_tokenizer(models.find(str(request.getfixturevalue("smollm2"))))
    return MADE[request.param](tmp_path_factory.mktemp(request.param))


def lacks_characters(tokenizer):
    return json.loads(tokenizer.backend_tokenizer.to_str())["model"]["type"] == "Unigram"


def structure(tokenizer):
    """Every id that no text may become: the whole list, whatever the encoder thinks of it.

    The unknown token is not in it where a vocabulary lacks characters.
    """
    return {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder} - (
        {tokenizer.unk_token_id} if lacks_characters(tokenizer) else set()
    )


@pytest.fixture(scope="module")
def counted(tokenizer):
    """How often each structural id stands in a list of ids."""
    own = structure(tokenizer)
    return lambda ids: Counter(i for i in ids if i in own)


def user(text, role="user"):
    return [{"role": role, "content": text}]


@pytest.fixture(scope="module")
def texts(tokenizer):
    found = hostile_texts(tokenizer)
    assert len(set(found)) == 200
    return found


def test_no_text_becomes_structure(tokenizer, counted, texts):
    chat, plain = Encoder(tokenizer, "messages"), Encoder(tokenizer, "text")
    harmless = counted(chat.prompt(user("red")))
    assert sum(harmless.values()) >= 2
    for text in texts:
        assert counted(chat.prompt(user(text))) == harmless, text
        assert counted(chat.prompt([*user("be kind", "system"), *user(text)])).total() >= harmless.total()
        assert not counted(plain.prompt(text)), text
        for encoder, answer in ((chat, user(text, "assistant")), (plain, text)):
            ids = encoder.completion(answer)
            assert ids[-len(encoder.end_ids) :] == encoder.end_ids
            assert not counted(ids[: -len(encoder.end_ids)]), text


def test_no_role_becomes_structure(tokenizer, counted, texts):
    encoder = Encoder(tokenizer, "messages")
    harmless = counted(encoder.prompt(user("red", "tool")))
    for text in texts:
        assert counted(encoder.prompt(user("red", text))) == harmless, text


def test_every_text_comes_back(tokenizer, texts):
    lacks = lacks_characters(tokenizer)
    if lacks or tokenizer.backend_tokenizer.normalizer is not None:
        texts = [text for text in texts if set(text) <= set("abcdefghijklmnopqrstuvwxyz<|>_.")]  # what it keeps
        assert len(texts) > 3
    chat = Encoder(tokenizer, "messages")
    for text in texts:
        answer = chat.completion(user(text, "assistant"))[: -len(chat.end_ids)]
        back = tokenizer.decode(answer, clean_up_tokenization_spaces=False)
        assert (back.replace("▁", "").replace(" ", "") if lacks else back) == text
        whole = tokenizer.decode(chat.prompt(user(text)), clean_up_tokenization_spaces=False)
        assert text in whole or lacks


@pytest.mark.parametrize("form", ["messages", "text", "tokens"])
def test_training_and_generation_see_the_same_ids(tokenizer, texts, tmp_path, form):
    if form == "tokens" and lacks_characters(tokenizer):
        pytest.skip("this vocabulary numbers no goals")
    plain, goals = form == "text", TOKENS if form == "tokens" else GOALS
    rows = [row_of(number, text, goals[number % 2], plain) for number, text in enumerate(texts)]
    make = make_token_dataset if form == "tokens" else make_dataset
    dataset = make(tmp_path / "d", rows, text=plain)
    manifest = load(dataset)
    book = from_manifest(manifest)
    tokenizer.save_pretrained(tmp_path / "t")
    encoder = encoder_for(tmp_path / "t", manifest)
    examples = list(read_examples(dataset, manifest))
    assert len(examples) == 200
    for index in (2, 3):
        asked = book.ask(str(index))
        mine = [example for example, row in zip(examples, rows, strict=True) if row["goal_index"] == index]
        bare = [remove(example.prompt, asked.text, manifest.placement) for example in mine]
        file = tmp_path / f"{index}.jsonl"
        file.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in bare))
        jobs = make_jobs(read_prompts(str(file)), book, asked, encoder, n=1)
        goal = asked.text if form == "tokens" else None
        for job, example in zip(jobs, mine, strict=True):
            assert job.ids == encoder.prompt(example.prompt, goal), example.prompt
            found = [i for i in job.ids if encoder.goals and i in encoder.goals.ids]
            assert len(found) == (form == "tokens")


def row_of(number, text, goal, plain):
    prompt, completion = f"{goal}\n\n{text}", text
    if not plain:
        prompt, completion = user(prompt), user(text, "assistant")
    own = {"id": f"{number:016x}", "goal": goal, "goal_index": 2 + number % 2}
    return {**own, "prompt": prompt, "completion": completion}


@pytest.mark.parametrize("half", ["\ud800", "a\udfffb"])
def test_half_a_character_is_no_text(tmp_path, half):
    encoder = Encoder(make_tokenizer(tmp_path), "text")
    with pytest.raises((TypeError, UnicodeEncodeError)):
        encoder.prompt(half)


def test_the_tokenizer_itself_would_make_structure_of_them(tmp_path):
    """The negative control: what would happen without care."""
    tokenizer = end_is_unknown(tmp_path)
    own = structure(tokenizer)
    careless = [own & {*tokenizer(text)["input_ids"]} for text in hostile_texts(tokenizer)]
    assert sum(bool(found) for found in careless) > 60
