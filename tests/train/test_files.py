import pytest

from gcsl_data.errors import OutputError
from gcsl_train.files import staged_folder, write_bytes


def fill_half(final):
    with staged_folder(final) as staging:
        (staging / "half").write_text("x")
        raise RuntimeError


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    final = tmp_path / "out"
    with pytest.raises(RuntimeError):
        fill_half(final)
    assert not list(tmp_path.iterdir())
    with staged_folder(final) as staging:
        (staging / "whole").write_text("x")
        assert not final.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (final / "whole").read_text() == "x"


def test_a_failed_replacement_keeps_the_old_folder(tmp_path):
    final = tmp_path / "out"
    with staged_folder(final) as staging:
        (staging / "a").write_text("old")
    with pytest.raises(RuntimeError):
        fill_half(final)
    assert (final / "a").read_text() == "old"
    with staged_folder(final) as staging:
        (staging / "b").write_text("new")
    assert [p.name for p in final.iterdir()] == ["b"]


def test_a_file_in_a_place_that_cannot_be_is_an_output_error(tmp_path):
    with pytest.raises(OutputError):
        write_bytes(tmp_path / "none" / "file", b"x")
    write_bytes(tmp_path / "file", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
