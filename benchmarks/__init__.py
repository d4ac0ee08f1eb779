"""Measurements against what an author would use instead; see docs/benchmarks.md."""
