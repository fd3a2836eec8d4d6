"""The online rule: which variant of a source a training epoch shows."""

from __future__ import annotations

from augengine.draws.philox import Stream, derive_key, draw_uniform
from augengine.errors import SpecError


def pick(variants: int, p: float, seed: int, key: str, epoch: int) -> int:
    """Which variant of a source to show in an epoch; 0 is the source itself.

    With probability ``p`` one of the variants, each as likely as the others, else the source: the paper
    augments each sample with p = 0.5, online. The draw is keyed, so every reader and worker of an epoch agrees.

    Args:
        variants: How many variants the source has; 0 always gives 0.
        p: Probability of showing a variant, in [0, 1].
        seed: The training run's seed.
        key: The source's key (``source_key`` in a sample's json).
        epoch: 0, 1, 2, ...

    Returns:
        0 ... ``variants``.

    Raises:
        SpecError: ``p`` outside [0, 1], or a negative ``variants`` or ``epoch``.
    """
    if not 0 <= p <= 1:
        raise SpecError(f"p must be in [0, 1], got {p}", hint="the paper uses p = 0.5")
    if variants < 0 or epoch < 0:
        raise SpecError(f"variants and epoch cannot be negative, got {variants} and {epoch}")
    # (0, 1] -> [0, 1): p = 0 never augments, p = 1 always does.
    draw = 1.0 - draw_uniform(derive_key(seed, key), epoch, Stream.ONLINE)
    if variants == 0 or draw >= p:
        return 0
    which = 1.0 - draw_uniform(derive_key(seed, key), epoch, Stream.ONLINE, index=1)
    return 1 + int(which * variants)


def pick_fresh(p: float, seed: int, key: str, epoch: int) -> int:
    """Which variant to show where every epoch has one of its own: epoch e shows variant e + 1, or the source.

    The coin is that of `pick`, so the two rules augment the same samples in the same epochs. Here no variant is ever
    shown twice, as in the paper, whose noise is drawn anew each time; shards written ahead need as many variants
    as the training has epochs. A loader that augments while it trains makes just this one variant, two passes.

    Args:
        p: Probability of showing a variant, in [0, 1].
        seed: The training run's seed.
        key: The source's key (``source_key`` in a sample's json).
        epoch: 0, 1, 2, ...

    Returns:
        0, or ``epoch + 1``.

    Raises:
        SpecError: ``p`` outside [0, 1], or a negative ``epoch``.
    """
    return epoch + 1 if pick(1, p, seed, key, epoch) else 0
