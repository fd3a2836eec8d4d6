"""The package's own weights: ``python -m train.weights --data DATA`` trains the pairs, measures them, replaces them.

The data folder has the layout of the ``hannover`` set: ``fields_40x/{pas,cd34}.png`` at 0.25 um/px and
``cd68_glomeruli_20x/*.png`` at 0.5. The pair for the sample picture learns from that picture itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from skimage.data import immunohistochemistry

from augengine.cards import find_weights
from augengine.errors import TargetError, WeightsError
from augengine.images import encode_image
from augengine.probing.verdict import DEFAULT_RULE
from augengine.stains import BUILT_IN
from train.commands import FILE, SETTINGS, PoliteCommand
from train.data import Domain, Holdout, open_domain
from train.fit import Effort, PairFit, copy_pair, train_pair
from train.grid import sample_grid, write_grid
from train.judge import held_out_judge, score
from train.pairs import load_pair
from train.validate import Validation, measure

PACKAGE_WEIGHTS = Path(__file__).parents[1] / "augengine" / "weights"
MOST_BYTES = 24_000_000
"""What all committed weights may weigh; width 32 with 6 blocks and three pairs is 23.7 MB."""

MPP = 0.5
LIMITS = "trained on one field a stain: shows the machinery, proves nothing clinical"
LEAST_DICE = DEFAULT_RULE.least_dice
_REFERENCE, _REFERENCE_FIELD, _FIELD_MPP = "pas", "fields_40x/pas.png", 0.25
_REFERENCE_NOTE = "the PAS field (Hannover, 40x) halved"
_HELD_OUT = Holdout(strip=0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """What a pair learns from.

    Attributes:
        data: Within the data folder; empty for the sample picture.
        mpp: Its um/px.
        note: What it is, for the card.
        markers: Share of the crops that are placed on markers.
    """

    data: str
    mpp: float
    note: str
    markers: float = 0.0


PLANS: Mapping[str, PairPlan] = {
    "cd34": PairPlan(data="fields_40x/cd34.png", mpp=0.25, note="the CD34 field (Hannover, 40x) halved"),
    # Macrophages cover half a percent of these patches.
    "cd68": PairPlan(
        data="cd68_glomeruli_20x",
        mpp=0.5,
        note="three CD68 glomeruli (Hannover, 20x), half the crops on markers",
        markers=0.5,
    ),
    "hdab": PairPlan(data="", mpp=0.5, note="scikit-image's H-DAB picture of colon"),
}


@click.command("python -m train.weights", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--data", required=True, type=FILE, help="Folder of fields_40x/ and cd68_glomeruli_20x/.")
@click.option("--out", type=FILE, default=Path("runs/weights"), help="A folder of runs, one a pair.")
@click.option("--stain", "stains", multiple=True, type=click.Choice(list(PLANS)), help="Only this pair; repeatable.")
@click.option("--steps", type=click.IntRange(1), default=16000, help="Steps of one crop a stain.")
@click.option("--width", type=click.IntRange(1), default=32, help="Channels of the first convolution.")
@click.option("--blocks", type=click.IntRange(0), default=6, help="Residual blocks; 9 do not fit into the package.")
@click.option("--crop", type=click.IntRange(32), default=96, help="Side of a crop, px.")
@click.option("--identity", type=click.FloatRange(0), default=0.5, help="Weight of the identity losses; 0 swaps looks.")
@click.option("--seed", type=int, default=0, help="Root of every draw.")
@click.option("--warm", is_flag=True, help="Begin with the committed weights.")
@click.option("--resume", is_flag=True, help="Go on where an earlier call was broken off.")
@click.option("--weights", type=FILE, default=PACKAGE_WEIGHTS, help="What to compare with and to replace.")
@click.option("--replace", "replaces", is_flag=True, help="Replace the pairs that came out better.")
def main(data: Path, out: Path, stains: Sequence[str], weights: Path, replaces: bool, **effort: Any) -> None:
    """Train the package's pairs, compare them with the committed ones on held-out strips, replace what is better."""
    better: list[str] = []
    for stain in stains or PLANS:
        reference, own = open_pair(stain, data, out)
        fit = PairFit(
            data={"reference": _REFERENCE_NOTE, "stain": f"{PLANS[stain].note}; the right fifth of all held out"},
            markers=PLANS[stain].markers,
            limits=LIMITS,
        )
        train_pair(fit, reference, own, out / stain, Effort(**effort), weights)
        new = judged(stain, reference, own, out / stain / "weights", out / stain / "held-out.png")
        old = judged(stain, reference, own, weights) if _has(stain, weights) else None
        click.echo("\n".join(["", *table(new, old)]))
        better += [stain] if is_better(new, old) else []
    click.echo(f"better than what is committed: {', '.join(better) or 'none'}")
    if replaces:
        replace_pairs(better, out, weights)


def open_pair(stain: str, data: Path, out: Path) -> tuple[Domain, Domain]:
    """The reference's and the stain's domain at 0.5 um/px, a strip of each held out.

    Raises:
        SourceError: The data are not there.
    """
    plan = PLANS[stain]
    own = str(data / plan.data) if plan.data else str(_write_sample(out))
    options: dict[str, Any] = {"target_mpp": MPP, "holdout": _HELD_OUT}
    return (
        open_domain(str(data / _REFERENCE_FIELD), name=_REFERENCE, mpp=_FIELD_MPP, **options),
        open_domain(own, name=stain, mpp=plan.mpp, **options),
    )


def judged(stain: str, reference: Domain, own: Domain, weights: Path, grid: Path | None = None) -> Validation:
    """A stored pair's numbers on the held-out strips, and its grid if asked for."""
    pair = load_pair(_REFERENCE, stain, weights)
    networks = pair.to_reference, pair.from_reference
    if grid is not None:
        write_grid(grid, sample_grid(*networks, reference.held_out, own.held_out))
    judge = held_out_judge(reference, own, BUILT_IN[stain])
    return measure(*networks, reference.held_out, own.held_out, BUILT_IN[stain], threshold=judge.threshold)


def table(new: Validation, old: Validation | None) -> list[str]:
    """Both side by side, a line a number."""
    rows: list[tuple[str, Callable[[Validation], float | None]]] = [
        (f"cycle error of {new.reference}, L1", lambda v: v.cycle_reference.l1),
        (f"cycle error of {new.stain}, L1", lambda v: v.cycle_stain.l1),
        ("marker Dice without noise", lambda v: v.marker_dice),
        ("marker area, real", lambda v: v.marker_area),
        ("marker area, reconstructed", lambda v: v.marker_area_cycled),
        ("contrast of the markers in A', grey levels", lambda v: v.contrast_hidden),
        ("error at the borders over that inside", lambda v: v.rim),
        *((f"agreement at sigma {s:g}", lambda v, i=i: v.agreement[i]) for i, s in enumerate(new.sigmas)),
        *((f"response at sigma {s:g}", lambda v, i=i: v.response[i]) for i, s in enumerate(new.sigmas)),
        ("score, lower is better", score),
    ]
    head = f"{new.reference}-{new.stain}, held-out strips".ljust(46) + "new".rjust(10) + "committed".rjust(12)
    return [head, *(f"{name:46}{_cell(of(new)):>10}{_cell(of(old)) if old else '-':>12}" for name, of in rows)]


def is_better(new: Validation, old: Validation | None) -> bool:
    """Whether the new pair reaches the least Dice and has the lower score."""
    dice = new.marker_dice
    return dice is not None and dice >= LEAST_DICE and (old is None or score(new) < score(old))


def replace_pairs(stains: Sequence[str], out: Path, weights: Path) -> None:
    """Copy the new pairs over the committed ones.

    Raises:
        WeightsError: All weights together would be too large for the package; nothing is copied.
        TargetError: They cannot be written.
    """
    new = {f"{_REFERENCE}-{stain}": out / stain / "weights" / f"{_REFERENCE}-{stain}" for stain in stains}
    kept = [folder for folder in weights.glob("*-*/") if folder.name not in new]
    size = sum(file.stat().st_size for folder in (*kept, *new.values()) for file in folder.iterdir())
    if size > MOST_BYTES:
        raise WeightsError(
            f"the weights would be {size / 1e6:.1f} MB, the package holds {MOST_BYTES / 1e6:.0f}",
            hint="train with fewer blocks or a smaller width",
        )
    for name, folder in new.items():
        copy_pair(folder, weights / name)
        click.echo(f"replaced {weights / name}")


def _has(stain: str, weights: Path) -> bool:
    return (weights / f"{_REFERENCE}-{stain}").is_dir() and bool(find_weights(_REFERENCE, stain, [weights]))


def _write_sample(out: Path) -> Path:
    """scikit-image's H-DAB picture as a file."""
    picture: NDArray[np.uint8] = immunohistochemistry()  # type: ignore[no-untyped-call]
    file = out / "data" / "hdab.png"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_image(picture, "png"))
    except OSError as error:
        raise TargetError(f"cannot write {file}: {error.strerror}", hint="choose an --out with room") from error
    return file


def _cell(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
