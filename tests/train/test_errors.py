import errno
import subprocess
import sys

import pytest
import torch

from gcsl_train.errors import internal, nearest, reason, translated


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), 71),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), 71),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 71),
        (OSError(errno.ENOSPC, "No space left on device", "run/metrics.jsonl"), 74),
        (OSError(errno.EFBIG, "File too large"), 74),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2),
    ],
)
def test_trouble_with_a_meaning_of_its_own_has_its_own_status(error, status):
    known = translated(error)
    assert known is not None
    assert known.exit_status == status
    assert "\n" not in str(known)


def test_anything_else_is_an_internal_error_in_one_line():
    assert translated(KeyError("x")) is None
    error = internal(ValueError("two\nlines"))
    assert error.exit_status == 70
    assert "\n" not in str(error)
    assert "--traceback" in str(error)


def test_a_reason_does_not_repeat_the_file_that_the_sentence_names():
    assert reason(FileNotFoundError(errno.ENOENT, "No such file or directory", "x")) == "No such file or directory"
    assert reason(ValueError("why")) == "why"
    assert reason(KeyError("goals")) == "no 'goals'"


def test_the_nearest_word_is_offered_or_all_of_them():
    assert nearest("adamv", ["adamw", "sgd"]) == "did you mean 'adamw'?"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"


def test_a_full_disk_is_one_line_and_keeps_what_was_there(dataset, model, tmp_path):
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000));"
        "from gcsl_train.__main__ import main; sys.exit(main())"
    )
    words = [dataset, "--model", model, "--out", tmp_path / "run", "--max-steps", 2, "--save-every", 1]
    done = subprocess.run(
        [sys.executable, "-c", limited, *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 74, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error[G")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "adapter").exists()
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
