"""A real S3 server on loopback (moto's) behind middleware that injects faults."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, Literal

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Conditions = Literal["kept", "unknown", "ignored"]
"""What it makes of conditional writes; other stores answer 501, or write in any case."""

Fault = Callable[[str, str, int], str]
"""Method, path and number of a request -> ``""``, ``"500"``, ``"403"``, ``"slow"``, ``"cut"`` or ``"lost"``.

Lost is an answer: the request is done, and answered with 500.
"""

_REFUSALS = {"500": "500 Internal Server Error", "403": "403 Forbidden"}


class Store:
    """The server; ``fault`` and ``conditions`` may be set at any time."""

    def __init__(self) -> None:
        self.requests = 0
        self.injected = 0
        self.fault: Fault = lambda *_: ""
        self.conditions: Conditions = "kept"
        self._one_write = threading.Lock()  # moto looks and writes in two steps, a store in one
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        self.requests += 1
        kind = self.fault(environ["REQUEST_METHOD"], environ["PATH_INFO"], self.requests)
        self.injected += bool(kind)
        if kind == "slow":
            time.sleep(0.3)
        if kind in _REFUSALS:
            return _refuse(environ, start, _REFUSALS[kind])
        if self.conditions == "ignored":
            environ.pop("HTTP_IF_MATCH", None)
            environ.pop("HTTP_IF_NONE_MATCH", None)
        is_conditional = "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ
        if self.conditions == "unknown" and is_conditional:
            return _refuse(environ, start, "501 Not Implemented")
        with self._one_write if is_conditional else nullcontext():
            answer = self._app(environ, _unheard(start) if kind == "lost" else start)
        if kind == "lost":
            b"".join(answer)
            return [b""]
        return _cut(answer) if kind == "cut" else answer

    def heal(self) -> None:
        """No more faults."""
        self.fault = lambda *_: ""
        self.conditions = "kept"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _refuse(environ: dict[str, Any], start: Any, status: str) -> list[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start(status, [("Content-Length", "0")])
    return [b""]


def _unheard(start: Any) -> Any:
    """Starts an answer of 500, whatever became of the request."""
    return lambda status, headers, *_: start("500 Internal Server Error", [("Content-Length", "0")])


def _cut(answer: Any) -> Iterator[bytes]:
    """The answer breaks off in the middle: its length was said, and the connection closes."""
    yield b"".join(answer)[:-1][:100]


@contextmanager
def store(bucket: str = "slides") -> Iterator[Store]:
    """A store with one bucket; the environment points at it."""
    import s3fs

    variables = {
        "AWS_ACCESS_KEY_ID": "id-of-tests",
        "AWS_SECRET_ACCESS_KEY": "secret-of-tests",
        "AWS_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in (*variables, "AWS_ENDPOINT_URL")}
    server = Store()
    os.environ.update(variables | {"AWS_ENDPOINT_URL": server.url})
    s3fs.S3FileSystem.clear_instance_cache()
    with suppress(FileExistsError):  # moto keeps its buckets in this process
        s3fs.S3FileSystem(use_listings_cache=False).mkdir(bucket)
    try:
        yield server
    finally:
        server.close()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
