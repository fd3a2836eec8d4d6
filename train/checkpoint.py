"""Checkpoints of a training: generators as safetensors with a card, the rest in a file that holds no code.

::

    checkpoints/step-00002000/  {to,from}-reference.safetensors  card.json  state.pt    the last
    checkpoints/best-00001500/  {to,from}-reference.safetensors  card.json              the best by validation

A folder gets its name only when it is complete; the one before it goes after that.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors

from augengine.cards import DIRECTIONS, Direction
from augengine.engines.onnx_types import read_model, recipe_of, weights_of
from augengine.errors import CheckpointError, SpecError, TargetError, TrainingError
from augengine.generator import Generator, Recipe, generator_from
from train.networks import GeneratorPair
from train.recipe import TrainingRecipe

FORMAT = 1
CARD = "card.json"
STATE = "state.pt"

Kind = Literal["step", "best"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What decides every number of a training: two runs with equal values are equal.

    Attributes:
        reference: Name of the reference stain.
        stain: Name of the other.
        mpp: um/px of the images.
        recipe: How it trains.
        steps: How long.
        seed: Root of every draw.
        precision: Type of the convolutions.
        processes: How many share a step.
        data: What it is trained on, as plain json values.
    """

    reference: str
    stain: str
    mpp: float
    recipe: TrainingRecipe
    steps: int
    seed: int
    precision: str
    processes: int
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.reference == self.stain:
            raise SpecError(f"the reference and the stain differ, got {self.stain!r} for both")
        if not 0 <= self.seed < 2**63:
            raise SpecError(f"seed must be in [0, 2**63), got {self.seed}")

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            SpecError: Missing or unknown fields, or values out of range.
        """
        try:
            return cls(**{**data, "recipe": TrainingRecipe.from_json(data["recipe"])})
        except (TypeError, KeyError) as error:
            raise SpecError(f"not a training's description: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCard:
    """What a checkpoint is.

    Attributes:
        run: Its training.
        step: Steps done.
        score: Of its validation, lower is better; None if it was not measured.
        validation: The last measurement up to this step, as plain json values.
        format: Version of these fields.
    """

    run: TrainingRun
    step: int
    score: float | None = None
    validation: Mapping[str, Any] | None = None
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """As plain json values."""
        return asdict(self) | {"run": self.run.to_json()}

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The card of a checkpoint's folder.

        Raises:
            CheckpointError: Missing, unreadable, or of another version.
        """
        try:
            data = json.loads((folder / CARD).read_bytes())
            if data["format"] != FORMAT:
                raise SpecError(f"it has format {data['format']}, this version reads {FORMAT}")
            return cls(**{**data, "run": TrainingRun.from_json(data["run"])})
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError, KeyError, SpecError) as error:
            raise CheckpointError(
                f"cannot read the checkpoint's card {folder / CARD}: {error}", hint="name a folder of checkpoints/"
            ) from error


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one training, in ``folder``."""

    folder: Path

    def find(self, kind: Kind) -> Path | None:
        """The newest complete folder of a kind."""
        found = [path for path in self.folder.glob(f"{kind}-*") if (path / CARD).is_file()]
        return max(found, key=lambda path: path.name, default=None)

    def save(
        self, kind: Kind, generators: GeneratorPair, card: TrainingCard, state: Mapping[str, Any] | None = None
    ) -> Path:
        """Write a checkpoint, then remove the older ones of its kind.

        Raises:
            TargetError: It cannot be written; the older one stays.
        """
        files = {f"{direction}.safetensors": _weights(generators, direction) for direction in DIRECTIONS}
        files[CARD] = (json.dumps(card.to_json(), indent=2, ensure_ascii=False) + "\n").encode()
        if state is not None:
            files[STATE] = _to_bytes(state)
        target = self.folder / f"{kind}-{card.step:08d}"
        _publish(files, target)
        for older in self.folder.glob(f"{kind}-*"):
            if older != target:
                shutil.rmtree(older, ignore_errors=True)
        return target


def check_resumable(card: TrainingCard, run: TrainingRun) -> None:
    """Refuse to go on with other settings: the result would be neither training's.

    Raises:
        TrainingError: It names what differs.
    """
    was, now = card.run.to_json(), run.to_json()
    if changed := [name for name in was if was[name] != now[name]]:
        name = changed[0]
        raise TrainingError(
            f"the training cannot be resumed with another {name}: it was {was[name]}, now it is {now[name]}",
            hint="resume with the same options and data, or start anew elsewhere with --init-from this run",
        )


def load_state(folder: Path) -> dict[str, Any]:
    """The state beside a checkpoint's generators, read with weights only: nothing in it is run.

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


def load_generators(generators: GeneratorPair, folder: Path) -> None:
    """Put stored weights into both generators.

    Args:
        generators: Of the recipe that the weights are for.
        folder: With ``{to,from}-reference.safetensors``, or ``.onnx`` in the stored form; or the folder of a run,
            whose best checkpoint is taken, else its last.

    Raises:
        CheckpointError: Files missing, unreadable, or for another recipe.
    """
    found = Checkpoints(folder / "checkpoints")
    place = found.find("best") or found.find("step") or folder
    for direction in DIRECTIONS:
        network = _network(generators, direction)
        network.load_state_dict(_read_generator(place, direction, network.recipe).state_dict())


def load_generator(folder: Path, direction: Direction, recipe: Recipe) -> Generator:
    """One generator of a checkpoint's folder, in float32 on the CPU.

    Raises:
        CheckpointError: Missing, unreadable, or for another recipe.
    """
    file = folder / f"{direction}.safetensors"
    try:
        state = load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {file}: {error}", hint="it should be a safetensors file") from error
    return generator_from(recipe, state, str(file))


def _read_generator(folder: Path, direction: Direction, recipe: Recipe) -> Generator:
    file = folder / f"{direction}.onnx"
    if not file.is_file():
        return load_generator(folder, direction, recipe)
    model = read_model(file)
    try:
        stored = Recipe.from_json(recipe_of(model))
    except SpecError as error:
        raise CheckpointError(f"{file} carries no recipe of ours: {error}") from error
    if stored != recipe:
        raise CheckpointError(
            f"{file} has the recipe {stored}, the training has {recipe}", hint="train with --width and --blocks of it"
        )
    return generator_from(recipe, {name: torch.from_numpy(w) for name, w in weights_of(model).items()}, str(file))


def _network(generators: GeneratorPair, direction: Direction) -> Generator:
    return generators.to_reference if direction == "to-reference" else generators.from_reference


def _weights(generators: GeneratorPair, direction: Direction) -> bytes:
    state = _network(generators, direction).state_dict()
    return to_safetensors({name: tensor.contiguous().cpu() for name, tensor in state.items()})


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
