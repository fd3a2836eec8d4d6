"""A stain's engines, built and measured: what `build-engines` does, and `augment` when one is missing."""

from augengine.compiling.budgets import budget_tiles, build_pairs, measure_pair
from augengine.compiling.choosing import choose_pair
from augengine.compiling.exact_engines import exact_engines
from augengine.compiling.generators import generators_for
from augengine.compiling.known_verdicts import known_verdict
from augengine.compiling.pairs import BuiltPair, build_pair, compile_pairs, engine_spec, load_pair, seconds_a_pass
from augengine.compiling.stains import DEFAULT_SIZE, build_stains
from augengine.compiling.tiles import Tile, Tiles
from augengine.compiling.tissue_tiles import showing_tissue, tiles_to_judge, to_inputs
from augengine.compiling.verdicts import find_verdict

__all__ = [
    "DEFAULT_SIZE",
    "BuiltPair",
    "Tile",
    "Tiles",
    "budget_tiles",
    "build_pair",
    "build_pairs",
    "build_stains",
    "choose_pair",
    "compile_pairs",
    "engine_spec",
    "exact_engines",
    "find_verdict",
    "generators_for",
    "known_verdict",
    "load_pair",
    "measure_pair",
    "seconds_a_pass",
    "showing_tissue",
    "tiles_to_judge",
    "to_inputs",
]
