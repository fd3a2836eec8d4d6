"""Where files of a target lie: local paths, and URLs that fsspec knows. Both are addressed alike."""

from augengine.storage.spool import spool_of
from augengine.storage.url import UrlPath, is_url, path_of
from augengine.storage.whole import AnyPath, delete, names, publish_url, read_whole, size_of, write_if_absent

__all__ = [
    "AnyPath",
    "UrlPath",
    "delete",
    "is_url",
    "names",
    "path_of",
    "publish_url",
    "read_whole",
    "size_of",
    "spool_of",
    "write_if_absent",
]
