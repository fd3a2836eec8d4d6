"""A stain's engines, built and measured: what `build-engines` does, and `augment` when one is missing."""

from augengine.compiling.budgets import budget_tiles, build_pairs, choose_pair, measure_pair
from augengine.compiling.generators import generators_for
from augengine.compiling.pairs import BuiltPair, compile_pairs, load_pair, seconds_a_pass
from augengine.compiling.stains import DEFAULT_SIZE, build_stains
from augengine.compiling.tiles import Tile, Tiles

__all__ = [
    "DEFAULT_SIZE",
    "BuiltPair",
    "Tile",
    "Tiles",
    "budget_tiles",
    "build_pairs",
    "build_stains",
    "choose_pair",
    "compile_pairs",
    "generators_for",
    "load_pair",
    "measure_pair",
    "seconds_a_pass",
]
