"""Five thousand mutants of a dataset, each given to every reader; and a sample over the command line, in fresh processes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.mutants.campaign import Campaign, campaign, prepare
from tests.data.mutants.kinds import KINDS, make_mutant
from tests.data.mutants.readers import COMMANDS, READERS, Place, may_be
from tests.data.support import PROGRAM, REPOSITORY, examples
from tests.train.support import make_model

pytestmark = pytest.mark.soak
MUTANTS = 5000


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("mutants"))


def _print(found: Campaign) -> None:
    for kind, count in sorted(found.kinds.items()):
        print(f"{count:5}  {kind}")
    for reader in READERS:
        print(f"{reader}: {found.refused[reader]} refused or found, {found.taken[reader]} taken, as it has to be")
    print(
        f"{sum(found.kinds.values())} mutants of {len(found.kinds)} kinds, {len(found.wrong)} outcomes that may not be"
    )


def test_five_thousand_mutants_are_all_detected_by_every_reader(dataset: Path) -> None:
    found = campaign(dataset, range(10_000, 10_000 + MUTANTS), "library")
    _print(found)

    assert found.wrong == []
    assert (sum(found.kinds.values()), found.kinds.keys()) == (MUTANTS, KINDS.keys())
    assert all(found.refused[reader] > 500 < found.taken[reader] for reader in READERS if reader != "check")


def test_mutants_of_every_kind_are_one_line_over_the_command_line(dataset: Path) -> None:
    found = campaign(dataset, range(20_000, 20_000 + 3 * len(KINDS)), "command")
    _print(found)

    assert found.wrong == []


@pytest.mark.parametrize("number", range(30_000, 30_000 + len(KINDS), 6))
def test_fresh_processes_say_the_same(dataset: Path, tmp_path: Path, number: int) -> None:
    kind, mutant = make_mutant(dataset, tmp_path / "mutant", number)
    place = Place(mutant.folder, dataset, examples(dataset)[0]["id"], tmp_path)
    for reader, arguments in COMMANDS.items():
        words = [*PROGRAM, *map(str, arguments(place))]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        status = (
            "warned" if reader == "check" and done.returncode == 0 and "\nwarn  " in done.stdout else done.returncode
        )
        assert str(status) in may_be(reader, mutant), (kind, reader, done.stderr)
        assert "Traceback" not in done.stderr
        assert sum(line.startswith("error[") for line in done.stderr.splitlines()) == (done.returncode not in (0, 1))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)


@pytest.mark.parametrize("kind", ["shard: a bit flipped", "shard: a pipe", "manifest: a bit flipped", "forged: name"])
def test_a_plan_of_training_refuses_in_a_fresh_process(dataset: Path, tmp_path: Path, kind: str) -> None:
    model = make_model(tmp_path / "tiny", num_hidden_layers=1)
    numbers = (number for number in range(40_000, 50_000) if [*KINDS][number % len(KINDS)] == kind)
    made = (make_mutant(dataset, tmp_path / f"{number}", number)[1] for number in numbers)
    mutant = next(mutant for mutant in made if may_be("train", mutant) == {"65"})
    words = [sys.executable, "-m", "gcsl_train", "plan", str(mutant.folder), "--model", str(model)]

    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert done.returncode == 65, done.stderr
    assert "Traceback" not in done.stderr
    assert [line[:6] for line in done.stderr.splitlines()].count("error[") == 1
