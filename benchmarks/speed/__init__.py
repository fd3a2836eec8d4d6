"""Throughput of every stage and of the whole, beside what a user would write: ``python -m benchmarks.speed``."""

from pathlib import Path

RESULT = Path(__file__).parents[1] / "results" / "speed.json"
