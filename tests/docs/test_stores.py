"""docs/stores.md: what it tells to type works, against a real S3 server."""

from pathlib import Path

import pytest

from gcsl_data.dataset import store
from tests.data.store_support import bucket_client, keys_below, point_to, s3_server
from tests.data.support import expand, make_rows, write_jsonl

from .blocks import ROOT, blocks, run

PAGE = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")


def test_what_it_tells_to_type_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write_jsonl(tmp_path / "logs.jsonl", make_rows([i / 50 for i in range(50)]))
    expand(tmp_path / "logs-gcsl", log)
    (command,) = [line for block in blocks(PAGE, "sh") for line in block.splitlines() if line.startswith("gcsl-data ")]
    (program,) = blocks(PAGE, "python")
    monkeypatch.chdir(tmp_path)

    with s3_server() as address:
        point_to(address, monkeypatch)
        client = bucket_client(address)
        client.create_bucket(Bucket="bucket")
        said = run(command, tmp_path)
        exec(program, {})

        assert said.splitlines()[-1] == "s3://bucket/runs/monday"
        for name in ("runs/monday", "runs/tuesday"):
            assert "manifest.json" in keys_below(client, name, bucket="bucket")


def test_it_names_every_store() -> None:
    for scheme in store.SCHEMES:
        assert f"`{scheme}://" in PAGE
