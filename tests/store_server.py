"""A real S3 server on loopback (moto's) behind middleware that injects faults."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Fault = Callable[[str, str, int], str]
"""Method, path and number of a request -> ``""``, ``"500"``, ``"slow"`` or ``"cut"``."""


class Store:
    """The server; ``fault`` may be set at any time."""

    def __init__(self) -> None:
        self.requests = 0
        self.injected = 0
        self.fault: Fault = lambda *_: ""
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
        if kind == "500":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        answer = self._app(environ, start)
        return _cut(answer) if kind == "cut" else answer

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


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
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(bucket)
    try:
        yield server
    finally:
        server.close()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
