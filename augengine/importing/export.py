"""A generator to the stored ONNX form and its card, compared with torch after its weights were rounded."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from onnx.reference import ReferenceEvaluator

from augengine.engines.onnx_types import INPUT, OUTPUT, replace_weights, save, store_half, tidy, to_bytes
from augengine.errors import WeightsError
from augengine.generator import Generator, run_generator
from augengine.json_values import to_json
from augengine.spec import SIDE_MULTIPLE
from augengine.weights.cards import Card, Direction, Parity, digest_weights, write_card

OPSET = 20
"""The lowest with everything the exporter uses for a generator; every backend reads it."""

MAX_RMS = 0.01
"""A stored form further than this from its checkpoint (1.3 grey levels) is refused."""

_EXPORTER_LOG = "torch.onnx._internal.exporter._registration"
_DRAWN_SIDE = 128

Tile = NDArray[np.float32]
Translate = Callable[[Tile], Tile]
"""float32 (N, 3, H, W) in [-1, 1] to the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a card says that the weights do not; fields as in `augengine.weights.cards.Card`."""

    stain: str
    reference: str
    direction: Direction
    mpp: float
    training: str
    limits: str
    checkpoint_digest: str
    multiple: int = SIDE_MULTIPLE


def export_generator(
    generator: Generator, provenance: Provenance, root: Path, *, tile_nchw: Tile | None = None
) -> Card:
    """Write ``{root}/{reference}-{stain}/{direction}.onnx`` and its card.

    Args:
        generator: In float32, on the CPU.
        provenance: What the card will say of it.
        root: A folder of weights; made if missing.
        tile_nchw: float32 (1, 3, H, W) in [-1, 1] to compare with torch on; a drawn one if None.

    Returns:
        The card as written.

    Raises:
        WeightsError: Weights that float16 cannot hold or that change too much in it, or files that cannot be written.
    """
    stored = store_half(to_onnx(generator))
    parity = measure_parity(generator, stored, drawn_tile() if tile_nchw is None else tile_nchw)
    return write_generator(stored, to_json(generator.recipe), parity, provenance, root)


def write_generator(
    stored: ModelProto, recipe: Mapping[str, Any], parity: Parity, provenance: Provenance, root: Path
) -> Card:
    """Write a generator's stored form and its card; see `export_generator`.

    Args:
        stored: Its weights rounded to float16.
        recipe: Its architecture as plain json values; empty if it is not one of ours.
        parity: How well the stored form agrees with its checkpoint, as `compare` measures it.
        provenance: What the card will say of it.
        root: A folder of weights; made if missing.

    Raises:
        WeightsError: Too far from its checkpoint, or files that cannot be written.
    """
    if parity.rms > MAX_RMS:
        raise WeightsError(
            f"rounded to float16, the generator is {parity.rms:.2g} RMS off its checkpoint, accepted is {MAX_RMS}",
            hint="among its weights some are too small or too large for float16 beside the others: train it further, "
            "with weight decay",
        )
    file = root / f"{provenance.reference}-{provenance.stain}" / f"{provenance.direction}.onnx"
    _make_folder(file.parent)
    save(stored, file)
    card = Card(**asdict(provenance), recipe=recipe, weights_digest=digest_weights(file), parity=parity)
    write_card(card, file.with_suffix(".json"))
    return card


def to_onnx(generator: Generator, recipe: Mapping[str, Any] | None = None) -> ModelProto:
    """The generator as a float32 ONNX graph with dynamic sides; weights keep their names in the checkpoint.

    Args:
        generator: In float32, on the CPU.
        recipe: Its architecture as plain json values, if not its own; empty for modules that no recipe describes,
            whose weights lose their names.

    Raises:
        WeightsError: The exporter failed.
    """
    dynamic, said = torch.export.Dim.DYNAMIC, to_json(generator.recipe) if recipe is None else dict(recipe)
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                _distinct(generator) if said else generator,
                # Two images of unequal sides: the exporter takes sides of 1 and equal sides for constants.
                (torch.zeros(2, 3, 32, 24),),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},),
            )
    except (torch.onnx.OnnxExporterError, RuntimeError, ImportError) as error:
        raise WeightsError(
            f"torch could not export the generator: {error}", hint="install the extra: augengine[train]"
        ) from error
    # Only dynamo=False returns None.
    model = cast(torch.onnx.ONNXProgram, program).model_proto
    if not said:
        return tidy(model, said)
    weights = {name: tensor.numpy() for name, tensor in generator.state_dict().items()}
    return replace_weights(tidy(model, said), weights)


def measure_parity(generator: Generator, stored: ModelProto, tile_nchw: Tile) -> Parity:
    """How far the stored form is from torch on one tile, in units of the [-1, 1] range."""
    return compare(run_generator(generator, tile_nchw), run_onnx(stored, tile_nchw))


def compare(expected_nchw: Tile, found_nchw: Tile) -> Parity:
    """The difference of two outputs; a value that is not finite counts as the whole range."""
    difference = np.abs(expected_nchw.astype(np.float64) - found_nchw)
    difference = np.where(np.isfinite(difference), difference, 2.0)
    largest = float(difference.max())
    return Parity(max=largest, rms=min(largest, float(np.sqrt(np.mean(difference**2)))))  # equal ones round above


def run_onnx(model: ModelProto, x_nchw: Tile) -> Tile:
    """Run a graph once, as `open_onnx` does."""
    return open_onnx(model)(x_nchw)


def open_onnx(model: ModelProto) -> Translate:
    """A graph to be run by onnxruntime if it is installed, else by onnx's own reference (minutes at full width).

    What it returns raises a WeightsError if the graph cannot be run on the images that it is given.

    Raises:
        WeightsError: The graph cannot be run at all.
    """
    try:
        import onnxruntime
    except ImportError:
        evaluator = ReferenceEvaluator(model)
        return partial(_evaluate, evaluator)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised too
    errors = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        session = onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    except (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.NotImplemented) as error:
        hint = "export it anew, with another opset"
        raise WeightsError(f"the graph cannot be run: {_in_a_line(error)}", hint=hint) from error
    return partial(_run_session, session, errors)


def _evaluate(evaluator: ReferenceEvaluator, x_nchw: Tile) -> Tile:
    (y_nchw,) = evaluator.run(None, {INPUT: x_nchw})
    return np.asarray(y_nchw, dtype=np.float32)


def _run_session(session: Any, errors: Any, x_nchw: Tile) -> Tile:
    try:
        return np.asarray(session.run(None, {INPUT: x_nchw})[0], dtype=np.float32)
    except (errors.Fail, errors.InvalidArgument, errors.RuntimeException) as error:
        raise WeightsError(f"the graph fails at {x_nchw.shape}: {_in_a_line(error)}") from error


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def drawn_tile(seed: int = 0) -> Tile:
    """One image of `drawn_images`, 128 x 128 px."""
    return drawn_images(1, _DRAWN_SIDE, _DRAWN_SIDE, seed)


def drawn_images(count: int, height: int, width: int, seed: int = 0) -> Tile:
    """Smooth coloured blobs and fine grain, float32 (N, 3, H, W) in [-1, 1]: both scales that tissue has."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(-1, 1, (count, 3, -(-height // 16), -(-width // 16)))
    blobs = coarse.repeat(16, axis=2).repeat(16, axis=3)[:, :, :height, :width]
    return np.clip(0.8 * blobs + random.normal(0, 0.1, blobs.shape), -1, 1).astype(np.float32)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(f"cannot make {folder}: {error.strerror}", hint="choose a folder you may write") from error


def _distinct(generator: Generator) -> Generator:
    """The same architecture with drawn weights: the exporter merges equal tensors, such as biases still zero."""
    same = Generator(generator.recipe).eval()
    random = torch.Generator().manual_seed(0)
    for parameter in same.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 0.2, generator=random)
    return same.requires_grad_(requires_grad=False)


@contextmanager
def _quiet_exporter() -> Iterator[Any]:
    """Silence the exporter's remarks on a missing torchvision and on its own deprecated calls."""
    log = logging.getLogger(_EXPORTER_LOG)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        log.setLevel(level)
