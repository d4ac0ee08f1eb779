"""Constants and helpers for DAG files (runtime 4)."""
