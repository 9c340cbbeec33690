"""An object store for the tests: a real S3 server on this machine, behind a proxy that sees, delays and spoils requests.

moto looks whether an object exists and then writes it; a store does both in one step. So the proxy lets conditional puts
through one at a time.
"""

import http.client
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "team-data"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def puts(self, name: str) -> bool:
        """Whether it carries the content of an object whose name holds these letters, or of a part of it."""
        return self.method == "PUT" and name in self.path


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


UNAVAILABLE = Answer(
    503, {}, b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)
DENIED = Answer(403, {}, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")


class Proxy:
    """`before(request)` may change a request, wait, or answer it; `after(request, answer)` may change an answer."""

    def __init__(self, server: str) -> None:
        self._server = server.removeprefix("http://")
        self._one_put = threading.Lock()
        self.before: Callable[[Request], Answer | None] = lambda _request: None
        self.after: Callable[[Request, Answer], Answer] = lambda _request, answer: answer
        self.seen: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.seen.append(request)
        answer = self.before(request)
        if answer is None and "if-none-match" in request.headers:
            with self._one_put:
                answer = self._forward(request)
        return self.after(request, answer or self._forward(request))

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._server)
        connection.request(request.method, request.path, request.body, request.headers)
        response = connection.getresponse()
        headers = {name: value for name, value in response.getheaders() if name.lower() not in _OF_THE_LINE}
        answer = Answer(response.status, headers, response.read())
        connection.close()
        return answer


_OF_THE_LINE = {"connection", "transfer-encoding", "date", "server"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.proxy.answer(Request(self.command, self.path, headers, body))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 (http.server's names)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed while it talked is what some tests are about."""


@contextmanager
def proxied(server: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of `server`, and its address."""
    proxy = Proxy(server)
    listener = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield proxy, f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    listener.server_close()
    thread.join()


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server with one empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    bucket_client(address).create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


@contextmanager
def checking_signatures(address: str) -> Iterator[None]:
    """Meanwhile the server looks at who asks."""

    def check_after(requests: str) -> None:
        place, plain = f"{address}/moto-api/reset-auth", {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(place, requests.encode(), plain)).close()

    check_after("0")
    yield
    check_after("inf")


def bucket_client(address: str) -> Any:
    """Another program's view of the store: boto3."""
    return boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )


def point_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the environment that of a program which uses the server; nothing of this machine's own is left in it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": address, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)


def keys_below(client: Any, prefix: str, *, bucket: str = BUCKET) -> list[str]:
    """The objects of a prefix, their names relative to it."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    return sorted(found["Key"].removeprefix(f"{prefix}/") for page in pages for found in page.get("Contents", []))


def download(client: Any, prefix: str, folder: Path) -> Path:
    """The objects of a prefix as files in a folder."""
    for name in keys_below(client, prefix):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        client.download_file(BUCKET, f"{prefix}/{name}", str(folder / name))
    return folder
