"""Images that the platform's build script leaves out by ``LABEL BUILD_IGNORE``, although something pulls them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.errors import ExtensionError
from harness.platform.missing_images import MissingImage
from harness.settings import how_to_set

if TYPE_CHECKING:
    from harness.extension import Container


def check(
    containers: Sequence[Container],
    reference_of: Callable[[Container], str],
    needs: Sequence[MissingImage],
    is_there: Callable[[str], bool],
) -> None:
    """Check that all needed images will exist although some containers are not built.

    Args:
        containers: of the tree.
        reference_of: under which pods pull a container's image.
        needs: what pods pull.
        is_there: whether an earlier delivery had an image.

    Raises:
        ExtensionError: names the first needed image that is not built, and its user.
    """
    _check_bases(containers)
    wanted = {need.reference: need for need in reversed(needs)}
    for container in containers:
        need = wanted.get(reference_of(container)) if container.ignored and not container.local else None
        if need is not None and not is_there(need.reference):
            raise ExtensionError(
                f'{container.dockerfile} has LABEL BUILD_IGNORE="True": the platform\'s build script does not build '
                f"{container.image}, and what pulls it ends in ErrImagePull",
                last_seen=f"{need.reference} is named by {need.where}",
                fix='write LABEL BUILD_IGNORE="False", or build it by hand and install the package and the images with '
                f"{how_to_set('chart')} and {how_to_set('images')}: builders and the development kit ignore "
                "the label",
            )


def _check_bases(containers: Sequence[Container]) -> None:
    """Check that no container that is built begins with a ``local-only`` one that is not."""
    for base in containers:
        name = base.local_reference
        child = next((one for one in containers if name in one.bases and not one.ignored), None)
        if base.ignored and base.local and child is not None:
            raise ExtensionError(
                f'{base.dockerfile} has LABEL BUILD_IGNORE="True": the platform\'s build script does not build {name}, '
                f"and the build of {child.image} fails where no earlier one has left it",
                last_seen=f"{child.dockerfile} begins with it",
                fix='write LABEL BUILD_IGNORE="False"',
            )
