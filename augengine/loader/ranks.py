"""Which rank this process is, by torch.distributed or by the environment."""

from __future__ import annotations

import os

import torch

from augengine.errors import SpecError
from augengine.loader.order import Ranks


def find_ranks() -> Ranks:
    """The rank and the number of ranks of torch.distributed where it is initialised, else of RANK and WORLD_SIZE.

    Raises:
        SpecError: One of the two variables is missing or no number, or they contradict each other.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return Ranks(rank=torch.distributed.get_rank(), world=torch.distributed.get_world_size())
    if "WORLD_SIZE" not in os.environ:
        return Ranks()
    stated = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")}
    if not all(text.isascii() and text.isdigit() for text in stated.values()):
        hint = "set both, as torchrun does, or neither"
        raise SpecError(f"RANK is {stated['RANK']!r} and WORLD_SIZE {stated['WORLD_SIZE']!r}", hint=hint)
    return Ranks(rank=int(stated["RANK"]), world=int(stated["WORLD_SIZE"]))
