"""The generator in float16 on a GPU with everything between its convolutions fused into a few Triton kernels."""

from augengine.engines.fused.network import FusedGenerator, moments_of, why_not_fused

__all__ = ["FusedGenerator", "moments_of", "why_not_fused"]
