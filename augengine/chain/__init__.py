"""From an encoded image to its variants: one seam (`base`), by generators (`dali`, `plain`) or without (`shuffle`)."""

from __future__ import annotations

from augengine.chain.base import Chain, ChainName, ChainSpec, Translators

__all__ = ["Chain", "ChainName", "ChainSpec", "Translators", "make_chain"]


def make_chain(name: ChainName, translators: Translators, spec: ChainSpec, *, device_id: int | None = None) -> Chain:
    """The chain of this name over two engines.

    Args:
        name: ``dali``, or ``plain``: arrays, the executable specification.
        translators: The engines of a stain.
        spec: What to draw.
        device_id: GPU of the ``dali`` chain; None on a CPU.
    """
    # Each brings its decoder and its encoder's packages along: engines and noise run where these are not installed.
    if name == "plain":
        from augengine.chain.plain import PlainChain

        return PlainChain(translators, spec)
    from augengine.chain.dali import DaliChain

    return DaliChain(translators, spec, device_id=device_id)
