"""What ``augengine train unet`` was asked for, and the training that follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augengine.errors import SpecError
from augengine.progress import Watcher
from augengine.spec import NoiseSpec
from augengine.stains import Stain, find_stain
from augengine.weights.home import home
from augengine_train.cyclegan.step import PrecisionOption
from augengine_train.unet.cohort import Cohort, Tiles, open_cohort, parse_classes
from augengine_train.unet.fit import Fit
from augengine_train.unet.left_out import leave_out
from augengine_train.unet.online import digest_pair, open_translators
from augengine_train.unet.recipe import UnetRecipe, find_recipe
from augengine_train.unet.stored import count_stored
from augengine_train.unet.variants import OnlineVariants, Rule, StoredVariants, Variants

FRESH = "fresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command was asked for; each field is an option."""

    data: Sequence[str]
    patients: Path | None
    train: Sequence[str]
    validation: Sequence[str]
    test: Sequence[str]
    out: Path
    without: Path | None
    stain: str | None
    recipe: str
    width: int | None
    depth: int | None
    shrink: int | None
    crop: int | None
    batch: int | None
    epochs: int | None
    steps: int | None
    classes: str
    variants: str | None
    skip_classes: Sequence[str]
    online: bool
    eps: float | None
    noise_seed: int
    weights: Path | None
    seed: int
    precision: PrecisionOption
    resume: bool
    measure_only: bool

    def named_stain(self) -> Stain | None:
        """The stain that it names, if any; errors as `augengine.stains.find_stain`."""
        return find_stain(self.stain, home() / "stains") if self.stain else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What there is to train on and to measure.

    Attributes:
        cohort: Its tiles, without those that are left out.
        source: What `augengine augment` would be given: all tiles of the data, or of the training shards.
    """

    cohort: Cohort
    source: Tiles


def find_material(order: Order, watcher: Watcher) -> Material:
    """The tiles that an order names.

    Raises:
        SpecError, SourceError, StainError: They cannot be found, or do not fit each other.
    """
    cohort = open_cohort(order.data, order.patients, train=order.train, validation=order.validation, test=order.test)
    source = cohort.tiles if order.data else cohort.train
    if cohort.doubt:
        watcher.warn(cohort.doubt)
    if order.without is not None:
        stain = order.named_stain()
        cohort = leave_out(cohort, order.without, stain.name if stain else None)
        watcher.note("tiles that eps was chosen on are left out")
    if order.skip_classes:
        cohort = cohort.passing_over(order.skip_classes)
        passed = sum(1 for tile in cohort.train if tile.passed)
        watcher.note(f"{passed} of {len(cohort.train)} training tiles are always shown as they are")
    return Material(cohort=cohort, source=source)


def make_fit(order: Order, material: Material, watcher: Watcher) -> Fit:
    """The fit that an order asks for; its engines are compiled and its variants counted.

    Raises:
        AugengineError: It makes no sense, or there are no generators for it.
    """
    sizes = {name: getattr(order, name) for name in ("width", "depth", "shrink", "crop", "batch", "epochs")}
    recipe = find_recipe(order.recipe).with_changes(**sizes)
    stain = order.named_stain()
    variants, made = _variants(order, material.source, stain, watcher)
    return Fit(
        cohort=material.cohort,
        rule=_rule(order, material.cohort, recipe, watcher),
        variants=variants,
        recipe=recipe,
        out=order.out,
        classes=parse_classes(order.classes),
        stain=stain,
        steps=order.steps,
        augmented=made,
        precision=order.precision,
    )


def _rule(order: Order, cohort: Cohort, recipe: UnetRecipe, watcher: Watcher) -> Rule:
    text = order.variants or (FRESH if order.online else None)
    if text is None:
        number, line = count_stored(cohort.train)
        watcher.note(line)
        return Rule(variants=number, p=recipe.p, seed=order.seed, at_most=True)
    if text != FRESH and not text.isdecimal():
        raise SpecError(f"--variants is a number or fresh, got {text!r}", hint="0 shows no variants")
    return Rule(variants=None if text == FRESH else int(text), p=recipe.p, seed=order.seed)


def _variants(order: Order, source: Tiles, stain: Stain | None, watcher: Watcher) -> tuple[Variants, str]:
    """Where variants come from, and in words what they are."""
    if not order.online:
        return StoredVariants(), "written ahead"
    if stain is None:
        raise SpecError("augmenting online needs the stain", hint="say --stain, as in --stain cd68")
    noise = NoiseSpec(eps=_eps(order.eps, stain, watcher), seed=order.noise_seed)
    digests = "/".join(digest_pair(stain, order.weights).values())
    translators = open_translators(stain, source, order.weights, on_note=watcher.note, on_warn=watcher.warn)
    made = f"online, eps {noise.eps:g}, noise seed {noise.seed}, {translators.width} x {translators.height} px"
    return OnlineVariants(translators, noise), f"{made}, generators {digests}"


def _eps(asked: float | None, stain: Stain, watcher: Watcher) -> float:
    eps = asked if asked is not None else stain.recommended_eps
    if eps is None:
        raise SpecError(f"nobody measured an eps for {stain.name}", hint="give --eps; the paper's best value is 0.05")
    if stain.realistic_eps is not None and eps > stain.realistic_eps:
        watcher.warn(f"eps {eps:g} is above {stain.realistic_eps:g}, where {stain.name} stops looking real")
    return eps
