"""kaapana-backend: workflow start, jobs, datasets, forms, results (services 12.1, runtime 10)."""

from harness.incluster.services.backend.routes import Backend

__all__ = ["Backend"]
