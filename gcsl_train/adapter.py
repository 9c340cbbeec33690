"""The finished adapter: PEFT's files and a model card, and the way back from a run folder to a model that answers."""

import copy
import json
import stat
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from gcsl_data.errors import DataError, InputError, UsageError
from gcsl_train import card, goal_tokens, reward_embedding
from gcsl_train import goals as goal_books
from gcsl_train import model as models
from gcsl_train.checkpoint import ADAPTER, Files
from gcsl_train.errors import reason, translated
from gcsl_train.files import staged_folder, write_json, write_tensors
from gcsl_train.goal_tokens import GoalTokens
from gcsl_train.goals import GoalBook
from gcsl_train.reward_embedding import RewardEmbedding
from gcsl_train.runfolder import RunFolder
from gcsl_train.say import Say
from gcsl_train.tokens import Encoder
from gcsl_train.weights import weights_sha256


def write(folder: Path, model: Any, weights: Files, *, book: GoalBook, base: str, encoder: Encoder, loss: str) -> None:
    """Write adapter_model.safetensors, adapter_config.json and README.md, whole or not at all.

    Where goals are tokens, the tokenizer that has them is written too; where they are rewards, the network that embeds them.
    """
    config = copy.copy(model.peft_config["default"])
    config.inference_mode = True
    config.base_model_name_or_path = base
    if not isinstance(config.target_modules, str):
        config.target_modules = sorted(config.target_modules)  # PEFT keeps a set, whose order differs from run to run
    with staged_folder(folder) as staging:
        for name, tensors in weights.items():
            write_tensors(staging / name, tensors)
        config.save_pretrained(str(staging))
        (staging / "README.md").write_text(
            card.of_adapter(book, base=base, goals=encoder.goals, loss=loss), encoding="utf-8"
        )
        if encoder.goals and not encoder.goals.soft:
            encoder.tokenizer.save_pretrained(str(staging))


def base_of(run: RunFolder, model: str | None) -> models.Source:
    """The base model of a run: the hub id it recorded, or the `--model` that was given, whose hash must be the recorded one.

    Raises InputError (66) for an unfinished run, UsageError (2) when a local base has to be named, DataError (65) when
    another model was given.
    """
    if not (run.adapter / ADAPTER).is_file():
        raise InputError("GT6606", f"{run.path} has no adapter yet; finish it with train ... --resume auto")
    recorded = run.describe().get("model")
    if not isinstance(recorded, dict) or not {"kind", "name", "sha256"} <= recorded.keys():
        raise DataError("GT6515", f"{run.record} names no model; is this a run of gcsl-train?")
    if model is None:
        if recorded["kind"] != "hub":
            raise UsageError("GT0216", f"the base model {recorded['name']} is a local file; say where with --model")
        model = recorded["name"]
    source = models.find(str(model))
    if weights_sha256(source) != recorded["sha256"]:
        raise DataError("GT6520", f"{source.name} is not the {recorded['name']} that {run.path} was trained on")
    return source


def put_on(base: Any, run: RunFolder, goals: GoalTokens | None) -> Any:
    """The base model with the run's adapter on it, ready to generate; `goals` are those that are tokens, if any are.

    Raises DataError (65) for an adapter that is damaged or of another model, a reward embedding likewise, and one whose goals
    have other ids.
    """
    from peft import PeftModel

    rows = goals if goals and not goals.soft else None
    if rows:
        goal_tokens.make_room(base, rows)
    try:
        model = PeftModel.from_pretrained(base, str(run.adapter)).eval()
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
        if translated(error):
            raise
        raise DataError("GT6525", f"{run.adapter} is damaged ({reason(error)}); train it again") from None
    trained = getattr(model.peft_config["default"], "trainable_token_indices", None)
    if trained != (list(rows.ids) if rows else None):
        raise DataError(
            "GT6530",
            f"{run.adapter} has goal tokens of other ids than its base's tokenizer gives them; "
            "use the model it was trained on",
        )
    return reward_embedding.attach(model, _embedding_of(run, base)) if goals and goals.soft else model


def _embedding_of(run: RunFolder, base: Any) -> RewardEmbedding:
    embedding = reward_embedding.read(run.adapter / reward_embedding.FILE)
    size = base.get_input_embeddings().weight.shape[1]
    if embedding.size != size:
        raise DataError(
            "GT6535",
            f"{run.adapter / reward_embedding.FILE} makes embeddings of {embedding.size} numbers, the model has {size}; "
            "train it again",
        )
    return embedding.eval()


def merge(run: RunFolder, *, model: str | None, out: Path, say: Say) -> None:
    """Write the base model with the adapter folded in, as a plain float32 model folder with its tokenizer and a card.

    Goals that are tokens are in both; transformers then never generates one. What ends an answer here ends it there too, a
    template's end of turn that is not the tokenizer's own end among it. Folding in 16 bit would round the update away,
    hence float32. Raises OutputError (73) when `out` exists, UsageError (2) where goals are rewards.
    """
    run.check_here()
    book = goal_books.read(run.goals)
    if book.embedded:
        raise UsageError(
            "GT0230",
            f"{run.path} embeds rewards with a network of its own, which no plain model folder can hold; "
            "use RUN with generate",
        )
    RunFolder(out).check_free(resuming=False)
    RunFolder(out).check_writable()
    source = base_of(run, model)
    tokenizer = models.load_tokenizer(source)
    goals = goal_tokens.add(tokenizer, book)
    say(f"loading {source.name} ...")
    base = models.load_model(source, dtype=torch.float32, attention="sdpa")
    merged = put_on(base, run, goals).merge_and_unload()
    stops = Encoder(tokenizer, book.format, goals=goals).stop_ids(merged.generation_config.eos_token_id)
    say("writing the merged model ...")
    with staged_folder(out) as staging:
        merged.save_pretrained(str(staging))
        tokenizer.save_pretrained(str(staging))
        (staging / "README.md").write_text(card.of_merged(book, base=source.name), encoding="utf-8")
        _finish_settings(staging / "generation_config.json", stops, goals)
        mode = stat.S_IMODE((staging / "config.json").stat().st_mode)
        for path in staging.glob(
            "*.safetensors"
        ):  # its writer lets the owner alone read it; a server may be another user
            path.chmod(mode)


def _finish_settings(path: Path, stops: list[int], goals: GoalTokens | None) -> None:
    """Adds to the generation config of a model how its answers end, and that they hold no goal.

    In the file, because transformers checks all of a config that was changed and refuses what many models ship.
    """
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["eos_token_id"] = stops
    if goals:
        settings["suppress_tokens"] = list(goals.ids)
    write_json(path, settings)
