"""An extension as its author wrote it, read without running anything of it."""

from harness.extension.charts import Chart
from harness.extension.contents import INSTALL_ROOT, DagImageContents, InstalledFile
from harness.extension.dockerfiles import Container
from harness.extension.operators import OperatorImage
from harness.extension.source import ExtensionSource, read

__all__ = [
    "INSTALL_ROOT",
    "Chart",
    "Container",
    "DagImageContents",
    "ExtensionSource",
    "InstalledFile",
    "OperatorImage",
    "read",
]
