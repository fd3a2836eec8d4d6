"""What is left of the package's first weights, from its checkpoints: ``python -m train.export_first_pairs FOLDER``.

The folder holds ``pas-hdab/{to-reference,from-reference}.safetensors``; `train.weights` made the other pairs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import data as pictures

from augengine.cards import DIRECTIONS, Direction, file_digest
from augengine.chain.translate import normalise
from augengine.errors import AugengineError
from augengine.export import Provenance, export_generator
from augengine.generator import load_checkpoint

PACKAGE_WEIGHTS = Path(__file__).parents[1] / "augengine" / "weights"

MPP = 0.5
LIMITS = "trained on one field a stain: shows the machinery, proves nothing clinical"

_FAULTS = "Known faults: a coloured rim of 2-3 pixels along the borders, faint grids, few tissue types."
_METHOD = (
    "CycleGAN with LSGAN loss, cycle weight 10, no identity loss, pool of 50 images, Adam 2e-4 (0.5, 0.999), linear "
    "decay in the second half, batch 1, bfloat16 autocast, flips and quarter turns, on two CPU cores."
)

FIRST_PAIRS = {
    "hdab": (
        "The PAS field (Hannover, 40x, halved) and scikit-image's H-DAB picture of colon (right fifth of both held "
        "out), started from the cd34 pair; 3000 steps of 96 px crops. On that picture, in a window partly held out: "
        "reconstruction marker Dice 0.86, two draws agree 0.94 at sigma 0.05, 0.77 at 0.3. Made for the sample picture."
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Export them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.export_first_pairs", description=__doc__)
    parser.add_argument("checkpoints", type=Path, help="folder of pas-*/{to,from}-reference.safetensors")
    parser.add_argument(
        "--out", type=Path, default=PACKAGE_WEIGHTS, help="root of the weights (default: the package's)"
    )
    options = parser.parse_args(arguments)
    try:
        for stain in FIRST_PAIRS:
            for direction in DIRECTIONS:
                export_first(options.checkpoints, options.out, stain, direction)
    except AugengineError as error:
        print(f"{error}\n{error.hint}", file=sys.stderr)
        return 2
    return 0


def export_first(checkpoints: Path, out: Path, stain: str, direction: Direction) -> None:
    """Export one generator and print how far it is from its checkpoint."""
    checkpoint = checkpoints / f"pas-{stain}" / f"{direction}.safetensors"
    provenance = Provenance(
        stain=stain,
        reference="pas",
        direction=direction,
        mpp=MPP,
        training=f"{FIRST_PAIRS[stain]} {_METHOD} {_FAULTS}",
        limits=LIMITS,
        checkpoint_digest=file_digest(checkpoint),
    )
    card = export_generator(load_checkpoint(checkpoint), provenance, out, tile_nchw=real_tile())
    print(f"pas-{stain} {direction}: max {card.parity.max:.1e}, RMS {card.parity.rms:.1e} from the checkpoint")


def real_tile() -> NDArray[np.float32]:
    """The middle of scikit-image's H-DAB picture, float32 (1, 3, 256, 256) in [-1, 1]."""
    picture: NDArray[Any] = pictures.immunohistochemistry()  # type: ignore[no-untyped-call]
    return normalise([picture[128:384, 128:384]])


if __name__ == "__main__":
    raise SystemExit(main())
