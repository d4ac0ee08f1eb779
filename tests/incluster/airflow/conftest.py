"""The tests of ``in_image`` need Airflow: they run inside the ``airflow`` image, started by the test beside this."""

from __future__ import annotations

import importlib.util

# the folder as a whole: its conftest changes the environment of the process that loads it
collect_ignore = [] if importlib.util.find_spec("airflow") else ["in_image"]
