"""Parts that jobs wrote make the dataset that one process writes; a build goes on where it stopped."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.dataset.manifest import load
from gcsl_data.errors import DataError, OutputError, UsageError
from gcsl_data.merge import merge
from gcsl_data.parts import build_part, share_of

from .lives import hashes, killed
from .support import PROGRAM, expand, gcsl_data, make_rows, plan_of, tree, write_jsonl

RECIPES: dict[str, dict[str, Any]] = {
    "splits": {"splits__shares": "0.7,0.3"},
    "lower": {"record__direction": "lower", "goals__placement": "system"},
    "hygiene": {"checks__dedup": "exact", "checks__conflicts": "mean", "checks__max_chars": 60},
    "quarantine": {"checks__on_error": "quarantine", "record__map": {"reward": "graded"}},
    "groups": {"rewards__normalize": "rank", "rewards__normalize_by": "group", "record__map": {"group": "task"}},
    "times": {"splits__shares": "0.8,0.2", "splits__by": "time", "record__map": {"time": "at"}},
    "rank": {"goals__formulation": "gcsl", "bins__ties": "rank"},  # one fragment: some jobs have none
    "pairs": {"goals__formulation": "pairs"},
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A log of several fragments, and small ones that share some."""
    folder = tmp_path_factory.mktemp("logs")
    rows = make_rows([(i * 37 % 101) / 100 for i in range(1500)])
    for i, row in enumerate(rows):
        row |= {"prompt": f"What is {i % 300}?", "response": "so " * (i % 23) + "it is", "task": f"t{i % 50}", "at": i}
        row["graded"] = None if i % 211 == 0 else row["reward"]
    first = write_jsonl(folder / "a.jsonl", rows[:1100])
    return [first, *(write_jsonl(folder / f"b{i}.jsonl", rows[1100 + 80 * i : 1180 + 80 * i]) for i in range(5))]


def flags_of(recipe: str) -> dict[str, Any]:
    return {"output__fragment_bytes": 25_000, "output__shard_bytes": 60_000, **RECIPES[recipe]}


def write_parts(logs: list[Path], out: Path, jobs: int, **flags: Any) -> None:
    for number in range(jobs, 0, -1):  # they come in no order
        build_part(*plan_of(*logs, **flags), out, share_of(f"{number}/{jobs}"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_parts_make_the_dataset_that_one_process_writes(logs: list[Path], tmp_path: Path, recipe: str) -> None:
    expand(tmp_path / "whole", *logs, **flags_of(recipe))

    write_parts(logs, tmp_path / "parts", 3, **flags_of(recipe))
    merge(tmp_path / "parts")

    assert hashes(tmp_path / "parts") == hashes(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]


@pytest.mark.parametrize("jobs", [1, 2, 25])
def test_any_number_of_jobs_makes_the_same_dataset(logs: list[Path], tmp_path: Path, jobs: int) -> None:
    expand(tmp_path / "whole", *logs, **flags_of("splits"))

    write_parts(logs, tmp_path / "parts", jobs, **flags_of("splits"))
    told = [json.loads(path.read_text()) for path in (tmp_path / "parts").rglob("part.json")]
    merge(tmp_path / "parts")

    (fragments,) = {part["fragments"] for part in told}
    assert 5 < fragments < 25
    assert sum(bool(part["written"]) for part in told) == min(jobs, fragments)
    assert hashes(tmp_path / "parts") == hashes(tmp_path / "whole")


def test_jobs_at_the_same_time_and_the_commands(logs: list[Path], tmp_path: Path) -> None:
    command = [*PROGRAM, "expand", *map(str, logs), "-o", "out", "--set", "output.fragment_bytes=25000"]
    jobs = [
        subprocess.Popen([*command, "--shard", f"{number}/3"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for number in (1, 2, 3)
    ]
    said = [job.communicate()[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], said
    assert said[1].splitlines()[-1].endswith("with all parts: gcsl-data merge out")
    assert gcsl_data("check", "out", cwd=tmp_path).status == 65

    merged = gcsl_data("merge", "out", "--json", cwd=tmp_path)

    assert merged.status == 0
    assert merged.json["output"] == "out"
    assert gcsl_data("check", "out", cwd=tmp_path).status == 0
    expand(tmp_path / "whole", *logs, output__fragment_bytes=25_000)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")
    assert not [*tmp_path.glob(".*")]


def test_merge_says_what_is_missing_or_does_not_belong_together(logs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    parts = out / "_gcsl" / "parts"

    def refused(word: str, kind: type[Exception] = DataError) -> None:
        before = tree(out)
        with pytest.raises(kind, match=word):
            merge(out)
        assert tree(out) == before

    with pytest.raises(Exception, match="not a folder"):
        merge(out)
    out.mkdir()
    refused("holds no parts")
    write_parts(logs, out, 3, **flags_of("splits"))
    shutil.move(parts / "2-of-3", tmp_path / "kept")
    refused(r"1 of 3 parts are missing \(2\)")
    build_part(*plan_of(*logs, **flags_of("splits")), tmp_path / "four", share_of("2/4"))
    shutil.copytree(tmp_path / "four" / "_gcsl" / "parts" / "2-of-4", parts / "2-of-4")
    refused("parts of 3 and of 4 jobs")
    shutil.rmtree(parts / "2-of-4")
    shutil.copytree(parts / "1-of-3", parts / "2-of-3")
    refused("that of part 1-of-3")
    told = json.loads((parts / "2-of-3" / "part.json").read_text())
    (parts / "2-of-3" / "part.json").write_text(json.dumps(told | {"number": 2}))
    refused("do not hold every fragment once")
    shutil.rmtree(parts / "2-of-3")
    build_part(*plan_of(*logs, **flags_of("splits") | {"bins__count": 4}), tmp_path / "other", share_of("2/3"))
    shutil.copytree(tmp_path / "other" / "_gcsl" / "parts" / "2-of-3", parts / "2-of-3")
    refused(r"2-of-3 is of another dataset: its recipe.bins.count differs")
    shutil.rmtree(parts / "2-of-3")
    shutil.copytree(tmp_path / "kept", parts / "2-of-3")
    (out / "thesis.tex").write_text("years of work")
    refused("holds .thesis.tex., which is no part", OutputError)
    (out / "thesis.tex").unlink()

    shard = next((parts / "2-of-3" / "data").iterdir())
    content = shard.read_bytes()
    shard.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(f"{shard.name} is damaged: .* remove .*2-of-3")
    with pytest.raises(DataError, match="2-of-3"):
        build_part(*plan_of(*logs, **flags_of("splits")), out, share_of("2/3"), resume=True)
    shard.write_bytes(content)
    note = parts / "2-of-3" / "part.json"
    told = json.loads(note.read_text())
    told["written"][0]["shards"][0]["name"] = "../../../../../etc/passwd"
    note.write_text(json.dumps(told))
    refused("names files that are none of its shards")
    note.write_text("{")
    refused("part.json")
    shutil.copy(tmp_path / "kept" / "part.json", note)

    merge(out)
    left = tmp_path / ".out.1-0123abcd.incomplete"
    left.mkdir()
    refused("out is a finished dataset", OutputError)
    assert not left.exists()
    part, _ = build_part(*plan_of(*logs, **flags_of("splits")), out, share_of("2/3"), resume=True)
    assert part.written == ()  # a job that is run once more finds that all is done
    with pytest.raises(DataError, match=r"is of another dataset: its recipe\.bins\.count"):
        build_part(*plan_of(*logs, **flags_of("splits") | {"bins__count": 4}), out, share_of("2/3"), resume=True)


def test_of_two_equal_jobs_at_once_both_succeed_with_resume(logs: list[Path], tmp_path: Path) -> None:
    command = [*PROGRAM, "expand", *map(str, logs), "-o", "out", "--shard", "1/1", "--resume"]
    jobs = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(3)]

    said = [job.communicate()[1] for job in jobs]

    assert [job.returncode for job in jobs] == [0, 0, 0], said
    merge(tmp_path / "out")
    expand(tmp_path / "whole", *logs)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")


def test_a_part_stays_where_it_is_and_others_must_be_of_the_same_plan(logs: list[Path], tmp_path: Path) -> None:
    flags = ("--set", "output.fragment_bytes=25000")

    def job(share: str, *more: str) -> tuple[int, str]:
        done = gcsl_data("expand", *logs, "-o", "out", "--shard", share, *flags, *more, cwd=tmp_path)
        return done.status, done.errors[-1] if done.status else ""

    assert job("1/2") == (0, "")
    first = hashes(tmp_path / "out")
    assert job("1/2")[0] == 73
    assert job("1/2", "--resume") == (0, "")
    status, said = job("2/2", "--bins", "3")
    assert status == 65
    assert "is of another dataset: its recipe.bins.count differs" in said
    assert job("2/2", "--overwrite")[0] == 2
    for wrong in ("0/2", "3/2", "2", "a/b", "1/0", "-1/2", "1/2/3", "٣/٣"):
        assert job(wrong)[0] == 2
    assert hashes(tmp_path / "out") == first
    whole = gcsl_data("expand", *logs, "-o", "out", cwd=tmp_path)
    assert (whole.status, "out holds parts of a dataset; gcsl-data merge out" in whole.errors[0]) == (73, True)
    assert "gcsl-data merge out" in gcsl_data("check", "out", cwd=tmp_path).errors[0]
    assert gcsl_data("merge", "s3://bucket/x", cwd=tmp_path).status == 2
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").touch()
    mine = gcsl_data("expand", *logs, "-o", "mine", "--shard", "1/2", "--json", cwd=tmp_path)
    assert (mine.status, mine.json["code"]) == (73, "GD7311")
    with pytest.raises(UsageError):
        share_of("1/0")


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = make_rows([(i * 7919 % 10007) / 10007 for i in range(30_000)])
    return write_jsonl(tmp_path_factory.mktemp("log") / "log.jsonl", rows)


FRAGMENTS = ("--set", "output.fragment_bytes=60000")


def stopped(folder: Path, log: Path, number: int, *, after: int) -> subprocess.CompletedProcess[str]:
    """A build that got a signal when so many fragments were finished."""
    command = [*PROGRAM, "expand", str(log), "-o", "out", "--json", *FRAGMENTS]
    build = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len([*folder.glob(".out.*/_fragments/*.json")]) < after and build.poll() is None:
        time.sleep(0.002)
    build.send_signal(number)
    out, said = build.communicate()
    return subprocess.CompletedProcess(command, build.returncode, out, said)


def test_an_interrupted_build_keeps_what_is_finished_and_goes_on(tmp_path: Path, long_log: Path) -> None:
    expand(tmp_path / "whole", long_log, output__fragment_bytes=60_000)
    whole = hashes(tmp_path / "whole")
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        done = stopped(tmp_path, long_log, number, after=5)
        assert done.returncode == status, done.stderr
        if status > 0:
            said = json.loads(done.stdout)["message"]
            assert "fragments are kept: the same command with --resume goes on with them" in said
            assert said in done.stderr
        (kept,) = tmp_path.glob(".out.*")
        for path in (kept / "data").iterdir():
            os.utime(path, (1, 1))  # so that we know it again
        finished = sorted(path.stem for path in (kept / "_fragments").glob("*.json"))
        damaged, lost = kept / "data" / f"train-f{finished[0]}-00000.arrow", finished[1]
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
        os.utime(damaged, (1, 1))
        (kept / "_fragments" / f"{lost}.json").write_text("{")
        (kept / "data" / "foreign.arrow").touch()

        other = gcsl_data("expand", long_log, "-o", "other", "--resume", *FRAGMENTS, cwd=tmp_path)
        again = gcsl_data("expand", long_log, "-o", "out", "--resume", *FRAGMENTS, cwd=tmp_path)

        assert (other.status, again.status) == (0, 0), again.errors
        assert hashes(tmp_path / "out") == hashes(tmp_path / "other") == whole
        reused = [path for path in (tmp_path / "out" / "data").iterdir() if path.stat().st_mtime == 1]
        assert len(reused) == len(finished) - 2 > 0
        assert not [*tmp_path.glob(".*")]
        for name in ("out", "other"):
            shutil.rmtree(tmp_path / name)


def test_what_another_plan_left_is_not_gone_on_with(tmp_path: Path, long_log: Path) -> None:
    stopped(tmp_path, long_log, signal.SIGKILL, after=3)

    done = gcsl_data("expand", long_log, "-o", "out", "--resume", "--bins", "3", *FRAGMENTS, cwd=tmp_path)

    assert done.status == 0
    assert load(tmp_path / "out").fit.bins_asked == 3
    expand(tmp_path / "whole", long_log, output__fragment_bytes=60_000, bins__count=3)
    assert hashes(tmp_path / "out") == hashes(tmp_path / "whole")
    assert not [*tmp_path.glob(".*")]


def test_a_build_killed_again_and_again_goes_on_to_the_same_dataset(tmp_path: Path, long_log: Path) -> None:
    out = tmp_path / "out"
    command = ("expand", str(long_log), "-o", str(out), "--resume", *FRAGMENTS)
    expand(tmp_path / "whole", long_log, output__fragment_bytes=60_000)
    whole = hashes(tmp_path / "whole")

    killed(command, times=6, seed=7, found=lambda: hashes(out) if out.exists() else None, may_be=(None, whole))

    if not out.exists():
        assert gcsl_data(*command, cwd=tmp_path).status == 0
    assert hashes(out) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]
