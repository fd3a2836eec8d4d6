"""Throughput of every stage and of the whole, beside what a user would write: ``python -m benchmarks.speed``."""
