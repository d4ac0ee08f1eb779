"""What a DAG image installs, where its Dockerfile alone does not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.artefacts import image_files
from harness.errors import ExtensionError

if TYPE_CHECKING:
    from harness.extension import DagImageContents, ExtensionSource
    from harness.platform.delivery import PodImage


def read(source: ExtensionSource, image: PodImage) -> DagImageContents:
    """Read the files out of a DAG image that was just built.

    Raises:
        ExtensionError: it installs no DAG file.
        ImageError: the engine does not hand its files out.
    """
    contents = image_files.read_contents(image.image_id, image.reference)
    if not contents.dag_files:
        raise ExtensionError(
            f"the image of {source.dag_image.dockerfile} installs no DAG file, so no DAG would appear",
            last_seen="its lines that may bring files:\n" + "\n".join(source.unread),
            fix="the DAG file belongs into /kaapana/tmp/dags/ (it must mention both airflow and dag)",
        )
    return contents
