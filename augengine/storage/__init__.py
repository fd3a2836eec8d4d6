"""Where files of a target lie: local paths, and URLs that fsspec knows. Both are addressed alike."""

from augengine.storage.access import Access
from augengine.storage.conditional import version_of, write_if_absent, write_if_version
from augengine.storage.order import REQUESTS_AT_A_TIME, in_order
from augengine.storage.plain import LinkLeadsOut, NotPlainError, open_plain, read_plain
from augengine.storage.spool import spool_of
from augengine.storage.uploads import abort_uploads, unfinished_uploads
from augengine.storage.url import (
    UrlPath,
    check_no_credentials,
    filesystem_of,
    is_url,
    path_of,
    read_ahead,
    redact,
    remote_errors,
)
from augengine.storage.whole import (
    MAX_RECORD_BYTES,
    AnyPath,
    delete,
    names,
    open_whole,
    publish_url,
    read_whole,
    size_of,
)

__all__ = [
    "MAX_RECORD_BYTES",
    "REQUESTS_AT_A_TIME",
    "Access",
    "AnyPath",
    "LinkLeadsOut",
    "NotPlainError",
    "UrlPath",
    "abort_uploads",
    "check_no_credentials",
    "delete",
    "filesystem_of",
    "in_order",
    "is_url",
    "names",
    "open_plain",
    "open_whole",
    "path_of",
    "publish_url",
    "read_ahead",
    "read_plain",
    "read_whole",
    "redact",
    "remote_errors",
    "size_of",
    "spool_of",
    "unfinished_uploads",
    "version_of",
    "write_if_absent",
    "write_if_version",
]
