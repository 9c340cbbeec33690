"""Logs in an object store, fetched from a real S3 server on this machine."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcsl_data.errors import InputError, UsageError
from gcsl_data.ingest.inputs import find_logs
from gcsl_data.ingest.remote import is_remote

from .store_support import BUCKET, KEYS, bucket_client, checking_signatures, point_to, s3_server
from .support import expand, gcsl_data, make_rows, tree, write_jsonl


def lines(rewards: list[float]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in make_rows(rewards)).encode()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        client = bucket_client(address)
        for key, content in {
            "runs/a.jsonl": lines([0.1, 0.2, 0.3]),
            "runs/b.jsonl.gz": gzip.compress(lines([0.4, 0.5])),
            "runs/notes.txt": b"no log",
            "runs/old/c.jsonl": lines([0.9]),
        }.items():
            client.put_object(Bucket=BUCKET, Key=key, Body=content)
        yield address


@pytest.fixture
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    point_to(endpoint, monkeypatch)


@pytest.mark.usefixtures("environment")
def test_a_log_in_a_bucket_is_read_like_one_here(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", make_rows([0.1, 0.2, 0.3]))

    here = expand(tmp_path / "here", tmp_path / "a.jsonl")
    there = expand(tmp_path / "there", f"s3://{BUCKET}/runs/a.jsonl")

    assert here == there


@pytest.mark.usefixtures("environment")
def test_a_pattern_names_the_objects_of_one_level() -> None:
    logs = find_logs([f"s3://{BUCKET}/runs/*.jsonl*"])

    assert [(log.uri, log.bytes > 0) for log in logs] == [("a.jsonl", True), ("b.jsonl.gz", True)]


@pytest.mark.usefixtures("environment")
def test_logs_there_and_here_are_one_dataset(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "local.jsonl", make_rows([0.6, 0.7]))

    outcome = gcsl_data("expand", f"s3://{BUCKET}/runs/*.gz", "local.jsonl", "-o", "out", "--json", cwd=tmp_path)

    assert outcome.status == 0, outcome.err
    assert outcome.json["accounting"]["rows"] == 4


@pytest.mark.usefixtures("environment")
def test_two_logs_of_one_name_there_and_here_are_refused(tmp_path: Path) -> None:
    log = write_jsonl(tmp_path / "a.jsonl", make_rows([0.6, 0.7]))

    with pytest.raises(UsageError, match=r"two logs are both called a\.jsonl"):
        find_logs([f"s3://{BUCKET}/runs/a.jsonl", str(log)])


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "name", [f"s3://{BUCKET}/runs/none.jsonl", f"s3://{BUCKET}/none/*.jsonl", f"s3://{BUCKET}/runs/*.csv", "s3://no/x"]
)
def test_what_is_not_there_cannot_be_opened(tmp_path: Path, name: str) -> None:
    outcome = gcsl_data("expand", name, "--json", cwd=tmp_path)

    assert (outcome.status, outcome.json["code"]) == (66, "GD6607")
    assert outcome.json["message"].startswith(f"{name} cannot be fetched; check the name")
    assert tree(tmp_path) == []


@pytest.fixture
def strict(endpoint: str) -> Iterator[None]:
    with checking_signatures(endpoint):
        yield


@pytest.mark.usefixtures("environment", "strict")
def test_wrong_credentials_are_one_line_that_does_not_tell_them(tmp_path: Path) -> None:
    outcome = gcsl_data("expand", f"s3://{BUCKET}/runs/a.jsonl", cwd=tmp_path)

    assert outcome.status == 66
    assert len(outcome.errors) == 1
    assert "secret" not in outcome.err
    assert tree(tmp_path) == []


@pytest.mark.usefixtures("environment")
def test_a_pattern_in_a_folders_name_is_refused() -> None:
    with pytest.raises(InputError, match="in the last part of the name only"):
        find_logs([f"s3://{BUCKET}/*/a.jsonl"])


@pytest.mark.usefixtures("environment")
def test_the_same_object_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="given twice"):
        find_logs([f"s3://{BUCKET}/runs/a.jsonl", f"s3://{BUCKET}/runs/a*"])


def test_a_store_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    nowhere = {**KEYS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}

    outcome = gcsl_data("expand", "s3://bucket/a.jsonl", cwd=tmp_path, environment=nowhere)

    assert outcome.status == 66
    assert len(outcome.errors) == 1
    assert "s3://bucket/a.jsonl cannot be fetched; check the name and the credentials in the environment" in outcome.err


def test_a_scheme_that_is_not_known_is_a_usage_error(tmp_path: Path) -> None:
    outcome = gcsl_data("expand", "ftp://host/a.jsonl", cwd=tmp_path)

    assert outcome.status == 2
    assert "cannot read ftp://; known: s3://, gs://, az://, abfs://, hf://" in outcome.errors[0]


@pytest.mark.parametrize(
    ("name", "expected"), [("s3://b/k", True), ("a:b.jsonl", False), ("C://x", False), ("x", False)]
)
def test_a_name_with_a_scheme_is_remote(name: str, expected: bool) -> None:
    assert is_remote(name) is expected
