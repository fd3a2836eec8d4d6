"""A file or folder by URL. Credentials are refused in it: it stands in plans, reports and errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from augengine.errors import AugengineError, SpecError, TargetError

_PROTOCOL = re.compile(r"^[A-Za-z][\w+.-]*(::|://)")
_USER = re.compile(r"(?<=://)[^/\s@]*@")
_QUERY = re.compile(r"[?&][^\s/?&='\"]+=[^\s'\"]*")
_HINT = "leave it out; the environment holds credentials: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

_S3 = {"s3", "s3a"}
BLOCK_BYTES = 8 << 20
"""A part of an upload; files of less than two go up in one request."""


def is_url(text: object) -> bool:
    """Whether it is addressed by a protocol, not by a path."""
    return bool(_PROTOCOL.match(str(text)))


def redact(text: str) -> str:
    """A text without what may be a credential in its URLs."""
    return _QUERY.sub("?***", _USER.sub("***@", text))


def check_no_credentials(url: str) -> str:
    """The URL itself.

    Raises:
        SpecError: It names a user or has a query, where keys and signatures stand.
    """
    if redact(url) != url:
        raise SpecError(f"the URL {redact(url)} holds a user or a query, which may be a credential", hint=_HINT)
    return url


@dataclass(frozen=True)
class UrlPath:
    """A file or folder by URL, with the few words of `pathlib.Path` that a dataset needs.

    Attributes:
        url: Without a slash at its end.
    """

    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", check_no_credentials(self.url.rstrip("/")))

    def __truediv__(self, name: str) -> UrlPath:
        return UrlPath(f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """What follows the last slash."""
        return self.url.rpartition("/")[2]

    def absolute(self) -> UrlPath:
        """Itself."""
        return self

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}  # a filesystem is opened anew in another process

    @cached_property
    def filesystem(self) -> fsspec.AbstractFileSystem:
        """Opened once.

        Raises:
            TargetError: The protocol is unknown, or its package is missing.
        """
        try:
            return filesystem_of(self.url)
        except SpecError as error:
            raise TargetError(error.message.replace("open", "write to", 1), hint=error.hint) from error


def path_of(text: str | Path | UrlPath) -> Path | UrlPath:
    """What a user means: a local path, or an URL.

    Raises:
        SpecError: An URL that holds credentials.
    """
    return (
        UrlPath(text) if isinstance(text, str) and is_url(text) else text if isinstance(text, UrlPath) else Path(text)
    )


def filesystem_of(url: str) -> fsspec.AbstractFileSystem:
    """The filesystem of an URL, without a memory of listings: other machines write there too.

    Raises:
        SpecError: The protocol is unknown, or its package is missing.
    """
    protocol = fsspec.core.split_protocol(url)[0]
    try:
        filesystem, _ = fsspec.core.url_to_fs(url, **_options(protocol))
    except (ImportError, ValueError) as error:
        hint = 'pip install "augengine[s3]"' if protocol in _S3 else "install the fsspec package of that protocol"
        raise SpecError(f"cannot open {redact(url)}: {redact(str(error))}", hint=hint) from error
    return filesystem


def _options(protocol: str | None) -> dict[str, Any]:
    if protocol not in _S3:
        return {}
    retries = {"max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", "6")), "mode": "standard"}
    return {
        "use_listings_cache": False,
        "default_block_size": BLOCK_BYTES,
        "config_kwargs": {"retries": retries, "connect_timeout": 10, "read_timeout": 60},
    }


def read_ahead(filesystem: fsspec.AbstractFileSystem) -> dict[str, Any]:
    """How a file is read as a stream: of S3 the next block while one is used, and no more than four are kept."""
    if "s3" not in filesystem.protocol:
        return {}
    return {"block_size": 4 << 20, "cache_type": "background", "cache_options": {"maxblocks": 4}}


@contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Turn what a store's package raises into a `TargetError` without credentials in its text."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, AugengineError):
        raise
    except Exception as error:  # noqa: BLE001 - botocore's are no OSErrors, and we do not import it
        reason = redact(getattr(error, "strerror", None) or str(error))
        hint = "check the store and the credentials in the environment, then run again: finished shards are kept"
        raise TargetError(f"{url}: {type(error).__name__}: {reason}", hint=hint) from None
