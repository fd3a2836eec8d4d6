"""Every error that augengine raises on purpose. Each says what is wrong and, in ``hint``, what to do next.

::

    AugengineError
    ├── SpecError              a value outside its range, or options that contradict each other
    ├── StainError             an unknown stain, or a stain file that cannot be read
    ├── SourceError            an input that cannot be listed or read as a whole
    │   └── DamagedSource      one of several that is damaged or means harm; the others may be whole
    ├── ContentError           one sample that is bad: it alone is dropped, named in the report
    ├── WeightsError           generator weights that are missing or do not fit
    │   └── CheckpointError    a checkpoint that is no generator, or that holds code
    ├── EngineError            an engine that cannot be built, loaded or run
    │   ├── BackendUnavailable the package or the device of a backend is missing
    │   │   └── MissingPackage what a name or a command needs is not installed
    │   ├── WrongDevice        an engine made for another machine
    │   └── BatchTooLarge      more images than the engine's static batch
    ├── ChainError             the pipeline failed for a reason that is not a sample's content
    ├── ShardError             a shard that is malformed or does not match its report
    ├── TargetError            an output folder that cannot be written
    │   ├── TargetInUse        another run holds its lock
    │   └── PlanMismatch       it holds a dataset made from another input or another spec
    ├── WorkerError            a worker that died or could not be started
    └── TrainingError          a training that cannot begin, diverged, or cannot go on from its checkpoint
"""

from __future__ import annotations

from typing import Any


class AugengineError(Exception):
    """Base of the tree.

    Args:
        message: What is wrong: the value seen and the rule broken, in one sentence.
        hint: The next step for the user; empty if there is none.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def sentence(self) -> str:
        """The message with its hint in brackets, where one text has to say both."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.hint)


def _rebuild(kind: type[AugengineError], message: str, hint: str) -> AugengineError:
    return kind(message, hint=hint)


class SpecError(AugengineError, ValueError):
    """A value outside its range, or options that contradict each other."""


class StainError(AugengineError):
    """An unknown stain, or a stain file that cannot be read."""


class SourceError(AugengineError):
    """An input that cannot be listed or read as a whole."""


class DamagedSource(SourceError):
    """One of several inputs that is damaged or means harm; the others may be whole."""


class ContentError(AugengineError):
    """One sample that is bad; it alone is dropped and named in the report."""


class WeightsError(AugengineError):
    """Generator weights that are missing or do not fit."""


class CheckpointError(WeightsError):
    """A checkpoint that is no generator, or that holds code."""


class EngineError(AugengineError):
    """An engine that cannot be built, loaded or run."""


class BackendUnavailable(EngineError):
    """The package or the device of a backend is missing."""


class MissingPackage(BackendUnavailable, ImportError):
    """A package that a name or a command needs is not installed; importers see it as an `ImportError`."""


def missing_package(what: str, error: ModuleNotFoundError, install: str) -> Exception:
    """The error for something of ours that lacks a package of others; one of ours that is lacking is no such thing.

    Args:
        what: What cannot be used.
        error: What Python said.
        install: What `pip install` would be given.
    """
    if (error.name or "augengine").partition(".")[0] in ("augengine", "augengine_train"):
        return error
    return MissingPackage(f"{what} needs the package {error.name}", hint=f"install it: pip install {install}")


class WrongDevice(EngineError):
    """An engine made for another machine."""


class BatchTooLarge(EngineError):
    """More images than the engine's static batch."""


class ChainError(AugengineError):
    """The pipeline failed for a reason that is not a sample's content."""


class ShardError(AugengineError):
    """A shard that is malformed or does not match its report."""


class TargetError(AugengineError):
    """An output folder that cannot be written."""


class TargetInUse(TargetError):
    """Another run holds the folder's lock."""


class PlanMismatch(TargetError):
    """The folder holds a dataset made from another input or another spec."""


class WorkerError(AugengineError):
    """A worker that died or could not be started."""


class TrainingError(AugengineError):
    """A training that diverged, or that cannot go on from its checkpoint."""


EXIT_FAILURES = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130
"""Exit statuses of every command: something is bad, the input was refused, Ctrl-C or SIGTERM."""
