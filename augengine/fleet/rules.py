"""When a job is given up, a sample quarantined, a worker left out: the numbers, in two frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from augengine.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """How long a worker that holds jobs may finish no sample before it is taken for dead.

    The measure is the run's own: ``multiple`` times the longest that any worker has taken between two samples, and
    at least ``floor_seconds``. So a slow machine has as much more time as it is slower.

    Attributes:
        floor_seconds: Never less than this: a large shard on slow storage takes minutes to publish.
        multiple: Factor on the longest time between two samples so far. For a worker's first sample, which includes
            loading the engines, it is a factor on the longest time that a first one took.
        first_seconds: Until any worker has finished a sample there is no measure, and this is waited.
    """

    floor_seconds: float = 300.0
    multiple: float = 20.0
    first_seconds: float = 1800.0

    def __post_init__(self) -> None:
        for each in fields(self):
            if not (value := getattr(self, each.name)) > 0:
                raise SpecError(f"{each.name} must be positive, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is done about faults.

    Attributes:
        tries: How often a job may fail, or kill its worker while it runs alone.
        confirmations: How often a single sample must kill its worker before it is quarantined.
        rounds: How often the sample is looked for, if none is found: a worker killed by chance leads nowhere.
        quarantined: Most samples of one shard; beyond, the machine is to blame, and the shard fails.
        failures_in_row: Jobs that a worker fails one after the other before it is held back.
        replacements: How often a worker that fails what others can do is replaced before its place is left empty.
        deaths_of_place: Deaths at one place, no job finished there but some elsewhere, before it is left empty.
        watchdog: When a worker hangs.
    """

    tries: int = 3
    confirmations: int = 3
    rounds: int = 3
    quarantined: int = 10
    failures_in_row: int = 3
    replacements: int = 1
    deaths_of_place: int = 6
    watchdog: Watchdog = field(default_factory=Watchdog)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int) and value < (each.name != "replacements"):
                raise SpecError(f"{each.name} must be at least 1, got {value}")

    def deaths_in_row(self, workers: int) -> int:
        """Deaths of that many workers, nothing done between them, that end the run; those of suspects not counted."""
        return 8 + 4 * workers
