"""From an encoded image to its variants: one seam (`base`), two implementations (`dali`, `plain`)."""

from __future__ import annotations

from typing import Literal

from augengine.chain.base import Chain, ChainSpec, Translators
from augengine.chain.plain import PlainChain

ChainName = Literal["dali", "plain"]


def make_chain(name: ChainName, translators: Translators, spec: ChainSpec, *, device_id: int | None = None) -> Chain:
    """The chain of this name over two engines.

    Args:
        name: ``dali``, or ``plain``: arrays, the executable specification.
        translators: The engines of a stain.
        spec: What to draw.
        device_id: GPU of the ``dali`` chain; None on a CPU.
    """
    if name == "plain":
        return PlainChain(translators, spec)
    from augengine.chain.dali import DaliChain  # DALI takes 0.6 s to import

    return DaliChain(translators, spec, device_id=device_id)
