"""Kaapana's operators, one class per module of the same name (operators 1).

The platform has more of them than the harness; importing one of the others says so instead of "No module named".
"""

from __future__ import annotations

import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_NOT_YET: Final = frozenset(
    {
        "Bin2DcmOperator",
        "ClearValidationResultOperator",
        "ConnectedComponentAnalysisOperator",
        "Dcm2MetaJsonConverter",
        "DcmModifyOperator",
        "DcmQueryOperator",
        "DcmSeg2ItkOperator",
        "DcmValidatorOperator",
        "DeleteFromMetaOperator",
        "DeleteFromPacsOperator",
        "GenerateThumbnailOperator",
        "GetRefSeriesOperator",
        "HelperCaching",
        "HelperDcmWeb",
        "HelperFederated",
        "HelperMinio",
        "HelperSendEmailService",
        "Itk2DcmOperator",
        "Json2DcmSROperator",
        "Json2MetaOperator",
        "JupyterlabReportingOperator",
        "KaapanaApplicationOperator",
        "LocalAddToDatasetOperator",
        "LocalAssignDataToProjectOperator",
        "LocalAutoTriggerOperator",
        "LocalClearValidationResultOperator",
        "LocalConcatJsonOperator",
        "LocalDagTriggerOperator",
        "LocalDcm2JsonOperator",
        "LocalDcmAnonymizerOperator",
        "LocalDcmBranchingOperator",
        "LocalDeleteFromMetaOperator",
        "LocalDicomSendOperator",
        "LocalEmailSendOperator",
        "LocalFilterMasksOperator",
        "LocalGetInputDataOperator",
        "LocalGetRefSeriesOperator",
        "LocalJson2MetaOperator",
        "LocalMinioOperator",
        "LocalModifySegLabelNamesOperator",
        "LocalRemoveDicomTagsOperator",
        "LocalTaggingOperator",
        "LocalValidationResult2MetaOperator",
        "LocalVolumeMountOperator",
        "Mask2nifitiOperator",
        "MergeMasksOperator",
        "NotifyOperator",
        "Pdf2DcmOperator",
        "PyRadiomicsOperator",
        "ResampleOperator",
        "SegmentationEvaluationOperator",
        "TrainTestSplitOperator",
        "UpdateSegInfoJSONOperator",
        "ZipUnzipOperator",
    }
)


class _NotYetFinder(importlib.abc.MetaPathFinder):
    """Comes last, so it is only asked for modules that do not exist."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, module = fullname.rpartition(".")
        if package == __name__ and module in _NOT_YET:
            raise ModuleNotFoundError(
                f"the platform has {fullname}, kaapana-harness does not emulate it yet", name=fullname
            )
        return None


sys.meta_path.append(_NotYetFinder())
