"""The CycleGAN generator, and the reading of checkpoints made elsewhere, with weights only."""

from augengine.generator.entries import pick_state
from augengine.generator.file_kind import FileKind, kind_of
from augengine.generator.layout import Reading, read_state
from augengine.generator.load import Checkpoint, as_state, generator_from, load_checkpoint, read_checkpoint
from augengine.generator.network import Generator, run_generator, to_half
from augengine.generator.readings import MAX_READINGS, Candidate, candidates
from augengine.weights.recipe import Padding, Recipe, RecipeName, Said, Upsampling

__all__ = [
    "MAX_READINGS",
    "Candidate",
    "Checkpoint",
    "FileKind",
    "Generator",
    "Padding",
    "Reading",
    "Recipe",
    "RecipeName",
    "Said",
    "Upsampling",
    "as_state",
    "candidates",
    "generator_from",
    "kind_of",
    "load_checkpoint",
    "pick_state",
    "read_checkpoint",
    "read_state",
    "run_generator",
    "to_half",
]
