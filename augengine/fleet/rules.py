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
        confirmations: How often a single sample must kill its worker before it is quarantined. In a simulated fleet
            two chance kills made one confirmation convict an innocent sample; three did not.
        rounds: How many searches that find no sample make the shard fail. One may be in vain: workers that are killed
            by chance lead to no sample.
        quarantined: The most samples of one shard. If more kill, the machine is to blame, and the shard fails.
        failures_in_row: How many jobs a worker may fail one after the other before it is held back.
        replacements: How often a worker that fails what others can do is replaced before its place is left empty.
        deaths_of_place: How many workers may die at a place before it is left empty. They count only if no job was
            finished there meanwhile, but one was elsewhere.
        watchdog: When a worker is taken to hang.
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
            # No replacement is a choice too: a bad worker's place is then left empty at once.
            least = 0 if each.name == "replacements" else 1
            if isinstance(value, int) and value < least:
                raise SpecError(f"{each.name} must be at least {least}, got {value}")

    def deaths_in_row(self, workers: int) -> int:
        """How many deaths in a row the run survives. A finished job ends the row; deaths of suspects do not count.

        Suspects are left out because every deadly shard costs some deaths, and a healthy run may hold many such shards.
        """
        return 8 + 4 * workers
