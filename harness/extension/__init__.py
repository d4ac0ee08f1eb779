"""An extension's source tree, read without running anything of it."""

from harness.extension.charts import Chart
from harness.extension.dockerfiles import Container
from harness.extension.operators import OperatorImage
from harness.extension.source import ExtensionSource, InstalledFile, read

__all__ = ["Chart", "Container", "ExtensionSource", "InstalledFile", "OperatorImage", "read"]
