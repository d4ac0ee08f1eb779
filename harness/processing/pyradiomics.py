"""Radiomics features (operators 5.10). The program of PyRadiomicsOperator.

pyradiomics has no package for the Python of this image, so what needs it ends with an error that says so.
"""

from __future__ import annotations

import os

from harness.processing.common import ProgramError, RunFolder, SkipTaskError, required


def main() -> None:
    """Skip the task unless the form's ``radiomics`` is true, as on the platform."""
    if os.environ.get("RADIOMICS", "").lower() not in ("true", "1", "t"):
        raise SkipTaskError("RADIOMICS is not true")
    run = RunFolder.from_environment()
    masks = required("OPERATOR_IN_SEGMENATIONS_DIR")
    found = sum(len(list(run.inside(run.batch, e.name, masks).glob("*.nii.gz"))) for e in run.elements())
    raise ProgramError(
        f"PyRadiomicsOperator is not emulated: the library pyradiomics cannot be installed for Python 3.12. "
        f"{found} mask(s) are waiting in {masks}. Test the workflow with the form value radiomics = false, or bring "
        f"the features in a container of your own"
    )
