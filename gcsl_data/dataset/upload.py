"""A finished dataset put into an object store, the manifest last.

A store cannot rename a folder, so the order of puts does what a rename does on a disk:

    claim     `_gcsl/claim.json`, created only if it is absent: which dataset this prefix is for. Who finds another one stops
    files     shards, side files, card; each one proven to have arrived
    manifest  created only if it is absent: from here on the dataset is there
    unclaim   the claim has done its work; the prefix holds what the folder holds

Whoever uploads the same dataset, at the same time or after a crash, finds the same claim and writes the same bytes over the
same names. That is why nothing is taken back after an error: it may be somebody else's by then.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcsl_data.dataset.decode import pretty
from gcsl_data.dataset.files import new_locked_folder, remove_abandoned
from gcsl_data.dataset.manifest import MANIFEST_NAME, SIDE_FOLDER, load, verified_shard
from gcsl_data.dataset.store import Place, answering, open_store, place_of, store_errors, wait_for
from gcsl_data.errors import OutputError, WriteError, shown

CLAIM_NAME = f"{SIDE_FOLDER}/claim.json"
OnFiles = Callable[[int, int], None]
_TIMES = f"{SIDE_FOLDER}/run.json"  # differs between equal builds, any of which may be the last to put it
_STAGING = "gcsl-upload-"
_PART = 8 * 1024 * 1024
_MOST_PARTS = 10_000  # of one object, in S3
_AT_ONCE = 8  # parts on their way, so 64 MiB of memory


@dataclass(frozen=True, slots=True)
class _Dataset:
    """A finished dataset in a folder: its files but the manifest, the manifest's bytes, and the claim that goes with it."""

    folder: Path
    names: tuple[str, ...]
    manifest: bytes
    claim: bytes


@contextmanager
def staging(uri: str) -> Iterator[Path]:
    """A path under TMPDIR to build a dataset at before it is uploaded to `uri`; whatever is there goes away at the end.

    Raises WriteError (74) when it has no room.
    """
    parent = Path(tempfile.gettempdir())
    remove_abandoned(parent, _STAGING)
    folder, lock = new_locked_folder(parent, _STAGING, mode=0o700)
    place = folder / "dataset"
    try:
        yield place
    except KeyboardInterrupt:
        if place.exists():
            raise
        raise KeyboardInterrupt from None  # what an interrupted build says it keeps goes away with this folder
    except WriteError as error:
        if str(folder) not in error.message:
            raise
        raise WriteError(
            "GD7406", f"{uri} is made on this disk first, and that failed: {error.message}; or set TMPDIR"
        ) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def require_vacant(uri: str) -> bool:
    """Whether an upload to `uri` was begun and not finished; the same dataset may go on there.

    Raises UsageError (2) when `uri` is no place for a dataset, OutputError (73) when something else stands there, the bucket
    is missing or the store refuses, WriteError (74) when it does not answer.
    """
    place = place_of(uri)
    client = open_store(place)
    with answering(place):
        return wait_for(_is_begun(client, place))


def upload(folder: str | os.PathLike[str], uri: str, *, on_files: OnFiles | None = None) -> None:
    """Puts the finished dataset of `folder` at `uri` (`s3://bucket/prefix`); `on_files(done, total)` hears of progress.

    Raises what `load`, `verified_shard` and `require_vacant` raise; OutputError (73) also when another dataset is on its way
    to the same place, WriteError (74) when what arrived is not what was sent. A KeyboardInterrupt says what it leaves.
    """
    place, root = place_of(uri), Path(folder)
    client, manifest = open_store(place), load(root)
    for shard in manifest.shards:
        verified_shard(root, shard)
    files = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file())
    content = (root / MANIFEST_NAME).read_bytes()
    claim = {"dataset_id": manifest.dataset_id, "manifest_sha256": hashlib.sha256(content).hexdigest()}
    names = tuple(name for name in files if name not in (MANIFEST_NAME, CLAIM_NAME))
    try:
        with answering(place):
            wait_for(_upload(client, place, _Dataset(root, names, content, pretty(claim)), on_files))
    except KeyboardInterrupt:
        left = f"objects without a manifest are left at {place.uri}: the same command goes on there, or remove them"
        raise KeyboardInterrupt(left) from None


async def _upload(client: Any, place: Place, dataset: _Dataset, on_files: OnFiles | None) -> None:
    await _is_begun(client, place)
    await _claim(client, place, dataset)
    # The claim goes after the manifest has come, so whoever takes a claim looks for a manifest once more.
    if not await _is_done(client, place, dataset):
        for done, name in enumerate(dataset.names, start=1):
            await _send(client, place, dataset.folder / name, name)
            if on_files:
                on_files(done, len(dataset.names))
        await _require_all(client, place, dataset)
        if not await _created(client, MANIFEST_NAME, dataset.manifest) and not await _is_done(client, place, dataset):
            raise _exists(place)
    await _unclaim(client)


async def _is_begun(client: Any, place: Place) -> bool:
    """Whether there is a claim. Raises OutputError (73) for a manifest, or objects without either."""
    first = await _first(client)
    if first is None:
        return False
    if await _read(client, MANIFEST_NAME) is not None:
        raise _exists(place)
    if await _read(client, CLAIM_NAME) is None:
        raise OutputError(
            "GD7334", f"{place.uri} holds {shown(first)} and no dataset; choose a prefix where nothing is, or remove it"
        )
    return True


async def _claim(client: Any, place: Place, dataset: _Dataset) -> None:
    """Makes the prefix ours. Raises OutputError (73) when it is another dataset's, or the store has no conditional put."""
    while True:
        took_twice = [await _created(client, CLAIM_NAME, dataset.claim) for _ in range(2)] == [True, True]
        if took_twice and not await _is_done(client, place, dataset):  # who was done may have removed it in between
            raise OutputError(
                "GD7335",
                f"{place.uri}: the store took one object twice, where it was to be created only if absent (If-None-Match), "
                "so two builds could mix there; build into a folder and copy it, the manifest last",
            )
        found = await _read(client, CLAIM_NAME)
        if found == dataset.claim:
            return
        if found is not None:
            raise OutputError(
                "GD7336",
                f"{place.uri} is claimed by the build of another dataset, which is at work or died; choose another prefix, "
                "or remove everything below this one when nobody writes there",
            )
        if await _is_done(client, place, dataset):  # whose claim it was has finished
            return


async def _is_done(client: Any, place: Place, dataset: _Dataset) -> bool:
    """Whether our very manifest stands there. Raises OutputError (73) for another one, and takes our claim away first."""
    found = await _read(client, MANIFEST_NAME)
    if found is None or found == dataset.manifest:
        return found is not None
    if await _read(client, CLAIM_NAME) == dataset.claim:
        await _unclaim(client)
    raise _exists(place)


async def _send(client: Any, place: Place, path: Path, name: str) -> None:
    """Puts one file. Raises WriteError (74) when what is there then is not what lies here.

    Where the store's tag is the MD5 of what it got, as in S3 without keys of its own, that is the proof; elsewhere the object
    is read back.
    """
    import obstore

    part = max(_PART, -(-path.stat().st_size // _MOST_PARTS))
    put = await obstore.put_async(client, name, path, chunk_size=part, max_concurrency=_AT_ONCE)
    if (put["e_tag"] or "").strip('"') == _tag(path, part):
        return
    with path.open("rb") as file:
        sent = hashlib.file_digest(file, "sha256").digest()
    arrived = hashlib.sha256()
    async for piece in (await obstore.get_async(client, name)).stream(min_chunk_size=_PART):
        arrived.update(piece)
    if arrived.digest() != sent:
        raise WriteError(
            "GD7407", f"{place.uri}/{name} is not what was sent; run the same command again, which writes it anew"
        )


def _tag(path: Path, part: int) -> str:
    """The tag that S3 gives a file sent in parts of that many bytes: MD5, of the MD5s of the parts if there are several."""
    with path.open("rb") as file:
        parts = [_md5(piece) for piece in iter(lambda: file.read(part), b"")] or [_md5(b"")]
    return parts[0].hex() if len(parts) == 1 else f"{_md5(b''.join(parts)).hex()}-{len(parts)}"


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


async def _require_all(client: Any, place: Place, dataset: _Dataset) -> None:
    """Raises WriteError (74) when a file that was put there has gone or has another size: somebody cleans up, say."""
    import obstore

    sizes = {entry["path"]: entry["size"] for entry in await obstore.list(client).collect_async()}
    for name in dataset.names:
        size = sizes.get(name)
        if size != (dataset.folder / name).stat().st_size and not (name == _TIMES and size):
            raise WriteError(
                "GD7408",
                f"{place.uri}/{name} was put there and has gone or changed; see who else writes there, and try again",
            )


async def _first(client: Any) -> str | None:
    """Any object at the prefix."""
    import obstore

    async for page in obstore.list(client):
        for entry in page:
            return entry["path"]
    return None


async def _read(client: Any, name: str) -> bytes | None:
    import obstore

    try:
        return bytes(await (await obstore.get_async(client, name)).bytes_async())
    except FileNotFoundError:
        return None


async def _created(client: Any, name: str, content: bytes) -> bool:
    """Puts an object where none is; False when there is one."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    try:
        await obstore.put_async(client, name, content, mode="create")
    except AlreadyExistsError:
        return False
    return True


async def _unclaim(client: Any) -> None:
    """A claim that stays, because we may not remove it, does no harm beside a manifest."""
    import obstore

    with suppress(store_errors(), FileNotFoundError):
        await obstore.delete_async(client, CLAIM_NAME)


def _exists(place: Place) -> OutputError:
    return OutputError("GD7337", f"{place.uri} holds a dataset; choose another prefix, or remove everything below it")
