"""The CycleGAN generator, and the reading of checkpoints made elsewhere, with weights only."""

from augengine.generator.entries import pick_state
from augengine.generator.layout import Reading, read_state
from augengine.generator.load import Checkpoint, as_state, generator_from, load_checkpoint, read_checkpoint
from augengine.generator.network import Generator, run_generator, to_half
from augengine.weights.recipe import Padding, Recipe, RecipeName, Upsampling

__all__ = [
    "Checkpoint",
    "Generator",
    "Padding",
    "Reading",
    "Recipe",
    "RecipeName",
    "Upsampling",
    "as_state",
    "generator_from",
    "load_checkpoint",
    "pick_state",
    "read_checkpoint",
    "read_state",
    "run_generator",
    "to_half",
]
