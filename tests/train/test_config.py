import dataclasses
import inspect
import re

import pytest

from gcsl_data.errors import InputError, UsageError
from gcsl_train.config import FLAGS, resolve

NEEDED = {"DIR": "d", "model": "m", "out": "o"}


def test_flags_win_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        '[data]\ndataset = "d"\nmax-length = 512\n[model]\nname = "m"\n[run]\nout = "o"\nseed = 7\n[lora]\nrank = 4\n'
    )
    config = resolve(str(path), {"seed": 9, "learning-rate": None})
    assert (config.data.max_length, config.run.seed, config.lora.rank) == (512, 9, 4)
    assert (config.optim.learning_rate, config.run.packs_per_step) == (1e-4, 8)


def test_the_defaults_are_the_documented_ones():
    config = resolve(None, NEEDED)
    assert (config.run.epochs, config.run.save_every, config.run.resume, config.loss.name) == (1, 100, "never", "sft")
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout, config.lora.target_modules) == (
        16,
        32,
        0.0,
        "all-linear",
    )
    assert (config.optim.schedule, config.optim.warmup, config.optim.clip, config.optim.weight_decay) == (
        "cosine",
        0.03,
        1.0,
        0.0,
    )
    assert (config.data.max_length, config.model.dtype, config.run.max_steps) == (2048, "auto", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[optim]\nlearnig_rate = 1.0", "did you mean 'learning_rate'"),
        ("[optin]\nclip = 1.0", "did you mean 'optim'"),
        ("[lora]\nrank = '4'", "lora.rank must be of type int"),
        ("[optim]\nschedule = 'cosin'", "must be one of cosine, linear, constant"),
        ("[run", "not valid TOML"),
        pytest.param("[run]\nseed = " + "1" * 5000, "is not valid TOML", id="digits"),
        pytest.param("x = " + "[" * 5000, "is not valid TOML", id="brackets"),
        ("loss = 'dpo'", "loss must be a table of settings, as in [loss], found"),
        ("[[loss]]\nname = 'dpo'", "loss must be a table of settings"),
        ("[optim]\nlearning-rate = 1.0\nlearning_rate = 2.0", "optim.learning-rate stands there twice"),
    ],
)
def test_a_wrong_file_is_named_with_its_remedy(tmp_path, text, said):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(said)):
        resolve(str(path), NEEDED)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError):
        resolve(str(tmp_path / "none.toml"), NEEDED)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("max-length", 1),
        ("packs-per-step", 0),
        ("learning-rate", -1.0),
        ("learning-rate", float("nan")),
        ("warmup", 1.5),
        ("lora-rank", 0),
        ("lora-dropout", 1.0),
        ("epochs", 0),
        ("max-steps", 0),
        ("save-every", 0),
        ("seed", -1),
        ("lora-rank", 10**18),
        ("learning-rate", 1e300),
    ],
)
def test_a_value_out_of_range_names_its_flag(flag, value):
    with pytest.raises(UsageError, match=f"--{flag} must be"):
        resolve(None, {**NEEDED, flag: value})


def test_a_learning_rate_of_zero_is_legal():
    assert resolve(None, {**NEEDED, "learning-rate": 0.0}).optim.learning_rate == 0.0


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_what_has_no_default_must_be_given(missing):
    with pytest.raises(UsageError, match="is needed"):
        resolve(None, {k: v for k, v in NEEDED.items() if k != missing})


def test_the_saved_settings_hold_no_path_of_this_machine(tmp_path):
    (tmp_path / "d").mkdir()
    config = resolve(None, {**NEEDED, "DIR": str(tmp_path / "d"), "out": str(tmp_path / "new" / "run")})
    assert str(tmp_path) not in repr(config.portable())
    assert config.portable()["data"]["dataset"] == "d"


def test_every_flag_names_one_setting():
    assert len(FLAGS) == len(set(FLAGS.values()))
    assert FLAGS["lora-rank"] == ("lora", "rank")
    assert FLAGS["target-modules"] == ("lora", "target_modules")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), ("2", 2), ("high", "high"), ("'0.5'", "0.5"), ("reference-policy", "reference-policy")],
)
def test_a_setting_of_the_loss_is_a_toml_value_or_a_word(text, value):
    assert resolve(None, NEEDED, [f"loss.any-name={text}"]).loss.settings == {"any_name": value}


def test_what_is_set_wins_over_flags_and_has_their_types():
    config = resolve(None, {**NEEDED, "seed": 3}, ["run.seed=4", "optim.clip=2", "data.window = 99"])
    assert (config.run.seed, config.optim.clip, config.data.window) == (4, 2.0, 99)
    with pytest.raises(UsageError, match=r"run\.seed must be of type int, found 'x'"):
        resolve(None, NEEDED, ["run.seed=x"])
    with pytest.raises(UsageError, match=r"unknown setting run\.sede; did you mean 'seed'"):
        resolve(None, NEEDED, ["run.sede=1"])
    with pytest.raises(UsageError, match=r"loss\.name must be of type str"):
        resolve(None, NEEDED, ["loss.name=3"])


@pytest.mark.parametrize("place", ["run.seed", "optim.clip", "data.max_length", "lora.alpha", "run.max_steps"])
def test_a_number_that_no_machine_word_holds_is_refused(place):
    with pytest.raises(UsageError, match=f"{re.escape(place)} must be a number below 2\\^63, found 1000"):
        resolve(None, NEEDED, [f"{place}=1{'0' * 400}"])


@pytest.mark.parametrize("value", ["1\nx = 2", "[" * 3000, "1" * 5000])
def test_what_is_not_one_value_is_a_word(value):
    assert resolve(None, NEEDED, [f"loss.any-name={value}"]).loss.settings == {"any_name": value}


@pytest.mark.parametrize("empty", sorted(NEEDED))
def test_an_empty_word_is_as_good_as_none(empty):
    with pytest.raises(UsageError, match="is needed"):
        resolve(None, {**NEEDED, empty: ""})


def test_no_path_holds_a_null_character():
    with pytest.raises(UsageError, match=r"run\.out must be text without null characters"):
        resolve(None, NEEDED, ['run.out="a\\u0000b"'])


def test_a_setting_is_named_by_its_flag_only_where_train_has_that_flag():
    from gcsl_train import __main__, config

    given = {name.replace("_", "-") for name in inspect.signature(__main__.train).parameters} | {"DIR"}
    flags = {(part, name) for flag, (part, name) in config.FLAGS.items() if flag in given}
    every = {(part, s.name) for part, kind in config.PARTS.items() for s in dataclasses.fields(kind)}
    assert every - flags - {("data", "dataset"), ("loss", "settings")} == set(config._WITHOUT_FLAG)
