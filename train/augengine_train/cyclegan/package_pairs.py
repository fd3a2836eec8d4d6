"""The package's own weights: ``augengine train weights --data DATA`` trains the pairs, measures them, replaces them.

The data folder has the layout of the ``hannover`` set: ``fields_40x/{pas,cd34}.png`` at 0.25 um/px and
``cd68_glomeruli_20x/*.png`` at 0.5. More pictures of PAS, of another laboratory, come in with ``--pas``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import click

from augengine.errors import WeightsError
from augengine.measures.verdict import DEFAULT_RULE
from augengine.pictures.files import write_png
from augengine.stains import BUILT_IN
from augengine.weights.cards import find_weights
from augengine.weights.home import SAMPLE_WEIGHTS
from augengine.weights.recipe import Upsampling
from augengine_train.cyclegan.fit import Effort, PairFit, copy_pair, train_pair
from augengine_train.cyclegan.judge import held_out_judge, score
from augengine_train.cyclegan.pairs import load_pair
from augengine_train.data import Domain, Holdout, open_domain
from augengine_train.data.matched_tiles import write_matched_tiles, write_tile
from augengine_train.loop.commands import FILE, SETTINGS, PoliteCommand, interruptible
from augengine_train.validate import Validation, measure
from augengine_train.validate.grid import sample_grid

PACKAGE_WEIGHTS = SAMPLE_WEIGHTS.parent
"""Folder of the pairs that come with augengine."""

MAX_BYTES = 24_000_000
"""What all committed weights may weigh; three pairs of width 32 with 6 blocks are 23.7 MB."""

MPP = 0.5
LIMITS = "trained on one field per stain: shows the machinery, proves nothing clinical"
NO_GLOMERULUS = "the PAS field holds no glomerulus"
MIN_DICE = DEFAULT_RULE.least_dice
_REFERENCE, _REFERENCE_FIELD, _FIELD_MPP = "pas", "fields_40x/pas.png", 0.25
_REFERENCE_NOTE = "the PAS field (Hannover, 40x) halved"
_HELD_OUT = Holdout(strip=0.2)
_SIGMAS = (0.01, 0.05, 0.1, 0.2, 0.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlan:
    """What a pair learns from.

    Attributes:
        data: File or folder within the data folder.
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
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MorePas:
    """More pictures of PAS at 0.5 um/px, of another laboratory; their colours are matched to the PAS field's.

    Attributes:
        folder: Where the pictures lie.
        left_out: Names of pictures that no training sees, to be measured on later.
    """

    folder: Path
    left_out: tuple[str, ...] = ()

    def note(self) -> str:
        """What a card says of them."""
        kept = f" without {', '.join(self.left_out)}" if self.left_out else ""
        return f"the pictures of {self.folder.name}{kept}, their colours matched to that field's in Lab"

    def write(self, field: Path, out: Path) -> Path:
        """Write the PAS field and the matched tiles into one folder of pictures, and return that.

        Raises:
            SourceError: The field or the pictures are missing, or one left out is none of them.
            TargetError: ``out`` cannot be written.
        """
        image = open_domain(str(field), name=_REFERENCE, mpp=_FIELD_MPP, target_mpp=MPP).images[0]
        pictures = self.folder / "images" if (self.folder / "images").is_dir() else self.folder
        write_matched_tiles(pictures, image, out, mpp=MPP, left_out=self.left_out)
        write_tile(out / "field.png", image, MPP)
        return out


@click.command("weights", cls=PoliteCommand, context_settings=SETTINGS)
@click.option("--data", required=True, type=FILE, help="Folder of fields_40x/ and cd68_glomeruli_20x/.")
@click.option("--pas", type=FILE, help="Folder of more PAS pictures at 0.5 um/px; their colours are matched.")
@click.option("--leave-out", multiple=True, metavar="NAME", help="Picture of --pas that is not trained on; repeatable.")
@click.option("--out", type=FILE, default=Path("runs/weights"), help="Folder of the runs, one per pair.")
@click.option(
    "--stain",
    "stains",
    multiple=True,
    type=click.Choice(list(PLANS)),
    help="Train only this stain's pair; repeatable. By default all are trained.",
)
@click.option("--steps", type=click.IntRange(1), default=16000, help="Training steps, each with one crop per stain.")
@click.option("--width", type=click.IntRange(1), default=32, help="Channels of the generators' first convolution.")
@click.option(
    "--blocks",
    type=click.IntRange(0),
    default=6,
    help="Residual blocks of the generators; 9 do not fit into the package.",
)
@click.option(
    "--upsampling",
    type=click.Choice(get_args(Upsampling)),
    default="transposed",
    help="How the generators double the sides.",
)
@click.option("--crop", type=click.IntRange(32), default=96, help="Side of a crop, in pixels.")
@click.option(
    "--identity",
    type=click.FloatRange(0),
    default=0.5,
    help="Weight of the identity losses, as a share of the cycle losses'; at 0 looks are swapped.",
)
@click.option(
    "--cycle",
    type=click.FloatRange(0),
    default=10.0,
    help="Weight of the cycle losses; more brings the reconstruction nearer, and translates with less freedom.",
)
@click.option("--seed", type=int, default=0, help="Random seed; the same seed trains the same pair.")
@click.option("--init-from", type=FILE, help="Pair to begin with: a folder of ONNX files, or a training's.")
@click.option("--resume", is_flag=True, help="Go on where an earlier call was broken off.")
@click.option(
    "--weights", type=FILE, default=PACKAGE_WEIGHTS, help="Folder of the pairs to compare with, and to replace."
)
@click.option("--replace", "replaces", is_flag=True, help="Replace the pairs that came out better.")
def main(
    data: Path,
    pas: Path | None,
    leave_out: Sequence[str],
    out: Path,
    stains: Sequence[str],
    weights: Path,
    replaces: bool,
    **effort: Any,
) -> None:
    """Train the package's pairs, compare them with the committed ones on held-out strips, replace what is better."""
    more = None if pas is None else MorePas(folder=pas, left_out=tuple(leave_out))
    better: list[str] = []
    with interruptible("the same command with --resume goes on from the last checkpoint"):
        for stain in stains or PLANS:
            reference, own = open_pair(stain, data, out, more)
            fit = PairFit(
                data=_notes(stain, more),
                markers=PLANS[stain].markers,
                limits=LIMITS if more else f"{LIMITS}; {NO_GLOMERULUS}",
            )
            train_pair(fit, reference, own, out / stain, Effort(**effort))
            new = judged(stain, reference, own, out / stain / "weights", out / stain / "held-out.png")
            old = judged(stain, reference, own, weights) if _has(stain, weights) else None
            click.echo("\n".join(["", *table(new, old)]))
            better += [stain] if is_better(new, old) else []
    click.echo(f"better than what is committed: {', '.join(better) or 'none'}")
    if replaces:
        replace_pairs(better, out, weights)


def open_pair(stain: str, data: Path, out: Path, more: MorePas | None = None) -> tuple[Domain, Domain]:
    """The reference's and the stain's domain at 0.5 um/px, with the right fifth of every picture held out.

    Raises:
        SourceError: The data are not there.
        TargetError: The matched pictures of ``more`` cannot be written to ``out``.
    """
    plan = PLANS[stain]
    field = data / _REFERENCE_FIELD
    reference = str(more.write(field, out / "data" / _REFERENCE) if more else field)
    options: dict[str, Any] = {"target_mpp": MPP, "holdout": _HELD_OUT}
    return (
        open_domain(reference, name=_REFERENCE, mpp=_FIELD_MPP, **options),
        open_domain(str(data / plan.data), name=stain, mpp=plan.mpp, **options),
    )


def _notes(stain: str, more: MorePas | None) -> dict[str, str]:
    beside = f", and {more.note()}" if more else ""
    own = f"{PLANS[stain].note}; the right fifth of all held out"
    return {"reference": f"{_REFERENCE_NOTE}{beside}", "stain": own}


def judged(stain: str, reference: Domain, own: Domain, weights: Path, grid: Path | None = None) -> Validation:
    """A stored pair's numbers on the held-out strips, and its grid if asked for."""
    pair = load_pair(_REFERENCE, stain, weights)
    networks = pair.to_reference, pair.from_reference
    if grid is not None:
        write_png(grid, sample_grid(*networks, reference.held_out, own.held_out))
    judge = held_out_judge(reference, own, BUILT_IN[stain])
    return measure(
        *networks, reference.held_out, own.held_out, BUILT_IN[stain], sigmas=_SIGMAS, threshold=judge.threshold
    )


def table(new: Validation, old: Validation | None) -> list[str]:
    """Measures of the new and the old pair side by side, one per line."""
    rows: list[tuple[str, Callable[[Validation], float | None]]] = [
        (f"cycle error of {new.reference}, L1", lambda v: v.cycle_reference.l1),
        (f"cycle error of {new.stain}, L1", lambda v: v.cycle_stain.l1),
        (f"PSNR of {new.stain}, dB", lambda v: v.cycle_stain.psnr),
        ("checkerboard over the source, dB", lambda v: v.checkerboard_db),
        ("marker Dice without noise", lambda v: v.marker_dice),
        ("marker area, real", lambda v: v.marker_area),
        ("marker area, reconstructed", lambda v: v.marker_area_cycled),
        ("contrast of the markers in A', grey levels", lambda v: v.contrast_hidden),
        ("error at the borders over that inside", lambda v: v.rim),
        *((f"agreement at sigma {s:g}", lambda v, i=i: v.agreement[i]) for i, s in enumerate(new.sigmas)),
        *(
            (f"markers {name} at sigma {s:g}", lambda v, i=i, name=name: getattr(v.objects[i], name))
            for i, s in enumerate(new.sigmas)
            if new.objects
            for name in ("kept", "lost", "new")
        ),
        *((f"response at sigma {s:g}", lambda v, i=i: v.response[i]) for i, s in enumerate(new.sigmas)),
        ("score, lower is better", score),
    ]
    head = f"{new.reference}-{new.stain}, held-out strips".ljust(46) + "new".rjust(10) + "committed".rjust(12)
    return [head, *(f"{name:46}{_cell(of(new)):>10}{_cell(of(old)) if old else '-':>12}" for name, of in rows)]


def is_better(new: Validation, old: Validation | None) -> bool:
    """Whether the new pair reaches the least Dice and has the lower score."""
    dice = new.marker_dice
    return dice is not None and dice >= MIN_DICE and (old is None or score(new) < score(old))


def replace_pairs(stains: Sequence[str], out: Path, weights: Path) -> None:
    """Copy the new pairs over the committed ones.

    Raises:
        WeightsError: All weights together would be too large for the package; nothing is copied.
        TargetError: They cannot be written.
    """
    new = {f"{_REFERENCE}-{stain}": out / stain / "weights" / f"{_REFERENCE}-{stain}" for stain in stains}
    kept = [
        file for file in weights.rglob("*") if file.is_file() and file.parent not in {weights / name for name in new}
    ]
    size = sum(file.stat().st_size for file in (*kept, *(file for folder in new.values() for file in folder.iterdir())))
    if size > MAX_BYTES:
        raise WeightsError(
            f"the weights would be {size / 1e6:.1f} MB, the package holds {MAX_BYTES / 1e6:.0f}",
            hint="train with fewer blocks or a smaller width",
        )
    for name, folder in new.items():
        copy_pair(folder, weights / name)
        click.echo(f"replaced {weights / name}")


def _has(stain: str, weights: Path) -> bool:
    return (weights / f"{_REFERENCE}-{stain}").is_dir() and bool(find_weights(_REFERENCE, stain, [weights]))


def _cell(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
