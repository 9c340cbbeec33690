"""The command line itself: verbs, help, version."""

import pytest

from gcsl_train import __version__

from .support import command


def test_without_words_it_prints_its_help_and_no_error(capsys):
    assert command() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error" not in err
    assert err.startswith("Usage: gcsl-train")
    assert all(f"\n  {verb} " in err for verb in ("train", "plan", "generate", "merge"))


def test_help_and_version_are_results(capsys):
    assert command("--version") == 0
    assert capsys.readouterr() == (f"gcsl-train {__version__}\n", "")
    assert command("--help") == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: gcsl-train")
    assert err == ""


@pytest.mark.parametrize(
    ("word", "verb"), [("pln", "plan"), ("tran", "train"), ("genrate", "generate"), ("merg", "merge")]
)
def test_a_mistyped_verb_is_not_taken_for_a_dataset(capsys, word, verb):
    assert command(word, "DIR", "--model", "m") == 2
    assert f"no command {word!r}; did you mean {verb!r}?" in capsys.readouterr().err


def test_a_dataset_may_be_called_like_a_mistyped_verb(dataset, model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plans").symlink_to(dataset)
    assert command("plans", "--out", "run") == 2
    assert "--model is needed" in capsys.readouterr().err


def test_the_traceback_flag_may_stand_before_the_verb(dataset, capsys):
    assert command("--traceback", "plan", dataset) == 2
    assert "--model is needed" in capsys.readouterr().err
