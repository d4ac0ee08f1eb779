"""Prometheus: what pods say about themselves while they run (services 15)."""
