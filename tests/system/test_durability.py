"""What reaches the disk, and in which order, seen from the kernel's side."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
LOG = Path(__file__).parents[2] / "examples" / "code_efficiency" / "logs.parquet"


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The file-system calls of one `expand`, in order, with the paths behind the descriptors."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (scripts/system-deps says why)")
    folder = tmp_path_factory.mktemp("durable")
    trace = folder / "trace"
    program = [sys.executable, "-m", "gcsl_data", "expand", str(LOG), "--out", "out"]
    watch = [
        "strace",
        "-f",
        "-y",
        "-o",
        str(trace),
        "-e",
        "trace=write,pwrite64,fsync,fdatasync,rename,renameat,renameat2",
    ]
    subprocess.run([*watch, *program], cwd=folder, check=True, capture_output=True)
    return trace.read_text().splitlines()


def _first(calls: list[str], pattern: str) -> int:
    return next(i for i, call in enumerate(calls) if re.search(pattern, call))


def _last(calls: list[str], pattern: str) -> int:
    return max(i for i, call in enumerate(calls) if re.search(pattern, call))


def test_every_file_is_fsynced_after_its_last_write(calls: list[str]) -> None:
    for name in ("manifest.json", r"train-f000000-00000.arrow", "fit.json", "README.md"):
        assert _last(calls, rf"write\w*\(\d+<[^>]*{name}>") < _last(calls, rf"fsync\(\d+<[^>]*{name}>")


def test_the_manifest_is_written_after_every_shard_is_durable(calls: list[str]) -> None:
    assert _last(calls, r"fsync\(\d+<[^>]*\.arrow>") < _first(calls, r"write\(\d+<[^>]*manifest.json>")


def test_the_folder_appears_by_one_rename_between_fsyncs(calls: list[str]) -> None:
    appears = _first(calls, r'rename\w*\(.*\.incomplete".*/?out"')

    assert _last(calls, r"fsync\(\d+<[^>]*\.incomplete") < appears
    assert _last(calls, r"fsync\(\d+<[^>]*>") > appears
