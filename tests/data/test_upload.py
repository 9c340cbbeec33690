"""A dataset in an object store: the bytes of a local build, whole or not there, whoever else writes and whenever it ends."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gcsl_data.dataset.manifest import load
from gcsl_data.dataset.upload import CLAIM_NAME, upload

from .lives import hashes
from .store_support import (
    BUCKET,
    UNAVAILABLE,
    Answer,
    Proxy,
    Request,
    bucket_client,
    download,
    keys_below,
    point_to,
    proxied,
    s3_server,
)
from .support import PROGRAM, Outcome, errors, expand, expand_rows, gcsl_data, make_rows, tree, write_jsonl

ROWS = make_rows([round(i * 37 % 101 / 100, 2) for i in range(2000)])
PARTS = ("--no-goal-filter", "--set", "output.shard_bytes=150000")  # several shards


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What every request of the program goes through."""
    with proxied(server) as (proxy, address):
        point_to(address, monkeypatch)
        yield proxy


@pytest.fixture
def client(server: str) -> Any:
    """The store as another program sees it, past the proxy."""
    return bucket_client(server)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return request.node.name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log, and TMPDIR beside it."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "work").mkdir()
    write_jsonl(tmp_path / "work" / "log.jsonl", ROWS)
    return tmp_path / "work"


def run(folder: Path, prefix: str, *flags: str, log: str = "log.jsonl") -> Outcome:
    return gcsl_data("expand", log, "-o", f"s3://{BUCKET}/{prefix}", *PARTS, *flags, "--json", cwd=folder)


def start(folder: Path, prefix: str, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "expand", "log.jsonl", "-o", f"s3://{BUCKET}/{prefix}", *PARTS, *flags],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def built_here(folder: Path, *flags: str) -> Path:
    """The dataset that the same command makes in a folder."""
    out = folder / f"here{len(list(folder.glob('here*')))}"
    assert gcsl_data("expand", "log.jsonl", "-o", out, *PARTS, *flags, cwd=folder).status == 0
    return out


def test_what_is_there_is_what_a_local_build_leaves(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    here = built_here(folder)

    outcome = run(folder, f"{prefix}/", "--progress", "plain")

    assert (outcome.status, outcome.json["output"]) == (0, f"s3://{BUCKET}/{prefix}")
    there = download(client, prefix, folder / "there")
    assert tree(there) == tree(here)
    assert hashes(there) == hashes(here)
    assert gcsl_data("check", there, cwd=folder).status == 0
    files = len(keys_below(client, prefix)) - 1
    assert files > 8
    assert f"uploading to s3://{BUCKET}/{prefix}: {files} of {files} files" in outcome.err
    puts = [request.path.split(f"{prefix}/")[1] for request in proxy.seen if request.method == "PUT"]
    assert (puts[0], puts[-1]) == (CLAIM_NAME, "manifest.json")
    assert not [*(folder.parent / "tmp").glob("gcsl-upload-*")]


def test_python_does_the_same_in_two_lines(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    heard: list[tuple[int, int]] = []

    manifest = expand(folder / "out", folder / "log.jsonl")
    upload(folder / "out", f"s3://{BUCKET}/{prefix}", on_files=lambda done, total: heard.append((done, total)))

    assert load(download(client, prefix, folder / "there")) == manifest
    assert heard == [(n + 1, len(heard)) for n in range(len(heard))]


def test_a_shard_of_several_parts_is_proven_by_its_tag(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    rows = [{**row, "response": f"{n:02} " * 30_000} for n, row in enumerate(ROWS[:100])]
    expand_rows(folder, rows, goals__filter="none", bins__count=2)

    upload(folder / "out", f"s3://{BUCKET}/{prefix}")

    assert hashes(download(client, prefix, folder / "there")) == hashes(folder / "out")
    assert len([request for request in proxy.seen if "partNumber=2" in request.path]) == 1
    assert not [request for request in proxy.seen if request.method == "GET" and "/data/" in request.path]


def test_where_tags_prove_nothing_objects_are_read_back(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    here = built_here(folder)
    shards = [shard.name for shard in load(here).shards]

    def forget(request: Request, answer: Answer) -> Answer:  # as a store does that encrypts with keys of its own
        headers = {name: '"opaque"' if name.lower() == "etag" else value for name, value in answer.headers.items()}
        return Answer(answer.status, headers, answer.body)

    proxy.after = forget

    assert run(folder, prefix).status == 0

    read = [request.path for request in proxy.seen if request.method == "GET" and "/data/" in request.path]
    assert [path.partition(f"{prefix}/")[2] for path in read] == shards
    assert hashes(download(client, prefix, folder / "there")) == hashes(here)


def test_names_of_any_letters_arrive_as_they_are(folder: Path, proxy: Proxy, client: Any) -> None:
    prefix = "teams/été 1+%41#?*[x]"

    assert run(folder, prefix).status == 0

    assert errors(download(client, prefix, folder / "there")) == []


def test_a_dataset_there_is_exit_73_before_any_log_is_read(
    folder: Path, proxy: Proxy, client: Any, prefix: str
) -> None:
    assert run(folder, prefix).status == 0
    before = hashes(download(client, prefix, folder / "before"))

    outcome = run(folder, prefix, "--bins", "3", log="no-such-log.jsonl")

    assert (outcome.status, outcome.json["code"]) == (73, "GD7337")
    assert hashes(download(client, prefix, folder / "after")) == before


def test_a_prefix_that_holds_something_else_is_exit_73(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/thesis.tex", Body=b"years of work")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}-beside/x", Body=b"")

    outcome = run(folder, prefix, log="no-such-log.jsonl")

    assert (outcome.status, outcome.json["code"]) == (73, "GD7334")
    assert "thesis.tex" in outcome.json["message"]
    assert run(folder, f"{prefix}-besides").status == 0
    assert keys_below(client, prefix) == ["thesis.tex"]


class Gate:
    """Keeps requests waiting until so many have come, or somebody opens it."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self.someone_waits, self.opened = threading.Event(), threading.Event()

    def wait(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self.opened.set()
        self.someone_waits.set()
        assert self.opened.wait(60)


def test_two_builds_of_one_dataset_end_with_it(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    gates = {CLAIM_NAME: Gate(2), "manifest.json": Gate(2)}

    def meet(request: Request) -> None:
        for name, gate in gates.items():
            if request.puts(name):
                gate.wait()

    proxy.before = meet
    builds = [start(folder, prefix) for _ in range(2)]

    said = [build.communicate()[1] for build in builds]

    assert [build.returncode for build in builds] == [0, 0], said
    assert hashes(download(client, prefix, folder / "there")) == hashes(built_here(folder))


def test_of_two_builds_of_different_datasets_one_wins(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    gate = Gate(2)
    proxy.before = lambda request: gate.wait() if request.puts(CLAIM_NAME) else None
    flags = [("--bins", "3"), ("--bins", "4")]
    builds = [start(folder, prefix, *each) for each in flags]

    said = [build.communicate()[1] for build in builds]

    statuses = [build.returncode for build in builds]
    assert sorted(statuses) == [0, 73], said
    winner, loser = statuses.index(0), statuses.index(73)
    assert "is claimed by the build of another dataset" in said[loser]
    assert hashes(download(client, prefix, folder / "there")) == hashes(built_here(folder, *flags[winner]))


@pytest.mark.parametrize(("bins", "status"), [("3", 0), ("4", 73)])
def test_who_comes_to_claim_what_was_finished_meanwhile_changes_nothing(
    folder: Path, proxy: Proxy, client: Any, bins: str, status: int
) -> None:
    prefix, gate = f"late-{bins}", Gate(2)
    proxy.before = lambda request: gate.wait() if request.puts(CLAIM_NAME) else None
    late = start(folder, prefix, "--bins", bins)
    assert gate.someone_waits.wait(60)
    proxy.before = lambda _request: None
    assert run(folder, prefix, "--bins", "3").status == 0
    before = download(client, prefix, folder / "before")

    gate.opened.set()
    said = late.communicate()[1]

    assert late.returncode == status, said
    assert (
        hashes(download(client, prefix, folder / "after"))
        == hashes(before)
        == hashes(built_here(folder, "--bins", "3"))
    )


def held(gate: Gate, name: str) -> Any:
    """Keeps the put of an object waiting, and does not let it through."""

    def wait(request: Request) -> Answer | None:
        if not request.puts(name):
            return None
        gate.wait()
        return UNAVAILABLE

    return wait


@pytest.mark.parametrize("name", ["data/train-00003", "manifest.json"])
def test_a_killed_upload_is_no_dataset_and_goes_on(folder: Path, proxy: Proxy, client: Any, name: str) -> None:
    prefix, gate = f"killed-at-{name.removesuffix('.json').replace('/', '-')}", Gate(2)
    proxy.before = held(gate, name)
    build = start(folder, prefix)
    assert gate.someone_waits.wait(60)

    build.kill()
    build.communicate()
    proxy.before = lambda _request: None
    gate.opened.set()
    left = keys_below(client, prefix)
    other = run(folder, prefix, "--bins", "3")
    again = run(folder, prefix)

    assert CLAIM_NAME in left
    assert "manifest.json" not in left
    assert (other.status, other.json["code"]) == (73, "GD7336")
    assert again.status == 0, again.err
    assert "was begun; it goes on if this build gives the same dataset" in again.err
    assert hashes(download(client, prefix, folder / "there")) == hashes(built_here(folder))
    assert not [*(folder.parent / "tmp").glob("gcsl-upload-*")]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cuts_a_long_request_off(
    folder: Path, proxy: Proxy, client: Any, number: signal.Signals, status: int
) -> None:
    prefix, gate = f"stopped-by-{number}", Gate(2)
    proxy.before = held(gate, "data/train-00001")
    build = start(folder, prefix)
    assert gate.someone_waits.wait(60)

    build.send_signal(number)
    _, said = build.communicate()
    gate.opened.set()

    assert build.returncode == status, said
    assert f"; objects without a manifest are left at s3://{BUCKET}/{prefix}: the same command goes on there" in said
    assert "manifest.json" not in keys_below(client, prefix)
    assert tree(folder.parent / "tmp") == []


def test_a_signal_in_the_build_leaves_nothing_there_or_here(
    folder: Path, proxy: Proxy, client: Any, prefix: str
) -> None:
    write_jsonl(folder / "log.jsonl", make_rows([i % 1000 / 1000 for i in range(60_000)]))
    build = start(folder, prefix)
    while not [*(folder.parent / "tmp").glob("*/.dataset*/data/*")] and build.poll() is None:
        time.sleep(0.002)

    build.send_signal(signal.SIGINT)
    _, said = build.communicate()

    assert build.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted; nothing half-written is left"
    assert keys_below(client, prefix) == []
    assert tree(folder.parent / "tmp") == []


def test_a_store_that_is_busy_is_asked_again(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    asked: set[tuple[str, str]] = set()

    def first_no(request: Request) -> Answer | None:
        is_first = (request.method, request.path) not in asked
        asked.add((request.method, request.path))
        return UNAVAILABLE if is_first else None

    proxy.before = first_no

    outcome = run(folder, prefix)

    assert outcome.status == 0, outcome.err
    assert len([request for request in proxy.seen if request.puts("data/train-00000")]) == 2
    assert hashes(download(client, prefix, folder / "there")) == hashes(built_here(folder))


@pytest.mark.parametrize("name", [CLAIM_NAME, "manifest.json"])
def test_a_put_whose_answer_was_lost_is_known_again(folder: Path, proxy: Proxy, client: Any, name: str) -> None:
    prefix, lost = f"lost-{name[0]}", []

    def lose(request: Request, answer: Answer) -> Answer:
        if request.puts(name) and not lost:
            lost.append(answer)
            return UNAVAILABLE
        return answer

    proxy.after = lose

    outcome = run(folder, prefix)

    assert outcome.status == 0, outcome.err
    assert lost[0].status == 200
    assert errors(download(client, prefix, folder / "there")) == []
    assert CLAIM_NAME not in keys_below(client, prefix)


def test_a_store_that_stays_busy_is_exit_74_and_the_same_command_goes_on(
    folder: Path, proxy: Proxy, client: Any, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    proxy.before = lambda request: UNAVAILABLE if request.puts("data/train-00002") else None

    outcome = run(folder, prefix)
    left = keys_below(client, prefix)
    proxy.before = lambda _request: None

    assert (outcome.status, outcome.json["code"]) == (74, "GD7405")
    assert len(outcome.errors) == 1
    assert "SlowDown: Please reduce your request rate." in outcome.json["message"]
    assert "manifest.json" not in left
    assert run(folder, prefix).status == 0
    assert errors(download(client, prefix, folder / "there")) == []


def test_what_arrives_damaged_is_exit_74_and_no_dataset(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    def damage(request: Request) -> None:
        if request.puts("data/train-00002"):
            request.body = request.body[:-9] + b"?" + request.body[-8:]

    proxy.before = damage

    outcome = run(folder, prefix)

    assert (outcome.status, outcome.json["code"]) == (74, "GD7407")
    assert "manifest.json" not in keys_below(client, prefix)


def test_a_manifest_never_comes_without_its_shards(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    shard = f"{prefix}/data/train-00000-of-"

    def clean_up(request: Request) -> None:
        """Somebody removes a shard before the program looks whether all is there."""
        if request.method == "GET" and "list-type=2" in request.path:
            for name in keys_below(client, prefix):
                if f"{prefix}/{name}".startswith(shard):
                    client.delete_object(Bucket=BUCKET, Key=f"{prefix}/{name}")

    proxy.before = clean_up

    outcome = run(folder, prefix)

    assert (outcome.status, outcome.json["code"]) == (74, "GD7408")
    assert "manifest.json" not in keys_below(client, prefix)


def test_a_store_without_conditional_puts_is_refused(folder: Path, proxy: Proxy, client: Any, prefix: str) -> None:
    def ignore(request: Request) -> None:
        request.headers.pop("if-none-match", None)

    proxy.before = ignore

    outcome = run(folder, prefix)

    assert (outcome.status, outcome.json["code"]) == (73, "GD7335")
    assert keys_below(client, prefix) == [CLAIM_NAME]
