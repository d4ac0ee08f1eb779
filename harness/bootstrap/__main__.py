"""Entry point, in the syntax of every Python that might be called ``python3`` or ``python``."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036  # the one place that has to run on an old interpreter to say so
    sys.stderr.write("bootstrap: Python 3.10 or newer is needed, this is " + sys.version.split()[0] + "; ")
    sys.stderr.write("call a newer one, for example python3.11 -m harness.bootstrap\n")
    sys.exit(2)

from harness.bootstrap.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
