"""Local end-to-end tests for workflow extensions of Kaapana.

Importing this package is cheap (the pytest plugin is loaded in every pytest run of an environment);
the public names are loaded when they are first used. This file is also read by interpreters that are too old for
everything else, before ``harness.bootstrap`` can say so: its syntax is that of all of them.
"""

__version__ = "0.1.0"
