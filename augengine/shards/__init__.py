"""Shards: read one, write one the same bytes every time, publish it, verify a folder of them."""

from augengine.shards.read import TarListing, read_members, read_tar, scan_tar
from augengine.shards.records import read_report, write_report
from augengine.shards.verify import Verification, verify
from augengine.shards.write import ShardWriter, Written, members_of, publish

__all__ = [
    "ShardWriter",
    "TarListing",
    "Verification",
    "Written",
    "members_of",
    "publish",
    "read_members",
    "read_report",
    "read_tar",
    "scan_tar",
    "verify",
    "write_report",
]
