"""The tests of ``in_image`` need Airflow: they run inside the ``airflow`` image, started by the test beside this."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("airflow") else ["in_image/*"]
