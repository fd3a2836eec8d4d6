"""Uploads in parts that nobody finishes: invisible in a listing, paid for, and kept by a store for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from augengine.storage.url import UrlPath, remote_errors


def unfinished_uploads(folder: UrlPath, endings: tuple[str, ...]) -> list[tuple[str, str]]:
    """Uploads to files directly in a folder: key and upload id of each; none on stores other than S3.

    Args:
        folder: Where.
        endings: What the files' names end with.

    Raises:
        TargetError: The store does not answer, or does not allow it.
    """
    if "s3" not in folder.filesystem.protocol:
        return []
    bucket, key, _ = folder.filesystem.split_path(folder.url)
    prefix = f"{key}/" if key else ""
    with remote_errors(folder.url):
        found = [(str(each["Key"]), str(each["UploadId"])) for each in _listed(folder.filesystem, bucket, prefix)]
    return [each for each in found if each[0].endswith(endings) and "/" not in each[0].removeprefix(prefix)]


def abort_uploads(folder: UrlPath, endings: tuple[str, ...]) -> int:
    """Drop them, with the parts that are there; how many there were. Only for who holds the folder.

    Raises:
        TargetError: The store does not answer, or does not allow it.
    """
    found = unfinished_uploads(folder, endings)
    for key, upload in found:
        bucket = folder.filesystem.split_path(folder.url)[0]
        try:
            with remote_errors(folder.url):
                folder.filesystem.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)
        except FileNotFoundError:
            continue  # it came to its end meanwhile
    return len(found)


def _listed(filesystem: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    after: dict[str, str] = {}
    while True:
        page = filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **after)
        yield from page.get("Uploads", [])
        if not page.get("IsTruncated"):
            return
        after = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
