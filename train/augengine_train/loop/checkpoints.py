"""The folders of a training's checkpoints: weights as safetensors with a card, the rest in a file that holds no code.

::

    checkpoints/step-00002000/  *.safetensors  card.json  state.pt    the last
    checkpoints/best-00001500/  *.safetensors  card.json              the best by validation

A folder gets its name only when it is complete; the one before it goes after that.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor

from augengine.errors import CheckpointError, SpecError, TargetError, TrainingError
from augengine.json_values import from_json, parse_json
from augengine.storage import MAX_RECORD_BYTES, read_plain

T = TypeVar("T")

CARD = "card.json"
STATE = "state.pt"

Kind = Literal["step", "best"]


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one training, in ``folder``."""

    folder: Path

    def find(self, kind: Kind) -> Path | None:
        """The newest complete folder of a kind."""
        found = [path for path in self.folder.glob(f"{kind}-*") if (path / CARD).is_file()]
        return max(found, key=lambda path: path.name, default=None)

    def claim(self) -> None:
        """Refuse the folder for a training that begins, if one has begun there before.

        Raises:
            TargetError: It holds a checkpoint.
        """
        if self.find("step") or self.find("best"):
            raise TargetError(
                f"{self.folder.parent} holds a training already",
                hint="go on with it: --resume; or choose another --out",
            )

    def remove(self, kind: Kind) -> None:
        """Remove those of a kind.

        Raises:
            TargetError: One cannot be removed.
        """
        for folder in self.folder.glob(f"{kind}-*"):
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise TargetError(
                    f"cannot remove {folder}: {error.strerror}", hint="remove it by hand, or choose another --out"
                ) from error

    def write(
        self,
        kind: Kind,
        step: int,
        card: Mapping[str, Any],
        weights: Mapping[str, Mapping[str, Tensor]],
        state: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write a checkpoint, then remove the older ones of its kind.

        Args:
            kind: The last, or the best.
            step: Steps done.
            card: Plain json values that say what it is.
            weights: Name of a network -> its state.
            state: What else it takes to go on: tensors, numbers and texts.

        Raises:
            TargetError: It cannot be written; the older one stays.
        """
        files = {f"{name}.safetensors": _weights(tensors) for name, tensors in weights.items()}
        files[CARD] = (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode()
        if state is not None:
            files[STATE] = _to_bytes(state)
        target = self.folder / f"{kind}-{step:08d}"
        _publish(files, target)
        for older in self.folder.glob(f"{kind}-*"):
            if older != target:
                shutil.rmtree(older, ignore_errors=True)
        return target


def check_same(was: Mapping[str, Any], now: Mapping[str, Any], *, hint: str) -> None:
    """Refuse to go on with other settings: the result would be neither training's.

    Args:
        was, now: What decided the training's numbers, and what would; what only ``now`` says is not compared.
        hint: What to do instead of resuming with the same settings.

    Raises:
        TrainingError: It names what differs.
    """
    for name, before, after in _differences("", was, now):
        raise TrainingError(
            f"the training cannot be resumed with another {name}: it was {before}, now it is {after}",
            hint=f"resume with the same options and data, {hint}",
        )


def _differences(name: str, was: object, now: object) -> Iterator[tuple[str, object, object]]:
    """What differs, by names as ``data.shown.variants``."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for each in was:
            yield from _differences(f"{name}.{each}" if name else each, was[each], now.get(each))
    elif was != now:
        yield name, was, now


def load_state(folder: Path) -> dict[str, Any]:
    """The state beside a checkpoint's weights, read with weights only: nothing in it is run.

    Raises:
        CheckpointError: Missing, damaged, or holding code.
    """
    try:
        state: dict[str, Any] = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"cannot read {folder / STATE}: {str(error).splitlines()[0]}",
            hint="resume from a step-... folder as this program wrote it",
        ) from error
    return state


def _weights(tensors: Mapping[str, Tensor]) -> bytes:
    return to_safetensors({name: tensor.contiguous().cpu() for name, tensor in tensors.items()})


def _to_bytes(state: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def _publish(files: Mapping[str, bytes], target: Path) -> None:
    """Write a folder beside its place, and rename it when every byte is on the disk."""
    draft = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, data in files.items():
            with (draft / name).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        shutil.rmtree(target, ignore_errors=True)
        draft.replace(target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise TargetError(
            f"cannot write the checkpoint {target}: {error.strerror}",
            hint="free some space or permit writing, then go on with --resume: the checkpoint before is kept",
        ) from error


def read_card(folder: Path, format_version: int, kind: type[T]) -> T:
    """The card of a checkpoint's folder.

    Args:
        folder: The checkpoint's folder.
        format_version: Version that the card's fields must have.
        kind: What the card is, a dataclass.

    Raises:
        CheckpointError: Missing, unreadable, or of another version.
    """
    try:
        data = parse_json(read_plain(folder / CARD, limit=MAX_RECORD_BYTES))
        return from_json(kind, data, version=format_version)
    except (OSError, SpecError) as error:
        raise CheckpointError(
            f"cannot read the checkpoint's card {folder / CARD}: {error}", hint="name a folder of checkpoints/"
        ) from error
