"""``python -m harness.incluster.services``: run until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import sys


def main() -> int:
    """Start all listeners from the environment; exit status 2 says that a variable is missing."""
    from harness.incluster.services.config import ConfigError, ServicesConfig
    from harness.incluster.services.server import run

    try:
        config = ServicesConfig.from_environ(os.environ)
    except ConfigError as error:
        print(f"harness.incluster.services: {error}", file=sys.stderr)
        return 2
    asyncio.run(run(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
