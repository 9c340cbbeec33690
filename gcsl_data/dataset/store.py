"""An object store as a place to write to: what a URI names, what the environment says of it, what its answers mean.

The library behind it is obstore, which has what pyarrow's file systems lack: a put that fails when the object exists.
"""

import asyncio
import concurrent.futures
import os
import re
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from gcsl_data.errors import GcslError, OutputError, UsageError, WriteError, nearest, shown

T = TypeVar("T")

SCHEMES = ("s3", "gs", "az")
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*", re.ASCII)
_A_REQUEST = timedelta(minutes=5)  # a part goes out in that time over any line worth using
_LOOKS = 0.1  # seconds between two looks whether a signal has come
# Whom a machine of a cloud asks for its own credentials.
_METADATA = re.compile(r"/latest/(api/token|meta-data)|computeMetadata|metadata/identity")


def is_uri(name: str) -> bool:
    """Whether this names a place in an object store, `s3://bucket/prefix`, and no folder."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """A prefix in a bucket: `uri` without a slash at its end, and its parts."""

    uri: str
    scheme: str
    bucket: str
    prefix: str


def place_of(uri: str) -> Place:
    """What a URI names. Raises UsageError (2) for a scheme that is not known, or when a bucket or a prefix is missing."""
    scheme, _, name = uri.partition("://")
    if scheme not in SCHEMES:
        known = ", ".join(known + "://" for known in SCHEMES)
        raise UsageError(
            "GD0243", f"{uri}: cannot write to {shown(scheme)}; {nearest(scheme, SCHEMES)} (a folder, or {known})"
        )
    bucket, _, prefix = name.rstrip("/").partition("/")
    parts = prefix.split("/")
    if not _BUCKET.fullmatch(bucket) or {"", ".", ".."} & {*parts} or not prefix.isprintable():
        raise UsageError("GD0244", f"{uri}: expected {scheme}://bucket/prefix, with a plain name at each level")
    return Place(f"{scheme}://{bucket}/{prefix}", scheme, bucket, prefix)


def open_store(place: Place) -> Any:
    """An obstore client whose paths are relative to the place. Nothing is asked of the store yet.

    Raises UsageError (2) when obstore is not installed or the environment does not say how to reach the store.
    """
    try:
        from obstore import store
    except ImportError:
        raise UsageError("GD0245", f"{place.uri} needs obstore; run: pip install 'gcsl[store]'") from None
    options: dict[str, Any] = {"prefix": place.prefix, "client_options": {"timeout": _A_REQUEST}}
    try:
        if place.scheme == "gs":
            return store.GCSStore(place.bucket, **options)
        if place.scheme == "az":
            return store.AzureStore(place.bucket, **options)
        return store.S3Store(place.bucket, **_s3_options(place, options))
    except (store_errors(), ValueError) as error:
        raise UsageError(
            "GD0246", f"{place.uri}: the environment does not say how to reach it ({_reason(str(error))})"
        ) from None


def s3_endpoint() -> str | None:
    """The S3 server that the environment names instead of Amazon's: `http://host:port`.

    Raises UsageError (2) when it is no such address.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("GD0247", f"AWS_ENDPOINT_URL is {shown(endpoint)}; expected http(s)://host or host:port")
    return endpoint.rstrip("/")


def _s3_options(place: Place, options: dict[str, Any]) -> dict[str, Any]:
    endpoint = s3_endpoint()
    if endpoint:
        allow_http = endpoint.startswith("http://")
        options |= {"endpoint": endpoint, "client_options": {**options["client_options"], "allow_http": allow_http}}
    attempts = os.environ.get("AWS_MAX_ATTEMPTS", "")
    if attempts.isdecimal():  # the tools of Amazon read it as well, and so does what reads logs
        options["retry_config"] = {"max_retries": max(int(attempts) - 1, 0)}
    if _has_profile():
        options["credential_provider"] = _of_profile(place)
    return options


def _has_profile() -> bool:
    """Whether keys stand in a profile. Amazon's tools look there before they ask the machine, and obstore never does."""
    if "AWS_ACCESS_KEY_ID" in os.environ or "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ:
        return False
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    return "AWS_PROFILE" in os.environ or shared.is_file()


def _of_profile(place: Place) -> Any:
    if find_spec("boto3") is None:
        raise UsageError(
            "GD0248",
            f"{place.uri}: the keys stand in a profile, which boto3 reads; run: pip install boto3, "
            "or put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider()
    except (BotoCoreError, ValueError) as error:
        raise UsageError("GD0249", f"{place.uri}: no keys can be taken from the profile ({error})") from None


def store_errors() -> type[Exception]:
    """What obstore raises, beside FileNotFoundError."""
    from obstore.exceptions import BaseError

    return BaseError


@contextmanager
def answering(place: Place) -> Iterator[None]:
    """Raises OutputError (73) when the store says no, and WriteError (74) when it does not answer."""
    try:
        yield
    except (store_errors(), FileNotFoundError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # a file of ours, not an object
        raise _meant(str(error), place) from None


def _meant(text: str, place: Place) -> GcslError:
    """What a failed request means for whoever asked for the dataset."""
    found = re.search(r"status code: (\d{3})", text)
    status, reason = int(found[1]) if found else None, _reason(text)
    if _METADATA.search(text):
        return OutputError(
            "GD7331", f"{place.uri}: no credentials are in the environment, and this machine has none ({reason})"
        )
    if status in (401, 403):
        return OutputError(
            "GD7332",
            f"{place.uri}: the store refuses ({reason}); check the credentials in the environment, and that they may list, "
            "read and write there",
        )
    if status == 404:
        return OutputError(
            "GD7333", f"{place.uri}: no such bucket ({reason}); make it first, or correct the name or the endpoint"
        )
    return WriteError(
        "GD7405", f"{place.uri}: the store does not take it ({reason}); run the same command again when it does"
    )


def _reason(text: str) -> str:
    """What the store said, or what happened on the way; without the address, which may hold a signature."""
    code, message = (re.search(rf"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    if code:
        return f"{code[1]}: {message[1]}" if message and message[1] else code[1]
    return (text.splitlines() or [""])[0].rpartition(" - ")[2]


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end, in a thread of its own: so Ctrl-C cuts a long request off, and a notebook may call it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        while not concurrent.futures.wait([future], timeout=_LOOKS).done:
            pass  # a handler of Polars' for SIGINT makes waits go on, so a wait without an end would not hear of it
        return future.result()
    except BaseException:
        future.cancel()
        asyncio.run_coroutine_threadsafe(_ended(), loop).result()
        raise
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _ended() -> None:
    """Waits until what was cancelled has ended."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
