"""The accounts of a dataset: what became of every sample, how far a run is, what a run left; all of it from files."""

from augengine.accounts.recorder import Recorder, recorded
from augengine.accounts.retry import Retry, choose_retry
from augengine.accounts.shard_account import Account, Loss, ShardAccount, take_account
from augengine.accounts.status import Status, read_status
from augengine.accounts.summary import close_account, write_summary

__all__ = [
    "Account",
    "Loss",
    "Recorder",
    "Retry",
    "ShardAccount",
    "Status",
    "choose_retry",
    "close_account",
    "read_status",
    "recorded",
    "take_account",
    "write_summary",
]
