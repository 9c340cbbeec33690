"""Five hundred datasets with one thing wrong: whoever looks at it says so, and nobody dies of it."""

from pathlib import Path

import pytest

from gcsl_data.audit.contract import check_dataset
from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError
from tests.listening import listening

from .mutants.campaign import campaign, prepare
from .mutants.kinds import KINDS, make_mutant
from .mutants.names import HOSTILE_NAMES
from .mutants.readers import COMMANDS, LOOKS_AT, READERS, Place, in_process, may_be
from .support import document, examples, write_document


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("mutants"))


def test_every_reader_takes_the_dataset_as_it_is(dataset: Path) -> None:
    place = Place(dataset, dataset, examples(dataset)[0]["id"], dataset.parent / "scratch")

    assert {reader: in_process(reader, place) for reader in READERS} == dict.fromkeys(READERS, "0")
    assert LOOKS_AT.keys() == READERS.keys() > COMMANDS.keys()


def test_every_kind_changes_something_and_somebody_has_to_see_it(dataset: Path, tmp_path: Path) -> None:
    for number in range(len(KINDS)):
        kind, mutant = make_mutant(dataset, tmp_path / str(number), number)
        seen = {reader for reader in READERS if may_be(reader, mutant) != {"0"}}
        assert bool(seen) != kind.startswith("harmless"), kind
        assert "check" in seen or not seen, kind


def test_five_hundred_mutants_are_all_detected(dataset: Path) -> None:
    found = campaign(dataset, range(500), "sparing")

    assert found.wrong == []
    assert (sum(found.kinds.values()), found.kinds.keys()) == (500, KINDS.keys())
    assert found.refused.keys() == found.taken.keys() == READERS.keys()


def test_mutants_over_the_command_line_are_one_line_each(dataset: Path) -> None:
    found = campaign(dataset, range(1000, 1000 + len(KINDS), 6), "command")

    assert found.wrong == []


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_a_name_that_leads_elsewhere_opens_nothing(dataset: Path, tmp_path: Path, name: str) -> None:
    _, mutant = make_mutant(dataset, tmp_path / "out", [*KINDS].index("harmless: other inode"))
    content = document(mutant.folder)
    content["shards"][0]["name"] = name
    mutant.manifest.unlink()
    write_document(mutant.folder, content)

    for read in (load, check_dataset):
        with pytest.raises(DataError, match="not a plain shard name"), listening() as heard:
            read(mutant.folder)
        opened = [event for event in heard if str(tmp_path) in event or (len(name) > 2 and name in event)]
        assert set(opened) == {f"open {mutant.manifest}"}
        assert not [event for event in heard if event.startswith("socket")]


def test_a_process_that_dies_is_blamed_on_its_mutant(dataset: Path) -> None:
    (dataset.parent / "scratch" / "mutant-7").touch()  # in its way, so that the process ends

    found = campaign(dataset, [7, 8], "sparing")

    ((mutant, reader, said),) = found.wrong
    assert (mutant, reader) == (f"7 {[*KINDS][7]}", "all")
    assert "FileExistsError" in said
    assert [*found.kinds] == [[*KINDS][8]]
