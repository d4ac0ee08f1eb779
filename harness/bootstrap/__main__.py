"""Entry point, in the syntax of every Python that might be called ``python3`` or ``python``."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036  # the one place that has to run on an old interpreter to say so
    sys.stderr.write(
        "bootstrap: this is Python " + sys.version.split()[0] + "; Python 3.10 or newer is needed.\n"
        "bootstrap: call a newer one by its name, for example: python3.11 -m harness.bootstrap tests\n"
    )
    sys.exit(3)

from harness.bootstrap.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
