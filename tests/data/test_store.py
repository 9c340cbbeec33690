"""Where a dataset may go: what a URI names, what the environment says of the store, and what its refusals mean."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcsl_data.dataset.store import Place, open_store, place_of

from .store_support import (
    BUCKET,
    DENIED,
    Proxy,
    bucket_client,
    checking_signatures,
    keys_below,
    point_to,
    proxied,
    s3_server,
)
from .support import gcsl_data, make_rows, tree, write_jsonl

ROWS = make_rows([i / 50 for i in range(50)])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxied(server) as (proxy, address):
        point_to(address, monkeypatch)
        yield proxy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "log.jsonl", ROWS)
    return tmp_path


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://b/p", ("s3://b/p", "s3", "b", "p")),
        ("s3://b.c-d/p/q r//", ("s3://b.c-d/p/q r", "s3", "b.c-d", "p/q r")),
        ("gs://b_1/p", ("gs://b_1/p", "gs", "b_1", "p")),
        ("az://$web/p%41?#", ("az://$web/p%41?#", "az", "$web", "p%41?#")),
    ],
)
def test_a_uri_names_a_prefix_in_a_bucket(uri: str, place: tuple[str, str, str, str]) -> None:
    assert place_of(uri) == Place(*place)


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("ftp://host/x", "GD0243"),
        ("hf://user/set", "GD0243"),
        ("S3://bucket/x", "GD0243"),
        ("file:///tmp/x", "GD0243"),
        ("s3://", "GD0244"),
        ("s3://bucket", "GD0244"),
        ("s3://bucket/", "GD0244"),
        ("s3:///x", "GD0244"),
        ("s3://bucket//x", "GD0244"),
        ("s3://bucket/a/../b", "GD0244"),
        ("s3://bucket/a\n", "GD0244"),
        ("s3://key:secret@bucket/x", "GD0244"),
    ],
)
def test_what_is_no_place_is_a_usage_error(folder: Path, uri: str, code: str) -> None:
    outcome = gcsl_data("expand", "no-such-log.jsonl", "-o", uri, "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (2, code)
    assert len(outcome.errors) == 1
    assert tree(folder) == ["log.jsonl"]


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--overwrite",), "GD0257", "remove this one first"),
        (("--resume",), "GD0258", "--resume is for folders"),
        (("--shard", "1/2"), "GD0258", "--shard is for folders"),
    ],
)
def test_what_needs_a_folder_is_a_usage_error(folder: Path, flags: tuple[str, ...], code: str, words: str) -> None:
    outcome = gcsl_data("expand", "log.jsonl", "-o", f"s3://{BUCKET}/over", *flags, "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (2, code)
    assert words in outcome.json["message"]


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize("endpoint", ["nonsense", "127.0.0.1:9000", "ftp://host", "http://"])
def test_an_endpoint_that_is_no_address_is_a_usage_error(
    folder: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)

    for arguments in (("log.jsonl", "-o", "s3://bucket/x"), ("s3://bucket/log.jsonl", "-o", "out")):
        outcome = gcsl_data("expand", *arguments, "--json", cwd=folder)
        assert (outcome.status, outcome.json["code"]) == (2, "GD0247")


def test_an_account_that_is_not_named_is_a_usage_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)

    outcome = gcsl_data("expand", "log.jsonl", "-o", "az://container/x", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (2, "GD0246")
    assert "account" in outcome.json["message"].lower()


def test_the_other_stores_are_opened_with_their_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "team")

    azure, google = (open_store(place_of(uri)) for uri in ("az://box/a/b", "gs://bucket/c"))

    assert (type(azure).__name__, azure.prefix, azure.config["container_name"]) == ("AzureStore", "a/b", "box")
    assert (type(google).__name__, google.prefix, google.config["bucket"]) == ("GCSStore", "c", "bucket")


def test_without_obstore_the_error_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)

    outcome = gcsl_data("expand", "log.jsonl", "-o", "s3://bucket/x", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (2, "GD0245")
    assert "pip install 'gcsl[store]'" in outcome.json["message"]


@pytest.mark.usefixtures("proxy")
def test_a_bucket_that_is_not_there_is_exit_73(folder: Path) -> None:
    outcome = gcsl_data("expand", "no-such-log.jsonl", "-o", "s3://no-such-bucket/x", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (73, "GD7333")
    assert "NoSuchBucket" in outcome.json["message"]
    assert "make it first" in outcome.json["message"]


@pytest.fixture
def strict(server: str) -> Iterator[None]:
    with checking_signatures(server):
        yield


@pytest.mark.usefixtures("proxy", "strict")
def test_wrong_credentials_are_exit_73_and_not_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")

    outcome = gcsl_data("expand", "no-such-log.jsonl", "-o", f"s3://{BUCKET}/x", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (73, "GD7332")
    assert len(outcome.errors) == 1
    assert "hush" not in outcome.out + outcome.err


def test_who_may_look_and_not_write_is_told_so(folder: Path, proxy: Proxy, server: str) -> None:
    proxy.before = lambda request: DENIED if request.method == "PUT" else None

    outcome = gcsl_data("expand", "log.jsonl", "-o", f"s3://{BUCKET}/denied", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (73, "GD7332")
    assert "AccessDenied: Access Denied" in outcome.json["message"]
    assert keys_below(bucket_client(server), "denied") == []


def test_who_may_not_remove_leaves_the_claim(folder: Path, proxy: Proxy, server: str) -> None:
    proxy.before = lambda request: DENIED if request.method in ("DELETE", "POST") else None

    assert gcsl_data("expand", "log.jsonl", "-o", f"s3://{BUCKET}/kept", cwd=folder).status == 0

    left = keys_below(bucket_client(server), "kept")
    assert {"manifest.json", "_gcsl/claim.json"} <= {*left}


def test_no_credentials_at_all_is_exit_73(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_to("http://127.0.0.1:9", monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    outcome = gcsl_data("expand", "log.jsonl", "-o", "s3://bucket/x", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (73, "GD7331")


def test_a_store_that_is_not_there_is_exit_74(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_to("http://127.0.0.1:9", monkeypatch)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")

    outcome = gcsl_data("expand", "log.jsonl", "-o", "s3://bucket/x", "--json", cwd=folder)

    assert (outcome.status, outcome.json["code"]) == (74, "GD7405")
    assert len(outcome.errors) == 1


def profile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = "[team]\naws_access_key_id = of-the-profile\naws_secret_access_key = s\n"
    (folder / "credentials").write_text(keys)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "team")


def test_keys_of_a_profile_sign_the_requests(folder: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    profile(folder, monkeypatch)

    outcome = gcsl_data("expand", "log.jsonl", "-o", f"s3://{BUCKET}/profile", cwd=folder)

    assert outcome.status == 0, outcome.err
    assert all("Credential=of-the-profile/" in request.headers["authorization"] for request in proxy.seen)


@pytest.mark.usefixtures("proxy")
def test_a_profile_that_cannot_be_read_is_a_usage_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile(folder, monkeypatch)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    unknown = gcsl_data("expand", "log.jsonl", "-o", f"s3://{BUCKET}/x", "--json", cwd=folder)
    monkeypatch.setitem(sys.modules, "boto3", None)
    unread = gcsl_data("expand", "log.jsonl", "-o", f"s3://{BUCKET}/x", "--json", cwd=folder)

    assert (unknown.status, unknown.json["code"]) == (2, "GD0249")
    assert (unread.status, unread.json["code"]) == (2, "GD0248")
    assert "pip install boto3" in unread.json["message"]


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from gcsl_data.cli import main
main()
"""


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    ("limit", "code"), [(10_000, "GD7403"), (400_000, "GD7406")]
)  # what is noted down; the dataset
def test_no_room_to_make_it_first_is_exit_74_and_names_tmpdir(
    folder: Path, server: str, monkeypatch: pytest.MonkeyPatch, limit: int, code: str
) -> None:
    write_jsonl(folder / "log.jsonl", [{**row, "response": "word " * 100} for row in make_rows(range(3000))])
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), "expand", "log.jsonl", "-o", f"s3://{BUCKET}/room", "--json"],
        cwd=folder,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 74, done.stderr
    found = json.loads(done.stdout)
    assert found["code"] == code
    assert "or set TMPDIR" in found["message"]
    assert tree(folder) == ["log.jsonl", "tmp"]
    assert keys_below(bucket_client(server), "room") == []
